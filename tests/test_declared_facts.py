"""Facts that a loss declares about its gradient: proved where true, refuted where false, refused where unclear."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue import NAMES, derived

import symgrad
from symgrad.array.expression import parse
from symgrad.check.marks import Level, Mark
from symgrad.declared_facts import proved_facts
from symgrad.errors import InputError, RefutedError
from symgrad.steps import Statement


def stated(name: str, text: str) -> tuple[Statement, Mark]:
    derivation = derived(name)
    record = replace(derivation.record, program=replace(derivation.program, facts=(text,)))
    ((statement, mark),) = proved_facts(record, derivation.prove().marks).items()
    return statement, mark


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_of_the_catalogue_hold_at_every_shape(name: str) -> None:
    assert all(mark.level == Level.EVERY_SHAPE for mark in derived(name).facts.values())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softmax_cross_entropy", "sum(db) == 0"),
        ("softmax_cross_entropy", "sum(dW, axis=1) == 0"),
        ("softmax_cross_entropy", "dW == X.T @ dZ"),
        ("softmax_cross_entropy", "dZ.T == (P - Y).T / N"),
        ("softmax_cross_entropy", "sum(dZ, axis=1, keepdims=True) == 0"),
        ("layer_norm", "sum(X * dX, axis=1) == 0 where eps = 0"),
        ("ridge", "dw == 2 * lambda_ * w where y = X @ w"),
        ("ridge", "dw == 0 where y = X @ w and lambda_ = 0"),
        ("attention_head", "dV == A.T @ dO"),
        ("matrix_factorisation", "dU == 2 * lambda_ * U where R = U @ V.T"),
    ],
)
def test_what_is_true_is_proved(name: str, text: str) -> None:
    assert stated(name, text)[1].level == Level.EVERY_SHAPE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softmax_cross_entropy", "sum(dZ, axis=0) == 0"),
        ("softmax_cross_entropy", "dZ == (P - Y) / C"),
        ("softmax_cross_entropy", "dZ == 0"),
        ("layer_norm", "sum(dX * Xhat, axis=1) == 0"),
        ("ridge", "dw == 0 where y = X @ w"),
        ("attention_head", "sum(A * dA, axis=0) == sum(O * dO, axis=1)"),
        ("matrix_factorisation", "dU == 0 where R = U @ V.T"),
    ],
)
def test_what_is_false_is_refuted(name: str, text: str) -> None:
    assert stated(name, text)[1].level == Level.WRONG


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dZ = 0", "expected an equation such as"),
        ("dQ == 0", "unknown name dQ"),
        ("dZ == 0 where P = Y", "P is not an input: expected one of X, W, b, Y"),
        ("dZ == dW", r"the sides have axes \(N, C\) and \(D, C\)"),
        ("dZ == 0 where Y", "expected the value of an input"),
        ("dZ == 0 where Y = b", r"Y has axes \(N, C\), its value \(C\)"),
        ("dZ == 0 where b = sum(Z, axis=0)", "circular"),
        ("dZ == 0 where Y = 2 * P", "assumes that each row of Y sums to one, and the given values may not"),
    ],
)
def test_what_is_not_a_fact_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"the fact '.*': .*{message}"):
        stated("softmax_cross_entropy", text)


def test_a_positive_input_keeps_its_sign() -> None:
    with pytest.raises(InputError, match="tau is declared positive, and -1 may not be"):
        stated("temperature", "dZ == 0 where tau = -1")


def test_a_wrong_fact_of_a_users_loss_is_shown_and_refused() -> None:
    loss = parse("mean((X @ w - y)**2)", "X: N D, w: D, y: N")
    right, wrong = "dw == 0 where y = X @ w", "sum(dw) == 0"
    derivation = symgrad.derive(replace(loss.program(), facts=(right, wrong)), ["w"])
    text = derivation.to_text()
    assert "Facts about the gradient\n" in text and "∂L/∂w_d = 0" in text and "✗ wrong" in text
    with pytest.raises(RefutedError, match=r"the fact 'sum\(dw\) == 0' is wrong: refuted at"):
        derivation.refuse()


def test_the_axes_list_the_letters_of_facts() -> None:
    text = derived("matrix_factorisation").to_text()
    assert "∂L/∂u_ma" in text.split("Facts about the gradient")[1]
    assert "  K   factors   indices k, a, d\n" in text


def test_facts_are_declared_with_a_loss() -> None:
    @symgrad.loss(shapes="x: N, y: N", wrt="x", facts=["dx == 2 * (x - y)"])
    def distance(x, y):  # type: ignore[no-untyped-def]
        """Squared distance."""
        return ((x - y) ** 2).sum()

    derivation = symgrad.derive(distance)
    assert [mark.level for mark in derivation.facts.values()] == [Level.EVERY_SHAPE]
    assert "∂L/∂x_n = 2 (x_n − y_n)" in derivation.to_text().split("Facts about the gradient")[1].split("\n\n")[0]
