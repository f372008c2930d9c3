"""Functions that have a name in textbooks, found in formulas and written out again."""

from __future__ import annotations

import pytest
from sympy import Expr, Rational, Sum, Symbol, erf, exp, pi, simplify, sqrt

import symgrad
from symgrad.array.expression import parse
from symgrad.engine.named_functions import Phi, clipped, named, phi, sigmoid, written_out
from symgrad.functions import absolute, signum, step, where
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


b = Symbol("b", positive=True)
CLIPPED: dict[str, tuple[Expr, Expr]] = {
    "up to the bound": (where(step(b - absolute(x), 1), x, b * signum(x)), clipped(x, -b, b, 1)),
    "below the bound": (where(step(b - absolute(x), 0), x, b * signum(x)), clipped(x, -b, b, 0)),
    "beyond the bound": (where(step(absolute(x) - b, 0), b * signum(x), x), clipped(x, -b, b, 1)),
    "over the bound": (where(step(b - absolute(x), 0), x / b, signum(x)), clipped(x, -b, b, 0) / b),
    "times a factor": (where(step(2 - absolute(x), 1), 3 * y * x, 6 * y * signum(x)), 3 * y * clipped(x, -2, 2, 1)),
    "in an array": (1 + where(step(b - absolute(x - y), 1), x - y, b * signum(x - y)), 1 + clipped(x - y, -b, b, 1)),
}
NOT_CLIPPED: dict[str, Expr] = {
    "a bound of any sign": where(step(y - absolute(x), 1), x, y * signum(x)),
    "another height": where(step(b - absolute(x), 1), x, 2 * b * signum(x)),
    "another sign": where(step(b - absolute(x), 1), x, -b * signum(x)),
    "the sign of another number": where(step(b - absolute(x), 1), x, b * signum(y)),
    "swapped": where(step(b - absolute(x), 1), b * signum(x), x),
    "a square": where(step(b - absolute(x), 1), x**2, b * absolute(x)),
    "a number inside": where(step(b - absolute(x), 1), 1, b * signum(x) / x),
}


@pytest.mark.parametrize("case", CLIPPED)
def test_a_choice_is_named_clip(case: str) -> None:
    formula, expected = CLIPPED[case]
    assert named(formula) == expected
    for value in (-3, -2, -Rational(3, 2), -1, 0, Rational(1, 2), 2, 5):
        at = {x: value, y: -1, b: 2}
        assert written_out(expected).subs(at) == formula.subs(at)


@pytest.mark.parametrize("case", NOT_CLIPPED)
def test_another_choice_is_not(case: str) -> None:
    assert named(NOT_CLIPPED[case]) == NOT_CLIPPED[case]


def test_a_formula_in_a_sum_is_named() -> None:
    axis = Axis("N")
    n, z = axis.index("n"), Array("z", (axis,))
    assert named(Sum(exp(z[n]) / (1 + exp(z[n])), n)) == Sum(sigmoid(z[n]), n)


PRINTED = {
    "mean(log(1 + exp(X @ w)) - y * (X @ w))": ("X: N D, w: D, y: N", "w", "(1/N) Xᵀ (sigmoid(z) − y)"),
    "sum(gelu(x))": ("x: N", "x", "x ⊙ φ(x) + Φ(x)"),
    "sum(softplus(a * x))": ("a: N, x: N", "x", "a ⊙ sigmoid(a ⊙ x)"),
    "sum(where(abs(x) < 2, x**2 / 4, abs(x) - 1))": ("x: N", "x", "(1/2) clip(x, −2, 2)"),
}


SAID = {
    "sigmoid": "sigmoid x = 1/(1 + exp(−x)).",
    "Φ": "Φ(x) = (1 + erf(x/√2))/2, the distribution function",
    "clip": "clip(x, a, b) is x, but at least a and at most b.",
}


@pytest.mark.parametrize("text", PRINTED)
def test_a_page_names_the_functions_that_its_lines_spell_out(text: str) -> None:
    shapes, wrt, form = PRINTED[text]
    derivation = symgrad.derive(parse(text, shapes, wrt))
    assert derivation.closed_form_words()[0].endswith(f"= {form}") and not derivation.prove().faults
    written = derivation.to_text()
    (said,) = (words for name, words in SAID.items() if name in form)
    assert said in written
    assert (r"\varphi" in derivation.to_latex()) == ("Φ" in form)


def test_a_page_keeps_the_formula_of_what_it_defines_or_calls_otherwise() -> None:
    assert "sigmoid" not in symgrad.derive("logistic").to_text()
    text = symgrad.derive(parse("sum(gelu(x)) + sum(phi)", "x: N, phi: N", "x")).to_text()
    assert "∂L/∂x = x ⊙ phi(x) + Φ(x)" in text


def test_the_lines_on_the_code_keep_the_formula_that_they_change() -> None:
    text = symgrad.derive(parse("mean(log(1 + exp(X @ w)))", "X: N D, w: D", "w")).to_text(code=True)
    assert "1/(1 + exp(−z_m)) = exp(z_m)/(1 + exp(z_m))" in text and "∂L/∂w = (1/N) Xᵀ sigmoid(z)" in text
