"""Evaluate matrix lines with NumPy arrays and products."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from sympy import (
    Expr,
    HadamardPower,
    HadamardProduct,
    Identity,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    OneMatrix,
    Trace,
    Transpose,
    ZeroMatrix,
)
from sympy.core.basic import Basic
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.piecewise import Applied, Choice
from trials.corrupted.values import CONTEXT, Undefined, Values, applied, differ

Matrix = np.ndarray[Any, Any]


def matrix(values: Values, expr: Basic) -> Matrix:
    """The value of a matrix expression, 1 x 1 for a scalar."""
    if isinstance(expr, MatrixSymbol):
        places = product(*(range(values.sizes[str(size)]) for size in expr.shape if size != 1))
        entries = [values.entry(expr.name, place) for place in places]
        return np.array(entries, dtype=object).reshape(_shape(values, expr))
    if isinstance(expr, Transpose):
        return matrix(values, expr.arg).T
    if isinstance(expr, (OneMatrix, ZeroMatrix)):
        return np.full(_shape(values, expr), CONTEXT.mpf(isinstance(expr, OneMatrix)), dtype=object)
    if isinstance(expr, Identity):
        size = _shape(values, expr)[0]
        return np.array([[CONTEXT.mpf(i == j) for j in range(size)] for i in range(size)], dtype=object)
    if isinstance(expr, MatMul):
        factors = [matrix(values, f) for f in expr.args if isinstance(f, MatrixExpr)]
        scalars = [scalar(values, f) for f in expr.args if not isinstance(f, MatrixExpr)]
        return reduce(lambda a, b: a * b, scalars, reduce(np.dot, factors))
    if isinstance(expr, MatAdd):
        return reduce(lambda a, b: a + b, _alike(values, expr))
    if isinstance(expr, HadamardProduct):
        return reduce(lambda a, b: a * b, _alike(values, expr))
    if isinstance(expr, Choice):
        parts = zip(*(np.ravel(part) for part in _alike(values, expr)), strict=True)
        return np.array([yes if condition else no for condition, yes, no in parts], object).reshape(
            _shape(values, expr)
        )
    if isinstance(expr, HadamardPower):
        is_matrix = isinstance(expr.exp, MatrixExpr)
        exponent = matrix(values, expr.exp) if is_matrix else scalar(values, expr.exp)
        return np.asarray(matrix(values, expr.base) ** exponent, dtype=object)
    if isinstance(expr, Applied):
        function, *operands = expr.args
        rows = [matrix(values, operand) for operand in operands]
        entries = zip(*(operand.flat for operand in rows), strict=True)
        found = [_of_entries(values, function.expr, dict(zip(function.variables, e, strict=True))) for e in entries]
        return np.array(found, dtype=object).reshape(rows[0].shape)
    if isinstance(expr, DiagonalOf):
        return np.diagonal(matrix(values, expr.arg))[:, None]
    if isinstance(expr, ElementwiseApplyFunction):
        inner = matrix(values, expr.expr)
        (letter,) = expr.function.variables
        body = expr.function.expr
        return np.array([[_of_entries(values, body, {letter: x}) for x in row] for row in inner], dtype=object)
    if isinstance(expr, DiagMatrix):
        column = matrix(values, expr.args[0])[:, 0]
        size = len(column)
        return np.array([[column[i] if i == j else CONTEXT.mpf(0) for j in range(size)] for i in range(size)], object)
    return np.array([[scalar(values, expr)]], dtype=object)


def _alike(values: Values, expr: MatrixExpr) -> list[Matrix]:
    """The values of terms or factors; all must have the same shape, without broadcasting."""
    parts = [matrix(values, part) for part in expr.args]
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"{expr} joins matrices of different shapes")
    return parts


def scalar(values: Values, expr: Basic) -> Any:
    """The value of a scalar expression with traces and 1 x 1 products in it."""
    if isinstance(expr, Trace):
        return np.trace(matrix(values, expr.arg))
    if isinstance(expr, MatrixElement):
        return matrix(values, expr.parent)[int(expr.i), int(expr.j)]
    if not expr.has(MatrixExpr, MatrixSymbol, Trace):
        return values.value(expr, {})
    return applied(expr, [scalar(values, arg) for arg in expr.args])


def matrices_differ(values: Values, right: Expr, wrong: Expr, digits: int) -> bool:
    """Whether two right sides in matrix notation differ in an entry, or in their shapes."""
    try:
        one, other = matrix(values, right), matrix(values, wrong)
    except ValueError as why:
        raise Undefined(f"{wrong}: {why}") from None
    return one.shape != other.shape or any(differ(a, b, digits) for a, b in zip(one.flat, other.flat, strict=True))


def _shape(values: Values, expr: MatrixExpr) -> tuple[int, int]:
    rows, columns = (1 if size == 1 else values.sizes[str(size)] for size in expr.shape)
    return rows, columns


def _of_entries(values: Values, body: Basic, entries: Mapping[Basic, Any]) -> Any:
    """An expression at numbers for its letters."""
    if body in entries:
        return entries[body]
    if not body.has(*entries):
        return values.value(body, {})
    return applied(body, [_of_entries(values, arg, entries) for arg in body.args])
