"""The records whose lines are corrupted: the catalogue, and programs with features that it lacks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sympy import Sum, exp, log, sqrt

import symgrad
from symgrad import Array, Axis, Program, abbreviation, node, one_hot, symmetric
from symgrad.array import softmax
from symgrad.engine.derive import derive_record
from symgrad.functions import absolute, maximum, selection
from symgrad.losses import LAYERS, LOSSES
from symgrad.steps import Record

N, D, C = Axis("N"), Axis("D"), Axis("C")
n, m, d, k, j = N.index("n"), N.index("m"), D.index("d"), C.index("k"), C.index("j")
L = Array("L")


def scalars() -> Program:
    """Scalars with different sign assumptions, and one vector."""
    x, y, t, v = Array("x"), Array("y"), Array("t", positive=True), Array("v", (N,))
    loss = x[()] ** 2 / (1 + y[()] ** 2) + log(t[()]) * x[()] + sqrt(t[()]) * Sum(v[n] ** 3, n) * y[()]
    return Program("scalars", (N,), (x, y, t, v), (node(L[()], loss),), "L")


def three_way() -> Program:
    """A form in three axes, contracted twice."""
    T, u, v, s = Array("T", (N, D, C)), Array("u", (D,)), Array("v", (C,)), Array("s", (N,))
    inner = Sum(T[n, d, k] * u[d] * v[k], d, k)
    return Program("three_way", (N, D, C), (T, u, v), (node(s[n], inner), node(L[()], Sum(s[n] ** 3, n))), "L")


def twice_the_same_axis() -> Program:
    """A square matrix, with its diagonal, transpose and square."""
    A, B = Array("A", (N, N)), Array("B", (N, N))
    square = Sum(A[n, N.index("q")] * A[N.index("q"), m], N.index("q"))
    loss = Sum(B[n, m] * A[m, n], n, m) + Sum(A[n, n] ** 2, n) * Sum(B[n, n], n)
    return Program("square", (N,), (A,), (node(B[n, m], square), node(L[()], loss)), "L")


def symmetric_form() -> Program:
    """A quadratic form of a symmetric matrix, divided by a norm."""
    A, x = Array("A", (N, N)), Array("x", (N,))
    norm = Array("q")
    equations = (
        abbreviation(norm[()], 1 + Sum(x[n] ** 2, n)),
        node(L[()], Sum(A[n, m] * x[n] * x[m], n, m) / norm[()]),
    )
    return Program("symmetric_form", (N,), (A, x), equations, "L", (symmetric(A, "A1"),))


def one_hot_labels() -> Program:
    """The square of one minus the probability of the labelled class, with one-hot labels."""
    Z, Y, S, P = Array("Z", (N, C)), Array("Y", (N, C)), Array("S", (N,)), Array("P", (N, C))
    equations = (
        abbreviation(S[n], Sum(exp(Z[n, j]), j)),
        abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
        node(L[()], Sum((1 - Sum(Y[n, k] * P[n, k], k)) ** 2, n)),
    )
    return Program("one_hot_labels", (N, C), (Z, Y), equations, "L", one_hot(Y))


def margins() -> Program:
    """The largest entry of each row, and kinks."""
    Z, b, r = Array("Z", (N, C)), Array("b", (C,)), Array("r", (N,))
    largest = Sum(selection(Z[n, k], k) * Z[n, k], k)
    loss = Sum(maximum(r[n], 1) ** 2, n) + Sum(absolute(b[k]) * Z[n, k], n, k)
    return Program("margins", (N, C), (Z, b), (node(r[n], largest), node(L[()], loss)), "L")


def norms() -> Program:
    """One minus the cosine of rows, whose norms are nodes."""
    u, v = Array("u", (N, D)), Array("v", (N, D))
    q, r, c = Array("q", (N,)), Array("r", (N,)), Array("c", (N,))
    equations = (
        node(q[n], sqrt(Sum(u[n, d] ** 2, d))),
        node(r[n], sqrt(Sum(v[n, d] ** 2, d))),
        node(c[n], Sum(u[n, d] * v[n, d], d) / (q[n] * r[n])),
        node(L[()], Sum(1 - c[n], n) / N.size),
    )
    return Program("norms", (N, D), (u, v), equations, "L")


@symgrad.loss(shapes="A: D D positive-definite, B: D D, x: D", wrt="A B x")
def matrices(A: np.ndarray, B: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The inverse and determinant of a positive definite matrix, and a linear system."""
    return x @ np.linalg.inv(A) @ x + np.linalg.slogdet(A)[1] + np.sum(np.linalg.solve(B, x) ** 2) + np.linalg.det(B)


@symgrad.loss(shapes="Q: T D, K: T D, V: T D, G: T D", wrt="Q K V")
def causal(Q: np.ndarray, K: np.ndarray, V: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Attention to the places before."""
    before = np.arange(len(Q))[:, None] >= np.arange(len(K))
    A = softmax(np.where(before, Q @ K.T, -np.inf), axis=1)
    return np.sum(G * (A @ V))


@symgrad.loss(shapes="X: T D, G: T T", wrt="X")
def places(X: np.ndarray, G: np.ndarray) -> np.ndarray:
    """A band, triangles, and sums up to each place."""
    t = np.arange(len(X))
    near = np.where(np.abs(t[:, None] - t) <= 1, X @ X.T * G, 0)
    return np.sum(near**2) + np.sum(np.tril(G) * np.exp(np.triu(X @ X.T))) + np.sum(np.cumsum(X, axis=0) ** 3)


PROGRAMS = {
    "scalars": (scalars, ("x", "y", "t", "v")),
    "three_way": (three_way, ("T", "u", "v")),
    "twice_the_same_axis": (twice_the_same_axis, ("A",)),
    "symmetric_form": (symmetric_form, ("A", "x")),
    "one_hot_labels": (one_hot_labels, ("Z",)),
    "margins": (margins, ("Z", "b")),
    "norms": (norms, ("u", "v")),
    "matrices": (matrices.program, ("A", "B", "x")),
    "causal": (causal.program, ("Q", "K", "V")),
    "places": (places.program, ("X",)),
}
"""Each with the arrays to differentiate with respect to."""


def records() -> Iterator[tuple[str, Record]]:
    """The records by name: for each loss, the derivation and its evaluation; the derivations of layers and programs."""
    for name in LOSSES:
        derivation = symgrad.derive(name)
        yield name, derivation.record
        yield f"{name}, as evaluated", derivation.evaluation.record
    for layer in LAYERS:
        yield layer, symgrad.derive(layer).record
    for name, (build, wrt) in PROGRAMS.items():
        yield name, derive_record(build(), wrt)
