"""Compare the gradient of any function with finite differences, entry by entry, with bounds on their errors.

Nothing is derived: the function is only called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symgrad.errors import InputError
from symgrad.gradcheck.slopes import Point, Slope, by_differences, copies, kind, noise, precision, steps, unchanged
from symgrad.gradcheck.verdicts import COMPLEX, DIFFERENCES, Entry, GradientCheck, GradientOf, Verdict

REAL = "fiu"  # NumPy's kinds of real numbers
MOST_ENTRIES = 100
"""The largest number of entries of an input that are tested one by one; the others are tested together."""
DIRECTIONS = 3  # random directions in which complex steps are confirmed; errors may cancel in one of them
ROUNDINGS = 100
"""The rounding of the function that a gradient of 0 may show, in units of its precision (the tolerance squared)."""

Vector = Any  # floats, shaped like the input
Numbers = Any  # numbers of entries, counted in C order


def check_grad(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    *inputs: Any,
    wrt: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> GradientCheck:
    """Compare ``grad(*inputs)`` with the slopes of ``f(*inputs)``, which returns a number.

    ``wrt`` gives the positions of the inputs to differentiate with respect to (default: the floating-point arrays and
    numbers).  Other inputs, such as labels, are passed on unchanged.  ``grad`` returns an array shaped like the input,
    or a tuple or list with one array for each position, in order.  It may also return ``(value, gradients)`` like
    generated functions, or ``(value, gradient)`` for one input; then the value is compared too.

    A slope is found by a complex step if the function accepts complex numbers and differences confirm it; otherwise it
    is extrapolated from differences, in float64.  Each slope has a bound on its error.  An entry is right if it is
    within ``tolerance`` times the largest entry (default: the root of the precision, 1.5e-8 in float64), and undecided
    if its slope is less certain than that, at a kink or in noise.  Of more than 100 entries, 100 are tested one by one,
    and the others together, in a random direction; if that test fails, a search finds the wrong entry.

    Raises ``InputError`` if ``f`` or ``grad`` is not a function, an input is not numeric, the number of gradients is
    wrong, or ``f`` does not return a real number; exceptions of ``f`` and ``grad`` at the inputs are passed on.

    >>> import numpy as np
    >>> from symgrad import check_grad
    >>> X, w, y = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([0.5, -1.0]), np.array([1, 0])
    >>> def loss(X, w, y):
    ...     return np.mean((X @ w - y) ** 2)
    >>> def gradient(X, w, y):
    ...     return X.T @ (X @ w - y)
    >>> check_grad(loss, lambda X, w, y: gradient(X, w, y) * 2 / len(y), X, w, y, wrt=[1]).ok
    True
    """
    for name, function in (("f", f), ("grad", grad)):
        if not callable(function):
            raise InputError(f"{name}: expected a function, not {function!r}")
    positions = _positions(inputs, wrt)
    if tolerance is not None and not (kind(tolerance) in REAL and tolerance > 0):
        raise InputError(f"tolerance: expected a number above 0, not {tolerance!r}")
    point = Point(f, inputs, positions)
    value, doubts = point.value()
    problems = []
    arguments = copies(inputs)
    returned = grad(*arguments)
    if not unchanged(arguments, inputs):
        problems.append("grad changes its inputs in place")
    stated, gradients = _gradients(returned, [point.names[position] for position in positions])
    if stated is not None and not abs(stated - value) <= precision(stated, *inputs) ** 0.5 * abs(value):
        problems.append(f"grad returns the value {stated:.9g}, f {value:.9g}")
    results = []
    for position, gradient in zip(positions, gradients, strict=True):
        name, shape = point.names[position], np.shape(inputs[position])
        if kind(gradient) not in REAL:
            problems.append(f"the gradient with respect to {name} is not an array of real numbers")
        elif np.shape(gradient) != shape:
            problems.append(f"the gradient with respect to {name} has the shape {np.shape(gradient)}, expected {shape}")
        elif math.isfinite(value):
            allowed = precision(gradient, inputs[position]) ** 0.5 if tolerance is None else tolerance
            results.append(_Search(point, position, np.asarray(gradient, float), allowed, value).result())
    return GradientCheck(tuple(results), tuple(problems), tuple(doubts))


def _positions(inputs: Sequence[Any], wrt: Sequence[int] | None) -> list[int]:
    """The positions of the inputs to differentiate with respect to."""
    floating = [position for position, value in enumerate(inputs) if kind(value) == "f"]
    if not (wrt is None or isinstance(wrt, (list, tuple))):
        raise InputError(f"wrt: expected positions of inputs, such as [0], not {wrt!r}")
    positions = floating if wrt is None else list(wrt)
    if not positions:
        raise InputError("no input to differentiate with respect to: expected a floating-point array or number")
    if masked := [position for position, value in enumerate(inputs) if isinstance(value, np.ma.MaskedArray)]:
        raise InputError(f"the input at {masked[0]} is a masked array: fill it, and give the mask as another input")
    for position in positions:
        if not isinstance(position, int) or not 0 <= position < len(inputs):
            raise InputError(f"wrt: expected positions of inputs, 0 to {len(inputs) - 1}, not {position!r}")
        if kind(inputs[position]) not in REAL:
            raise InputError(f"wrt: the input at {position} is not an array of real numbers")
    return positions


def _gradients(returned: Any, names: Sequence[str]) -> tuple[float | None, list[Any]]:
    """The value, if one is returned, and the gradients with respect to the named inputs."""
    value = None
    if isinstance(returned, tuple) and len(returned) == 2:
        first, second = returned
        has_gradients = isinstance(second, (tuple, list)) or len(names) == 1
        if has_gradients and kind(first) == "f" and np.ndim(first) == 0:
            value, returned = float(first), second
    gradients = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(gradients) != len(names):
        raise InputError(
            f"grad returns {len(gradients)} gradients, expected {len(names)}, with respect to {', '.join(names)}; "
            "wrt=[...] gives the positions of the inputs to differentiate with respect to"
        )
    return value, gradients


class _Search:
    """Compares the gradient ``given`` with respect to the input at ``position`` with the slopes of the function.

    An entry may be off by ``tolerance`` times the largest entry, plus the effect of rounding the function's ``value``.
    """

    def __init__(self, point: Point, position: int, given: Any, tolerance: float, value: float) -> None:
        self.point, self.position, self.given, self.tolerance = point, position, given, tolerance
        self.name = point.names[position]
        self.rng = np.random.default_rng(0)
        self.sizes = np.abs(np.asarray(point.inputs[position]))
        self.every = np.arange(self.sizes.size)
        self.rounding = ROUNDINGS * tolerance**2 * abs(value) / max(1.0, _largest(self.sizes))
        self.noise = self._noise() if self.every.size else 0.0

    def result(self) -> GradientOf:
        """All entries one by one, or some one by one and the others together, with a wrong one of the others if any."""
        alone = self.every
        if alone.size > MOST_ENTRIES:
            alone = np.sort(self.rng.choice(alone, MOST_ENTRIES, replace=False))
        entries = self._by_complex_steps(alone) or self._by_differences(alone)
        others = np.setdiff1d(self.every, alone)
        if others.size:
            entries += self._together(others, entries[0].allowed)
        return GradientOf(self.name, self.every.size, tuple(entries))

    # --- entries one by one ---------------------------------------------------------------------------------------

    def _by_differences(self, alone: Numbers) -> list[Entry]:
        slopes = [self._differences(self._only(number)) for number in alone]
        return self._entries(alone, slopes, DIFFERENCES)

    def _by_complex_steps(self, alone: Numbers) -> list[Entry]:
        """The entries by complex steps; empty unless differences confirm them in random directions, within the
        tolerance of an entry, and in the worst entry."""
        doubt = 0.0
        for _ in range(DIRECTIONS if alone.size else 0):
            direction = self._random(self.every)
            slope, known = self._complex(direction), self._differences(direction)
            doubt = max(doubt, 2 * (abs(slope.found - known.found) + slope.bound + known.bound))
            if not math.isfinite(slope.bound + known.bound) or known.jump:
                return []
        slopes = [self._complex(self._only(number)) for number in alone]
        entries = self._entries(alone, [replace(each, bound=each.bound + doubt) for each in slopes], COMPLEX)
        if not all(doubt <= entry.allowed for entry in entries):
            return []
        number, worst = max(zip(alone, entries, strict=True), key=lambda each: each[1].badness, default=(0, None))
        if worst is not None and worst.verdict is Verdict.WRONG:
            known = self._differences(self._only(number))
            if not abs(worst.slope.found - known.found) <= worst.slope.bound + known.bound:
                return []
        return entries

    def _entries(self, alone: Numbers, slopes: Sequence[Slope], method: str) -> list[Entry]:
        allowed = self.tolerance * _largest([slope.found for slope in slopes]) + self.rounding
        return [self._entry(number, slope, allowed, method) for number, slope in zip(alone, slopes, strict=True)]

    def _entry(self, number: int, slope: Slope, allowed: float, method: str) -> Entry:
        index = tuple(int(part) for part in np.unravel_index(number, self.sizes.shape))
        return Entry(self.name, index, float(self.given.flat[number]), slope, allowed, method)

    # --- entries together -----------------------------------------------------------------------------------------

    def _together(self, others: Numbers, allowed: float) -> list[Entry]:
        """The slope in a random direction along ``others``; if it is wrong, also a wrong entry, found by bisection.

        The tolerances of entries add up as the root of the sum of squares.
        """

        def along(some: Numbers) -> Entry:
            direction, given = self._random(some), self.given.flat[some]
            total = float(np.sum(given * direction.flat[some]))
            most = max(allowed, self.tolerance * _largest(given)) * math.sqrt(some.size)
            return Entry(self.name, None, total, self._differences(direction), most, DIFFERENCES)

        together = along(others)
        if together.verdict is not Verdict.WRONG:
            return [together]
        while others.size > 1:
            wrong = [some for some in np.array_split(others, 2) if along(some).verdict is Verdict.WRONG]
            if not wrong:
                return [together]
            others = wrong[0]
        slope = self._differences(self._only(others[0]))
        return [together, self._entry(others[0], slope, allowed, DIFFERENCES)]

    # --- slopes ---------------------------------------------------------------------------------------------------

    def _complex(self, direction: Vector) -> Slope:
        return self.point.complex_step(self.position, direction, self.rng)

    def _differences(self, direction: Vector) -> Slope:
        moved = self.sizes[(direction != 0) & (self.sizes != 0)]
        at = steps(_largest(moved), float(moved.min(initial=1.0)))
        return by_differences(self.point.along(self.position, direction), at, self.noise)

    def _noise(self) -> float:
        """The noise of the values when every number is displaced in proportion to its size."""
        direction = self._random(self.every) * (self.sizes if self.sizes.any() else 1.0)
        return noise(self.point.along(self.position, direction), self.point.epsilon)

    def _only(self, number: int) -> Vector:
        direction = np.zeros(self.sizes.shape)
        direction.flat[number] = 1.0
        return direction

    def _random(self, numbers: Numbers) -> Vector:
        """A random direction along some entries; its components have similar sizes, so that errors rarely cancel."""
        direction = np.zeros(self.sizes.shape)
        direction.flat[numbers] = self.rng.uniform(0.5, 1.0, numbers.size) * self.rng.choice([-1, 1], numbers.size)
        return direction


def _largest(numbers: Any) -> float:
    """The largest absolute value of the finite numbers; 0 if there are none."""
    values = np.abs(np.asarray(numbers, dtype=float))
    return float(np.max(values, where=np.isfinite(values), initial=0.0))
