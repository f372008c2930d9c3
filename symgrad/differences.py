"""A generated function held against the loss that a user wrote, run by NumPy at random inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.array.loss import Loss
from symgrad.array.shapes import Shape

Arrays = dict[str, Any]

SIZES = (4, 3, 5, 2)  # of the axes in order, again and again: no two that meet in a product are easily confused
STEP = 1e-5  # the error of a central difference is about the square of it
ALLOWED = 1e-6
ATTEMPTS = 20


class NoInputs(ValueError):
    """No random inputs were found at which the loss is finite."""


@dataclass(frozen=True)
class Differences:
    """The largest relative error, of the loss (``worst`` is "loss") or of the gradient that ``worst`` names."""

    sizes: Mapping[str, int]
    entries: int
    error: float
    worst: str
    allowed: float = ALLOWED

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return self.error <= self.allowed


def compare_with_differences(
    loss: Loss, function: Callable[..., Any], wrt: Sequence[str], seed: int = 0
) -> Differences:
    """``function`` (``value, grads = f(*inputs)``) against the loss, and against its central differences by ``wrt``.

    Raises ``NoInputs`` where none are found at which the loss is finite.
    """
    order = [array.name for array in loss.program().inputs]
    by_name = {name.upper() if shape.labels and name.upper() in order else name: shape for name, shape in _shapes(loss)}
    axes = dict.fromkeys(axis.name for shape in loss.shapes for axis in shape.array.axes)
    sizes = {name: SIZES[place % len(SIZES)] for place, name in enumerate(axes)}
    inputs, value = _finite(loss, sizes, np.random.default_rng(seed))
    got, grads = function(*(inputs[by_name[name].name] for name in order))
    errors = {"loss": _relative(np.asarray(got), np.asarray(value))}
    entries = 1
    for name in (name for name in wrt if name in by_name):
        expected = _central(loss, inputs, by_name[name].name)
        errors[name] = _relative(np.asarray(getattr(grads, name)), expected)
        entries += expected.size
    worst = max(errors, key=lambda name: errors[name])
    return Differences(sizes, entries, errors[worst], worst)


def _shapes(loss: Loss) -> list[tuple[str, Shape]]:
    return [(shape.name, shape) for shape in loss.shapes]


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest error over the largest entry (over 1 where all are small); infinite where it is not a number."""
    error = float(np.max(np.abs(found - expected), initial=0.0)) / max(
        1.0, float(np.max(np.abs(expected), initial=0.0))
    )
    return error if np.isfinite(error) else float("inf")


def _finite(loss: Loss, sizes: Mapping[str, int], rng: np.random.Generator) -> tuple[Arrays, float]:
    """Random inputs at which the loss is finite: normal ones, then, for logarithms and roots, ones between 0 and 1."""
    for attempt in range(ATTEMPTS):
        inputs = {shape.name: drawn(shape, sizes, rng, attempt % 2 == 1) for shape in loss.shapes}
        with np.errstate(all="ignore"):
            value = loss(**inputs)
        if np.all(np.isfinite(value)):
            return inputs, float(value)
    raise NoInputs("the loss is not finite at random inputs, normal or between 0 and 1: declare what is positive")


def drawn(shape: Shape, sizes: Mapping[str, int], rng: np.random.Generator, small: bool) -> Any:
    """One input that satisfies what is declared of it."""
    over = tuple(sizes[axis.name] for axis in shape.array.axes)
    if shape.labels:
        return rng.integers(over[1], size=over[0])
    if "one-hot" in shape.words:
        return np.eye(over[-1])[rng.integers(over[-1], size=over[:-1])]
    if "distribution" in shape.words:
        return rng.dirichlet(np.ones(over[-1]), size=over[:-1])
    drawn = rng.uniform(0.1, 0.9, over) if small else rng.standard_normal(over)
    if "symmetric" in shape.words:
        drawn = drawn + drawn.T
    drawn = np.abs(drawn) + 0.1 if shape.array.positive else np.asarray(drawn)
    return drawn if shape.array.axes else float(drawn)


def _central(loss: Loss, inputs: Arrays, name: str) -> np.ndarray:
    """The central differences of the loss by every entry of one input."""
    start = np.asarray(inputs[name], dtype=float)
    found = np.empty(start.shape)
    for place in np.ndindex(*start.shape):
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * STEP
            ends.append(float(loss(**{**inputs, name: moved if start.shape else float(moved)})))
        found[place] = (ends[0] - ends[1]) / (2 * STEP)
    return found
