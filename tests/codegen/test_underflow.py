"""Slopes of powers between 0 and 1 whose base was rounded to 0: finite where what they multiply is 0 for that reason
alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.array import softmax


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# What it is -> the shapes, what is differentiated, the loss, and whether a slope in it is kept finite.
POWERS: dict[str, tuple[str, str, Callable[..., Any], bool]] = {
    "of a share": (
        "Z: N C, Y: N C one-hot",
        "Z",
        lambda Z, Y: np.sum(np.sum(Y * softmax(Z, axis=1), axis=1) ** 0.7),
        True,
    ),
    "of a share by name": (
        "Z: N C, Y: N C one-hot",
        "Z",
        lambda Z, Y: np.sum(np.sqrt(np.sum(Y * softmax(Z, axis=1), axis=1)) ** 1.5),
        True,
    ),
    "of a sum of either sign": (
        "Z: N C, V: N C",
        "Z",
        lambda Z, V: np.sum(np.sum(V * softmax(Z, axis=1), axis=1) ** 0.7),
        False,
    ),
    "of a product with a number of either sign": (
        "Z: N C, V: N C",
        "Z",
        lambda Z, V: np.sum(np.log(np.sum(np.sqrt(V * softmax(Z, axis=1)), axis=1))),
        True,
    ),
    "by what may be 0 in truth": ("z: N, v: N nonnegative", "v", lambda z, v: np.sum(np.sqrt(v * np.exp(z))), False),
    "of the other label's share": (
        "z: N, y: N probability",
        "z",
        lambda z, y: np.sum((logistic(z) * (1 - y) + (1 - logistic(z)) * y) ** 0.5),
        True,
    ),
    "of a count's rest": (
        "z: N, y: N count",
        "z",
        lambda z, y: np.sum((np.exp(z) * (1 - y) + np.exp(-z) * y) ** 0.5),
        False,
    ),
    "of what is differentiated, positive": (
        "w: N positive, z: N",
        "w z",
        lambda w, z: np.sqrt(np.sum(w**2 * np.exp(z))),
        False,
    ),
    "beside a positive number": ("w: N positive, z: N", "z", lambda w, z: np.sqrt(np.sum(w**2 * np.exp(z))), True),
    "of what a logarithm makes of it": (
        "x: N positive, b: N",
        "x",
        lambda x, b: np.sqrt(np.sum(np.exp(2 * np.log(x) + b))),
        False,
    ),
    "of entries but for some": ("S: N N", "S", lambda S: np.sqrt(np.sum((1 - np.eye(len(S))) * np.exp(S))), True),
    "of a share to some power": (
        "Z: N C, Y: N C one-hot, q: scalar",
        "Z",
        lambda Z, Y, q: np.sum(np.sum(Y * softmax(Z, axis=1), axis=1) ** q),
        True,
    ),
    "of squares": ("x: N D", "x", lambda x: np.sum(np.sum(x**2 + x**4, axis=1) ** 0.3), False),
    "of a softplus": ("z: N", "z", lambda z: np.sum(np.logaddexp(0, z) ** 0.5), True),
    "above 1": ("z: N, y: N", "z", lambda z, y: np.sum((y * np.exp(z) + np.exp(2 * z)) ** 1.5), False),
    "that divides": ("z: N", "z", lambda z: np.sum((np.exp(z) + np.exp(2 * z)) ** -0.5), False),
}


@pytest.mark.parametrize("name", POWERS)
def test_what_is_kept_finite(name: str) -> None:
    shapes, wrt, function, is_kept = POWERS[name]
    source = symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt)(function)).to_source(check=False)
    assert ("_nonzero(" in source) == is_kept


def test_a_slope_in_truth_infinite_stays_so() -> None:
    loss = symgrad.loss(shapes="z: N, v: N nonnegative", wrt="v")(lambda z, v: np.sum(np.sqrt(v * np.exp(z))))
    with np.errstate(divide="ignore"):
        _, (dv,) = symgrad.derive(loss).to_numpy()(np.zeros(2), np.array([0.0, 4.0]))
    assert dv.tolist() == [np.inf, 0.25]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_rounded_to_0_has_the_slope_0(dtype: type) -> None:
    loss = symgrad.loss(shapes="Z: N C, Y: N C one-hot", wrt="Z")(POWERS["of a share"][2])
    value, (dZ,) = symgrad.derive(loss).to_numpy()(
        np.array([[0, 2000], [0, 0]], dtype), np.array([[1, 0], [0, 1]], dtype)
    )
    slope = 0.7 * 0.5**0.7 / 2
    np.testing.assert_allclose(value, 0.5**0.7, rtol=1e-6)
    np.testing.assert_allclose(dZ, [[0, 0], [-slope, slope]], rtol=1e-6)
    assert dZ.dtype == dtype


@pytest.mark.parametrize("target", ["numpy", "scalar"])
@pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 1e103), (np.float64, 1e-110), (np.float32, 1e13)])
def test_the_slope_of_a_norm_whose_third_power_overflows(dtype: type, scale: float, target: str) -> None:
    loss = symgrad.loss(shapes="X: N D, g: N D", wrt="X")(
        lambda X, g: np.sum(g * X / np.linalg.norm(X, axis=1, keepdims=True))
    )
    derivation = symgrad.derive(loss)
    function = derivation.to_numpy() if target == "numpy" else derivation.explicit(N=1, D=2).lambdify()
    X, g = np.array([[1, 2]], dtype), np.array([[1.5, 1]], dtype)
    _, (expected,) = function(X, g)
    _, (found,) = function(X * dtype(scale), g)
    np.testing.assert_allclose(found * dtype(scale), expected, rtol=1e-5)
