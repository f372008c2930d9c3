"""What is evaluated for a loss and its gradients, in which order, and which shifts its exponentials need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalogue import derived
from sympy import Expr, Rational, Sum, exp, log, sqrt, tanh

import symgrad
from symgrad.canonical import canonical
from symgrad.codegen.plan.schedule import (
    Assignment,
    Schedule,
    array_of,
    live,
    names_outside,
    needed,
    schedule,
    uses_of,
    written_out,
)
from symgrad.codegen.plan.shifts import (
    dividing_or_in_logarithms,
    in_divisors_and_logarithms,
    shift_along,
    shifts_of,
)
from symgrad.engine.derive import derive_record
from symgrad.equations import node
from symgrad.functions import where
from symgrad.notation import Array, Axis, array_names, free_indices, indices_of
from symgrad.program import Program
from symgrad.steps import Record

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
Z, V, Y, P, E, G = (Array(name, (N, C)) for name in "ZVYPEG")
w, s, t, u = (Array(name, (N,)) for name in "wstu")
q, a, L = Array("q", (C,)), Array("a"), Array("L")


# --- the order of evaluation ---------------------------------------------------------------------------------------


def record(function: Any, shapes: str, wrt: str) -> Record:
    return symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="f")(function)).record


def test_what_is_evaluated_for_a_loss_and_its_gradients() -> None:
    def loss(X: Any, W: Any, b: Any) -> Any:
        Z = X @ W + b
        A = np.tanh(Z)
        return np.sum(A**2)

    made = schedule(record(loss, "X: N D, W: D C, b: C", "W b"))
    names = [x.name for x in made.assignments]
    assert made.gradients == {"W": "dW", "b": "db"} and names[-2:] == ["dW", "db"]
    assert names.index("Z") < names.index("A") < names.index("L") and len(names) == len(set(names))
    outputs = {x.name: x.is_helper for x in made.assignments if x.is_output}
    assert outputs == {"L": False, "dW": False, "db": False}
    assert_ordered(made, {"X": 2, "W": 2, "b": 1})


def assert_ordered(made: Schedule, axes: dict[str, int]) -> None:
    """Each equation stands behind all that it reads, and says what its indices are."""
    known = set(axes)
    for x in made.assignments:
        assert array_names(x.rhs) <= known and free_indices(x.rhs) <= set(x.indices)
        known.add(x.name)
    for name, gradient in made.gradients.items():
        (result,) = (x for x in made.assignments if x.name == gradient)
        assert len(result.indices) == axes[name]


def test_adjoints_are_evaluated_from_the_loss_backwards() -> None:
    def loss(X: Any, W: Any, V: Any) -> Any:
        A = np.tanh(X @ W)
        B = np.tanh(A @ V)
        return np.sum(B**2)

    made = schedule(record(loss, "X: N D, W: D H, V: H C", "W V"))
    assert_ordered(made, {"X": 2, "W": 2, "V": 2})
    assert len([x for x in made.assignments if x.name.startswith("G")]) > 1


def test_an_adjoint_that_is_needed_is_a_gradient_by_another_name() -> None:
    of = derived("softmax_cross_entropy").record
    both = symgrad.derive("softmax_cross_entropy", ["W", "Z"]).record
    alone = symgrad.derive("softmax_cross_entropy", "Z").record
    (last,) = (x for x in schedule(both).assignments if x.name == schedule(both).gradients["Z"])
    assert last.is_output and last.is_helper and array_names(last.rhs) == {"G"} and free_indices(last.rhs)
    assert "G" in [x.name for x in schedule(both).assignments]
    (last,) = (x for x in schedule(alone).assignments if x.name == schedule(alone).gradients["Z"])
    assert last.is_output and not last.is_helper and "G" not in [x.name for x in schedule(alone).assignments]
    assert set(schedule(of).gradients) == set(of.wrt)


def test_the_gradient_of_a_node_is_its_adjoint() -> None:
    def loss(X: Any, W: Any) -> Any:
        Z = X @ W
        return np.sum(Z**3)

    program = symgrad.loss(shapes="X: N D, W: D C", wrt="W", name="f")(loss)
    made = schedule(symgrad.derive(program, ["W", "Z"]).record)
    last = next(x for x in made.assignments if x.name == made.gradients["Z"])
    assert last.is_output and last.is_helper and array_of(last.rhs) == "G_Z" and indices_of(last.rhs) == last.indices
    assert [x.name for x in made.assignments] == ["Z", "L", "G_Z", "dW", "dZ"]


def test_adjoints_follow_one_another_backwards() -> None:
    def loss(x: Any, w: Any, v: Any) -> Any:
        a = np.tanh(x @ w)
        b = np.tanh(a @ v)
        return np.sum(b**2)

    assert_ordered(schedule(record(loss, "x: N D, w: D C, v: C C", "w v")), {"x": 2, "w": 2, "v": 2})


def test_which_names_count() -> None:
    once = Assignment(s[n], Z[n, k] * Z[n, j] * N.size + a[()])
    assert uses_of([once, Assignment(t[n], a[()] * w[n])]) == {"Z": 2, "a": 2, "w": 1}
    assert names_outside(exp, s[n] * exp(w[n]) + a[()]) == {"s", "a"} and names_outside(exp, exp(w[n])) == set()
    assert names_outside(where, where(w[n], s[n], t[n]) + q[k]) == {"w", "q"}
    chain = [
        Assignment(t[n], w[n]),
        Assignment(s[n], t[n]),
        Assignment(u[n], t[n]),
        Assignment(L[()], s[n], is_output=True),
    ]
    assert [x.name for x in live(chain)] == ["t", "s", "L"] and live(chain[:3]) == []


def test_nothing_is_evaluated_that_nothing_needs() -> None:
    def loss(X: Any, v: Any) -> Any:
        Z = X @ v
        return np.sum(Z) / 2

    of = record(loss, "X: N D, v: D", "v")
    made = schedule(of)
    assert [x.name for x in made.assignments] == ["Z", "L", "G_Z", "dv"]
    assert [x.name for x in needed(of, [Array("Z", (Axis("N"),))[n]])] == ["Z"] and needed(of, []) == []
    # Names of gradients that an array has already.
    taken = record(lambda x, dx: np.sum(x**2 * dx), "x: N, dx: N", "x dx")
    assert schedule(taken).gradients == {"x": "dx2", "dx": "ddx"}
    axis = Axis("dx")
    x, i = Array("x", (axis,)), axis.index("i")
    named = Program("p", (axis,), (x,), (node(L.base, Sum(x[i] ** 2, i)),), "L")
    assert schedule(derive_record(named, ("x",))).gradients == {"x": "dx2"}


def test_an_equation_at_other_indices() -> None:
    assignment = Assignment(Z[n, k], w[n] + q[k])
    assert assignment.at((m, j)) == w[m] + q[j] and assignment.name == "Z" and assignment.indices == (n, k)


def test_equations_that_no_output_needs_are_left_out() -> None:
    used, unused = Assignment(s[n], w[n] ** 2), Assignment(t[n], s[n] + 1)
    outputs = Assignment(L[()], Sum(s[n], n), is_output=True), Assignment(u[n], 2 * w[n], is_output=True)
    assert live([used, unused, *outputs]) == [used, *outputs] and live([unused]) == []


# --- shifts --------------------------------------------------------------------------------------------------------


def test_a_shift_defines_three_arrays() -> None:
    taken = {"Z", "E"}
    shift = shift_along(Z[n, k], (k,), taken)
    largest, shifted, relative = shift.assignments()
    assert [x.name for x in (largest, shifted, relative)] == ["Z_max", "Z_shifted", "E2"]
    assert shift.rows == (n,) and shift.columns == (k,) and shift.exponent == Z[n, k]
    assert largest == Assignment(Array("Z_max", (N,))[n], Z[n, k], (k,), True)
    assert shifted.rhs == Z[n, k] - largest.entry and shifted.indices == (n, k) and shifted.is_helper
    assert (
        relative.indices == (n, k)
        and relative.rhs == exp(shifted.entry)
        and relative.is_helper
        and relative.entry.is_positive
    )
    assert taken == {"Z", "E", "Z_max", "Z_shifted", "E2", "exp_max"} and shift.factor.is_positive
    assert shift.factor.indices == (n,) and shift.largest.is_positive is None


def test_the_axes_of_a_shift() -> None:
    turned = shift_along(Array("T", (C, N))[k, n], (k,), set())
    assert turned.shifted.indices == (k, n) and turned.rows == (n,)
    wide = shift_along(Array("A", (N, C, N))[n, k, m], (k,), set())
    assert wide.rows == (n, m) and wide.shifted.indices == (n, k, m)
    other = shift_along(Z[n, k] - V[m, k], (k,), set())
    assert other.rows == (m, n) and other.shifted.indices == (m, n, k)
    assert (str(other.largest), str(other.shifted)) == ("largest[m, n]", "shifted[m, n, k]")
    diagonal = shift_along(Array("Q", (N, N))[n, n], (n,), set())
    assert diagonal.rows == () and diagonal.shifted.indices == (n,) and str(diagonal.largest) == "largest"


def matches(exponent: Expr, kernel: Expr, columns: str = "k") -> list[tuple[str, Expr]]:
    shift = shift_along(exponent, tuple(i for i in (n, m, k) if str(i) in columns), set())
    return [
        ("".join(str(names[i]) for i in (*shift.rows, *shift.columns)), times)
        for names, times in shift.matches(exp(kernel))
    ]


def test_which_exponentials_a_shift_matches() -> None:
    assert matches(Z[n, k], Z[m, j]) == [("mj", 1)] and matches(Z[n, k], -2 * Z[m, j]) == [("mj", -2)]
    assert matches(Z[n, k], Z[n, k] / 3) == [("nk", Rational(1, 3))] and matches(Z[n, k], V[n, k]) == []
    assert matches(Z[n, k], Z[n, k] + w[n]) == []
    assert matches(Z[n, k] + w[n], Z[m, j] + w[m]) == [("mj", 1)]
    for times in (2, -1, Rational(-3, 2)):
        assert matches(Z[n, k] - w[n], times * (Z[m, j] - w[m])) == [("mj", times)]
    assert matches(2 * Z[n, k] - 2 * w[n], Z[m, j] - w[m]) == [("mj", Rational(1, 2))]
    assert matches(Z[n, k], sqrt(2) * Z[n, k]) == [("nk", sqrt(2))]
    assert matches(Z[n, k] - w[n], Z[m, j] - 2 * w[m]) == matches(Z[n, k] - w[n], Z[m, j] + w[m]) == []
    assert matches(Z[n, k], w[n] * Z[n, k]) == []
    square = Array("Q", (N, N))
    assert matches(square[n, m], square[n, m], "m") == [("nm", 1)] and matches(square[n, m], square[m, n], "m") == [
        ("mn", 1)
    ]


SUMMED: dict[str, tuple[Expr, list[tuple[str, str]]]] = {
    "in a logarithm": (Sum(log(Sum(exp(Z[n, k]), k)), n), [("Z[n, k]", "k")]),
    "in a divisor": (Sum(Y[n, k] / Sum(exp(Z[n, j]), j), n, k), [("Z[n, j]", "j")]),
    "in neither": (Sum(exp(Z[n, k]), n, k), []),
    "below a root": (1 / sqrt(Sum(exp(Z[n, k]), k)), [("Z[n, k]", "k")]),
    "in a root": (sqrt(Sum(exp(Z[n, k]), k)), []),
    "with a weight": (log(Sum(q[k] * exp(Z[n, k]), k)), [("Z[n, k]", "k")]),
    "in a term": (log(Sum(q[k] + exp(Z[n, k]), k)), [("Z[n, k]", "k")]),
    "of rows and of columns": (
        log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(Z[n, k]), n)),
        [("Z[n, k]", "k"), ("Z[n, k]", "n")],
    ),
    "twice": (log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(Z[m, j]), j)), [("Z[m, j]", "j")]),
    "of a multiple": (log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(2 * Z[n, k]), k)), [("2*Z[n, k]", "k")]),
    "of opposite signs": (
        log(Sum(exp(Z[n, k]), k)) + log(Sum(exp(-Z[n, k]), k)),
        [("-Z[n, k]", "k"), ("Z[n, k]", "k")],
    ),
    "of two arrays": (
        log(Sum(exp(Z[n, k]) + exp(V[n, k]), k)),
        [("V[n, k]", "k"), ("Z[n, k]", "k")],
    ),
    "over all axes": (log(Sum(exp(Z[n, k]), n, k)), [("Z[n, k]", "kn")]),
    "the same for all terms": (log(Sum(Z[n, k] * exp(w[n]), k)), []),
    "of a number": (log(Sum(Z[n, k] * exp(2), k)), []),
    "in an exponent": (log(Sum(tanh(exp(Z[n, k])), k)), []),
}


@pytest.mark.parametrize("name", SUMMED)
def test_which_sums_of_exponentials_have_shifts(name: str) -> None:
    rhs, expected = SUMMED[name]
    found = shifts_of([Assignment(L[()], rhs, is_output=True)], set())
    assert [(str(x.exponent), "".join(map(str, x.columns))) for x in found] == expected


def test_sums_by_name_have_shifts_where_the_names_divide() -> None:
    total, share = Assignment(s[n], Sum(exp(Z[n, k]), k)), Assignment(P[n, k], exp(Z[n, k]) / s[n])
    assert len(shifts_of([total, share], set())) == 1 and shifts_of([total, Assignment(t[n], s[n] ** 2)], set()) == []
    double = Assignment(t[n], 2 * s[n])
    assert len(shifts_of([total, double, Assignment(u[n], log(t[n]))], set())) == 1


def test_powers_of_the_exponential_of_a_sum_have_its_shift() -> None:
    def concentration(z: Any, b: Any) -> Any:
        return np.sum(np.exp(z + b) ** 2) / np.sum(np.exp(z + b)) ** 2

    f = symgrad.derive(symgrad.loss(shapes="z: N, b: N", wrt="z b")(concentration)).to_numpy(check=False)
    z, b = np.array([0.0, 1.0]), np.zeros(2)
    for one, other in zip(*([value, *gradients] for value, gradients in (f(z, b), f(z + 1000, b))), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_what_divides_or_stands_in_a_logarithm() -> None:
    expr = w[n] * log(s[n] + t[n]) / (1 + u[n]) + Z[n, k] ** 2 + q[k] ** a[()]
    assert in_divisors_and_logarithms(expr, type(w[n])) == {s[n], t[n], u[n]}
    assert in_divisors_and_logarithms(1 / Sum(Z[n, k], k), Sum) == {Sum(Z[n, k], k)}
    assert in_divisors_and_logarithms(Sum(Z[n, k], k) ** 2, Sum) == frozenset()
    found = dividing_or_in_logarithms(
        [
            Assignment(u[n], exp(w[n])),
            Assignment(t[n], u[n] * exp(V[n, k])),
            Assignment(s[n], q[k] * exp(t[n]) + a[()]),
            Assignment(L[()], Sum(log(s[n]), n) + Sum(Y[n, k], n, k), is_output=True),
        ]
    )
    assert found & set("stuqawVYL") == {"s", "q", "a"}


def test_entries_are_replaced_by_their_definitions() -> None:
    known = {"s": Assignment(s[n], Sum(Z[n, k], k)), "a": Assignment(a[()], exp(q[k]))}
    assert canonical(written_out(w[m] * s[m], known)) == canonical(w[m] * Sum(Z[m, k], k))
    assert written_out(a[()] + w[n], known) == exp(q[k]) + w[n] and written_out(w[n], known) == w[n]
    assert written_out(E[n, k] * G[n, k], known) == E[n, k] * G[n, k]
