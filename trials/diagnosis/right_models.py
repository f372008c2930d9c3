"""Families of right gradients of small models: perceptrons, normalization, attention, embedding pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trials.diagnosis.right_families import CROSS_ENTROPY, LINEAR, Chosen, Family, Gradient
from trials.diagnosis.right_parts import SOFTMAX, THROUGH_SOFTMAX, WEIGHTS, Parts

Arrays = Any


def _perceptron(activation: Callable[[Arrays], Arrays]) -> Callable[[Chosen], Gradient]:
    def build(by: Chosen) -> Gradient:
        def gradient(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> tuple[Arrays, ...]:
            A = by["forward"](X, W1, b1)
            H = activation(A)
            G = by["error"](by["softmax"](by["forward"](H, W2, b2)), Y)
            dA = by["slope"](A, H, by["hidden"](G, W2))
            return by["weights"](X, dA), by["bias"](dA), by["weights"](H, G), by["bias"](G)

        return gradient

    return build


HIDDEN: Parts = {
    "matmul": lambda G, W2: G @ W2.T,
    "transposed": lambda G, W2: (W2 @ G.T).T,
    "einsum": lambda G, W2: np.einsum("nc,hc->nh", G, W2),
}
_PERCEPTRON = {**LINEAR, "softmax": SOFTMAX, "error": CROSS_ENTROPY, "hidden": HIDDEN}

FAMILY_TANH = Family(
    "tanh_perceptron",
    0.04,
    {
        **_PERCEPTRON,
        "slope": {
            "output": lambda A, H, dH: dH * (1 - H**2),
            "factors": lambda A, H, dH: dH * (1 - H) * (1 + H),
            "input": lambda A, H, dH: dH * (1 - np.tanh(A) ** 2),
            "naive cosh": lambda A, H, dH: dH / np.cosh(A) ** 2,
        },
    },
    _perceptron(np.tanh),
)

FAMILY_RELU = Family(
    "relu_perceptron",
    0.04,
    {
        **_PERCEPTRON,
        "slope": {
            "input": lambda A, H, dH: dH * (A > 0),
            "output": lambda A, H, dH: np.where(H > 0, dH, 0),
            "sign": lambda A, H, dH: dH * np.sign(H),
            "heaviside": lambda A, H, dH: np.heaviside(A, 0) * dH,
        },
    },
    _perceptron(lambda A: np.maximum(A, 0)),
)


def _layer_norm(by: Chosen) -> Gradient:
    def gradient(X: Arrays, gamma: Arrays, beta: Arrays, T: Arrays, eps: Arrays) -> tuple[Arrays, ...]:
        centred = X - by["mean"](X)
        S = np.sqrt(by["mean"](centred**2) + eps)
        Xhat = centred / S
        dO = gamma * Xhat + beta - T
        dX = by["backward"](dO * gamma, Xhat, centred, S)
        return dX, np.einsum("nd,nd->d", dO, Xhat), dO.sum(axis=0)

    return gradient


def _mean_of(V: Arrays) -> Arrays:
    return V.mean(axis=1, keepdims=True)


def _by_statistics(d: Arrays, Xhat: Arrays, centred: Arrays, S: Arrays) -> Arrays:
    """Through the variance and the mean, including the sum of deviations, which is 0."""
    size = d.shape[1]
    by_variance = (d * centred).sum(axis=1, keepdims=True) * -0.5 / S**3
    by_mean = -(d / S).sum(axis=1, keepdims=True) + by_variance * (-2 * centred).mean(axis=1, keepdims=True)
    return d / S + by_variance * 2 * centred / size + by_mean / size


def _by_row_jacobians(d: Arrays, Xhat: Arrays, centred: Arrays, S: Arrays) -> Arrays:
    size = d.shape[1]
    rows = [(np.eye(size) - 1 / size - np.outer(x, x) / size) @ g / s for x, g, s in zip(Xhat, d, S, strict=True)]
    return np.stack(rows).astype(d.dtype)


FAMILY_LAYER_NORM = Family(
    "layer_norm",
    0.02,
    {
        "mean": {
            "mean": _mean_of,
            "sum": lambda V: V.sum(axis=1, keepdims=True) / V.shape[1],
            "ones": lambda V: (V @ np.ones(V.shape[1], dtype=V.dtype))[:, None] / V.shape[1],
        },
        "backward": {
            "projected": lambda d, Xhat, c, S: (d - _mean_of(d) - Xhat * _mean_of(d * Xhat)) / S,
            "sums": lambda d, Xhat, c, S: (
                (d * d.shape[1] - d.sum(1)[:, None] - Xhat * (d * Xhat).sum(1)[:, None]) / d.shape[1] / S
            ),
            "statistics": _by_statistics,
            "jacobians": _by_row_jacobians,
        },
    },
    _layer_norm,
)


def _attention(by: Chosen) -> Gradient:
    def gradient(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> tuple[Arrays, ...]:
        Q, K, V = X @ Wq, X @ Wk, X @ Wv
        scale = X.dtype.type(K.shape[1]) ** -0.5
        A = by["softmax"](by["scores"](Q, K) * scale)
        dO = 2 * (A @ V - Y)
        dE = by["backward"](A, dO @ V.T) * scale
        dQ, dK, dV = dE @ K, dE.T @ Q, A.T @ dO
        return dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T, *(by["weights"](X, d) for d in (dQ, dK, dV))

    return gradient


FAMILY_ATTENTION = Family(
    "attention_head",
    0.03,
    {
        "softmax": SOFTMAX,
        "scores": {"matmul": lambda Q, K: Q @ K.T, "einsum": lambda Q, K: np.einsum("th,sh->ts", Q, K)},
        "backward": THROUGH_SOFTMAX,
        "weights": WEIGHTS,
    },
    _attention,
)


def _pairs(by: Chosen) -> Gradient:
    def gradient(U: Arrays, V: Arrays, tau: Arrays) -> tuple[Arrays, ...]:
        dU, dV = by["ends"](by["softmax"](U @ V.T / tau), U, V, tau)
        return dU, dV

    return gradient


def _ends_by_matrix(P: Arrays, U: Arrays, V: Arrays, tau: Arrays) -> tuple[Arrays, Arrays]:
    G = (P - np.eye(len(P), dtype=P.dtype)) / (tau * len(P))
    return G @ V, G.T @ U


def _ends_on_diagonal(P: Arrays, U: Arrays, V: Arrays, tau: Arrays) -> tuple[Arrays, Arrays]:
    G = P.copy()
    G[np.diag_indices(len(G))] -= 1
    G /= len(G)
    return np.einsum("nm,md->nd", G, V) / tau, np.einsum("nm,nd->md", G, U) / tau


def _ends_of_two_terms(P: Arrays, U: Arrays, V: Arrays, tau: Arrays) -> tuple[Arrays, Arrays]:
    return (P @ V - V) / tau / len(P), (P.T @ U - U) / tau / len(P)


FAMILY_PAIRS = Family(
    "info_nce",
    0.02,
    {
        "softmax": SOFTMAX,
        "ends": {"matrix": _ends_by_matrix, "diagonal": _ends_on_diagonal, "two terms": _ends_of_two_terms},
    },
    _pairs,
)

MODELS = (FAMILY_TANH, FAMILY_RELU, FAMILY_LAYER_NORM, FAMILY_ATTENTION, FAMILY_PAIRS)
