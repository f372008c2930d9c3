"""Mistakes named in the issue, for which we found no thread; they are counted separately."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import ISSUE, Arrays, linear, softmax, through_softmax, wrong

Pair = tuple[Arrays, Arrays]


@wrong(
    "softmax_cross_entropy",
    "twice",
    "the softmax is applied to probabilities, and its error is used as the derivative with respect to the logits",
    ISSUE,
)
def probabilities_for_logits(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (softmax(softmax(X @ W + b)) - Y) / len(Y))


@wrong("softmax_cross_entropy", "factor", "divided by all N C entries instead of the N rows", ISSUE)
def entries_for_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (softmax(X @ W + b) - Y) / Y.size)


@wrong("softmax_cross_entropy", "missing", "the labels are not subtracted", ISSUE, also=("term",))
def labels_not_subtracted(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, softmax(X @ W + b) / len(Y))


@wrong("softmax_cross_entropy", "factor", "the bias gradient is averaged although it was already divided", ISSUE)
def bias_averaged_again(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dZ = (softmax(X @ W + b) - Y) / len(Y)
    return X.T @ dZ, dZ.mean(axis=0)


@wrong("softmax_cross_entropy", "transposed", "the weights are transposed", ISSUE, equal=("D", "C"))
def weights_transposed_forward(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dZ = (softmax(X @ W.T + b) - Y) / len(Y)
    return dZ.T @ X, dZ.sum(axis=0)


@wrong("softmax_mse", "factor", "the sum of the squares instead of their mean", ISSUE)
def sum_for_mean(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    return linear(X, through_softmax(P, 2 * (P - Y)))


@wrong("softmax_mse", "skipped", "the squared error is taken of the logits", ISSUE, also=("jacobian",))
def logits_for_probabilities(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, 2 * (X @ W + b - Y) / Y.size)


@wrong(
    "softmax_mse",
    "assumption",
    "sum_k (p_k - y_k) p_k is simplified with y_k = 1 for the class and 0 elsewhere, which is false for soft labels",
    ISSUE,
)
def one_hot_of_soft_labels(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    right = P[np.arange(len(Y)), Y.argmax(axis=1)]
    inner = (P**2).sum(axis=1) - right
    return linear(X, 2 / Y.size * P * (P - Y - inner[:, None]))


@wrong("matrix_factorisation", "factor", "the gradient of the penalty lacks the factor 2", ISSUE, also=("term",))
def penalty_without_two(R: Arrays, U: Arrays, V: Arrays, reg: Arrays) -> Pair:
    E = U @ V.T - R
    return 2 * E @ V + reg * U, 2 * E.T @ U + reg * V


@wrong(
    "softmax_mse",
    "precision",
    "in float32, p = exp(z - log sum exp z): the difference of two large numbers",
    ISSUE,
)
def float32_cancellation(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    X, W, b, Y = (np.asarray(array, dtype=np.float32) for array in (X, W, b, Y))
    Z = X @ W + b
    P = np.exp(Z - np.logaddexp.reduce(Z, axis=1, keepdims=True))
    return linear(X, through_softmax(P, np.float32(2 / Y.size) * (P - Y)))
