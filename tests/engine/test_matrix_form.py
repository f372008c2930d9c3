"""Index form to matrix form: the plan that a person would write, and None where there is none."""

from __future__ import annotations

import classifier as cl
import pytest
from cases import sampled
from sympy import (
    Expr,
    HadamardPower,
    HadamardProduct,
    Identity,
    KroneckerDelta,
    Lambda,
    MatMul,
    OneMatrix,
    Rational,
    Sum,
    Symbol,
    Trace,
    Transpose,
    ZeroMatrix,
    exp,
    sqrt,
    symbols,
)
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

import symgrad
from symgrad.array.expression import parse
from symgrad.check.matrices import Entries
from symgrad.check.normal_form.translation import Normaliser
from symgrad.engine.matrix_form import to_matrix
from symgrad.functions import maximum, selection, step, where
from symgrad.notation import Array
from symgrad.piecewise import Applied, Choice
from symgrad.render.text import expression_text

N, D, C, X, W, b, Y, Z, n, k, d, j = cl.N, cl.D, cl.C, cl.X, cl.W, cl.b, cl.Y, cl.Z, cl.n, cl.k, cl.d, cl.j
m, c, e, i = N.index("m"), C.index("c"), D.index("e"), C.index("i")
A, u, v, T, s = Array("A", (C, C)), Array("u", (N,)), Array("v", (C,)), Array("T", (N, C, D)), Array("s")
B, q = Array("B", (C, C)), Array("q", (D,))
ARRAYS = {a.name: a for a in (X, W, b, Y, Z, A, B, u, v, q, T, s)}
x, w, y, z, a, bias = X.matrix, W.matrix, Y.matrix, Z.matrix, A.matrix, b.matrix
tau = s.base


def ones(rows: object, columns: object = 1) -> OneMatrix:
    return OneMatrix(rows, columns)


def number(product: Expr) -> Expr:
    """The entry of a 1 x 1 matrix."""
    return MatrixElement(MatMul(*product.args), 0, 0)


def each(function: object, matrix: Expr) -> Expr:
    entry = Symbol("entry ", real=True)  # a name that no array can have
    return ElementwiseApplyFunction(Lambda(entry, function(entry)), matrix)  # type: ignore[operator]


def is_above(number: Expr) -> Expr:
    return step(number, 0)


BOTH = symbols("entry:2", real=True)
above, one_each = each(is_above, z), ones(N.size, C.size)

FORMS: dict[str, tuple[Expr, str, Expr]] = {
    "an array": (Z[n, k], "nk", z),
    "a transpose": (Z[n, k], "kn", z.T),
    "a product": (Sum(X[n, d] * W[d, k], d), "nk", x * w),
    "a product turned": (Sum(X[n, d] * W[d, k], d), "kn", w.T * x.T),
    "a product with a transpose": (Sum(X[n, d] * Z[n, k], n), "dk", x.T * z),
    "a product of three": (Sum(X[n, d] * W[d, k] * A[k, j], d, k), "nj", x * w * a),
    "a Hadamard product": (Y[n, k] * Z[n, k], "nk", HadamardProduct(y, z)),
    "two of it": (2 * Z[n, k], "nk", 2 * z),
    "a number in front": (2 * Z[n, k] / N.size, "nk", MatMul(2 / N.size, z)),
    "a number in front of a product": (Sum(X[n, d] * W[d, k], d) / N.size, "nk", MatMul(1 / N.size, x, w)),
    "row sums": (Sum(Z[n, k], k), "n", z * ones(C.size)),
    "column sums": (Sum(Z[n, k], n), "k", z.T * ones(N.size)),
    "the sum of all": (Sum(Z[n, k], n, k), "", number(ones(1, N.size) * z * ones(C.size))),
    "the sum of a column": (Sum(b[k], k), "", number(ones(1, C.size) * bias)),
    "a sum of squares": (Sum(b[k] ** 2, k), "", number(bias.T * bias)),
    "the sum of all squares": (Sum(Z[n, k] ** 2, n, k), "", Trace(z.T * z)),
    "the sum of all squares of a difference": (
        Sum((Y[n, k] - Z[n, k]) ** 2, n, k),
        "",
        Trace(MatMul((y - z).T, y - z)),
    ),
    "a trace": (Sum(A[k, k], k), "", Trace(a)),
    "a trace of three": (Sum(X[n, d] * W[d, k] * Z[n, k], n, d, k), "", Trace(x * w * z.T)),
    "an inner product": (Sum(b[k] * v[k], k), "", number(bias.T * v.matrix)),
    "an inner product of three": (
        Sum(b[k] * v[k] * exp(b[k]), k),
        "",
        number(MatMul(bias.T, HadamardProduct(v.matrix, each(exp, bias)))),
    ),
    "an unused index": (Sum(Z[n, k], k, j), "n", MatMul(C.size, z, ones(C.size))),
    "a row for each row": (b[k], "nk", ones(N.size) * bias.T),
    "a column for each column": (u[n], "nk", u.matrix * ones(1, C.size)),
    "an outer product": (u[n] * b[k], "nk", u.matrix * bias.T),
    "a column beside a matrix": (u[n] * Z[n, k], "nk", HadamardProduct(z, u.matrix * ones(1, C.size))),
    "a row beside a matrix": (b[k] * Z[n, k], "nk", HadamardProduct(z, ones(N.size) * bias.T)),
    "a sum of terms": (Z[n, k] + b[k], "nk", z + ones(N.size) * bias.T),
    "terms turned": (A[k, j] - A[j, k], "kj", a - a.T),
    "a number for each": (Rational(1, 2) + Z[n, k], "nk", z + ones(N.size, C.size) / 2),
    "two for each": (2 + Z[n, k], "nk", z + 2 * ones(N.size, C.size)),
    "one for each": (1 + Z[n, k], "nk", z + ones(N.size, C.size)),
    "a number for a column": (1 + u[n], "n", u.matrix + ones(N.size)),
    "a scalar for each": (tau, "nk", MatMul(tau, ones(N.size, C.size))),
    "a sum for each": (Sum(b[j], j), "nk", MatMul(number(ones(1, C.size) * bias), ones(N.size, C.size))),
    "a sum for a column": (Sum(b[j], j), "n", MatMul(number(ones(1, C.size) * bias), ones(N.size))),
    "a matrix over a norm": (Z[n, k] / sqrt(Sum(Z[n, j] ** 2, n, j)), "nk", Trace(z.T * z) ** Rational(-1, 2) * z),
    "a column over a sum of squares": (b[k] / Sum(b[j] ** 2, j), "k", MatMul(1 / number(bias.T * bias), bias)),
    "a power": (Z[n, k] ** 3, "nk", HadamardPower(z, 3)),
    "a power of a number": ((1 + tau) ** 2, "", (1 + tau) ** 2),
    "a function": (exp(Z[n, k]), "nk", each(exp, z)),
    "a function of two": (step(Z[n, k], 0), "nk", each(lambda t: step(t, 0), z)),
    "a choice": (where(step(Z[n, k], 0), Y[n, k], 2), "nk", Choice(above, y, 2 * ones(N.size, C.size))),
    "a choice turned": (where(step(Z[n, k], 0), b[k], 1), "kn", Choice(above.T, bias * ones(1, N.size), one_each.T)),
    "a choice by what is not so": (where(1 - step(Z[n, k], 0), Y[n, k], Z[n, k]), "nk", Choice(above, z, y)),
    "a choice by terms": (where(Y[n, k] + Z[n, k], Y[n, k], Z[n, k]), "nk", Choice(y + z, y, z)),
    "a choice for each row": (
        where(step(u[n], 0), u[n], 1),
        "n",
        Choice(each(is_above, u.matrix), u.matrix, ones(N.size)),
    ),
    "a choice within a product": (
        Sum(where(step(u[n], 0), Z[n, k], 0), n),
        "k",
        Choice(each(is_above, u.matrix) * ones(1, C.size), z, ZeroMatrix(N.size, C.size)).T * ones(N.size),
    ),
    "a choice of numbers": (where(step(tau, 0), tau, 1), "", where(step(tau, 0), tau, 1)),
    "a choice of a sum of numbers": (where(step(tau, 0), Sum(tau, k), 1), "", where(step(tau, 0), C.size * tau, 1)),
    "a delta": (KroneckerDelta(k, j), "kj", Identity(C.size)),
    "a delta less": (KroneckerDelta(k, j) - A[j, k], "kj", Identity(C.size) - a.T),
    "a weight on rows": (Sum(u[n] * Z[n, k], n), "k", z.T * u.matrix),
    "a weight within a product": (
        Sum(u[n] * X[n, d] * Z[n, k], n),
        "dk",
        HadamardProduct(x, u.matrix * ones(1, D.size)).T * z,
    ),
    "a column times a number": (u[n] * Sum(b[k], k), "n", MatMul(number(ones(1, C.size) * bias), u.matrix)),
    "numbers times each other": (
        Sum(b[k], k) * Sum(u[n], n),
        "",
        number(ones(1, C.size) * bias) * number(ones(1, N.size) * u.matrix),
    ),
    "a quadratic form": (Sum(b[k] * A[k, j] * v[j], k, j), "", number(bias.T * a * v.matrix)),
    "a diagonal": (A[k, k], "k", DiagonalOf(a)),
    "a diagonal matrix": (b[k] * KroneckerDelta(k, j), "jk", DiagMatrix(bias)),
    "a diagonal alone": (A[k, k] * KroneckerDelta(k, j), "jk", HadamardProduct(a, Identity(C.size))),
    "a function of a diagonal": (
        exp(A[k, k]) * KroneckerDelta(k, j),
        "kj",
        DiagMatrix(each(exp, DiagonalOf(a))),
    ),
    "a diagonal matrix in a product": (Sum(b[k] * KroneckerDelta(k, j) * W[d, j], j), "kd", DiagMatrix(bias) * w.T),
    "a power of a sum": (
        Z[n, k] ** Sum(b[j], j),
        "nk",
        HadamardPower(z, number(ones(1, C.size) * bias)),
    ),
    "a power of each": (Z[n, k] ** b[k], "nk", HadamardPower(z, ones(N.size) * bias.T)),
    "powers of a number": (2 ** b[k], "k", HadamardPower(2 * ones(C.size), bias)),
    "a function of two arrays": (
        maximum(Z[n, k], b[k]),
        "nk",
        Applied(Lambda(BOTH, maximum(*BOTH)), z, ones(N.size) * bias.T),
    ),
    "a choice of nothing": (where(step(Z[n, k], 0), Y[n, k], 0), "nk", Choice(above, y, ZeroMatrix(N.size, C.size))),
    "a scalar for each of an axis": (Sum(tau, k), "", C.size * tau),
    "one more than it": (1 + Sum(tau, k), "", 1 + C.size * tau),
    "a power of it": (Sum(tau, k) ** 2, "", (C.size * tau) ** 2),
    "a function of it": (exp(Sum(tau, k)), "", exp(C.size * tau)),
    "half a function of it": (exp(Sum(tau, k)) / 2, "", exp(C.size * tau) / 2),
    "a function of it and a number": (step(Sum(tau, k), 0), "", step(C.size * tau, 0)),
    "a column times a function of it": (u[n] * exp(Sum(tau, k)), "n", exp(C.size * tau) * u.matrix),
    "a size": (N.size * C.size, "", N.size * C.size),
    "terms within a product": (Sum((Z[n, k] + v[k]) * A[k, j], k), "nj", (z + ones(N.size) * v.matrix.T) * a),
}


def _flat(form: Expr) -> Expr:
    """A form without brackets in its products; SymPy would write a 1 x 1 matrix as a sum over entries."""
    return form.replace(lambda part: isinstance(part, MatrixElement), lambda part: Symbol(str(part.parent))).doit()


LETTERS = {str(i): i for i in (n, k, d, j, m, c, e)}


def axes_of(letters: str) -> tuple[str | None, ...]:
    names = [str(LETTERS[letter].upper + 1) for letter in letters]
    return (*names, None, None)[:2]


@pytest.mark.parametrize("case", FORMS)
def test_the_form_is_the_one_that_a_person_would_write(case: str) -> None:
    expr, letters, expected = FORMS[case]
    found = to_matrix(expr, [LETTERS[letter] for letter in letters], ARRAYS)
    assert found is not None and not found.has(Sum) and _flat(found) == _flat(expected)


OTHER_FORMS: dict[str, tuple[Expr, str]] = {
    "a Hadamard product with a transpose": (A[k, j] * A[j, k], "kj"),
    "a Hadamard product of three": (A[k, j] * A[j, k] * exp(A[j, k]), "kj"),
    "a product that is turned and added": (A[k, j] + Sum(A[j, c] * A[c, k], c), "kj"),
    "rows and columns in one product": (Sum(u[n] * X[n, d] * Z[n, k] * v[k], n), "dk"),
    "vectors over what is summed": (Sum(u[n] * u[n] * X[n, d], n), "d"),
    "terms of every kind": (Z[n, k] + u[n] + v[k] + 1 + tau, "nk"),
    "terms of every kind turned": (Z[n, k] + u[n] + v[k] + 1 + tau, "kn"),
    "a sum of terms within a product": (Sum((X[n, d] + u[n]) * (W[d, k] + v[k]), d), "nk"),
    "a number more than a sum": (1 + Sum(b[k], k), ""),
    "a delta in a product": (Sum(KroneckerDelta(k, j) * Z[n, j], j) + Z[n, k], "nk"),
    "three matrices over one index, two of them with sums of their own": (
        Sum(Z[n, k] * W[d, k] * A[k, j], k, n, d),
        "j",
    ),
    "a trace of a product": (Sum(A[k, j] * A[j, k], k, j), ""),
}


@pytest.mark.parametrize("case", [*FORMS, *OTHER_FORMS])
def test_the_form_has_the_entries_that_it_was_made_from(case: str) -> None:
    expr, letters, *_ = (FORMS | OTHER_FORMS)[case]
    indices = [LETTERS[letter] for letter in letters]
    found = to_matrix(expr, indices, ARRAYS)
    row, column = (*indices, None, None)[:2]
    axes = {axis.name: axis for axis in (N, D, C)}
    read = Entries(ARRAYS, axes).entry(found, row, column)
    assert Normaliser(cl.softmax_cross_entropy(), frozenset()).equal(read, expr)


def test_nothing_is_transposed_without_need() -> None:
    for order in ((j, k), (k, j)):
        found = to_matrix(KroneckerDelta(k, j) - A[j, k] - A[k, j], order, ARRAYS)
        assert found is not None and found.atoms(Transpose) == {a.T}
    found = to_matrix(u[n] * Sum(A[k, j] * v[j], j), (n, k), ARRAYS)
    assert found is not None and found.atoms(Transpose) == {v.matrix.T, a.T}
    found = to_matrix(Sum(X[n, d] * W[d, k] * Z[n, k], n, d, k), (), ARRAYS)
    assert found is not None and len(found.atoms(Transpose)) <= 1
    for term, left in [
        (A[k, j] - 2 * A[j, k], {a.T, z.T}),
        (A[j, k] + B[j, k], {Transpose(a + B.matrix), z.T}),
    ]:
        found = to_matrix(Sum(term * Z[n, j], j), (k, n), ARRAYS)
        assert found is not None and found.atoms(Transpose) == left


def test_products_have_no_brackets_and_no_one_in_front() -> None:
    chain = Sum(X[n, d] * W[d, k] * A[k, j], d, k)
    assert to_matrix(chain, (n, j), ARRAYS) == MatMul(x, w, a)
    assert to_matrix(2 * chain, (n, j), ARRAYS) == MatMul(2, x, w, a)
    found = to_matrix(1 + Z[n, k], (n, k), ARRAYS)
    assert found is not None and set(found.args) == {z, ones(N.size, C.size)}


NONE: dict[str, tuple[Expr, str]] = {
    "three free indices": (Z[n, k] * A[k, j], "nk"),
    "an array of three axes": (T[n, k, d], "nk"),
    "its sum": (Sum(T[n, k, d], d), "nk"),
    "an unknown array": (Array("Q", (N, C))[n, k], "nk"),
    "an index that is not wanted": (Z[n, k], "n"),
    "a matrix for a number": (Z[n, k], ""),
    "another index": (Z[n, k], "nd"),
    "three matrices over one index": (Sum(A[k, j] * Z[n, j] * W[d, j], j), "nk"),
    "a column for three indices": (u[n], "nkd"),
    "vectors over three axes added": (Sum((u[n] + v[k] + q[d]) * q[d], d), "nk"),
    "three matrices over every index": (
        Sum(A[k, j] * A[k, c] * A[k, i] * A[j, c] * A[j, i] * A[c, i], k, j, c, i),
        "",
    ),
    "the largest of a row": (selection(Z[n, k], k), "nk"),
    "a choice among three axes": (where(step(u[n], 0), b[k], q[d]), "nk"),
    "a sum over a function of three": (Sum(exp(Z[n, k] * A[k, j]), j), "nk"),
}


@pytest.mark.parametrize("case", NONE)
def test_where_no_plan_fits_there_is_no_form(case: str) -> None:
    expr, letters = NONE[case]
    assert to_matrix(expr, [LETTERS[letter] for letter in letters], ARRAYS) is None


def test_an_entry_of_three_axes_has_no_form() -> None:
    assert to_matrix(T[n, k, d], (n, k, d), ARRAYS) is None


TEXTBOOK = {
    "sum(K*(X@X.T))": ("K: N N, X: N D", "X", "(K + Kᵀ) X"),
    "b @ X.T @ X @ c": ("X: N D, b: D, c: D", "X", "X (b cᵀ + c bᵀ)"),
    "trace(X @ X.T @ B)": ("X: N D, B: N N", "X", "(B + Bᵀ) X"),
    "(x-A@s) @ W @ (x-A@s)": ("x: N, A: N K, s: K, W: N N", "s", "Aᵀ (W + Wᵀ) (A s − x)"),
    "(B@x) @ (D@x)": ("B: N K, D: N K, x: K", "x", "(Bᵀ D + Dᵀ B) x"),
    "sum((X.T @ X - np.eye(D))**2)": ("X: N D", "X", "4 X R"),
    "trace(X.T @ A @ X @ B)": ("X: N D, A: N N, B: D D", "X", "Aᵀ X Bᵀ + A X B"),
    "sum((A @ X - B)**2)": ("A: N D, X: D K, B: N K", "X", "2 Aᵀ R"),
    "sum(A * (X @ B)) - sum(C * (X @ B))": ("A: N K, C: N K, X: N D, B: D K", "X", "(A − C) Bᵀ"),
    "(x-A@s) @ V @ (x-A@s)": ("x: N, A: N K, s: K, V: N N symmetric", "s", "2 Aᵀ V (A s − x)"),
    "sum((X.T @ X)**2)": ("X: N D", "X", "4 X R"),
    "sum((X.T @ X - V)**2)": ("X: N D, V: D D symmetric", "X", "4 X R"),
    "sum((X.T @ X - V)**2) ": ("X: N D, V: D D", "X", "2 X (R + Rᵀ)"),
    "var(x)": ("x: N", "x", "(2/N) (x − μ 1_N)"),
    "sum(std(X, axis=0))": ("X: N D", "X", "(1/N) (X − 1_N μᵀ) ⊘ (1_N σᵀ)"),
    "sum((x - mean(x)) * (y - mean(y)))": ("x: N, y: N", "x", "y − ν 1_N"),
    "sum(G * (X - mean(X, axis=0)) / sqrt(var(X, axis=0) + 1))": (
        "X: N D, G: N D",
        "X",
        "(G − (1/N) (X − 1_N μᵀ) ⊙ (1_N (((G ⊙ (X − 1_N μᵀ))ᵀ 1_N) ⊘ σ^⊙2)ᵀ) − (1/N) 1_N 1_Nᵀ G) ⊘ (1_N σᵀ)",
    ),
    "mean(maximum(q * (y - x), (q - 1) * (y - x)))": ("x: N, y: N, q: scalar", "x", "(1/N) (H(x − y) − q 1_N)"),
    "-mean(y * (1 - sigmoid(z))**2 * log(sigmoid(z)))": (
        "y: N, z: N",
        "z",
        "−(1/N) y ⊙ (1_N − p)^⊙2 ⊙ (1_N − p − 2 p ⊙ log(p))",
    ),
    "sum(softmax(X, axis=1) * softmax(Y, axis=1))": ("X: N D, Y: N D", "X", "P ⊙ (Q − (P ⊙ Q) 1_D 1_Dᵀ)"),
    "norm(X)": ("X: N D", "X", "X/‖X‖"),
    "trace(A) ** 2": ("A: N N", "A", "2 tr(A) I_N"),
    "(x @ x) ** 2": ("x: N", "x", "4 (xᵀ x) x"),
    "(a @ x) / (x @ x)": ("a: N, x: N", "x", "(1/(xᵀ x)) (a − ((2 aᵀ x)/(xᵀ x)) x)"),
    "sum(X * Y) / sum(X ** 2)": ("X: N D, Y: N D", "X", "(1/‖X‖²) (Y − (2 tr(Xᵀ Y)/‖X‖²) X)"),
    "norm(X @ w - y)": ("X: N D, w: D, y: N", "w", "(1/‖r‖) Xᵀ r"),
    "sqrt(sum((x - y) ** 2))": ("x: N, y: N", "x", "(1/‖x − y‖) (x − y)"),
    "sum(X) ** 2": ("X: N D", "X", "2 (1_Nᵀ X 1_D) 1_(N×D)"),
    "trace(A @ X @ B) * t": ("A: N D, X: D K, B: K N, t: scalar", "t", "tr(A X B)"),
    "trace(A @ X) ** 2": ("A: N D, X: D N", "X", "2 tr(A X) Aᵀ"),
    "sum(x ** y)": ("x: N positive, y: N", "x", "y ⊙ x^⊙(y − 1_N)"),
    "sum(2 ** x)": ("x: N", "x", "log(2) 2^⊙x"),
    "sum(trace(A) * A)": ("A: N N", "A", "(1_Nᵀ A 1_N) I_N + tr(A) 1_(N×N)"),
    "sum(maximum(X, Y) ** 2)": ("X: N D, Y: N D", "X", "2 max(X, Y) ⊙ H(X − Y)"),
    "sum(r * diag(A))": ("A: N N, r: N", "A", "diag(r)"),
    "sum(diag(A) ** 2)": ("A: N N", "A", "2 A ⊙ I_N"),
    "sum(log(diag(A)))": ("A: N N", "A", "diag(1_N ⊘ diag(A))"),
    "sum((A + A.T - A * eye(N)) * B)": ("A: N N, B: N N", "A", "B + Bᵀ − B ⊙ I_N"),
    "sum(S * sum((X[:, None] - X[None])**2, axis=2))": (
        "X: N D, S: N N",
        "X",
        "2 (X ⊙ ((S + Sᵀ) 1_N 1_Dᵀ) − (S + Sᵀ) X)",
    ),
}
"""Losses in one line -> shapes, the array, and the gradient as a textbook writes it."""


@pytest.mark.parametrize("text", sampled(TEXTBOOK, every=3))
def test_a_gradient_is_written_as_in_a_textbook(text: str) -> None:
    shapes, wrt, expected = TEXTBOOK[text]
    derivation = symgrad.derive(parse(text, shapes, wrt))
    assert expression_text(derivation.gradients[wrt].matrix, derivation.record) == expected
    assert not derivation.prove().faults


def test_a_sum_is_not_multiplied_out_for_a_matrix_form_that_is_too_long_to_read() -> None:
    kernel = parse("sum(exp(-sum((X[:, None] - X[None])**2, axis=2)) * Y)", "X: N D, Y: N N", "X")
    assert symgrad.derive(kernel).gradients["X"].matrix is None


def test_a_definition_keeps_the_form_in_which_it_was_written() -> None:
    derivation = symgrad.derive(parse("sum((A@W - P@W)**2)", "A: N D, P: N D, W: D K", "W"))
    assert "= A W − P W" in derivation.to_text("matrix")
