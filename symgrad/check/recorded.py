"""Closed forms against runs of the published programs in TensorFlow, recorded with their inputs.

The recordings are package data, made by ``tools/record_tensorflow.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

BOUND = 1e-12  # max-norm relative error in float64


@dataclass(frozen=True)
class Comparison:
    """One recorded run: the largest error of loss, dW and db, each relative to its own largest entry."""

    id: str
    error: float

    @property
    def ok(self) -> bool:
        return self.error <= BOUND


def recorded_cases() -> list[dict[str, Any]]:
    """The recorded runs of the package."""
    text = (files("symgrad") / "data" / "recorded.json").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = json.loads(text)["cases"]
    return cases


def compare(function: Callable[..., Any], case: Mapping[str, Any]) -> Comparison:
    """``function`` (X, W, b, Y -> loss and gradients) at the inputs of one recorded run."""
    loss, gradients = function(*(np.array(case[name], dtype=np.float64) for name in ("x", "w", "b", "y")))
    found = {"loss": loss, "dW": gradients.W, "db": gradients.b}
    errors = []
    for name, value in found.items():
        expected = np.asarray(case["results"][name])
        errors.append(float(np.max(np.abs(value - expected)) / np.max(np.abs(expected))))
    return Comparison(case["id"], max(errors) if not any(np.isnan(errors)) else float("inf"))
