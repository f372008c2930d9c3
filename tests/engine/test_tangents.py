"""Jacobians of layers, and their products with tangents: proved, and held against differences."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from symgrad import InputError, derive, layer
from symgrad.array import softmax
from symgrad.check.marks import Level

SIZES = {"N": 3, "C": 4, "D": 2}


def _both(X: Any, W: Any) -> Any:
    A = X @ W
    H = np.tanh(A)
    return H, A.T


SOFTMAX = layer("Z: N C")(lambda Z: softmax(Z, axis=1))
BOTH = layer("X: N D, W: D C")(_both)


def test_the_jacobian_of_a_softmax_is_the_textbooks() -> None:
    assert repr(derive(SOFTMAX).jacobian("Z")) == "<∂o_nk/∂z_mc = o_mc δ_nm (δ_kc − o_mk): every shape>"


def test_an_output_is_named_where_there_are_several() -> None:
    derivation = derive(BOTH)
    assert repr(derivation.jacobian("X", "O")).startswith("<∂o_kn/∂x_md = w_dk δ_nm")
    with pytest.raises(InputError, match="has no output '': expected one of H, O"):
        derivation.jacobian("X")


@pytest.mark.parametrize(
    ("take", "words"),
    [
        (lambda: derive("mse").jvp(), "mse is a loss: only a layer"),
        (lambda: derive(SOFTMAX).jacobian("O"), "no gradient with respect to O; wrt is Z"),
        (lambda: derive(SOFTMAX).jacobian("Z", "Z"), "has no output 'Z': expected one of O"),
    ],
)
def test_what_has_no_jacobian_is_refused(take: Any, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        take()


@pytest.mark.parametrize("of", [SOFTMAX, BOTH], ids=["softmax", "two outputs"])
def test_the_product_with_a_tangent_is_the_slope_along_it(of: Any) -> None:
    derivation = derive(of)
    product, rng = derivation.jvp(), np.random.default_rng(0)
    assert {mark.level for mark in product.prove().marks} == {Level.DEFINITION, Level.EVERY_SHAPE}
    shapes = {a.name: tuple(SIZES[axis.name] for axis in a.axes) for a in product.program.inputs}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    _, slopes = product.to_numpy(check=False)(*arrays.values())
    at = [arrays[name] for name in of.wrt]
    along = [arrays[f"{name}dot"] for name in of.wrt]
    step = 1e-6
    right, left = (of(*(x + sign * step * t for x, t in zip(at, along, strict=True))) for sign in (1, -1))
    pairs = zip(right, left, strict=True) if isinstance(right, tuple) else [(right, left)]
    for slope, (above, below) in zip(slopes, pairs, strict=True):
        np.testing.assert_allclose(slope, (above - below) / (2 * step), atol=1e-8)
