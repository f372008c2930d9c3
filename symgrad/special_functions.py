"""Functions that SymPy lacks, or has in another form: roots, angles, special functions, and the place of an index.

Each class has its derivative (``fdiff``), and its value at numbers.  ``POSITIVE_WHERE_SMOOTH`` has their domains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy
from sympy import Expr, Float, Function, Integer, Rational, cos, exp, pi, sign, sin, sqrt
from sympy.core.basic import Basic
from sympy.core.function import ArgumentIndexError

from symgrad.errors import UnsupportedError


class _Smooth(Function):  # type: ignore[misc]
    """A real function of real arguments, evaluated if all its arguments are numbers."""

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """The value at numbers; None leaves the expression unevaluated."""
        return cls._value(*args) if all(arg.is_comparable for arg in args) else None

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        raise NotImplementedError

    def _eval_is_real(self) -> bool | None:
        return True if all(arg.is_real for arg in self.args) else None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative with respect to argument number ``argindex``, counted from 1.  SymPy calls this method."""
        if not 1 <= argindex <= len(self.args):
            raise ArgumentIndexError(self, argindex)
        return self._slopes()[argindex - 1]

    def _slopes(self) -> Sequence[Expr]:
        raise UnsupportedError(f"{type(self).__name__} has no rule for its derivative")


class position_of(Function):  # type: ignore[misc]
    """``position_of(i)``: the place that the index i points at, counted from 0; ``np.arange`` along its axis."""

    nargs = 1
    is_real = True
    is_nonnegative = True


class cbrt(_Smooth):
    """``cbrt(x)``: the real cube root, which is negative for x < 0."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sign(args[0]) * abs(args[0]) ** Rational(1, 3)

    def _slopes(self) -> Sequence[Expr]:
        return [1 / (3 * self**2)]


class arctan2(_Smooth):
    """``arctan2(y, x)``: the angle from the direction (1, 0) to the direction (x, y), between -pi and pi."""

    nargs = 2

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sympy.atan2(*args) if any(args) else Integer(0)

    def _slopes(self) -> Sequence[Expr]:
        y, x = self.args
        return [x / (x**2 + y**2), -y / (x**2 + y**2)]


class normal_sinc(_Smooth):
    """``normal_sinc(x)``: sin(pi x) / (pi x), and 1 at x = 0 (``np.sinc``; SymPy's sinc is without the pi)."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sin(pi * args[0]) / (pi * args[0]) if args[0] else Integer(1)

    def _slopes(self) -> Sequence[Expr]:
        return [sinc_slope(self.args[0])]


class sinc_slope(_Smooth):
    """``sinc_slope(x)``: the derivative of ``normal_sinc``, (cos(pi x) - normal_sinc(x)) / x, and 0 at x = 0."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        x = Rational(args[0]) if isinstance(args[0], Float) else args[0]  # exact: the difference loses digits near 0
        return (cos(pi * x) - sin(pi * x) / (pi * x)) / x if x else Integer(0)


class gammaln(_Smooth):
    """``gammaln(x)``: the logarithm of the gamma function of a positive x."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sympy.loggamma(args[0])

    def _slopes(self) -> Sequence[Expr]:
        return [digamma(self.args[0])]


class digamma(_Smooth):
    """``digamma(x)``: the derivative of ``gammaln``."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sympy.polygamma(0, args[0])

    def _slopes(self) -> Sequence[Expr]:
        return [trigamma(self.args[0])]


class trigamma(_Smooth):
    """``trigamma(x)``: the derivative of ``digamma``."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sympy.polygamma(1, args[0])


class erfc(_Smooth):
    """``erfc(x)``: 1 - erf(x).  SymPy would write erfc(-x) as 2 - erfc(x), which loses its digits."""

    nargs = 1

    @classmethod
    def _value(cls, *args: Expr) -> Expr:
        return sympy.erfc(args[0])

    def _slopes(self) -> Sequence[Expr]:
        return [-2 * exp(-(self.args[0] ** 2)) / sqrt(pi)]


POSITIVE_WHERE_SMOOTH: dict[type[Function], Callable[..., tuple[Expr, ...]]] = {
    **dict.fromkeys((sympy.asin, sympy.acos, sympy.atanh, sympy.erfinv), lambda x: (1 - x**2,)),
    sympy.acosh: lambda x: (x - 1, x + 1),
    arctan2: lambda y, x: (x**2 + y**2,),
}
"""What is positive wherever a function has a derivative."""
