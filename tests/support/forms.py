"""Programs for generated code: the losses, the programs of users, and forms that neither of them contain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import classifier as cl
import numpy as np
from catalogue import derived_from
from classifier import LOSSES
from literal import random_inputs
from programs import ZOO, deep_tanh, logistic
from sympy import Sum, exp, log, tanh

from symgrad.equations import Definition, abbreviation, node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Record

SIZES = {"N": 3, "D": 4, "C": 2, "H": 5, "T": 3, "B": 2, "G": 2, "E": 4, "M": 3, "I": 2, "J": 4, "K": 3, "R": 2}
N, D, C, X, W, Z, S, P, L = cl.N, cl.D, cl.C, cl.X, cl.W, cl.Z, cl.S, cl.P, cl.L
n, d, k, j = cl.n, cl.d, cl.k, cl.j
m, i, a = N.index("m"), C.index("i"), D.index("a")
stack, turned, square = Array("A", (N, D, C)), Array("R", (C, N, D)), Array("Q", (N, N, C))
aside = Array("V", (C, N))
q, U, num, lam = Array("q", (C,)), Array("U", (N,)), Array("num", (N,)), Array("lambda")


def program(name: str, inputs: tuple[Array, ...], *equations: Definition) -> Program:
    return Program(name, (N, D, C), inputs, equations, "L")


def total(name: str, inputs: tuple[Array, ...], loss: Any, *before: Definition) -> Program:
    return program(name, inputs, *before, node(L.base, loss))


normaliser = abbreviation(S[n], Sum(exp(Z[n, j]), j))
softmax = abbreviation(P[n, k], exp(Z[n, k]) / S[n])

# Forms that neither the losses nor the programs of users contain, in the order of what makes them hard.
FORMS = {
    "log-sum-exp without a name": total("f", (Z,), Sum(log(Sum(exp(Z[n, j]), j)), n)),
    "log-sum-exp of a matrix": total("f", (Z,), log(Sum(exp(Z[n, j]), n, j))),
    "exponentials of degree 2": total("f", (Z,), Sum(S[n] ** 2, n), normaliser),
    "softmax without names": total("f", (Z, q), Sum(q[k] * exp(Z[n, k]) / Sum(exp(Z[n, j]), j), n, k)),
    "power of a softmax": total("f", (Z,), Sum(P[n, k] ** 3, n, k), normaliser, softmax),
    "weighted mean": total(
        "f",
        (Z, q),
        Sum((num[n] / S[n]) ** 2, n),
        normaliser,
        node(num[n], Sum(q[k] * exp(Z[n, k]), k)),
    ),
    "softplus": total("f", (Z,), Sum(log(1 + exp(Z[n, k])), n, k)),
    "the other sigmoid": total("f", (Z,), Sum(P[n, k] ** 2, n, k), node(P[n, k], exp(Z[n, k]) / (1 + exp(Z[n, k])))),
    "outer product": total("f", (U, q), Sum(tanh(Z[n, k]) ** 2, n, k), node(Z[n, k], U[n] * q[k])),
    "broadcast": total("f", (U, q), Sum(Z[n, k] ** 2 * U[n], n, k), node(Z[n, k], q[k])),
    "constant gradient": total("f", (Z,), Sum(Z[n, k], n, k) / N.size),
    "gradient that is an input": total("f", (U, num), Sum(U[n] * num[n], n)),
    "triple product": total("f", (Z, U, q), Sum(Z[n, k] * Z[m, k] * U[n] * U[m] * q[k], n, m, k)),
    "what only einsum does": total("f", (Z,), Sum(Z[n, k] * Z[m, k] * Z[n, i] * Z[m, i], n, m, k, i)),
    "all pairs": total("f", (U,), Sum((U[n] - U[m]) ** 2, n, m)),
    "all distances": total("f", (Z,), Sum(exp(-Sum((Z[n, k] - Z[m, k]) ** 2, k)), n, m)),
    "both softmaxes": total(
        "f", (Z,), Sum(log(S[n]), n) + Sum(log(q[k]), k), normaliser, abbreviation(q[k], Sum(exp(Z[n, k]), n))
    ),
    "gradient that is a view of an input": total("f", (stack, turned), Sum(stack[n, d, k] * turned[k, n, d], n, d, k)),
    "diagonal of a stack": total("f", (square, q), Sum(square[n, n, k] ** 2 * q[k], n, k)),
    "gradient that is a diagonal": total("f", (square, Z), Sum(square[n, n, k] * Z[n, k], n, k)),
    "gradient that is a turned diagonal": total("f", (square, aside), Sum(square[n, n, k] * aside[k, n], n, k)),
    "stacks of vectors": total("f", (stack, turned), Sum(Sum(stack[n, d, k] * turned[k, n, d], d) ** 2, n, k)),
    "stack and matrices": total("f", (stack, X, W), Sum(tanh(Sum(stack[n, d, k] * W[d, k], d)) * X[n, a], n, k, a)),
    "stack and a vector": total("f", (stack, q), Sum(exp(Sum(stack[n, d, k] * q[k], k)), n, d)),
    "two sums over stacks": total("f", (stack, turned), Sum(Sum(stack[n, d, k] * turned[i, n, d], n, d) ** 2, k, i)),
    "stacks over three axes": total(
        "f", (stack, turned, W), Sum(Sum(stack[n, d, k] * turned[i, n, a], n) ** 2 * W[d, i], d, k, i, a)
    ),
    "pairs in a stack": total("f", (stack,), Sum((stack[n, d, k] - stack[m, d, k]) ** 2, n, m, d, k)),
    "gram": total("f", (X, W), Sum(X[n, d] * W[d, k] * X[m, d] * W[d, i], n, m, d, k, i)),
}
EVERY: dict[str, tuple[Callable[[], Program], tuple[str, ...]]] = {
    **{name: (build, ("W", "b", "X", "Z")) for name, build in LOSSES.items()},
    **ZOO,
    "logistic_with_sigmoid_as_node": (lambda: logistic(True), ("w", "b")),
    "deep_tanh": (lambda: deep_tanh(8), tuple(f"W{place}" for place in range(1, 9))),
    **{name: (lambda form=form: form, tuple(array.name for array in form.inputs)) for name, form in FORMS.items()},
}

SAMPLE = (
    *("softmax_cross_entropy", "two_layer_tanh", "stack and matrices", "hinge", "labelled_logits", "temperature"),
    *("softmax without names", "the other sigmoid", "constant gradient", "gradient that is an input", "all distances"),
    *("gradient that is a diagonal", "stack and a vector", "gram"),
)
"""What the default run takes of ``EVERY``: each kind of product, layout, mask and exponential, and the same derivations
in every test file."""


def record(name: str) -> Record:
    return derived_from(*EVERY[name]).record


def given(of: Record, sizes: dict[str, int] = SIZES, seed: int = 0) -> list[np.ndarray]:
    return list(random_inputs(of.program, sizes, seed).values())
