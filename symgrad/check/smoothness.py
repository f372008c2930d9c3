"""What the values of an expression at random points do not tell.

At a point drawn from a continuous range a function that is not smooth agrees with either of its pieces, and so does a
root of a square with the one or the other number of which it is the square.  Analytic functions on all of space that
agree on a small part of it agree everywhere.
"""

from __future__ import annotations

from sympy import (
    Add,
    Function,
    Indexed,
    KroneckerDelta,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    gamma,
    log,
    sin,
    sinh,
    tan,
    tanh,
)
from sympy.core.basic import Basic

from symgrad.notation import name_of
from symgrad.program import Program

ANALYTIC = {KroneckerDelta, exp, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, erf, erfc, gamma}
"""Functions that are analytic wherever they are defined."""


def has_root(expr: Basic) -> bool:
    """Whether an expression has a root: modulo a prime one of two numbers, and not always the one that is positive."""
    return any(not (isinstance(p.exp, Rational) and p.exp.q == 1) for p in expr.atoms(Pow))


def is_analytic(expr: Basic, program: Program) -> bool:
    """Whether an expression is known to be analytic on all of its domain, and that to be in one piece: roots and
    logarithms are of what is positive for all values."""
    arguments = [p.base for p in expr.atoms(Pow) if not (isinstance(p.exp, Rational) and p.exp.q == 1)]
    arguments += [call.args[0] for call in expr.atoms(log)]
    calls = [call for call in expr.atoms(Function) if not isinstance(call, log)]
    return all(_is_positive(a, program) for a in arguments) and all(call.func in ANALYTIC for call in calls)


def _is_positive(expr: Basic, program: Program) -> bool:
    """Whether an expression is known to be positive for all values."""
    if expr.is_positive or isinstance(expr, exp):
        return True
    if isinstance(expr, (Symbol, Indexed)):
        definition = program.definitions.get(name_of(expr))
        return definition is not None and _is_positive(definition.rhs, program)
    if isinstance(expr, (Add, Mul)):
        return all(_is_positive(arg, program) for arg in expr.args)
    return isinstance(expr, (Pow, Sum)) and _is_positive(expr.args[0], program)
