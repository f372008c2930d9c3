"""Modules as they are written, around the functions that they call: small programs, each for what its module has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import forms
import numpy as np
import pytest

import symgrad
from symgrad.array import logsumexp, relu, sigmoid, softmax
from symgrad.codegen import runtime, scalar_runtime, to_source
from symgrad.steps import Record

PROGRAMS: dict[str, tuple[Callable[..., Any], str, str, dict[str, int]]] = {
    "labels": (
        lambda X, W, Y: -np.sum(Y * np.log(softmax(X @ W, axis=1))) / len(X),
        "X: N D, W: D C, Y: N C distribution",
        "X W",
        {"N": 2, "D": 1, "C": 2},
    ),
    "maxima": (
        lambda Z, b: np.sum(np.max(Z + b, axis=1)) + np.sum(np.where(b <= Z, 1, 2) * relu(Z)),
        "Z: N C, b: C",
        "Z b",
        {"N": 2, "C": 2},
    ),
    "roots": (
        lambda x, v: np.sum(np.sqrt(x) / 3 - v**3 / x**2) / np.sum(v**2) ** 1.5,
        "x: N positive, v: N",
        "x v",
        {"N": 2},
    ),
    "diagonals": (lambda A, B: np.trace(A @ B) + np.sum(np.diagonal(A) ** 2), "A: N N, B: N N", "A B", {"N": 2}),
    "numbers": (lambda a, c, gamma=2: gamma * np.exp(a) * c**gamma, "a: scalar, c: scalar, gamma: scalar", "a", {}),
    "long axes": (lambda x, y: np.sum(np.tanh(x - y) ** 2) / len(x), "x: N, y: N", "x", {"N": 11}),
    "domain": (
        lambda z, y, k: np.sum(y * np.log(sigmoid(z)) + k * z),
        "z: N, y: N probability, k: N count",
        "z",
        {"N": 2},
    ),
    "names": (
        lambda dtype, given, gap: np.sum(np.exp(given @ gap)) * dtype,
        "dtype: scalar, given: N D, gap: D",
        "dtype gap",
        {"N": 2, "D": 2},
    ),
    "rows": (
        lambda X, W, l: np.sum(np.tanh(X @ W) ** 2) + l * np.sum(W**2),  # noqa: E741
        "X: N D, W: D C, l: scalar",
        "X W l",
        {"N": 1, "D": 2, "C": 1},
    ),
    "log-sum-exp": (lambda Z: np.sum(logsumexp(Z, axis=1)) - np.sum(Z**2) / 4, "Z: N C", "Z", {"N": 2, "C": 3}),
    "shared sums": (lambda Z: np.sum((Z - np.mean(Z, axis=1, keepdims=True)) ** 3), "Z: N C", "Z", {"N": 2, "C": 2}),
    "one class": (lambda Z: np.sum(softmax(Z, axis=1) ** 2), "Z: N C", "Z", {"N": 2, "C": 1}),
    "ten rows": (lambda X, v: -2 * np.sum((X @ v) ** 3), "X: N D, v: D", "v", {"N": 10, "D": 1}),
    "nine rows": (lambda X, v: np.sum((X @ v - 1) ** -2), "X: N D, v: D", "v", {"N": 9, "D": 1}),
    "small numbers": (lambda x, y: np.sum(np.log(1 + x) - (np.exp(y) - 1)), "x: N, y: N", "x y", {"N": 1}),
    "opposite weights": (
        lambda p, y: -np.sum((1 - y) * np.log(1 - p) + y * np.log(p)),
        "p: N, y: N probability",
        "p",
        {"N": 1},
    ),
    "long names": (
        lambda features_of_rows, features_of_columns, features_of_others, weights_of_all: np.sum(
            (features_of_rows + features_of_columns) * features_of_others * weights_of_all
        ),
        "features_of_rows: N, features_of_columns: N, features_of_others: N, weights_of_all: N",
        "weights_of_all features_of_rows",
        {"N": 1},
    ),
    "long lines": (
        lambda the_only_features: np.sum(the_only_features**3) / 3,
        "the_only_features: N",
        "the_only_features",
        {"N": 10},
    ),
    "negative numbers": (lambda x: np.sum((-0.5) * x ** (-1) + x**0.25), "x: N positive", "x", {"N": 1}),
    "weighted products": (
        lambda p, y, w: np.sum(w * (1 - y) * (2 - y) * np.log(p)),
        "p: N, y: N probability, w: N",
        "p",
        {"N": 1},
    ),
    "weights": (
        lambda z, w: np.log(np.sum(w * np.exp(z))) / np.sum(w),
        "z: N, w: N nonnegative",
        "z",
        {"N": 2},
    ),
}
COPIED = {f"def {name}(" for module in (runtime, scalar_runtime) for name in vars(module)}
IN_LOOPS = (
    *("softmax_cross_entropy", "attention", "layer_norm", "ridge", "quadratic_form", "class_weights_normalised"),
    *("hinge", "logistic", "heads", "crammer_singer", "weighted mean", "broadcast", "gradient that is an input"),
    *("what only einsum does", "both softmaxes", "gradient that is a turned diagonal", "two sums over stacks"),
    *("constant gradient", "outer product", "pairs in a stack"),
)


@cache
def record(name: str) -> Record:
    function, shapes, wrt, _ = PROGRAMS[name]
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record


@pytest.mark.parametrize("target", ["numpy", "scalar"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_modules_as_they_are_written(name: str, target: str, golden: Callable[[str, str], None]) -> None:
    sizes = PROGRAMS[name][3] if target == "scalar" else None
    source = to_source(record(name), "f", ["dL/dx = ..."], target=target, sizes=sizes)
    parts = source.rstrip().split("\n\n\n")
    copied = sorted(part[len("def ") : part.index("(")] for part in parts if part.startswith(tuple(COPIED)))
    own = [part for part in parts if not part.startswith(tuple(COPIED))]
    golden(f"module_{target}_{name.replace(' ', '_')}.py", "\n\n\n".join([*own, f"# with {', '.join(copied)}"]) + "\n")


@pytest.mark.numba
@pytest.mark.parametrize("name", IN_LOOPS)
def test_modules_in_loops_as_they_are_written(name: str, golden: Callable[[str, str], None]) -> None:
    from symgrad.codegen import loop_module, loop_runtime  # needs numba

    source = loop_module.loop_source(forms.record(name), "f", ["dL/dX = ..."])
    copied = COPIED | {f"def {function}(" for function in vars(loop_runtime)}
    parts = [part for part in source.rstrip().split("\n\n\n") if not any(head in part for head in copied)]
    golden(f"loops_{name.replace(' ', '_')}.py", "\n\n\n".join(parts) + "\n")
