"""A sample of the trial of corrupted lines: every kind, marks no stronger than what is true, controls not refuted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from cases import sampled
from catalogue import derived, derived_from
from sympy import Integer, Rational, Sum, exp

from symgrad.check.marks import Level, Mark
from symgrad.steps import Record
from trials.corrupted import CONTROLS, MATRIX_KINDS, corrupted, kinds_of, unnoticed
from trials.corrupted.judge import Judge, Verdict, lines_of
from trials.corrupted.kinds import KINDS
from trials.corrupted.lines import Corruption, Line
from trials.corrupted.programs import PROGRAMS
from trials.corrupted.values import Values, differ

RECORDS = {
    "softmax_cross_entropy": 0.5,
    "huber": 1,
    "temperature": 0.2,
    "scalars": 1,
    "symmetric_form": 0.5,
    "twice_the_same_axis": 0.5,
    "one_hot_labels": 0.5,
    "margins": 0.3,
    "matrices": 0.2,
    "places": 0.2,
}
"""The share of lines and kinds that is tried, by record."""


def record_of(name: str) -> Record:
    return (derived_from(*PROGRAMS[name]) if name in PROGRAMS else derived(name)).record


@cache
def verdicts(name: str) -> list[tuple[str, str, Verdict]]:
    return list(corrupted(name, record_of(name), RECORDS[name], random.Random(7)))


@pytest.mark.parametrize("name", sampled(RECORDS, "scalars"))
def test_no_mark_says_more_than_is_true(name: str) -> None:
    found = [(place, v.corruption.label, v.finding) for _, place, v in verdicts(name)]
    assert found and [each for each in found if each[2]] == []


@pytest.mark.slow
def test_every_kind_is_tried_and_most_of_what_is_false_is_refuted() -> None:
    everything = [each for name in RECORDS for each in verdicts(name)]
    assert {kind for kind, _, _ in everything} == {*KINDS, *MATRIX_KINDS, "citations"}
    marks = Counter(v.mark.level for _, _, v in everything if not v.is_true)
    assert sum(marks.values()) >= 300
    assert marks[Level.WRONG] > 0.6 * sum(marks.values())
    controls = [v.mark for kind, _, v in everything if kind == CONTROLS]
    assert len(controls) >= 30 and all(mark.level <= Level.EVERY_SHAPE for mark in controls)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "huber", "margins"])
def test_records_that_state_what_no_line_does_are_noticed(name: str) -> None:
    results = list(unnoticed(name, record_of(name)))
    assert len(results) > 10 and [label for label, passed in results if passed] == []


def line_with_two_letters() -> Line:
    record = record_of("softmax_cross_entropy")
    return next(line for line in lines_of(record) if not line.is_matrix and len(line.letters) == 2)


def finding(mark: Mark, corruption: Corruption, is_true: bool) -> str | None:
    judge = Judge(record_of("softmax_cross_entropy"))
    return judge._finding(line_with_two_letters(), corruption, mark, is_true, False)


def test_the_judge_finds_marks_that_say_too_much_or_refuse_what_is_true() -> None:
    line = line_with_two_letters()
    size = line.axes[0].size
    wrong = Corruption("C / 2", line.with_after(line.step.after * size / 2))
    shapes = ((("N", 2), ("D", 4), ("C", 3)),), ((("N", 3), ("D", 4), ("C", 3)),)
    assert finding(Mark(1, Level.EVERY_SHAPE, ""), wrong, False) == "false, and marked every shape"
    assert finding(Mark(1, Level.EVERY_SHAPE_RANDOMISED, ""), wrong, False)
    for level in (Level.EXACT_AT_SHAPES, Level.RANDOMISED_AT_SHAPES, Level.NUMERICAL):
        assert finding(Mark(1, level, "", shapes[0]), wrong, False) is None  # N is 2 there
        assert finding(Mark(1, level, "", shapes[0] + shapes[1]), wrong, False)
    assert finding(Mark(1, Level.WRONG, ""), wrong, False) is None
    assert finding(Mark(1, Level.UNPROVED, ""), wrong, False) is None
    assert finding(Mark(1, Level.WRONG, ""), wrong, True) == "true, and refuted"
    tiny = Corruption("tiny", line.with_after(line.step.after + exp(-1000)), False, True)
    assert finding(Mark(1, Level.NUMERICAL, "", shapes[0]), tiny, False) is None
    assert finding(Mark(1, Level.EXACT_AT_SHAPES, "", shapes[0]), tiny, False)


def test_values_tell_what_is_true_of_a_line() -> None:
    judge, line = Judge(record_of("softmax_cross_entropy")), line_with_two_letters()
    after, size = line.step.after, line.axes[0].size
    for changed, is_true in {
        after.expand(): True,
        after * (size + 1) / (1 + size): True,
        after * size / 2: False,
        after * (1 + (size - 1) * (size - 3)): False,
        after * (1 + Rational(1, 10**70)): False,
        after + Sum(line.entries[0], line.other(line.letters[0])) * 0 + Integer(1): False,
    }.items():
        assert judge.verdict(line, Corruption("", line.with_after(changed))).is_true is is_true


def gradients(name: str) -> Iterator[tuple[Values, str]]:
    record = record_of(name)
    sizes = {axis.name: size for axis, size in zip(record.program.axes, (3, 2, 4), strict=False)}
    values = Values(record, sizes, 0, bool(record.program.assumptions))
    yield from ((values, name) for name in record.gradients)


@pytest.mark.parametrize("name", RECORDS)
def test_values_of_closed_forms_are_differences_of_the_output(name: str) -> None:
    for values, array in gradients(name):
        gradient = record_of(name).gradients[array]
        indices = gradient.entry.indices if gradient.entry.is_Indexed else ()
        place = tuple(0 for _ in indices)
        closed = values.value(gradient.index, dict(zip(indices, place, strict=True)))
        assert not differ(closed, values.derivative(array, place), 25)


@pytest.mark.slow
def test_each_line_has_corruptions_of_many_kinds() -> None:
    record = record_of("softmax_cross_entropy")
    counts = [sum(bool(list(corrupt(line))) for corrupt in kinds_of(line).values()) for line in lines_of(record)]
    assert min(counts) >= 3 and max(counts) >= 12
