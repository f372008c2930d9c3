"""Shifts of exponentials: which exponentials get one, along which axes, and what is written where they are summed."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, Rational, Sum, exp, log

from symgrad.canonical import canonical
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.shifts import (
    Shift,
    dividing_or_in_logarithms,
    in_divisors_and_logarithms,
    inlined,
    shift_along,
    shifts_of,
)
from symgrad.notation import Array, Axis

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
Z, V, P, Q = Array("Z", (N, C)), Array("V", (N, C)), Array("P", (N, C)), Array("Q", (N, N))
q, s, t, e, b, L = Array("q", (C,)), Array("s", (N,)), Array("t", (N,)), Array("e", (N, C)), Array("b"), Array("L")
OF_ROWS = shift_along(Z[n, k], (k,), set())


def parts(shift: Shift) -> tuple[object, ...]:
    return shift.rows, shift.columns, shift.largest, shift.shifted, shift.relative, shift.factor


def positive(name: str, *axes: Axis) -> Array:
    return Array(name, axes, positive=True)


def test_a_shift_has_arrays_of_its_own() -> None:
    taken = {"x"}
    shift = shift_along(Z[n, k], (k,), taken)
    largest, shifted = Array("Z_max", (N,))[n], Array("Z_shifted", (N, C))[n, k]
    assert parts(shift) == ((n,), (k,), largest, shifted, positive("E", N, C)[n, k], positive("exp_max", N)[n])
    assert taken == {"x", "Z_max", "Z_shifted", "E", "exp_max"} and shift.exponent == Z[n, k]
    again = shift_along(Z[n, k], (n,), taken)
    assert again.largest == Array("Z_max2", (C,))[k] and again.relative == positive("E2", N, C)[n, k]
    assert again.rows == (k,) and again.shifted == Array("Z_shifted2", (N, C))[n, k]
    bracket = shift_along(Z[n, k] - q[k], (k,), set())
    assert parts(bracket)[2:4] == (Array("largest", (N,))[n], Array("shifted", (N, C))[n, k])
    diagonal = shift_along(Q[n, n], (n,), set())
    assert parts(diagonal)[:4] == ((), (n,), Array("largest").base, Array("shifted", (N,))[n])
    turned = shift_along(Z[n, k] + Q[m, n], (n,), set())
    assert turned.rows == (k, m) and turned.shifted == Array("shifted", (C, N, N))[k, m, n]


def test_a_shift_is_three_equations() -> None:
    largest, shifted, relative = OF_ROWS.assignments()
    assert (largest.entry, largest.rhs, largest.over) == (OF_ROWS.largest, Z[n, k], (k,))
    assert (shifted.entry, shifted.rhs, shifted.over) == (OF_ROWS.shifted, Z[n, k] - OF_ROWS.largest, ())
    assert (relative.entry, relative.rhs, relative.over) == (OF_ROWS.relative, exp(OF_ROWS.shifted), ())
    assert all(a.is_helper and not a.is_output for a in (largest, shifted, relative))


def test_where_a_shift_may_be_used() -> None:
    assert [*OF_ROWS.at([m, j])] == [{n: m, k: j}] and [*OF_ROWS.at([m])] == []
    assert [*OF_ROWS.at([n, m, k])] == [{n: m, k: k}, {n: n, k: k}]


@pytest.mark.parametrize(
    ("exponent", "multiples"),
    [
        (Z[m, j], [1]),
        (3 * Z[n, k], [3]),
        (-Z[n, k], [-1]),
        (-Z[n, k] / 2, [-Rational(1, 2)]),
        (b[()] * Z[n, k], []),
        (Z[n, k] + q[k], []),
        (V[n, k], []),
    ],
    ids=str,
)
def test_which_exponentials_are_powers_of_that_of_a_shift(exponent: Expr, multiples: list[Expr]) -> None:
    assert [multiple for _, multiple in OF_ROWS.matches(exp(exponent))] == multiples
    differences = shift_along(2 * Z[n, k] - 2 * V[n, k], (k,), set())
    assert [multiple for _, multiple in differences.matches(exp(V[m, j] - Z[m, j]))] == [-Rational(1, 2)]


def test_a_shift_serves_positive_powers_along_its_columns() -> None:
    assert OF_ROWS.serves(exp(Z[m, j]), {j}) and OF_ROWS.serves(exp(Z[n, k] / 2), {k})
    assert not OF_ROWS.serves(exp(Z[n, k]), {n}) and not OF_ROWS.serves(exp(Z[n, k]), {n, k})
    assert not OF_ROWS.serves(exp(-Z[n, k]), {k}) and not OF_ROWS.serves(exp(V[n, k]), {k})


NORMALISER = Assignment(s[n], Sum(exp(Z[n, k]), k))
IN_LOGARITHM = Assignment(L[()], Sum(log(s[n]), n), is_output=True)


def columns(*assignments: Assignment) -> list[tuple[Expr, str]]:
    return [(shift.exponent, "".join(map(str, shift.columns))) for shift in shifts_of(assignments, set())]


def test_sums_in_divisors_and_logarithms_get_shifts() -> None:
    assert columns(NORMALISER, IN_LOGARITHM) == [(Z[n, k], "k")]
    assert columns(NORMALISER, Assignment(P[n, k], V[n, k] / s[n])) == [(Z[n, k], "k")]
    assert columns(NORMALISER, Assignment(L[()], Sum(s[n], n))) == []
    assert columns(Assignment(L[()], log(Sum(exp(Z[n, k]), n, k)))) == [(Z[n, k], "kn")]
    assert columns(Assignment(L[()], Sum(exp(Z[n, k]), n, k) + log(Sum(exp(V[n, k]), n, k)))) == [(V[n, k], "kn")]
    both = Assignment(t[n], log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(Z[m, k]), m, k)))
    assert {*columns(both)} == {(Z[n, k], "k"), (Z[m, k], "km")}
    weighted = Assignment(t[n], log(Sum(q[k] * exp(Z[n, k]) + exp(V[n, k]), k)))
    assert columns(weighted) == [(V[n, k], "k"), (Z[n, k], "k")]
    assert columns(Assignment(t[n], log(Sum(exp(V[n, j]) * q[k], k)))) == []  # none of its axes is summed
    repeated = Assignment(t[n], log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(3 * Z[n, j]), j)))
    assert len(columns(repeated)) == 1


def inside(*assignments: Assignment) -> set[str]:
    return dividing_or_in_logarithms(assignments) - {""}  # of a symbol that is no array


def test_what_divides_and_what_is_in_logarithms() -> None:
    assert inside(NORMALISER, IN_LOGARITHM) == {"s"}
    assert inside(NORMALISER, Assignment(P[n, k], V[n, k] / s[n])) == {"s"}
    assert inside(Assignment(s[n], t[n] + exp(q[k])), IN_LOGARITHM) == {"s", "t"}
    assert inside(Assignment(L[()], V[n, k] / b[()] ** 2)) == {"b"}
    assert inside(IN_LOGARITHM, Assignment(s[n], t[n])) == {"s", "t"}
    assert inside(NORMALISER, Assignment(L[()], Sum(s[n], n))) == set()
    total = Sum(exp(Z[n, k]), k)
    assert in_divisors_and_logarithms(Z[n, k] * log(total) + q[k], Sum) == {total}
    assert in_divisors_and_logarithms(V[n, k] / total**2, Sum) == {total} == in_divisors_and_logarithms(1 / total, Sum)
    assert in_divisors_and_logarithms(V[n, k] * total**2, Sum) == frozenset()


def shown(assignments: list[Assignment]) -> dict[str, Expr]:
    return {a.name: canonical(a.rhs) for a in assignments}


def test_exponentials_with_a_shift_are_written_where_they_are_summed() -> None:
    named = Assignment(e[n, k], exp(Z[n, k]))
    total = Assignment(s[n], Sum(e[n, k], k))
    found = inlined([named, total, IN_LOGARITHM], set())
    assert shown(found) == {"s": canonical(NORMALISER.rhs), "L": canonical(IN_LOGARITHM.rhs)} and found[1].is_output
    free = [named, Assignment(L[()], Sum(e[n, k], n, k), is_output=True)]
    assert inlined(free, set()) == free  # nothing divides: no shift
    output = Assignment(e[n, k], exp(Z[n, k]), is_output=True)
    assert [a.name for a in inlined([output, total, IN_LOGARITHM], set())] == ["e", "s", "L"]
    # A base of a power that is a sum of two exponentials.
    two = [Assignment(e[n, k], exp(Z[n, k])), Assignment(P[n, k], 1 / (e[n, k] + exp(V[n, k])), is_output=True)]
    assert shown(inlined(two, set())) == {"P": canonical(1 / (exp(Z[n, k]) + exp(V[n, k])))}
    two = [Assignment(e[n, k], exp(Z[n, k])), Assignment(P[n, k], log(e[n, k] + exp(V[n, k])), is_output=True)]
    assert shown(inlined(two, set())) == {"P": canonical(log(exp(Z[n, k]) + exp(V[n, k])))}
    one = [Assignment(e[n, k], exp(Z[n, k])), Assignment(P[n, k], 1 / (e[n, k] + 1), is_output=True)]
    assert inlined(one, set()) == one


def test_sums_of_sums_become_one() -> None:
    nested = Assignment(L[()], log(Sum(s[n], n)), is_output=True)
    assert shown(inlined([NORMALISER, nested], set())) == {"L": canonical(log(Sum(exp(Z[n, k]), k, n)))}
    product = Sum(s[n] * Sum(exp(V[n, j]), j), n)
    found = inlined([NORMALISER, Assignment(L[()], log(product), is_output=True)], set())
    assert shown(found) == {"s": canonical(NORMALISER.rhs), "L": canonical(log(Sum(s[n] * exp(V[n, j]), j, n)))}
    plain = [NORMALISER, Assignment(L[()], Sum(s[n] ** 2, n) + Integer(1), is_output=True)]
    assert inlined(plain, set()) == plain
