"""Python's and NumPy's numbers as the exact numbers that were meant."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from sympy import E, Expr, Integer, Rational, log, pi, sqrt

from symgrad.array.graph import Node, constant
from symgrad.errors import UnsupportedError


@cache
def _named() -> dict[float, Expr]:
    """Numbers that have a name, by their nearest floats and as written: nobody means the fraction that ``np.log(2)``
    is.

    What arithmetic on floats makes of one may be the neighbour of its nearest float, as for log(2 pi).
    """
    found: list[tuple[float, Expr]] = [(math.e, E), (math.pi / 2, pi / 2)]
    whole: list[tuple[float, Expr]] = [(float(base), Integer(base)) for base in range(2, 21)]
    for written, base in [(2 / math.pi, 2 / pi), (2 * math.pi, 2 * pi), (math.pi, pi), *reversed(whole)]:
        root, logarithm = math.sqrt(written), math.log(written)
        found += [(math.log(root), log(base) / 2), (logarithm / 2, log(base) / 2), (logarithm, log(base))]
        found += [(1 / root, 1 / sqrt(base)), (root, sqrt(base)), (written, base)]
    irrational = [(written, number) for written, number in found if not number.is_rational]
    return dict(irrational) | {float(number): number for _, number in irrational}


def exact(value: Any) -> Expr:
    """The number that was meant: 0.1 is 1/10, 1/3 is a third, and the nearest float to pi, log(2), sqrt(2) and their
    like is that number.

    Raises ``UnsupportedError`` for what is not finite or not real.
    """
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return Integer(int(value))
    if isinstance(value, (float, np.floating)) and math.isfinite(value):
        return _named().get(float(value)) or Rational(_fraction(value) or str(value))
    if isinstance(value, (Fraction, Rational)) or (isinstance(value, Decimal) and value.is_finite()):
        return Rational(Fraction(value))
    raise UnsupportedError(f"{value} cannot stand in a derivation: numbers are real and finite")


def _fraction(value: Any) -> Fraction | None:
    """The fraction with the smallest denominator that rounds to a float.

    None unless its numerator times its denominator is so small (2**40 in double precision) that no other comes near; a
    whole number of more than 15 digits is itself.
    """
    written = Fraction(float(value))
    if written.denominator == 1 and float(f"{value:.15g}") != value:
        return written
    most = Fraction(2.0**-12 / float(np.finfo(type(value)).eps))
    near = written.limit_denominator(max(math.isqrt(int(most / abs(written or Fraction(1)))), 1))
    return near if type(value)(near) == value and abs(near.numerator * near.denominator) <= most else None


def is_number(value: object) -> bool:
    """Whether a value is a single number of Python's, NumPy's or SymPy's."""
    return isinstance(value, (bool, int, float, complex, np.number, np.bool_, Fraction, Decimal, Rational))


def operand(value: Any, operation: str) -> Node:
    """The node of an operand.  Raises ``UnsupportedError`` for an array of numbers, or what is no number at all."""
    if isinstance(value, Node):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if is_number(value):
        return constant(exact(value))
    if isinstance(value, np.ndarray):
        what = f"an array of numbers of shape {value.shape}"
    else:
        what = getattr(value, "words", f"a {type(value).__name__}")
    raise UnsupportedError(
        f"{operation} of a symbolic array and {what}: declare it in shapes, as an input of its own, or use a number"
    )
