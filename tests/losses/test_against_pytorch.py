"""Losses of the catalogue beside PyTorch's: its definitions, written in NumPy after its documentation.

Each is called as PyTorch's function is; its differences are the gradients that the generated function must return.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from catalogue import derived
from frameworks_in_numpy import log_softmax

import symgrad

Arrays = Any
RNG = np.random.default_rng(7)
N, T, D, C = 5, 3, 4, 6


def normal(*shape: int) -> Arrays:
    return RNG.standard_normal(shape)


def bce_with_logits(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, pos_weight: Arrays) -> Any:
    """``nn.BCEWithLogitsLoss(pos_weight=a)``: -[p y log s(x) + (1 - y) log(1 - s(x))], the mean over all entries."""
    s = 1 / (1 + np.exp(-(X @ W + b)))
    return np.mean(-(pos_weight * Y * np.log(s) + (1 - Y) * np.log(1 - s)))


def cross_entropy(X: Arrays, W: Arrays, b: Arrays, y: Arrays) -> Any:
    """``nn.CrossEntropyLoss()`` of logits (N, V, T) and classes (N, T): the mean of -log p[n, y[n, t], t]."""
    logits = np.moveaxis(X @ W + b, 2, 1)
    picked = [[log_softmax(logits, 1)[n, y[n, t], t] for t in range(T)] for n in range(N)]
    return -np.sum(picked) / (N * T)


def triplet_margin(A: Arrays, P: Arrays, Q: Arrays, margin: float) -> Any:
    """``nn.TripletMarginLoss(margin, p=2, eps=0)``: max(d(a, p) - d(a, n) + margin, 0), the mean."""
    terms = [
        max(np.sqrt(sum((a - p) ** 2)) - np.sqrt(sum((a - q) ** 2)) + margin, 0)
        for a, p, q in zip(A, P, Q, strict=True)
    ]
    return np.mean(terms)


def cosine_embedding(U: Arrays, V: Arrays, y: Arrays, margin: float) -> Any:
    """``nn.CosineEmbeddingLoss(margin)``: 1 - cos(x1, x2) if y = 1, max(0, cos(x1, x2) - margin) if y = -1."""
    cosines = [u @ v / (np.sqrt(u @ u) * np.sqrt(v @ v)) for u, v in zip(U, V, strict=True)]
    return np.mean([1 - c if label == 1 else max(0, c - margin) for c, label in zip(cosines, y, strict=True)])


def margin_ranking(u: Arrays, v: Arrays, y: Arrays, margin: float) -> Any:
    """``nn.MarginRankingLoss(margin)``: max(0, -y (x1 - x2) + margin), the mean."""
    return np.mean([max(0, -label * (one - two) + margin) for one, two, label in zip(u, v, y, strict=True)])


def kl_divergence(mu: Arrays, r: Arrays, nu: Arrays, s: Arrays) -> Any:
    """``distributions.kl_divergence`` of two ``Normal``, summed over features, the mean over rows."""
    ratio, shift = np.exp(r - s), (mu - nu) ** 2 / np.exp(s)
    return np.mean(np.sum(0.5 * (ratio + shift - 1 - np.log(ratio)), axis=1))


def gaussian_nll(X: Arrays, mu: Arrays, Sigma: Arrays) -> Any:
    """``-distributions.MultivariateNormal(mu, Sigma).log_prob(X).mean()``, without the constant."""
    factor = np.linalg.cholesky((Sigma + Sigma.T) / 2)
    white = np.linalg.solve(factor, (X - mu).T)
    return np.mean(np.sum(white**2, axis=0)) / 2 + np.sum(np.log(np.diag(factor)))


ROOT = normal(D, D)
SIGNS = np.array([1.0, -1, 1, -1, 1])
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "bce_with_logits": (
        bce_with_logits,
        (normal(N, D), normal(D, C), normal(C), RNG.random((N, C)), RNG.random(C) + 0.5),
    ),
    "sequence_cross_entropy": (
        cross_entropy,
        (normal(N, T, D), normal(D, C), normal(C), RNG.integers(0, C, (N, T))),
    ),
    "triplet": (triplet_margin, (normal(N, D), normal(N, D), normal(N, D), 0.5)),
    "cosine_embedding": (cosine_embedding, (normal(N, D), normal(N, D), SIGNS, 0.1)),
    "margin_ranking": (margin_ranking, (normal(N), normal(N), SIGNS, 0.25)),
    "kl_gaussians": (kl_divergence, tuple(normal(N, D) for _ in range(4))),
    "multivariate_gaussian": (gaussian_nll, (normal(N, D), normal(D), ROOT @ ROOT.T + np.eye(D))),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_pytorchs_loss_and_has_its_gradients(name: str) -> None:
    pytorch, inputs = CASES[name]
    loss, gradients = derived(name).to_numpy()(*inputs)
    assert loss == pytest.approx(pytorch(*inputs), rel=1e-12)
    places = [[shape.name for shape in symgrad.LOSSES[name].shapes].index(wrt) for wrt in symgrad.LOSSES[name].wrt]
    for place, gradient in zip(places, gradients, strict=True):

        def along(value: Arrays, place: int = place) -> Any:
            return pytorch(*inputs[:place], value, *inputs[place + 1 :])

        assert symgrad.check_grad(along, lambda _, g=gradient: g, inputs[place]).ok
