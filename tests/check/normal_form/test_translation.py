"""The normal form knows what it should, and nothing that is false."""

from __future__ import annotations

import random

import classifier as cl
import pytest
from classifier import softmax_cross_entropy
from sympy import (
    Abs,
    Derivative,
    E,
    Expr,
    Float,
    Function,
    GoldenRatio,
    Idx,
    Integer,
    KroneckerDelta,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    cosh,
    erf,
    exp,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    sympify,
    tanh,
)

from symgrad.canonical import canonical
from symgrad.check.assumptions import OneHot, Projection, constraints, labelings
from symgrad.check.normal_form import algebra
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.translation import Normaliser, index_text
from symgrad.equations import Assumption, node, one_hot, rows_sum_to_one, symmetric
from symgrad.functions import absolute, relu, root, selection, step, where
from symgrad.notation import Array, freshen
from symgrad.program import Program

N, C, X, W, Y, Z, S, P, n, k, j, d = cl.N, cl.C, cl.X, cl.W, cl.Y, cl.Z, cl.S, cl.P, cl.n, cl.k, cl.j, cl.d
m, c = N.index("m"), C.index("c")
tau = Array("tau", (), positive=True).base
eps = Array("eps", (), positive=True).base
e = exp(Z[n, k])

PROGRAM = softmax_cross_entropy()
NAMES = frozenset({"S", "P"})

EQUAL = {
    "alpha": (Sum(X[n, d] * W[d, k], d), Sum(X[n, cl.D.index("a")] * W[cl.D.index("a"), k], cl.D.index("a"))),
    "delta picks": (Sum(KroneckerDelta(k, c) * Y[n, k], k), Y[n, c]),
    "delta renames": (KroneckerDelta(n, m) * Y[n, k], KroneckerDelta(n, m) * Y[m, k]),
    "rows of P sum to one": (Sum(P[n, k], k), 1),
    "cancels inside": (Sum(S[n] * Y[n, k] / S[n], n, k), Sum(Y[n, k], n, k)),
    "cancels a sum inside": (Sum(Sum(exp(Z[n, j]), j) * Y[n, k] / S[n], n), Sum(Y[n, k], n)),
    "an unused index": (Sum(Y[n, c], n, k), C.size * Sum(Y[n, c], n)),
    "a product of sums": (Sum(Y[n, k], k) ** 2, Sum(Y[n, k] * Y[n, j], k, j)),
    "order of sums": (Sum(Sum(Y[n, k] * Z[n, j], j), k), Sum(Sum(Y[n, k] * Z[n, j], k), j)),
    "log of P": (log(P[n, k]), Z[n, k] - log(S[n])),
    "exp of a sum": (exp(Z[n, k] - Z[m, k]), e / exp(Z[m, k])),
    "temperature": (exp(Z[n, k] / tau) ** 2 * exp(-Z[n, k] / tau), exp(Z[n, k] / tau)),
    "sigmoid": (1 / (1 + 1 / e), 1 - 1 / (1 + e)),
    "log of a sigmoid": (log(1 / (1 + exp(-Z[n, k]))), Z[n, k] - log(1 + e)),
    "log of one minus it": (log(1 - 1 / (1 + exp(-Z[n, k]))), -log(1 + e)),
    "tanh": (tanh(Z[n, k]), sinh(Z[n, k]) / cosh(Z[n, k])),
    "derivative of tanh": (1 - tanh(Z[n, k]) ** 2, 1 / cosh(Z[n, k]) ** 2),
    "a root": (Y[n, k] / sqrt(Y[n, k] + eps), sqrt(Y[n, k] + eps) - eps / sqrt(Y[n, k] + eps)),
    "roots of sizes": (1 / sqrt(4 * C.size) * sqrt(C.size), sqrt(1) / 2),
    "a root of a power": (sqrt(S[n] ** 2), S[n]),
    "a norm": (root(S[n] + eps), sqrt(S[n] + eps)),
    "a norm of one entry": (root(Y[n, k] ** 2), Pow(Y[n, k] ** 2, Rational(1, 2), evaluate=False)),
    "e": (E ** (2 * Z[n, k]), e**2),
    "e itself": (exp(1) * E, E**2),
    "e in a bracket": (E * (E + Y[n, k]), exp(2) + E * Y[n, k]),
    "two names": (P[n, k] * S[n], e),
    "fractions over common divisors": (
        1 / (Y[n, k] + Z[n, k]) + 1 / (Y[n, k] - Z[n, k]),
        2 * Y[n, k] / (Y[n, k] ** 2 - Z[n, k] ** 2),
    ),
    "pi": (pi * Y[n, k] - Y[n, k] * pi, Integer(0)),
    "a root of pi": (sqrt(pi) ** 2, pi),
    "a symbolic exponent": (S[n] ** tau * S[n] ** (1 - tau), S[n]),
    "a decimal": (Float("0.5") * Y[n, k], Y[n, k] / 2),
    "a fraction in a sum": (Sum(e / (1 + e), k), C.size - Sum(1 / (1 + e), k)),
    "a fraction of a square in a sum": (Sum(e**2 / (1 + e), k), Sum(e, k) - C.size + Sum(1 / (1 + e), k)),
    "an inverse exponential in a sum": (Sum(1 / (e * (1 + e)), k), Sum(1 / e, k) - Sum(1 / (1 + e), k)),
    "a root in a sum": (Sum(e / sqrt(1 + e), k), Sum(sqrt(1 + e), k) - Sum(1 / sqrt(1 + e), k)),
    "a root of sizes in a sum": (
        Sum(Y[n, k] / (Y[n, k] + C.size), k),
        C.size - C.size * Sum(1 / (Y[n, k] + C.size), k),
    ),
    "a multiple of a size below a sum": (
        Sum(Y[n, k] / (1 + C.size * Y[n, k]), k),
        1 - Sum(1 / (1 + C.size * Y[n, k]), k) / C.size,
    ),
    "an absolute value of what is positive": (Abs(S[n]) + absolute(e), S[n] + e),
    "a function of equals": (sin(Y[n, k] + Z[n, k] - Y[n, k]), sin(Z[n, k])),
    "shares": (Sum(selection(Z[n, k], k), k), 1),
    "a selection in other letters": (Sum(Y[n, k] * selection(Z[n, k], k), k), Sum(Y[n, j] * selection(Z[n, j], j), j)),
}
KEPT = step(Y[n, k], 0)
UNEQUAL = {
    "a choice in a selection along its index": (
        where(KEPT, selection(where(KEPT, Z[n, k], 0), k), 0),
        where(KEPT, selection(Z[n, k], k), 0),
    ),
    "a choice in a sum over its index": (
        where(KEPT, Sum(where(KEPT, Z[n, k], 0), k), 0),
        where(KEPT, Sum(Z[n, k], k), 0),
    ),
    "a free index": (Y[n, k], Y[m, k]),
    "a coincidence at one shape": ((N.size - 1) * Y[n, k], (C.size - 2) * Y[n, k]),
    "C/3": (C.size / 3 * Y[n, k], Y[n, k]),
    "the transpose": (Sum(Z[n, k] * Y[m, k], k), Sum(Z[m, k] * Y[n, k], k)),
    "one-hot": (Y[n, k] ** 2, Y[n, k]),
    "rows of Y": (Sum(Y[n, k], k), 1),
    "the root of a square": (sqrt(Y[n, k] ** 2), Y[n, k]),
    "the log of a square": (log(Y[n, k] ** 2), 2 * log(Y[n, k])),
    "the root of a product": (sqrt(Y[n, k] * Z[n, k]), sqrt(Y[n, k]) * sqrt(Z[n, k])),
    "square of a sum": (Sum(Y[n, k], k) ** 2, Sum(Y[n, k] ** 2, k)),
    "e and pi": (E, pi),
    "pi and another constant": (pi, GoldenRatio),
    "an absolute value": (Abs(Y[n, k]), Y[n, k]),
    "another function": (relu(Y[n, k]), absolute(Y[n, k])),
    "arguments in another order": (step(Y[n, k], Z[n, k]), step(Z[n, k], Y[n, k])),
    "a selection among others": (selection(Z[n, k], k), selection(Y[n, k], k)),
    "a selection along the rows": (selection(Z[n, k], n), selection(Z[n, k], k)),
    "the error function": (erf(Y[n, k]), Y[n, k]),
}


def test_a_power_in_which_indices_come_to_coincide_keeps_all_factors() -> None:
    normal = Normaliser(PROGRAM, NAMES)
    power = (tau * e + eps * exp(Z[m, k])) ** Y[n, k]
    coincide = algebra.rename(normal(power), {index_text(m): index_text(n)})
    assert coincide == normal(e ** Y[n, k] * (tau + eps) ** Y[n, k])


@pytest.mark.parametrize("case", EQUAL)
def test_equal(case: str) -> None:
    left, right = EQUAL[case]
    assert Normaliser(PROGRAM, NAMES).equal(sympify(left), sympify(right))


@pytest.mark.parametrize("case", UNEQUAL)
def test_not_equal(case: str) -> None:
    left, right = UNEQUAL[case]
    assert not Normaliser(PROGRAM, NAMES).equal(sympify(left), sympify(right))


@pytest.mark.parametrize("assumed", [False, True])
def test_an_assumption_holds_only_where_it_is_made(assumed: bool) -> None:
    normaliser = Normaliser(PROGRAM, NAMES, assumed=PROGRAM.assumptions if assumed else ())
    assert normaliser.equal(Sum(Y[m, k], k), sympify(1)) is assumed
    assert normaliser.equal(Sum(Y[n, k] * P[n, c], n, k), Sum(P[n, c], n)) is assumed
    assert not normaliser.equal(Y[n, k] ** 2, Y[n, k])


def test_entries_of_one_hot_rows_obey_their_relations() -> None:
    entries, sums = one_hot(Y)
    for assumed, is_square, is_whole in (((), False, False), ((entries,), True, False), ((sums, entries), True, True)):
        normaliser = Normaliser(PROGRAM, NAMES, assumed=assumed)
        assert normaliser.equal(Y[n, k] ** 2, Y[n, k]) is is_square
        assert normaliser.equal(Sum(Y[n, k], k), Integer(1)) is is_whole


def test_a_scalar_is_written_out() -> None:
    loss = PROGRAM.definitions["L"]
    assert Normaliser(PROGRAM, frozenset("L")).equal(loss.entry, loss.rhs)
    assert not Normaliser(PROGRAM, NAMES).equal(loss.entry, loss.rhs)


@pytest.mark.parametrize("seed", range(20))
def test_names_of_indices_and_the_order_of_terms_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    letters = [[C.index(x) for x in rng.sample("kjlpq", 3)] for _ in range(2)]

    def build(a: list[Expr]) -> Expr:
        terms = [P[n, a[0]] * Y[n, a[1]], Y[n, a[1]] * Z[n, a[2]] * P[n, a[2]], exp(Z[n, a[0]] - Z[n, a[1]])]
        return sum((Sum(t, *rng.sample(a, 3)) for t in rng.sample(terms, 3)), Y[n, c])

    left, right = build(letters[0]), build(letters[1])
    normaliser = Normaliser(PROGRAM, NAMES)
    assert normaliser.equal(left, right)
    assert normaliser.equal(freshen(left), canonical(right))


@pytest.mark.parametrize(
    "expr",
    [
        Function("f")(Y[n, k]),
        Piecewise((Y[n, k], Y[n, k] > 0), (0, True)),
        Derivative(Y[n, k] ** 2, Symbol("t")),
        Pow(KroneckerDelta(k, c), -1),
        log(KroneckerDelta(k, c)),
    ],
)
def test_what_has_no_normal_form_is_refused(expr: Expr) -> None:
    with pytest.raises(NoNormalForm):
        Normaliser(PROGRAM, NAMES)(expr)


def test_inputs_are_positive_where_they_say_so() -> None:
    equations = (node(cl.L.base, Sum(Y[n, k], n, k)),)
    scalars = (Array("tau", (), positive=True), Array("eps", (), positive=True))
    of = Normaliser(Program("test", (N, C), (Y, *scalars), equations, "L"), frozenset())
    assert of.equal(log(tau * eps), log(tau) + log(eps))
    assert not of.equal(log(tau * Y[n, k]), log(tau) + log(Y[n, j]))
    either = Program("test", (N, C), (Y, Array("tau"), Array("eps")), equations, "L")
    assert not Normaliser(either, frozenset()).equal(log(tau * eps), log(tau) + log(eps))


def test_an_index_runs_over_an_axis() -> None:
    assert index_text(k) == "k@C" and index_text(Idx("%k", C.size)) == "%k@C"
    with pytest.raises(NoNormalForm, match="not an index over an axis"):
        index_text(Symbol("k"))
    for index in (Idx("k-j", C.size), Idx("k%", C.size), Idx("k", (1, C.size)), Idx("k")):
        with pytest.raises(NoNormalForm):
            index_text(index)


# --- assumptions as the normal form has them ------------------------------------------------------------------------


def test_what_assumptions_say_of_an_input() -> None:
    entries, sums = one_hot(Y)
    assert constraints((), PROGRAM) == {}
    assert constraints((entries,), PROGRAM) == {"Y": OneHot(False)}
    assert constraints((sums, entries), PROGRAM) == {"Y": OneHot(True)}
    found = constraints((rows_sum_to_one(Y),), PROGRAM)["Y"]
    assert isinstance(found, Projection)
    entry, written = found.written
    assert Normaliser(PROGRAM, frozenset()).equal(Sum(written, entry.indices[1]), Integer(1))


def test_a_projection_leaves_what_satisfies_the_assumption_as_it_is() -> None:
    A = Array("A", (C, C))
    square = Program("square", (C,), (A,), (node(cl.L.base, Sum(A[k, j], k, j)),), "L")
    found = constraints((symmetric(A, "A1"),), square)["A"]
    assert isinstance(found, Projection)
    entry, written = found.written
    turned = entry.base[entry.indices[::-1]]
    assert written.xreplace({turned: entry}) == entry and written.has(turned)
    rows = constraints((rows_sum_to_one(Y),), PROGRAM)["Y"]
    assert isinstance(rows, Projection)
    entry, written = rows.written
    (total,) = written.atoms(Sum)
    assert written.xreplace({total: Integer(1)}) == entry


def refused() -> dict[str, tuple[Assumption, ...]]:
    rows = rows_sum_to_one(Y)
    entries, _ = one_hot(Y)
    columns = Assumption("A3", "columns", Sum(Y[n, k], n), Integer(1))
    doubled = Assumption("A4", "rows", Sum(Y[n, k], k), Integer(2))
    return {
        "two sums": (rows, columns),
        "one-hot rows and columns": (entries, columns),
        "one-hot rows of another sum": (entries, doubled),
        "a defined array": (Assumption("A5", "rows", Sum(P[n, k], k), Integer(1)),),
        "two arrays": (Assumption("A6", "rows", Sum(Y[n, k], k), X[n, d]),),
        "another form": (Assumption("A7", "entries", Y[n, k], Integer(1)),),
        "weights": (Assumption("A8", "weights", Sum(Y[n, k] ** 2, k), Integer(1)),),
        "the sum of all": (Assumption("A9", "all", Sum(Y[n, k], n, k), Integer(1)),),
    }


@pytest.mark.parametrize("case", refused())
def test_assumptions_that_are_not_known_together_are_refused(case: str) -> None:
    with pytest.raises(NoNormalForm):
        constraints(refused()[case], PROGRAM)


def test_two_inputs_may_each_have_an_assumption() -> None:
    A = Array("A", (C, C))
    both = Program("both", (N, C), (Y, A), (node(cl.L.base, Sum(Y[n, k] * A[k, j], n, k, j)),), "L")
    normaliser = Normaliser(both, frozenset(), assumed=(rows_sum_to_one(Y), symmetric(A, "A2")))
    assert normaliser.equal(Sum(Y[n, k], k) * A[k, j], A[j, k]) and normaliser.equal(A[k, j], A[j, k])
    assert not normaliser.equal(Y[n, k], A[n, k]) and normaliser.equal(Sum(Y[n, k], k), Integer(1))


def test_columns_that_sum_to_a_number_are_known_too() -> None:
    columns = Assumption("A3", "columns", Sum(Y[n, k], n), Rational(1, 2))
    normaliser = Normaliser(PROGRAM, frozenset(), assumed=(columns,))
    assert normaliser.equal(Sum(Y[m, c], m), Rational(1, 2)) and not normaliser.equal(Sum(Y[n, k], k), Rational(1, 2))


def test_every_labelling_is_listed_once() -> None:
    complete, partial = list(labelings((2, 3), True)), list(labelings((2, 3), False))
    assert len(complete) == 3**2 and len(partial) == 4**2
    for found in (complete, partial):
        assert len({tuple(sorted(one.items())) for one in found}) == len(found)
        assert all(one.keys() == {(row, place) for row in range(2) for place in range(3)} for one in found)
        totals = {sum(one[row, place] for place in range(3)) for one in found for row in range(2)}
        assert totals == ({1} if found is complete else {0, 1})
    assert list(labelings((2,), True)) == [{(0,): 1, (1,): 0}, {(0,): 0, (1,): 1}]
