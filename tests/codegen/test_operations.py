"""Products of arrays, built and contracted: which index is summed away first, in which order factors and axes stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sympy import Rational, Symbol, exp, log
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    HALF,
    Call,
    Contract,
    Delta,
    Load,
    Negative,
    Node,
    Power,
    Product,
    Reduce,
    Terms,
    number,
)
from symgrad.codegen.numpy_emitter import NumpyEmitter
from symgrad.codegen.operations import (
    added,
    call,
    common_layout,
    contracted,
    contraction,
    is_matrix_product,
    is_pair,
    is_weighted,
    parted,
    power,
    product,
    reading_order,
    reduced,
    signed,
)
from symgrad.codegen.plan.stable_functions import weighted
from symgrad.codegen.python_source import Source

SIZES = {"N": 3, "M": 4, "K": 2, "J": 5}
n, m, k, j = (Idx(name, Symbol(size, integer=True, positive=True)) for name, size in zip("nmkj", SIZES, strict=True))
i = Idx("i", Symbol("N", integer=True, positive=True))


def load(name: str, *letters: Idx, rank: int = -1) -> Load:
    return Load(letters, name, letters, rank)


X, Y, Z, v, u, s = load("X", n, m), load("Y", n, m), load("Z", m, k), load("v", m), load("u", n), load("s")


# --- nodes put together --------------------------------------------------------------------------------------------


def test_a_minus_stands_in_front() -> None:
    minus = signed(X, True)
    assert minus == Negative((n, m), X) and signed(X, False) is X
    assert parted(minus) == (True, X) and parted(X) == (False, X)
    for count in range(4):
        factors = [*(signed(f, place < count) for place, f in enumerate((X, Y, v)))]
        assert parted(product(factors, []))[0] == parted(contraction(factors, [m]))[0] == (count % 2 == 1)
    assert product([minus], [signed(Y, True)]) == product([X], [Y])
    assert product([minus], []) == minus
    assert product([minus], [Y]) == signed(product([X], [Y]), True)
    assert reduced(minus, [n]) == signed(reduced(X, [n]), True)
    assert reduced(minus, [n], "top") == Reduce((m,), minus, (n,), "top")  # the largest of what is negative
    assert call(weighted, [minus, v]) == signed(call(weighted, [X, v]), True)
    both, plus = added([signed(X, True), signed(Y, True)]), added([X, Y])
    assert call(weighted, [both, v]) == signed(call(weighted, [plus, v]), True)
    assert call(weighted, [both, both]) == call(weighted, [plus, plus])
    assert call(exp, [minus]) == Call((n, m), exp, (minus,))


def test_a_quotient_is_taken_before_its_powers() -> None:
    cube, square, half = power(u, number(3)), power(u, number(2)), power(u, HALF)
    over, of_squares = Product((n, m), (X,), (u,)), power(X, number(2))
    assert product([X], [cube]) == Product((n, m), (over,), (square,))
    assert product([X, v, exp_of(u)], [cube]) == Product((n, m), (X, v, product([exp_of(u)], [u])), (square,))
    assert product([u, power(s, number(2))], [power(s, number(3))]) == product(
        [u, power(product([s], [s]), number(2))], [s]
    )
    total = product([X, load("t")], [v, power(s, number(4))])
    assert total == Product((n, m), (X, product([load("t")], [s])), (v, power(s, number(3))))
    assert product([exp_of(u)], [square]) == product([product([exp_of(u)], [u])], [u])
    assert product([s], [square]) == product([product([s], [u])], [u])
    assert product([of_squares], [square]) == power(over, number(2))
    assert product([of_squares], [cube]) == product([power(over, number(2))], [u])
    assert product([power(X, number(3))], [square]) == product([power(over, number(2)), X], [])
    assert product([power(X, HALF)], [cube]) == product([product([power(X, HALF)], [u])], [square])
    for kept in (
        square,
        half,
        power(u, number(Rational(5, 2))),
        power(u, number(Symbol("N", integer=True))),
        power(exp_of(u), number(3)),
    ):
        assert product([X], [kept]) == Product((n, m), (X,), (kept,))
    assert product([number(2)], [cube]) == Product((n,), (number(2),), (cube,))


def test_nodes_are_combined_in_the_layout_of_the_widest() -> None:
    turned = Load((m, n), "T", (n, m))
    assert common_layout([v, turned, u]) == (m, n) and common_layout([turned, X]) == (m, n)
    assert common_layout([]) == () and common_layout([s]) == ()
    # Where no one has all letters: those of the order first, the rest by their names.
    assert common_layout([u, v]) == (m, n) and common_layout([u, v], (n, m)) == (n, m)
    assert common_layout([u, v, load("w", k)], (n,)) == (n, k, m)
    assert common_layout([*(load("a", i) for i in (m, n, j, k))]) == (j, k, m, n)
    assert call(log, [product([u, v], [], (n, m))], (m, n)).letters == (n, m)
    assert call(weighted, [u, v], (n, m)).letters == product([u], [v], (n, m)).letters == (n, m)
    assert added([u, v], (n, m)).letters == (n, m) and power(u, v).letters == (m, n)
    assert product([u, v], [], (n, m)) == Product((n, m), (u, v), ())


def test_equal_factors_are_a_power() -> None:
    assert product([X, X], []) == power(X, number(2)) and product([X, X, X], []) == power(X, number(3))
    assert product([X, Y, X], []) == Product((n, m), (power(X, number(2)), Y), ())
    assert product([X], [v, v]) == Product((n, m), (X,), (power(v, number(2)),))
    assert product([X], []) is X and product([X], [X]) == Product((n, m), (X,), (X,))
    assert power(X, number(2)) == Power((n, m), X, number(2))


def test_terms_begin_with_what_is_positive_then_numbers_then_the_widest() -> None:
    late, early = load("B", n, m, rank=5), load("A", n, m, rank=2)
    terms = [signed(X, True), v, late, early, exp_of(X), number(1), signed(number(2), True)]
    made = added(terms)
    assert isinstance(made, Terms) and made.letters == (n, m)
    assert made.terms == (number(1), late, early, exp_of(X), v, signed(number(2), True), signed(X, True))
    # Of those that are alike, arrays go ahead of what is computed from them, then by name.
    assert terms_of(exp_of(v), v) == (v, exp_of(v))
    assert terms_of(load("q", m), load("p", m)) == (load("p", m), load("q", m))
    assert terms_of(exp_of(load("q", m)), call(log, [load("p", m)])) == (
        call(log, [load("p", m)]),
        exp_of(load("q", m)),
    )
    assert terms_of(call(log, [v]), exp_of(v)) == tuple(sorted((call(log, [v]), exp_of(v)), key=repr))


def exp_of(node: Node) -> Node:
    return call(exp, [node])


def terms_of(*nodes: Node) -> tuple[Node, ...]:
    made = added(nodes)
    assert isinstance(made, Terms)
    return made.terms


def test_a_sum_over_axes_keeps_the_order_of_the_others() -> None:
    wide = load("W", n, m, k)
    assert reduced(wide, [m]) == Reduce((n, k), wide, (m,)) and reduced(wide, [k, n]) == Reduce((m,), wide, (n, k))
    assert reduced(wide, [m], "top") == Reduce((n, k), wide, (m,), "top") and reduced(v, [n, m]) == Reduce((), v, (m,))


def test_a_contraction_keeps_the_order_of_its_factors() -> None:
    assert contraction([X, Z], [m]) == Contract((n, k), (X, Z), (m,))
    assert contraction([Z, X], [m]) == Contract((k, n), (Z, X), (m,))
    assert contraction([X, Z], [m], (k, n)) == Contract((k, n), (X, Z), (m,))
    assert contraction([X, Z], [m], (k,)) == Contract((k, n), (X, Z), (m,))
    assert contraction([X, Z], [m], (k, j, n)).letters == (k, n)
    assert contraction([X, Z, load("w", k, j)], [m], (j, m)).letters == (j, n, k)
    assert contraction([X, Y], [m, n]) == Contract((), (X, Y), (n, m))


def test_factors_are_read_scalars_first_then_arrays_then_brackets_then_sums() -> None:
    late, early = load("B", n, m, rank=5), load("A", n, m, rank=2)
    bracket, total = added([X, Y]), product([X, reduced(Y, [m])], [])
    largest = exp_of(added([X, signed(reduced(Y, [m], "top"), True)]))
    delta = Delta((n, m), Symbol("N"))
    ordered = [s, exp_of(s), delta, early, late, bracket, total]
    assert sorted(ordered[::-1], key=reading_order) == ordered
    assert reading_order(largest)[2] is False and reading_order(total)[2] is True
    assert reading_order(number(2)) == (False, False, False, -1) and reading_order(late) == (True, False, False, 5)


def test_which_sums_are_of_a_weighted_logarithm() -> None:
    whole = call(weighted, [X, Y])
    assert is_weighted(reduced(whole, [n, m])) and is_weighted(reduced(call(weighted, [X, exp_of(Y)]), [n, m]))
    assert not is_weighted(reduced(whole, [m])) and not is_weighted(reduced(call(weighted, [v, X]), [n, m]))
    assert (
        not is_weighted(reduced(exp_of(X), [n, m])) and not is_weighted(whole) and not is_weighted(reduced(X, [n, m]))
    )
    assert is_weighted(Reduce((), Call((m,), weighted, (v, signed(v, True))), (m,)))


# --- contractions --------------------------------------------------------------------------------------------------


def groups(*nodes: Node) -> list[Product]:
    return [Product(node.letters, (node,), ()) for node in nodes]


def contract(nodes: Sequence[Node], summed: str, order: str = "") -> Node:
    """The product of nodes, summed over some indices, in an order of axes."""
    letters = {str(index): index for index in (n, m, k, j, i)}
    parts = contracted(groups(*nodes), {letters[a] for a in summed}, [letters[a] for a in order])
    return product([f for part in parts for f in part.above], [f for part in parts for f in part.below])


def bare(node: Node) -> Load:
    """An array without the minus in front of it."""
    inside = parted(node)[1]
    assert isinstance(inside, Load)
    return inside


def text(node: Node) -> str:
    return NumpyEmitter({a: a for a in "XYZvusWwVUGHABQSRPTDCE"}, Source("float")).text(node).code


W, w, V, A, B = load("W", m, k), load("w", k), load("V", n, k), load("A", n, m, k), load("B", n, m, j)
U, Q, G, H, S = load("U", k, j), load("Q", n, i), load("G", n, i, k, m), load("H", n, i, m, j), load("S", j, n)
R, P, T = load("R", m, k, j), load("P", n, j), load("T", m, j)

# Factors, the indices that are summed, the order of the axes of the result, and the code.
CONTRACTED: list[tuple[tuple[Node, ...], str, str, str]] = [
    ((X, Z), "m", "nk", "X @ Z"),
    ((Z, X), "m", "nk", "X @ Z"),
    ((X, Z), "m", "kn", "Z.T @ X.T"),
    ((X, v), "m", "n", "X @ v"),
    ((X, u), "n", "m", "X.T @ u"),
    ((v, load("V", m)), "m", "", "v @ V"),
    ((v, load("V", m), load("U", m)), "m", "", "np.add.reduce(v * V * U)"),
    ((X,), "m", "n", "np.add.reduce(X, axis=1)"),
    ((X,), "nm", "", "np.add.reduce(X, axis=None)"),
    ((X, Y), "m", "n", "np.add.reduce(X * Y, axis=1)"),
    ((X, Y), "nm", "", "np.add.reduce(X * Y, axis=None)"),
    ((X, v, load("V", m)), "m", "n", "X @ (v * V)"),
    ((X, v, u), "nm", "", "u @ (X @ v)"),
    ((X, Z, w), "mk", "n", "X @ (Z @ w)"),
    ((X, Z, U), "mk", "nj", "X @ (Z @ U)"),
    ((A, v), "m", "nk", "np.tensordot(A, v, (1, 0))"),
    ((A, w), "k", "nm", "A @ w"),
    ((A, U), "k", "nmj", "A @ U"),
    ((A, Z), "mk", "n", "np.tensordot(A, Z, ((1, 2), (0, 1)))"),
    ((A, B), "m", "nkj", "np.transpose(A, (0, 2, 1)) @ B"),
    ((A, B), "m", "njk", "np.transpose(B, (0, 2, 1)) @ A"),
    ((A, X), "m", "nk", "np.add.reduce(A * X[:, :, None], axis=1)"),
    ((X, Q), "n", "mi", "X.T @ Q"),
    ((V, W, v), "km", "n", "V @ (W.T @ v)"),  # the sum that leaves the least
    ((X, Z, U, load("D", j, i)), "mkj", "ni", "X @ (Z @ (U @ D))"),
    ((V, W, P, T), "nmkj", "", "np.add.reduce(P @ T.T * (V @ W.T), axis=None)"),
    ((S, T, U), "j", "mnk", 'np.einsum("jn,mj,kj->mnk", S, T, U, optimize=True)'),
    ((Z, R, S), "mkj", "n", "S.T @ np.tensordot(Z, R, ((0, 1), (0, 1)))"),
    ((G, H), "m", "inkj", "np.transpose(G, (1, 0, 2, 3)) @ np.transpose(H, (1, 0, 2, 3))"),
    ((H, G), "m", "nijk", "np.transpose(H, (0, 1, 3, 2)) @ np.transpose(G, (0, 1, 3, 2))"),
    ((signed(B, True), A), "m", "njk", "-np.transpose(B, (0, 2, 1)) @ A"),
    ((load("C", j, k), A), "k", "jnm", "A @ C.T"),  # a stack of matrices leads where it can
    ((U, load("E", n, k, m)), "k", "jnm", "np.tensordot(U, E, (0, 1))"),
    ((A, U), "k", "jnm", "A @ U"),
]


@pytest.mark.parametrize(("factors", "summed", "order", "code"), CONTRACTED, ids=lambda value: str(value)[:20])
def test_contractions(factors: tuple[Node, ...], summed: str, order: str, code: str) -> None:
    rng = np.random.default_rng(0)
    node = contract(factors, summed, order)
    size = {"n": 3, "m": 4, "k": 2, "j": 5, "i": 3}
    arrays: dict[str, Any] = {f.name: rng.uniform(1, 2, [size[str(a)] for a in f.letters]) for f in map(bare, factors)}
    spelled = ",".join("".join(map(str, f.letters)) for f in factors)
    result = "".join(map(str, node.letters))
    expected = np.einsum(f"{spelled}->{result}", *arrays.values())
    assert np.allclose(eval(text(node), {"np": np, **arrays}), -expected if parted(node)[0] else expected)
    assert sorted(result) == sorted(order)
    assert text(node) == code


def test_letters_of_the_order_that_no_factor_has_are_none_of_the_result() -> None:
    assert contract([S, T, U], "j", "imnk").letters == (m, n, k)


def test_divisors_go_with_the_factors_over_the_same_indices() -> None:
    (made,) = contracted([*groups(X), Product((n, m), (), (Y,)), Product((n,), (), (u,))], {m}, [n])
    assert made.letters == (n,) and made.below == (u,)
    assert made.above == (reduced(product([X], [Y]), [m]),)


@pytest.mark.parametrize(
    ("left", "right", "over", "expected"),
    [
        ((n, m), (m, k), (m,), True),
        ((m,), (m,), (m,), True),
        ((n, m), (m,), (m,), True),
        ((n, m), (n, m), (n, m), False),
        ((n, m), (n, m), (m,), False),
        ((n, m, k), (m,), (m,), False),
        ((m,), (n, m, k), (m,), False),
        ((n, m), (k,), (m,), False),
    ],
)
def test_which_two_are_a_product_of_matrices(
    left: tuple[Idx, ...], right: tuple[Idx, ...], over: tuple[Idx, ...], expected: bool
) -> None:
    assert is_matrix_product(left, right, over) is expected
    assert not expected or is_pair(left, right, over)
