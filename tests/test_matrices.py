"""Matrix expressions read entry by entry, and axes that do not fit."""

from __future__ import annotations

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import HadamardProduct, Identity, MatAdd, MatMul, MatrixSymbol, OneMatrix, Sum, exp

from symgrad.check.matrices import AxisMismatch, Entries
from symgrad.check.normal import Normaliser

N, D, C, X, W, b, Y, Z, n, k, d = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.n, cl.k, cl.d
PROGRAM = softmax_cross_entropy()
READER = Entries(PROGRAM.arrays, PROGRAM.axis)
x, w, z, y = X.matrix, W.matrix, Z.matrix, Y.matrix

READ = {
    "linear layer": (x * w + OneMatrix(N.size, 1) * b.matrix.T, Sum(X[n, d] * W[d, k], d) + b[k]),
    "Hadamard": (HadamardProduct(z, y.applyfunc(exp)), Z[n, k] * exp(Y[n, k])),
    "row sums": (y * OneMatrix(C.size, C.size) / N.size, Sum(Y[n, cl.j], cl.j) / N.size),
    "identity": (z * Identity(C.size), Z[n, k]),
}
MISFITS = {
    "a product": MatMul(z, y),
    "a sum": MatAdd(z, b.matrix),
    "a Hadamard product": HadamardProduct(z, w),
    "the transpose": z.T,
    "a size taken for another": MatMul(x, MatrixSymbol("W", N.size, C.size)),
    "a scalar": N.size,
}


@pytest.mark.parametrize("case", READ)
def test_entries(case: str) -> None:
    matrix, entry = READ[case]
    assert Normaliser(PROGRAM, frozenset()).equal(READER.entry(matrix, n, k, ("N", "C")), entry)


@pytest.mark.parametrize("case", MISFITS)
def test_axes_are_compared(case: str) -> None:
    with pytest.raises(AxisMismatch):
        READER.entry(MISFITS[case], n, k, ("N", "C"))
