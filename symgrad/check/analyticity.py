"""Whether equality at random points proves anything: analytic functions, signs, and orders of zeros.

*Lemma.*  Analytic functions on a connected domain that are equal on a small part of it are equal everywhere.  This
fails for other functions: random real points never hit a kink, and all may lie on one side of it; modulo a prime, the
root of a square is one of two numbers; and across a zero of a divisor, functions that agree on one side may differ.
"""

from __future__ import annotations

import sympy as sp
from sympy.core.basic import Basic

from symgrad.canonical import is_known
from symgrad.functions import absolute, reciprocal, root
from symgrad.matrix_functions import OF_MATRICES, inverse
from symgrad.notation import array_names, name_of, parts_of
from symgrad.program import Program
from symgrad.special_functions import cbrt, erfc, normal_sinc, position_of, sinc_slope

EVERYWHERE = {sp.KroneckerDelta, sp.exp, sp.sin, sp.cos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.erf, sp.erfc}
EVERYWHERE |= {erfc, normal_sinc, sinc_slope, position_of}
"""Functions that are analytic at all real numbers."""

ANALYTIC = EVERYWHERE | {sp.tan, sp.asin, sp.acos, sp.acosh, sp.atanh, sp.erfinv, sp.gamma, *OF_MATRICES}
"""Functions that are analytic wherever they are defined."""

MONOTONE = {sp.exp, sp.log, sp.tanh, sp.sinh, sp.atan, sp.asinh, sp.erf, cbrt}
"""Functions whose derivative is nowhere 0."""


def has_root(expr: Basic) -> bool:
    """Whether an expression has a root.  Modulo a prime a root is one of two numbers, not always the positive one."""
    return bool(parts_of(expr, root)) or not all(power.exp.is_Integer for power in parts_of(expr, sp.Pow))


def is_analytic(expr: Basic, program: Program) -> bool:
    """Whether an expression is known to be analytic on a connected domain: the arguments of roots and logarithms, and
    the divisors, are positive for all values."""
    arguments = [p.base for p in parts_of(expr, sp.Pow) if not (p.exp.is_Integer and p.exp > 0)]
    arguments += [call.args[0] for call in parts_of(expr, sp.log, sp.gamma, root, reciprocal)]
    calls = [call for call in parts_of(expr, sp.Function) if not isinstance(call, (sp.log, sp.gamma, root, reciprocal))]
    return all(is_positive(a, program) for a in arguments) and all(call.func in EVERYWHERE for call in calls)


def is_positive(expr: Basic, program: Program) -> bool:
    """Whether an expression is known to be positive wherever it is defined (roots: wherever they are not zero)."""
    if is_known(expr, "positive") or isinstance(expr, sp.exp):
        return True
    if isinstance(expr, (sp.Symbol, sp.Indexed)):
        definition = program.definitions.get(name_of(expr))
        return definition is not None and is_positive(definition.rhs, program)
    if isinstance(expr, (sp.Add, sp.Mul)):
        return all(is_positive(arg, program) for arg in expr.args)
    is_power = isinstance(expr, sp.Pow) and isinstance(expr.exp, sp.Rational)
    if isinstance(expr, root) or (is_power and expr.exp.q % 2 == 0):
        return True
    return isinstance(expr, (sp.Pow, sp.Sum)) and is_positive(expr.args[0], program)


def order_of_zeros(expr: sp.Expr) -> sp.Expr:
    """A bound on the order of almost all zeros of an expression; infinite if no bound is known."""
    if isinstance(expr, sp.exp) or (isinstance(expr, sp.Pow) and expr.exp.is_negative):
        return sp.S.Zero
    if isinstance(expr, sp.Pow) and expr.exp.is_Rational and expr.exp > 0:
        return expr.exp * order_of_zeros(expr.base)
    if isinstance(expr, sp.Mul):
        return sp.Max(*map(order_of_zeros, expr.args))
    if isinstance(expr, absolute):
        return order_of_zeros(expr.args[0])
    terms = sp.Add.make_args(expr.function if isinstance(expr, sp.Sum) else expr)
    if (len(terms) > 1 or isinstance(expr, sp.Sum)) and all(is_known(term, "nonnegative") for term in terms):
        return sp.Min(*(order_of_zeros(term) for term in terms if array_names(term)))  # all of them vanish together
    return sp.S.One if any(_is_steep(expr, name) for name in array_names(expr)) else _degree(expr)


def _is_steep(expr: sp.Expr, name: str) -> bool:
    """Whether the derivative with respect to the entries of an array is known to be nonzero almost everywhere on each
    level set of the expression.  The entries of an inverse are as independent as those of its matrix."""
    if isinstance(expr, (sp.Sum, sp.Mul, sp.Add)):
        varying = [part for part in expr.args if name in array_names(part)]
        return (len(varying) == 1 and _is_steep(varying[0], name)) or (isinstance(expr, sp.Add) and _degree(expr) == 1)
    if isinstance(expr, inverse):
        return bool(expr.matrix == name)
    if isinstance(expr, sp.Function) or (isinstance(expr, sp.Pow) and not expr.exp.is_integer):
        return (isinstance(expr, sp.Pow) or expr.func in MONOTONE) and _is_steep(expr.args[0], name)
    return isinstance(expr, (sp.Indexed, sp.Symbol)) and name in array_names(expr)


def _degree(expr: sp.Expr) -> sp.Expr:
    """The degree of a polynomial in entries, which bounds the order of its zeros; infinite for other expressions."""
    if not array_names(expr):
        return sp.S.Zero
    if isinstance(expr, (sp.Indexed, sp.Symbol)):
        return sp.S.One
    if isinstance(expr, sp.Sum):
        return _degree(expr.function)
    if isinstance(expr, (sp.Add, sp.Mul)):
        return (sp.Max if isinstance(expr, sp.Add) else sp.Add)(*map(_degree, expr.args))
    return expr.exp * _degree(expr.base) if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0 else sp.oo
