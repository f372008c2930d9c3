"""What is tested about inputs before anything is computed."""

from __future__ import annotations

from sympy import Integer, KroneckerDelta, Sum

from symgrad.codegen.array_plan import _gaps
from symgrad.equations import DOMAINS, Assumption
from symgrad.notation import Array, Axis

N, K = Axis("N"), Axis("K")
n, m, k, j = N.index("n"), N.index("m"), K.index("k"), K.index("j")
Y, Q = Array("Y", (N, K)), Array("Q", (N, N))


def test_an_equation_holds_where_the_sides_differ_by_nothing() -> None:
    total, square = Sum(Y[n, k], k), Assumption("symmetric", "Q = Q^T", Q[n, m], Q[m, n])
    assert _gaps(Assumption("sum", "rows sum to 1", total, Integer(1))) == [total - 1]
    assert _gaps(square) == [Q[n, m] - Q[m, n]]


def test_a_domain_is_tested_elsewhere() -> None:
    for domain in DOMAINS.values():
        assert _gaps(Assumption("domain", "", *domain.equation(Y[n, k]))) == []


def test_a_row_is_one_hot_if_its_entries_and_its_sum_are_0_or_1() -> None:
    one_hot = Assumption("one-hot", "", Y[n, k] * Y[n, j], KroneckerDelta(k, j) * Y[n, k])
    assert one_hot.is_one_hot
    assert _gaps(one_hot) in [[Y[n, i] ** 2 - Y[n, i], Sum(Y[n, i], i) ** 2 - Sum(Y[n, i], i)] for i in (k, j)]
