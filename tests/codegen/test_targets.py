"""Generated functions as they are written, and what their stability rests on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cases import sampled
from catalogue import derived_from
from forms import EVERY, N, U, W, X, Z, d, j, k, m, n, q, total
from sympy import Sum, exp, log, tanh
from unseen import LOSSES

import symgrad
from symgrad.codegen import to_numpy, to_source
from symgrad.codegen.targets import function_source
from symgrad.equations import node
from symgrad.functions import step, where
from symgrad.notation import Array
from symgrad.steps import Record

V, K, scores, pairs, taken = (
    Array("V", Z.axes),
    Array("K", Z.axes),
    Array("O", (N,)),
    Array("pairs", (N, N)),
    Array("dZ", Z.axes),
)
lam = Array("lambda")
# Forms whose code rests on one choice each, and the arrays with respect to which they are derived.
softmaxes = exp(Z[n, k] + V[n, k]) / Sum(exp(Z[n, j]), j) / Sum(exp(V[n, j]), j)
product = node(K[n, k], Z[n, k] * q[k])
linear, rowwise = node(K[n, k], Sum(X[n, d] * W[d, k], d)), node(scores[n], Sum(X[n, d] * W[d, k], d, k))
entropy = exp(Z[n, k]) / Sum(exp(Z[n, j]), j) * log(1 + V[n, k] ** 2)
penalty = lam.base * Sum(W[d, k] ** 2, d, k)
CHOICES = {
    "opposite exponentials": ((Z,), Sum(log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(-Z[n, k]), k)), n)),
    "product of softmaxes": ((Z, V), Sum(softmaxes, n, k)),
    "penalty in brackets": ((X, W, lam), (Sum(scores[n] ** 2, n) + penalty) / (2 * N.size), rowwise),
    "gradient of a node": ((X, W), Sum(tanh(K[n, k]) ** 2, n, k), linear),
    "weighted logarithm": ((Z, V), Sum(entropy, n, k)),
    "a number below the rows": ((Z, q), Sum(Sum(tanh(Z[n, k]), n) * q[k], k) / Sum(Z[n, k] ** 2, n, k)),
    "rows that meet": ((Z,), Sum(K[n, k] ** 2, n, k), node(K[n, k], Z[n, k] * Sum(Z[m, k], m))),
    "rows against rows": ((U,), Sum(pairs[n, m] ** 3, n, m), node(pairs[n, m], tanh(U[n] * U[m]))),
    "sum of sums over rows": ((Z, q), Sum(K[n, k] ** 2, n, k) + Sum(q[k] * Sum(tanh(Z[n, k]), n), k), product),
    "exponentials of both kinds": ((Z, q), Sum(log(Sum(exp(Z[n, j]), j)), n) + Sum(exp(Z[n, k]) * q[k], n, k)),
    "names that are taken": ((Z, taken), Sum(Z[n, k] ** 2 * taken[n, k], n, k), node(scores[n], Sum(Z[n, k], k))),
    "numbers chosen": ((Z,), Sum((1 - exp(Z[n, k])) * where(step(Z[n, k], 0), 2, 3), n, k)),
}
WRITTEN = [
    *("class_weights_normalised", "temperature", "attention", "layer_norm", "logistic_with_sigmoid_as_node", "heads"),
    *("tensor_form", "crammer_singer", "missing_probability", "labelled_logits", "quadratic_form", "deep_tanh"),
    *("log-sum-exp of a matrix", "exponentials of degree 2", "softmax without names", "power of a softmax"),
    *("weighted mean", "softplus", "the other sigmoid", "what only einsum does", "all distances", "both softmaxes"),
    *("gradient that is a turned diagonal", "stack and matrices", "stack and a vector", "two sums over stacks"),
    *(
        "gradient that is a diagonal",
        "diagonal of a stack",
        "stacks over three axes",
        "gram",
        "in_and_beside_a_logarithm",
        "l2_penalty",
    ),
]
UNSEEN = ["poly1", "supcon", "cox", "barlow", "vae_code", "tversky"]


def record(name: str) -> Record:
    if name in UNSEEN:
        return symgrad.derive(LOSSES[name]).record
    if name in CHOICES:
        inputs, loss, *equations = CHOICES[name]
        wrt = [*(a.name for a in inputs), *(e.entry.base.name for e in equations if e.entry.base.name == "K")]
        return symgrad.derive(total("f", inputs, loss, *equations), wrt).record
    return derived_from(*EVERY[name]).record


@pytest.mark.parametrize("name", sampled([*WRITTEN, *UNSEEN, *CHOICES], every=4))
def test_functions_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"function_{name.replace(' ', '_')}.py", function_source(to_source(record(name), "f"), "f") + "\n")


@pytest.mark.parametrize("name", ["probabilities_as_node", "product of softmaxes", "weighted logarithm", "softplus"])
def test_functions_of_single_numbers(name: str, golden: Callable[[str, str], None]) -> None:
    sizes = {axis.name: 2 for axis in record(name).program.axes}
    source = to_source(record(name), "f", target="scalar", sizes=sizes)
    golden(f"scalar_{name.replace(' ', '_')}.py", function_source(source, "f") + "\n")


@pytest.mark.parametrize("name", ["opposite exponentials", "product of softmaxes"])
def test_large_inputs_of_several_softmaxes_overflow_nowhere(name: str) -> None:
    """Each sum has a shift of its own; the terms of a gradient in brackets have the factors of both beside them."""
    f, given = to_numpy(record(name)), [np.random.default_rng(0).standard_normal((4, 3)) for _ in CHOICES[name][0]]
    _, moved = f(*(x + 1e4 for x in given))
    for gradient, other in zip(f(*given)[1], moved, strict=True):
        assert np.allclose(gradient, other, rtol=1e-7)
