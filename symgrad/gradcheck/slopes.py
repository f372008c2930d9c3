"""Slopes of a black-box function, by a complex step or extrapolated from differences, with bounds on their errors.

A complex step has no cancellation, so the step can be tiny: Squire and Trapp, "Using complex variables to estimate
derivatives of real functions", SIAM Review 40 (1998).  Extrapolation of differences to a step of 0, with the error
estimated from neighbours in the table: Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in
Engineering Software 4 (1982).  The noise of the values: Moré and Wild, "Estimating computational noise", SIAM J.
Scientific Computing 33 (2011).
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from symgrad.errors import InputError

Function = Callable[[float], float]
Values = npt.NDArray[np.float64]

EPSILON = float(np.finfo(float).eps)
LARGEST, SMALLEST = 2.0**-1, 2.0**-34  # the range of steps, for numbers near 1
COARSE = 2.0  # the ratio of one coarse step to the next
COARSE_LEVELS = 9
FINE = 8.0  # the ratio of one fine step to the next; fine steps resolve features that coarse steps jump over
SMALLEST_NUMBER = 2.0**-30  # numbers closer to 0 are treated as if they were at this distance
ORDERS = 5  # the columns of an extrapolation table
SAFETY = 4.0
SPACINGS = (2.0**-20, 2.0**-26, 2.0**-34)
"""The spacings of the points at which noise is measured; float32 does not resolve the smallest, so shows no noise."""
POINTS = 9
NOISE_ORDERS = range(3, 8)
"""The orders of differences that measure noise: high differences of a smooth function vanish, but noise remains."""
COMPLEX_STEPS = (2.0**-100, 0.7 * 2.0**-100)


@dataclass(frozen=True)
class Slope:
    """A slope ``found``, the ``bound`` on its error, and the ``jump``: the right slope minus the left slope, if the two
    are known to differ, else 0.  If nothing is known, ``found`` is NaN and ``bound`` is infinite."""

    found: float
    bound: float
    jump: float = 0.0


UNKNOWN = Slope(math.nan, math.inf)


def noise(function: Function, epsilon: float) -> float:
    """The noise in the values of ``function`` near 0, estimated from differences of high order; never less than the
    rounding ``epsilon`` of the values."""
    level = epsilon / 2 * abs(function(0.0))
    for spacing in SPACINGS:
        row = np.array([function(spacing * number) for number in range(POINTS)])
        levels = []
        for order in range(1, max(NOISE_ORDERS) + 1):
            row = np.diff(row)
            if order in NOISE_ORDERS:
                levels.append(float(np.sqrt(np.mean(row**2) / math.comb(2 * order, order))))
        level = max(level, min(levels)) if math.isfinite(min(levels)) else level
    return level


def steps(high: float, low: float) -> tuple[list[float], list[float]]:
    """The coarse and the fine steps for numbers with absolute values between ``low`` and ``high``."""
    top = LARGEST * max(1.0, high)
    coarse = [top / COARSE**level for level in range(COARSE_LEVELS)]
    bottom = max(SMALLEST * min(1.0, max(low, SMALLEST_NUMBER)), 2**10 * EPSILON * high)
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
    """The limit of ``values`` at coarse and fine steps as the step tends to 0; their error is a series in the powers
    ``power``, ``power`` + 2, ... of the step.

    Returns the best extrapolation that agrees with the extrapolations from all smaller steps: a function that bends
    within a large step may look straight at that step.
    """
    coarse = _extrapolated(values[:COARSE_LEVELS], errors[:COARSE_LEVELS], COARSE, power)
    fine = _extrapolated(values[COARSE_LEVELS:], errors[COARSE_LEVELS:], FINE, power)
    low, high, chosen = -math.inf, math.inf, UNKNOWN
    for level in reversed(coarse + fine):
        low, high = max(low, level.found - level.bound), min(high, level.found + level.bound)
        if not low <= high:  # also if a value is not finite
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


# --- the function at a point ------------------------------------------------------------------------------------------


class Point:
    """The function ``f`` near ``inputs``: one of the inputs at ``positions``, all in float64, is displaced."""

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], positions: Sequence[int]) -> None:
        self.f = f
        self.inputs = list(inputs)
        for position in positions:
            value = inputs[position]
            self.inputs[position] = np.array(value, dtype=float) if isinstance(value, np.ndarray) else float(value)
        self.names = _names(f, len(inputs))
        self.epsilon = EPSILON

    def value(self) -> tuple[float, list[str]]:
        """The value at the inputs, and a list of the function's own problems.

        Raises ``InputError`` if the value is not a real number.
        """
        arguments = copies(self.inputs)
        with np.errstate(all="ignore"):
            returned, again = self.f(*arguments), _number(self.f(*copies(self.inputs)))
        value = _number(returned)
        if isinstance(value, complex):
            raise InputError("f returns a complex number: expected a real one")
        problems = []
        if not unchanged(arguments, self.inputs):
            problems.append("f changes its inputs in place")
        if not math.isfinite(value):
            problems.append(f"f is {value} at these inputs")
        elif value != again:
            problems.append(f"f has two values at the same inputs, {value!r} and {again!r}")
        self.epsilon = precision(returned)
        return value, problems

    def along(self, position: int, direction: Any) -> Function:
        """The value as a function of the displacement of an input; NaN if ``f`` raises or returns a complex number."""

        def value(step: float) -> float:
            try:
                result = self._at(position, self.inputs[position] + step * direction)
            except (ArithmeticError, ValueError):
                return math.nan
            return math.nan if isinstance(result, complex) else result

        return value

    def complex_step(self, position: int, direction: Any, rng: np.random.Generator) -> Slope:
        """The slope by a complex step; ``UNKNOWN`` if ``f`` rejects complex numbers or drops the imaginary part.

        Its error is estimated by a second step of another length, at inputs changed in their last digit.
        """
        start = self.inputs[position]
        moved = start * (1 + EPSILON * rng.integers(-2, 3, np.shape(start)))
        slopes = []
        for real, step in zip((start, moved), COMPLEX_STEPS, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                try:
                    value = self._at(position, real + 1j * (step * direction))
                except Exception:  # a function that was not written for complex numbers may raise anything
                    return UNKNOWN
            if not isinstance(value, complex):
                return UNKNOWN
            slopes.append(value.imag / step)
        bound = 4 * abs(slopes[0] - slopes[1]) + 16 * EPSILON * abs(slopes[0])
        return Slope(slopes[0], bound) if math.isfinite(bound) else UNKNOWN

    def _at(self, position: int, value: Any) -> float | complex:
        arguments = copies(self.inputs)
        moved = np.asarray(value)
        arguments[position] = moved if isinstance(self.inputs[position], np.ndarray) else moved.item()
        with np.errstate(all="ignore"):
            return _number(self.f(*arguments))


def copies(inputs: Sequence[Any]) -> list[Any]:
    """Copies of the inputs, for a function that may change its arguments."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in inputs]


def unchanged(arguments: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Whether the arrays of ``arguments`` are still equal to those of ``inputs``, byte for byte."""
    arrays = [(one, other) for one, other in zip(arguments, inputs, strict=True) if isinstance(one, np.ndarray)]
    return all(one.shape == other.shape and one.tobytes() == other.tobytes() for one, other in arrays)


def largest(values: np.ndarray) -> float:
    """The largest absolute value of the entries; 0 if there is none."""
    return float(np.abs(values).max(initial=0.0))


def relative_error(values: np.ndarray, expected: np.ndarray) -> float:
    """The largest error relative to the largest entry; infinite if the shapes differ or an error is not finite."""
    with np.errstate(invalid="ignore"):
        error = largest(values - expected) if values.shape == expected.shape else np.inf
    return error / (largest(expected) or 1.0) if np.isfinite(error) else np.inf


def kind(value: Any) -> str:
    """NumPy's one-letter kind of a number or an array; "O" for anything else."""
    return np.asarray(value).dtype.kind if isinstance(value, (int, float, complex, np.ndarray, np.generic)) else "O"


def precision(*values: Any) -> float:
    """The coarsest machine epsilon of the floating-point values, at least the epsilon of float64."""
    types = [np.asarray(value).dtype for value in values if kind(value) == "f"]
    return max([EPSILON, *(float(np.finfo(each).eps) for each in types)])


def _number(value: Any) -> float | complex:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiubc":
        what = f"an array of shape {array.shape}" if array.size != 1 else f"a {type(array.item()).__name__}"
        raise InputError(f"f returns {what}: expected a number")
    number: float | complex = array.item()
    return number if isinstance(number, complex) else float(number)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the inputs: the parameter names of the function, or "input 0" and so on."""
    try:
        parameters = [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):  # some functions written in C have no signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[position] if position < len(names) else f"input {position}" for position in range(count)]
