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
from symgrad.codegen.labels import takes_labels
from symgrad.diagnosis.bench import Bench
from symgrad.diagnosis.equations import of_equations
from symgrad.diagnosis.explain import explanations
from symgrad.diagnosis.extremes import Extreme, extremes, places
from symgrad.diagnosis.hypotheses import Hypothesis
from symgrad.diagnosis.inputs import of_assumptions, of_inputs, subdomains
from symgrad.diagnosis.jacobians import of_jacobians
from symgrad.diagnosis.lines import of_lines, of_lines_more_widely
from symgrad.diagnosis.match import Matcher, equal
from symgrad.diagnosis.points import (
    SIZES,
    Caller,
    Candidate,
    Taken,
    called,
    compared_at,
    parameters,
    raised,
    sizes_at,
    watched,
)
from symgrad.diagnosis.precision import MOST_SINGLE, OFTEN, Rounding, is_finite
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation, gradients_are
from symgrad.errors import InputError
from symgrad.sampling import Sample, possible, random_inputs
from symgrad.sampling.tape import Arrays
from symgrad.steps import Record

Maker = Callable[[Record], Iterator[Hypothesis]]
MAKERS: Sequence[Maker] = (of_inputs, of_jacobians, of_equations, of_assumptions, of_lines)
WIDER: Sequence[Maker] = (of_lines_more_widely,)
NEARER = (0.2, 0.05)
"""How large inputs are at which explanations are tried once more."""
MOST_ORDERED = 5
"""Gradients that are looked for in another order."""


def diagnose(derivation: Derivation, candidate: Callable[..., Any], *, seed: int = 0) -> Diagnosis:
    """Whether ``candidate`` is the gradient that ``derivation`` proves, and if not, which mistake gives its numbers.

    ``candidate`` takes the inputs of the loss as NumPy arrays, in the order of ``derivation.program.inputs`` (labels as
    one-hot or soft rows, or, if it takes no such rows, as integers; numbers with a default may be left out), and
    returns the gradients in the order of ``wrt``, or the one alone.  It is called at random inputs of a few sizes that
    meet what the loss assumes, at inputs that enter each piece of its piecewise functions, and at large ones.

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
        return [d for array in record.wrt if (d := _deviation(array, benches, gradients, limits[array]))]

    deviations = deviating(given, rounding.allowed)
    remarks = [f"it was given {array} as integer labels" for array in sorted(taken.labels)]
    remarks += [f"it takes no {n}, and was compared at {n} = {v:g}" for n, v in taken.left_out(record).items()]
    found: tuple[Explanation, ...] = ()
    if order != record.wrt:
        said = f"the gradients are returned in the order {', '.join(order)}, expected {', '.join(record.wrt)}"
        remarks += [said] if deviations else []
    close = deviating(given, rounding.rounded)
    more = list(_confirming(tried, seed)) if deviations or close else []
    points, all_given = [*benches, *(b for b, _ in more)], [*given, *(in_order(g) for _, g in more)]
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
        found = (Explanation("swapped", said, tuple(d.array for d in deviations), None, "", "", 0.1),)
    elif not deviations and close:
        found = _explained(record, points, all_given, rounding, close, (MAKERS,))
        deviations = close if found else []
        worst = max(deviation.error for deviation in close)
        remarks += [] if found else [f"agrees only within single precision (largest relative difference {worst:.0e})"]
    finite = True
    if not deviations and not tried.failure:
        far = (replace(place, bench=move(place.bench)) for place in places(record, taken.space(record), seed))
        extreme = extremes(derivation.to_numpy(), tried.caller, list(map(move, benches)), rounding, far)
        if extreme and extreme.wrong:
            deviations = list(_far_off(extreme))
            found = (Explanation(extreme.kind, extreme.words, extreme.arrays, None, "", "", 1.0),)
            remarks += [f"compared {within}"] if within else []
            within = ""
        elif extreme:
            remarks.append(extreme.words)
            finite = False
    if tried.failure and not deviations:
        deviations = [Deviation(array, (), np.nan, np.nan, np.inf, tried.failure) for array in record.wrt]
        found = (Explanation("shape", f"right, but {tried.failure}", record.wrt, None, "", "", 1.0),)
    elif tried.failure:
        remarks.append(tried.failure)
    remarks += [f"it changes its input {taken.names[n]} in place (only a copy, here)" for n in sorted(changed)]
    compared = tuple(dict(bench.sizes) for bench in benches[:2])
    program, idle = record.program, (f"{piece.text(record.program)} where that matters" for piece in tried.sample.idle)
    unreached = (*(piece.text(program) for piece in tried.sample.unreached), *idle)
    if not deviations and not within:
        remarks += _conventions(tried, rounding)
    return Diagnosis(
        record.program.name, name, compared, tuple(deviations), found, tuple(remarks), within, unreached, finite
    )


def _far_off(extreme: Extreme) -> Iterator[Deviation]:
    """Where gradients are wrong at extreme inputs."""
    for name in extreme.arrays:
        if extreme.raises:
            yield Deviation(name, (), np.nan, np.nan, np.inf, f"it {extreme.raises}")
        elif worst := _deviation(name, [extreme.bench], [extreme.given], 0.0, extreme.expected):
            yield worst


def _conventions(tried: _Tried, rounding: Rounding) -> Iterator[str]:
    """At which kinks a candidate that is right elsewhere returns another derivative than the derivation, in words."""
    record = tried.caller.record
    # Where terms cancel at a kink the gradient there is rounding, which is small beside the gradient elsewhere.
    usual = {name: float(np.abs(value).max(initial=0.0)) for name, value in tried.benches[0].truth.items()}
    for piece, inputs in tried.sample.kinks:
        bench = Bench(record, tried.benches[0].sizes, inputs)
        try:
            given = tried.caller.at(bench)
        except Exception:  # what a candidate raises at a kink alone
            yield f"where {piece.text(record.program)}, at a kink, it raises"
            continue
        for name in record.wrt:
            worst = _deviation(name, [bench], [given], rounding.allowed[name])
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
    return not any(_deviation(name, benches, given, limit) for name, limit in rounding.single.items())


def _confirming(tried: _Tried, seed: int) -> Iterator[tuple[Bench, dict[str, np.ndarray]]]:
    """Fresh inputs, also of other sizes, and smaller ones, with the gradients of a candidate there: explanations that
    agree by chance, as those do that enter the same pieces by larger inputs, differ at these."""
    record, first = tried.caller.record, tried.benches[0]
    space = tried.caller.taken.space(record)
    nearer = NEARER if possible(space, record.wrt) else ()
    benches = [Bench(record, first.sizes, space.enlarged(first.inputs, factor)) for factor in nearer]
    for place in range(len(SIZES)):
        sizes = sizes_at(record, place, tried.square)
        benches.append(Bench(record, sizes, random_inputs(space, record.wrt, tuple(sizes.items()), (seed, 5 + place))))
    for bench in benches:
        given = tried.caller.attempt(bench)
        if not isinstance(given, str) and all(map(is_finite, (bench.truth, given))):
            yield bench, given


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
    apart = [
        any(not equal(g[n], b.truth[n], rounding.allowed[n]) for n in wrong)
        for b, g in zip(benches, given, strict=True)
    ]
    # What refutes most comes first: points at which the gradient is wrong, those of the first sizes together.
    order = sorted(range(len(benches)), key=lambda place: (not apart[place], benches[place].sizes != benches[0].sizes))
    benches, given = [benches[place] for place in order], [given[place] for place in order]
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
        if not np.all(np.isfinite(value)):
            return Deviation(name, (), np.nan, np.nan, np.inf, _not_finite(name, bench, value))
        error = np.abs(value - expected)
        place = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        size = float(np.abs(expected).max(initial=0.0)) or 1.0
        relative = float(error.max(initial=0.0)) / size
        beyond = instead is not None or float(error.max(initial=0.0)) > OFTEN * bench.noise[name]
        if beyond and relative > allowed and (worst is None or relative > worst.error):
            worst = Deviation(name, place, float(value[place]), float(expected[place]), relative)
    return worst
