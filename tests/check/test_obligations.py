"""What a line may rest on: assumptions are used only where they are named or cited, divisors only where known."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import pytest
from catalogue import derived_from
from classifier import softmax_cross_entropy
from sympy import Expr, HadamardPower, Integer, KroneckerDelta, Pow, Sum, exp, log, sqrt

from symgrad.check import Level, prove
from symgrad.check.definedness import Divisors, _shown
from symgrad.check.marks import Mark
from symgrad.check.obligations import Claim, Line, claims, is_definition, topic
from symgrad.check.proof import Prover
from symgrad.equations import abbreviation, node
from symgrad.functions import step, where
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Condition, Largest, MatrixTotal, MatrixValue, Partial, Record, Step, Subject, Total, Value


@pytest.fixture(scope="module")
def record() -> Record:
    return derived_from(softmax_cross_entropy, ("W", "b")).record


def step_with(record: Record, **changes: object) -> Record:
    """The record with the line that uses the assumption changed."""
    steps = [replace(s, **changes) if s.assumption else s for s in record.steps]
    return replace(record, steps=tuple(steps))


def test_a_line_that_needs_an_assumption_must_name_it(record: Record) -> None:
    (number,) = (s.number for s in record.steps if s.assumption)
    assert prove(record).mark(number).assumptions == ("A1",)
    mark = prove(step_with(record, assumption=None)).mark(number)
    assert mark.level == Level.WRONG and "A1" in mark.detail


def test_a_line_that_rests_on_an_assumption_must_cite_the_line_that_used_it(record: Record) -> None:
    (used,) = (s.number for s in record.steps if s.assumption)
    citing = [s for s in record.steps if used in s.cites and isinstance(s.subject, Total)]
    assert citing and all(prove(record).mark(s.number).assumptions == ("A1",) for s in citing)
    without = [replace(s, cites=()) if s in citing else s for s in record.steps]
    report = prove(replace(record, steps=tuple(without)))
    assert all(report.mark(s.number).level == Level.WRONG for s in citing)


def test_a_line_may_not_divide_by_what_may_be_zero() -> None:
    n, k = cl.n, cl.k
    lines = [cl.Y[n, k] * cl.Z[n, k] / cl.Z[n, k] ** 2 * cl.Z[n, k], cl.Y[n, k]]
    hidden = Sum(cl.Y[n, k], k) * (cl.Y[n, k] / Sum(cl.Y[n, k], k))
    steps = [Step(i, Value(cl.Y[n, k]), None, x, "r", "w") for i, x in enumerate([*lines, hidden + 0], 1)]
    divided = Step(4, Value(cl.Y[n, k]), None, cl.Y[n, k] * (cl.Z[n, k] + 1) / (cl.Z[n, cl.j] + 1), "r", "w")
    report = prove(Record(softmax_cross_entropy(), ("W",), (*steps, divided), {}, {}))
    assert [m.level for m in report.marks[:3]] == [Level.EVERY_SHAPE] * 3
    assert not report.marks[3].ok


def test_a_line_whose_divisor_is_not_known_is_unproved() -> None:
    n, k = cl.n, cl.k
    z = cl.Z[n, k]
    step = Step(1, Value(z), None, (z**2 - 1) / (z - 1) - 1, "r", "w")
    (mark,) = prove(Record(softmax_cross_entropy(), ("W",), (step,), {}, {})).marks
    assert mark.level == Level.UNPROVED and "zero" in mark.detail


# --- what lines are about -------------------------------------------------------------------------------------------

N, C, Y, Z, S, P, W, b, L, n, k, j = cl.N, cl.C, cl.Y, cl.Z, cl.S, cl.P, cl.W, cl.b, cl.L, cl.n, cl.k, cl.j
m, c = N.index("m"), C.index("c")
PROGRAM = softmax_cross_entropy()


def line(subject: Subject | Largest, after: Expr, of: Program = PROGRAM, **more: object) -> Line:
    step = Step(1, subject, None, after, "rule", "reason", **more)  # type: ignore[arg-type]
    (found,) = claims(Record(of, ("W",), (step,), {}, {}))
    return found


def test_lines_about_one_adjoint_are_about_the_same_in_either_notation() -> None:
    assert topic(Total(W[cl.d, c])) == topic(Total(W[cl.d, k])) == topic(MatrixTotal(W))
    others = [Total(b[c]), Value(W[cl.d, c]), MatrixValue(W), Partial(Z[n, k], W[cl.d, c]), Partial(Z[n, k], b[c])]
    assert len({topic(subject) for subject in [Total(W[cl.d, c]), *others]}) == 6


@pytest.mark.parametrize(
    ("subject", "wrt"),
    [
        (Value(Z[n, k]), None),
        (MatrixValue(Z), None),
        (Partial(Z[n, k], b[c]), "b"),
        (Total(b[c]), "b"),
        (MatrixTotal(b), "b"),
    ],
)
def test_what_a_line_differentiates_by(subject: Subject, wrt: str | None) -> None:
    found = line(subject, b[k] if not isinstance(subject, (MatrixValue, MatrixTotal)) else subject.array.matrix)
    if isinstance(found, Mark):  # an index of the subject is missing in it
        found = line(subject, b[c])
    assert isinstance(found, Claim) and found.wrt == wrt


SENSELESS: dict[str, tuple[Subject | Largest, Expr, str]] = {
    "an index that its subject has not": (Value(S[n]), exp(Z[n, k]), "the index k is free"),
    "a matrix for an entry": (Value(Z[n, k]), Z.matrix, "a matrix stands where an entry is expected"),
    "axes that do not fit": (MatrixValue(Z), Z.matrix.T, "is C x N, expected N x C"),
    "a choice for a defined array": (Largest(Z[n, k], (k,)), Y[n, k], "Z is not free"),
    "a choice for no array": (Largest(Array("Q", (N,))[n], (k,)), Y[n, k], "Q is not an array of the program"),
    "a choice that matters": (Largest(b[k], (n,)), Z[n, k], "L depends on b"),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_a_line_without_sense_is_wrong_and_says_why(case: str) -> None:
    subject, after, why = SENSELESS[case]
    mark = line(subject, after)
    assert isinstance(mark, Mark) and mark.level == Level.WRONG and mark.number == 1 and why in mark.detail
    step = Step(1, subject, None, after, "rule", "reason")
    assert prove(Record(PROGRAM, ("W",), (step,), {}, {})).marks == (mark,)


FREE, OTHER, ADJOINT = Array("M", (N,)), Array("Q", (N,)), Array("G", (N, C))
CHOSEN = Program(
    "chosen",
    (N, C),
    (Z, Y, FREE, OTHER),
    (node(S[n], Sum(exp(Y[n, k] - FREE[n]), k)), node(L.base, Sum(Z[n, k] ** 2, n, k))),
    "L",
)
CHOICES: dict[str, tuple[Largest, Expr, str]] = {
    "of an input": (Largest(FREE[n], (k,)), Y[n, k], "a number of one's own choice: the lines hold for any"),
    "of an adjoint": (Largest(FREE[n], (k,)), ADJOINT[n, k], "a number of one's own choice: the lines hold for any"),
    "of another index": (
        Largest(FREE[n], (k,)),
        Y[n, k] * Y[m, k],
        "the index m is free in the line but not in its subject",
    ),
    "of what depends on it": (
        Largest(FREE[n], (k,)),
        Y[n, k] * S[n],
        "S depends on M, for which the line puts a number",
    ),
    "along its own index": (Largest(FREE[n], (n,)), OTHER[n], "the largest value along n is put for each M[n]"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_a_number_of_ones_own_choice(case: str) -> None:
    subject, after, said = CHOICES[case]
    step = Step(1, subject, None, after, "rule", "reason")
    again = replace(step, number=2, after=2 * after)
    record = Record(CHOSEN, ("Z",), (step,), {}, {}, {"Z": ADJOINT})
    level = Level.DEFINITION if "own choice" in said else Level.WRONG
    assert claims(record) == [Mark(1, level, said)]
    first, last = claims(replace(record, steps=(step, again)))
    assert first == Mark(1, Level.WRONG, "a later line puts a number for M as well") and last == Mark(2, level, said)


def test_a_line_after_one_without_sense_is_read_and_rests_on_what_is_known_of_its_subject() -> None:
    (rows,) = PROGRAM.assumptions
    senseless, first = (Step(i, Value(Y[n, k]), None, Y[n, k], "rule", "reason", (3,)) for i in (1, 2))
    about = Value(Sum(Y[n, k], k))
    stated = Step(4, about, None, Integer(1), "rule", "reason", assumption=rows)
    other = replace(stated, number=6, subject=Value(2 * Sum(Y[n, k], k)), assumption=None)
    steps = (senseless, replace(first, cites=()), stated, replace(stated, number=5, assumption=None), other)
    found = claims(Record(PROGRAM, ("W",), (*steps, replace(first, number=3, cites=())), {}, {}))
    assert found[0] == Mark(1, Level.WRONG, "line 1 cites line 3, which does not come before it")
    assert [c.allowed for c in found[1:] if isinstance(c, Claim)] == [(), (rows,), (rows,), (), ()]


DEFINITIONS: dict[str, tuple[Subject, Expr, bool]] = {
    "as declared": (Value(S[n]), Sum(exp(Z[n, j]), j), True),
    "in other letters": (Value(S[m]), Sum(exp(Z[m, c]), c), True),
    "a scalar": (Value(L.base), Sum(-Y[n, k] * log(P[n, k]), n, k) / N.size, True),
    "turned round": (Value(P[n, k]), exp(Z[n, k]) / S[m], False),
    "a consequence": (Value(P[n, k]), exp(Z[n, k]) / Sum(exp(Z[n, j]), j), False),
    "an input": (Value(Y[n, k]), Y[n, k], False),
    "an expression": (Value(2 * S[n]), 2 * Sum(exp(Z[n, j]), j), False),
    "a derivative": (Total(b[c]), Sum(Z[n, c], n), False),
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_a_line_is_a_definition_if_the_program_states_it(case: str) -> None:
    subject, after, stated = DEFINITIONS[case]
    found = line(subject, after)
    if isinstance(found, Mark):
        assert not stated
    else:
        assert isinstance(found, Claim) and is_definition(found) is stated


def test_an_entry_at_equal_indices_is_no_definition() -> None:
    A, B = Array("A", (C, C)), Array("B", (C, C))
    of = Program("square", (C,), (A,), (abbreviation(B[k, j], A[j, k]), node(L.base, Sum(B[k, j], k, j))), "L")
    diagonal = line(Value(B[k, k]), A[k, k], of)
    assert isinstance(diagonal, Claim) and not is_definition(diagonal)
    assert Prover(diagonal.record).verdict(diagonal).level == Level.EVERY_SHAPE


# --- divisors -------------------------------------------------------------------------------------------------------

KNOWN: dict[str, Expr] = {
    "an exponential": 1 / exp(Z[n, k]),
    "a sum of exponentials": 1 / (1 + Sum(exp(Z[n, j]), j)),
    "a size": 1 / C.size**2,
    "an abbreviation": Y[n, k] / S[n],
    "in a logarithm of the program": 1 / P[m, c],
    "a square root of it": 1 / sqrt(S[n]),
    "nothing": log(S[n]) + Y[n, k] ** 2,
    "a difference of sizes in an exponent": exp(-Z[n, k]),
}
UNKNOWN: dict[str, tuple[Expr, Expr]] = {
    "an entry": (1 / Y[n, k], Y[n, k]),
    "one less a probability": (1 / (1 - P[n, k]), 1 - P[n, k]),
    "a delta": (1 / KroneckerDelta(k, j), KroneckerDelta(k, j)),
    "a sum of entries": (2 / Sum(Z[n, k], k), Sum(Z[n, k], k)),
    "a root of an entry": (Pow(Z[n, k] + 1, -1), Z[n, k] + 1),
}


@pytest.mark.parametrize("case", KNOWN)
def test_divisors_that_are_known_not_to_be_zero(case: str) -> None:
    assert Divisors(PROGRAM).unknown(KNOWN[case], ()) is None


@pytest.mark.parametrize("case", UNKNOWN)
def test_divisors_that_may_be_zero(case: str) -> None:
    expr, divisor = UNKNOWN[case]
    divisors = Divisors(PROGRAM)
    said = f"nothing says that {divisor} is not zero, by which the line divides"
    assert divisors.unknown(expr, ()) == said
    assert divisors.unknown(S[n] + 1, [Condition(S[n], "positive"), Condition(divisor, "said to be")]) == said


def test_a_divisor_of_a_line_of_matrices_is_named_in_letters_of_its_axes() -> None:
    found = line(MatrixValue(Z), HadamardPower(Z.matrix, -1))
    assert isinstance(found, Claim) and _shown(found.after) == 1 / Z[N.index("n"), C.index("c")]
    said = "nothing says that Z[n, c] is not zero, by which the line divides"
    assert Prover(found.record).verdict(found) == Mark(1, Level.UNPROVED, said)


def test_a_divisor_of_the_program_is_known_for_all_its_letters() -> None:
    of = Program("ratio", (N, C), (Y, Z), (node(L.base, Sum(Y[n, k] / (Z[n, k] + 2), n, k)),), "L")
    assert Divisors(of).unknown(1 / (Z[m, c] + 2) ** 2, ()) is None
    assert f"nothing says that {Z[m, c] + 3} is not zero" in str(Divisors(of).unknown(1 / (Z[m, c] + 3), ()))
    rooted = Program("root", (N, C), (Y, Z), (node(L.base, Sum(sqrt(Y[n, k] + 2), n, k)),), "L")
    assert Divisors(rooted).unknown(1 / (Y[m, c] + 2), ()) is None
    squared = Program("square", (N, C), (Y, Z), (node(L.base, Sum((Y[n, k] + 2) ** 2, n, k)),), "L")
    assert Divisors(squared).unknown(1 / (Y[m, c] + 2), ()) is not None


def test_a_line_may_cite_one_that_is_not_there() -> None:
    assert isinstance(line(Value(S[n]), S[n], cites=(7,)), Claim)


def test_what_is_needed_in_a_branch_alone_is_defined_in_lines_about_it() -> None:
    R, V = Array("R", (N,)), Array("v", (N,))
    output = node(L.base, Sum(where(step(V[n], 0), R[n], 0), n))
    of = Program("branch", (N,), (V,), (abbreviation(R[n], log(V[n])), output), "L")
    found = [line(Value(factor * R[n]), factor * log(V[n]), of) for factor in (1, 2)]
    marks = [Prover(claim.record).verdict(claim) for claim in found if isinstance(claim, Claim)]
    assert [mark.level for mark in marks] == [Level.DEFINITION, Level.UNPROVED]
    assert marks[1].detail == "nothing says that v[n] is positive, of which the line takes a root or a logarithm"
