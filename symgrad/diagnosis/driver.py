"""The driver of a diagnosis: a candidate is called at random points, and held against the proved gradient and against
what each hypothesis predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations, permutations
from typing import Any

import numpy as np

from symgrad.api import Derivation
from symgrad.diagnosis.agreement import Matcher, equal, largest
from symgrad.diagnosis.candidate_call import (
    Caller,
    Candidate,
    Taken,
    called,
    compared_at,
    fresh_at,
    parameters,
    raised,
    watched,
)
from symgrad.diagnosis.comparison_point import Bench
from symgrad.diagnosis.equation_mistakes import of_equations
from symgrad.diagnosis.explanations import explanations
from symgrad.diagnosis.extremes import extremes, places
from symgrad.diagnosis.hypotheses import Hypothesis
from symgrad.diagnosis.input_mistakes import of_assumptions, of_inputs, subdomains
from symgrad.diagnosis.jacobian_mistakes import of_jacobians
from symgrad.diagnosis.line_mistakes import of_lines, of_lines_more_widely
from symgrad.diagnosis.precision import MOST_SINGLE, Rounding, deviation_of, is_finite
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation, gradients_are, unlike
from symgrad.errors import InputError
from symgrad.facts import takes_labels
from symgrad.sampling import Sample
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

Maker = Callable[[Record], Iterator[Hypothesis]]
MAKERS: Sequence[Maker] = (of_inputs, of_jacobians, of_equations, of_assumptions, of_lines)
WIDER: Sequence[Maker] = (of_lines_more_widely,)
MOST_ORDERED = 5
"""Gradients that are looked for in another order."""


def diagnose(derivation: Derivation, candidate: Callable[..., Any], *, seed: int = 0) -> Diagnosis:
    """Whether ``candidate`` is the gradient that ``derivation`` proves, and if not, which mistake gives its numbers.

    ``candidate`` takes the inputs of the loss as NumPy arrays, in the order of ``derivation.program.inputs`` (labels as
    one-hot or soft rows, or, if it takes no such rows, as integers; numbers with a default may be left out), and
    returns the gradients in the order of ``wrt``, or the one alone.  It is called at random inputs of a few sizes that
    meet what the loss assumes, and at inputs that enter each piece of its piecewise functions; one that agrees there,
    at extreme values and other sizes too.

    Raises ``InputError`` where it cannot be called so, raises itself, or does not return that many arrays.
    """
    if not isinstance(derivation, Derivation):
        raise InputError(f"diagnose takes a derivation, such as symgrad.derive('softmax_mse'), not {derivation!r}")
    if not callable(candidate):
        raise InputError(f"a candidate is a function, not a {type(candidate).__name__}")
    record, name, changed = derivation.record, called(candidate), set[int]()
    candidate = watched(candidate, changed)
    tried = _tried(record, candidate, seed)
    benches, taken = tried.benches, tried.caller.taken
    as_returned = list(map(tried.caller.at, benches))
    order = _order(record, benches, as_returned)

    def in_order(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: found[at] for name, at in zip(record.wrt, order, strict=True)}

    given = list(map(in_order, as_returned))
    rounding = Rounding.of(derivation.to_numpy(), tried.caller, benches, given)

    def deviating(gradients: Sequence[Mapping[str, np.ndarray]], limits: Mapping[str, float]) -> list[Deviation]:
        return [d for array in record.wrt if (d := deviation_of(array, benches, gradients, limits[array]))]

    deviations = deviating(given, rounding.allowed)
    remarks = [f"it was given {array} as integer labels" for array in sorted(taken.labels)]
    remarks += [f"it takes no {n}, and was compared at {n} = {v:g}" for n, v in taken.left_out(record).items()]
    found: tuple[Explanation, ...] = ()
    if order != record.wrt:
        ordered = f"the gradients are returned in the order {', '.join(order)}, expected {', '.join(record.wrt)}"
        remarks += [ordered] if deviations else []
    close = deviating(given, rounding.rounded)
    points, all_given = list(benches), list(given)
    for bench in fresh_at(record, taken, seed, tried.square, benches[0]) if deviations or close else ():
        value = tried.caller.attempt(bench)
        if not isinstance(value, str) and all(map(is_finite, (bench.truth, value))):
            points, all_given = [*points, bench], [*all_given, in_order(value)]
    within = ""
    move: Callable[[Bench], Bench] = Bench.at
    if deviations and order == record.wrt:
        narrower = ((words, move) for words, move in subdomains(record) if _agrees(tried, points, rounding, move))
        within, move = next(narrower, (within, move))
    if within:
        deviations = []
    elif any(np.isfinite(given[0][d.array]).all() for d in deviations):  # nothing explains what is NaN
        found = _explained(record, points, all_given, rounding, deviations)
        for words, narrow in subdomains(record) if not found else ():
            moved = list(map(narrow, points))
            moved_given = [in_order(tried.caller.at(b)) for b in moved]
            if found := _explained(record, moved, moved_given, rounding, deviations, (MAKERS,)):
                remarks.append(f"what explains it does so {words}")
                break
    elif order != record.wrt and not deviations:
        deviations = deviating(as_returned, rounding.allowed)
        found = (Explanation("swapped", ordered, tuple(d.array for d in deviations), None, "", "", 0.1),)
    elif not deviations and close:
        found = _explained(record, points, all_given, rounding, close, (MAKERS,))
        deviations = close if found else []
        worst = max(deviation.error for deviation in close)
        remarks += [] if found else [f"agrees only within single precision (largest relative difference {worst:.0e})"]
    extreme = None
    if not deviations and not tried.failure:
        far = (replace(place, bench=move(place.bench)) for place in places(record, taken.space(record), seed))
        extreme = extremes(derivation.to_numpy(), tried.caller, list(map(move, benches)), rounding, far)
        if extreme and extreme.wrong:
            deviations, arrays = list(extreme.deviations), tuple(d.array for d in extreme.deviations)
            found = (Explanation(extreme.kind, extreme.words, arrays, None, "", "", 1.0),)
            remarks += [f"compared {within}"] if within else []
            within = ""
        elif extreme:
            remarks.append(extreme.words)
    if tried.failure and not deviations:
        deviations = [unlike(array, tried.failure) for array in record.wrt]
        found = (Explanation("shape", f"right, but {tried.failure}", record.wrt, None, "", "", 1.0),)
    elif tried.failure:
        remarks.append(tried.failure)
    remarks += [f"it changes its input {taken.names[n]} in place (only a copy, here)" for n in sorted(changed)]
    compared = tuple(dict(bench.sizes) for bench in benches[:2])
    program, idle = record.program, (f"{piece.text(record.program)} where that matters" for piece in tried.sample.idle)
    unreached = (*(piece.text(program) for piece in tried.sample.unreached), *idle)
    if not deviations and not within:
        remarks += _conventions(tried, rounding)
    said = tuple(deviations), found, tuple(remarks)
    return Diagnosis(program.name, name, compared, *said, within, unreached, finite=not extreme)


def _conventions(tried: _Tried, rounding: Rounding) -> Iterator[str]:
    """At which kinks a candidate that is right elsewhere returns another derivative than the derivation, in words."""
    record = tried.caller.record
    # Where terms cancel at a kink the gradient there is rounding, which is small beside the gradient elsewhere.
    usual = {name: largest(value) for name, value in tried.benches[0].truth.items()}
    for piece, inputs in tried.sample.kinks:
        bench = Bench(record, tried.benches[0].sizes, inputs)
        given = tried.caller.attempt(bench)
        if isinstance(given, str):
            yield f"where {piece.text(record.program)}, at a kink, it {given}"
            continue
        for name in record.wrt:
            worst = deviation_of(name, [bench], [given], rounding.allowed[name])
            if worst and not abs(worst.given - worst.expected) <= rounding.allowed[name] * usual[name]:
                yield f"where {piece.text(record.program)}, at a kink, it follows another convention: {worst.numbers}"
                break


def _agrees(tried: _Tried, points: Sequence[Bench], rounding: Rounding, move: Callable[[Bench], Bench]) -> bool:
    """Whether a candidate is right at some points once they are moved into a narrower domain, and in all pieces."""
    benches = list(map(move, points))
    if not all(np.all(np.isfinite(value)) for bench in benches for value in bench.truth.values()):
        return False
    there, before = (frozenset().union(*(bench.spot.entered for bench in some)) for some in (benches, tried.benches))
    if not before <= there:
        return False
    given = list(map(tried.caller.at, benches))
    return not any(deviation_of(name, benches, given, limit) for name, limit in rounding.single.items())


def _explained(
    record: Record,
    benches: Sequence[Bench],
    given: Sequence[Mapping[str, np.ndarray]],
    rounding: Rounding,
    deviations: Sequence[Deviation],
    rounds: Sequence[Sequence[Maker]] = (MAKERS, WIDER),
) -> tuple[Explanation, ...]:
    """What explains the deviations; few mistakes need the wider search of the last round."""
    wrong = {d.array for d in deviations}

    def is_right(place: int) -> bool:
        return all(equal(given[place][n], benches[place].truth[n], rounding.allowed[n]) for n in wrong)

    # What refutes most comes first: points at which the gradient is wrong, those of the first sizes together.
    order = sorted(range(len(benches)), key=lambda n: (is_right(n), benches[n].sizes != benches[0].sizes))
    benches, given = [benches[n] for n in order], [given[n] for n in order]
    sizes, truths = [b.sizes for b in benches], [b.truth for b in benches]
    limits = {**rounding.allowed, **{d.array: rounding.left(d.array, d.error) for d in deviations}}
    matcher = Matcher(record.program, sizes, given, truths, limits, [b.noise for b in benches])
    found: tuple[Explanation, ...] = ()
    for makers in rounds:
        hypotheses = chain.from_iterable(maker(record) for maker in makers)
        found = explanations(record, benches, matcher, hypotheses) or found
        if wrong <= {name for explanation in found for name in explanation.arrays}:
            break
    return _with_zeros(found, given, wrong)


def _with_zeros(
    found: tuple[Explanation, ...], given: Sequence[Mapping[str, np.ndarray]], wrong: Set[str]
) -> tuple[Explanation, ...]:
    """Explanations with one for the gradients that are zero, after those that explain all that is wrong if not all of
    that is zero; no input is said to be missing where no other gradient is wrong."""
    zero = tuple(name for name in given[0] if name in wrong and not any(np.any(g[name]) for g in given))
    if not zero:
        return found
    said = Explanation("zero", f"{gradients_are(zero)} zero", zero, None, "", "", 0.0)
    if set(zero) == wrong:
        return said, *(e for e in found if e.kind == "path")
    whole = tuple(e for e in found if wrong <= set(e.arrays))
    return *whole, said, *(e for e in found if e not in whole and not set(e.arrays) <= set(zero))


@dataclass(frozen=True)
class _Tried:
    """The points at which a candidate was called, how it is called, and where it raised, in words."""

    benches: list[Bench]
    caller: Caller
    failure: str
    sample: Sample
    square: tuple[str, str] | None


def _tried(record: Record, candidate: Candidate, seed: int) -> _Tried:
    """Points of sizes at which the candidate runs: of two axes that are equal, if it runs at no others.

    Raises ``InputError`` where it runs at none.
    """
    names = parameters(record, candidate)
    labels = frozenset(n for n in names if takes_labels(record, record.program.arrays[n]))
    failure = ""
    axes = [axis.name for axis in record.program.axes]
    for square in (None, *combinations(axes, 2)):
        for taken in dict.fromkeys((Taken(names, frozenset()), Taken(names, labels))):
            benches, sample = compared_at(record, taken, seed, square)
            try:
                for bench in benches:
                    candidate(*taken.given(bench.inputs))
            except (Exception, SystemExit) as error:
                failure = failure or raised(candidate, error)
                continue
            words = f"{failure}, unless {square[0]} = {square[1]}" if square else ""
            return _Tried(benches, Caller(record, candidate, taken), words and f"it {words}", sample, square)
    raise InputError(f"{called(candidate)} {failure}")


def _order(record: Record, benches: Sequence[Bench], given: Sequence[Arrays]) -> tuple[str, ...]:
    """For each array, that in whose place its gradient was returned: its own, unless the gradients are right, or have
    the right shapes at last, in one other order."""
    if len(record.wrt) > MOST_ORDERED:
        return record.wrt

    def every(order: tuple[str, ...], test: Callable[[np.ndarray, np.ndarray], bool]) -> bool:
        of = list(zip(record.wrt, order, strict=True))
        pairs = ((g[at], b.truth[name]) for g, b in zip(given, benches, strict=True) for name, at in of)
        return all(test(*pair) for pair in pairs)

    fitting = [o for o in permutations(record.wrt) if every(o, lambda one, other: one.shape == other.shape)]
    right = next((o for o in fitting if every(o, partial(equal, allowed=MOST_SINGLE))), record.wrt)
    return fitting[0] if len(fitting) == 1 else right
