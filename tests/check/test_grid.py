"""The counting lemma: the grid that it asks for, and lines built to break it."""

from __future__ import annotations

from math import log2

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import Expr, KroneckerDelta, Rational, Sum, exp, log, sqrt, sympify

from symgrad.canonical import canonical
from symgrad.check import grid
from symgrad.check.grid import NotCovered, count, tried_on_grid
from symgrad.check.obligations import Claim, claims
from symgrad.equations import node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Partial, Record, Step, Value

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


e, tau = exp(Z[n, k]), Array("tau").base
COUNTS = {  # summed letters, powers of sizes, degree, divisors: counted by hand
    "a number": (Rational(1, 2), {}, {}, 0, {}),
    "a delta": (KroneckerDelta(k, j), {}, {}, 0, {}),
    "an entry": (Y[n, k], {}, {}, 1, {}),
    "a scalar": (tau, {}, {}, 1, {}),
    "a size": (size, {}, {"N": 1}, 0, {}),
    "a power of a size": (classes**3, {}, {"C": 3}, 0, {}),
    "a power": (Y[n, k] ** 3, {}, {}, 3, {}),
    "a divisor": (1 / Y[n, k] ** 2, {}, {}, 0, {Y[n, k]: 2}),
    "a product of divisors": (Y[n, k] ** 4 / (size * Z[n, k]), {}, {}, 4, {size: 1, Z[n, k]: 1}),
    "an exponential": (e * exp(2 * Z[n, j]), {}, {}, 3, {}),
    "an inverse exponential": (exp(-3 * Z[n, k]), {}, {}, 0, {e: 3}),
    "a product": (size * Y[n, k] * Sum(Z[n, j], j), {"C": 1}, {"N": 1}, 2, {}),
    "a square of sums": (total**2, {"C": 2}, {}, 2, {}),
    "a sum in a sum": (Sum(Y[n, k] * total, n), {"N": 1, "C": 1}, {}, 2, {}),
    "a divisor without the summed index": (Sum(Z[n, k] / Y[n, j], k), {"C": 1}, {}, 1, {Y[n, j]: 1}),
    "terms": (size**2 * Y[n, k] + size * total**2, {"C": 2}, {"N": 2}, 2, {}),
    # Over the common divisor y (1 + e)**2 the terms are (1 + e)**2 and y z.
    "fractions": (1 / Y[n, k] + Z[n, k] / (1 + e) ** 2, {}, {}, 2, {Y[n, k]: 1, 1 + e: 2}),
    "fractions of one divisor": (Y[n, k] / (1 + e) + 1 / (1 + e) ** 3, {}, {}, 3, {1 + e: 3}),
    "a divisor with a sum": (Y[n, k] + 1 / Sum(exp(Z[n, j]), j), {"C": 1}, {}, 2, {canonical(Sum(exp(Z[n, j]), j)): 1}),
    "a divisor by a size": (1 + Y[n, k] / classes, {}, {"C": 1}, 1, {classes: 1}),
}
NOT_COVERED = {
    "a logarithm": log(Y[n, k]),
    "a root": sqrt(Y[n, k]),
    "the exponential of a sum": exp(Y[n, k] + Z[n, k] ** 2),
    "the exponential of half an entry": exp(Y[n, k] / 2),
    "the exponential of a scalar": exp(tau),
    "a summed divisor": Sum(Y[n, k] / (1 + e), k),
    "a summed divisor within a term": Sum(1 + Sum(Z[n, j] / Y[n, k], j), k),
    "a quotient in a divisor": 1 / (1 + 1 / (1 + Y[n, k])),
}


@pytest.mark.parametrize("case", COUNTS)
def test_bounds_are_those_counted_by_hand(case: str) -> None:
    expr, letters, powers, degree, divisors = COUNTS[case]
    found = count(expr)
    assert (found.letters, found.powers, found.degree, found.divisors) == (letters, powers, degree, divisors)


@pytest.mark.parametrize("case", NOT_COVERED)
def test_what_the_lemma_is_not_about_is_refused(case: str) -> None:
    with pytest.raises(NotCovered):
        count(NOT_COVERED[case])


def test_the_error_is_the_degree_at_every_shape_of_the_grid() -> None:
    square, unused = (tried_on_grid(claim_of(*RIGHT[case])) for case in ("square", "unused"))
    assert square is not None and square.error_bound == 2 * 3 / 2.0**61  # degree 2 at 1 x 3 shapes
    assert unused is not None and unused.error_bound == 1 * 8 / 2.0**61  # N = 1, 2 and C = 2, ..., 5
    nothing = tried_on_grid(claim_of(sympify(1) + size - size, size / size))
    assert nothing is not None and nothing.error_bound == 1 / 2.0**61


def test_a_free_letter_of_an_axis_is_counted_with_its_summed_ones() -> None:
    left, right = Y[n, k] * Sum(Z[n, j], j), Sum(Y[n, k] * Z[n, j], j)
    found = tried_on_grid(claim_of(left, right))
    assert found is not None and found.sizes == {"N": range(1, 2), "D": range(1, 2), "C": range(2, 4)}


@pytest.mark.parametrize("limit", ["MOST_SHAPES", "MOST_WORK"])
def test_a_grid_that_is_too_large_is_not_tried(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, limit, 2)
    assert tried_on_grid(claim_of(*RIGHT["square"])) is None


def test_what_depends_on_the_array_is_written_out() -> None:
    z, by = exp(Y[n, k]), Y[N.index("m"), j]
    equations = (node(Z[n, k], z), node(cl.L.base, Sum(Z[n, k], n, k)))
    step = Step(
        1, Partial(Z[n, k], by), None, Z[n, k] * KroneckerDelta(n, by.indices[0]) * KroneckerDelta(k, j), "c", ""
    )
    (claim,) = claims(Record(Program("powers", (N, C), (Y,), equations, "L"), ("Y",), (step,), {}, {}))
    assert isinstance(claim, Claim)
    grid = tried_on_grid(claim)
    assert grid is not None and not grid.unequal


def test_what_is_not_covered_is_not_tried() -> None:
    assert tried_on_grid(claim_of(log(Y[n, k]), log(Y[n, k]) + 0 * size)) is None


def test_the_grid_begins_at_the_letters_and_has_a_size_more_than_the_degree() -> None:
    grid = tried_on_grid(claim_of(*RIGHT["square"]))
    assert grid is not None
    assert grid.sizes["C"] == range(2, 5)  # two summed letters, each of which might be a factor C
    assert grid.sizes["N"] == range(1, 2)  # one free letter


def test_a_divisor_that_contains_a_summed_index_is_not_covered() -> None:
    with pytest.raises(NotCovered):
        count(Sum(Y[n, k] / (1 + exp(Z[n, k])), k))


def test_a_sum_of_numbers_is_bounded_by_their_sum() -> None:
    assert grid._sum([count(sympify(4)), count(sympify(1))]).above == pytest.approx(log2(5))


def test_numbers_are_bounded_over_one_denominator() -> None:
    found = count(Y[n, k] / 8 + Z[n, k] / 2)
    assert (found.above, found.below) == (pytest.approx(log2(2 + 8)), 4)
    product = count((Y[n, k] / 8 + 1) * (Z[n, k] / 4 + 1))
    assert (product.above, product.below) == (pytest.approx(log2(9) + log2(5)), 5)
    assert (count(sympify(0)).above, count(sympify(0)).below) == (0, 0)


def test_a_divisor_of_several_factors_is_counted_in_each() -> None:
    assert count((1 + Y[n, k] / Z[n, k]) ** 3).divisors == {Z[n, k]: 3}


@pytest.mark.parametrize(
    ("left", "covered"),
    [
        (2**120 * Y[n, k], True),
        (2**120 * size**9 * Y[n, k], False),
        (2**116 * Sum(Y[n, k], n, k) * total**4, False),
        (exp(2**35 * Z[n, k]), True),
        (exp(2**45 * Z[n, k]), False),
    ],
)
def test_numbers_and_degrees_that_the_primes_cannot_tell_are_not_covered(left: Expr, covered: bool) -> None:
    claim = claim_of(Y[n, k], Y[n, k])
    if covered:
        assert grid.grid_of(claim, left, Y[n, k])
    else:
        with pytest.raises(NotCovered):
            grid.grid_of(claim, left, Y[n, k])


def test_sides_about_different_arrays_are_held_against_each_other() -> None:
    found = tried_on_grid(claim_of(Y[n, k], Z[n, k]))
    assert found is not None and found.unequal


@pytest.mark.parametrize("side", ["left", "right"])
def test_beside_an_exponential_only_the_first_prime_counts(side: str) -> None:
    y, z = cl.Y[cl.n, cl.k], cl.Z[cl.n, cl.k]
    large = 2**70 * y
    sides = (large, exp(z)) if side == "right" else (exp(z), large)
    line = Step(1, Value(y), None, z, "claim", "a line of the test")
    (claim,) = claims(Record(softmax_cross_entropy(), ("Z",), (line,), {}, {}))
    assert isinstance(claim, Claim)
    assert grid.grid_of(claim, large, z)
    with pytest.raises(NotCovered):
        grid.grid_of(claim, *sides)
