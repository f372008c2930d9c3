"""What assumptions say of an input: projections, one-hot rows, and domains with their choices of entries."""

from __future__ import annotations

from itertools import product

import pytest
from sympy import Integer, KroneckerDelta, Sum

from symgrad.check.assumptions import Entries, OneHot, Projection, choices, constraints
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.sums import Relation
from symgrad.equations import Assumption, in_domain, node, one_hot, rows_sum_to_one, symmetric
from symgrad.notation import Array, Axis
from symgrad.program import Program

N, C = Axis("N"), Axis("C")
n, k, j = N.index("n"), C.index("k"), C.index("j")
Y, A = Array("Y", (N, C)), Array("A", (C, C))
PROGRAM = Program("test", (N, C), (Y, A), (node(Array("L").base, Sum(Y[n, k] * A[k, j], n, k, j)),), "L")
DOMAINS = {"sign": (-1, 1), "binary": (0, 1), "probability": (), "nonnegative": (), "count": ()}
COLUMNS_SUM_TO_ONE = Assumption("A3", "each column of Y sums to one", Sum(Y[n, k], n), Integer(1))


@pytest.mark.parametrize("word", DOMAINS)
def test_a_domain_has_the_relations_of_its_numbers(word: str) -> None:
    (constraint,) = constraints([in_domain(Y, word)], PROGRAM).values()
    assert isinstance(constraint, Entries)
    assert constraint.relation == {"sign": Relation.SIGN, "binary": Relation.BINARY}.get(word, Relation.NONNEGATIVE)


@pytest.mark.parametrize(("word", "values"), DOMAINS.items())
def test_every_choice_of_entries_of_a_finite_domain_is_listed(word: str, values: tuple[int, ...]) -> None:
    listed = list(choices(constraints([in_domain(Y, word)], PROGRAM)["Y"], (2, 1)))
    assert listed == [{(0, 0): a, (1, 0): b} for a, b in product(values, repeat=2)] if values else [{}]


@pytest.mark.parametrize("is_complete", [True, False])
def test_every_choice_of_one_hot_rows_is_listed(is_complete: bool) -> None:
    listed = list(choices(OneHot(is_complete), (2, 2)))
    rows = [[chosen[row, 0], chosen[row, 1]] for chosen in listed for row in range(2)]
    assert len(listed) == (4 if is_complete else 9)
    assert [0, 1] in rows and [1, 0] in rows and [1, 1] not in rows and ([0, 0] in rows) is not is_complete
    assert OneHot(is_complete).relation == (Relation.EXACTLY_ONE if is_complete else Relation.AT_MOST_ONE)


@pytest.mark.parametrize("is_complete", [True, False])
@pytest.mark.parametrize(("shape", "rows"), [((3,), 1), ((2, 3), 2), ((1, 2, 3), 2)])
def test_rows_run_along_the_last_axis(shape: tuple[int, ...], rows: int, is_complete: bool) -> None:
    listed = list(choices(OneHot(is_complete), shape))
    assert len(listed) == len({tuple(one.items()) for one in listed}) == (3 if is_complete else 4) ** rows
    places = set(product(*map(range, shape)))
    assert all(one.keys() == places and sum(one.values()) <= rows for one in listed)


def test_nothing_is_chosen_without_a_constraint() -> None:
    assert list(choices(None, (2, 2))) == [{}]


def test_rows_are_complete_where_the_last_axis_sums_to_one() -> None:
    entries, sums = one_hot(Y)
    assert constraints([entries], PROGRAM) == {"Y": OneHot(False)}
    assert constraints([sums, entries], PROGRAM) == {"Y": OneHot(True)}
    T = Array("T", (N, C, C))
    deep = Program("test", (N, C), (T,), (node(Array("L").base, Sum(T[n, k, j], n, k, j)),), "L")
    assert constraints(one_hot(T), deep) == {"T": OneHot(True)}
    with pytest.raises(NoNormalForm, match="A1a and A3 are about one array"):
        constraints([entries, COLUMNS_SUM_TO_ONE], PROGRAM)


def test_a_projection_satisfies_the_assumption_and_leaves_what_does() -> None:
    found = constraints([rows_sum_to_one(Y), symmetric(A, "A2")], PROGRAM)
    assert found["Y"] == Projection(rows_sum_to_one(Y), (Y[n, k], Y[n, k] + (1 - Sum(Y[n, k], k)) / C.size))
    assumption = symmetric(A, "A2")
    row, column = assumption.lhs.indices
    assert found["A"] == Projection(assumption, (A[row, column], (A[row, column] + A[column, row]) / 2))


def test_an_assumption_that_is_not_understood_is_named() -> None:
    for assumption, message in [
        (Assumption("A5", "", Sum(Y[n, k] * A[k, k], k), Integer(1)), "A5 is not about one input"),
        (Assumption("A6", "", Array("Q", (C,))[k], Integer(1)), "A6 is not about one input"),
        (Assumption("A7", "", Sum(A[k, k], k), Integer(1)), "A7 is none of those that the checker knows"),
        (Assumption("A8", "", Y[n, k] * Y[n, j], KroneckerDelta(k, j)), "A8 is none of those that the checker knows"),
    ]:
        with pytest.raises(NoNormalForm, match=message):
            constraints([assumption], PROGRAM)
