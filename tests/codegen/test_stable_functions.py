"""Sigmoids, logarithms and exponentials in forms that neither overflow nor lose small numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Function, Integer, KroneckerDelta, Rational, Sum, cosh, exp, log, sin, sqrt, tanh

import symgrad
from symgrad.codegen import runtime, scalar_runtime
from symgrad.codegen.plan import stable_functions
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.stable_functions import (
    KERNELS,
    expm1,
    exponents_of,
    log1p,
    logaddexp,
    logs_opened,
    meant,
    nonzero,
    numbers_chosen,
    rebuilt,
    sigmoid,
    small_kept,
    weighted,
    without_overflow,
    zeros_kept,
)
from symgrad.functions import equal, step, where
from symgrad.notation import Array, Axis, freshen, sum_over

N, C = Axis("N"), Axis("C")
n, m, k = N.index("n"), N.index("m"), C.index("k")
x, y, v, w, u, S = (Array(name, (N,))[n] for name in "xyvwuS")
p = Array("p", (N,), positive=True)[n]
a, b = (Array(name)[()] for name in "ab")
Z = Array("Z", (N, C))[n, k]

MEANT: dict[str, tuple[Expr, Expr]] = {
    "logaddexp": (logaddexp(x, y), log(exp(x) + exp(y))),
    "sigmoid": (sigmoid(x), 1 / (1 + exp(-x))),
    "log1p": (log1p(x), log(1 + x)),
    "expm1": (expm1(x), exp(x) - 1),
    "weighted": (weighted(x, log(y)), x * log(y)),
    "nonzero": (nonzero(p) ** 2, p**2),
    "one in another": (2 * sigmoid(log1p(x)), 2 / (1 + exp(-log(1 + x)))),
    "others": (sin(x) + 1, sin(x) + 1),
}


@pytest.mark.parametrize("name", MEANT)
def test_functions_mean_their_expressions(name: str) -> None:
    given, expected = MEANT[name]
    assert meant(given) == expected


@pytest.mark.parametrize("function", KERNELS, ids=str)
def test_templates_compute_what_a_kernel_means(function: type[Function]) -> None:
    kernel = KERNELS[function]
    numbers = (Rational(1, 3), Rational(1, 5))[: kernel.python.count("{}")]
    expected = float(kernel.meaning(*numbers))
    scope = {"np": np, "math": math, **vars(runtime)}
    args = [repr(float(number)) for number in numbers]
    assert eval(kernel.numpy.format(*(f"np.array([{arg}])" for arg in args)), scope) == pytest.approx([expected])
    if function is not weighted:  # of numbers, it is written as a choice
        assert eval(kernel.python.format(*args), {**scope, **vars(scalar_runtime)}) == pytest.approx(expected)
    assert vars(stable_functions)[function.__name__] is function


def test_parts_are_changed_but_entries_and_indices() -> None:
    assert rebuilt(x, lambda _: Integer(0)) == x and rebuilt(Integer(2), lambda _: Integer(0)) == 2
    assert rebuilt(sum_over(x * y, [n, k]), lambda body: body + 1) == sum_over(x * y + 1, [n, k])
    assert rebuilt(sin(x), lambda _: y) == sin(y)


CHOSEN: dict[str, tuple[Expr, Expr]] = {
    "relation": (where(step(x, 0), 2, 3), 3 - step(x, 0)),
    "step that is 1 at 0": (where(step(x, 1), 5, 3), 3 + 2 * step(x, 1)),
    "step of a half": (where(step(x, Rational(1, 2)), 2, 3), 3 - (1 - equal(step(x, Rational(1, 2)), 0))),
    "delta": (where(KroneckerDelta(n, m), 2, 0), 2 * KroneckerDelta(n, m)),
    "comparison": (where(equal(x, y), 2, 0), 2 * equal(x, y)),
    "opposite": (where(1 - equal(x, y), 2, 0), 2 * (1 - equal(x, y))),
    "both": (where(equal(x, y) * step(x, 0), 2, 0), 2 * equal(x, y) * step(x, 0)),
    "not both": (where(1 - equal(x, y) * step(x, 0), 2, 0), 2 * (1 - equal(x, y) * step(x, 0))),
    "an array beside a relation": (where(w * step(x, 0), 2, 0), 2 * (1 - equal(w * step(x, 0), 0))),
    "an array": (where(w, 2, 3), 3 - (1 - equal(w, 0))),
    "one less an array": (where(1 - w, 2, 0), 2 * (1 - equal(1 - w, 0))),
    "one less a step of a half": (
        where(1 - step(x, Rational(1, 2)), 2, 0),
        2 * (1 - equal(1 - step(x, Rational(1, 2)), 0)),
    ),
    "arrays chosen": (where(step(x, 0), y, 3), where(step(x, 0), y, 3)),
    "arrays chosen last": (where(step(x, 0), 3, y), where(step(x, 0), 3, y)),
    "within": (sin(where(equal(x, y), 2, 0)), sin(2 * equal(x, y))),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_numbers_are_chosen_by_arithmetic(name: str) -> None:
    given, expected = CHOSEN[name]
    assert numbers_chosen(given) == expected


ZEROS: dict[str, tuple[Expr, Expr]] = {
    "an entry": (x * log(y), weighted(x, log(y))),
    "a scalar": (a * log(y), weighted(a, log(y))),
    "numbers outside": (-2 * x * log(y), -2 * weighted(x, log(y))),
    "several factors": (3 * x * v * log(y), 3 * weighted(x * v, log(y))),
    "a number alone": (2 * log(y), 2 * log(y)),
    "a logarithm of a number": (x * log(2), x * log(2)),
    "two logarithms": (x * log(y) * log(v), x * log(y) * log(v)),
    "a bracket as a weight": ((1 + x) * log(y), weighted(1 + x, log(y))),
    "a bracket beside a sum with a logarithm": ((1 + x) * (v + log(y)), (1 + x) * (v + log(y))),
    "an entry beside a sum with a logarithm": (x * (v + log(y)), weighted(x, v + log(y))),
    "a sum as a weight": (Sum(v, n) * log(a), Sum(v, n) * log(a)),
    "terms of a sum": (Sum(x * log(y) + v, n), Sum(weighted(x, log(y)), n) + Sum(v, n)),
    "terms without logarithms": (Sum(x + v, n), Sum(x + v, n)),
    "one term": (Sum(x * log(y), n), Sum(weighted(x, log(y)), n)),
    "in a function": (sin(x * log(y)), sin(weighted(x, log(y)))),
    "outweighed": (w * (1 - y) ** (p - 1) * log(y), weighted(w, weighted(log(y), (1 - y) ** (p - 1)))),
    "outweighed alone": ((1 - y) ** (p - 1) * log(y), weighted(log(y), (1 - y) ** (p - 1))),
    "outweighed beside the exponent": (
        u * (1 - y) ** (u - 1) * log(y),
        weighted(u, weighted(log(y), (1 - y) ** (u - 1))),
    ),
    "an exponent that may be negative": (
        w * (1 - y) ** (v - 1) * log(y),
        weighted(w * (1 - y) ** (v - 1), log(y)),
    ),
    "beside an exponent of any sign": (
        v * (1 - y) ** (v - 1) * log(y),
        weighted(v * (1 - y) ** (v - 1), log(y)),
    ),
    "an exponent that may be less than -1": (
        w * (1 - y) ** (p - 2) * log(y),
        weighted(w * (1 - y) ** (p - 2), log(y)),
    ),
    "a power that is not negative": (w * (1 - y) ** 2 * log(y), weighted(w * (1 - y) ** 2, log(y))),
    "the power of another base": (w * (1 - v) ** (p - 1) * log(y), weighted(w * (1 - v) ** (p - 1), log(y))),
}


@pytest.mark.parametrize("name", ZEROS)
def test_a_weight_of_zero_leaves_no_trace(name: str) -> None:
    given, expected = ZEROS[name]
    assert zeros_kept(given, {"u"}) == expected


e = exp(x)
STABLE: dict[str, tuple[Expr, Expr]] = {
    "sigmoid": (1 / (1 + e), sigmoid(-x)),
    "its square": ((1 + e) ** -2, sigmoid(-x) ** 2),
    "its root": (1 / sqrt(1 + e), sqrt(sigmoid(-x))),
    "the other side": (e / (1 + e), sigmoid(x)),
    "both sides": (y * e / (1 + e) ** 2, y * sigmoid(x) * sigmoid(-x)),
    "both sides of a cube": (exp(2 * x) / (1 + e) ** 3, sigmoid(x) ** 2 * sigmoid(-x)),
    "a square": (exp(2 * x) / (1 + e) ** 2, sigmoid(x) ** 2),
    "too many": (exp(2 * x) / (1 + e), exp(2 * x) * sigmoid(-x)),
    "a difference of another function": ((tanh(x) - 1) * sigmoid(-x), (tanh(x) - 1) * sigmoid(-x)),
    "half of one": (exp(x / 2) / (1 + e), exp(x / 2) * sigmoid(-x)),
    "another": (exp(y) / (1 + e), exp(y) * sigmoid(-x)),
    "negative": (1 / (1 + exp(-x)), sigmoid(x)),
    "not of 1": (1 / (2 + x), 1 / (2 + x)),
    "softplus": (log(1 + e), log(1 + e)),
    "in a sum": (Sum(x / (1 + e), n), Sum(x * sigmoid(-x), n)),
    "two exponentials": (e / (e + exp(y)), sigmoid(x - y)),
    "two exponentials, other side": (v * exp(y) / (e + exp(y)), v * sigmoid(y - x)),
    "two exponentials, both sides": (exp(x + y) / (e + exp(y)) ** 2, sigmoid(x - y) * sigmoid(y - x)),
    "a third": (exp(v) / (e + exp(y)), exp(v - logaddexp(x, y))),
    "a third by a power": (exp(v) / (e + exp(y)) ** 2, exp(v - 2 * logaddexp(x, y))),
    "further factors": (y * v * e / (e + exp(y)), y * v * sigmoid(x - y)),
    "a bracket without exponentials": ((1 + y) * e / (e + exp(y)), (1 + y) * sigmoid(x - y)),
    "more than one": (exp(2 * x - y) / (e + exp(y)), exp(2 * x - y - logaddexp(x, y))),
    "exponentials apart": (exp(y - v) * exp(v - x) / (e + exp(y)), exp(y - x - logaddexp(x, y))),
    "three": (e / (e + exp(y) + exp(v)), exp(x - logaddexp(logaddexp(v, x), y))),
    "a number below": (1 / (2 + e), exp(-logaddexp(log(2), x))),
    "a multiple below": (e / (3 * e + exp(y)), exp(x - logaddexp(x + log(3), y))),
    "two sums below": (
        e / ((e + exp(y)) * (e + exp(v))),
        exp(x - logaddexp(x, y) - logaddexp(v, x)),
    ),
    "a sum above": (y * (e + exp(y)) ** 2, y * (e + exp(y)) ** 2),
    "a bracket above": ((e - exp(y)) / (e + exp(y)), sigmoid(x - y) - sigmoid(y - x)),
    "a difference below": (1 / (e - exp(y)), 1 / (e - exp(y))),
    "bracket of a scalar": ((a - 1) * sigmoid(x), (a - 1) * sigmoid(x)),
    "difference from one": ((e - 1) / (1 + e), tanh(x / 2)),
    "one less": (y * (1 - e) / (1 + e), -y * tanh(x / 2)),
    "difference over a square": ((e - 1) / (1 + e) ** 2, tanh(x / 2) * sigmoid(-x)),
    "another difference": ((exp(y) - 1) / (1 + e), (exp(y) - 1) * sigmoid(-x)),
    "a bracket over a square": ((1 + y * e) / (1 + e) ** 2, sigmoid(-x) ** 2 + y * sigmoid(x) * sigmoid(-x)),
    "a bracket of another": ((1 + y * exp(v)) / (1 + e), (1 + y * exp(v)) * sigmoid(-x)),
    "beside a bracket of sigmoids": (
        e * (v / (1 + e) + y / (1 + e) ** 2),
        v * sigmoid(x) + y * sigmoid(x) * sigmoid(-x),
    ),
    "a root of 1 less": (sqrt(1 - 1 / (1 + e)), sqrt(sigmoid(x))),
    "a square of 1 less": ((1 - 1 / (1 + e)) ** 2, (1 - sigmoid(-x)) ** 2),
    "beside a sum": (e * Sum(1 / (e + exp(Array("x", (N,))[m])), m), Sum(sigmoid(x - Array("x", (N,))[m]), m)),
    "an exponential of an exponential": (v * e * exp(-e), v * exp(x - e)),
    "several of them": (y * v * e * exp(v) * exp(-e), y * v * exp(x + v - e)),
    "exponentials side by side": (v * e * exp(y), v * e * exp(y)),
    "an exponential of an exponential alone": (v * exp(-e), v * exp(-e)),
    "a bracket with a sigmoid alone": (v * (u + 1 / (1 + e)), v * (u + sigmoid(-x))),
    "beside a weighted logarithm": (
        y * e * weighted(v / (e + exp(y)), log(u)),
        y * weighted(v * sigmoid(x - y), log(u)),
    ),
    "beside a bracket that divides": (
        y * e * (u + v / (e + exp(y))),
        y * e * u + y * v * sigmoid(x - y),
    ),
    "beside a bracket that divides by others": (e * (u + 1 / v + exp(y)), e * (u + 1 / v + exp(y))),
    "sums above and below": (
        (e + exp(y)) * e / (e + exp(v)),
        exp(x + logaddexp(x, y) - logaddexp(v, x)),
    ),
    "beside a plain sum": (e * Sum(Array("x", (N,))[m], m), e * Sum(Array("x", (N,))[m], m)),
}


@pytest.mark.parametrize("name", STABLE)
def test_quotients_of_exponentials_do_not_overflow(name: str) -> None:
    given, expected = STABLE[name]
    assert without_overflow(given) == expected


@pytest.mark.parametrize(
    ("expr", "exponents"),
    [
        (e + exp(y), [x, y]),
        (2 * e + exp(y), [y, x + log(2)]),
        (2 + e, [log(2), x]),
        (1 + e + exp(y), [0, x, y]),
        (1 + e, []),
        (e - exp(y), []),
        (e + y, []),
        (e, []),
        (e * exp(y), []),
        (p * e + exp(y), [x + log(p), y]),
        (p**2 * e + exp(y), [x + 2 * log(p), y]),
        (w * e + exp(y), []),
        (N.size * e + exp(y), []),
        (exp(p) * e * w + exp(y), []),
        (p + exp(y), []),
    ],
)
def test_exponents_of_sums(expr: Expr, exponents: list[Expr]) -> None:
    assert sorted(exponents_of(expr), key=str) == sorted(exponents, key=str)


SMALL: dict[str, tuple[Expr, Expr]] = {
    "log1p": (log(1 + x), log1p(x)),
    "several terms": (log(1 + x - y), log1p(x - y)),
    "another number": (log(2 + x), log(2 + x)),
    "a product": (log(x * y), log(x * y)),
    "expm1": (e - 1, expm1(x)),
    "one less": (1 - e, -expm1(x)),
    "more terms": (e - 1 + y, expm1(x) + y),
    "the same sign": (e + 1, e + 1),
    "a multiple": (2 * e - 1, 2 * e - 1),
    "two less": (e - 2, e - 2),
    "no exponential": (x - 1, x - 1),
    "within": (sin(log(1 + e - 1 + y)), sin(log(e + y))),
    "inner ones first": (y * (exp(log(1 + x) * v) - 1), y * expm1(v * log1p(x))),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_numbers_are_not_lost(name: str) -> None:
    given, expected = SMALL[name]
    assert small_kept(given) == expected


other = Array("E", (N,))[m]
KNOWN = {
    "S": Assignment(S, exp(y) / sum_over(exp(Z), [k])),
    "E": Assignment(Array("E", (N,))[n], exp(v)),
    "p": Assignment(p, Sum(exp(Z), k)),
    "q": Assignment(Array("q", (N,))[n], x**2),
    "r": Assignment(Array("r")[()], exp(a)),
    "M": Assignment(Array("M", (N,))[n], exp(v), over=(k,)),
    "s": Assignment(Array("s", (N,))[n], sigmoid(v)),
    "f": Assignment(Array("f", (N,))[n], 1 + exp(v)),
}
q, M, s, f = (Array(name, (N,))[n] for name in "qMsf")
r = Array("r")[()]
OPENED: dict[str, tuple[Expr, Expr]] = {
    "exponential": (log(exp(y) * p), y + log(p)),
    "powers": (log(exp(y) ** 2 / p**3), 2 * y - 3 * log(p)),
    "nothing gained": (log(p * 2), log(2 * p)),
    "an array of any sign": (log(exp(y) * x), log(exp(y) * x)),
    "sigmoid": (log(sigmoid(y)), -logaddexp(0, -y)),
    "power of a sigmoid": (3 * log(p * sigmoid(y) ** 2), 3 * log(p) - 6 * logaddexp(0, -y)),
    "softplus": (log(1 + exp(y)), logaddexp(0, y)),
    "over softplus": (log(p / (1 + exp(y))), log(p) - logaddexp(0, y)),
    "sum of exponentials": (log((e + exp(y)) ** 2), 2 * logaddexp(x, y)),
    "cosh": (log(cosh(y)), y + logaddexp(0, -2 * y) - log(2)),
    "array": (log(other), Array("v", (N,))[m]),
    "scalar": (log(r), a),
    "quotient": (log(S), y - log(Sum(exp(Z), k))),
    "no product of exponentials": (log(q), log(q)),
    "largest": (log(M), log(M)),
    "sigmoid by a name": (log(s), -logaddexp(0, -v)),
    "one less a sigmoid": (log(1 - s), -logaddexp(0, v)),
    "one less a sigmoid as it stands": (log(1 - sigmoid(y)), -logaddexp(0, y)),
    "softplus by a name": (log(f), logaddexp(0, v)),
    "a power by a name": (log(s**2 * p), -2 * logaddexp(0, -v) + log(p)),
    "a positive sum": (log(exp(y) * (p + exp(v))), y + log(p + exp(v))),
    "a sum with a sigmoid": (log(exp(y) * (p + sigmoid(v))), y + log(p + sigmoid(v))),
    "a sum with a power of any sign": (log(exp(y) * (p + x**3)), log(exp(y) * (p + x**3))),
    "a sum of any sign": (log(exp(y) * (x + exp(v))), log(exp(y) * (x + exp(v)))),
    "a positive product by a name": (log(exp(y) * Sum(p * exp(Z), k)), y + log(Sum(p * exp(Z), k))),
    "in a function": (sin(x + log(exp(y) * p)), sin(x + y + log(p))),
    "positive by its definition": (log(exp(y) * Sum(other, m)), y + log(Sum(other, m))),
}


@pytest.mark.parametrize("name", OPENED)
def test_logarithms_of_products_are_sums(name: str) -> None:
    given, expected = OPENED[name]
    assert freshen(logs_opened(given, KNOWN)) == freshen(expected)


def test_a_scaled_exponential_minus_its_scale_is_accurate_at_0() -> None:
    """Also inside of a comparison: where the difference is rounded to 0, a kink would seem to be there."""

    @symgrad.loss(shapes="x: N, t: scalar positive", wrt="x")
    def celu(x: Any, t: Any) -> Any:
        return np.sum(np.maximum(x, 0) + np.minimum(t * (np.exp(x / t) - 1), 0))

    x = np.array([1e-17, -1e-17, 1, -1])
    _, gradients = symgrad.derive(celu).to_numpy(check=False)(x, 2.0)
    np.testing.assert_allclose(gradients.x, [1, 1, 1, np.exp(-0.5)])
    assert symgrad.derive(celu).to_numpy(check=False)(x[1:2], 2.0)[0] == pytest.approx(-1e-17)
