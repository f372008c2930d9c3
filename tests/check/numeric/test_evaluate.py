"""Expressions evaluated modulo primes: logarithms come apart where that is known to hold, and nowhere else."""

from __future__ import annotations

import classifier as cl
import numpy as np
import pytest
from classifier import softmax_cross_entropy
from sympy import (
    Expr,
    Integer,
    KroneckerDelta,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    cosh,
    exp,
    log,
    pi,
    sinh,
    sqrt,
    tanh,
)

from symgrad.check.numeric import evaluate
from symgrad.check.numeric.evaluate import Evaluator, at_position
from symgrad.check.numeric.fields import Field, OutsideDomain, OutsideField, Reals
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.true_values import TrueValues
from symgrad.functions import relu, selected, selection, where
from symgrad.notation import Array
from symgrad.steps import Record

N, C, Y, Z, S, P, n, k, j = cl.N, cl.C, cl.Y, cl.Z, cl.S, cl.P, cl.n, cl.k, cl.j
SIZES = {"N": 2, "D": 2, "C": 3}
PROGRAM = softmax_cross_entropy()
e, y, z, delta = exp(Z[n, k]), Y[n, k], Z[n, k], KroneckerDelta(k, j)


def evaluator() -> Evaluator:
    return TrueValues(Record(PROGRAM, (), (), {}, {}), Instance(PROGRAM, SIZES), Field).evaluator


def equal(left: Expr, right: Expr) -> bool:
    values = evaluator()
    return not values.numbers.differ(values.over(left, (n, k, j)), values.over(right, (n, k, j))).any()


EQUAL: dict[str, tuple[Expr, Expr]] = {
    "of an exponential": (log(e, evaluate=False), z),
    "of a product of what is positive": (log(2 * e * S[n], evaluate=False), log(2) + z + log(S[n])),
    "of a power": (log(S[n] ** 3, evaluate=False), 3 * log(S[n])),
    "of a root": (log(sqrt(S[n]), evaluate=False), log(S[n]) / 2),
    "of an abbreviation": (log(P[n, k]), z - log(S[n])),
    "of a size": (log(C.size), log(3)),
    "of a whole number": (log(12), 2 * log(2) + log(3)),
    "of a fraction": (log(Rational(2, 9), evaluate=False), log(2) - 2 * log(3)),
    "of an inverse": (log(Rational(1, 5), evaluate=False), -log(5)),
    "of one": (log(Integer(1), evaluate=False), Integer(0)),
    "exp of a sum": (exp(z + Z[n, j]), e * exp(Z[n, j])),
    "e itself": (exp(1) * e, exp(1 + z)),
    "a number to a power": (exp(1), exp(Rational(1, 3)) ** 3),
    "e to a power": (Pow(exp(1), 2 * z), e**2),
    "a symbolic exponent": (S[n] ** y * P[n, k] ** y, exp(y * z)),
    "hyperbolic functions": (cosh(z) ** 2 - sinh(z) ** 2, Integer(1)),
    "tanh": (tanh(z), (e**2 - 1) / (e**2 + 1)),
    "pi": (pi * y / pi, y),
    "a selection": (Sum(selection(z, k), k), Integer(1)),
    "what is selected among given values": (selected(0, y, z) + selected(1, y, z), Integer(1)),
    "one of three values": (Sum(selected(0, y, z, e) + selected(1, y, z, e) + selected(2, y, z, e), k), C.size),
    "a function": (relu(y + z), relu(z + y)),
    "a delta": (Sum(KroneckerDelta(k, j) * y, k), Y[n, j]),
    "a choice": (where(delta, y, z), delta * y + (1 - delta) * z),
    "a choice by a number of any size": (where(Y[n, j], z, e), Y[n, j] * z + (1 - Y[n, j]) * e),
    "a branch that has no value where it is not taken": (where(delta, y, 1 / (1 - delta)), delta * (y - 1) + 1),
    "the other that has none": (where(delta, y / delta, z), delta * y + (1 - delta) * z),
}
UNEQUAL: dict[str, tuple[Expr, Expr]] = {
    "of a product of any sign": (log(y * z, evaluate=False), log(y) + log(z)),
    "of a square of any sign": (log(y**2, evaluate=False), 2 * log(y)),
    "of a sum": (log(e + 1), z + 1),
    "of another": (log(S[n]), log(y)),
    "e and another number": (exp(1) * y, 3 * y),
    "a selection along the rows": (selection(z, n), selection(z, k)),
    "another place": (selected(0, y, z), selected(1, y, z)),
    "of numbers": (log(6), log(2) + log(5)),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal(case: str) -> None:
    assert equal(*EQUAL[case])


@pytest.mark.parametrize("case", UNEQUAL)
def test_not_equal(case: str) -> None:
    assert not equal(*UNEQUAL[case])


def test_what_is_too_large_or_unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of = evaluator()
    with pytest.raises(OutsideField, match="does not occur"):
        of(selection(z, k).func(y, j))
    with pytest.raises(OutsideField, match="cannot be evaluated"):
        of(Piecewise((y, y > 0), (0, True)))
    monkeypatch.setattr(evaluate, "MOST_ENTRIES", 6)
    assert of(y + 2 * z).data.shape[1:] == (3, 2)
    with pytest.raises(OutsideField, match="too large at this shape"):
        of(y + 3 * Z[n, j])


def test_what_has_no_value_in_a_branch_has_none_outside_of_it() -> None:
    of = evaluator()
    of(where(delta, y, 1 / (1 - delta)))
    assert of(y + z).data.shape[1:] == (3, 2)
    with pytest.raises(OutsideDomain, match="has no value"):
        of(1 / (1 - delta))


def test_numbers_have_their_values() -> None:
    of = Evaluator(Reals(1, 0), PROGRAM, SIZES, {"s": Reals(1, 0).constant(Integer(9))}, {})
    scalar = Array("s").base
    for expr, value in ((exp(1), 2.718281828), (scalar**pi, 9**3.14159265359), (scalar ** sqrt(2), 9**1.41421356237)):
        assert float(of.over(expr, ())[0]) == pytest.approx(value)


def test_a_row_of_small_numbers_has_its_sum_beside_one_of_large_numbers() -> None:
    reals = Reals(1, 0)
    small, large = (reals.constant(number) for number in (Rational(1, 10**60), Integer(1)))
    rows = np.stack([np.repeat(number, 3) for number in (small, large)])[None]
    sums = Evaluator(reals, PROGRAM, SIZES, {"Y": rows}, {}).over(Sum(Y[n, k], k), (n,))[0]
    assert [float(total) for total in sums] == pytest.approx([3e-60, 3], abs=0)


def test_the_logarithm_of_a_scalar_does_not_come_apart() -> None:
    field, scalar = Field(2, 0), Array("s").base
    of = Evaluator(field, PROGRAM, SIZES, {"s": field.constant(Integer(9))}, {})
    assert (of.over(log(scalar), ()) == field.log(field.constant(Integer(9)))).all()


def test_symbols_are_entries_sizes_or_scalars() -> None:
    reals = Reals(1, 0)
    array = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=object) * reals.constant(Integer(1))[0]
    entry, scalar = Symbol("Y[1,2]", real=True), Array("s").base
    values = {"Y": array, "s": reals.constant(Integer(9))}
    of = Evaluator(reals, PROGRAM, SIZES, values, {entry: ("Y", (1, 2))})
    assert [float(of.over(expr, ())[0]) for expr in (entry, scalar, C.size, entry * scalar)] == [6, 9, 3, 54]
    assert float(at_position(array, (0, 1))[0]) == 2


def test_what_depends_on_an_array_that_is_left_out_is_not_remembered() -> None:
    of = softmax_cross_entropy()
    instance = Instance(of, {"N": 2, "D": 2, "C": 3})
    first = TrueValues(Record(of, ("W",), (), {}, {}), instance, Field, ()).evaluator
    y, x = cl.Y[cl.n, cl.k], cl.X[cl.n, cl.d]
    letters = (cl.n, cl.k)
    before, other = first.over(y**2, letters), first.over(x**2, (cl.n, cl.d))
    second = first.without({"Y"})
    assert "Y" not in second.values
    second.values["Y"] = first.values["Y"] + 1
    assert (second.over(y**2, letters) != before).any() and (second.over(x**2, (cl.n, cl.d)) == other).all()
    assert (first.over(y**2, letters) == before).all()
    surprise = C.size * log(3 * P[n, k])
    assert (second.over(surprise, letters) == first.over(surprise, letters)).all()
