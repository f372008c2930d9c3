"""Mistakes in a line about an adjoint: a term, a factor, a sum or an array of it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from sympy import Expr

from symgrad.diagnosis.alter import Change, changes
from symgrad.diagnosis.bench import LAST, Bench, letters_of
from symgrad.diagnosis.hypotheses import Hypothesis, gradients
from symgrad.notation import array_names
from symgrad.render.text import expression_text, name_text, subject_text
from symgrad.steps import Record, Step, Total


def of_lines(record: Record) -> Iterator[Hypothesis]:
    """Every hypothesis about a line that gives an adjoint."""
    for step in record.steps:
        if isinstance(step.subject, Total) and step.rule != "close":
            yield from _of_line(record, step)


def _of_line(record: Record, step: Step) -> Iterator[Hypothesis]:
    assert isinstance(step.subject, Total)
    (name,) = array_names(step.subject.wrt)

    present = {*record.program.ancestors[record.program.output], *(a.name for a in record.adjoint_arrays.values())}
    arrays = [a for n, a in record.program.arrays.items() if n in present]
    for change in changes(step.after, letters_of(step), arrays, record):
        yield Hypothesis(
            change.kind,
            1.3 + change.cost,
            _with_line(name, step, change.after),
            step.number,
            partial(_words, change, step.number, name),
            partial(_yours, record, step, change.after),
        )


def _words(change: Change, line: int, name: str) -> str:
    return f"{change.words()}, in line {line} about the gradient by {name_text(name)}"


def _yours(record: Record, step: Step, after: Expr) -> str:
    if any(name.startswith(LAST) for name in array_names(after)):
        return ""
    assert isinstance(step.subject, Total)
    return f"{subject_text(step.subject, record)} = {expression_text(after, record)}"


def _with_line(name: str, step: Step, after: Expr) -> Callable[[Bench], dict[str, np.ndarray]]:
    def predict(bench: Bench) -> dict[str, np.ndarray]:
        value = bench.known(after, letters_of(step))
        return gradients(bench, bench.adjoints_by(bench.values, {name: value}))

    return predict
