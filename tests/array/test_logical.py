"""Comparisons: where NumPy has them as truth values, and how conditions are printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import literal
import numpy as np
import pytest
from printed import expression_latex

import symgrad
from symgrad.array.expression import parse
from symgrad.errors import UnsupportedError
from symgrad.program import Program
from symgrad.render.text import expression_text

SHAPES = "X: N C, Z: N C, x: N, z: N, a: scalar, y: N labels of C"


def traced(body: Callable[..., Any]) -> Program:
    def loss(X: Any, Z: Any, x: Any, z: Any, a: Any, y: Any) -> Any:
        return body(X, Z, x, z, a, y)

    return symgrad.loss(shapes=SHAPES, wrt="X x z a")(loss).trace({}).program


def output(body: Callable[..., Any]) -> Any:
    return traced(body).ordered[-1].rhs


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda X, Z, x, z, a, y: np.sum(((x > 0) + (z > 0)) * x), "+ of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum(((x > 0) + True) * x), "+ of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum(((x > 0) - (z > 0)) * x), "- of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum(-(x > 0) * x), "negative of comparisons alone"),
        (lambda X, Z, x, z, a, y: ((x > 0) @ (z > 0)) * a, "matmul of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.einsum("n,n->", x > 0, (z > 0) * (x < 1)) * a, "einsum of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum(((X > 0).T + (X > 1).T) * X.T), "+ of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum((np.where(x > z, x > 0, z > 0) + (x > 1)) * x), "+ of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum((np.max(X > 0, axis=1) + (x > 1)) * x), "+ of comparisons alone"),
        (lambda X, Z, x, z, a, y: np.sum(np.logical_and(x > 0, np.ones(3)) * x), "(3,)"),
        (lambda X, Z, x, z, a, y: np.sum((x & z) * x), "logical_and takes comparisons, such as Z > 0, not x (N,)"),
        (lambda X, Z, x, z, a, y: np.sum(~x), "logical_not takes comparisons, such as Z > 0, not x (N,)"),
        (lambda X, Z, x, z, a, y: np.sum(np.logical_or(x > 0, 2) * z), "logical_or takes comparisons"),
    ],
)
def test_what_numpy_computes_with_truth_values_is_no_number(body: Callable[..., Any], words: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        traced(body)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        lambda X, Z, x, z, a, y: np.sum((1.0 * (x > 0) + (z > 0)) * x),
        lambda X, Z, x, z, a, y: np.sum((x > 0) * (z > 0) * x) + np.sum((x > 0) * a),
        lambda X, Z, x, z, a, y: np.mean(x > 0) * a + x @ (z > 0),
        lambda X, Z, x, z, a, y: np.sum(np.where((x > 0)[:, None], X, Z) + np.where((X > 0).T, Z.T, 1).T),
        lambda X, Z, x, z, a, y: np.sum(np.where((x > 0) * (z > a), x, z)),
        lambda X, Z, x, z, a, y: np.sum(np.where(np.outer(x > 0, z > 0), x[:, None], z)),
        lambda X, Z, x, z, a, y: np.sum(np.where((x > 0) == (z > 0), x, z) * ((x > 0) & 1)),
        lambda X, Z, x, z, a, y: np.mean(np.where(X[np.arange(len(y)), y] > a, x, z)),
        lambda X, Z, x, z, a, y: np.mean(np.where((X > Z)[np.arange(len(y)), y] & (x > 0), x, z * x)),
    ],
)
def test_comparisons_are_what_numpy_computes(body: Callable[..., Any]) -> None:
    rng = np.random.default_rng(5)
    X, Z, x, z = (rng.normal(size=shape) for shape in ((4, 3), (4, 3), 4, 4))
    y = np.array([2, 0, 1, 1])

    def loss(X: Any, Z: Any, x: Any, z: Any, a: Any, y: Any) -> Any:
        return body(X, Z, x, z, a, y)

    program = symgrad.loss(shapes=SHAPES, wrt="x")(loss).program()
    given = {"X": X, "Z": Z, "x": x, "z": z, "a": np.array(0.3), "Y": np.eye(3)[y]}
    found = literal.forward(program, {k: v for k, v in given.items() if k in program.arrays}, {"N": 4, "C": 3})
    assert np.isclose(found[program.output].real, body(X, Z, x, z, 0.3, y), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("where((x > 0) & (z > 0), x, z)", "x_n if x_n > 0 and z_n > 0, else z_n"),
        ("where((x > 0) | (z <= 1), x, z)", "x_n if z_n ≤ 1 or x_n > 0, else z_n"),
        ("where(~((x < 1) | (z != 2)), x, z)", "x_n if x_n ≥ 1 and z_n = 2, else z_n"),
        ("where((x > 0) & (x < 1) | (z == x), x, z)", "x_n if z_n = x_n or (x_n < 1 and x_n > 0), else z_n"),
        ("where((x > 0) & (x > 0), x, z)", "x_n if x_n > 0, else z_n"),
        ("where(~(x > 0), x, z)", "x_n if x_n ≤ 0, else z_n"),
        ("where((x > 0) == (z > 0), x, z)", "x_n if [x_n > 0] = [z_n > 0], else z_n"),
        ("where(x > -1, x, z)", "x_n if x_n > −1, else z_n"),
        ("where(-x - z > 2, x, z)", "x_n if x_n + z_n < −2, else z_n"),
        ("where(a > -1, x, z)", "x_n if 1 + a > 0, else z_n"),
        ("where(a - abs(x) >= 0, x, z)", "x_n if |x_n| ≤ a, else z_n"),
    ],
)
def test_a_condition_reads_as_it_was_written(text: str, shown: str) -> None:
    program = parse(f"sum({text})", "x: N, z: N, a: scalar", "x").trace({}).program
    body = program.ordered[-1].rhs.args[0]
    assert expression_text(body, program) == shown


def test_the_words_between_conditions_are_text_in_latex() -> None:
    program = parse("sum(where((x > 0) & (z > 0), x, z))", "x: N, z: N", "x").trace({}).program
    assert r"\text{if } x_{n} > 0 \text{ and } z_{n} > 0" in expression_latex(program.ordered[-1].rhs, program)
