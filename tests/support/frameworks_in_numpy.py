"""The losses of PyTorch and Keras that are shown, in NumPy and after their documentation: enough to run their calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

Arrays = Any
REDUCTIONS = {"mean": np.mean, "sum": np.sum, "batchmean": lambda terms: np.sum(terms) / len(terms)}


def log_softmax(z: Arrays, axis: int) -> Arrays:
    z = z - z.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def logistic_terms(z: Arrays, y: Arrays) -> Arrays:
    return np.logaddexp(0, z) - y * z


def huber_terms(e: Arrays, delta: float) -> Arrays:
    return np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))


def cross_entropy(
    z: Arrays, target: Arrays, weight: Arrays = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> Arrays:
    classes = z.shape[1]
    weight = np.ones(classes) if weight is None else weight
    rows = np.eye(classes)[target] if target.ndim == 1 else target
    mixed = (1 - label_smoothing) * rows + label_smoothing / classes
    terms = -(weight * mixed * log_softmax(z, 1)).sum(axis=1)
    if reduction == "mean" and target.ndim == 1:
        return terms.sum() / weight[target].sum()
    return REDUCTIONS[reduction](terms)


def kl_div(z: Arrays, target: Arrays, reduction: str, log_target: bool) -> Arrays:
    assert log_target
    return REDUCTIONS[reduction](np.exp(target) * (target - z))


def elementwise(terms: Any) -> Any:
    """A functional of PyTorch from its terms."""
    return lambda z, y, reduction="mean", **options: REDUCTIONS[reduction](terms(z, y, **options))


functional = SimpleNamespace(
    cross_entropy=cross_entropy,
    kl_div=kl_div,
    binary_cross_entropy_with_logits=elementwise(logistic_terms),
    soft_margin_loss=elementwise(lambda z, y: np.log1p(np.exp(-y * z))),
    poisson_nll_loss=elementwise(lambda z, y: np.exp(z) - y * z),
    gaussian_nll_loss=lambda z, y, var, eps: np.mean(np.log(np.maximum(var, eps)) + (z - y) ** 2 / var) / 2,
    mse_loss=elementwise(lambda z, y: (z - y) ** 2),
    l1_loss=elementwise(lambda z, y: abs(z - y)),
    huber_loss=elementwise(lambda z, y, delta=1.0: huber_terms(z - y, delta)),
    smooth_l1_loss=elementwise(lambda z, y, beta: huber_terms(z - y, beta) / beta),
)
torch = SimpleNamespace(
    nn=SimpleNamespace(functional=functional), log_softmax=log_softmax, arange=np.arange, exp=np.exp
)


def keras_loss(terms: Any) -> Any:
    """A class of Keras from its terms, of which it averages over the last axis first."""

    def make(reduction: str = "sum_over_batch_size", **options: Any) -> Any:
        reduced = {"sum_over_batch_size": np.mean, "sum": np.sum}[reduction]
        return lambda y, z: reduced(np.mean(terms(y, z, **options), axis=-1))

    return make


def categorical(y: Arrays, z: Arrays, from_logits: bool, label_smoothing: float = 0.0) -> Arrays:
    assert from_logits
    classes = y.shape[1]
    return -classes * ((1 - label_smoothing) * y + label_smoothing / classes) * log_softmax(z, 1)


def focal(y: Arrays, z: Arrays, alpha: float, gamma: float, from_logits: bool) -> Arrays:
    assert from_logits
    p = np.clip(np.exp(log_softmax(z, 1)), 1e-7, 1 - 1e-7)
    return -y.shape[1] * alpha * (1 - p) ** gamma * y * np.log(p)


def binary(y: Arrays, z: Arrays, from_logits: bool) -> Arrays:
    assert from_logits
    return logistic_terms(z, y)


keras = SimpleNamespace(
    losses=SimpleNamespace(
        CategoricalCrossentropy=keras_loss(categorical),
        CategoricalFocalCrossentropy=keras_loss(focal),
        BinaryCrossentropy=keras_loss(binary),
        Hinge=keras_loss(lambda y, z: np.maximum(1 - y * z, 0)),
        SquaredHinge=keras_loss(lambda y, z: np.maximum(1 - y * z, 0) ** 2),
        MeanSquaredError=keras_loss(lambda y, z: (y - z) ** 2),
        MeanAbsoluteError=keras_loss(lambda y, z: abs(y - z)),
        Huber=keras_loss(lambda y, z, delta=1.0: huber_terms(y - z, delta)),
        LogCosh=keras_loss(lambda y, z: np.log(np.cosh(z - y))),
    )
)
