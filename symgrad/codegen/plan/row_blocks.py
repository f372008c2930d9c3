"""Row blocks: which equations concern one row of the data, and which are sums over rows.

An array with the row axis depends on one row if its equation uses that axis only at its own index. An array without it
is a sum over rows if it is linear in sums of such terms. A scalar that is known only after all rows, such as a sum of
weights, is factored out of both. If no other equation has rows, the program is evaluated one block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Mul, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.identifiers import free
from symgrad.codegen.plan.schedule import Assignment, written_out
from symgrad.codegen.plan.stable_functions import distributed
from symgrad.engine.summation import ordered_sums
from symgrad.equations import Assumption
from symgrad.functions import selection
from symgrad.notation import array_names, axis_name, bound_indices, entry_of, free_indices
from symgrad.program import Program
from symgrad.special_functions import position_of


@dataclass(frozen=True)
class Blocks:
    """Equations sorted by when they are evaluated: ``before`` all rows, for a block of ``rows``, and ``after``.
    ``axis`` is the row axis, or "" if rows are not independent; then all equations are in ``rows``. ``sums`` are the
    arrays to add up over blocks, ``stacked`` the outputs with an entry for each row."""

    axis: str
    before: tuple[Assignment, ...]
    rows: tuple[Assignment, ...]
    after: tuple[Assignment, ...]
    sums: tuple[str, ...]
    stacked: tuple[str, ...]


def forward_and_backward(program: Program, assignments: Sequence[Assignment]) -> Blocks:
    """The equations of a layer: those that its outputs need come first, and are evaluated without the others."""
    names = {*program.results}
    for a in reversed(assignments):
        names |= array_names(a.rhs) if a.name in names else set()
    forward = tuple(a for a in assignments if a.name in names)
    return Blocks("", forward, tuple(a for a in assignments if a.name not in names), (), (), ())


def blocks_of(
    program: Program, assignments: Sequence[Assignment], checked: Sequence[Assumption], taken: set[str]
) -> Blocks:
    """Sort the equations by blocks of rows; new names are added to ``taken``, each block tests ``checked``. The axis is
    "" if rows are not independent, and for stacks of matrices, whose products would copy a block."""
    axes = {a.name: [axis.name for axis in a.axes] for a in program.inputs}
    every = [*axes.values(), *([axis_name(i) for i in a.indices] for a in assignments)]
    for axis in program.axes:
        is_in_stack = any(axis.name in axis_names for axis_names in every if len(axis_names) > 2)
        if is_in_stack or any(axis.name in axis_names[1:] for axis_names in axes.values()):
            continue
        if all(_concerns_one_row(a.lhs, axis.name, _over(axis.name, free_indices(a.lhs))) for a in checked):
            owners = {name for name, axis_names in axes.items() if axis.name in axis_names}
            blocks = _sorted(axis.name, owners, assignments, taken)
            if blocks is not None and blocks.sums:  # else nothing concerns the rows of this axis
                return blocks
    return Blocks("", (), tuple(assignments), (), (), ())


def _sorted(axis: str, inputs: set[str], assignments: Sequence[Assignment], taken: set[str]) -> Blocks | None:
    rowwise, late = set(inputs), set[str]()
    scaled: dict[str, Assignment] = {}  # arrays stored without a scalar factor, with the factor
    before: list[Assignment] = []
    rows: list[Assignment] = []
    after: list[Assignment] = []
    sums: list[str] = []
    for assignment in assignments:
        is_scaled = not array_names(assignment.rhs).isdisjoint(scaled)
        a = replace(assignment, rhs=ordered_sums(written_out(assignment.rhs, scaled))) if is_scaled else assignment
        names = array_names(a.rhs)
        if row_indices := _over(axis, a.indices):
            scale, rest = _taken_out(a.rhs, late)
            is_one_row = _concerns_one_row(rest, axis, row_indices) and not array_names(rest) & late
            if not is_one_row or (scale != 1 and a.is_output):
                return None
            if scale != 1:
                entry = entry_of(free(f"{a.name}_unscaled", taken), a.indices)
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
            scales = {scale for scale, _ in summed}
            if a.over or len(scales) > 1 or any(array_names(t) & late for _, t in summed):
                return None
            if not all(_is_sum_over_rows(t, axis, rowwise) for _, t in summed):
                return None
            late.add(a.name)
            (scale,), part = scales, a
            if rest or scale != 1:
                entry = entry_of(free(f"{a.name}_rows", taken), a.indices)
                part = Assignment(entry, Add(*(t for _, t in summed)))
                after.append(replace(a, rhs=Add(scale * entry, *rest)))
            rows.append(part)
            sums.append(part.name)
    stacked = tuple(a.name for a in rows if a.is_output and a.name not in sums)
    return Blocks(axis, tuple(before), tuple(rows), tuple(after), tuple(sums), stacked)


def _taken_out(term: Expr, late: set[str]) -> tuple[Expr, Expr]:
    """Split a term into the scalar factors that are known only after all rows, and the rest."""
    known = [f for f in Mul.make_args(term) if array_names(f) and array_names(f) <= late and not free_indices(f)]
    return Mul(*known), Mul(*(f for f in Mul.make_args(term) if f not in known))


def _concerns_one_row(expr: Expr, axis: str, rows: set[Idx]) -> bool:
    """Whether ``expr`` uses ``axis`` only at the single index in ``rows``, and never sums or compares along it."""
    bound = [i for total in expr.atoms(Sum) for i in bound_indices(total)]
    bound += [choice.args[1] for choice in expr.atoms(selection)]
    bound += [call.args[0] for call in expr.atoms(position_of)]  # a block does not know its place
    return len(rows) <= 1 and _over(axis, free_indices(expr)) <= rows and not _over(axis, bound)


def _over(axis: str, indices: Iterable[Idx]) -> set[Idx]:
    return {i for i in indices if axis_name(i) == axis}


def _is_sum_over_rows(expr: Basic, axis: str, rowwise: set[str]) -> bool:
    """Whether an expression is linear in sums over ``axis`` of terms that each concern one row."""
    if isinstance(expr, Add):
        return all(_is_sum_over_rows(term, axis, rowwise) for term in expr.args)
    if isinstance(expr, Mul):
        concerned = [f for f in expr.args if array_names(f) & rowwise]
        return len(concerned) == 1 and _is_sum_over_rows(concerned[0], axis, rowwise)
    if not isinstance(expr, Sum):
        return False
    row_indices = _over(axis, bound_indices(expr))
    if not row_indices:
        return _is_sum_over_rows(expr.function, axis, rowwise)
    return _concerns_one_row(expr.function, axis, row_indices)


def _terms(expr: Expr, rowwise: set[str]) -> list[Expr]:
    """The terms of a sum; brackets are expanded if only some of their terms concern rows."""
    if isinstance(expr, Add):
        return [t for term in expr.args for t in _terms(term, rowwise)]
    if isinstance(expr, Mul):
        for factor in expr.args:
            if isinstance(factor, Add) and len({bool(array_names(t) & rowwise) for t in factor.args}) == 2:
                return _terms(distributed(Mul(*(f for f in expr.args if f is not factor)), factor), rowwise)
    return [expr]
