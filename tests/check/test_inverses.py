"""Lines about inverses and determinants: the lemmas that the checker uses, and false lines, which it refutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from sympy import Indexed, KroneckerDelta, Sum

import symgrad
from symgrad.check.marks import Level
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.numeric.evaluate import inverted
from symgrad.check.numeric.fields import Field, OutsideDomain, Reals
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.proof import prove
from symgrad.check.semantics import partial
from symgrad.engine.derive import derive_record
from symgrad.matrix_functions import OF_MATRICES
from symgrad.steps import Differentiated, Record


def record_of(function: Callable[..., Any], shapes: str, wrt: str) -> Record:
    return derive_record(symgrad.loss(shapes=shapes)(function).program(), (wrt,))


QUADRATIC = record_of(lambda a, X, b: a @ np.linalg.inv(X) @ b, "a: D, X: D D, b: D", "X")
DETERMINANT = record_of(lambda X: np.linalg.det(X) * np.sum(X**2), "X: D D", "X")
LOGARITHM = record_of(lambda X: np.linalg.slogdet(X)[1] ** 2, "X: D D", "X")


def test_the_derivative_of_an_inverse_solves_the_differentiated_equation() -> None:
    program = QUADRATIC.program
    X, B = program.arrays["X"], program.arrays["X_inv"]
    i, j, k, n, m = (X.axes[0].index(letter) for letter in "ijklm")
    slope = partial(program, B[m, j], X[k, n])
    for names in (frozenset[str](), frozenset(program.definitions)):
        normaliser = Normaliser(program, names)
        assert normaliser.equal(Sum(X[i, m] * slope, m), -KroneckerDelta(i, k) * B[n, j])
        assert normaliser.equal(Sum(B[i, m] * X[m, j], m), KroneckerDelta(i, j))
        assert not normaliser.equal(Sum(X[m, i] * B[m, j], m), KroneckerDelta(i, j))


@pytest.mark.parametrize("record", [QUADRATIC, DETERMINANT, LOGARITHM], ids=["inverse", "det", "logdet"])
def test_false_lines_are_refuted(record: Record) -> None:
    assert prove(record).ok
    tried = 0
    for position, step in enumerate(record.steps):
        entries = {e for e in step.after.atoms(Indexed) if e.base.name == "X_inv"} if step.rule != "matrix" else ()
        turned = [step.after.xreplace({e: e.base[e.indices[::-1]]}) for e in entries if len({*e.indices}) == 2]
        for wrong in [*turned, -step.after] if entries else []:
            steps = [*record.steps[:position], replace(step, after=wrong), *record.steps[position + 1 :]]
            assert prove(replace(record, steps=tuple(steps))).marks[position].level == Level.WRONG
            tried += 1
    assert tried > 1


def test_the_differentiated_equation_is_a_line_of_its_own() -> None:
    position, step = next((n, s) for n, s in enumerate(QUADRATIC.steps) if isinstance(s.subject, Differentiated))
    assert prove(QUADRATIC).marks[position].level == Level.EVERY_SHAPE
    assert step.number in QUADRATIC.steps[position + 1].cites
    (delta,), (entry,) = step.after.atoms(KroneckerDelta), step.after.atoms(Indexed)
    first, last = delta.args
    turned = step.after.xreplace({entry: entry.base[entry.indices[::-1]]})
    for wrong in (-step.after, step.after / delta, turned, 2 * step.after):
        steps = [*QUADRATIC.steps[:position], replace(step, after=wrong), *QUADRATIC.steps[position + 1 :]]
        assert prove(replace(QUADRATIC, steps=tuple(steps))).marks[position].level == Level.WRONG
    foreign = replace(step, subject=replace(step.subject, of=QUADRATIC.program.arrays["X"][first, last]))
    steps = [*QUADRATIC.steps[:position], foreign, *QUADRATIC.steps[position + 1 :]]
    mark = prove(replace(QUADRATIC, steps=tuple(steps))).marks[position]
    assert mark.level == Level.WRONG and "is not an entry of an inverse" in mark.detail


@pytest.mark.parametrize("numbers", [Reals(1, 0), Field(1, 0)], ids=["reals", "field"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_elimination_agrees_with_cofactors(numbers: Reals | Field, size: int) -> None:
    matrix = numbers.sample((size, size), False)
    inverse, determinant = inverted(matrix, numbers)
    product = numbers.reduce(np.einsum("lij,ljk->lik", matrix, inverse))
    one = np.broadcast_to(np.eye(size, dtype=int), product.shape)
    assert not numbers.differ(product, one).any()
    instance = Instance(DETERMINANT.program, {"D": size})
    (call,) = DETERMINANT.program.definitions["L"].rhs.atoms(*OF_MATRICES)
    written = instance.entry(call, {})
    values = {s: int(matrix[(0, *place)]) for s, (_, place) in instance.scalars.items()}
    if isinstance(numbers, Field):
        assert int(written.xreplace(values)) % numbers.primes[0] == determinant[0]


def triangular(A: Any, b: Any) -> Any:
    x = scipy.linalg.solve_triangular(A, b, lower=True)
    return np.sum(x**2) + np.sum(scipy.linalg.solve_triangular(A, b, trans="T"))


def test_a_triangular_system_reads_one_triangle() -> None:
    derivation = symgrad.derive(symgrad.loss(shapes="A: D D, b: D", wrt="A b")(triangular))
    assert {mark.level for mark in derivation.prove().marks} <= {Level.DEFINITION, Level.EVERY_SHAPE}
    A, b = np.array([[2.0, 5], [1, 3]]), np.array([1.0, -2])
    value, gradients = derivation.to_numpy()(A, b)
    assert np.isclose(value, triangular(A, b))
    for position in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[position] = 1e-6
        slope = (triangular(A + step, b) - triangular(A - step, b)) / 2e-6
        assert np.isclose(gradients.A[position], slope)


def test_a_singular_matrix_is_outside_the_domain() -> None:
    numbers = Field(1, 0)
    with pytest.raises(OutsideDomain):
        inverted(np.ones((1, 2, 2), dtype=object), numbers)


def test_symmetry_needs_its_assumption() -> None:
    record = record_of(lambda S, M: np.trace(np.linalg.inv(S) @ M), "S: D D symmetric, M: D D", "S")
    position, step = next((n, s) for n, s in enumerate(record.steps) if s.assumption)
    assert prove(record).marks[position].assumptions == ("A1",)
    steps = [*record.steps[:position], replace(step, assumption=None), *record.steps[position + 1 :]]
    assert prove(replace(record, steps=tuple(steps))).marks[position].level == Level.WRONG
