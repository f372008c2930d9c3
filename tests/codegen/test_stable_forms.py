"""Stable forms of equations: each equals the equation that it stands for, and nothing in it overflows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from literal import value
from sympy import Expr, S

import symgrad
from symgrad.array import logsumexp, softmax
from symgrad.codegen.plan.shifts import Shift
from symgrad.codegen.plan.stable_forms import Evaluated, evaluated
from symgrad.codegen.plan.stable_functions import meant
from symgrad.notation import axis_name, indices_of, name_of, stand_in


def named_inverse(Z: Any, u: Any) -> Any:
    q = 1 / np.sum(np.exp(Z), axis=1)
    return np.sum(np.log(1 + u * q) * q)


def of_rows(M: Any) -> Any:
    return M - logsumexp(M, axis=1, keepdims=True)


PROGRAMS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "labels": (lambda Z, Y: -np.sum(Y * np.log(softmax(Z, axis=1))), "Z: N C, Y: N C", "Z"),
    "mask": (
        lambda Z, M: np.sum(np.log(np.sum(M * np.exp(Z), axis=1))),
        "Z: N C, M: N C nonnegative",
        "Z",
    ),
    "mask and none": (
        lambda Z, M: np.sum(np.log(np.sum(M * np.exp(Z), axis=1)) - logsumexp(Z, axis=1)),
        "Z: N C, M: N C nonnegative",
        "Z",
    ),
    "left over": (lambda z: np.log(np.sum(np.exp(z))) * np.sum(np.exp(z)), "z: N", "z"),
    "nested logarithms": (lambda z: np.log(2 + np.log(np.sum(np.exp(z)))), "z: N", "z"),
    "both ways": (
        lambda Z: np.sum(logsumexp(Z, axis=1)) + np.sum(logsumexp(Z, axis=0)),
        "Z: N N",
        "Z",
    ),
    "names that are taken": (
        lambda floor, E, z_max: np.sum(floor * logsumexp(E * z_max, axis=1)),
        "floor: N, E: N C, z_max: C",
        "E",
    ),
    "small numbers": (lambda x, y: np.sum(np.log(1 + x) - (np.exp(y) - 1)), "x: N positive, y: N", "x y"),
    "a power of a probability": (
        lambda Z, q: np.sum(softmax(Z, axis=1) ** q),
        "Z: N C, q: scalar",
        "Z",
    ),
    "a sum of exponentials and shifted sums": (
        lambda z, u: np.log(np.sum(np.exp(u) / np.sum(np.exp(z), axis=1))),
        "z: N C, u: N",
        "z u",
    ),
    "a logarithm beside a sum": (lambda z: np.sum(np.exp(z) * np.log(np.sum(np.exp(z)))), "z: N", "z"),
    "weights that divide": (
        lambda p, y: -np.sum(y * np.log(p)),
        "p: N, y: N probability",
        "p",
    ),
    "a branch": (lambda x, y: np.sum(np.where(y <= 1, np.log(x), x)), "x: N, y: N", "x"),
    "weighted logits": (
        lambda Z, V, U, Y: np.sum(Y * U * (Z * V - logsumexp(Z, axis=1, keepdims=True))),
        "Z: N C, V: N C, U: N C, Y: N C nonnegative",
        "V",
    ),
    "nothing divides by it": (lambda z, u: np.sum(np.exp(u) / np.sum(np.exp(z), axis=1)), "z: N C, u: N", "u"),
    "a logarithm in a logarithm": (
        lambda a, b: np.log(1 + np.log(np.exp(a) + np.exp(b))),
        "a: scalar, b: scalar",
        "a",
    ),
    "two logarithms in a logarithm": (
        lambda a, b: np.log(1 + np.log(np.exp(a) + np.exp(b)) * np.log(np.exp(a) + np.exp(2 * b))),
        "a: scalar, b: scalar",
        "a",
    ),
    "an inverse sum": (named_inverse, "Z: N C, u: N", "u"),
    "a sum of exponents": (
        lambda Z, u: np.sum(np.exp(Z + u[:, None]) / np.sum(np.exp(Z), axis=1, keepdims=True)),
        "Z: N C, u: N",
        "u",
    ),
    "a function of exponentials": (lambda z: np.tanh(np.sum(np.exp(2 * z)) / np.sum(np.exp(z)) ** 2), "z: N", "z"),
    "a step of sinkhorn": (lambda M: np.sum(of_rows(M) - logsumexp(of_rows(M), axis=0)), "M: N C", "M"),
    "a chain": (
        lambda p, A, B: logsumexp(logsumexp(A + p[:, None], axis=0)[:, None] + A + B),
        "p: N, A: N N, B: N N",
        "B",
    ),
    "not summed": (lambda z: np.sum(np.exp(z) * z), "z: N", "z"),
}
SIZES = {"N": 2, "C": 2}


@cache
def stable(name: str) -> Evaluated:
    function, shapes, wrt = PROGRAMS[name]
    return evaluated(symgrad.derive(symgrad.loss(shapes=shapes, wrt=wrt, name="small")(function)).record)


def everywhere(entry: Expr, expr: Expr, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The values of an expression over the indices of an entry."""
    indices = indices_of(entry)
    values = np.empty([SIZES[axis_name(i)] for i in indices], dtype=complex)
    for place in np.ndindex(*values.shape):
        values[place] = value(meant(expr), arrays, SIZES, dict(zip(indices, place, strict=True)))
    return values


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_form_equals_its_equation_for_any_shift(name: str) -> None:
    forms, rng = stable(name), np.random.default_rng(0)
    inputs = forms.record.program.inputs
    arrays = {a.name: rng.uniform(0.5, 2, [SIZES[axis.name] for axis in a.axes]) for a in inputs}
    arrays[forms.floor.name] = np.asarray(-0.7)
    if "mask" in name:
        arrays["M"][:, 0] = 0
    for part in forms.parts:
        if isinstance(part, Shift):
            arrays[name_of(part.largest)] = everywhere(part.largest, S.Zero, arrays) + rng.uniform(-1, 1)
            for a in part.assignments()[1:]:
                arrays[a.name] = everywhere(a.entry, a.rhs, arrays)
            continue
        original, new = part.original, part.rewritten
        arrays[original.name] = everywhere(original.entry, original.rhs, arrays)
        arrays[new.name] = everywhere(new.entry, new.rhs, arrays)
        whole = everywhere(original.entry, part.scale, arrays) * arrays[new.name]
        assert np.allclose(whole, arrays[original.name]), original
        assert part.scale == 1 or new.name != original.name
        for old, log in part.logs:
            entry = stand_in(old, "log")
            assert np.allclose(everywhere(entry, old, arrays), everywhere(entry, log, arrays)), old


LINES: dict[str, list[str]] = {
    "labels": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "P[n, k] = E[n, k]/S_shifted[n]",
        "L = -Sum(weighted(Y[n, k], -log(S_shifted[n]) + Z_shifted[n, k]), (n, 0, N - 1), (k, 0, C - 1))",
        "dZ[m, c] = P[m, c]*Sum(Y[m, k], (k, 0, C - 1)) - Y[m, c]",
    ],
    "mask": [
        "largest[n] = max where(equal(M[n, k], 0), -oo, Z[n, k])",
        "shifted[n, k] = where(equal(M[n, k], 0), -oo, Z[n, k]) - largest[n]",
        "E[n, k] = exp(shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k]*M[n, k], (k, 0, C - 1))",
        "L = Sum(log(S_shifted[n]) + largest[n], (n, 0, N - 1))",
        "dZ[i, k] = E[i, k]*M[i, k]/S_shifted[i]",
    ],
    "mask and none": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k]*M[n, k], (k, 0, C - 1))",
        "T_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "P[n, k] = E[n, k]/T_shifted[n]",
        "L = Sum(log(S_shifted[n]) - log(T_shifted[n]), (n, 0, N - 1))",
        "dZ[i, k] = (M[i, k]*T_shifted[i]/S_shifted[i] - 1)*P[i, k]",
    ],
    "left over": [
        "z_max = max z[n]",
        "z_shifted[n] = -z_max + z[n]",
        "E[n] = exp(z_shifted[n])",
        "S_shifted = Sum(E[n], (n, 0, N - 1))",
        "L = weighted(S_shifted, z_max + log(S_shifted))*exp(z_max)",
        "dz[n] = (z_max + log(S_shifted) + 1)*exp(z[n])",
    ],
    "nested logarithms": [
        "z_max = max z[n]",
        "z_shifted[n] = -z_max + z[n]",
        "E[n] = exp(z_shifted[n])",
        "S_shifted = Sum(E[n], (n, 0, N - 1))",
        "p[n] = E[n]/S_shifted",
        "L = log(z_max + log(S_shifted) + 2)",
        "dz[n] = p[n]/(z_max + log(S_shifted) + 2)",
    ],
    "both ways": [
        "Z_max[n] = max Z[n, i]",
        "Z_shifted[n, i] = Z[n, i] - Z_max[n]",
        "E[n, i] = exp(Z_shifted[n, i])",
        "S_shifted[n] = Sum(E[n, i], (i, 0, N - 1))",
        "Z_max2[n] = max Z[i, n]",
        "Z_shifted2[i, n] = Z[i, n] - Z_max2[n]",
        "E2[i, n] = exp(Z_shifted2[i, n])",
        "T_shifted[n] = Sum(E2[i, n], (i, 0, N - 1))",
        "L = Sum(log(S_shifted[n]) + Z_max[n], (n, 0, N - 1)) + Sum(log(T_shifted[n]) + Z_max2[n], (n, 0, N - 1))",
        "P[n, m] = E[n, m]/S_shifted[n]",
        "Q[m, n] = E2[m, n]/T_shifted[n]",
        "dZ[m, i] = P[m, i] + Q[m, i]",
    ],
    "names that are taken": [
        "largest[n] = max E[n, k]*z_max[k]",
        "shifted[n, k] = E[n, k]*z_max[k] - largest[n]",
        "E2[n, k] = exp(shifted[n, k])",
        "S_shifted[n] = Sum(E2[n, k], (k, 0, C - 1))",
        "P[n, k] = E2[n, k]/S_shifted[n]",
        "L = Sum(weighted(floor[n], log(S_shifted[n]) + largest[n]), (n, 0, N - 1))",
        "dE[m, k] = P[m, k]*floor[m]*z_max[k]",
    ],
    "small numbers": [
        "L = Sum(-expm1(y[n]) + log1p(x[n]), (n, 0, N - 1))",
        "dx[m] = 1/(x[m] + 1)",
        "dy[m] = -exp(y[m])",
    ],
    "a power of a probability": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "P[n, k] = E[n, k]/S_shifted[n]",
        "L = Sum(P[n, k]**q, (n, 0, N - 1), (k, 0, C - 1))",
        "dZ[m, c] = q*(-P[m, c]*Sum(P[m, k]**q, (k, 0, C - 1)) + P[m, c]**q)",
    ],
    "a sum of exponentials and shifted sums": [
        "z_max[n] = max z[n, k]",
        "z_shifted[n, k] = z[n, k] - z_max[n]",
        "E[n, k] = exp(z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "largest = max u[n] - z_max[n]",
        "shifted[n] = -largest + u[n] - z_max[n]",
        "E3[n] = exp(shifted[n])",
        "T_shifted = Sum(E3[n]/S_shifted[n], (n, 0, N - 1))",
        "L = largest + log(T_shifted)",
        "dz[n, k] = -E3[n]*E[n, k]/(T_shifted*S_shifted[n]**2)",
        "du[n] = E3[n]/(T_shifted*S_shifted[n])",
    ],
    "a logarithm beside a sum": [
        "z_max = max z[n]",
        "z_shifted[n] = -z_max + z[n]",
        "E[n] = exp(z_shifted[n])",
        "S_shifted = Sum(E[n], (n, 0, N - 1))",
        "p[n] = E[n]/S_shifted",
        "L = exp(z_max)*Sum(weighted(E[n], z_max + log(S_shifted)), (n, 0, N - 1))",
        "dz[m] = weighted(S_shifted*p[m], z_max + log(S_shifted) + 1)*exp(z_max)",
    ],
    "weights that divide": [
        "L = -Sum(weighted(y[n], log(p[n])), (n, 0, N - 1))",
        "dp[m] = -where(equal(y[m], 0), 0, y[m]/where(equal(y[m], 0), 1, p[m]))",
    ],
    "a branch": [
        "L = Sum(where(step(1 - y[n], 1), log(where(step(1 - y[n], 1), x[n], 1)), x[n]), (n, 0, N - 1))",
        "dx[m] = where(step(1 - y[m], 1), 1/where(step(1 - y[m], 1), x[m], 1), 1)",
    ],
    "weighted logits": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "L = Sum(weighted(U[n, k]*Y[n, k], -log(S_shifted[n]) + V[n, k]*Z[n, k] - Z_max[n]), (n, 0, N - 1), "
        "(k, 0, C - 1))",
        "dV[m, c] = where(equal(Y[m, c], 0), 0, Z[m, c])*U[m, c]*Y[m, c]",
    ],
    "nothing divides by it": [
        "z_max[n] = max z[n, k]",
        "z_shifted[n, k] = z[n, k] - z_max[n]",
        "E[n, k] = exp(z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "L = Sum(exp(u[n])*exp(-z_max[n])/S_shifted[n], (n, 0, N - 1))",
        "du[m] = exp(u[m])*exp(-z_max[m])/S_shifted[m]",
    ],
    "a logarithm in a logarithm": [
        "L = log1p(logaddexp(a, b))",
        "da = sigmoid(a - b)/(logaddexp(a, b) + 1)",
    ],
    "an inverse sum": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "q_shifted[n] = 1/S_shifted[n]",
        "L = Sum(weighted(q_shifted[n], log1p(exp(-Z_max[n])*q_shifted[n]*u[n]))*exp(-Z_max[n]), (n, 0, N - 1))",
        "du[m] = exp(-2*Z_max[m])*q_shifted[m]**2/(1 + exp(-Z_max[m])*q_shifted[m]*u[m])",
    ],
    "a sum of exponents": [
        "Z_max[n] = max Z[n, k]",
        "Z_shifted[n, k] = Z[n, k] - Z_max[n]",
        "E[n, k] = exp(Z_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "L = Sum(exp(u[n])*E[n, k]/S_shifted[n], (n, 0, N - 1), (k, 0, C - 1))",
        "du[m] = Sum(exp(u[m])*E[m, k], (k, 0, C - 1))/S_shifted[m]",
    ],
    "a step of sinkhorn": [
        "M_max[n] = max M[n, k]",
        "M_shifted[n, k] = M[n, k] - M_max[n]",
        "E[n, k] = exp(M_shifted[n, k])",
        "S_shifted[n] = Sum(E[n, k], (k, 0, C - 1))",
        "largest[k] = max M[n, k] - M_max[n]",
        "shifted[k, n] = M[n, k] - M_max[n] - largest[k]",
        "E3[k, n] = exp(shifted[k, n])",
        "T_shifted[k] = Sum(E3[k, n]/S_shifted[n], (n, 0, N - 1))",
        "L = Sum(-log(S_shifted[n]) - log(T_shifted[k]) + M[n, k] - M_max[n] - largest[k], (n, 0, N - 1), (k, "
        "0, C - 1))",
        "dM[i, c] = -C*E[i, c]/S_shifted[i] - N*E3[c, i]/(S_shifted[i]*T_shifted[c]) + N*E[i, c]*Sum(E3[k, "
        "i]/T_shifted[k], (k, 0, C - 1))/S_shifted[i]**2 + 1",
    ],
    "a chain": [
        "largest[n] = max A[i, n] + p[i]",
        "shifted[n, i] = A[i, n] - largest[n] + p[i]",
        "E[n, i] = exp(shifted[n, i])",
        "S_shifted[n] = Sum(E[n, i], (i, 0, N - 1))",
        "largest3 = max A[n, i] + B[n, i] + largest[n]",
        "shifted3[n, i] = -largest3 + A[n, i] + B[n, i] + largest[n]",
        "E3[n, i] = exp(shifted3[n, i])",
        "T_shifted = Sum(E3[n, i]*S_shifted[n], (n, 0, N - 1), (i, 0, N - 1))",
        "L = largest3 + log(T_shifted)",
        "dB[n, m] = E3[n, m]*S_shifted[n]/T_shifted",
    ],
    "not summed": [
        "L = Sum(exp(z[n])*z[n], (n, 0, N - 1))",
        "dz[m] = (z[m] + 1)*exp(z[m])",
    ],
}


@pytest.mark.parametrize("name", LINES)
def test_the_code_evaluates_these_forms(name: str) -> None:
    assert [f"{a.entry} = {'max ' if a.over else ''}{a.rhs}" for a in stable(name).coded] == LINES[name]


def test_the_floor_of_exponents_has_a_name_of_its_own() -> None:
    assert (stable("mask").floor.name, stable("names that are taken").floor.name) == ("floor", "floor2")
