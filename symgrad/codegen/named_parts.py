"""Array programs as people write them: the names of a softmax, means, maxima of rows, named log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import log

from symgrad.codegen import array_program as ir
from symgrad.codegen.identifiers import free
from symgrad.codegen.operations import parted


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
