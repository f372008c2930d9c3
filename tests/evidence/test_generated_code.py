"""Generated functions at large inputs: what overflows is found and named, what does not is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import symgrad
from symgrad.array import log_softmax, softmax
from symgrad.evidence.checks import check_loss
from symgrad.evidence.generated_code import compare_at_large_inputs

Arrays = Any


class Gradients(NamedTuple):
    W: np.ndarray


@symgrad.loss(shapes="X: N D, W: D C, y: N labels of C", wrt="W")
def cross_entropy(X: Arrays, W: Arrays, y: Arrays) -> Arrays:
    return -np.mean(log_softmax(X @ W, axis=1)[np.arange(len(y)), y])


@symgrad.loss(shapes="X: N D, W: D C, Y: N C distribution", wrt="W")
def brier(X: Arrays, W: Arrays, Y: Arrays) -> Arrays:
    return np.mean((softmax(X @ W, axis=1) - Y) ** 2)


@symgrad.loss(shapes="x: N, w: N", wrt="w")
def exponential(x: Arrays, w: Arrays) -> Arrays:
    return np.sum(np.exp(x * w + 1000))


def naive(X: np.ndarray, W: np.ndarray, Y: np.ndarray) -> tuple[Any, Gradients]:
    """Cross-entropy with a stable value, and a gradient that overflows."""
    Y = np.eye(W.shape[1])[Y]
    E = np.exp(X @ W)
    value = -np.mean(np.sum(Y * log_softmax(X @ W, axis=1), axis=1))
    return value, Gradients(X.T @ (E / E.sum(axis=1, keepdims=True) - Y) / len(X))


def stable(X: np.ndarray, W: np.ndarray, y: np.ndarray) -> tuple[Any, Gradients]:
    Y = np.eye(W.shape[1])[y]
    return cross_entropy(X, W, y), Gradients(X.T @ (softmax(X @ W, axis=1) - Y) / len(X))


def test_a_gradient_that_overflows_is_named() -> None:
    found = compare_at_large_inputs(cross_entropy, naive)
    words = "the gradient with respect to W is not finite at inputs 1000 times as large, in float64"
    assert not found.ok and found.found.startswith(words)


def test_a_gradient_that_overflows_in_float32_alone() -> None:
    def single(X: np.ndarray, W: np.ndarray, y: np.ndarray) -> tuple[Any, Gradients]:
        return (naive if X.dtype == np.float32 else stable)(X, W, y)

    assert compare_at_large_inputs(cross_entropy, stable).ok
    assert "40 times as large, in float32" in compare_at_large_inputs(cross_entropy, single).found


@pytest.mark.parametrize(
    "change", [lambda value: value * (1 + 1e-5), lambda value: np.float64("nan"), lambda value: np.inf]
)
def test_a_loss_that_is_not_numpys_is_found(change: Callable[[Any], Any]) -> None:
    def wrong(X: np.ndarray, W: np.ndarray, y: np.ndarray) -> tuple[Any, Gradients]:
        value, grads = stable(X, W, y)
        return change(value), grads

    assert "as NumPy runs it" in compare_at_large_inputs(cross_entropy, wrong).found


@pytest.mark.parametrize("loss", [cross_entropy, brier])
def test_generated_functions_hold_at_large_inputs(loss: Any) -> None:
    found = compare_at_large_inputs(loss, symgrad.derive(loss).to_numpy())
    assert found.ok and found.compared and "overflows" not in found.found
    (error,) = re.findall(r"matches NumPy's to (\S+) where", found.found)
    assert float(error) < 1e-12


def test_a_loss_that_overflows_is_said_to() -> None:
    (section,) = check_loss(exponential).sections
    (item,) = (item for item in section.items if item.what == "large inputs")
    assert item.ok and not item.compared and item.found == "nothing to compare: the loss overflows at all 8 draws"


@symgrad.loss(shapes="x: A B C D E F", wrt="x")
def six_axes(x: Arrays) -> Arrays:
    return np.sum(np.sum(x**2, axis=5) ** 2)


def test_arrays_that_are_too_large_for_the_sampler_are_not_said_to_be_compared() -> None:
    (section,) = check_loss(six_axes).sections
    (item,) = (item for item in section.items if item.what.startswith("finite differences"))
    assert item.ok and not item.compared and item.found.startswith("not compared: ")
