"""Ten cases for the gradient and the prover, ten for the diagnosis, written down before any of them was tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
from cases import sampled
from catalogue import derived
from sympy import Expr, Sum

import symgrad
from symgrad.array import logsumexp, norm, softmax
from symgrad.check import Level, prove
from symgrad.equations import Assumption, node
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Gradient, MatrixTotal, Record, Step, Total, Value

N, M, D = Axis("N"), Axis("M"), Axis("D")
x, y = Array("x"), Array("y")


def agrees_with_differences(loss: Any, *arrays: np.ndarray) -> None:
    """The generated gradients against the function's own slopes, entry by entry."""
    derivation = symgrad.derive(loss)
    assert derivation.prove().ok, derivation.to_text()
    inputs = [array.name for array in derivation.program.inputs]
    check = symgrad.check_grad(loss, derivation.to_numpy(), *arrays, wrt=list(map(inputs.index, derivation.record.wrt)))
    assert check.ok, check


def scalar_record(*lines: tuple[Expr, Expr]) -> Record:
    """Lines about values of the inputs x and y of a program that is their sum."""
    L = Array("L")
    program = Program("hand", (), (x, y), (node(L[()], x[()] + y[()]),), "L")
    steps = tuple(Step(i, Value(left), None, right, "rule", "by hand") for i, (left, right) in enumerate(lines, 1))
    return Record(program, (), steps, {}, {})


# --- the gradient, and what the prover says ------------------------------------------------------------------------


@pytest.mark.slow
def test_the_largest_entry_of_columns_less_their_logsumexp() -> None:
    @symgrad.loss(shapes="X: N D", wrt="X")
    def spread(X):
        return np.sum(np.max(X - logsumexp(X, axis=0, keepdims=True), axis=0) ** 2)

    agrees_with_differences(spread, np.random.default_rng(0).standard_normal((4, 3)))


@pytest.mark.slow
def test_a_logsumexp_of_what_a_logsumexp_was_taken_from() -> None:
    @symgrad.loss(shapes="A: N D, B: N D", wrt="A B")
    def twice(A, B):
        R = A - logsumexp(A * B, axis=1, keepdims=True)
        return np.mean(logsumexp(R * A, axis=1) * np.max(B, axis=1))

    rng = np.random.default_rng(0)
    agrees_with_differences(twice, rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))


@pytest.mark.slow
def test_norms_of_rows_that_were_centred_and_divided_by_their_norms() -> None:
    @symgrad.loss(shapes="X: N D", wrt="X")
    def normed(X):
        U = X - np.mean(X, axis=1, keepdims=True)
        V = U / norm(U, axis=1, keepdims=True)
        return np.sum(np.min(V - np.log(np.sum(np.exp(V), axis=1, keepdims=True)), axis=1))

    agrees_with_differences(normed, np.random.default_rng(3).standard_normal((3, 4)))


def test_an_assumption_of_the_same_key_about_something_else_is_refused() -> None:
    derivation = derived("softmax_cross_entropy")
    Y = next(a for a in derivation.program.inputs if a.name == "Y")
    n, k = (axis.index(letter) for axis, letter in zip(Y.axes, "nk", strict=True))
    forged = Assumption("A1", "each row of Y sums to two", Sum(Y[n, k], k), sympy.Integer(2))
    steps = tuple(replace(s, assumption=forged) if s.assumption else s for s in derivation.steps)
    report = prove(replace(derivation.record, steps=steps))
    (number,) = (s.number for s in steps if s.assumption)
    assert not report.mark(number).ok


def test_the_matrix_form_of_another_array_is_no_gradient() -> None:
    A, B, L = Array("A", (N, N)), Array("B", (N, N)), Array("L")
    n, m = N.index("n"), N.index("m")
    program = Program("two", (N,), (A, B), (node(L[()], Sum(A[n, m] * B[n, m], n, m)),), "L")
    record = symgrad.derive(program, wrt=["A"]).record
    forged = Gradient(B, B[n, m], record.gradients["A"].index, record.gradients["A"].matrix)
    assert not prove(replace(record, gradients={"A": forged})).ok
    moved = [replace(s, subject=MatrixTotal(B)) if isinstance(s.subject, MatrixTotal) else s for s in record.steps]
    assert not prove(replace(record, steps=tuple(moved))).ok


def test_lines_with_one_number_are_refused() -> None:
    record = symgrad.derive("mse" if "mse" in symgrad.LOSSES else "softmax_mse").record
    last = record.steps[-1]
    twice = (*record.steps[:-1], replace(last, number=record.steps[-2].number))
    assert not prove(replace(record, steps=twice)).ok


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sympy.asin(sympy.cos(x[()])), sympy.pi / 2 - x[()]),
        (sympy.atan(x[()]) + sympy.atan(1 / x[()]), sympy.pi / 2),
        (sympy.acosh(sympy.cosh(x[()])), x[()]),
        (sympy.atan(sympy.tan(x[()])), x[()]),
        (sympy.log(x[()] ** 2 * sympy.exp(y[()])), 2 * sympy.log(x[()]) + y[()]),
        (sympy.sqrt((x[()] - 3) ** 2), 3 - x[()]),
    ],
)
def test_what_holds_on_one_branch_is_not_proved(left: Expr, right: Expr) -> None:
    mark = prove(scalar_record((left, right))).mark(1)
    assert not mark.ok, mark.words


def test_a_power_above_one_says_nothing_about_zero() -> None:
    L = Array("L")
    for power in (sympy.Rational(5, 2), sympy.Rational(3, 2), sympy.Rational(7, 3)):
        base = x[()] ** 4 + y[()] ** 2
        program = Program("hand", (), (x, y), (node(L[()], base**power),), "L")
        line = Step(1, Value(1 / base), None, 1 / base, "rule", "by hand")
        assert not prove(Record(program, (), (line,), {}, {})).ok


def test_a_refuted_derivation_gives_no_code_of_any_kind(tmp_path: Any) -> None:
    derivation = symgrad.derive("ridge" if "ridge" in symgrad.LOSSES else "softmax_mse")
    last = max(s.number for s in derivation.steps if isinstance(s.subject, Total))
    steps = tuple(replace(s, after=2 * s.after) if s.number == last else s for s in derivation.steps)
    name = derivation.record.wrt[-1]
    gradient = derivation.record.gradients[name]
    wrong = symgrad.Derivation(
        replace(
            derivation.record,
            steps=steps,
            gradients={**derivation.record.gradients, name: replace(gradient, index=2 * gradient.index)},
        )
    )
    sizes = {axis.name: 2 for axis in derivation.program.axes}
    attempts: list[Callable[[], object]] = [
        wrong.to_numpy,
        wrong.to_source,
        lambda: wrong.to_source(target="scalar", sizes=sizes),
        lambda: wrong.explicit(**sizes).lambdify(),
    ]
    for attempt in attempts:
        with pytest.raises(symgrad.SymgradError, match=rf"\b{last}\b"):
            attempt()


@pytest.mark.parametrize(
    "text",
    sampled(
        ["sum(log(1 - softmax(X, axis=1)))", "mean(log(softmax(X, axis=1) / (1 - softmax(X, axis=1)))**2)"], every=2
    ),
)
def test_what_is_undefined_for_one_class_is_not_called_wrong(text: str) -> None:
    function = {"log": np.log, "sum": np.sum, "mean": np.mean, "softmax": softmax}

    @symgrad.loss(shapes="X: N C", wrt="X")
    def odds(X):
        return eval(text, function, {"X": X})

    derivation = symgrad.derive(odds)
    levels = {mark.level for mark in derivation.prove().marks}
    assert Level.WRONG not in levels
    X = np.random.default_rng(0).standard_normal((2, 3))
    assert np.all(np.isfinite(derivation.to_numpy(check=False)(X)[1].X))


@pytest.mark.slow
def test_an_index_may_be_called_as_a_function_or_an_inner_index_is() -> None:
    for letter in ("exp", "log", "_w0", "_N1", "_o0", "_p0", "step", "relu"):
        A, w, L = Array("A", (N, M)), Array("w", (M,)), Array("L")
        n, m = N.index(letter), M.index("m")
        program = Program("named", (N, M), (A, w), (node(L[()], Sum(sympy.exp(A[n, m] * w[m]), n, m)),), "L")
        derivation = symgrad.derive(program, wrt=["A", "w"])
        assert derivation.prove().ok, letter
        line = Step(1, Value(A[n, m]), None, sympy.exp(A[n, m]), "rule", "by hand")
        assert not prove(Record(program, (), (line,), {}, {})).ok


# --- the diagnosis -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_insensitive_zone_without_its_outside() -> None:
    @symgrad.loss(shapes="r: N", wrt="r")
    def insensitive(r):
        return np.sum(np.maximum(np.abs(r) - 5, 0))

    derivation = symgrad.derive(insensitive)
    assert not symgrad.diagnose(derivation, lambda r: 0 * r).ok
    assert symgrad.diagnose(derivation, lambda r: np.sign(r) * (np.abs(r) > 5)).ok


def test_a_clip_that_is_left_out_far_away() -> None:
    @symgrad.loss(shapes="r: N", wrt="r")
    def clipped(r):
        return np.sum(np.clip(r, -20, 30) ** 2)

    derivation = symgrad.derive(clipped)
    assert not symgrad.diagnose(derivation, lambda r: 2 * r).ok
    assert symgrad.diagnose(derivation, lambda r: 2 * r * ((r > -20) & (r < 30))).ok


@pytest.mark.slow
def test_a_hinge_with_a_wide_margin() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N", wrt="w")
    def wide(X, w, y):
        return np.mean(np.maximum(0, 50 - y * (X @ w)))

    derivation = symgrad.derive(wide)
    assert not symgrad.diagnose(derivation, lambda X, w, y: -(X.T @ y) / len(y)).ok
    right = lambda X, w, y: -(X.T @ (y * (y * (X @ w) < 50))) / len(y)  # noqa: E731
    assert symgrad.diagnose(derivation, right).ok


@pytest.mark.slow
def test_a_largest_entry_that_is_nearly_always_the_same() -> None:
    @symgrad.loss(shapes="X: N D, u: D", wrt="X")
    def steep(X, u):
        return np.sum(np.where(np.exp(X) > 1e5, X * u, np.max(X, axis=1, keepdims=True)))

    derivation = symgrad.derive(steep)

    def only_inside(X, u):
        hot = np.zeros_like(X)
        hot[np.arange(len(X)), X.argmax(axis=1)] = X.shape[1]
        return hot

    assert not symgrad.diagnose(derivation, only_inside).ok


@pytest.mark.slow
def test_two_thresholds_one_after_the_other() -> None:
    @symgrad.loss(shapes="r: N, t: scalar positive", wrt="r")
    def tukey(r, t=4.685):
        return np.sum(np.where(np.abs(r) <= t, t**2 / 6 * (1 - (1 - (r / t) ** 2) ** 3), t**2 / 6))

    derivation = symgrad.derive(tukey)
    assert not symgrad.diagnose(derivation, lambda r, t: r * (1 - (r / t) ** 2) ** 2).ok
    assert symgrad.diagnose(derivation, lambda r, t: np.where(np.abs(r) <= t, r * (1 - (r / t) ** 2) ** 2, 0)).ok


def test_another_subgradient_is_a_convention() -> None:
    @symgrad.loss(shapes="r: N", wrt="r")
    def absolute_error(r):
        return np.sum(np.abs(r))

    result = symgrad.diagnose(symgrad.derive(absolute_error), lambda r: np.where(r >= 0, 1.0, -1.0))
    assert result.ok
    assert not result.deviations


def test_labels_of_two_values_are_a_domain() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N sign", wrt="w")
    def perceptron_like(X, w, y):
        return np.mean(np.log(1 + np.exp(-y * (X @ w))))

    derivation = symgrad.derive(perceptron_like)

    def by_classes(X, w, y):
        p = 1 / (1 + np.exp(-(X @ w)))
        return X.T @ np.where(y == 1, p - 1, p) / len(y)

    assert symgrad.diagnose(derivation, by_classes).ok
    with pytest.raises(ValueError, match="y"):
        derivation.to_numpy()(np.ones((2, 3)), np.ones(3), np.array([1.0, 0.5]))


def test_a_gradient_for_counts() -> None:
    @symgrad.loss(shapes="X: N D, w: D, y: N count", wrt="w")
    def poisson(X, w, y):
        eta = X @ w
        return np.mean(np.exp(eta) - y * eta)

    derivation = symgrad.derive(poisson)
    assert derivation.prove().ok

    def careful(X, w, y):
        assert np.all(y == np.round(y)) and np.all(y >= 0)
        return X.T @ (np.exp(X @ w) - y) / len(y)

    assert symgrad.diagnose(derivation, careful).ok
    with pytest.raises(ValueError, match="y"):
        derivation.to_numpy()(np.ones((2, 3)), np.ones(3), np.array([1.0, -1.0]))


def test_scalars_given_in_another_order_are_matched_by_name() -> None:
    @symgrad.loss(shapes="r: N, alpha: scalar positive, beta: scalar positive", wrt="r")
    def two_scales(r, alpha=2.0, beta=0.5):
        return np.sum(alpha * r**2 + np.exp(beta * r))

    derivation = symgrad.derive(two_scales)
    assert symgrad.diagnose(derivation, lambda r, beta, alpha: 2 * alpha * r + beta * np.exp(beta * r)).ok


@pytest.mark.slow
def test_a_gradient_of_zeros_is_called_zero() -> None:
    result = symgrad.diagnose(derived("softmax_cross_entropy"), lambda X, W, b, Y: (np.zeros_like(W), np.zeros_like(b)))
    assert not result.ok and result.explanations[0].kind == "zero"
    assert "zero" in result.summary


@pytest.mark.slow
def test_a_right_half_of_a_contrastive_loss() -> None:
    @symgrad.loss(shapes="d: N positive, y: N binary", wrt="d")
    def contrastive(d, y):
        return np.mean(y * d**2 + (1 - y) * np.maximum(0, 40 - d) ** 2)

    derivation = symgrad.derive(contrastive)
    assert not symgrad.diagnose(derivation, lambda d, y: 2 * y * d / len(d)).ok
    assert not symgrad.diagnose(derivation, lambda d, y: (2 * y * d - 2 * (1 - y) * (40 - d)) / len(d)).ok
    right = lambda d, y: (2 * y * d - 2 * (1 - y) * (40 - d) * (d < 40)) / len(d)  # noqa: E731
    assert symgrad.diagnose(derivation, right).ok
