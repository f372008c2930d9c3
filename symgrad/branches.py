"""Choices among expressions, and among matrices entry by entry, of which one branch is taken at each point."""

from __future__ import annotations

import sympy as sp
from sympy.core.basic import Basic

from symgrad.functions import equal, step, where

UNBOUNDED = (sp.exp, sp.log, sp.tan, sp.asin, sp.acos, sp.sinh, sp.cosh)
"""Functions that are not defined for all numbers, or overflow at numbers of some hundreds."""


def may_be_infinite(expr: Basic) -> bool:
    """Whether an expression may overflow, divide by zero or not be defined at moderate numbers."""
    powers = (p for p in expr.atoms(sp.Pow) if p.base.free_symbols and not (p.exp.is_Integer and p.exp.is_positive))
    return expr.has(*UNBOUNDED) or any(not p.base.is_positive for p in powers)


def cases(condition: sp.Expr, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    """``where(condition, yes, no)``, or what is shorter: a choice among numbers is a multiple of the condition."""
    if yes == no:
        return yes
    if yes.is_number and no.is_number:
        return no + (yes - no) * condition
    return where(condition, yes, no)


def is_indicator(expr: Basic) -> bool:
    """Whether an expression is known to have the values 0 and 1 alone; an array is taken to be what is said of it."""
    if isinstance(expr, (sp.Indexed, sp.Symbol, equal, sp.KroneckerDelta)) or expr in (0, 1):
        return True
    if isinstance(expr, step):
        return expr.args[1] in (0, 1)
    if isinstance(expr, sp.Mul):
        return all(map(is_indicator, expr.args))
    if isinstance(expr, sp.Pow):
        return bool(expr.exp.is_positive) and is_indicator(expr.base)
    return isinstance(expr, sp.Add) and not isinstance(1 - expr, sp.Add) and is_indicator(1 - expr)


def leaves_out(bracket: Basic) -> bool:
    """Whether a bracket is 1 - delta, with a delta or several, or minus that."""
    rests = (1 - bracket, 1 + bracket) if isinstance(bracket, sp.Add) else ()
    return any(all(isinstance(factor, sp.KroneckerDelta) for factor in sp.Mul.make_args(rest)) for rest in rests)


class Choice(sp.MatrixExpr):  # type: ignore[misc]
    """``Choice(C, A, B)``: entry by entry that of A where C is 1, and that of B where it is 0."""

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """That of each of the three."""
        rows, columns = self.args[0].shape
        return rows, columns
