"""Positions along an axis, and the triangles of matrices."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.elementwise import ELEMENTWISE, MASKED, elementwise, masked, value_of
from symgrad.array.graph import Dimension, Entries, Indices, Kind, Node, axis_position, constant, make, operand, shown
from symgrad.array.products import contraction
from symgrad.array.reductions import expanded
from symgrad.errors import UnsupportedError
from symgrad.notation import Axis
from symgrad.special_functions import position_of

PLACES = "arange"
TRIANGLE = "tri"
"""The operations of positions, and of a triangle of the numbers 0 and 1."""


def places_of(axis: Axis) -> Node:
    """``np.arange`` of the size of an axis."""

    def build(_: Entries, indices: Indices) -> Expr:
        return position_of(indices[0])

    return make(PLACES, (), (axis,), build, Kind.INPUT, axis)


def triangle(axes: tuple[Dimension, ...], k: int, upper: bool, operation: str = "") -> Node:
    """Whether an entry of a matrix is on or below the k-th diagonal; with ``upper``, on or above it.

    It is a comparison, or an array of the numbers 0 and 1 of the name ``operation``.
    """
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
    letters = [f"a{place}" for place in range(len(node.axes))]
    mask = triangle((node.axes[position], node.axes[position]), 0, False, TRIANGLE)
    result = [*letters[:position], "row", *letters[position + 1 :]]
    return contraction("cumsum", [mask, node], [("row", letters[position]), tuple(letters)], tuple(result))


TRIANGLES: dict[Callable[..., Any], Callable[..., Node]] = {
    np.tril: _part("tril", False),
    np.triu: _part("triu", True),
    np.cumsum: cumsum,
}
