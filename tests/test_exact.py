"""Exact arithmetic on scalar expressions."""

from __future__ import annotations

import pytest
from sympy import exp, log, sqrt, symbols, tanh

from symgrad.check.exact import Field, NotExact

x, y, z = symbols("x y z", real=True)
s = exp(x) + exp(y) + exp(z)

EQUAL = {
    "a quotient": (exp(x) / s * (exp(y) + exp(z)) / s, exp(x) / s - exp(2 * x) / s**2),
    "exp of a product": (exp(x * y + x * z), exp(x * (y + z))),
    "exp of half": (exp(x / 2) ** 2, exp(x)),
    "temperature": (exp(x / y) * exp(-2 * x / y), exp(-x / y)),
    "partial fractions": (1 / ((1 + x) * (2 + x)), 1 / (1 + x) - 1 / (2 + x)),
    "a root": (x**2 / sqrt(x**2 + 1), sqrt(x**2 + 1) - 1 / sqrt(x**2 + 1)),
    "tanh": (1 - tanh(x) ** 2, 4 / (exp(x) + exp(-x)) ** 2),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal_and_nothing_near_it(case: str) -> None:
    left, right = EQUAL[case]
    assert Field(lambda symbol: None).equal(left, right)
    for wrong in (-right, 2 * right, right + 1, right + x):
        assert not Field(lambda symbol: None).equal(left, wrong)


def test_symbols_stand_for_what_they_are_resolved_to() -> None:
    assert Field(lambda symbol: 1 - x - y if symbol == z else None).equal(x + y + z, x - x + 1)


def test_logarithms_are_refused() -> None:
    with pytest.raises(NotExact):
        Field(lambda symbol: None)(log(x))
