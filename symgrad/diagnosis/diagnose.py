"""The driver of a diagnosis: a candidate is called at random points, and held against the proved gradient and against
what each hypothesis predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from symgrad.api import Derivation
from symgrad.codegen.labels import takes_labels
from symgrad.diagnosis.assumed import of_assumptions
from symgrad.diagnosis.bench import Bench
from symgrad.diagnosis.equations import of_equations
from symgrad.diagnosis.explain import explanations
from symgrad.diagnosis.hypotheses import Hypothesis
from symgrad.diagnosis.inputs import of_inputs
from symgrad.diagnosis.jacobians import of_jacobians
from symgrad.diagnosis.lines import of_lines, of_lines_more_widely
from symgrad.diagnosis.match import Matcher
from symgrad.diagnosis.points import Taken, bench_at, called, parameters, returned
from symgrad.diagnosis.precision import allowed, extremes, single
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation
from symgrad.errors import InputError, SymgradError
from symgrad.steps import Record

MAKERS: Sequence[Callable[[Record], Iterator[Hypothesis]]] = (
    of_inputs,
    of_jacobians,
    of_equations,
    of_assumptions,
    of_lines,
)


def diagnose(derivation: Derivation, candidate: Callable[..., Any], *, seed: int = 0) -> Diagnosis:
    """Whether ``candidate`` is the gradient that ``derivation`` proves, and if not, which mistake gives its numbers.

    ``candidate`` takes the inputs of the loss as NumPy arrays, in the order of ``derivation.program.inputs`` (labels as
    one-hot or soft rows, or, if it takes no such rows, as integers; numbers with a default may be left out), and
    returns the gradients in the order of ``wrt``, or the one alone.  It is called at random inputs of a few sizes that
    meet what the loss assumes, and at large ones.

    Raises ``InputError`` where it cannot be called so, or does not return that many arrays.
    """
    record = derivation.record
    benches, taken = _benches(record, candidate, seed)
    given = [returned(candidate, taken.given(b.inputs), record.wrt) for b in benches]
    truths, sizes = [b.truth for b in benches], [b.sizes for b in benches]
    proved = derivation.to_numpy()
    in_single = single(record, proved, benches)
    rounding = allowed(record, benches, given, in_single)
    deviations = [d for name in record.wrt if (d := _deviation(name, benches, given, rounding[name]))]
    remarks = [f"it was given {name} as integer labels" for name in sorted(taken.labels)]
    found: tuple[Explanation, ...] = ()
    if deviations:
        wrong = {d.array for d in deviations}
        # Some compute in single precision and return double; few mistakes need the wider search.
        for makers, limits in ((MAKERS, rounding), (MAKERS, in_single), ((of_lines_more_widely,), rounding)):
            matcher = Matcher(record.program, sizes, given, truths, limits)
            hypotheses = chain.from_iterable(maker(record) for maker in makers)
            found = explanations(record, benches, matcher, hypotheses) or found
            if wrong <= {name for explanation in found for name in explanation.arrays}:
                break
    elif extreme := extremes(record, proved, candidate, taken, benches, seed):
        if extreme.wrong:
            at, there = [extreme.bench], [extreme.given]
            apart = (_deviation(n, at, there, rounding[n], extreme.expected) for n in extreme.arrays)
            deviations = [d for d in apart if d]
            found = (Explanation("precision", extreme.words, extreme.arrays, None, "", "", 1.0),)
        else:
            remarks.append(extreme.words)
    points = tuple(dict(size) for size in sizes)
    return Diagnosis(record.program.name, called(candidate), points, tuple(deviations), found, tuple(remarks))


def _benches(record: Record, candidate: Callable[..., Any], seed: int) -> tuple[list[Bench], Taken]:
    """Points of sizes at which the candidate runs, and how it takes its arguments."""
    names = parameters(record, candidate)
    arrays = record.program.arrays
    labels = frozenset(n for n in names if takes_labels(record, arrays[n]))
    first: Exception | None = None
    axes = [axis.name for axis in record.program.axes]
    for square in (None, *combinations(axes, 2)):
        for taken in dict.fromkeys((Taken(names, frozenset()), Taken(names, labels))):
            benches = [bench_at(record, point, seed, square) for point in (0, 1)]
            if taken.labels:
                benches = [_labelled(b, taken.labels) for b in benches]
            try:
                for bench in benches:
                    candidate(*taken.given(bench.inputs))
            except Exception as error:
                first = first or error
                continue
            return benches, taken
    assert first is not None
    if isinstance(first, SymgradError):
        raise first
    words = str(first).splitlines()[0] if str(first) else "no words"
    raise InputError(f"{called(candidate)} raised {type(first).__name__}: {words}") from first


def _labelled(bench: Bench, labels: Iterable[str]) -> Bench:
    """The bench with one-hot rows for the arrays that are given as labels."""
    hard = {n: np.eye(bench.inputs[n].shape[-1])[bench.inputs[n].argmax(axis=-1)] for n in labels}
    return Bench(bench.record, bench.sizes, {**bench.inputs, **hard})


def _deviation(
    name: str,
    benches: Sequence[Bench],
    given: Sequence[Mapping[str, np.ndarray]],
    allowed: float,
    instead: Mapping[str, np.ndarray] | None = None,
) -> Deviation | None:
    """Where the gradient by an array differs most from the proved one (or from that ``instead`` of it), if it does."""
    worst: Deviation | None = None
    for bench, found in zip(benches, given, strict=True):
        expected, value = (instead or bench.truth)[name], found[name]
        if value.shape != expected.shape:
            words = f"it has the shape {value.shape}, expected {expected.shape}"
            return Deviation(name, (), np.nan, np.nan, np.inf, words)
        with np.errstate(invalid="ignore"):
            error = np.abs(value - expected)
        error = np.where(np.isfinite(error), error, np.inf)
        place = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        size = float(np.abs(expected).max(initial=0.0)) or 1.0
        relative = float(error.max(initial=0.0)) / size
        if relative > allowed and (worst is None or relative > worst.error):
            worst = Deviation(name, place, float(value[place]), float(expected[place]), relative)
    return worst
