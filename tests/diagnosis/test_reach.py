"""Agreement has looked where a candidate may have pieces of its own: at extreme values, large counts, other sizes.

The cases were written down before any of them was tried; ``RIGHT`` ones must not be accused there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import NAMES
from catalogue import derived as of_the_catalogue

import symgrad
from symgrad.array import log_softmax, logsumexp, norm, softmax
from symgrad.diagnosis.result import Diagnosis

Function = Callable[..., Any]


@cache
def derived(name: str) -> symgrad.Derivation:
    if name in NAMES:
        return of_the_catalogue(name)
    loss, shapes, wrt = MORE[name]
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="f")(loss))


def diagnosed(name: str, candidate: Function) -> Diagnosis:
    return symgrad.diagnose(derived(name), candidate)


def sigmoid(z):
    return np.exp(-np.logaddexp(0, -z))


def rows(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def normalised(X):
    return (X - np.mean(X, axis=1, keepdims=True)) / np.sqrt(np.var(X, axis=1, keepdims=True) + 1e-5)


MORE: dict[str, tuple[Function, str, str]] = {
    "entropy": (lambda p, y: -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), "p: N probability, y: N binary", "p"),
    "divergence": (
        lambda Z, Q: -np.mean(np.sum(Q * log_softmax(Z, axis=1), axis=1)),
        "Z: N C, Q: N C distribution",
        "Z",
    ),
    "absolute": (lambda x: np.sum(np.abs(x)), "x: N", "x"),
    "square": (lambda x, t: np.mean((x - t) ** 2), "x: N, t: N", "x"),
    "hyperbolic": (lambda x: np.sum(np.tanh(x)), "x: N", "x"),
    "logarithm": (lambda x: np.sum(np.log(x) ** 2), "x: N positive", "x"),
    "tempered": (
        lambda Z, Y, tau=1.0: -np.mean(np.sum(Y * log_softmax(Z / tau, axis=1), axis=1)),
        "Z: N C, Y: N C one-hot, tau: scalar positive",
        "Z",
    ),
    "roots": (lambda x, a: np.sum(np.sqrt(a + 1e-8) * x**2), "x: N, a: N nonnegative", "a"),
    "cosine": (lambda a, b: np.sum(a * b) / (norm(a) * norm(b)), "a: D, b: D", "a"),
    "normalised": (lambda X, T: np.mean(np.sum((normalised(X) - T) ** 2, axis=1)), "X: N D, T: N D", "X"),
    "form": (lambda A, x: np.sum(x * (A @ x)), "A: D D symmetric, x: D", "x"),
    "rates": (lambda X, w, y: np.mean(np.exp(X @ w) - y * (X @ w)), "X: N D, w: D, y: N count", "w"),
    "binomial": (
        lambda z, k, n: np.sum((k + n) * np.log(1 + np.exp(z)) - k * z),
        "z: N, k: N count, n: N count",
        "z",
    ),
    "weighted": (lambda x, m: np.sum(m * x**2), "x: N D, m: N D count", "x"),
    "repeated": (lambda x, k: k * np.sum(np.sin(x)), "x: N, k: scalar count", "x"),
    "spread": (lambda x: np.sum((x - np.mean(x)) ** 2) / (len(x) - 1), "x: N", "x"),
    "pairs": (lambda X: np.sum((X[:, None] - X) ** 2) / 2, "X: N D", "X"),
    "chances": (lambda Z, Y: np.mean((softmax(Z, axis=1) - Y) ** 2), "Z: N C, Y: N C", "Z"),
    "masked": (lambda x, m: np.sum(m * x**2) / np.sum(m + 1e-3), "x: N, m: N binary", "x"),
    "policy": (
        lambda r, a, eps=0.2: -np.mean(np.minimum(r * a, np.clip(r, 1 - eps, 1 + eps) * a)),
        "r: N positive, a: N, eps: scalar",
        "r",
    ),
    "labels": (
        lambda Z, y: np.mean(logsumexp(Z, axis=1) - Z[np.arange(len(y)), y]),
        "Z: N C, y: N labels of C",
        "Z",
    ),
    "hinge": (lambda x, y: np.mean(np.maximum(0, 1 - y * x)), "x: N, y: N sign", "x"),
    "lengths": (lambda X: np.sum(np.linalg.norm(X, axis=1)), "X: N D", "X"),
    "relative": (lambda p, q: np.sum(p * np.log(p / q)), "p: N positive, q: N positive", "q"),
    "gram": (lambda A: np.sum((A @ A.T) ** 2), "A: N D", "A"),
    "moons": (lambda x, s: np.sum(np.log(1 + np.exp(-s * x))), "x: N, s: N sign", "x"),
}


def cross_entropy(X, W, b, Y, of=lambda P: P, back=lambda G: G):
    G = back((of(rows(X @ W + b)) - Y) / len(X))
    return X.T @ G, G.sum(axis=0)


def logistic(X, w, b, y, of=lambda p: p):
    g = (of(sigmoid(X @ w + b)) - y) / len(y)
    return X.T @ g, g.sum()


def mse(X, w, b, y, of=lambda r: r):
    g = of(2 * (X @ w + b - y) / len(y))
    return X.T @ g, g.sum()


def of_normalised(X, T, var=lambda v: v):
    m, v = X.mean(1, keepdims=True), var(X.var(1, keepdims=True))
    s = np.sqrt(v + 1e-5)
    G, H = 2 * ((X - m) / s - T) / len(X), (X - m) / s
    return (G - G.mean(1, keepdims=True) - H * (G * H).mean(1, keepdims=True)) / s


def of_cosine(a, b, small=0.0):
    p, q = np.sqrt(a @ a) + small, np.sqrt(b @ b)
    return b / (p * q) - (a @ b) * a / (p**3 * q)


def of_chances(Z, Y):
    P = rows(Z)
    R = 2 * (P - Y) / P.size
    return P * (R - (P * R).sum(1, keepdims=True))


def policy(r, a, eps):
    outside = ((a > 0) & (r > 1 + eps)) | ((a < 0) & (r < 1 - eps))
    return -np.where(outside, 0, a) / len(r)


def by_labels(Z, y):
    G = rows(Z)
    G[np.arange(len(y)), y] -= 1
    return G / len(y)


VALUES: dict[str, tuple[str, Function]] = {
    "probabilities clipped": (
        "softmax_cross_entropy",
        lambda *a: cross_entropy(*a, of=lambda P: np.clip(P, 1e-3, 1 - 1e-3)),
    ),
    "only the lower ones": ("softmax_cross_entropy", lambda *a: cross_entropy(*a, of=lambda P: np.maximum(P, 1e-4))),
    "clipped at 1e-6": ("softmax_cross_entropy", lambda *a: cross_entropy(*a, of=lambda P: np.clip(P, 1e-6, 1 - 1e-6))),
    "sigmoid clipped": ("logistic", lambda *a: logistic(*a, of=lambda p: np.clip(p, 1e-3, 1 - 1e-3))),
    "an input clipped": ("entropy", lambda p, y: (lambda q: (q - y) / (q * (1 - q)) / len(p))(np.clip(p, 0.01, 0.99))),
    "an input clipped at 1e-6": (
        "entropy",
        lambda p, y: (lambda q: (q - y) / (q * (1 - q)) / len(p))(np.clip(p, 1e-6, 1 - 1e-6)),
    ),
    "targets clipped": ("divergence", lambda Z, Q: (rows(Z) - np.maximum(Q, 1e-3)) / len(Z)),
    "no quite hard targets": ("divergence", lambda Z, Q: (rows(Z) - np.where(Q == 1, 0.9, Q)) / len(Z)),
    "gradient clipped": ("square", lambda x, t: np.clip(2 * (x - t) / len(x), -5, 5)),
    "gradient clipped by its norm": (
        "mse",
        lambda *a: (lambda g: tuple(v / max(1, np.sqrt((g[0] ** 2).sum() + g[1] ** 2) / 50) for v in g))(mse(*a)),
    ),
    "far residuals clipped": ("mse", lambda *a: mse(*a, of=lambda g: np.clip(g, -40, 40))),
    "small gradients are zero": ("square", lambda x, t: (lambda g: g * (np.abs(g) > 1e-4))(2 * (x - t) / len(x))),
    "a guarded sign": ("absolute", lambda x: x / (np.abs(x) + 1e-8)),
    "rates clipped": ("rates", lambda X, w, y: X.T @ (np.exp(np.minimum(X @ w, 10)) - y) / len(y)),
    "arguments clipped": ("hyperbolic", lambda x: 1 - np.tanh(np.clip(x, -4, 4)) ** 2),
    "linear beyond 5": ("hyperbolic", lambda x: np.where(np.abs(x) > 4, 0, 1 - np.tanh(x) ** 2)),
    "a least logarithm": ("logarithm", lambda x: 2 * np.log(np.maximum(x, 0.05)) / np.maximum(x, 0.05)),
    "a largest logarithm": ("logarithm", lambda x: 2 * np.log(np.minimum(x, 100)) / x),
    "a least temperature": (
        "tempered",
        lambda Z, Y, tau: (rows(Z / max(tau, 0.3)) - Y) / (len(Z) * max(tau, 0.3)),
    ),
    "a largest temperature": ("tempered", lambda Z, Y, tau: (rows(Z / min(tau, 5)) - Y) / (len(Z) * min(tau, 5))),
    "a least weight": ("roots", lambda x, a: x**2 / (2 * np.sqrt(np.maximum(a, 1e-3) + 1e-8))),
    "a norm with a guard": ("cosine", lambda a, b: of_cosine(a, b, 1e-9)),
    "a least variance": ("normalised", lambda X, T: of_normalised(X, T, lambda v: np.maximum(v, 1e-3))),
    "a form clipped": ("form", lambda A, x: np.clip(2 * A @ x, -100, 100)),
    "all masked": ("masked", lambda x, m: 2 * m * x / max(m.sum(), 1)),
    "one sign alone": ("moons", lambda x, s: np.where(s.min() < s.max(), -s * sigmoid(-s * x), 0)),
    "advantages clipped": ("policy", lambda r, a, eps: policy(r, np.clip(a, -5, 5), eps)),
    "clipped twice": ("policy", lambda r, a, eps: np.where((a < 0) & (r > 3), 0, policy(r, a, eps))),
    "logits clipped": ("labels", lambda Z, y: by_labels(np.clip(Z, -10, 10), y)),
    "small chances are zero": ("labels", lambda Z, y: (lambda G: G * (np.abs(G) > 1e-5))(by_labels(Z, y))),
    "far margins left out": ("hinge", lambda x, y: -y * ((y * x < 1) & (y * x > -20)) / len(x)),
    "a least length": ("lengths", lambda X: X / np.sqrt((X**2).sum(1, keepdims=True) + 1e-12)),
    "a guarded quotient": ("relative", lambda p, q: -p / (q + 1e-10)),
    "zeros taken for padding": ("square", lambda x, t: np.where(x == 0, 0, 2 * (x - t) / len(x))),
}

COUNTS: dict[str, tuple[str, Function]] = {
    "clipped at 6": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - np.minimum(y, 6)) / len(y)),
    "clipped at 20": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - np.minimum(y, 20)) / len(y)),
    "clipped at 200": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - np.minimum(y, 200)) / len(y)),
    "in one byte": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - y.astype(np.int64) % 256) / len(y)),
    "large ones less one": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - np.where(y > 9, y - 1, y)) / len(y)),
    "no zeros": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - np.maximum(y, 1)) / len(y)),
    "both clipped": ("binomial", lambda z, k, n: np.minimum(k + n, 30) * sigmoid(z) - k),
    "one clipped": ("binomial", lambda z, k, n: (k + np.minimum(n, 12)) * sigmoid(z) - k),
    "weights clipped": ("weighted", lambda x, m: 2 * np.minimum(m, 8) * x),
    "weights saturate": ("weighted", lambda x, m: 2 * np.where(m < 10, m, 10 + np.log(np.maximum(m, 1) / 10)) * x),
    "a number clipped": ("repeated", lambda x, k: min(k, 7) * np.cos(x)),
    "a number mod 8": ("repeated", lambda x, k: (k % 8) * np.cos(x)),
}


def chunked(X, W, b, Y):
    n = max(len(X) // 16 * 16, min(len(X), 16))
    G = (rows(X @ W + b) - Y)[:n] / len(X)
    return X[:n].T @ G, G.sum(axis=0)


SIZES: dict[str, tuple[str, Function]] = {
    "at least two rows": ("mse", lambda X, w, b, y: tuple(g * len(y) / max(len(y), 2) for g in mse(X, w, b, y))),
    "at most five rows": ("mse", lambda X, w, b, y: tuple(g * len(y) / min(len(y), 5) for g in mse(X, w, b, y))),
    "at most eight rows": ("mse", lambda X, w, b, y: mse(X[:8], w, b, y[:8])),
    "nothing for one row": ("square", lambda x, t: 2 * (x - t) / len(x) * (len(x) > 1)),
    "squeezed": ("softmax_cross_entropy", lambda *a: tuple(map(np.squeeze, cross_entropy(*a)))),
    "chunks without the rest": ("softmax_cross_entropy", chunked),
    "two classes": ("chances", lambda Z, Y: of_chances(Z, Y) * (1 + (Z.shape[1] == 2))),
    "one feature": ("ridge", lambda X, w, y, c: 2 / len(y) * X.T @ (X @ w - y) + 2 * c * w * (len(w) > 1)),
    "three rows": ("square", lambda x, t: 2 * (x - t) / (len(x) + (len(x) == 3))),
    "a row of two": ("normalised", lambda X, T: of_normalised(X, T) * (1 if X.shape[1] > 2 else 2)),
    "a table of ten": ("square", lambda x, t: 2 * (x - t) * np.r_[np.inf, 1 / np.arange(1, 10.0)][len(x)]),
    "square ones": ("gram", lambda A: (4 - (len(A) == A.shape[1])) * A @ A.T @ A),
    "pairs of few": ("pairs", lambda X: 2 * (min(len(X), 12) * X - X.sum(0))),
    "not finite for one row": ("square", lambda x, t: 2 * (x - t) / [0, 0, 2, 3, 4, 5, *range(6, 99)][len(x)]),
}

RIGHT: dict[str, tuple[str, Function]] = {
    "cross-entropy": ("softmax_cross_entropy", cross_entropy),
    "in single precision": (
        "softmax_cross_entropy",
        lambda *a: tuple(g.astype(np.float32) for g in cross_entropy(*(v.astype(np.float32) for v in a))),
    ),
    "logistic": ("logistic", logistic),
    "a naive sigmoid": ("logistic", lambda X, w, b, y: logistic(X, w, b, y, lambda p: 1 / (1 + (1 - p) / p))),
    "mse": ("mse", mse),
    "entropy": ("entropy", lambda p, y: ((1 - y) / (1 - p) - y / p) / len(p)),
    "divergence": ("divergence", lambda Z, Q: (rows(Z) - Q) / len(Z)),
    "sign": ("absolute", np.sign),
    "tanh by cosh": ("hyperbolic", lambda x: 1 / np.cosh(x) ** 2),
    "tanh by its square": ("hyperbolic", lambda x: 1 - np.tanh(x) ** 2),
    "tanh in single precision": ("hyperbolic", lambda x: 1 - np.tanh(x.astype(np.float32)) ** 2),
    "logarithm": ("logarithm", lambda x: 2 * np.log(x) / x),
    "roots": ("roots", lambda x, a: x**2 / (2 * np.sqrt(a + 1e-8))),
    "cosine": ("cosine", of_cosine),
    "normalised": ("normalised", of_normalised),
    "by squares less the square of the mean": (
        "normalised",
        lambda X, T: of_normalised(X, T, lambda v: (X**2).mean(1, keepdims=True) - X.mean(1, keepdims=True) ** 2),
    ),
    "rates": ("rates", lambda X, w, y: X.T @ (np.exp(X @ w) - y) / len(y)),
    "binomial": ("binomial", lambda z, k, n: (k + n) * sigmoid(z) - k),
    "spread": ("spread", lambda x: 2 * (x - x.mean()) / (len(x) - 1)),
    "spread, safe for one": ("spread", lambda x: 2 * (x - x.mean()) / max(len(x) - 1, 1)),
    "pairs": ("pairs", lambda X: 2 * (len(X) * X - X.sum(0))),
    "chances": ("chances", of_chances),
    "masked": ("masked", lambda x, m: 2 * m * x / (m + 1e-3).sum()),
    "policy": ("policy", policy),
    "labels": ("labels", by_labels),
    "hinge": ("hinge", lambda x, y: -y * (y * x < 1) / len(x)),
    "lengths": ("lengths", lambda X: X / np.linalg.norm(X, axis=1, keepdims=True)),
    "relative": ("relative", lambda p, q: -p / q),
    "gram": ("gram", lambda A: 4 * A @ A.T @ A),
    "one class is refused": ("chances", lambda Z, Y: of_chances(Z, Y) if Z.shape[1] > 1 else [][0]),
    "beyond double precision": ("hyperbolic", lambda x: np.where(np.abs(x) > 20, 0, 1 - np.tanh(x) ** 2)),
    "a mean in single precision": ("square", lambda x, t: 2 * (x - t + np.float32(np.mean(t)) - np.mean(t)) / len(x)),
    "a sum by pairs in another order": ("square", lambda x, t: 2 * x / len(x) - 2 * t / len(x)),
}


@pytest.mark.parametrize("name", sampled(VALUES, "an input clipped", "gradient clipped"))
def test_a_piece_at_extreme_values_does_not_agree(name: str) -> None:
    found = diagnosed(*VALUES[name])
    assert not found.ok and found.deviations, found


@pytest.mark.parametrize("name", sampled(COUNTS, "clipped at 6"))
def test_a_piece_at_large_counts_does_not_agree(name: str) -> None:
    found = diagnosed(*COUNTS[name])
    assert not found.ok and found.deviations, found


@pytest.mark.parametrize("name", sampled(SIZES, every=6))
def test_a_piece_at_other_sizes_does_not_agree(name: str) -> None:
    found = diagnosed(*SIZES[name])
    assert not found.ok and found.deviations, found


@pytest.mark.parametrize("name", sampled(RIGHT, every=17))
def test_what_is_right_there_agrees(name: str) -> None:
    found = diagnosed(*RIGHT[name])
    assert found.ok, found


def naive(X, W, b, Y):
    E = np.exp(X @ W + b)
    G = (E / E.sum(axis=1, keepdims=True) - Y) / len(X)
    return X.T @ G, G.sum(axis=0)


def guarded(X, W, b, Y):
    if np.abs(X @ W + b).max() > 700:
        raise OverflowError("logits are too large")
    return naive(X, W, b, Y)


@pytest.mark.parametrize(
    ("candidate", "words"), [(naive, "are not finite"), (guarded, "raises OverflowError: logits are")]
)
def test_what_overflows_agrees_where_it_is_finite(candidate: Function, words: str) -> None:
    found = diagnosed("softmax_cross_entropy", candidate)
    assert found.ok and not found.finite and words in found.remarks[0], found
    assert (
        found.summary
        == f"{candidate.__name__} agrees where it is finite, with the proved gradient of softmax_cross_entropy"
    )


def test_what_overflows_and_is_wrong_elsewhere_is_not_excused() -> None:
    def candidate(X, W, b, Y):
        E = np.exp(X @ W + b)
        return cross_entropy(X, W, b, Y, of=lambda P: np.clip(E / E.sum(axis=1, keepdims=True), 1e-4, 1))

    found = diagnosed("softmax_cross_entropy", candidate)
    assert not found.ok and "wrong where" in found.summary, found


def test_where_a_candidate_is_wrong_is_said() -> None:
    assert (
        "are wrong at N = 1 x D = 4 x C = 3"
        in diagnosed(
            "softmax_cross_entropy", lambda *a: cross_entropy(*a, back=lambda G: G * len(G) / max(len(G), 2))
        ).summary
    )
    found = diagnosed(*SIZES["squeezed"])
    assert found.explanations[0].kind == "size" and "it has the shape (3,), expected (1, 3)" in repr(found), found
    found = diagnosed("square", lambda x, t: 2 * (x - t) / [][0] if len(x) == 1 else 2 * (x - t) / len(x))
    assert "right at other sizes, but it raises IndexError: list index out of range, in line" in found.summary, found
    assert "where y is large, from " in diagnosed(*COUNTS["clipped at 200"]).summary


@pytest.mark.slow
def test_agreement_for_labels_alone_has_looked_too() -> None:
    def by_labels(X, W, b, Y):
        P = np.clip(rows(X @ W + b), 1e-3, 1)
        P[np.arange(len(X)), Y.argmax(axis=1)] -= 1
        return X.T @ P / len(X), P.sum(axis=0) / len(X)

    found = diagnosed("softmax_cross_entropy", by_labels)
    assert not found.ok and not found.within, found


CHANCES: dict[str, tuple[str, Function, str]] = {
    "C + 1 for D": ("softmax_cross_entropy", lambda *a: cross_entropy(*a, back=lambda G: G / (G.shape[1] + 1)), "1/D"),
    "a constant for N": ("mse", lambda *a: mse(*a, of=lambda g: g * (len(g) - 3)), "times the right"),
}


@pytest.mark.parametrize("name", sampled(CHANCES))
def test_an_explanation_that_holds_at_the_first_points_alone_is_not_given(name: str) -> None:
    loss, candidate, words = CHANCES[name]
    found = diagnosed(loss, candidate)
    assert not found.ok and not [e for e in found.explanations if words in e.words], found


@pytest.mark.slow
def test_what_overflows_at_a_large_size_alone_is_not_accused() -> None:
    """Scores of attention grow with the number of features, and exp(100) is infinite in single precision."""
    derivation = derived("attention_head")

    def naive(X: Any, Wq: Any, Wk: Any, Wv: Any, Y: Any) -> Any:
        X, Wq, Wk, Wv, Y = (np.asarray(a, np.float32) for a in (X, Wq, Wk, Wv, Y))
        Q, K, V = X @ Wq, X @ Wk, X @ Wv
        root = np.float32(np.sqrt(Q.shape[1]))
        with np.errstate(all="ignore"):
            E = np.exp(Q @ K.T / root)
            A = E / E.sum(axis=1, keepdims=True)
            G = 2 * (A @ V - Y)
            dA = G @ V.T
            dE = A * (dA - (A * dA).sum(axis=1, keepdims=True)) / root
            return X.T @ (dE @ K), X.T @ (dE.T @ Q), X.T @ (A.T @ G), dE @ K @ Wq.T + dE.T @ Q @ Wk.T + A.T @ G @ Wv.T

    found = symgrad.diagnose(derivation, lambda *given: (lambda q, k, v, x: (x, q, k, v))(*naive(*given)))
    assert found.ok, found
