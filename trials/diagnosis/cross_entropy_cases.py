"""Wrong gradients of softmax_cross_entropy, from threads."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import Arrays, Source, github, linear, softmax, through_softmax, wrong

Pair = tuple[Arrays, Arrays]


@wrong(
    "softmax_cross_entropy",
    "axis",
    "the exponentials are divided by the sum over the whole matrix, not over each row",
    github("Softmax function not right?", "rickwierenga/MLFundamentals/issues/1", 2020),
)
def ce_sum_over_everything(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    P = np.exp(Z) / np.sum(np.exp(Z))
    return linear(X, (P - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "axis",
    "the weight gradient takes the softmax over dimension 0 instead of 1; the bias uses the right one",
    github(
        "OutputLayer.getWeightGradient(): MCXENT performs softmax on wrong dimension",
        "deeplearning4j/deeplearning4j/issues/345",
        2015,
    ),
)
def ce_weights_over_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    dW = X.T @ (softmax(Z, axis=0) - Y) / len(Y)
    return dW, (softmax(Z) - Y).mean(axis=0)


@wrong(
    "softmax_cross_entropy",
    "axis",
    "log_softmax is taken over the first dimension, the batch, and differentiated so",
    github(
        "Code Error, softmax should take the last dimension not the first dimension",
        "MicrosoftDocs/pytorchfundamentals/pull/21",
        2022,
    ),
)
def ce_log_softmax_over_rows(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b, axis=0)
    return linear(X, (P * Y.sum(axis=0) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "axis",
    "the bias gradient is one sum over rows and classes, broadcast to all biases",
    github(
        "Small error in bias-computation in L08/code/softmax-regression_scratch.ipynb",
        "rasbt/stat453-deep-learning-ss21/issues/5",
        2022,
    ),
    also=("unsummed", "shape"),
)
def ce_bias_summed_to_a_number(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    E = Y - softmax(X @ W + b)
    return -(X.T @ E) / len(Y), -np.sum(E) / len(Y)


@wrong(
    "softmax_cross_entropy",
    "sign",
    "labels minus probabilities instead of probabilities minus labels",
    github(
        "Output layer loss function gradient calculation (MCXENT)", "deeplearning4j/deeplearning4j/issues/349", 2015
    ),
    also=("factor",),
)
def ce_labels_minus_output(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (Y - softmax(X @ W + b)) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "factor",
    "the gradient is not divided by the number of rows, though the loss is their mean",
    Source(
        "Why is softmax classifier gradient divided by batch size (CS231n)?, Stack Overflow",
        "https://stackoverflow.com/questions/65275522/why-is-softmax-classifier-gradient-divided-by-batch-size-cs231n",
        2020,
    ),
)
def ce_not_divided_by_batch(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    scores = X @ W + b
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    dscores = probs - Y
    return X.T @ dscores, np.sum(dscores, axis=0)


@wrong(
    "softmax_cross_entropy",
    "twice",
    "the network ends in a softmax, and the loss with logits applies another",
    github("Double application of softmax", "tflearn/tflearn/pull/562", 2017),
)
def ce_softmax_of_softmax(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    return linear(X, through_softmax(P, (softmax(P) - Y) / len(Y)))


@wrong(
    "softmax_cross_entropy",
    "twice",
    "the output error, already the derivative with respect to the logits, is multiplied by a (1 - a) again",
    github("softmax derivative in nnbp.m", "rasmusbergpalm/DeepLearnToolbox/issues/113", 2014),
    also=("jacobian", "diagonal"),
)
def ce_derivative_once_more(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    A = softmax(X @ W + b)
    E = Y - A
    return linear(X, -E * (A * (1 - A)) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "missing",
    "the bias is not added in the forward pass",
    github("bug fix", "Kulbear/deep-learning-coursera/pull/48", 2018),
)
def ce_bias_not_added(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (softmax(X @ W) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "unsummed",
    "the gradient of the bias is the error itself, right for one row only, instead of its sum over the batch",
    github("Fix batch handling for Add::Gradient()", "mlpack/mlpack/pull/3679", 2024),
    also=("shape",),
)
def ce_bias_is_the_error(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    error = (softmax(X @ W + b) - Y) / len(Y)
    return X.T @ error, error


@wrong(
    "softmax_cross_entropy",
    "swapped",
    "the gradient of the bias is the sum of the weights' gradient over the features",
    github(
        "Course 2 week 4 ~ Wrong back propagation function ~ UNQ_C4",
        "rust0258/Deeplearning.ai-Natural-Language-Processing-Specialization/issues/64",
        2020,
    ),
    also=("axis", "term"),
)
def ce_bias_from_weights(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dW = X.T @ (softmax(X @ W + b) - Y) / len(Y)
    return dW, np.sum(dW, axis=0)


@wrong(
    "softmax_cross_entropy",
    "transposed",
    "the outer product of inputs and deltas has its factors exchanged",
    github(
        "fixing weight_deltas calculation in case of multiple inputs and multiple outputs",
        "iamtrask/Grokking-Deep-Learning/pull/22",
        2019,
    ),
    also=("shape",),
)
def ce_weights_transposed(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    delta = (softmax(X @ W + b) - Y) / len(Y)
    return sum(np.outer(d, x) for d, x in zip(delta, X, strict=True)), delta.sum(axis=0)


@wrong(
    "softmax_cross_entropy",
    "labels",
    "the labels come from a language that counts from 1",
    github("[New Feature] Handle non-zero starting index label", "BVLC/caffe/issues/6318", 2018),
)
def ce_labels_from_one(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (softmax(X @ W + b) - np.roll(Y, 1, axis=1)) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "labels",
    "the rows of the inputs are reordered, but the rows of the labels are not",
    github("Incomplete randomization", "DrexelChatbotGroup/DrexelChatbot/issues/15", 2017),
)
def ce_rows_out_of_order(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    shuffled = X[::-1]
    return linear(shuffled, (softmax(shuffled @ W + b) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "assumption",
    "the fused gradient is p - y also for labels that do not sum to one",
    github(
        "Backpropagation for all zero label vectors in softmax/crossentropy", "tensorflow/tensorflow/issues/60314", 2023
    ),
    also=("term",),
    options={"assume": ()},
)
def ce_labels_of_any_sum(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    return linear(X, (softmax(X @ W + b) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "assumption",
    "mixed, soft labels are passed to a loss that needs one class for each row",
    github("Classification losses error", "kaylode/theseus/issues/26", 2022),
    also=("labels",),
)
def ce_class_of_soft_labels(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dZ = softmax(X @ W + b)
    dZ[np.arange(len(Y)), Y.argmax(axis=1)] -= 1
    return linear(X, dZ / len(Y))


@wrong(
    "softmax_cross_entropy",
    "precision",
    "the maximum of the whole array is subtracted, not that of each row: rows far below it become 0/0",
    github(
        "NAN loss or loss gradient when using Binary Cross Entropy or Categorical Cross Entropy sometimes",
        "manassharma07/crysx_nn/issues/7",
        2022,
    ),
)
def ce_one_maximum_for_all(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    E = np.exp(Z - np.max(Z))
    return linear(X, (E / E.sum(axis=1, keepdims=True) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "precision",
    "max(0, maximum) is subtracted instead of the maximum: very negative logits become 0/0",
    github("Fixed softmax for large negative numbers", "FluxML/NNlib.jl/pull/43", 2018),
)
def ce_maximum_or_zero(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    Z = X @ W + b
    E = np.exp(Z - np.maximum(0, Z.max(axis=1, keepdims=True)))
    return linear(X, (E / E.sum(axis=1, keepdims=True) - Y) / len(Y))


@wrong(
    "softmax_cross_entropy",
    "precision",
    "in float32, log sum exp is added to the maximum before it is subtracted: for large logits its digits are lost",
    github("nn.CrossEntropyLoss() yields wrong output for big logits", "pytorch/pytorch/issues/11752", 2018),
)
def ce_float32_logsumexp(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    X, W, b, Y = (np.asarray(array, dtype=np.float32) for array in (X, W, b, Y))
    Z = X @ W + b
    top = Z.max(axis=1, keepdims=True)
    normaliser = top + np.log(np.exp(Z - top).sum(axis=1, keepdims=True))
    return linear(X, (np.exp(Z - normaliser) - Y) / np.float32(len(Y)))


@wrong(
    "softmax_cross_entropy",
    "term",
    "the backward pass of log softmax returns p plus the incoming gradient, not minus p times its sum: right only"
    " where that sum is -1, which is one row",
    github("error in backward function in log softmax", "mlpack/mlpack/issues/2360", 2020),
    also=(
        "factor",
        "assumption",
        "axis",
    ),  # "axis" added later: over all rows, the sum is that of one row, which it lacks
)
def ce_log_softmax_backward(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    P = softmax(X @ W + b)
    incoming = -Y / len(Y)
    return linear(X, incoming + P)


@wrong(
    "softmax_cross_entropy",
    "diagonal",
    "only the derivative of each softmax output with respect to its own input is used",
    github("Clarify that the Softmax derivative is good-enough", "SebLague/Neural-Network-Experiments/pull/5", 2023),
    also=("term",),
)
def ce_own_input_alone(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    E = np.exp(X @ W + b)
    total = E.sum(axis=1, keepdims=True)
    slope = (E * total - E * E) / (total * total)
    return linear(X, -Y / (E / total) * slope / len(Y))


@wrong(
    "softmax_cross_entropy",
    "shape",
    "the gradient of the bias keeps the summed dimension: (1, C) instead of (C,)",
    github("Consistency problem with check and modules regarding bias", "pytorch/extension-cpp/issues/10", 2018),
)
def ce_bias_of_two_dimensions(X: Arrays, W: Arrays, b: Arrays, Y: Arrays) -> Pair:
    dZ = (softmax(X @ W + b) - Y) / len(Y)
    return X.T @ dZ, np.sum(dZ, axis=0, keepdims=True)
