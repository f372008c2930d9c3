"""Functions that have a name in textbooks, found in formulas and written out again."""

from __future__ import annotations

import pytest
from sympy import Expr, Sum, Symbol, erf, exp, pi, simplify, sqrt

import symgrad
from symgrad.array.expression import parse
from symgrad.engine.named_functions import Phi, named, phi, sigmoid, written_out
from symgrad.notation import Array, Axis

x, y = Symbol("x", real=True), Symbol("y", real=True)
NAMED: dict[str, tuple[Expr, Expr]] = {
    "a sigmoid": (1 / (1 + exp(-x)), sigmoid(x)),
    "its complement": (1 / (1 + exp(x)), sigmoid(-x)),
    "a sigmoid by its numerator": (y * exp(x) / (1 + exp(x)), y * sigmoid(x)),
    "its slope": (exp(-x) / (1 + exp(-x)) ** 2, sigmoid(x) * sigmoid(-x)),
    "the other slope": (3 * exp(2 * x) / (1 + exp(x)) ** 3, 3 * sigmoid(x) ** 2 * sigmoid(-x)),
    "a sigmoid in a sum of terms": (exp(x) / (1 + exp(x)) - y, sigmoid(x) - y),
    "the normal distribution": (erf(x / sqrt(2)) / 2 + y + sqrt(1) / 2, Phi(x) + y),
    "its density": (x * exp(-(x**2) / 2) / sqrt(2 * pi), x * phi(x)),
}
NOT: dict[str, Expr] = {
    "another sum": exp(x) / (2 + exp(x)),
    "a sum of two exponentials": exp(x) / (exp(x) + exp(y)),
    "an error function alone": erf(x) / 2,
    "an error function beside another number": 1 + erf(x) / 2,
    "another width": exp(-(x**2)) / sqrt(2 * pi),
    "another factor": exp(-(x**2) / 2) / pi,
}


@pytest.mark.parametrize("case", NAMED)
def test_a_formula_is_named(case: str) -> None:
    formula, expected = NAMED[case]
    assert named(formula) == expected
    assert simplify(written_out(expected) - formula) == 0


@pytest.mark.parametrize("case", NOT)
def test_another_formula_is_not(case: str) -> None:
    assert named(NOT[case]) == NOT[case]


def test_a_formula_in_a_sum_is_named() -> None:
    axis = Axis("N")
    n, z = axis.index("n"), Array("z", (axis,))
    assert named(Sum(exp(z[n]) / (1 + exp(z[n])), n)) == Sum(sigmoid(z[n]), n)


PRINTED = {
    "mean(log(1 + exp(X @ w)) - y * (X @ w))": ("X: N D, w: D, y: N", "w", "(1/N) Xᵀ (sigmoid(z) − y)"),
    "sum(gelu(x))": ("x: N", "x", "x ⊙ φ(x) + Φ(x)"),
    "sum(softplus(a * x))": ("a: N, x: N", "x", "a ⊙ sigmoid(a ⊙ x)"),
}


@pytest.mark.parametrize("text", PRINTED)
def test_a_page_names_the_functions_that_its_lines_spell_out(text: str) -> None:
    shapes, wrt, form = PRINTED[text]
    derivation = symgrad.derive(parse(text, shapes, wrt))
    assert derivation.closed_form_words()[0].endswith(f"= {form}") and not derivation.prove().faults
    written = derivation.to_text()
    assert "is 1/(1 + exp(−x))." in written if "sigmoid" in form else "Φ(x) is the distribution function" in written
    assert r"\varphi" in derivation.to_latex() or "sigmoid" in form


def test_a_page_keeps_the_formula_of_what_it_defines_or_calls_otherwise() -> None:
    assert "sigmoid" not in symgrad.derive("logistic").to_text()
    text = symgrad.derive(parse("sum(gelu(x)) + sum(phi)", "x: N, phi: N", "x")).to_text()
    assert "∂L/∂x = x ⊙ phi(x) + Φ(x)" in text


def test_the_lines_on_the_code_keep_the_formula_that_they_change() -> None:
    text = symgrad.derive(parse("mean(log(1 + exp(X @ w)))", "X: N D, w: D", "w")).to_text(code=True)
    assert "1/(1 + exp(−z_m)) = exp(z_m)/(1 + exp(z_m))" in text and "∂L/∂w = (1/N) Xᵀ sigmoid(z)" in text
