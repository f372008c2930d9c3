"""A program entry by entry: what an index expression is at a place, and SymPy's scalar derivatives of it."""

from __future__ import annotations

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import Expr, Function, Integer, KroneckerDelta, Rational, Sum, Symbol, exp, log, sin

from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.numeric.instantiation import Instance, slopes
from symgrad.equations import node, rows_sum_to_one, symmetric
from symgrad.functions import maximum, selected, selection, step, where
from symgrad.notation import Array
from symgrad.program import Program

N, D, C, X, W, Y, Z, S, P, n, d, k, j = cl.N, cl.D, cl.C, cl.X, cl.W, cl.Y, cl.Z, cl.S, cl.P, cl.n, cl.d, cl.k, cl.j
PROGRAM = softmax_cross_entropy()
SIZES = {"N": 2, "D": 3, "C": 3}
x, y, s = Symbol("x", real=True), Symbol("y", real=True), Symbol("s", positive=True)


def instance() -> Instance:
    return Instance(PROGRAM, SIZES)


def test_entries_become_symbols_of_their_places() -> None:
    at = instance()
    z = [at.symbol("Z", (1, place)) for place in range(3)]
    values = {n: 1, k: 2, j: 0}
    cases: list[tuple[Expr, Expr]] = [
        (Z[n, k] * Z[n, j], z[2] * z[0]),
        (C.size * Z[n, k] - N.size, 3 * z[2] - 2),
        (KroneckerDelta(k, j), Integer(0)),
        (Sum(KroneckerDelta(k, j) * Z[n, j], j), z[2]),
        (Sum(Z[n, j] ** 2, j), z[0] ** 2 + z[1] ** 2 + z[2] ** 2),
        (Sum(Z[n, j] * Sum(Z[n, k], k), j), (z[0] + z[1] + z[2]) ** 2),
        (Rational(1, 2) + exp(Z[n, k]), Rational(1, 2) + exp(z[2])),
        (selection(Z[n, k], k), selected(Integer(2), *z)),
    ]
    for expr, expected in cases:
        assert (at.entry(expr, values) - expected).expand() == 0
    assert at.scalars[z[2]] == ("Z", (1, 2))


def test_what_an_entry_is_known_to_be_its_symbol_is_known_to_be() -> None:
    tau = Array("tau", (C,), positive=True)
    at = Instance(Program("t", (C,), (tau,), (node(cl.L.base, Sum(tau[k], k)),), "L"), {"C": 2})
    assert at.symbol("tau", (1,)).is_positive and at.symbol("L", ()).is_real and not at.symbol("L", ()).is_positive


def test_abbreviations_are_written_out_and_nodes_are_not() -> None:
    at = instance()
    z = [at.symbol("Z", (0, place)) for place in range(3)]
    total = exp(z[0]) + exp(z[1]) + exp(z[2])
    assert at.entry(P[n, k], {n: 0, k: 1}) == exp(z[1]) / total
    inputs = Instance(PROGRAM, SIZES, PROGRAM.definitions.keys())
    assert inputs.entry(Z[n, k], {n: 0, k: 1}).free_symbols == {
        *(inputs.symbol("X", (0, place)) for place in range(3)),
        *(inputs.symbol("W", (place, 1)) for place in range(3)),
        inputs.symbol("b", (1,)),
    }
    nothing = Instance(PROGRAM, SIZES, ())
    assert nothing.entry(P[n, k], {n: 0, k: 1}) == nothing.symbol("P", (0, 1))


def test_the_derivative_of_a_node_is_that_of_its_definition() -> None:
    at = instance()
    w = at.symbol("W", (2, 1))
    assert at.derivative(Z[n, k], {n: 1, k: 1}, w) == at.symbol("X", (1, 2))
    assert at.derivative(Z[n, k], {n: 1, k: 0}, w) == 0
    assert at.derivative(Z[n, k] ** 2, {n: 1, k: 1}, w) == 0  # an expression: the node in it is held fixed
    assert at.derivative(Z[n, k] ** 2, {n: 1, k: 1}, at.symbol("Z", (1, 1))) == 2 * at.symbol("Z", (1, 1))
    found = dict(at.node_derivatives(PROGRAM.definitions["Z"], w))
    assert found == {(place, 1): at.symbol("X", (place, 2)) for place in range(2)}
    assert dict(at.node_derivatives(PROGRAM.definitions["Z"], at.symbol("Y", (0, 0)))) == {}


def test_what_an_assumption_fixes_is_the_last_entry_of_a_row_or_what_is_below_the_diagonal() -> None:
    at = instance()
    row = [at.symbol("Y", (1, place)) for place in range(3)]
    (sums,) = (rows_sum_to_one(Y),)
    assert [at.fixed_by(sums, entry) for entry in row[:2]] == [None, None]
    fixed = at.fixed_by(sums, row[2])
    assert fixed is not None and (fixed - (1 - row[0] - row[1])).expand() == 0
    A = Array("A", (C, C))
    square = Instance(Program("q", (C,), (A,), (node(cl.L.base, Sum(A[k, j], k, j)),), "L"), {"C": 3})
    a = [[square.symbol("A", (row, column)) for column in range(3)] for row in range(3)]
    turned = symmetric(A, "A1")
    assert square.fixed_by(turned, a[2][0]) == a[0][2]
    assert square.fixed_by(turned, a[0][2]) is None and square.fixed_by(turned, a[1][1]) is None


@pytest.mark.parametrize(
    "expr",
    [
        x * y,
        x**2 * exp(y) + y,
        3 * y * sin(x * y),
        log(s * x**2 + y) / s,
        (x + y) ** 3 * s,
        y,
        s**x,
        maximum(x, y**2),
        Integer(2),
    ],
)
def test_derivatives_are_those_of_sympy(expr: Expr) -> None:
    for symbol in (x, y, s):
        assert (slopes(expr).get(symbol, Integer(0)) - expr.diff(symbol)).simplify() == 0


def test_the_derivative_of_a_choice_is_the_choice_of_the_derivatives() -> None:
    above = step(x, Integer(0))
    assert slopes(where(above, x**2 * y, y + s**2)) == {
        x: where(above, 2 * x * y, Integer(0)),
        y: where(above, x**2, Integer(1)),
        s: where(above, Integer(0), 2 * s),
    }


def test_what_is_positive_stays_so_in_a_derivative() -> None:
    assert slopes(log(s**2 * x))[s] == 2 / s


def test_an_undone_derivative_is_refused() -> None:
    with pytest.raises(NoNormalForm, match="undone"):
        slopes(x * Function("f")(x))
