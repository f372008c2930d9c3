"""Expressions from the command line: parsed against an allow-list, refused by name and column, never evaluated."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import symgrad
from symgrad.array import expression
from symgrad.array.expression import parse
from symgrad.array.language import NAMES
from trials.examination import limited

SHAPES = "X: N D, W: D C, b: C, Y: N C, y: N labels of C, s: scalar"
LOSS = "mean((softmax(X @ W + b, axis=1) - Y)**2)"


def test_an_expression_is_the_loss_that_the_function_is() -> None:
    equations = parse(LOSS, SHAPES, "W b").program().equations
    by_hand = symgrad.loss(shapes=SHAPES)(
        lambda X, W, b, Y, y, s: np.mean((symgrad.array.softmax(X @ W + b, axis=1) - Y) ** 2)
    )
    assert equations == by_hand.program().equations


def test_an_expression_runs_on_arrays() -> None:
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((3, 2)), rng.standard_normal(2)
    loss = parse("mean(log(1 + exp(X @ v)) * where(X @ v > 0, 1, 0.5)) + sum(v[None, :].T)", "X: N D, v: D")
    z = X @ v
    assert loss(X, v) == pytest.approx(np.mean(np.log1p(np.exp(z)) * np.where(z > 0, 1, 0.5)) + v.sum())


@pytest.mark.parametrize(
    "text",
    [
        "sum(einsum('nd,dc->nc', X, W), axis=None)",
        "sum(X.T @ X) / 2",
        "mean(sum(X, axis=(0, 1), keepdims=False))",
        "s * sum(norm(X, axis=1))",
        "sum(average(X, axis=1, weights=exp(X)))",
        "sum(var(X, axis=-1, ddof=1))",
        "sum((X > 0) * abs(X) + 1e-3 - +X)",
    ],
)
def test_what_is_in_the_language(text: str) -> None:
    assert parse(text, SHAPES).program().output == "L"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "unknown method __import__('os').system"),
        ("__import__('os')", "column 1: unknown function __import__"),
        ("sum(X.__class__)", "column 5: unknown attribute __class__; known attributes: T, ndim, shape, size"),
        ("sum(X.mean)", "column 5: unknown attribute mean; write .mean(...)"),
        ("X.tofile('x')", "unknown method X.tofile"),
        ("np.load('x')", "unknown function load"),
        ("sum(np.__loader__ * X)", "unknown name __loader__; known names: e, float32"),
        ("sum(np.linalg.LinAlgError(X))", "unknown function LinAlgError"),
        ("X.sum(dtype=1)", "the keyword dtype is not in the language"),
        ("X.mean(axis=X)", "axis= takes an integer"),
        ("sum([x for x in X])", "column 5: a list comprehension is not in the language"),
        ("sum(x for x in X)", "a comprehension is not in the language"),
        ("sum(lambda: X)", "column 5: a lambda is not in the language"),
        ("sum(X if s else W)", "a conditional (write where(...))"),
        ("sum(X) and 1", "'and' or 'or' is not in the language"),
        ("(z := X)", "an assignment with := is not in the language"),
        ("{1: X}", "a dictionary is not in the language"),
        ("sum(*X)", "a starred argument is not in the language"),
        ("sum(**X)", "the keyword ** is not in the language"),
        ("sum(X, dtype=s)", "column 8: the keyword dtype is not in the language"),
        ("sum(X, axis=s)", "axis= takes an integer"),
        ("sum('X')", "column 5: 'X' is not a number"),
        ("sum(f'{X}')", "an f-string is not in the language"),
        ("sum({X})", "a set is not in the language"),
        ("sum(not X)", "operator not is not in the language"),
        ("sum(1j * X)", "1j is not a number"),
        ("sum(True * X)", "True is not a number"),
        ("sum(Q)", "column 5: unknown name Q; known names: C, D, N, W, X, Y, b, s, y"),
        ("sum(__builtins__)", "unknown name __builtins__"),
        ("sotfmax(X)", "unknown function sotfmax; did you mean softmax or fmax?"),
        ("sum(exp)", "exp is a function: write exp(...)"),
        ("sum(reshape(X, 2))", "reshape has no rule"),
        ("sum(X[1:])", "only whole axes"),
        ("sum(X[0])", "entry 0 of X (N, D)"),
        ("sum(X // 2)", "operator // is not in the language"),
        ("sum(0 < X < 1)", "a comparison has two operands"),
        ("sum(X is X)", "a comparison has two operands"),
        ("sum(X", "column 4: not a Python expression: '(' was never closed"),
        ("", "the expression is empty"),
        ("X = 1", "column 3: not a Python expression: invalid syntax"),
        ("sum(X ^ 2)", "column 5: use ** for powers, not ^"),
        ("sum(X @ Y)", "X (N, D) @ Y (N, C): D does not match N"),
        ("1 / 0", "column 1: division by zero"),
        ("sum(X / 0)", "division by zero"),
        ("sum(X * 0**-1)", "column 9: division by zero"),
        ("sum(X / (s - s))", "L is not finite: division by zero"),
        ("9**9**9**9", "the exponent is above 100"),
        ("sum(X**9**9**9)", "the exponent is above 100"),
        ("(((9**99)**99)**99)**99", "too large"),
        ("sum((((X*0 + 9)**99)**99)**99)", "too large"),
        ("1e999", "too large"),
        ("1" * 50, "more than 30 digits"),
        ("(" * 100 + "X" + ")" * 100, "nested more than 50 levels deep"),
        ("-" * 100 + "X", "nested more than 50 levels deep"),
        ("sum(" * 51 + "X" + ")" * 51, "nested more than 50 levels deep"),
        ("+".join(["X"] * 5000), "too long"),
        ("exp(X)," * 400, "not in the language"),
        ("X" * 20_000, "20000 characters"),
        ("sum(X)\0", "column 7: '\\x00' (U+0000) is not in the language"),
    ],
)
def test_what_is_refused_and_where(text: str, words: str) -> None:
    with limited(10), pytest.raises(symgrad.SymgradError) as caught:
        parse(text, SHAPES).program()
    assert words in str(caught.value)


def test_the_caret_stands_under_the_mistake() -> None:
    with pytest.raises(symgrad.InputError) as caught:
        parse("mean(exp(X) + foo(X))", SHAPES)
    lines = str(caught.value).splitlines()
    assert lines[1:] == ["  expression:", "    mean(exp(X) + foo(X))", "                  ^^^"]


@pytest.mark.parametrize(("text", "under"), [("sum(X / 0)", "X / 0"), ("sum(X * 0**-1)", "0**-1")])
def test_a_division_by_zero_is_pointed_at(text: str, under: str) -> None:
    with pytest.raises(symgrad.ProgramError) as caught:
        parse(text, SHAPES).program()
    _, _, shown, carets = str(caught.value).splitlines()
    assert shown[carets.index("^") : len(carets)] == under


def test_nothing_is_evaluated() -> None:
    """No call of eval, exec or compile, and of ``ast`` only ``parse``."""
    tree = ast.parse(Path(expression.__file__).read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__", "getattr_static", "sympify", "parse_expr"}


def test_names_are_functions_only() -> None:
    assert all(callable(function) and not name.startswith("_") for name, function in NAMES.items())
