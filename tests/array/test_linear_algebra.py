"""Inverses, determinants and linear systems: their equations, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.check.marks import Level
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.matrix_functions import inverse

SIZES = {"N": 6, "D": 3, "H": 2}


def derived(function: Callable[..., Any], shapes: str, wrt: str) -> symgrad.Derivation:
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt)(function))


def solved(A: Any, b: Any) -> Any:
    return np.sum(np.linalg.solve(A, b) ** 2)


def solved_for_a_matrix(A: Any, B: Any) -> Any:
    return np.sum(np.linalg.solve(A, B) ** 2)


def quadratic(a: Any, X: Any, b: Any) -> Any:
    return a @ np.linalg.inv(X) @ b


def of_a_transpose(X: Any, b: Any) -> Any:
    return b @ np.linalg.inv(X.T) @ b + np.linalg.det(X.T)


def both_parts(X: Any) -> Any:
    sign, logdet = np.linalg.slogdet(X)
    return sign * np.sum(X**2) + logdet


def of_a_product(X: Any) -> Any:
    return np.linalg.slogdet(X.T @ X)[1]


def shrunk(X: Any, y: Any, lam: Any) -> Any:
    S = X.T @ X + lam * np.eye(X.shape[1])
    return y @ X @ np.linalg.solve(S, X.T @ y) + np.linalg.slogdet(S).logabsdet


def powers(A: Any) -> Any:
    return np.trace(np.linalg.matrix_power(A, 3)) + np.trace(np.linalg.matrix_power(A, -2))


def gaussian(X: Any, mu: Any, S: Any) -> Any:
    R = X - mu
    return (np.sum(R * np.linalg.solve(S, R.T).T) + X.shape[0] * np.linalg.slogdet(S)[1]) / 2


CASES: list[tuple[Callable[..., Any], str, str]] = [
    (solved, "A: D D, b: D", "A b"),
    (solved_for_a_matrix, "A: D D, B: D H", "A B"),
    (quadratic, "a: D, X: D D, b: D", "a X b"),
    (of_a_transpose, "X: D D, b: D", "X b"),
    (both_parts, "X: D D", "X"),
    (of_a_product, "X: N D", "X"),
    (shrunk, "X: N D, y: N, lam: scalar positive", "X y lam"),
    (powers, "A: D D", "A"),
    (gaussian, "X: N D, mu: D, S: D D positive-definite", "X mu S"),
]


def drawn(shapes: str) -> list[Any]:
    """Random inputs; square matrices are positive definite, and other numbers positive."""
    rng, values = np.random.default_rng(7), []
    for part in shapes.split(","):
        axes = [SIZES[word] for word in part.split(":")[1].split() if word in SIZES]
        value = rng.standard_normal(axes)
        values.append(value @ value.T + np.eye(len(value)) if axes == [3, 3] else value if axes else 0.7)
    return values


def slopes(function: Callable[..., Any], values: list[Any], position: int) -> np.ndarray:
    """Central differences of a loss."""
    result = np.zeros(np.shape(values[position]))
    for entry in np.ndindex(result.shape):
        moved = []
        for step in (1e-6, -1e-6):
            value = np.array(values[position], dtype=float)
            value[entry] += step
            moved.append(function(*values[:position], value, *values[position + 1 :]))
        result[entry] = (moved[0] - moved[1]) / 2e-6
    return result


@pytest.mark.parametrize(("function", "shapes", "wrt"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_gradient_is_proved_for_every_shape_and_agrees_with_differences(
    function: Callable[..., Any], shapes: str, wrt: str
) -> None:
    derivation = derived(function, shapes, wrt)
    levels = {mark.level for mark in derivation.prove().marks}
    assert levels <= {Level.DEFINITION, Level.EVERY_SHAPE}
    values = drawn(shapes)
    loss, gradients = derivation.to_numpy()(*values)
    assert np.isclose(loss, function(*values))
    for name in wrt.split():
        position = [part.split(":")[0].strip() for part in shapes.split(",")].index(name)
        np.testing.assert_allclose(getattr(gradients, name), slopes(function, values, position), rtol=1e-5, atol=1e-6)


def test_a_matrix_has_one_inverse() -> None:
    program = symgrad.loss(shapes="X: D D")(lambda X: np.sum(np.linalg.inv(X)) + np.linalg.det(X)).program()
    calls = [d for d in program.ordered if isinstance(d.rhs, inverse)]
    assert [d.name for d in calls] == ["X_inv"]


def test_the_inverse_of_an_inverse_is_the_matrix() -> None:
    program = symgrad.loss(shapes="X: D D")(lambda X: np.sum(np.linalg.inv(np.linalg.inv(X)) ** 2)).program()
    assert not any(isinstance(d.rhs, inverse) for d in program.ordered)


def test_the_matrix_forms_are_the_matrix_cookbooks() -> None:
    text = derived(quadratic, "a: D, X: D D, b: D", "X").to_text("matrix", steps="none")
    assert "∂L/∂X = −X⁻ᵀ a bᵀ X⁻ᵀ" in text
    text = derived(
        lambda S, M, n: n * (np.linalg.slogdet(S)[1] + np.trace(np.linalg.inv(S) @ M)) / 2,
        "S: D D positive-definite, M: D D, n: scalar",
        "S",
    ).to_text("matrix", steps="none")
    assert "∂L/∂S = (n/2) (S⁻¹ − S⁻¹ Mᵀ S⁻¹)" in text
    latex = derived(lambda X: np.linalg.det(X), "X: D D", "X").to_latex("matrix", steps="none")
    assert r"\det(X) \, X^{-\top}" in latex


def test_the_condition_is_stated() -> None:
    assert "det(X) ≠ 0: X has an inverse" in derived(lambda X: np.linalg.det(X), "X: D D", "X").to_text(detail="full")


def test_products_with_an_inverse_are_solutions() -> None:
    source = derived(quadratic, "a: D, X: D D, b: D", "X").to_source()
    assert '_solve(X, b, "X")' in source
    assert "_inverse(" not in source


def test_a_singular_matrix_is_named() -> None:
    function = derived(solved, "A: D D, b: D", "A").to_numpy()
    with pytest.raises(np.linalg.LinAlgError, match="A: Singular matrix"):
        function(np.zeros((2, 2)), np.ones(2))


@pytest.mark.parametrize("target", ["scalar", "numba"])
def test_other_targets_refuse(target: str) -> None:
    derivation = derived(solved, "A: D D, b: D", "A")
    with pytest.raises(UnsupportedError, match=f"the target {target} cannot compute the inverse"):
        derivation.to_source(target=target, **({"sizes": {"D": 2}} if target == "scalar" else {}))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: np.linalg.det(X), "it takes a square matrix"),
        (lambda X: np.sum(np.linalg.solve(X @ X.T, X[None])), "it takes a vector or a matrix"),
    ],
)
def test_shapes_are_checked(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        _ = symgrad.loss(shapes="X: N D")(function).program()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: np.sum(np.linalg.matrix_power(X, 100)), "matrix_power takes an integer from -12 to 12"),
        (lambda X: np.sum(np.linalg.eigvalsh(X)), r"np.trace\(A\) is their sum"),
        (lambda X: np.sum(np.linalg.pinv(X)), r"np.linalg.inv\(X.T @ X\) @ X.T"),
        (lambda X: np.sum(np.linalg.cholesky(X)), "declare the factor as the input"),
    ],
)
def test_what_has_no_rule_says_what_to_write(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        _ = symgrad.loss(shapes="X: D D")(function).program()
