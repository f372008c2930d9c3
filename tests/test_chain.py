"""The chain rule, line by line: what each line says, why, and what it cites, for small programs of every kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from classifier import LOSSES

from symgrad.array.expression import parse
from symgrad.derive import derive_record
from symgrad.steps import Record

# A text, the shapes of its arrays, and what is differentiated by.
TEXTS = {
    "two_layers": ("mean((tanh(X @ W) @ v - y) ** 2)", "X: N D, W: D C, v: C, y: N", ("W",)),
    "standardised": ("sum(y * (x - mean(x)) / std(x))", "x: N, y: N", ("x",)),
    "log_cosh": ("sum(log(cosh(X @ w - y)))", "X: N D, w: D, y: N", ("w",)),
    "kinks": ("sum(relu(x) * abs(x) + maximum(x, y))", "x: N, y: N", ("x", "y")),
    "largest": ("sum(max(X * X, axis=1) * y)", "X: N C, y: N", ("X",)),
    "lengths": ("sum(norm(X, axis=1) / norm(Y, axis=1))", "X: N D, Y: N D", ("X", "Y")),
    "gated": ("sum(sigmoid(x) * tanh(x * y))", "x: N, y: N", ("x",)),
    "normalised": ("-sum(Y * log(softmax(X * X, axis=1)))", "X: N C, Y: N C distribution", ("X",)),
    "quadratic": ("sum(x * (A @ x)) / sum(x ** 2)", "A: D D symmetric, x: D", ("x",)),
}


def written(record: Record) -> str:
    """The lines of a record without the matrix forms, one field each."""
    lines: list[str] = []
    for step in record.steps:
        if step.rule == "matrix":
            continue
        kinds = [f"{c.key} {c.words}" for c in step.conventions]
        needed = [f"{c.nonzero} is not 0: {c.reason}" for c in step.conditions]
        lines += [f"({step.number}) {step.subject}", f"    {step.rule}: {step.reason}; from {list(step.cites)}"]
        lines += [f"    {text}" for text in [*kinds, *needed, *([step.assumption.key] if step.assumption else [])]]
        lines += [f"    {'' if step.before is None else step.before} = {step.after}"]
    return "\n".join([*lines, *(f"{name}: {g.entry} {g.index}" for name, g in record.adjoints.items()), ""])


@pytest.mark.parametrize("name", TEXTS)
def test_lines(name: str, golden: Callable[[str, str], None]) -> None:
    text, shapes, wrt = TEXTS[name]
    golden(f"lines_{name}.txt", written(derive_record(parse(text, shapes).program(), wrt)))


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "softmax_mse"])
def test_lines_of_a_classifier(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"lines_{name}.txt", written(derive_record(LOSSES[name](), ("W",))))
