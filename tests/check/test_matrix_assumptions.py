"""Assumptions about the entries of a matrix: what lines they prove, and false lines, which they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sympy import Integer, KroneckerDelta

import symgrad
from symgrad.array.shape_grammar import parse_shapes
from symgrad.check.assumptions import constraints
from symgrad.check.marks import Level
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.proof import prove
from symgrad.equations import TIES, Assumption
from symgrad.errors import InputError
from symgrad.notation import Axis, sum_over
from symgrad.steps import Record

PROVED = {Level.DEFINITION, Level.EVERY_SHAPE}


def derived(function: Callable[..., Any], shapes: str, wrt: str) -> symgrad.Derivation:
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt)(function))


# fmt: off
GRADIENTS = [
    (lambda Q, A: np.trace(Q.T @ A @ Q), "Q: D D orthogonal, A: D D", "A", "I_D"),
    (lambda Q, A: np.trace(Q.T @ A @ Q), "Q: D D orthogonal, A: D D", "Q", "(A + Aᵀ) Q"),
    (lambda S, x: x @ S @ x, "S: D D diagonal, x: D", "x", "2 diag(S) ⊙ x"),
    (lambda S, x: x @ np.linalg.inv(S) @ x, "S: D D diagonal, x: D", "S", "−S⁻¹ x xᵀ S⁻¹"),
    (lambda A, x: np.sum((A @ x) ** 2), "A: D D lower, x: D", "A", "2 r xᵀ"),
]
# fmt: on


@pytest.mark.parametrize(("function", "shapes", "wrt", "form"), GRADIENTS, ids=[case[3] for case in GRADIENTS])
def test_a_gradient_uses_the_structure(function: Callable[..., Any], shapes: str, wrt: str, form: str) -> None:
    derivation = derived(function, shapes, wrt)
    assert {mark.level for mark in derivation.prove().marks} <= PROVED
    text = derivation.to_text("matrix")
    assert f"∂L/∂{wrt} = {form}\n" in text
    assert ("entries count as independent" in text) == (wrt in "QSA" and shapes.startswith(wrt))
    value, gradients = derivation.to_numpy()(**{name: example(shapes, name) for name in "QSAx" if f"{name}:" in shapes})
    assert np.isfinite(value) and np.isfinite(getattr(gradients, wrt)).all()


def example(shapes: str, name: str) -> np.ndarray:
    declared = next(part for part in shapes.split(",") if part.split(":")[0].strip() == name)
    if "orthogonal" in declared:
        return np.array([[0.6, -0.8], [0.8, 0.6]])
    return np.array([[2.0, 0], [0, 3]]) if "D D" in declared else np.array([1.0, -2])


@pytest.mark.parametrize("word", TIES)
def test_random_inputs_satisfy_the_assumption(word: str) -> None:
    derivation = derived(lambda A, x: np.sum((A.T @ A @ x) ** 2), f"A: D D {word}, x: D", "x")
    assert derivation.example is not None
    value = next(q.values for q in derivation.example.inputs if q.array.name == "A")
    holds = {
        "diagonal": np.diag(np.diag(value)) - value,
        "lower": np.triu(value, 1),
        "orthogonal": value @ value.T - np.eye(2),
    }
    assert np.abs(value).max() > 0.1
    np.testing.assert_allclose(holds[word], 0, atol=1e-12)


def test_generated_code_checks_what_lines_use() -> None:
    function = derived(lambda Q, A: np.trace(Q.T @ A @ Q), "Q: D D orthogonal, A: D D", "A").to_numpy()
    with pytest.raises(ValueError, match="Q: expected that Q is orthogonal, got a difference of 3"):
        function(2 * np.eye(2), np.eye(2))


@pytest.mark.parametrize("word", ["diagonal", "lower", "orthogonal"])
def test_declarations_are_checked(word: str) -> None:
    with pytest.raises(InputError, match=f"only a square matrix can be {word}"):
        parse_shapes(f"A: N D {word}")
    with pytest.raises(InputError, match="cannot be combined with other words"):
        parse_shapes(f"A: D D {word} symmetric")


AXIS = Axis("D")
A, X = (symgrad.Array(name, (AXIS, AXIS)) for name in "AX")
i, j, k, m = (AXIS.index(letter) for letter in "ijkm")
TRUE = {
    "orthogonal": [
        (sum_over(A[k, i] * A[k, j], [k]), KroneckerDelta(i, j)),
        (sum_over(A[i, k] * A[j, k], [k]), KroneckerDelta(i, j)),
        (sum_over(A[k, i] ** 2, [k]), Integer(1)),
        (sum_over(A[k, i] * A[k, m] * X[m, j], [k, m]), X[i, j]),
        (sum_over(A[k, m] ** 2, [k, m]), AXIS.size),
    ],
    "diagonal": [(A[i, j], KroneckerDelta(i, j) * A[i, i]), (A[i, j], A[j, i]), (sum_over(A[i, k], [k]), A[i, i])],
    "lower": [],
}
FALSE = {
    "orthogonal": [
        (sum_over(A[k, i] * A[j, k], [k]), KroneckerDelta(i, j)),
        (sum_over(A[k, i] * A[k, j] * X[k, i], [k]), X[i, j]),
        (sum_over(A[k, i] ** 2 * A[k, j], [k]), A[i, j]),
        (sum_over(A[k, i] * A[k, j] / X[k, i], [k]), KroneckerDelta(i, j)),
        (sum_over(A[k, k] ** 2, [k]), Integer(1)),
        (A[i, j], A[j, i]),
        (A[i, j] ** 2, Integer(1)),
    ],
    "diagonal": [(A[i, j], A[i, i]), (A[i, i], Integer(0)), (A[i, j], Integer(0))],
    "lower": [(A[i, j], A[j, i]), (A[i, j], Integer(0)), (A[i, j], KroneckerDelta(i, j) * A[i, j])],
}


def assumed(word: str) -> tuple[Normaliser, Assumption]:
    program = symgrad.loss(shapes=f"A: D D {word}, X: D D")(lambda A, X: np.sum(A * X)).program()
    (assumption,) = program.assumptions
    assert list(constraints([assumption], program)) == ["A"]
    return Normaliser(program, frozenset(), None, (assumption,)), assumption


@pytest.mark.parametrize("word", TIES)
def test_normal_forms_know_the_structure(word: str) -> None:
    normaliser, assumption = assumed(word)
    assert assumption.is_structure
    assert normaliser.equal(assumption.lhs, assumption.rhs)
    assert all(normaliser.equal(*pair) for pair in TRUE[word])
    assert not any(normaliser.equal(*pair) for pair in FALSE[word])


def test_a_line_needs_its_assumption() -> None:
    record: Record = derived(lambda Q, A: np.trace(Q.T @ A @ Q), "Q: D D orthogonal, A: D D", "A").record
    position, step = next((n, s) for n, s in enumerate(record.steps) if s.assumption)
    for wrong in (
        replace(step, assumption=None),
        replace(step, after=2 * step.after),
        replace(step, after=-step.after),
    ):
        steps = [*record.steps[:position], wrong, *record.steps[position + 1 :]]
        assert prove(replace(record, steps=tuple(steps))).marks[position].level == Level.WRONG
