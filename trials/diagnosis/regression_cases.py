"""Wrong gradients of the losses of a linear model with one output, and of a factorisation, from threads."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import Arrays, github, wrong

Pair = tuple[Arrays, Arrays]


def _sigmoid(z: Arrays) -> Arrays:
    return 0.5 * (1 + np.tanh(z / 2))


@wrong(
    "logistic",
    "factor",
    "1 / n_samples is missing, as it once was in the linear regression of the same project",
    github("Logistic Regression", "eriklindernoren/ML-From-Scratch/issues/124", 2025),
)
def logistic_not_averaged(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    error = y - _sigmoid(X @ w + b)
    return -error.dot(X), -error.sum()


@wrong(
    "logistic",
    "sign",
    "the gradient derived by hand is y - p",
    github(
        "Gradient of loss function having different sign after performing first-degree differentiation",
        "eriklindernoren/ML-From-Scratch/issues/107",
        2024,
    ),
    also=("factor",),
)
def logistic_y_minus_p(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    error = (y - _sigmoid(X @ w + b)) / len(y)
    return X.T @ error, error.sum()


@wrong(
    "logistic",
    "twice",
    "a sigmoid is applied before a loss with logits, which applies it itself",
    github("F.binary_cross_entropy_with_logits already applies a sigmoid", "itakurah/focal-loss-pytorch/pull/5", 2026),
)
def logistic_sigmoid_of_sigmoid(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    p = _sigmoid(X @ w + b)
    dz = (_sigmoid(p) - y) * p * (1 - p) / len(y)
    return X.T @ dz, dz.sum()


@wrong(
    "logistic",
    "twice",
    "output minus target is multiplied by the derivative of the sigmoid, as the squared error would need",
    github(
        "Ch12 back propagation - sigmoid derivative not included",
        "rasbt/python-machine-learning-book-2nd-edition/issues/54",
        2018,
    ),
    also=("jacobian",),
)
def logistic_times_derivative(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    p = _sigmoid(X @ w + b)
    delta = np.multiply(-(y - p), p * (1 - p)) / len(y)
    return X.T @ delta, delta.sum()


@wrong(
    "logistic",
    "swapped",
    "the derivative of the sigmoid is x (1 - x) at its input, where x should be its output",
    github("sigmoid derivative", "kyle8998/Sudo-Productivity/issues/3", 2018),
)
def logistic_derivative_at_input(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    z = X @ w + b
    p = _sigmoid(z)
    dp = (p - y) / (p * (1 - p)) / len(y)
    dz = dp * z * (1 - z)
    return X.T @ dz, dz.sum()


@wrong(
    "mse",
    "factor",
    "the 2 of the derivative of the square is missing",
    github("Is loss_mean_square gradient corrent?", "davisking/dlib/issues/1169", 2018),
)
def mse_without_two(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    e = X @ w + b - y
    return X.T @ e / len(y), e.mean()


@wrong(
    "mse",
    "sign",
    "the example of the exercise has the gradients with the opposite sign",
    github("Day01 Ex03 Examples result are maybe incorrect", "42-AI/bootcamp_machine-learning/issues/64", 2020),
    also=("factor",),
)
def mse_opposite(X: Arrays, w: Arrays, b: Arrays, y: Arrays) -> Pair:
    e = y - (X @ w + b)
    return 2 * X.T @ e / len(y), 2 * e.mean()


@wrong(
    "ridge",
    "factor",
    "the gradient of reg * sum(W * W) is reg * W, without its 2",
    github("Missing factor of 2 in gradient of L2 regularization", "jingtinghuang/CS231n-Spring-2017/issues/3", 2018),
    also=("term",),
)
def ridge_without_two(X: Arrays, w: Arrays, y: Arrays, reg: Arrays) -> Arrays:
    dw = 2 * X.T @ (X @ w - y) / len(y)
    dw += reg * w
    return dw


@wrong(
    "ridge",
    "sign",
    "the decay is subtracted from the gradient, so the weights grow",
    github("Maybe there is a bug in chainer.optimizer.weight_decay(decay).", "chainer/chainer/issues/261", 2015),
    also=("term",),
)
def ridge_decay_subtracted(X: Arrays, w: Arrays, y: Arrays, decay: Arrays) -> Arrays:
    g = 2 * X.T @ (X @ w - y) / len(y)
    g -= 2 * decay * w
    return g


@wrong(
    "ridge",
    "missing",
    "the vectorised version has no regularisation term",
    github("Assignment1中SVM部分的小漏洞", "0809zheng/CS231n-assignment2019/issues/91", 2024),
    also=("term",),
)
def ridge_without_penalty(X: Arrays, w: Arrays, y: Arrays, reg: Arrays) -> Arrays:
    return X.T.dot(X.dot(w) - y) * 2 / X.shape[0]


@wrong(
    "huber",
    "skipped",
    "the linear branch is chosen where e > d, not where |e| > d: a large negative error costs nothing",
    github("Being confused about The huber_loss", "marlbenchmark/on-policy/issues/47", 2022),
    also=("term", "missing"),
)
def huber_without_absolute(X: Arrays, w: Arrays, b: Arrays, y: Arrays, d: Arrays) -> Pair:
    e = X @ w + b - y
    g = ((abs(e) <= d) * e + (e > d) * d * np.sign(e)) / len(y)
    return X.T @ g, g.sum()


@wrong(
    "huber",
    "missing",
    "the slope of the linear branch lacks its factor, which tests with factor 1 could not detect",
    github("Fix Huber Loss gradient scaling", "RubixML/ML/pull/420", 2026),
    also=("factor", "term"),
)
def huber_without_delta(X: Arrays, w: Arrays, b: Arrays, y: Arrays, delta: Arrays) -> Pair:
    e = X @ w + b - y
    g = np.where(np.abs(e) <= delta, e, np.sign(e)) / len(y)
    return X.T @ g, np.sum(g)


@wrong(
    "gaussian",
    "term",
    "in the derivative with respect to the log-variance, the squared error has the factor 1 instead of 1/2",
    github("GaussianCriterion gradient issue", "y0ast/VAE-Torch/issues/13", 2016),
    also=("factor",),
)
def gaussian_without_half(
    X: Arrays, w: Arrays, b: Arrays, v: Arrays, c: Arrays, y: Arrays
) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    e, s = X @ w + b - y, X @ v + c
    dz = np.exp(-s) * e / len(y)
    ds = (0.5 - np.exp(-s) * e**2) / len(y)
    return X.T @ dz, dz.sum(), X.T @ ds, ds.sum()


@wrong(
    "matrix_factorisation",
    "term",
    "a bracket is closed too late: the error multiplies the penalty as well",
    github("calculation of gradients maybe wrong", "dandxy89/BellkorAlgorithm/issues/3", 2020),
)
def factorisation_error_times_penalty(R: Arrays, U: Arrays, V: Arrays, reg: Arrays) -> Pair:
    dU, dV = np.zeros_like(U), np.zeros_like(V)
    for m in range(len(U)):
        for n in range(len(V)):
            error = U[m] @ V[n] - R[m, n]
            dU[m] += 2 * error * (V[n] + reg * U[m])
            dV[n] += 2 * error * (U[m] + reg * V[n])
    return dU, dV
