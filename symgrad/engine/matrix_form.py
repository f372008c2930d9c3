"""Index form to matrix form: a term is a product of factors with index sets, and its sums are a contraction plan.

Factors over the same indices merge into a Hadamard product; a summed index in two factors is a matrix product, in
one factor a product with a vector of ones; a factor that lacks a free index is an outer product with ones.  Where
no plan fits, there is no matrix form and the answer is None.  Axes are compared here, entry by entry, since SymPy's
own shape checks pass on symbolic sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from sympy import (
    Add,
    Expr,
    Function,
    HadamardPower,
    HadamardProduct,
    Identity,
    Indexed,
    KroneckerDelta,
    Lambda,
    MatAdd,
    MatMul,
    MatrixExpr,
    Mul,
    OneMatrix,
    Pow,
    S,
    Sum,
    Symbol,
    Transpose,
)
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.tensor.indexed import Idx

from symgrad.functions import where
from symgrad.notation import Array, bound_indices, free_indices, freshen
from symgrad.piecewise import Choice

# The argument of elementwise functions; unlike a dummy, always equal.  No array has a space in its name.
ENTRY = Symbol("entry ", real=True)


class NoMatrixFormError(Exception):
    """There is no matrix form; caught at the boundary of this module."""


@dataclass(frozen=True)
class Factor:
    """A matrix with rows over the index ``row`` and columns over ``column``; None is a dimension of size one."""

    matrix: Expr
    row: Idx | None = None
    column: Idx | None = None

    @property
    def indices(self) -> set[Idx]:
        return {i for i in (self.row, self.column) if i is not None}


def to_matrix(expr: Expr, indices: Sequence[Idx], arrays: Mapping[str, Array]) -> Expr | None:
    """``expr``, whose free indices are among ``indices`` (row, then column), as a matrix expression.

    With one index the result is a column, with none a product of shape 1 x 1 or a scalar.  ``arrays`` gives the
    arrays that may occur, by name.  Returns None where no matrix form exists, as of more than two indices.
    """
    if len(indices) > 2:
        return None
    try:
        return _lift(_plan(freshen(expr), _Context(arrays, tuple(indices))), tuple(indices))
    except NoMatrixFormError:
        return None


@dataclass(frozen=True)
class _Context:
    """The arrays by name, and the indices of the result: rows first."""

    arrays: Mapping[str, Array]
    target: tuple[Idx, ...]


def _plan(expr: Expr, context: _Context) -> Factor:
    """``expr`` as one factor over its own free indices."""
    if isinstance(expr, Add):
        return _sum_of_terms([_plan(term, context) for term in expr.args], context)
    if isinstance(expr, Indexed):
        if expr.base.name not in context.arrays:
            raise NoMatrixFormError
        return _entry(expr, context.arrays[expr.base.name])
    if isinstance(expr, KroneckerDelta):
        row, column = expr.args
        return Factor(Identity(row.upper + 1), row, column)
    if not free_indices(expr) and not expr.has(Sum):
        return Factor(expr)
    if isinstance(expr, (Mul, Sum)):
        return _product(expr, context)
    if isinstance(expr, Pow) and not free_indices(expr.exp) and not expr.exp.has(Sum):
        base = _plan(expr.base, context)
        return replace(base, matrix=HadamardPower(base.matrix, expr.exp))  # of a number, SymPy's own power
    if isinstance(expr, where):
        condition, yes, no = expr.args
        return _choice(condition, yes, no, context)
    if isinstance(expr, Function) and all(arg.is_number for arg in expr.args[1:]):
        inner, rest = _plan(expr.args[0], context), expr.args[1:]
        if not isinstance(inner.matrix, MatrixExpr):
            return Factor(expr.func(inner.matrix, *rest))
        each = Lambda(ENTRY, expr.func(ENTRY, *rest))
        return replace(inner, matrix=ElementwiseApplyFunction(each, inner.matrix))
    raise NoMatrixFormError


def _choice(condition: Expr, yes: Expr, no: Expr, context: _Context) -> Factor:
    """An elementwise choice; with a condition 1 - c, its branches are swapped."""
    if isinstance(condition, Add) and not isinstance(1 - condition, Add):
        return _choice(1 - condition, no, yes, context)
    parts = [_plan(part, context) for part in (condition, yes, no)]
    order = _order_of(parts, context)
    if not order:
        return Factor(where(*(part.matrix for part in parts)))
    return Factor(Choice(*(_lift(part, order) for part in parts)), *order)


def _entry(entry: Indexed, array: Array) -> Factor:
    if len(set(entry.indices)) < len(entry.indices) or not array.has_matrix:
        raise NoMatrixFormError
    return Factor(array.matrix, *entry.indices)


def _sum_of_terms(terms: Sequence[Factor], context: _Context) -> Factor:
    order = _order_of(terms, context)
    lifted = [_lift(t, order) for t in terms]
    if all(not isinstance(m, MatrixExpr) for m in lifted):
        return Factor(Add(*lifted))
    lifted = [m if isinstance(m, MatrixExpr) else m * OneMatrix(1, 1) for m in lifted]
    return Factor(MatAdd(*lifted), *order)


def _order_of(parts: Sequence[Factor], context: _Context) -> tuple[Idx, ...]:
    """The row and column index of a sum of ``parts``; indices of the result keep its order."""
    wanted = set().union(*(part.indices for part in parts))
    if len(wanted) > 2:
        raise NoMatrixFormError
    if wanted <= set(context.target):
        return tuple(i for i in context.target if i in wanted)
    widest = _axes(max(parts, key=lambda part: len(part.indices)))
    return (*widest, *wanted.difference(widest))


def _product(expr: Expr, context: _Context) -> Factor:
    """A product of factors under sums, contracted index by index."""
    summed: set[Idx] = set()
    coefficient: Expr = S.One
    factors: list[Factor] = []
    waiting = list(Mul.make_args(expr))
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Sum):
            summed |= set(bound_indices(part))
            waiting = [*Mul.make_args(part.function), *waiting]
        elif not (free_indices(part) or part.has(Sum)):
            coefficient *= part
        else:
            factors.append(_plan(part, context))
    free = free_indices(expr)
    if len(free) > 2:
        raise NoMatrixFormError
    for index in list(summed):
        if not any(index in f.indices for f in factors):
            coefficient *= index.upper + 1
            summed.discard(index)
    factors = _merged(factors)
    while summed:
        index = min(summed, key=lambda i: (_width(i, factors), str(i)))
        factors = _merged(_eliminate(index, factors))
        summed.discard(index)
    return _scaled(coefficient, _outer(factors, free))


def _width(index: Idx, factors: Sequence[Factor]) -> tuple[int, int]:
    """The numbers of remaining indices and of factors in the contraction over ``index``."""
    using = [f for f in factors if index in f.indices]
    return len(set().union(*(f.indices for f in using)) - {index}), len(using)


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """The factors, with those over the same indices merged into a Hadamard product; scalars stay separate."""
    merged: list[Factor] = []
    for factor in factors:
        for position, other in enumerate(merged):
            if factor.indices and factor.indices == other.indices:
                merged[position] = _hadamard(other, factor)
                break
        else:
            merged.append(factor)
    return merged


def _hadamard(one: Factor, other: Factor) -> Factor:
    """The elementwise product, with ``other`` broadcast over the indices of ``one``."""
    parts: list[Expr] = []
    for matrix in (one.matrix, _lift(other, _axes(one))):
        parts.extend(matrix.args if isinstance(matrix, HadamardProduct) else [matrix])
    return replace(one, matrix=HadamardProduct(*parts))


def _axes(factor: Factor) -> tuple[Idx, ...]:
    return tuple(i for i in (factor.row, factor.column) if i is not None)


def _turned(factor: Factor) -> Factor:
    """The transpose."""
    return Factor(_transposed(factor.matrix), factor.column, factor.row)


def _transposed(matrix: Expr) -> Expr:
    """The transpose in its usual form: (A B)^T is B^T A^T, and nothing is transposed twice."""
    if isinstance(matrix, Transpose):
        return matrix.arg
    if isinstance(matrix, OneMatrix):
        return OneMatrix(*reversed(matrix.shape))
    if isinstance(matrix, MatMul):
        turned = [_transposed(m) for m in reversed(matrix.args) if isinstance(m, MatrixExpr)]
        return MatMul(*(m for m in matrix.args if not isinstance(m, MatrixExpr)), *turned)
    if isinstance(matrix, (MatAdd, HadamardProduct)):  # (I - P^T)^T as I - P
        turned = [_transposed(m) for m in matrix.args]
        if sum(m.has(Transpose) for m in turned) <= sum(m.has(Transpose) for m in matrix.args):
            return matrix.func(*turned)
    if isinstance(matrix, ElementwiseApplyFunction) and not (inner := _transposed(matrix.expr)).has(Transpose):
        return matrix.func(matrix.function, inner)
    return matrix if isinstance(matrix, Identity) or not isinstance(matrix, MatrixExpr) else Transpose(matrix)


def _eliminate(index: Idx, factors: Sequence[Factor]) -> list[Factor]:
    """The factors after contraction over ``index``."""
    using = [f for f in factors if index in f.indices]
    rest = [f for f in factors if index not in f.indices]
    if len(using) > 2:
        using = _absorbed(index, using)
    if len(using) == 1:
        ones = Factor(OneMatrix(index.upper + 1, 1))
        if using[0].indices == {index}:
            return [*rest, _inner_product(using[0], ones)]
        return [*rest, _matmul(_with_column(using[0], index), ones)]
    left, right = _with_column(using[0], index), _turned(_with_column(using[1], index))
    return [*rest, _matmul(left, right)]


def _inner_product(vector: Factor, ones: Factor) -> Factor:
    """The sum of a vector's entries; for a Hadamard product u o v, the inner product u^T v."""
    if isinstance(vector.matrix, HadamardProduct):
        first, *others = vector.matrix.args
        rest = others[0] if len(others) == 1 else HadamardProduct(*others)
        return _matmul(_turned(Factor(first)), Factor(rest))
    if isinstance(vector.matrix, HadamardPower) and vector.matrix.exp == 2:
        return _matmul(_turned(Factor(vector.matrix.base)), Factor(vector.matrix.base))
    return _matmul(_turned(ones), vector)


def _absorbed(index: Idx, using: Sequence[Factor]) -> list[Factor]:
    """Two of the factors, the vector over ``index`` alone being spread over a matrix that has it."""
    vectors = [f for f in using if f.indices == {index}]
    matrices = [f for f in using if f.indices != {index}]
    if len(matrices) > 2:
        raise NoMatrixFormError
    return [_hadamard(matrices[0], *vectors), matrices[1]]


def _with_column(factor: Factor, index: Idx) -> Factor:
    """``factor`` or its transpose, so that its columns run over ``index``."""
    return factor if factor.column == index else _turned(factor)


def _matmul(left: Factor, right: Factor) -> Factor:
    product = Factor(_times(left.matrix, right.matrix), left.row, right.column)
    if not product.indices:  # a scalar, and its own transpose: choose the form with fewer transposes
        return min(product, _turned(product), key=lambda factor: len(factor.matrix.atoms(Transpose)))
    return _turned(product) if product.row is None else product


def _outer(factors: Sequence[Factor], free: Set[Idx]) -> Factor:
    """The product of the remaining factors: a matrix, vectors over single indices, and scalars of shape 1 x 1."""
    scalars = [f for f in factors if not f.indices]
    shaped = [f for f in factors if f.indices]
    if not shaped:
        if any(isinstance(f.matrix, MatrixExpr) for f in scalars):
            return Factor(MatMul(*(f.matrix for f in scalars)))
        return Factor(Mul(*(f.matrix for f in scalars)))
    full = [f for f in shaped if f.indices == free]
    if full:
        product = full[0]
        for other in (f for f in shaped if f is not full[0]):
            product = _hadamard(product, other)
    else:
        rows, columns = shaped
        product = Factor(MatMul(rows.matrix, _transposed(columns.matrix)), rows.row, columns.row)
    for scalar in scalars:
        if isinstance(scalar.matrix, MatrixExpr):
            if product.column is not None:
                raise NoMatrixFormError
            product = Factor(MatMul(product.matrix, scalar.matrix), product.row)
        else:
            product = _scaled(scalar.matrix, product)
    return product


def _scaled(coefficient: Expr, factor: Factor) -> Factor:
    if coefficient == 1:
        return factor
    if isinstance(factor.matrix, MatrixExpr):
        return replace(factor, matrix=_times(coefficient, factor.matrix))
    return Factor(coefficient * factor.matrix)


def _lift(factor: Factor, order: tuple[Idx, ...]) -> Expr:
    """The matrix of ``factor`` over exactly the indices of ``order``, broadcast by ones along missing indices."""
    if not factor.indices <= set(order):
        raise NoMatrixFormError
    if not order:
        return factor.matrix
    row, column = (*order, None)[:2]
    if not factor.indices and isinstance(factor.matrix, MatrixExpr):
        spread = _times(OneMatrix(row.upper + 1, 1), factor.matrix)
        return spread if column is None else _times(spread, OneMatrix(1, column.upper + 1))
    if not factor.indices:
        return _scaled(
            factor.matrix, Factor(OneMatrix(row.upper + 1, 1 if column is None else column.upper + 1))
        ).matrix
    if factor.indices == set(order):
        return factor.matrix if factor.row == row else _transposed(factor.matrix)
    if factor.column is not None:
        raise NoMatrixFormError
    if factor.row == row:
        assert column is not None
        return _times(factor.matrix, OneMatrix(1, column.upper + 1))
    return _times(OneMatrix(row.upper + 1, 1), _transposed(factor.matrix))


def _times(left: Expr, right: Expr) -> Expr:
    parts: list[Expr] = []
    for matrix in (left, right):
        parts.extend(matrix.args if isinstance(matrix, MatMul) else [matrix])
    return MatMul(*parts)
