"""Mistakes about the inputs: labels shifted or made hard, an input left out, a matrix turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from sympy import Expr, Integer, Rational

from symgrad.codegen.labels import takes_labels
from symgrad.diagnosis.bench import Bench, NotHere, adjoint_lines, hardened
from symgrad.diagnosis.hypotheses import Hypothesis, first_use, gradients
from symgrad.notation import Array, array_names, entries, replaced
from symgrad.render.text import name_text, step_text
from symgrad.steps import Record, Step

Made = Callable[[np.ndarray], np.ndarray]
CONSTANTS = ("0.5", "2", "3", *(f"1e-{digits}" for digits in range(1, 13)))
"""Numbers that people write in the place of an argument, beside 0, 1 and its default."""


def of_inputs(record: Record) -> Iterator[Hypothesis]:
    """Every hypothesis about an input of the program."""
    scalars = [array for array in record.program.inputs if not array.axes]
    for one, other in combinations(scalars, 2):
        words = partial(str, f"{name_text(one.name)} and {name_text(other.name)} are taken for each other")
        exchanged = partial(_exchanged, one.name, other.name)
        yield Hypothesis("swapped", 0.5, exchanged, first_use(record, one.name), words)
    for array in record.program.inputs:
        if array.axes and takes_labels(record, array):
            yield from _labels(record, array)
        for turn in (*_turns(array), *(() if array.axes else _constants(record, array))):
            line = first_use(record, array.name)
            words = partial(str, f"{turn.words}, on the way forward alone")
            yield Hypothesis(turn.kind, turn.cost, partial(_forward, array.name, turn.made), line, words)
            yours: Callable[[], str] = str
            if turn.stands is not None and (step := _last_with(record, array)):
                line, yours = step.number, partial(_with_number, record, step, array, turn.stands)
            everywhere = partial(_everywhere, array.name, turn.made)
            yield Hypothesis(turn.kind, turn.cost + 0.05, everywhere, line, partial(str, turn.words), yours)


def _last_with(record: Record, array: Array) -> Step | None:
    """The last line about an adjoint that has an array in it."""
    return next((s for s in adjoint_lines(record).values() if array.name in array_names(s.after)), None)


def _with_number(record: Record, step: Step, array: Array, number: Expr) -> str:
    """What a line reads with a number in the place of every entry of an array."""
    after = replaced(step.after, dict.fromkeys(entries(step.after, array.name), number))
    return step_text(record, step.number, after)


def _labels(record: Record, array: Array) -> Iterator[Hypothesis]:
    line = first_use(record, array.name)
    for shift, words in ((1, "one too high"), (-1, "one too low")):
        rolled = partial(_everywhere, array.name, partial(np.roll, shift=shift, axis=-1))
        said = partial(str, f"the labels {name_text(array.name)} are {words}")
        yield Hypothesis("labels", 0.5, rolled, line, said)
    words = f"{name_text(array.name)} is taken for one-hot: 1 at the largest entry of each row, 0 elsewhere"
    yield Hypothesis("assumption", 0.5, partial(_everywhere, array.name, hardened), line, partial(str, words))
    said = partial(str, f"the rows of {name_text(array.name)} are in another order than those of the other inputs")
    turns: list[Made] = [partial(np.roll, shift=1, axis=0), partial(np.roll, shift=-1, axis=0), np.flipud]
    for turn in turns:
        yield Hypothesis("labels", 1.0, partial(_everywhere, array.name, turn), line, said)


@dataclass(frozen=True)
class _Turn:
    """What is done to an input: ``made`` of its value; ``stands`` is the number in the place of every entry, if so."""

    kind: str
    words: str
    cost: float
    made: Made
    stands: Expr | None = None


def _turns(array: Array) -> Iterator[_Turn]:
    missing = f"{name_text(array.name)} is missing"
    yield _Turn("missing", missing, 0.4, np.zeros_like, Integer(0))
    if not array.positive:
        yield _Turn("sign", f"{name_text(array.name)} has the wrong sign", 0.8, np.negative)
    if array.positive or not array.axes:
        yield _Turn("missing", f"{missing}, as if it were 1", 0.45, np.ones_like, Integer(1))
    if len(array.axes) == 2:
        yield _Turn("transposed", f"{name_text(array.name)} is transposed", 0.6, np.transpose)


def _constants(record: Record, array: Array) -> Iterator[_Turn]:
    """A number taken to be a constant, whatever it is."""
    default = [Rational(str(value)) for name, value in record.program.defaults if name == array.name]
    for value in dict.fromkeys((*default, *map(Rational, CONSTANTS))):
        words = f"{name_text(array.name)} is ignored: {float(value):g} stands for it"
        yield _Turn("missing", words, 0.5, partial(np.full_like, fill_value=float(value)), value)


def _everywhere(name: str, turn: Made, bench: Bench) -> dict[str, np.ndarray]:
    """The proved gradient at another input."""
    return gradients(bench, _turned(bench, name, turn).adjoints)


def _exchanged(one: str, other: str, bench: Bench) -> dict[str, np.ndarray]:
    """The proved gradient where two numbers have each other's value."""
    return gradients(bench, bench.at(**{one: bench.inputs[other], other: bench.inputs[one]}).adjoints)


def _forward(name: str, turn: Made, bench: Bench) -> dict[str, np.ndarray]:
    """The proved lines with the arrays of the forward equations as another input makes them, the input itself being as
    it is."""
    other = _turned(bench, name, turn)
    return gradients(bench, bench.adjoints_by({**other.values, name: bench.inputs[name]}))


def _turned(bench: Bench, name: str, turn: Made) -> Bench:
    value = turn(bench.inputs[name])
    if value.shape != bench.inputs[name].shape:
        raise NotHere(name)
    return bench.at(**{name: value})
