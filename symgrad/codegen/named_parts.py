"""Parts of array programs as people write them: logarithms of probabilities with a name, and maxima of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sympy import log

from symgrad.codegen.array_program import (
    Assign,
    Call,
    Largest,
    Load,
    Negative,
    Node,
    Product,
    Reduce,
    Terms,
    mapped,
    numbered,
    walk,
)
from symgrad.codegen.identifiers import free
from symgrad.codegen.operations import parted


def logarithms_named(
    program: Sequence[Assign], exponentials: Mapping[str, str], names: dict[str, str], taken: set[str]
) -> list[Assign]:
    """The program with logarithms of probabilities P = E / S, which are exponents minus log S, in an array log_P."""
    exponents = {a.name: a.node.operands[0] for a in program if a.name in exponentials and isinstance(a.node, Call)}
    lines = list(program)
    for a in program:
        match a.node:
            case Product(_, (Load(_, top),), (Load(_, total),)) if exponentials.get(top) == total:
                lines = [replace(line, node=_apart(line.node, exponents[top], total)) for line in lines]
                parts = [p for line in lines for p in walk(line.node) if _is_logarithm(p, exponents[top], total)]
                same = [part for part in parts if numbered(part)[0] == numbered(parts[0])[0]]
                if same:
                    name = free(f"log_{names[a.name]}", taken)
                    names[name] = name
                    first = next(n for n, line in enumerate(lines) if parts[0] in walk(line.node))
                    known: dict[Node, Node] = {part: Load(part.letters, name, part.letters) for part in same}
                    lines = [replace(line, node=mapped(line.node, known)) for line in lines]
                    lines.insert(first, Assign(name, parts[0].letters, parts[0]))
    return lines


def _apart(node: Node, exponent: Node, total: str) -> Node:
    """A node with the two terms of the logarithm of a probability, among other terms, in a sum of their own."""
    node = mapped(node, {arg: _apart(arg, exponent, total) for arg in node.args})
    if not isinstance(node, Terms) or len(node.terms) == 2:
        return node
    for minus, term in map(parted, node.terms):
        for other_minus, other in map(parted, node.terms):
            pair = Terms(term.letters, (term, Negative(other.letters, other)))
            if minus != other_minus and _is_logarithm(pair, exponent, total):
                rest = tuple(t for t in node.terms if parted(t)[1] not in (term, other))
                return replace(node, terms=(*rest, Negative(pair.letters, pair) if minus else pair))
    return node


def with_maxima(program: Sequence[Assign]) -> list[Assign]:
    """The program with the sum of a row's entries times their shares in its largest as the maximum of the row."""
    lines = list(program)
    for position, a in enumerate(program):
        for b in program[:position]:
            match a.node, b.node:
                case (
                    Reduce(letters, Product(_, (Load(_, one, at), Load(_, other, same)), ()), (index,), ""),
                    Largest(_, Load(_, of), along),
                ) if {one, other} == {of, b.name} and at == same and at[b.letters.index(along)] == index:
                    lines.remove(a)
                    largest = Reduce(letters, Load(at, of, at), (index,), a.name)
                    lines.insert(lines.index(b), replace(a, node=largest))
    return lines


def _is_logarithm(node: Node, exponent: Node, total: str) -> bool:
    """Whether a node is the exponent of a shifted exponential minus the logarithm of the sum of these."""
    match node:
        case Terms(_, (one, Negative(_, Call(_, function, (Load(_, name),))))):
            return function is log and name == total and numbered(one)[0] == numbered(exponent)[0]
    return False
