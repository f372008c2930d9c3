"""Where the answer is finite, so is the generated code: branches that are not taken, zeros, masks, large exponents."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from branches import gradient_of, sigmoid
from catalogue import derived
from scipy.special import rel_entr, xlogy

import symgrad
from symgrad.array import logsumexp, norm, softmax

Array = np.ndarray[Any, Any]
X = np.array([-800.0, -2.0, 0.0, 0.25, 800.0])


def sinc_slope(x: Array) -> Array:
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 0, np.cos(x) / safe - np.sin(x) / safe**2)


BRANCHES: dict[str, tuple[Callable[..., Any], Array]] = {
    "a root of what is negative elsewhere": (
        lambda x: np.sum(np.where(x >= 0, x, np.sqrt(-x))),
        np.where(X >= 0, 1, -0.5 / np.sqrt(np.where(X < 0, -X, 1))),
    ),
    "elu": (lambda x: np.sum(np.where(x > 0, x, np.exp(x) - 1)), np.exp(np.minimum(X, 0))),
    "x log x": (
        lambda x: np.sum(np.where(x > 0, x * np.log(x), 0)),
        np.where(X > 0, 1 + np.log(np.where(X > 0, X, 1)), 0),
    ),
    "sinc": (lambda x: np.sum(np.where(x == 0, 1, np.sin(x) / x)), sinc_slope(X)),
    "a sigmoid": (
        lambda x: np.sum(np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))),
        sigmoid(X) * sigmoid(-X),
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_that_is_not_taken(name: str) -> None:
    function, expected = BRANCHES[name]
    _, gradient = gradient_of(function, "x: N", "x", X)
    assert gradient == pytest.approx(expected, rel=1e-12, abs=1e-300)
    derivation = symgrad.derive(symgrad.loss(shapes="x: N", wrt="x", name="loss")(function))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, (entries,) = derivation.explicit(N=len(X)).lambdify()(X)
    assert entries == pytest.approx(expected, rel=1e-12, abs=1e-300)


BOUNDED: dict[str, tuple[Callable[..., Any], list[float], list[float], float]] = {
    "a floor": (lambda x: np.maximum(np.log(x), -100), [0, 2], [0, 0.5], np.log(2) - 100),
    "a ceiling": (lambda x: np.minimum(np.exp(x), 5), [0, 1000], [1, 0], 6),
    "both": (lambda x: np.clip(np.exp(x), 0.5, 5), [0, 1000, -1000], [1, 0, 0], 6.5),
    "a quotient": (lambda x: np.minimum(1 / x**2, 5), [0, 2], [0, -0.25], 5.25),
    "an absolute value": (lambda x: np.minimum(np.abs(np.exp(x) - 1), 3), [np.log(2), 1000], [2, 0], 4),
    "a hinge": (lambda x: np.maximum(0, np.log(x)), [0, 2], [0, 0.5], np.log(2)),
    "one by its name": (lambda x: np.maximum(np.log(x) + x, -9), [0, 1], [0, 2], -8),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_leave_out_what_is_not_finite(name: str) -> None:
    function, at, expected, total = BOUNDED[name]
    value, gradient = gradient_of(lambda x: np.sum(function(x)), "x: N", "x", np.array(at, float))
    assert value == pytest.approx(total)
    assert gradient == pytest.approx(expected)


def test_other_numbers_that_are_not_finite_warn() -> None:
    with pytest.raises(FloatingPointError):
        gradient_of(lambda x: np.sum(np.log(x)), "x: N", "x", np.array([0.0, 1]))


@pytest.mark.slow
def test_distances_of_points_to_each_other() -> None:
    def stress(P, T):
        D = np.sqrt(np.sum((P[:, None, :] - P[None, :, :]) ** 2, axis=2))
        return np.sum((D - T) ** 2)

    _, gradient = gradient_of(stress, "P: N D, T: N N", "P", np.array([[0.0, 0], [3, 4]]), np.ones((2, 2)))
    assert gradient == pytest.approx(4 * 4 / 5 * np.array([[-3, -4], [3, 4]]))


@pytest.mark.slow
def test_rows_by_their_norms_with_a_floor() -> None:
    def unit(P):
        return np.sum((P / np.maximum(norm(P, axis=1, keepdims=True), 1e-8)) ** 3)

    _, gradient = gradient_of(unit, "P: N D", "P", np.array([[0.0, 0], [3, 0]]))
    assert gradient[0] == pytest.approx([0, 0]) and np.isfinite(gradient).all()


def test_a_norm_by_which_one_divides_is_no_kink() -> None:
    def cosine(a, b):
        return np.sum(a * b) / (norm(a) * norm(b))

    derivation = symgrad.derive(symgrad.loss(shapes="a: D, b: D", wrt="a")(cosine))
    assert not derivation.conventions and derivation.prove().ok


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_focal_loss_of_a_row_that_is_certain(gamma: float) -> None:
    derivation = derived("focal")
    given = {"X": np.diag([1e3, 1.0]), "W": np.eye(2), "b": np.zeros(2), "Y": np.eye(2), "gamma": np.array(gamma)}
    arrays = [given.get(a.name, np.ones(2)) for a in derivation.program.inputs]
    with np.errstate(divide="ignore"):
        value, gradients = derivation.to_numpy()(*arrays)
    assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradients)


def test_the_logarithm_of_two_exponentials() -> None:
    both = np.array([1000.0])
    value, gradient = gradient_of(lambda a, b: np.sum(np.logaddexp(a, b)), "a: N, b: N", "a", both, both)
    assert value == pytest.approx(1000 + np.log(2)) and gradient == pytest.approx([0.5])


def test_risk_sets() -> None:
    def cox(z, R):
        return np.sum(np.log(np.sum(R * np.exp(z)[None, :], axis=1)) - z)

    z, risk = np.array([1e4, 0.0, -1e4, 5.0]), np.triu(np.ones((4, 4)))
    value, gradient = gradient_of(cox, "z: N, R: N N binary", "z", z, risk)
    assert value == pytest.approx(1e4 + np.logaddexp(0, 5) + 5 + 5 - np.sum(z))
    assert gradient == pytest.approx([0, -sigmoid(np.array(5.0)), -1, 1 + sigmoid(np.array(5.0))])


@pytest.mark.slow
def test_a_softmax_over_the_entries_of_a_mask() -> None:
    def masked(Z, M):
        E = M * np.exp(Z)
        return np.sum((E / np.sum(E, axis=1, keepdims=True)) ** 2)

    z, mask = np.array([[1e4, 3.0, 3.0], [0.0, 2e3, 1e3]]), np.array([[0.0, 1, 1], [1, 0, 1]])
    value, gradient = gradient_of(masked, "Z: N C, M: N C binary", "Z", z, mask)
    assert value == pytest.approx(1.5) and gradient == pytest.approx(np.zeros((2, 3)))


def test_the_gradient_by_a_mask() -> None:
    """There the exponentials stand without it, and were infinite times 0."""

    def masked(Z, M):
        return np.mean(np.log(np.sum(M * np.exp(Z), axis=1)))

    z, mask = np.array([[1000.0, 999.0], [-1000.0, -1001.0]]), np.array([[1.0, 2.0], [0.5, 1.0]])
    _, gradient = gradient_of(masked, "Z: N C, M: N C nonnegative", "M", z, mask)
    e = np.exp([0.0, -1.0])
    assert gradient == pytest.approx(e / (mask @ e)[:, None] / 2)


def test_a_logsumexp_of_what_has_been_one() -> None:
    z = np.array([[1e4, 9e3], [0.0, 1e4]])
    value, gradient = gradient_of(lambda Z: logsumexp(logsumexp(Z, axis=1), axis=0), "Z: N C", "Z", z)
    assert value == pytest.approx(1e4 + np.log(2)) and gradient == pytest.approx(np.diag([0.5, 0.5]))


@pytest.mark.slow
def test_powers_and_logarithms_of_a_softmax() -> None:
    z, y = np.array([[1e4, 0.0], [1.0, 2.0]]), np.array([1, 0])
    assert np.isfinite(gradient_of(lambda Z: np.sum(softmax(Z, axis=1) ** 0.5), "Z: N C", "Z", z)[1]).all()

    def tsallis(Z, q):
        return np.sum((1 - softmax(Z, axis=1) ** q) / q)

    def unlikely(Z, y):
        return np.mean(-np.log(1 - softmax(Z, axis=1)[np.arange(len(y)), y]))

    for loss, shapes, more in ((tsallis, "Z: N C, q: scalar positive", 0.5), (unlikely, "Z: N C, y: N labels of C", y)):
        derivation = symgrad.derive(symgrad.loss(shapes=shapes, wrt="Z")(loss))
        with np.errstate(divide="ignore"):  # the logarithm of 1 - p of another class
            value, (gradient,) = derivation.to_numpy()(z, more)
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("function", [np.arcsin, np.arccos])
def test_an_inverse_sine_says_by_what_its_derivative_divides(function: Any) -> None:
    derivation = symgrad.derive(symgrad.loss(shapes="x: N", wrt="x", name="loss")(lambda x: np.sum(function(x) * x)))
    assert derivation.prove().ok
    assert "1 − x_n² ≠ 0" in derivation.to_text()


@pytest.mark.slow
def test_rows_in_which_nothing_counts() -> None:
    """scipy's values, without warnings; NaN for the gradient of such a row alone."""
    Z = np.array([[1.0, 2.0], [-np.inf, -np.inf], [0.0, -np.inf]])
    p = [[1 / (1 + np.e), np.e / (1 + np.e)], [np.nan, np.nan], [1, 0]]
    value, gradient = gradient_of(lambda Z: np.sum(logsumexp(Z, axis=1)), "Z: N C", "Z", Z)
    assert value == -np.inf
    assert gradient == pytest.approx(np.array(p), nan_ok=True)
    value, gradient = gradient_of(lambda Z: np.sum(softmax(Z, axis=1) ** 2), "Z: N C", "Z", Z)
    assert np.isnan(value)
    assert np.isnan(gradient).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    value, gradient = gradient_of(lambda Z: np.log(np.sum(np.exp(Z))), "Z: N C", "Z", Z)
    assert np.isfinite(gradient).all()
    value, gradient = gradient_of(lambda Z: logsumexp(logsumexp(Z, axis=1), axis=0), "Z: N C", "Z", Z[[1, 1]])
    assert value == -np.inf
    value, gradient = gradient_of(
        lambda Z, M: np.sum(np.log(np.sum(M * np.exp(Z), axis=1))),
        "Z: N C, M: N C",
        "Z",
        np.array([[1.0, 800.0], [2.0, 900.0]]),
        np.array([[1.0, 1.0], [0.0, 0.0]]),
    )
    assert value == -np.inf
    assert gradient[0].tolist() == [0, 1]


def test_what_a_clip_leaves_out_may_overflow() -> None:
    def surrogate(z, A):
        r = np.exp(z)
        return -np.sum(np.minimum(r * A, np.clip(r, 0.8, 1.2) * A))

    value, gradient = gradient_of(surrogate, "z: N, A: N", "z", np.array([1000.0, 0.0, -1000]), np.array([2.0, 3, -1]))
    assert value == pytest.approx(-2.4 - 3 + 0.8)
    assert gradient.tolist() == [0, -3, 0]


# --- the form that the author wrote keeps its digits --------------------------------------------------------------

Z, KEPT = np.array([[0.3, 0.1, 0.2]], np.float32), np.array([[1, 1, 0]], np.float32)
WRITTEN: dict[str, tuple[Callable[..., Any], str, list[Array]]] = {
    "the largest of what a mask keeps": (
        lambda Z, q: np.sum(np.max(Z - 1e9 * (1 - q), axis=1)),
        "Z: N C, q: N C",
        [Z, KEPT],
    ),
    "logsumexp over a mask": (
        lambda Z, q: np.sum(logsumexp(Z + (1 - q) * -1e9, axis=1)),
        "Z: N C, q: N C",
        [Z, KEPT],
    ),
    "a masked row and a bias": (
        lambda Z, q: np.sum(np.max(Z * q - 1e9 * (1 - q) + 0.5, axis=1)),
        "Z: N C, q: N C",
        [Z, KEPT],
    ),
    "a small number beside 1 - p": (
        lambda p: -np.mean(np.log(p + 1e-8) + np.log(1 - p + 1e-8)),
        "p: N",
        [np.array([1, 0, 0.5], np.float32)],
    ),
    "a small number beside a distance": (
        lambda c: np.sum(np.sqrt(2 - 2 * c + 1e-8)),
        "c: N",
        [np.array([1, 0.5], np.float32)],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_that_cancel_stay_apart(name: str) -> None:
    function, shapes, given = WRITTEN[name]
    derivation = symgrad.derive(symgrad.loss(shapes=shapes, wrt=shapes[0], name="loss")(function))
    value, (gradient,) = derivation.to_numpy()(*given)
    wide = [a.astype(float) for a in given]
    _, (expected,) = derivation.to_numpy()(*wide)
    assert value == pytest.approx(function(*wide), rel=1e-6)
    assert gradient == pytest.approx(expected, rel=1e-6)


def test_a_logarithm_of_a_softplus() -> None:
    r = np.array([800.0, 1, -5])
    softplus = np.logaddexp(0, r)
    slope = sigmoid(r)
    value, gradient = gradient_of(lambda r: np.sum(np.log(symgrad.array.softplus(r) + 1e-3)), "r: N", "r", r)
    assert value == pytest.approx(np.sum(np.log(softplus + 1e-3)))
    assert gradient == pytest.approx(slope / (softplus + 1e-3))
    value, gradient = gradient_of(lambda r: np.sum(np.log(symgrad.array.softplus(r))), "r: N", "r", r)
    assert value == pytest.approx(np.sum(np.log(softplus)))


@pytest.mark.slow
def test_a_triplet_of_distances_computes_each_once() -> None:
    @symgrad.loss(shapes="U: N D, V: N D, T: N D", wrt="U V T")
    def triplet(U, V, T):
        return np.mean(np.maximum(0, norm(U - V, axis=1) - norm(U - T, axis=1) + 1))

    derivation = symgrad.derive(triplet)
    source = derivation.to_source()
    assert source.count("_step(") == 2 and source.count("np.sqrt(") == 2  # its definition, and a line
    U = np.zeros((2, 3))
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        value, gradients = derivation.to_numpy()(U, U, U)
    assert value == 1 and not np.any(gradients)


def test_a_positive_number_is_a_number() -> None:
    compute = symgrad.derive(
        symgrad.loss(shapes="x: N, t: scalar positive", name="loss")(lambda x, t: np.sum(x) / t)
    ).to_numpy()
    with pytest.raises(ValueError, match="t: expected positive entries, got nan"):
        compute(np.ones(2), np.nan)


@pytest.mark.slow
def test_relative_entropy_of_what_has_zeros() -> None:
    p, z, q = np.array([0.0, 0.4, 0.6]), np.array([1.0, 2, 3]), np.array([0.2, 0.3, 0.5])
    expected = np.exp(z) / np.exp(z).sum()
    value, gradient = gradient_of(lambda p, z: np.sum(rel_entr(p, softmax(z))), "p: C, z: C", "z", p, z)
    assert value == pytest.approx(np.sum(rel_entr(p, expected)))
    assert gradient == pytest.approx(expected - p)
    value, gradient = gradient_of(lambda p, q: np.sum(rel_entr(p, q)), "p: C, q: C positive", "q", p, q)
    assert value == pytest.approx(np.sum(rel_entr(p, q)))
    assert gradient == pytest.approx(-p / q)
    value, _ = gradient_of(lambda p, q: np.sum(xlogy(p, p) - p * q), "p: C, q: C", "q", p, q)
    assert value == pytest.approx(np.sum(xlogy(p, p) - p * q))


@pytest.mark.slow
def test_a_logsumexp_in_a_function() -> None:
    S = np.array([[800.0, 1], [-800, -900], [0, 1]])
    value, gradient = gradient_of(lambda S: np.sum(symgrad.array.softplus(logsumexp(S, axis=1))), "S: N C", "S", S)
    row = np.log(1 + np.e)
    assert value == pytest.approx(800 + np.logaddexp(0, row))
    third = sigmoid(row) * np.array([1, np.e]) / (1 + np.e)
    assert gradient == pytest.approx(np.array([[1, 0], [0, 0], third]), abs=1e-14)
    value, gradient = gradient_of(lambda S: np.sum(np.tanh(logsumexp(S, axis=1))), "S: N C", "S", S)
    assert value == pytest.approx(np.tanh(row)) and np.isfinite(gradient).all()


def test_a_logsumexp_of_sums_of_exponentials() -> None:
    x, W = np.array([0.0, 1]), np.array([[1000.0, 1], [900, 2], [-5, 0]])
    z = W @ np.exp(x)
    share = np.exp(z - np.max(z))
    share /= np.sum(share)
    value, gradient = gradient_of(lambda x, W: symgrad.array.logsumexp(W @ np.exp(x)), "x: D, W: C D", "x", x, W)
    assert value == pytest.approx(np.max(z) + np.log(np.sum(np.exp(z - np.max(z)))))
    assert gradient == pytest.approx(share @ W * np.exp(x))
