"""The reference: the function run by NumPy, its value, and its slopes by extrapolated central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

from trials.expressions.terms import Input, Loss

SIZES = (2, 3, 4, 5)
DIRECTIONS = 2
TRIES = 10
STEP = 2.0**-9
MOST = 1e4
"""A loss or a slope that is larger says little to the tolerance of a test."""
ERROR = 1e-7
"""Limit on the estimated error of the differences, relative to the largest of 1, loss and slope."""
NEAR_ZERO = 1e-9
"""A smaller root is a root of 0, up to rounding."""
FADING = 0.6
"""Halving the step halves the difference of two one-sided slopes, unless there is a kink between them."""


def softmax(x: Any, axis: int) -> Any:
    """exp x / sum exp x."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log sum exp x."""
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=keepdims))


@dataclass
class Roots:
    """NumPy that records roots of 0, where there is no derivative even if the function is flat."""

    is_zero: bool = False
    linalg: Any = field(init=False)

    def __post_init__(self) -> None:
        self.linalg = SimpleNamespace(norm=self._noted(np.linalg.norm))
        self.sqrt, self.std = self._noted(np.sqrt), self._noted(np.std)

    def _noted(self, root: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **keywords: Any) -> Any:
            found = root(*args, **keywords)
            self.is_zero = self.is_zero or bool(np.any(np.abs(found) < NEAR_ZERO))
            return found

        return noted

    def norm(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The Euclidean norm, over all entries or along an axis."""
        return self.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


LANGUAGE: dict[str, Any] = {
    "np": np,
    "softmax": softmax,
    "log_softmax": lambda x, axis: x - logsumexp(x, axis, keepdims=True),
    "logsumexp": logsumexp,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0),
    "erf": special.erf,
    "norm": Roots().norm,
    "one_hot": lambda y, classes: np.eye(classes)[y],
    "eye": np.eye,
}
"""The names that losses use: NumPy, and reimplementations of the additions of ``symgrad.array``."""


def function(loss: Loss, language: Mapping[str, Any]) -> Callable[..., Any]:
    """The loss as a function of arrays."""
    names = dict(language)
    exec(compile(loss.source, "<loss>", "exec"), names)
    made: Callable[..., Any] = names["random_loss"]
    return made


@dataclass(frozen=True)
class Slope:
    """The slope of the loss at a point, for one array and one direction."""

    name: str
    direction: np.ndarray
    value: float
    error: float


@dataclass(frozen=True)
class Point:
    """Inputs, with the loss there and some of its slopes."""

    sizes: Mapping[str, int]
    inputs: Mapping[str, Any]
    value: float
    slopes: tuple[Slope, ...]
    is_at_root: bool


def points(loss: Loss, seed: int, count: int = 2) -> Iterator[Point]:
    """Points at which the loss is finite, of moderate size and not near a kink; fewer than ``count`` if ``TRIES`` draws
    do not find them."""
    rng = np.random.default_rng(seed)
    run = function(loss, LANGUAGE)
    for _ in range(count):
        sizes = dict(zip(loss.axes, (int(n) for n in rng.permutation(SIZES)), strict=False))
        found = (_point(loss, run, sizes, rng, scale) for scale in np.geomspace(1, 0.3, TRIES))
        if (at := next((at for at in found if at is not None), None)) is not None:
            yield at


def _point(
    loss: Loss, run: Callable[..., Any], sizes: Mapping[str, int], rng: np.random.Generator, scale: float
) -> Point | None:
    inputs = {given.name: drawn(given, sizes, rng, scale) for given in loss.inputs}
    # After an overflow, NumPy's value may be finite and wrong: atan(z - log(sum(exp(z)))).
    with np.errstate(all="ignore", over="raise"), suppress(FloatingPointError, ZeroDivisionError):
        value = float(run(**inputs))
        if not abs(value) < MOST:
            return None
        slopes = []
        for name in loss.wrt:
            for _ in range(DIRECTIONS):
                direction = rng.standard_normal(np.shape(inputs[name]))
                slope = _slope(run, inputs, name, direction, value)
                if slope is None:
                    return None
                slopes.append(slope)
        roots = Roots()
        function(loss, LANGUAGE | {"np": roots, "norm": roots.norm})(**inputs)
        return Point(sizes, inputs, value, tuple(slopes), roots.is_zero)
    return None


def drawn(given: Input, sizes: Mapping[str, int], rng: np.random.Generator, scale: float) -> Any:
    """A random input that satisfies its declaration."""
    shape = tuple(sizes[axis] for axis in given.axes)
    if given.word == "labels":
        return rng.integers(shape[-1], size=shape[:-1])
    if given.word == "one-hot":
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    if given.word == "distribution":
        return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    found = scale * rng.standard_normal(shape)
    if given.word == "symmetric":
        found = found + found.T
    if given.word == "positive":
        found = np.abs(found) + 0.2
    return found if given.axes else float(found)


def _slope(
    run: Callable[..., Any], inputs: Mapping[str, Any], name: str, direction: np.ndarray, middle: float
) -> Slope | None:
    """A slope, extrapolated from differences at three steps, each half of the previous; None near a kink."""
    central, bends = [], []
    for step in (STEP, STEP / 2, STEP / 4):
        after, before = (float(run(**{**inputs, name: inputs[name] + sign * step * direction})) for sign in (1, -1))
        central.append((after - before) / (2 * step))
        bends.append(abs(after - 2 * middle + before) / step)
    once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(central)]
    value = (16 * once[1] - once[0]) / 15
    error = abs(value - once[1])
    scale = max(1.0, abs(middle), abs(value))
    has_kink = bends[2] > FADING * bends[1] and bends[2] > ERROR * scale
    if not error < ERROR * scale or abs(value) > MOST or has_kink:
        return None
    return Slope(name, direction, value, error)
