"""The tower of prime fields: exponentials, roots and logarithms obey their relations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sympy import EulerGamma, Function, Integer, Rational, erf, isprime, oo, pi, sin, sqrt, sympify

from symgrad.check.at_shapes import SCALES, FineSpreadReals
from symgrad.check.numeric.fields import (
    MISSING,
    SMALL_PRIMES,
    Field,
    OutsideDomain,
    OutsideField,
    Reals,
    is_missing,
    tower,
)
from symgrad.functions import absolute, equal, maximum, relu, step


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
    assert not field.differ(field.apply(maximum, [a, b]), field.apply(maximum, [a.copy(), b.copy()])).any()
    assert field.differ(field.apply(maximum, [a, b]), field.apply(maximum, [b, a])).all()
    assert field.differ(field.apply(relu, [a]), field.apply(absolute, [a])).all()
    rows = field.sample((2, 3), False)
    assert not field.differ(field.select(rows, 2), field.select(rows.copy(), 2)).any()
    assert field.differ(field.select(rows, 2), field.select(rows, 1)).all()


@pytest.mark.parametrize("levels", [1, 2])
def test_steps_and_comparisons_are_0_or_1(levels: int) -> None:
    field = Field(levels, 1)
    a, b = field.sample((40,), False), field.sample((40,), False)
    one = field.constant(Integer(1)).reshape(-1, 1)
    assert not set(field.apply(step, [a, b]).flat) & {0, 1}  # the value at 0 may be any
    for drawn in (field.apply(step, [a, one]), field.apply(step, [a, 0 * one]), field.apply(equal, [a, b])):
        assert set(drawn.flat) == {0, 1} and (drawn == drawn[0]).all()
    assert (field.apply(equal, [a, a.copy()]) == 1).all()
    entry, scalar = (field.apply(relu, [value]) for value in (a[:, :1], a[:, 0]))
    assert list(entry[:, 0]) == list(scalar)


def test_where_a_function_is_not_defined_its_value_may_be_missing() -> None:
    number: Field | Reals
    for number in (Field(1, 1), Field(2, 1), REALS):
        ones = np.ones_like(number.sample((3,), True))
        with number.tolerant():
            found = number.log(ones - [1, 1, 0])
            of_it = [found, number.power(found, Rational(1, 2)), number.apply(step, [found, ones])]
            of_it += [number.exp(found)] if len(found) == 2 else []  # which uses up a level
        assert number.has_gaps and all(
            is_missing(value).tolist() == [[True, True, False]] * len(value) for value in of_it
        )
        with pytest.raises(OutsideDomain):
            number.log(ones - [1, 1, 0])


def test_arithmetic_with_what_is_missing_ends_in_it() -> None:
    for found in (MISSING + 1, 2 - MISSING, MISSING * 0, 1 / MISSING, -MISSING, abs(MISSING), MISSING**2, MISSING % 3):
        assert found is MISSING
    assert not any((MISSING < 1, MISSING > 1, MISSING <= 1, MISSING >= 1))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_primes_are_large_and_have_small_primes_as_squares(levels: int) -> None:
    primes, generators = tower(levels)
    assert (len(primes), len(generators)) == (levels, levels - 1) and list(primes) == sorted(primes, reverse=True)
    assert all(p > 2**61 for p in primes) and primes[-1] < 2**61 + 10**6
    assert all(pow(square, (p - 1) // 2, p) == 1 for p in primes for square in (2, *SMALL_PRIMES))


def test_numbers_are_residues_at_every_level() -> None:
    field = Field(2, 1)
    assert list(field.constant(Rational(-2, 3)) * 3 % field.primes) == [p - 2 for p in field.primes]
    assert field.constant(Rational(1, 2)).shape == (2,)
    third = Field(1, 1).constant(Rational(1, 3))
    assert not Field(1, 1).differ(Field(1, 1).reduce(third * third), Field(1, 1).constant(Rational(1, 9))).any()
    with pytest.raises(OutsideField, match="not rational"):
        field.constant(sqrt(2))


def test_pi_is_one_positive_number() -> None:
    field = Field(2, 1)
    value = field.constant(pi)
    root = field.power(value, Rational(1, 2))  # a square, since it is positive
    assert (
        not field.differ(field.reduce(root * root), value).any() and not field.differ(value, field.constant(pi)).any()
    )
    assert field.differ(value, Field(2, 2).constant(pi)).any()


def test_samples_are_units_and_positive_ones_are_squares() -> None:
    field = Field(2, 1)
    for positive in (False, True):
        drawn = field.sample((3, 4), positive)
        assert drawn.shape == (2, 3, 4) and len(set(drawn.flat)) == 24
        for level, p in enumerate(field.primes):
            assert all(0 < value < p for value in drawn[level].flat)
            squares = [pow(int(value), (p - 1) // 2, p) == 1 for value in drawn[level].flat]
            assert all(squares) is positive


def test_powers() -> None:
    field = Field(2, 1)
    a = field.sample((3,), True)
    b = field.power(a, Rational(-3, 4))
    fourth = field.power(b, Integer(4))
    assert not field.differ(
        field.reduce(fourth * field.power(a, Integer(3))), field.constant(Integer(1)).reshape(2, 1)
    ).any()
    nothing = np.array([[0], [0]], dtype=object)
    assert not field.power(nothing, Rational(1, 2)).any() and (field.power(nothing, Integer(0)) == 1).all()
    with pytest.raises(OutsideField, match="1/3"):
        field.power(a, Rational(1, 3))
    with pytest.raises(OutsideDomain, match=r"^a division by zero$"):
        field.power(np.array([[0], [1]], dtype=object), Rational(-1, 2))
    with pytest.raises(OutsideDomain, match=r"^the root of a number that is not a square$"):
        field.power(field.reduce(-a), Rational(1, 2))


def test_an_exponential_uses_up_a_level() -> None:
    field = Field(3, 1)
    assert field.exp(field.exp(field.sample((2,), False))).shape == (1, 2)


def test_logarithms() -> None:
    field = Field(2, 1)
    a = field.sample((2, 3), False)
    assert field.log(a).shape == (2, 2, 3) and len(set(field.log(a)[0].flat)) == 6
    assert all(
        type(value) is int and 0 < value < p
        for p, row in zip(field.primes, field.log(a), strict=True)
        for value in row.flat
    )
    assert not field.log(np.array([[1], [1]], dtype=object)).any()
    assert field.differ(field.log(a), Field(2, 2).log(a)).all()
    with pytest.raises(OutsideDomain, match=r"^the logarithm of zero$"):
        field.log(np.array([[1, 0], [1, 0]], dtype=object))


def test_shares_of_a_row_add_up_to_one() -> None:
    field = Field(2, 1)
    rows = field.sample((3, 4), False)
    for axis, others in ((1, (2, 4)), (2, (2, 3))):
        shares = field.select(rows, axis)
        total = field.reduce(shares.sum(axis=axis))
        assert shares.shape == rows.shape and total.shape == others and (total == 1).all()
    cube = field.sample((2, 3, 2), False)
    shares = field.select(cube, 2)
    assert shares.shape == cube.shape and (field.reduce(shares.sum(axis=2)) == 1).all()
    turned = field.select(np.moveaxis(rows, 1, 2), 1)
    assert not field.differ(np.moveaxis(turned, 1, 2), field.select(rows, 2)).any()


def test_shares_of_a_row_are_those_of_its_own_entries() -> None:
    field = Field(1, 1)
    rows = field.sample((3, 4), False)
    other = rows.copy()
    other[0, 1, 2] += 1
    before, after = field.select(rows, 2), field.select(other, 2)
    assert list((before != after).any(axis=(0, 2))) == [False, True, False]
    assert len(set(before[0].flat)) == 12


def test_what_differs_does_so_at_the_levels_that_both_have() -> None:
    field = Field(2, 1)
    a = field.sample((3,), False)
    other = a.copy()
    other[1, 2] += 1
    assert list(field.differ(a, other)) == [False, False, True]
    assert list(field.differ(a[:1], other)) == [False] * 3
    assert list(field.differ(a, a + np.array(field.primes, dtype=object).reshape(2, 1))) == [False] * 3


# --- reals ----------------------------------------------------------------------------------------------------------


REALS = Reals(1, 0)


def real(*values: object) -> np.ndarray:
    return np.array([[REALS.constant(sympify(value))[0] for value in values]], dtype=object)


def test_reals_have_fifty_digits() -> None:
    reals = REALS
    third, root = reals.constant(Rational(1, 3)), reals.power(real(2), Rational(1, 2))
    assert abs(3 * third[0] - 1) < 1e-49 and abs(root[0, 0] ** 2 - 2) < 1e-48
    assert abs(reals.exp(reals.log(real(7)))[0, 0] - 7) < 1e-48
    assert abs(reals.constant(pi)[0] - pi.evalf(60)) < 1e-48
    assert reals.power(real(Rational(1, 2)), Integer(-2))[0, 0] == 4


def test_reals_differ_by_more_than_rounding() -> None:
    reals = REALS
    tiny, small = Rational(1, 10**53), Rational(1, 10**47)
    assert list(reals.differ(real(1, 1, 0, 10**6), real(1 + tiny, 1 + small, 0, 10**6 + small))) == [
        False,
        True,
        False,
        False,
    ]
    assert list(reals.differ(real(0, 0), real(Rational(1, 10**61), Rational(1, 10**55)))) == [False, True]
    assert list(reals.differ(real(1, 2), real(2))) == [True, False]


def test_samples_of_reals() -> None:
    both, narrow = Reals(1, 0), Reals(1, 1)
    for reals, positive, low, high in [
        (both, False, -1.5, 1.5),
        (both, True, 0.25, 1.25),
        (narrow, False, 0, 1),
        (narrow, True, 0, 1),
    ]:
        drawn = reals.sample((20, 10), positive)
        assert drawn.shape == (1, 20, 10)
        assert low < drawn.min() < low + 0.2 * (high - low) and high - 0.2 * (high - low) < drawn.max() < high


def test_samples_are_those_of_the_seed() -> None:
    assert (Field(2, 5).sample((4,), False) == Field(2, 5).sample((4,), False)).all()
    assert (Reals(1, 4).sample((4,), False) == Reals(1, 4).sample((4,), False)).all()
    assert (Field(2, 5).sample((4,), False) != Field(2, 6).sample((4,), False)).any()


@pytest.mark.parametrize(("seed", "low"), [(1, 0), (3, 1), (5, 0)])
def test_samples_of_odd_seeds_are_narrow(seed: int, low: int) -> None:
    drawn = Reals(1, seed).sample((40,), False)
    assert drawn.min() > low and drawn.max() < low + 1


@pytest.mark.parametrize("place", range(16))
def test_points_far_away_have_each_size_with_each_sign(place: int) -> None:
    drawn = FineSpreadReals(1, 2 * place).sample((200,), False)[0]
    sizes = sorted(abs(drawn) / float(SCALES[place // 4]))
    assert len(set(drawn)) == 200
    assert (sizes[0] > 0.25 and sizes[-1] < 1.25) if place % 4 < 3 else 1000 * sizes[0] < sizes[-1]
    assert {bool(number > 0) for number in drawn} == ({True}, {False}, {True, False}, {True, False})[place % 4]
    assert min(FineSpreadReals(1, 2 * place).sample((200,), True)[0]) > 0


def test_what_rounding_leaves_of_a_sum_is_zero() -> None:
    left = REALS.settled(real(Rational(1, 10**60), Rational(1, 10**40)), real(1, 1))
    assert left[0, 0] == 0 and left[0, 1] != 0


def test_functions_that_sympy_evaluates_have_fifty_digits() -> None:
    x = Rational(1, 3)
    assert abs(REALS.apply(sin, [real(x)])[0, 0] - REALS.constant(sin(x))[0]) < 1e-50


def test_numbers_without_a_finite_name_differ() -> None:
    field = Field(2, 0)
    assert field.differ(field.constant(pi).reshape(2, 1), field.constant(EulerGamma).reshape(2, 1)).all()


def test_exponentials_of_large_numbers_have_their_values() -> None:
    large = REALS.exp(real(10**6))[0, 0]
    assert abs(REALS.log(np.array([[large]], dtype=object))[0, 0] - 10**6) < 1e-40


BEYOND: list[tuple[Callable[[Reals], object], str]] = [
    (lambda reals: reals.exp(real(10**13)), "a value that is not a real number"),
    (lambda reals: reals.power(real(0), Integer(-1)), "a function outside its domain"),
    (lambda reals: reals.power(real(-1), Rational(1, 2)), "a value that is not a real number"),
    (lambda reals: reals.log(real(0)), "a value that is not a real number"),
    (lambda reals: reals.log(real(-1)), "a value that is not a real number"),
    (lambda reals: reals.constant(oo * sqrt(-1)), "oo*I is not a real number"),
    (lambda reals: reals.apply(Function("f"), [real(1)]), "f(1.0) is not a real number"),
]


@pytest.mark.parametrize(("refused", "why"), BEYOND)
def test_what_is_not_real_is_outside_of_the_domain(refused: Callable[[Reals], object], why: str) -> None:
    with pytest.raises(OutsideDomain) as outside:
        refused(REALS)
    assert str(outside.value) == why


def test_functions_have_their_values() -> None:
    reals = REALS
    assert list(reals.apply(absolute, [real(-2, 3)])[0]) == [2, 3]
    assert list(reals.apply(relu, [real(-2, 3)])[0]) == [0, 3]
    assert reals.apply(step, [real(-1, 0, 3), real(0)]).astype(float).tolist() == [[0, 0, 1]]
    value = reals.apply(erf, [real(Rational(1, 2))])[0, 0]
    assert abs(value - erf(Rational(1, 2)).evalf(60)) < 1e-45


def test_the_largest_of_a_row_share_one() -> None:
    reals = REALS
    rows = np.array([[[1, 5, 5], [2, 1, 0]]], dtype=object) * reals.constant(Integer(1))[0]
    assert reals.select(rows, 2).astype(float).tolist() == [[[0, 0.5, 0.5], [1, 0, 0]]]
    assert reals.select(rows, 1).astype(float).tolist() == [[[0, 1, 1], [1, 0, 0]]]
