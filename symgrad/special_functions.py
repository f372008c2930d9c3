"""Functions that SymPy lacks, or has in another form: roots, angles, special functions, and the position of an index.

``POSITIVE_WHERE_SMOOTH`` has the domains of their derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import sympy
from sympy import Expr, Float, Function, Integer, Rational, cos, exp, pi, sign, sin, sqrt
from sympy.core.basic import Basic

from symgrad.errors import UnsupportedError


class position_of(Function):  # type: ignore[misc]
    """``position_of(i)``: the position that the index i points at, counted from 0; ``np.arange`` along its axis."""

    nargs = 1
    is_real = True
    is_nonnegative = True


class _Smooth(Function):  # type: ignore[misc]
    """A real function of real arguments, with its ``value`` at numbers and its ``slopes``, a derivative by argument."""

    nargs = 1
    value: ClassVar[Callable[..., Expr]]
    slopes: ClassVar[Callable[..., Sequence[Expr]] | None] = None

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """The value at numbers; None leaves the expression unevaluated."""
        return cls.value(*args) if all(arg.is_comparable for arg in args) else None

    def _eval_is_real(self) -> bool | None:
        return True if all(arg.is_real for arg in self.args) else None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative with respect to argument number ``argindex``, counted from 1.  SymPy calls this method."""
        if self.slopes is None:
            raise UnsupportedError(f"{type(self).__name__} has no rule for its derivative")
        return self.slopes(*self.args)[argindex - 1]


class cbrt(_Smooth):
    """``cbrt(x)``: the real cube root, which is negative for x < 0."""

    value = staticmethod(lambda x: sign(x) * abs(x) ** Rational(1, 3))
    slopes = staticmethod(lambda x: [1 / (3 * cbrt(x) ** 2)])


class arctan2(_Smooth):
    """``arctan2(y, x)``: the angle from the direction (1, 0) to the direction (x, y), between -pi and pi."""

    nargs = 2
    value = staticmethod(lambda y, x: sympy.atan2(y, x) if y or x else Integer(0))
    slopes = staticmethod(lambda y, x: [x / (x**2 + y**2), -y / (x**2 + y**2)])


class normal_sinc(_Smooth):
    """``normal_sinc(x)``: sin(pi x) / (pi x), and 1 at x = 0 (``np.sinc``; SymPy's sinc is without the pi)."""

    value = staticmethod(lambda x: sin(pi * x) / (pi * x) if x else Integer(1))
    slopes = staticmethod(lambda x: [sinc_slope(x)])


def _slope_at(x: Expr) -> Expr:
    x = Rational(x) if isinstance(x, Float) else x  # exact: the difference loses digits near 0
    return (cos(pi * x) - sin(pi * x) / (pi * x)) / x if x else Integer(0)


class sinc_slope(_Smooth):
    """``sinc_slope(x)``: the derivative of ``normal_sinc``, (cos(pi x) - normal_sinc(x)) / x, and 0 at x = 0."""

    value = staticmethod(_slope_at)


class gammaln(_Smooth):
    """``gammaln(x)``: the logarithm of the gamma function of a positive x."""

    value = staticmethod(sympy.loggamma)
    slopes = staticmethod(lambda x: [digamma(x)])


class digamma(_Smooth):
    """``digamma(x)``: the derivative of ``gammaln``."""

    value = staticmethod(lambda x: sympy.polygamma(0, x))
    slopes = staticmethod(lambda x: [trigamma(x)])


class trigamma(_Smooth):
    """``trigamma(x)``: the derivative of ``digamma``."""

    value = staticmethod(lambda x: sympy.polygamma(1, x))


class erfc(_Smooth):
    """``erfc(x)``: 1 - erf(x).  SymPy would write erfc(-x) as 2 - erfc(x), which loses its digits."""

    value = staticmethod(sympy.erfc)
    slopes = staticmethod(lambda x: [-2 * exp(-(x**2)) / sqrt(pi)])


POSITIVE_WHERE_SMOOTH: dict[type[Function], Callable[..., tuple[Expr, ...]]] = {
    **dict.fromkeys((sympy.asin, sympy.acos, sympy.atanh, sympy.erfinv), lambda x: (1 - x**2,)),
    sympy.acosh: lambda x: (x - 1, x + 1),
    arctan2: lambda y, x: (x**2 + y**2,),
}
"""What is positive wherever a function has a derivative."""
