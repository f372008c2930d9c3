"""Functions that are not smooth, as SymPy functions of our own: evaluated nowhere but at numbers."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Function, Integer, Rational
from sympy.core.function import ArgumentIndexError


class _Real(Function):
    """A function with real values whose derivatives are ``slopes`` of its arguments; 0 where none is given."""

    is_extended_real = True
    is_real = True

    def fdiff(self, argindex: int = 1) -> Expr:
        if not 1 <= argindex <= len(self.args):
            raise ArgumentIndexError(self, argindex)
        slopes = self.slopes()
        return slopes[argindex - 1] if slopes else Integer(0)

    def slopes(self) -> tuple[Expr, ...]:
        """The derivative by each argument, or nothing for a function that is constant but for jumps."""
        return ()


class step(_Real):
    """0 for x < 0, 1 for x > 0, ``at_zero`` for x = 0."""

    nargs = 2

    @classmethod
    def eval(cls, x: Any, at_zero: Any) -> Expr | None:
        if x.is_number and x.is_comparable:
            return at_zero if x == 0 else Integer(int(x > 0))
        return None


class relu(_Real):
    """max(x, 0)."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Expr | None:
        return (x if x > 0 else Integer(0)) if x.is_number and x.is_comparable else None

    def slopes(self) -> tuple[Expr, ...]:
        return (step(self.args[0], 0),)


class signum(_Real):
    """-1, 0 or 1."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Expr | None:
        return Integer(int(x > 0) - int(x < 0)) if x.is_number and x.is_comparable else None


class absolute(_Real):
    """|x|."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Expr | None:
        return abs(x) if x.is_number else None

    def slopes(self) -> tuple[Expr, ...]:
        return (signum(self.args[0]),)


class maximum(_Real):
    """The larger of two."""

    nargs = 2

    def slopes(self) -> tuple[Expr, ...]:
        a, b = self.args
        return step(a - b, Rational(1, 2)), step(b - a, Rational(1, 2))


class minimum(_Real):
    """The smaller of two."""

    nargs = 2

    def slopes(self) -> tuple[Expr, ...]:
        a, b = self.args
        return step(b - a, Rational(1, 2)), step(a - b, Rational(1, 2))


class clip(_Real):
    """x, but no less than lo and no more than hi."""

    nargs = 3

    def slopes(self) -> tuple[Expr, ...]:
        x, lo, hi = self.args
        inside = step(x - lo, 1) * step(hi - x, 1)
        return inside, 1 - step(x - lo, 1), 1 - step(hi - x, 1)


class where(_Real):
    """a where c = 1, b where c = 0."""

    nargs = 3

    def slopes(self) -> tuple[Expr, ...]:
        return Integer(0), self.args[0], 1 - self.args[0]


class equal(_Real):
    """1 where a = b, else 0."""

    nargs = 2


class selection(_Real):
    """1/t for the t entries of x that are largest along the index i, which stays free; 0 for the others."""

    nargs = 2
