"""Families of right gradients: for each loss, the steps of its gradient, each implemented in several ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trials.diagnosis.right_parts import BIAS, FORWARD, SOFTMAX, THROUGH_SOFTMAX, WEIGHTS, Part, Parts

Arrays = Any
Chosen = Mapping[str, Part]
Gradient = Callable[..., tuple[Arrays, ...]]


@dataclass(frozen=True)
class Family:
    """The right gradients of one loss: ``build`` combines one implementation of each of the ``steps``; ``share`` is the
    family's share of the variants."""

    loss: str
    share: float
    steps: Mapping[str, Parts]
    build: Callable[[Chosen], Gradient]


LINEAR: Mapping[str, Parts] = {"forward": FORWARD, "weights": WEIGHTS, "bias": BIAS}


def _classifier(dZ: Callable[[Chosen, Arrays, Arrays, tuple[Arrays, ...]], Arrays]) -> Callable[[Chosen], Gradient]:
    """A linear classifier: ``dZ(chosen, Z, Y, scalars)`` is the gradient with respect to the logits."""

    def build(by: Chosen) -> Gradient:
        def gradient(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, *scalars: Arrays) -> tuple[Arrays, ...]:
            G = dZ(by, by["forward"](X, W, b), Y, scalars)
            return by["weights"](X, G), by["bias"](G)

        return gradient

    return build


def _log_softmax_backward(P: Arrays, Y: Arrays) -> Arrays:
    incoming = -Y / len(Y)
    return incoming - P * incoming.sum(axis=1, keepdims=True)


def _subtracted_in_place(P: Arrays, Y: Arrays) -> Arrays:
    G = P.copy()
    G -= Y
    G *= 1 / len(Y)
    return G


CROSS_ENTROPY: Parts = {
    "difference": lambda P, Y: (P - Y) / len(Y),
    "each divided": lambda P, Y: P / len(Y) - Y / len(Y),
    "labels summed": lambda P, Y: (P * Y.sum(axis=1, keepdims=True) - Y) / len(Y),
    "log softmax": _log_softmax_backward,
    "in place": _subtracted_in_place,
    "deltas": lambda P, Y: -np.einsum("nk,nkc->nc", Y, np.eye(Y.shape[1]) - P[:, None, :]) / len(Y),
    "naive quotient": lambda P, Y: THROUGH_SOFTMAX["jacobians"](P, -Y / P / len(Y)),
}

SQUARED: Parts = {
    "mean": lambda P, Y: 2 * (P - Y) / P.size,
    "product of sizes": lambda P, Y: 2 / (len(P) * P.shape[1]) * (P - Y),
    "two divisions": lambda P, Y: (2 * P - 2 * Y) / len(P) / P.shape[1],
    "negative": lambda P, Y: -(Y - P) / (P.size / 2),
}

FAMILY_CROSS_ENTROPY = Family(
    "softmax_cross_entropy",
    0.3,
    {**LINEAR, "softmax": SOFTMAX, "error": CROSS_ENTROPY},
    _classifier(lambda by, Z, Y, _: by["error"](by["softmax"](Z), Y)),
)


def _squared_error(by: Chosen, Z: Arrays, Y: Arrays, _: tuple[Arrays, ...]) -> Arrays:
    P = by["softmax"](Z)
    return by["backward"](P, by["error"](P, Y))


FAMILY_SQUARED = Family(
    "softmax_mse",
    0.3,
    {**LINEAR, "softmax": SOFTMAX, "error": SQUARED, "backward": THROUGH_SOFTMAX},
    _classifier(_squared_error),
)

SMOOTHED: Parts = {
    "mixed labels": lambda P, Y, a: (P - (1 - a) * Y - a / Y.shape[1]) / len(Y),
    "mixed gradients": lambda P, Y, a: ((1 - a) * (P - Y) + a * (P - 1 / Y.shape[1])) / len(Y),
    "labels summed": lambda P, Y, a: (lambda T: (P * T.sum(1)[:, None] - T) / len(T))((1 - a) * Y + a / Y.shape[1]),
}

FAMILY_SMOOTHING = Family(
    "label_smoothing",
    0.05,
    {**LINEAR, "softmax": SOFTMAX, "error": SMOOTHED},
    _classifier(lambda by, Z, Y, scalars: by["error"](by["softmax"](Z), Y, *scalars)),
)


def _margins(Z: Arrays, Y: Arrays) -> Arrays:
    return Z - (Y * Z).sum(axis=1, keepdims=True) + 1 - Y


def _hinge_by_index(Z: Arrays, Y: Arrays) -> Arrays:
    rows, labels = np.arange(len(Z)), Y.argmax(axis=1)
    G = np.zeros_like(Z)
    G[rows, (Z + 1 - Y - Z[rows, labels][:, None]).argmax(axis=1)] += 1
    G[rows, labels] -= 1
    return G / len(Z)


def _hinge_by_rows(Z: Arrays, Y: Arrays) -> Arrays:
    G = np.zeros_like(Z)
    for n, (z, y) in enumerate(zip(Z, Y, strict=True)):
        label = int(np.flatnonzero(y)[0])
        worst = max(range(len(z)), key=lambda k: z[k] + (k != label))
        if worst != label:
            G[n, worst], G[n, label] = 1 / len(Z), -1 / len(Z)
    return G


HINGE: Parts = {
    "mask": lambda Z, Y: ((lambda V: V.max(axis=1, keepdims=True) == V)(_margins(Z, Y)) * 1.0 - Y) / len(Z),
    "indices": _hinge_by_index,
    "rows": _hinge_by_rows,
}

FAMILY_HINGE = Family(
    "multiclass_hinge",
    0.04,
    {**LINEAR, "error": HINGE},
    _classifier(lambda by, Z, Y, _: by["error"](Z, Y)),
)


def _stable_sigmoid(z: Arrays) -> Arrays:
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


def _quotient(p: Arrays, y: Arrays) -> Arrays:
    return (p - y) / (p * (1 - p)) * (p * (1 - p)) / len(y)


FAMILY_LOGISTIC = Family(
    "logistic",
    0.06,
    {
        **LINEAR,
        "sigmoid": {
            "by sign": _stable_sigmoid,
            "tanh": lambda z: 0.5 + 0.5 * np.tanh(0.5 * z),
            "logaddexp": lambda z: np.exp(-np.logaddexp(0, -z)),
            "naive": lambda z: 1 / (1 + np.exp(-z)),
        },
        "error": {
            "difference": lambda p, y: (p - y) / len(y),
            "both classes": lambda p, y: (p * (1 - y) - (1 - p) * y) / len(y),
            "naive quotient": _quotient,
        },
    },
    _classifier(lambda by, z, y, _: by["error"](by["sigmoid"](z), y)),
)

FAMILY_MSE = Family(
    "mse",
    0.04,
    {
        **LINEAR,
        "error": {
            "mean": lambda z, y: 2 * (z - y) / len(y),
            "negative": lambda z, y: -2 / len(y) * (y - z),
            "halved size": lambda z, y: (z - y) / (0.5 * len(y)),
        },
    },
    _classifier(lambda by, z, y, _: by["error"](z, y)),
)

FAMILY_HUBER = Family(
    "huber",
    0.03,
    {
        **LINEAR,
        "error": {
            "clip": lambda e, d: np.clip(e, -d, d) / len(e),
            "where": lambda e, d: np.where(np.abs(e) <= d, e, d * np.sign(e)) / len(e),
            "shrunk": lambda e, d: (e - np.sign(e) * np.maximum(np.abs(e) - d, 0)) / len(e),
        },
    },
    _classifier(lambda by, z, y, scalars: by["error"](z - y, *scalars)),
)


def _ridge(by: Chosen) -> Gradient:
    def gradient(X: Arrays, w: Arrays, y: Arrays, lambda_: Arrays) -> tuple[Arrays, ...]:
        e = by["forward"](X, w, -y)
        return (by["penalty"](by["weights"](X, 2 * e / len(y)), w, lambda_),)

    return gradient


def _added_in_place(dw: Arrays, w: Arrays, lambda_: Arrays) -> Arrays:
    dw = dw.copy()
    dw += 2 * lambda_ * w
    return dw


FAMILY_RIDGE = Family(
    "ridge",
    0.03,
    {
        "forward": {key: FORWARD[key] for key in ("matmul", "bias first", "einsum", "transposed", "by columns")},
        "weights": WEIGHTS,
        "penalty": {
            "added": lambda dw, w, lambda_: dw + 2 * lambda_ * w,
            "twice": lambda dw, w, lambda_: lambda_ * w + dw + lambda_ * w,
            "matrix": lambda dw, w, lambda_: dw + 2 * lambda_ * np.eye(len(w), dtype=w.dtype) @ w,
            "in place": _added_in_place,
        },
    },
    _ridge,
)

CLASSIFIERS = (
    FAMILY_CROSS_ENTROPY,
    FAMILY_SQUARED,
    FAMILY_SMOOTHING,
    FAMILY_HINGE,
    FAMILY_LOGISTIC,
    FAMILY_MSE,
    FAMILY_HUBER,
    FAMILY_RIDGE,
)
