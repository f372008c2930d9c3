"""What NumPy lacks, on arrays and on symbols: on arrays stable NumPy, on symbols the meaning in index notation."""

from __future__ import annotations

from collections.abc import Callable
from math import erf as scalar_erf
from typing import Any

import numpy as np
import sympy as sp

from symgrad.array import elementwise as entry
from symgrad.array import reductions
from symgrad.array.graph import Node, current
from symgrad.array.indexing import entrywise
from symgrad.array.literals import operand
from symgrad.array.products import eye_of
from symgrad.array.source_location import located
from symgrad.array.symbolic import Labels, Symbolic, axis_of, look, plain, refuse
from symgrad.errors import UnsupportedError
from symgrad.functions import relu as relu_of

Meaning = Callable[..., Node]


def _symbolic(meaning: Meaning, *args: Any, **keywords: Any) -> Symbolic:
    with located():
        look(current())
        return Symbolic(meaning(*map(plain, args), **keywords))


def _entrywise(name: str, meaning: Callable[..., Any], hint: str = "") -> Meaning:
    return lambda x: entrywise(name, meaning, operand(x, name), hint=hint)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along one axis, of the shape of ``x``: positive numbers that sum to one."""
    if isinstance(x, Symbolic):
        return _symbolic(reductions.softmax, x, axis)
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of the softmax along one axis, of the shape of ``x``; finite wherever ``x`` is."""
    if isinstance(x, Symbolic):
        return _symbolic(reductions.log_softmax, x, axis)
    return np.asarray(x) - logsumexp(x, axis, keepdims=True)


def logsumexp(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over an axis, several or all, which the result lacks unless ``keepdims``.

    Finite wherever ``x`` is.
    """
    if isinstance(x, Symbolic):
        return _symbolic(reductions.logsumexp, x, axis, keepdims=keepdims)
    values = np.asarray(x, dtype=float)
    top = np.max(values, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(values - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)[()]


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), entry by entry."""
    if isinstance(x, Symbolic):
        return _symbolic(_entrywise("sigmoid", entry.sigmoid_of, "P"), x)
    return np.exp(-np.logaddexp(0, -np.asarray(x, dtype=float)))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), entry by entry; finite wherever ``x`` is."""
    if isinstance(x, Symbolic):
        return _symbolic(_entrywise("softplus", entry.softplus_of), x)
    return np.logaddexp(0, np.asarray(x, dtype=float))


def relu(x: Any) -> Any:
    """max(x, 0), entry by entry; its derivative at 0 is taken as 0."""
    if isinstance(x, Symbolic):
        return _symbolic(_entrywise("relu", relu_of), x)
    return np.maximum(np.asarray(x), 0)


def erf(x: Any) -> Any:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x, entry by entry."""
    if isinstance(x, Symbolic):
        return _symbolic(_entrywise("erf", sp.erf), x)
    return np.vectorize(scalar_erf, otypes=[float])(x)[()]


def gelu(x: Any) -> Any:
    """x times the normal distribution's share below x, entry by entry (the exact form, not the tanh one).

    Hendrycks and Gimpel, Gaussian error linear units (2016), arXiv:1606.08415.
    """
    if isinstance(x, Symbolic):
        return _symbolic(_entrywise("gelu", entry.gelu_of), x)
    values = np.asarray(x, dtype=float)
    return values / 2 * (1 + erf(values / np.sqrt(2)))


def one_hot(y: Any, classes: Any) -> Any:
    """The rows (N, classes) with a one at each of the N labels ``y``, from 0, and zeros elsewhere.

    Raises ``UnsupportedError`` for a symbolic ``y`` that ``shapes`` does not declare as labels of that axis.
    """
    if isinstance(y, Labels):
        with located():
            axis = axis_of(classes, "one_hot")
            if y.chosen.one_hot.axes[1] != axis:
                raise UnsupportedError(f"one_hot({y.chosen.name}, {axis.name}): its labels are of another axis")
            return Symbolic(y.chosen.one_hot)
    if isinstance(y, Symbolic):
        refuse("one_hot takes integer labels: declare them in shapes as 'y: N labels of C'")
    return np.eye(classes)[np.asarray(y)]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``: the root of the sum of squares, over all entries or over an axis."""
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def eye(size: Any) -> Any:
    """The identity matrix (size, size); of a symbolic size, such as ``X.shape[1]``, too."""
    if isinstance(size, Symbolic):
        with located():
            return Symbolic(eye_of(axis_of(size, "eye")))
    return np.eye(size)


__all__ = [
    "erf",
    "eye",
    "gelu",
    "log_softmax",
    "logsumexp",
    "norm",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
]
