"""Lines that bore, or nearly bore, a mark stronger than what is true of them: one for each thing that let them pass."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from sympy import (
    Add,
    Expr,
    Float,
    Heaviside,
    I,
    Idx,
    Integer,
    Inverse,
    KroneckerDelta,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    cos,
    erf,
    erfc,
    exp,
    log,
    nan,
    pi,
    sin,
    sinh,
    sqrt,
    sympify,
    tan,
    tanh,
)

from symgrad.check.at_shapes import standard_shapes
from symgrad.check.every_shape import no_stronger
from symgrad.check.grid import NotCovered, grid_of
from symgrad.check.marks import Level, Mark
from symgrad.check.numeric.exact import ExactField, NotExact
from symgrad.check.numeric.fields import tower
from symgrad.check.obligations import Claim, claims
from symgrad.check.proof import Prover, prove
from symgrad.engine.derive import derive_record
from symgrad.equations import node, symmetric
from symgrad.functions import absolute, clip, reciprocal, relu, root
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Condition, Convention, Largest, MatrixValue, Record, Step, Total, Value

N, C = Axis("N"), Axis("C")
A, B, Q = Array("A", (N, C)), Array("B", (N, C)), Array("Q", (N, N))
X, T, L = Array("x"), Array("t", positive=True), Array("L")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
a, b, q, x, t = A[n, k], B[n, k], Q[n, m], X[()], T[()]
row, size = Sum(A[n, j], j), C.size
FIRST = size - 4  # 0 at the first shape, (2, 4), where every line is evaluated
ACCEPTED = set(range(Level.UNPROVED))


LOSS = Sum(a * b, n, k) + x * t + Sum(Q[n, n], n)


def program(loss: Expr = LOSS) -> Program:
    return Program("two", (N, C), (A, B, Q, X, T), (node(L[()], loss),), "L")


def verdict(left: Expr | int, right: Expr | int, of: Program | None = None) -> Mark:
    line = Step(1, Value(sympify(left)), None, sympify(right), "claim", "a line of the test")
    (mark,) = prove(Record(of or program(), ("A",), (line,), {}, {})).marks
    return mark


def hiding(part: Expr) -> Expr:
    """0, written with a part that does not cancel before it is read."""
    return part * (1 + x) - part - x * part


MISWRITTEN = {
    "a sum that stops early": (FIRST * row, FIRST * Sum(A[n, j], (j, 0, 1))),
    "an index that begins at 1": (FIRST * row, FIRST * Sum(A[n, Idx("j", (1, size))], Idx("j", (1, size)))),
    "an index bound twice": (FIRST * row, FIRST * Sum(A[n, j], j, j)),
    "indices in the wrong order": (a, a + hiding(A.base[k, n])),
    "an index that is a number": (a, a + hiding(A.base[0, k])),
    "an index and one": (a, A.base[n, k + 1]),
    "a delta of two axes": (A[n, j], A[n, j] + Sum(KroneckerDelta(n, k), k) - 1),
    "a name of nothing": (a, a + hiding(Symbol("stranger", real=True))),
    "a name that is said to be positive": (a, a + hiding(1 / Symbol("x", positive=True))),
    "no number": (a, nan),
    "an imaginary number": (a, a + hiding(I * b)),
}


@pytest.mark.parametrize("case", MISWRITTEN)
def test_a_line_must_be_written_in_the_notation(case: str) -> None:
    assert verdict(*MISWRITTEN[case]).level == Level.WRONG


UNDEFINED = {
    "a logarithm": a + hiding(log(b)),
    "a root": a + hiding(sqrt(x)),
    "a root of an odd power": a + hiding((x**3) ** Rational(1, 3)),
    "a function of part of the reals": a + hiding(acos(x + 2)),
    "a divisor": a + hiding(1 / (a + 2)),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_a_line_must_be_defined_where_the_program_is(case: str) -> None:
    mark = verdict(a, UNDEFINED[case])
    assert mark.level == Level.UNPROVED and "nothing says" in mark.detail


def test_a_root_may_vanish_where_it_is_a_divisor() -> None:
    both = sqrt(a**2 + b**2) + sqrt(a**4 + b**4)
    line = Mul(Pow(both, -1), Add(*(part * (1 + x) for part in both.args)), evaluate=False) - x
    mark = verdict(a, a + Sum(line - 1, n, k))
    assert mark.level == Level.UNPROVED and "not zero" in mark.detail


def test_a_root_of_the_program_vanishes_nowhere() -> None:
    both = a**2 + b**2
    rooted = program(loss=Sum(sqrt(both), n, k))
    assert verdict(a, a + hiding(1 / sqrt(both)), rooted).level == Level.EVERY_SHAPE


def test_what_is_known_of_a_diagonal_is_not_known_of_the_rest() -> None:
    diagonal = program(loss=Sum(1 / Q[n, n], n))
    assert verdict(x, x + Sum(hiding(1 / Q[n, n]), n), diagonal).level == Level.EVERY_SHAPE
    assert verdict(x, x + Sum(hiding(1 / q), n, m), diagonal).level == Level.UNPROVED


def test_what_is_known_in_some_letters_is_known_in_others() -> None:
    ratio = program(loss=Sum(a / (A[n, j] - B[m, j]), n, m, k, j))
    other = A[m, k] - B[n, k]
    assert verdict(x, x + Sum(hiding(1 / other), n, m, k), ratio).level == Level.EVERY_SHAPE
    assert verdict(x, x + Sum(hiding(1 / (A[m, k] - B[n, j])), n, m, k, j), ratio).level == Level.UNPROVED


def test_decimal_numbers_keep_their_digits() -> None:
    decimal = Float("2." + "0" * 40 + "1", 60)
    assert verdict(2 * a, decimal * a).level == Level.WRONG
    assert verdict(a / 2, Float("0.5") * a).level == Level.EVERY_SHAPE


def numbers_of_the_checker() -> tuple[int, int]:
    primes = {p for levels in range(1, 6) for p in tower(levels)[0]}
    return prod(primes), prod(p - 1 for p in primes)


def test_a_multiple_of_the_primes_is_not_zero() -> None:
    multiple, order = numbers_of_the_checker()
    for wrong in (a + multiple * b, a ** (order + 1), a * size**order, a * (1 + b**order - b**0)):
        assert verdict(a, wrong).level == Level.WRONG
    for wrong in (a + multiple * b, a ** (order + 1)):
        rooted = hiding(sqrt(1 + b**2))  # so that no field sees the whole line
        assert verdict(a, wrong + rooted).level == Level.WRONG


def test_the_grid_covers_no_numbers_that_might_reach_the_primes() -> None:
    for right in ((2**70 * a + b) * (2**70 * a - b), a**200_000, (2**40 * row) ** 5):
        line = Step(1, Value(a), None, right, "claim", "a line of the test")
        (claim,) = claims(Record(program(), ("A",), (line,), {}, {}))
        assert isinstance(claim, Claim)
        with pytest.raises(NotCovered):
            grid_of(claim, claim.meaning, claim.after)


@pytest.mark.parametrize("tiny", [Rational(1, 10**40), Rational(1, 10**60), exp(-400) * t])
def test_a_difference_is_one_however_small(tiny: Expr) -> None:
    of = program(loss=Sum(exp(a) * b, n, k) + x * t)
    assert verdict(a, a + tiny * b, of).level == Level.WRONG


@pytest.mark.parametrize("wrong", [a + 1, a / Add(x, -x, evaluate=False)])
def test_elsewhere_is_another_point_and_not_where_nothing_has_a_value(wrong: Expr) -> None:
    def line(after: Expr) -> Record:
        return Record(program(), ("A",), (Step(1, Value(a), None, after, "claim", "a line of the test"),), {}, {})

    (right,) = claims(line(a * (1 + x) - a * x))
    assert isinstance(right, Claim) and Prover(line(a))._holds_elsewhere(right, ())
    assert not Prover(line(a))._holds_elsewhere(replace(right, after=wrong), ())


def test_numerically_means_fifty_digits() -> None:
    right, of = 1 - erf(a), program(loss=Sum(erf(a) * b, n, k))
    assert verdict(right, erfc(a), of).words.startswith("numerically (50 digits) at shapes (2, 4), ")
    assert verdict(right, erfc(a) + Rational(1, 10**45), of).level == Level.WRONG


BRANCHES = {
    "a root of a square": (a + 9, sqrt((a + 9) ** 2 + b**2 - b**2)),
    "a root of constants": (1 - sqrt(2), sqrt(3 - 2 * sqrt(2))),
    "another root of constants": (sqrt(5) - 3, sqrt(14 - 6 * sqrt(5))),
    "an absolute value": (a + 9, absolute(a + 9)),
    "a step": (a, a * Heaviside(a + 9)),
    "a rectifier": (a + 9, relu(a + 9)),
}


@pytest.mark.parametrize("case", BRANCHES)
def test_a_function_is_not_known_by_one_of_its_branches(case: str) -> None:
    left, right = BRANCHES[case]
    mark = verdict(left * x, right * x, program(loss=Sum(log((a + 9) ** 2) + sqrt(a**2 + 18 * a + 81), n, k)))
    assert mark.level not in ACCEPTED


FAR_AWAY: dict[str, tuple[Expr, Expr, Expr]] = {
    "beyond the zero of a divisor": (atan(1 / (x + 2)), pi / 2 - atan(x + 2), 1 / (x + 2)),
    "beyond the turn of a sine": (asin(sin(x)), x, asin(sin(x))),
    "beyond the period of a tangent": (atan(tan(x)), x, tan(x)),
    "beyond the zero under a root": (sqrt((x - 3) ** 2), 3 - x, x),
    "beyond the sum of two angles": (atan(x) + atan(t), atan((x + t) / (1 - x * t)), 1 / (1 - x * t)),
    "beyond a kink": (absolute(x - 7), 7 - x, absolute(x - 7)),
    "beyond a clip": (clip(x, -9, 30), x, clip(x, -9, 30)),
}


@pytest.mark.parametrize("case", FAR_AWAY)
def test_a_line_that_fails_far_away_is_wrong_there(case: str) -> None:
    left, right, loss = FAR_AWAY[case]
    mark = verdict(left, right, program(loss=loss * t + Sum(sin(a) * b, n, k)))
    assert mark.level == Level.WRONG and "x = " in mark.detail


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (tanh(200 + x**2), sympify(1)),
        (x + exp(-200 - x**2), x),
        (log(10**70 + x**2), 70 * log(10)),
        (sqrt(10**140 + x**2), sympify(10**70)),
    ],
)
def test_a_difference_smaller_than_fifty_digits_is_wrong(left: Expr, right: Expr) -> None:
    assert verdict(left, right).level == Level.WRONG


ONE_BRANCH: dict[str, tuple[Expr, Expr]] = {
    "true but for the branches of a tangent": (tan(x), sin(x) / cos(x)),
    "true, of an arc sine": (asin(tanh(x)) + atan(t), atan(sinh(x)) + atan(t)),
    "true only of numbers of one sign": (log(x**2 * exp(t)), 2 * log(x) + t),
    "far from all points": (absolute(x - 10**6), 10**6 - x),
}


@pytest.mark.parametrize("case", ONE_BRANCH)
def test_what_may_hold_on_one_branch_alone_is_unproved(case: str) -> None:
    left, right = ONE_BRANCH[case]
    mark = verdict(left, right, program(loss=left + right + 1 / cos(x) + x))
    assert mark.level == Level.UNPROVED


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sin(x) ** 2 + cos(x) ** 2, sympify(1)),
        (asinh(sinh(x)), x),
        (atan(1 / t), pi / 2 - atan(t)),
        (2 * atan(sqrt(1 + x**2) - x), pi / 2 - atan(x)),
        (atan(exp(x)) + atan(exp(-x)), pi / 2),
    ],
)
def test_functions_that_are_analytic_everywhere_are_known_by_numbers(left: Expr, right: Expr) -> None:
    assert verdict(left, right).level == Level.NUMERICAL


def test_a_scalar_root_is_tried_with_both_signs() -> None:
    for left, right in ((x, sqrt(x**2)), (x * t - 1, sqrt((x * t - 1) ** 2))):
        assert verdict(left, right).level not in ACCEPTED


def test_what_is_not_defined_at_a_later_shape_is_wrong_and_no_crash() -> None:
    power = program(loss=Sum((x**3) ** Rational(1, 3) * a, n, k))
    assert verdict(x, (x**3) ** Rational(1, 3), power).level not in {Level.EVERY_SHAPE, Level.NUMERICAL}


def test_a_matrix_that_the_checker_does_not_read_is_unproved() -> None:
    unread = Step(1, MatrixValue(Q), None, Inverse(Q.matrix), "claim", "a line of the test")
    (mark,) = prove(Record(program(), ("A",), (unread,), {}, {})).marks
    assert (mark.number, mark.level) == (1, Level.UNPROVED) and "Inverse" in mark.detail


def test_what_a_line_says_of_the_diagonal_is_not_used_for_the_rest() -> None:
    R, G = Array("R", (N, N)), Array("G", (N, N))
    diagonal = Step(1, Total(R[n, n]), None, Integer(1), "claim", "a line of the test")
    rest = Step(2, Value((N.size - 2) * Sum(G[n, m], n, m)), None, (N.size - 2) * N.size**2, "claim", "a line", (1,))
    equations = (node(R[n, m], 2 * q), node(L[()], Sum(R[n, n], n)))
    trace = Program("trace", (N, C), (Q, A), equations, "L")
    first, second = prove(Record(trace, ("Q",), (diagonal, rest), {}, {}, {"R": G})).marks
    assert first.level == Level.EVERY_SHAPE and second.level not in ACCEPTED


def test_a_mark_is_no_stronger_than_those_on_which_it_rests() -> None:
    shapes = standard_shapes(program())
    weak = {
        1: Mark(1, Level.EXACT_AT_SHAPES, "", shapes[:2]),
        2: Mark(2, Level.EXACT_AT_SHAPES, "", shapes[1:]),
        3: Mark(3, Level.EVERY_SHAPE_RANDOMISED, "", shapes, 2.0**-50),
        4: Mark(4, Level.EXACT_AT_SHAPES, "", shapes[:1]),
    }
    mark = Mark(9, Level.EVERY_SHAPE, "", shapes[:1])
    both = no_stronger(mark, [weak[1], weak[2]], shapes)
    assert (both.level, both.shapes) == (Level.EXACT_AT_SHAPES, shapes[1:2])
    assert both.error_bound is None
    assert no_stronger(mark, [weak[3], weak[3]], shapes).error_bound == 2.0**-49
    apart = no_stronger(mark, [weak[2], weak[4]], shapes)
    assert apart == Mark(9, Level.UNPROVED, "it rests on lines that are known at different shapes", shapes[:1])


def test_an_exponent_does_not_run_into_the_next_generator() -> None:
    first, second = Symbol("y1", real=True), Symbol("y2", real=True)
    field = ExactField(lambda symbol: None)
    with pytest.raises(NotExact):
        field.equal(second, first**65536)
    with pytest.raises(NotExact):
        power = field(first**250)
        for _ in range(9):
            power = field._product(power, power)


def huber_like() -> Record:
    loss = Sum(absolute(a), n, k) + Sum(relu(B[n, k]), n, k)
    return derive_record(Program("kinks", (N, C), (A, B), (node(L[()], loss),), "L"), ("A", "B"))


def test_a_line_says_which_derivative_it_takes_at_a_kink() -> None:
    record = huber_like()
    assert prove(record).ok
    place = next(p for p, step in enumerate(record.steps) if step.conventions)
    step = record.steps[place]

    def mark(*conventions: Convention) -> Mark:
        changed = replace(step, conventions=conventions)
        steps = (*record.steps[:place], changed, *record.steps[place + 1 :])
        return prove(replace(record, steps=steps)).mark(step.number)

    words = step.conventions[0].words
    said = f"the line does not say which derivative it takes: {words}"
    assert mark() == Mark(step.number, Level.UNPROVED, said)
    said = f"the program has no function of which it is said: {words}, or 1/3"
    assert mark(Convention("S1", f"{words}, or 1/3")) == Mark(step.number, Level.WRONG, said)


def test_a_line_goes_on_from_the_one_above_it() -> None:
    record = huber_like()
    place = next(p for p, step in enumerate(record.steps) if step.before is not None)
    wrong = replace(record.steps[place], before=record.steps[place].after + 1)
    report = prove(replace(record, steps=(*record.steps[:place], wrong, *record.steps[place + 1 :])))
    assert f"line {place + 1} goes on from" in report.problems[0] and not report.ok
    left = prove(replace(record, gradients={"A": record.gradients["A"]}))
    assert left.problems == ("there is no gradient of B",)


def test_a_condition_of_a_definition_is_looked_at() -> None:
    record = huber_like()
    stated = replace(record.steps[0], conditions=(Condition(a, "it is said not to be zero"),))
    assert prove(replace(record, steps=(stated, *record.steps[1:]))).mark(1).level == Level.UNPROVED


def test_a_number_is_not_put_for_what_it_is_computed_from() -> None:
    S, M = Array("S", (N,)), Array("M", (N,))
    shifted = Program("shifted", (N, C), (A, M), (node(S[n], Sum(exp(a - M[n]), k)), node(L[()], Sum(a, n, k))), "L")
    line = Step(1, Largest(M[n], (k,)), None, A[n, k], "claim", "a line of the test")
    circular = replace(line, after=S[n] * A[n, k])
    levels = [prove(Record(shifted, ("A",), (step,), {}, {})).marks[0].level for step in (line, circular)]
    assert levels == [Level.DEFINITION, Level.WRONG]


def test_a_symmetric_matrix_is_so_only_where_it_is_said() -> None:
    of = replace(program(), assumptions=(symmetric(Q, "A1"),))
    line = Step(1, Value(q), None, Q[m, n], "claim", "a line of the test")
    levels = [
        prove(Record(of, ("A",), (step,), {}, {})).marks[0].level
        for step in (line, replace(line, assumption=of.assumptions[0]))
    ]
    assert levels == [Level.WRONG, Level.EVERY_SHAPE]


def test_a_line_that_holds_exactly_at_one_entry_alone_is_unproved() -> None:
    """Where every axis has one entry, N - 1 is 0; elsewhere relu(x - 1000) is, at all points that are tried."""
    far = relu(x - 1000)
    assert verdict((N.size - 1) * (C.size - 1) * far, 0, program(loss=LOSS + far)).level >= Level.UNPROVED


def test_the_function_root_is_chosen_by_the_field_as_a_power_is() -> None:
    """At all points that it tries, the field takes x + 29 for the root, which is false for x < -29."""
    v, loss = Array("v", (N,)), Array("L")
    of = Program("small", (N,), (v, X), (node(loss[()], Sum(v[n] ** 2, n) + x**2),), "L")
    assert verdict(root((x + 29) ** 2), x + 29, of).level == Level.WRONG


@pytest.mark.parametrize(("left", "right"), [(root((1 + t) ** 2), 1 + t), (a**2 * reciprocal(a), a)])
def test_a_true_line_is_not_refuted_by_a_field_that_does_not_know_its_functions(left: Expr, right: Expr) -> None:
    assert verdict(left, right).ok
