"""What is known of the zeros of an expression, and of where it is analytic."""

from __future__ import annotations

import classifier as cl
import pytest
from sympy import Expr, Rational, Sum, Symbol, cos, exp, gamma, log, oo, sqrt, tan, tanh

from symgrad.check.analyticity import is_analytic, is_positive, order_of_zeros
from symgrad.functions import absolute, reciprocal, relu, root
from symgrad.notation import Array, Axis

N = Axis("N")
n, m = N.index("n"), N.index("m")
U, V, P, Q = Array("u", (N,)), Array("v", (N,)), Array("p", (N,), positive=True), Array("q", (N,), positive=True)
X, Y = Array("x"), Array("y")
x, y, u, v, p, q = X[()], Y[()], U[n], V[n], P[n], Q[n]
total, product = Sum(U[m], m), Sum(U[m] * V[m], m)

ORDERS: dict[str, tuple[Expr, Expr | int]] = {
    "a power of a polynomial": ((x**2 + x) ** 3, 6),
    "a power within a polynomial": ((x**2 + x) ** 3 + x, 6),
    "a product within a polynomial": (x**2 * y**2 + x * y, 4),
    "one function that is never negative": (relu(x), oo),
    "an entry": (u, 1),
    "a power": (u**3, 3),
    "a sum of squares": (x**2 + y**2, 2),
    "a norm": (Sum(u**2, n), 2),
    "the least of the powers that vanish together": (x**4 + y**2, 2),
    "fourth powers": (x**4 + y**4, 4),
    "a square and a number": (x**2 + Rational(1, 10), 2),
    "a deviation from the mean": (u - total / N.size, 1),
    "a variance": (Sum(U[m] ** 2, m) / N.size - total**2 / N.size**2, 2),
    "a product of two arrays": (product, 1),
    "the square of a residual": (Sum((product - u) ** 2, n), 2),
    "the factor of the highest power": (x * y**3, 3),
    "an absolute value": (absolute(u), 1),
    "roots": (Sum((sqrt(p) - sqrt(q)) ** 2, n), 2),
    "one less a sum of roots": (1 - Sum(sqrt(p * q), n), 1),
    "a monotone function": (tanh(u + y) ** 2, 2),
    "a logarithm": (log(p), 1),
    "a quotient": (u / (1 + v**2), 1),
    "an exponential alone": (exp(u), 0),
    "an exponential less its tangent": (exp(x) - x - 1, oo),
    "a function of a square": (exp(x**2) - 1, oo),
    "a function that turns": (1 - cos(x), oo),
}


@pytest.mark.parametrize("case", ORDERS)
def test_the_order_of_zeros(case: str) -> None:
    expr, order = ORDERS[case]
    assert order_of_zeros(expr) == order


PROGRAM = cl.softmax_cross_entropy()
Z, S = cl.Z[cl.n, cl.k], cl.S[cl.n]
e, probability, label = exp(Z), cl.P[cl.n, cl.k], cl.Y[cl.n, cl.k]
POSITIVE = [
    e,
    S,
    probability,
    cl.C.size,
    2 * S + e,
    S * e,
    S**3,
    sqrt(1 + label),
    Sum(e, cl.k),
    Sum(probability, cl.k) ** -2,
]
ANY_SIGN = [label, Z, -S, S - 1, S * label, S + label, label**3, log(S), Sum(label, cl.k), Symbol("t", real=True)]


@pytest.mark.parametrize("expr", POSITIVE)
def test_what_is_known_to_be_positive(expr: Expr) -> None:
    assert is_positive(expr, PROGRAM)


@pytest.mark.parametrize("expr", ANY_SIGN)
def test_what_is_not_known_to_be_positive(expr: Expr) -> None:
    assert not is_positive(expr, PROGRAM)


@pytest.mark.parametrize("expr", [label**2, 1 / S, log(S) + tanh(Z), sqrt(S), S ** Rational(-1, 3), gamma(e), cos(Z)])
def test_what_is_analytic(expr: Expr) -> None:
    assert is_analytic(expr, PROGRAM)


@pytest.mark.parametrize(
    "expr",
    [1 / label, log(label), sqrt(label), root(label), reciprocal(label), gamma(label), tan(Z), absolute(Z), label**S],
)
def test_what_may_have_more_than_one_piece(expr: Expr) -> None:
    assert not is_analytic(expr, PROGRAM)
