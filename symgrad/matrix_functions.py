"""Functions of whole matrices: the inverse, the determinant and its logarithm, with their derivatives.

A matrix A occurs in a call by its name, never written out, beside the name of the array B that is its inverse, so that
``sum_k A_ik B_kj = delta_ij = sum_k B_ik A_kj``.  The derivatives are lemmas, which ``docs/proof.md`` proves:

* ``d B_ij / d A_kl = -B_ik B_lj``, the only solution of ``sum_m A_im (d B_mj / d A_kl) = -delta_ik B_lj``;
* ``d det A / d A_kl = det(A) B_lk`` (Jacobi), so ``d log |det A| / d A_kl = B_lk``.
"""

from __future__ import annotations

from sympy import Expr, Function, Indexed, Integer, MatrixExpr, Symbol
from sympy.core.basic import Basic


class _OfMatrix(Function):  # type: ignore[misc]
    """A real function of a square matrix that has an inverse: its first arguments are their names."""

    @classmethod
    def eval(cls, *args: Basic) -> None:
        """None: it is not evaluated."""

    @property
    def matrix(self) -> str:
        """The name of the matrix."""
        return str(self.args[0])

    @property
    def inverse(self) -> str:
        """The name of its inverse."""
        return str(self.args[1])

    @property
    def names(self) -> frozenset[str]:
        """The names of the arrays from which it is computed."""
        return frozenset((self.matrix, self.inverse))

    @property
    def free_symbols(self) -> set[Basic]:
        """Those of the arguments, and of entries of the matrix, so that SymPy does not take it for a constant."""
        symbols: set[Basic] = super().free_symbols
        return symbols | {Symbol(self.matrix)}

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: Expr) -> Expr:
        """0 by a scalar symbol; by an entry of an array, ``slope`` is the derivative."""
        if isinstance(symbol, Indexed):
            raise TypeError(f"SymPy cannot differentiate {self}")
        return Integer(0)


class inverse(_OfMatrix):
    """``inverse(A, B, i, j)``: the entry i, j of B, the inverse of A; the right side of the equation of B."""

    @property
    def names(self) -> frozenset[str]:
        """The name of the matrix."""
        return frozenset((self.matrix,))


class det(_OfMatrix):
    """``det(A, B)``: the determinant of A."""


class logdet(_OfMatrix):
    """``logdet(A, B)``: the logarithm of the absolute value of the determinant of A."""


OF_MATRICES = (inverse, det, logdet)
"""The functions of whole matrices."""


def named(function: type[_OfMatrix], matrix: str, inverse_name: str, *indices: Basic) -> Expr:
    """A call of one of ``OF_MATRICES`` on arrays given by name."""
    return function(Symbol(matrix, real=True), Symbol(inverse_name, real=True), *indices)


def slope(call: _OfMatrix, entry: Indexed) -> Expr:
    """The derivative of a call with respect to an entry of its matrix."""
    row, column = entry.indices

    def inverted(i: Basic, j: Basic) -> Expr:
        return type(entry.base)(call.inverse, shape=entry.base.shape, real=True)[i, j]

    if isinstance(call, inverse):
        i, j = call.args[2:]
        return -inverted(i, row) * inverted(column, j)
    return inverted(column, row) * (call if isinstance(call, det) else 1)


def is_matrix(expr: Basic) -> bool:
    """Whether an expression is in matrix notation."""
    return isinstance(expr, MatrixExpr)
