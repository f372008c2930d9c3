"""The language of losses: NumPy on symbolic arrays, traced into a Program; here, the functions that NumPy lacks.

These are numerically stable on arrays, and index notation on symbolic arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import erf as scalar_erf
from typing import Any

import numpy as np
import sympy as sp

from symgrad.array import elementwise as entry
from symgrad.array import reductions
from symgrad.array.graph import Node, current, operand
from symgrad.array.indexing import entrywise
from symgrad.array.products import eye_of
from symgrad.array.source_location import located
from symgrad.array.symbolic import Labels, Symbolic, axis_of, look, plain, refuse
from symgrad.errors import UnsupportedError
from symgrad.functions import relu as relu_of

Meaning = Callable[..., Node]


def _on_symbols(meaning: Meaning) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of arrays, so that it returns ``meaning`` of a symbolic array."""

    def decorate(on_arrays: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(on_arrays)
        def function(x: Any, *args: Any, **keywords: Any) -> Any:
            if not isinstance(x, Symbolic):
                return on_arrays(x, *args, **keywords)
            with located():
                look(current())
                return Symbolic(meaning(*map(plain, (x, *args)), **keywords))

        return function

    return decorate


def _entrywise(name: str, meaning: Callable[..., Any], hint: str = "") -> Meaning:
    return lambda x: entrywise(name, meaning, operand(x, name), hint=hint)


@_on_symbols(reductions.softmax)
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along one axis; the result has the shape of ``x``."""
    return np.exp(log_softmax(x, axis))


@_on_symbols(reductions.log_softmax)
def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of the softmax along one axis; finite wherever ``x`` is."""
    return np.asarray(x) - logsumexp(x, axis, keepdims=True)


@_on_symbols(reductions.logsumexp)
def logsumexp(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over one axis, several, or all (the default); finite wherever ``x`` is."""
    values = np.asarray(x, dtype=float)
    largest = np.max(values, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(values - largest), axis=axis, keepdims=True)) + largest
    return total if keepdims else np.squeeze(total, axis=axis)[()]


@_on_symbols(_entrywise("sigmoid", entry.sigmoid_of, "P"))
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), elementwise."""
    return np.exp(-np.logaddexp(0, -np.asarray(x, dtype=float)))


@_on_symbols(_entrywise("softplus", entry.softplus_of))
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), elementwise; finite wherever ``x`` is."""
    return np.logaddexp(0, np.asarray(x, dtype=float))


@_on_symbols(_entrywise("relu", relu_of))
def relu(x: Any) -> Any:
    """max(x, 0), elementwise; its derivative at 0 is 0."""
    return np.maximum(np.asarray(x), 0)


@_on_symbols(_entrywise("erf", sp.erf))
def erf(x: Any) -> Any:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x, elementwise."""
    return np.vectorize(scalar_erf, otypes=[float])(x)[()]


@_on_symbols(_entrywise("gelu", entry.gelu_of))
def gelu(x: Any) -> Any:
    """x times the normal distribution function at x, elementwise (the exact form, not the tanh approximation).

    Hendrycks and Gimpel, Gaussian error linear units (2016), arXiv:1606.08415.
    """
    values = np.asarray(x, dtype=float)
    return values / 2 * (1 + erf(values / np.sqrt(2)))


def one_hot(y: Any, classes: Any) -> Any:
    """The one-hot rows (..., classes) of integer labels ``y``, which count from 0.

    Raises ``UnsupportedError`` for a symbolic ``y`` that ``shapes`` does not declare as labels of that axis.
    """
    if isinstance(y, Labels):
        with located():
            axis = axis_of(classes, "one_hot")
            if y.index.one_hot.axes[-1] != axis:
                raise UnsupportedError(f"one_hot({y.index.name}, {axis.name}): the labels are of another axis")
            return Symbolic(y.index.one_hot)
    if isinstance(y, Symbolic):
        refuse("one_hot takes integer labels: declare them in shapes as 'y: N labels of C'")
    return np.eye(classes)[np.asarray(y)]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``: the square root of the sum of squares, over all entries or over ``axis``."""
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def eye(size: Any) -> Any:
    """The identity matrix (size, size); ``size`` may be symbolic, such as ``X.shape[1]``."""
    if isinstance(size, Symbolic):
        with located():
            return Symbolic(eye_of(axis_of(size, "eye")))
    return np.eye(size)


# fmt: off
__all__ = [
    "erf", "eye", "gelu", "log_softmax", "logsumexp", "norm", "one_hot", "relu", "sigmoid", "softmax", "softplus",
]
