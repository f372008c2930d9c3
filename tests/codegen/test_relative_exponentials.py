"""Exponentials relative to the largest of their rows: the shift that a term uses, and the factors before the rest."""

from __future__ import annotations

import pytest
from sympy import Expr, Integer, Sum, exp, log, sin

from symgrad.codegen.plan.relative_exponentials import Relative
from symgrad.codegen.plan.shifts import shift_along
from symgrad.codegen.plan.stable_functions import weighted
from symgrad.notation import Array, Axis, sum_over

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
Z, A, w, u = Array("Z", (N, C)), Array("A", (N, C)), Array("w", (N,)), Array("u", (N,))
S, S_shifted = Array("S", (N,))[n], Array("S_shifted", (N,), positive=True)[n]
SHIFT = shift_along(Z[n, k], (k,), set())
E, M, one = SHIFT.relative, SHIFT.factor, Integer(1)
OTHER = E.subs(k, j)

TAKEN_OUT: dict[str, tuple[Expr, Expr, Expr]] = {
    "an exponential": (exp(Z[n, k]), M, E),
    "a multiple": (3 * exp(2 * Z[n, k]) * w[n], M**2, 3 * E**2 * w[n]),
    "an inverse": (exp(-Z[n, k]), 1 / M, 1 / E),
    "a sum along its columns": (Sum(exp(Z[n, k]), k), M, Sum(E, k)),
    "a sum along its rows": (Sum(exp(Z[n, k]), n), one, Sum(M * E, n)),
    "a sum of inverses": (Sum(exp(-Z[n, k]), k), one, Sum(exp(-Z[n, k]), k)),
    "a part of an exponent": (exp(Z[n, k] + u[n]), M, exp(u[n]) * E),
    "parts of an exponent": (exp(Z[n, k] - Z[n, j]), one, E / OTHER),
    "another exponential": (exp(u[n]), one, exp(u[n])),
    "terms of one factor": (exp(Z[n, k]) - w[n] * exp(Z[n, j]), M, E - w[n] * OTHER),
    "a quotient of a sum": (exp(Z[n, k]) / Sum(exp(Z[n, j]), j), one, E / Sum(OTHER, j)),
    "a function of a quotient": (sin(exp(Z[n, k]) / Sum(exp(Z[n, j]), j)), one, sin(E / Sum(OTHER, j))),
    "a function of an exponential": (sin(exp(Z[n, k])), one, sin(exp(Z[n, k]))),
    "a logarithm": (log(Sum(exp(Z[n, k]), k) ** 2), one, log(Sum(E, k) ** 2) + 2 * log(M)),
    "a weight": (weighted(exp(Z[n, k]), log(w[n])), M, weighted(E, log(w[n]))),
    "a bracket that cancels": (
        exp(-Z[n, k]) * (exp(Z[n, j]) - w[n] * exp(Z[n, k])),
        one,
        OTHER / E - w[n],
    ),
}


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_factors_are_taken_out_of_relative_exponentials(name: str) -> None:
    given, scale, rest = TAKEN_OUT[name]
    relative = Relative([SHIFT])
    assert relative.taken_out(given) == (scale, rest)
    assert relative.used == ([SHIFT] if relative.has_factor(scale * rest) or rest.has(E.base) else [])
    assert relative.in_largest(scale) == scale.subs(M, exp(SHIFT.largest))


def test_a_factor_that_would_be_multiplied_in_again_is_not_taken_out() -> None:
    assert Relative([SHIFT]).taken_out(exp(Z[n, k]), is_output=True) == (1, exp(Z[n, k]))


def test_a_shift_of_the_whole_exponent_comes_before_shifts_of_its_parts() -> None:
    whole = shift_along(Z[n, k] + u[n], (k,), {"Z_max", "Z_shifted", "E", "exp_max"})
    assert Relative([SHIFT, whole]).taken_out(exp(Z[n, k] + u[n])) == (whole.factor, whole.relative)


def test_an_array_is_kept_relative_to_its_factor() -> None:
    relative = Relative([SHIFT])
    relative.keep(S, M, S_shifted)
    assert relative.taken_out(S**2) == (M**2, S_shifted**2) and relative.taken_out(exp(Z[n, k]) / S) == (
        1,
        E / S_shifted,
    )
    assert relative.has_factor(1 / M) and not relative.has_factor(S_shifted)


def test_a_sum_over_exponentials_and_relative_arrays_has_a_shift_of_both() -> None:
    relative, taken = Relative([SHIFT]), {"Z_max", "Z_shifted", "E", "exp_max"}
    relative.keep(S, M, S_shifted)
    total = sum_over(exp(u[n]) * S, [n])
    relative.join([total], taken)
    scale, rest = relative.taken_out(total)
    (joint,) = relative.used
    assert joint.exponent == u[n] + SHIFT.largest and joint.columns == (n,) and taken > {"largest", "shifted", "E2"}
    assert (scale, rest) == (joint.factor, sum_over(joint.relative * S_shifted, [n]))
    relative.join([total], taken)  # again: it is known
    assert relative.taken_out(total) == (scale, rest) and relative.used == [joint]
    assert relative.taken_out(exp(u[n]) * S / total.subs(n, m)) != (1, exp(u[n]) * S / total)


def test_what_a_joint_shift_leaves_of_an_exponent_stays_beside_it() -> None:
    relative, taken, a = Relative([SHIFT]), {"Z_max", "Z_shifted", "E", "exp_max"}, Array("a")[()]
    relative.keep(S, M, S_shifted)
    relative.join([sum_over(exp(u[n]) * S, [n])], taken)
    scale, rest = relative.taken_out(sum_over(exp(u[n] + a) * S, [n]))
    (joint,) = relative.used
    assert (scale, rest) == (joint.factor, sum_over(joint.relative * S_shifted * exp(a), [n]))
    summed = sum_over(exp(u[n] + w[n]) * S, [n])  # w must not overflow: no shift
    assert Relative([SHIFT]).taken_out(summed) == (1, summed)
    assert relative.taken_out(summed) == (1, sum_over(exp(u[n] + w[n]) * M * S_shifted, [n]))


def test_a_sum_of_relative_arrays_has_a_shift_for_each_row() -> None:
    shift = shift_along(Array("B", (N, C, N))[n, k, m], (m,), set())
    T, T_shifted = Array("T", (N, C))[n, k], Array("T_shifted", (N, C), positive=True)[n, k]
    relative = Relative([shift])
    relative.keep(T, shift.factor, T_shifted)
    total = sum_over(T, [k])
    relative.join([total], {"B_max", "B_shifted", "E", "exp_max"})
    scale, rest = relative.taken_out(total)
    (joint,) = relative.used
    assert (joint.exponent, joint.rows, joint.columns) == (shift.largest, (n,), (k,))
    assert (scale, rest) == (joint.factor, sum_over(joint.relative * T_shifted, [k]))
    assert relative.in_largest(scale) == exp(joint.largest) and relative.taken_out(w[n]) == (1, w[n])
