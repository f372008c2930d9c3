"""The short derivation: a view of the full one, which loses nothing that a line rests on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from catalogue import derived

from symgrad.engine.short import short
from symgrad.losses import LOSSES
from symgrad.steps import MatrixTotal, MatrixValue, Record, Step

LENGTHS = {"softmax_cross_entropy": 11, "softmax_mse": 13, "layer_norm": 18, "attention_head": 21, "logistic": 11}
"""The numbers of lines in index notation, forward equations included."""


def index_lines(record: Record) -> list[Step]:
    return [step for step in record.steps if not isinstance(step.subject, (MatrixValue, MatrixTotal))]


def origins(record: Record) -> Mapping[int, frozenset[int]]:
    """The definitions that each line rests on, reached through the lines that it cites and those above it."""
    reached: dict[int, frozenset[int]] = {}
    above: dict[object, int] = {}
    for step in record.steps:
        cited = [*step.cites, *([above[step.subject]] if step.before is not None else [])]
        own = {step.number} if step.rule == "definition" else set()
        reached[step.number] = frozenset(own).union(*(reached[number] for number in cited))
        above[step.subject] = step.number
    return reached


@pytest.fixture(scope="module", params=LOSSES)
def full(request: pytest.FixtureRequest) -> Record:
    return derived(request.param).record


def test_a_short_derivation_has_at_most_half_of_the_lines(full: Record) -> None:
    assert 2 * len(index_lines(short(full))) <= len(full.steps)


@pytest.mark.parametrize("name", LENGTHS)
def test_how_long_it_is(name: str) -> None:
    assert len(index_lines(short(derived(name).record))) == LENGTHS[name]


def test_each_line_is_a_line_of_the_full_derivation(full: Record) -> None:
    written = {step.number: step for step in full.steps}
    for step in short(full).steps:
        assert (step.subject, step.after, step.rule) == (
            written[step.number].subject,
            written[step.number].after,
            written[step.number].rule,
        )


def test_a_line_cites_lines_above_it_that_are_shown(full: Record) -> None:
    lines = short(full).steps
    shown = {step.number for step in lines}
    assert all(set(step.cites) <= shown and max(step.cites, default=0) < step.number for step in lines)


def test_a_line_rests_on_the_definitions_on_which_it_rests_in_the_full_derivation(full: Record) -> None:
    rests = origins(full)
    assert all(found == rests[number] for number, found in origins(short(full)).items())


def test_nothing_that_hidden_lines_rest_on_is_lost(full: Record) -> None:
    view = short(full)
    for kept in ("conditions", "conventions"):
        assert {c for s in view.steps for c in getattr(s, kept)} == {c for s in full.steps for c in getattr(s, kept)}
    assert view.assumptions_used == full.assumptions_used
    assert view.gradients == full.gradients


def test_no_line_uses_two_assumptions(full: Record) -> None:
    assert [s.assumption for s in short(full).steps if s.assumption] == [
        s.assumption for s in full.steps if s.assumption
    ]
