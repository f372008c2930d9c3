"""How far a candidate is off, and what rounding does to it: how far it may be off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.diagnosis.agreement import largest
from symgrad.diagnosis.candidate_call import Caller, Candidate
from symgrad.diagnosis.comparison_point import Bench
from symgrad.diagnosis.result import Deviation, unlike
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

DOUBLE, HALF = 1e-7, 2e-2
"""Relative to the largest entry: what may be off in double precision, far more than rounding does to so few numbers and
far less than a mistake does; and in half precision."""
DOUBLE_LOSES = 1e-10  # at most, of a gradient that is computed in double precision throughout
STEP = 1.37 * 2.0**-22  # relative, of inputs: what is smooth is straight on it; what is in single precision is not
ACCOUNTED, REST = 0.05, 1e-6
"""Of the error of a gradient: what an explanation may leave at most, and what it may leave whatever the precision, as a
small number in a denominator does that does not matter."""
LEAST_SINGLE, MOST_SINGLE = 2e-6, 2e-3
CLOSE, SINGLE = 1e-8, 1e-4  # the same at extreme inputs, in double and in single precision
OFTEN = 30  # how many times the rounding error of the proved function may be exceeded


@dataclass(frozen=True)
class Rounding:
    """How far each gradient may be off: in the precision in which it seems to be computed (``allowed``),
    and in ``single`` precision, by what the proved function loses in it; and how far it is off by the rounding alone
    that the candidate is seen to do (``rounded``).  ``extreme`` is allowed at extreme inputs, beside what rounding does
    to the proved function; some of the gradients ``is_single`` if it is seen to be in single precision."""

    allowed: Mapping[str, float]
    single: Mapping[str, float]
    rounded: Mapping[str, float]
    extreme: float
    is_single: bool

    @classmethod
    def of(cls, proved: Candidate, caller: Caller, benches: Sequence[Bench], given: Sequence[Arrays]) -> Rounding:
        """What is allowed of the gradients that a candidate returned at some points.

        That is what single precision does where all that is returned is in it, whatever the type; and where it differs
        from the proved gradient by no more than that.
        """
        record, jitter = caller.record, _jitter(caller, benches[:2])
        single = {}
        for name in record.wrt:
            lost = [
                relative_error(gradients_in(record, proved, b.inputs, np.float32)[name], b.truth[name]) for b in benches
            ]
            single[name] = float(np.clip(OFTEN * max(lost), LEAST_SINGLE, MOST_SINGLE))
        allowed, rounded, worst = {}, {}, 0.0
        is_single, is_half = all(map(_all_single, given)), any(v.dtype == np.float16 for g in given for v in g.values())
        for name in record.wrt:
            error = max(relative_error(g[name], b.truth[name]) for g, b in zip(given, benches, strict=True))
            allowed[name] = HALF if is_half else single[name] if is_single or error <= single[name] else DOUBLE
            seen = float(np.clip(OFTEN * jitter, DOUBLE_LOSES, single[name]))
            rounded[name] = allowed[name] if is_half or is_single else seen
            worst = max(worst, error if error <= single[name] else 0.0)
        is_single |= OFTEN * jitter > 10 * DOUBLE_LOSES  # some return double for a part in single precision
        extreme = HALF if is_half else max(SINGLE if is_single else CLOSE, 2 * worst)
        return cls(allowed, single, rounded, extreme, is_single)

    def left(self, name: str, error: float) -> float:
        """How far an explanation of a gradient with an error may be off: little beside the error."""
        return min(max(self.rounded[name], min(REST * error, DOUBLE)), ACCOUNTED * error)


def _jitter(caller: Caller, benches: Sequence[Bench]) -> float:
    """How far what a candidate returns is from a straight line over a small step, relative to the largest entry."""
    wrt, free = caller.record.wrt, caller.taken.space(caller.record).free

    def at(bench: Bench, scale: float) -> Arrays:
        scaled = {name: value * scale for name, value in bench.inputs.items() if name in free.union(wrt)}
        given = caller.attempt(bench.at(**scaled))
        return {n: np.full(v.shape, np.nan) for n, v in bench.truth.items()} if isinstance(given, str) else given

    points = [[at(bench, scale) for scale in (1 - STEP, 1, 1 + STEP)] for bench in benches]
    return max(relative_error((low[n] + high[n]) / 2, mid[n]) for low, mid, high in points for n in wrt)


def _all_single(given: Arrays) -> bool:
    """Whether all that is returned at a point is in single precision, be it in arrays of another type."""
    with np.errstate(over="ignore"):
        return all(np.array_equal(value, value.astype(np.float32), equal_nan=True) for value in given.values())


def relative_error(given: np.ndarray, expected: np.ndarray) -> float:
    """The largest error relative to the largest entry; infinite for another shape and for what is not finite."""
    with np.errstate(invalid="ignore"):
        error = largest(given - expected) if given.shape == expected.shape else np.inf
    return error / (largest(expected) or 1.0) if np.isfinite(error) else np.inf


def is_finite(values: Arrays) -> bool:
    """Whether all entries of some arrays are finite."""
    return all(np.all(np.isfinite(value)) for value in values.values())


def gradients_in(record: Record, proved: Candidate, inputs: Arrays, dtype: Any) -> dict[str, np.ndarray]:
    """What the generated function returns of inputs in another precision."""
    values = (inputs[array.name] for array in record.program.inputs)
    with np.errstate(all="ignore"):
        _, grads = proved(*(value.astype(dtype) if np.ndim(value) else float(value) for value in values))
    return {name: np.asarray(value, dtype=float) for name, value in grads._asdict().items()}


def _not_finite(name: str, bench: Bench, value: np.ndarray) -> str:
    """Which entries of a gradient are not finite, and at what inputs of theirs."""
    places = np.argwhere(~np.isfinite(value))
    at = dict(zip((axis.name for axis in bench.program.arrays[name].axes), map(int, places[0]), strict=True))
    kind = "NaN" if np.isnan(value[tuple(places[0])]) else "infinite"
    near = [a for a in bench.program.inputs if all(axis.name in at for axis in a.axes)]
    entries = {a.name: tuple(at[axis.name] for axis in a.axes) for a in near}
    shown = ", ".join(f"{n}{list(e) if e else ''} = {bench.inputs[n][e]:.4g}" for n, e in entries.items())
    count = f" in {len(places)} of {value.size} entries, such as {list(at.values())}," if at else ""
    return f"it is {kind}{count} where {shown}"


def deviation_of(
    name: str,
    benches: Sequence[Bench],
    given: Sequence[Mapping[str, np.ndarray]],
    allowed: float,
    instead: Mapping[str, np.ndarray] | None = None,
) -> Deviation | None:
    """Where a gradient differs most from the proved one (or from the one ``instead`` of it), if it does."""
    worst: Deviation | None = None
    for bench, found in zip(benches, given, strict=True):
        expected, value = (instead or bench.truth)[name], found[name]
        if value.shape != expected.shape:
            return unlike(name, f"it has the shape {value.shape}, expected {expected.shape}")
        if not np.all(np.isfinite(value)):
            return unlike(name, _not_finite(name, bench, value))
        error = np.abs(value - expected)
        place = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        relative = largest(error) / (largest(expected) or 1.0)
        beyond = instead is not None or largest(error) > OFTEN * bench.noise[name]
        if beyond and relative > allowed and (worst is None or relative > worst.error):
            worst = Deviation(name, place, float(value[place]), float(expected[place]), relative)
    return worst
