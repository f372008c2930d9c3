"""Ten cases of branches and ten of zeros, written down before any of them was tried: finite where the answer is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from branches import gradient_of, sigmoid

import symgrad
from symgrad.array import logsumexp, norm, softmax

Array = np.ndarray[Any, Any]


def log_or_line(x):
    return np.sum(np.where(x > 1, np.log(x), x - 1))


def power_of_a_half(x):
    return np.sum(np.where(x > 0, x**1.5 / (1 + x**0.5), 0))


def selu(x):
    return np.sum(np.where(x > 0, 1.05 * x, 1.05 * 1.67 * (np.exp(x) - 1)))


def quotient(a, b):
    return np.sum(np.where(b == 0, 0, a / b))


def stable_softplus(x):
    return np.sum(np.where(x > 0, x + np.log(1 + np.exp(-x)), np.log(1 + np.exp(x))))


def nested(x):
    return np.sum(np.where(x > 0, np.where(x > 1, np.log(x), np.sqrt(x)), x * x))


def intermediate(x):
    r = np.sqrt(-x)
    return np.sum(np.where(x >= 0, x, r))


def arcsine(x):
    return np.sum(np.where(np.abs(x) < 1, np.arcsin(x), x))


def rows(X):
    s = np.sum(X, axis=1)
    return np.mean(np.where(s > 0, np.log(s), s))


def both_sides(x):
    t = np.exp(x)
    return np.sum(np.where(x > 0, 1 / (1 + 1 / t), t / (1 + t)) ** 2)


X = np.array([-800.0, -2.0, -0.5, 0.25, 3.0, 800.0])


BRANCHES = [
    (log_or_line, X, np.where(X > 1, 1 / np.where(X > 1, X, 1), 1)),
    (
        power_of_a_half,
        np.array([0.0, 1.0, 4.0, -3.0]),
        np.array([0.0, 0.625, (1.5 * 2 * 3 - 8 * 0.25) / 9, 0.0]),
    ),
    (selu, X, np.where(X > 0, 1.05, 1.05 * 1.67 * np.exp(np.minimum(X, 0)))),
    (stable_softplus, X, sigmoid(X)),
    (
        nested,
        np.array([-1.0, -0.0, 0.25, 4.0]),
        np.array([-2.0, 0.0, 1.0, 0.25]),
    ),
    (intermediate, np.array([-4.0, 0.0, 9.0]), np.array([-0.25, 1.0, 1.0])),
    (arcsine, np.array([-5.0, -0.6, 0.0, 0.8, 1.0]), np.array([1.0, 1.25, 1.0, 1 / 0.6, 1.0])),
    (both_sides, X, 2 * sigmoid(X) ** 2 * sigmoid(-X)),
]


@pytest.mark.parametrize(("function", "x", "expected"), BRANCHES, ids=lambda v: getattr(v, "__name__", ""))
def test_a_branch_that_is_not_taken(function: Callable[..., Any], x: Array, expected: Array) -> None:
    _, gradient = gradient_of(function, "x: N", "x", x)
    assert gradient == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_a_quotient_by_what_is_guarded() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, -2.0])
    assert gradient_of(quotient, "a: N, b: N", "a", a, b)[1] == pytest.approx([0, 0.25, -0.5])
    assert gradient_of(quotient, "a: N, b: N", "b", a, b)[1] == pytest.approx([0, -2 / 16, -3 / 4])


def test_a_logarithm_of_the_sum_of_a_row() -> None:
    value, gradient = gradient_of(rows, "X: N D", "X", np.array([[1.0, 3.0], [-1.0, -3.0], [0.0, 0.0]]))
    assert value == pytest.approx((np.log(4) - 4) / 3)
    assert gradient == pytest.approx(np.array([[0.25, 0.25], [1, 1], [1, 1]]) / 3)


def test_the_norm_of_a_row_of_zeros() -> None:
    def lengths(X):
        return np.sum(norm(X, axis=1))

    value, gradient = gradient_of(lengths, "X: N D", "X", np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert value == 5 and gradient == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_the_distance_of_a_point_to_itself() -> None:
    def hinge(a, b):
        return np.maximum(0, 1 - np.sqrt(np.sum((a - b) ** 2))) ** 2

    value, gradient = gradient_of(hinge, "a: D, b: D", "a", np.ones(3), np.ones(3))
    assert value == 1 and not gradient.any()


@pytest.mark.slow
def test_a_spread_of_equal_numbers() -> None:
    def scaled(X):
        d = X - np.mean(X, axis=1, keepdims=True)
        s = np.sqrt(np.mean(d**2, axis=1, keepdims=True))
        return np.sum((d / (s + 1e-5)) ** 3)

    x = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]])
    value, gradient = gradient_of(scaled, "X: N D", "X", x)
    assert np.isfinite(value) and not gradient[0].any() and gradient[1].any()


@pytest.mark.slow
def test_a_cosine_with_a_floor() -> None:
    def similarity(a, b):
        return np.sum(a * b) / (np.maximum(norm(a), 1e-8) * np.maximum(norm(b), 1e-8))

    value, gradient = gradient_of(similarity, "a: D, b: D", "a", np.zeros(2), np.array([3.0, 4.0]))
    assert value == 0 and gradient == pytest.approx([0.6e8, 0.8e8])


@pytest.mark.slow
def test_a_focal_power_of_a_quarter() -> None:
    def focal(Z, y):
        p = softmax(Z, axis=1)[np.arange(len(y)), y]
        return np.mean(-((1 - p) ** 0.25) * np.log(p))

    z = np.array([[1000.0, 0.0], [0.0, 0.0]])
    derivation = symgrad.derive(symgrad.loss(shapes="Z: N C, y: N labels of C", wrt="Z")(focal))
    with np.errstate(divide="ignore"):  # (1 - p)^(-3/4), which log p outweighs
        value, (gradient,) = derivation.to_numpy()(z, np.array([0, 1]))
    assert np.isfinite(value) and not gradient[0].any() and np.isfinite(gradient).all()


def test_a_power_of_an_odd_chance() -> None:
    def power(x):
        p = 1 / (1 + np.exp(-x))
        return np.sum(p**0.5 * (1 - p) ** 0.5)

    x = np.array([-1000.0, 0.0, 1.0, 1000.0])
    s = sigmoid(np.array(1.0))
    _, gradient = gradient_of(power, "x: N", "x", x)
    assert gradient == pytest.approx([0, 0, np.sqrt(s * (1 - s)) * (1 - 2 * s) / 2, 0], rel=1e-14, abs=1e-200)


def test_logaddexp_of_three() -> None:
    def three(a, b, c):
        return np.sum(np.logaddexp(np.logaddexp(a, b), c))

    value, gradient = gradient_of(three, "a: N, b: N, c: N", "a", *(np.array([v]) for v in (1e4, 1e4, 1e4)))
    assert value == pytest.approx(1e4 + np.log(3)) and gradient == pytest.approx([1 / 3])


def test_exponentials_that_a_mask_leaves_out() -> None:
    def pairs(Z):
        mask = 1 - np.eye(len(Z))
        return np.mean(np.log(np.sum(mask * np.exp(Z), axis=1)))

    z = np.array([[9e3, 1e3, 1e3], [0.0, 5e3, -5.0], [-9e3, -9e3, 0.0]])
    value, gradient = gradient_of(pairs, "Z: N N", "Z", z)
    assert value == pytest.approx((1e3 + np.log(2) + 0 + np.log1p(np.exp(-5)) - 9e3 + np.log(2)) / 3)
    assert gradient == pytest.approx(np.array([[0, 0.5, 0.5], [sigmoid(5.0), 0, sigmoid(-5.0)], [0.5, 0.5, 0]]) / 3)


def test_a_logit_of_minus_infinity() -> None:
    def cross_entropy(Z, y):
        return np.mean(logsumexp(Z, axis=1) - Z[np.arange(len(y)), y])

    z = np.array([[0.0, -np.inf, 0.0], [1.0, 2.0, -np.inf]])
    _, gradient = gradient_of(cross_entropy, "Z: N C, y: N labels of C", "Z", z, np.array([0, 1]))
    assert gradient == pytest.approx(np.array([[-0.5, 0, 0.5], [sigmoid(-1.0), -sigmoid(-1.0), 0]]) / 2)


def test_a_temperature_of_saturated_labels() -> None:
    def bernoulli(x, y):
        p = 1 / (1 + np.exp(-x))
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    x, y = np.array([1e4, -1e4, 1e4]), np.array([1.0, 0.0, 0.0])
    value, gradient = gradient_of(bernoulli, "x: N, y: N probability", "x", x, y)
    assert value == pytest.approx(1e4 / 3) and gradient == pytest.approx([0, 0, 1 / 3])
