"""Losses of the catalogue in JAX: the same functions, with JAX's NumPy, softmax and so on in their namespace."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from symgrad import array as language
from symgrad.array.loss import Loss

jax.config.update("jax_enable_x64", True)

# The functions of symgrad.array that jax.nn lacks or names differently.
THEIRS: dict[str, Callable[..., Any]] = {
    "erf": jax.scipy.special.erf,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
}


def in_jax_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with JAX in place of NumPy, also in the functions of the package that it calls."""
    exchanged: dict[str, Any] = {}
    for key, value in function.__globals__.items():
        if value is np:
            exchanged[key] = jax.numpy
        elif key in language.__all__:
            exchanged[key] = THEIRS.get(key) or getattr(jax.nn, key)
        elif inspect.isfunction(value) and value.__module__.startswith("symgrad.losses") and value is not function:
            exchanged[key] = in_jax_numpy(value)
        else:
            exchanged[key] = value
    return types.FunctionType(function.__code__, exchanged, function.__name__, function.__defaults__)


def value_and_grad(loss: Loss) -> tuple[Callable[..., Any], list[str]]:
    """The loss with the gradients with respect to its ``wrt``, and the names of its arguments in order."""
    order = [name for name in inspect.signature(loss.function).parameters if name in {s.name for s in loss.shapes}]
    return jax.value_and_grad(in_jax_numpy(loss.function), tuple(order.index(name) for name in loss.wrt)), order


def on_device(array: Any) -> Any:
    """The array on the JAX device, so that calls do not copy it."""
    return jax.numpy.asarray(array)


def in_jax(loss: Loss) -> tuple[Callable[..., Any], list[str]]:
    """``value_and_grad``, compiled; it waits for the result."""
    function, order = value_and_grad(loss)
    compiled = jax.jit(function)
    return lambda *arrays: jax.block_until_ready(compiled(*arrays)), order
