"""Functions of a number that modules of plain Python have copies of; they return a value where ``math`` raises."""

from __future__ import annotations

import math


def _exp(x: float) -> float:
    """exp(x), infinite where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    """log(x), minus infinity at 0 and NaN below."""
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _logaddexp(a: float, b: float) -> float:
    """log(exp(a) + exp(b)) without overflow."""
    return a + math.log(2) if a == b else max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    small = math.exp(-abs(x))
    return (1 if x >= 0 else small) / (1 + small)


def _log1p(x: float) -> float:
    """log(1 + x), minus infinity at -1 and NaN below."""
    return math.log1p(x) if x > -1 else -math.inf if x == -1 else math.nan


def _expm1(x: float) -> float:
    """exp(x) - 1, infinite where it overflows."""
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def _reciprocal(x: float) -> float:
    """1 / x, and 0 at 0."""
    return 1 / x if x != 0 else 0.0


def _nonzero(x: float) -> float:
    """x, which is positive, or 1 where it was rounded to 0."""
    return x if x != 0 else 1.0


def _step(x: float, at_zero: float) -> float:
    """0 below zero, 1 above, at_zero at zero."""
    return 1.0 if x > 0 else at_zero if x == 0 else 0.0


def _sign(x: float) -> float:
    """-1, 0 or 1."""
    return float((x > 0) - (x < 0))


def _selected(position: int, *values: float) -> float:
    """1 if the value at a position is the largest, else 0; ties share the 1."""
    largest = max(values)
    return float(values[position] == largest) / values.count(largest)
