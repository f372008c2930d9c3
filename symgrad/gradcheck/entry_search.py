"""The search for wrong entries in the gradient with respect to one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symgrad.gradcheck.slopes import Point, Slope, by_differences, noise, steps
from symgrad.gradcheck.verdicts import COMPLEX, DIFFERENCES, Entry, GradientOf, Verdict

MOST_ENTRIES = 100
"""The largest number of entries of an input that are tested one by one; the others are tested together."""
DIRECTIONS = 3  # random directions in which complex steps are confirmed; errors may cancel in one of them
ROUNDINGS = 100
"""The rounding of the function that a gradient of 0 may show, in units of its precision (the tolerance squared)."""

Vector = Any  # floats, shaped like the input
Numbers = Any  # numbers of entries, counted in C order


class Search:
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
