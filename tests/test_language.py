"""One language however it is typed: numbers, one line or a function, refusals that recommend what works, names."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sympy import Rational

import symgrad
from symgrad.array.numbers import exact

# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "meant"), [(1 / 3, "1/3"), (0.1, "1/10"), (0.5, "1/2"), (1e-12, f"1/{10**12}")])
def test_a_float_is_the_fraction_that_was_meant(value: float, meant: str) -> None:
    assert exact(value) == Rational(meant)


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
