"""What a mark says of a line: never more than its level, and all that it rests on."""

from __future__ import annotations

import pytest

from symgrad.check.marks import Level, Mark, ProofReport

SHAPES = ((("N", 2), ("C", 3)), (("N", 3), ("C", 1)))


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Mark(1, Level.DEFINITION, "a forward equation"), "definition"),
        (Mark(1, Level.EVERY_SHAPE, "normal forms", SHAPES[:1]), "every shape"),
        (Mark(1, Level.EVERY_SHAPE_RANDOMISED, "a grid", SHAPES, 2.0**-50), "every shape, randomised (error < 2^-49)"),
        (Mark(1, Level.EXACT_AT_SHAPES, "exact", SHAPES), "exactly at shapes (2, 3), (3, 1)"),
        (
            Mark(1, Level.RANDOMISED_AT_SHAPES, "primes", SHAPES, 0.3),
            "randomised at shapes (2, 3), (3, 1) (error < 2^-1)",
        ),
        (Mark(1, Level.RANDOMISED_AT_SHAPES, "primes", SHAPES), "randomised at shapes (2, 3), (3, 1)"),
        (Mark(1, Level.NUMERICAL, "digits", SHAPES), "numerically (50 digits) at shapes (2, 3), (3, 1)"),
        (Mark(1, Level.UNPROVED, "no", SHAPES, 0.5), "unproved"),
        (Mark(1, Level.UNDEFINED, "no", SHAPES, where="C = 1"), "undefined at C = 1"),
        (Mark(1, Level.EVERY_SHAPE, "normal forms", where="C = 1"), "every shape; undefined at C = 1"),
        (Mark(1, Level.WRONG, "no", SHAPES, 0.5), "wrong"),
    ],
)
def test_a_mark_is_printed_with_its_shapes_where_it_is_no_more_than_those(mark: Mark, words: str) -> None:
    assert mark.words == words


def test_an_explanation_has_all_that_a_verdict_rests_on_and_nothing_else() -> None:
    assert Mark(1, Level.DEFINITION, "a forward equation").explanation == "a forward equation"
    assert Mark(4, Level.EVERY_SHAPE, "normal forms", SHAPES[:1]).explanation == "normal forms"
    full = Mark(4, Level.EVERY_SHAPE_RANDOMISED, "a grid", SHAPES, 2.0**-50, ("A1", "A2"), (3, 7), ("S", "P"))
    assert full.explanation == (
        "a grid; written out: S, P; closed forms used: (3), (7); under A1, A2; at (N=2, C=3), (N=3, C=1);"
        " a wrong line passes with a probability below 9e-16"
    )


def test_what_is_unproved_or_wrong_is_not_ok() -> None:
    assert [Mark(1, level, "").ok for level in Level] == [True] * 6 + [False] * 3
    good = tuple(Mark(number, level, "") for number, level in enumerate(list(Level)[:6]))
    assert ProofReport(good).ok
    assert not ProofReport((*good, Mark(9, Level.UNPROVED, ""))).ok
    assert not ProofReport(good, ("a closed form that no line states",)).ok


def test_a_report_counts_its_levels_and_names_the_weak_lines() -> None:
    levels = (Level.NUMERICAL, Level.DEFINITION, Level.EVERY_SHAPE, Level.NUMERICAL, Level.EVERY_SHAPE_RANDOMISED)
    report = ProofReport(tuple(Mark(number, level, "") for number, level in enumerate(levels, 1)))
    counts = {"definition": 1, "every shape": 1, "every shape, randomised": 1, "numerically": 2}
    assert list(report.counts.items()) == list(counts.items())
    assert [mark.number for mark in report.weaker()] == [1, 4, 5] and report.numbers(Level.NUMERICAL) == (1, 4)
    assert report.mark(3).level == Level.EVERY_SHAPE
