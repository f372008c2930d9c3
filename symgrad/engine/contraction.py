"""The factors of a matrix form, and their products: each is a matrix whose rows and columns run over indices."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import sympy as sp
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.indexed import Idx

from symgrad.notation import axis_name


class NoMatrixFormError(Exception):
    """There is no matrix form; the message says why."""


@dataclass(frozen=True)
class Factor:
    """A matrix with rows over the index ``row`` and columns over ``column``; None is a dimension of size one.

    Without indices it is a number: a scalar expression, in which an inner product is the entry of a 1 x 1 matrix.
    """

    matrix: sp.Expr
    row: Idx | None = None
    column: Idx | None = None

    @property
    def indices(self) -> set[Idx]:
        return {i for i in (self.row, self.column) if i is not None}


def merged(factors: Sequence[Factor]) -> list[Factor]:
    """The factors, with those over the same indices merged into a Hadamard product; scalars stay separate."""
    combined: list[Factor] = []
    for factor in factors:
        for position, other in enumerate(combined):
            if factor.indices and factor.indices == other.indices:
                combined[position] = hadamard(other, factor)
                break
        else:
            combined.append(factor)
    return combined


def diagonals(factors: Sequence[Factor]) -> list[Factor]:
    """The factors with each delta and the vectors over its indices as one diagonal matrix; A o I for its diagonal."""
    result = list(factors)
    for delta in [f for f in factors if isinstance(f.matrix, sp.Identity)]:
        vectors = [replace(f, row=delta.row) for f in result if len(f.indices) == 1 and f.indices <= delta.indices]
        if vectors:
            (vector,) = merged(vectors)
            is_own = isinstance(vector.matrix, DiagonalOf)
            diagonal = sp.HadamardProduct(vector.matrix.arg, delta.matrix) if is_own else DiagMatrix(vector.matrix)
            result = [f for f in result if f != delta and not (len(f.indices) == 1 and f.indices <= delta.indices)]
            result.append(replace(delta, matrix=diagonal))
    return result


def hadamard(one: Factor, other: Factor) -> Factor:
    """The elementwise product, with ``other`` broadcast over the indices of ``one``."""
    parts: list[sp.Expr] = []
    for matrix in (one.matrix, lift(other, axes(one))):
        parts.extend(matrix.args if isinstance(matrix, sp.HadamardProduct) else [matrix])
    return replace(one, matrix=sp.HadamardProduct(*parts))


def axes(factor: Factor) -> tuple[Idx, ...]:
    """The indices of a factor, the row first."""
    return tuple(i for i in (factor.row, factor.column) if i is not None)


def turned(factor: Factor) -> Factor:
    """The transpose."""
    return Factor(transposed(factor.matrix), factor.column, factor.row)


def transposed(matrix: sp.Expr) -> sp.Expr:
    """The transpose in its usual form: (A B)^T is B^T A^T, and nothing is transposed twice."""
    if isinstance(matrix, sp.Transpose):
        return matrix.arg
    if isinstance(matrix, sp.OneMatrix):
        return sp.OneMatrix(*reversed(matrix.shape))
    if isinstance(matrix, sp.MatMul):
        parts = [transposed(m) for m in reversed(matrix.args) if isinstance(m, sp.MatrixExpr)]
        return sp.MatMul(*(m for m in matrix.args if not isinstance(m, sp.MatrixExpr)), *parts)
    if isinstance(matrix, (sp.MatAdd, sp.HadamardProduct)):  # (I - P^T)^T as I - P
        parts = [transposed(m) for m in matrix.args]
        if sum(m.has(sp.Transpose) for m in parts) <= sum(m.has(sp.Transpose) for m in matrix.args):
            return matrix.func(*parts)
    is_diagonal = isinstance(matrix, sp.HadamardProduct) and any(isinstance(m, sp.Identity) for m in matrix.args)
    if is_diagonal or isinstance(matrix, DiagMatrix):
        return matrix
    if isinstance(matrix, ElementwiseApplyFunction) and not (inner := transposed(matrix.expr)).has(sp.Transpose):
        return matrix.func(matrix.function, inner)
    return matrix if isinstance(matrix, sp.Identity) or not isinstance(matrix, sp.MatrixExpr) else sp.Transpose(matrix)


def eliminate(index: Idx, factors: Sequence[Factor]) -> list[Factor]:
    """The factors after contraction over ``index``."""
    using = [f for f in factors if index in f.indices]
    rest = [f for f in factors if index not in f.indices]
    if len(using) > 2:
        using = _absorbed(index, using)
    if len(using) == 1:
        ones = Factor(sp.OneMatrix(index.upper + 1, 1))
        if using[0].indices == {index}:
            return [*rest, _inner_product(using[0], ones)]
        return [*rest, _matmul(_with_column(using[0], index), ones)]
    left, right = _with_column(using[0], index), turned(_with_column(using[1], index))
    return [*rest, _matmul(left, right)]


def _inner_product(vector: Factor, ones: Factor) -> Factor:
    """The sum of a vector's entries; for a Hadamard product u o v, the inner product u^T v."""
    if isinstance(vector.matrix, DiagonalOf):
        return Factor(sp.Trace(vector.matrix.arg))
    if isinstance(vector.matrix, sp.HadamardProduct):
        first, *others = vector.matrix.args
        rest = others[0] if len(others) == 1 else sp.HadamardProduct(*others)
        return _matmul(turned(Factor(first)), Factor(rest))
    if isinstance(vector.matrix, sp.HadamardPower) and vector.matrix.exp == 2:
        return _matmul(turned(Factor(vector.matrix.base)), Factor(vector.matrix.base))
    return _matmul(turned(ones), vector)


def _absorbed(index: Idx, using: Sequence[Factor]) -> list[Factor]:
    """Two factors that share ``index``: vectors over ``index`` alone are multiplied into one of the matrices."""
    vectors = [f for f in using if f.indices == {index}]
    matrices = [f for f in using if f.indices != {index}]
    if len(matrices) > 2:
        raise NoMatrixFormError(f"{len(matrices)} matrices share a summed index of {axis_name(index)}")
    return [hadamard(matrices[0], *vectors), matrices[1]]


def _with_column(factor: Factor, index: Idx) -> Factor:
    """``factor`` or its transpose, so that its columns run over ``index``."""
    return factor if factor.column == index else turned(factor)


def _matmul(left: Factor, right: Factor) -> Factor:
    product = Factor(times(left.matrix, right.matrix), left.row, right.column)
    if not product.indices:  # a scalar, and its own transpose: choose the form with fewer transposes
        least = min(product, turned(product), key=lambda factor: len(factor.matrix.atoms(sp.Transpose)))
        coefficient, matrices = least.matrix.as_coeff_matrices()
        return Factor(coefficient * MatrixElement(sp.MatMul(*matrices), 0, 0))
    return turned(product) if product.row is None else product


def outer(factors: Sequence[Factor], free: Set[Idx]) -> Factor:
    """The product of the remaining factors: a matrix, vectors over single indices, and scalars."""
    scalar = sp.Mul(*(f.matrix for f in factors if not f.indices))
    shaped = [f for f in factors if f.indices]
    if not shaped:
        return Factor(scalar)
    full = [f for f in shaped if f.indices == free]
    if full:
        product = full[0]
        for other in (f for f in shaped if f is not full[0]):
            product = hadamard(product, other)
    else:
        rows, columns = shaped
        product = Factor(sp.MatMul(rows.matrix, transposed(columns.matrix)), rows.row, columns.row)
    return scaled(scalar, product)


def scaled(coefficient: sp.Expr, factor: Factor) -> Factor:
    """A scalar times a factor."""
    if coefficient == 1:
        return factor
    if coefficient == 0 and isinstance(factor.matrix, sp.MatrixExpr):
        return replace(factor, matrix=sp.ZeroMatrix(*factor.matrix.shape))
    if isinstance(factor.matrix, sp.MatrixExpr):
        return replace(factor, matrix=times(coefficient, factor.matrix))
    return Factor(coefficient * factor.matrix)


def lift(factor: Factor, order: tuple[Idx, ...]) -> sp.Expr:
    """The matrix of ``factor`` over exactly the indices of ``order``, broadcast by ones along missing indices."""
    if not factor.indices <= set(order):
        raise NoMatrixFormError("it has an index that is not in the result")
    if not order:
        return factor.matrix
    row, column = (*order, None)[:2]
    if not factor.indices:
        return scaled(
            factor.matrix, Factor(sp.OneMatrix(row.upper + 1, 1 if column is None else column.upper + 1))
        ).matrix
    if factor.indices == set(order):
        return factor.matrix if factor.row == row else transposed(factor.matrix)
    if factor.column is not None:
        raise NoMatrixFormError("it has an index that is not in the result")
    if factor.row == row:
        assert column is not None
        return times(factor.matrix, sp.OneMatrix(1, column.upper + 1))
    return times(sp.OneMatrix(row.upper + 1, 1), transposed(factor.matrix))


def times(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """The matrix product, without brackets."""
    parts: list[sp.Expr] = []
    for matrix in (left, right):
        parts.extend(matrix.args if isinstance(matrix, sp.MatMul) else [matrix])
    return sp.MatMul(*parts)


def width(index: Idx, factors: Sequence[Factor]) -> tuple[int, int]:
    """The numbers of remaining indices and of factors in the contraction over ``index``."""
    using = [f for f in factors if index in f.indices]
    return len(set().union(*(f.indices for f in using)) - {index}), len(using)
