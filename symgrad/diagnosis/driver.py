"""The driver of a diagnosis: compares a candidate with the proved gradient at random points, and its gradients with the
predictions of the hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, combinations, permutations
from typing import Any

import numpy as np

from symgrad.api import Derivation
from symgrad.diagnosis.candidate import (
    MOST_SINGLE,
    Caller,
    Candidate,
    Rounding,
    called,
    compared_at,
    confirmed_at,
    is_finite,
    parameters,
    raised,
    watched,
)
from symgrad.diagnosis.explanations import Matcher, equal, with_zeros
from symgrad.diagnosis.extremes import extreme_points, extremes
from symgrad.diagnosis.hypothesis import ComparisonPoint
from symgrad.diagnosis.input_mistakes import Move, subdomains
from symgrad.diagnosis.mistakes import ROUNDS, Generator
from symgrad.diagnosis.result import Deviation, Diagnosis, Explanation, deviation_of, incomparable
from symgrad.errors import InputError
from symgrad.facts import takes_labels
from symgrad.gradcheck.slopes import largest
from symgrad.sampling import Sample
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

MOST_ORDERED = 5  # the largest number of gradients that are compared in every order


def diagnose(derivation: Derivation, candidate: Callable[..., Any], *, seed: int = 0) -> Diagnosis:
    """Compare ``candidate`` with the gradient that ``derivation`` proves, and if it is wrong, name the mistake.

    ``candidate`` takes the inputs of the loss as NumPy arrays, in the order of ``derivation.program.inputs``.  It may
    omit scalars with a default.  It gets labels as one-hot or soft rows, or as integers if it does not take rows.  It
    returns the gradients in the order of ``wrt`` (a single gradient without a tuple).

    It is called at random inputs of several sizes that satisfy the assumptions of the loss, and at inputs that enter
    each piece of its piecewise functions; if it agrees there, also at extreme values and at other sizes.

    Raises ``InputError`` if it cannot be called like this, raises an exception itself, or does not return that many
    arrays.
    """
    if not isinstance(derivation, Derivation):
        raise InputError(f"diagnose takes a derivation, such as symgrad.derive('softmax_mse'), not {derivation!r}")
    if not callable(candidate):
        raise InputError(f"the candidate must be a function, not {candidate!r}")
    record, changed = derivation.record, set[int]()
    if record.program.names:  # a diagnosis is about code, so it has no letters chosen for print
        record = replace(record, program=replace(record.program, names=()))
    run = _run(record, watched(candidate, changed), seed)
    comparison = _Comparison(run, derivation.to_numpy(), seed)
    verdict = comparison.verdict()
    if not verdict.deviations and not run.failure:
        verdict = _at_extremes(comparison, verdict)
    if run.failure:
        verdict = _with_failure(verdict, run.failure, record.wrt)
    caller, program = run.caller, record.program
    remarks = [f"it was given {array} as integer labels" for array in sorted(caller.labels)]
    remarks += [
        f"it does not take {n}; it was compared at the default, {n} = {v:g}" for n, v in caller.defaults.items()
    ]
    remarks += verdict.remarks
    remarks += [f"it changes its input {caller.names[n]} in place (here only a copy)" for n in sorted(changed)]
    if not verdict.deviations and not verdict.within:
        remarks += _conventions(comparison)
    idle = (f"{piece.text(program)} where that matters" for piece in run.sample.idle)
    return Diagnosis(
        program.name,
        called(candidate),
        tuple(dict(point.sizes) for point in run.points[:2]),
        verdict.deviations,
        verdict.explanations,
        tuple(remarks),
        verdict.within,
        (*(piece.text(program) for piece in run.sample.unreached), *idle),
        verdict.finite,
    )


# --- the first calls --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """The points at which a candidate runs, and how it is called.

    If it runs only where two axes are equal, these are ``square``, and ``failure`` says what it raises elsewhere.
    """

    points: list[ComparisonPoint]
    caller: Caller
    failure: str
    sample: Sample
    square: tuple[str, str] | None


def _run(record: Record, candidate: Candidate, seed: int) -> _Run:
    """Call the candidate with soft labels, else with integer labels; at sizes that differ, else with two equal ones.

    Raises ``InputError`` if it never runs.
    """
    names = parameters(record, candidate)
    labels = frozenset(n for n in names if takes_labels(record, record.program.arrays[n]))
    failure = ""
    for square in (None, *combinations([axis.name for axis in record.program.axes], 2)):
        for integers in dict.fromkeys((frozenset[str](), labels)):
            caller = Caller(record, candidate, names, integers)
            points, sample = compared_at(caller, seed, square)
            try:
                for point in points:
                    candidate(*caller.arguments(point.inputs))
            except (Exception, SystemExit) as error:
                failure = failure or raised(candidate, error)
                continue
            words = f"it {failure}, unless {square[0]} = {square[1]}" if square else ""
            return _Run(points, caller, words, sample, square)
    raise InputError(f"{called(candidate)} {failure}")


def _order(record: Record, points: Sequence[ComparisonPoint], returned: Sequence[Arrays]) -> tuple[str, ...]:
    """The order in which the gradients are returned: another one than expected if they are right, or have the right
    shapes, in only one order."""
    if len(record.wrt) > MOST_ORDERED:
        return record.wrt

    def all_pass(order: tuple[str, ...], test: Callable[[np.ndarray, np.ndarray], bool]) -> bool:
        names = list(zip(record.wrt, order, strict=True))
        pairs = ((r[at], p.truth[name]) for r, p in zip(returned, points, strict=True) for name, at in names)
        return all(test(*pair) for pair in pairs)

    fitting = [o for o in permutations(record.wrt) if all_pass(o, lambda one, other: one.shape == other.shape)]
    right = next((o for o in fitting if all_pass(o, partial(equal, tolerance=MOST_SINGLE))), record.wrt)
    return fitting[0] if len(fitting) == 1 else right


# --- the verdict at ordinary inputs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Verdict:
    """The deviations and explanations of a diagnosis, and the domain ``within`` which the candidate agrees; ``move``
    moves points into this domain."""

    deviations: tuple[Deviation, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    remarks: tuple[str, ...] = ()
    within: str = ""
    move: Move = ComparisonPoint.at
    finite: bool = True


class _Comparison:
    """The gradients that a candidate returns at the points of a run, in the order of ``wrt``, and their tolerances;
    ``proved`` is the generated function."""

    def __init__(self, run: _Run, proved: Candidate, seed: int) -> None:
        self.run, self.proved, self.seed = run, proved, seed
        self.record, self.caller, self.points = run.caller.record, run.caller, run.points
        self.as_returned = list(map(self.caller.at, self.points))
        self.order = _order(self.record, self.points, self.as_returned)
        self.gradients = list(map(self._in_order, self.as_returned))
        self.rounding = Rounding.of(proved, self.caller, self.points, self.gradients)

    def _in_order(self, gradients: Arrays) -> dict[str, np.ndarray]:
        return {name: gradients[at] for name, at in zip(self.record.wrt, self.order, strict=True)}

    def verdict(self) -> _Verdict:
        """The verdict at the points, with explanations that hold at further points."""
        deviations = self._deviations(self.gradients, self.rounding.allowed)
        close = self._deviations(self.gradients, self.rounding.rounded)
        is_ordered, wrt = self.order == self.record.wrt, ", ".join(self.record.wrt)
        ordered = f"the gradients are returned in the order {', '.join(self.order)}, expected {wrt}"
        if deviations:
            for words, move in subdomains(self.record) if is_ordered else ():
                if self._agrees(move):
                    return _Verdict(within=words, move=move)
            explanations, remarks = self._explanations(deviations)
            return _Verdict(deviations, explanations, remarks if is_ordered else (ordered, *remarks))
        if not is_ordered:
            deviations = self._deviations(self.as_returned, self.rounding.allowed)
            arrays = tuple(d.array for d in deviations)
            return _Verdict(deviations, (Explanation("swapped", ordered, arrays, None, "", "", 0.1),))
        if explanations := self._explained(*self._confirmed, close, ROUNDS[:1]) if close else ():
            return _Verdict(close, explanations)
        worst = max((deviation.error for deviation in close), default=0.0)
        remark = f"agrees only within single precision (largest relative difference {worst:.0e})"
        return _Verdict(remarks=(remark,) if close else ())

    def _deviations(self, gradients: Sequence[Arrays], tolerances: Mapping[str, float]) -> tuple[Deviation, ...]:
        every = (deviation_of(name, self.points, gradients, tolerances[name]) for name in self.record.wrt)
        return tuple(deviation for deviation in every if deviation)

    @cached_property
    def _confirmed(self) -> tuple[list[ComparisonPoint], list[dict[str, np.ndarray]]]:
        """The points and further ones at which the candidate runs, and the gradients there."""
        points, gradients = list(self.points), list(self.gradients)
        for point in confirmed_at(self.caller, self.seed, self.run.square, self.points[0]):
            value = self.caller.attempt(point)
            if not isinstance(value, str) and is_finite(point.truth) and is_finite(value):
                points.append(point)
                gradients.append(self._in_order(value))
        return points, gradients

    def _agrees(self, move: Move) -> bool:
        """Whether the candidate is right at the points moved into a narrower domain, in the same pieces."""
        points = list(map(move, self._confirmed[0]))
        if not all(is_finite(point.truth) for point in points):
            return False
        there, here = (frozenset().union(*(p.entered for p in some)) for some in (points, self.points))
        if not here <= there:
            return False
        gradients = list(map(self.caller.at, points))
        return not any(deviation_of(name, points, gradients, limit) for name, limit in self.rounding.single.items())

    def _explanations(self, deviations: Sequence[Deviation]) -> tuple[tuple[Explanation, ...], tuple[str, ...]]:
        """The explanations of deviations at all points, else in a narrower domain, which a remark names."""
        if not any(np.isfinite(self.gradients[0][d.array]).all() for d in deviations):
            return (), ()  # NaN cannot be explained
        points, gradients = self._confirmed
        if explanations := self._explained(points, gradients, deviations, ROUNDS):
            return explanations, ()
        for words, move in subdomains(self.record):
            moved = list(map(move, points))
            there = [self._in_order(self.caller.at(point)) for point in moved]
            if explanations := self._explained(moved, there, deviations, ROUNDS[:1]):
                return explanations, (f"the explanation holds {words}",)
        return (), ()

    def _explained(
        self,
        points: Sequence[ComparisonPoint],
        gradients: Sequence[Arrays],
        deviations: Sequence[Deviation],
        rounds: Sequence[Sequence[Generator]],
    ) -> tuple[Explanation, ...]:
        """The explanations of deviations by the hypotheses of the first rounds that explain all wrong gradients."""
        record, wrong = self.record, {d.array for d in deviations}
        allowed = self.rounding.allowed

        def is_right(number: int) -> bool:
            return all(equal(gradients[number][n], points[number].truth[n], allowed[n]) for n in wrong)

        # Points at which the gradient is wrong refute most, so they come first, starting with the first sizes.
        order = sorted(range(len(points)), key=lambda n: (is_right(n), points[n].sizes != points[0].sizes))
        points, gradients = [points[n] for n in order], [gradients[n] for n in order]
        tolerances = {**allowed, **{d.array: self.rounding.unexplained(d.array, d.error) for d in deviations}}
        matcher = Matcher(record, points, gradients, tolerances)
        explanations: tuple[Explanation, ...] = ()
        for generators in rounds:
            hypotheses = chain.from_iterable(generator(record) for generator in generators)
            explanations = matcher.explanations(hypotheses) or explanations
            if wrong <= {name for explanation in explanations for name in explanation.arrays}:
                break
        return with_zeros(explanations, gradients, wrong)


# --- extreme inputs and kinks -----------------------------------------------------------------------------------------


def _at_extremes(comparison: _Comparison, verdict: _Verdict) -> _Verdict:
    """The verdict on a candidate that is right at ordinary inputs, after calls at extreme inputs."""
    caller, move = comparison.caller, verdict.move
    extreme = extremes(
        comparison.proved,
        caller,
        list(map(move, comparison.points)),
        comparison.rounding,
        (replace(e, point=move(e.point)) for e in extreme_points(caller.record, caller.space, comparison.seed)),
    )
    if extreme is None:
        return verdict
    if not extreme.wrong:
        return replace(verdict, remarks=(*verdict.remarks, extreme.words), finite=False)
    arrays = tuple(d.array for d in extreme.deviations)
    explanation = Explanation(extreme.kind, extreme.words, arrays, None, "", "", 1.0)
    remarks = (*verdict.remarks, f"compared {verdict.within}") if verdict.within else verdict.remarks
    return _Verdict(extreme.deviations, (explanation,), remarks, finite=False)


def _with_failure(verdict: _Verdict, failure: str, wrt: tuple[str, ...]) -> _Verdict:
    """The verdict on a candidate that runs only if two axes are equal."""
    if verdict.deviations:
        return replace(verdict, remarks=(*verdict.remarks, failure))
    explanation = Explanation("shape", f"right, but {failure}", wrt, None, "", "", 1.0)
    return replace(verdict, deviations=tuple(incomparable(n, failure) for n in wrt), explanations=(explanation,))


def _conventions(comparison: _Comparison) -> Iterator[str]:
    """The kinks at which a candidate that is right elsewhere returns another derivative, in words."""
    record, allowed, first = comparison.record, comparison.rounding.allowed, comparison.points[0]
    # If terms cancel at a kink, the gradient there is rounding, small relative to the gradient elsewhere.
    usual = {name: largest(value) for name, value in first.truth.items()}
    for piece, inputs in comparison.run.sample.kinks:
        point = ComparisonPoint.of(record, first.sizes, inputs)
        gradients = comparison.caller.attempt(point)
        if isinstance(gradients, str):
            yield f"where {piece.text(record.program)}, at a kink, it {gradients}"
            continue
        for name in record.wrt:
            worst = deviation_of(name, [point], [gradients], allowed[name])
            if worst and not abs(worst.given - worst.expected) <= allowed[name] * usual[name]:
                yield f"where {piece.text(record.program)}, at a kink, it follows another convention: {worst.numbers}"
                break
