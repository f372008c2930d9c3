"""Evaluate a generated function at the inputs of a published item, and text in the one-line language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from symgrad.api import Derivation, derive
from symgrad.array.expression import parse
from symgrad.array.loss import Loss

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Values:
    """The value of a loss and its gradients by name."""

    loss: float
    gradients: Mapping[str, Any]


@cache
def derived(loss: Loss, by: tuple[str, ...]) -> Derivation:
    """The derivation of the gradient with respect to the arrays ``by``, cached."""
    return derive(loss, by)


@cache
def _function(loss: Loss) -> Any:
    return derived(loss, loss.wrt).to_numpy()


def computed(loss: Loss, inputs: Mapping[str, Any]) -> Values:
    """The results of the generated function at ``inputs``; the gradients are with respect to the loss's ``wrt``."""
    order = [name for name in signature(loss.function).parameters if name in inputs]
    value, gradients = _function(loss)(*(inputs[name] for name in order))
    return Values(float(value), dict(zip(loss.wrt, gradients, strict=True)))


def given(loss: Loss, inputs: Mapping[str, Any]) -> Arrays:
    """The inputs of a published item as float64 arrays and labels; text is evaluated over the previous inputs."""
    labels = {shape.name for shape in loss.shapes if shape.labels}
    found: Arrays = {}
    for name, value in inputs.items():
        found[name] = evaluated(value, found) if isinstance(value, str) else np.array(value, dtype=np.float64)
        if name in labels:
            found[name] = np.array(value, dtype=np.int64)
    return {shape.name: found[shape.name] for shape in loss.shapes}


def evaluated(text: str, names: Mapping[str, Any]) -> Any:
    """Evaluate text in the one-line language with these arrays, without running it as Python."""
    declared = ", ".join(f"{name}: scalar" for name in names)
    return parse(text, declared, next(iter(names))).function(**names)
