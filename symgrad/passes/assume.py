"""An assumption used: its left side, wherever it occurs, replaced by its right side."""

from __future__ import annotations

from itertools import product

from sympy import Expr, Sum

from symgrad.notation import array_names, axis_name, canonical, free_indices, renamed, replaced
from symgrad.program import Assumption, Program
from symgrad.sums import split_sums


def use(program: Program, expr: Expr, assumption: Assumption) -> Expr:
    """``expr`` with ``assumption`` applied wherever a sum in it, or its definition written out, matches."""
    indices = sorted(free_indices(assumption.lhs), key=str)
    for total in sorted(expr.atoms(Sum), key=lambda e: e.sort_key()):
        free = sorted(free_indices(total), key=str)
        choices = [[i for i in free if axis_name(i) == axis_name(wanted)] for wanted in indices]
        for choice in product(*choices):
            at = dict(zip(indices, choice, strict=True))
            value = _value(program, total, canonical(renamed(assumption.lhs, at)), renamed(assumption.rhs, at))
            if value is not None:
                expr = replaced(expr, {total: value})
                break
    return expr


def _value(program: Program, total: Sum, lhs: Expr, rhs: Expr) -> Expr | None:
    """The value of ``total`` where ``lhs = rhs``, if that leaves no sum; abbreviations are written out if need be."""
    if canonical(total) == lhs:
        return rhs
    short = {d.name for d in program.ordered if not d.is_node and array_names(d.rhs) & array_names(lhs)}
    if not array_names(total) & short:
        return None
    written = replaced(split_sums(program.written_out(total, short)), {lhs: rhs}).expand()
    return None if written.has(Sum) else written
