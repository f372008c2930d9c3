"""Where a candidate that is right at ordinary inputs may have pieces of its own: other sizes, and extreme values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sympy import exp

from symgrad.check.numeric.fields import OutsideDomain
from symgrad.diagnosis.agreement import largest
from symgrad.diagnosis.candidate_call import Caller, Candidate, sizes_at
from symgrad.diagnosis.comparison_point import Bench
from symgrad.diagnosis.precision import OFTEN, Rounding, deviation_of, gradients_in, is_finite
from symgrad.diagnosis.result import Deviation, gradients_are, unlike
from symgrad.notation import free_indices
from symgrad.render.text import name_text
from symgrad.sampling import InputSpace, Piece, random_inputs
from symgrad.sampling.autodiff import Arrays, evaluator
from symgrad.steps import Record

SHORT, LONG, ATTEMPTS = (1, 2, 3), 33, 2  # sizes of axes
MODERATE, LARGE, HUGE = (12.0, 40.0), 150.0, 1500.0
"""The largest argument of an exponential: where nothing overflows; where single precision does without care; and where
double precision does."""
SCALES = tuple(float(s) for s in np.geomspace(1, 1e4, 41))
DECADES, TINY = 3.0, -5.0
"""By how much inputs are stretched, each by itself or each of their entries, and all of them together."""
SHORTER = (1.0, 0.5, 0.25, 0.1)  # of these decades, or of inputs at other sizes, until nothing overflows
OFFSET, QUARTERS = 2.0**19, 4
"""What is added to an input rounded to quarters, so that differences are small beside it, the others being -1, 0 and 1:
sums of a few products of such numbers are exact in single precision, and what is lost then is lost by the way of
computing."""
ROUGH = 2e-3  # how far a gradient may be off where an obvious way of computing loses digits, relative to its usual size
LOST = 1e3  # roundings, each relative to the usual size: what terms leave that cancel


@dataclass(frozen=True)
class Place:
    """Inputs with where they are in words: extreme ones, which may be of "mixed" scale, or "rough", where an obvious
    way of computing overflows or cancels; or ordinary ones of another "size"."""

    words: str
    bench: Bench
    kind: str = ""


@dataclass(frozen=True)
class Extreme:
    """What happens at a place, in words: the gradients are ``wrong``, or not finite, or the candidate raises."""

    kind: str
    words: str
    wrong: bool
    deviations: tuple[Deviation, ...]


def extremes(
    proved: Candidate, caller: Caller, benches: Sequence[Bench], rounding: Rounding, places: Iterable[Place]
) -> Extreme | None:
    """The first of some places at which a candidate that is right at ``benches`` is wrong, if any; else the first at
    which it raises or is not finite.

    ``proved`` is the generated function, which holds there.
    """
    usual = {name: largest(benches[0].truth[name]) for name in caller.record.wrt}
    kinks = frozenset().union(*(b.spot.kinks for b in benches))
    judge = _Judge(caller, partial(gradients_in, caller.record, proved), usual, kinks, rounding)
    remark = None
    for found in filter(None, map(judge.at, places)):
        if found.wrong:
            return found
        remark = remark or found
    return remark


@dataclass(frozen=True)
class _Judge:
    """Holds a candidate against the proved gradient, within what rounding does at a place; ``usual`` are the sizes of
    gradients, and ``kinks`` those at which ordinary inputs are."""

    caller: Caller
    proved: Callable[[Arrays, Any], dict[str, np.ndarray]]
    usual: Mapping[str, float]
    kinks: Set[Piece]
    rounding: Rounding

    def at(self, place: Place) -> Extreme | None:
        """What is amiss at a place, if the gradient is defined there, in the candidate's precision too."""
        expected = self.proved(place.bench.inputs, np.float64)
        rounded = self.proved(place.bench.inputs, np.float32) if self.rounding.is_single else expected
        if not (is_finite(expected) and is_finite(rounded) and self._is_ordinary(place)):
            return None
        bench, is_size = place.bench, place.kind == "size"
        right = f"right at {'other sizes' if is_size else 'ordinary inputs'}, but"
        is_needed, kind = is_size and any(map(np.any, expected.values())), "size" if is_size else "precision"
        given = self.caller.attempt(bench)
        if isinstance(given, str):
            raised = tuple(unlike(name, f"it {given}") for name in self.usual)
            return Extreme(kind, f"{right} it {given}, {place.words}", is_needed, raised)
        limits = {name: self._limit(name, place, expected[name], rounded[name]) for name in self.usual}
        off = [d for n in self.usual if (d := deviation_of(n, [bench], [given], limits[n], expected))]
        false = [d for d in off if given[d.array].shape != expected[d.array].shape or np.isfinite(d.error)]
        if not off:
            return None
        said = f"{gradients_are([d.array for d in false or off])} {'wrong' if false else 'not finite'}"
        return Extreme(kind, f"{right} {said} {place.words}", is_needed or bool(false), tuple(false or off))

    def _is_ordinary(self, place: Place) -> bool:
        """Whether the loss is defined at a place, on no other kink than is usual, and easily computed if that is
        expected."""
        spot = place.bench.spot
        try:
            finite = np.isfinite(spot.values[spot.program.output]) if place.kind == "size" else spot.is_finite
        except OutsideDomain:
            return False
        return bool(finite or place.kind == "rough") and spot.kinks <= self.kinks and spot.is_in_order

    def _limit(self, name: str, place: Place, expected: np.ndarray, rounded: np.ndarray) -> float:
        """How far a gradient may be off at a place by rounding, relative to its largest entry."""
        size, usual = largest(expected), self.usual[name]
        eps = float(np.finfo(np.float32 if self.rounding.is_single else np.float64).eps)
        lost = max(LOST * eps * usual, OFTEN * largest(rounded - expected))
        if place.kind == "rough" or (place.kind == "mixed" and self.rounding.is_single):
            lost = max(lost, ROUGH * size, ROUGH * usual)
        if place.kind != "size" and place.bench.spot.is_finite:  # else computing it naively overflows
            lost = max(lost, OFTEN * largest(place.bench.spot.gradients[name] - expected))
        return max(self.rounding.extreme, lost / (size or 1.0))


# --- the places -----------------------------------------------------------------------------------------------------


def places(record: Record, space: InputSpace, seed: int) -> Iterator[Place]:
    """Extreme values at the usual sizes, and other sizes."""
    base = random_inputs(space, record.wrt, tuple(sizes_at(record, 0).items()), (seed, 2))
    usual = {name: np.asarray(float(value)) for name, value in record.program.defaults}
    at = _Values(record, space, {**base, **usual}, np.random.default_rng((seed, 4)))
    yield from at.exponents()
    yield from at.stretched()
    yield from at.ends()
    yield from at.offsets()
    yield from _other_sizes(record, space, seed)


def _other_sizes(record: Record, space: InputSpace, seed: int) -> Iterator[Place]:
    """Random inputs where one axis, or every one, is short, and where one is long."""
    usual = sizes_at(record, 0)
    alone = [{**usual, axis: size} for size, axis in product((*SHORT[:2], LONG), usual)]
    every = [dict.fromkeys(usual, size) for size in SHORT if usual]
    for sizes, attempt in product((*alone, *every), range(ATTEMPTS)):
        inputs = space.random(sizes, np.random.default_rng((seed, 3, attempt)), attempt % 2 == 1)
        shown = " x ".join(f"{axis} = {size}" for axis, size in sizes.items())
        benches = (Bench(record, sizes, space.enlarged(inputs, by)) for by in SHORTER)  # long sums are large
        bench = next((bench for bench in benches if _largest_exponent(bench) <= max(MODERATE)), None)
        if bench is not None:
            yield Place(f"at {shown}", bench, "size")


@dataclass(frozen=True)
class _Values:
    """Extreme values about some inputs."""

    record: Record
    space: InputSpace
    base: Arrays
    rng: np.random.Generator

    def bench(self, inputs: Arrays) -> Bench:
        return Bench(self.record, sizes_at(self.record, 0), inputs)

    def exponents(self) -> Iterator[Place]:
        """Free inputs so large that exponentials come near overflow, or overflow, in all rows or in some."""
        scaled = {scale: self.bench(self.space.enlarged(self.base, scale)) for scale in SCALES}
        sizes = {scale: _largest_exponent(bench) for scale, bench in scaled.items()}
        for aim in (LARGE, HUGE, *MODERATE) if any(sizes.values()) else ():
            scale = next((scale for scale, size in sizes.items() if size >= aim), None)
            if scale is not None:
                words, kind = f"where arguments of exponentials reach {sizes[scale]:.0f}", "rough" * (aim == HUGE)
                yield Place(words, scaled[scale], kind)
                free = self.space.free
                unlike = {n: _unlike_rows(v, scale) if n in free else v for n, v in self.base.items()}
                yield Place(f"{words} in some rows and are small in others", self.bench(unlike), kind)

    def stretched(self) -> Iterator[Place]:
        """Inputs of mixed scale, all of them small, and each of them small or large by itself."""
        for _ in range(2):
            mixed = {n: self.rng.uniform(-DECADES, DECADES, np.shape(v)) for n, v in self.base.items()}
            yield from self._stretched(mixed, "where inputs are of mixed scale")
        for size, by in (("small", TINY), ("large", DECADES)):
            yield from self._stretched(dict.fromkeys(self.base, np.asarray(by)), f"where all inputs are {size}")
        for name, sign in product(self.base, (-1, 1)):
            yield from self._stretched({name: np.asarray(sign * DECADES)})

    def _stretched(self, decades: Arrays, words: str = "") -> Iterator[Place]:
        name = next(iter(decades))
        most = max(*MODERATE, 1.5 * _largest_exponent(self.bench(self.base)))
        for shorter in SHORTER:
            bench = self.bench(self.space.stretched(self.base, {n: shorter * by for n, by in decades.items()}))
            if bench.spot.is_finite and _largest_exponent(bench) <= most:
                low, high = (end(abs(bench.inputs[name])) for end in (np.min, np.max))
                size = f"{'small' if high < 1 else 'large'}, from {low:.1g} to {high:.1g}"
                yield Place(words or f"where {name_text(name)} is {size}", bench, "mixed")
                return

    def ends(self) -> Iterator[Place]:
        """Each input at the ends of its domain; free ones are whole numbers, 0 among them."""
        for name, value in self.base.items():
            for end in self.space.ends(name, value):
                values = " or ".join(f"{v:g}" for v in np.unique(end))
                yield Place(f"where {name_text(name)} is {values}", self.bench({**self.base, name: end}))

    def offsets(self) -> Iterator[Place]:
        """Each free input as a small difference beside a large number."""
        free = self.space.free
        whole = {n: np.clip(np.round(v), -1, 1) if n in free else v for n, v in self.base.items()}
        for name, sign in product(sorted(free), (1, -1)):
            moved = np.round(QUARTERS * self.base[name]) / QUARTERS + sign * OFFSET
            words = f"where {name_text(name)} is a small difference beside {sign * OFFSET:.0f}"
            yield Place(words, self.bench({**whole, name: moved}), "rough")


def _unlike_rows(value: np.ndarray, scale: float) -> np.ndarray:
    """The first row times ``scale``, the last one as it is, those between between."""
    factors = np.linspace(scale, 1.0, len(value))
    return value * factors.reshape(-1, *(1,) * (value.ndim - 1))


def _largest_exponent(bench: Bench) -> float:
    """The largest argument of an exponential in the forward equations; 0 if there is none."""
    with np.errstate(all="ignore"):
        evaluate = evaluator(bench.program, bench.sizes, bench.values)
        found = [
            np.abs(evaluate.over(call.args[0], tuple(sorted(free_indices(call), key=str)))).max()
            for definition in bench.program.ordered
            for call in definition.rhs.atoms(exp)
        ]
    finite = [float(size) for size in found if np.isfinite(size)]
    return max(finite, default=0.0)
