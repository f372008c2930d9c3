"""The lines of NumPy that a short derivation begins with: they compute what the generated function computes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import NAMES, TYPICAL_PROGRAMS, derived, derived_from, typical
from programs import ZOO

import symgrad
from symgrad import Derivation
from symgrad.array.expression import parse
from symgrad.notation import array_names


def computed(derivation: Derivation, *inputs: Any) -> tuple[float, list[Any]]:
    """The loss and the gradients that the lines compute."""
    program = derivation.program
    labels = dict(program.labels)
    names = dict(zip([labels.get(a.name, a.name) for a in program.inputs], inputs, strict=True))
    scope: dict[str, Any] = {"np": np, **names}
    exec(derivation.numpy_lines, scope)
    return scope[program.output], [scope[f"d{name}"] for name in derivation.record.wrt]


def point(derivation: Derivation, scale: float) -> list[Any]:
    """Inputs of the derivation; those that are differentiated are of this size."""
    program, random = derivation.program, np.random.default_rng(3)
    sizes = {axis.name: 3 + place for place, axis in enumerate(program.axes)}
    definite = {name for a in program.assumptions if a.is_definite for name in array_names(a.lhs)}
    inputs: list[Any] = []
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        if any(array.name in str(a.lhs) and not a.is_symmetry for a in program.assumptions):
            inputs.append(np.eye(shape[-1])[random.integers(shape[-1], size=shape[0])] if shape[1:] else np.ones(shape))
        elif array.name in derivation.record.wrt and not array.positive:
            inputs.append(scale * random.normal(size=shape))
        else:
            inputs.append(random.uniform(0.5, 1.5, size=shape))
        if any(array.name in str(a.lhs) and a.is_symmetry for a in program.assumptions):
            inputs[-1] = inputs[-1] @ inputs[-1].T if array.name in definite else inputs[-1] + inputs[-1].T
        if array.name in dict(program.labels):
            inputs[-1] = random.integers(shape[-1], size=shape[:-1])
    return [value if np.ndim(value) else float(value) for value in inputs]


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("name", typical(NAMES, {"softmax_cross_entropy", "multiclass_hinge", "layer_norm", "huber"}))
def test_the_lines_of_the_catalogue(name: str, scale: float) -> None:
    derivation = derived(name)
    inputs = point(derivation, 1.0 if name == "ppo" else scale)  # the lines do not guard 0 times an exponential
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradients = derivation.to_numpy(check=False)(*inputs)
        value, derivatives = computed(derivation, *inputs)
    np.testing.assert_allclose(value, loss, rtol=1e-9)
    for ours, theirs in zip(derivatives, gradients, strict=True):
        largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * largest)


@pytest.mark.parametrize("name", typical(ZOO, TYPICAL_PROGRAMS))
def test_the_lines_of_other_programs(name: str) -> None:
    derivation = derived_from(*ZOO[name])
    inputs = point(derivation, 1.0)
    loss, gradients = derivation.to_numpy(check=False)(*inputs)
    value, derivatives = computed(derivation, *inputs)
    np.testing.assert_allclose(value, loss, rtol=1e-9)
    for ours, theirs in zip(derivatives, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_lines_of_cross_entropy() -> None:
    assert derived("softmax_cross_entropy").numpy_lines.splitlines() == [
        "N = X.shape[0]",
        "Z = X @ W + b",
        "Z_shifted = Z - np.max(Z, axis=1, keepdims=True)",
        "E = np.exp(Z_shifted)  # at most 1: nothing overflows",
        "E_sum = np.sum(E, axis=1, keepdims=True)",
        "P = E / E_sum",
        "log_P = Z_shifted - np.log(E_sum)",
        "L = -np.sum(Y * log_P) / N",
        "G = (P - Y) / N",
        "dW = X.T @ G",
        "db = np.sum(G, axis=0)",
    ]


@pytest.mark.parametrize(
    ("name", "lines"),
    sampled(
        [
            ("softmax_mse", ["P = E / np.sum(E, axis=1, keepdims=True)"]),
            ("attention_head", ["E_A = np.exp(E - np.max(E, axis=1, keepdims=True))  # at most 1: nothing overflows"]),
            ("attention_head", ["A = E_A / np.sum(E_A, axis=1, keepdims=True)"]),
            ("relu_perceptron", ["G_A = G_H1 * (A > 0)"]),
            (
                "gelu_perceptron",
                ["Phi = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)", "H1 = A * Phi(A)"],
            ),
            ("gelu_perceptron", ["phi = lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)"]),
            ("gelu_perceptron", ["G_A = G_H1 * (Phi(A) + A * phi(A))"]),
            (
                "multiclass_hinge",
                ["m = np.max(V, axis=1, keepdims=True)", "Q = V == m", "Q = Q / np.sum(Q, axis=1, keepdims=True)"],
            ),
            ("huber", ["G = np.clip(e, -delta, delta) / N", "dw = X.T @ G"]),
            ("distillation", ["log_Q = shifted - np.log(E_sum)", "L = tau**2 * np.sum(Q * (log_Q - log_P)) / N"]),
            ("layer_norm", ["mu = np.mean(X, axis=1, keepdims=True)", "S = np.sqrt(v + eps)", "Xhat = (X - mu) / S"]),
        ],
        "softmax_mse",
        "attention_head",
        "multiclass_hinge",
        "huber",
        "layer_norm",
    ),
)
def test_as_a_lecturer_writes_it(name: str, lines: list[str]) -> None:
    assert {*lines} <= {*derived(name).numpy_lines.splitlines()}


WITHOUT_PARTS = [name for name in NAMES if name != "triplet"]  # it has norms without a slope at 0


@pytest.mark.parametrize(
    "name", typical(WITHOUT_PARTS, {"softmax_cross_entropy", "multiclass_hinge", "huber", "layer_norm"})
)
def test_the_catalogue_needs_no_names_of_parts(name: str) -> None:
    text = derived(name).numpy_lines
    assert not re.search(r"\bpart\d|S_shifted|\bE2|heaviside\([\w]+, 0\)|def _", text)


def test_an_array_that_is_used_along_rows_and_alone_has_one_axis() -> None:
    text = "sum((X - mean(X, axis=1, keepdims=True))**2) + w @ mean(X, axis=1) + sum(exp(mean(X, axis=1)))"
    derivation = symgrad.derive(parse(text, "X: N D, w: N"), ["X", "w"])
    assert "mu = np.mean(X, axis=1)" in derivation.numpy_lines and "mu[:, None]" in derivation.numpy_lines
    inputs = point(derivation, 1.0)
    _, derivatives = computed(derivation, *inputs)
    for ours, theirs in zip(derivatives, derivation.to_numpy()(*inputs)[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_tests_alone_are_numbers() -> None:
    """The sum of two comparisons would be a logical or, and a comparison has no minus."""
    derivation = symgrad.derive(
        parse("sum(maximum(x, 0)) + sum(maximum(x - y, 0)) - sum(maximum(z, 0))", "x: N, y: N, z: N")
    )
    inputs = [np.array([1.0, 2.0, -3.0]), np.array([0.5, -1.0, 2.0]), np.array([1.0, -1.0, 2.0])]
    _, derivatives = computed(derivation, *inputs)
    for ours, theirs in zip(derivatives, derivation.to_numpy()(*inputs)[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("text", "shapes", "line"),
    [
        ("mean(X**2)", "X: N D", "L = np.mean(X**2)"),
        ("sum(mean(X, axis=1)**2)", "X: N D", "L = np.sum(np.sum(X, axis=1) ** 2) / D**2"),
        ("sum(where(x > y, x, y**2))", "x: N, y: N", "L = np.sum(np.where(x > y, x, y**2))"),
        ("sum(where(x >= 0, x, 2*x))", "x: N", "L = np.sum(np.where(x >= 0, x, 2 * x))"),
        ("sum(where(abs(x) < 2, x**2, 4*abs(x)))", "x: N", "dx = 2 * np.clip(x, -2, 2)"),
        ("sum(where(abs(x) < 2, x**2, 3))", "x: N", "dx = np.where(np.abs(x) < 2, 2 * x, 0)"),
        ("sum(max(X, axis=0)**2)", "X: N D", "m = np.max(X, axis=0)"),
        ("sum(max(X, axis=1) * max(X, axis=0))", "X: N N", "m1 = np.max(X, axis=0)"),
        ("sum(erf(x))", "x: N", "L = np.sum(np.vectorize(math.erf)(x))"),
        ("sum(X) / len(X)", "X: N D", "L = np.sum(X) / N"),
        ("pi * sum(x)", "x: N", "L = np.pi * np.sum(x)"),
    ],
)
def test_as_one_writes_it(text: str, shapes: str, line: str) -> None:
    derivation = symgrad.derive(parse(text, shapes))
    assert line in derivation.numpy_lines.splitlines()
    inputs = point(derivation, 1.0)
    for ours, theirs in zip(computed(derivation, *inputs)[1], derivation.to_numpy()(*inputs)[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_labels_are_made_one_hot() -> None:
    loss = parse("mean(log_softmax(Z, axis=1)[arange(len(y)), y])", "Z: N C, y: N labels of C")
    derivation = symgrad.derive(loss)
    assert "y = np.eye(C)[y]" in derivation.numpy_lines
    Z, y = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 2])
    loss_value, gradients = derivation.to_numpy()(Z, y)
    value, (dZ,) = computed(derivation, Z, y)
    np.testing.assert_allclose(value, loss_value)
    np.testing.assert_allclose(dZ, gradients.Z)


def test_a_logarithm_of_zero_times_zero_is_zero() -> None:
    derivation = symgrad.derive(parse("sum(p * log(q))", "p: N, q: N positive"))
    assert "_weighted" not in derivation.numpy_lines.split("\n\n\n")[-1] or "def _weighted" in derivation.numpy_lines
    p, q = np.array([0.0, 1.0]), np.array([1e-300, 2.0]) * np.array([1e-300, 1.0])
    with np.errstate(all="ignore"):
        value, _ = computed(derivation, p, q)
    assert value == pytest.approx(np.log(2.0))
