"""Proofs by normal forms: what they write out, and that an attempt that fails is not the last."""

from __future__ import annotations

from typing import Any

import classifier as cl
import numpy as np
import pytest
from catalogue import derived, derived_from
from sympy import exp

import symgrad
from symgrad.check import Level, prove
from symgrad.check.every_shape import EveryShape
from symgrad.check.obligations import Claim, claims
from symgrad.equations import node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Partial, Record, Step


def mean_squared_error() -> Record:
    return derived_from(cl.softmax_mse, ("W", "b")).record


def layer_norm() -> Record:
    return derived("layer_norm").record


# The closed forms that are put into later ones: each by the line that states it, and by the lines that use it.
USED = {
    mean_squared_error: {9: {18, 34}, 18: {23, 27, 36, 38}},
    layer_norm: {9: {38, 42, 55, 57}, 17: {22, 23, 33, 34, 52, 53}, 23: {34, 53}},
}


@pytest.mark.parametrize("made", USED)
def test_a_proof_rests_on_the_closed_forms_that_its_line_uses_and_on_no_others(made: object) -> None:
    marks = prove(made()).marks  # type: ignore[operator]
    used: dict[int, set[int]] = {}
    for mark in marks:
        assert mark.level in (Level.DEFINITION, Level.EVERY_SHAPE)
        for number in mark.rests_on:
            used.setdefault(number, set()).add(mark.number)
    assert used == USED[made]  # type: ignore[index]


def test_only_what_a_line_mentions_is_written_out() -> None:
    named = {mark.number: mark.written_out for mark in prove(mean_squared_error()).marks}
    assert named[9] == ("S", "R", "L") and named[12] == ("Z", "S", "P", "R") and named[31] == ("S", "R")


def test_where_an_attempt_has_no_normal_form_more_is_written_out() -> None:
    x, a, b, loss = (Array(name).base for name in ("x", "a", "b", "L"))
    equations = (node(a, exp(x) / 2), node(b, exp(x) / 2), node(loss, (a + b) ** 301))
    of = Program("high powers", (), (Array("x"),), equations, "L")
    step = Step(1, Partial(loss, a), None, 301 * (a + b) ** 300, "rule", "reason")
    record = Record(of, ("x",), (step,), {}, {})
    (claim,) = claims(record)
    assert isinstance(claim, Claim)
    mark = EveryShape(record, ((),)).mark(claim, ())
    assert mark is not None and {"a", "b"} <= {*mark.written_out}


@pytest.mark.slow
def test_in_a_recurrent_network_a_line_rests_on_the_equations_around_it() -> None:
    @symgrad.loss(shapes="x: N D, h: N H, W: D H, U: H H, R: N H", wrt="U")
    def network(x: Any, h: Any, W: Any, U: Any, R: Any) -> Any:
        for _ in range(5):
            Z = x @ W + h @ U
            h = np.tanh(Z)
        return np.sum(R * h)

    proof = symgrad.derive(network).prove()
    assert proof.counts.keys() == {"definition", "every shape"}
    assert max(len(mark.written_out) for mark in proof.marks) <= 8
