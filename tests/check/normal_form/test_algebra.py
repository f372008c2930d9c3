"""The checker's polynomials in atoms: every rule of their arithmetic by itself.

The cases are functions, so that they are computed within the test.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest

from symgrad.check.normal_form import algebra, sums
from symgrad.check.normal_form.algebra import Root
from symgrad.check.normal_form.atoms import (
    ONE,
    Atom,
    Constant,
    Delta,
    NoNormalForm,
    Polynomial,
    Prime,
    Size,
    add,
    fresh_index,
    is_positive,
    number,
    scale,
    single,
)
from symgrad.check.normal_form.function_atoms import Call, Exponential, Logarithm, Selection, exp_of, log_of, selected
from symgrad.check.normal_form.sums import Entry, Relation, Sum

FREE, AT_MOST_ONE, EXACTLY_ONE, BINARY, SIGN, NONNEGATIVE, ORTHOGONAL = Relation
i, j, k, n = "i@C", "j@C", "k@C", "n@N"
half = Fraction(1, 2)
Pairs = dict[str, tuple[Polynomial, Polynomial]]


def y(*indices: str, relation: Relation = FREE) -> Polynomial:
    return single(Entry("y", indices, relation=relation))


def hot(name: str, index: str) -> Polynomial:
    return single(Entry(name, (n, index), relation=AT_MOST_ONE))


def w(name: str) -> Polynomial:
    return single(Entry(name, (j,)))


def pick(name: str, weight: str) -> Polynomial:
    return sums.over(times(hot(name, j), w(weight)), [j])


def p(*indices: str) -> Polynomial:
    return single(Entry("p", indices, is_positive=True))


def z(*indices: str) -> Polynomial:
    return single(Entry("z", indices))


def times(*factors: Polynomial) -> Polynomial:
    result = number(1)
    for factor in factors:
        result = algebra.multiply(result, factor)
    return result


def power(base: Polynomial, exponent: int | Fraction) -> Polynomial:
    return algebra.power(base, exponent)


def less(left: Polynomial, right: Polynomial) -> Polynomial:
    return add(left, scale(right, -1))


def d(one: str, other: str) -> Polynomial:
    return single(Delta(one, other))


def e(argument: Polynomial) -> Polynomial:
    return exp_of(argument)


def log(argument: Polynomial) -> Polynomial:
    return log_of(argument)


def equal() -> Pairs:
    return {
        "powers merge": (times(y(k), y(k), power(y(k), -1)), y(k)),
        "terms cancel": (less(y(k), y(k)), {}),
        "a product of sums": (times(add(y(k), p(k)), less(y(k), p(k))), less(power(y(k), 2), power(p(k), 2))),
        "a delta squared": (power(d(k, j), 3), d(k, j)),
        "a delta renames": (times(d(k, j), y(k)), times(d(k, j), y(j))),
        "deltas chain": (times(d(k, j), d(j, i)), times(d(i, k), d(k, j))),
        "a chain renames": (times(d(k, j), d(j, i), y(k), p(j)), times(d(i, j), d(i, k), y(i), p(k))),
        "a delta that becomes one": (algebra.rename(d(k, j), {k: i, j: i}), number(1)),
        "exp of a sum": (e(add(y(k), p(k))), times(e(y(k)), e(p(k)))),
        "exp of a multiple": (e(scale(y(k), Fraction(3, 2))), power(e(scale(y(k), half)), 3)),
        "exp of a log": (e(scale(log(add(p(k), number(1))), 2)), power(add(p(k), number(1)), 2)),
        "exp of nothing": (e({}), number(1)),
        "log of a product": (log(times(p(k), p(j))), add(log(p(k)), log(p(j)))),
        "log of a quotient": (log(times(p(k), power(p(j), -1))), less(log(p(k)), log(p(j)))),
        "log of a power": (log(power(p(k), 2)), scale(log(p(k)), 2)),
        "log of an odd power": (log(power(y(k), 3)), scale(log(y(k)), 3)),
        "log of a multiple of an odd power": (
            log(scale(power(y(k), 3), 8)),
            add(scale(log(number(2)), 3), scale(log(y(k)), 3)),
        ),
        "log of an exponential": (log(times(e(y(k)), p(j))), add(y(k), log(p(j)))),
        "log of a root": (log(power(add(p(k), number(1)), half)), scale(log(add(p(k), number(1))), half)),
        "log of a number": (log(number(12)), add(scale(log(number(2)), 2), log(number(3)))),
        "log of a fraction": (log(number(Fraction(2, 3))), less(log(number(2)), log(number(3)))),
        "log of one": (log(number(1)), {}),
        "log of a multiple": (log(scale(add(p(k), number(1)), 6)), add(log(number(6)), log(add(p(k), number(1))))),
        "a root of a square": (power(power(p(k), 2), half), p(k)),
        "a root of a number": (times(power(number(2), half), power(number(8), half)), number(4)),
        "an inverse root of a number": (power(number(2), -half), scale(power(number(2), half), half)),
        "a root of a fraction": (power(number(Fraction(4, 9)), half), number(Fraction(2, 3))),
        "a cube root": (power(power(add(y(k), p(k)), Fraction(1, 3)), 3), add(y(k), p(k))),
        "a root twice": (power(power(add(y(k), p(k)), half), 2), add(y(k), p(k))),
        "a root of a multiple": (
            power(scale(add(p(k), number(1)), 4), half),
            scale(power(add(p(k), number(1)), half), 2),
        ),
        "a root of a negative": (power(less(y(k), p(k)), half), power(scale(less(p(k), y(k)), -1), half)),
        "a division": (times(add(y(k), p(k)), power(add(y(k), p(k)), -1)), number(1)),
        "a division twice": (times(power(add(y(k), p(k)), 2), power(add(y(k), p(k)), -3)), power(add(y(k), p(k)), -1)),
        "a common factor": (
            power(add(times(y(k), p(k)), times(y(k), p(j))), -1),
            times(power(y(k), -1), power(add(p(k), p(j)), -1)),
        ),
        "a common number": (
            power(add(scale(y(k), 4), scale(p(k), 6)), -1),
            scale(power(add(scale(y(k), 2), scale(p(k), 3)), -1), half),
        ),
        "a negative divisor": (power(less(y(k), p(k)), -1), scale(power(less(p(k), y(k)), -1), -1)),
        "one less a fraction": (
            less(number(1), power(add(number(1), e(y(k))), -1)),
            times(e(y(k)), power(add(number(1), e(y(k))), -1)),
        ),
        "a negative divisor with a fraction": (
            power(add(scale(p(k), half), y(k)), -1),
            scale(power(add(scale(p(k), -half), scale(y(k), -1)), -1), -1),
        ),
        "a divisor that is one fraction": (
            power(less(number(1), power(add(number(1), e(y(k))), -1)), -1),
            add(number(1), e(scale(y(k), -1))),
        ),
        "a term beside its own root": (
            power(times(y(k), power(add(y(k), p(k)), half)), 2),
            times(power(y(k), 2), add(y(k), p(k))),
        ),
        "the other term beside the root": (
            power(times(p(k), power(add(y(k), p(k)), half)), 2),
            times(power(p(k), 2), add(y(k), p(k))),
        ),
        "a root of a power of a prime": (power(number(8), Fraction(1, 3)), number(2)),
        "a multiple beside the divisor that it leads": (
            times(y(k), power(add(number(1), scale(y(k), 2)), -1)),
            scale(less(number(1), power(add(number(1), scale(y(k), 2)), -1)), half),
        ),
        "an inverse exponential": (
            power(add(number(1), e(scale(y(k), -1))), -1),
            times(e(y(k)), power(add(number(1), e(y(k))), -1)),
        ),
    }


@pytest.mark.parametrize("case", equal())
def test_equal(case: str) -> None:
    left, right = equal()[case]
    difference = less(left, right)
    assert not algebra.cleared(difference)[0]


def different() -> Pairs:
    return {
        "a delta of others": (times(d(k, j), y(k)), times(d(k, i), y(k))),
        "a delta beside": (times(d(k, j), y(i)), times(d(k, j), y(k))),
        "the log of a square of any sign": (log(power(y(k), 2)), scale(log(y(k)), 2)),
        "the log of a product of any sign": (log(times(y(k), y(j))), add(log(y(k)), log(y(j)))),
        "the log of a quotient of any sign": (
            log(times(add(y(k), p(k)), power(add(y(j), p(j)), -1))),
            less(log(add(y(k), p(k))), log(add(y(j), p(j)))),
        ),
        "a delta of an index with itself": (times(d(k, k), y(k)), times(d(k, j), y(k))),
        "the root of a square of any sign": (power(power(y(k), 2), half), y(k)),
        "another root": (power(p(k), half), power(p(k), Fraction(1, 3))),
        "another order of roots": (power(add(y(k), p(k)), half), power(add(y(k), p(k)), Fraction(1, 3))),
        "exp of a product": (e(times(y(k), p(k))), times(e(y(k)), e(p(k)))),
        "an entry that is positive": (y(k), p(k)),
        "logarithms of primes": (log(number(2)), log(number(3))),
        "entries of other indices": (y(k), y(j)),
        "a number": (number(1), number(2)),
    }


@pytest.mark.parametrize("case", different())
def test_not_equal(case: str) -> None:
    left, right = different()[case]
    assert algebra.cleared(less(left, right))[0]


def test_what_has_no_value_is_refused() -> None:
    for refused in (
        lambda: power({}, -1),
        lambda: power({}, 0),
        lambda: power({}, -half),
        lambda: power(d(k, j), -1),
        lambda: power(add(d(k, j), number(1)), -1),
        lambda: power(add(d(k, j), number(1)), half),
        lambda: log(d(k, j)),
        lambda: log({}),
    ):
        with pytest.raises(NoNormalForm):
            refused()
    assert power({}, 2) == {} and power({}, half) == {} and power(y(k), 0) == power(d(k, j), 0) == number(1)


def test_a_product_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "MOST_TERMS", 4)
    assert len(times(add(y(k), p(k)), add(y(j), p(j)))) == 4
    with pytest.raises(NoNormalForm, match="too large"):
        times(add(y(k), p(k), number(1)), add(y(j), p(j)))


def test_a_power_of_one_term_is_none_of_the_large_ones() -> None:
    high = algebra.MOST_EXPONENT + 1
    assert power(times(y(k), p(j)), high) == times(power(y(k), high), power(p(j), high))
    with pytest.raises(NoNormalForm, match="too high"):
        power(add(y(k), p(j)), high)


def test_only_what_is_positive_comes_out_of_a_root() -> None:
    common = add(times(y(k), p(k)), times(y(k), p(j)))
    ((outside, _, inside), (positive, _, rest)) = (algebra.content(common), algebra.content(common, positive=True))
    assert {outside: 1} == y(k) and inside == add(p(k), p(j))
    assert positive == () and rest == common
    fraction = add(number(1), power(less(y(k), y(j)), -1))
    assert algebra.content(fraction, positive=True) == ((), 1, fraction)
    numerator, divisors = algebra.cleared(fraction)
    powers = [power(less(y(k), y(j)), exponent) for exponent in (-2, -1)]
    for both in (add(*powers), add(*reversed(powers))):
        assert list(algebra.cleared(both)[1].values()) == [2]
    assert list(divisors.values()) == [1] and numerator == less(less(y(j), y(k)), number(1))


def test_what_is_positive_comes_out_of_a_fraction_whose_divisor_has_no_sign() -> None:
    """x/(x - z) is 1 + z/(x - z) in normal form, of which nothing seems to come out."""
    divided = power(less(p(k), p(j)), -1)
    for coefficient in (3, -3):
        fraction = scale(times(p(k), divided), coefficient)
        outside, size, rest = algebra.content(fraction, positive=True)
        assert {outside: 1} == p(k) and size == 3
        assert rest == scale(divided, coefficient // 3)


def test_known_signs() -> None:
    square = power(y(k), 2)
    positive = [
        p(k),
        number(2),
        add(p(k), square),
        add(number(1), square),
        e(y(k)),
        single(Size("C")),
        single(Constant("pi")),
    ]
    unknown = [y(k), square, less(p(k), number(1)), add(p(k), y(k)), power(y(k), 3), add(square, power(y(j), 2)), {}]
    assert all(map(is_positive, positive))
    assert not any(map(is_positive, unknown))
    sum_of_squares = single(Sum(("~1.0@C",), ((Entry("y", ("~1.0@C",)), 2),)))
    sum_of_entries = single(Sum(("~1.0@C",), ((Entry("y", ("~1.0@C",)), 1),)))
    assert is_positive(add(sum_of_squares, p(k))) and not is_positive(sum_of_squares)
    assert not is_positive(add(sum_of_entries, p(k)))
    assert (
        Sum((k,), ((Entry("p", (k,), is_positive=True), 1),)).is_positive
        and not Sum((k,), ((Entry("y", (k,)), 1),)).is_positive
    )


def test_the_sign_of_an_atom_is_that_of_its_kind() -> None:
    radicand = add(y(k), p(k))
    signs = {
        Entry("p", (k,), is_positive=True): True,
        Entry("y", (k,)): False,
        Prime(2): True,
        Size("N"): True,
        Delta(k, j): False,
        Exponential(((Entry("y", (k,)), 1),)): True,
        Logarithm(p(k)): False,
        Call("f", (p(k),)): False,
        Root(2, radicand): True,
        Root(4, radicand): True,
        Root(3, radicand): False,
        Root(1, radicand): False,
        Root(3, add(p(k), number(1))): True,
        Root(1, add(p(k), number(1))): True,
    }
    assert {atom: atom.is_positive for atom in signs} == signs


def test_atoms_know_their_free_indices_and_their_height() -> None:
    inner = Sum((k,), ((Entry("y", (n, k)), 1),))
    outer = Sum((n,), ((inner, 1), (Entry("p", (n, j), is_positive=True), 2)))
    chosen = Selection(y(n, k), k, j)
    for atom, free, height in [
        (Entry("y", (n, k)), {n, k}, 0),
        (Delta(k, j), {k, j}, 0),
        (Size("C"), set(), 0),
        (inner, {n}, 1),
        (outer, {j}, 2),
        (Exponential(((inner, 1),)), {n}, 1),
        (Logarithm(add(single(inner), y(j))), {n, j}, 1),
        (Root(2, add(single(outer), y(k))), {j, k}, 2),
        (Call("f", (single(inner), y(k))), {n, k}, 1),
        (Call("f", ()), set(), 0),
        (Call("f", ({},)), set(), 0),
        (chosen, {n, j}, 1),
    ]:
        assert (atom.free, atom.height) == (free, height), atom


def test_atoms_are_equal_if_they_are_the_same_quantity() -> None:
    assert Delta(k, j) == Delta(j, k) and hash(Delta(k, j)) == hash(Delta(j, k))
    other: list[Atom] = [
        Entry("y", (k,)),
        Entry("y", (j,)),
        Entry("y", (k, j)),
        Entry("y", (j, k)),
        Entry("y", (k,), relation=AT_MOST_ONE),
        Entry("y", (k,), relation=EXACTLY_ONE),
        Entry("z", (k,)),
        Size("y"),
        Constant("y"),
        Exponential(((Entry("y", (k,)), 1),)),
        Exponential(((Entry("y", (k,)), 2),)),
        Logarithm(y(k)),
        Call("y", (y(k),)),
        Call("y", (y(k), y(j))),
        Call("y", (add(y(k), y(j)),)),
        Root(2, y(k)),
        Root(1, y(k)),
        Selection(y(k), k, j),
        Selection(y(k), k, i),
    ]
    assert len(set(other)) == len(other)
    assert Entry("y", (k,)) != "y[k@C]"


def test_renaming_reaches_every_kind_of_atom() -> None:
    inner = sums.over(times(y(n, k), p(k)), [k])
    for build in (
        lambda a: y(n, a),
        lambda a: times(d(a, i), p(i)),
        lambda a: e(y(n, a)),
        lambda a: log(add(p(a), number(1))),
        lambda a: power(add(y(n, a), p(a)), half),
        lambda a: power(add(y(n, a), p(a)), -1),
        lambda a: single(Call("f", (y(n, a), inner))),
        lambda a: sums.over(times(y(a, i), p(i)), [i]),
        lambda a: selected(times(y(n, i), p(a)), i, "m@C"),
        lambda a: selected(y(n, i), i, a),
        lambda a: selected(selected(z(i, "l@C"), i, a), "l@C", "m@C"),
    ):
        assert algebra.rename(build(k), {k: j}) == build(j)  # type: ignore[no-untyped-call]
        assert algebra.rename(build(k), {"other@C": j}) == build(k)  # type: ignore[no-untyped-call]


def test_what_letters_that_come_to_coincide_make_of_a_root_or_a_divisor() -> None:
    names = {i: k, j: k}
    assert algebra.rename(power(add(y(i), y(j)), -1), names) == scale(power(y(k), -1), half)
    assert algebra.rename(power(less(add(p(i), p(j)), p(k)), half), names) == power(p(k), half)
    squares = add(times(y(i), y(j)), less(power(y(i), 2), power(y(j), 2)))
    assert algebra.rename(power(squares, -1), names) == power(y(k), -2)


def test_names_of_bound_indices_say_nothing_and_are_not_captured() -> None:
    a, b = fresh_index(k), fresh_index(k)
    assert a != b and a.endswith("@C")
    assert sums.over(times(y(n, a), p(a)), [a]) == sums.over(times(y(n, b), p(b)), [b])
    double = sums.over(times(y(a, b), p(a)), [a, b])
    assert double == sums.over(times(y(b, a), p(b)), [a, b])
    assert double != sums.over(times(y(a, b), p(b)), [a, b])
    assert selected(y(n, a), a, k) == selected(y(n, b), b, k)


def equal_sums() -> Pairs:
    return {
        "a delta picks": (sums.over(times(d(k, j), y(k), p(i)), [k]), times(y(j), p(i))),
        "a delta of others stays": (sums.over(times(d(k, j), y(i)), [i]), times(d(k, j), sums.over(y(i), [i]))),
        "a delta of two summed": (sums.over(times(d(k, j), y(k), p(j)), [k, j]), sums.over(times(y(i), p(i)), [i])),
        "a factor comes out": (sums.over(times(y(k), p(n)), [k]), times(p(n), sums.over(y(i), [i]))),
        "nothing bears the index": (sums.over(y(j), [k]), times(single(Size("C")), y(j))),
        "a number": (sums.over(number(3), [k, n]), times(number(3), single(Size("C")), single(Size("N")))),
        "factors part": (sums.over(times(y(k), p(j)), [k, j]), times(sums.over(y(k), [k]), sums.over(p(j), [j]))),
        "a square of a sum": (
            sums.over(times(p(n), power(sums.over(y(n, k), [k]), 2)), [n]),
            sums.over(times(p(n), y(n, i), y(n, j)), [n, i, j]),
        ),
        "a sum divided by itself": (
            sums.over(times(p(n), y(n, k), power(sums.over(y(n, j), [j]), -1)), [n, k]),
            sums.over(p(n), [n]),
        ),
        "a double sum divided by itself": (
            sums.over(times(y(n, k), power(sums.over(y("m@N", j), ["m@N", j]), -1), p(i)), [n, k]),
            p(i),
        ),
        "a sum divided by one of two": (
            sums.over(times(y(j), y(j, i), p(k), power(sums.over(p(i), [i]), -1)), [j, k]),
            sums.over(times(y(j), y(j, i)), [j]),
        ),
        "a sum divided by the other of two": (
            sums.over(times(y(k), y(k, i), p(j), power(sums.over(p(i), [i]), -1)), [j, k]),
            sums.over(times(y(j), y(j, i)), [j]),
        ),
        "a divisor that is one fraction": (
            power(less(number(1), power(add(number(1), e(y(k))), -1)), -1),
            add(number(1), e(scale(y(k), -1))),
        ),
        "letters of a delta": (
            sums.over(times(e(d(i, j)), p(i), y(j)), [i, j]),
            sums.over(times(e(d(i, j)), p(j), y(i)), [i, j]),
        ),
        "powers of an entry and its transpose": (
            sums.over(times(power(y(i, j), 2), y(j, i)), [i, j]),
            sums.over(times(power(y(j, i), 2), y(i, j)), [i, j]),
        ),
        "a power of 0 or 1": (power(y(k, relation=BINARY), 3), y(k, relation=BINARY)),
        "an odd power of a sign": (power(y(k, relation=SIGN), 3), y(k, relation=SIGN)),
        "an even power of a sign": (power(y(k, relation=SIGN), 4), number(1)),
        "letters of a function": (
            sums.over(times(single(Call("f", (y(i), y(j)))), p(i), p(j)), [i, j]),
            sums.over(times(single(Call("f", (y(j), y(i)))), p(i), p(j)), [i, j]),
        ),
        "shares": (sums.over(times(selected(y(n, i), i, k), p(n)), [k]), p(n)),
        "one-hot: a square": (power(y(n, k, relation=AT_MOST_ONE), 3), y(n, k, relation=AT_MOST_ONE)),
        "one-hot: two of a row": (
            times(y(n, k, relation=AT_MOST_ONE), y(n, j, relation=AT_MOST_ONE)),
            times(d(k, j), y(n, k, relation=AT_MOST_ONE)),
        ),
        "one-hot: two of a row of a larger array": (
            times(y(n, i, k, relation=AT_MOST_ONE), y(n, i, j, relation=AT_MOST_ONE)),
            times(d(k, j), y(n, i, k, relation=AT_MOST_ONE)),
        ),
        "one-hot: a row of a larger array": (sums.over(y(n, i, k, relation=EXACTLY_ONE), [k]), number(1)),
        "one-hot: picks of two arrays": (
            times(pick("y", "a"), pick("t", "b"), pick("y", "c")),
            times(sums.over(times(hot("y", j), w("a"), w("c")), [j]), pick("t", "b")),
        ),
        "one-hot: a row": (sums.over(times(y(n, k, relation=EXACTLY_ONE), p(n)), [k]), p(n)),
        "one-hot: an entry picks": (
            times(
                y(n, k, relation=AT_MOST_ONE),
                sums.over(times(y(n, j, relation=AT_MOST_ONE), p(j)), [j]),
            ),
            times(y(n, k, relation=AT_MOST_ONE), p(k)),
        ),
        "one-hot: a square of a pick": (
            power(sums.over(times(y(n, j, relation=AT_MOST_ONE), p(j)), [j]), 2),
            sums.over(times(y(n, j, relation=AT_MOST_ONE), power(p(j), 2)), [j]),
        ),
    }


@pytest.mark.parametrize("case", equal_sums())
def test_sums(case: str) -> None:
    left, right = equal_sums()[case]
    assert left == right


def different_sums() -> Pairs:
    return {
        "shares with a weight": (sums.over(times(selected(y(n, i), i, k), p(k)), [k]), p(k)),
        "shares over the rows": (sums.over(selected(y(n, i), i, k), [n]), number(1)),
        "a square of shares": (sums.over(power(selected(y(n, i), i, k), 2), [k]), number(1)),
        "a row that may be empty": (sums.over(y(n, k, relation=AT_MOST_ONE), [k]), number(1)),
        "a column": (sums.over(y(n, k, relation=EXACTLY_ONE), [n]), number(1)),
        "weights in a row": (sums.over(times(y(n, k, relation=EXACTLY_ONE), p(k)), [k]), sums.over(p(k), [k])),
        "another row": (
            times(y(n, k, relation=AT_MOST_ONE), y("m@N", k, relation=AT_MOST_ONE)),
            y(n, k, relation=AT_MOST_ONE),
        ),
        "another row of a larger array": (
            times(y(n, i, k, relation=AT_MOST_ONE), y(n, j, k, relation=AT_MOST_ONE)),
            y(n, i, k, relation=AT_MOST_ONE),
        ),
        "another array": (times(hot("y", k), hot("t", j)), times(d(k, j), hot("y", k), hot("t", j))),
        "a diagonal": (sums.over(y(k, k, relation=EXACTLY_ONE), [k]), number(1)),
        "a diagonal of a larger array": (sums.over(y(n, k, k, relation=EXACTLY_ONE), [k]), number(1)),
        "a divisor and its transpose": (
            sums.over(times(p(i), power(sums.over(y(i, j), [j]), -1)), [i]),
            sums.over(times(p(i), power(sums.over(y(j, i), [j]), -1)), [i]),
        ),
        "shares of a row at its own index": (
            sums.over(times(d(k, j), selected(y(j, i), i, k)), [k, j]),
            single(Size("C")),
        ),
        "a sum over rows": (
            power(sums.over(times(y(n, k, relation=AT_MOST_ONE), p(k)), [n, k]), 2),
            sums.over(times(y(n, k, relation=AT_MOST_ONE), power(p(k), 2)), [n, k]),
        ),
        "part of a divisor": (
            sums.over(times(y(n, k), p(k), power(sums.over(y(n, j), [j]), -1)), [k]),
            sums.over(p(k), [k]),
        ),
    }


@pytest.mark.parametrize("case", different_sums())
def test_sums_that_are_not(case: str) -> None:
    left, right = different_sums()[case]
    assert left != right


def test_indices_that_look_alike_are_tried_in_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle of three: which of the summed indices comes first is told by no factor alone."""
    a, b, c = (fresh_index(k) for _ in range(3))
    one = sums.over(times(y(a, b), y(b, c), y(c, a), p(a)), [a, b, c])
    other = sums.over(times(y(b, c), y(c, a), y(a, b), p(b)), [a, b, c])
    assert one == other
    backward = sums.over(times(y(b, a), y(c, b), y(a, c), p(a)), [a, b, c])
    assert one == backward  # the same cycle, read the other way round by other names
    assert one != sums.over(times(y(a, b), y(b, c), y(a, c), p(a)), [a, b, c])


def test_letters_of_two_axes_may_come_in_any_order() -> None:
    found = []
    for one, other, first, second in permutations("abcd"):
        i, j, n, m = f"{one}@C", f"{other}@C", f"{first}@N", f"{second}@N"
        summand = times(p(i, j), y(i, n), y(j, m), power(z(i, m), 2), z(j, m))
        found.append(sums.over(summand, [i, j, n, m]))
    assert all(same == found[0] for same in found)


def test_a_cycle_in_which_pairs_are_joined_may_begin_anywhere() -> None:
    """All four indices look alike; of two neighbours on the cycle each is joined with another one."""
    a, b, c, f = (fresh_index(k) for _ in range(4))
    cycle = times(y(a, b), y(b, c), y(c, f), y(f, a))
    one = times(cycle, p(a, b), p(b, a), p(c, f), p(f, c))
    other = times(cycle, p(b, c), p(c, b), p(f, a), p(a, f))
    assert sums.over(one, [a, b, c, f]) == sums.over(other, [a, b, c, f])


def test_a_polynomial_and_its_negative_have_one_primitive_part() -> None:
    for one in (less(y(k), p(k)), less(p(k), y(k)), add(scale(p(k), half), y(k))):
        (_, coefficient, rest), (_, negative, same) = algebra.content(one), algebra.content(scale(one, -1))
        assert rest == same and coefficient == -negative


def test_nothing_times_one_is_no_term() -> None:
    assert number(0) == {} and number(Fraction(1, 2)) == {ONE: half}


def test_powers_are_told_apart_by_their_exponents() -> None:
    x = Entry("x", ())
    keys = {Call("cos", (algebra.power(single(x), e),)).key for e in (1, 2, 3, half)}
    assert len(keys) == 4


def test_a_selection_is_not_known_to_be_positive() -> None:
    (((chosen, _),),) = selected(single(Entry("x", (k,))), k, i)
    assert isinstance(chosen, Selection) and not chosen.is_positive


def test_a_root_of_what_begins_with_a_minus() -> None:
    x, y = single(Entry("x", ())), single(Entry("y", ()))
    difference = add(y, scale(x, -1))
    squared = algebra.power(algebra.power(difference, half), 2)
    assert squared == difference
    assert algebra.power(difference, half) != algebra.power(scale(difference, -1), half)


def test_a_divisor_whose_first_term_has_two_sizes_is_left() -> None:
    """Neither of the terms N y and C y is taken for the leading one: the other would lead back to it."""
    divisor = add(times(y(k), single(Size("N"))), times(y(k), single(Size("C"))), p(k))
    assert not algebra.cleared(less(times(divisor, power(divisor, -1)), number(1)))[0]
