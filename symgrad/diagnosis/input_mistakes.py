"""Mistakes about the inputs: labels shifted or hardened, an input missing or transposed, an assumption that the loss
does not make; and the narrower domains on which a gradient may be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
from sympy import Expr, Integer, Rational

from symgrad.diagnosis.hypothesis import (
    ComparisonPoint,
    Hypothesis,
    NotApplicable,
    adjoint_lines,
    derived,
    first_use,
    hardened,
)
from symgrad.equations import one_hot, rows_sum_to_one
from symgrad.facts import is_target, takes_labels
from symgrad.notation import Array, array_names, entries, replaced
from symgrad.render.text import name_text, step_text
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record, Step

CONSTANTS = ("0.5", "2", "3", *(f"1e-{digits}" for digits in range(1, 13)))
"""Numbers that candidates use in place of a scalar, beside 0, 1 and its default."""


@dataclass(frozen=True)
class InputChange:
    """A mistake about one input: ``change`` maps its right values to those that the candidate uses; ``number`` is set
    if it replaces every entry."""

    kind: str
    words: str
    cost: float
    change: Callable[[np.ndarray], np.ndarray]
    number: Expr | None = None


def of_inputs(record: Record) -> Iterator[Hypothesis]:
    """The hypotheses about the inputs of the program."""
    scalars = [array.name for array in record.program.inputs if not array.axes]
    for one, other in combinations(scalars, 2):
        words = f"{name_text(one)} and {name_text(other)} are swapped"
        yield Hypothesis("swapped", 0.5, partial(_swapped, one, other), first_use(record, one), words)
    for array in record.program.inputs:
        name, line = array.name, first_use(record, array.name)
        if array.axes and takes_labels(record, array):
            for c in label_changes(array):
                yield Hypothesis(c.kind, c.cost, partial(_in_both_passes, name, c), line, c.words)
        for c in (*value_changes(array), *constants(record, array)):
            words = f"{c.words}, in the forward pass only"
            yield Hypothesis(c.kind, c.cost, partial(_in_forward_pass, name, c), line, words)
            at: int | None = line
            yours: Callable[[], str] = str
            if c.number is not None and (step := _last_line_with(record, array)):
                at, yours = step.number, partial(_with_number, record, step, array, c.number)
            yield Hypothesis(c.kind, c.cost + 0.05, partial(_in_both_passes, name, c), at, c.words, yours)


def _last_line_with(record: Record, array: Array) -> Step | None:
    """The last line about an adjoint that contains an array."""
    return next((s for s in adjoint_lines(record).values() if array.name in array_names(s.after)), None)


def _with_number(record: Record, step: Step, array: Array, number: Expr) -> str:
    """The text of a line in which a number replaces every entry of an array."""
    after = replaced(step.after, dict.fromkeys(entries(step.after, array.name), number))
    return step_text(record, step.number, after)


def label_changes(array: Array) -> Iterator[InputChange]:
    """Labels shifted by one class, labels of other rows, and hard labels in place of soft ones."""
    name = name_text(array.name)
    for words, shift in (("high", 1), ("low", -1)):
        shifted = partial(np.roll, shift=shift, axis=-1)
        yield InputChange("labels", f"the labels {name} are one too {words}", 0.5, shifted)
    words = f"{name} is treated as one-hot: 1 at the largest entry of each row, 0 elsewhere"
    yield InputChange("assumption", words, 0.5, hardened)
    words = f"the rows of {name} are in another order than those of the other inputs"
    for order in (partial(np.roll, shift=1, axis=0), partial(np.roll, shift=-1, axis=0), np.flipud):
        yield InputChange("labels", words, 1.0, order)


def value_changes(array: Array) -> Iterator[InputChange]:
    """An input missing (0 or 1 in its place), with the wrong sign, or transposed."""
    name = name_text(array.name)
    yield InputChange("missing", f"{name} is missing", 0.4, np.zeros_like, Integer(0))
    if not array.positive:
        yield InputChange("sign", f"{name} has the wrong sign", 0.8, np.negative)
    if array.positive or not array.axes:
        yield InputChange("missing", f"{name} is missing, as if it were 1", 0.45, np.ones_like, Integer(1))
    if len(array.axes) == 2:
        yield InputChange("transposed", f"{name} is transposed", 0.6, np.transpose)


def constants(record: Record, array: Array) -> Iterator[InputChange]:
    """A constant in the place of a scalar input."""
    default = [Rational(str(value)) for name, value in record.program.defaults if name == array.name]
    for value in dict.fromkeys((*default, *map(Rational, CONSTANTS))) if not array.axes else ():
        words = f"{name_text(array.name)} is ignored: {float(value):g} is used instead"
        yield InputChange("missing", words, 0.5, partial(np.full_like, fill_value=float(value)), value)


def _in_both_passes(name: str, change: InputChange, point: ComparisonPoint) -> Arrays:
    return _changed(point, name, change).adjoints


def _in_forward_pass(name: str, change: InputChange, point: ComparisonPoint) -> Arrays:
    return point.adjoints_by({**_changed(point, name, change).values, name: point.inputs[name]})


def _changed(point: ComparisonPoint, name: str, change: InputChange) -> ComparisonPoint:
    value = change.change(point.inputs[name])
    if value.shape != point.inputs[name].shape:
        raise NotApplicable(name)
    return point.at(**{name: value})


def _swapped(one: str, other: str, point: ComparisonPoint) -> Arrays:
    return point.at(**{one: point.inputs[other], other: point.inputs[one]}).adjoints


# --- assumptions ------------------------------------------------------------------------------------------------------


def of_assumptions(record: Record) -> Iterator[Hypothesis]:
    """For labels and targets, one more assumption (rows that sum to one, or one-hot rows), if the derivation under it
    uses it."""
    program = record.program
    for array in program.inputs:
        is_labels = takes_labels(record, array) or is_target(record, array)
        if array.name in record.wrt or len(array.axes) < 2 or not is_labels:
            continue
        known = {a.words for a in program.assumptions}
        for assumed in ((rows_sum_to_one(array, "A"),), one_hot(array, "A")):
            new = tuple(a for a in assumed if a.words not in known)
            if not new:
                continue
            keyed = (replace(a, key=f"T{number}") for number, a in enumerate(new, 1))
            other = derived(replace(program, assumptions=(*program.assumptions, *keyed)), record.wrt)
            added = {a.words for a in new}
            used = next((s.assumption for s in other.steps if s.assumption and s.assumption.words in added), None)
            if used:
                last = _last_line_with(record, array)  # the line at which only the other derivation goes on
                words = f"it assumes that {used.words}, which need not be true"
                predict = partial(_gradients_of, other)
                yield Hypothesis("assumption", 0.9, predict, last.number if last else None, words)


def _gradients_of(record: Record, point: ComparisonPoint) -> Arrays:
    return ComparisonPoint.of(record, point.sizes, point.inputs).adjoints


# --- narrower domains -------------------------------------------------------------------------------------------------

OTHERS = {"between 0 and 1": "probabilities", "nonnegative": "nonnegative numbers"}
"""The noun for the values of a domain that is usually used at 0 and 1 only, by the words for the domain."""
Move = Callable[[ComparisonPoint], ComparisonPoint]


def subdomains(record: Record) -> Iterator[tuple[str, Move]]:
    """For each input of targets its narrower domains, in words, with a function that moves a point into them: a
    gradient may be right for labels 0 and 1 only, or for one-hot rows only."""
    for array in record.program.inputs:
        if not array.axes or array.name in record.wrt or array.positive:
            continue
        about = [a for a in record.program.assumptions if array_names(a.lhs) == {array.name}]
        domain = next((a.domain for a in about if a.domain), None)
        shown = name_text(array.name)
        if takes_labels(record, array) and not domain and not any(a.is_one_hot for a in about):
            others = "distributions" if about else "rows"
            yield f"for one-hot rows of {shown}, not for other {others}", _moved(array.name, hardened)
        if (domain and domain.words not in OTHERS) or (about and not domain) or not is_target(record, array):
            continue
        others = OTHERS[domain.words] if domain else "numbers"
        for low in (0, -1) if domain is None else (0,):
            words = f"for {shown} in {{{low}, 1}}, not for other {others}"
            yield words, _moved(array.name, partial(_split, low))


def _split(low: int, value: np.ndarray) -> np.ndarray:
    """1 for the larger half of the numbers, ``low`` for the smaller half."""
    return np.where(value > np.median(value), 1.0, low)


def _moved(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Move:
    return lambda point: point.at(**{name: change(point.inputs[name])})
