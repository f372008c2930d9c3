"""Lines held against the values of their program: what a prime field, or one point, would let pass."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, Sum, cos, cosh, exp, log, sin, sqrt, tanh

from symgrad.check import Level, Mark, prove
from symgrad.check.at_shapes import differing_in
from symgrad.check.lines import Claim, claims
from symgrad.check.numeric.entrywise import Instance
from symgrad.check.numeric.fields import Field, is_missing
from symgrad.check.numeric.reference import Truth
from symgrad.equations import abbreviation, node
from symgrad.functions import absolute, step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Record, Step, Value

N, C = Axis("N"), Axis("C")
n, k = N.index("n"), C.index("k")
Y, X, L = Array("Y", (N, C)), Array("x"), Array("L")
x = X.base


def verdict(left: Expr, right: Expr, more: Expr | int = 0) -> Mark:
    """The verdict on a line about a program in which ``more`` is defined."""
    program = Program("product", (N, C), (Y, X), (node(L.base, Sum(Y[n, k], n, k) * x + more),), "L")
    (mark,) = prove(Record(program, ("Y",), (Step(1, Value(left), None, right, "rule", "reason"),), {}, {})).marks
    return mark


@pytest.mark.parametrize(("whole", "square"), [(2, 5), (1, 5), (3, 10), (1, 2), (2, 7)])
def test_another_root_of_a_number_does_not_prove_a_line(whole: int, square: int) -> None:
    """In the first three the root that the prime field has is the other one, at all points."""
    root = sqrt(whole**2 + square - 2 * whole * sqrt(square))
    assert verdict((sqrt(square) - whole) * x, root * x).ok
    assert not verdict((whole - sqrt(square)) * x, root * x).ok
    assert not verdict(whole * x, (sqrt(square) + root) * x).ok
    later = C.size - 4  # 0 at the first shape
    assert not verdict(x + later * (whole - sqrt(square)) * x, x + later * root * x).ok


@pytest.mark.parametrize("shift", [18, 32, 167, 248, 344, 137])
def test_another_root_of_a_square_does_not_prove_a_line(shift: int) -> None:
    """With these numbers the root that the prime field has is x + shift at every shape, and at x < -shift it is not."""
    root = sqrt(x**2 + 2 * shift * x + shift**2)
    assert not verdict(x + shift, root, root).ok


@pytest.mark.parametrize("factor", [1, 2])
def test_an_error_of_rounding_far_away_refutes_no_line(factor: int) -> None:
    """At x = 120 so many digits cancel that fewer are left than are compared."""
    one = (1 - tanh(factor * x) ** 2) * cosh(factor * x) ** 2
    mark = verdict(one * (sin(x) ** 2 + cos(x) ** 2), Integer(1))
    assert mark.level == Level.NUMERICAL


def test_a_line_is_refuted_beyond_points_far_away_at_which_the_program_has_no_value() -> None:
    """Where x is about 100 there is no logarithm of 20 - x; where it is about -100 the line fails."""
    mark = verdict(absolute(x + 20), x + 20, log(20 - x) * absolute(x + 20))
    assert mark.level == Level.WRONG and "where Y[0, 0] = -" in mark.detail


def test_what_is_needed_in_a_branch_alone_is_compared_where_it_has_a_value() -> None:
    """Half of the numbers of a field have no root, and the output is defined if those are not in the branch taken."""
    V, R = Array("v", (C,)), Array("r", (C,))
    output = node(L.base, Sum(where(step(V[k], 0), R[k], 1), k))
    of = Program("branch", (C,), (V,), (abbreviation(R[k], sqrt(V[k] + 2)), output), "L")
    for factor in (1, 2):
        line = Step(1, Value(R[k]), None, factor * sqrt(V[k] + 2), "rule", "reason")
        (claim,) = claims(Record(of, ("v",), (line,), {}, {}))
        assert isinstance(claim, Claim)
        truth = Truth(claim.record, Instance(of, {"C": 4}), Field)
        gaps = is_missing(truth.evaluator.values["r"])[0].tolist()
        assert set(gaps) == {False, True}
        assert differing_in(truth, claim) == (None if factor == 1 else (gaps.index(False),))


def test_sides_of_which_one_has_exponentials_are_compared_at_the_levels_of_both() -> None:
    e = exp(Y[n, k])
    of = Program("tower", (N, C), (Y,), (node(L.base, Sum(exp(e), n, k)),), "L")
    for factor in (1, 2):
        after = factor * Y[n, k] * (e**2 + e) / (e + 1) / e
        (claim,) = claims(Record(of, ("Y",), (Step(1, Value(Y[n, k]), None, after, "rule", "reason"),), {}, {}))
        assert isinstance(claim, Claim) and claim.after.has(exp)
        found = differing_in(Truth(claim.record, Instance(of, {"N": 2, "C": 3}), Field), claim)
        assert found == (None if factor == 1 else (0, 0))
