"""Piecewise expressions: choices between two branches, and the relations that decide them."""

from __future__ import annotations

import sympy as sp
from sympy import Add, Indexed, MatAdd, MatMul, MatrixExpr, MatrixSymbol, S
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.functions import absolute, equal, step, where
from symgrad.special_functions import digamma, gammaln, trigamma

UNBOUNDED = (
    *(sp.exp, sp.log, sp.tan, sp.asin, sp.acos, sp.sinh, sp.cosh, sp.acosh, sp.atanh, sp.erfinv),
    *(gammaln, digamma, trigamma),
)
"""Functions that are undefined at some numbers, or overflow at numbers in the hundreds."""


def may_be_infinite(expr: Basic) -> bool:
    """Whether an expression may overflow, divide by zero or be undefined at moderate numbers."""
    powers = (p for p in expr.atoms(sp.Pow) if p.base.free_symbols and not (p.exp.is_Integer and p.exp.is_positive))
    return expr.has(*UNBOUNDED) or any(not p.base.is_positive for p in powers)


def cases(condition: sp.Expr, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    """``where(condition, yes, no)``, or a shorter form: a choice of two numbers is linear in the condition."""
    if yes == no:
        return yes
    if yes.is_number and no.is_number:
        return no + (yes - no) * condition
    return where(condition, yes, no)


def is_indicator(expr: Basic) -> bool:
    """Whether an expression is known to be 0 or 1 everywhere; entries of arrays are trusted."""
    if isinstance(expr, (sp.Indexed, sp.Symbol, equal, sp.KroneckerDelta)) or expr in (0, 1):
        return True
    if isinstance(expr, step):
        return expr.args[1] in (0, 1)
    if isinstance(expr, sp.Mul):
        return all(map(is_indicator, expr.args))
    if isinstance(expr, sp.Pow):
        return bool(expr.exp.is_positive) and is_indicator(expr.base)
    return isinstance(expr, sp.Add) and not isinstance(1 - expr, sp.Add) and is_indicator(1 - expr)


def differentiated_calls(expr: Basic) -> set[sp.Function]:
    """The calls whose derivatives the derivative of an expression uses: not those in the conditions of choices, which
    are constant where the choice is differentiated, nor absolute values in a branch not taken at their kinks."""
    if isinstance(expr, (sp.Indexed, Idx)):
        return set()
    if not isinstance(expr, where):
        inner = set[sp.Function]().union(*map(differentiated_calls, expr.args))
        return inner | {expr} if isinstance(expr, sp.Function) else inner
    condition, *branches = expr.args
    calls = {expr}
    for branch, opposite in zip(branches, (0, 1), strict=True):
        inside = differentiated_calls(branch)
        calls |= {c for c in inside if not (isinstance(c, absolute) and _at_kink(condition, c) == opposite)}
    return calls


def _at_kink(condition: Basic, size: absolute) -> int | None:
    """The value of a comparison at and near the kink of an absolute value, if it is known."""
    excess = condition.args[0].xreplace({size: S.Zero}) if isinstance(condition, step) else S.Zero
    return 1 if excess.is_positive else 0 if excess.is_negative else None


def leaves_out(bracket: Basic) -> bool:
    """Whether a bracket is 1 - delta or delta - 1, where delta is a product of Kronecker deltas."""
    rests = (1 - bracket, 1 + bracket) if isinstance(bracket, sp.Add) and len(bracket.args) == 2 else ()
    return any(all(isinstance(factor, sp.KroneckerDelta) for factor in sp.Mul.make_args(rest)) for rest in rests)


class Choice(sp.MatrixExpr):  # type: ignore[misc]
    """``Choice(C, A, B)``: elementwise, A where C is 1 and B where C is 0."""

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """The common shape of the three matrices."""
        rows, columns = self.args[0].shape
        return rows, columns


class Applied(sp.MatrixExpr):  # type: ignore[misc]
    """``Applied(f, A, B)``: elementwise, the function f (a ``Lambda``) of the entries of A and B."""

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """The common shape of the matrices."""
        rows, columns = self.args[1].shape
        return rows, columns


Relation = tuple[str, Basic, Basic]
"""A comparison operator and its two sides."""


def relation_of(function: type[Basic], *args: Basic) -> Relation | None:
    """The relation that holds where ``function`` is 1 and fails where it is 0, if there is one."""
    if function is equal:
        return "==", *args
    return _order(*args) if function is step else None


def _opposite(term: Basic) -> Basic:
    """Minus a term.  SymPy's own minus takes exponential time in the nesting depth of a matrix."""
    if not isinstance(term, MatrixExpr):
        return -term
    coefficient, matrices = term.as_coeff_matrices() if isinstance(term, MatMul) else (S.One, [term])
    factors = matrices if coefficient == -1 else [-coefficient, *matrices]
    return factors[0] if len(factors) == 1 else MatMul(*factors)


def _signed(term: Basic) -> tuple[int, Basic]:
    """A term without its minus sign, and -1 if it has one."""
    coefficient = term.as_coeff_mmul()[0] if isinstance(term, MatMul) else S.One
    is_negative = (coefficient if isinstance(term, MatrixExpr) else term).could_extract_minus_sign()
    return (-1, _opposite(term)) if is_negative else (1, term)


def _order(x: Basic, at_zero: Basic) -> Relation | None:
    """x > 0 or x >= 0, with the subtracted terms moved to the other side, and constants to the right."""
    if at_zero not in (0, 1):
        return None
    total = MatAdd if isinstance(x, MatrixExpr) else Add
    sides: dict[int, list[Basic]] = {1: [], -1: []}
    for sign_of, term in map(_signed, total.make_args(x)):
        sides[sign_of].append(term)
    constants = [term for side in sides.values() for term in side if not term.has(Indexed, MatrixSymbol)]
    if not all(sides.values()) and len(constants) < sum(map(len, sides.values())):
        empty = -1 if sides[1] else 1
        sides = {empty: list(map(_opposite, constants)), -empty: [t for t in sides[-empty] if t not in constants]}
    left, right = (
        S.Zero if not side else side[0] if len(side) == 1 else total(*side) for side in (sides[1], sides[-1])
    )
    if left.has(Indexed, MatrixSymbol) or not right.has(Indexed, MatrixSymbol):
        return ">" if at_zero == 0 else ">=", left, right
    return "<" if at_zero == 0 else "<=", right, left
