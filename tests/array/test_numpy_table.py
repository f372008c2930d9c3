"""The language means what NumPy means: each expression is traced, its program evaluated literally, and the result held
against NumPy running the same text on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import literal
import numpy as np
import pytest
import scipy.special
from sympy import Rational

import symgrad
from symgrad import array
from symgrad.array.language import NAMES
from symgrad.array.loss import Loss
from symgrad.array.numpy_table import FUNCTIONS, name_of

SIZES = {"N": 2, "D": 3, "C": 4}
POOL = (
    "X: N D, V: N D, W: D C, b: C, d: D, A: D D, B: D D, P: N D positive, q: D positive, s: scalar, u: scalar positive"
)

# NumPy's function -> expressions, each with the axes of its value.
CASES: dict[str, list[tuple[str, str]]] = {
    "add": [("X + d", "N D"), ("1 + X", "N D"), ("np.add(X, s)", "N D")],
    "subtract": [("X - X[:, 0:]", "N D"), ("0.5 - X", "N D"), ("X - X.mean(axis=0)", "N D")],
    "multiply": [("2 * X * d", "N D"), ("X * np.float64(0.1)", "N D"), ("d[:, None] * A", "D D")],
    "divide": [("X / q", "N D"), ("1 / P", "N D"), ("X / len(X)", "N D"), ("X / X.shape[1]", "N D")],
    "power": [("P ** s", "N D"), ("2 ** X", "N D"), ("X ** 2", "N D"), ("P ** -0.5", "N D"), ("np.power(X, 3)", "N D")],
    "float_power": [("np.float_power(P, 2)", "N D")],
    "negative": [("-X", "N D")],
    "positive": [("+X", "N D")],
    "reciprocal": [("np.reciprocal(P)", "N D")],
    "square": [("np.square(X)", "N D")],
    "sqrt": [("np.sqrt(P)", "N D"), ("np.sqrt(X ** 2)", "N D"), ("X / np.sqrt(X.shape[1])", "N D")],
    "exp": [("np.exp(X)", "N D"), ("np.exp(X) * np.exp(V)", "N D")],
    "expm1": [("np.expm1(X)", "N D")],
    "exp2": [("np.exp2(X)", "N D")],
    "log": [("np.log(P)", "N D"), ("np.log(P * q)", "N D"), ("np.log(u) * X", "N D")],
    "log1p": [("np.log1p(P)", "N D")],
    "log2": [("np.log2(P)", "N D")],
    "log10": [("np.log10(P)", "N D")],
    "logaddexp": [("np.logaddexp(X, 0)", "N D")],
    "hypot": [("np.hypot(X, V)", "N D")],
    "inv": [
        ("np.linalg.inv(A)", "D D"),
        ("np.linalg.inv(X.T @ X + np.eye(X.shape[1]))", "D D"),
        ("np.linalg.inv(A.T)", "D D"),
    ],
    "solve": [("np.linalg.solve(A, d)", "D"), ("np.linalg.solve(A, B)", "D D"), ("np.linalg.solve(A.T, X.T)", "D N")],
    "det": [("np.linalg.det(A) * d", "D"), ("np.linalg.det(A @ B) * d", "D")],
    "slogdet": [("np.linalg.slogdet(A)[1] * d", "D"), ("np.linalg.slogdet(A).logabsdet * d", "D")],
    "pinv": [("np.linalg.pinv(A)", "D D"), ("np.linalg.pinv(X.T)", "N D")],
    "matrix_power": [("np.linalg.matrix_power(A, 2)", "D D"), ("np.linalg.matrix_power(A, -1)", "D D")],
    "sin": [("np.sin(X)", "N D")],
    "cos": [("np.cos(X)", "N D")],
    "tan": [("np.tan(X)", "N D")],
    "arcsin": [("np.arcsin(np.tanh(X))", "N D")],
    "arccos": [("np.arccos(np.tanh(X))", "N D")],
    "arctan": [("np.arctan(X)", "N D")],
    "sinh": [("np.sinh(X)", "N D")],
    "cosh": [("np.cosh(X)", "N D")],
    "tanh": [("np.tanh(X)", "N D")],
    "arcsinh": [("np.arcsinh(X)", "N D")],
    "arccosh": [("np.arccosh(1 + P)", "N D")],
    "arctanh": [("np.arctanh(np.sin(X))", "N D")],
    "arctan2": [("np.arctan2(X, V)", "N D"), ("np.arctan2(d, -1)", "D")],
    "cbrt": [("np.cbrt(X)", "N D")],
    "deg2rad": [("np.deg2rad(X)", "N D")],
    "radians": [("np.radians(X)", "N D")],
    "rad2deg": [("np.rad2deg(X)", "N D")],
    "degrees": [("np.degrees(X)", "N D")],
    "sinc": [("np.sinc(X)", "N D"), ("np.sinc(X - X)", "N D")],
    "floor": [("np.floor(3 * X)", "N D")],
    "ceil": [("np.ceil(3 * X)", "N D")],
    "remainder": [("np.mod(X, 0.7)", "N D"), ("X % -q", "N D"), ("2 % (X + 4)", "N D"), ("np.remainder(X, V)", "N D")],
    "nan_to_num": [("np.nan_to_num(X)", "N D"), ("np.nan_to_num(X, nan=1.0)", "N D")],
    "logaddexp2": [("np.logaddexp2(X, V)", "N D")],
    "special functions": [
        ("scipy.special.gammaln(P)", "N D"),
        ("scipy.special.loggamma(P)", "N D"),
        ("scipy.special.digamma(P)", "N D"),
        ("scipy.special.psi(P)", "N D"),
        ("scipy.special.erfc(X)", "N D"),
        ("scipy.special.erfinv(np.tanh(X))", "N D"),
    ],
    "absolute": [("np.abs(X)", "N D"), ("abs(X)", "N D")],
    "fabs": [("np.fabs(X)", "N D")],
    "sign": [("np.sign(X)", "N D")],
    "maximum": [("np.maximum(X, V)", "N D"), ("np.maximum(0, X)", "N D"), ("np.maximum(X, d)", "N D")],
    "minimum": [("np.minimum(X, V)", "N D")],
    "fmax": [("np.fmax(X, V)", "N D")],
    "fmin": [("np.fmin(X, V)", "N D")],
    "heaviside": [("np.heaviside(X, 0.5)", "N D")],
    "where": [("np.where(X > 0, X, V)", "N D"), ("np.where((X > 0) & (V < s), 1, d)", "N D")],
    "clip": [
        ("np.clip(X, -0.5, 0.5)", "N D"),
        ("X.clip(-1, u)", "N D"),
        ("np.clip(X, 0, None)", "N D"),
        ("np.clip(X, None, 0)", "N D"),
    ],
    "greater": [("(X > V) * X", "N D")],
    "greater_equal": [("(X >= 0) * X", "N D")],
    "less": [("(X < V) * X", "N D"), ("(0 < X) * X", "N D")],
    "less_equal": [("(X <= V) * X", "N D")],
    "equal": [("(X == X) * V", "N D"), ("(X == 1) * V", "N D")],
    "not_equal": [("(X != V) * V", "N D")],
    "logical_and": [("np.logical_and(X > 0, V > 0) * X", "N D")],
    "bitwise_and": [("((X > 0) & (V > 0)) * X", "N D")],
    "logical_or": [("np.logical_or(X > 0, V > 0) * X", "N D")],
    "bitwise_or": [("((X > 0) | (V > 0)) * X", "N D")],
    "logical_not": [("np.logical_not(X > 0) * X", "N D")],
    "invert": [("~(X > 0) * X", "N D")],
    "sum": [
        ("np.sum(X, axis=0)", "D"),
        ("X.sum(axis=1, keepdims=True) * X", "N D"),
        ("np.sum(X, 1)[:, None] * V", "N D"),
        ("X.sum() + X", "N D"),
        ("np.sum(X, axis=(0, 1)) * d", "D"),
        ("np.sum(X, axis=-1)", "N"),
        ("np.sum(2 * s * np.ones_like(X), axis=1)", "N"),
        ("np.sum(np.sum(X, axis=1, keepdims=True) + X, axis=1)", "N"),
    ],
    "mean": [("np.mean(X, axis=0)", "D"), ("X.mean(axis=1, keepdims=True) - X", "N D"), ("X.mean() * d", "D")],
    "var": [("X.var(axis=0)", "D"), ("np.var(X, axis=1, keepdims=True) * X", "N D"), ("X.var(axis=0, ddof=1)", "D")],
    "std": [("X.std(axis=1)", "N"), ("(X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)", "N D")],
    "max": [("np.max(X, axis=1)", "N"), ("X - X.max(axis=1, keepdims=True)", "N D"), ("X.max(axis=0)", "D")],
    "amax": [("np.amax(X, axis=1)", "N"), ("np.amax(X) * d", "D"), ("X - X.max(axis=(0, 1), keepdims=True)", "N D")],
    "amin": [("np.amin(X, axis=1)", "N")],
    "min": [("np.min(X, axis=1)", "N"), ("d.min() * d", "D")],
    "average": [("np.average(X, axis=0)", "D"), ("np.average(X, axis=1, weights=P)", "N")],
    "norm": [
        ("np.linalg.norm(X) * d", "D"),
        ("np.linalg.norm(X, axis=1)", "N"),
        ("X / np.linalg.norm(X, axis=1, keepdims=True)", "N D"),
        ("np.linalg.norm(X, ord=1, axis=1)", "N"),
        ("np.linalg.norm(A, 'fro') * d", "D"),
    ],
    "matmul": [("X @ W", "N C"), ("X @ d", "N"), ("d @ W", "C"), ("(d @ d) * d", "D"), ("A.T @ A @ d", "D")],
    "dot": [("X.dot(W)", "N C"), ("np.dot(d, d) * d", "D"), ("np.dot(s, d)", "D")],
    "inner": [("np.inner(X, d)", "N"), ("np.inner(X, A)", "N D")],
    "vdot": [("np.vdot(X, V) * d", "D")],
    "outer": [("np.outer(d, b)", "D C")],
    "einsum": [
        ("np.einsum('nd,dc->nc', X, W)", "N C"),
        ("np.einsum('nd,dc', X, W)", "C N"),
        ("np.einsum('ii->i', A)", "D"),
        ("np.einsum('ii', A) * d", "D"),
        ("np.einsum('nd,nd->n', X, V)", "N"),
        ("np.einsum('nd,de,ne->n', X, A, V)", "N"),
        ("np.einsum('nd->dn', X)", "D N"),
    ],
    "transpose": [("X.T @ V", "D D"), ("np.transpose(X)", "D N"), ("X.transpose(1, 0)", "D N")],
    "swapaxes": [("X.swapaxes(0, 1)", "D N")],
    "moveaxis": [("np.moveaxis(X, 0, 1)", "D N")],
    "trace": [("np.trace(A @ B) * d", "D"), ("A.trace() * d", "D")],
    "diagonal": [("A.diagonal()", "D")],
    "diag": [("np.diag(d)", "D D"), ("np.diag(A)", "D"), ("X @ np.diag(d)", "N D")],
    "expand_dims": [("np.expand_dims(d, 1) * A", "D D"), ("np.expand_dims(d, -1) * A", "D D")],
    "squeeze": [("np.squeeze(X.sum(axis=1, keepdims=True), axis=1)", "N"), ("X.sum(1, keepdims=True).squeeze()", "N")],
    "ones_like": [("np.ones_like(X) + X", "N D")],
    "zeros_like": [("np.maximum(X, np.zeros_like(X))", "N D")],
    "copy": [("X.copy()", "N D")],
    "tensordot": [
        ("np.tensordot(X, W, 1)", "N C"),
        ("np.tensordot(X, A, axes=([1], [0]))", "N D"),
        ("np.tensordot(X, V, axes=((0, 1), (0, 1))) * d", "D"),
        ("np.tensordot(A, X, axes=(0, 1))", "D N"),
    ],
    "prod": [("np.prod(P, axis=1)", "N"), ("np.prod(np.exp(X)) * d", "D")],
    "ravel": [("X.ravel() @ P.ravel() * d", "D"), ("np.mean(X.flatten() ** 2) * d", "D")],
    "reshape": [("np.sum(X.reshape(-1) ** 2) * d", "D")],
    "cumsum": [("np.cumsum(d)", "D"), ("np.cumsum(X, axis=1)", "N D"), ("X.cumsum(0)", "N D")],
    "full_like": [("np.full_like(X, 0.5) * X", "N D")],
    "tril": [("np.tril(A)", "D D"), ("np.tril(A, -1) + np.tril(A, 2)", "D D"), ("np.tril(W)", "D C")],
    "triu": [("np.triu(A)", "D D"), ("np.triu(A, 1) + np.triu(A, -2)", "D D")],
    "softmax": [("softmax(X, axis=1)", "N D"), ("softmax(X, axis=0)", "N D"), ("softmax(X @ W + b)", "N C")],
    "log_softmax": [("log_softmax(X, axis=1)", "N D")],
    "logsumexp": [("logsumexp(X, axis=1)", "N"), ("logsumexp(X) * d", "D"), ("X - logsumexp(X, 1, True)", "N D")],
    "sigmoid": [("sigmoid(X)", "N D")],
    "relu": [("relu(X)", "N D")],
    "softplus": [("softplus(X)", "N D")],
    "gelu": [("gelu(X)", "N D")],
    "erf": [("erf(X)", "N D")],
    "eye": [("A + s * eye(A.shape[0])", "D D"), ("eye(X.shape[1]) @ d", "D")],
    "one_hot": [("one_hot(y, b.shape[0]) * b", "N C")],
    "labels": [
        ("(X @ W)[np.arange(len(y)), y]", "N"),
        ("np.log(softmax(X @ W)[np.arange(y.shape[0]), y])", "N"),
        ("b[y]", "N"),
        ("b[y] * np.log(softmax(X @ W)[np.arange(len(y)), y]) ** 2", "N"),
        ("X[:, 0:].sum(axis=1) * np.exp(1 - b[y])", "N"),
        ("W.T[y]", "N D"),
        ("(X @ W) - (X @ W)[np.arange(len(y)), y][:, None]", "N C"),
    ],
    "subscripts": [
        ("d[None, :] * A", "D D"),
        ("d[..., None] * A", "D D"),
        ("X.size * d", "D"),
        ("X.ndim * d", "D"),
        ("np.shape(X)[0] * d", "D"),
    ],
}


def traced(expression: str, axes: str, shapes: str = POOL) -> tuple[Loss, Callable[..., Any]]:
    """A loss that weighs the expression's entries, so that a wrong arrangement shows."""
    shapes = f"{shapes}, y: N labels of C, K: {axes or 'scalar'}"
    names = ", ".join(part.split(":")[0] for part in shapes.split(", "))
    space = {"np": np, "scipy": scipy, **{name: getattr(array, name) for name in array.__all__}}
    exec(f"def weighed({names}):\n    return np.sum(K * ({expression}))", space)
    loss = symgrad.loss(shapes=shapes)(space["weighed"])
    return loss, space["weighed"]


def inputs_of(loss: Loss, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for shape in loss.shapes:
        over = tuple(SIZES[axis.name] for axis in shape.array.axes)
        drawn = rng.standard_normal(over)
        found[shape.name] = np.abs(drawn) + 0.1 if shape.array.positive else drawn
        if shape.labels:
            found[shape.name] = rng.integers(over[1], size=over[0])
    return found


def literally(loss: Loss, inputs: dict[str, Any]) -> float:
    """The traced program's output, term by term."""
    arrays = {name: np.eye(SIZES["C"])[value] if name == "y" else value for name, value in inputs.items()}
    arrays = {"Y" if name == "y" else name: value for name, value in arrays.items()}
    program = loss.program()
    given = {name: value for name, value in arrays.items() if name in program.arrays}
    return float(literal.forward(program, given, SIZES)[program.output].real)


@pytest.mark.parametrize(("expression", "axes"), [case for cases in CASES.values() for case in cases])
def test_the_program_is_what_numpy_computes(expression: str, axes: str) -> None:
    loss, function = traced(expression, axes)
    inputs = inputs_of(loss)
    assert literally(loss, inputs) == pytest.approx(float(function(**inputs)), rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "axes"),
    [
        ("X[:, :, None] + W", "N D C"),
        ("softmax(X[:, :, None] * W, axis=-1)", "N D C"),
        ("np.einsum('nd,dc->ndc', X, W)", "N D C"),
        ("(X[:, None, :] * A) @ W", "N D C"),
        ("np.swapaxes(X[:, :, None] + W, 0, 2)", "C D N"),
    ],
)
def test_more_axes_than_two(expression: str, axes: str) -> None:
    loss, function = traced(expression, axes)
    inputs = inputs_of(loss)
    program = loss.program()
    assert program.inputs[-1].axes
    assert literally(loss, inputs) == pytest.approx(float(function(**inputs)), rel=1e-12)


def test_every_function_of_the_language_has_a_case() -> None:
    assert {name_of(function) for function in FUNCTIONS} | set(array.__all__) <= CASES.keys()
    assert set(array.__all__) <= NAMES.keys()


def test_one_hot_and_eye_of_arrays() -> None:
    assert np.array_equal(array.one_hot([1, 0], 2), [[0, 1], [1, 0]])
    assert np.array_equal(array.eye(2), np.eye(2))


@pytest.mark.parametrize("name", sorted({*array.__all__} - {"one_hot", "eye"}))
def test_functions_of_arrays_are_finite_for_large_entries(name: str) -> None:
    function = getattr(array, name)
    if name in ("one_hot", "eye"):
        assert np.array_equal(
            function([1, 0], 2) if name == "one_hot" else function(2),
            np.eye(2)[::-1] if name == "one_hot" else np.eye(2),
        )
        return
    with np.errstate(under="ignore"):
        assert np.all(np.isfinite(function(np.array([[-1e4, 0.0, 1e4]]))))


def test_numbers_are_the_fractions_that_were_meant() -> None:
    loss, _ = traced("0.1 * X + np.float32(0.3) * V", "N D")
    (total,) = loss.program().equations
    assert {str(number) for number in total.rhs.atoms(Rational)} >= {"1/10", "3/10"}


@pytest.mark.parametrize(
    ("expression", "axes"),
    [
        ("X + b", "N D"),
        ("X @ X", "N N"),
        ("X + W", "N D"),
        ("np.einsum('nd,nc->dc', X, W)", "D C"),
        ("X.sum(axis=2)", "N"),
    ],
)
def test_what_numpy_refuses_is_refused(expression: str, axes: str) -> None:
    loss, function = traced(expression, axes)
    with pytest.raises((ValueError, np.exceptions.AxisError)):
        function(**inputs_of(loss))
    with pytest.raises(symgrad.ProgramError):
        loss.program()
