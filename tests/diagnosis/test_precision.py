"""Rounding and mistakes are told apart, in candidates and in explanations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad


def derived(loss: Callable[..., Any], shapes: str) -> symgrad.Derivation:
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=shapes[0], name="f")(loss))


def root(x, e=1e-5):
    return np.sum(np.sqrt(x**2 + e))


def penalised(x):
    return np.sum(np.sqrt(x**2 + 1)) + 1e-6 * np.sum(x**2)


def without_penalty(x):
    return x / np.sqrt(x**2 + 1)


@pytest.mark.parametrize("value", [1.3e-6, 1.3e-8])
def test_another_constant_is_not_a_missing_one(value: float) -> None:
    found = symgrad.diagnose(derived(root, "x: D, e: scalar positive"), lambda x, e: x / np.sqrt(x**2 + value))
    assert not found.ok and not found.explanations, found


def test_a_mistake_that_hides_within_single_precision_is_named() -> None:
    found = symgrad.diagnose(derived(penalised, "x: D"), without_penalty)
    assert not found.ok
    assert found.explanations[0].words.startswith("the term 10^-6 Σ_d x_d² is missing")


def test_what_agrees_within_single_precision_alone_says_so() -> None:
    found = symgrad.diagnose(derived(penalised, "x: D"), lambda x: without_penalty(x) * (1 + 2e-6) + 2e-6 * x)
    assert found.ok
    assert found.remarks == ("agrees only within single precision (largest relative difference 2e-06)",)


@pytest.mark.parametrize(
    "candidate",
    [
        lambda x: without_penalty(np.float32(x)) + np.float32(2e-6) * np.float32(x),
        lambda x: without_penalty(np.float32(x)) + 2e-6 * x,
        lambda x: without_penalty(x) + 2e-6 * x,
    ],
    ids=["single", "single in part", "double"],
)
def test_rounding_is_not_remarked_upon(candidate: Callable[..., Any]) -> None:
    found = symgrad.diagnose(derived(penalised, "x: D"), candidate)
    assert found.ok and not found.remarks, found


def held(x, y):
    return np.mean((np.clip(x, -1, 1) - y) ** 2)


HELD = "x: D, y: D"


def test_the_derivative_of_a_function_that_is_left_out_is_named() -> None:
    found = symgrad.diagnose(derived(held, HELD), lambda x, y: 2 / len(x) * (np.clip(x, -1, 1) - y))
    words = [explanation.words for explanation in found.explanations]
    assert not found.ok and any("clip(x_d, −1, 1)" in text for text in words), words


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_never_agrees_and_says_where(value: float) -> None:
    def candidate(x, y):
        g = 2 / len(x) * (np.clip(x, -1, 1) - y) * (np.abs(x) <= 1)
        g[1] = value
        return g

    found = symgrad.diagnose(derived(held, HELD), candidate)
    kind = "NaN" if np.isnan(value) else "infinite"
    assert not found.ok and not found.explanations
    assert f"the gradient with respect to x: it is {kind} in 1 of" in str(
        found
    ) and "such as [1], where x[1] = " in str(found)


def test_a_number_that_stands_for_an_argument_is_named() -> None:
    derivation = derived(lambda x, k=2: np.sum(np.exp(k * x)), "x: D, k: scalar")
    found = symgrad.diagnose(derivation, lambda x, k=2: 2 * np.exp(2 * x))
    assert found.explanations[0].words == "k is ignored: 2 is used instead", found
