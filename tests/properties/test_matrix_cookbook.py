"""Derivatives of scalars with respect to matrices: chapters 2 and 8 of the Matrix Cookbook (Petersen, Pedersen, 2012).

Each loss is typed as its formula stands; its derivation is proved, and its generated function agrees with differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.check.marks import Level

SIZES = {"N": 4, "D": 3}
ARRAYS = (
    "X: D D, A: D D, B: D D, C: D D, V: N D, a: D, b: D, x: D, s: D, S: D D positive-definite, "
    "P: D D positive-definite, W: D D symmetric, w: scalar probability, G: N N, H: N N, M: N N symmetric"
)

FORMULAS: dict[str, tuple[str, str]] = {
    "49": ("np.linalg.det(X)", "X"),
    "51": ("np.linalg.det(A @ X @ B)", "X"),
    "52": ("np.linalg.det(X.T @ A @ X)", "X"),
    "53": ("np.linalg.det(V.T @ M @ V)", "V"),
    "54": ("np.linalg.det(V.T @ G @ V)", "V"),
    "54, of a Gram matrix": ("np.linalg.det(V.T @ V)", "V"),
    "54, with a sum": ("np.linalg.det(V.T @ V + A)", "V"),
    "55": ("np.linalg.slogdet(V.T @ V)[1]", "V"),
    "57": ("np.linalg.slogdet(X)[1]", "X"),
    "58": ("np.linalg.det(np.linalg.matrix_power(X, 2))", "X"),
    "61": ("a @ np.linalg.inv(X) @ b", "X"),
    "62": ("np.linalg.det(np.linalg.inv(X))", "X"),
    "63": ("np.trace(A @ np.linalg.inv(X) @ B)", "X"),
    "64": ("np.trace(np.linalg.inv(X + A))", "X"),
    "65": ("np.sum(np.sin(np.linalg.inv(A)))", "A"),
    "66": ("np.trace(X)", "X"),
    "69": ("x @ a", "x"),
    "70": ("a @ X @ b", "X"),
    "71": ("a @ X.T @ b", "X"),
    "72": ("a @ X @ a", "X"),
    "76": ("np.sum(X) ** 2", "X"),
    "77": ("b @ X.T @ X @ a", "X"),
    "78": ("(B @ x + b) @ C @ (A @ x + a)", "x"),
    "81": ("x @ B @ x", "x"),
    "82": ("b @ X.T @ A @ X @ a", "X"),
    "83": ("(X @ b + a) @ A @ (X @ b + a)", "X"),
    "84": ("(x - A @ s) @ W @ (x - A @ s)", "s"),
    "85": ("(x - s) @ W @ (x - s)", "x"),
    "86": ("(x - s) @ W @ (x - s)", "s"),
    "87": ("(x - A @ s) @ W @ (x - A @ s)", "x"),
    "88": ("(x - A @ s) @ W @ (x - A @ s)", "A"),
    "92": ("a @ np.linalg.matrix_power(X, 3) @ b", "X"),
    "93": ("a @ np.linalg.matrix_power(X, 2).T @ np.linalg.matrix_power(X, 2) @ b", "X"),
    "95": ("np.tanh(B @ x) @ A @ np.exp(x)", "x"),
    "96": ("x @ A @ x + b @ x", "x"),
    "100": ("np.trace(X @ A)", "X"),
    "101": ("np.trace(A @ X @ B)", "X"),
    "102": ("np.trace(A @ X.T @ B)", "X"),
    "103": ("np.trace(X.T @ A)", "X"),
    "104": ("np.trace(A @ X.T)", "X"),
    "105": ("np.trace(A) * np.trace(X)", "X"),
    "106": ("np.trace(X @ X)", "X"),
    "107": ("np.trace(X @ X @ B)", "X"),
    "108": ("np.trace(X.T @ B @ X)", "X"),
    "109": ("np.trace(B @ X @ X.T)", "X"),
    "110": ("np.trace(X @ X.T @ B)", "X"),
    "111": ("np.trace(X @ B @ X.T)", "X"),
    "112": ("np.trace(B @ X.T @ X)", "X"),
    "113": ("np.trace(X.T @ X @ B)", "X"),
    "114": ("np.trace(A @ X @ B @ X)", "X"),
    "115": ("np.trace(X.T @ X)", "X"),
    "116": ("np.trace(B.T @ X.T @ C @ X @ B)", "X"),
    "117": ("np.trace(X.T @ B @ X @ C)", "X"),
    "118": ("np.trace(A @ X @ B @ X.T @ C)", "X"),
    "119": ("np.trace((A @ X @ B + C) @ (A @ X @ B + C).T)", "X"),
    "120": ("np.trace(X) ** 2", "X"),
    "121": ("np.trace(np.linalg.matrix_power(X, 3))", "X"),
    "122": ("np.trace(A @ np.linalg.matrix_power(X, 3))", "X"),
    "123": ("np.trace(B.T @ X.T @ C @ X @ X.T @ C @ X @ B)", "X"),
    "124": ("np.trace(A @ np.linalg.inv(X) @ B)", "X"),
    "125": ("np.trace(np.linalg.inv(V.T @ M @ V) @ A)", "V"),
    "126": ("np.trace(np.linalg.inv(V.T @ M @ V) @ (V.T @ H @ V))", "V"),
    "127": ("np.trace(np.linalg.inv(A + V.T @ M @ V) @ (V.T @ H @ V))", "V"),
    "129": ("np.sqrt(np.sum((x - a) ** 2))", "x"),
    "130": ("s @ (x - a) / np.sqrt(np.sum((x - a) ** 2))", "x"),
    "131": ("x @ x", "x"),
    "132": ("np.sum(X ** 2)", "X"),
    "density by x": ("np.exp(-(x - a) @ np.linalg.solve(S, x - a) / 2)", "x"),
    "normalised density by x": (
        "np.exp(-(x - a) @ np.linalg.solve(S, x - a) / 2) / np.sqrt(np.linalg.det(2 * np.pi * S))",
        "x",
    ),
    "log density by mean": ("-np.linalg.slogdet(S)[1] / 2 - (x - a) @ np.linalg.inv(S) @ (x - a) / 2", "a"),
    "log density by covariance": ("-np.linalg.slogdet(S)[1] / 2 - (x - a) @ np.linalg.inv(S) @ (x - a) / 2", "S"),
    "sample by mean": (
        "-len(V) * np.linalg.slogdet(S)[1] / 2 - np.sum((V - a) * np.linalg.solve(S, (V - a).T).T) / 2",
        "a",
    ),
    "sample by covariance": (
        "-len(V) * np.linalg.slogdet(S)[1] / 2 - np.sum((V - a) * np.linalg.solve(S, (V - a).T).T) / 2",
        "S",
    ),
    "linear model by s": ("(x - A @ s) @ np.linalg.solve(S, x - A @ s)", "s"),
    "linear model by A": ("(x - A @ s) @ np.linalg.solve(S, x - A @ s)", "A"),
    "entropy by covariance": ("np.linalg.slogdet(S)[1] / 2", "S"),
    "mean of a form by covariance": ("np.trace(A @ S) + a @ A @ a", "S"),
    "mean of a form by mean": ("np.trace(A @ S) + a @ A @ a", "a"),
    "divergence by first covariance": (
        "(np.trace(np.linalg.inv(P) @ S) - np.linalg.slogdet(S)[1] + np.linalg.slogdet(P)[1] + (x - a) "
        "@ np.linalg.inv(P) @ (x - a)) / 2",
        "S",
    ),
    "divergence by second covariance": (
        "(np.trace(np.linalg.inv(P) @ S) - np.linalg.slogdet(S)[1] + np.linalg.slogdet(P)[1] + (x - a) "
        "@ np.linalg.inv(P) @ (x - a)) / 2",
        "P",
    ),
    "mixture by weight": (
        "np.log(w * np.exp(-(x - a) @ np.linalg.inv(S) @ (x - a) / 2) / np.sqrt(np.linalg.det(S)) + (1 "
        "- w) * np.exp(-(x - b) @ np.linalg.inv(P) @ (x - b) / 2) / np.sqrt(np.linalg.det(P)))",
        "w",
    ),
    "mixture by mean": (
        "np.log(w * np.exp(-(x - a) @ np.linalg.inv(S) @ (x - a) / 2) / np.sqrt(np.linalg.det(S)) + (1 "
        "- w) * np.exp(-(x - b) @ np.linalg.inv(P) @ (x - b) / 2) / np.sqrt(np.linalg.det(P)))",
        "a",
    ),
    "mixture by covariance": (
        "np.log(w * np.exp(-(x - a) @ np.linalg.inv(S) @ (x - a) / 2) / np.sqrt(np.linalg.det(S)) + (1 "
        "- w) * np.exp(-(x - b) @ np.linalg.inv(P) @ (x - b) / 2) / np.sqrt(np.linalg.det(P)))",
        "S",
    ),
    "product of densities": (
        "np.exp(-(x - a) @ np.linalg.solve(S + P, x - a) / 2) / np.sqrt(np.linalg.det(S + P))",
        "a",
    ),
    "Rayleigh quotient": ("(x @ S @ x) / (x @ x)", "x"),
    "logarithm of the determinant of an inverse": ("np.linalg.slogdet(np.linalg.inv(X))[1]", "X"),
    "logarithm of the determinant of a product": ("np.linalg.slogdet(A @ X @ B)[1]", "X"),
    "trace with two inverses": ("np.trace(np.linalg.inv(X) @ A @ np.linalg.inv(X) @ B)", "X"),
    "trace of a solution": ("np.trace(np.linalg.solve(X, A))", "X"),
}
"""The loss of each formula, and the array to differentiate with respect to, by the number of the equation in chapter 2
(2012), or by the subject in chapter 8."""
QUICK = {"49", "51", "55", "61", "63", "85", "104", "119", "log density by covariance"}
SHAPES = {part.split(":")[0].strip(): part.split(":")[1].strip() for part in ARRAYS.split(",")}


def _case(number: str) -> Any:
    return pytest.param(number, id=number, marks=[] if number in QUICK else [pytest.mark.slow])


def _inputs(names: list[str]) -> dict[str, np.ndarray]:
    """Random inputs; symmetric matrices are positive definite, and inverses are well conditioned."""
    rng, values = np.random.default_rng(11), {}
    for name in names:
        axes = [SIZES[word] for word in SHAPES[name].split() if word in SIZES]
        value = rng.standard_normal(axes) if axes else np.asarray(0.4)
        if len(axes) == 2 and axes[0] == axes[1]:
            value = (
                value @ value.T + np.eye(len(value)) if len(SHAPES[name].split()) == 3 else value + 3 * np.eye(axes[0])
            )
        values[name] = value
    return values


@pytest.mark.parametrize("number", [*map(_case, FORMULAS)])
def test_a_formula_is_derived_proved_and_agrees_with_differences(number: str) -> None:
    text, wrt = FORMULAS[number]
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
