"""Assumptions: used in lines that cite them, proved by them and by nothing less, checked by the generated code."""

from __future__ import annotations

from dataclasses import replace

import classifier as cl
import numpy as np
import pytest
from cases import sampled
from catalogue import derived_from
from literal import random_inputs
from programs import ZOO, labelled_logits, missing_probability, quadratic_form, whitened_residuals
from sympy import Expr, I, KroneckerDelta, Rational, Sum, exp, sympify
from wrong_lines import wrongly_accepted

import symgrad
from symgrad import Array, Program, ProgramError, node, one_hot, rows_sum_to_one, symmetric
from symgrad.canonical import canonical
from symgrad.check import check_end_to_end, prove
from symgrad.check.marks import Level
from symgrad.check.normal_form.translation import Normaliser
from symgrad.codegen import compile_source, to_numpy, to_source
from symgrad.steps import Record, Total

N, C, D, Y, Z, n, k, j = cl.N, cl.C, cl.D, cl.Y, cl.Z, cl.n, cl.k, cl.j
m, c = N.index("m"), C.index("c")
PROGRAMS = ("quadratic_form", "whitened_residuals", "missing_probability", "labelled_logits")


def record(name: str) -> Record:
    return derived_from(*ZOO[name]).record


# --- what is declared -----------------------------------------------------------------------------------------------


def test_one_hot_is_two_assumptions_of_their_own_keys() -> None:
    entries, sums = one_hot(Y, "H")
    assert (entries.key, sums.key) == ("Ha", "Hb")
    assert entries.lhs == Y[n, k] * Y[n, j] and entries.rhs == KroneckerDelta(k, j) * Y[n, k]
    assert (sums.lhs, sums.rhs) == (Sum(Y[n, k], k), 1)


def test_rows_run_over_the_last_axis_of_any_array() -> None:
    stack = Array("A", (N, D, C))
    (row,) = {e.indices for e in rows_sum_to_one(stack).lhs.atoms(type(stack[n, cl.d, k]))}
    assert row == (n, cl.d, k)


@pytest.mark.parametrize("array", [Array("a", (N,)), Y, Array("s"), Array("A", (N, N, N))])
def test_what_has_not_twice_the_same_axis_cannot_be_symmetric(array: Array) -> None:
    with pytest.raises(ProgramError, match="cannot be symmetric"):
        symmetric(array, "A1")


def test_a_scalar_has_no_rows() -> None:
    for assume in (rows_sum_to_one, one_hot):
        with pytest.raises(ProgramError, match="s is a scalar, so it has no rows"):
            assume(Array("s"))


def test_assumptions_have_keys_of_their_own() -> None:
    loss = node(cl.L.base, Sum(Y[n, k] * Z[n, k], n, k))
    with pytest.raises(ProgramError, match="needs its own key, but the keys are A1, A1"):
        Program("twice", (N, C), (Y, Z), (loss,), "L", (rows_sum_to_one(Y), rows_sum_to_one(Z)))


A, T, Q = Array("A", (N, N)), Array("T", (N, N, N)), Array("Q", (N, N, C))
i = N.index("i")
NOT_UNDERSTOOD: dict[str, tuple[Expr, Expr | int]] = {
    "entries": (Y[n, k], 1),
    "a trace": (Sum(A[n, n], n), 1),
    "a trace of a slice": (Sum(T[n, m, n], n), 1),
    "a trace of rows": (Sum(T[n, m, m], n), 1),
    "the sum of all": (Sum(Y[n, k], n, k), 1),
    "a sum of products": (Sum(Y[n, k] * Z[n, k], k), 1),
    "a sum of squares": (Sum(Y[n, k] ** 2, k), 1),
    "a multiple of a sum": (2 * Sum(Y[n, k], k), 1),
    "a sum that is an entry of the same array": (Sum(Y[n, k], k), Y[n, c]),
    "a sum that is one of another array": (Sum(Y[n, k], k), Sum(Z[n, k], k)),
    "a sum that is a delta": (Sum(A[n, m], m), KroneckerDelta(n, i)),
    "a sum of a defined array": (Sum(Array("P", (N, C))[n, k], k), 1),
    "a sum without the index": (Sum(Y[n, k], c), 1),
    "no real number": (Sum(Y[n, k], k), I),
    "symmetry of three indices": (T[n, m, i], T[i, m, n]),
    "a slice that is itself": (T[n, m, n], T[n, m, n]),
    "antisymmetry": (A[n, m], -A[m, n]),
    "one array the transpose of another": (A[n, m], Array("B", (N, N))[m, n]),
    "one-hot rows on a diagonal": (Q[n, n, k] * Q[n, n, c], KroneckerDelta(k, c) * Q[n, n, k]),
    "one-hot entries of different rows": (Y[n, k] * Y[m, c], KroneckerDelta(k, c) * Y[n, k]),
}


@pytest.mark.parametrize("case", NOT_UNDERSTOOD)
def test_an_assumption_of_another_form_is_refused_at_once(case: str) -> None:
    left, right = NOT_UNDERSTOOD[case]
    assumed = symgrad.Assumption("A1", case, left, sympify(right))
    inputs = (Y, Z, A, T, Q, Array("B", (N, N)))
    equations = (node(Array("P", (N, C))[n, k], Y[n, k] ** 2), node(cl.L.base, Sum(Z[n, k], n, k)))
    with pytest.raises(ProgramError, match=r"two: .*A1"):
        Program("two", (N, C), inputs, equations, "L", (assumed,))
    with pytest.raises(ProgramError, match=r"two: .*A1"):
        symgrad.derive(Program("two", (N, C), inputs, equations, "L"), "Z", assume=[assumed])


@pytest.mark.parametrize("right", [1, Rational(1, 2), -3, C.size, N.size / C.size])
def test_a_sum_along_any_axis_is_a_number_or_a_size(right: Expr | int) -> None:
    for total in (Sum(T[n, m, i], m), Sum(Y[n, k], n), Sum(Y[n, k], k)):
        assumed = symgrad.Assumption("A1", "a sum", total, sympify(right))
        of = Program("sums", (N, C), (Y, T), (node(cl.L.base, Sum(Y[n, k], n, k)),), "L", (assumed,))
        assert Normaliser(of, frozenset(), assumed=(assumed,)).equal(total, sympify(right))


# --- what is derived ------------------------------------------------------------------------------------------------


def test_a_symmetric_matrix_merges_a_sum_and_its_transpose() -> None:
    of = symgrad.derive(quadratic_form(), ("x",))
    x, A, b = (of.program.arrays[name].matrix for name in "xAb")
    assert of.gradients["x"].matrix == A * x - b
    general = symgrad.derive(quadratic_form(), ("x",), assume=())
    assert general.gradients["x"].matrix.has(A.T)  # the combination of both without the assumption
    residuals = symgrad.derive(whitened_residuals(), ("W",)).record.adjoints["R"]
    R, A = (of.matrix for of in (Array("R", (N, C)), Array("A", (C, C))))
    assert residuals.matrix == 2 / N.size * R * A


def test_a_matrix_alone_is_turned_too() -> None:
    A, x, y = Array("A", (D, D)), Array("x", (D,)), Array("y", (D,))
    d, e = D.index("d"), D.index("e")
    loss = node(cl.L.base, Sum(x[d] * A[d, e] * y[e], d, e))
    program = Program("bilinear", (D,), (x, y, A), (loss,), "L", (symmetric(A, "A1"),))
    of = symgrad.derive(program, ("x", "y"))
    assert of.gradients["y"].matrix == A.matrix * x.matrix
    assert [len(lines) for lines in of.assumptions.values()] == [1]  # the derivative by x needs none


def test_one_hot_labels_take_squares_and_sums_away() -> None:
    lines = [s for s in record("missing_probability").steps if isinstance(s.subject, Total)]
    used = {s.assumption.key: s.after for s in lines if s.assumption}
    assert not used["A1a"].has(Y[m, k] ** 2) and used["A1a"].has(Sum(Y[m, k], k))
    assert not used["A1b"].has(Sum)
    own = symgrad.derive(labelled_logits(), ("Z",)).gradients["Z"].index
    assert canonical(own - (Y[m, c] * (2 * Z[m, c] - exp(Z[m, c])))).expand() == 0


# --- what is proved -------------------------------------------------------------------------------------------------

HOT = {
    "a square": (Y[n, k] ** 2, Y[n, k]),
    "two entries of a row": (Y[n, k] * Y[n, j], KroneckerDelta(k, j) * Y[n, k]),
    "an entry picks": (Y[n, k] * Sum(Y[n, j] * Z[n, j], j), Y[n, k] * Z[n, k]),
    "the square of a pick": (Sum(Y[n, k] * Z[n, k], k) ** 2, Sum(Y[n, k] * Z[n, k] ** 2, k)),
    "two picks": (Sum(Y[n, k] * Z[n, k], k) * Sum(Y[n, k] * exp(Z[n, k]), k), Sum(Y[n, k] * Z[n, k] * exp(Z[n, k]), k)),
}
COMPLETE = {
    "a row": (Sum(Y[n, k], k), sympify(1)),
    "a row within a sum": (Sum(Y[n, k] * Z[n, c], n, k), Sum(Z[n, c], n)),
    "squares of a row": (Sum(Y[n, k] ** 2, k), sympify(1)),
}
FALSE = {
    "another row": (Y[n, k] * Y[m, k], Y[n, k]),
    "a column": (Sum(Y[n, k], n), sympify(1)),
    "a product of rows": (Sum(Y[n, k] * Z[n, k], n, k) ** 2, Sum(Y[n, k] * Z[n, k] ** 2, n, k)),
    "an entry": (Y[n, k], sympify(1)),
    "weights": (Sum(Y[n, k] * Z[n, k], k), sympify(1)),
    "a wrong pick": (Y[n, k] * Sum(Y[n, j] * Z[n, j], j), Z[n, k]),
}
LABELLED = missing_probability()


@pytest.mark.parametrize("case", [*HOT, *COMPLETE, *FALSE])
def test_the_normal_form_knows_one_hot_rows_and_nothing_false(case: str) -> None:
    left, right = (HOT | COMPLETE | FALSE)[case]
    entries, sums = one_hot(Y)

    def proved(*assumed: symgrad.Assumption) -> bool:
        return Normaliser(LABELLED, frozenset(), assumed=assumed).equal(left, right)

    assert proved(entries, sums) is (case not in FALSE)
    assert proved(entries) is (case in HOT)
    assert proved(sums) is (case in ("a row", "a row within a sum"))
    assert not proved()


def test_the_normal_form_knows_symmetry_and_nothing_false() -> None:
    program = quadratic_form()
    A, x = program.arrays["A"], program.arrays["x"]
    d, e, a = (D.index(letter) for letter in "dea")

    def proved(left: Expr, right: Expr, assumed: bool = True) -> bool:
        return Normaliser(program, frozenset(), assumed=program.assumptions if assumed else ()).equal(left, right)

    assert proved(A[d, e], A[e, d]) and not proved(A[d, e], A[e, d], assumed=False)
    assert proved(Sum(x[d] * A[d, e], d), Sum(x[d] * A[e, d], d))
    assert not proved(A[d, d], A[e, e]) and not proved(A[d, e], A[d, a])
    assert not proved(Sum(A[d, e] * A[e, a], e), Sum(A[d, e] * A[a, e], e) * 2)


@pytest.mark.parametrize("name", sampled(PROGRAMS, "quadratic_form"))
def test_every_corrupted_line_is_rejected(name: str) -> None:
    assert list(wrongly_accepted(record(name))) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_line_that_does_not_cite_its_assumption_is_rejected(name: str) -> None:
    of = record(name)
    silent = replace(of, steps=tuple(replace(s, assumption=None) for s in of.steps))
    rejected = [mark for mark in prove(silent).marks if not mark.ok]
    assert {mark.level for mark in rejected} == {Level.WRONG}
    assert min(mark.number for mark in rejected) == min(s.number for s in of.steps if s.assumption)


def test_what_a_few_labels_do_not_refute_is_not_called_proved() -> None:
    """A line that holds for one-hot rows, but by a relation that the normal form does not have."""
    of = record("labelled_logits")
    place, step = next((p, s) for p, s in enumerate(of.steps) if s.assumption)
    after = step.after + Y[m, c] * (exp(Y[m, c] * Z[m, c]) - exp(Z[m, c]))  # exp(y z) = exp(z) where y = 1
    steps = (*of.steps[:place], replace(step, after=after), *of.steps[place + 1 :])
    assert prove(replace(of, steps=steps)).mark(step.number).level == Level.UNPROVED


@pytest.mark.parametrize("name", sampled(PROGRAMS, *[name for name in PROGRAMS if name != "missing_probability"]))
def test_gradients_are_those_of_the_brute_force_at_every_choice_of_labels(name: str) -> None:
    of = record(name)
    found = check_end_to_end(of, tuple((2, 2, 3)[: len(of.program.axes)]))
    assert found.ok and found.assumptions
    gradients = {w: replace(g, index=g.index * Rational(1, 2)) for w, g in of.gradients.items()}
    assert check_end_to_end(replace(of, gradients=gradients), tuple((2, 2, 3)[: len(of.program.axes)])).wrong


# --- what is generated ----------------------------------------------------------------------------------------------

SIZES = {"N": 3, "D": 4, "C": 5}
BROKEN = {
    "whitened_residuals": ("A", lambda a: a + np.triu(np.ones_like(a)), "A is symmetric"),
    "missing_probability": ("Y", lambda y: np.full_like(y, 1 / y.shape[1]), "each entry of Y is 0 or 1"),
    "labelled_logits": ("Y", lambda y: np.ones_like(y), "each entry of Y is 0 or 1"),
}


@pytest.mark.parametrize("target", ["numpy", "scalar"])
@pytest.mark.parametrize("name", BROKEN)
def test_generated_code_refuses_inputs_that_break_an_assumption(name: str, target: str) -> None:
    of = record(name)
    array, spoil, words = BROKEN[name]
    sizes = {axis.name: SIZES[axis.name] for axis in of.program.axes}
    given = {"target": "scalar", "sizes": sizes} if target == "scalar" else {}
    f = compile_source(to_source(of, "evaluate", **given), "evaluate")
    inputs = random_inputs(of.program, sizes)
    f(*inputs.values())
    with pytest.raises(ValueError, match=f"{array}: expected that {words}"):
        f(*{**inputs, array: spoil(inputs[array])}.values())


def test_one_hot_inputs_may_be_labels() -> None:
    of = record("missing_probability")
    inputs = random_inputs(of.program, SIZES)
    loss, grads = to_numpy(of)(*inputs.values())
    labelled, other = to_numpy(of)(*{**inputs, "Y": np.argmax(inputs["Y"], axis=1)}.values())
    assert labelled == loss and np.array_equal(grads.W, other.W)


def test_explicit_forms_leave_out_what_says_nothing() -> None:
    at = symgrad.derive(quadratic_form(), ("x",)).explicit(D=2)
    (equations,) = at.assumptions.values()
    assert [{str(left), str(right)} for left, right in equations] == [{"a_12", "a_21"}]


def test_labels_never_stand_for_a_square_matrix() -> None:
    of = record("whitened_residuals")
    assert "integer labels" not in next(line for line in to_source(of).splitlines() if "A: shape (C, C)" in line)
    at = symgrad.derive(whitened_residuals(), ("W",)).explicit(N=1, D=1, C=2, y=[1])
    assert list(at.inputs["Y"]) == [0, 1] and at.inputs["A"].free_symbols
