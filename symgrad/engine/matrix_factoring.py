"""The simplest matrix form of an expression: sums split, common factors taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sympy import Expr, HadamardProduct, MatAdd, MatMul, MatrixSymbol, OneMatrix, S, preorder_traversal
from sympy.tensor.indexed import Idx

from symgrad.engine.matrix_form import to_matrix
from symgrad.engine.named_functions import named, written_out
from symgrad.engine.summation import split_sums, terms_apart
from symgrad.notation import Array

MOST_PARTS = 60
"""A longer form is not taken if brackets in sums are multiplied out for it."""


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
