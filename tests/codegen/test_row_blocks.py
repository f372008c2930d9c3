"""Which programs are evaluated a block of rows at a time, and what is done ahead of the rows and behind them."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, Sum, exp, log

from symgrad.canonical import canonical
from symgrad.codegen.plan.row_blocks import Blocks, blocks_of
from symgrad.codegen.plan.schedule import Assignment
from symgrad.equations import Assumption, node
from symgrad.functions import selection
from symgrad.notation import Array, Axis
from symgrad.program import Program

N, D, C = Axis("N"), Axis("D"), Axis("C")
n, m, d, k = N.index("n"), N.index("m"), D.index("d"), C.index("k")
X, Y, w, v, q, b = (
    Array("X", (N, D)),
    Array("Y", (N, D)),
    Array("w", (N,)),
    Array("v", (N,)),
    Array("q", (D,)),
    Array("b"),
)
INPUTS = (X, Y, w, v, q, b)
s, t, G, T, V, L = Array("s", (N,)), Array("t", (N,)), Array("G", (N, N)), Array("T"), Array("V", (D,)), Array("L")
total, loss = T[()], L[()]


def assigned(entry: Expr, rhs: Expr, is_output: bool = False) -> Assignment:
    return Assignment(entry, rhs, is_output=is_output)


def blocks(
    *assignments: Assignment,
    inputs: tuple[Array, ...] = INPUTS,
    checked: tuple[Assumption, ...] = (),
    taken: tuple[str, ...] = (),
) -> Blocks:
    program = Program("p", (N, D, C), inputs, (node(L.base, Integer(1)),), "L")
    return blocks_of(program, assignments, checked, set(taken))


def shown(found: Blocks) -> tuple[str, list[str], list[str], list[str]]:
    """The axis, and the names of what is done before, for the rows, and after."""
    return found.axis, *([a.name for a in part] for part in (found.before, found.rows, found.after))


LOSS = assigned(loss, Sum(w[n] ** 2, n), True)
NORMALISER = assigned(total, Sum(v[n], n))


def test_rows_that_are_added_up() -> None:
    found = blocks(assigned(s[n], Sum(X[n, d] * q[d], d)), assigned(loss, Sum(s[n] ** 2, n) / N.size, True))
    assert shown(found) == ("N", [], ["s", "L"], []) and found.sums == ("L",) and found.stacked == ()
    assert found.rows[1].rhs == Sum(s[n] ** 2, n) / N.size


def test_what_no_row_concerns_is_done_before_and_what_needs_all_of_them_after() -> None:
    known, late, later = assigned(V[d], exp(q[d])), assigned(b[()], log(total)), assigned(q[d], V[d] * b[()])
    found = blocks(known, NORMALISER, LOSS, late, later)
    assert shown(found) == ("N", ["V"], ["T", "L"], ["b", "q"]) and found.sums == ("T", "L")


def test_a_row_may_need_what_was_known_before() -> None:
    found = blocks(
        assigned(V[d], exp(q[d])), assigned(s[n], Sum(X[n, d] * V[d], d)), assigned(loss, Sum(s[n], n), True)
    )
    assert shown(found) == ("N", ["V"], ["s", "L"], [])


def test_a_result_for_each_row_is_stacked() -> None:
    found = blocks(LOSS, assigned(s[n], 2 * w[n], True), assigned(t[n], w[n] * v[n]))
    assert shown(found) == ("N", [], ["L", "s", "t"], []) and found.stacked == ("s",)


def test_a_scalar_that_divides_a_sum_is_taken_out() -> None:
    mean = assigned(loss, Sum(v[n] * w[n], n) / total, True)
    found = blocks(NORMALISER, mean)
    assert shown(found) == ("N", [], ["T", "L_rows"], ["L"]) and found.sums == ("T", "L_rows") and not found.stacked
    (last,) = found.after
    assert found.rows[1].rhs == Sum(v[n] * w[n], n) and last.rhs == Array("L_rows")[()] / total and last.is_output
    assert (
        not found.rows[1].is_output
        and [a.name for a in blocks(NORMALISER, mean, taken=("L_rows",)).rows][1] == "L_rows_"
    )


def test_a_scalar_that_divides_each_row_is_taken_out_and_put_back() -> None:
    share = assigned(s[n], v[n] / total)
    found = blocks(NORMALISER, share, assigned(V[d], Sum(s[n] * X[n, d], n), True), LOSS)
    assert shown(found) == ("N", [], ["T", "s_unscaled", "V_rows", "L"], ["V"])
    unscaled = Array("s_unscaled", (N,))
    assert found.rows[1].rhs == v[n] and canonical(found.rows[2].rhs) == canonical(Sum(unscaled[n] * X[n, d], n))
    assert found.after[0].rhs == Array("V_rows", (D,))[d] / total
    # A result for each row would have to be divided behind all of them.
    assert blocks(NORMALISER, assigned(s[n], v[n] / total, True), LOSS).axis == ""
    # So would what is no factor.
    assert blocks(NORMALISER, assigned(s[n], exp(v[n] - total)), LOSS).axis == ""
    assert blocks(NORMALISER, assigned(s[n], v[n] * exp(total)), LOSS).axis == "N"


def test_terms_without_rows_are_added_behind_the_rows() -> None:
    penalty = Sum(q[d] ** 2, d)
    found = blocks(assigned(loss, Sum(w[n], n) + penalty, True))
    assert shown(found) == ("N", [], ["L_rows"], ["L"])
    assert found.rows[0].rhs == Sum(w[n], n) and found.after[0].rhs == Array("L_rows")[()] + penalty
    bracket = blocks(assigned(loss, b[()] * (Sum(w[n], n) + penalty), True))
    assert bracket.rows[0].rhs == b[()] * Sum(w[n], n)
    assert bracket.after[0].rhs == Array("L_rows")[()] + b[()] * penalty


def test_brackets_are_multiplied_out_as_far_as_they_mix_rows_with_others() -> None:
    penalty, scale = Sum(q[d] ** 2, d), b[()]
    inner = scale * (Sum(v[n], n) + penalty)
    for rhs in (penalty + inner, scale * (Sum(w[n], n) + inner + penalty)):
        found = blocks(assigned(loss, rhs, True))
        assert shown(found) == ("N", [], ["L_rows"], ["L"])
        written = found.after[0].rhs.subs(Array("L_rows")[()], found.rows[0].rhs)
        assert (written - rhs).expand() == 0 and not found.rows[0].rhs.has(q.base)


def test_terms_by_different_scalars_do_not_go_together() -> None:
    assert blocks(NORMALISER, assigned(loss, Sum(w[n], n) / total + Sum(v[n], n), True)).axis == ""
    assert blocks(NORMALISER, assigned(loss, (Sum(w[n], n) + Sum(v[n] ** 2, n)) / total, True)).axis == "N"


@pytest.mark.parametrize(
    "rhs",
    [
        w[n] * Sum(w[m], m),  # a row needs all of them
        Sum(G[n, m], m),
        selection(w[n], n),
        Sum(selection(X[n, d], n), d),
    ],
    ids=str,
)
def test_rows_that_meet_do_not_stay_apart(rhs: Expr) -> None:
    assert blocks(assigned(s[n], rhs), assigned(loss, Sum(s[n], n), True), inputs=(X, w, q)).axis == ""


def test_pairs_of_rows_do_not_stay_apart() -> None:
    assert blocks(assigned(G[n, m], w[n] * v[m]), LOSS).axis == ""
    assert blocks(assigned(s[n], Array("H", (N, D))[m, d]), LOSS).axis == ""


@pytest.mark.parametrize(
    ("rhs", "is_sum"),
    [
        (Sum(w[n], n) * b[()], True),
        (Sum(w[n], n) * Sum(v[n], n), False),
        (Sum(w[n], n) ** 2, False),
        (exp(Sum(w[n], n)), False),
        (Sum(Sum(X[n, d] * q[d], n), d), True),
        (Sum(q[d] * Sum(X[n, d], n), d), True),
        (Sum(w[n] * w[m], n, m), False),
        (Sum(w[n], n) + 3 * Sum(v[n], n), True),
        (Sum(w[n] * Sum(q[d], d), n), True),
        (Sum(w[n] * Sum(v[m] ** 2, m), n), False),
        (Sum(q[d] * (Sum(X[n, d], n) + b[()] * Sum(Y[n, d], n)), d), True),
    ],
    ids=str,
)
def test_what_is_linear_in_sums_over_rows(rhs: Expr, is_sum: bool) -> None:
    assert (blocks(assigned(loss, rhs, True)).axis == "N") is is_sum


def test_rows_come_first_in_every_input_and_are_not_those_of_stacks() -> None:
    turned, stack = Array("R", (D, N)), Array("A", (N, D, C))
    assert blocks(LOSS, inputs=(w, v, turned)).axis == "" and blocks(LOSS, inputs=(w, v, stack)).axis == ""
    of_columns = assigned(loss, Sum(q[d] ** 2, d), True)
    assert blocks(of_columns, inputs=(q, turned)).axis == "D" and blocks(of_columns, inputs=(q, X)).axis == ""
    assert blocks(assigned(Array("B", (N, D, C))[n, d, k], w[n] * q[d]), LOSS).axis == ""


def test_rows_that_nothing_concerns_are_none() -> None:
    square = assigned(loss, b[()] ** 2, True)
    assert blocks(square) == Blocks("", (), (square,), (), (), ())
    # The first axis along which something is added up.
    assert blocks(assigned(loss, Sum(q[d] ** 2, d), True), inputs=(q, w)).axis == "D"


def test_what_is_checked_has_to_concern_one_row() -> None:
    symmetric = Assumption("symmetric", "G = G^T", G[n, m], G[m, n])
    one_row = Assumption("sum", "the rows sum to 1", Sum(X[n, d], d), Integer(1))
    assert blocks(LOSS, checked=(one_row,)).axis == "N" and blocks(LOSS, checked=(one_row, symmetric)).axis == ""
    assert blocks(LOSS, checked=(Assumption("sum", "the columns sum to 1", Sum(X[n, d], n), Integer(1)),)).axis == ""
