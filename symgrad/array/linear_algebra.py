"""Linear algebra: inverses, determinants and linear systems, positions along an axis, and triangles of matrices."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.elementwise import ELEMENTWISE, MASKED, elementwise, masked, power_of, value_of
from symgrad.array.graph import (
    Dimension,
    Entries,
    Indices,
    Kind,
    Node,
    axis_position,
    constant,
    current,
    make,
    operand,
    shown,
)
from symgrad.array.intermediates import INVERSE
from symgrad.array.products import contraction, eye_of, matmul, square, transpose
from symgrad.array.reductions import expanded
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.matrix_functions import det as det_of
from symgrad.matrix_functions import inverse, logdet, named
from symgrad.notation import Array, Axis
from symgrad.special_functions import position_of

PLACES = "arange"
TRIANGLE = "tri"
"""The operations of positions, and of a triangle of the numbers 0 and 1."""
MOST_FACTORS = 12
"""The largest power of a matrix, in absolute value: each factor is written out."""


def inv(a: Any) -> Node:
    """``np.linalg.inv``."""
    node = square(a, "inv")
    if (of := _transposed(node)) is not None:
        return transpose(inv(of))
    node = _core(node)
    if node.operation == INVERSE:
        return node.operands[0]

    def build(entries: Entries, indices: Indices) -> Expr:
        return _call(inverse, entries, node, *indices)

    return make(INVERSE, [node], node.axes, build, Kind.ALWAYS)


def det(a: Any) -> Node:
    """``np.linalg.det``; of a product or an inverse, the determinants of its factors."""
    parts = [(_of_matrix("det", det_of, node), power) for node, power in _factors(square(a, "det")).items()]
    powers = [node if n == 1 else elementwise("**", power_of, node, constant(n)) for node, n in parts]
    return reduce(lambda one, other: elementwise("*", operator.mul, one, other), powers)


def logabsdet(a: Any) -> Node:
    """The second part of ``np.linalg.slogdet``; of a product or an inverse, those of its factors."""
    parts = [(_of_matrix("slogdet", logdet, node), power) for node, power in _factors(square(a, "slogdet")).items()]
    terms = [node if n == 1 else elementwise("*", operator.mul, constant(n), node) for node, n in parts]
    return reduce(lambda one, other: elementwise("+", operator.add, one, other), terms)


def _factors(node: Node) -> Counter[Node]:
    """The square factors of a matrix, with the powers of their determinants; what has a name is not taken apart."""
    node = _core(_transposed(node) or node)
    if node.operation == INVERSE:
        return Counter({factor: -power for factor, power in _factors(node.operands[0]).items()})
    is_product = node.operation == "@" and all(
        f.axes == node.axes and f.kind is not Kind.CONSTANT for f in node.operands
    )
    if not is_product or node in current().names:
        return Counter({node: 1})
    factors = Counter[Node]()
    for factor in node.operands:
        factors.update(_factors(factor))
    return Counter({factor: power for factor, power in factors.items() if power}) or Counter({node: 1})


def _of_matrix(operation: str, function: Any, node: Node) -> Node:
    """A determinant, or its logarithm."""
    operands = [node, inv(node)]
    return make(operation, operands, (), lambda entries, _: _call(function, entries, node), Kind.PLAIN)


def _call(function: Any, entries: Entries, node: Node, *indices: Any) -> Expr:
    """A call on a matrix and its inverse, both of which have names."""
    return named(function, entries.name(node), entries.name(inv(node)), *indices)


def _transposed(node: Node) -> Node | None:
    """What a node is the transpose of, if it is a view of a whole matrix with the axes swapped."""
    return node.operands[0] if node.kind is Kind.VIEW and _turns(node, (1, 0)) else None


def _core(node: Node) -> Node:
    """The array behind a view that leaves every entry where it is."""
    while node.kind is Kind.VIEW and _turns(node, (0, 1)):
        (node,) = node.operands
    if node.kind in (Kind.VIEW, Kind.CONSTANT):
        raise UnsupportedError(f"the inverse or determinant of {shown(node)} has no rule: give it a matrix, not a view")
    return node


def _turns(node: Node, order: tuple[int, int]) -> bool:
    """Whether the entry i, j of a view is the entry of its operand at these positions of i, j."""
    if len(node.operands) != 1 or node.operands[0].axes != node.axes:
        return False
    array = Array("_matrix", node.operands[0].real_axes)
    entries = Entries({node.operands[0]: array})
    indices = tuple(entries.fresh(axis) for axis in node.real_axes)
    return bool(node.build(entries, indices) == array[tuple(indices[position] for position in order)])


def solve(a: Any, b: Any) -> Node:
    """``np.linalg.solve``: the product of the inverse with a vector or a matrix."""
    right = operand(b, "solve")
    if len(right.axes) not in (1, 2):
        raise ProgramError(f"solve({shown(square(a, 'solve'))}, {shown(right)}): it takes a vector or a matrix")
    return matmul(inv(a), right)


def pinv(a: Any) -> Node:
    """``np.linalg.pinv`` of a square matrix with an inverse, or of a matrix of full column rank: ``(A^T A)^-1 A^T``."""
    node = operand(a, "pinv")
    if len(node.axes) != 2 or None in node.axes:
        raise ProgramError(f"pinv({shown(node)}): it takes a matrix with two axes")
    if node.axes[0] == node.axes[1]:
        return inv(node)
    return matmul(inv(matmul(transpose(node), node)), transpose(node))


def matrix_power(a: Any, n: Any) -> Node:
    """``np.linalg.matrix_power`` with a literal exponent."""
    node = square(a, "matrix_power")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or abs(int(n)) > MOST_FACTORS:
        raise UnsupportedError(f"matrix_power takes an integer from -{MOST_FACTORS} to {MOST_FACTORS}, not {n!r}")
    exponent = int(n)
    if exponent == 0:
        return eye_of(node.real_axes[0])
    base = inv(node) if exponent < 0 else node
    result = base
    for _ in range(abs(exponent) - 1):
        result = matmul(result, base)
    return result


LINEAR_ALGEBRA: dict[Callable[..., Any], Callable[..., Node]] = {
    np.linalg.inv: inv,
    np.linalg.det: det,
    np.linalg.slogdet: logabsdet,
    np.linalg.solve: solve,
    np.linalg.pinv: pinv,
    np.linalg.matrix_power: matrix_power,
}


def places_of(axis: Axis) -> Node:
    """``np.arange`` of the size of an axis."""

    def build(_: Entries, indices: Indices) -> Expr:
        return position_of(indices[0])

    return make(PLACES, (), (axis,), build, Kind.INPUT, axis)


def triangle(axes: tuple[Dimension, ...], k: int, upper: bool, operation: str = "") -> Node:
    """Whether an entry of a matrix is on or below the k-th diagonal; with ``upper``, on or above it.

    It is a comparison, or an array of the numbers 0 and 1 of the name ``operation``.
    """
    # A dimension of size one has no places; the axes of a triangle are real.
    row, column = expanded(places_of(axes[0]), (1,)), expanded(places_of(axes[1]), (0,))  # type: ignore[arg-type]
    (low, high), k = ((row, column), k) if upper else ((column, row), -k)
    distance = elementwise("+", operator.add, low, constant(k)) if k not in (0, 1) else low
    name, compare = (">", np.greater) if k == 1 else (">=", np.greater_equal)
    return elementwise(operation or name, ELEMENTWISE[compare], high, distance, hint="M")


def _part(name: str, upper: bool) -> Callable[..., Node]:
    """``np.tril`` or ``np.triu``."""

    def part(m: Any, k: int = 0) -> Node:
        node = operand(m, name)
        if not isinstance(k, int) or len(node.axes) < 2 or None in node.axes[-2:]:
            raise UnsupportedError(f"{name} of {shown(node)}: it takes a matrix or a stack of them, and a number k")
        if node.operation == MASKED:  # the other triangle is 0
            value, keep = node.operands
            other = triangle(node.axes[-2:], k - 1 if upper else k + 1, not upper)
            either = elementwise("|", ELEMENTWISE[np.logical_or], other, keep, hint="M")
            kept = other if keep.kind is Kind.CONSTANT and value_of(keep) == 0 else either
            return masked(kept, part_of(elementwise("*", operator.mul, value, constant(1)), k))
        return part_of(node, k)

    def part_of(node: Node, k: int) -> Node:
        if node.kind is Kind.CONSTANT and value_of(node) == 1:
            return triangle(node.axes[-2:], k, upper, "" if node.operation == "==" else TRIANGLE)
        return elementwise("*", operator.mul, triangle(node.axes[-2:], k, upper), node)

    return part


def cumsum(a: Any, axis: int | None = None) -> Node:
    """``np.cumsum`` along an axis: the product with a triangle."""
    node = operand(a, "cumsum")
    if axis is None and len(node.axes) > 1:
        raise UnsupportedError("cumsum over all axes has no rule: give it one axis")
    position = axis_position(node, 0 if axis is None else axis, "cumsum")
    letters = [f"a{number}" for number in range(len(node.axes))]
    mask = triangle((node.axes[position], node.axes[position]), 0, False, TRIANGLE)
    result = [*letters[:position], "row", *letters[position + 1 :]]
    return contraction("cumsum", [mask, node], [("row", letters[position]), tuple(letters)], tuple(result))


TRIANGLES: dict[Callable[..., Any], Callable[..., Node]] = {
    np.tril: _part("tril", False),
    np.triu: _part("triu", True),
    np.cumsum: cumsum,
}
