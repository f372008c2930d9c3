"""A record as equations in index notation, in the order in which they are evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Expr, Indexed, KroneckerDelta, Symbol, preorder_traversal
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.identifiers import fresh
from symgrad.equations import EntryEquation
from symgrad.facts import evaluation_order
from symgrad.functions import where
from symgrad.notation import array_names, entries, entry_of, indices_of, name_of, replaced
from symgrad.steps import Gradient, Record, Total


@dataclass(frozen=True)
class Assignment(EntryEquation):
    """``entry = rhs``, or the largest ``rhs`` along the indices ``over``. A helper may be inlined into the one line
    that uses it; an output is returned."""

    over: tuple[Idx, ...] = ()
    is_helper: bool = False
    is_output: bool = False


@dataclass(frozen=True)
class Schedule:
    """The equations, and for each input in ``record.wrt`` the name of its gradient."""

    assignments: tuple[Assignment, ...]
    gradients: Mapping[str, str]


def array_of(expr: Basic) -> str:
    """The name of the array if an expression is one of its entries, else ""."""
    return name_of(expr) if isinstance(expr, Indexed) or (isinstance(expr, Symbol) and not expr.is_integer) else ""


def uses_of(assignments: Iterable[Assignment]) -> Counter[str]:
    """How often the right sides of some equations name each array."""
    parts = (part for a in assignments for part in preorder_traversal(a.rhs))
    return Counter(part.name for part in parts if isinstance(part, Symbol) and not part.is_integer)


def names_outside(kind: type[Basic] | tuple[type[Basic], ...], expr: Basic) -> set[str]:
    """The arrays that occur in an expression outside of parts of type ``kind``; of a choice, its condition counts."""
    if name := array_of(expr):
        return {name}
    args = expr.args if not isinstance(expr, kind) else expr.args[:1] if kind is where else ()
    return set[str]().union(*(names_outside(kind, arg) for arg in args))


def written_out(expr: Expr, definitions: Mapping[str, Assignment]) -> Expr:
    """Replace the entries of some arrays by their definitions."""
    known = [entry for name in array_names(expr) & definitions.keys() for entry in entries(expr, name)]
    return replaced(expr, {entry: definitions[name_of(entry)].at(indices_of(entry)) for entry in known})


def live(assignments: Sequence[Assignment]) -> list[Assignment]:
    """The equations that the outputs depend on."""
    used = {a.name for a in assignments if a.is_output}
    for a in reversed(assignments):
        if a.name in used:
            used |= array_names(a.rhs)
    return [a for a in assignments if a.name in used]


def schedule(record: Record) -> Schedule:
    """The equations needed for the results and the gradients of ``record``, and no others."""
    program = record.program
    adjoints = {array.name for array in record.adjoint_arrays.values()}
    taken = set(program.arrays) | adjoints | {axis.name for axis in program.axes}
    forms = [_through_adjoints(record, record.gradients[name], adjoints) for name in record.wrt]
    known = {a.name for a in needed(record, [rhs for rhs, _ in forms])}
    results: list[Assignment] = []
    for name, (rhs, entry) in zip(record.wrt, forms, strict=True):
        result = Assignment(entry_of(fresh(f"d{name}", taken), indices_of(entry)), rhs, is_output=True)
        if name in record.adjoint_arrays and (adjoint := record.adjoint_arrays[name].name) in known:
            result = replace(result, rhs=entry_of(adjoint, result.indices), is_helper=True)
        results.append(result)
    returned = [program.definitions[name].entry for name in program.results]
    before = needed(record, [*returned, *(result.rhs for result in results)])
    before = [replace(a, is_output=a.name in program.results) for a in before]
    upstream = {gradient for _, gradient in program.upstream}
    aliases = {a.name: a for a in before if a.name in adjoints and array_of(a.rhs) in upstream}
    before = [replace(a, rhs=written_out(a.rhs, aliases)) for a in before if a.name not in aliases]
    results = [replace(a, rhs=written_out(a.rhs, aliases)) for a in results]
    return Schedule((*before, *results), {name: a.name for name, a in zip(record.wrt, results, strict=True)})


def needed(record: Record, exprs: Iterable[Expr]) -> list[Assignment]:
    """The definitions and closed forms of adjoints on which ``exprs`` depend, in an order of evaluation."""
    names = set[str]().union(*map(array_names, exprs))
    adjoints: list[Assignment] = []
    for name, adjoint in reversed(record.adjoints.items()):
        adjoint_name = record.adjoint_arrays[name].name
        if adjoint_name in names:
            names |= array_names(adjoint.index)
            adjoints.insert(0, Assignment(entry_of(adjoint_name, indices_of(adjoint.entry)), adjoint.index))
    forward = evaluation_order(record.program, sorted(names & set(record.program.definitions)))
    return [*(Assignment(d.entry, d.rhs) for d in forward), *adjoints]


def _through_adjoints(record: Record, gradient: Gradient, adjoints: set[str]) -> tuple[Expr, Expr]:
    """The gradient in terms of adjoint arrays if a line states it so (the last one), else its closed form. A later line
    in which the divisors of an adjoint cancel is better. The second value is the entry whose indices are free in it."""
    for step in reversed(record.steps):
        is_open = array_names(step.after) & adjoints and not step.after.has(KroneckerDelta)
        is_better = is_open or (step.rule == "substitute" and step.conditions)
        if is_better and isinstance(step.subject, Total) and name_of(step.subject.wrt) == gradient.array.name:
            return step.after, step.subject.wrt
    return gradient.index, gradient.entry
