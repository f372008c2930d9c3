"""Lines decided exactly at a shape: every right one, and none that is wrong."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import pytest
from catalogue import derived_from
from sympy import HadamardPower, KroneckerDelta, MatMul, Sum, log

from symgrad.check.numeric.exact import ExactLines
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.obligations import Claim, claims
from symgrad.equations import node, symmetric
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import MatrixTotal, Partial, Record, Step, Total, Value

SIZES = {"N": 2, "D": 1, "C": 2}


@pytest.fixture(scope="module")
def record() -> Record:
    return derived_from(cl.softmax_mse, ("W", "b")).record


@pytest.mark.slow
def test_every_line_holds_exactly_and_twice_it_does_not(record: Record) -> None:
    exact = ExactLines(record, Instance(record.program, SIZES), ())
    for place, (step, claim) in enumerate(zip(record.steps, claims(record), strict=True)):
        twice = MatMul(2, step.after) if step.after.is_Matrix else 2 * step.after
        steps = (*record.steps[:place], replace(step, after=twice), *record.steps[place + 1 :])
        wrong = claims(replace(record, steps=steps))[place]
        assert isinstance(claim, Claim) and isinstance(wrong, Claim)
        assert exact.holds(claim) and not exact.holds(wrong), step


def test_what_an_assumption_fixes_is_used() -> None:
    A, k, j = Array("A", (cl.C, cl.C)), cl.k, cl.j
    square = symmetric(A, "A1")
    of = Program("square", (cl.C,), (A,), (node(cl.L.base, Sum(A[k, j], k, j)),), "L", (square,))
    step = Step(1, Value(A[k, j]), None, A[j, k], "rule", "reason", assumption=square)
    (claim,) = claims(Record(of, ("A",), (step,), {}, {}))
    assert isinstance(claim, Claim)
    at = Instance(of, {"C": 2})
    assert ExactLines(claim.record, at, (square,)).holds(claim)
    assert not ExactLines(claim.record, at, ()).holds(claim)


def test_what_exact_arithmetic_cannot_tell_does_not_hold(record: Record) -> None:
    step = Step(1, Value(log(cl.Y[cl.n, cl.k])), None, log(cl.Y[cl.n, cl.k]), "rule", "reason")
    (claim,) = claims(Record(record.program, (), (step,), {}, {}))
    assert isinstance(claim, Claim) and not ExactLines(record, Instance(record.program, SIZES), ()).holds(claim)


def test_a_line_of_each_kind_holds_exactly() -> None:
    A, Z, n, k, m = Array("A", (cl.N, cl.C)), Array("Z", (cl.N, cl.C)), cl.n, cl.k, cl.N.index("m")
    a, z = A[n, k], Z[n, k]
    t = Array("t").base
    of = Program(
        "squares", (cl.N, cl.C), (A, Array("t")), (node(z, a**3), node(cl.L.base, Sum(z**2, n, k) + t**2)), "L"
    )
    lines = {
        Partial(cl.L.base, t): 2 * t,
        Value(z): a**3,
        Partial(z, A[m, cl.j]): 3 * a**2 * KroneckerDelta(n, m) * KroneckerDelta(k, cl.j),
        Total(a): 6 * a**5,
        MatrixTotal(A): 6 * HadamardPower(A.matrix, 5),
    }
    for subject, after in lines.items():
        for factor, right in ((1, True), (2, False)):
            said = MatMul(factor, after) if after.is_Matrix and not right else factor * after
            (claim,) = claims(Record(of, ("A",), (Step(1, subject, None, said, "rule", "reason"),), {}, {}))
            assert isinstance(claim, Claim)
            assert ExactLines(claim.record, Instance(of, {"N": 2, "C": 2}), ()).holds(claim) is right, subject
