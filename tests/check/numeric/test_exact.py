"""Exact arithmetic on scalar expressions, and lines decided by it: every right one, and none that is wrong."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import pytest
from catalogue import derived_from
from sympy import (
    Expr,
    Float,
    Function,
    HadamardPower,
    Integer,
    KroneckerDelta,
    MatMul,
    Pow,
    Rational,
    Sum,
    cosh,
    exp,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    symbols,
    tanh,
)

from symgrad.check.numeric import exact
from symgrad.check.numeric.exact import ExactField, ExactLines, NotExact
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.obligations import Claim, claims
from symgrad.equations import node, symmetric
from symgrad.functions import selected
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import MatrixTotal, Partial, Record, Step, Total, Value

x, y, z = symbols("x y z", real=True)
s = exp(x) + exp(y) + exp(z)

EQUAL = {
    "a quotient": (exp(x) / s * (exp(y) + exp(z)) / s, exp(x) / s - exp(2 * x) / s**2),
    "exp of a product": (exp(x * y + x * z), exp(x * (y + z))),
    "exp of half": (exp(x / 2) ** 2, exp(x)),
    "temperature": (exp(x / y) * exp(-2 * x / y), exp(-x / y)),
    "partial fractions": (1 / ((1 + x) * (2 + x)), 1 / (1 + x) - 1 / (2 + x)),
    "a root": (x**2 / sqrt(x**2 + 1), sqrt(x**2 + 1) - 1 / sqrt(x**2 + 1)),
    "a quotient of a quotient": (1 / (1 + 1 / (1 + x)), (1 + x) / (2 + x)),
    "a factor cancels": ((x**2 - 1) / (x - 1) ** 2, (x + 1) / (x - 1)),
    "a monomial in a divisor": (1 / (x**2 * y + x * y), 1 / (x * y) - 1 / (y * (x + 1))),
    "numbers in a divisor": (x / (2 * x / 3 + 4) + 6 / (x + 6), x / (2 * x / 3 + 4) - (-12) / (2 * x + 12)),
    "fractions in a divisor": (x / (x / 2 + y / 3), 6 * x / (3 * x + 2 * y)),
    "a negative divisor": (1 / (x - y), -1 / (y - x)),
    "a power of a sum": ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3),
    "an inverse power": ((x + y) ** -2 * x, x / (x**2 + 2 * x * y + y**2)),
    "exp of a negative": (exp(-x), 1 / exp(x)),
    "exp of a fraction": (exp(x / 3) * exp(x / 4), exp(7 * x / 12)),
    "exp over a divisor": (exp(x / (1 + y)) * exp(-3 * x / (1 + y)), exp(-2 * x / (1 + y))),
    "e to a power": (Pow(exp(1), 2 * x), exp(x) ** 2),
    "a power of a root": (sqrt(x) ** 5, x**2 * sqrt(x)),
    "a root in a root": (sqrt(1 + sqrt(x)) ** 4, 1 + 2 * sqrt(x) + x),
    "an inverse root": (1 / sqrt(x + y), sqrt(x + y) / (x + y)),
    "a root of a quotient": (x * sqrt(x / (1 + y)) ** 2, x**2 / (1 + y)),
    "a function": (sin(x * y + x) ** 2 / sin(x * (y + 1)), sin(x + x * y)),
    "shares": (selected(0, x, y, z) + selected(1, x, y, z), 1 - selected(2, x, y, z)),
    "sinh and cosh": (cosh(x) ** 2 - sinh(x) ** 2 + x, 1 + x),
    "tanh": (1 - tanh(x) ** 2, 4 / (exp(x) + exp(-x)) ** 2),
}


@pytest.mark.parametrize("case", EQUAL)
def test_equal_and_nothing_near_it(case: str) -> None:
    left, right = EQUAL[case]
    assert ExactField(lambda symbol: None).equal(left, right)
    for wrong in (-right, 2 * right, right + 1, right + x):
        assert not ExactField(lambda symbol: None).equal(left, wrong)


DIFFERENT = {
    "exponentials": (exp(x), exp(y)),
    "exponentials of fractions": (exp(x / 2), exp(x / 3)),
    "exponentials over divisors": (exp(x / (1 + y)), exp(x / (2 + y))),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_not_equal(case: str) -> None:
    left, right = DIFFERENT[case]
    assert not ExactField(lambda symbol: None).equal(left, right)


@pytest.mark.parametrize(
    ("value", "left", "right"),
    [
        (x * y, exp(1 / z), exp(1 / (x * y))),
        (x * y**2, exp(1 / z), exp(1 / (x * y**2))),
        (x - x, z, Integer(0)),
        (x * (1 + y), 1 / (1 + y) / z, 1 / (x * (1 + y) ** 2)),
        (x - y, exp(x / z), exp(-x / (y - x))),
    ],
)
def test_what_a_symbol_stands_for_is_divided_by(value: Expr, left: Expr, right: Expr) -> None:
    assert ExactField(lambda symbol: value if symbol == z else None).equal(left, right)


def test_symbols_stand_for_what_they_are_resolved_to() -> None:
    assert ExactField(lambda symbol: 1 - x - y if symbol == z else None).equal(x + y + z, x - x + 1)


def test_logarithms_are_refused() -> None:
    with pytest.raises(NotExact):
        ExactField(lambda symbol: None)(log(x))


@pytest.mark.parametrize(
    "expr", [log(x), pi * x, x + Float("0.5"), x ** Rational(1, 3), x**y, exp(x / 7), 1 / (x - x * 1)]
)
def test_what_is_outside_of_the_field_is_refused(expr: Expr) -> None:
    with pytest.raises(NotExact):
        ExactField(lambda symbol: None)(expr)


def test_zero_is_zero() -> None:
    field = ExactField(lambda symbol: None)
    assert field.equal(Integer(0), (x + 1) ** 2 - x**2 - 2 * x - 1) and field.equal(Integer(0), Integer(0))
    assert not field.equal(Integer(0), x)


def test_a_division_by_what_is_zero_is_refused() -> None:
    with pytest.raises(NotExact, match="division by zero"):
        ExactField(lambda symbol: None)(Pow((x + 1) ** 2 - x**2 - 2 * x - 1, -1))


COMPLETE = {
    "a quotient of exponentials": (exp(x) / s + exp(-y), True),
    "exp over a symbol": (exp(x / y), True),
    "a root": (sqrt(x), False),
    "a function": (sin(x), False),
    "exp of a fraction": (exp(x / 2), False),
    "exp of a monomial over a sum": (exp(x / (1 + y)), False),
    "exp over an exponential": (exp(x / (1 + exp(y))), False),
}


@pytest.mark.parametrize("case", COMPLETE)
def test_what_may_obey_unknown_relations_is_not_called_complete(case: str) -> None:
    expr, complete = COMPLETE[case]
    field = ExactField(lambda symbol: None)
    assert not field.equal(expr, expr + 1) and field.complete is complete


def test_functions_are_told_apart_by_name_and_by_every_argument() -> None:
    f, g = Function("f"), Function("g")
    field = ExactField(lambda symbol: None)
    assert field.equal(f(x, 1 / y), f(x + 0 * y, y / y**2))
    for other in (f(1 / y, x), g(x, 1 / y), f(x, y), f(x, 1 / (1 + y))):
        assert not field.equal(f(x, 1 / y), other)


def test_roots_are_told_apart_by_their_radicands() -> None:
    field = ExactField(lambda symbol: None)
    assert field.equal(sqrt(x / (1 + y)), sqrt(x / (y + 1)))
    assert not field.equal(sqrt(x / (1 + y)), sqrt(x)) and not field.equal(sqrt(x), sqrt(y))


def test_a_product_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_TERMS", 6)
    field = ExactField(lambda symbol: None)
    assert field.equal((x + y) * (x + y + z), x**2 + 2 * x * y + y**2 + x * z + y * z)  # 2 terms times 3
    with pytest.raises(NotExact, match="too large"):
        field((x + y + z) * (x - y + 2 * z))


def test_one_field_knows_values_under_all_their_names() -> None:
    """Symbols that are resolved to expressions, and generators that come later, keep what was computed before."""
    field = ExactField(lambda symbol: {y: exp(x), z: 1 / (1 + exp(x))}.get(symbol))
    assert field.equal(z * (1 + y), Integer(1)) and not field.equal(z, y)
    w = symbols("w", real=True)
    assert field.equal(w * z * (1 + y) + exp(w) / y, w + exp(w - x))


def test_the_content_of_fractions_is_a_fraction() -> None:
    assert exact._content({0: Rational(1, 2), 1: Rational(3, 4)}, 1)[0] == Rational(1, 4)


# --- lines ------------------------------------------------------------------------------------------------------------

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
