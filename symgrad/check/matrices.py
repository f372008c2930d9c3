"""Reads matrix notation entry by entry, and compares the axes of each product, sum and Hadamard product.

SymPy accepts symbolic sizes that do not fit, so the shapes are checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, pairwise

import sympy as sp
from sympy.core.basic import Basic
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.indexed import Idx

from symgrad.check.normal_form.atoms import RESERVED
from symgrad.errors import SymgradError, UnsupportedError
from symgrad.functions import where
from symgrad.notation import Array, Axis, axis_name
from symgrad.piecewise import Applied, Choice

Shape = tuple[str | None, str | None]
"""The axes of rows and columns by name; None stands for a single row or column."""


class AxisMismatch(SymgradError):
    """A matrix expression joins matrices whose axes do not fit."""


class Entries:
    """Reads matrix expressions over given arrays (by name) and axes."""

    def __init__(self, arrays: Mapping[str, Array], axes: Mapping[str, Axis]) -> None:
        self._arrays = arrays
        self._axes = axes
        self._serial = count()

    def index(self, axis: str) -> Idx:
        """An index over an axis that occurs nowhere else."""
        return self._axes[axis].index(f"{RESERVED}{axis}m{next(self._serial)}")

    def entry(self, expr: sp.Expr, row: Idx | None = None, column: Idx | None = None) -> sp.Expr:
        """The entry of a matrix expression, whose axes must be those of the indices, in index notation.

        Raises ``AxisMismatch`` where axes do not fit, ``UnsupportedError`` for a kind of matrix without semantics here.
        """
        expected = (axis_name(row) if row else None, axis_name(column) if column else None)
        if (actual := self.shape(expr)) != expected:
            raise AxisMismatch(f"{expr} is {_shown(actual)}, expected {_shown(expected)}")
        return self._entry(expr, row, column)

    def shape(self, expr: sp.Expr) -> Shape:
        """The axes of a matrix expression, every join within it compared; a scalar has none."""
        if not isinstance(expr, sp.MatrixExpr):
            return None, None
        if isinstance(expr, sp.MatrixSymbol) and (
            expr.name not in self._arrays or self._arrays[expr.name].matrix != expr
        ):
            raise AxisMismatch(f"{expr.name} is not a matrix of this program with the axes {expr.shape}")
        if isinstance(expr, (sp.MatrixSymbol, sp.OneMatrix, sp.ZeroMatrix, sp.Identity)):
            return self._axis(expr.shape[0]), self._axis(expr.shape[1])
        if isinstance(expr, sp.Transpose):
            rows, columns = self.shape(expr.arg)
            return columns, rows
        if isinstance(expr, sp.MatMul):
            shapes = [self.shape(f) for f in expr.args if isinstance(f, sp.MatrixExpr)]
            for left, right in pairwise(shapes):
                if left[1] != right[0]:
                    raise AxisMismatch(f"{_shown(left)} times {_shown(right)} in {expr}")
            return shapes[0][0], shapes[-1][1]
        if isinstance(expr, DiagMatrix):
            axis, columns = self.shape(expr.args[0])
            if axis is None or columns is not None:
                raise AxisMismatch(f"the diagonal matrix of {_shown((axis, columns))}")
            return axis, axis
        if isinstance(expr, DiagonalOf):
            return self._square(expr.arg, "diagonal"), None
        if isinstance(expr, (sp.MatAdd, sp.HadamardProduct, Choice, Applied, sp.HadamardPower)):
            joined = [arg for arg in expr.args if isinstance(arg, sp.MatrixExpr)]
            first, *others = dict.fromkeys(map(self.shape, joined))
            if others:
                raise AxisMismatch(f"{expr} joins {' and '.join(map(_shown, [first, *others]))}")
            return first
        if isinstance(expr, ElementwiseApplyFunction):
            return self.shape(expr.expr)
        raise UnsupportedError(f"the checker has no entries for {type(expr).__name__}: {expr}")

    def _square(self, matrix: sp.Expr, name: str) -> str:
        """The axis of both the rows and the columns of a matrix."""
        axis, columns = self.shape(matrix)
        if axis is None or axis != columns:
            raise AxisMismatch(f"the {name} of {_shown((axis, columns))}")
        return axis

    def _axis(self, size: sp.Expr) -> str | None:
        if size == 1:
            return None
        if str(size) not in self._axes:
            raise AxisMismatch(f"{size} is not the size of an axis")
        return str(size)

    def _entry(self, expr: sp.Expr, row: Idx | None, column: Idx | None) -> sp.Expr:
        if not isinstance(expr, sp.MatrixExpr):
            return self._scalar(expr)
        if isinstance(expr, sp.MatrixSymbol):
            indices = [i for i in (row, column) if i is not None]
            return self._arrays[expr.name][tuple(indices)]
        if isinstance(expr, sp.OneMatrix):
            return sp.sympify(1)
        if isinstance(expr, sp.ZeroMatrix):
            return sp.sympify(0)
        if isinstance(expr, sp.Identity):
            return (
                sp.sympify(1) if row is None else sp.KroneckerDelta(row, column)
            )  # SymPy makes a 1 x 1 of ones an identity
        if isinstance(expr, sp.Transpose):
            return self._entry(expr.arg, column, row)
        if isinstance(expr, sp.MatAdd):
            return sp.Add(*(self._entry(term, row, column) for term in expr.args))
        if isinstance(expr, sp.HadamardProduct):
            return sp.Mul(*(self._entry(f, row, column) for f in expr.args))
        if isinstance(expr, Choice):
            return where(*(self._entry(part, row, column) for part in expr.args))
        if isinstance(expr, sp.HadamardPower):
            return self._entry(expr.base, row, column) ** self._entry(expr.exp, row, column)
        if isinstance(expr, ElementwiseApplyFunction):
            return expr.function(self._entry(expr.expr, row, column))
        if isinstance(expr, Applied):
            return expr.args[0](*(self._entry(part, row, column) for part in expr.args[1:]))
        if isinstance(expr, DiagMatrix):
            return sp.KroneckerDelta(row, column) * self._entry(expr.args[0], row, None)
        if isinstance(expr, DiagonalOf):
            return self._entry(expr.arg, row, row)
        return self._product(expr, row, column)

    def _product(self, expr: sp.MatMul, row: Idx | None, column: Idx | None) -> sp.Expr:
        matrices = [f for f in expr.args if isinstance(f, sp.MatrixExpr)]
        scalars = [self._scalar(f) for f in expr.args if not isinstance(f, sp.MatrixExpr)]
        inner = [self.index(axis) if (axis := self.shape(f)[1]) else None for f in matrices[:-1]]
        ends = [row, *inner, column]
        entries = sp.Mul(*(self._entry(f, *ends[position : position + 2]) for position, f in enumerate(matrices)))
        bound = [i for i in inner if i is not None]
        return sp.Mul(*scalars, sp.Sum(entries, *bound) if bound else entries)

    def _scalar(self, expr: Basic) -> sp.Expr:
        """A scalar expression with traces and entries of 1 x 1 matrices in index notation."""
        if isinstance(expr, MatrixElement) and expr.i == 0 and expr.j == 0:
            return self.entry(expr.parent)
        if isinstance(expr, sp.Trace):
            index = self.index(self._square(expr.arg, "trace"))
            # The row and the column are one index, so the entry is on the diagonal.
            return sp.Sum(self._entry(expr.arg, index, index), index)
        if not expr.has(sp.MatrixExpr):
            return expr
        return expr.func(*(self._scalar(arg) for arg in expr.args))


def _shown(shape: Shape) -> str:
    return f"{shape[0] or 1} x {shape[1] or 1}"
