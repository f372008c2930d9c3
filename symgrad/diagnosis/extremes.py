"""Where a candidate that is right at ordinary inputs may have pieces of its own: other sizes, and extreme values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sympy import exp

from symgrad.check.fields import OutsideDomain
from symgrad.diagnosis.bench import Bench
from symgrad.diagnosis.points import Caller, Candidate, sizes_at
from symgrad.diagnosis.precision import (
    DOUBLE,
    HALF,
    OFTEN,
    Rounding,
    all_single,
    gradients_in,
    is_finite,
    relative_error,
)
from symgrad.diagnosis.result import gradients_are
from symgrad.notation import free_indices
from symgrad.render.text import name_text
from symgrad.sampling import InputSpace
from symgrad.sampling.doubles import evaluator
from symgrad.sampling.tape import Arrays
from symgrad.steps import Record

SMALL_SIZES, LARGE_SIZE, ATTEMPTS = (1, 2, 3), 33, 2
MODERATE, LARGE, HUGE = (12.0, 40.0), 150.0, 1500.0
"""The largest argument of an exponential: where nothing overflows; where single precision does without care; and where
double precision does."""
SCALES = tuple(float(s) for s in np.geomspace(1, 1e4, 41))
DECADES, TINY = 3.0, -5.0
"""By how much inputs are stretched, each by itself or each of their entries, and all of them together."""
SHORTER = (1.0, 0.5, 0.25, 0.1)  # of these decades, until nothing overflows
OFFSET, QUARTERS = 2.0**19, 4
"""What is added to an input rounded to quarters, so that differences are small beside it, the others being -1, 0 and 1:
sums of a few products of such numbers are exact in single precision, and what is lost then is lost by the way of
computing."""
CLOSE, SINGLE, ROUGH = 1e-8, 1e-4, 2e-3
"""How far a finite gradient may be off, relative to its largest entry, and beside what rounding does to the proved one:
in double and in single precision; and where an obvious way of computing loses digits."""
LOST = 1e3  # roundings, each relative to the usual size: what terms leave that cancel


@dataclass(frozen=True)
class Place:
    """Inputs with where they are in words: of another size, of mixed scale, or ``is_rough`` where an obvious way of
    computing overflows or cancels."""

    words: str
    bench: Bench
    is_size: bool = False
    is_mixed: bool = False
    is_rough: bool = False


@dataclass(frozen=True)
class Extreme:
    """What happens at inputs of one kind, in words: the gradients by ``arrays`` are ``wrong``, or not finite; what the
    candidate ``raises`` there, if it does."""

    words: str
    arrays: tuple[str, ...]
    wrong: bool
    bench: Bench
    given: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]
    raises: str
    kind: str


def extremes(
    proved: Candidate, caller: Caller, benches: Sequence[Bench], rounding: Rounding, places: Iterator[Place]
) -> Extreme | None:
    """The first of some places at which a candidate that is right at ordinary inputs is wrong, if any; else the first
    at which it raises or is not finite.

    ``proved`` is the generated function, which holds there.
    """
    judge, remark = _Judge(proved, caller, benches, rounding), None
    for place in places:
        found = judge.at(place)
        if found and found.wrong:
            return found
        remark = remark or found
    return remark


class _Judge:
    """Holds a candidate against the proved gradient, within what rounding does at a place."""

    def __init__(self, proved: Candidate, caller: Caller, benches: Sequence[Bench], rounding: Rounding) -> None:
        self.proved, self.caller, self.wrt = proved, caller, caller.record.wrt
        self.usual = {name: float(np.abs(benches[0].truth[name]).max(initial=0.0)) for name in self.wrt}
        self.kinks = frozenset().union(*(b.spot.kinks for b in benches))
        ordinary = [caller.at(b) for b in benches]
        lost = max(relative_error(g[n], b.truth[n]) for g, b in zip(ordinary, benches, strict=True) for n in self.wrt)
        # Some return double for a part in single precision.
        self.in_single = max(rounding.rounded.values()) > DOUBLE or all(map(all_single, ordinary))
        self.limit = max(SINGLE if self.in_single else CLOSE, 2 * lost)
        if max(rounding.allowed.values()) >= HALF:
            self.limit = HALF

    def at(self, place: Place) -> Extreme | None:
        """What is amiss at a place, if the gradient is defined there, in the candidate's precision too."""
        expected = self._proved(place.bench, np.float64)
        rounded = self._proved(place.bench, np.float32) if self.in_single else expected
        if not (is_finite(expected) and is_finite(rounded) and self._is_ordinary(place)):
            return None
        where, kind = ("at other sizes", "size") if place.is_size else ("at ordinary inputs", "precision")
        is_needed = place.is_size and any(map(np.any, expected.values()))
        given = self.caller.attempt(place.bench)
        if isinstance(given, str):
            words = f"right {where}, but it {given}, {place.words}"
            return Extreme(words, self.wrt, is_needed, place.bench, {}, {}, given, kind)
        infinite = tuple(n for n in self.wrt if not np.all(np.isfinite(given[n])))
        false = tuple(n for n in self.wrt if n not in infinite and self._is_off(n, place, given, expected, rounded))
        if not infinite and not false:
            return None
        words = (
            f"right {where}, but {gradients_are(false or infinite)} {'wrong' if false else 'not finite'} {place.words}"
        )
        wrong, arrays = is_needed or bool(false), false or infinite
        return Extreme(words, arrays, wrong, place.bench, given, expected, "", kind)

    def _proved(self, bench: Bench, dtype: Any) -> dict[str, np.ndarray]:
        return gradients_in(self.caller.record, self.proved, bench.inputs, dtype)

    def _is_ordinary(self, place: Place) -> bool:
        """Whether the loss is defined at a place, on no other kink than is usual, and easily computed if that is
        expected."""
        spot = place.bench.spot
        try:
            finite = bool(np.isfinite(spot.values[spot.program.output])) if place.is_size else spot.is_finite
        except OutsideDomain:
            return False
        return (finite or place.is_rough) and spot.kinks <= self.kinks and spot.is_in_order

    def _is_off(self, name: str, place: Place, given: Arrays, expected: Arrays, rounded: Arrays) -> bool:
        """Whether a gradient is off by more than rounding does."""
        if given[name].shape != expected[name].shape:
            return True
        error, size = _largest(given[name] - expected[name]), _largest(expected[name])
        lost = LOST * float(np.finfo(np.float32 if self.in_single else np.float64).eps) * self.usual[name]
        lost = max(lost, OFTEN * _largest(rounded[name] - expected[name]))
        if not place.is_size:
            naive = _largest(place.bench.spot.gradients[name] - expected[name])
            lost = max(lost, OFTEN * naive if np.isfinite(naive) else ROUGH * max(size, self.usual[name]))
        if place.is_rough or (place.is_mixed and self.in_single):
            lost = max(lost, ROUGH * max(size, self.usual[name]))
        return error > max(self.limit * size, lost)


def _largest(value: np.ndarray) -> float:
    return float(np.abs(value).max(initial=0.0))


# --- the places -----------------------------------------------------------------------------------------------------


def places(record: Record, space: InputSpace, seed: int) -> Iterator[Place]:
    """Extreme values at the usual sizes, and other sizes."""
    base = space.random(sizes_at(record, 0), np.random.default_rng((seed, 2)))
    usual = {name: np.asarray(float(value)) for name, value in record.program.defaults}
    within = {name: value for name, value in usual.items() if name in base and name not in space.domains}
    at = _Values(record, space, {**base, **within}, np.random.default_rng((seed, 4)))
    yield from at.exponents()
    yield from at.stretched()
    yield from at.ends()
    yield from at.offsets()
    yield from _other_sizes(record, space, seed)


def _other_sizes(record: Record, space: InputSpace, seed: int) -> Iterator[Place]:
    """Random inputs where one axis, or every one, is short, and where one is long."""
    usual = sizes_at(record, 0)
    alone = [{**usual, axis: size} for size, axis in product((*SMALL_SIZES[:2], LARGE_SIZE), usual)]
    every = [dict.fromkeys(usual, size) for size in SMALL_SIZES]
    for sizes in (*alone, *every) if usual else ():
        for attempt in range(ATTEMPTS):
            inputs = space.random(sizes, np.random.default_rng((seed, 3, attempt)), attempt % 2 == 1)
            shown = " x ".join(f"{axis} = {size}" for axis, size in sizes.items())
            yield Place(f"at {shown}", Bench(record, sizes, inputs), is_size=True)


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
        largest = {scale: _largest_exponent(bench) for scale, bench in scaled.items()}
        for aim in (LARGE, HUGE, *MODERATE) if any(largest.values()) else ():
            scale = next((scale for scale, size in largest.items() if size >= aim), None)
            if scale is not None:
                words = f"where arguments of exponentials reach {largest[scale]:.0f}"
                yield Place(words, scaled[scale], is_rough=aim == HUGE)
                free = self.space.free
                unlike = {n: _unlike_rows(v, scale) if n in free else v for n, v in self.base.items()}
                words = f"{words} in some rows and are small in others"
                yield Place(words, self.bench(unlike), is_rough=aim == HUGE)

    def stretched(self) -> Iterator[Place]:
        """Inputs of mixed scale, all of them small, and each of them small or large by itself."""
        for _ in range(2):
            mixed = {n: self.rng.uniform(-DECADES, DECADES, np.shape(v)) for n, v in self.base.items()}
            yield from self._stretched("where inputs are of mixed scale", mixed)
        for size, by in (("small", TINY), ("large", DECADES)):
            yield from self._stretched(f"where all inputs are {size}", dict.fromkeys(self.base, np.asarray(by)))
        for name, sign in product(self.base, (-1, 1)):
            yield from self._stretched("", {name: np.asarray(sign * DECADES)})

    def _stretched(self, words: str, decades: Arrays) -> Iterator[Place]:
        for shorter in SHORTER:
            inputs = self.space.stretched(self.base, {name: shorter * by for name, by in decades.items()})
            if all(np.array_equal(value, self.base[name]) for name, value in inputs.items()):
                return
            bench = self.bench(inputs)
            if bench.spot.is_finite and _largest_exponent(bench) <= max(MODERATE):
                yield Place(words or _far(inputs, *decades), bench, is_mixed=True)
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
            yield Place(words, self.bench({**whole, name: moved}), is_rough=True)


def _far(inputs: Arrays, name: str) -> str:
    sizes = np.abs(inputs[name])
    low, high = float(sizes.min()), float(sizes.max())
    return f"where {name_text(name)} is {'small' if high < 1 else 'large'}, from {low:.1g} to {high:.1g}"


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
