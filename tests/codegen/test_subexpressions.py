"""Subexpressions that occur more than once: which are worth an equation, and where it stands."""

from __future__ import annotations

import pytest
from sympy import Expr, Sum, exp, log, sin, sqrt, tanh

from symgrad.canonical import canonical
from symgrad.codegen.array_plan import repeats_named
from symgrad.codegen.plan.schedule import Assignment, written_out
from symgrad.codegen.plan.stable_functions import weighted
from symgrad.functions import relu
from symgrad.notation import Array, Axis, entries

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
Z, V, A, B = (Array(name, (N, C)) for name in "ZVAB")
w, s, t = (Array(name, (N,)) for name in "wst")
q, a = Array("q", (C,)), Array("a")


def named(*assignments: Assignment, taken: str = "") -> dict[str, Expr]:
    """The right sides by name, in order, after repeated subexpressions have names."""
    found = repeats_named(assignments, set(taken.split()))
    parts = {x.name: x for x in found if x.is_helper}
    for old in assignments:
        (new,) = (x for x in found if x.name == old.name)
        written = new.rhs
        for _ in parts:  # a part may hold others
            written = written_out(written, parts)
        assert canonical(written) == canonical(old.rhs) and (new.is_output, new.over) == (old.is_output, old.over)
    return {x.name: x.rhs for x in found}


REPEATED: dict[str, Expr] = {
    "a function": sin(Z[n, k]),
    "a root": sqrt(Z[n, k]),
    "a power": Z[n, k] ** w[n],
    "a sum of entries": Z[n, k] - V[n, k],
    "a product with a function": w[n] * exp(Z[n, k]),
    "a function of a sum": exp(Sum(Z[n, j], j) + w[n]),
    "a root of a sum": sqrt(Sum(Z[n, j], j) + w[n]),
    "a root of a scalar": sqrt(a[()] * w[n]),
    "a sum with a turned array": Z[n, k] + Array("T", (C, N))[k, n],
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_costs_something_gets_a_name(name: str) -> None:
    part = REPEATED[name]
    found = named(Assignment(A[n, k], 2 * exp(part)), Assignment(B[n, k], 3 * relu(part) + q[k]))
    (entry,) = entries(found["A"], "part1")
    assert list(found) == ["part1", "A", "B"] and found["A"] == 2 * exp(entry) and found["B"] == 3 * relu(entry) + q[k]


CHEAP: dict[str, Expr] = {
    "an entry": Z[n, k],
    "a multiple": 2 * Z[n, k],
    "a product": Z[n, k] * w[n],
    "a whole power": Z[n, k] ** 3,
    "a quotient": Z[n, k] / w[n],
    "a number": sqrt(N.size),
    "one less an entry": 1 - Z[n, k],
    "larger than its parts": w[n] - q[k],
    "a difference of sums": Sum(Z[n, j], j) - Sum(V[n, j], j),
    "a sum beside an entry": Sum(Z[n, j], j) + w[n],
    "a scaled sum": Sum(Z[n, j] ** 2, j) * w[n] + Z[n, k],
}


@pytest.mark.parametrize("name", CHEAP)
def test_what_costs_next_to_nothing_stays(name: str) -> None:
    part = CHEAP[name]
    assert list(named(Assignment(A[n, k], q[k] * part), Assignment(B[n, k], part * V[n, k]))) == ["A", "B"]


def test_a_weighted_logarithm_stays_whole() -> None:
    whole = weighted(w[n], Z[n, k])
    assert list(named(Assignment(A[n, k], 2 * whole), Assignment(B[n, k], whole * q[k]))) == ["A", "B"]


def test_once_is_not_repeated() -> None:
    assert list(named(Assignment(A[n, k], 2 * sin(Z[n, k])), Assignment(B[n, k], sin(V[n, k])))) == ["A", "B"]
    # What has an equation already is no part of it.
    assert list(named(Assignment(A[n, k], sin(Z[n, k])), Assignment(B[n, k], sin(Z[n, k])))) == ["A", "B"]


def test_twice_in_one_equation_is_repeated() -> None:
    found = named(Assignment(A[n, k], sin(Z[n, k]) ** 2 + w[n] * sin(Z[n, k])))
    part = Array("part1", (N, C))[n, k]
    assert list(found) == ["part1", "A"] and found["A"] == part**2 + w[n] * part


def test_other_letters_are_the_same_array() -> None:
    one, other = sin(Z[n, k]), sin(Z[m, j])
    found = named(Assignment(A[n, k], 2 * one), Assignment(s[m], Sum(other * q[j], j)))
    part = Array("part1", (N, C))
    assert list(found) == ["part1", "A", "s"] and canonical(found["s"]) == canonical(Sum(part[m, j] * q[j], j))
    # An array with its axes exchanged, of two letters over one axis, is another.
    Q, S = Array("Q", (N, N)), Array("S", (N, N))
    both = named(Assignment(S[n, m], sin(Q[n, m]) + 2 * sin(Q[m, n])))
    part = Array("part1", (N, N))
    assert both["S"] == part[n, m] + 2 * part[m, n]
    # Bound letters do not tell sums apart.
    total = named(
        Assignment(s[n], 2 * exp(Sum(Z[n, k], k))), Assignment(t[n], 3 * exp(Sum(Z[n, j], j)), (), True, True)
    )
    assert list(total) == ["part1", "s", "t"]


def test_the_largest_come_first_and_are_numbered_in_the_order_of_lines() -> None:
    inner, outer = sin(Z[n, k]), exp(sin(Z[n, k]) * w[n])
    found = named(Assignment(A[n, k], 2 * outer), Assignment(B[n, k], outer * q[k] + inner), taken="part1")
    parts = Array("part2", (N, C)), Array("part3", (N, C))
    assert list(found) == ["part2", "part3", "A", "B"]
    assert isinstance(found["part2"], sin) and isinstance(found["part3"], exp)
    assert found["B"] == parts[1][n, k] * q[k] + parts[0][n, k]


def test_a_part_stands_before_its_first_use() -> None:
    part = log(V[n, k])
    found = named(
        Assignment(s[n], w[n] ** 2),
        Assignment(A[n, k], 2 * part),
        Assignment(t[n], s[n] + 1),
        Assignment(B[n, k], 3 * part),
    )
    assert list(found) == ["s", "part1", "A", "t", "B"]


def test_the_axes_of_a_part_are_those_of_its_widest_entry() -> None:
    turned = Array("T", (C, N))
    assert read(sin(turned[k, n]) * w[n]) == Array("part1", (C, N))[k, n]
    assert read(exp(w[n] + q[k] * Z[n, k])) == Array("part1", (N, C))[n, k]
    assert read(tanh(Z[n, k] * turned[k, n])) == Array("part1", (C, N))[k, n]  # the first of two by its text
    assert read(tanh(Array("Q", (N, N))[n, n] * q[k])) == Array("part1", (N, C))[n, k]
    assert read(exp(w[n] - a[()])) == Array("part1", (N,))[n]


def read(part: Expr) -> Expr:
    """The entry in the place of an expression that is repeated."""
    found = named(Assignment(A[n, k], 2 * exp(part)), Assignment(B[n, k], 3 * relu(part)))
    return entries(found["A"], "part1")[0]


def test_names_that_are_taken_grow() -> None:
    taken = {"part2"}
    repeats_named(
        [
            Assignment(A[n, k], sin(Z[n, k]) * 2 + exp(V[n, k])),
            Assignment(B[n, k], sin(Z[n, k]) * 3 + exp(V[n, k]) * 2),
        ],
        taken,
    )
    assert taken == {"part1", "part2", "part3"}
