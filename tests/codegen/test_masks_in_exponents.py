"""Exponentials that a mask leaves out: they do not decide what the others are relative to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from sympy import Expr, Rational, Sum, exp, sin

from symgrad import derive, loss
from symgrad.codegen.plan.masks import masks_taken_in
from symgrad.codegen.plan.schedule import Assignment
from symgrad.equations import in_domain, one_hot, rows_sum_to_one, symmetric
from symgrad.facts import nonnegative_inputs
from symgrad.functions import equal, step, where
from symgrad.notation import Array, Axis
from symgrad.program import Program

N, C = Axis("N"), Axis("C")
n, m, k, j = N.index("n"), N.index("m"), C.index("k"), C.index("j")
x, y, v, w, a = (Array(name, (N,))[n] for name in "xyvwa")
Z, W, Q = (Array(name, (N, C))[n, k] for name in "ZWQ")
f, L = (Array(name)[()] for name in ("floor", "L"))
kept, opposite = step(x, 0), 1 - step(x, 0)

MASKED: dict[str, tuple[Expr, Expr]] = {
    "step": (kept * exp(y), kept * exp(where(kept, y, f))),
    "opposite": (opposite * exp(y) * v, opposite * v * exp(where(opposite, y, f))),
    "sum with a step": (kept + exp(y), kept + exp(y)),
    "comparison": (equal(x, v) * exp(y), equal(x, v) * exp(where(equal(x, v), y, f))),
    "weight": (w * exp(y), w * exp(where(equal(w, 0), f, y))),
    "square of a weight": (w**2 * exp(y), w**2 * exp(where(equal(w, 0), f, y))),
    "root of a weight": (w ** Rational(1, 2) * exp(y), w ** Rational(1, 2) * exp(y)),
    "divided by a weight": (exp(y) / w, exp(y) / w),
    "multiple": (w * exp(2 * y), w * exp(2 * where(equal(w, 0), f, y))),
    "negative": (w * exp(-2 * y), w * exp(where(equal(w, 0), f, -2 * y))),
    "sum of exponents": (w * exp(y - v), w * exp(where(equal(w, 0), f, y - v))),
    "no mask": (a * exp(y), a * exp(y)),
    "step of a half": (step(x, Rational(1, 2)) * exp(y), step(x, Rational(1, 2)) * exp(y)),
    "one less an array": ((1 - a) * exp(y), (1 - a) * exp(y)),
    "one less a weight": ((1 - w) * exp(y), (1 - w) * exp(where(equal(1 - w, 0), f, y))),
    "two less a weight": ((2 - w) * exp(y), (2 - w) * exp(y)),
    "no exponential": (w * y, w * y),
    "wider exponential": (kept * exp(Z), kept * exp(where(kept, Z, f))),
    "wider weight": (W * exp(y), W * exp(where(equal(W, 0), f, y))),
    "wider step": (step(Z, 0) * exp(y), step(Z, 0) * exp(y)),
    "weight of other rows": (Array("w", (N,))[m] * exp(y), Array("w", (N,))[m] * exp(y)),
    "two exponentials": (
        kept * exp(y) * sin(exp(v)),
        kept * exp(where(kept, y, f)) * sin(exp(v)),
    ),
    "a bracket with its mask": (
        w * (exp(where(equal(w, 0), f, y)) + x),
        w * (exp(where(equal(w, 0), f, y)) + x),
    ),
    "in a sum": (Sum(w * exp(y), n), Sum(w * exp(where(equal(w, 0), f, y)), n)),
    "beside a sum": (exp(y) * Sum(W * Q, k), Sum(W * Q * exp(where(equal(W, 0), f, y)), k)),
    "beside the square of a sum": (exp(y) * Sum(W * Q, k) ** 2, exp(y) * Sum(W * Q, k) ** 2),
    "beside a sum without masks": (exp(y) * Sum(Z * Q, k), exp(y) * Sum(Z * Q, k)),
    "beside a sum of a factor of its own": (exp(y) * Sum(w * Q, k), exp(y) * Sum(w * Q, k)),
    "beside a bracket": (
        v * w * (exp(y) - x * exp(2 * y) + x),
        v * (w * exp(where(equal(w, 0), f, y)) - w * x * exp(2 * where(equal(w, 0), f, y)) + w * x),
    ),
    "beside a bracket without exponentials of its own": (w * (x + sin(exp(y))), w * (x + sin(exp(y)))),
    "made of exponentials": (
        step(exp(x), 0) * (v + exp(y)),
        step(exp(x), 0) * v + step(exp(x), 0) * exp(where(step(exp(x), 0), y, f)),
    ),
    "beside a sum and more": (v * exp(y) * Sum(W * Q, k), v * Sum(W * Q * exp(where(equal(W, 0), f, y)), k)),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_taken_into_exponents(name: str) -> None:
    given, expected = MASKED[name]
    (made,) = masks_taken_in([Assignment(L, given, is_output=True)], {"w", "W"}, set(), f)
    assert made == Assignment(L, expected, is_output=True)


def test_a_mask_of_zeros_and_ones_is_a_condition_itself() -> None:
    (made,) = masks_taken_in([Assignment(L, w * exp(y), is_output=True)], {"w"}, {"w"}, f)
    assert made.rhs == w * exp(where(w, y, f))


def test_what_is_masked_already_is_left() -> None:
    given = [Assignment(L, w * exp(where(equal(w, 0), f, y)))]
    assert masks_taken_in(given, {"w"}, set(), f) == given


total = Sum(a, n)


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (w * exp(y), Sum(w * exp(where(equal(w, 0), f, y)), n)),
        (kept * w * exp(y), None),
        (2 * w * exp(y), total),  # 2 is no mask
        (exp(y), total),
        (v * exp(y), total),
        (w * sin(v) * exp(y), total),
    ],
)
def test_products_of_masks_and_exponentials_are_written_out(product: Expr, expected: Expr | None) -> None:
    given = [Assignment(a, product), Assignment(L, total, is_output=True)]
    made = masks_taken_in(given, {"w"}, set(), f)
    if expected is None:
        assert made[1].rhs.has(f) and made[1].rhs.has(exp)
    else:
        assert made[1].rhs == expected


def test_an_output_keeps_its_name() -> None:
    given = [Assignment(a, w * exp(y), is_output=True), Assignment(L, total, is_output=True)]
    assert masks_taken_in(given, {"w"}, set(), f)[1].rhs == total


def test_weights_are_what_is_declared() -> None:
    own = {word: Array(word, (N, C)) for word in ("binary", "sign", "probability", "nonnegative", "count")}
    said = [*one_hot(Array("Y", (N, C))), rows_sum_to_one(Array("S", (N, C))), symmetric(Array("M", (N, N)), "A2")]
    said += [in_domain(array, word) for word, array in own.items()]
    program = cast(Program, SimpleNamespace(assumptions=said))
    assert nonnegative_inputs(program) == {
        "Y",
        "binary",
        "probability",
        "nonnegative",
        "count",
    }


def test_masked_sums_have_the_value_of_the_program() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal(3), rng.standard_normal(3), rng.uniform(0, 1, (3, 2)), rng.uniform(1, 2, (3, 2))

    @loss(shapes="y: N, v: N, W: N C nonnegative, Q: N C", wrt="y")
    def logarithm(y: Any, v: Any, W: Any, Q: Any) -> Any:
        total = np.sum(W * Q, axis=1)
        return np.log(np.sum(np.exp(y) * total**2)) + np.log(np.sum(np.exp(y - v) * total))

    value, _ = derive(logarithm).to_numpy()(*inputs)
    assert value == pytest.approx(logarithm(*inputs))
