"""The tower of prime fields: exponentials, roots and logarithms obey their relations."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Integer, Rational, isprime

from symgrad.check.fields import Field, OutsideDomain, OutsideField, tower
from symgrad.functions import absolute, relu, step


def test_each_prime_divides_the_one_above_less_one() -> None:
    primes, generators = tower(4)
    assert all(isprime(p) and p % 8 == 7 for p in primes)
    for upper, lower, g in zip(primes, primes[1:], generators, strict=False):
        assert (upper - 1) % lower == 0 and g != 1 and pow(g, lower, upper) == 1


def test_exponentials_of_exponentials_are_homomorphisms() -> None:
    field = Field(3, 1)
    a, b = field.sample((4,), False), field.sample((4,), False)
    for left, right in [(a, b), (field.exp(a), field.exp(b))]:
        product = field.reduce(field.exp(left) * field.exp(right))
        assert not field.differ(field.exp(field.reduce(left + right)), product).any()
    half = field.power(field.exp(a), Rational(1, 2))
    assert not field.differ(half, field.exp(field.reduce(a * field.constant(Rational(1, 2)).reshape(-1, 1)))).any()


def test_the_root_of_a_positive_square_is_its_base_and_of_another_is_not() -> None:
    field = Field(1, 1)
    for positive in (True, False):
        a = field.sample((20,), positive)
        root = field.power(field.reduce(a * a), Rational(1, 2))
        assert bool(field.differ(root, a).any()) is not positive


def test_equal_arguments_have_equal_logarithms_and_inverses_opposite_ones() -> None:
    field = Field(2, 1)
    a = field.sample((3,), False)
    assert not field.differ(field.log(a), field.log(a.copy())).any()
    assert not field.differ(field.log(field.power(a, Integer(-1))), field.reduce(-field.log(a))).any()


def test_what_has_no_value_is_refused() -> None:
    field = Field(1, 1)
    with pytest.raises(OutsideDomain):
        field.power(np.array([0], dtype=object), Integer(-1))
    with pytest.raises(OutsideField):
        field.exp(field.sample((2,), False))


def test_of_other_functions_only_that_they_are_functions_is_known() -> None:
    field = Field(2, 1)
    a, b = field.sample((3,), False), field.sample((3,), False)
    assert not field.differ(field.apply(step, [a, b]), field.apply(step, [a.copy(), b.copy()])).any()
    assert field.differ(field.apply(step, [a, b]), field.apply(step, [b, a])).all()
    assert field.differ(field.apply(relu, [a]), field.apply(absolute, [a])).all()
    rows = field.sample((2, 3), False)
    assert not field.differ(field.select(rows, 2), field.select(rows.copy(), 2)).any()
    assert field.differ(field.select(rows, 2), field.select(rows, 1)).all()
