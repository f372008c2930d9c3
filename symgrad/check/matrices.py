"""Matrix notation read entry by entry: the checker's own semantics of each matrix expression, axes compared.

SymPy's shape checks pass silently on symbolic sizes, so every product, sum and Hadamard product is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import count

from sympy import (
    Add,
    Expr,
    HadamardPower,
    HadamardProduct,
    Identity,
    KroneckerDelta,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    OneMatrix,
    Sum,
    Trace,
    Transpose,
    ZeroMatrix,
    sympify,
)
from sympy.core.basic import Basic
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.indexed import Idx

from symgrad.check.atoms import OWN
from symgrad.errors import SymgradError, UnsupportedError
from symgrad.notation import Array, Axis

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
        return self._axes[axis].index(f"{OWN}{axis}m{next(self._serial)}")

    def entry(self, expr: Expr, row: Idx | None, column: Idx | None, shape: Shape) -> Expr:
        """The entry of a matrix expression in index notation, its axes being those expected.

        Raises ``AxisMismatch`` where axes do not fit, ``UnsupportedError`` for a kind of matrix without semantics here.
        """
        if not isinstance(expr, MatrixExpr):
            found: Shape = (None, None)
        else:
            found = self.shape(expr)
        if found != shape:
            raise AxisMismatch(f"{expr} is {_shown(found)}, expected {_shown(shape)}")
        return self._entry(expr, row, column) if isinstance(expr, MatrixExpr) else self._scalar(expr)

    def shape(self, expr: Expr) -> Shape:
        """The axes of a matrix expression, every join within it compared."""
        if isinstance(expr, MatrixSymbol):
            expected = self._arrays[expr.name].matrix if expr.name in self._arrays else None
            if expected != expr:
                raise AxisMismatch(f"{expr.name} is not a matrix of this program with the axes {expr.shape}")
            return self._axis(expr.shape[0]), self._axis(expr.shape[1])
        if isinstance(expr, (OneMatrix, ZeroMatrix, Identity)):
            return self._axis(expr.shape[0]), self._axis(expr.shape[1])
        if isinstance(expr, Transpose):
            rows, columns = self.shape(expr.arg)
            return columns, rows
        if isinstance(expr, MatMul):
            return reduce(self._joined, [(self.shape(f), f) for f in expr.args if isinstance(f, MatrixExpr)])[0]
        if isinstance(expr, (MatAdd, HadamardProduct)):
            shapes = {self.shape(term) for term in expr.args}
            if len(shapes) != 1:
                raise AxisMismatch(f"{expr} joins {' and '.join(sorted(map(_shown, shapes)))}")
            return shapes.pop()
        if isinstance(expr, HadamardPower) and not isinstance(expr.exp, MatrixExpr):
            return self.shape(expr.base)
        if isinstance(expr, ElementwiseApplyFunction):
            return self.shape(expr.expr)
        raise UnsupportedError(f"the checker has no entries for {type(expr).__name__}: {expr}")

    def _joined(self, left: tuple[Shape, Expr], right: tuple[Shape, Expr]) -> tuple[Shape, Expr]:
        (rows, inner), (outer, columns) = left[0], right[0]
        if inner != outer:
            raise AxisMismatch(f"{_shown(left[0])} times {_shown(right[0])} in a product with {right[1]}")
        return (rows, columns), right[1]

    def _axis(self, size: Expr) -> str | None:
        if size == 1:
            return None
        if str(size) not in self._axes:
            raise AxisMismatch(f"{size} is not the size of an axis")
        return str(size)

    def _entry(self, expr: Expr, row: Idx | None, column: Idx | None) -> Expr:
        if isinstance(expr, MatrixSymbol):
            indices = [i for i in (row, column) if i is not None]
            return self._arrays[expr.name][tuple(indices)]
        if isinstance(expr, OneMatrix):
            return sympify(1)
        if isinstance(expr, ZeroMatrix):
            return sympify(0)
        if isinstance(expr, Identity):
            return sympify(1) if row is None else KroneckerDelta(row, column)  # SymPy makes a 1 x 1 of ones an identity
        if isinstance(expr, Transpose):
            return self._entry(expr.arg, column, row)
        if isinstance(expr, MatAdd):
            return Add(*(self._entry(term, row, column) for term in expr.args))
        if isinstance(expr, HadamardProduct):
            return reduce(lambda a, b: a * b, (self._entry(f, row, column) for f in expr.args))
        if isinstance(expr, HadamardPower):
            return self._entry(expr.base, row, column) ** self._scalar(expr.exp)
        if isinstance(expr, ElementwiseApplyFunction):
            return expr.function(self._entry(expr.expr, row, column))
        return self._product(expr, row, column)

    def _product(self, expr: MatMul, row: Idx | None, column: Idx | None) -> Expr:
        matrices = [f for f in expr.args if isinstance(f, MatrixExpr)]
        scalars = [self._scalar(f) for f in expr.args if not isinstance(f, MatrixExpr)]
        inner = [self.index(axis) if (axis := self.shape(f)[1]) else None for f in matrices[:-1]]
        ends = [row, *inner, column]
        entries = [self._entry(f, ends[place], ends[place + 1]) for place, f in enumerate(matrices)]
        result = reduce(lambda a, b: a * b, entries)
        bound = [i for i in inner if i is not None]
        return reduce(lambda a, b: a * b, scalars, Sum(result, *bound) if bound else result)

    def _scalar(self, expr: Basic) -> Expr:
        """A scalar expression with traces and entries of 1 x 1 matrices in index notation."""
        if isinstance(expr, MatrixElement) and expr.i == 0 and expr.j == 0:
            return self.entry(expr.parent, None, None, (None, None))
        if isinstance(expr, Trace):
            axis, columns = self.shape(expr.arg)
            if axis is None or axis != columns:
                raise AxisMismatch(f"the trace of {_shown((axis, columns))}")
            index = self.index(axis)
            # The row and the column are one index, so the entry is that of the diagonal.
            return Sum(self._entry(expr.arg, index, index), index)
        if not expr.has(MatrixExpr):
            return expr
        return expr.func(*(self._scalar(arg) for arg in expr.args))


def _shown(shape: Shape) -> str:
    return f"{shape[0] or 1} x {shape[1] or 1}"
