"""Bounds on the numbers in a line, so that no nonzero coefficient vanishes modulo a prime.

*Lemma.*  Over one denominator, the difference of the sides of a line is a polynomial with integer coefficients, in
entries, exponentials and other parts that count as variables.  If the sum of the absolute values of the coefficients is
less than the prime, no coefficient is a multiple of the prime.  If the degree is less than the prime, no power of an
entry equals the entry for all residues, as ``x**p`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log2

from sympy import Add, Expr, Indexed, Mul, Number, Pow, Rational, Sum, Symbol
from sympy.core.basic import Basic

from symgrad.check.numeric.fields import BITS
from symgrad.notation import bound_indices

LARGEST_SIZE = 7
"""The largest size in the standard shapes."""
MOST_DEGREE = 2**20
"""The bound on the degree of a line that is evaluated modulo primes."""


@dataclass
class Bound:
    """Bounds on a fraction of polynomials with integer coefficients: the base 2 logarithm of the sum of their absolute
    values in the numerator (``above``) and in the denominator (``below``)."""

    above: float = 0
    below: float = 0


def of_number(value: Rational) -> tuple[float, float]:
    """The bounds on a number: ``above`` and ``below``."""
    return log2(abs(value.p)) if value.p else 0, log2(value.q)


def of_product(parts: Sequence[Bound]) -> tuple[float, float]:
    """The bounds on a product: ``above`` and ``below``."""
    return sum(part.above for part in parts), sum(part.below for part in parts)


def of_sum(parts: Sequence[Bound]) -> tuple[float, float]:
    """The bounds on a sum over the product of the denominators: ``above`` and ``below``."""
    above = [part.above + sum(other.below for other in parts if other is not part) for part in parts]
    most = max(above)
    return most + log2(sum(2.0 ** (a - most) for a in above)), sum(part.below for part in parts)


@dataclass
class Magnitude(Bound):
    """Bounds on an expression, with its degree."""

    degree: int = 0


IMMODEST = Magnitude(inf, inf, MOST_DEGREE)
"""No bound.  Bounds that are computed from it are infinite, or not a number, so never modest."""


def is_modest(left: Expr, right: Expr) -> bool:
    """Whether no nonzero coefficient of the difference of two expressions vanishes modulo the primes, at any standard
    shape."""
    difference = _sum([magnitude(left), magnitude(right)])
    return difference.above < BITS and difference.degree < MOST_DEGREE


def magnitude(expr: Basic) -> Magnitude:
    """Bounds on an expression; a function counts as a variable if the bounds on its arguments are small."""
    if isinstance(expr, Rational):
        return Magnitude(*of_number(expr))
    if isinstance(expr, Symbol) and expr.is_integer:
        return Magnitude(above=log2(LARGEST_SIZE))
    if isinstance(expr, (Symbol, Indexed, Number)):
        return Magnitude(degree=1)
    if isinstance(expr, Add):
        return _sum([magnitude(arg) for arg in expr.args])
    if isinstance(expr, Mul):
        parts = [magnitude(arg) for arg in expr.args]
        return Magnitude(*of_product(parts), _degree(parts))
    if isinstance(expr, Pow) and isinstance(expr.exp, Rational):
        return _power(magnitude(expr.base), expr.exp)
    if isinstance(expr, Sum):
        terms = LARGEST_SIZE ** len(bound_indices(expr))
        inner = magnitude(expr.function)
        return Magnitude(log2(terms) + inner.above + (terms - 1) * inner.below, terms * inner.below, inner.degree)
    inside = [magnitude(arg) for arg in expr.args]
    is_small = all(max(m.above, m.below) < BITS / 2 and m.degree < MOST_DEGREE for m in inside)
    return Magnitude(degree=1) if is_small else IMMODEST


def _sum(parts: list[Magnitude]) -> Magnitude:
    return Magnitude(*of_sum(parts), _degree(parts))


def _degree(parts: list[Magnitude]) -> int:
    return sum(part.degree for part in parts)


def _power(base: Magnitude, exponent: Rational) -> Magnitude:
    times = abs(exponent)
    if times > MOST_DEGREE:
        return IMMODEST
    above, below = float(times) * base.above, float(times) * base.below
    degree = ceil(base.degree * float(times))
    return Magnitude(above, below, degree) if exponent > 0 else Magnitude(below, above, degree)
