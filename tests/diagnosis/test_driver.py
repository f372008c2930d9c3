"""The diagnosis names each mistake that the documentation promises, at its line, and never calls a right gradient
wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived
from sympy import Sum, exp, tanh

import symgrad
from symgrad.diagnosis.candidate import Caller, compared_at
from symgrad.diagnosis.hypothesis import adjoint_lines, derivative_line
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation, node
from symgrad.errors import InputError
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.render.text import step_text
from symgrad.sampling.autodiff import Tape

Gradients = tuple[np.ndarray, ...]
Candidate = Callable[..., Any]

CROSS_ENTROPY = derived("softmax_cross_entropy")
MSE = derived("softmax_mse")


def softmax(Z: np.ndarray, axis: int | None = 1) -> np.ndarray:
    E = np.exp(Z - Z.max(axis=axis, keepdims=True))
    return E / E.sum(axis=axis, keepdims=True)


def cross_entropy(
    forward: Callable[..., np.ndarray] = lambda X, W, b: softmax(X @ W + b),
    residual: Callable[..., np.ndarray] = lambda P, Y: (P - Y) / len(P),
    gradients: Callable[..., Gradients] = lambda X, G: (X.T @ G, G.sum(axis=0)),
) -> Candidate:
    """A gradient of the softmax cross-entropy, one part of which may be wrong."""

    def candidate(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        return gradients(X, residual(forward(X, W, b), Y))

    return candidate


def squared(back: Callable[..., np.ndarray], forward: Candidate = lambda X, W, b: softmax(X @ W + b)) -> Candidate:
    """A gradient of the mean squared error of a softmax, with the backward pass ``back``."""

    def candidate(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        P = forward(X, W, b)
        G = back(P, P - Y)
        return X.T @ G, G.sum(axis=0)

    return candidate


def _jacobian(P: np.ndarray, R: np.ndarray) -> np.ndarray:
    return 2 / R.size * P * (R - (P * R).sum(axis=1, keepdims=True))


def _hard(P: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return (P - np.eye(P.shape[1])[Y.argmax(axis=1)]) / len(P)


OF_CROSS_ENTROPY: dict[str, tuple[Candidate, str, str, str | None]] = {
    "off-diagonal dropped": (
        cross_entropy(residual=lambda P, Y: -Y * (1 - P) / len(P)),
        "diagonal",
        "only the diagonal of the Jacobian of the softmax P is used",
        "∂ log p_nk/∂z_mc = δ_nm (δ_kc − p_nc)",
    ),
    "Jacobian left out": (
        cross_entropy(residual=lambda P, Y: -Y / P / len(P)),
        "jacobian",
        "the Jacobian of the softmax P is left out",
        "∂ log p_nk/∂z_mc = δ_nm (δ_kc − p_nc)",
    ),
    "applied twice": (
        cross_entropy(forward=lambda X, W, b: softmax(softmax(X @ W + b))),
        "twice",
        "the softmax P is applied twice, in the forward pass only",
        "p_nk = exp(z_nk)/S_n",
    ),
    "not applied": (
        cross_entropy(forward=lambda X, W, b: X @ W + b),
        "skipped",
        "the softmax P is left out: z_nc is used instead of p_nc, in line ",
        "∂L/∂z_mc = −(1/N) Σ_n Σ_k y_nk δ_nm (δ_kc − p_nc)",
    ),
    "its derivative twice": (
        cross_entropy(residual=lambda P, Y: (P - Y) / len(P) * P * (1 - P)),
        "twice",
        "the diagonal of the Jacobian of the softmax P is multiplied in once more",
        "∂ log p_nk/∂z_mc = δ_nm (δ_kc − p_nc)",
    ),
    "1/N missing": (
        cross_entropy(residual=lambda P, Y: P - Y),
        "factor",
        "the gradients with respect to W and b are N times the right ones: the factor 1/N is missing",
        "L = −(1/N) Σ_n Σ_k y_nk log p_nk",
    ),
    "1/C too much": (
        cross_entropy(residual=lambda P, Y: (P - Y) / P.size),
        "factor",
        "the gradients with respect to W and b are 1/C times the right ones",
        "L = −(1/N) Σ_n Σ_k y_nk log p_nk",
    ),
    "sign": (
        cross_entropy(residual=lambda P, Y: (Y - P) / len(P)),
        "sign",
        "the gradients with respect to W and b have the wrong sign",
        "L = −(1/N) Σ_n Σ_k y_nk log p_nk",
    ),
    "wrong axis": (
        cross_entropy(forward=lambda X, W, b: softmax(X @ W + b, 0)),
        "axis",
        "the softmax P is taken over N instead of C, in the forward pass only",
        "S_n = Σ_k exp(z_nk)",
    ),
    "all axes": (
        cross_entropy(forward=lambda X, W, b: softmax(X @ W + b, None)),
        "axis",
        "the softmax P is taken over N and C instead of C, in the forward pass only",
        "S_n = Σ_k exp(z_nk)",
    ),
    "bias missing": (
        cross_entropy(forward=lambda X, W, b: softmax(X @ W)),
        "missing",
        "b is missing, in the forward pass only",
        "z_nk = Σ_d x_nd w_dk + b_k",
    ),
    "W turned": (
        cross_entropy(forward=lambda X, W, b: softmax(X @ W.T + b)),
        "transposed",
        "W is transposed, in the forward pass only",
        "z_nk = Σ_d x_nd w_dk + b_k",
    ),
    "gradient turned": (
        cross_entropy(gradients=lambda X, G: (G.T @ X, G.sum(axis=0))),
        "transposed",
        "the gradient with respect to W is transposed",
        "∂L/∂w_dc = Σ_n x_nd ∂L/∂z_nc",
    ),
    "not summed": (
        cross_entropy(gradients=lambda X, G: (X.T @ G, G)),
        "unsummed",
        "the gradient with respect to b is not summed over N",
        "∂L/∂b_c = Σ_n ∂L/∂z_nc",
    ),
    "averaged": (
        cross_entropy(gradients=lambda X, G: (X.T @ G, G.mean(axis=0))),
        "factor",
        "the gradient with respect to b is 1/N times the right one: averaged over N instead of summed",
        "∂L/∂b_c = Σ_n ∂L/∂z_nc",
    ),
    "overwritten": (
        cross_entropy(gradients=lambda X, G: (np.outer(X[-1], G[-1]), G[-1])),
        "unsummed",
        "only the last term of the sum over n is used, as if each term overwrote the previous one",
        "∂L/∂z_mc = −(1/N) Σ_n Σ_k y_nk δ_nm (δ_kc − p_nc)",
    ),
    "row kept": (
        cross_entropy(gradients=lambda X, G: (X.T @ G, G.sum(axis=0, keepdims=True))),
        "shape",
        "the gradient with respect to b has the shape (1, 3), expected (3,); the numbers are right",
        "∂L/∂b_c = Σ_n ∂L/∂z_nc",
    ),
    "labels shifted": (
        cross_entropy(residual=lambda P, Y: (P - np.roll(Y, 1, axis=1)) / len(P)),
        "labels",
        "the labels Y are one too high",
        "L = −(1/N) Σ_n Σ_k y_nk log p_nk",
    ),
    "labels missing": (
        cross_entropy(residual=lambda P, Y: P / len(P)),
        "missing",
        "Y is missing",
        "∂L/∂z_mc = (1/N) (p_mc − y_mc)",
    ),
    "guarded logarithm": (
        cross_entropy(residual=lambda P, Y: P * (-Y / (P + 1e-12) + (Y * P / (P + 1e-12)).sum(1)[:, None]) / len(P)),
        "precision",
        "right at ordinary inputs, but the gradients with respect to W and b are wrong where arguments of exponentials",
        None,
    ),
}

OF_MSE: dict[str, tuple[Candidate, str, str, str | None]] = {
    "the sigmoid's form": (
        squared(lambda P, R: 2 / R.size * R * P * (1 - P)),
        "diagonal",
        "only the diagonal of the Jacobian of the softmax P is used",
        "∂p_nk/∂z_mc = p_nk δ_nm (δ_kc − p_nc)",
    ),
    "Jacobian left out": (
        squared(lambda P, R: 2 / R.size * R),
        "jacobian",
        "the Jacobian of the softmax P is left out",
        "∂p_nk/∂z_mc = p_nk δ_nm (δ_kc − p_nc)",
    ),
    "2 missing": (
        squared(lambda P, R: _jacobian(P, R) / 2),
        "factor",
        "the gradients with respect to W and b are 1/2 times the right ones: the factor 2 is missing",
        "L = (1/(N C)) Σ_n Σ_k r_nk²",
    ),
    "1/C missing": (
        squared(lambda P, R: _jacobian(P, R) * P.shape[1]),
        "factor",
        "the gradients with respect to W and b are C times the right ones: the factor 1/C is missing",
        "L = (1/(N C)) Σ_n Σ_k r_nk²",
    ),
    "gradient of the cross-entropy": (
        squared(lambda P, R: R / len(R)),
        "jacobian",
        "the Jacobian of the softmax P is left out; "
        "and the gradients with respect to W and b are C/2 times the right ones",
        "∂p_nk/∂z_mc = p_nk δ_nm (δ_kc − p_nc)",
    ),
    "the sum over rows": (
        squared(lambda P, R: 2 / R.size * P * (R - (P * R).sum(axis=0))),
        "axis",
        "the sum over C is taken over N instead, in line ",
        "∂L/∂z_mc = p_mc ∂L/∂p_mc − p_mc Σ_k p_mk ∂L/∂p_mk",
    ),
    "the sum over everything": (
        squared(lambda P, R: 2 / R.size * P * (R - (P * R).sum())),
        "axis",
        "the sum over C is taken over N as well",
        "∂L/∂z_mc = p_mc ∂L/∂p_mc − p_mc Σ_k p_mk ∂L/∂p_mk",
    ),
    "normaliser held fixed": (
        squared(lambda P, R: 2 / R.size * R * P),
        "path",
        "S is treated as constant in the equation of P",
        "∂p_nk/∂z_mc = p_nk δ_nm (δ_kc − p_nc)",
    ),
}


@pytest.mark.parametrize("name", sampled(OF_CROSS_ENTROPY, "off-diagonal dropped", "all axes"))
def test_mistakes_in_the_cross_entropy(name: str) -> None:
    _is_named(CROSS_ENTROPY, *OF_CROSS_ENTROPY[name])


@pytest.mark.parametrize("name", sampled(OF_MSE))
def test_mistakes_in_the_squared_error(name: str) -> None:
    _is_named(MSE, *OF_MSE[name])


def _is_named(derivation: symgrad.Derivation, candidate: Candidate, kind: str, words: str, line: str | None) -> None:
    found = symgrad.diagnose(derivation, candidate)
    assert not found.ok and found.deviations and not found.unexplained
    first = found.explanations[0]
    assert first.kind == kind, found
    assert words in first.words and first.words in found.summary
    assert (first.line is None) == (line is None), found
    if first.line is not None:
        assert step_text(derivation.record, first.line) == line
        assert first.right.split(" = ")[1] in line
        assert first.yours != first.right


RIDGE: dict[str, tuple[Candidate, str, str]] = {
    "penalty without its 2": (
        lambda X, w, y, lambda_: 2 / len(X) * X.T @ (X @ w - y) + lambda_ * w,
        "factor",
        "the term λ Σ_d w_d² is halved in the equation of L",
    ),
    "penalty missing": (lambda X, w, y, lambda_: 2 / len(X) * X.T @ (X @ w - y), "missing", "λ is missing"),
    "penalty summed": (
        lambda X, w, y, lambda_: 2 / len(X) * X.T @ (X @ w - y) + 2 * len(X) * lambda_ * w,
        "factor",
        "the term λ Σ_d w_d² is multiplied by N in the equation of L",
    ),
    "penalty averaged": (
        lambda X, w, y, lambda_: 2 / len(X) * (X.T @ (X @ w - y) + lambda_ * w),
        "factor",
        "the term λ Σ_d w_d² is divided by N in the equation of L",
    ),
}


@pytest.mark.parametrize("name", sampled(RIDGE, every=4))
def test_mistakes_about_a_penalty(name: str) -> None:
    candidate, kind, words = RIDGE[name]
    found = symgrad.diagnose(derived("ridge"), candidate)
    assert (found.explanations[0].kind, found.explanations[0].words) == (kind, words), found


def _layer_norm(back: Callable[..., np.ndarray], ddof: int = 0) -> Candidate:
    def candidate(X: np.ndarray, gamma: np.ndarray, beta: np.ndarray, T: np.ndarray, eps: float) -> Gradients:
        S = np.sqrt(X.var(axis=1, keepdims=True, ddof=ddof) + eps)
        Xhat = (X - X.mean(axis=1, keepdims=True)) / S
        G = gamma * Xhat + beta - T
        return back(G, gamma, Xhat, S), (G * Xhat).sum(axis=0), G.sum(axis=0)

    return candidate


def _mean(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=1, keepdims=True)


def _right(G: np.ndarray, gamma: np.ndarray, Xhat: np.ndarray, S: np.ndarray) -> np.ndarray:
    H = G * gamma
    return (H - _mean(H) - Xhat * _mean(H * Xhat)) / S


LAYER_NORM: dict[str, tuple[Candidate, str, str]] = {
    "statistics held fixed": (
        _layer_norm(lambda G, gamma, Xhat, S: G * gamma / S),
        "path",
        "μ and v are treated as constant: only X̂ is differentiated with respect to X",
    ),
    "mean held fixed": (
        _layer_norm(lambda G, gamma, Xhat, S: (G * gamma - Xhat * _mean(G * gamma * Xhat)) / S),
        "path",
        "μ is treated as constant in the equation of X̂",
    ),
    "variance held fixed": (
        _layer_norm(lambda G, gamma, Xhat, S: (G * gamma - _mean(G * gamma)) / S),
        "path",
        "S is treated as constant in the equation of X̂",
    ),
    "gain left out": (
        _layer_norm(lambda G, gamma, Xhat, S: (G - _mean(G) - Xhat * _mean(G * Xhat)) / S),
        "jacobian",
        "the derivative of O with respect to X̂ is left out",
    ),
    "variance for deviation": (
        _layer_norm(lambda G, gamma, Xhat, S: _right(G, gamma, Xhat, S) / S),
        "term",
        "1/S_m² is used instead of 1/S_m",
    ),
    "D - 1 for D": (
        _layer_norm(_right, ddof=1),
        "factor",
        "1/(D − 1) is used instead of 1/D in the equation of v, in the forward pass only",
    ),
    "sums for means": (
        _layer_norm(
            lambda G, gamma, Xhat, S: (
                (G * gamma - (G * gamma).sum(1)[:, None] - Xhat * (G * gamma * Xhat).sum(1)[:, None]) / S
            )
        ),
        "factor",
        "D is missing throughout",
    ),
}


@pytest.mark.parametrize("name", sampled(LAYER_NORM))
def test_mistakes_in_a_normalisation(name: str) -> None:
    candidate, kind, words = LAYER_NORM[name]
    found = symgrad.diagnose(derived("layer_norm"), candidate)
    assert found.explanations[0].kind == kind, found
    assert words in found.explanations[0].words


@pytest.mark.parametrize("loss", sampled(list(symgrad.LOSSES)[::6], "softmax_cross_entropy"))
def test_the_generated_function_is_right_in_both_precisions(loss: str) -> None:
    derivation = derived(loss)
    function = derivation.to_numpy()

    def single(*given: Any) -> Gradients:
        return tuple(function(*(np.float32(x) if isinstance(x, np.ndarray) else x for x in given))[1])

    assert symgrad.diagnose(derivation, function).ok
    assert symgrad.diagnose(derivation, single).ok


def test_numbers_that_a_candidate_does_not_take_are_at_their_defaults() -> None:
    ridge = derived("ridge")
    found = symgrad.diagnose(ridge, lambda X, w, y: 2 / len(y) * X.T @ (X @ w - y) + 2 * w)
    assert found.ok and found.remarks == ("it does not take lambda_; it was compared at the default, lambda_ = 1",)
    without = symgrad.diagnose(ridge, lambda X, w, y: 2 / len(y) * X.T @ (X @ w - y))
    assert not without.ok and without.explanations[0].words == "λ is missing"


@pytest.mark.slow
def test_gradients_in_another_order() -> None:
    def turned(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        by_w, by_b = cross_entropy()(X, W, b, Y)
        return by_b, by_w

    found = symgrad.diagnose(CROSS_ENTROPY, turned)
    assert [e.kind for e in found.explanations] == ["swapped"] and not found.unexplained
    assert found.explanations[0].words == "the gradients are returned in the order b, W, expected W, b"
    doubled = symgrad.diagnose(CROSS_ENTROPY, lambda *given: tuple(2 * g for g in turned(*given)))
    assert doubled.explanations[0].words.startswith("the gradients with respect to W and b are 2 times")
    assert "the gradients are returned in the order b, W, expected W, b" in doubled.remarks
    pair = derived("matrix_factorisation")
    function = pair.to_numpy()
    same_axes = symgrad.diagnose(derived("info_nce"), lambda *given: _info_nce(*given)[::-1])
    assert [e.kind for e in same_axes.explanations] == ["swapped"]
    assert symgrad.diagnose(pair, lambda *given: tuple(function(*given)[1])).ok


@cache
def _info_nce_gradients() -> Candidate:
    return derived("info_nce").to_numpy()


def _info_nce(*given: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(_info_nce_gradients()(*given)[1])


def test_what_explains_one_gradient_alone_says_so() -> None:
    def untransposed(U: np.ndarray, V: np.ndarray, tau: float) -> Gradients:
        Z = U @ V.T / tau
        G = (softmax(Z) - np.eye(len(U))) / (len(U) * tau)
        return G @ V, G @ U

    found = symgrad.diagnose(derived("info_nce"), untransposed)
    first = found.explanations[0]
    assert first.arrays == ("V",) and first.words.endswith(", for the gradient with respect to V alone")
    assert (first.line, first.right, first.yours) == (None, "", "")


@pytest.mark.slow
def test_on_the_way_back_the_line_is_that_of_the_derivative() -> None:
    def unscaled(X: np.ndarray, Wq: np.ndarray, Wk: np.ndarray, Wv: np.ndarray, Y: np.ndarray) -> Gradients:
        Q, K, V = X @ Wq, X @ Wk, X @ Wv
        A = softmax(Q @ K.T / np.sqrt(K.shape[1]))
        by_output = 2 * (A @ V - Y)
        by_scores = _jacobian(A, by_output @ V.T) * A.size / 2  # the factor of the squared error taken back
        by_q, by_k, by_v = by_scores @ K, by_scores.T @ Q, A.T @ by_output
        return by_q @ Wq.T + by_k @ Wk.T + by_v @ Wv.T, X.T @ by_q, X.T @ by_k, X.T @ by_v

    found = symgrad.diagnose(derived("attention_head"), unscaled)
    back = next(e for e in found.explanations if "in the backward pass only" in e.words)
    assert back.line is not None and back.right.startswith("∂") and back.yours.startswith("the derivative of ")


@pytest.mark.parametrize(
    ("leave", "words"),
    [(lambda: sys.exit(0), "raises SystemExit: 0, in line"), (lambda: 1 / 0, "raises ZeroDivisionError: division by")],
)
def test_a_candidate_that_ends_the_program_or_raises_is_refused(leave: Callable[[], object], words: str) -> None:
    def ends(*given: np.ndarray) -> object:
        return leave()

    with pytest.raises(InputError, match=re.escape(words)) as caught:
        symgrad.diagnose(CROSS_ENTROPY, ends)
    assert str(caught.value).startswith("ends raises")


@pytest.mark.slow
def test_what_no_edit_explains_is_not_explained() -> None:
    derivation = derived("ridge")
    function = derivation.to_numpy()
    found = symgrad.diagnose(derivation, lambda *given: tuple(np.sin(g) + 0.1 * g for g in function(*given)[1]))
    assert not found.ok and not found.explanations and set(found.unexplained) == {d.array for d in found.deviations}
    assert "no single edit of the derivation explains it" in found.summary


@pytest.mark.parametrize("loss", sampled(symgrad.LOSSES, "softmax_cross_entropy", "multiclass_hinge"))
def test_lines_and_slopes_give_the_same_gradients(loss: str) -> None:
    """The lines and the chain rule, from which hypotheses predict gradients, agree without an edit."""
    record = derived(loss).record
    function, names = derived(loss).to_numpy(), tuple(array.name for array in record.program.inputs)
    point = compared_at(Caller(record, function, names, frozenset()), 0)[0][0]
    raw = Tape(point.program, point.sizes, point.values).adjoints()
    _, proved = function(*(point.inputs[name] for name in names))
    assert set(adjoint_lines(record)) == set(record.adjoints)
    for name in record.wrt:
        np.testing.assert_allclose(point.truth[name], raw[name], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(point.truth[name], getattr(proved, name), rtol=1e-9, atol=1e-12)


def test_overflow_alone_is_a_remark() -> None:
    def naive(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        E = np.exp(X @ W + b)
        G = (E / E.sum(axis=1, keepdims=True) - Y) / len(X)
        return X.T @ G, G.sum(axis=0)

    found = symgrad.diagnose(CROSS_ENTROPY, naive)
    assert found.ok and "not finite where arguments of exponentials reach" in found.remarks[0]

    def single(*given: np.ndarray) -> Gradients:
        return naive(*(x.astype(np.float32) for x in given))

    found = symgrad.diagnose(CROSS_ENTROPY, single)
    assert found.ok and "exponentials reach 169" in found.remarks[0]


def test_a_double_constant_in_single_precision_is_no_mistake() -> None:
    def candidate(*given: np.ndarray) -> Gradients:
        X, W, b, Y = (x.astype(np.float32) for x in given)
        P = softmax(X @ W + b)
        G = -np.einsum("nk,nkc->nc", Y, np.eye(P.shape[1]) - P[:, None, :]) / len(X)
        return X.T @ G, G.sum(axis=0)

    assert symgrad.diagnose(CROSS_ENTROPY, candidate).ok


def test_integer_labels() -> None:
    def candidate(X: np.ndarray, W: np.ndarray, b: np.ndarray, y: np.ndarray) -> Gradients:
        G = softmax(X @ W + b)
        G[np.arange(len(X)), y] -= 1
        return X.T @ G / len(X), G.sum(axis=0) / len(X)

    found = symgrad.diagnose(CROSS_ENTROPY, candidate)
    assert found.ok and found.remarks == ("it was given Y as integer labels",)


def test_a_candidate_that_runs_at_square_shapes_alone_is_wrong() -> None:
    def candidate(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        W + W.T
        G = (softmax(X @ W + b) - Y) / len(X)
        return X.T @ G, G.sum(axis=0)

    found = symgrad.diagnose(CROSS_ENTROPY, candidate)
    assert not found.ok and found.explanations[0].kind == "shape"
    assert "raises ValueError" in found.summary and "unless D = C" in found.summary


def test_a_loss_without_axes() -> None:
    square = symgrad.derive(symgrad.loss(shapes="x: scalar, y: scalar", wrt="x")(lambda x, y: (x - y) ** 2))
    assert symgrad.diagnose(square, lambda x, y: 2 * (x - y)).ok
    found = symgrad.diagnose(square, lambda x, y: x - y)
    assert found.explanations[0].kind == "factor" and "random inputs.\n" in repr(found)


def test_what_is_no_derivation() -> None:
    with pytest.raises(InputError, match=r"takes a derivation, such as symgrad.derive\('softmax_mse'\), not 'ridge'"):
        symgrad.diagnose("ridge", lambda X: X)  # type: ignore[arg-type]


def test_a_candidate_cannot_change_what_it_is_compared_with() -> None:
    def candidate(X: np.ndarray, W: np.ndarray, b: np.ndarray, Y: np.ndarray) -> Gradients:
        P = softmax(X @ W + b)
        P -= Y
        gradients = X.T @ P / len(X), P.sum(axis=0) / len(X)
        for array in (X, W, b, Y):
            array[...] = 0
        return gradients

    assert symgrad.diagnose(CROSS_ENTROPY, candidate).ok


SHAPES = "an array of shape (4, 3), an array of shape (3,)"
BOTH = "expected the gradients with respect to W (4, 3), b (3,), in this order"
ONE = "expected the gradient with respect to {}: an array of numbers of shape {}"


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (lambda X, W: X, "takes 2 arguments, expected 4: X, W, b, Y"),
        (lambda X, W, b, Y: (X, W, b), f"returns a tuple (an array of shape (5, 4), {SHAPES}), {BOTH}"),
        (lambda X, W, b, Y: X, f"returns an array of shape (5, 4), {BOTH}"),
        (lambda X, W, b, Y: None, f"returns None, {BOTH}"),
        (lambda X, W, b, Y: {"W": W, "b": b}, f"returns a dict ('W', 'b'), {BOTH}"),
        (lambda X, W, b, Y: [W], f"returns a list (an array of shape (4, 3)), {BOTH}"),
        (lambda X, W, b, Y: list(range(9)), f"returns a list (an int, an int, an int, an int, ...), {BOTH}"),
        (lambda X, W, b, Y: (row for row in W), f"returns a generator, {BOTH}"),
        (lambda X, W, b, Y: (W, None), f"returns None, {ONE.format('b', '(3,)')}"),
        (lambda X, W, b, Y: (["a"], b), f"returns a list (a str), {ONE.format('W', '(4, 3)')}"),
        (
            lambda X, W, b, Y: (W + 0j, b),
            "complex128 of shape (4, 3), expected the gradient with respect to W: an array of numbers",
        ),
        (lambda X, W, b, Y: ([[1], [2, 3]], b), "returns a list (a list (an int), a list (an int, an int)), "),
        (lambda X, W, b, Y: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (3, "the candidate must be a function, not 3"),
    ],
)
def test_bad_candidates(candidate: Candidate, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        symgrad.diagnose(CROSS_ENTROPY, candidate)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_one_gradient_alone() -> None:
    alone = symgrad.derive("softmax_cross_entropy", wrt="W")
    for wrong, came in (
        (cross_entropy(), f"a tuple ({SHAPES}), expected the gradient with respect to W (4, 3) alone"),
        (lambda X, W, b, Y: [W, b], f"a list ({SHAPES}), expected the gradient with respect to W (4, 3) alone"),
        (
            lambda X, W, b, Y: (1.0, W),
            "a tuple (a float, an array of shape (4, 3)), expected the gradient with respect to W",
        ),
        (lambda X, W, b, Y: None, f"None, {ONE.format('W', '(4, 3)')}"),
        (lambda X, W, b, Y: {"W": W}, f"a dict ('W'), {ONE.format('W', '(4, 3)')}"),
    ):
        with pytest.raises(InputError, match=re.escape(f" returns {came}")):
            symgrad.diagnose(alone, wrong)
    for shaped in (np.ndarray.tolist, list, lambda g: g, lambda g: [g], lambda g: (g,)):
        assert symgrad.diagnose(alone, lambda *given, shaped=shaped: shaped(cross_entropy()(*given)[0])).ok


MINE = """
import numpy as np

def gradient(X, W, b, Y):
    E = np.exp(X @ W + b)
    G = (E / E.sum(axis=1, keepdims=True) - Y) / len(X)
    return X.T @ G, G.mean(axis=0)
"""


def test_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from symgrad.cli import main

    path = tmp_path / "mine.py"
    path.write_text(MINE)
    assert main(["diagnose", "softmax_cross_entropy", f"{path}:gradient"]) == 1
    assert "averaged over N instead of summed" in capsys.readouterr().out
    for arguments, message in (
        (["softmax_cross_entropy", f"{path}:grad"], "mine.py has no function 'grad': expected gradient"),
        (["softmax_cross_entropy", str(path)], "does not name a function: write file.py:name"),
        ([f"{path}:gradient"], "got only"),
        (["a", "b", "c"], "unexpected b: expected one LOSS and one CANDIDATE"),
    ):
        assert main(["diagnose", *arguments]) == 2
        captured = capsys.readouterr()
        assert message in captured.err and captured.err.count("\n") == 1 and not captured.out


def test_an_abbreviation_is_differentiated_where_it_stands() -> None:
    """The line of its derivative is not the first line about an array that depends on it."""
    N = Axis("N")
    n, k = N.index("n"), N.index("k")
    x, t, u, S, L = Array("x", (N,)), Array("t", (N,)), Array("u", (N,)), Array("S"), Array("L")
    equations = (
        abbreviation(S[()], Sum(exp(x[k]), k)),
        node(t[n], x[n] * S[()] ** 2),
        node(u[n], tanh(t[n]) * Sum(t[k], k)),
        node(L[()], Sum(u[n] ** 2, n)),
    )
    record = derive_record(Program("f", (N,), (x,), equations, "L"), ("x",))
    line = derivative_line(record, "S")
    assert line is not None and line > (derivative_line(record, "u") or line)
    assert step_text(record, line).startswith("∂t")
