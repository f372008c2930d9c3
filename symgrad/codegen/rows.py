"""Programs whose rows stay apart: which equations concern one row alone, and which are sums over rows.

This is read off the indices.  An array that has the axis of the rows depends on one row if its equation mentions that
axis by its own index only; an array without the axis is a sum over rows if it is linear in sums whose bodies
do so.  A scalar that is known only after all rows, such as the sum of weights that divides a mean, is taken out of
both.  Where every equation is one or the other, or free of rows, and no row needs a sum over rows, the whole can be
evaluated a block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.names import free
from symgrad.codegen.schedule import Assignment, entries_in
from symgrad.equations import Assumption
from symgrad.functions import selection
from symgrad.notation import (
    array_names,
    axis_name,
    bound_indices,
    entry_of,
    free_indices,
    indices_of,
    name_of,
    replaced,
)
from symgrad.program import Program
from symgrad.sums import contract, has_delta, ordered_sums


@dataclass(frozen=True)
class Blocks:
    """Equations sorted by when they are evaluated: ``before`` all rows, for a block of ``rows``, and ``after``.

    ``axis`` is that of the rows.  ``sums`` are the arrays to be added up over the blocks, ``stacked`` the
    outputs that have an entry for each row.
    """

    axis: str
    before: tuple[Assignment, ...]
    rows: tuple[Assignment, ...]
    after: tuple[Assignment, ...]
    sums: tuple[str, ...]
    stacked: tuple[str, ...]


def blocks_of(
    program: Program, assignments: Sequence[Assignment], checked: Sequence[Assumption], taken: set[str]
) -> Blocks | None:
    """The equations in blocks of rows, or None where rows do not stay apart, or are those of stacks of matrices.

    A block has its rows last, where a matrix product of stacks would have to copy them.
    ``checked`` are assumptions about inputs that are to be tested in each block; new arrays get names that
    are not among ``taken``.
    """
    stacks = {axis_name(i) for a in assignments if len(a.indices) > 2 for i in a.indices}
    stacks |= {axis.name for a in program.inputs if len(a.axes) > 2 for axis in a.axes}
    for axis in program.axes:
        if axis.name in stacks:
            continue
        owners = [a for a in program.inputs if axis.name in (own.name for own in a.axes)]
        if not owners or any([own.name for own in a.axes].index(axis.name) != 0 for a in owners):
            continue
        if any([own.name for own in a.axes].count(axis.name) > 1 for a in owners):
            continue
        if all(_concerns_one_row(a.lhs, axis.name) for a in checked):
            found = _sorted(axis.name, {a.name for a in owners}, assignments, taken)
            if found is not None and found.sums:  # else nothing concerns the rows of this axis
                return found
    return None


def _sorted(axis: str, inputs: set[str], assignments: Sequence[Assignment], taken: set[str]) -> Blocks | None:
    rowwise, late = set(inputs), set[str]()
    scales: dict[str, tuple[Expr, str]] = {}  # of arrays that are kept without a scalar factor: it, and their names
    before: list[Assignment] = []
    rows: list[Assignment] = []
    after: list[Assignment] = []
    sums: list[str] = []
    for given in assignments:
        rhs = contract(given.rhs, axis, opened=False) if has_delta(given.rhs, axis) else given.rhs
        a = replace(given, rhs=_with_scales(rhs, scales))
        names = array_names(a.rhs)
        if any(axis_name(i) == axis for i in a.indices):
            scale, rest = _taken_out(a.rhs, late)
            if array_names(rest) & late or not _is_row(replace(a, rhs=rest), axis) or (scale != 1 and a.is_output):
                return None
            if scale != 1:
                name = free(f"{a.name}_unscaled", taken)
                scales[a.name] = scale, name
                a = replace(a, entry=entry_of(name, a.indices))
            rowwise.add(a.name)
            rows.append(replace(a, rhs=rest))
        elif not names & rowwise:
            (after if names & late else before).append(a)
            if names & late:
                late.add(a.name)
        else:
            terms = _terms(a.rhs, rowwise)
            summed = [_taken_out(t, late) for t in terms if array_names(t) & rowwise]
            rest = [t for t in terms if not array_names(t) & rowwise]
            found = {scale for scale, _ in summed}
            if a.over or len(found) > 1 or any(array_names(t) & late for _, t in summed):
                return None
            if not all(_is_sum_over_rows(t, axis, rowwise) for _, t in summed):
                return None
            late.add(a.name)
            (scale,) = found
            if rest or scale != 1:
                part = free(f"{a.name}_rows", taken)
                entry = entry_of(part, a.indices)
                rows.append(Assignment(entry, Add(*(t for _, t in summed))))
                after.append(replace(a, rhs=Add(scale * entry, *rest)))
                sums.append(part)
            else:
                rows.append(a)
                sums.append(a.name)
    stacked = tuple(a.name for a in rows if a.is_output and a.name not in sums)
    return Blocks(axis, tuple(before), tuple(rows), tuple(after), tuple(sums), stacked)


def _with_scales(rhs: Expr, scales: Mapping[str, tuple[Expr, str]]) -> Expr:
    """A right side in which arrays that are kept without a scalar factor have it again, outside of sums."""
    found: dict[Basic, Basic] = {}
    for entry in entries_in(rhs):
        if name_of(entry) in scales:
            scale, name = scales[name_of(entry)]
            found[entry] = scale * entry_of(name, indices_of(entry))
    return ordered_sums(replaced(rhs, found)) if found else rhs


def _taken_out(term: Expr, late: set[str]) -> tuple[Expr, Expr]:
    """The factors of a term that are known only after all rows, and have no axes; and the rest."""
    known = [f for f in Mul.make_args(term) if array_names(f) and array_names(f) <= late and not free_indices(f)]
    known = [f for f in known if not f.has(Sum)]
    return Mul(*known), Mul(*(f for f in Mul.make_args(term) if f not in known))


def _is_row(a: Assignment, axis: str) -> bool:
    """Whether an equation with an index over ``axis`` mentions the axis by that index alone."""
    own = [i for i in a.indices if axis_name(i) == axis]
    alone = _indices_over(a.rhs, axis) <= set(own) and not _selects(a.rhs, axis)
    return len(own) == 1 and alone and not set(own) & set(a.over)


def _concerns_one_row(expr: Expr, axis: str) -> bool:
    return len(_indices_over(expr, axis)) <= 1 and not _binds(expr, axis)


def _is_sum_over_rows(expr: Basic, axis: str, rowwise: set[str]) -> bool:
    """Whether an expression is linear in sums over ``axis``, each of whose summands concerns one row."""
    if isinstance(expr, Add):
        return all(_is_sum_over_rows(term, axis, rowwise) for term in expr.args)
    if isinstance(expr, Mul):
        concerned = [f for f in expr.args if array_names(f) & rowwise]
        return len(concerned) == 1 and _is_sum_over_rows(concerned[0], axis, rowwise)
    if not isinstance(expr, Sum):
        return False
    own = {i for i in bound_indices(expr) if axis_name(i) == axis}
    if not own:
        return _is_sum_over_rows(expr.function, axis, rowwise)
    return len(own) == 1 and _indices_over(expr.function, axis) <= own and not _binds(expr.function, axis)


def _indices_over(expr: Basic, axis: str) -> set[Idx]:
    """The indices over ``axis`` at which entries, or deltas, stand; and those that are bound."""
    found = {i for e in expr.atoms(Indexed) for i in e.indices if axis_name(i) == axis}
    found |= {i for delta in expr.atoms(KroneckerDelta) for i in delta.args[:2] if axis_name(i) == axis}
    return found | {i for total in expr.atoms(Sum) for i in bound_indices(total) if axis_name(i) == axis}


def _binds(expr: Basic, axis: str) -> bool:
    bound = {i for total in expr.atoms(Sum) for i in bound_indices(total)}
    return any(axis_name(i) == axis for i in bound) or _selects(expr, axis)


def _selects(expr: Basic, axis: str) -> bool:
    """Whether an entry along the axis is compared with the others."""
    return any(axis_name(choice.args[1]) == axis for choice in expr.atoms(selection))


def _terms(expr: Expr, rowwise: set[str]) -> list[Expr]:
    """The terms of a sum, brackets multiplied out where only some of their terms concern rows."""
    if isinstance(expr, Add):
        return [t for term in expr.args for t in _terms(term, rowwise)]
    if isinstance(expr, Mul):
        for factor in expr.args:
            if isinstance(factor, Add) and len({bool(array_names(t) & rowwise) for t in factor.args}) == 2:
                others = Mul(*(f for f in expr.args if f is not factor))
                return [t for term in factor.args for t in _terms(others * term, rowwise)]
    return [expr]
