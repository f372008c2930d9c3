"""Interchangeable right implementations of one step of a gradient; "naive" ones overflow or divide by 0 at large
inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Arrays = Any
Part = Callable[..., Any]
Parts = Mapping[str, Part]


# Z = X W + b, or z = X w + b where w is a vector and b a number.


def _by_rows(X: Arrays, W: Arrays, b: Arrays) -> Arrays:
    return np.stack([x @ W + b for x in X])


def _by_columns(X: Arrays, W: Arrays, b: Arrays) -> Arrays:
    Z = np.zeros((len(X), *W.shape[1:]), dtype=X.dtype)
    for d in range(X.shape[1]):
        Z += np.multiply.outer(X[:, d], W[d])
    return Z + b


def _augmented(X: Arrays, W: Arrays, b: Arrays) -> Arrays:
    ones = np.ones((len(X), 1), dtype=X.dtype)
    return np.hstack([X, ones]) @ np.concatenate([W, np.asarray(b)[None]])


FORWARD: Parts = {
    "matmul": lambda X, W, b: X @ W + b,
    "bias first": lambda X, W, b: b + np.dot(X, W),
    "einsum": lambda X, W, b: np.einsum("nd,d...->n...", X, W) + b,
    "transposed": lambda X, W, b: (W.T @ X.T).T + b,
    "by rows": _by_rows,
    "by columns": _by_columns,
    "augmented": _augmented,
}


# The gradient with respect to W, from dZ, where Z = X W + b.


def _outer_products(X: Arrays, G: Arrays) -> Arrays:
    total = np.multiply.outer(X[0], G[0])
    for x, g in zip(X[1:], G[1:], strict=True):
        total = total + np.multiply.outer(x, g)
    return total


def _last_row_first(X: Arrays, G: Arrays) -> Arrays:
    return _outer_products(X[::-1], G[::-1])


def _in_blocks(X: Arrays, G: Arrays) -> Arrays:
    return sum(X[start : start + 2].T @ G[start : start + 2] for start in range(0, len(X), 2))


WEIGHTS: Parts = {
    "matmul": lambda X, G: X.T @ G,
    "transposed": lambda X, G: (G.T @ X).T,
    "einsum": lambda X, G: np.einsum("nd,n...->d...", X, G),
    "tensordot": lambda X, G: np.tensordot(X, G, axes=(0, 0)),
    "outer products": _outer_products,
    "last row first": _last_row_first,
    "in blocks": _in_blocks,
    "features one by one": lambda X, G: np.stack([G.T @ column for column in X.T]),
}


# The gradient with respect to b, from dZ.


def _exact_sum(G: Arrays) -> Arrays:
    columns = np.reshape(G, (len(G), -1)).T
    return np.array([math.fsum(column) for column in columns], dtype=G.dtype).reshape(G.shape[1:])


BIAS: Parts = {
    "sum": lambda G: G.sum(axis=0),
    "ones": lambda G: np.ones(len(G), dtype=G.dtype) @ G,
    "einsum": lambda G: np.einsum("n...->...", G),
    "reduce": lambda G: np.add.reduce(G[::-1]),
    "exact sum": _exact_sum,
    "mean times N": lambda G: G.mean(axis=0) * len(G),
}


# Softmax over the rows of Z.


def _row_by_row(Z: Arrays) -> Arrays:
    P = np.empty_like(Z)
    for n, z in enumerate(Z):
        e = np.exp(z - max(z))
        P[n] = e / sum(e)
    return P


def _in_place(Z: Arrays) -> Arrays:
    P = Z.copy()
    P -= P.max(axis=1)[:, None]
    np.exp(P, out=P)
    P /= P.sum(axis=1)[:, None]
    return P


def _log_softmax(Z: Arrays) -> Arrays:
    shifted = Z - Z.max(axis=1, keepdims=True)
    return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _naive_softmax(Z: Arrays) -> Arrays:
    E = np.exp(Z)
    return E / E.sum(axis=1, keepdims=True)


def _by_differences(Z: Arrays) -> Arrays:
    """p_i = 1 / sum_j exp(z_j - z_i), shifted by the largest of the differences."""
    D = Z[:, None, :] - Z[:, :, None]
    top = np.maximum(D.max(axis=2, keepdims=True), 0)
    return np.exp(-top[:, :, 0]) / np.exp(D - top).sum(axis=2)


SOFTMAX: Parts = {
    "shifted": lambda Z: (lambda E: E / E.sum(axis=1, keepdims=True))(np.exp(Z - Z.max(axis=1, keepdims=True))),
    "in place": _in_place,
    "log softmax": _log_softmax,
    "row by row": _row_by_row,
    "einsum": lambda Z: (lambda E: np.einsum("nk,n->nk", E, 1 / E.sum(axis=1)))(np.exp(Z - np.max(Z, 1)[:, None])),
    "pairs": _by_differences,
    "naive": _naive_softmax,
}


# The gradient with respect to Z, from dP, where P = softmax(Z).


def _jacobian_product(P: Arrays, dP: Arrays) -> Arrays:
    return np.stack([(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(P, dP, strict=True)])


def _all_jacobians(P: Arrays, dP: Arrays) -> Arrays:
    J = P[:, :, None] * np.eye(P.shape[1], dtype=P.dtype) - P[:, :, None] * P[:, None, :]
    return np.einsum("nkc,nk->nc", J, dP)


def _entry_by_entry(P: Arrays, dP: Arrays) -> Arrays:
    dZ = np.zeros_like(P)
    for n, c in np.ndindex(*P.shape):
        dZ[n, c] = sum(dP[n, k] * P[n, k] * ((k == c) - P[n, c]) for k in range(P.shape[1]))
    return dZ


THROUGH_SOFTMAX: Parts = {
    "product": lambda P, dP: P * (dP - (P * dP).sum(axis=1, keepdims=True)),
    "difference": lambda P, dP: P * dP - P * np.einsum("nk,nk->n", P, dP)[:, None],
    "jacobian by rows": _jacobian_product,
    "jacobians": _all_jacobians,
    "entries": _entry_by_entry,
}


# Precisions, and containers of the result.


def _double(arrays: Sequence[Arrays]) -> list[Arrays]:
    return [np.array(array, dtype=np.float64) for array in arrays]


def _single(arrays: Sequence[Arrays]) -> list[Arrays]:
    return [np.array(array, dtype=np.float32) for array in arrays]


def _long(arrays: Sequence[Arrays]) -> list[Arrays]:
    return [np.array(array, dtype=np.longdouble) for array in arrays]


PRECISION: Parts = {"double": _double, "single": _single, "long": _long}

RETURNED: Parts = {
    "arrays": tuple,
    "list": list,
    "doubles": lambda gradients: tuple(np.asarray(gradient, dtype=np.float64) for gradient in gradients),
    "Fortran": lambda gradients: tuple(np.array(gradient, order="F") for gradient in gradients),
    "views": lambda gradients: tuple(np.stack([gradient, gradient], axis=-1)[..., 0] for gradient in gradients),
    "numbers": lambda gradients: [np.asarray(gradient).tolist() for gradient in gradients],
}
