"""Losses with branches, zeros and masks, with finite value and gradient at the points of the trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symgrad
from symgrad.array import logsumexp, norm, softmax


def _eye(X: Any) -> Any:
    return np.eye(len(X))


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _step(e: Any, T: Any, before: Any) -> Any:
    """A step of a chain in logarithms."""
    return logsumexp(T + (e + before)[:, None], axis=0)


def _rows_of_one(M: Any) -> Any:
    return M - logsumexp(M, axis=1, keepdims=True)


def _neighbours(Y: Any) -> Any:
    """Student's t distribution of the distances to the others, not scaled: van der Maaten and Hinton 2008."""
    return (1 - _eye(Y)) / (1 + np.sum((Y[:, None, :] - Y[None, :, :]) ** 2, axis=2))


# Name -> shapes, wrt, and the loss in NumPy.
FURTHER: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "root of a branch": ("x: N", "x", lambda x: np.sum(np.where(x >= 0, x, np.sqrt(-x)))),
    "elu": ("x: N", "x", lambda x: np.sum(np.where(x > 0, x, np.exp(x) - 1))),
    "selu": ("x: N", "x", lambda x: np.mean(np.where(x > 0, 1.05 * x, 1.76 * (np.exp(x) - 1)))),
    "x log x": ("x: N", "x", lambda x: np.sum(np.where(x > 0, x * np.log(x), 0))),
    "sinc": ("x: N", "x", lambda x: np.sum(np.where(x == 0, 1, np.sin(x) / x))),
    "sigmoid by branches": (
        "x: N",
        "x",
        lambda x: np.sum(np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))),
    ),
    "softplus by branches": (
        "x: N",
        "x",
        lambda x: np.sum(np.where(x > 0, x + np.log(1 + np.exp(-x)), np.log(1 + np.exp(x)))),
    ),
    "softplus with a threshold": ("x: N", "x", lambda x: np.sum(np.where(x > 30, x, np.log(1 + np.exp(x))))),
    "quotient": ("a: N, b: N", "a b", lambda a, b: np.sum(np.where(b == 0, 0, a / b))),
    "nested branches": (
        "x: N",
        "x",
        lambda x: np.sum(np.where(x > 0, np.where(x > 1, np.log(x), np.sqrt(x)), x * x)),
    ),
    "logarithm of rows": (
        "X: N D",
        "X",
        lambda X: np.mean(np.where(np.sum(X, axis=1) > 0, np.log(np.sum(X, axis=1)), np.sum(X, axis=1))),
    ),
    "tukey": ("x: N", "x", lambda x: np.sum(np.where(np.abs(x) <= 1, 1 - (1 - x**2) ** 3, 1))),
    "huber of numbers": ("x: N", "x", lambda x: np.sum(np.where(np.abs(x) <= 1, x**2 / 2, np.abs(x) - 0.5))),
    "clipped": ("x: N", "x", lambda x: np.sum(np.clip(x, -2, 2) ** 2)),
    "hinge squared": ("x: N", "x", lambda x: np.mean(np.maximum(0, 1 - x) ** 2)),
    "arctangents": ("x: N", "x", lambda x: np.sum(np.where(np.abs(x) < 1, np.arctan(x), x))),
    "lengths": ("X: N D", "X", lambda X: np.sum(norm(X, axis=1))),
    "distances": (
        "X: N D",
        "X",
        lambda X: np.sum(np.sqrt(np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2))),
    ),
    "stress": (
        "X: N D, T: N N",
        "X",
        lambda X, T: np.sum((np.sqrt(np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)) - T) ** 2),
    ),
    "unit rows": (
        "X: N D",
        "X",
        lambda X: np.sum((X / np.maximum(norm(X, axis=1, keepdims=True), 1e-8)) ** 3),
    ),
    "triplet": (
        "a: D, b: D, c: D",
        "a",
        lambda a, b, c: np.maximum(0, norm(a - b) - norm(a - c) + 1),
    ),
    "margin": ("a: D, b: D", "a b", lambda a, b: np.maximum(0, norm(a - b) - 1)),
    "standardised": (
        "X: N D",
        "X",
        lambda X: np.sum(((X - np.mean(X, axis=1, keepdims=True)) / (np.std(X, axis=1, keepdims=True) + 1e-5)) ** 3),
    ),
    "group lasso": ("W: D C", "W", lambda W: np.sum(np.sqrt(np.sum(W**2, axis=1)))),
    "charbonnier": ("x: N", "x", lambda x: np.sum(np.sqrt(x**2 + 1e-6))),
    "entropy": ("Z: N C", "Z", lambda Z: -np.sum(softmax(Z, axis=1) * np.log(softmax(Z, axis=1)))),
    "root of a softmax": ("Z: N C", "Z", lambda Z: np.sum(softmax(Z, axis=1) ** 0.5)),
    "square of a softmax": ("Z: N C", "Z", lambda Z: np.sum(softmax(Z, axis=1) ** 2)),
    "spread of a logistic": (
        "x: N",
        "x",
        lambda x: np.sum((1 / (1 + np.exp(-x))) * (1 - 1 / (1 + np.exp(-x)))),
    ),
    "bernoulli": (
        "x: N, y: N probability",
        "x",
        lambda x, y: np.mean(np.logaddexp(0, x) - y * x),
    ),
    "logaddexp": ("a: N, b: N", "a b", lambda a, b: np.sum(np.logaddexp(a, b))),
    "logaddexp of three": (
        "a: N, b: N, c: N",
        "a b c",
        lambda a, b, c: np.sum(np.logaddexp(np.logaddexp(a, b), c)),
    ),
    "logsumexp": ("Z: N C", "Z", lambda Z: np.mean(logsumexp(Z, axis=1))),
    "logsumexp of columns": ("Z: N C", "Z", lambda Z: np.mean(logsumexp(Z, axis=0))),
    "cross-entropy of labels": (
        "Z: N C, y: N labels of C",
        "Z",
        lambda Z, y: np.mean(logsumexp(Z, axis=1) - Z[np.arange(len(y)), y]),
    ),
    "soft cross-entropy": (
        "Z: N C, Y: N C distribution",
        "Z",
        lambda Z, Y: np.mean(logsumexp(Z, axis=1) - np.sum(Y * Z, axis=1)),
    ),
    "brier": (
        "Z: N C, Y: N C one-hot",
        "Z",
        lambda Z, Y: np.mean((softmax(Z, axis=1) - Y) ** 2),
    ),
    "kl": (
        "Z: N C, Q: N C",
        "Z",
        lambda Z, Q: np.mean(
            np.sum(softmax(Z, axis=1) * (np.log(softmax(Z, axis=1)) - np.log(softmax(Q, axis=1))), axis=1)
        ),
    ),
    "masked logsumexp": (
        "Z: N C, M: N C binary",
        "Z",
        lambda Z, M: np.mean(np.log(np.sum(M * np.exp(Z), axis=1))),
    ),
    "pairs but for oneself": (
        "Z: N N",
        "Z",
        lambda Z: np.mean(np.log(np.sum((1 - _eye(Z)) * np.exp(Z), axis=1))),
    ),
    "nt-xent": (
        "Z: N N, Y: N N one-hot",
        "Z",
        lambda Z, Y: np.mean(np.log(np.sum((1 - _eye(Z)) * np.exp(Z), axis=1)) - np.sum(Y * Z, axis=1)),
    ),
    "cox": (
        "z: N, R: N N binary",
        "z",
        lambda z, R: np.sum(np.log(np.sum(R * np.exp(z)[None, :], axis=1)) - z),
    ),
    "softmax of a mask": (
        "Z: N C, M: N C binary",
        "Z",
        lambda Z, M: np.sum((M * np.exp(Z) / np.sum(M * np.exp(Z), axis=1, keepdims=True)) ** 2),
    ),
    "logsumexp twice": ("Z: N C", "Z", lambda Z: logsumexp(logsumexp(Z, axis=1), axis=0)),
    "focal of a quarter": (
        "Z: N C, Y: N C one-hot",
        "Z",
        lambda Z, Y: -np.mean(np.sum(Y * (1 - softmax(Z, axis=1)) ** 0.25 * np.log(softmax(Z, axis=1)), axis=1)),
    ),
    "masked mean": (
        "x: N, m: N binary",
        "x",
        lambda x, m: np.sum(m * x**2) / (np.sum(m) + 1e-9),
    ),
    "ranking": (
        "x: N",
        "x",
        lambda x: np.sum(np.logaddexp(0, x[:, None] - x[None, :])),
    ),
    "largest": ("X: N D", "X", lambda X: np.sum(np.max(X, axis=1))),
    "largest margin": (
        "Z: N C, y: N labels of C",
        "Z",
        lambda Z, y: np.mean(np.maximum(0, 1 + np.max(Z, axis=1) - Z[np.arange(len(y)), y])),
    ),
    "hyperbolic": ("x: N", "x", lambda x: np.sum(np.tanh(x) ** 2)),
    "swish": ("x: N", "x", lambda x: np.sum(x / (1 + np.exp(-x)))),
    "mish": ("x: N", "x", lambda x: np.sum(x * np.tanh(np.logaddexp(0, x)))),
    "log cosh": ("x: N", "x", lambda x: np.mean(np.logaddexp(x, -x))),
    "absolute": ("x: N", "x", lambda x: np.mean(np.abs(x))),
    "quantile of numbers": ("x: N", "x", lambda x: np.mean(np.maximum(0.9 * x, -0.1 * x))),
    "epsilon insensitive": ("x: N", "x", lambda x: np.sum(np.maximum(0, np.abs(x) - 0.1))),
    "relative error": (
        "x: N, y: N",
        "x",
        lambda x, y: np.mean(np.abs(x - y) / np.maximum(np.abs(y), 1e-3)),
    ),
    "dice": (
        "x: N, y: N binary",
        "x",
        lambda x, y: 1 - 2 * np.sum(x * y) / (np.sum(x**2) + np.sum(y) + 1),
    ),
    "log of one plus": ("x: N", "x", lambda x: np.sum(np.log(1 + x**2))),
    "sum of gaussians": ("x: N", "x", lambda x: -np.log(np.sum(np.exp(-(x**2) / 2)))),
    "product of experts": ("a: N, b: N", "a", lambda a, b: np.sum(np.exp(a) / (np.exp(a) + np.exp(b)))),
    "squared norm": ("X: N D", "X", lambda X: np.sum(np.sum(X**2, axis=1) ** 2)),
    "ridge of a product": ("X: N D, w: D", "w", lambda X, w: np.mean((X @ w) ** 2) + np.sum(w**2)),
    "cosine with a floor": (
        "a: D, b: D",
        "a",
        lambda a, b: np.sum(a * b) / (np.maximum(norm(a), 1e-8) * np.maximum(norm(b), 1e-8)),
    ),
    "products but for oneself": (
        "A: N D",
        "A",
        lambda A: np.mean(np.log(np.sum((1 - _eye(A)) * np.exp(A @ A.T / 0.02), axis=1))),
    ),
    "student's t of others": (
        "A: N D",
        "A",
        lambda A: np.sum((1 - _eye(A)) / (1 + np.sum((A[:, None, :] - A[None, :, :]) ** 2, axis=2))),
    ),
    "t-sne": (
        "Y: N D, P: N N",
        "Y",
        lambda Y, P: -np.sum(P * np.log(_neighbours(Y) / np.sum(_neighbours(Y)) + 1e-12)),
    ),
    "covariances of others": ("A: N D", "A", lambda A: np.sum((1 - np.eye(A.shape[1])) * (A.T @ A / len(A)) ** 2)),
    "power of a share": (
        "Z: N C, Y: N C one-hot",
        "Z",
        lambda Z, Y: np.mean((1 - np.sum(Y * softmax(Z, axis=1), axis=1) ** 0.7) / 0.7),
    ),
    "bhattacharyya": (
        "Z: N C, Y: N C distribution",
        "Z",
        lambda Z, Y: -np.sum(np.log(np.sum(np.sqrt(softmax(Z, axis=1) * Y), axis=1))),
    ),
    "root of a mistake": (
        "x: N, y: N binary",
        "x",
        lambda x, y: np.sum((_logistic(x) * (1 - y) + (1 - _logistic(x)) * y) ** 0.5),
    ),
    "powers of a logistic": ("x: N", "x", lambda x: np.sum(_logistic(x) ** 0.3 * (1 - _logistic(x)) ** 0.2)),
    "square of a swish": ("x: N", "x", lambda x: np.sum((x / (1 + np.exp(-x))) ** 2)),
    "logistic of a logsumexp": ("Z: N C", "Z", lambda Z: np.sum(_logistic(logsumexp(Z, axis=1)))),
    "logaddexp of pairs": ("Z: N C", "Z", lambda Z: np.sum(np.logaddexp(Z[:, :, None], Z[:, None, :]))),
    "two steps of a chain": (
        "E: N K, T: K K",
        "E T",
        lambda E, T: np.sum(logsumexp(logsumexp(E[:, :, None] + T[None, :, :], axis=1) + E, axis=1)),
    ),
    "three steps of a chain": (
        "a: K, T: K K, b: K, c: K",
        "a T b c",
        lambda a, T, b, c: logsumexp(c + logsumexp(T + (b + logsumexp(T + a[:, None], axis=0))[:, None], axis=0)),
    ),
    "transitions of a chain": (
        "p: K, A: K K, B: K K",
        "A",
        lambda p, A, B: logsumexp(logsumexp(A + p[:, None], axis=0)[:, None] + A + B),
    ),
    "four steps of one chain": (
        "e: K, T: K K",
        "e T",
        lambda e, T: logsumexp(e + _step(e, T, _step(e, T, _step(e, T, e - e)))),
    ),
    "a step of sinkhorn": (
        "M: N C",
        "M",
        lambda M: np.sum(_rows_of_one(M) - logsumexp(_rows_of_one(M), axis=0)[None, :]),
    ),
    "logistic of a difference": (
        "S: N C, R: N C",
        "S R",
        lambda S, R: np.sum(_logistic(logsumexp(S, axis=1) - logsumexp(R, axis=1))),
    ),
    "logaddexp of either sign": (
        "a: N, b: N",
        "a b",
        lambda a, b: np.sum(np.logaddexp(a, b) ** 2 + np.logaddexp(a, -b)),
    ),
    "gumbel's distribution": ("x: N", "x", lambda x: np.sum(np.exp(-np.exp(-x)))),
    "classes of classes": ("S: N C, R: C C", "S R", lambda S, R: np.sum(logsumexp(S - logsumexp(R, axis=1), axis=1))),
    "mixture": (
        "X: N D, m: K D, w: K",
        "m w",
        lambda X, m, w: (
            -np.sum(logsumexp(w - logsumexp(w) - np.sum((X[:, None, :] - m[None, :, :]) ** 2, axis=2) / 2, axis=1))
        ),
    ),
}


def losses() -> dict[str, symgrad.Loss]:
    """The losses of the catalogue and of this module."""
    made = {
        name: symgrad.loss(shapes=shapes, wrt=wrt, name="loss")(function)
        for name, (shapes, wrt, function) in FURTHER.items()
    }
    return {**symgrad.LOSSES, **made}
