"""The derivative of one expression by one entry: sums, products and the chain rule by hand, functions by SymPy."""

from __future__ import annotations

import classifier as cl
import pytest
from sympy import (
    Abs,
    Expr,
    Function,
    Indexed,
    Integer,
    KroneckerDelta,
    Max,
    Sum,
    Symbol,
    exp,
    gamma,
    log,
    sin,
    sqrt,
    tanh,
)

from symgrad.canonical import canonical
from symgrad.engine.differentiate import check_known, differentiate, kinks
from symgrad.equations import abbreviation, node
from symgrad.errors import UnsupportedError
from symgrad.functions import absolute, maximum, relu, step, where
from symgrad.notation import Array
from symgrad.program import Program

N, D, C, X, W, Y, Z, n, k, j, d = cl.N, cl.D, cl.C, cl.X, cl.W, cl.Y, cl.Z, cl.n, cl.k, cl.j, cl.d
m, c, e = N.index("m"), C.index("c"), D.index("e")
u, v = Symbol("u", real=True), Symbol("v", positive=True)
z, here = Z[n, k], KroneckerDelta(n, m) * KroneckerDelta(k, c)
along = KroneckerDelta(n, m) * KroneckerDelta(j, c)

DERIVATIVES: dict[str, tuple[Expr, Indexed | Symbol, Expr]] = {
    "an entry": (z, Z[m, c], here),
    "another array": (Y[n, k], Z[m, c], Integer(0)),
    "a scalar": (u, u, Integer(1)),
    "a number": (Integer(3), u, Integer(0)),
    "a sum": (Sum(Z[n, j] ** 2, j), Z[m, c], Sum(2 * Z[n, j] * along, j)),
    "a sum over its own letter": (
        Sum(Z[n, c], c),
        Z[m, c],
        Sum(KroneckerDelta(n, m) * KroneckerDelta(j, c), j),
    ),
    "terms": (z + Y[n, k] + u, Z[m, c], here),
    "a product": (z * Z[n, j] * Y[n, k], Z[m, c], here * Z[n, j] * Y[n, k] + along * z * Y[n, k]),
    "a power": (z**3, Z[m, c], 3 * z**2 * here),
    "an inverse": (1 / z, Z[m, c], -here / z**2),
    "a root": (sqrt(z), Z[m, c], here / (2 * sqrt(z))),
    "an exponent": (v**u, u, v**u * log(v)),
    "a base and an exponent": ((1 + v) ** (v * u), v, (1 + v) ** (v * u) * (u * log(1 + v) + u * v / (1 + v))),
    "a function": (exp(2 * z), Z[m, c], 2 * exp(2 * z) * here),
    "a function of a function": (log(1 + tanh(u)), u, (1 - tanh(u) ** 2) / (1 + tanh(u))),
    "a function of two": (step(u, v) * v + relu(u), u, step(u, 0)),
    "a choice": (where(step(u, 0), u**2, 3 * u), u, where(step(u, 0), 2 * u, 3)),
    "a choice of entries": (
        where(step(Y[n, k], 0), z**2, Y[n, k] * z),
        Z[m, c],
        here * where(step(Y[n, k], 0), 2 * z, Y[n, k]),
    ),
    "a product of matrices": (
        Sum(X[n, d] * W[d, k], d),
        W[e, c],
        Sum(X[n, d] * KroneckerDelta(d, e), d) * KroneckerDelta(k, c),
    ),
}


@pytest.mark.parametrize("case", DERIVATIVES)
def test_derivatives(case: str) -> None:
    expr, wrt, expected = DERIVATIVES[case]
    difference = canonical(differentiate(expr, wrt)) - canonical(expected)
    assert canonical(difference.expand()) == 0 or difference.simplify() == 0


@pytest.mark.parametrize("expr", [Function("f")(u), Function("f")(u, v) * v, exp(Function("g")(u))])
def test_a_function_without_a_derivative_is_named(expr: Expr) -> None:
    with pytest.raises(UnsupportedError, match="no rule to differentiate"):
        differentiate(expr, u)


def test_what_has_a_rule_is_known_and_what_has_none_is_named() -> None:
    known = [z * u**2 + 1, Sum(exp(z) * KroneckerDelta(n, m), n, k), log(absolute(u)) ** v, where(step(u, 0), u, v)]
    for expr in known:
        check_known(expr, "L")
    for expr in (gamma(u), exp(gamma(u)) + 1, Sum(gamma(z), k), Max(u, v), Abs(u) ** gamma(v)):
        with pytest.raises(UnsupportedError, match="in the equation of L"):
            check_known(expr, "L")
    with pytest.raises(UnsupportedError, match=r"condition u \+ 1 in the equation of L must be 0 or 1 everywhere"):
        check_known(sin(where(u + 1, u, v)), "L")


def test_kinks_are_those_that_a_derivative_meets_before_it_comes_to_another_node() -> None:
    H, B = Array("H", (N, C)), Array("B", (N, C))
    of = Program(
        "kinks",
        (N, C),
        (Y, Z),
        (
            node(H[n, k], relu(Z[n, k])),
            abbreviation(B[n, k], absolute(H[n, k]) + step(Y[n, k], 0)),
            node(cl.L.base, Sum(B[n, k] * Y[n, k] + maximum(Y[n, k], 0), n, k)),
        ),
        "L",
    )
    loss, hidden = of.definitions["L"].rhs, of.definitions["H"].rhs
    assert kinks(of, hidden, "Z") == [relu]
    assert kinks(of, loss, "H") == [absolute]
    assert kinks(of, loss, "Z") == []  # H is held
    assert set(kinks(of, loss, "Y")) == {maximum, step}
    assert kinks(of, hidden, "Y") == []


def test_kinks_are_those_of_abbreviations_in_their_order_and_of_no_smooth_function() -> None:
    E, F, H, S = (Array(name, (N, C)) for name in "EFHS")
    of = Program(
        "kinks",
        (N, C),
        (Y, Z),
        (
            node(H[n, k], tanh(Z[n, k])),
            abbreviation(F[n, k], relu(Y[n, k])),
            abbreviation(E[n, k], absolute(F[n, k]) * tanh(Y[n, k])),
            node(S[n, k], Sum(step(H[n, j], 0) * KroneckerDelta(j, k) * Y[n, j], j)),
            node(cl.L.base, Sum(E[n, k] + F[n, k] + S[n, k] * exp(H[n, k]), n, k)),
        ),
        "L",
    )
    assert kinks(of, of.definitions["L"].rhs, "Y") == [relu, absolute]
    assert kinks(of, of.definitions["S"].rhs, "H") == [step]
    assert kinks(of, of.definitions["S"].rhs, "Z") == [step]  # although H is held
