"""Derivatives as numbers: those of the expressions that SymPy's single functions and the chain rule give."""

from __future__ import annotations

import numpy as np
import pytest
from classifier import softmax_cross_entropy
from sympy import Expr, Integer, Symbol, exp, log, tanh

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import Field, NumberSystem, Reals
from symgrad.check.numeric.instantiation import slopes
from symgrad.check.numeric.reverse_mode import gradient
from symgrad.functions import step, where

x, y, s = Symbol("x", real=True), Symbol("y", real=True), Symbol("s", positive=True)
EXPRESSIONS = [
    x * y * (x + 3 * y) ** 2 + x,
    exp(x * y) / (1 + exp(x)) + exp(2 * y),
    tanh(x * y) ** 3 * s,
    log(s * x**2 + y) / s,
    where(step(x, Integer(0)), x**2 * y, y + s**2),
    Integer(2),
]


def evaluator(numbers: NumberSystem) -> Evaluator:
    values = {symbol.name: numbers.sample((), positive=True) for symbol in (x, y, s)}
    return Evaluator(numbers, softmax_cross_entropy(), {}, values, {})


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=str)
def test_it_is_the_value_of_the_derivative(expr: Expr) -> None:
    for numbers in (Field(3, 1), Reals(1, 1)):
        at = evaluator(numbers)
        numeric, symbolic = gradient(expr, at), slopes(expr)
        assert numeric is not None and numeric.keys() == symbolic.keys()
        for symbol, slope in symbolic.items():
            assert not numbers.differ(np.asarray(numeric[symbol]), at.over(slope, ())).any()


def test_without_the_value_of_a_part_there_is_none() -> None:
    at = evaluator(Field(1, 1))
    assert gradient(x + exp(y), at) is None
