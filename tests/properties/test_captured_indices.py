"""Programs in which an index of an inner sum has the letter of an outer one: gradients against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import sampled

import symgrad
from symgrad.array.expression import parse

# One-line losses, as symgrad and NumPy read them.
PROGRAMS = {
    "the largest of the log-softmax": "mean(max(X - logsumexp(X, axis=1, keepdims=True), axis=1))",
    "over the other axis": "mean(max(X - logsumexp(X, axis=0, keepdims=True), axis=0))",
    "both axes": "sum(max(X - logsumexp(X, axis=0, keepdims=True), axis=1))",
    "the smallest": "sum(min(X - logsumexp(X, axis=1, keepdims=True), axis=1) ** 2)",
    "a product of two": "sum((X - logsumexp(X, axis=1, keepdims=True)) * (X - logsumexp(X, axis=0, keepdims=True)))",
    "a quotient": "sum(X / (1 + logsumexp(X, axis=1, keepdims=True) ** 2))",
    "logsumexp of a log-softmax": "sum(logsumexp(X - logsumexp(X, axis=1, keepdims=True), axis=0))",
    "logsumexp of scaled logsumexp": "mean(logsumexp(X * logsumexp(X, axis=1, keepdims=True), axis=1))",
    "softmax of a log-softmax": "sum(softmax(X * logsumexp(X, axis=0, keepdims=True), axis=1) * X)",
    "a norm": "sum(norm(X - logsumexp(Y, axis=1, keepdims=True), axis=1) * max(X, axis=1))",
    "a variance": "sum(var(X * logsumexp(X, axis=1, keepdims=True), axis=0) ** 2)",
    "the largest beside a logarithm of the mean": "sum(max(X * log(mean(exp(X), axis=1, keepdims=True)), axis=1))",
    "the largest within a sum": "sum(max(X, axis=1, keepdims=True) * logsumexp(X, axis=1, keepdims=True) * X)",
    "square axes": "mean(max(X @ X.T - logsumexp(X @ X.T, axis=1, keepdims=True), axis=1))",
    "two arrays": "sum(max(X - logsumexp(X * Y, axis=1, keepdims=True), axis=1) * logsumexp(Y, axis=1))",
    "used transposed": "sum((X.T @ (X - logsumexp(X, axis=1, keepdims=True))) ** 2)",
}


@pytest.mark.parametrize("text", sampled(list(PROGRAMS.values())[::2], every=10), ids=[*PROGRAMS][::2])
def test_no_index_is_captured(text: str) -> None:
    shapes = "X: N D, Y: N D" if "Y" in text else "X: N D"
    derivation = symgrad.derive(parse(text, shapes))
    assert derivation.prove().ok, derivation.to_text()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 3)) for _ in derivation.program.inputs]
    check = symgrad.check_grad(lambda *values: _value(text, *values), derivation.to_numpy(), *arrays)
    assert check.ok, check


def _value(text: str, X: np.ndarray, Y: np.ndarray | None = None) -> float:
    """The text as NumPy understands it."""

    def logsumexp(x: np.ndarray, **over: Any) -> np.ndarray:
        return np.log(np.sum(np.exp(x), **over))

    def softmax(x: np.ndarray, axis: int) -> np.ndarray:
        return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)

    names = {name: getattr(np, name) for name in ("mean", "max", "min", "sum", "var", "log", "exp")}
    names |= {"norm": np.linalg.norm, "logsumexp": logsumexp, "softmax": softmax, "X": X, "Y": Y}
    return float(eval(text, {"__builtins__": {}}, names))
