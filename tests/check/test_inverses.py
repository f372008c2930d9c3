"""Lines about inverses and determinants: the lemmas that the checker uses, and false lines, which it refutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from sympy import Indexed, KroneckerDelta, Sum, log, sqrt

import symgrad
from symgrad.check.marks import Level
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.numeric.evaluate import inverted
from symgrad.check.numeric.fields import Field, OutsideDomain, Reals
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.proof import prove
from symgrad.check.semantics import partial
from symgrad.engine.derive import derive_record
from symgrad.functions import absolute
from symgrad.matrix_functions import OF_MATRICES, det, logdet
from symgrad.steps import Differentiated, MatrixTotal, MatrixValue, Record, Step, Value


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


@pytest.mark.parametrize("record", [DETERMINANT, LOGARITHM], ids=["det", "logdet"])
def test_a_determinant_and_its_logarithm_may_be_negative(record: Record) -> None:
    (call,) = record.program.definitions["L"].rhs.atoms(det, logdet)
    normaliser = Normaliser(record.program, frozenset())
    for left, right in [(sqrt(call**2), call), (absolute(call), call), (log(call**2), 2 * log(call))]:
        assert not normaliser.equal(left, right)
        line = Step(len(record.steps) + 1, Value(left), None, right, "claim", "a claim")
        assert not prove(replace(record, steps=(*record.steps, line))).marks[-1].ok


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


TRACE = record_of(lambda A, X, B: np.trace(A @ np.linalg.inv(X) @ B), "A: D D, X: D D, B: D D", "X")
A_, X_, B_, XI = (TRACE.program.arrays[name].matrix for name in ("A", "X", "B", "X_inv"))
GRAM = record_of(lambda V: np.linalg.slogdet(V.T @ V)[1], "V: N D", "V")
V_, SI = (GRAM.program.arrays[name].matrix for name in ("V", "S_inv"))
NORMAL = record_of(
    lambda S, M: np.linalg.slogdet(S)[1] + np.trace(np.linalg.inv(S) @ M), "S: D D positive-definite, M: D D", "S"
)
M_, SIGMA = (NORMAL.program.arrays[name].matrix for name in ("M", "S_inv"))
SIZE = TRACE.program.axis["D"].size
FORGED = {
    "the sign": (TRACE, XI.T * A_.T * B_.T * XI.T),
    "a transpose": (TRACE, -XI * A_.T * B_.T * XI.T),
    "all transposes": (TRACE, -XI * B_ * A_ * XI),
    "the order": (TRACE, -XI.T * B_.T * A_.T * XI.T),
    "a factor missing": (TRACE, -A_.T * B_.T * XI.T),
    "a factor for its inverse": (TRACE, -X_.T * A_.T * B_.T * XI.T),
    "symmetry that is not declared": (TRACE, -XI.T * A_.T * B_.T * XI),
    "a number": (TRACE, -2 * XI.T * A_.T * B_.T * XI.T),
    "the matrix beside its inverse": (GRAM, 2 * V_ * (V_.T * V_) * SI),
    "half": (GRAM, V_ * SI),
    "the sign of the logarithm": (NORMAL, -SIGMA - SIGMA * M_.T * SIGMA),
    "M taken for symmetric": (NORMAL, SIGMA - SIGMA * M_ * SIGMA),
    "the trace alone": (NORMAL, -SIGMA * M_.T * SIGMA),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_gradients_are_refuted(case: str) -> None:
    record, wrong = FORGED[case]
    position, step = len(record.steps) - 1, record.steps[-1]
    assert isinstance(step.subject, MatrixTotal)
    forged = replace(record, steps=(*record.steps[:position], replace(step, after=wrong)))
    assert prove(record).marks[position].level == Level.EVERY_SHAPE
    assert prove(forged).marks[position].level == Level.WRONG


def test_a_factor_that_is_one_at_the_shapes_tried_is_not_proved_for_every_shape() -> None:
    position, step = len(TRACE.steps) - 1, TRACE.steps[-1]
    hidden = 1 + (SIZE - 1) * (SIZE - 2) * (SIZE - 3) * (SIZE - 4)
    forged = replace(TRACE, steps=(*TRACE.steps[:position], replace(step, after=hidden * step.after)))
    assert prove(forged).marks[position].level > Level.EVERY_SHAPE


def test_the_inverse_of_a_product_is_not_taken_in_the_wrong_order() -> None:
    record = record_of(
        lambda A, B: np.sum(np.linalg.inv(A @ B)) + np.sum(np.linalg.inv(A)) + np.sum(np.linalg.inv(B)),
        "A: D D, B: D D",
        "A",
    )
    arrays = record.program.arrays
    product = next(name for name in arrays if name not in ("A", "B", "A_inv", "B_inv", "L") and name.endswith("_inv"))
    step = replace(record.steps[-1], number=len(record.steps) + 1, subject=MatrixValue(arrays[product]), before=None)
    orders = [arrays["A_inv"].matrix * arrays["B_inv"].matrix, arrays["B_inv"].matrix * arrays["A_inv"].matrix]
    levels = [prove(replace(record, steps=(*record.steps, replace(step, after=o)))).marks[-1].level for o in orders]
    assert levels[0] == Level.WRONG and levels[1] < Level.UNPROVED


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
