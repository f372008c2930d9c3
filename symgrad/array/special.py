"""Those functions of scipy.special that are written in Python, as SciPy defines them, on arrays and on symbols."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from symgrad.array import public
from symgrad.array.elementwise import SCIPY


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """The logarithm of the sum of exponentials, each times ``b`` where it is given."""
    if b is None:
        return public.logsumexp(a, axis, keepdims)
    return np.log(np.sum(b * np.exp(a), axis=axis, keepdims=keepdims))


def softmax(x: Any, axis: Any = None) -> Any:
    """Exponentials divided by their sum, over all entries unless ``axis`` says otherwise."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return public.softmax(x, -1 if axis is None else axis)
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """The logarithm of ``softmax``."""
    if isinstance(axis, int) or np.ndim(x) == 1:
        return public.log_softmax(x, -1 if axis is None else axis)
    return x - public.logsumexp(x, axis, keepdims=True)


REDUCTIONS: dict[str, Callable[..., Any]] = {"logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax}


def function(name: str) -> Callable[..., Any] | None:
    """A function of scipy.special on arrays and on symbols; None for one without a meaning, and without SciPy."""
    if name in REDUCTIONS or name not in SCIPY or not find_spec("scipy"):
        return REDUCTIONS.get(name)
    return getattr(import_module("scipy.special"), name, None)


def instead() -> dict[Any, Any]:
    """What stands for the functions of SciPy that are written in Python, where SciPy is imported."""
    scipy = sys.modules.get("scipy.special")
    return {getattr(scipy, name): function for name, function in REDUCTIONS.items()} if scipy else {}
