"""Wrong gradients of the other losses of classes and of pairs, from threads."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import Arrays, github, linear, softmax, through_softmax, wrong

Pair = tuple[Arrays, Arrays]


@wrong(
    "label_smoothing",
    "factor",
    "the smoothing mass is divided by the number of other classes, but added to all classes",
    github("[Feature Request] Label Smoothing for CrossEntropyLoss", "pytorch/pytorch/issues/7455", 2018),
)
def smoothing_over_other_classes(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, alpha: Arrays) -> Pair:
    T = Y * (1 - alpha) + alpha / (Y.shape[1] - 1)
    P = softmax(X @ W + b)
    return linear(X, (P * T.sum(axis=1, keepdims=True) - T) / len(Y))


@wrong(
    "label_smoothing",
    "term",
    "the labels are multiplied by 1 - a / K instead of 1 - a",
    github("SmoothCrossEntropyLoss", "ildoonet/pytorch-randaugment/issues/30", 2021),
    also=("factor",),
)
def smoothing_by_share(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, alpha: Arrays) -> Pair:
    share = alpha / Y.shape[1]
    T = Y * (1.0 - share) + share
    P = softmax(X @ W + b)
    return linear(X, (P * T.sum(axis=1, keepdims=True) - T) / len(Y))


@wrong(
    "distillation",
    "missing",
    "the soft loss is not multiplied by the square of the temperature",
    github("no T*T in distillation loss", "IntelLabs/distiller/issues/122", 2019),
    also=("factor",),
)
def distillation_without_square(X: Arrays, W: Arrays, b: Arrays, V: Arrays, tau: Arrays) -> Pair:
    return linear(X, (softmax((X @ W + b) / tau) - softmax(V / tau)) / tau / len(X))


@wrong(
    "info_nce",
    "missing",
    "the temperature is not applied to the positive logits",
    github("Implemented NCE loss.", "RElbers/info-nce-pytorch/pull/17", 2023),
    also=("term",),
)
def info_nce_positives_without_temperature(U: Arrays, V: Arrays, tau: Arrays) -> Pair:
    P = softmax(U @ V.T / tau)
    return (P @ V / tau - V) / len(U), (P.T @ U / tau - U) / len(U)


@wrong(
    "info_nce",
    "factor",
    "the loss is divided by b - 1 instead of b",
    github("denominator of nt_xent_loss", "lucidrains/contrastive-learner/issues/2", 2021),
)
def info_nce_one_row_less(U: Arrays, V: Arrays, tau: Arrays) -> Pair:
    dZ = (softmax(U @ V.T / tau) - np.eye(len(U))) / tau / (len(U) - 1)
    return dZ @ V, dZ.T @ U


@wrong(
    "clip_loss",
    "term",
    "one direction is used for both, as if both losses had the same value",
    github("clip multi modal loss - why symmetric loss?", "KeremTurgutlu/self_supervised/issues/30", 2021),
    also=("missing", "swapped"),  # "swapped" added later: the rows' normaliser in place of the columns' says it
)
def clip_from_one_side(U: Arrays, V: Arrays, tau: Arrays) -> Pair:
    dZ = (softmax(U @ V.T / tau) - np.eye(len(U))) / tau / len(U)
    return dZ @ V, dZ.T @ U


@wrong(
    "weighted_cross_entropy",
    "swapped",
    "the weighted losses are divided by the number of rows, not by the weights of their classes",
    github("The class weights implementation is incorrect", "pytorch/pytorch/issues/61309", 2021),
    also=("factor", "term"),  # "term" added later: without its weights the sum of labels is the number of rows
)
def weighted_over_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, a: Arrays) -> Pair:
    T = a * Y
    P = softmax(X @ W + b)
    return linear(X, (P * T.sum(axis=1, keepdims=True) - T) / len(Y))


@wrong(
    "weighted_cross_entropy",
    "assumption",
    "softmax minus labels is the gradient only if the labels are probabilities, and weights are not",
    github("CrossEntropyLoss: correct gradient for non-probability label weights", "kvark/meganeura/pull/102", None),
    also=("missing", "term"),
)
def weighted_as_probabilities(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, a: Arrays) -> Pair:
    T = a * Y
    return linear(X, (softmax(X @ W + b) - T) / T.sum())


@wrong(
    "multiclass_hinge",
    "path",
    "the score of the right class, which every margin subtracts, gets no gradient",
    github("svm_loss_vectorized Derivative", "mantasu/cs231n/issues/9", 2023),
    also=("term", "missing"),
)
def hinge_without_right_class(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    margins = Z - (Y * Z).sum(axis=1, keepdims=True) + 1 - Y
    dZ = np.zeros_like(Z)
    dZ[np.arange(len(Z)), margins.argmax(axis=1)] = 1 / len(Z)
    return linear(X, dZ)


@wrong(
    "multiclass_hinge",
    "missing",
    "the margin of 1 is added to the right class too",
    github("Linear SVM includes same-class loss", "lightaime/cs231n/issues/9", 2019),
    also=("term",),
)
def hinge_margin_for_all(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    margins = Z - (Y * Z).sum(axis=1, keepdims=True) + 1
    dZ = -Y
    dZ[np.arange(len(Z)), margins.argmax(axis=1)] += 1
    return linear(X, dZ / len(Z))


def _dice(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, eps: Arrays) -> tuple[Arrays, Arrays, Arrays]:
    P = softmax(X @ W + b)
    return P, 2 * (P * Y).sum(axis=0) + eps, (P**2).sum(axis=0) + (Y**2).sum(axis=0) + eps


@wrong(
    "soft_dice",
    "sign",
    "the quotient rule has a plus: (u / v)' = (u' v + u v') / v^2",
    github("error about backward in dice_loss.py", "milesial/Pytorch-UNet/issues/35", 2018),
    also=("term",),
)
def dice_quotient_with_plus(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, eps: Arrays) -> Pair:
    P, inter, union = _dice(X, W, b, Y, eps)
    dP = -(2 * Y * union + inter * 2 * P) / union**2 / Y.shape[1]
    return linear(X, through_softmax(P, dP))


@wrong(
    "soft_dice",
    "missing",
    "the smoothing is in the loss, but not in its derivative",
    github("Dice loss class implementation", "mlpack/mlpack/pull/1674", 2019),
    also=("term",),
)
def dice_derivative_not_smoothed(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, eps: Arrays) -> Pair:
    P, inter, union = _dice(X, W, b, Y, 0.0)
    dP = -(2 * Y * union - inter * 2 * P) / union**2 / Y.shape[1]
    return linear(X, through_softmax(P, dP))


@wrong(
    "focal",
    "jacobian",
    "the derivative with respect to the probability is used as the derivative with respect to the logit",
    github("Focal loss derivative is wrong when i!=j.", "unsky/focal-loss/issues/1", 2017),
)
def focal_by_probability(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, gamma: Arrays) -> Pair:
    P = softmax(X @ W + b)
    dP = Y * (1 - P) ** (gamma - 1) * (gamma * np.log(P) - 1 / P + 1)
    return linear(X, dP / len(Y))


@wrong(
    "focal",
    "path",
    "(1 - p)^gamma is treated as a constant weight in the backward pass",
    github("focal loss back propagation", "kuangliu/pytorch-retinanet/issues/12", 2017),
    also=("term",),
)
def focal_weight_detached(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, gamma: Arrays) -> Pair:
    P = softmax(X @ W + b)
    T = Y * (1 - P) ** gamma
    return linear(X, (P * T.sum(axis=1, keepdims=True) - T) / len(Y))


@wrong(
    "focal",
    "sign",
    "the term of the derivative with the logarithm has the wrong sign",
    github("The first term 哦分", "zimenglan-sysu-512/Focal-Loss/issues/2", 2017),
    also=("term",),
)
def focal_first_term(X: Arrays, W: Arrays, b: Arrays, Y: Arrays, gamma: Arrays) -> Pair:
    P = softmax(X @ W + b)
    dP = Y * (-gamma * (1 - P) ** (gamma - 1) * np.log(P) - (1 - P) ** gamma / P)
    return linear(X, through_softmax(P, dP / len(Y)))
