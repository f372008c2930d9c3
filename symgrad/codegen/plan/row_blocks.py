"""Programs whose rows stay apart: which equations concern one row alone, and which are sums over rows.

This is read off the indices.  An array that has the axis of the rows depends on one row if its equation mentions that
axis by its own index only; an array without the axis is a sum over rows if it is linear in sums whose bodies
do so.  A scalar that is known only after all rows, such as the sum of weights that divides a mean, is taken out of
both.  Where every equation is one or the other, or free of rows, and no row needs a sum over rows, the whole can be
evaluated a block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Mul, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.identifiers import free
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.shifts import written_out
from symgrad.engine.summation import ordered_sums
from symgrad.equations import Assumption
from symgrad.functions import selection
from symgrad.notation import array_names, axis_name, bound_indices, entry_of, free_indices
from symgrad.program import Program


@dataclass(frozen=True)
class Blocks:
    """Equations sorted by when they are evaluated: ``before`` all rows, for a block of ``rows``, and ``after``.

    ``axis`` is that of the rows, "" where rows do not stay apart; then all are in ``rows``.  ``sums`` are the arrays to
    be added up over the blocks, ``stacked`` the outputs that have an entry for each row.
    """

    axis: str
    before: tuple[Assignment, ...]
    rows: tuple[Assignment, ...]
    after: tuple[Assignment, ...]
    sums: tuple[str, ...]
    stacked: tuple[str, ...]


def blocks_of(
    program: Program, assignments: Sequence[Assignment], checked: Sequence[Assumption], taken: set[str]
) -> Blocks:
    """The equations in blocks of rows; of no axis where rows do not stay apart, or are those of stacks of matrices.

    A block has its rows last, where a matrix product of stacks would have to copy them.
    ``checked`` are assumptions about inputs that are to be tested in each block; new arrays get names that
    are not among ``taken``.
    """
    axes = {a.name: [axis.name for axis in a.axes] for a in program.inputs}
    every = [*axes.values(), *([axis_name(i) for i in a.indices] for a in assignments)]
    for axis in program.axes:
        is_in_stack = any(axis.name in own for own in every if len(own) > 2)
        if is_in_stack or any(axis.name in own[1:] for own in axes.values()):
            continue
        if all(_concerns_one_row(a.lhs, axis.name, _over(axis.name, free_indices(a.lhs))) for a in checked):
            owners = {name for name, own in axes.items() if axis.name in own}
            found = _sorted(axis.name, owners, assignments, taken)
            if found is not None and found.sums:  # else nothing concerns the rows of this axis
                return found
    return Blocks("", (), tuple(assignments), (), (), ())


def _sorted(axis: str, inputs: set[str], assignments: Sequence[Assignment], taken: set[str]) -> Blocks | None:
    rowwise, late = set(inputs), set[str]()
    scaled: dict[str, Assignment] = {}  # arrays that are kept without a scalar factor, with it
    before: list[Assignment] = []
    rows: list[Assignment] = []
    after: list[Assignment] = []
    sums: list[str] = []
    for given in assignments:
        is_scaled = not array_names(given.rhs).isdisjoint(scaled)
        a = replace(given, rhs=ordered_sums(written_out(given.rhs, scaled))) if is_scaled else given
        names = array_names(a.rhs)
        if own := _over(axis, a.indices):
            scale, rest = _taken_out(a.rhs, late)
            is_one_row = _concerns_one_row(rest, axis, own) and not array_names(rest) & late
            if not is_one_row or (scale != 1 and a.is_output):
                return None
            if scale != 1:
                name = free(f"{a.name}_unscaled", taken)
                entry = entry_of(name, a.indices)
                scaled[a.name] = Assignment(a.entry, scale * entry)
                a = replace(a, entry=entry)
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


def _taken_out(term: Expr, late: set[str]) -> tuple[Expr, Expr]:
    """The factors of a term that are known only after all rows, and have no axes; and the rest."""
    known = [f for f in Mul.make_args(term) if array_names(f) and array_names(f) <= late and not free_indices(f)]
    return Mul(*known), Mul(*(f for f in Mul.make_args(term) if f not in known))


def _concerns_one_row(expr: Expr, axis: str, rows: set[Idx]) -> bool:
    """Whether ``rows`` are one index at most, ``expr`` has no other over ``axis``, and nothing is summed along it or
    compared."""
    bound = [i for total in expr.atoms(Sum) for i in bound_indices(total)]
    bound += [choice.args[1] for choice in expr.atoms(selection)]
    return len(rows) <= 1 and _over(axis, free_indices(expr)) <= rows and not _over(axis, bound)


def _over(axis: str, indices: Iterable[Idx]) -> set[Idx]:
    return {i for i in indices if axis_name(i) == axis}


def _is_sum_over_rows(expr: Basic, axis: str, rowwise: set[str]) -> bool:
    """Whether an expression is linear in sums over ``axis``, each of whose summands concerns one row."""
    if isinstance(expr, Add):
        return all(_is_sum_over_rows(term, axis, rowwise) for term in expr.args)
    if isinstance(expr, Mul):
        concerned = [f for f in expr.args if array_names(f) & rowwise]
        return len(concerned) == 1 and _is_sum_over_rows(concerned[0], axis, rowwise)
    if not isinstance(expr, Sum):
        return False
    own = _over(axis, bound_indices(expr))
    if not own:
        return _is_sum_over_rows(expr.function, axis, rowwise)
    return _concerns_one_row(expr.function, axis, own)


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
