"""Mistakes about the inputs: labels shifted or made hard, an input left out, a matrix turned, a property used that an
input does not have; and the parts of its domain for which alone a gradient may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
from sympy import Expr, Integer, Rational

from symgrad.diagnosis.comparison_point import Bench, NotHere, adjoint_lines, hardened
from symgrad.diagnosis.hypotheses import Hypothesis, derived, first_use, gradients
from symgrad.equations import one_hot, rows_sum_to_one
from symgrad.facts import is_target, takes_labels
from symgrad.notation import Array, array_names, entries, replaced
from symgrad.render.text import name_text, step_text
from symgrad.steps import Record, Step

Change = Callable[[np.ndarray], np.ndarray]
CONSTANTS = ("0.5", "2", "3", *(f"1e-{digits}" for digits in range(1, 13)))
"""Numbers that people write in the place of an argument, beside 0, 1 and its default."""


def of_inputs(record: Record) -> Iterator[Hypothesis]:
    """Every hypothesis about an input of the program."""
    scalars = [array for array in record.program.inputs if not array.axes]
    for one, other in combinations(scalars, 2):
        words = f"{name_text(one.name)} and {name_text(other.name)} are swapped"
        exchanged = partial(_exchanged, one.name, other.name)
        yield Hypothesis("swapped", 0.5, exchanged, first_use(record, one.name), words)
    for array in record.program.inputs:
        line = first_use(record, array.name)
        if array.axes and takes_labels(record, array):
            for kind, words, cost, change in _label_changes(array):
                yield Hypothesis(kind, cost, partial(_everywhere, array.name, change), line, words)
        for kind, words, cost, change, number in (*_changes(array), *_constants(record, array)):
            forward_only = f"{words}, in the forward pass only"
            yield Hypothesis(kind, cost, partial(_forward, array.name, change), line, forward_only)
            at, yours = line, None
            if number is not None and (step := _last_with(record, array)):
                at, yours = step.number, partial(_with_number, record, step, array, number)
            yield Hypothesis(kind, cost + 0.05, partial(_everywhere, array.name, change), at, words, yours or str)


def _last_with(record: Record, array: Array) -> Step | None:
    """The last line about an adjoint that has an array in it."""
    return next((s for s in adjoint_lines(record).values() if array.name in array_names(s.after)), None)


def _with_number(record: Record, step: Step, array: Array, number: Expr) -> str:
    """What a line reads with a number in the place of every entry of an array."""
    after = replaced(step.after, dict.fromkeys(entries(step.after, array.name), number))
    return step_text(record, step.number, after)


def _label_changes(array: Array) -> Iterator[tuple[str, str, float, Change]]:
    """The kind of mistake, its words and its cost, and what it does to labels."""
    name = name_text(array.name)
    yield "labels", f"the labels {name} are one too high", 0.5, partial(np.roll, shift=1, axis=-1)
    yield "labels", f"the labels {name} are one too low", 0.5, partial(np.roll, shift=-1, axis=-1)
    words = f"{name} is treated as one-hot: 1 at the largest entry of each row, 0 elsewhere"
    yield "assumption", words, 0.5, hardened
    words = f"the rows of {name} are in another order than those of the other inputs"
    orders: list[Change] = [partial(np.roll, shift=1, axis=0), partial(np.roll, shift=-1, axis=0), np.flipud]
    yield from (("labels", words, 1.0, order) for order in orders)


def _changes(array: Array) -> Iterator[tuple[str, str, float, Change, Expr | None]]:
    """The kind of mistake, its words and its cost, what it does to an input, and the number that replaces every entry
    of it, if one does."""
    name = name_text(array.name)
    yield "missing", f"{name} is missing", 0.4, np.zeros_like, Integer(0)
    if not array.positive:
        yield "sign", f"{name} has the wrong sign", 0.8, np.negative, None
    if array.positive or not array.axes:
        yield "missing", f"{name} is missing, as if it were 1", 0.45, np.ones_like, Integer(1)
    if len(array.axes) == 2:
        yield "transposed", f"{name} is transposed", 0.6, np.transpose, None


def _constants(record: Record, array: Array) -> Iterator[tuple[str, str, float, Change, Expr | None]]:
    """The same for a number that is taken to be a constant, whatever it is."""
    default = [Rational(str(value)) for name, value in record.program.defaults if name == array.name]
    for value in dict.fromkeys((*default, *map(Rational, CONSTANTS))) if not array.axes else ():
        words = f"{name_text(array.name)} is ignored: {float(value):g} is used instead"
        yield "missing", words, 0.5, partial(np.full_like, fill_value=float(value)), value


def _everywhere(name: str, change: Change, bench: Bench) -> dict[str, np.ndarray]:
    """The proved gradient at another input."""
    return gradients(bench, _changed(bench, name, change).adjoints)


def _exchanged(one: str, other: str, bench: Bench) -> dict[str, np.ndarray]:
    """The proved gradient where two numbers have each other's value."""
    return gradients(bench, bench.at(**{one: bench.inputs[other], other: bench.inputs[one]}).adjoints)


def _forward(name: str, change: Change, bench: Bench) -> dict[str, np.ndarray]:
    """The proved lines with the arrays of the forward equations as another input makes them, the input itself being as
    it is."""
    values = _changed(bench, name, change).values
    return gradients(bench, bench.adjoints_by({**values, name: bench.inputs[name]}))


def _changed(bench: Bench, name: str, change: Change) -> Bench:
    value = change(bench.inputs[name])
    if value.shape != bench.inputs[name].shape:
        raise NotHere(name)
    return bench.at(**{name: value})


# --- what is known of an input --------------------------------------------------------------------------------------


def of_assumptions(record: Record) -> Iterator[Hypothesis]:
    """The derivation with one more assumption, for each of which a line of it makes use."""
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
            keyed = (replace(a, key=f"T{place}") for place, a in enumerate(new, 1))
            other = derived(replace(program, assumptions=(*program.assumptions, *keyed)), record.wrt)
            used = [s for s in other.steps if s.assumption and s.assumption.words in {a.words for a in new}]
            if used:
                last = _last_with(record, array)  # the line that the other derivation does not stop at
                assert used[0].assumption
                words = f"it assumes that {used[0].assumption.words}, which need not be true"
                predict = partial(_gradients_of, other)
                yield Hypothesis("assumption", 0.9, predict, last.number if last else None, words)


def _gradients_of(record: Record, bench: Bench) -> dict[str, np.ndarray]:
    return gradients(bench, Bench(record, bench.sizes, bench.inputs).adjoints)


OTHERS = {"between 0 and 1": "probabilities", "nonnegative": "nonnegative numbers"}
"""What the numbers of a domain of which 0 and 1 are a usual part are called, by its words."""


def subdomains(record: Record) -> Iterator[tuple[str, Callable[[Bench], Bench]]]:
    """For each input of which the loss is given targets, the narrower domains, in words, with how a point is moved
    there: a gradient that is written for labels 0 and 1 alone, or for one-hot rows, need not be right elsewhere."""
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
    """1 for the larger half of some numbers, ``low`` for the smaller."""
    return np.where(value > np.median(value), 1.0, low)


def _moved(name: str, change: Change) -> Callable[[Bench], Bench]:
    return lambda bench: bench.at(**{name: change(bench.inputs[name])})
