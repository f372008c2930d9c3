"""The same functions in other libraries; each waits for its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]


def _jax(loss: str, arrays: list[Any]) -> Function:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def entropy(W: Any, b: Any, X: Any, Y: Any) -> Any:
        return -jnp.sum(Y * jax.nn.log_softmax(X @ W + b)) / X.shape[0]

    def square(W: Any, b: Any, X: Any, Y: Any) -> Any:
        return jnp.mean((jax.nn.softmax(X @ W + b) - Y) ** 2)

    compiled = jax.jit(jax.value_and_grad(entropy if loss == "softmax_cross_entropy" else square, (0, 1)))
    X, W, b, Y = map(jnp.asarray, arrays)
    return lambda *_: jax.block_until_ready(compiled(W, b, X, Y))


def _autograd(loss: str, arrays: list[Any]) -> Function:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def entropy(parameters: Any, X: Any, Y: Any) -> Any:
        W, b = parameters
        Z = anp.dot(X, W) + b
        Z = Z - anp.max(Z, axis=1, keepdims=True)
        return -anp.sum(Y * (Z - anp.log(anp.sum(anp.exp(Z), axis=1, keepdims=True)))) / X.shape[0]

    def square(parameters: Any, X: Any, Y: Any) -> Any:
        W, b = parameters
        Z = anp.dot(X, W) + b
        E = anp.exp(Z - anp.max(Z, axis=1, keepdims=True))
        return anp.mean((E / anp.sum(E, axis=1, keepdims=True) - Y) ** 2)

    f = value_and_grad(entropy if loss == "softmax_cross_entropy" else square)
    return lambda X, W, b, Y: f((W, b), X, Y)


def _torch(loss: str, arrays: list[Any]) -> Function:
    import torch

    X, W, b, Y = (torch.from_numpy(a) for a in arrays)
    W.requires_grad_()
    b.requires_grad_()

    def entropy() -> Any:
        return torch.nn.functional.cross_entropy(X @ W + b, Y)

    def square() -> Any:
        return torch.mean((torch.softmax(X @ W + b, 1) - Y) ** 2)

    value = entropy if loss == "softmax_cross_entropy" else square
    return lambda *_: torch.autograd.grad(value(), (W, b))


def _sklearn(loss: str, arrays: list[Any]) -> Function | None:
    if loss != "softmax_cross_entropy" or arrays[1].shape[1] < 3:
        return None
    from sklearn._loss import HalfMultinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    X, W, b, Y = arrays
    model = LinearModelLoss(HalfMultinomialLoss(n_classes=W.shape[1]), fit_intercept=True)
    coefficients = np.asfortranarray(np.column_stack([W.T, b]))
    labels = Y.argmax(axis=1).astype(X.dtype)
    return lambda *_: model.loss_gradient(coefficients, X, labels)


def _tensorflow(loss: str, arrays: list[Any]) -> Function:
    import tensorflow as tf

    X, Y = map(tf.constant, (arrays[0], arrays[3]))
    W, b = map(tf.Variable, arrays[1:3])

    @tf.function
    def evaluated() -> Any:
        with tf.GradientTape() as tape:
            Z = X @ W + b
            if loss == "softmax_cross_entropy":
                value = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(Y, Z))
            else:
                value = tf.reduce_mean((tf.nn.softmax(Z) - Y) ** 2)
        return value, tape.gradient(value, (W, b))

    return lambda *_: [result.numpy() for result in (evaluated()[1])]


def _pytensor(loss: str, arrays: list[Any]) -> Function:
    import pytensor
    import pytensor.tensor as pt

    kind = str(arrays[0].dtype)
    X, W, Y = (pt.matrix(name, dtype=kind) for name in "XWY")
    b = pt.vector("b", dtype=kind)
    Z = X @ W + b
    if loss == "softmax_cross_entropy":
        value = -pt.sum(Y * pt.special.log_softmax(Z, axis=1)) / X.shape[0]
    else:
        value = pt.mean((pt.special.softmax(Z, axis=1) - Y) ** 2)
    function: Function = pytensor.function([X, W, b, Y], [value, *pytensor.grad(value, [W, b])])
    return function


def _casadi(loss: str, arrays: list[Any]) -> Function | None:
    import casadi as ca

    if arrays[0].size > 10_000:  # it writes matrix products as loops: minutes at the larger sizes
        return None
    X, W, b, Y = arrays
    w, c = ca.MX.sym("W", *W.shape), ca.MX.sym("b", 1, b.size)
    x, y = ca.MX.sym("X", *X.shape), ca.MX.sym("Y", *Y.shape)
    Z = ca.mtimes(x, w) + ca.repmat(c, X.shape[0], 1)
    highest = Z[:, 0]
    for column in range(1, W.shape[1]):
        highest = ca.fmax(highest, Z[:, column])
    Z = Z - ca.repmat(highest, 1, W.shape[1])
    S = ca.repmat(ca.sum2(ca.exp(Z)), 1, W.shape[1])
    if loss == "softmax_cross_entropy":
        value = -ca.sum1(ca.sum2(y * (Z - ca.log(S)))) / X.shape[0]
    else:
        value = ca.sumsqr(ca.exp(Z) / S - y) / Y.size
    evaluated = ca.Function("f", [x, w, c, y], [value, ca.gradient(value, w), ca.gradient(value, c)])
    return lambda X, W, b, Y: evaluated(X, W, b[None, :], Y)


PEERS: dict[str, Callable[[str, list[Any]], Function | None]] = {
    "jax": _jax,
    "tensorflow": _tensorflow,
    "torch": _torch,
    "autograd": _autograd,
    "pytensor": _pytensor,
    "casadi": _casadi,
    "sklearn": _sklearn,
}
"""Name of the package -> what prepares its function for a loss and arguments like those given, or None."""
