"""Inverses, determinants, linear systems, positions and triangles: their equations, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from cases import sampled
from literal import forward

import symgrad
from symgrad.array import softmax
from symgrad.array.expression import parse
from symgrad.check.marks import Level
from symgrad.codegen import compile_source
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.evidence.generated_code import arguments
from symgrad.matrix_functions import inverse

SIZES = {"N": 6, "D": 3, "H": 2}


def derived(function: Callable[..., Any], shapes: str, wrt: str) -> symgrad.Derivation:
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt)(function))


def solved(A: Any, b: Any) -> Any:
    return np.sum(np.linalg.solve(A, b) ** 2)


def solved_for_a_matrix(A: Any, B: Any) -> Any:
    return np.sum(np.linalg.solve(A, B) ** 2)


def quadratic(a: Any, X: Any, b: Any) -> Any:
    return a @ np.linalg.inv(X) @ b


def of_a_transpose(X: Any, b: Any) -> Any:
    return b @ np.linalg.inv(X.T) @ b + np.linalg.det(X.T)


def both_parts(X: Any) -> Any:
    sign, logdet = np.linalg.slogdet(X)
    return sign * np.sum(X**2) + logdet


def of_a_product(X: Any) -> Any:
    return np.linalg.slogdet(X.T @ X)[1]


def shrunk(X: Any, y: Any, lam: Any) -> Any:
    S = X.T @ X + lam * np.eye(X.shape[1])
    return y @ X @ np.linalg.solve(S, X.T @ y) + np.linalg.slogdet(S).logabsdet


def powers(A: Any) -> Any:
    return np.trace(np.linalg.matrix_power(A, 3)) + np.trace(np.linalg.matrix_power(A, -2))


def least_squares(X: Any, y: Any) -> Any:
    return np.sum((np.linalg.pinv(X) @ y) ** 2)


def gaussian(X: Any, mu: Any, S: Any) -> Any:
    R = X - mu
    return (np.sum(R * np.linalg.solve(S, R.T).T) + X.shape[0] * np.linalg.slogdet(S)[1]) / 2


CASES: list[tuple[Callable[..., Any], str, str]] = [
    (solved, "A: D D, b: D", "A b"),
    (solved_for_a_matrix, "A: D D, B: D H", "A B"),
    (quadratic, "a: D, X: D D, b: D", "a X b"),
    (of_a_transpose, "X: D D, b: D", "X b"),
    (both_parts, "X: D D", "X"),
    (of_a_product, "X: N D", "X"),
    (shrunk, "X: N D, y: N, lam: scalar positive", "X y lam"),
    (powers, "A: D D", "A"),
    (least_squares, "X: N D, y: N", "X y"),
    (gaussian, "X: N D, mu: D, S: D D positive-definite", "X mu S"),
]


def drawn(shapes: str) -> list[Any]:
    """Random inputs; square matrices are positive definite, and other numbers positive."""
    rng, values = np.random.default_rng(7), []
    for part in shapes.split(","):
        axes = [SIZES[word] for word in part.split(":")[1].split() if word in SIZES]
        value = rng.standard_normal(axes)
        values.append(value @ value.T + np.eye(len(value)) if axes == [3, 3] else value if axes else 0.7)
    return values


def slopes(function: Callable[..., Any], values: list[Any], position: int) -> np.ndarray:
    """Central differences of a loss."""
    result = np.zeros(np.shape(values[position]))
    for entry in np.ndindex(result.shape):
        moved = []
        for step in (1e-6, -1e-6):
            value = np.array(values[position], dtype=float)
            value[entry] += step
            moved.append(function(*values[:position], value, *values[position + 1 :]))
        result[entry] = (moved[0] - moved[1]) / 2e-6
    return result


@pytest.mark.parametrize(
    ("function", "shapes", "wrt"),
    sampled(CASES, *(case[0] for case in CASES if case[0] not in (shrunk, gaussian))),
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_gradient_is_proved_for_every_shape_and_agrees_with_differences(
    function: Callable[..., Any], shapes: str, wrt: str
) -> None:
    derivation = derived(function, shapes, wrt)
    levels = {mark.level for mark in derivation.prove().marks}
    assert levels <= {Level.DEFINITION, Level.EVERY_SHAPE}
    values = drawn(shapes)
    loss, gradients = derivation.to_numpy()(*values)
    assert np.isclose(loss, function(*values))
    for name in wrt.split():
        position = [part.split(":")[0].strip() for part in shapes.split(",")].index(name)
        np.testing.assert_allclose(getattr(gradients, name), slopes(function, values, position), rtol=1e-5, atol=1e-6)


def test_a_matrix_has_one_inverse() -> None:
    program = symgrad.loss(shapes="X: D D")(lambda X: np.sum(np.linalg.inv(X)) + np.linalg.det(X)).program()
    calls = [d for d in program.ordered if isinstance(d.rhs, inverse)]
    assert [d.name for d in calls] == ["X_inv"]


def test_the_inverse_of_an_inverse_is_the_matrix() -> None:
    program = symgrad.loss(shapes="X: D D")(lambda X: np.sum(np.linalg.inv(np.linalg.inv(X)) ** 2)).program()
    assert not any(isinstance(d.rhs, inverse) for d in program.ordered)


def test_the_matrix_forms_are_the_matrix_cookbooks() -> None:
    text = derived(quadratic, "a: D, X: D D, b: D", "X").to_text("matrix", steps="none")
    assert "∂L/∂X = −X⁻ᵀ a bᵀ X⁻ᵀ" in text
    text = derived(
        lambda S, M, n: n * (np.linalg.slogdet(S)[1] + np.trace(np.linalg.inv(S) @ M)) / 2,
        "S: D D positive-definite, M: D D, n: scalar",
        "S",
    ).to_text("matrix", steps="none")
    assert "∂L/∂S = (n/2) (S⁻¹ − S⁻¹ Mᵀ S⁻¹)" in text
    latex = derived(lambda X: np.linalg.det(X), "X: D D", "X").to_latex("matrix", steps="none")
    assert r"\det(X) \, X^{-\top}" in latex


# fmt: off
GRADIENTS = [
    (lambda S, Q: np.linalg.slogdet(S)[1] + np.trace(np.linalg.inv(S) @ Q),
     "S: D D positive-definite, Q: D D symmetric", "S", "S⁻¹ − S⁻¹ Q S⁻¹"),
    (lambda X, S: np.trace(X @ np.linalg.inv(S) @ X.T), "X: N D, S: D D positive-definite", "X", "2 X S⁻¹"),
    (lambda W, Q, p: np.linalg.slogdet(W @ W.T + np.diag(p))[1] + np.trace(np.linalg.inv(W @ W.T + np.diag(p)) @ Q),
     "W: D H, Q: D D symmetric, p: D positive", "W", "2 (S⁻¹ − S⁻¹ Q S⁻¹) W"),
    (lambda P, H, R, r: r @ np.linalg.inv(H @ P @ H.T + R) @ r,
     "P: D D symmetric, H: M D, R: M M symmetric, r: M", "H", "−2 S⁻¹ r rᵀ S⁻¹ H P"),
    (lambda x, m, S: (x - m) @ np.linalg.inv(S) @ (x - m), "x: D, m: D, S: D D positive-definite", "S",
     "−S⁻¹ (m − x) (m − x)ᵀ S⁻¹"),
    (lambda X, A, B: np.linalg.det(A @ X.T @ B @ X), "X: D D, A: D D, B: D D", "X",
     "2 det(A) det(B) (det(X))² X⁻ᵀ"),
    (lambda X: np.linalg.slogdet(np.linalg.inv(X))[1], "X: D D", "X", "−X⁻ᵀ"),
    (lambda X, A: np.trace(np.linalg.inv(X + A)), "X: D D, A: D D", "X", "−S⁻ᵀ S⁻ᵀ"),
    (lambda X, X_inv: np.trace(X_inv @ X) + np.trace(np.linalg.inv(X)), "X: D D, X_inv: D D", "X", "X_invᵀ − X⁻ᵀ X⁻ᵀ"),
]
# fmt: on


@pytest.mark.parametrize(("function", "shapes", "wrt", "form"), GRADIENTS, ids=[case[3] for case in GRADIENTS])
def test_a_form_is_the_textbooks(function: Callable[..., Any], shapes: str, wrt: str, form: str) -> None:
    derivation = derived(function, shapes, wrt)
    assert {mark.level for mark in derivation.prove().marks} <= {Level.DEFINITION, Level.EVERY_SHAPE}
    assert f"∂L/∂{wrt} = {form}\n" in derivation.to_text("matrix", steps="none")


def test_the_condition_is_stated() -> None:
    assert "det(X) ≠ 0: X has an inverse" in derived(lambda X: np.linalg.det(X), "X: D D", "X").to_text(detail="full")


def test_products_with_an_inverse_are_solutions() -> None:
    source = derived(quadratic, "a: D, X: D D, b: D", "X").to_source()
    assert '_solve(X, b, "X")' in source
    assert "_inverse(" not in source


def test_a_singular_matrix_is_named() -> None:
    function = derived(solved, "A: D D, b: D", "A").to_numpy()
    with pytest.raises(np.linalg.LinAlgError, match="A: Singular matrix"):
        function(np.zeros((2, 2)), np.ones(2))


def test_a_matrix_that_is_singular_to_working_precision_is_named() -> None:
    function = derived(least_squares, "X: N D, y: N", "X").to_numpy()
    wide = np.random.default_rng(3).standard_normal((2, 4))
    with pytest.raises(np.linalg.LinAlgError, match="S: Singular matrix"):
        function(wide, np.ones(2))
    function = derived(solved, "A: D D, b: D", "A").to_numpy()
    scaled = np.diag([1e-20, 1.0])
    np.testing.assert_allclose(function(scaled, np.ones(2))[0], 1e40)


def test_positive_definite_matrices_are_factored_once() -> None:
    derivation = derived(gaussian, "X: N D, mu: D, S: D D positive-definite", "X mu S")
    source = derivation.to_source()
    assert source.count("_cholesky(S, ") == 1
    assert " _solve(S" not in source and "np.linalg.slogdet" not in source
    assert "and SciPy for its Cholesky solver." in source
    function = derivation.to_numpy()
    X, mu = np.ones((2, 3)), np.zeros(3)
    with pytest.raises(np.linalg.LinAlgError, match="S: expected a positive definite matrix"):
        function(X, mu, -np.eye(3))
    with pytest.raises(ValueError, match="S: expected that S is symmetric and positive definite"):
        function(X, mu, np.eye(3) + np.triu(np.ones((3, 3)), 1) / 9)
    general = symgrad.derive(symgrad.loss(shapes="X: N D, mu: D, S: D D positive-definite")(gaussian), assume=())
    assert "_cholesky" not in general.to_source()


@pytest.mark.parametrize("target", ["scalar", "numba"])
def test_other_targets_refuse(target: str) -> None:
    derivation = derived(solved, "A: D D, b: D", "A")
    with pytest.raises(UnsupportedError, match=f"the target {target} cannot compute the inverse"):
        derivation.to_source(target=target, **({"sizes": {"D": 2}} if target == "scalar" else {}))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: np.linalg.det(X), "it takes a square matrix"),
        (lambda X: np.sum(np.linalg.solve(X @ X.T, X[None])), "it takes a vector or a matrix"),
    ],
)
def test_shapes_are_checked(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        _ = symgrad.loss(shapes="X: N D")(function).program()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: np.sum(np.linalg.matrix_power(X, 100)), "matrix_power takes an integer from -12 to 12"),
        (lambda X: np.sum(np.linalg.eigvalsh(X)), r"np.trace\(A\) is their sum"),
        (lambda X: np.linalg.norm(X, "nuc"), "it is made of singular values"),
        (lambda X: np.sum(np.kron(X, X)), r"np.sum\(A\) \* np.sum\(B\)"),
        (lambda X: np.sum(np.cross(X, X)), "with the Levi-Civita symbol E as an input"),
        (lambda X: np.sum(np.linalg.cholesky(X)), "declare the factor as the input"),
    ],
)
def test_what_has_no_rule_says_what_to_write(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        _ = symgrad.loss(shapes="X: D D")(function).program()


Array = Any
HEAD = "Q: T D, K: T D, V: T E, R: T E"
SMALL = {"B": 2, "N": 4, "T": 3, "D": 2, "E": 2}


def causal(Q: Array, K: Array, V: Array, R: Array) -> Any:
    T = Q.shape[0]
    S = Q @ K.T / np.sqrt(Q.shape[1])
    mask = np.arange(T)[:, None] >= np.arange(T)
    S = np.where(mask, S, -np.inf)
    A = softmax(S, axis=1)
    return np.sum(R * (A @ V))


def causal_by_a_triangle(Q: Array, K: Array, V: Array, R: Array) -> Any:
    T = Q.shape[0]
    mask = np.tril(np.ones((T, T), dtype=bool))
    return np.sum(R * (softmax(np.where(mask, Q @ K.T, -np.inf), axis=-1) @ V))


def causal_by_what_is_left_out(Q: Array, K: Array, V: Array, R: Array) -> Any:
    T = Q.shape[0]
    return np.sum(R * (scipy.special.softmax(np.where(np.triu(np.ones((T, T)), 1) > 0, -np.inf, Q @ K.T), axis=1) @ V))


def causal_by_a_bias(Q: Array, K: Array, V: Array, R: Array) -> Any:
    T = Q.shape[0]
    bias = np.triu(np.full((T, T), -np.inf), k=1)
    return np.sum(R * (softmax(Q @ K.T + bias, axis=-1) @ V))


def causal_by_a_large_number(Q: Array, K: Array, V: Array, R: Array) -> Any:
    T = Q.shape[0]
    return np.sum(R * (softmax(np.where(np.tri(T) == 1, Q @ K.T, -1e9), axis=-1) @ V))


def window(Q: Array, K: Array, V: Array, R: Array) -> Any:
    i = np.arange(Q.shape[0])
    return np.sum(R * (softmax(np.where((i[:, None] >= i) & (i[:, None] - i < 2), Q @ K.T, -np.inf)) @ V))


def stack(Z: Array, R: Array) -> Any:
    i = np.arange(Z.shape[1])
    scores = np.where(i[:, None] >= i, Z, -np.inf)
    return np.sum(R * softmax(scores / 2 + 1, axis=-1))


def padding(Z: Array, R: Array, lengths: Array) -> Any:
    kept = np.arange(Z.shape[1]) < lengths[:, None] + 1
    return np.sum(R * np.exp(scipy.special.log_softmax(np.where(kept, Z, -np.inf), axis=1)))


def log_sum(Z: Array) -> Any:
    i = np.arange(Z.shape[0])
    return np.sum(scipy.special.logsumexp(np.where(i[:, None] >= i, Z, -np.inf), axis=1))


LOSSES: dict[str, tuple[Callable[..., Any] | str, str, str]] = {
    **{f.__name__: (f, HEAD, "Q K V") for f in (causal, causal_by_a_triangle, causal_by_what_is_left_out)},
    **{f.__name__: (f, HEAD, "Q K V") for f in (causal_by_a_bias, causal_by_a_large_number, window)},
    "stack": (stack, "Z: B T T, R: B T T", "Z"),
    "padding": (padding, "Z: N T, R: N T, lengths: N count", "Z"),
    "log_sum": (log_sum, "Z: T T", "Z"),
    "positions": ("sum((x - w * arange(T))**2) + sum(arange(T)[:, None] * A)", "x: T, w: scalar, A: T T", "w A"),
    "decay": ("sum(exp(-abs(arange(T)[:, None] - arange(T)) / s) * A)", "A: T T, s: scalar positive", "A s"),
    "triangles": ("sum((tril(A, -1) @ x)**2) + sum(triu(A, 2)**2) + sum(tril(A) @ x)", "A: T T, x: T", "A x"),
    "of ones": ("sum(tri(T) @ x * r) + r @ triu(np.ones((T, T))) @ x", "x: T, r: T", "x"),
    "diagonal": ("sum((arange(T)[:, None] == arange(T)) * A)", "A: T T", "A"),
    "not of the diagonal": ("sum((arange(T)[:, None] != arange(T)) * A**2)", "A: T T", "A"),
    "like": (
        "sum(np.full_like(A, 2.5) * A * np.ones_like(A) + np.zeros_like(A)) + sum(np.full((T, T), 3) * A)",
        "A: T T",
        "A",
    ),
    "running sums": ("sum(r * X.cumsum(axis=1)) + sum(np.cumsum(x)**2)", "X: N T, r: N T, x: T", "X x"),
    "one sample": ("-sum(y * log_softmax(z))", "z: T, y: T distribution", "z"),
    "several maxima": ("X.max() + sum(np.min(Z, axis=(1, 2))**2)", "X: N D, Z: N D E", "X Z"),
    "two axes": ("sum((arange(N)[:, None] < arange(T)) * X)", "X: N T", "X"),
}


BY_LOOPS = ("causal", "decay", "two axes")
QUICK = (*("causal", "padding", "positions", "decay", "diagonal", "not of the diagonal"), "like", "two axes")


def loss_of(name: str) -> Any:
    function, shapes, wrt = LOSSES[name]
    return parse(function, shapes, wrt) if isinstance(function, str) else symgrad.loss(shapes=shapes, wrt=wrt)(function)


def inputs_of(loss: Any, program: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    inputs = {a.name: rng.standard_normal([SMALL[axis.name] for axis in a.axes]) for a in program.inputs}
    inputs |= {"lengths": np.array([0.0, 1, 2, 5])} if "lengths" in inputs else {}
    inputs |= {"y": np.array([0.2, 0.3, 0.5])} if "y" in inputs else {}
    inputs |= {a.name: np.abs(inputs[a.name]) + 0.3 for a in program.inputs if a.positive}
    return arguments(loss, program, inputs)


@pytest.mark.parametrize("name", LOSSES)
def test_the_equations_have_the_value_of_the_function(name: str) -> None:
    loss = loss_of(name)
    program = loss.program()
    inputs = inputs_of(loss, program)
    sizes = {axis.name: SMALL[axis.name] for axis in program.axes}
    arrays = {array.name: np.asarray(value) for array, value in zip(program.inputs, inputs.values(), strict=True)}
    assert forward(program, arrays, sizes)[program.output].real == pytest.approx(loss(*inputs.values()), rel=1e-12)


@pytest.mark.numba
@pytest.mark.parametrize("name", sampled(LOSSES, *QUICK))
def test_it_is_proved_at_every_shape_and_runs_in_every_target(name: str) -> None:
    loss = loss_of(name)
    derivation = symgrad.derive(loss)
    assert derivation.prove().counts.keys() <= {"definition", "every shape"}
    assert derivation.evaluation.prove().ok
    inputs = inputs_of(loss, derivation.program)
    sizes = {axis.name: SMALL[axis.name] for axis in derivation.program.axes}
    scalar = compile_source(derivation.to_source("f", target="scalar", sizes=sizes), "f")
    places = [list(inputs).index(name) for name in loss.wrt]
    with np.errstate(all="raise", under="ignore"):
        value, gradients = derivation.to_numpy()(*inputs.values())
    assert symgrad.check_grad(loss.function, lambda *_: (value, list(gradients)), *inputs.values(), wrt=places).ok
    for function in (scalar, *([derivation.to_numba()] if name in BY_LOOPS else [])):
        other, more = function(*inputs.values())
        assert other == pytest.approx(value, rel=1e-12)
        for one, two in zip(gradients, more, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-13)
    for page in (derivation.to_text("index", steps="all"), derivation.to_latex(), derivation.to_mathml()):
        assert "position" not in page.replace("the position of an index", "")


def test_causal_attention_reads_as_in_textbooks() -> None:
    text = symgrad.derive(loss_of("causal")).to_text()
    assert "mask_tu = [t ≥ u]" in text and "G_S = ∂L/∂S = A ⊙ (G_A − (A ⊙ G_A) 1_T 1_Tᵀ)" in text


def test_positions_count_from_zero_where_letters_count_from_one() -> None:
    assert "∂L/∂w = 2 Σ_t (t − 1) (w (t − 1) − x_t)" in symgrad.derive(loss_of("positions")).to_text()


def test_large_logits_under_a_mask_do_no_harm() -> None:
    Z = np.where(np.tri(3) == 1, 1.0, 5000.0)
    value, gradients = symgrad.derive(loss_of("log_sum")).to_numpy()(Z)
    assert value == pytest.approx(log_sum(Z)) and np.all(np.isfinite(gradients.Z))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sum(np.where(X > 0, X, -np.inf))", "-inf has a meaning in a softmax"),
        ("sum(softmax(np.maximum(np.where(X > 0, X, -np.inf), 0)))", "maximum of -inf has no rule"),
        ("sum(softmax(np.where(X > 0, X, -np.inf) * X))", "\\* of -inf has no rule"),
        ("sum(tril(x))", "tril of x .*takes a matrix"),
        ("sum(np.arange(2, T) * x)", "must start at 0"),
    ],
)
def test_what_has_no_rule_says_so(text: str, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        symgrad.derive(parse(text, "X: N T, x: T", "X x" if "x" in text.replace("max", "") else "X"))
