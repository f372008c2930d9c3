"""Derivatives of scalars with respect to matrices, in the order of the Matrix Cookbook (Petersen and Pedersen, 2012),
chapters 2 and 8; the numbers are ours.

Each loss is typed as its formula stands; its derivation is proved, and its generated function agrees with differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.check.marks import Level

SIZES = {"N": 4, "D": 3}
ARRAYS = "X: D D, A: D D, B: D D, C: D D, V: N D, a: D, b: D, x: D, s: D, S: D D positive-definite, W: D D symmetric"

FORMULAS: tuple[tuple[str, str], ...] = (
    ("np.linalg.det(X)", "X"),
    ("np.linalg.det(A @ X @ B)", "X"),
    ("np.linalg.det(V.T @ V)", "V"),
    ("np.linalg.det(V.T @ V + A)", "V"),
    ("np.linalg.slogdet(V.T @ V)[1]", "V"),
    ("np.linalg.slogdet(X)[1]", "X"),
    ("np.linalg.det(np.linalg.matrix_power(X, 2))", "X"),
    ("a @ np.linalg.inv(X) @ b", "X"),
    ("np.linalg.det(np.linalg.inv(X))", "X"),
    ("np.trace(A @ np.linalg.inv(X) @ B)", "X"),
    ("np.trace(np.linalg.inv(X + A))", "X"),
    ("x @ a", "x"),
    ("a @ X @ b", "X"),
    ("a @ X.T @ b", "X"),
    ("a @ X @ a", "X"),
    ("np.sum(X @ X.T)", "X"),
    ("b @ X.T @ X @ a", "X"),
    ("(B @ x + b) @ C @ (A @ x + a)", "x"),
    ("b @ X.T @ A @ X @ a", "X"),
    ("x @ B @ x", "x"),
    ("(X @ b + a) @ A @ (X @ b + a)", "X"),
    ("(x - A @ s) @ W @ (x - A @ s)", "s"),
    ("(x - s) @ W @ (x - s)", "x"),
    ("(x - s) @ W @ (x - s)", "s"),
    ("(x - A @ s) @ W @ (x - A @ s)", "x"),
    ("(x - A @ s) @ W @ (x - A @ s)", "A"),
    ("a @ np.linalg.matrix_power(X, 3) @ b", "X"),
    ("a @ np.linalg.matrix_power(X, 2).T @ np.linalg.matrix_power(X, 2) @ b", "X"),
    ("np.trace(X)", "X"),
    ("np.trace(X @ A)", "X"),
    ("np.trace(A @ X @ B)", "X"),
    ("np.trace(A @ X.T @ B)", "X"),
    ("np.trace(X.T @ A)", "X"),
    ("np.trace(A @ X.T)", "X"),
    ("np.trace(X @ X)", "X"),
    ("np.trace(X @ X @ B)", "X"),
    ("np.trace(X.T @ B @ X)", "X"),
    ("np.trace(B @ X @ X.T)", "X"),
    ("np.trace(X @ B @ X.T)", "X"),
    ("np.trace(X.T @ X @ B)", "X"),
    ("np.trace(A @ X @ B @ X)", "X"),
    ("np.trace(X.T @ X)", "X"),
    ("np.trace(B @ X.T @ C @ X @ B)", "X"),
    ("np.trace(X.T @ B @ X @ C)", "X"),
    ("np.trace(A @ X @ B @ X.T @ C)", "X"),
    ("np.trace((A @ X @ B + C) @ (A @ X @ B + C).T)", "X"),
    ("np.trace(np.linalg.matrix_power(X, 3))", "X"),
    ("np.trace(A @ np.linalg.matrix_power(X, 3))", "X"),
    ("np.trace(B.T @ X.T @ C @ X @ X.T @ C @ X @ B)", "X"),
    ("np.trace(np.linalg.inv(V.T @ G @ V) @ A)", "V"),
    ("np.trace(np.linalg.inv(V.T @ G @ V) @ (V.T @ H @ V))", "V"),
    ("np.sqrt(np.sum((x - a) ** 2))", "x"),
    ("x @ x", "x"),
    ("np.sum(X ** 2)", "X"),
    ("np.linalg.slogdet(S)[1]", "S"),
    ("-np.linalg.slogdet(S)[1] / 2 - (x - a) @ np.linalg.inv(S) @ (x - a) / 2", "a"),
    ("-np.linalg.slogdet(S)[1] / 2 - (x - a) @ np.linalg.inv(S) @ (x - a) / 2", "S"),
    ("(x - A @ s) @ np.linalg.solve(S, x - A @ s)", "s"),
    ("(x - A @ s) @ np.linalg.solve(S, x - A @ s)", "A"),
    ("np.exp(-(x - a) @ np.linalg.solve(S, x - a) / 2)", "x"),
    ("np.linalg.slogdet(A @ X @ B)[1]", "X"),
    ("np.linalg.slogdet(np.linalg.inv(X))[1]", "X"),
    ("np.trace(np.linalg.inv(X) @ A @ np.linalg.inv(X) @ B)", "X"),
    ("np.trace(np.linalg.solve(X, A))", "X"),
    ("np.trace(X.T @ np.linalg.inv(S) @ X)", "X"),
    ("np.trace(V.T @ V @ S)", "V"),
    ("np.sum((A @ x - b) ** 2)", "x"),
    ("np.sum((A @ x - b) ** 2)", "A"),
    ("np.sqrt(np.sum((A @ x - b) ** 2))", "x"),
    ("np.log(x @ S @ x)", "x"),
    ("(x @ A @ x) / (x @ x)", "x"),
)
"""The loss of each formula, and the array to differentiate with respect to."""
QUICK = {1, 2, 5, 6, 8, 10, 22, 31, 41, 57}
SHAPES = {part.split(":")[0].strip(): part.split(":")[1].strip() for part in ARRAYS.split(",")}
SHAPES |= {"G": "N N", "H": "N N"}


def _case(number: int) -> Any:
    return pytest.param(number, id=str(number), marks=[] if number in QUICK else [pytest.mark.slow])


def _inputs(names: list[str]) -> dict[str, np.ndarray]:
    """Random inputs; symmetric matrices are positive definite, and inverses are well conditioned."""
    rng, values = np.random.default_rng(11), {}
    for name in names:
        axes = [SIZES[word] for word in SHAPES[name].split() if word in SIZES]
        value = rng.standard_normal(axes)
        if len(axes) == 2 and axes[0] == axes[1]:
            value = (
                value @ value.T + np.eye(len(value)) if len(SHAPES[name].split()) == 3 else value + 3 * np.eye(axes[0])
            )
        values[name] = value
    return values


@pytest.mark.parametrize("number", [*map(_case, range(1, len(FORMULAS) + 1))])
def test_a_formula_is_derived_proved_and_agrees_with_differences(number: int) -> None:
    text, wrt = FORMULAS[number - 1]
    code = compile(text, f"<{number}>", "eval")
    names = [name for name in SHAPES if name in code.co_names]
    scope: dict[str, Any] = {"np": np}
    exec(f"def formula({', '.join(names)}):\n    return {text}", scope)
    loss = symgrad.loss(shapes=", ".join(f"{name}: {SHAPES[name]}" for name in names), wrt=wrt)(scope["formula"])
    derivation = symgrad.derive(loss)
    assert {mark.level for mark in derivation.prove().marks} <= {Level.DEFINITION, Level.EVERY_SHAPE}
    inputs = _inputs(names)
    value, gradients = derivation.to_numpy()(**inputs)
    assert np.isclose(value, scope["formula"](**inputs))
    slopes = np.zeros(inputs[wrt].shape)
    for entry in np.ndindex(slopes.shape):
        step = np.zeros(slopes.shape)
        step[entry] = 1e-6
        above, below = (scope["formula"](**inputs | {wrt: inputs[wrt] + sign * step}) for sign in (1, -1))
        slopes[entry] = (above - below) / 2e-6
    np.testing.assert_allclose(getattr(gradients, wrt), slopes, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())
