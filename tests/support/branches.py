"""Gradients of functions with branches, where nothing may warn; and a sigmoid to write the expected ones with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import symgrad

Array = np.ndarray[Any, Any]


def gradient_of(function: Callable[..., Any], shapes: str, wrt: str, *arrays: Array) -> tuple[float, Array]:
    """The value and the one gradient; nothing may warn, and no line may be short of a proof."""
    derivation = symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt)(function))
    assert derivation.prove().ok, derivation.to_text()
    compute = derivation.to_numpy()
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        value, gradients = compute(*arrays)
    return float(value), gradients[0]


def sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)
