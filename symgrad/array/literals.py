"""Numbers of Python and NumPy as exact SymPy numbers: 0.1 is 1/10, and ``np.log(2)`` is log 2."""

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

MOST_SIMPLE = 1000  # the largest denominator of a fraction that a difference stands for
ROUNDING = Fraction(2) ** -53  # of a difference of numbers up to 1


@cache
def _named() -> dict[float, Expr]:
    """Floats that stand for e, pi and for roots, logarithms and fractions of pi and of whole numbers up to 20.

    Each constant has its nearest float, and the float that arithmetic computes, which may be a neighbour: log(2 pi).
    """
    pairs: list[tuple[float, Expr]] = [(math.e, E), (math.pi / 2, pi / 2)]
    whole: list[tuple[float, Expr]] = [(float(base), Integer(base)) for base in range(2, 21)]
    for written, base in [(2 / math.pi, 2 / pi), (2 * math.pi, 2 * pi), (math.pi, pi), *reversed(whole)]:
        root, logarithm = math.sqrt(written), math.log(written)
        pairs += [(math.log(root), log(base) / 2), (logarithm / 2, log(base) / 2), (logarithm, log(base))]
        pairs += [(1 / root, 1 / sqrt(base)), (root, sqrt(base)), (written, base)]
    irrational = [(written, number) for written, number in pairs if not number.is_rational]
    return dict(irrational) | {float(number): number for _, number in irrational}


def exact(value: Any) -> Expr:
    """The exact number that a float stands for.  Raises ``UnsupportedError`` unless it is real and finite."""
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return Integer(int(value))
    if isinstance(value, (float, np.floating)) and math.isfinite(value):
        return _named().get(float(value)) or Rational(_fraction(value) or str(value))
    if isinstance(value, (Fraction, Rational)) or (isinstance(value, Decimal) and value.is_finite()):
        return Rational(Fraction(value))
    raise UnsupportedError(f"{value} cannot be used in a loss: numbers must be real and finite")


def _fraction(value: Any) -> Fraction | None:
    """The fraction with the smallest denominator that rounds to a float; a whole number of over 15 digits is itself.

    A float that the rounding of a difference separates from a simple fraction, such as 0.9 - 1, is that fraction.  None
    unless the numerator times the denominator is small (2**40 in double precision), so that no other is near.
    """
    binary = Fraction(float(value))
    simple = binary.limit_denominator(MOST_SIMPLE)
    is_near = abs(simple - binary) <= min(ROUNDING, abs(binary) / 2**40)
    if isinstance(value, float) and is_near and simple.denominator > 1:
        return simple
    if binary.denominator == 1 and float(f"{value:.15g}") != value:
        return binary
    bound = Fraction(2.0**-12 / float(np.finfo(type(value)).eps))
    near = binary.limit_denominator(max(math.isqrt(int(bound / abs(binary or Fraction(1)))), 1))
    return near if type(value)(near) == value and abs(near.numerator * near.denominator) <= bound else None


def is_number(value: object) -> bool:
    """Whether a value is a single number of Python, NumPy or SymPy."""
    return isinstance(value, (bool, int, float, complex, np.number, np.bool_, Fraction, Decimal, Rational))


def operand(value: Any, operation: str) -> Node:
    """The node of an operand.  Raises ``UnsupportedError`` for a concrete array, and for anything but a number."""
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
    raise UnsupportedError(f"{operation} mixes a symbolic array with {what}: declare it in shapes as an input")
