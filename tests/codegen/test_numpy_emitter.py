"""Array programs as NumPy source: the text of single nodes and assignments."""

from __future__ import annotations

import pytest
from sympy import Rational, Symbol, exp, log, oo
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    Assign,
    Call,
    Delta,
    Diagonal,
    Fill,
    Largest,
    Layout,
    Load,
    Node,
    Power,
    number,
)
from symgrad.codegen.numpy_emitter import NumpyEmitter
from symgrad.codegen.operations import added, call, contraction, power, product, reduced, signed
from symgrad.codegen.plan.stable_functions import sigmoid, weighted
from symgrad.codegen.python_source import Source

N, M, K, R = (Symbol(name, integer=True, positive=True) for name in "NMKR")
n, m, k, r, j = (Idx(name, size) for name, size in zip("nmkrj", (N, M, K, R, M), strict=True))
DTYPE, OF_X = Source("float"), Source("X.dtype", needs=frozenset("X"))


def load(name: str, *letters: Idx) -> Load:
    return Load(letters, name, letters)


X, Y, Z, W, v, w = load("X", n, m), load("Y", n, m), load("Z", m, k), load("W", k, m), load("v", m), load("w", n)
T, S, Q = load("T", n, m, k), load("S", n, k, r), load("Q", m, j)


def code(node: Node, order: Layout | None = None, rows: str = "", dtype: Source = DTYPE) -> str:
    return NumpyEmitter({name: name for name in "XYZWUVTSQvw"}, dtype, rows).text(node, order).code


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (contraction([X, Z], [m]), "X @ Z"),
        (contraction([X, W], [m]), "X @ W.T"),
        (contraction([X, v], [m]), "X @ v"),
        (contraction([v, X], [m]), "X @ v"),
        (contraction([v, Z], [m]), "v @ Z"),
        (contraction([v, W], [m]), "W @ v"),
        (contraction([v, v], [m]), "v @ v"),
        (contraction([contraction([X, Z], [m]), load("U", k, r)], [k]), "X @ Z @ U"),
        (contraction([X, contraction([Z, load("U", k, r)], [k])], [m]), "X @ (Z @ U)"),
        (contraction([added([X, Y]), Z], [m]), "(X + Y) @ Z"),
        (signed(contraction([power(X, number(2)), Z], [m]), True), "-(X**2) @ Z"),
        (contraction([T, S], [k]), "T @ S"),
        (contraction([T, load("U", k, r)], [k]), "T @ U"),
        (contraction([T, load("U", m, k)], [m, k]), "np.tensordot(T, U, ((1, 2), (0, 1)))"),
        (contraction([T, load("U", r, m)], [m]), "np.tensordot(T, U, (1, 1))"),
        (contraction([load("U", r, n), T], [n]), "np.tensordot(U, T, (1, 0))"),
        (contraction([X, load("U", n, m, k)], [m]), 'np.einsum("nm,nmk->nk", X, U)'),
        (
            contraction([X, load("U", m), load("V", n, k)], [m, n]),
            'np.einsum("nm,m,nk->k", X, U, V, optimize=True)',
        ),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_products(node: Node, expected: str) -> None:
    assert code(node) == expected


def test_letters_of_einsum_differ() -> None:
    one, other = Idx("n1", N), Idx("n2", M)
    node = contraction([load("X", one, other), load("Y", other, k, r), load("U", k)], [other, k])
    assert code(node) == 'np.einsum("na,akr,k->nr", X, Y, U, optimize=True)'


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", ["X @ Z", "Z.T @ X.T", "X @ W.T", "W @ X.T"]),
        ("N", ["_columns(Z.T, X.T).T", "_columns(Z.T, X.T)", "_columns(W, X.T).T", "_columns(W, X.T)"]),
        ("K", ["_columns(X, Z)", "_columns(X, Z).T", "_columns(X, W.T)", "_columns(X, W.T).T"]),
        ("M", ["X.dot(Z)", "X.dot(Z).T", "X.dot(W.T)", "W.dot(X.T)"]),
    ],
)
def test_products_in_a_block_of_rows(rows: str, expected: list[str]) -> None:
    products = [contraction([X, other], [m]) for other in (Z, W)]
    assert [code(node, order, rows) for node in products for order in ((n, k), (k, n))] == expected
    assert code(contraction([X, v], [m]), (n,), rows) == "X @ v"


def test_a_product_over_the_rows_of_a_block_transposes_no_operand() -> None:
    turned = Load((m, n), "X", (n, m))
    assert code(contraction([turned, W], [m]), (n, k), "M") == "W.dot(X).T"
    assert code(contraction([turned, W], [m]), (k, n), "M") == "W.dot(X)"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (reduced(X, [m]), "np.add.reduce(X, axis=1)"),
        (reduced(X, [n]), "np.add.reduce(X)"),
        (reduced(X, [n, m]), "np.add.reduce(X, axis=None)"),
        (reduced(v, [m]), "np.add.reduce(v)"),
        (reduced(T, [m, k]), "np.add.reduce(T, axis=(1, 2))"),
        (reduced(X, [m], largest="top"), "np.maximum.reduce(X, axis=1, initial=np.finfo(float).min)"),
        (reduced(call(weighted, [X, Y]), [n, m]), "_dot(X, Y)"),
        (reduced(call(weighted, [X, Y]), [m]), "np.add.reduce(_weighted(X, Y), axis=1)"),
        (reduced(call(weighted, [v, Y]), [n, m]), "np.add.reduce(_weighted(v, Y), axis=None)"),
        (Largest(X.letters, X, m), "_selection(X, 1)"),
        (Diagonal((n,), load("Q", n, n), (n, n)), "np.diagonal(Q)"),
        (Diagonal((n, k), T, (n, n, k)), 'np.einsum("nnk->nk", T)'),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_sums_and_the_largest(node: Node, expected: str) -> None:
    assert code(node) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (product([X, w], []), "X * w[:, None]"),
        (product([X, v], []), "X * v"),
        (product([T, w], []), "T * w[:, None, None]"),
        (product([T, X], []), "T * X[:, :, None]"),
        (product([T, load("U", n, k)], []), "T * U[:, None, :]"),
        (product([T, v], []), "T * v[:, None]"),
        (product([X], [added([w, load("U", n)])]), "X / (U + w)[:, None]"),
        (added([X, signed(reduced(Y, [m]), True)]), "X - np.add.reduce(Y, axis=1, keepdims=True)"),
        (product([X], [reduced(Y, [n])]), "X / np.add.reduce(Y)"),
        (product([X], [reduced(load("U", m, n), [m])]), "X / np.add.reduce(U)[:, None]"),
        (product([X], [reduced(call(weighted, [w, load("U", n)]), [n])]), "X / _dot(w, U)"),
        (
            product([X], [reduced(Y, [m], largest="top")]),
            "X / np.maximum.reduce(Y, axis=1, initial=np.finfo(float).min, keepdims=True)",
        ),
        (Fill((n, m), v, (N, M)), "np.full((N, M), v, float)"),
        (Fill((n, m), w, (N, M)), "np.full((N, M), w[:, None], float)"),
        (Fill((n,), number(1), (N,)), "np.full((N,), 1, float)"),
        (Fill((m, n), X, (M, N)), "X.T.copy()"),
        (Fill((n, m), added([X, Y]), (N, M)), "(X + Y).copy()"),
        (Fill((), number(3), ()), "float(3)"),
        (Delta((m, j), M), "np.eye(M, dtype=float)"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_broadcasts(node: Node, expected: str) -> None:
    assert code(node) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (power(X, number(Rational(1, 2))), "np.sqrt(X)"),
        (power(number(N), number(Rational(1, 2))), "N**0.5"),
        (power(X, number(Rational(1, 3))), "X**0.3333333333333333"),
        (call(exp, [X]), "np.exp(X)"),
        (Call((), log, (number(2),)), "math.log(2)"),
        (Call((), sigmoid, (number(N),)), "float(_sigmoid(N))"),
        (number(oo), "np.inf"),
        (number(Rational(1, 4)), "0.25"),
        (signed(product([X, Y], []), True), "-X * Y"),
        (signed(added([X, Y]), True), "-(X + Y)"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_numbers_and_functions(node: Node, expected: str) -> None:
    assert code(node) == expected


def test_axes_in_another_order() -> None:
    assert code(T, (n, m, k)) == "T" and code(T, (k, n, m)) == "np.transpose(T, (2, 0, 1))"
    assert code(X, (m, n)) == "X.T" and code(added([X, Y]), (m, n)) == "(X + Y).T"
    assert code(contraction([T, S], [k]), (n, r, m)) == "np.transpose(T @ S, (0, 2, 1))"
    assert code(Delta((m, j), M), (j, m)) == "np.eye(M, dtype=float)"
    assert code(contraction([X, load("U", m, j)], [m]), (j, n)) == "U.T @ X.T"


def test_numbers_and_arrays_have_the_dtype_of_an_input() -> None:
    assert code(Fill((), number(3), ()), dtype=OF_X) == "X.dtype.type(3)"
    assert code(Fill((n,), number(3), (N,)), dtype=OF_X) == "np.full((N,), 3, X.dtype)"
    assert code(reduced(X, [n], largest="top"), dtype=OF_X) == "np.maximum.reduce(X, initial=np.finfo(X.dtype).min)"


@pytest.mark.parametrize(
    ("assign", "expected"),
    [
        (Assign("U", (n, m), added([X, Y])), "U = X + Y"),
        (Assign("U", (m, n), added([X, Y])), "U = (X + Y).T"),
        (Assign("U", (n, m), added([X, Y]), "X"), "U = np.add(X, Y, out=X)"),
        (Assign("U", (n, m), added([X, signed(v, True)]), "X"), "U = np.subtract(X, v, out=X)"),
        (Assign("U", (n, m), product([X, w], []), "X"), "U = np.multiply(X, w[:, None], out=X)"),
        (Assign("U", (n, m), product([X], [w]), "X"), "U = np.divide(X, w[:, None], out=X)"),
        (Assign("U", (n, m), added([X, signed(v, True)]), "X", True), "X -= v"),
        (Assign("U", (n, m), added([X, w]), "X", True), "X += w[:, None]"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_assignments(assign: Assign, expected: str) -> None:
    assert NumpyEmitter({name: name for name in "XYUvw"}, DTYPE).assigned(assign).code == expected


def test_long_lines_are_broken_where_the_arguments_begin() -> None:
    x, y = "X" + 60 * "x", "Y" + 60 * "y"
    emitter = NumpyEmitter({"X": x, "Y": y, "U": "U"}, DTYPE)
    cases = {
        Assign("U", (n, m), call(exp, [product([X, Y], [])])): f"U = np.exp(\n    {x} * {y}\n)",
        Assign("U", (n,), reduced(product([X, Y], []), [m])): f"U = np.add.reduce(\n    {x} * {y}, axis=1\n)",
        Assign("U", (n, m), added([X, Y])): f"U = (\n    {x} + {y}\n)",
        Assign("U", (m, n), call(exp, [product([X, Y], [])])): f"U = (\n    np.exp({x} * {y}).T\n)",
        Assign("U", (n, m), product([X, Y], []), "X"): f"U = np.multiply(\n    {x}, {y}, out={x}\n)",
    }
    for assign, line in cases.items():
        assert emitter.assigned(assign).code == line
    room = 110 - len("    U =  + Y")
    for length, is_broken in ((room, False), (room + 1, True)):
        short = NumpyEmitter({"X": length * "x", "Y": "Y", "U": "U"}, DTYPE)
        assert ("\n" in short.assigned(Assign("U", (n, m), added([X, Y]))).code) is is_broken


def test_a_transposed_array_binds_like_a_name_and_other_arrays_like_calls() -> None:
    assert code(Power((m, n), X, number(2))) == "X.T**2"
    assert code(Power((m, n), added([X, Y]), number(2))) == "(X + Y).T ** 2"
    assert code(Power((m, n), call(exp, [X]), number(2))) == "np.exp(X).T ** 2"


def test_a_line_needs_its_names() -> None:
    emitter = NumpyEmitter({"X": "X", "w": "weights", "U": "U"}, OF_X, "N")
    assert emitter.text(product([X, w], [])).needs == {"X", "weights"}
    assert emitter.text(contraction([X, load("U", m, k)], [m]), (n, k)).needs == {"X", "U", "_columns"}
    assert emitter.text(reduced(call(weighted, [w, w]), [n])).needs == {"weights", "_dot"}
    assert emitter.assigned(Assign("U", (n, m), product([X, w], []), "X")).needs == {"X", "weights"}
    assert emitter.assigned(Assign("U", (n, m), added([X, w]), "X", True)).needs == {"X", "weights"}
    assert emitter.text(Fill((n,), number(N), (N,))).needs == {"N", "X"}
