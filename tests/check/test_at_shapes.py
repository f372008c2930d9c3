"""Lines compared at shapes: which shapes, what a prime field sees of a line, and what one point would let pass."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import prod

import classifier as cl
import pytest
from catalogue import derived_from
from classifier import LOSSES, P
from sympy import Expr, Integer, Rational, Sum, cos, cosh, exp, log, pi, sin, sqrt, tanh

import symgrad
from symgrad.array.expression import parse
from symgrad.check import Level, Mark, at_shapes, prove
from symgrad.check.at_shapes import MOST_TERMS, SERIES, differing_in, is_represented, standard_shapes, terms
from symgrad.check.numeric.fields import Field, is_missing
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.true_values import TrueValues
from symgrad.check.obligations import Claim, claims
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation, node
from symgrad.functions import absolute, selection, step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Record, Step, Value

N, C = Axis("N"), Axis("C")
n, k = N.index("n"), C.index("k")
Y, X, L = Array("Y", (N, C)), Array("x"), Array("L")
x = X.base
V = Array("v", (N,))
v = V[n]


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
        truth = TrueValues(claim.record, Instance(of, {"C": 4}), Field)
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
        found = differing_in(TrueValues(claim.record, Instance(of, {"N": 2, "C": 3}), Field), claim)
        assert found == (None if factor == 1 else (0, 0))


# --- what a prime field sees -----------------------------------------------------------------------------------------


def seen(record: Record) -> dict[int, bool]:
    return {c.step.number: is_represented(c) for c in claims(record) if isinstance(c, Claim)}


@pytest.mark.parametrize("name", LOSSES)
def test_all_is_seen_but_the_lines_with_logarithms(name: str) -> None:
    record = derived_from(LOSSES[name], ("W", "b")).record
    with_log = {s.number for s in record.steps if s.after.has(log) or s.subject in (Value(log(P[cl.n, cl.k])),)}
    found = seen(record)
    assert len(found) > 10 and found == {number: number not in with_log for number in found}


@pytest.mark.parametrize("hidden", [sqrt(2 + v**2), (1 + exp(v)) ** Rational(1, 3), cos(v), pi * v])
def test_what_is_hidden_in_an_equation_is_hidden_in_every_line_that_mentions_it(hidden: Expr) -> None:
    S, F = Array("s", (N,)), Array("f", (N,))
    equations = (abbreviation(S[n], hidden), node(F[n], S[n] * v), node(L[()], Sum(F[n] ** 2, n)))
    record = derive_record(Program("hidden", (N,), (V,), equations, "L"), ("v",))
    found = seen(record)
    assert len(found) > 5 and found == dict.fromkeys(found, False)
    shown = replace(record, steps=(Step(1, Value(v), None, v, "claim", "a line of the test"),))
    assert seen(shown) == {1: True}
    one_side = replace(shown, steps=(Step(1, Value(v), None, hidden, "claim", "a line of the test"),))
    assert seen(one_side) == {1: False}


# --- which shapes ----------------------------------------------------------------------------------------------------


def shapes_of(count: int) -> list[list[int]]:
    """The sizes of so many axes, shape by shape."""
    axes = tuple(Axis(f"A{place}") for place in range(count))
    arrays = tuple(Array(f"x{place}", (axis,)) for place, axis in enumerate(axes))
    sums = (Sum(array[i := axis.index("i")], i) for array, axis in zip(arrays, axes, strict=True))
    program = Program("many", axes, arrays, (node(Array("L").base, sum(sums, Integer(0))),), "L")
    shapes = standard_shapes(program)
    assert all([name for name, _ in shape] == [axis.name for axis in axes] for shape in shapes)
    return [[size for _, size in shape] for shape in shapes]


def test_axes_have_their_sizes_in_order_and_begin_again_after_the_last() -> None:
    assert shapes_of(3) == [list(series[:3]) for series in SERIES]
    assert shapes_of(8) == [[*series, *series[:2]] for series in SERIES]


def test_no_two_axes_have_one_size_at_the_first_shape_nor_one_difference_at_all() -> None:
    sizes = shapes_of(6)
    assert len(set(sizes[0])) == 6
    for one, other in combinations(range(6), 2):
        assert len({shape[one] - shape[other] for shape in sizes}) >= 3


def test_a_polynomial_of_degree_three_in_one_size_cannot_vanish_at_all() -> None:
    assert all(len(set(column)) >= 4 for column in zip(*shapes_of(6), strict=True))


def test_sizes_are_lessened_until_the_program_written_out_is_small_enough() -> None:
    axis = Axis("N")
    A = Array("A", (axis, axis))
    letters = [axis.index(letter) for letter in "abcdefghij"]
    cycle = prod(A[one, other] for one, other in zip(letters, [*letters[1:], letters[0]], strict=True))
    program = Program("cycle", (axis,), (A,), (node(Array("L").base, Sum(cycle, *letters)),), "L")
    assert standard_shapes(program) == ((("N", 2),), (("N", 1),))
    assert terms(program, {"N": 2}) <= MOST_TERMS < terms(program, {"N": 3})


def test_the_largest_size_is_lessened_first_and_none_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Axis("N"), Axis("M")
    A, a, b = Array("A", (one, other)), one.index("a"), other.index("b")
    program = Program("matrix", (one, other), (A,), (node(Array("L").base, Sum(A[a, b] ** 2, a, b)),), "L")
    for largest, sizes in ((6, {(2, 2), (1, 1)}), (1, {(1, 1)})):
        monkeypatch.setattr(at_shapes, "MOST_TERMS", terms(program, {"N": largest, "M": 1}) - 1)
        assert {tuple(size for _, size in shape) for shape in standard_shapes(program)} == sizes


def test_the_larger_the_axes_are_the_more_terms_there_are() -> None:
    one, other = Axis("N"), Axis("M")
    z, s, p = Array("z", (one, other)), Array("s", (one,)), Array("p", (one, other))
    a, b = one.index("a"), other.index("b")
    equations = (
        abbreviation(s[a], Sum(exp(z[a, b]), b)),
        node(p[a, b], s[a] * selection(z[a, b], b)),
        node(Array("L").base, Sum(p[a, b] ** 2, a, b)),
    )
    program = Program("selection", (one, other), (z,), equations, "L")
    few, more, most = (terms(program, {"N": rows, "M": columns}) for rows, columns in ((2, 3), (3, 3), (3, 4)))
    assert few < more < most


def test_a_derivative_over_many_axes_is_compared_at_sizes_that_fit() -> None:
    shapes = "P: N C H V I J, F: D C I J, R: N D H V"
    convolution = parse("sum(R * einsum('nchvij,dcij->ndhv', P, F))", shapes, "P F")
    assert max(size for _, size in standard_shapes(convolution.program())[0]) <= 3
    assert symgrad.derive(convolution).prove().counts.keys() == {"definition", "every shape"}


def test_a_program_without_axes_has_one_shape() -> None:
    x = Array("x")
    assert standard_shapes(Program("scalars", (), (x,), (node(Array("L").base, x.base**2),), "L")) == ((),)
