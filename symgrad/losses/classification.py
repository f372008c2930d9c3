"""Losses of a linear classifier with C classes: X (N, D), W (D, C), b (C,); labels Y (N, C), one-hot or soft."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import log_softmax, sigmoid, softmax
from symgrad.array.loss import loss
from symgrad.errors import InputError


def reduced(terms: Any, reduction: str) -> Any:
    """The terms of all rows as one number: their ``"mean"``, their ``"sum"``, or their sum over the number of rows
    (``"batch_mean"``).  Raises ``InputError`` for any other word."""
    if reduction == "mean":
        return np.mean(terms)
    if reduction == "sum":
        return np.sum(terms)
    if reduction == "batch_mean":
        return np.sum(terms) / len(terms)
    raise InputError(f"unknown reduction {reduction!r}: expected one of mean, batch_mean, sum")


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C distribution",
    wrt="W b",
    facts=[
        "sum(dZ, axis=1) == 0",
        "dZ == 0 where Y = P",
        "P == sigmoid(2 * Z - sum(Z, axis=1, keepdims=True)) where C = 2",
    ],
    about=(
        "P - Y is prediction minus target: each logit is pushed by the difference between its probability and its "
        "label. The rows of Y must sum to one, otherwise P is multiplied by their sums. The gradient stays large "
        "where the classifier is sure and wrong."
    ),
)
def softmax_cross_entropy(X: Any, W: Any, b: Any, Y: Any, reduction: str = "mean") -> Any:
    """Softmax cross-entropy from logits.

    Bridle, Probabilistic interpretation of feedforward classification network outputs, Neurocomputing (1990).  The
    default averages over the N rows, as PyTorch's ``cross_entropy`` and TensorFlow's
    ``reduce_mean(losses.categorical_crossentropy(y, logits, from_logits=True))`` do.
    """
    Z = X @ W + b
    return reduced(-np.sum(Y * log_softmax(Z, axis=1), axis=1), reduction)


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0", "dZ == 0 where Y = P"],
    about=(
        "The residuals R = P - Y pass through the Jacobian of the softmax, which is nearly 0 where one "
        "probability is nearly 1. The gradient therefore vanishes where the classifier is sure, even if it is "
        "wrong; cross-entropy does not have this fault."
    ),
)
def softmax_mse(X: Any, W: Any, b: Any, Y: Any, reduction: str = "mean") -> Any:
    """Mean squared error of softmax probabilities.

    The score of Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
    The default averages over all N C entries, as TensorFlow's ``reduce_mean(losses.MSE(y, softmax(x @ w + b)))`` does.
    """
    Z = X @ W + b
    P = softmax(Z, axis=1)
    R = P - Y
    return reduced(R**2, reduction)


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C distribution, a: C positive",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "As in cross-entropy, but each row counts with the weight of its class (of one-hot rows), and the sum of "
        "these weights divides, in place of the number of rows. If all weights are equal and the rows of Y sum to "
        "one, it is cross-entropy."
    ),
)
def weighted_cross_entropy(X: Any, W: Any, b: Any, Y: Any, a: Any) -> Any:
    """Softmax cross-entropy with a weight for each class, divided by the sum of the weights of the rows.

    King and Zeng, Logistic regression in rare events data, Political Analysis 9 (2001); the mean that PyTorch's
    ``cross_entropy(..., weight=a)`` takes.
    """
    Z = X @ W + b
    A = np.sum(a * Y)
    return -np.sum(a * Y * log_softmax(Z, axis=1)) / A


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C distribution, alpha: scalar",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "Prediction minus smoothed target: for α between 0 and 1 every class keeps a target above 0, so that no logit "
        "is pushed to infinity."
    ),
)
def label_smoothing(X: Any, W: Any, b: Any, Y: Any, alpha: Any = 0.1) -> Any:
    """Label smoothing: softmax cross-entropy against labels mixed with the uniform distribution.

    Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR (2016), section 7.
    """
    Z = X @ W + b
    T = (1 - alpha) * Y + alpha / Y.shape[1]
    return -np.mean(np.sum(T * log_softmax(Z, axis=1), axis=1))


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C distribution, tau: scalar positive",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0", "dZ == 0 where Y = P"],
    about=(
        "Prediction minus target, divided by the temperature: a large τ makes the probabilities softer, and the "
        "factor 1/τ scales the gradient down."
    ),
)
def temperature(X: Any, W: Any, b: Any, Y: Any, tau: Any = 1) -> Any:
    """Softmax cross-entropy with a temperature: the softmax of Z / τ.

    Guo et al., On calibration of modern neural networks, ICML (2017), section 4.2.
    """
    Z = X @ W + b
    return -np.mean(np.sum(Y * log_softmax(Z / tau, axis=1), axis=1))


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C, gamma: scalar nonnegative",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "Cross-entropy in which each row has the weight (1 - p)^γ: for γ above 0, rows that are already right hardly "
        "count. At γ = 0 the loss is cross-entropy."
    ),
)
def focal(X: Any, W: Any, b: Any, Y: Any, gamma: Any = 2) -> Any:
    """Focal loss of a softmax classifier.

    Lin et al., Focal loss for dense object detection, ICCV (2017), equation 4, for several classes.
    """
    Z = X @ W + b
    P = softmax(Z, axis=1)
    return -np.mean(np.sum(Y * (1 - P) ** gamma * log_softmax(Z, axis=1), axis=1))


@loss(
    shapes="X: N D, W: D C, b: C, V: N C, tau: scalar positive",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0", "dZ == 0 where V = Z"],
    about=(
        "The student's probabilities minus the teacher's, times τ. Without τ² in the loss, it would be their "
        "difference divided by τ, which falls like 1/τ²; with it, the gradient keeps its size at high temperatures."
    ),
)
def distillation(X: Any, W: Any, b: Any, V: Any, tau: Any = 2) -> Any:
    """Distillation: the divergence KL(Q‖P) of a teacher's softmax Q from a student's P, at temperature τ.

    Hinton, Vinyals and Dean, Distilling the knowledge in a neural network (2015), section 2: times tau squared.
    """
    Z = X @ W + b
    Q = softmax(V / tau, axis=1)
    return tau**2 * np.mean(np.sum(Q * (log_softmax(V / tau, axis=1) - log_softmax(Z / tau, axis=1)), axis=1))


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C one-hot",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "For one-hot rows of Y, only the logits of the class with the largest margin violation and of the labelled "
        "class get a gradient, 1/N and -1/N; a row that is right by more than one gets none. Classes that tie "
        "for the largest violation share it equally."
    ),
)
def multiclass_hinge(X: Any, W: Any, b: Any, Y: Any) -> Any:
    """Multiclass hinge loss: how far the best wrong class is within a margin of 1 of the right one.

    Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, JMLR 2 (2001).
    """
    Z = X @ W + b
    t = np.sum(Y * Z, axis=1, keepdims=True)
    V = Z - t + 1 - Y
    return np.mean(np.max(V, axis=1))


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C, eps: scalar positive",
    wrt="W b",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "T / U is the Dice score of each class. With respect to P, a step against the gradient raises p where y "
        "is 1, and lowers it elsewhere, within a class in proportion to p. Each class counts equally in "
        "the loss, however rare it is."
    ),
)
def soft_dice(X: Any, W: Any, b: Any, Y: Any, eps: Any = 1) -> Any:
    """Soft Dice loss of softmax probabilities, the mean over classes.

    Milletari, Navab and Ahmadi, V-Net, 3DV (2016), section 3, with the squares in the denominator; smoothed by eps.
    """
    P = softmax(X @ W + b, axis=1)
    T = 2 * np.sum(P * Y, axis=0) + eps
    U = np.sum(P**2, axis=0) + np.sum(Y**2, axis=0) + eps
    return 1 - np.mean(T / U)


@loss(
    shapes="X: N D, w: D, b: scalar, y: N probability",
    wrt="w b",
    facts=["dz == 0 where y = p"],
    about=("Prediction minus target, as in softmax cross-entropy: with two classes the two losses agree."),
)
def logistic(X: Any, w: Any, b: Any, y: Any) -> Any:
    """Logistic regression: binary cross-entropy from logits; y is 0 or 1, or a probability.

    Cox, The regression analysis of binary sequences, JRSS B 20 (1958).  The generated code needs no logarithm of p.
    """
    z = X @ w + b
    p = sigmoid(z)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


@loss(
    shapes="X: N T D, W: D V, b: V, y: N T labels of V",
    wrt="W b",
    axes={"N": "sequences", "V": "words of the vocabulary"},
    facts=["sum(dZ, axis=2) == 0"],
    about="As in softmax cross-entropy, prediction minus target, for each token of each sequence.",
)
def sequence_cross_entropy(X: Any, W: Any, b: Any, y: Any) -> Any:
    """Softmax cross-entropy of sequences: a label for each token.

    Bengio, Ducharme, Vincent and Jauvin, A neural probabilistic language model, JMLR 3 (2003); the mean over
    all tokens.
    """
    Z = X @ W + b
    return -np.mean(np.take_along_axis(log_softmax(Z, axis=2), y[:, :, None], axis=2))


@loss(
    shapes="X: N D, W: D C, b: C, Y: N C probability, a: C positive",
    wrt="W b",
    facts=["dZ == ((1 + (a - 1) * Y) * P - a * Y) / (N * C)"],
    about=(
        "Each class is a logistic regression of its own, so the rows of Y need not sum to one. A positive label pulls "
        "its logit up with the weight a of its class, a negative one pushes it down with the weight 1."
    ),
)
def bce_with_logits(X: Any, W: Any, b: Any, Y: Any, a: Any) -> Any:
    """Binary cross-entropy of several labels, with a weight for the positive labels of each class.

    King and Zeng, Logistic regression in rare events data, Political Analysis 9 (2001); the mean that PyTorch's
    ``binary_cross_entropy_with_logits(..., pos_weight=a)`` takes.
    """
    Z = X @ W + b
    P = sigmoid(Z)
    return -np.mean(a * Y * np.log(P) + (1 - Y) * np.log(1 - P))
