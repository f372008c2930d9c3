"""Replacements, while a loss is traced, for functions that NumPy's protocols do not dispatch.

They are ``len`` and ``sum``, functions that make an array of a given size, and functions of scipy.special written in
Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from symgrad import array as beyond_numpy
from symgrad.array.elementwise import SCIPY
from symgrad.array.graph import current, size
from symgrad.array.indexing import constant_array
from symgrad.array.source_location import located
from symgrad.array.symbolic import Symbolic, axis_of, positions, refuse


def length(value: Any, /) -> Any:
    """``len``: Python would convert what ``__len__`` returns to an int."""
    return value.length() if isinstance(value, Symbolic) else len(value)


def builtin_sum(values: Any, /, start: Any = 0) -> Any:
    """``sum``: over the first axis of an array."""
    if not isinstance(values, Symbolic):
        return sum(values, start)
    total = np.sum(values, axis=0)
    return total if isinstance(start, int) and start == 0 else start + total


def arange(*args: Any, **keywords: Any) -> Any:
    """``np.arange``."""
    if _is_size(args[-1]) and (len(args) == 1 or args[:-1] == (0,)):
        return positions(args[-1])
    if any(map(_is_size, args)):
        refuse("np.arange of a symbolic size must start at 0 with step 1: declare other positions as an input")
    return np.arange(*args, **keywords)


def eye(N: Any, M: Any = None, k: int = 0, **keywords: Any) -> Any:
    """``np.eye`` and ``np.identity``."""
    if _is_size(N) and k == 0 and (M is None or (_is_size(M) and M.node is N.node)):
        return beyond_numpy.eye(N)
    if _is_size(N):
        refuse("np.eye of a symbolic size must be square with k=0: declare another matrix as an input")
    return np.eye(N, M, k, **keywords)


def _is_size(value: Any) -> bool:
    return isinstance(value, Symbolic) and any(value.node is size(axis) for axis in current().axes)


def _filled(function: Callable[..., Any], value: int) -> Callable[..., Any]:
    """The replacement of ``np.ones`` or ``np.zeros``."""

    def filled(shape: Any, *args: Any, **keywords: Any) -> Any:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        if not any(map(_is_size, sizes)):
            return function(shape, *args, **keywords)
        with located():
            operation = f"np.{function.__name__} with a symbolic size"
            axes = [axis_of(n, operation) if isinstance(n, Symbolic) or n != 1 else None for n in sizes]
            return Symbolic(constant_array(tuple(axes), value))

    return filled


ones, zeros = _filled(np.ones, 1), _filled(np.zeros, 0)


def full(shape: Any, fill_value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.full``."""
    array_of_ones = ones(shape)
    is_symbolic = isinstance(array_of_ones, Symbolic)
    return array_of_ones * fill_value if is_symbolic else np.full(shape, fill_value, *args, **keywords)


def array(value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.asarray`` and ``np.array``."""
    return value if isinstance(value, Symbolic) else np.array(value, *args, **keywords)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """``scipy.special.logsumexp``."""
    if b is None:
        return beyond_numpy.logsumexp(a, axis, keepdims)
    return np.log(np.sum(b * np.exp(a), axis=axis, keepdims=keepdims))


def softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``: over all entries by default."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return beyond_numpy.softmax(x, -1 if axis is None else axis)
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return beyond_numpy.log_softmax(x, -1 if axis is None else axis)
    return x - beyond_numpy.logsumexp(x, axis, keepdims=True)


SPECIAL: dict[str, Callable[..., Any]] = {"logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax}


def special(name: str) -> Callable[..., Any] | None:
    """A function of scipy.special, also for symbolic arrays; None if it is not supported or SciPy is missing."""
    if name in SPECIAL or name not in SCIPY or not find_spec("scipy"):
        return SPECIAL.get(name)
    return getattr(import_module("scipy.special"), name, None)


BUILTINS: dict[Any, Callable[..., Any]] = {len: length, sum: builtin_sum}
INSTEAD: dict[Any, Callable[..., Any]] = {
    **{np.arange: arange, np.eye: eye, np.identity: eye},
    **{np.ones: ones, np.zeros: zeros, np.full: full, np.array: array, np.asarray: array},
}


def substitutes() -> dict[Any, Callable[..., Any]]:
    """Each function with its replacement; SciPy's functions only if SciPy is imported."""
    scipy = sys.modules.get("scipy.special")
    return {**BUILTINS, **INSTEAD, **({getattr(scipy, name): f for name, f in SPECIAL.items()} if scipy else {})}
