"""Losses of small models: perceptrons, normalisation, attention, factorisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import gelu, log_softmax, relu, softmax
from symgrad.array.loss import loss


@loss(
    shapes="X: N D, W1: D H, b1: H, W2: H C, b2: C, Y: N C distribution",
    wrt="W1 b1 W2 b2",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "Backpropagation: the gradient of the logits, prediction minus target, goes back through W2 and is "
        "multiplied by the slope of tanh, which nearly vanishes where a hidden unit is saturated."
    ),
)
def tanh_perceptron(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
    """Perceptron with a layer of tanh units, and softmax cross-entropy.

    Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature 323 (1986).
    """
    A = X @ W1 + b1
    H1 = np.tanh(A)
    Z = H1 @ W2 + b2
    return -np.mean(np.sum(Y * log_softmax(Z, axis=1), axis=1))


@loss(
    shapes="X: N D, W1: D H, b1: H, W2: H C, b2: C, Y: N C distribution",
    wrt="W1 b1 W2 b2",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "Backpropagation: the gradient of the logits goes back through W2 and only through the hidden units that "
        "are active. Where a pre-activation is 0, relu has no derivative, and 0 is taken for it."
    ),
)
def relu_perceptron(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
    """Perceptron with a layer of rectified linear units, and softmax cross-entropy.

    Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, ICML (2010).
    """
    A = X @ W1 + b1
    H1 = relu(A)
    Z = H1 @ W2 + b2
    return -np.mean(np.sum(Y * log_softmax(Z, axis=1), axis=1))


@loss(
    shapes="X: N D, W1: D H, b1: H, W2: H C, b2: C, Y: N C distribution",
    wrt="W1 b1 W2 b2",
    facts=["sum(dZ, axis=1) == 0"],
    about=(
        "Backpropagation: the gradient of the logits goes back through W2 and is multiplied by the slope of GELU, "
        "which is smooth and may be negative."
    ),
)
def gelu_perceptron(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, Y: Any) -> Any:
    """Perceptron with a layer of Gaussian error linear units (GELU), and softmax cross-entropy.

    Hendrycks and Gimpel, Gaussian error linear units (2016); the exact form, with erf.
    """
    A = X @ W1 + b1
    H1 = gelu(A)
    Z = H1 @ W2 + b2
    return -np.mean(np.sum(Y * log_softmax(Z, axis=1), axis=1))


@loss(
    shapes="X: N D, gamma: D, beta: D, T: N D, eps: scalar positive",
    wrt="X gamma beta",
    facts=["sum(dX, axis=1) == 0", "sum(dX * X, axis=1) == eps / S**2 * sum(dXhat * Xhat, axis=1)"],
    about=(
        "The gradient of the normalised rows, minus its mean, minus Xhat times the mean of its product with Xhat, "
        "all divided by the standard deviation. What shifts a whole row has no effect on the output and gets no "
        "gradient. Scaling the row has no effect either, up to ε: see the second fact."
    ),
)
def layer_norm(X: Any, gamma: Any, beta: Any, T: Any, eps: Any = 1e-5) -> Any:
    """Squared error of a layer normalisation with gain and bias.

    Ba, Kiros and Hinton, Layer normalization (2016).
    """
    mu = np.mean(X, axis=1, keepdims=True)
    v = np.mean((X - mu) ** 2, axis=1, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = (X - mu) / S
    O = gamma * Xhat + beta
    return np.sum((O - T) ** 2) / 2


@loss(
    shapes="X: N D, gamma: D, T: N D, eps: scalar positive",
    wrt="X gamma",
    facts=["sum(dX * X, axis=1) == eps / S**2 * sum(dXhat * Xhat, axis=1)"],
    about=(
        "As in layer normalisation, without the mean: only the part along the row itself is removed, since "
        "scaling a row has no effect on the output, up to ε: see the fact."
    ),
)
def rms_norm(X: Any, gamma: Any, T: Any, eps: Any = 1e-5) -> Any:
    """Squared error of a normalisation by the root mean square, with gain.

    Zhang and Sennrich, Root mean square layer normalization, NeurIPS (2019).
    """
    v = np.mean(X**2, axis=1, keepdims=True)
    S = np.sqrt(v + eps)
    Xhat = X / S
    O = gamma * Xhat
    return np.sum((O - T) ** 2) / 2


@loss(
    shapes="X: T D, Wq: D H, Wk: D H, Wv: D H, Y: T H",
    wrt="X Wq Wk Wv",
    facts=["sum(dE, axis=1) == 0", "sum(A * dA, axis=1) == sum(O * dO, axis=1)"],
    about=(
        "The gradient of the output reaches the values V through the attention weights A, and the scores E "
        "through the Jacobian of the softmax, row by row; the gradient of the scores then gives those of the queries "
        "Q and the keys K."
    ),
)
def attention_head(X: Any, Wq: Any, Wk: Any, Wv: Any, Y: Any) -> Any:
    """Squared error of one attention head.

    Vaswani et al., Attention is all you need, NeurIPS (2017), equation 1.
    """
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    E = Q @ K.T / np.sqrt(K.shape[1])
    A = softmax(E, axis=1)
    O = A @ V
    return np.sum((O - Y) ** 2)


@loss(
    shapes="R: M N, U: M K, V: N K, lambda_: scalar",
    wrt="U V",
    facts=["U.T @ dU - dV.T @ V == 2 * lambda_ * (U.T @ U - V.T @ V)", "dU == 2 * lambda_ * U where R = U @ V.T"],
    about=(
        "Each factor gets the residual times the other factor, plus the gradient of its own penalty. Where both "
        "gradients vanish and λ is not 0, the factors are balanced, as the first fact below says: the columns of U "
        "have the same products with each other as the columns of V."
    ),
    axes={"M": "users", "N": "items", "K": "factors"},
)
def matrix_factorisation(R: Any, U: Any, V: Any, lambda_: Any = 0.1) -> Any:
    """Squared error of a product of two factors, with an L2 penalty on both.

    Koren, Bell and Volinsky, Matrix factorization techniques for recommender systems, Computer 42 (2009), equation 2,
    every entry of R being known.
    """
    E = U @ V.T - R
    return np.sum(E**2) + lambda_ * (np.sum(U**2) + np.sum(V**2))
