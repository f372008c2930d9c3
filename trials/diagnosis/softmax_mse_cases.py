"""Wrong gradients of softmax_mse, from threads."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import Arrays, Source, github, linear, softmax, through_softmax, wrong

Pair = tuple[Arrays, Arrays]


@wrong(
    "softmax_mse",
    "diagonal",
    "the gradient with respect to the probabilities is multiplied by p (1 - p), as for a sigmoid",
    Source(
        "How to do backpropogation with Softmax and Mean Square Error?",
        "https://discuss.pytorch.org/t/how-to-do-backpropogation-with-softmax-and-mean-square-error/87175",
        2020,
    ),
)
def mse_sigmoid_derivative(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    dP = 2.0 * (P - Y) / P.size
    return linear(X, P * (1 - P) * dP)


@wrong(
    "softmax_mse",
    "diagonal",
    "only the case i = j of the derivative is implemented, the sum and i != j are missing",
    github("Softmax derivative implementation incorrect", "deeplearning4j/libnd4j/issues/440", 2017),
)
def mse_diagonal_by_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for x, y in zip(X, Y, strict=True):
        p = softmax((x @ W + b)[None])[0]
        for i in range(len(p)):
            slope = 2 * (p[i] - y[i]) / Y.size * p[i] * (1 - p[i])
            dW[:, i] += x * slope
            db[i] += slope
    return dW, db


@wrong(
    "softmax_mse",
    "jacobian",
    "the backward pass of the softmax copies the output gradient to the input",
    github("Softmax", "pjreddie/darknet/pull/96", 2017),
)
def mse_gradient_copied(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    return linear(X, 2 * (P - Y) / P.size)


@wrong(
    "softmax_mse",
    "term",
    "the backward pass of the softmax lacks the dot product: s_i g_i instead of s_i (g_i - sum_k g_k s_k)",
    github(
        "[Test Fix] test_activations.mojo - Fix softmax backward Jacobian computation",
        "HomericIntelligence/Odyssey/issues/2134",
        2025,
    ),
    also=("path",),
)
def mse_without_dot_product(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    return linear(X, P * (2 / P.size * (P - Y)))


@wrong(
    "softmax_mse",
    "swapped",
    "the Jacobian is written with the input of the softmax in place of its output, p_i (1 - z_i) and -p_i z_j",
    Source(
        "numpy: calculate the derivative of the softmax function, Stack Overflow",
        "https://stackoverflow.com/a/40576872",
        2016,
    ),
    also=("skipped",),  # added later: z in place of p is the softmax left out, at that place
)
def mse_jacobian_of_input(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    P = softmax(Z)
    dZ = np.zeros_like(Z)
    for n in range(len(Z)):
        J = -np.outer(P[n], Z[n])
        np.fill_diagonal(J, P[n] * (1 - Z[n]))
        dZ[n] = J.T @ (2 * (P[n] - Y[n]) / Y.size)
    return linear(X, dZ)


@wrong(
    "softmax_mse",
    "factor",
    "the mean of the squares is expected over the rows only, but is taken over the classes too",
    github("Keras loss function explained", "keras-team/keras/issues/9307", 2018),
)
def mse_mean_over_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    return linear(X, through_softmax(P, 2 * (P - Y) / len(Y)))


@wrong(
    "softmax_mse",
    "diagonal",
    "the derivative of the softmax is 1 - output instead of output (1 - output), and has no off-diagonal",
    github("SoftMax derivative correct?", "neuroph/neuroph/issues/37", 2016),
    also=("jacobian", "term"),
)
def mse_one_minus_output(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    dP = 2 * (P - Y) / P.size
    return linear(X, dP * (1.0 - P))
