"""Inverses, determinants and linear systems: functions of a whole square matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.graph import Entries, Indices, Kind, Node, make, operand, shown
from symgrad.array.intermediates import INVERSE
from symgrad.array.products import eye_of, matmul, square, transpose
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.matrix_functions import det as det_of
from symgrad.matrix_functions import inverse, logdet, named
from symgrad.notation import Array

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
    """``np.linalg.det``."""
    return _of_matrix("det", det_of, square(a, "det"))


def logabsdet(a: Any) -> Node:
    """The second part of ``np.linalg.slogdet``."""
    return _of_matrix("slogdet", logdet, square(a, "slogdet"))


def _of_matrix(operation: str, function: Any, node: Node) -> Node:
    """A determinant, or its logarithm; a transpose has the same one."""
    node = _core(_transposed(node) or node)
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
    np.linalg.matrix_power: matrix_power,
}
