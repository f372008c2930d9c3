"""The shapes at which lines are tried leave wrong lines no relation to hide behind."""

from __future__ import annotations

from itertools import combinations
from math import prod

import pytest
from sympy import Integer, Sum, exp

from symgrad.check import at_shapes
from symgrad.check.at_shapes import MOST_TERMS, SERIES, standard_shapes, terms
from symgrad.equations import abbreviation, node
from symgrad.functions import selection
from symgrad.notation import Array, Axis
from symgrad.program import Program


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


def test_a_program_without_axes_has_one_shape() -> None:
    x = Array("x")
    assert standard_shapes(Program("scalars", (), (x,), (node(Array("L").base, x.base**2),), "L")) == ((),)
