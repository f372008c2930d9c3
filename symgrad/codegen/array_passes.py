"""Passes over array programs: inverses become linear systems, long expressions are split, dead arrays reused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from symgrad.codegen import array_program as ir
from symgrad.codegen.operations import is_matrix_product, parted
from symgrad.matrix_functions import inverse

LONGEST = 92
"""A longer expression, in characters, gets a line for its longest part."""
SHORT = 16
"""A part of at most this length stays."""


def owns_memory(node: ir.Node) -> bool:
    """Whether a node is computed into memory of its own; an array by another name, or a diagonal, is a view."""
    return owns_memory(node.of) if isinstance(node, ir.Diagonal) else not isinstance(node, ir.Load)


def in_place(program: Sequence[ir.Assign], kept: Collection[str], helpers: Collection[str]) -> list[ir.Assign]:
    """Write arrays of several axes into the memory of dead arrays, which is likely to be in the cache. The memory of
    ``kept`` arrays (inputs and results) is not reused. A helper that is another array minus something keeps that
    array's name."""
    last = {name: position for position, assign in enumerate(program) for name in ir.loads(assign.node)}
    free: set[str] = set()  # arrays whose memory may be reused
    views: dict[str, set[str]] = {}  # for each view, the arrays whose memory it may share
    assignments: list[ir.Assign] = []
    for position, assign in enumerate(program):
        old = _taken(assign, free)
        alive = {view for view, of in views.items() if old in of and last.get(view, position) > position}
        if old and last[old] == position and old not in kept and not alive:
            free.remove(old)  # its memory now belongs to the result
            keeps = assign.name in helpers and isinstance(assign.node, ir.Terms)
            assign = replace(assign, into=old, keeps_name=keeps)
        assignments.append(assign)
        if owns_memory(assign.node):
            free.add(assign.name)
        else:
            named = ir.loads(assign.node)
            views[assign.name] = named.union(*(views.get(name, set()) for name in named))
    return assignments


def _taken(assign: ir.Assign, free: Collection[str]) -> str:
    """The name of the left array of an operation on two arrays if it has the axes and layout of the result."""
    node, (operator, _) = assign.node, second_operand(assign.node)
    first = node.args[0] if operator else None
    if not isinstance(first, ir.Load) or first.name not in free or len(node.letters) < 2:
        return ""
    return first.name if first.letters == node.letters == assign.letters else ""


def second_operand(node: ir.Node) -> tuple[str, ir.Node]:
    """The ufunc and right operand of a sum of two terms, or a product or quotient of two; "" for other nodes."""
    if isinstance(node, ir.Terms) and len(node.terms) == 2:
        negative, other = parted(node.terms[1])
        return "subtract" if negative else "add", other
    if isinstance(node, ir.Product) and len(node.above) == 2 and not node.below:
        return "multiply", node.above[1]
    if isinstance(node, ir.Product) and len(node.above) == 1 and node.below:
        letters = tuple(i for i in node.letters if any(i in f.letters for f in node.below))
        return "divide", node.below[0] if len(node.below) == 1 else ir.Product(letters, node.below, ())
    return "", node


def hoisted(
    assign: ir.Assign, length: Callable[[ir.Node], int], fresh: Callable[[], str], longest_line: int = LONGEST
) -> list[ir.Assign]:
    """Split the longest parts off a long assignment, by their ``length`` in source; ``fresh`` names a part."""
    lines: list[ir.Assign] = []

    def shortened(node: ir.Node) -> ir.Node:
        node = ir.mapped(node, {arg: shortened(arg) for arg in node.args})
        while length(node) > longest_line and (parts := [part for part in _parts(node) if length(part) > SHORT]):
            longest = max(parts, key=length)
            name = fresh()
            lines.append(ir.Assign(name, longest.letters, longest))
            node = ir.mapped(node, {longest: ir.Load(longest.letters, name, longest.letters)})
        return node

    node = shortened(assign.node)
    return [*lines, replace(assign, node=node)]


def _parts(node: ir.Node) -> Iterator[ir.Node]:
    """The operands of an expression without signs; for a sum over axes, its factors or terms."""
    for arg in node.args:
        part = parted(arg)[1]
        if isinstance(node, (ir.Reduce, ir.Negative)) and isinstance(part, (ir.Product, ir.Terms)):
            yield from _parts(part)
        elif not isinstance(part, (ir.Load, ir.Number)):
            yield part


Inverses = Mapping[str, ir.OfMatrix]
"""The arrays that are inverses, each with its equation."""


def inverses(program: Iterable[ir.Assign]) -> Inverses:
    """The inverses among the arrays of a program."""
    nodes = {assign.name: assign.node for assign in program}
    return {name: node for name, node in nodes.items() if isinstance(node, ir.OfMatrix) and node.function is inverse}


def solved(node: ir.Node, known: Inverses) -> ir.Node:
    """The node with its products of an inverse and another matrix or vector as solutions of linear systems."""
    node = ir.mapped(node, {arg: solved(arg, known) for arg in node.args}) if known else node
    if isinstance(node, ir.Contract) and len(node.factors) == 2:
        left, right = node.factors
        for factor, other in ((left, right), (right, left)):
            is_product = is_matrix_product(left.letters, right.letters, node.over)
            if is_product and isinstance(factor, ir.Load) and factor.name in known:
                of = known[factor.name]
                matrix = ir.relettered(of.of, dict(zip(of.over, factor.at[::-1], strict=True)))
                assert isinstance(matrix, ir.Load)
                return ir.Solve(node.letters, matrix, other, node.over, factor.name)
    return node


def without_unread(program: Sequence[ir.Assign], results: Iterable[ir.Node], known: Inverses) -> list[ir.Assign]:
    """The program without the inverses that nothing reads."""
    read = set[str]().union(*map(ir.loads, [*(assign.node for assign in program), *results]))
    return [assign for assign in program if assign.name in read or assign.name not in known]
