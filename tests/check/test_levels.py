"""What is said of lines that no normal form proves: the strongest of what is true of them, and no more."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import classifier as cl
import pytest
from cases import sampled
from catalogue import derived_from
from sympy import Expr, Function, Integer, KroneckerDelta, Sum, cos, exp, log, sin, sqrt

import symgrad
from symgrad.array.expression import parse
from symgrad.check import Level, Mark, proof, prove
from symgrad.check.analyticity import is_analytic
from symgrad.check.at_shapes import Comparison, Undefined
from symgrad.check.every_shape import Closed, EveryShape, _reached
from symgrad.check.marks import shown
from symgrad.check.numeric.fields import OutsideField
from symgrad.check.obligations import Claim, claims
from symgrad.check.wellformed import problems
from symgrad.engine.derive import derive_record
from symgrad.equations import node, one_hot, rows_sum_to_one
from symgrad.functions import reciprocal, relu, step
from symgrad.notation import Array, renamed
from symgrad.program import Program
from symgrad.steps import MatrixTotal, Record, Step, Value

N, C, Y, Z, L, n, k, j = cl.N, cl.C, cl.Y, cl.Z, cl.L, cl.n, cl.k, cl.j
a = Array("a", (), positive=True)
e = exp(Z[n, k])
ROOTS = sqrt(1 + a.base) + sqrt(2 + a.base)
PROGRAM = Program("lines", (N, C), (Y, Z, a), (node(L.base, Sum(Y[n, k] * Z[n, k], n, k) * a.base + ROOTS),), "L")
SHAPES = tuple((("N", one), ("C", other)) for one, other in [(2, 4), (3, 2), (2, 3), (1, 1), (5, 3), (4, 5)])


def mark_of(left: Expr, right: Expr, program: Program = PROGRAM, **more: object) -> Mark:
    step = Step(1, Value(left), None, right, "rule", "reason", **more)  # type: ignore[arg-type]
    (mark,) = prove(Record(program, ("Y",), (step,), {}, {})).marks
    return mark


@pytest.fixture
def without_normal_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EveryShape, "mark", lambda *_: None)


def test_a_line_with_a_normal_form_holds_at_every_shape() -> None:
    mark = mark_of(Sum(Y[n, k], k) ** 2, Sum(Y[n, k] * Y[n, j], k, j))
    assert mark == Mark(1, Level.EVERY_SHAPE, "equal normal forms; a second witness at (N=2, C=4)", SHAPES[:1])


def test_a_line_with_the_number_e_is_evaluated_like_any_other() -> None:
    by_e = Program("e", (N, C), (Y,), (node(L.base, Sum(exp(1) * Y[n, k] ** 2, n, k)),), "L")
    record = derive_record(by_e, ("Y",))
    assert prove(record).ok and not prove(record).weaker()
    assert mark_of(exp(1) * Y[n, k], 3 * Y[n, k], by_e).level == Level.WRONG


@pytest.mark.usefixtures("without_normal_forms")
def test_a_line_of_counted_sums_is_tried_on_its_grid() -> None:
    mark = mark_of(Sum(Y[n, k], k) ** 2, Sum(Y[n, k] * Y[n, j], k, j))
    bound = 6 / 2.0**61
    assert mark == Mark(1, Level.EVERY_SHAPE_RANDOMISED, "the grid N = 1..1, C = 2..4", SHAPES, bound)


def test_a_sum_of_fractions_is_exact_at_shapes() -> None:
    """Neither the normal form nor the lemma takes apart divisors that contain a summed index."""
    mark = mark_of(Sum(1 / ((1 + e) * (2 + e)), k), Sum(1 / (1 + e) - 1 / (2 + e), k))
    assert mark == Mark(1, Level.EXACT_AT_SHAPES, "exact arithmetic, entry by entry", SHAPES)


def test_exact_arithmetic_is_for_small_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "MOST_EXACT", 6)
    mark = mark_of(Sum(1 / ((1 + e) * (2 + e)), k), Sum(1 / (1 + e) - 1 / (2 + e), k))
    assert mark.shapes == SHAPES[1:4]


def test_roots_are_randomised_at_shapes() -> None:
    left, right = sqrt(1 + a.base) * sqrt(2 + a.base), sqrt(a.base**2 + 3 * a.base + 2)
    assert mark_of(left, right) == Mark(1, Level.RANDOMISED_AT_SHAPES, "modulo primes of 61 bits and more", SHAPES)


def test_numbers_greater_than_the_primes_are_not_left_to_the_field() -> None:
    left, right = sqrt(1 + a.base) * sqrt(2 + a.base), sqrt(a.base**2 + 3 * a.base + 2)
    assert mark_of(10**30 * left, 10**30 * right).level == Level.NUMERICAL


def test_trigonometry_is_numerical() -> None:
    mark = mark_of(sin(Y[n, k]) ** 2 + cos(Y[n, k]) ** 2, Integer(1))
    assert mark == Mark(1, Level.NUMERICAL, "with 50 digits", SHAPES)


def test_numbers_do_not_tell_of_kinks() -> None:
    one = sin(Z[n, k]) ** 2 + cos(Z[n, k]) ** 2
    assert mark_of(one + relu(Y[n, k]), 1 + relu(Y[n, k])).level == Level.UNPROVED
    kinked = Program("kinked", (N, C), (Y, Z), (node(L.base, Sum(relu(Y[n, k]) * Z[n, k], n, k)),), "L")
    mark = mark_of(one, Integer(1), kinked)
    assert mark == Mark(
        1, Level.UNPROVED, "equal at random points, which need not meet every kink, nor every branch", SHAPES
    )


WRONG = {
    "at the first shape": (Sum(Y[n, k], k), 2 * Sum(Y[n, k], k), "refuted at (N=2, C=4), entry n = 0", SHAPES[0]),
    "at the second": (
        Sum(Y[n, k], k),
        Sum(Y[n, k], k) * (1 + (N.size - 2)),
        "refuted at (N=3, C=2), entry n = 0",
        SHAPES[1],
    ),
    "a number": (Sum(Y[n, k], n, k), 2 * Sum(Y[n, k], n, k), "refuted at (N=2, C=4)", SHAPES[0]),
    "on its grid": (
        Sum(Y[n, k], k),
        Sum(Y[n, k], k) * (1 + (N.size - 1) * (N.size - 2) * (N.size - 3) * (N.size - 4) * (N.size - 5)),
        "refuted at (N=6, C=1), entry n = 0",
        (("N", 6), ("C", 1)),
    ),
    "a function": (sin(Y[n, k]), cos(Y[n, k]), "refuted at (N=2, C=4), entry k = 0, n = 0", SHAPES[0]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_refuted_where_it_fails_first(case: str) -> None:
    left, right, detail, shape = WRONG[case]
    assert mark_of(left, right) == Mark(1, Level.WRONG, detail, (shape,))


def test_the_entry_that_refutes_is_the_first_that_differs() -> None:
    same = KroneckerDelta(n, N.index("m"))
    mark = mark_of(same * Y[n, k], same * Y[n, k] + 1 - same)
    assert mark.detail == "refuted at (N=2, C=4), entry k = 0, m = 0, n = 1"


@pytest.mark.slow
def test_a_line_with_a_part_that_need_not_be_defined_is_unproved() -> None:
    for part in (sqrt(-1 - e), Function("f")(Y[n, k])):
        mark = mark_of(Y[n, k], Y[n, k] * part)
        assert (mark.number, mark.level) == (1, Level.UNPROVED) and mark.detail.startswith("nothing says that")


def test_a_divisor_that_may_be_zero_is_named() -> None:
    mark = mark_of(Y[n, k], Y[n, k] * (Z[n, k] + 1) / (Z[n, k] + 2))
    detail = f"nothing says that {Z[n, k] + 2} is not zero, by which the line divides"
    assert mark == Mark(1, Level.UNPROVED, detail)


def test_a_forward_equation_is_a_definition() -> None:
    assert mark_of(L.base, PROGRAM.definitions["L"].rhs) == Mark(
        1, Level.DEFINITION, "a forward equation of the program"
    )


def test_an_assumption_that_would_do_is_named() -> None:
    product = node(L.base, Sum(Y[n, k] * Z[n, k], n, k))
    with_rows = Program("rows", (N, C), (Y, Z), (product,), "L", (rows_sum_to_one(Y),))
    mark = mark_of(Sum(Y[n, k], k), Integer(1), with_rows)
    assert mark.level == Level.WRONG and mark.detail.startswith("it holds only under A1")
    (rows,) = with_rows.assumptions
    cited = mark_of(Sum(Y[n, k], k), Integer(1), with_rows, assumption=rows)
    assert (cited.level, cited.assumptions) == (Level.EVERY_SHAPE, ("A1",))
    needless = mark_of(Sum(Y[n, k] + Y[n, k], k), 2 * Sum(Y[n, k], k), with_rows, assumption=rows)
    assert (needless.level, needless.assumptions) == (Level.EVERY_SHAPE, ())
    both = replace(with_rows, assumptions=(rows, rows_sum_to_one(Z, "A2")))
    said = "it holds only under A1 and A2, which neither it nor what it cites uses"
    assert mark_of(Sum(Y[n, k] + Z[n, k], k), Integer(2), both) == Mark(1, Level.WRONG, said, SHAPES[:1])


ROWS = replace(PROGRAM, assumptions=(rows_sum_to_one(Y),))


def test_a_line_that_has_no_value_without_its_assumption_may_hold_under_it() -> None:
    overflow = exp(10**14 * (Sum(Y[n, j], j) - 1))  # 1 where the rows of Y sum to one, elsewhere too large a number
    mark = mark_of(Z[n, k], Z[n, k] * overflow, ROWS, assumption=ROWS.assumptions[0])
    assert (mark.level, mark.assumptions) == (Level.EVERY_SHAPE, ("A1",))
    assert mark_of(Z[n, k], 2 * Z[n, k] * overflow, ROWS, assumption=ROWS.assumptions[0]).level == Level.WRONG
    said = "it could not be evaluated: it has no value where the program has one"
    assert mark_of(Z[n, k], 2 * Z[n, k] * overflow) == Mark(1, Level.UNPROVED, said)


@pytest.mark.usefixtures("without_normal_forms")
@pytest.mark.parametrize(
    ("level", "left", "right"),
    [
        (Level.EXACT_AT_SHAPES, Sum(Y[n, k], k), Integer(1)),
        (Level.RANDOMISED_AT_SHAPES, sqrt(1 + a.base) * sqrt(2 + a.base), sqrt(a.base**2 + 3 * a.base + 2)),
        (Level.NUMERICAL, sin(Z[n, k]) ** 2 + cos(Z[n, k]) ** 2, Integer(1)),
    ],
)
def test_a_line_known_at_shapes_names_the_assumption_that_it_needs(level: Level, left: Expr, right: Expr) -> None:
    mark = mark_of(left * Sum(Y[n, j], j), right, ROWS, assumption=ROWS.assumptions[0])
    assert (mark.level, mark.assumptions, mark.shapes) == (level, ("A1",), SHAPES)


def test_a_few_labels_prove_nothing() -> None:
    hot = Program("hot", (N, C), (Y, Z), (node(L.base, Sum(Y[n, k] * Z[n, k], n, k)),), "L", one_hot(Y))
    entries, _ = hot.assumptions
    mark = mark_of(sin(Y[n, k] * Z[n, k]), Y[n, k] * sin(Z[n, k]), hot, assumption=entries)
    assert mark == Mark(1, Level.UNPROVED, "no normal form proves it, and a few labels decide nothing")


WITHOUT = {  # how many lines are on a grid, exact, and randomised: those with a logarithm, which is no exact value
    "softmax_mse": {"definition": 5, "every shape, randomised": 19, "exactly at shapes": 14},
    "softmax_cross_entropy": {
        "definition": 4,
        "every shape, randomised": 15,
        "exactly at shapes": 10,
        "randomised at shapes": 2,
    },
}


@pytest.mark.usefixtures("without_normal_forms")
@pytest.mark.parametrize("name", sampled(list(cl.LOSSES)))
def test_without_normal_forms_every_line_still_holds_at_shapes(name: str) -> None:
    report = prove(derived_from(cl.LOSSES[name], ("W", "b")).record)
    assert report.ok and report.counts == WITHOUT[name]


def test_a_line_that_rests_on_others_is_no_stronger_than_they_are() -> None:
    record = derived_from(cl.softmax_cross_entropy, ("W", "b")).record
    report = prove(record)
    last = next(mark for mark in reversed(report.marks) if mark.rests_on)
    assert all(number < last.number for number in last.rests_on)
    assert last.detail.startswith("equal normal forms") and list(last.rests_on) == sorted(last.rests_on)


def test_shapes_are_printed_by_name() -> None:
    assert shown(SHAPES[0]) == "(N=2, C=4)"


USED = {  # of the derivation of the squared error: by which earlier closed forms, and writing out which names
    8: ((), ("S", "R", "L")),
    12: ((), ("Z", "S", "P", "R")),
    13: ((), ("S", "P", "R", "L")),
    17: ((), ("S", "P", "R", "L")),
    18: ((9,), ("S", "P", "R", "L")),
    22: ((), ("Z", "S", "P", "R", "L")),
    23: ((18,), ("Z", "S", "P", "R", "L")),
    27: ((18,), ("Z", "S", "P", "R", "L")),
    28: ((), ("Z", "S", "R")),
    31: ((), ("S", "R")),
    36: ((18,), ("Z", "S", "P", "R", "L")),
}


def test_a_proof_writes_out_what_it_needs_and_uses_the_closed_forms_that_a_line_is_in() -> None:
    report = prove(derived_from(cl.softmax_mse, ("W", "b")).record)
    found = {number: (report.mark(number).rests_on, report.mark(number).written_out) for number in USED}
    assert found == USED


def test_closed_forms_must_be_those_of_the_last_line_in_both_notations() -> None:
    record = derived_from(cl.softmax_mse, ("Z", "b")).record
    assert problems(record) == ()
    z, b = record.gradients["Z"], record.gradients["b"]
    other = (N.index("i"), C.index("l"))
    letters = replace(z, entry=Z[other], index=renamed(z.index, dict(zip(z.entry.indices, other, strict=True))))
    assert problems(replace(record, gradients={"Z": letters, "b": b})) == ()
    for wrong, form in [
        (replace(z, index=2 * z.index), "index"),
        (replace(z, entry=Z[other]), "index"),
        (replace(b, matrix=2 * b.matrix), "matrix"),
    ]:
        name = wrong.array.name
        expected = f"the {form} form of the gradient of {name} is not what the last line about it states"
        assert problems(replace(record, gradients={**record.gradients, name: wrong})) == (expected,)
    unstated = replace(record, steps=tuple(s for s in record.steps if not isinstance(s.subject, MatrixTotal)))
    assert {problem.split(" is not")[0] for problem in problems(unstated)} >= {
        "the matrix form of the gradient of b",
        "the matrix form of the adjoint of P",
    }
    assert problems(replace(record, gradients={"Z": z, "b": replace(b, matrix=None)})) == ()
    assert prove(replace(record, gradients={"b": b})).problems == ("there is no gradient of Z",)


def test_a_kink_is_not_analytic() -> None:
    assert not is_analytic(relu(Y[n, k]), PROGRAM) and is_analytic(sin(Y[n, k]), PROGRAM)


def test_a_quotient_by_a_root_is_written_in_the_root() -> None:
    right = (sqrt(1 + 2 * a.base) - 1 / sqrt(1 + 2 * a.base)) / 2
    assert mark_of(a.base / sqrt(1 + 2 * a.base), right).level == Level.EVERY_SHAPE


def test_large_numbers_that_cancel_need_more_than_fifty_digits() -> None:
    left = (Y[n, k] + 10**45) ** 2 - 10**90 - 2 * 10**45 * Y[n, k]
    assert mark_of(left, Y[n, k] ** 2).level == Level.EVERY_SHAPE


def test_roots_of_the_program_are_seen_in_lines_that_have_but_their_names() -> None:
    R = Array("R", ())
    rooted = Program("rooted", (N, C), (Y, a), (node(R.base, ROOTS), node(L.base, Sum(Y[n, k] * R.base, n, k))), "L")
    for program, expected in ((rooted, True), (cl.softmax_cross_entropy(), False)):
        record = Record(program, ("Y",), (Step(1, Value(L.base), None, 2 * L.base, "rule", "reason"),), {}, {})
        (claim,) = claims(record)
        assert isinstance(claim, Claim)
        assert proof.Prover(record)._chooses_roots(claim) is expected


def test_a_record_without_lines_has_no_problem() -> None:
    assert problems(Record(PROGRAM, ("Y",), (), {}, {})) == ()


def test_what_cannot_be_evaluated_at_later_shapes_is_unproved(
    without_normal_forms: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outside(*_: object) -> None:
        raise OutsideField("no value")

    monkeypatch.setattr(proof.Prover, "_evaluated", outside)
    assert mark_of(Y[n, k], Y[n, k] + 0 * Z[n, k]) == Mark(1, Level.UNPROVED, "it could not be evaluated: no value")


def test_closed_forms_are_written_out_through_one_another() -> None:
    forms = {"A": Z[n, k] + 1, "Z": 2 * Y[n, k], "C": Integer(1)}
    closed = {name: Closed(Mark(1, Level.EVERY_SHAPE, ""), (Y[n, k], form)) for name, form in forms.items()}
    assert _reached(frozenset({"A", "B"}), closed) == {"A", "Z"}


def test_a_line_that_divides_by_zero_at_one_size_is_undefined_there() -> None:
    """It says so however the line is known elsewhere, and is not refuted."""
    right = Sum(Y[n, k], k) * (C.size**2 - 1) / (C.size - 1)
    mark = mark_of(Sum(Y[n, k], k) * (C.size + 1), right)
    assert (mark.level, mark.words) == (Level.UNDEFINED, "undefined at C = 1")
    assert not mark.ok and mark.detail.startswith("elsewhere every shape: equal normal forms")
    assert mark_of(Sum(Y[n, k], k) * (C.size + 2), right).level == Level.UNPROVED


@pytest.mark.usefixtures("without_normal_forms")
def test_a_line_known_at_shapes_says_once_where_it_is_undefined() -> None:
    mark = mark_of(Sum(Y[n, k], k) * (C.size + 1), Sum(Y[n, k], k) * (C.size**2 - 1) / (C.size - 1))
    known = "elsewhere exactly at shapes (2, 4), (3, 2), (2, 3), (5, 3), (4, 5): exact arithmetic, entry by entry"
    assert mark == Mark(1, Level.UNDEFINED, known, OTHERS, where="C = 1")


P = cl.P
DIVIDED = Program(
    "divided",
    (N, C),
    (Y, Z),
    (node(P[n, k], 2 * Y[n, k]), node(L.base, Sum(P[n, k] * Z[n, k], n, k) / (N.size - 1))),
    "L",
)


OTHERS = tuple(shape for shape in SHAPES if shape != SHAPES[3])


@pytest.mark.usefixtures("without_normal_forms")
def test_where_the_program_is_undefined_is_said_of_a_line_that_is_known_at_shapes() -> None:
    mark = mark_of(2 * P[n, k], 4 * Y[n, k], DIVIDED)  # on its grid, where P is any array, it fails at N = 1 first
    assert (mark.level, mark.shapes, mark.where) == (Level.EXACT_AT_SHAPES, OTHERS, "N = 1")


def test_a_line_is_undefined_at_one_size_though_the_program_is_at_another() -> None:
    right = 2 * P[n, k] * (C.size**2 - 1) / (C.size - 1)  # at N = 1 and C = 1 the program is undefined too
    mark = mark_of(4 * Y[n, k] * (C.size + 1), right, DIVIDED)
    assert (mark.words, mark.written_out) == ("undefined at C = 1", ("P",))


@pytest.mark.usefixtures("without_normal_forms")
def test_what_holds_by_chance_at_the_first_shape_is_tried_under_the_assumption() -> None:
    chance = (C.size - 4) * (Sum(Y[n, j], j) - 1)
    mark = mark_of(Z[n, k] + chance, Z[n, k], ROWS, assumption=ROWS.assumptions[0])
    assert (mark.level, mark.assumptions, mark.shapes) == (Level.EXACT_AT_SHAPES, ("A1",), SHAPES)


def test_a_line_that_is_nested_deeply_or_costs_much_is_unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: Expr = Y[n, k]
    for _ in range(300):
        deep = sin(deep, evaluate=False)
    assert mark_of(Y[n, k], deep) == Mark(1, Level.UNPROVED, "it is nested too deeply to be decided")
    monkeypatch.setattr(proof, "MOST_TERMS", 9)
    said = "not decided: the proof of the line takes more than 9 terms of work"
    assert mark_of(Y[n, k], Y[n, k] + 0 * Z[n, k]) == Mark(1, Level.UNPROVED, said)


@pytest.mark.slow
def test_what_cancels_to_all_digits_is_zero() -> None:
    """At C = 1 a softmax is 1, and 1 - p is no more than rounding leaves."""
    derivation = symgrad.derive(parse("mean(log(softmax(X, axis=1) / (1 - softmax(X, axis=1)))**2)", "X: N C", ""))
    marks = derivation.prove().marks
    assert Level.WRONG not in {mark.level for mark in marks}
    assert marks[-1].words == "unproved; undefined at C = 1"


@pytest.mark.slow
def test_where_a_line_is_undefined_is_said_though_exact_arithmetic_takes_too_long() -> None:
    derivation = symgrad.derive(parse("sum(log(softmax(X, axis=1) / (1 - softmax(X, axis=1))))", "X: N C", ""))
    words = [mark.words for mark in derivation.prove().marks]
    assert words.count("unproved; undefined at C = 1") == 4 and words.count("every shape") == 8


@pytest.mark.parametrize(
    ("divisor", "more", "where"),
    [
        (N.size - 1, N.size + 1, "N = 1"),
        (C.size - 2, C.size + 2, "C = 2"),
        (N.size + C.size - 3, N.size + C.size, "C = 1"),  # at none of the shapes that are tried first
        (N.size * C.size - 1, N.size * C.size + 1, "(N=1, C=1)"),
        ((N.size - 1) * (C.size - 1), N.size + C.size, "N = 1 or C = 1"),
        (N.size - 2 * C.size + 1, N.size + C.size, "(N=3, C=2)"),  # the first of three shapes
    ],
)
def test_the_size_at_which_a_line_is_undefined_is_named(divisor: Expr, more: Expr, where: str) -> None:
    y = Sum(Y[n, k], k)
    assert mark_of(y * more, y * (divisor * more).expand() / divisor).words == f"undefined at {where}"


def test_a_line_may_be_undefined_at_some_values_alone() -> None:
    one = sin(log(Y[n, k])) ** 2 + cos(log(Y[n, k])) ** 2
    step = Step(1, Value(Y[n, k]), None, one * Y[n, k], "rule", "reason")
    record = Record(PROGRAM, ("Y",), (step,), {}, {})
    (claim,) = claims(record)
    assert isinstance(claim, Claim)
    assert Comparison(record).where(claim, (), Undefined) == "some values"
    assert mark_of(Y[n, k], one * Y[n, k]).level == Level.UNPROVED


def test_a_closed_form_whose_square_has_another_sign_is_that_of_its_line() -> None:
    derivation = symgrad.derive(parse("sum(1 / (1 - softmax(X, axis=1)))", "X: N C", ""))
    assert derivation.prove().ok, derivation.prove().problems


def test_the_random_bit_of_a_comparison_proves_nothing() -> None:
    """In the field each comparison is 0 with probability 1/2, so a product of four is mostly 0 at every shape tried."""
    x, *signs = Array("x", (N,)), *(Array(name) for name in "abcd")
    loss = Sum(x[n], n) * prod(sign[()] for sign in signs)
    program = Program("bits", (N,), (x, *signs), (node(L.base, loss),), "L")
    where_all = x[n] * prod(step(sign[()], Integer(0)) for sign in signs)
    assert not mark_of(where_all, Integer(0), program).ok
    assert not mark_of(where_all, x[n] * step(signs[0][()], Integer(0)), program).ok
    assert not mark_of(x[n] * prod(reciprocal(sign[()]) for sign in signs), Integer(0), program).ok
    assert mark_of(where_all, where_all + 0 * x[n], program).level == Level.EVERY_SHAPE
