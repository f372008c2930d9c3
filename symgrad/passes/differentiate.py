"""SymPy's derivative of one expression in index notation with respect to one entry of one array."""

from __future__ import annotations

from sympy import Derivative, Expr, Function, Heaviside, Indexed, KroneckerDelta, Subs, Symbol
from sympy import acos, asin, asinh, atan, cos, cosh, erf, exp, log, sin, sinh, tan, tanh
from sympy.core.basic import Basic
from sympy.functions.elementary.piecewise import Piecewise

from symgrad.errors import UnsupportedError
from symgrad.notation import canonical, freshen

# The functions whose derivatives SymPy knows in closed form and that are smooth wherever they are defined.
SMOOTH = (exp, log, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, erf)

# What SymPy returns where it has no derivative, or one that hides a point where there is none.
NO_DERIVATIVE = (Derivative, Subs, Heaviside, Piecewise)


def check_smooth(expr: Basic, where: str) -> None:
    """Raise ``UnsupportedError``, naming the function, unless every function in ``expr`` is known to be smooth."""
    for call in sorted(expr.atoms(Function), key=str):
        if not isinstance(call, (*SMOOTH, KroneckerDelta)):
            raise UnsupportedError(f"no rule to differentiate {call} in the equation of {where}")


def differentiate(expr: Expr, entry: Indexed | Symbol) -> Expr:
    """The derivative of ``expr`` with respect to ``entry``, whose indices must not occur in ``expr``.

    Kronecker deltas are left in.  Raises ``UnsupportedError`` where SymPy has no derivative.
    """
    derivative = freshen(expr).diff(entry)
    if derivative.has(*NO_DERIVATIVE):
        raise UnsupportedError(f"no rule to differentiate {expr} with respect to {entry}")
    return canonical(derivative)
