"""Generated functions as they are written, and what their stability rests on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from catalogue import derived_from
from sympy import Sum, exp, log
from test_codegen import EVERY, N, W, X, Z, d, j, k, n, total
from test_unseen import LOSSES

import symgrad
from symgrad.codegen import to_numpy, to_source
from symgrad.codegen.source import function_source
from symgrad.equations import node
from symgrad.notation import Array
from symgrad.steps import Record

V, scores = Array("V", Z.axes), Array("O", (Z.axes[0],))
lam = Array("lambda")
# Forms whose code rests on one choice each: see the module of the choice.
CHOICES = {
    "opposite exponentials": total("f", (Z,), Sum(log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(-Z[n, k]), k)), n)),
    "product of softmaxes": total(
        "f", (Z, V), Sum(exp(Z[n, k] + V[n, k]) / Sum(exp(Z[n, j]), j) / Sum(exp(V[n, j]), j), n, k)
    ),
    "penalty in brackets": total(
        "f",
        (X, W, lam),
        (Sum(scores[n] ** 2, n) + lam.base * Sum(W[d, k] ** 2, d, k)) / (2 * N.size),
        node(scores[n], Sum(X[n, d] * W[d, k], d, k)),
    ),
}
WRITTEN = [
    *("class_weights_normalised", "temperature", "attention", "layer_norm", "logistic_with_sigmoid_as_node", "heads"),
    *("tensor_form", "crammer_singer", "missing_probability", "labelled_logits", "quadratic_form", "deep_tanh"),
    *("log-sum-exp of a matrix", "exponentials of degree 2", "softmax without names", "power of a softmax"),
    *("weighted mean", "softplus", "the other sigmoid", "what only einsum does", "all distances", "both softmaxes"),
    *("gradient that is a turned diagonal", "stack and matrices", "stack and a vector", "two sums over stacks"),
    *("stacks over three axes", "gram", "in_and_beside_a_logarithm", "l2_penalty"),
]
UNSEEN = ["poly1", "supcon", "cox", "barlow", "vae", "tversky"]


def record(name: str) -> Record:
    if name in UNSEEN:
        return symgrad.derive(LOSSES[name]).record
    if name in CHOICES:
        return symgrad.derive(CHOICES[name], [a.name for a in CHOICES[name].inputs]).record
    return derived_from(*EVERY[name]).record


@pytest.mark.parametrize("name", [*WRITTEN, *UNSEEN, *CHOICES])
def test_functions_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"function_{name.replace(' ', '_')}.py", function_source(to_source(record(name), "f"), "f") + "\n")


@pytest.mark.parametrize("name", ["opposite exponentials", "product of softmaxes"])
def test_large_inputs_of_several_softmaxes_overflow_nowhere(name: str) -> None:
    """Each sum has a shift of its own; the terms of a gradient in brackets have the factors of both beside them."""
    f, given = to_numpy(record(name)), [np.random.default_rng(0).standard_normal((4, 3)) for _ in CHOICES[name].inputs]
    _, moved = f(*(x + 1e4 for x in given))
    for gradient, other in zip(f(*given)[1], moved, strict=True):
        assert np.allclose(gradient, other, rtol=1e-7)
