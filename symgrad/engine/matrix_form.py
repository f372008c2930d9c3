"""Index form to matrix form: a term is a product of factors with index sets, and its sums are a contraction plan.

Factors over the same indices merge into a Hadamard product; a summed index in two factors is a matrix product, in
one factor a product with a vector of ones; a factor that lacks a free index is an outer product with ones.  Where
no plan fits, there is no matrix form and the answer is None.  Axes are compared here, entry by entry, since SymPy's
own shape checks pass on symbolic sizes.  ``plainest_matrix`` splits sums and takes out common factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import sympy as sp
from sympy import Expr, HadamardProduct, MatAdd, MatMul, MatrixSymbol, OneMatrix, S, preorder_traversal
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagonalOf
from sympy.tensor.indexed import Idx

from symgrad.engine.contraction import (
    Factor,
    NoMatrixFormError,
    axes,
    diagonals,
    eliminate,
    lift,
    merged,
    outer,
    scaled,
    times,
    transposed,
    width,
)
from symgrad.engine.named_functions import FORMULAS, named, written_out
from symgrad.engine.summation import split_sums, terms_apart
from symgrad.functions import selection, where
from symgrad.notation import Array, axis_name, bound_indices, free_indices, freshen
from symgrad.piecewise import Applied, Choice
from symgrad.special_functions import position_of

MOST_PARTS = 60
"""A longer form is not taken if brackets in sums are multiplied out for it."""

# The argument of elementwise functions; unlike a dummy, always equal.  No array has a space in its name.
ENTRY = sp.Symbol("entry ", real=True)


def to_matrix(expr: sp.Expr, indices: Sequence[Idx], arrays: Mapping[str, Array]) -> sp.Expr | None:
    """``expr``, whose free indices are among ``indices`` (row, then column), as a matrix expression.

    With one index the result is a column, with none a scalar.  ``arrays`` gives the arrays that may occur, by name.
    Returns None where no matrix form exists, as of more than two indices.
    """
    form = _form(expr, indices, arrays)
    return None if isinstance(form, str) else form


def obstacle(expr: sp.Expr, indices: Sequence[Idx], arrays: Mapping[str, Array]) -> str:
    """Why ``expr`` has no matrix form, in words; "" if it has one."""
    form = _form(expr, indices, arrays)
    return form if isinstance(form, str) else ""


def _form(expr: sp.Expr, indices: Sequence[Idx], arrays: Mapping[str, Array]) -> sp.Expr | str:
    if len(indices) > 2:
        return f"it has {len(indices)} indices"
    try:
        return lift(_plan(freshen(expr), _Context(arrays, tuple(indices))), tuple(indices))
    except NoMatrixFormError as reason:
        return str(reason)


@dataclass(frozen=True)
class _Context:
    """The arrays by name, and the indices of the result: rows first."""

    arrays: Mapping[str, Array]
    target: tuple[Idx, ...]


def _plan(expr: sp.Expr, context: _Context) -> Factor:
    """``expr`` as one factor over its own free indices."""
    if isinstance(expr, sp.Add):
        return _sum_of_terms([_plan(term, context) for term in expr.args], context)
    if isinstance(expr, sp.Indexed):
        if expr.base.name not in context.arrays:
            raise NoMatrixFormError(f"{expr.base.name} has none")
        return _entry(expr, context.arrays[expr.base.name])
    if isinstance(expr, sp.KroneckerDelta):
        row, column = expr.args
        return Factor(sp.Identity(row.upper + 1), row, column)
    if not free_indices(expr) and not expr.has(sp.Sum):
        return Factor(expr)
    if isinstance(expr, (sp.Mul, sp.Sum)):
        return _product(expr, context)
    if isinstance(expr, sp.Pow):
        base, power = _plan(expr.base, context), _plan(expr.exp, context)
        if not power.indices:
            return replace(base, matrix=sp.HadamardPower(base.matrix, power.matrix))  # of a number, SymPy's own power
        order = _order_of([base, power], context)
        return Factor(sp.HadamardPower(lift(base, order), lift(power, order)), *order)
    if isinstance(expr, where):
        condition, yes, no = expr.args
        return _choice(condition, yes, no, context)
    if isinstance(expr, sp.Function) and not isinstance(expr, (selection, position_of)):
        return _function(expr, context)
    what = "has the position of" if isinstance(expr, position_of) else "takes the largest entry along"
    raise NoMatrixFormError(f"it {what} an index")


def _function(expr: sp.Expr, context: _Context) -> Factor:
    """A function of one matrix and numbers, or of several matrices."""
    parts = [_plan(arg, context) for arg in expr.args]
    order = _order_of(parts, context)
    if not order:
        return Factor(expr.func(*(part.matrix for part in parts)))
    if expr.func in FORMULAS or all(arg.is_number for arg in expr.args[1:]):
        each = sp.Lambda(ENTRY, expr.func(ENTRY, *expr.args[1:]))
        return replace(parts[0], matrix=ElementwiseApplyFunction(each, parts[0].matrix))
    letters = sp.symbols(f"entry:{len(parts)}", real=True)
    return Factor(Applied(sp.Lambda(letters, expr.func(*letters)), *(lift(part, order) for part in parts)), *order)


def _choice(condition: sp.Expr, yes: sp.Expr, no: sp.Expr, context: _Context) -> Factor:
    """An elementwise choice; with a condition 1 - c, its branches are swapped."""
    if isinstance(condition, sp.Add) and not isinstance(1 - condition, sp.Add):
        return _choice(1 - condition, no, yes, context)
    parts = [_plan(part, context) for part in (condition, yes, no)]
    order = _order_of(parts, context)
    if not order:
        return Factor(where(*(part.matrix for part in parts)))
    return Factor(Choice(*(lift(part, order) for part in parts)), *order)


def _entry(entry: sp.Indexed, array: Array) -> Factor:
    if not array.has_matrix:
        raise NoMatrixFormError(f"{array.name} has {len(array.axes)} axes")
    if len(set(entry.indices)) < len(entry.indices):
        return Factor(DiagonalOf(array.matrix), entry.indices[0])
    return Factor(array.matrix, *entry.indices)


def _sum_of_terms(terms: Sequence[Factor], context: _Context) -> Factor:
    order = _order_of(terms, context)
    lifted = [lift(t, order) for t in terms]
    if all(not isinstance(m, sp.MatrixExpr) for m in lifted):
        return Factor(sp.Add(*lifted))
    return Factor(sp.MatAdd(*lifted), *order)


def _order_of(parts: Sequence[Factor], context: _Context) -> tuple[Idx, ...]:
    """The row and column index of a sum of ``parts``; indices of the result keep its order, others have the order with
    the fewest transposes."""
    wanted = set().union(*(part.indices for part in parts))
    if len(wanted) > 2:
        raise NoMatrixFormError(f"it combines indices of {_listed(wanted)}")
    if wanted <= set(context.target):
        return tuple(i for i in context.target if i in wanted)
    widest = axes(max(parts, key=lambda part: len(part.indices)))
    order = (*widest, *wanted.difference(widest))
    return min((order, order[::-1]), key=lambda way: sum(lift(part, way).count(sp.Transpose) for part in parts))


def _listed(indices: Set[Idx]) -> str:
    *others, last = sorted(map(axis_name, indices))
    return f"{', '.join(others)} and {last}"


def _product(expr: sp.Expr, context: _Context) -> Factor:
    """A product of factors under sums, contracted index by index."""
    summed: set[Idx] = set()
    coefficient: sp.Expr = sp.S.One
    factors: list[Factor] = []
    waiting = list(sp.Mul.make_args(expr))
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, sp.Sum):
            summed |= set(bound_indices(part))
            waiting = [*sp.Mul.make_args(part.function), *waiting]
        elif not (free_indices(part) or part.has(sp.Sum)):
            coefficient *= part
        else:
            factors.append(_plan(part, context))
    free = free_indices(expr)
    if len(free) > 2:
        raise NoMatrixFormError(f"it has a product with indices of {_listed(free)}")
    for index in list(summed):
        if not any(index in f.indices for f in factors):
            coefficient *= index.upper + 1
            summed.discard(index)
    factors = merged(diagonals(factors))
    while summed:
        if traced := _traced(factors, summed, context):
            factor, total = traced
            factors = [total if f is factor else f for f in factors]
            summed -= factor.indices
            continue
        index = min(summed, key=lambda i: (width(i, factors), i.name))
        factors = merged(eliminate(index, factors))
        summed.discard(index)
    return scaled(coefficient, outer(factors, free))


def _traced(factors: Sequence[Factor], summed: Set[Idx], context: _Context) -> tuple[Factor, Factor] | None:
    """A matrix whose entries are all summed, and the sum as a trace."""
    for factor in factors:
        others = set[Idx]().union(*(other.indices for other in factors if other is not factor))
        if len(factor.indices) == 2 and factor.indices <= summed - others and (sum_ := _trace(factor.matrix, context)):
            return factor, Factor(sum_)
    return None


def _trace(matrix: sp.Expr, context: _Context) -> sp.Expr | None:
    """The sum of the entries of a matrix as a trace, if it is a square or the Hadamard product of two products."""
    if isinstance(matrix, sp.HadamardPower) and matrix.exp == 2:
        return sp.Trace(times(transposed(matrix.base), matrix.base))
    parts: Sequence[sp.Expr] = matrix.args if isinstance(matrix, sp.HadamardProduct) else ()
    if len(parts) != 2 or not all(isinstance(part, (sp.MatrixSymbol, sp.Transpose, sp.MatMul)) for part in parts):
        return None
    coefficient, product = times(transposed(parts[0]), parts[1]).as_coeff_matrices()
    rank = list(context.arrays).index

    def key(factors: Sequence[sp.Expr]) -> tuple[int, list[int]]:
        names = [symbol.name for factor in factors for symbol in factor.atoms(sp.MatrixSymbol)]
        return sum(isinstance(factor, sp.Transpose) for factor in factors), [rank(name) for name in names]

    turned = [transposed(factor) for factor in reversed(product)]
    rotations = [[*each[k:], *each[:k]] for each in (product, turned) for k in range(len(product))]
    return coefficient * sp.Trace(sp.MatMul(*min(rotations, key=key)))


def plainest_matrix(expr: Expr, indices: Sequence[Idx], arrays: Mapping[str, Array]) -> Expr | None:
    """The simplest matrix form of ``expr`` as it is or with its sums split, with common factors taken out.

    The simplest form has the fewest Hadamard products and matrices of ones.  Brackets in sums are multiplied out only
    if there is no form otherwise.
    """
    expr = named(expr)
    candidates = dict.fromkeys((expr, terms_apart(expr)))
    forms = [form for form in (to_matrix(each, indices, arrays) for each in candidates) if form is not None]
    plainest = min(map(_factored, forms), key=_spread_out, default=None)
    if plainest is None and (form := to_matrix(split_sums(expr), indices, arrays)) is not None:
        factored = _factored(form)
        plainest = factored if _spread_out(factored)[1] <= MOST_PARTS else None
    return None if plainest is None else written_out(plainest)


def _factored(matrix: Expr, *, ones: bool = False) -> Expr:
    """A matrix expression with common first or last factors of products taken out: A X + B X as (A + B) X.

    Common factors of Hadamard products are taken out too, and ``ones`` among their other factors.
    """
    if isinstance(matrix, MatMul):
        return MatMul(*map(_factored, matrix.args))
    matrix = _with_hadamard_products_joined(matrix) if isinstance(matrix, MatAdd) else matrix
    if not isinstance(matrix, MatAdd):
        return matrix
    terms = [_coefficient_and_factors(term) for term in matrix.args]
    for end in (-1, 0):
        for _, factors in terms:
            sharing = [(c, f) for c, f in terms if len(f) == len(factors) > 1 and f[end] == factors[end]]
            if len(sharing) > 1 and (ones or not isinstance(factors[end], OneMatrix)):
                common = _common_coefficient([c for c, _ in sharing])
                rests = [MatMul(c / common, *(f[:-1] if end else f[1:])) for c, f in sharing]
                inner = _factored(MatAdd(*rests), ones=ones)
                product = [inner, factors[-1]] if end else [factors[0], inner]
                others = [MatMul(c, *f) for c, f in terms if (c, f) not in sharing]
                whole = MatMul(common, *product)
                return _factored(MatAdd(*others, whole)) if others else whole
    return matrix


def _with_hadamard_products_joined(matrix: MatAdd) -> Expr:
    """c X o A + c X o B as c X o (A + B)."""
    joined: dict[tuple[Expr, Expr], list[Expr]] = {}
    others = []
    for term in matrix.args:
        coefficient, factors = _coefficient_and_factors(term)
        if len(factors) == 1 and isinstance(factors[0], HadamardProduct) and len(factors[0].args) == 2:
            shared, rest = sorted(factors[0].args, key=lambda f: not isinstance(f, MatrixSymbol))
            joined.setdefault((coefficient, shared), []).append(rest)
        else:
            others.append(term)
    for (coefficient, shared), rests in joined.items():
        product = HadamardProduct(shared, rests[0] if len(rests) == 1 else _factored(MatAdd(*rests), ones=True))
        others.append(product if coefficient == 1 else MatMul(coefficient, product))
    return MatAdd(*others) if len(others) > 1 else others[0]


def _coefficient_and_factors(term: Expr) -> tuple[Expr, list[Expr]]:
    if not isinstance(term, MatMul):
        return S.One, [term]
    coefficient, matrices = term.as_coeff_matrices()
    return coefficient, [part for m in matrices for part in (m.args if isinstance(m, MatMul) else [m])]


def _common_coefficient(coefficients: Sequence[Expr]) -> Expr:
    """The common absolute value of the coefficients, negative only if all are; 1 if they differ."""
    least = min(coefficients, key=lambda c: bool(c.could_extract_minus_sign()))
    return least if all(c in (least, -least) for c in coefficients) else S.One


def _spread_out(matrix: Expr) -> tuple[int, int]:
    """The number of Hadamard products and matrices of ones in a matrix expression, and its extent."""
    parts = list(preorder_traversal(matrix))
    return sum(isinstance(part, (HadamardProduct, OneMatrix)) for part in parts), len(parts)
