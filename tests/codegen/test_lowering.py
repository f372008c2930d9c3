"""Index expressions as array programs: what each becomes in NumPy, read off on small expressions."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, KroneckerDelta, Rational, Sum, exp, gamma, log, sqrt
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import Reduce
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.numpy_emitter import NumpyEmitter
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.stable_functions import weighted
from symgrad.codegen.python_source import Source
from symgrad.equations import node
from symgrad.errors import UnsupportedError
from symgrad.functions import relu, selection
from symgrad.notation import Array, Axis
from symgrad.program import Program

N, D, C = Axis("N"), Axis("D"), Axis("C")
n, m, d, e, k = N.index("n"), N.index("m"), D.index("d"), D.index("e"), C.index("k")
X, Y, Q, T = Array("X", (N, D)), Array("Y", (N, D)), Array("Q", (D, D)), Array("T", (N, D, C))
U = Array("U", (D, C))
w, v, q, b = Array("w", (N,)), Array("v", (N,)), Array("q", (D,)), Array("b")
INPUTS = (X, Y, Q, w, v, q, b, T, U)
PROGRAM = Program("p", (N, D, C), INPUTS, (node(Array("L").base, Integer(1)),), "L")
BIG, TINY = 10**9, Rational(1, 10**12)


def code(expr: Expr, order: tuple[Idx, ...], rows: str = "") -> str:
    lowering = Lowering(PROGRAM)
    lowering.rows, lowering.count = rows, "count"
    emitter = NumpyEmitter({array.name: array.name for array in INPUTS}, Source("float"))
    return emitter.text(lowering.lowered(expr, order), order).code


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        # What SymPy has expanded or added up is taken together again, so that no digits are lost.
        (-BIG + BIG * w[n] + v[n], "v - 1000000000 * (1 - w)"),
        (BIG - BIG * w[n] + v[n], "v + 1000000000 * (1 - w)"),
        (2 - 2 * w[n] + v[n], "v + 2 * (1 - w)"),
        (1 + Rational(1, 10**8) - w[n], "1e-08 + (1 - w)"),
        (2 - 2 * w[n], "2 * (1 - w)"),
        (6 * w[n] + 4 * v[n], "2 * (2 * v + 3 * w)"),
        (1 - w[n] + v[n], "1 + v - w"),
        (TINY + w[n], "1e-12 + w"),
        (TINY + 3 * w[n], "1e-12 + 3 * w"),
        # Numbers and sizes, in the order of the axes, before they meet an array.
        (w[n] / N.size, "w / N"),
        (-w[n] / N.size, "-w / N"),
        (2 * w[n] / (3 * C.size * N.size), "2 / (3 * N * C) * w"),
        (w[n] * D.size * N.size / C.size, "N * D / C * w"),
        (-Rational(3, 2) * w[n], "-3 / 2 * w"),
        (TINY * w[n], "1e-12 * w"),
        (3 * TINY * w[n], "3e-12 * w"),
        (w[n] * sqrt(N.size), "N**0.5 * w"),
        (w[n] / sqrt(N.size), "w / N**0.5"),
        (w[n] * log(N.size), "math.log(N) * w"),
        # Brackets begin with a plus.
        ((w[n] - v[n]) * w[n], "w * (w - v)"),
        ((v[n] - w[n]) * w[n], "w * (v - w)"),
        ((w[n] - 1) * (v[n] - 1), "(1 - w) * (1 - v)"),
        ((w[n] - 1) * w[n], "w * (w - 1)"),
        # Powers and functions.
        (1 / w[n], "1 / w"),
        (1 / (w[n] + v[n]), "1 / (v + w)"),
        (v[n] / w[n] ** 2, "v / w / w"),
        (2 ** w[n], "2**w"),
        (relu(w[n]), "np.maximum(w, 0)"),
    ],
    ids=str,
)
def test_what_an_entry_becomes(expr: Expr, expected: str) -> None:
    assert code(expr, (n,)) == expected


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (1 / N.size, "1 / N"),
        (-2 / (3 * N.size), "-2 / (3 * N)"),
        (C.size * N.size, "N * C"),
        (N.size + D.size - 2, "D + N - 2"),
        (b[()] * (N.size - 1), "(N - 1) * b"),
        (Sum(D.size, n), "N * D"),
        (Sum(KroneckerDelta(d, e), d, e), "D"),
    ],
    ids=str,
)
def test_what_a_number_becomes(expr: Expr, expected: str) -> None:
    assert code(expr, ()) == expected


@pytest.mark.parametrize(
    ("expr", "order", "expected"),
    [
        (Q[d, d], (d,), "np.diagonal(Q)"),
        (Q[e, d], (d, e), "Q.T"),
        (Q[d, e] * q[e], (d, e), "Q * q"),
        (X[n, d] / w[n], (n, d), "X / w[:, None]"),
        (exp(w[n]) * X[n, d], (n, d), "X * np.exp(w)[:, None]"),
        (2 - 2 * w[n] - 2 * v[n] + q[d], (n, d), "q + (2 * (1 - v - w))[:, None]"),
        ((v[n] - w[n]) * (q[d] - b[()]), (n, d), "(v - w)[:, None] * (q - b)"),
        ((w[n] - 1) * (v[n] - 1) * (q[d] - 1), (n, d), "(1 - w)[:, None] * (1 - v)[:, None] * (q - 1)"),
        (selection(X[n, d], d), (n, d), "_selection(X, 1)"),
        (selection(X[n, d], n), (n, d), "_selection(X, 0)"),
        (KroneckerDelta(d, e), (d, e), "np.eye(D, dtype=float)"),
        (KroneckerDelta(d, e) * q[d], (d, e), "np.eye(D, dtype=float) * q[:, None]"),
        (
            (X[n, d] - KroneckerDelta(d, e)) * (q[e] - 1),
            (n, d, e),
            "(X[:, :, None] - np.eye(D, dtype=float)) * (q - 1)",
        ),
        ((X[n, d] - KroneckerDelta(d, e)) * q[e], (n, d, e), "q * (X[:, :, None] - np.eye(D, dtype=float))"),
    ],
    ids=str,
)
def test_where_the_axes_stand(expr: Expr, order: tuple[Idx, ...], expected: str) -> None:
    assert code(expr, order) == expected


@pytest.mark.parametrize(
    ("expr", "order", "expected"),
    [
        (Sum(X[n, d] * q[d], d), (n,), "X @ q"),
        (Sum(X[n, d] * q[d], d) * w[n], (n,), "w * (X @ q)"),
        (Sum(Sum(X[n, d], d) * w[n], n), (), "w @ np.add.reduce(X, axis=1)"),
        (Sum(w[n] ** 2, n) / N.size, (), "np.add.reduce(w**2) / N"),
        (Sum(T[n, d, k], n, d, k), (), "np.add.reduce(T, axis=None)"),
        (Sum(Q[d, d], d), (), "np.add.reduce(np.diagonal(Q))"),
        (Sum(b[()] * w[n], n), (), "b * np.add.reduce(w)"),
        (Sum(weighted(w[n], log(v[n])), n), (), "_dot(w, np.log(v))"),
        (-2 * Sum(weighted(X[n, d], Y[n, d]), n, d) / N.size, (), "-2 / N * _dot(X, Y)"),
        (Sum(weighted(X[n, d], Y[n, d]), d), (n,), "np.add.reduce(_weighted(X, Y), axis=1)"),
        (Sum(w[n] * weighted(w[n], v[n]), n), (), "w @ _weighted(w, v)"),
        (Sum(KroneckerDelta(d, e) * q[e], e), (d,), "q"),
        # An index that nothing has counts the entries.
        (Sum(w[n], d), (n,), "D * w"),
        (Sum(w[n], n, d), (), "D * np.add.reduce(w)"),
        ((X[n, d] - q[d]) * Sum(w[m], m), (n, d), "np.add.reduce(w) * (X - q)"),
        (
            Sum((T[n, d, k] + X[n, d]) * Y[n, d], d),
            (n, k),
            "np.add.reduce(Y[:, :, None] * (T + X[:, :, None]), axis=1)",
        ),
        # A bracket with more axes than any of its arrays is multiplied out.
        (Sum((X[n, d] + U[d, k]) * Y[n, d], d), (n, k), "Y @ U + np.add.reduce(X * Y, axis=1, keepdims=True)"),
    ],
    ids=str,
)
def test_what_a_sum_becomes(expr: Expr, order: tuple[Idx, ...], expected: str) -> None:
    assert code(expr, order) == expected


@pytest.mark.parametrize(
    ("expr", "order", "expected"),
    [
        (X[n, d] * w[n], (n, d), "X * w[:, None]"),
        (KroneckerDelta(n, m), (n, m), "np.eye(count, dtype=float)"),
        (Sum(b[()] * C.size, n), (), "count * C * b"),
        (Sum(b[()] * N.size, d), (), "N * D * b"),
        (Sum(X[n, d] * q[d], d), (n,), "X @ q"),
    ],
    ids=str,
)
def test_a_block_of_rows_has_its_own_size(expr: Expr, order: tuple[Idx, ...], expected: str) -> None:
    assert code(expr, order, rows="N") == expected


def test_the_rows_of_a_block_come_last() -> None:
    lowering = Lowering(PROGRAM)
    assert lowering.layout((n, d)) == (n, d)
    lowering.rows = "N"
    assert lowering.layout((n, d)) == (d, n) and lowering.layout((d, k)) == (d, k)


def test_the_axes_of_a_delta_follow_the_order() -> None:
    for order in ((d, e), (e, d), (n, e, d), (n, d, e)):
        letters = Lowering(PROGRAM).lowered(KroneckerDelta(d, e), order).letters
        assert letters == tuple(i for i in order if i != n)


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no NumPy function is known for gamma in gamma"):
        code(gamma(w[n]), (n,))


def test_an_equation_may_take_the_largest_entry() -> None:
    lowering = Lowering(PROGRAM)
    whole = lowering.right_side(Assignment(Array("s", (N,))[n], X[n, d], over=(d,)))
    assert isinstance(whole, Reduce) and (whole.largest, whole.over, whole.letters) == ("s", (d,), (n,))
    assert lowering.right_side(Assignment(Array("s", (N,))[n], w[n])) == lowering.lowered(w[n], (n,))
