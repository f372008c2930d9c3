"""Records made by hand to have a false line marked as proved, each by another way of lying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import pytest
from sympy import Expr, Function, IndexedBase, Integer, KroneckerDelta, Rational, Sum, Symbol, ZeroMatrix, exp, sympify
from sympy.tensor.indexed import Idx

import symgrad
from symgrad.check import Level, ProofReport, prove
from symgrad.check.grid import LEVELS
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.numeric.fields import tower
from symgrad.equations import Assumption, node, one_hot, rows_sum_to_one, symmetric
from symgrad.errors import ProgramError
from symgrad.functions import step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import (
    Condition,
    Gradient,
    Largest,
    MatrixTotal,
    MatrixValue,
    Partial,
    Record,
    Step,
    Subject,
    Total,
    Value,
)

N, M = Axis("N"), Axis("M")
n, i, m, j = N.index("n"), N.index("i"), M.index("m"), M.index("j")
X, Y, Q, T = Array("X", (N, M)), Array("Y", (N, M)), Array("Q", (N, N)), Array("T", (N, N, N))
w, v, s, top = Array("w", (M,)), Array("v", (N,)), Array("s"), Array("top", (N,))
Z, R, L, G = Array("Z", (N,)), Array("R", (N, N)), Array("L"), Array("G", (N,))
HIDE = N.size - 2
"""0 at the first shape, where every line is evaluated."""

EQUATIONS = (
    node(Z[n], Sum(X[n, m] * w[m], m) + v[n]),
    node(R[n, i], 2 * Q[n, i]),
    node(L[()], Sum(Z[n] ** 2, n) + Sum(R[n, i] * Q[i, n], n, i) + Sum(T[n, i, n], n, i) + Sum(Y[n, m] * w[m], n, m)),
)
INPUTS = (X, Y, Q, T, w, v, s, top)
PROGRAM = Program("forged", (N, M), INPUTS, EQUATIONS, "L", (rows_sum_to_one(Y, "A1"),))
(ROWS,) = PROGRAM.assumptions
HONEST = Sum(X[n, m] * G[n], n) + Sum(Y[n, m], n)


def line(subject: Subject | Largest, after: Expr | int, number: int = 1, **more: object) -> Step:
    return Step(number, subject, None, sympify(after), "rule", "by hand", **more)  # type: ignore[arg-type]


def report(
    *steps: Step, of: Program = PROGRAM, adjoints: dict[str, Array] | None = None, **forms: Gradient
) -> ProofReport:
    return prove(
        Record(
            of, tuple(forms), steps, forms, {}, ({"Z": G} if "Z" in of.arrays else {}) if adjoints is None else adjoints
        )
    )


def test_the_honest_record_is_proved() -> None:
    steps = (line(Total(Z[n]), 2 * Z[n]), line(Total(w[m]), HONEST, 2, cites=(1,)))
    assert report(*steps, w=Gradient(w, w[m], HONEST, None)).ok


# --- closed forms and the arrays that they are of -------------------------------------------------------------------

TRACE = Program("trace", (N, M), (Q, X), (node(R[n, i], 2 * Q[n, i]), node(L[()], Sum(R[n, n], n))), "L")
DIAGONAL = line(Total(R[n, n]), 1)
SQUARE = Program("square", (N,), (Q, T), (node(L[()], Sum(Q[n, i] * T[n, i, i], n, i)),), "L")
FORMS: dict[str, Callable[[], ProofReport]] = {
    "of every entry from the diagonal": lambda: report(DIAGONAL, of=TRACE, R=Gradient(R, R[n, i], Integer(1), None)),
    "of the diagonal alone": lambda: report(DIAGONAL, of=TRACE, R=Gradient(R, R[n, n], Integer(1), None)),
    "of another array of these axes": lambda: report(line(Total(v[n]), G[n]), v=Gradient(Z, Z[n], G[n], None)),
    "of another entry": lambda: report(line(Total(v[n]), G[n]), v=Gradient(v, Z[n], G[n], None)),
    "under another name": lambda: report(line(Total(v[n]), G[n]), Z=Gradient(v, v[n], G[n], None)),
    "under the name of the output": lambda: report(line(Total(v[n]), G[n]), L=Gradient(w, w[m], Integer(1), None)),
    "under the name of nothing": lambda: report(line(Total(v[n]), G[n]), F=Gradient(v, v[n], G[n], None)),
    "of an array with other axes": lambda: report(
        line(Total(v[n]), G[n]), v=Gradient(Array("v", (M,)), v[n], G[n], None)
    ),
    "of twice an entry": lambda: report(line(Total(v[n]), G[n]), v=Gradient(v, 2 * v[n], G[n], None)),
    "with a sum that stops early": lambda: report(
        line(Total(v[n]), G[n]),
        line(Total(w[m]), HONEST, 2),
        w=Gradient(w, w[m], Sum(X[n, m] * G[n], (n, 0, 1)) + Sum(Y[n, m], n), None),
    ),
    "in a letter that the entry has not": lambda: report(line(Total(v[n]), G[n]), v=Gradient(v, v[i], G[n], None)),
    "in a matrix of another array": lambda: report(
        line(Total(v[n]), G[n]), line(MatrixTotal(Z), 2 * Z.matrix, 2), v=Gradient(v, v[n], G[n], 2 * Z.matrix)
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_closed_form_is_that_of_its_own_entry(case: str) -> None:
    assert FORMS[case]().problems


# --- what lines are about -------------------------------------------------------------------------------------------

OTHER_N = Idx(Symbol("n", integer=True, positive=True), N.size)
FREE = Program(
    "free",
    (N, M),
    (X, top, v),
    (node(Z[n], Sum(exp(X[n, m] - top[n] - v[n]), m)), node(L[()], Sum(X[n, m], n, m))),
    "L",
)
TOP = line(Largest(top[n], (m,)), X[n, m])


P, S = Array("P", (N,), positive=True), Array("S", (N,), positive=True)
HIDING = Program("hiding", (N,), (P, S), (node(L[()], Sum(P[n] * S[n], n)),), "L")
HIDDEN = P[n] / (P[n] + Rational(prod(tower(LEVELS)[0]), 10**240) * S[n])
"""1 modulo the primes, and to 50 digits, but at no point."""


class relu(Function):  # type: ignore[misc]
    """A function that is called like one of the package."""

    nargs = 1


class erf(Function):  # type: ignore[misc]
    """A function that is called like one of SymPy's."""

    nargs = 1


class exponential(exp):  # type: ignore[misc]
    """A function that says something false of its derivative."""

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)


def lying(function: type[Function]) -> ProofReport:
    """A line about the derivative of a function that is not what it is called."""
    of = Program("lying", (N,), (v,), (node(Z[n], function(v[n])), node(L[()], Sum(Z[n], n))), "L")
    return report(line(Partial(Z[n], v[i]), function(v[n]).diff(v[n]) * KroneckerDelta(n, i)), of=of)


LINES: dict[str, Callable[[], ProofReport]] = {
    "an assumption of the same key": lambda: report(
        line(Value(Sum(Y[n, m], m)), 2, assumption=Assumption("A1", ROWS.words, ROWS.lhs, Integer(2)))
    ),
    "an assumption in other words": lambda: report(
        line(Value(Sum(Y[n, m], m)), 1, assumption=replace(ROWS, words="x"))
    ),
    "an assumption of a later line": lambda: report(
        line(Value(HIDE * Sum(Y[n, m], m)), HIDE, cites=(2,)), line(Value(Sum(Y[i, m], m)), 1, 2, assumption=ROWS)
    ),
    "itself": lambda: report(line(Value(v[n]), v[n], cites=(1,))),
    "a number that another line has": lambda: report(
        line(Value(Sum(Y[i, m], m)), 1, assumption=ROWS), line(Value(v[n]), v[n])
    ),
    "a false condition": lambda: report(line(Value(v[n]), v[n], conditions=(Condition(s[()], "positive"),))),
    "a condition of a stranger": lambda: report(
        line(Value(v[n]), v[n], conditions=(Condition(Symbol("q", positive=True), "positive"),))
    ),
    "a matrix with other axes": lambda: report(line(MatrixTotal(Array("Q", (N, M))), ZeroMatrix(N.size, M.size))),
    "a vector for a matrix": lambda: report(line(MatrixTotal(Array("Q", (N,))), ZeroMatrix(N.size, 1))),
    "a matrix of three axes": lambda: report(line(MatrixTotal(T), ZeroMatrix(N.size, N.size))),
    "a value with other axes": lambda: report(line(MatrixValue(Array("X", (M, N))), Array("X", (M, N)).matrix)),
    "the derivative by an adjoint": lambda: report(line(Total(G[n]), 0)),
    "a partial derivative by an adjoint": lambda: report(line(Partial(Z[n], G[i]), 0)),
    "a partial derivative of an adjoint": lambda: report(line(Partial(G[n], v[i]), 0)),
    "the derivative by a size": lambda: report(line(Total(N.size), 0)),
    "the derivative by an expression": lambda: report(line(Total(2 * v[n]), G[n])),
    "an entry of an array of the same name": lambda: report(line(Value(HIDE * IndexedBase("v")[n]), HIDE * v[n])),
    "two indices of one letter": lambda: report(line(Value(HIDE * Q[n, OTHER_N]), HIDE * Q[OTHER_N, n])),
    "one letter over two axes": lambda: report(line(Value(X[n, M.index("n")]), X[n, M.index("n")])),
    "a letter of the checker": lambda: report(line(Value(v[N.index("%w0")]), v[N.index("%w0")])),
    "a letter that reads like two": lambda: report(line(Value(X[n, M.index("m@M,j")]), X[n, M.index("m@M,j")])),
    "a number for a number chosen twice": lambda: report(TOP, line(TOP.subject, 2 * X[n, m], 2), of=FREE),
    "numbers chosen by each other": lambda: report(
        line(Largest(top[n], (m,)), X[n, m] + v[n]), line(Largest(v[n], (m,)), X[n, m] - top[n], 2), of=FREE
    ),
    "the largest along an index that it has": lambda: report(line(Largest(top[n], (n,)), X[n, m], 1), of=FREE),
    "a function called like another": lambda: lying(relu),
    "a function called like one of SymPy's": lambda: lying(erf),
    "a function that lies about its derivative": lambda: lying(exponential),
    "a multiple of the primes that a divisor hides": lambda: report(line(Value(HIDDEN), 1), of=HIDING),
    "a step that is no indicator": lambda: report(line(Value(step(v[n], v[n]) ** 2), step(v[n], v[n]))),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_may_not_rest_on(case: str) -> None:
    assert not all(mark.ok for mark in LINES[case]().marks)


# --- the arrays that stand for adjoints -----------------------------------------------------------------------------

ADJOINTS: dict[str, dict[str, Array]] = {
    "of other axes": {"Z": Array("G", (M,))},
    "of an input's name": {"Z": v},
    "of a definition's name": {"Z": G, "v": Z},
    "of an axis's name": {"Z": Array("M", (N,))},
    "of one name for two": {"Z": G, "v": G},
    "that is said to be positive": {"Z": Array("G", (N,), positive=True)},
    "of no array": {"Z": G, "F": Array("H", (N,))},
    "of the name that another has where none is given": {"Z": Array("adjoint of v", (N,))},
}


@pytest.mark.parametrize("case", ADJOINTS)
def test_an_adjoint_has_a_name_and_axes_of_its_own(case: str) -> None:
    steps = (line(Total(Z[n]), 2 * Z[n]), line(Value(v[n]), v[n], 2))
    assert not any(mark.ok for mark in report(*steps, adjoints=ADJOINTS[case]).marks)


@pytest.mark.parametrize("name", ["adjoint_Z", "G_Z", "G", "dZ", "_last"])
def test_an_input_may_be_called_as_adjoints_are(name: str) -> None:
    other = Array(name, (N,))
    of = Program(
        "named", (N, M), (X, w, other), (node(Z[n], Sum(X[n, m] * w[m], m)), node(L[()], Sum(Z[n] * other[n], n))), "L"
    )
    derivation = symgrad.derive(of, wrt=["w", name])
    assert derivation.prove().ok
    assert derivation.gradients[name].index == Z[derivation.gradients[name].entry.indices[0]]
    assert not report(line(Total(Z[n]), 2 * other[n]), of=of, adjoints={}).ok
    assert report(line(Total(Z[n]), other[n]), of=of, adjoints={}).ok


# --- what was proved under an assumption ----------------------------------------------------------------------------


def test_a_closed_form_is_used_only_under_its_assumptions() -> None:
    loss = Sum(Z[n] * Y[n, m], n, m)
    of = Program("rows", (N, M), (Y, v), (node(Z[n], v[n] ** 2), node(L[()], loss)), "L", (ROWS,))
    first = line(Total(Z[n]), 1, assumption=ROWS)
    hidden = line(Value(HIDE * Sum(G[n], n)), HIDE * N.size, 2)
    marks = report(first, hidden, of=of).marks
    assert marks[0].ok and not marks[1].ok
    assert all(mark.ok for mark in report(first, replace(hidden, cites=(1,)), of=of).marks)


def test_a_closed_form_in_its_own_adjoint_takes_the_place_of_no_other() -> None:
    steps = (line(Total(Z[n]), 2 * Z[n]), line(Total(Z[n]), G[n], 2), line(Value(HIDE * G[n]), HIDE * 2 * Z[n], 3))
    assert report(*steps).mark(3).rests_on == (1,)


def test_a_diagonal_of_one_hot_rows_does_not_sum_to_one() -> None:
    of = Program("square", (N,), (Q,), (node(L[()], Sum(Q[n, i], n, i)),), "L", one_hot(Q))
    normaliser = Normaliser(of, frozenset(), assumed=of.assumptions)
    assert normaliser.equal(Sum(Q[n, i], i), Integer(1))
    assert not normaliser.equal(Sum(Q[n, n], n), Integer(1))
    assert not normaliser.equal(Sum(Q[n, i], n), Integer(1))


def test_a_symmetric_matrix_is_no_other_one() -> None:
    with pytest.raises(ProgramError):
        symmetric(X, "A1")
    of = replace(SQUARE, assumptions=(symmetric(Q, "A1"),))
    wrong = line(Value(HIDE * T[n, n, i]), HIDE * T[i, n, n], assumption=of.assumptions[0])
    assert not report(wrong, of=of).ok
    assert report(line(Value(HIDE * Q[n, i]), HIDE * Q[i, n], assumption=of.assumptions[0]), of=of).ok


@pytest.mark.parametrize("power", [Rational(3, 2), Rational(5, 3), 2])
def test_a_line_is_not_proved_where_it_divides_by_what_may_vanish(power: Rational) -> None:
    base = v[n] ** 2 + w[m] ** 2
    of = Program("power", (N, M), (v, w), (node(L[()], Sum(base**power, n, m)),), "L")
    assert not report(line(Value(base / base**2), 1 / base), of=of).ok


def test_a_choice_by_something_other_than_an_indicator_is_not_proved() -> None:
    """NumPy's ``where`` takes the first branch for any nonzero condition; the normal form mixes both."""
    condition, one, other = v[n] + s[()], Z[n], v[n]
    chosen, mixed = where(condition, one, other), condition * one + (1 - condition) * other
    for left, right in ((chosen, mixed), (mixed, chosen)):
        (mark,) = report(line(Value(left), right)).marks
        assert (mark.level, mark.detail.split(" is ")[1]) == (Level.UNPROVED, "0 or 1, by which the line chooses")
