"""What a line may rest on: assumptions are used only where they are named or cited, divisors only where known."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import Sum

from symgrad.check import Level, prove
from symgrad.derive import derive_record
from symgrad.steps import Record, Step, Total, Value


@pytest.fixture(scope="module")
def record() -> Record:
    return derive_record(softmax_cross_entropy(), ("W", "b"))


def step_with(record: Record, **changes: object) -> Record:
    """The record with the line that uses the assumption changed."""
    steps = [replace(s, **changes) if s.assumption else s for s in record.steps]
    return replace(record, steps=tuple(steps))


def test_a_line_that_needs_an_assumption_must_name_it(record: Record) -> None:
    (number,) = (s.number for s in record.steps if s.assumption)
    assert prove(record).mark(number).assumptions == ("A1",)
    mark = prove(step_with(record, assumption=None)).mark(number)
    assert mark.level == Level.WRONG and "A1" in mark.detail


def test_a_line_that_rests_on_an_assumption_must_cite_the_line_that_used_it(record: Record) -> None:
    (used,) = (s.number for s in record.steps if s.assumption)
    citing = [s for s in record.steps if used in s.cites and isinstance(s.subject, Total)]
    assert citing and all(prove(record).mark(s.number).assumptions == ("A1",) for s in citing)
    without = [replace(s, cites=()) if s in citing else s for s in record.steps]
    report = prove(replace(record, steps=tuple(without)))
    assert all(report.mark(s.number).level == Level.WRONG for s in citing)


def test_a_closed_form_that_no_line_states_is_a_problem(record: Record) -> None:
    gradient = replace(record.gradients["b"], index=2 * record.gradients["b"].index)
    report = prove(replace(record, gradients={**record.gradients, "b": gradient}))
    assert not report.ok and "gradient of b" in report.problems[0]


def test_a_line_may_not_divide_by_what_may_be_zero() -> None:
    n, k = cl.n, cl.k
    lines = [cl.Y[n, k] * cl.Z[n, k] / cl.Z[n, k] ** 2 * cl.Z[n, k], cl.Y[n, k]]
    hidden = Sum(cl.Y[n, k], k) * (cl.Y[n, k] / Sum(cl.Y[n, k], k))
    steps = [Step(i, Value(cl.Y[n, k]), None, x, "r", "w") for i, x in enumerate([*lines, hidden + 0], 1)]
    divided = Step(4, Value(cl.Y[n, k]), None, cl.Y[n, k] * (cl.Z[n, k] + 1) / (cl.Z[n, cl.j] + 1), "r", "w")
    report = prove(Record(softmax_cross_entropy(), ("W",), (*steps, divided), {}, {}))
    assert [m.level for m in report.marks[:3]] == [Level.EVERY_SHAPE] * 3
    assert not report.marks[3].ok


def test_a_line_whose_divisor_is_not_known_is_unproved() -> None:
    n, k = cl.n, cl.k
    z = cl.Z[n, k]
    step = Step(1, Value(z), None, (z**2 - 1) / (z - 1) - 1, "r", "w")
    (mark,) = prove(Record(softmax_cross_entropy(), ("W",), (step,), {}, {})).marks
    assert mark.level == Level.UNPROVED and "zero" in mark.detail
