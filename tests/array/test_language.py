"""One language however it is typed: numbers, one line or a function, refusals that recommend what works, names."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from catalogue import derived
from sympy import Expr, Rational, log, pi, sqrt

import symgrad
from symgrad.array.expression import parse
from symgrad.array.graph import exact
from symgrad.cli import main

# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "meant"), [(1 / 3, "1/3"), (0.1, "1/10"), (0.5, "1/2"), (1e-12, f"1/{10**12}")])
def test_a_float_is_the_fraction_that_was_meant(value: float, meant: str) -> None:
    assert exact(value) == Rational(meant)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (math.sqrt(7), sqrt(7)),
        (1 / math.sqrt(7), 1 / sqrt(7)),
        (math.log(7), log(7)),
        (math.log(7) / 2, log(7) / 2),
        (1 / math.sqrt(2 * math.pi), 1 / sqrt(2 * pi)),
        (math.log(math.sqrt(2 * math.pi)), log(2 * pi) / 2),
        (math.pi / 2, pi / 2),
    ],
    ids=str,
)
def test_a_float_is_the_root_or_the_logarithm_that_was_meant(value: float, meant: Expr) -> None:
    assert exact(value) == meant


def test_a_cube_root_is_a_power_of_a_third() -> None:
    cubed = symgrad.loss(shapes="x: N positive")(lambda x: np.sum(x ** (1 / 3)))
    assert "x_m^(2/3)" in symgrad.derive(cubed).to_text()


def test_a_fraction_fixes_a_scalar() -> None:
    power = symgrad.loss(shapes="x: N positive, gamma: scalar", wrt="x")(lambda x, gamma: np.sum(x**gamma))
    assert symgrad.derive(power, gamma=Fraction(1, 2)).to_text() == symgrad.derive(power, gamma=0.5).to_text()


def test_a_small_number_is_a_power_of_ten_in_print_and_in_code() -> None:
    d = symgrad.derive(symgrad.loss(shapes="x: N positive")(lambda x: np.mean(np.log(x + 1e-12))))
    assert "log(10^-12 + x_n)" in d.to_text() and r"10^{-12} + x_{n}" in d.to_latex()
    assert "<msup><mn>10</mn><mrow><mo>−</mo><mn>12</mn></mrow></msup>" in d.to_mathml()
    assert "1e-12 + x" in d.to_source() and "00000" not in d.to_source()


def test_a_fraction_that_is_no_power_of_ten_divides_once() -> None:
    value, _ = symgrad.derive(symgrad.loss(shapes="x: N")(lambda x: 2 * np.sum(x) / 3)).to_numpy()(np.array([1.0, 2.0]))
    assert value == 2.0


# --- refusals ------------------------------------------------------------------------------------------------------


def first_line(shapes: str, function: Callable[..., Any]) -> str:
    with pytest.raises(symgrad.SymgradError) as caught:
        symgrad.loss(shapes=shapes)(function).program()
    return str(caught.value).splitlines()[0]


X, v = np.random.default_rng(0).standard_normal((3, 4)), np.array([3.0, -1.0, 2.0])


@pytest.mark.parametrize(
    ("shapes", "function", "at"),
    [
        ("X: N D", lambda X: np.linalg.norm(X, "fro"), X),
        ("v: N", lambda v: np.linalg.norm(v, 2), v),
        ("X: N D", lambda X: scipy.special.logsumexp(X), X),
        ("X: N D", lambda X: scipy.special.logsumexp(X, axis=1, b=2.0).sum(), X),
        ("A: D D", lambda A: np.trace(np.eye(len(A)) @ A), X[:, :3]),
        ("v: N", lambda v: np.asarray(v) @ ((v > 0).astype(float) - (v > 2)), v),
    ],
)
def test_what_has_a_plain_meaning_works(shapes: str, function: Callable[..., Any], at: np.ndarray) -> None:
    d = symgrad.derive(symgrad.loss(shapes=shapes)(function))
    assert d.prove().ok and d.to_numpy()(at)[0] == pytest.approx(function(at))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda Q: np.linalg.norm(Q, 2), "np.sum(A**2) is the sum of their squares"),
        (lambda Q: np.linalg.norm(Q, 3), "norm(X) is the square root of the sum of squares"),
        (lambda Q: np.sum(np.arange(0, len(Q), 2)[:, None] * Q), "as an input"),
        (lambda Q: np.sum(np.linspace(0, 1, len(Q)) @ Q), "declare its result as an input"),
        (lambda Q: np.linalg.lstsq(Q, Q)[0].sum(), "np.linalg.solve(X.T @ X, X.T @ y)"),
        (lambda Q: np.linalg.inv([[Q.sum()]]).sum(), "write np.linalg.inv of an array"),
        (lambda Q: np.sum(Q[Q > 0]), "np.where(mask, A, 0)"),
        (lambda Q: np.sum(np.arange(1, len(Q)) @ Q), "must start at 0"),
        (lambda Q: Q.astype(int).sum(), "would change the numbers"),
    ],
)
def test_a_refusal_does_not_recommend_what_it_refuses(function: Callable[..., Any], words: str) -> None:
    said = first_line("Q: N D", function)
    assert words in said and "nearest" not in said


# --- one line, and names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("np.mean((X @ w - y)**2)", "mean((X @ w - y)**2)"),
        ("sum((X @ w - y)**2) / len(y)", "sum((X @ w - y)**2) / N"),
        ("sum((X @ w - y)**2) / y.shape[0]", "sum((X @ w - y)**2) / N"),
        ("np.pi * sum(w) + sum(eye(len(w)) @ w)", "pi * w.sum() + np.sum(np.eye(D) @ w)"),
        ("np.sum(np.clip(w, None, 1) + w.clip(-1, None), None)", "sum(np.clip(w, max=1) + np.clip(w, min=-1))"),
    ],
)
def test_what_works_in_a_function_works_in_one_line(text: str, same: str) -> None:
    shapes = "X: N D, w: D, y: N"
    assert symgrad.derive(parse(text, shapes, "w")).to_text() == symgrad.derive(parse(same, shapes, "w")).to_text()


def test_a_loss_in_one_line_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "-e", "-mean(log(p))", "--shapes", "p: N positive"]) == 0
    assert "∂L/∂p" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lambda_", "lambda", "λ"])
def test_what_is_shown_for_lambda_can_be_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = ["--shapes", f"w: D, {name}: scalar"]
    assert main(["derive", "-e", f"{name} * sum(w**2)", *shapes, "--wrt", name]) == 0
    assert "∂L/∂λ = " in capsys.readouterr().out


def test_a_product_of_numbers_is_what_its_equation_says() -> None:
    cubes = symgrad.loss(shapes="A: D")(lambda A: np.mean((np.exp(A) ** 1.5) ** 3))
    at = np.array([0.3, -0.2])
    assert symgrad.derive(cubes).to_numpy()(at)[0] == pytest.approx(cubes(at))


# --- generated functions and candidates ----------------------------------------------------------------------------


@symgrad.loss(shapes="X: N D, W: D C, b: C, y: N labels of C", wrt="W b")
def cross_entropy(X, W, b, y):
    return -np.mean(symgrad.array.log_softmax(X @ W + b, axis=1)[np.arange(len(y)), y])


def test_labels_keep_the_name_that_the_author_gave_them_and_a_wrong_keyword_shows_the_signature() -> None:
    X, W, b, y = np.ones((3, 2)), np.ones((2, 4)), np.zeros(4), np.array([0, 3, 1])
    f = symgrad.derive(cross_entropy).to_numpy()
    assert f(X, W, b, y=y)[0] == pytest.approx(np.log(4))
    with pytest.raises(TypeError, match=r"cross_entropy_gradient\(X, W, b, y\)"):
        f(X, W, b, Y=y)
    with pytest.raises(symgrad.InputError, match=r"no parameter 'Y': expected cross_entropy\(X, W, b, y\)"):
        symgrad.derive(cross_entropy, Y=y)


def test_half_precision_sums_in_single_precision() -> None:
    f = derived("softmax_cross_entropy").to_numpy()
    X, W, b = (np.zeros(shape, np.float16) for shape in ((70_000, 1), (1, 3), (3,)))
    value, gradients = f(X, W, b, np.zeros(70_000, int))
    assert value.dtype == gradients.b.dtype == np.float16
    assert np.allclose(gradients.b, [-2 / 3, 1 / 3, 1 / 3], atol=1e-3)


def test_masked_arrays_are_refused_with_one_clear_line() -> None:
    masked = np.ma.masked_array(np.ones((3, 2)), [[True, False]] * 3)
    with pytest.raises(ValueError, match=r"^X: masked arrays are not taken: fill it"):
        symgrad.derive(cross_entropy).to_numpy()(masked, np.ones((2, 4)), np.zeros(4), np.array([0, 3, 1]))


@pytest.mark.slow
def test_a_candidate_that_changes_its_inputs_is_told_so() -> None:
    proved = derived("softmax_mse")

    def gradient(X: Any, W: Any, b: Any, Y: Any) -> Any:
        found = tuple(proved.to_numpy(check=False)(X, W, b, Y)[1])
        W -= 1
        return found

    assert "it changes its input W in place" in str(symgrad.diagnose(proved, gradient))


def test_the_closed_forms_alone_define_what_is_in_them() -> None:
    shown = symgrad.derive("softmax_cross_entropy", wrt="b").to_text("matrix", steps="none", title=False)
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[1:4] == ["Z = X W + 1_N bᵀ", "S = exp(Z) 1_C", "P = exp(Z) ⊘ (S 1_Cᵀ)"]
    assert lines[4] == "∂L/∂b = (1/N) (P − Y)ᵀ 1_N"


def test_a_symmetric_input_says_that_its_entries_count_as_independent() -> None:
    d = symgrad.derive(symgrad.loss(shapes="A: D D symmetric, x: D", wrt="A")(lambda A, x: x @ A @ x))
    assert "[A1] A is symmetric, and its entries count as independent in the gradient" in d.to_text()
