"""Whether gradients are those that a hypothesis predicts, up to a factor and to how they are laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import prod

import numpy as np
from sympy import Expr, Integer, Rational, Symbol

from symgrad.program import Program

NUMBERS = (Fraction(1), Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4), Fraction(3), Fraction(1, 3))
POWERS = (1, -1, 2, -2)
MOST_AXES = 2
DUST = 1e-13  # of what was summed: terms that cancel leave rounding, which is 0
MOST_DENOMINATOR = 100
"""Of a factor that is a fraction alone; fewer where rounding leaves it uncertain, so that not every number is one."""


def largest(value: np.ndarray) -> float:
    """The absolute value of the largest entry."""
    return float(np.abs(value).max(initial=0.0))


def equal(left: np.ndarray, right: np.ndarray, allowed: float) -> bool:
    """Whether two arrays of one shape agree within ``allowed`` of the largest entry."""
    if left.shape != right.shape:
        return False
    size = max(largest(left), largest(right))
    return bool(np.isfinite(size)) and largest(left - right) <= allowed * size


@dataclass(frozen=True)
class Factor:
    """A product of a number and powers of sizes."""

    number: Fraction
    powers: tuple[tuple[str, int], ...] = ()

    def at(self, sizes: Mapping[str, int]) -> float:
        """Its value."""
        return float(self.number) * prod(float(sizes[axis]) ** power for axis, power in self.powers)

    @property
    def expr(self) -> Expr:
        """The factor as an expression in the sizes."""
        sizes = (Symbol(axis, integer=True, positive=True) ** power for axis, power in self.powers)
        number = Rational(self.number.numerator, self.number.denominator)
        result: Expr = prod(sizes, start=number) if self.powers else number * Integer(1)
        return result

    @property
    def is_one(self) -> bool:
        """Whether it changes nothing."""
        return self.number == 1 and not self.powers

    @property
    def cost(self) -> float:
        """What it costs to assume it."""
        return 0.0 if self.is_one else 0.3 + 0.1 * (abs(self.number) != 1) + 0.1 * sum(abs(p) for _, p in self.powers)


ONE = Factor(Fraction(1))


def factors(program: Program) -> tuple[Factor, ...]:
    """The factors that are looked for, simplest first."""
    axes = [axis.name for axis in program.axes]
    found = []
    for count in range(min(MOST_AXES, len(axes)) + 1):
        for chosen in combinations(axes, count):
            for powers in product(POWERS, repeat=count):
                for number in NUMBERS:
                    found += [Factor(sign * number, tuple(zip(chosen, powers, strict=True))) for sign in (1, -1)]
    return tuple(sorted(found, key=lambda factor: factor.cost))


@dataclass(frozen=True)
class Layout:
    """How a gradient is laid out otherwise than it should be: what has to be done to it, or to the right one, before
    they can be compared."""

    kind: str
    words: str
    given: Callable[[np.ndarray], np.ndarray]
    expected: Callable[[np.ndarray], np.ndarray]


def _same(value: np.ndarray) -> np.ndarray:
    return value


AS_IT_IS = Layout("", "", _same, _same)


def layouts(name: str, given: tuple[int, ...], expected: tuple[int, ...], sizes: Mapping[str, int]) -> Iterator[Layout]:
    """The ways in which a gradient of one shape can be that of another."""
    if given == expected:
        yield AS_IT_IS
        return
    shown = f"the gradient with respect to {name} has the shape {given} where {name} has {expected}"
    if [n for n in given if n != 1] == [n for n in expected if n != 1]:
        yield Layout("shape", f"{shown}: the numbers are right", lambda v: v.reshape(expected), _same)
        return
    if given == expected[::-1]:
        yield Layout("transposed", f"the gradient with respect to {name} is transposed", np.transpose, _same)
    for axes, over in _left_out(given, expected, sizes):
        yield Layout("unsummed", f"the gradient with respect to {name} is not summed over {over}", _summed(axes), _same)
    for axes, over in _left_out(expected, given, sizes):
        yield Layout("axis", f"the gradient with respect to {name} is summed over {over} as well", _same, _summed(axes))


def _left_out(
    shape: tuple[int, ...], other: tuple[int, ...], sizes: Mapping[str, int]
) -> Iterator[tuple[tuple[int, ...], str]]:
    """Places of the axes that one shape has besides those of another, and what these are called."""
    names = [next((axis for axis, size in sizes.items() if size == n), str(n)) for n in shape]
    for axes in (a for count in range(1, len(shape) + 1) for a in combinations(range(len(shape)), count)):
        if tuple(n for place, n in enumerate(shape) if place not in axes) == other:
            yield axes, " and ".join(names[place] for place in axes)


def _summed(axes: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    def summed(value: np.ndarray) -> np.ndarray:
        total, size = np.asarray(value.sum(axis=axes)), np.abs(value).sum(axis=axes)
        return np.where(np.abs(total) <= DUST * size, 0.0, total)

    return summed


@dataclass(frozen=True)
class Fit:
    """How a gradient is a predicted one: laid out so, and times a factor."""

    layout: Layout
    factor: Factor

    @property
    def is_plain(self) -> bool:
        """Whether nothing is to be said."""
        return self.layout is AS_IT_IS and self.factor.is_one

    @property
    def cost(self) -> float:
        """What it costs to assume it."""
        return self.factor.cost + (0.0 if self.layout is AS_IT_IS else 0.3)


Ratios = dict[tuple[str | int, ...], float]
"""A factor by array, sizes of the axes, and place of the layout."""


class Matcher:
    """Matches the gradients that a candidate returned at some points with predicted ones.

    ``allowed`` says for each array how far they may be off, relative to the largest entry; at each point, entries that
    are all within ``noise`` are 0.
    """

    def __init__(
        self,
        program: Program,
        sizes: Sequence[Mapping[str, int]],
        given: Sequence[Mapping[str, np.ndarray]],
        expected: Sequence[Mapping[str, np.ndarray]],
        allowed: Mapping[str, float],
        noise: Sequence[Mapping[str, float]],
    ) -> None:
        self._sizes, self._noise = sizes, noise
        self._given = [{name: self._flat(name, p, value) for name, value in g.items()} for p, g in enumerate(given)]
        self._factors = factors(program)
        self._factor_values = cache(lambda sizes: np.array([factor.at(dict(sizes)) for factor in self._factors]))
        self.allowed = allowed
        self._layouts = {
            name: [
                tuple(layouts(name, g[name].shape, e[name].shape, s))
                for g, e, s in zip(given, expected, sizes, strict=True)
            ]
            for name in given[0]
        }

    def _flat(self, name: str, point: int, value: np.ndarray) -> np.ndarray:
        within = largest(value) <= self._noise[point][name]
        return np.zeros_like(value) if within else value

    def close(self, name: str, point: int, predicted: np.ndarray, known: Ratios) -> bool:
        """Whether a gradient is the predicted one at a point, up to a factor.

        The factor must be the one ``known`` from another point of the same sizes; a new one is noted there.
        """
        given, predicted = self._given[point][name], self._flat(name, point, predicted)
        fits = False
        for place, layout in enumerate(self._layouts[name][point]):
            ratio = _ratio(layout.given(given), layout.expected(predicted), self.allowed[name])
            if ratio is not None:
                before = known.setdefault((name, *self._sizes[point].values(), place), ratio)
                fits |= not abs(ratio - before) > 4 * self.allowed[name] * abs(ratio)  # one may not be a number
        return fits

    def is_multiple(self, name: str, predicted: np.ndarray, right: np.ndarray) -> bool:
        """Whether a predicted gradient is a multiple of the right one, as far as can be told."""
        return _ratio(predicted, right, self.allowed[name]) is not None

    def fit(self, name: str, predicted: Sequence[np.ndarray]) -> Fit | None:
        """How the gradients with respect to an array are the predicted ones at every point, if they are."""
        predicted = [self._flat(name, point, value) for point, value in enumerate(predicted)]
        for layouts_here in zip(*self._layouts[name], strict=False):
            if len({layout.kind for layout in layouts_here}) > 1:
                continue
            ratios = [
                _ratio(layout.given(given[name]), layout.expected(p), self.allowed[name])
                for layout, given, p in zip(layouts_here, self._given, predicted, strict=True)
            ]
            if None in ratios:
                continue
            known = [(r, s) for r, s in zip(ratios, self._sizes, strict=True) if r is not None and not np.isnan(r)]
            factor = self._factor(known, self.allowed[name])
            if factor is not None:
                return Fit(layouts_here[0], factor)
        return None

    def _factor(self, ratios: Sequence[tuple[float, Mapping[str, int]]], allowed: float) -> Factor | None:
        """The simplest factor with these values at these sizes; else another fraction that is the same at all."""
        if not ratios:
            return ONE
        values = np.stack([self._factor_values(tuple(s.items())) for _, s in ratios])
        wanted = np.array([[r] for r, _ in ratios])
        fitting = np.flatnonzero(np.all(np.abs(wanted - values) <= 2 * allowed * np.abs(wanted), axis=0))
        if len(fitting):
            return self._factors[int(fitting[0])]
        number = Fraction(ratios[0][0]).limit_denominator(int(min(MOST_DENOMINATOR, 0.1 / allowed**0.5)))
        same = all(abs(r - float(number)) <= 2 * allowed * abs(r) for r, _ in ratios)
        return Factor(number) if same else None


def _ratio(given: np.ndarray, predicted: np.ndarray, allowed: float) -> float | None:
    """The factor by which a gradient is a predicted one; None if there is none, not a number if any will do."""
    if given.shape != predicted.shape:
        return None
    given = given.astype(float)
    square = float(np.sum(predicted * predicted))
    if not np.isfinite(square) or not np.all(np.isfinite(given)):
        return None
    if square == 0:
        return np.nan if largest(given) <= DUST else None
    ratio = float(np.sum(given * predicted)) / square
    return ratio if ratio and equal(given, ratio * predicted, allowed) else None
