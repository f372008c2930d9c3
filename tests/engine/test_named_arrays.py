"""Names for softmaxes, and for products of an array with its adjoint in which a division cancels."""

from __future__ import annotations

import pytest
from cases import sampled

import symgrad
from symgrad.array.expression import parse
from symgrad.check.marks import Level
from symgrad.render.text import expression_text
from symgrad.steps import product_names

P = "softmax(Z, axis=1)"
NAMED = {
    f"-sum(Y * (1 - {P}) ** g * log({P}))": ("g: scalar", "y_nk (g p_nk (1 − p_nk)^(g − 1) log p_nk − (1 − p_nk)^g)"),
    f"-sum(Y * (1 - {P}) ** 2 * log({P}))": ("", "−y_nk (1 − p_nk) (1 − p_nk − 2 p_nk log p_nk)"),
    f"sum(Y * (e * (1 - {P}) - log({P})))": ("e: scalar", "−y_nk (1 + e p_nk)"),
    f"sum((sqrt({P}) - sqrt(Y)) ** 2)": ("Y: N C positive", "p_nk − √y_nk √p_nk"),
    f"sum(Y / {P} + log({P}))": ("", "1 − y_nk/p_nk"),
    f"-sum(Y * log({P}) + h * {P} * log({P}))": ("h: scalar", "−(h p_nk + h p_nk log p_nk + y_nk)"),
    f"-sum(Y * {P} ** a * log({P}))": ("a: scalar positive", "−y_nk p_nk^a (1 + a log p_nk)"),
    f"sum(({P} - Y) * (log({P}) - log(Y)))": ("Y: N C positive", "p_nk + p_nk log p_nk − p_nk log y_nk − y_nk"),
}
"""Losses of Y and a softmax P of Z -> the shapes of other arrays, and the product p dL/dp that their lines name."""


@pytest.mark.parametrize("text", sampled(NAMED, every=3))
def test_the_product_has_no_division_by_the_array(text: str) -> None:
    shapes, expected = NAMED[text]
    others = shapes if shapes.startswith("Y") else f"Y: N C, {shapes}".rstrip(", ")
    derivation = symgrad.derive(parse(text, f"Z: N C, {others}", "Z"))
    record = derivation.record
    assert product_names(record.steps) == {"R"}
    assert expression_text(record.program.definitions["R"].rhs, record) == expected
    assert expression_text(derivation.gradients["Z"].index, record) == "r_mc − p_mc Σ_k r_mk"
    assert expression_text(derivation.gradients["Z"].matrix, record) == "R − P ⊙ (R 1_C 1_Cᵀ)"
    assert not derivation.prove().faults and not derivation.prove().weaker()
    assert "dZ = R - P * np.sum(R, axis=1, keepdims=True)" in derivation.to_text()


PLAIN = {
    f"sum({P} * (log({P}) - log(Y)))": "p_mc (∂L/∂p_mc − Σ_k p_mk ∂L/∂p_mk)",  # no division
    f"sum(Y * (1 - {P} ** q)) / q": "p_mc Σ_k y_mk p_mk^q − y_mc p_mc^q",  # no bracket
    f"-sum(Y * (1 - {P}) ** 0.25 * log({P}))": "p_mc (∂L/∂p_mc − Σ_k p_mk ∂L/∂p_mk)",  # undefined where p is 1
    f"sum(({P} - Y) ** 2 / {P})": "p_mc Σ_k y_mk²/p_mk − y_mc²/p_mc",  # a division is left
}


@pytest.mark.parametrize("text", sampled(PLAIN, every=3))
def test_other_products_have_no_name(text: str) -> None:
    derivation = symgrad.derive(parse(text, "Z: N C, Y: N C positive" + ", q: scalar positive" * ("q" in text), "Z"))
    assert not product_names(derivation.record.steps)
    assert expression_text(derivation.gradients["Z"].index, derivation.record) == PLAIN[text]
    assert not derivation.prove().faults


@pytest.mark.slow
def test_rows_may_be_columns_or_a_vector_and_names_may_be_taken() -> None:
    columns = symgrad.derive(
        parse("-sum(R * (1 - softmax(Z, axis=0)) ** 2 * log(softmax(Z, axis=0)))", "Z: N C, R: N C", "Z")
    )
    assert expression_text(columns.gradients["Z"].matrix, columns.record) == "T − P ⊙ (1_N 1_Nᵀ T)"
    vector = symgrad.derive(parse("sum(r * (e * (1 - softmax(z)) - log(softmax(z))))", "z: K, r: K, e: scalar", "z"))
    assert expression_text(vector.gradients["z"].matrix, vector.record) == "t − (1_Kᵀ t) p"
    assert not columns.prove().faults and not vector.prove().faults


def test_a_sigmoid_needs_no_name() -> None:
    loss = parse("-sum(y * (1 - sigmoid(z)) ** g * log(sigmoid(z)))", "y: N, z: N, g: scalar", "z")
    derivation = symgrad.derive(loss)
    assert not product_names(derivation.record.steps) and not derivation.prove().faults
    assert "/p" not in expression_text(derivation.gradients["z"].index, derivation.record)


SOFTMAXES: dict[str, tuple[str, str, str]] = {
    "log(sum(exp(A @ x + b)))": ("A: M D, x: D, b: M", "x", "Aᵀ p"),
    "sum(logsumexp(X @ W, axis=1))": ("X: N D, W: D C", "W", "Xᵀ P"),
    "mean(logsumexp(X, axis=1) - sum(X * Y, axis=1))": ("X: N C, Y: N C", "X", "(1/N) (P − Y)"),
    "sum((exp(z) / sum(exp(z)) - y)**2)": ("z: N, y: N", "z", "2 p ⊙ (p − y − ((p − y)ᵀ p) 1_N)"),
    "sum(logsumexp(X, axis=1)) + sum(logsumexp(X, axis=0))": ("X: N C", "X", "P + Q"),
    "log(sum(exp(z))) + sum(p * z)": ("z: N, p: N", "z", "q + p"),
}


@pytest.mark.parametrize("text", SOFTMAXES)
def test_a_softmax_is_named(text: str) -> None:
    shapes, wrt, form = SOFTMAXES[text]
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
