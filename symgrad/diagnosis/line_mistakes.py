"""Mistakes in a line about an adjoint: a term, a factor, a sum or an array of it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from sympy import Expr

from symgrad.diagnosis.comparison_point import HARD, LAST, Bench, adjoint_lines, letters_of
from symgrad.diagnosis.edits import TABLE, WIDER, Change, Maker, changes
from symgrad.diagnosis.hypotheses import Hypothesis, derived, gradients
from symgrad.index_letters import lettered
from symgrad.notation import Array, array_names
from symgrad.render.text import name_text, step_text
from symgrad.steps import Record, Step, Total

FIRST = ("diagonal", "missing", "jacobian")  # of two changes: what somebody does who then makes a second mistake


def of_lines(record: Record, tables: Sequence[Maker] = TABLE, line: str = "") -> Iterator[Hypothesis]:
    """Every hypothesis about a line that gives an adjoint; ``line`` is what it is called, unless by its number."""
    for step in (s for s in record.steps if isinstance(s.subject, Total) and s.rule != "close"):
        for change in changes(step.after, letters_of(step), _arrays(record), record, tables):
            yield _hypothesis(record, step, change, line)


def of_lines_more_widely(record: Record) -> Iterator[Hypothesis]:
    """What is tried where nothing else explains a gradient: less likely changes, two changes of one line, and changes
    of the lines of the derivation that goes through every array."""
    yield from of_lines(record, WIDER)
    program = record.program.with_nodes(record.program.definitions)
    if program != record.program:
        whole = derived(program, record.wrt)
        there = cache(lambda bench: Bench(whole, bench.sizes, bench.inputs))
        for tables in (TABLE, WIDER):
            yield from (_elsewhere(whole, there, h) for h in of_lines(whole, tables, "a line"))
    for step in adjoint_lines(record).values():
        yield from (_hypothesis(record, step, change) for change in _two_changes(step, record))


def _two_changes(step: Step, record: Record) -> Iterator[Change]:
    arrays, letters = _arrays(record), letters_of(step)
    for one in changes(step.after, letters, arrays, record, TABLE):
        if one.kind in FIRST:
            for two in changes(one.after, letters, arrays, record, TABLE):
                yield Change(one.kind, partial(_both, one, two), two.after, one.part, one.cost + two.cost + 0.3)


def _both(one: Change, two: Change) -> str:
    return f"{one.words()}, and {two.words()}"


def _elsewhere(record: Record, there: Callable[[Bench], Bench], hypothesis: Hypothesis) -> Hypothesis:
    """A hypothesis about another derivation of the same gradient; ``there`` is a point of that one."""
    return replace(
        hypothesis, predict=lambda bench: hypothesis.predict(there(bench)), cost=hypothesis.cost + 0.2, of=record
    )


def _arrays(record: Record) -> list[Array]:
    """The arrays on which the loss depends."""
    present = record.program.ancestors[record.program.output]
    return [a for n, a in record.program.arrays.items() if n in present]


def _hypothesis(record: Record, step: Step, change: Change, line: str = "") -> Hypothesis:
    line = line or f"line {step.number}"
    assert isinstance(step.subject, Total)
    (name,) = array_names(step.subject.wrt)
    is_hidden = any(used.startswith((LAST, HARD)) for used in array_names(change.after))  # what has no name in print
    return Hypothesis(
        change.kind,
        1.3 + change.cost,
        lambda bench: gradients(bench, bench.adjoints_with(name, bench.known(change.after, letters_of(step)))),
        step.number,
        lambda: f"{change.words()}, in {line} about the gradient with respect to {name_text(name)}",
        lambda: "" if is_hidden else _yours(record, step, change.after),
    )


def _yours(record: Record, step: Step, after: Expr) -> str:
    return step_text(record, step.number, lettered(after, record.program.axis, above=step.after))
