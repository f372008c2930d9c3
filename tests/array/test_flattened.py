"""Arrays that are flattened and reduced to a number, and products of positive entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad import SymgradError
from symgrad.array.expression import parse

SHAPES = "X: N D, Y: N D, v: D"
X, Y, v = (np.random.default_rng(5).standard_normal(shape) for shape in ((3, 4), (3, 4), 4))


def program(function: Callable[..., Any]) -> Any:
    return symgrad.loss(shapes=SHAPES, wrt="X")(function).program()


ALIKE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "a sum of squares": (lambda X, Y, v: np.sum(X.ravel() ** 2), lambda X, Y, v: np.sum(X**2)),
    "residuals": (
        lambda X, Y, v: np.mean((X.reshape(-1) - np.ravel(Y)) ** 2),
        lambda X, Y, v: np.mean((X - Y) ** 2),
    ),
    "a dot product": (lambda X, Y, v: np.dot(X.flatten(), Y.ravel()), lambda X, Y, v: np.sum(X * Y)),
    "a product with @": (lambda X, Y, v: X.ravel() @ Y.ravel(), lambda X, Y, v: np.sum(X * Y)),
    "a norm": (lambda X, Y, v: np.linalg.norm(X.ravel()), lambda X, Y, v: np.linalg.norm(X)),
    "a mean by its size": (
        lambda X, Y, v: np.sum(np.exp(X.ravel())) / len(X.ravel()),
        lambda X, Y, v: np.mean(np.exp(X)),
    ),
    "a choice": (
        lambda X, Y, v: np.where(X.ravel() > 0, X.ravel(), 2 * Y.ravel()).sum(),
        lambda X, Y, v: np.where(X > 0, X, 2 * Y).sum(),
    ),
    "a vector": (lambda X, Y, v: np.sum(X @ v.ravel()), lambda X, Y, v: np.sum(X @ v)),
}


@pytest.mark.parametrize("name", ALIKE)
def test_it_is_the_reduction_over_all_axes(name: str) -> None:
    flat, whole = ALIKE[name]
    assert [str(e.rhs) for e in program(flat).equations] == [str(e.rhs) for e in program(whole).equations]
    assert flat(X, Y, v) == pytest.approx(whole(X, Y, v), rel=1e-14)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X, Y, v: np.sum(X.ravel()[0]), "a subscript of a flattened array has no rule"),
        (lambda X, Y, v: np.sum(X.ravel() + v), "[+] of a flattened array has no rule"),
        (lambda X, Y, v: np.sum(X.ravel() * X.T.ravel()), "N does not match D"),
        (lambda X, Y, v: np.sum(np.cumsum(X.ravel())), "cumsum of a flattened array"),
        (lambda X, Y, v: np.linalg.norm(X.ravel(), 1), "norm of a flattened array"),
        (lambda X, Y, v: np.max(X.ravel(), axis=1), "max of a flattened array"),
        (lambda X, Y, v: np.sum(X.ravel(), keepdims=True), "sum of a flattened array"),
        (lambda X, Y, v: X.ravel(), "a flattened array has no rule"),
        (lambda X, Y, v: np.sum(X.reshape(-1, 2)), "reshape has no rule"),
    ],
)
def test_other_uses_are_refused(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(SymgradError, match=words):
        program(function)


def test_products_take_positive_entries() -> None:
    """As exp of a sum of logarithms: prod(x) / x is not the derivative at 0."""
    loss = parse("sum(prod(P, axis=1)) + prod(exp(X.ravel()))", "P: N D positive, X: N D, w: D", "P")
    assert str(loss.program().definitions["L"].rhs).count("exp(") >= 2
    derivation = symgrad.derive(loss)
    P = np.abs(X) + 0.5
    gradient = derivation.to_numpy()(P, X, v)[1].P
    assert np.allclose(gradient, np.prod(P, axis=1, keepdims=True) / P, rtol=1e-12)
    with pytest.raises(SymgradError, match=r"prod of X \(N, D\) takes positive entries"):
        parse("prod(X)", "X: N D", "X").program()
