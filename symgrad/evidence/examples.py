"""The losses of published examples that the catalogue does not have.  Their sources are in ``data/published.json``.

``v`` weighs the terms of a sum: the gradient with respect to it is the array of the terms, as a page prints it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.array import log_softmax, logsumexp, relu, sigmoid, softmax, softplus
from symgrad.array.loss import Loss, loss


@loss(shapes="x: scalar, y: scalar, z: scalar", wrt="x y z")
def sum_times_factor(x: Any, y: Any, z: Any) -> Any:
    """A sum of two numbers times a third."""
    return (x + y) * z


@loss(shapes="x: scalar, y: scalar, z: scalar, w: scalar", wrt="x y z w")
def gates(x: Any, y: Any, z: Any, w: Any) -> Any:
    """Twice the sum of a product and a maximum."""
    return 2 * (x * y + np.maximum(z, w))


@loss(shapes="x: N, w: N, b: scalar", wrt="x w b")
def neuron(x: Any, w: Any, b: Any) -> Any:
    """A sigmoid of a dot product."""
    return sigmoid(np.sum(w * x) + b)


@loss(shapes="x: N", wrt="x")
def sigmoid_sum(x: Any) -> Any:
    """A sum of sigmoids."""
    return np.sum(sigmoid(x))


@loss(shapes="W: M D, X: D N, A: M N", wrt="W X")
def weighted_product(W: Any, X: Any, A: Any) -> Any:
    """A matrix product whose entries are weighed by A, which so is the gradient with respect to the product."""
    return np.sum(A * (W @ X))


@loss(shapes="x: D, W1: H D, b1: H, W2: C H, b2: C, t: C", wrt="W1 W2")
def sigmoid_network(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, t: Any) -> Any:
    """Half the squared error of two layers of sigmoid units."""
    h = sigmoid(W1 @ x + b1)
    o = sigmoid(W2 @ h + b2)
    return np.sum((t - o) ** 2) / 2


@loss(shapes="x: D, W1: H D, w2: H, y: scalar", wrt="W1 w2")
def binary_network(x: Any, W1: Any, w2: Any, y: Any) -> Any:
    """Binary cross-entropy of a network with two sigmoid units and one at its end, without biases."""
    p = sigmoid(np.sum(w2 * sigmoid(W1 @ x)))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


@loss(shapes="a: scalar, b: scalar", wrt="a b")
def micrograd(a: Any, b: Any) -> Any:
    """The example of micrograd: sums, products, powers and rectified linear units of two numbers."""
    c = 2 * (a + b) + 1
    c2 = 2 * c + 1 - a
    d = 3 * (a * b + b**3) + relu(b + a)
    d2 = 4 * d + relu(b - a)
    f = (c2 - d2) ** 2
    return f / 2 + 10 / f


@loss(shapes="x: N", wrt="x")
def twice_dot(x: Any) -> Any:
    """Twice the dot product of a vector with itself."""
    return 2 * np.sum(x * x)


@loss(shapes="X: M N", wrt="X")
def mean_of_squares(X: Any) -> Any:
    """The mean of three times the squares of X + 2."""
    return np.mean(3 * (X + 2) ** 2)


@loss(shapes="x: scalar", wrt="x")
def fourth_power(x: Any) -> Any:
    """The fourth power of a number."""
    return x**4


@loss(shapes="x: scalar", wrt="x")
def cubic(x: Any) -> Any:
    """A polynomial of degree three."""
    return x**3 + 2 * x**2 - 3 * x + 1


@loss(shapes="x: scalar", wrt="x")
def log1pexp(x: Any) -> Any:
    """The logarithm of 1 + exp(x), written so."""
    return np.log(1 + np.exp(x))


@loss(shapes="x: scalar", wrt="x")
def tanh_of_twice(x: Any) -> Any:
    """The hyperbolic tangent, by one exponential."""
    y = np.exp(-2 * x)
    return (1 - y) / (1 + y)


@loss(shapes="x: scalar", wrt="x")
def tanh_of_half(x: Any) -> Any:
    """(1 - exp(-x)) / (1 + exp(-x)): the hyperbolic tangent of x / 2."""
    y = np.exp(-x)
    return (1 - y) / (1 + y)


@loss(shapes="x: scalar", wrt="x")
def tanh(x: Any) -> Any:
    """The hyperbolic tangent of a number."""
    return np.tanh(x)


@loss(shapes="z: C", wrt="z")
def log_sum_exp(z: Any) -> Any:
    """The logarithm of a sum of exponentials, whose gradient is the softmax."""
    return logsumexp(z)


@loss(shapes="Z: N C, Y: N C one-hot, delta: scalar", wrt="Z")
def weston_watkins(Z: Any, Y: Any, delta: Any) -> Any:
    """Multiclass hinge loss that adds up all wrong classes within the margin."""
    t = np.sum(Y * Z, axis=1, keepdims=True)
    return np.mean(np.sum((1 - Y) * relu(Z - t + delta), axis=1))


@loss(shapes="X: N D, W: D C, b: C, Y: N C distribution, reg: scalar", wrt="W b")
def regularised_softmax(X: Any, W: Any, b: Any, Y: Any, reg: Any) -> Any:
    """Softmax cross-entropy with an L2 penalty on the weights."""
    Z = X @ W + b
    return -np.mean(np.sum(Y * log_softmax(Z, axis=1), axis=1)) + reg * np.sum(W * W) / 2


@loss(shapes="Z: N C, Y: N C", wrt="Z")
def softmax_squared_error(Z: Any, Y: Any) -> Any:
    """Squared error of softmax probabilities, not averaged."""
    return np.sum((softmax(Z, axis=1) - Y) ** 2)


@loss(shapes="Z: N C, Y: N C distribution", wrt="Z")
def log_likelihood(Z: Any, Y: Any) -> Any:
    """Negative log-likelihood of a softmax, not averaged."""
    return -np.sum(Y * log_softmax(Z, axis=1))


@loss(shapes="X: N D, W: D C, Y: N C distribution", wrt="W")
def multiclass_error(X: Any, W: Any, Y: Any) -> Any:
    """Cross-entropy of a softmax classifier without a bias, not averaged."""
    return -np.sum(Y * log_softmax(X @ W, axis=1))


@loss(shapes="Z: N C, V: N C, tau: scalar positive", wrt="Z")
def tempered_entropy(Z: Any, V: Any, tau: Any) -> Any:
    """Cross-entropy of a softmax against that of V, both at temperature tau, not averaged."""
    return -np.sum(softmax(V / tau, axis=1) * log_softmax(Z / tau, axis=1))


@loss(shapes="P: N C positive, Y: N C, gamma: scalar", wrt="P")
def focal_of_probabilities(P: Any, Y: Any, gamma: Any) -> Any:
    """Focal loss as a function of probabilities, not averaged."""
    return -np.sum(Y * (1 - P) ** gamma * np.log(P))


@loss(shapes="X: N D, w: D, b: D, A: N D, eps: scalar positive", wrt="X w b")
def weighted_layer_norm(X: Any, w: Any, b: Any, A: Any, eps: Any) -> Any:
    """A layer normalisation whose entries are weighed by A, which so is the gradient with respect to them."""
    mu = np.mean(X, axis=1, keepdims=True)
    s = np.sqrt(np.mean((X - mu) ** 2, axis=1, keepdims=True) + eps)
    return np.sum(A * ((X - mu) / s * w + b))


@loss(shapes="Z: N C, Y: N C distribution, v: N", wrt="v")
def softmax_terms(Z: Any, Y: Any, v: Any) -> Any:
    """Softmax cross-entropies of rows, weighed by v."""
    return -np.sum(v * np.sum(Y * log_softmax(Z, axis=1), axis=1))


@loss(shapes="P: N C positive, y: N labels of C, gamma: scalar, v: N", wrt="v")
def focal_terms(P: Any, y: Any, gamma: Any, v: Any) -> Any:
    """Focal losses of the probabilities of labels, weighed by v; with gamma = 0 cross-entropies."""
    p = P[np.arange(len(y)), y]
    return -np.sum(v * (1 - p) ** gamma * np.log(p))


@loss(shapes="z: N, y: N, a: scalar, v: N", wrt="v")
def sigmoid_terms(z: Any, y: Any, a: Any, v: Any) -> Any:
    """Binary cross-entropies from logits, weighed by v, with the weight a of positive labels."""
    return np.sum(v * (a * y * softplus(-z) + (1 - y) * softplus(z)))


@loss(shapes="P: N C positive, Y: N C, v: N", wrt="v")
def binary_terms(P: Any, Y: Any, v: Any) -> Any:
    """Binary cross-entropies of probabilities, the mean of each row, weighed by v."""
    return -np.sum(v * np.mean(Y * np.log(P) + (1 - Y) * np.log(1 - P), axis=1))


@loss(shapes="z: N, y: N, gamma: scalar", wrt="z")
def binary_focal(z: Any, y: Any, gamma: Any) -> Any:
    """Mean focal loss of logits with labels 0 and 1."""
    p = sigmoid(z)
    return -np.mean(y * (1 - p) ** gamma * np.log(p) + (1 - y) * p**gamma * np.log(1 - p))


@loss(shapes="z: N, y: N", wrt="z")
def hinge(z: Any, y: Any) -> Any:
    """Mean hinge loss; labels are -1 and 1."""
    return np.mean(relu(1 - y * z))


@loss(shapes="z: N, y: N", wrt="z")
def squared_hinge(z: Any, y: Any) -> Any:
    """Mean squared hinge loss; labels are -1 and 1."""
    return np.mean(relu(1 - y * z) ** 2)


@loss(shapes="Z: N C, Y: N C", wrt="Z")
def mean_divergence(Z: Any, Y: Any) -> Any:
    """Mean divergence of Z from Y, both of rows of probabilities kept above 1e-7."""
    U = np.maximum(Y, 1e-7)
    return np.mean(np.sum(U * np.log(U / np.maximum(Z, 1e-7)), axis=1))


@loss(shapes="z: N positive, y: N", wrt="z")
def rate_poisson(z: Any, y: Any) -> Any:
    """Mean of z - y log z, the Poisson loss of rates."""
    return np.mean(z - y * np.log(z))


EXAMPLES: dict[str, Loss] = {loss.name: loss for loss in list(globals().values()) if isinstance(loss, Loss)}
