"""Matrix expressions read entry by entry, and axes that do not fit."""

from __future__ import annotations

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import (
    DiagMatrix,
    HadamardPower,
    HadamardProduct,
    Identity,
    Inverse,
    KroneckerDelta,
    Lambda,
    MatAdd,
    MatMul,
    MatrixSymbol,
    OneMatrix,
    Sum,
    Trace,
    ZeroMatrix,
    exp,
    symbols,
)
from sympy.matrices.expressions.diagonal import DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.check.matrices import AxisMismatch, Entries
from symgrad.check.normal_form.translation import Normaliser
from symgrad.errors import UnsupportedError
from symgrad.functions import maximum
from symgrad.notation import Array
from symgrad.piecewise import Applied

N, D, C, X, W, b, Y, Z, n, k, d = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.n, cl.k, cl.d
PROGRAM = softmax_cross_entropy()
READER = Entries(PROGRAM.arrays, PROGRAM.axis)
m, tau = N.index("m"), Array("tau").base
BOTH = symbols("a b", real=True)
x, w, z, y = X.matrix, W.matrix, Z.matrix, Y.matrix

READ = {
    "linear layer": (x * w + OneMatrix(N.size, 1) * b.matrix.T, Sum(X[n, d] * W[d, k], d) + b[k]),
    "Hadamard": (HadamardProduct(z, y.applyfunc(exp)), Z[n, k] * exp(Y[n, k])),
    "row sums": (y * OneMatrix(C.size, C.size) / N.size, Sum(Y[n, cl.j], cl.j) / N.size),
    "identity": (z * Identity(C.size), Z[n, k]),
    "ones": (OneMatrix(N.size, C.size), 1),
    "zeros": (z + ZeroMatrix(N.size, C.size), Z[n, k]),
    "a power": (HadamardPower(z, 3), Z[n, k] ** 3),
    "a scalar in front": (MatMul(N.size, tau, z), N.size * tau * Z[n, k]),
    "products of three": (z * z.T * y, Sum(Z[n, cl.j] * Z[m, cl.j] * Y[m, k], cl.j, m)),
    "a transpose of a product": ((w.T * x.T).T, Sum(X[n, d] * W[d, k], d)),
    "a column times a row": (z * b.matrix * b.matrix.T, Sum(Z[n, cl.j] * b[cl.j], cl.j) * b[k]),
    "a trace in front": (MatMul(Trace(x * w * y.T), z), Sum(X[m, d] * W[d, cl.j] * Y[m, cl.j], m, d, cl.j) * Z[n, k]),
    "a number of 1 x 1": (
        MatMul(MatrixElement(b.matrix.T * b.matrix, 0, 0) ** 2, z),
        Sum(b[cl.j] ** 2, cl.j) ** 2 * Z[n, k],
    ),
    "a diagonal matrix": (z * DiagMatrix(b.matrix), Z[n, k] * b[k]),
    "a diagonal": (OneMatrix(N.size, 1) * DiagonalOf(z.T * y).T, Sum(Z[m, k] * Y[m, k], m)),
    "a power of each entry": (HadamardPower(y.applyfunc(exp), z), exp(Y[n, k]) ** Z[n, k]),
    "powers of a number": (HadamardPower(2 * OneMatrix(N.size, C.size), z), 2 ** Z[n, k]),
    "a function of two": (Applied(Lambda(BOTH, maximum(*BOTH)), z, y), maximum(Z[n, k], Y[n, k])),
    "a power with a trace": (
        HadamardPower(z, 2) / Trace(y * y.T),
        Z[n, k] ** 2 / Sum(Y[m, cl.j] ** 2, m, cl.j),
    ),
}
SCALARS = {
    "zeros": (MatMul(b.matrix.T, ZeroMatrix(C.size, 1)), 0),
    "a product": (b.matrix.T * b.matrix, Sum(b[k] ** 2, k)),
    "ones": (OneMatrix(1, N.size) * z * OneMatrix(C.size, 1), Sum(Z[n, k], n, k)),
    "a 1 x 1 identity": (Identity(1), 1),
    "a scalar": (tau / N.size, tau / N.size),
    "a trace": (Trace(z.T * y), Sum(Z[n, k] * Y[n, k], n, k)),
}
MISFITS = {
    "a product": MatMul(z, y),
    "a sum": MatAdd(z, b.matrix),
    "a Hadamard product": HadamardProduct(z, w),
    "the transpose": z.T,
    "a size taken for another": MatMul(x, MatrixSymbol("W", N.size, C.size)),
    "a scalar": N.size,
    "a number of rows": OneMatrix(2, C.size),
    "a size that is none": OneMatrix(N.size, C.size + 1),
    "an array that is none": MatrixSymbol("Q", N.size, C.size),
    "a column": b.matrix,
    "a product with a misfit in its middle": MatMul(x, x.T, w),
    "a misfit below a function": z + MatMul(x, y).applyfunc(exp),
    "a trace of no square": MatMul(Trace(MatMul(w, x)), z),
    "a trace of other axes": MatMul(Trace(x), z),
    "a diagonal of no square": MatMul(DiagonalOf(x), b.matrix.T),
    "a diagonal matrix of a matrix": MatMul(z, DiagMatrix(z)),
    "a power of another shape": HadamardPower(z, w),
    "a function of other shapes": Applied(Lambda(BOTH, maximum(*BOTH)), z, w),
    "a trace of a number": MatMul(MatrixElement(z, 0, 0), z),
}


@pytest.mark.parametrize("case", READ)
def test_entries(case: str) -> None:
    matrix, entry = READ[case]
    assert Normaliser(PROGRAM, frozenset()).equal(READER.entry(matrix, n, k), entry)


@pytest.mark.parametrize("case", MISFITS)
def test_axes_are_compared(case: str) -> None:
    with pytest.raises(AxisMismatch):
        READER.entry(MISFITS[case], n, k)


@pytest.mark.parametrize("case", SCALARS)
def test_numbers(case: str) -> None:
    matrix, entry = SCALARS[case]
    assert Normaliser(PROGRAM, frozenset()).equal(READER.entry(matrix), entry)


def test_a_column_has_one_index() -> None:
    assert READER.entry(b.matrix, k) == b[k]
    assert READER.entry(b.matrix.T, None, k) == b[k]
    assert READER.shape(z.T * z * b.matrix) == ("C", None)


def test_an_identity_is_a_delta() -> None:
    assert READER.entry(Identity(C.size), k, cl.j) == KroneckerDelta(k, cl.j)


def test_a_misfit_is_named_with_its_axes() -> None:
    with pytest.raises(AxisMismatch, match="is C x N, expected N x C"):
        READER.entry(z.T, n, k)
    with pytest.raises(AxisMismatch, match="expected 1 x 1"):
        READER.entry(b.matrix)


def test_a_kind_of_matrix_without_entries_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="Inverse"):
        READER.entry(z * Inverse(z.T * z), n, k)
