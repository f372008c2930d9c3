"""An assumption used: its left side replaced, wherever it stands, and only where that makes the line shorter."""

from __future__ import annotations

import classifier as cl
import pytest
from sympy import Expr, Integer, KroneckerDelta, Sum, exp

from symgrad.canonical import canonical
from symgrad.engine.assume import _selects, use
from symgrad.equations import Assumption, abbreviation, in_domain, node, one_hot, rows_sum_to_one, symmetric
from symgrad.functions import absolute, selection
from symgrad.notation import Array
from symgrad.program import Program

N, D, C, Y, Z, L, n, k, j, d = cl.N, cl.D, cl.C, cl.Y, cl.Z, cl.L, cl.n, cl.k, cl.j, cl.d
m, c, e, a = N.index("m"), C.index("c"), D.index("e"), D.index("a")
A, x = Array("A", (D, D)), Array("x", (D,))
T, U, alpha = Array("T", (N, C)), Array("U", (N, C)), Array("alpha")
V = Array("V", (N, D, C))
PROGRAM = Program(
    "mixed",
    (N, D, C),
    (Y, Z, A, x, alpha),
    (
        abbreviation(T[n, k], alpha.base * Y[n, k] + (1 - alpha.base) / C.size),
        abbreviation(U[n, k], alpha.base / C.size),
        node(L.base, Sum((T[n, k] + U[n, k]) * Z[n, k], n, k) + Sum(A[d, e] * x[d] * x[e], d, e)),
    ),
    "L",
)
ROWS = rows_sum_to_one(Y)
HOT, COMPLETE = one_hot(Y)
SYMMETRIC = symmetric(A, "A1")


VOLUME, _ = one_hot(V)
y, z, u = Y[n, k], Z[n, k], alpha.base


def used(expr: Expr, assumption: Assumption, *order: object) -> Expr:
    return use(PROGRAM, expr, assumption, order)[0]  # type: ignore[arg-type]


SUMS: dict[str, tuple[Expr, Expr]] = {
    "a row": (Sum(Y[n, k], k), Integer(1)),
    "a row in other letters": (Z[m, c] * Sum(Y[m, j], j) - Y[m, c], Z[m, c] - Y[m, c]),
    "a row in a sum": (Sum(Z[n, c] * Sum(Y[n, j], j), n), Sum(Z[n, c], n)),
    "a column": (Sum(Y[n, k], n), Sum(Y[n, k], n)),
    "weights": (Sum(Y[n, k] * Z[n, k], k), Sum(Y[n, k] * Z[n, k], k)),
    "another array": (Sum(Z[n, k], k), Sum(Z[n, k], k)),
}


@pytest.mark.parametrize("case", SUMS)
def test_a_sum_is_replaced(case: str) -> None:
    expr, expected = SUMS[case]
    assert canonical(used(expr, ROWS)) == canonical(expected)


def test_a_sum_is_found_through_the_definition_of_an_abbreviation() -> None:
    made, opened = use(PROGRAM, Z[m, c] * Sum(T[m, j], j), ROWS, (m, c))
    assert made == Z[m, c] and opened == {"T"}
    assert use(PROGRAM, Sum(T[m, j] * Z[m, j], j), ROWS, (m,)) == (Sum(T[m, j] * Z[m, j], j), frozenset())
    assert use(PROGRAM, Sum(Y[m, j], j), ROWS, (m,))[1] == frozenset()
    other = Sum(U[m, j], j)  # is alpha, whatever the rows of Y sum to
    assert use(PROGRAM, other, ROWS, (m,)) == (other, frozenset())


def test_a_row_of_three_axes_is_replaced() -> None:
    rows = rows_sum_to_one(V)
    assert used(Z[m, c] * Sum(V[m, a, j], j), rows) == Z[m, c]
    assert used(Sum(V[m, d, c], d), rows) == Sum(V[m, d, c], d)


TURNED: dict[str, tuple[Expr, tuple[object, ...], Expr]] = {
    "a product and its transpose": (
        Sum(A[e, d] * x[d], d) + Sum(A[d, e] * x[d], d),
        (e,),
        2 * Sum(A[e, d] * x[d], d),
    ),
    "a free index stands first": (Sum(A[d, e] * x[d], d), (e,), Sum(A[e, d] * x[d], d)),
    "two free indices in their order": (A[e, a] + A[a, e], (a, e), 2 * A[a, e]),
    "the second index of the line stands last": (Sum(x[d] * A[e, d], d) * x[a], (a, e), Sum(x[d] * A[d, e], d) * x[a]),
    "both summed": (Sum(A[d, e] * x[d], d, e) - Sum(A[e, d] * x[d], d, e), (), Integer(0)),
    "two entries in a sum": (
        Sum(A[d, e] * A[e, a] * x[d] ** 2 * x[a], d, e, a) - Sum(A[e, d] * A[a, e] * x[d] ** 2 * x[a], d, e, a),
        (),
        Integer(0),
    ),
    "in the order of the left side": (A[e, a] * x[a], (a, e), A[a, e] * x[a]),
    "another matrix": (Z[n, k], (n, k), Z[n, k]),
}


@pytest.mark.parametrize("case", TURNED)
def test_entries_of_a_symmetric_matrix_are_turned(case: str) -> None:
    expr, order, expected = TURNED[case]
    assert canonical(used(expr, SYMMETRIC, *order)) == canonical(expected)


PICKED: dict[str, tuple[Expr, Expr]] = {
    "a square": (Y[n, k] ** 2 * Z[n, k], Y[n, k] * Z[n, k]),
    "a cube": (Y[n, k] ** 3 + Z[n, k], Y[n, k] + Z[n, k]),
    "an inverse square": (Y[n, k] ** -2, Y[n, k] ** -2),
    "an entry picks": (Y[n, k] * Sum(Y[n, j] * Z[n, j], j), Y[n, k] * Z[n, k]),
    "an entry picks in a double sum": (
        Y[n, k] * Sum(Y[n, j] * Z[n, j] * exp(Z[n, c]), j, c),
        Y[n, k] * Z[n, k] * Sum(exp(Z[n, c]), c),
    ),
    "a product of a row": (Sum(Y[n, k] * Y[n, j] * Z[n, k], k), Y[n, j] * Z[n, j]),
    "terms of one row beside it": (
        Sum(Y[n, k] * Y[n, j] * Z[n, k], k) + Y[n, j] + Y[n, c],
        Y[n, j] * Z[n, j] + Y[n, j] + Y[n, c],
    ),
    "three of a row": (Sum(Y[n, k] * Y[n, j] * Y[n, c] * Z[n, k], k, j), Y[n, c] * Z[n, c]),
    "a bracket and a sum": (
        Y[n, k] * (Z[n, k] + Y[n, k]) * Sum(Y[n, j] * Z[n, j], j),
        Y[n, k] * (Z[n, k] + 1) * Z[n, k],
    ),
    "in a bracket": (Y[n, k] * (Z[n, k] + Y[n, k]) ** 1, Y[n, k] * (Z[n, k] + 1)),
    "under a sum": (Sum(Y[n, k] ** 2 * Z[n, k], n, k), Sum(Y[n, k] * Z[n, k], n, k)),
    "an entry picks twice": (
        Y[n, k] * Sum(Y[n, j] * Z[n, j], j) * Sum(Y[n, c] * exp(Z[n, c]), c),
        Y[n, k] * Z[n, k] * exp(Z[n, k]),
    ),
    "another row": (Y[n, k] * Sum(Y[m, j] * Z[m, j], j), Y[n, k] * Sum(Y[m, j] * Z[m, j], j)),
    "where it would be longer": (Y[n, k] * Y[n, j], Y[n, k] * Y[n, j]),
    "another array": (Z[n, k] ** 2, Z[n, k] ** 2),
}


@pytest.mark.parametrize("case", PICKED)
def test_products_of_entries_of_a_one_hot_row_are_picked(case: str) -> None:
    expr, expected = PICKED[case]
    assert (canonical(used(expr, HOT)) - canonical(expected)).expand() == 0


def test_products_of_entries_of_three_axes_are_picked() -> None:
    assert used(V[n, d, k] * Sum(V[n, d, j] * Z[n, j], j), VOLUME) == V[n, d, k] * Z[n, k]
    assert used(Sum(V[n, d, k] * V[n, d, j] * Z[n, k], k), VOLUME) == V[n, d, j] * Z[n, j]
    other = V[n, d, k] * Sum(V[n, e, j] * Z[n, j], j)
    assert used(other, VOLUME) == other


def test_a_line_without_the_array_keeps_its_letters() -> None:
    line = Sum(exp(Z[n, c]), c)
    assert used(line, HOT) == line


WITHIN: dict[str, tuple[str, Expr, Expr]] = {
    "a square": ("binary", y**2 * z, y * z),
    "a cube in a function": ("binary", exp(y**3), exp(y)),
    "a square in a sum": ("binary", Sum(y**2 * z, n, k), Sum(y * z, n, k)),
    "an inverse": ("binary", 1 / (1 + y**-2), 1 / (1 + y**-2)),
    "another array": ("binary", y * z**2, y * z**2),
    "a bracket": ("binary", y * (y + z - 1), y * z),
    "a bracket that becomes 0": ("binary", exp(z) * y * (1 - y), Integer(0)),
    "one in a bracket": ("binary", u * y * (y * z + u), u * y * (z + u)),
    "two brackets": ("binary", y * (y * z + u) * (y * u + z), y * (z + u) ** 2),
    "a bracket that would be longer": ("binary", y * (z + u), y * (z + u)),
    "an even power of a sign": ("sign", y**4 * z, z),
    "an odd power of a sign": ("sign", y**3 * z, y * z),
    "a sign in a bracket": ("sign", y * (y * z + u), z + y * u),
    "the size of a sign": ("sign", absolute(y), absolute(y)),
    "a size": ("nonnegative", z * absolute(y) + absolute(z), z * y + absolute(z)),
    "the size of a number of 0 and 1": ("binary", absolute(y), y),
    "the size of a difference": ("nonnegative", absolute(y - z), absolute(y - z)),
    "a square of a size": ("nonnegative", y**2 * (y + z), y**2 * (y + z)),
}


@pytest.mark.parametrize("case", WITHIN)
def test_entries_of_a_domain_have_lower_powers_and_no_bars(case: str) -> None:
    word, expr, expected = WITHIN[case]
    assert used(expr, in_domain(Y, word)) == expected


def test_a_scalar_of_a_domain_has_lower_powers() -> None:
    assert used(z * u**2, in_domain(alpha, "binary")) == z * u


def test_an_assumption_of_another_form_is_not_used() -> None:
    other = Assumption("A9", "each entry is 1", Y[n, k], Integer(1))
    line = Y[n, k] ** 2 + Sum(Y[n, k], k) + KroneckerDelta(n, m)
    assert use(PROGRAM, line, other, (n, k)) == (line, frozenset())
    assert used(Sum(Y[n, k], k), COMPLETE) == 1


def test_a_selection_must_have_entries_to_choose_from() -> None:
    assert _selects(selection(Z[n, k], k) * Y[n, k]) and _selects(Y[n, k])
    assert not _selects(selection(alpha.base, k) * Y[n, k])
