"""The normal form knows what it should, and nothing that is false."""

from __future__ import annotations

import random

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import Expr, KroneckerDelta, Sum, cosh, exp, log, sinh, sqrt, sympify, tanh

from symgrad.check.normal import Normaliser
from symgrad.notation import Array, canonical, freshen

N, C, X, W, Y, Z, S, P, n, k, j, d = cl.N, cl.C, cl.X, cl.W, cl.Y, cl.Z, cl.S, cl.P, cl.n, cl.k, cl.j, cl.d
m, c = N.index("m"), C.index("c")
tau = Array("tau", (), positive=True).base
eps = Array("eps", (), positive=True).base
e = exp(Z[n, k])

PROGRAM = softmax_cross_entropy()
NAMES = frozenset({"S", "P"})

EQUAL = {
    "alpha": (Sum(X[n, d] * W[d, k], d), Sum(X[n, cl.D.index("a")] * W[cl.D.index("a"), k], cl.D.index("a"))),
    "delta picks": (Sum(KroneckerDelta(k, c) * Y[n, k], k), Y[n, c]),
    "delta renames": (KroneckerDelta(n, m) * Y[n, k], KroneckerDelta(n, m) * Y[m, k]),
    "rows of P sum to one": (Sum(P[n, k], k), 1),
    "cancels inside": (Sum(S[n] * Y[n, k] / S[n], n, k), Sum(Y[n, k], n, k)),
    "cancels a sum inside": (Sum(Sum(exp(Z[n, j]), j) * Y[n, k] / S[n], n), Sum(Y[n, k], n)),
    "an unused index": (Sum(Y[n, c], n, k), C.size * Sum(Y[n, c], n)),
    "a product of sums": (Sum(Y[n, k], k) ** 2, Sum(Y[n, k] * Y[n, j], k, j)),
    "order of sums": (Sum(Sum(Y[n, k] * Z[n, j], j), k), Sum(Sum(Y[n, k] * Z[n, j], k), j)),
    "log of P": (log(P[n, k]), Z[n, k] - log(S[n])),
    "exp of a sum": (exp(Z[n, k] - Z[m, k]), e / exp(Z[m, k])),
    "temperature": (exp(Z[n, k] / tau) ** 2 * exp(-Z[n, k] / tau), exp(Z[n, k] / tau)),
    "sigmoid": (1 / (1 + 1 / e), 1 - 1 / (1 + e)),
    "log of a sigmoid": (log(1 / (1 + exp(-Z[n, k]))), Z[n, k] - log(1 + e)),
    "log of one minus it": (log(1 - 1 / (1 + exp(-Z[n, k]))), -log(1 + e)),
    "tanh": (tanh(Z[n, k]), sinh(Z[n, k]) / cosh(Z[n, k])),
    "derivative of tanh": (1 - tanh(Z[n, k]) ** 2, 1 / cosh(Z[n, k]) ** 2),
    "a root": (Y[n, k] / sqrt(Y[n, k] + eps), sqrt(Y[n, k] + eps) - eps / sqrt(Y[n, k] + eps)),
    "roots of sizes": (1 / sqrt(4 * C.size) * sqrt(C.size), sqrt(1) / 2),
    "a root of a power": (sqrt(S[n] ** 2), S[n]),
}
UNEQUAL = {
    "a free index": (Y[n, k], Y[m, k]),
    "a coincidence at one shape": ((N.size - 1) * Y[n, k], (C.size - 2) * Y[n, k]),
    "C/3": (C.size / 3 * Y[n, k], Y[n, k]),
    "the transpose": (Sum(Z[n, k] * Y[m, k], k), Sum(Z[m, k] * Y[n, k], k)),
    "one-hot": (Y[n, k] ** 2, Y[n, k]),
    "rows of Y": (Sum(Y[n, k], k), 1),
    "the root of a square": (sqrt(Y[n, k] ** 2), Y[n, k]),
    "the log of a square": (log(Y[n, k] ** 2), 2 * log(Y[n, k])),
    "the root of a product": (sqrt(Y[n, k] * Z[n, k]), sqrt(Y[n, k]) * sqrt(Z[n, k])),
    "square of a sum": (Sum(Y[n, k], k) ** 2, Sum(Y[n, k] ** 2, k)),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal(case: str) -> None:
    left, right = EQUAL[case]
    assert Normaliser(PROGRAM, NAMES).equal(sympify(left), sympify(right))


@pytest.mark.parametrize("case", UNEQUAL)
def test_not_equal(case: str) -> None:
    left, right = UNEQUAL[case]
    assert not Normaliser(PROGRAM, NAMES).equal(sympify(left), sympify(right))


@pytest.mark.parametrize("assumed", [False, True])
def test_an_assumption_holds_only_where_it_is_made(assumed: bool) -> None:
    normaliser = Normaliser(PROGRAM, NAMES, assumed=PROGRAM.assumptions if assumed else ())
    assert normaliser.equal(Sum(Y[m, k], k), sympify(1)) is assumed
    assert normaliser.equal(Sum(Y[n, k] * P[n, c], n, k), Sum(P[n, c], n)) is assumed
    assert not normaliser.equal(Y[n, k] ** 2, Y[n, k])


@pytest.mark.parametrize("seed", range(20))
def test_names_of_indices_and_the_order_of_terms_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    letters = [[C.index(x) for x in rng.sample("kjlpq", 3)] for _ in range(2)]

    def build(a: list[Expr]) -> Expr:
        terms = [P[n, a[0]] * Y[n, a[1]], Y[n, a[1]] * Z[n, a[2]] * P[n, a[2]], exp(Z[n, a[0]] - Z[n, a[1]])]
        return sum((Sum(t, *rng.sample(a, 3)) for t in rng.sample(terms, 3)), Y[n, c])

    left, right = build(letters[0]), build(letters[1])
    normaliser = Normaliser(PROGRAM, NAMES)
    assert normaliser.equal(left, right)
    assert normaliser.equal(freshen(left), canonical(right))
