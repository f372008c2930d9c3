"""A generated function held against the loss that a user wrote, run by NumPy at random inputs, and at large ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from symgrad.array.loss import Loss
from symgrad.array.shapes import Shape
from symgrad.equations import DOMAINS

Arrays = dict[str, Any]

SIZES = (4, 3, 5, 2)  # of the axes in order, again and again: no two that meet in a product are easily confused
STEP = 1e-5  # the error of a central difference is about the square of it
ALLOWED = 1e-6
ATTEMPTS = 20
LARGE: Sequence[tuple[np.dtype[Any], float]] = ((np.dtype(np.float64), 1e3), (np.dtype(np.float32), 40.0))
"""The dtypes, each with the factor by which inputs are made so large that their exponentials overflow."""
DRAWS = 4  # of large inputs: by turns of either sign, and positive


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
    by_name, sizes = _by_array(loss), _sizes(loss)
    inputs, value = _finite(loss, sizes, np.random.default_rng(seed))
    got, grads = function(*(inputs[shape.name] for shape in by_name.values()))
    errors = {"loss": _relative(np.asarray(got), np.asarray(value))}
    entries = 1
    for name, gradient in zip(wrt, grads, strict=True):
        if name not in by_name:
            continue
        expected = central_differences(loss, inputs, by_name[name].name)
        errors[name] = _relative(np.asarray(gradient), expected)
        entries += expected.size
    worst = max(errors, key=lambda name: errors[name])
    return Differences(sizes, entries, errors[worst], worst)


@dataclass(frozen=True)
class LargeInputs:
    """What was found at large inputs: at how many of the ``draws`` the generated loss is not finite; the largest
    relative error of the loss in float64 where NumPy's is finite; and what does not hold, in words, or nothing."""

    draws: int
    overflows: int
    error: float
    wrong: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.wrong

    @property
    def compared(self) -> bool:
        """Whether there was a finite loss at all, with gradients to look at."""
        return self.overflows < self.draws


def compare_at_large_inputs(loss: Loss, function: Callable[..., Any], seed: int = 0) -> LargeInputs:
    """``function`` (``value, grads = f(*inputs)``) where exponentials overflow: a finite loss has finite gradients, and
    in float64 it is the loss as NumPy runs it, where that is finite."""
    sizes, rng = _sizes(loss), np.random.default_rng(seed)
    order = [shape.name for shape in _by_array(loss).values()]
    overflows, worst, wrong = 0, 0.0, ""
    for (dtype, factor), draw in product(LARGE, range(DRAWS)):
        inputs = {shape.name: _enlarged(shape, sizes, rng, draw % 2 == 1, factor) for shape in loss.shapes}
        where = f"at inputs {factor:g} times as large, in {dtype.name}"
        value, gradients = _values(function, [_as(inputs[name], dtype) for name in order])
        overflows += not np.isfinite(value)
        infinite = [name for name, gradient in gradients.items() if not np.all(np.isfinite(gradient))]
        if infinite and np.isfinite(value):
            wrong = wrong or f"the gradient by {infinite[0]} is not finite {where}, though the loss is {value:.3g}"
        expected = _quietly(partial(loss, **inputs), np.inf)
        if dtype == np.float64 and np.isfinite(expected):
            error = _relative(np.asarray(value), np.asarray(expected))
            worst = max(worst, error)
            if error > ALLOWED:
                wrong = wrong or f"the loss is {value:.6g} {where}, but {expected:.6g} as NumPy runs it"
    return LargeInputs(len(LARGE) * DRAWS, overflows, worst, wrong)


def _values(function: Callable[..., Any], given: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """The loss, infinite where it overflows, and its gradients by name."""
    found = _quietly(partial(function, *given), None)
    return (np.inf, {}) if found is None else (found[0], found[1]._asdict())


def _enlarged(shape: Shape, sizes: Mapping[str, int], rng: np.random.Generator, small: bool, factor: float) -> Any:
    """One input that satisfies what is declared of it, ``factor`` times as large where that leaves it free."""
    found = drawn(shape, sizes, rng, small)
    bounded = shape.labels or shape.array.positive or shape.words & {"one-hot", "distribution", *DOMAINS}
    return found if bounded else found * factor


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    """An array of real numbers in another dtype; labels and numbers as they are."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _quietly(evaluate: Callable[[], Any], overflown: Any) -> Any:
    """What ``evaluate`` returns, without warnings; ``overflown`` where numbers of Python's overflow."""
    with np.errstate(all="ignore"):
        try:
            return evaluate()
        except OverflowError:
            return overflown


def _by_array(loss: Loss) -> dict[str, Shape]:
    """What is declared of each input of the program, in its order: labels y stand there as their one-hot rows Y."""
    order = [array.name for array in loss.program().inputs]
    known = {shape.name: shape for shape in loss.shapes}
    labels = {name.upper(): shape for name, shape in known.items() if shape.labels}
    return {name: known[name] if name in known else labels[name] for name in order}


def _sizes(loss: Loss) -> dict[str, int]:
    axes = dict.fromkeys(axis.name for shape in loss.shapes for axis in shape.array.axes)
    return {name: SIZES[place % len(SIZES)] for place, name in enumerate(axes)}


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
    for word in shape.words & DOMAINS.keys():
        drawn = DOMAINS[word].draw(over, rng, small)
    if "symmetric" in shape.words:
        drawn = np.triu(drawn) + np.triu(drawn, 1).T
    drawn = np.abs(drawn) + 0.1 if shape.array.positive else np.asarray(drawn)
    return drawn if shape.array.axes else float(drawn)


def central_differences(loss: Loss, inputs: Arrays, name: str) -> np.ndarray:
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
