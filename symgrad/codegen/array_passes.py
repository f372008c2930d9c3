"""Passes over array programs: inverses become linear systems, long expressions are split, dead arrays are reused;
and for lines that people read, the names of a softmax, means, maxima of rows, and named log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import log

from symgrad.codegen import array_program as ir
from symgrad.codegen.identifiers import free
from symgrad.codegen.operations import is_matrix_product, parted
from symgrad.matrix_functions import inverse

LONGEST = 92
"""A longer expression, in characters, gets a line for its longest part."""
SHORT = 16
"""A part of at most this length stays."""
Inverses = Mapping[str, ir.OfMatrix]
"""The arrays that are inverses, each with its equation."""


def owns_memory(node: ir.Node) -> bool:
    """Whether a node is computed into memory of its own; an array by another name, or a diagonal, is a view."""
    return owns_memory(node.of) if isinstance(node, ir.Diagonal) else not isinstance(node, ir.Load)


def in_place(program: Sequence[ir.Assign], kept: Collection[str], helpers: Collection[str]) -> list[ir.Assign]:
    """Write arrays of several axes into the memory of dead arrays, which is likely to be in the cache. The memory of
    ``kept`` arrays (inputs and results) is not reused. A helper that is another array minus something keeps that
    array's name."""
    last = {name: position for position, assign in enumerate(program) for name in ir.loads(assign.node)}
    reusable: set[str] = set()  # arrays whose memory may be reused
    views: dict[str, set[str]] = {}  # for each view, the arrays whose memory it may share
    assignments: list[ir.Assign] = []
    for position, assign in enumerate(program):
        old = _taken(assign, reusable)
        alive = {view for view, of in views.items() if old in of and last.get(view, position) > position}
        if old and last[old] == position and old not in kept and not alive:
            reusable.remove(old)  # its memory now belongs to the result
            keeps = assign.name in helpers and isinstance(assign.node, ir.Terms)
            assign = replace(assign, into=old, keeps_name=keeps)
        assignments.append(assign)
        if owns_memory(assign.node):
            reusable.add(assign.name)
        else:
            named = ir.loads(assign.node)
            views[assign.name] = named.union(*(views.get(name, set()) for name in named))
    return assignments


def _taken(assign: ir.Assign, reusable: Collection[str]) -> str:
    """The name of the left array of an operation on two arrays if it has the axes and layout of the result."""
    node, (operator, _) = assign.node, second_operand(assign.node)
    first = node.args[0] if operator else None
    if not isinstance(first, ir.Load) or first.name not in reusable or len(node.letters) < 2:
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


# --- lines that people read ------------------------------------------------------------------------------------------


def conventional_names(
    program: Sequence[ir.Assign], exponentials: Mapping[str, str], taken: Sequence[str]
) -> dict[str, str]:
    """The names of a softmax in the lines, P = E / E_sum; if E is taken, E_P; its shifted logits likewise. The sum is
    not the S of the lines of the derivation, which has exponentials that are not shifted."""
    better = dict[str, str]()
    for exponential in exponentials:
        owners = [
            a.name
            for a in program
            for f in a.node.args
            if isinstance(a.node, ir.Product) and exponential in ir.loads(f)
        ]
        exponents = [ir.loads(a.node) for a in program if a.name == exponential]
        parts = [exponential, *(name for names in exponents for name in names if "shifted" in name)]
        better |= {name: f"{name.rstrip('0123456789')}_{owners[0]}" for name in parts if owners and name[-1].isdigit()}
    better |= {total: f"{better.get(name, name)}_sum" for name, total in exponentials.items() if total}
    return {name: new for name, new in better.items() if new not in taken}


def logarithms_named(
    program: Sequence[ir.Assign], exponentials: Mapping[str, str], names: dict[str, str], taken: set[str]
) -> list[ir.Assign]:
    """The program with logarithms of probabilities P = E / S, which are exponents minus log S, in an array log_P."""
    exponents = {a.name: a.node.operands[0] for a in program if a.name in exponentials and isinstance(a.node, ir.Call)}
    lines = list(program)
    for a in program:
        match a.node:
            case ir.Product(_, (ir.Load(_, top),), (ir.Load(_, total),)) if exponentials.get(top) == total:
                lines = [replace(line, node=_apart(line.node, exponents[top], total)) for line in lines]
                parts = [p for line in lines for p in ir.walk(line.node) if _is_logarithm(p, exponents[top], total)]
                same = [part for part in parts if ir.numbered(part)[0] == ir.numbered(parts[0])[0]]
                if same:
                    name = free(f"log_{names[a.name]}", taken)
                    names[name] = name
                    first = next(n for n, line in enumerate(lines) if parts[0] in ir.walk(line.node))
                    known: dict[ir.Node, ir.Node] = {part: ir.Load(part.letters, name, part.letters) for part in same}
                    lines = [replace(line, node=ir.mapped(line.node, known)) for line in lines]
                    lines.insert(first, ir.Assign(name, parts[0].letters, parts[0]))
    return lines


def _apart(node: ir.Node, exponent: ir.Node, total: str) -> ir.Node:
    """A node with the two terms of the logarithm of a probability, among other terms, in a sum of their own."""
    node = ir.mapped(node, {arg: _apart(arg, exponent, total) for arg in node.args})
    if not isinstance(node, ir.Terms) or len(node.terms) == 2:
        return node
    for minus, term in map(parted, node.terms):
        for other_minus, other in map(parted, node.terms):
            pair = ir.Terms(term.letters, (term, ir.Negative(other.letters, other)))
            if minus != other_minus and _is_logarithm(pair, exponent, total):
                rest = tuple(t for t in node.terms if parted(t)[1] not in (term, other))
                return replace(node, terms=(*rest, ir.Negative(pair.letters, pair) if minus else pair))
    return node


def with_maxima(program: Sequence[ir.Assign]) -> list[ir.Assign]:
    """The program with the sum of a row's entries times their shares in its largest as the maximum of the row."""
    lines = list(program)
    for position, a in enumerate(program):
        for b in program[:position]:
            match a.node, b.node:
                case (
                    ir.Reduce(letters, ir.Product(_, (ir.Load(_, one, at), ir.Load(_, other, same)), ()), (index,), ""),
                    ir.Largest(_, ir.Load(_, of), along),
                ) if {one, other} == {of, b.name} and at == same and at[b.letters.index(along)] == index:
                    lines.remove(a)
                    largest = ir.Reduce(letters, ir.Load(at, of, at), (index,), a.name)
                    lines.insert(lines.index(b), replace(a, node=largest))
    return lines


def _is_logarithm(node: ir.Node, exponent: ir.Node, total: str) -> bool:
    """Whether a node is the exponent of a shifted exponential minus the logarithm of the sum of these."""
    match node:
        case ir.Terms(_, (one, ir.Negative(_, ir.Call(_, function, (ir.Load(_, name),))))):
            return function is log and name == total and ir.numbered(one)[0] == ir.numbered(exponent)[0]
    return False


@dataclass(frozen=True)
class Mean(ir.Reduce):
    """The mean along axes."""


def with_means(node: ir.Node) -> ir.Node:
    """Write sums over axes that are divided by the sizes of these axes as means."""
    node = ir.mapped(node, {arg: with_means(arg) for arg in node.args})
    if not isinstance(node, ir.Product):
        return node
    for total in node.above:
        if isinstance(total, ir.Reduce) and not total.largest:
            counts = [ir.number(index.upper + 1) for index in total.over]
            if all(counts.count(count) <= node.below.count(count) for count in counts):
                mean = Mean(total.letters, total.of, total.over)
                above = tuple(mean if factor is total else factor for factor in node.above)
                below = tuple(factor for factor in node.below if factor not in counts)
                return ir.Product(node.letters, above, below) if above[1:] or below else mean
    return node
