"""Branches and products that may overflow or divide by zero, with safe arguments where they do not count."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Expr, Rational, Sum, acos, asin, cosh, exp, log, sin, sinh, sqrt, tan

import symgrad
from symgrad.codegen.plan.masks import bounds_what_may_be_infinite, branches_guarded, guarded, weighted_guarded
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.stable_functions import expm1, log1p, weighted
from symgrad.functions import absolute, clip, equal, maximum, minimum, relu, step, where
from symgrad.notation import Array, Axis

N, C = Axis("N"), Axis("C")
n, k = N.index("n"), C.index("k")
x, y, v, w, u = (Array(name, (N,))[n] for name in "xyvwu")
p, q = (Array(name, (N,), positive=True)[n] for name in "pq")
Z = Array("Z", (N, C))[n, k]
scalar = Array("a")[()]
positive, below = step(x, 0), 1 - step(x, 1)
half, whole = step(x, Rational(1, 2)), step(x, 1)
at = where(positive, x, 1)

GUARDED: dict[str, tuple[Expr, Expr]] = {
    "branch taken": (where(positive, log(x), y), where(positive, log(at), y)),
    "branch not taken": (where(positive, y, exp(x)), where(positive, y, exp(where(positive, 0, x)))),
    "both branches": (
        where(positive, 1 / x, sqrt(x)),
        where(positive, 1 / at, sqrt(where(positive, 1, x))),
    ),
    "power of an unknown exponent": (where(positive, x**y, 0 * y), where(positive, at**y, 0)),
    "powers of whole numbers": (where(positive, x**2, y**3), where(positive, x**2, y**3)),
    "positive base": (where(positive, 1 / p, y), where(positive, 1 / p, y)),
    "function in a function": (
        where(positive, log(1 + 1 / y), v),
        where(positive, log(where(positive, 1 + 1 / where(positive, y, 1), 1)), v),
    ),
    "numbers": (where(positive, y * log(3) + exp(2), v), where(positive, y * log(3) + exp(2), v)),
    "finite functions": (where(positive, sin(y), v), where(positive, sin(y), v)),
    "equal branches": (where(positive, log(x), log(x), evaluate=False), log(x)),
    "a sum over an axis of its own": (
        where(positive, Sum(log(Z), k), y),
        where(positive, Sum(log(where(positive, Z, 1)), k), y),
    ),
    "a scalar": (where(positive, log(scalar), y), where(positive, log(where(positive, scalar, 1)), y)),
    "in a sum": (Sum(where(positive, log(x), y), n), Sum(where(positive, log(at), y), n)),
    "step": (positive * exp(y), where(positive, positive * exp(where(positive, y, 0)), 0)),
    "step of a half": (half * exp(y), where(whole, half * exp(where(whole, y, 0)), 0)),
    "step that is 1 at 0": (step(x, 1) * exp(y), where(step(x, 1), step(x, 1) * exp(where(step(x, 1), y, 0)), 0)),
    "sum with a step": (positive + exp(y), positive + exp(y)),
    "comparison": (
        equal(x, v) * log(y) * u,
        u * where(equal(x, v), equal(x, v) * log(where(equal(x, v), y, 1)), 0),
    ),
    "opposite": (below * y / x, y * where(below, below / where(below, x, 1), 0)),
    "several masks": (
        positive * equal(y, v) * log(u),
        where(
            positive * equal(y, v),
            positive * equal(y, v) * log(where(positive * equal(y, v), u, 1)),
            0,
        ),
    ),
    "wider factor": (positive * exp(Z), where(positive, positive * exp(where(positive, Z, 0)), 0)),
    "narrower factor": (step(Z, 0) * exp(x), step(Z, 0) * exp(x)),
    "a weight, which may be anything": (w * exp(y), w * exp(y)),
    "one less a weight": ((1 - w) * exp(y), (1 - w) * exp(y)),
    "finite factor": (positive * sin(y), positive * sin(y)),
}


@pytest.mark.parametrize("name", GUARDED)
def test_what_may_be_infinite_has_a_safe_argument(name: str) -> None:
    given, expected = GUARDED[name]
    assert guarded(given) == expected


@pytest.mark.parametrize(
    ("function", "safe"),
    [(f, 0) for f in (exp, tan, asin, acos, sinh, cosh, expm1, log1p)] + [(log, 1)],
)
def test_every_function_that_may_be_infinite_is_guarded(function: type[Expr], safe: int) -> None:
    assert guarded(where(positive, function(y), v)) == where(positive, function(where(positive, y, safe)), v)


none = equal(w, 0)
WEIGHTED: dict[str, tuple[Expr, Expr]] = {
    "quotient": (w / x, where(none, 0, w / where(none, 1, x))),
    "power less than one": (w * y * x ** Rational(-1, 2), y * where(none, 0, w / sqrt(where(none, 1, x)))),
    "unknown power": (w * x**y, where(none, 0, w * where(none, 1, x) ** y)),
    "whole power": (w * x**2, w * x**2),
    "positive divisor": (w / p, w / p),
    "logit": (w * u, w * where(none, 0, u)),
    "logit in a quotient": (w * u / x, where(none, 0, u) * where(none, 0, w / where(none, 1, x))),
    "another factor": (w * y, w * y),
    "sum with a weight": (w + 1 / x, w + 1 / x),
    "no weight": (u / x, u / x),
    "sum": (Sum(w / x, n), Sum(where(none, 0, w / where(none, 1, x)), n)),
    "wider weight": (Array("w", (N, C))[n, k] / x, Array("w", (N, C))[n, k] / x),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_what_has_no_weight_divides_by_no_zero(name: str) -> None:
    given, expected = WEIGHTED[name]
    assert weighted_guarded(given, {"w"}, {"u", "w"}) == expected


# --- equations ----------------------------------------------------------------------------------------------------


def assignments(*pairs: tuple[Expr, Expr], outputs: str = "L") -> list[Assignment]:
    return [Assignment(entry, rhs, is_output=str(getattr(entry, "base", entry)) in outputs) for entry, rhs in pairs]


L = Array("L")[()]


def test_an_infinite_array_in_branches_alone_is_written_into_them() -> None:
    (made,) = branches_guarded(assignments((v, log(x)), (L, Sum(where(positive, v, y), n))), ())
    assert made.entry == L and made.rhs == Sum(where(positive, log(at), y), n)


@pytest.mark.parametrize(
    ("definition", "use", "finite", "outputs"),
    [
        (x**2, where(positive, v, y), (), "L"),  # no infinity
        (log(x), where(positive, v, y) + v, (), "L"),  # needed outside, too
        (log(x), where(v, x, y), (), "L"),  # as a condition
        (log(x), where(positive, v, y), ("v",), "L"),  # known to be finite
        (log(x), where(positive, v, y), (), "Lv"),  # returned
    ],
)
def test_other_arrays_keep_their_lines(definition: Expr, use: Expr, finite: tuple[str, ...], outputs: str) -> None:
    given = assignments((v, definition), (L, Sum(use, n)), outputs=outputs)
    assert branches_guarded(given, finite) == given


def test_an_array_that_one_equation_has_outside_of_branches_keeps_its_line() -> None:
    first, second = (L, Sum(where(positive, v, y), n)), (u, 2 * v)
    given = assignments((v, log(x)), second, first, outputs="Lu")
    assert branches_guarded(given, ()) == given


@pytest.mark.parametrize(
    ("rhs", "expected"),
    [
        *((f(log(y), x), True) for f in (maximum, minimum)),
        *((f(log(y)), True) for f in (relu, absolute)),
        (clip(1 / y, 0, 1), True),
        (maximum(v, 1), True),
        (maximum(u, 1), False),
        (maximum(q, 1), True),
        (log(x) + maximum(y, 1), False),
        (x + y, False),
    ],
)
def test_bounds_of_what_may_be_infinite(rhs: Expr, expected: bool) -> None:
    """v is a logarithm, q made of it, u is finite."""
    given = assignments((v, log(x)), (q, v + 1), (u, x + 1), (L, Sum(rhs, n)))
    assert bounds_what_may_be_infinite(given) is expected


mask = step(y, 0)
OVERFLOWS: dict[str, tuple[Expr, Expr]] = {
    "mask": (mask * v, weighted(mask, v)),
    "no mask": (y * v, y * v),
    "array that may vanish": (u * v, weighted(u, v)),
    "power and more": (y * u * v**2, y * weighted(u, v**2)),
    "all terms may vanish": ((mask + u) * v, weighted(mask + u, v)),
    "one term may not": ((mask + y) * v, (mask + y) * v),
    "choice of 0": (where(w, x, 0) * v, weighted(where(w, x, 0), v)),
    "choice of 0 first": (where(w, 0, x) * v, weighted(where(w, 0, x), v)),
    "choice by a mask": (where(mask, 2, x) * v, where(mask, 2, x) * v),
    "an array that may vanish in a function": (sin(q * v), sin(weighted(q, v))),
    "choice of 1": (where(w, x, 1) * v, where(w, x, 1) * v),
    "larger than 0": (maximum(x, 0) * v, weighted(maximum(x, 0), v)),
    "larger than 1": (maximum(x, 1) * v, maximum(x, 1) * v),
    "relu": (relu(x) * v, weighted(relu(x), v)),
    "comparison": (equal(x, y) * v, weighted(equal(x, y), v)),
    "sum of masks": (Sum(step(Z, 0), k) * v, weighted(Sum(step(Z, 0), k), v)),
    "made of what may overflow": (mask * p, weighted(mask, p)),
    "made of what may vanish": (q * v, weighted(q, v)),
    "nothing that may overflow": (mask * w * x, mask * w * x),
    "in a function": (sin(mask * v), sin(weighted(mask, v))),
}


@pytest.mark.parametrize("function", [exp, sinh, cosh, tan])
@pytest.mark.parametrize("name", OVERFLOWS)
def test_what_may_overflow_is_weighted(name: str, function: type[Expr]) -> None:
    given, expected = OVERFLOWS[name]
    before = assignments((v, 1 + function(x)), (u, relu(y) * w), (p, v * x), (q, u * x))
    last = Assignment(L, given, is_output=True)
    assert branches_guarded([*before, last], ())[-1].rhs == expected
    assert branches_guarded([*before, last], ("v", "p"))[-1].rhs == given


def test_a_sum_that_all_entries_share_is_not_guarded_for_each() -> None:
    loss = symgrad.loss(shapes="X: N C, Y: N C one-hot", wrt="X")(
        lambda X, Y: np.sum((np.sum(Y * np.cosh(X), axis=1) / np.sum(np.abs(np.sum(Y * np.cosh(X), axis=1)))) ** 2)
    )
    source = symgrad.derive(loss).to_source(check=False)
    assert "_equal(" in source and "None, None]" not in source
