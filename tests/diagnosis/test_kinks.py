"""Kinks: another derivative only at a kink is a convention.  Pieces: unreached ones are reported, empty ones are
not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad.array import relu
from symgrad.diagnosis.result import Diagnosis

Function = Callable[..., Any]


def diagnosed(loss: Function, shapes: str, candidate: Function) -> Diagnosis:
    wrt = "a b" if shapes.startswith("a: N, b") else "w" if "w:" in shapes else shapes[0]
    return symgrad.diagnose(symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="f")(loss)), candidate)


def first_of_largest(X):
    hot = np.zeros_like(X)
    hot[np.arange(len(X)), X.argmax(axis=1)] = 1
    return hot


def hinge(X, w, y):
    return np.mean(np.maximum(0, 1 - y * (X @ w)))


def contrastive(d, y):
    return np.mean(y * d**2 + (1 - y) * np.maximum(0, 1 - d))


CONVENTIONS: dict[str, tuple[Function, str, Function, str]] = {
    "relu": (lambda x: np.sum(relu(x)), "x: N", lambda x: 1.0 * (x >= 0), "x_n = 0"),
    "where": (lambda x: np.sum(np.where(x > 0, x, x / 10)), "x: N", lambda x: np.where(x >= 0, 1, 0.1), "x_n = 0"),
    "abs": (lambda x: np.sum(np.abs(x)), "x: N", lambda x: np.where(x >= 0, 1.0, -1.0), "x_n = 0"),
    "not finite": (lambda x: np.sum(np.abs(x)), "x: N", lambda x: x / np.abs(x), "it is NaN in 1 of"),
    "largest": (lambda X: np.sum(np.max(X, axis=1)), "X: N D", first_of_largest, "several entries of x_nd along d"),
    "smaller": (
        lambda a, b: np.sum(np.minimum(a, b)),
        "a: N, b: N",
        lambda a, b: (1.0 * (a <= b), 1.0 * (a > b)),
        "a_n = b_n",
    ),
    "clip": (lambda x: np.sum(np.clip(x, -1, 2) ** 2), "x: N", lambda x: 2 * x * ((x > -1) & (x < 2)), "x_n = 2"),
    "hinge": (
        hinge,
        "X: N D, w: D, y: N sign",
        lambda X, w, y: -X.T @ (y * (y * (X @ w) <= 1)) / len(y),
        "y_n Σ_d x_nd w_d = 1",
    ),
    "margin": (
        contrastive,
        "d: N positive, y: N binary",
        lambda d, y: (2 * y * d - (1 - y) * (d <= 1)) / len(d),
        "d_n = 1",
    ),
    "quantile": (
        lambda r, q=0.3: np.sum(np.maximum(q * r, (q - 1) * r)),
        "r: N, q: scalar",
        lambda r, q: np.where(r >= 0, q, q - 1),
        "r_n = 0",
    ),
}


@pytest.mark.parametrize("name", sampled(CONVENTIONS, "where", "not finite", "largest", "clip"))
def test_another_derivative_at_a_kink_alone_is_a_remark(name: str) -> None:
    loss, shapes, candidate, words = CONVENTIONS[name]
    found = diagnosed(loss, shapes, candidate)
    assert found.ok and not found.deviations, found
    assert any(words in remark and "at a kink" in remark for remark in found.remarks), found.remarks


def test_the_same_convention_needs_no_remark() -> None:
    found = diagnosed(lambda x: np.sum(relu(x) + np.abs(x)), "x: N", lambda x: 1.0 * (x > 0) + np.sign(x))
    assert found.ok and not found.remarks


@pytest.mark.parametrize("beyond", [lambda x: 1.0 * (x >= -0.02), lambda x: np.where(x >= 0, 1.0, 0.01)])
def test_another_derivative_beyond_the_kink_is_a_deviation(beyond: Function) -> None:
    found = diagnosed(lambda x: np.sum(relu(x)), "x: N", beyond)
    assert not found.ok and found.deviations


def sigmoid_in_two_pieces(x):
    return np.sum(np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))))


def cross_entropy_with_abs(x):
    return np.sum(np.maximum(x, 0) - x / 4 + np.log1p(np.exp(-np.abs(x))))


@pytest.mark.parametrize(
    ("loss", "right"),
    [
        (sigmoid_in_two_pieces, lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2),
        (cross_entropy_with_abs, lambda x: 1 / (1 + np.exp(-x)) - 1 / 4),
        (lambda x: np.sum(np.where(x > 3, x**2, x * x)), lambda x: 2 * x),
    ],
)
def test_pieces_between_which_the_gradient_is_one_function_are_not_asked_for(loss: Function, right: Function) -> None:
    found = diagnosed(loss, "x: N", right)
    assert found.ok and not found.unreached, found


@pytest.mark.slow
def test_a_piece_that_shows_only_within_another_is_entered_there() -> None:
    def both(a, c):
        return np.sum(np.where((np.abs(a - 7) < 0.01) & (c > 50), a**2, a))

    assert diagnosed(both, "a: N, c: N", lambda a, c: np.where((np.abs(a - 7) < 0.01) & (c > 50), 2 * a, 1)).ok
    assert not diagnosed(both, "a: N, c: N", lambda a, c: np.ones_like(a)).ok


@pytest.mark.slow
def test_a_piece_that_was_entered_and_never_showed_is_named() -> None:
    def hidden(x):
        return np.sum(np.where((x > 0) & (np.sin(x) ** 2 + np.cos(x) ** 2 > 1.5), x**2, x))

    found = diagnosed(hidden, "x: N", np.ones_like)
    assert not found.ok and not found.deviations
    assert "x_n > 0 where that matters" in found.unreached, found.unreached
