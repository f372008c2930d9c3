"""What rounding does to a candidate: how far it may be off at ordinary inputs, and whether it holds at large ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sympy import exp

from symgrad.diagnosis.bench import Bench
from symgrad.diagnosis.points import Caller, Candidate, Taken, sizes_at
from symgrad.diagnosis.result import gradients_are
from symgrad.errors import InputError
from symgrad.notation import free_indices
from symgrad.render.text import name_text
from symgrad.sampling.doubles import evaluator, forward
from symgrad.sampling.tape import Arrays
from symgrad.steps import Record

DOUBLE, HALF = 1e-7, 2e-2
"""Relative to the largest entry: what may be off in double precision, far more than rounding does to so few numbers and
far less than a mistake does; and in half precision."""
DOUBLE_LOSES = 1e-10  # at most, of a gradient that is computed in double precision throughout
STEP = 2.0**-22  # relative, of inputs: what is smooth is straight on it, and what is in single precision is not
ACCOUNTED, REST = 0.05, 1e-6
"""Of the error of a gradient: what an explanation may leave at most, and what it may leave whatever the precision, as a
small number in a denominator does that does not matter."""
LEAST_SINGLE, MOST_SINGLE = 2e-6, 2e-3
OFTEN = 30  # how many times the rounding error of the proved function may be exceeded
LARGE, HUGE = 150.0, 1500.0
"""The largest argument of an exponential at large inputs, where single precision overflows without care; and at huge
ones, where double precision does."""
SCALES = tuple(float(s) for s in np.geomspace(1, 1e4, 41))
PLAIN_SCALE = 30.0  # of inputs where no exponential says what is large
OFFSET, QUARTERS = 2.0**19, 4
"""What is added to an input rounded to quarters, so that differences are small beside it, the others being -1, 0 and 1:
sums of a few products of such numbers are exact in single precision, and what is lost then is lost by the way of
computing."""
FINITE = 2e-3
"""A finite gradient at large inputs is called wrong if it is off by more than this, relative to the gradient's usual
size there, and by more than rounding does to the proved function."""


@dataclass(frozen=True)
class Rounding:
    """How far the gradient by each array may be off: in the precision in which it seems to be computed (``allowed``),
    and in ``single`` precision, by what the proved function loses in it; and how far it is off by the rounding alone
    that the candidate is seen to do (``rounded``)."""

    allowed: Mapping[str, float]
    single: Mapping[str, float]
    rounded: Mapping[str, float]

    @classmethod
    def of(cls, proved: Candidate, caller: Caller, benches: Sequence[Bench], given: Sequence[Arrays]) -> Rounding:
        """What is allowed of the gradients that a candidate returned at some points.

        That is what single precision does where all that is returned is in it, whatever the type; and where it differs
        from the proved gradient by no more than that.
        """
        record, jitter = caller.record, _jitter(caller, benches[:2])
        single = {}
        for name in record.wrt:
            lost = [_error(_gradients(record, proved, b.inputs, np.float32)[name], b.truth[name]) for b in benches]
            single[name] = float(np.clip(OFTEN * max(lost), LEAST_SINGLE, MOST_SINGLE))
        allowed, rounded = {}, {}
        for name in record.wrt:
            error = max(_error(g[name], b.truth[name]) for g, b in zip(given, benches, strict=True))
            is_single, is_half = all(map(_is_single, given)), any(g[name].dtype == np.float16 for g in given)
            allowed[name] = HALF if is_half else single[name] if is_single or error <= single[name] else DOUBLE
            seen = float(np.clip(OFTEN * jitter, DOUBLE_LOSES, single[name]))
            rounded[name] = allowed[name] if is_half or is_single else seen
        return cls(allowed, single, rounded)

    def left(self, name: str, error: float) -> float:
        """How far an explanation of a gradient with an error may be off: little beside the error."""
        return min(max(self.rounded[name], min(REST * error, DOUBLE)), ACCOUNTED * error)


def _jitter(caller: Caller, benches: Sequence[Bench]) -> float:
    """How far what a candidate returns is from a straight line over a small step, relative to the largest entry."""
    wrt = caller.record.wrt

    def at(bench: Bench, scale: float) -> Arrays:
        scaled = {name: value * scale for name, value in bench.inputs.items() if name in wrt}
        return _given(caller, bench.at(**scaled), bench.truth)

    points = [[at(bench, scale) for scale in (1 - STEP, 1, 1 + STEP)] for bench in benches]
    return max(_error((low[n] + high[n]) / 2, mid[n]) for low, mid, high in points for n in wrt)


def _is_single(given: Arrays) -> bool:
    """Whether all that is returned at a point is in single precision, be it in arrays of another type."""
    with np.errstate(over="ignore"):
        return all(np.array_equal(value, value.astype(np.float32), equal_nan=True) for value in given.values())


def _error(given: np.ndarray, expected: np.ndarray, size: float = 0.0) -> float:
    """The largest error relative to the largest entry, or to ``size`` if that is larger; infinite for another shape and
    for what is not finite."""
    if given.shape != expected.shape:
        return np.inf
    with np.errstate(invalid="ignore"):
        error = float(np.abs(given - expected).max(initial=0.0))
    size = max(size, float(np.abs(expected).max(initial=0.0)))
    return error / (size or 1.0) if np.isfinite(error) else np.inf


@dataclass(frozen=True)
class Extreme:
    """What happens at inputs of one kind, in words: the gradients by ``arrays`` are ``wrong``, or not finite."""

    words: str
    arrays: tuple[str, ...]
    wrong: bool
    bench: Bench
    given: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]


def extremes(proved: Candidate, caller: Caller, benches: Sequence[Bench], seed: int) -> Extreme | None:
    """The first kind of large inputs at which a candidate that is right at ordinary ones is wrong, if any; else the
    first at which it is not finite.

    ``proved`` is the generated function, which holds there.
    """
    record = caller.record
    usual = {name: float(np.abs(benches[0].truth[name]).max(initial=0.0)) for name in record.wrt}
    ordinary = [_given(caller, b, b.truth) for b in benches]
    lost = max(_error(g[n], b.truth[n]) for g, b in zip(ordinary, benches, strict=True) for n in record.wrt)
    in_single = lost > DOUBLE_LOSES or all(map(_is_single, ordinary))  # some return double for a part in single
    remark = None
    usual_kinks = frozenset().union(*(b.spot.kinks for b in benches))
    for words, bench in _points(record, caller.taken, seed):
        if not bench.spot.kinks <= usual_kinks:
            continue
        expected = _gradients(record, proved, bench.inputs, np.float64)
        if not _is_finite(expected):
            continue
        given = _given(caller, bench, expected)
        rounded = _gradients(record, proved, bench.inputs, np.float32 if in_single else np.float64)
        if not _is_finite(rounded):
            continue  # the gradient itself is too large for that precision
        infinite = tuple(n for n in record.wrt if not np.all(np.isfinite(given[n])))
        off = (n for n in record.wrt if _is_off(given[n], expected[n], rounded[n], usual[n]))
        false = tuple(n for n in off if n not in infinite)
        if not infinite and not false:
            continue
        what = f"{gradients_are(false or infinite)} {'wrong' if false else 'not finite'} {words}"
        said = f"right at ordinary inputs, but {what}"
        found = Extreme(said, false or infinite, bool(false), bench, given, expected)
        if found.wrong:
            return found
        remark = remark or found
    return remark


def _given(caller: Caller, bench: Bench, expected: Arrays) -> Mapping[str, np.ndarray]:
    """What a candidate returns; nothing finite where it raises."""
    try:
        return caller.at(bench)
    except (ArithmeticError, ValueError, InputError):
        return {name: np.full(value.shape, np.nan) for name, value in expected.items()}


def _is_finite(values: Arrays) -> bool:
    return all(np.all(np.isfinite(value)) for value in values.values())


def _is_off(given: np.ndarray, expected: np.ndarray, rounded: np.ndarray, usual: float) -> bool:
    """Whether a gradient is off by more than rounding does to the proved function, for what is usual there."""
    return _error(given, expected, usual) > max(FINITE, OFTEN * _error(rounded, expected, usual))


def _gradients(record: Record, proved: Callable[..., Any], inputs: Arrays, dtype: Any) -> dict[str, np.ndarray]:
    values = (inputs[array.name] for array in record.program.inputs)
    with np.errstate(all="ignore"):
        _, grads = proved(*(value.astype(dtype) if np.ndim(value) else float(value) for value in values))
    return {name: np.asarray(value, dtype=float) for name, value in grads._asdict().items()}


def _points(record: Record, taken: Taken, seed: int) -> list[tuple[str, Bench]]:
    """Large inputs, with where they are in words."""
    space, sizes = taken.space(record), sizes_at(record, 0)
    usual = {name: np.asarray(float(value)) for name, value in record.program.defaults}
    base = {**space.random(sizes, np.random.default_rng((seed, 2))), **usual}
    found = []

    def scaled(scale: float) -> Bench:
        return Bench(record, sizes, space.enlarged(base, scale))

    largest = {scale: _largest_exponent(record, scaled(scale)) for scale in SCALES}
    for aim in (LARGE, HUGE) if any(largest.values()) else ():
        reached = [scale for scale, size in largest.items() if size >= aim]
        if reached:
            words = f"where arguments of exponentials reach {largest[reached[0]]:.0f}"
            found.append((words, scaled(reached[0])))
            unlike = {n: _unlike_rows(v, reached[0]) if n in space.free else v for n, v in base.items()}
            words = f"{words} in some rows and are small in others"
            found.append((words, Bench(record, sizes, unlike)))
    if not any(largest.values()):
        found.append((f"where inputs are {PLAIN_SCALE:.0f} times as large", scaled(PLAIN_SCALE)))
    whole = {n: np.clip(np.round(v), -1, 1) if n in space.free else v for n, v in base.items()}
    for name, sign in product(sorted(space.free), (1, -1)):
        moved = {**whole, name: np.round(QUARTERS * base[name]) / QUARTERS + sign * OFFSET}
        words = f"where {name_text(name)} is a small difference beside {sign * OFFSET:.0f}"
        found.append((words, Bench(record, sizes, moved)))
    return found


def _unlike_rows(value: np.ndarray, scale: float) -> np.ndarray:
    """The first row times ``scale``, the last one as it is, those between between."""
    factors = np.linspace(scale, 1.0, len(value))
    return value * factors.reshape(-1, *(1,) * (value.ndim - 1))


def _largest_exponent(record: Record, bench: Bench) -> float:
    """The largest argument of an exponential in the forward equations; 0 if there is none."""
    with np.errstate(all="ignore"):
        values = forward(record.program, bench.sizes, bench.inputs)
        evaluate = evaluator(record.program, bench.sizes, values)
        found = [
            np.abs(evaluate.over(call.args[0], tuple(sorted(free_indices(call), key=str)))).max()
            for definition in record.program.ordered
            for call in definition.rhs.atoms(exp)
        ]
    finite = [float(size) for size in found if np.isfinite(size)]
    return max(finite, default=0.0)
