"""The slope at 0 of a black-box function of one real number, by a complex step or extrapolated from differences, with a
bound on its error.

A complex step has no cancellation, so the step can be tiny: Squire and Trapp, "Using complex variables to estimate
derivatives of real functions", SIAM Review 40 (1998).  Extrapolation of differences to a step of 0, with the error
estimated from neighbours in the table: Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in
Engineering Software 4 (1982).  The noise of the values: Moré and Wild, "Estimating computational noise", SIAM J.
Scientific Computing 33 (2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Function = Callable[[float], float]
Values = npt.NDArray[np.float64]

EPSILON = float(np.finfo(float).eps)
LARGEST, SMALLEST = 2.0**-1, 2.0**-34  # of the steps, for numbers near 1
COARSE = 2.0  # the ratio of a step to the next, at first,
COARSE_LEVELS = 9
FINE = 8.0  # and then: those steps show what is hidden within the others
SMALLEST_NUMBER = 2.0**-30  # a number nearer to 0 than that is treated as one at that distance
ORDERS = 5  # columns of a table
SAFETY = 4.0
SPACINGS = (2.0**-20, 2.0**-26, 2.0**-34)
"""Of the points at which noise is looked for: those that lie nearer than float32 resolves have none in it."""
POINTS = 9
NOISE_ORDERS = range(3, 8)  # of differences: those of a smooth function dwindle with the order, noise stays


@dataclass(frozen=True)
class Slope:
    """A slope, the bound on its error, and the jump: the right slope minus the left slope, or 0 unless it is known to
    differ.  If nothing is known, ``found`` is NaN and ``bound`` is infinite."""

    found: float
    bound: float
    jump: float = 0.0


UNKNOWN = Slope(math.nan, math.inf)


def noise(function: Function, epsilon: float) -> float:
    """The distance of values of ``function`` near 0 from a smooth function: rounding in any precision, but at least
    ``epsilon``, the rounding of the values."""
    found = epsilon / 2 * abs(function(0.0))
    for spacing in SPACINGS:
        row = np.array([function(spacing * place) for place in range(POINTS)])
        levels = []
        for order in range(1, max(NOISE_ORDERS) + 1):
            row = np.diff(row)
            if order in NOISE_ORDERS:
                levels.append(float(np.sqrt(np.mean(row**2) / math.comb(2 * order, order))))
        found = max(found, min(levels)) if math.isfinite(min(levels)) else found
    return found


def steps(largest: float, smallest: float) -> tuple[list[float], list[float]]:
    """The coarse and the fine steps for moved numbers between ``smallest`` and ``largest`` in absolute value."""
    top = LARGEST * max(1.0, largest)
    coarse = [top / COARSE**level for level in range(COARSE_LEVELS)]
    bottom = max(SMALLEST * min(1.0, max(smallest, SMALLEST_NUMBER)), 2**10 * EPSILON * largest)
    count = max(2, math.ceil(math.log(coarse[-1] / bottom, FINE)))
    return coarse, [coarse[-1] / FINE**level for level in range(1, count + 1)]


def by_differences(function: Function, at: tuple[list[float], list[float]], noise: float) -> Slope:
    """The slope from values at coarse and fine steps on both sides, each value with an error of about ``noise``.

    The mean of the right and the left slope tends to the slope, with an error in even powers of the step.  Their
    difference tends to 0, in odd powers, unless there is a kink; then the slope is uncertain by half of the difference.
    """
    middle = function(0.0)
    every = np.array([*at[0], *at[1]])
    right, left = (np.array([function(sign * step) for step in every]) - middle for sign in (1, -1))
    error = SAFETY * noise / every
    mean = _limit((right - left) / (2 * every), error, 2)
    jump = _limit((right + left) / every, 2 * error, 1)
    if not math.isfinite(mean.bound + jump.bound):
        return UNKNOWN
    bound = mean.bound + (abs(jump.found) + jump.bound) / 2
    return Slope(mean.found, bound, jump.found if abs(jump.found) > SAFETY * jump.bound else 0.0)


def _limit(values: Values, errors: Values, power: int) -> Slope:
    """The limit of ``values`` at coarse and fine steps, whose error falls with the powers ``power``, ``power`` + 2, ...
    of the step.

    It takes the best extrapolation that agrees with those from all smaller steps: a function that bends within a large
    step may look straight there.
    """
    coarse = _extrapolated(values[:COARSE_LEVELS], errors[:COARSE_LEVELS], COARSE, power)
    fine = _extrapolated(values[COARSE_LEVELS:], errors[COARSE_LEVELS:], FINE, power)
    low, high, chosen = -math.inf, math.inf, UNKNOWN
    for level in reversed(coarse + fine):
        low, high = max(low, level.found - level.bound), min(high, level.found + level.bound)
        if not low <= high:  # nor where a value is not finite
            break
        if level.bound < chosen.bound:
            chosen = level
    return chosen


def _extrapolated(values: Values, errors: Values, ratio: float, power: int) -> list[Slope]:
    """The best extrapolation from every step except the largest, by Ridders' table."""
    row: list[float] = []
    best = []
    for value, error in zip(values.tolist(), errors.tolist(), strict=True):
        above, row = row, [value]
        level = UNKNOWN
        for order, known in enumerate(above[:ORDERS]):
            row.append(row[-1] + (row[-1] - known) / (ratio ** (power + 2 * order) - 1))
            bound = SAFETY * max(abs(row[-1] - row[-2]), abs(row[-1] - known)) + error
            if bound < level.bound:
                level = Slope(row[-1], bound)
        best.append(level)
    return best[1:]
