"""The counting lemma: the grid that it asks for, and lines built to break it."""

from __future__ import annotations

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import Expr, KroneckerDelta, Sum, exp

from symgrad.check.claims import Claim, claims
from symgrad.check.grid import NotCovered, count, tried_on_grid
from symgrad.steps import Record, Step, Value

N, C, Y, Z, n, k, j = cl.N, cl.C, cl.Y, cl.Z, cl.n, cl.k, cl.j
size, classes = N.size, C.size
total = Sum(Y[n, k], k)

RIGHT = {
    "split": (Sum(Y[n, k] * (1 + Z[n, k]), n, k), Sum(Y[n, k], n, k) + Sum(Y[n, k] * Z[n, k], n, k)),
    "square": (total**2, Sum(Y[n, k] * Y[n, j], k, j)),
    "unused": (Sum(Y[n, k], n, k, j), classes * Sum(Y[n, k], n, k)),
    "delta": (Sum(KroneckerDelta(k, j) * Y[n, k] * Y[n, j], k, j), Sum(Y[n, k] ** 2, k)),
    "divisor": (Y[n, k] * exp(Z[n, k]) / (1 + exp(Z[n, k])), Y[n, k] - Y[n, k] / (1 + exp(Z[n, k]))),
}
# Each holds at some shapes, often at all small ones.
WRONG = {
    "N = C - 1": (total, total * (1 + (size - 1) - (classes - 2))),
    "C = 3": (total, total * classes / 3),
    "N = 1, 2, 3": (total, total + (size - 1) * (size - 2) * (size - 3)),
    "C = 1": (Sum(Y[n, k] ** 2, k), total**2),
    "C = 2": (total**2 / 2, Sum(Y[n, k] ** 2, k) + (total**2 - 3 * Sum(Y[n, k] ** 2, k)) / 2),
    "C = 1 to 5": (total, total * (1 + (classes - 1) * (classes - 2) * (classes - 3) * (classes - 4) * (classes - 5))),
}


def claim_of(left: Expr, right: Expr) -> Claim:
    step = Step(1, Value(left), None, right, "claim", "a line of the test")
    (claim,) = claims(Record(softmax_cross_entropy(), ("W",), (step,), {}, {}))
    assert isinstance(claim, Claim)
    return claim


@pytest.mark.parametrize("case", RIGHT)
def test_right_lines_hold_on_their_grid(case: str) -> None:
    grid = tried_on_grid(claim_of(*RIGHT[case]))
    assert grid is not None and grid.error_bound < 1e-12 and not grid.unequal


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lines_do_not(case: str) -> None:
    grid = tried_on_grid(claim_of(*WRONG[case]))
    assert grid is not None and grid.unequal


def test_the_grid_begins_at_the_letters_and_has_a_size_more_than_the_degree() -> None:
    grid = tried_on_grid(claim_of(*RIGHT["square"]))
    assert grid is not None
    assert grid.sizes["C"] == range(2, 5)  # two summed letters, each of which might be a factor C
    assert grid.sizes["N"] == range(1, 2)  # one free letter


def test_a_divisor_that_contains_a_summed_index_is_not_covered() -> None:
    with pytest.raises(NotCovered):
        count(Sum(Y[n, k] / (1 + exp(Z[n, k])), k))
