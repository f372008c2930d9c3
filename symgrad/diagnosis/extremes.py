"""Calls a candidate that is right at ordinary inputs also at extreme values and at other sizes: it may have branches
of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sympy import exp

from symgrad.check.numeric.fields import OutsideDomain
from symgrad.diagnosis.candidate import OFTEN, Caller, Candidate, Rounding, gradients_in, is_finite, sizes_at
from symgrad.diagnosis.hypothesis import ComparisonPoint
from symgrad.diagnosis.result import Deviation, deviation_of, gradients_of, incomparable
from symgrad.gradcheck.slopes import largest
from symgrad.notation import free_indices
from symgrad.render.text import name_text
from symgrad.sampling import InputSpace, Piece, random_inputs
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

SHORT, LONG, ATTEMPTS = (1, 2, 3), 33, 2  # sizes of axes, and the number of random inputs for each
MODERATE, LARGE, HUGE = (12.0, 40.0), 150.0, 1500.0
"""The largest argument of an exponential: nothing overflows; careless single precision overflows; double precision
overflows."""
SCALES = tuple(float(s) for s in np.geomspace(1, 1e4, 41))
DECADES, TINY = 3.0, -5.0
"""The decades by which single inputs or entries are stretched, and by which all inputs are stretched together."""
SHORTER = (1.0, 0.5, 0.25, 0.1)  # factors of these decades, and of inputs at other sizes, until nothing overflows
OFFSET, QUARTERS = 2.0**19, 4
"""The number that is added to an input rounded to quarters, while the other inputs are -1, 0 and 1: sums of a few
products of such numbers are exact in single precision, so a loss of digits is due to the way of computing."""
ROUGH = 2e-3  # the tolerance, relative to the usual gradient, where a straightforward computation loses digits
LOST = 1e3  # the rounding of terms that cancel, in units of the precision times the usual gradient


@dataclass(frozen=True)
class ExtremePoint:
    """A point, and where it is in ``words``.

    The ``kind`` is "mixed" for inputs of mixed scale, "rough" where a straightforward computation overflows or cancels,
    "size" for ordinary inputs of other sizes, and "" for other extreme inputs.
    """

    words: str
    point: ComparisonPoint
    kind: str = ""


@dataclass(frozen=True)
class Extreme:
    """A failure at an extreme point, in words: the gradients are ``wrong``, or they are not finite, or the candidate
    raises."""

    kind: str
    words: str
    wrong: bool
    deviations: tuple[Deviation, ...]


def extremes(
    proved: Candidate,
    caller: Caller,
    points: Sequence[ComparisonPoint],
    rounding: Rounding,
    extreme_points: Iterable[ExtremePoint],
) -> Extreme | None:
    """The first extreme point at which a candidate that is right at ``points`` is wrong, else the first at which it
    raises or is not finite, else None.

    ``proved`` is the generated function, which is accurate at extreme points.
    """
    usual = {name: largest(points[0].truth[name]) for name in caller.record.wrt}
    kinks = frozenset().union(*(p.kinks for p in points))
    judge = _Judge(caller, partial(gradients_in, caller.record, proved), usual, kinks, rounding)
    remark = None
    for failure in filter(None, map(judge.failure, extreme_points)):
        if failure.wrong:
            return failure
        remark = remark or failure
    return remark


@dataclass(frozen=True)
class _Judge:
    """Compares a candidate with the proved gradient; ``usual`` are the sizes of the gradients at ordinary inputs, and
    ``kinks`` are the kinks that ordinary inputs hit."""

    caller: Caller
    proved: Callable[[Arrays, Any], dict[str, np.ndarray]]
    usual: Mapping[str, float]
    kinks: Set[Piece]
    rounding: Rounding

    def failure(self, extreme: ExtremePoint) -> Extreme | None:
        """The failure at an extreme point, if the gradient is defined there, also in the candidate's precision."""
        point, is_size = extreme.point, extreme.kind == "size"
        try:
            expected = self.proved(point.inputs, np.float64)
            rounded = self.proved(point.inputs, np.float32) if self.rounding.is_single else expected
        except np.linalg.LinAlgError:  # a matrix has no inverse there
            return None
        if not (is_finite(expected) and is_finite(rounded) and self._is_fair(extreme)):
            return None
        right = f"right at {'other sizes' if is_size else 'ordinary inputs'}, but"
        is_needed, kind = is_size and any(map(np.any, expected.values())), "size" if is_size else "precision"
        gradients = self.caller.attempt(point)
        if isinstance(gradients, str):
            deviations = tuple(incomparable(name, f"it {gradients}") for name in self.usual)
            return Extreme(kind, f"{right} it {gradients}, {extreme.words}", is_needed, deviations)
        limits = {name: self._limit(name, extreme, expected[name], rounded[name]) for name in self.usual}
        every = [d for n in self.usual if (d := deviation_of(n, [point], [gradients], limits[n], expected))]
        wrong = [d for d in every if gradients[d.array].shape != expected[d.array].shape or np.isfinite(d.error)]
        if not every:
            return None
        words = f"{gradients_of([d.array for d in wrong or every], 'is', 'are')} {'wrong' if wrong else 'not finite'}"
        return Extreme(kind, f"{right} {words} {extreme.words}", is_needed or bool(wrong), tuple(wrong or every))

    def _is_fair(self, extreme: ExtremePoint) -> bool:
        """Whether the loss is defined at a point, at no unusual kink, and finite unless the point is "rough"."""
        point = extreme.point
        try:
            finite = np.isfinite(point.values[point.program.output]) if extreme.kind == "size" else point.is_finite
        except OutsideDomain:
            return False
        return bool(finite or extreme.kind == "rough") and point.kinks <= self.kinks and point.is_in_order

    def _limit(self, name: str, extreme: ExtremePoint, expected: np.ndarray, rounded: np.ndarray) -> float:
        """The tolerance for a gradient at an extreme point, relative to its largest entry."""
        size, usual = largest(expected), self.usual[name]
        eps = float(np.finfo(np.float32 if self.rounding.is_single else np.float64).eps)
        lost = max(LOST * eps * usual, OFTEN * largest(rounded - expected))
        if extreme.kind == "rough" or (extreme.kind == "mixed" and self.rounding.is_single):
            lost = max(lost, ROUGH * size, ROUGH * usual)
        if extreme.kind != "size" and extreme.point.is_finite:  # else a naive computation overflows
            lost = max(lost, OFTEN * largest(extreme.point.gradients[name] - expected))
        return max(self.rounding.extreme, lost / (size or 1.0))


# --- extreme points ---------------------------------------------------------------------------------------------------


def extreme_points(record: Record, space: InputSpace, seed: int) -> Iterator[ExtremePoint]:
    """Points with extreme values at the usual sizes, and points of other sizes."""
    inputs = random_inputs(space, record.wrt, tuple(sizes_at(record, 0).items()), (seed, 2))
    usual = {name: np.asarray(float(value)) for name, value in record.program.defaults}
    values = _ExtremeValues(record, space, {**inputs, **usual}, np.random.default_rng((seed, 4)))
    yield from values.exponents()
    yield from values.stretched()
    yield from values.ends()
    yield from values.offsets()
    yield from _other_sizes(record, space, seed)


def _other_sizes(record: Record, space: InputSpace, seed: int) -> Iterator[ExtremePoint]:
    """Random inputs with one axis or all axes short, and with one axis long."""
    usual = sizes_at(record, 0)
    alone = [{**usual, axis: size} for size, axis in product((*SHORT[:2], LONG), usual)]
    every = [dict.fromkeys(usual, size) for size in SHORT if usual]
    for sizes, attempt in product((*alone, *every), range(ATTEMPTS)):
        inputs = space.random(sizes, np.random.default_rng((seed, 3, attempt)), attempt % 2 == 1)
        shown = " x ".join(f"{axis} = {size}" for axis, size in sizes.items())
        points = (
            ComparisonPoint.of(record, sizes, space.enlarged(inputs, by)) for by in SHORTER
        )  # long sums are large
        point = next((point for point in points if _largest_exponent(point) <= max(MODERATE)), None)
        if point is not None:
            yield ExtremePoint(f"at {shown}", point, "size")


@dataclass(frozen=True)
class _ExtremeValues:
    """Makes extreme points from random inputs."""

    record: Record
    space: InputSpace
    inputs: Arrays
    rng: np.random.Generator

    def point(self, inputs: Arrays) -> ComparisonPoint:
        return ComparisonPoint.of(self.record, sizes_at(self.record, 0), inputs)

    def exponents(self) -> Iterator[ExtremePoint]:
        """Free inputs so large that exponentials nearly overflow, or overflow, in all rows or in some."""
        scaled = {scale: self.point(self.space.enlarged(self.inputs, scale)) for scale in SCALES}
        sizes = {scale: _largest_exponent(point) for scale, point in scaled.items()}
        for aim in (LARGE, HUGE, *MODERATE) if any(sizes.values()) else ():
            scale = next((scale for scale, size in sizes.items() if size >= aim), None)
            if scale is not None:
                words, kind = f"where arguments of exponentials reach {sizes[scale]:.0f}", "rough" * (aim == HUGE)
                yield ExtremePoint(words, scaled[scale], kind)
                free = self.space.free
                unlike = {n: _unlike_rows(v, scale) if n in free else v for n, v in self.inputs.items()}
                yield ExtremePoint(f"{words} in some rows and are small in others", self.point(unlike), kind)

    def stretched(self) -> Iterator[ExtremePoint]:
        """Inputs of mixed scale, all inputs small or large, and one input small or large."""
        for _ in range(2):
            mixed = {n: self.rng.uniform(-DECADES, DECADES, np.shape(v)) for n, v in self.inputs.items()}
            yield from self._stretched(mixed, "where inputs are of mixed scale")
        for size, by in (("small", TINY), ("large", DECADES)):
            yield from self._stretched(dict.fromkeys(self.inputs, np.asarray(by)), f"where all inputs are {size}")
        for name, sign in product(self.inputs, (-1, 1)):
            yield from self._stretched({name: np.asarray(sign * DECADES)})

    def _stretched(self, decades: Arrays, words: str = "") -> Iterator[ExtremePoint]:
        name = next(iter(decades))
        most = max(*MODERATE, 1.5 * _largest_exponent(self.point(self.inputs)))
        for shorter in SHORTER:
            point = self.point(self.space.stretched(self.inputs, {n: shorter * by for n, by in decades.items()}))
            if point.is_finite and _largest_exponent(point) <= most:
                low, high = (end(abs(point.inputs[name])) for end in (np.min, np.max))
                size = f"{'small' if high < 1 else 'large'}, from {low:.1g} to {high:.1g}"
                yield ExtremePoint(words or f"where {name_text(name)} is {size}", point, "mixed")
                return

    def ends(self) -> Iterator[ExtremePoint]:
        """Each input at the ends of its domain; a free input is rounded to integers."""
        for name, value in self.inputs.items():
            for end in self.space.ends(name, value):
                values = " or ".join(f"{v:g}" for v in np.unique(end))
                yield ExtremePoint(f"where {name_text(name)} is {values}", self.point({**self.inputs, name: end}))

    def offsets(self) -> Iterator[ExtremePoint]:
        """Each free input as small differences next to a large number."""
        free = self.space.free
        whole = {n: np.clip(np.round(v), -1, 1) if n in free else v for n, v in self.inputs.items()}
        for name, sign in product(sorted(free), (1, -1)):
            moved = np.round(QUARTERS * self.inputs[name]) / QUARTERS + sign * OFFSET
            words = f"where all entries of {name_text(name)} are near {sign * OFFSET:.0f}"
            yield ExtremePoint(words, self.point({**whole, name: moved}), "rough")


def _unlike_rows(value: np.ndarray, scale: float) -> np.ndarray:
    """The rows times factors that fall linearly from ``scale`` to 1."""
    factors = np.linspace(scale, 1.0, len(value))
    return value * factors.reshape(-1, *(1,) * (value.ndim - 1))


def _largest_exponent(point: ComparisonPoint) -> float:
    """The largest finite argument of an exponential in the forward equations; 0 if there is none."""
    with np.errstate(all="ignore"):
        calls = (call for definition in point.program.ordered for call in definition.rhs.atoms(exp))
        sizes = [largest(point.evaluate.over(c.args[0], tuple(sorted(free_indices(c), key=str)))) for c in calls]
    return max((size for size in sizes if np.isfinite(size)), default=0.0)
