"""Softmaxes that a program spells out, or has only as the slope of a log-sum-exp, get a name."""

from __future__ import annotations

import pytest

import symgrad
from symgrad.array.expression import parse
from symgrad.check.marks import Level

NAMED: dict[str, tuple[str, str, str]] = {
    "log(sum(exp(A @ x + b)))": ("A: M D, x: D, b: M", "x", "Aᵀ p"),
    "sum(logsumexp(X @ W, axis=1))": ("X: N D, W: D C", "W", "Xᵀ P"),
    "mean(logsumexp(X, axis=1) - sum(X * Y, axis=1))": ("X: N C, Y: N C", "X", "(1/N) (P − Y)"),
    "sum((exp(z) / sum(exp(z)) - y)**2)": ("z: N, y: N", "z", "2 p ⊙ (p − y − ((p − y)ᵀ p) 1_N)"),
    "sum(logsumexp(X, axis=1)) + sum(logsumexp(X, axis=0))": ("X: N C", "X", "P + Q"),
    "log(sum(exp(z))) + sum(p * z)": ("z: N, p: N", "z", "q + p"),
}


@pytest.mark.parametrize("text", NAMED)
def test_a_softmax_is_named(text: str) -> None:
    shapes, wrt, form = NAMED[text]
    derivation = symgrad.derive(parse(text, shapes, wrt))
    (closed,) = derivation.closed_form_words()
    assert closed.partition(" = ")[2] == form
    assert {mark.level for mark in derivation.prove().marks} == {Level.DEFINITION, Level.EVERY_SHAPE}


NOT = {
    "exponentials that are summed for another use": ("sum(exp(z))**2", "z: N", "z"),
    "exponentials beside their logarithm": ("log(sum(exp(z))) + sum(exp(z))**2", "z: N", "z"),
    "a sum with a number": ("log(1 + sum(exp(z)))", "z: N", "z"),
    "both names taken": ("log(sum(exp(z))) + sum(p * z) + sum(q * z)", "z: N, p: N, q: N", "z"),
}


@pytest.mark.parametrize("case", NOT)
def test_nothing_else_is(case: str) -> None:
    text, shapes, wrt = NOT[case]
    loss = parse(text, shapes, wrt)
    record = symgrad.derive(loss).record
    assert record.program.arrays.keys() == loss.program().arrays.keys()


def test_a_softmax_that_the_program_defines_keeps_its_name() -> None:
    arrays = symgrad.derive("softmax_mse").record.program.arrays
    assert "P" in arrays and "Q" not in arrays
