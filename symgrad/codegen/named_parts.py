"""Array programs as people write them: the names of a softmax, means, maxima of rows, named log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    loads,
    mapped,
    number,
    numbered,
    walk,
)
from symgrad.codegen.identifiers import free
from symgrad.codegen.operations import parted


def conventional_names(
    program: Sequence[Assign], exponentials: Mapping[str, str], taken: Sequence[str]
) -> dict[str, str]:
    """The names of a softmax in the lines, P = E / E_sum; if E is taken, E_P; its shifted logits likewise. The sum is
    not the S of the lines of the derivation, which has exponentials that are not shifted."""
    better = dict[str, str]()
    for exponential in exponentials:
        owners = [
            a.name for a in program for f in a.node.args if isinstance(a.node, Product) and exponential in loads(f)
        ]
        exponents = [loads(a.node) for a in program if a.name == exponential]
        parts = [exponential, *(name for names in exponents for name in names if "shifted" in name)]
        better |= {name: f"{name.rstrip('0123456789')}_{owners[0]}" for name in parts if owners and name[-1].isdigit()}
    better |= {total: f"{better.get(name, name)}_sum" for name, total in exponentials.items() if total}
    return {name: new for name, new in better.items() if new not in taken}


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


@dataclass(frozen=True)
class Mean(Reduce):
    """The mean along axes."""


def with_means(node: Node) -> Node:
    """Write sums over axes that are divided by the sizes of these axes as means."""
    node = mapped(node, {arg: with_means(arg) for arg in node.args})
    if not isinstance(node, Product):
        return node
    for total in node.above:
        if isinstance(total, Reduce) and not total.largest:
            counts = [number(index.upper + 1) for index in total.over]
            if all(counts.count(count) <= node.below.count(count) for count in counts):
                mean = Mean(total.letters, total.of, total.over)
                above = tuple(mean if factor is total else factor for factor in node.above)
                below = tuple(factor for factor in node.below if factor not in counts)
                return Product(node.letters, above, below) if above[1:] or below else mean
    return node
