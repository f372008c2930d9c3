"""Wrong gradients of the small models: perceptrons, normalisation, attention."""

from __future__ import annotations

import numpy as np

from trials.diagnosis.corpus import Arrays, github, linear, softmax, through_softmax, wrong

Four = tuple[Arrays, Arrays, Arrays, Arrays]
Triple = tuple[Arrays, Arrays, Arrays]


def _tanh_forward(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Triple:
    A = X @ W1 + b1
    H = np.tanh(A)
    return A, H, (softmax(H @ W2 + b2) - Y) / len(Y)


def _relu_forward(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Triple:
    A = X @ W1 + b1
    H = np.maximum(A, 0)
    return A, H, (softmax(H @ W2 + b2) - Y) / len(Y)


@wrong(
    "tanh_perceptron",
    "swapped",
    "the gradient with respect to the weights uses the input of the activation instead of its output",
    github("Correct loss gradient calculated on weight", "maziarraissi/backprop/issues/1", 2019),
)
def tanh_inputs_for_outputs(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    A, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    dA = G @ W2.T * (1 - H**2)
    return X.T @ dA, dA.sum(axis=0), A.T @ G, G.sum(axis=0)


@wrong(
    "tanh_perceptron",
    "twice",
    "the derivative, which takes the input of tanh, is given its output: 1 - tanh(tanh(a))^2",
    github("Are the TF derivatives correctly implemented?", "davidrmiller/neural2d/issues/40", 2018),
    also=("swapped",),
)
def tanh_derivative_at_output(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    dA = G @ W2.T * (1.0 - np.tanh(H) * np.tanh(H))
    return (*linear(X, dA), *linear(H, G))


@wrong(
    "tanh_perceptron",
    "term",
    "a table gives the derivative of tanh as -tanh(x)^2, without the 1",
    github("3.4.3表格中tanh导数错误", "scutan90/DeepLearning-500-questions/issues/544", 2024),
)
def tanh_derivative_without_one(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    return (*linear(X, G @ W2.T * -(H**2)), *linear(H, G))


@wrong(
    "tanh_perceptron",
    "sign",
    "tanh is differentiated like tan: 1 + output^2",
    github("(tanx)'=sec²x=1+tan²x", "gy910210/neural-network-from-scratch/issues/2", 2017),
    also=("term",),
)
def tanh_derivative_of_tan(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    return (*linear(X, (1.0 + np.square(H)) * (G @ W2.T)), *linear(H, G))


@wrong(
    "tanh_perceptron",
    "swapped",
    "the backward pass takes the derivative at the incoming gradient, and does not multiply by it",
    github("激活函数Tanh的反向传播", "yizt/numpy_neural_network/issues/6", 2020),
    also=("jacobian",),
)
def tanh_derivative_at_gradient(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    return (*linear(X, 1 - np.square(np.tanh(G @ W2.T))), *linear(H, G))


@wrong(
    "tanh_perceptron",
    "unsummed",
    "the bias was broadcast over the rows, and its gradient is not summed over them",
    github("Biases are being broadcasted", "jimfleming/differentiation/issues/1", 2016),
    also=("shape",),
)
def tanh_biases_by_rows(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _tanh_forward(X, W1, b1, W2, b2, Y)
    dA = G @ W2.T * (1 - H**2)
    return X.T @ dA, dA, H.T @ G, G


@wrong(
    "relu_perceptron",
    "jacobian",
    "the derivative tests whether the output of relu is at least 0, which is always true",
    github("Inactive Activation gradients", "iamtrask/Grokking-Deep-Learning/issues/56", 2021),
)
def relu_always_active(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _relu_forward(X, W1, b1, W2, b2, Y)
    return (*linear(X, G @ W2.T * (H >= 0)), *linear(H, G))


@wrong(
    "relu_perceptron",
    "swapped",
    "the class of relu has the derivative of the sigmoid",
    github("Wrong derivative in RELU Activation", "jeffheaton/encog-dotnet-core/issues/124", 2020),
)
def relu_derivative_of_sigmoid(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    _, H, G = _relu_forward(X, W1, b1, W2, b2, Y)
    return (*linear(X, G @ W2.T * H * (1 - H)), *linear(H, G))


@wrong(
    "relu_perceptron",
    "factor",
    "the gradient of the first bias is the mean over the rows instead of the sum",
    github("Issue on page /2-training-neural-networks/backpropagation.html", "kvfrans/notes/issues/5", 2025),
)
def relu_bias_averaged(X: Arrays, W1: Arrays, b1: Arrays, W2: Arrays, b2: Arrays, Y: Arrays) -> Four:
    A, H, G = _relu_forward(X, W1, b1, W2, b2, Y)
    dA = G @ W2.T * (A > 0)
    return X.T @ dA, np.mean(dA, axis=0), H.T @ G, G.sum(axis=0)


def _normalised(X: Arrays, eps: Arrays) -> tuple[Arrays, Arrays]:
    centred = X - X.mean(axis=1, keepdims=True)
    S = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
    return centred / S, S


@wrong(
    "layer_norm",
    "jacobian",
    "the gradient with respect to the normalised activations is returned as the gradient of the activations",
    github("Implement layer normalization for LSTMs", "deeplearning4j/deeplearning4j/pull/3195", 2017),
    also=("path",),
)
def layer_norm_passed_through(X: Arrays, gamma: Arrays, beta: Arrays, T: Arrays, eps: Arrays) -> Triple:
    Xhat, _ = _normalised(X, eps)
    dO = gamma * Xhat + beta - T
    return dO * gamma, (dO * Xhat).sum(axis=0), dO.sum(axis=0)


@wrong(
    "layer_norm",
    "path",
    "the variance is computed from a detached copy, so that nothing is propagated back through it",
    github("Normalization variance calculation backprop", "abhiskk/ladder/issues/2", 2017),
    also=("term",),
)
def layer_norm_variance_detached(X: Arrays, gamma: Arrays, beta: Arrays, T: Arrays, eps: Arrays) -> Triple:
    Xhat, S = _normalised(X, eps)
    dO = gamma * Xhat + beta - T
    dXhat = dO * gamma
    return (dXhat - dXhat.mean(axis=1, keepdims=True)) / S, (dO * Xhat).sum(axis=0), dO.sum(axis=0)


@wrong(
    "layer_norm",
    "swapped",
    "the gradients of weight and bias are exchanged",
    github("fix backward index for gamma beta", "Oneflow-Inc/oneflow/pull/6149", 2021),
)
def layer_norm_gamma_for_beta(X: Arrays, gamma: Arrays, beta: Arrays, T: Arrays, eps: Arrays) -> Triple:
    Xhat, S = _normalised(X, eps)
    dO = gamma * Xhat + beta - T
    d = dO * gamma
    dX = (d - d.mean(axis=1, keepdims=True) - Xhat * (d * Xhat).mean(axis=1, keepdims=True)) / S
    return dX, dO.sum(axis=0), (dO * Xhat).sum(axis=0)


@wrong(
    "rms_norm",
    "missing",
    "the backward pass forgets to multiply by the weight",
    github("rmsnorm backward simple baseline kernel (a comment)", "karpathy/llm.c/pull/763", 2024),
    also=("jacobian",),
)
def rms_norm_without_weight(X: Arrays, gamma: Arrays, T: Arrays, eps: Arrays) -> tuple[Arrays, Arrays]:
    r = 1 / np.sqrt((X**2).mean(axis=1, keepdims=True) + eps)
    g = gamma * X * r - T
    dX = g * r - X * r**3 * (g * X).mean(axis=1, keepdims=True)
    return dX, (g * X * r).sum(axis=0)


@wrong(
    "rms_norm",
    "term",
    "the term from the variance is multiplied by the weight twice",
    github("Fix the batch-invariant RMSNorm forward and its input gradient", "NVIDIA/Megatron-LM/pull/6859", 2026),
    also=("twice", "swapped"),  # the normalised row times the weight is the output
)
def rms_norm_weight_once_more(X: Arrays, gamma: Arrays, T: Arrays, eps: Arrays) -> tuple[Arrays, Arrays]:
    r = 1 / np.sqrt((X**2).mean(axis=1, keepdims=True) + eps)
    g = gamma * X * r - T
    s = (g * X * gamma).sum(axis=1, keepdims=True)
    return g * gamma * r - gamma * r**3 * X * s / X.shape[1], (g * X * r).sum(axis=0)


def _attention(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> tuple[Arrays, ...]:
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    A = softmax(Q @ K.T / np.sqrt(K.shape[1]))
    return Q, K, V, A, 2 * (A @ V - Y)


def _projected(X: Arrays, weights: tuple[Arrays, ...], gradients: tuple[Arrays, ...]) -> Four:
    """The gradients with respect to X and the three weights, from the gradients with respect to Q, K and V."""
    dX = sum(dM @ M.T for dM, M in zip(gradients, weights, strict=True))
    dWq, dWk, dWv = (X.T @ dM for dM in gradients)
    return dX, dWq, dWk, dWv


@wrong(
    "attention_head",
    "skipped",
    "the softmax of the scores is commented out",
    github(
        "Possibly mistake in multihead attention in bert_proxy_native.py", "flexflow/flexflow-train/issues/467", 2022
    ),
)
def attention_without_softmax(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> Four:
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    scale = 1 / np.sqrt(K.shape[1])
    A = Q @ K.T * scale
    dO = 2 * (A @ V - Y)
    dE = dO @ V.T * scale
    return _projected(X, (Wq, Wk, Wv), (dE @ K, dE.T @ Q, A.T @ dO))


@wrong(
    "attention_head",
    "path",
    "the attention weights are rebuilt as constants, so that only the values get a gradient",
    github("fix(autograd): attention backward flows gradient to Q/K/V", "paiml/aprender/pull/2203", 2026),
    also=("jacobian", "missing"),
)
def attention_weights_severed(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> Four:
    Q, K, _, A, dO = _attention(X, Wq, Wk, Wv, Y)
    return _projected(X, (Wq, Wk, Wv), (np.zeros_like(Q), np.zeros_like(K), A.T @ dO))


@wrong(
    "attention_head",
    "transposed",
    "the scores are of keys against queries, not of queries against keys (suspected, but not confirmed)",
    github("Attention bug - WIP", "karpathy/llm.c/pull/531", 2024),
    also=("swapped",),
)
def attention_scores_transposed(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> Four:
    K, Q, V, A, dO = _attention(X, Wk, Wq, Wv, Y)
    dE = through_softmax(A, dO @ V.T) / np.sqrt(K.shape[1])
    return _projected(X, (Wq, Wk, Wv), (dE.T @ K, dE @ Q, A.T @ dO))


@wrong(
    "attention_head",
    "diagonal",
    "the softmax is propagated back with the diagonal term only, without the off-diagonal terms",
    github("add separate softmax decoder layer type", "emer/axon/issues/12", 2021),
)
def attention_diagonal_term(X: Arrays, Wq: Arrays, Wk: Arrays, Wv: Arrays, Y: Arrays) -> Four:
    Q, K, V, A, dO = _attention(X, Wq, Wk, Wv, Y)
    dE = dO @ V.T * A * (1 - A) / np.sqrt(K.shape[1])
    return _projected(X, (Wq, Wk, Wv), (dE @ K, dE.T @ Q, A.T @ dO))
