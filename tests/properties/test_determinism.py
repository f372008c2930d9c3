"""The same output under three hash seeds, in another order and in threads; like terms collected, no line twice."""

from __future__ import annotations

from functools import cache

import pytest
from catalogue import derived, derived_from, typical
from printed import expression_latex
from programs import ZOO

from symgrad import LOSSES, Derivation
from symgrad.api import derive
from symgrad.array.expression import parse
from symgrad.render.text import expression_text
from trials.corrupted.programs import PROGRAMS
from trials.determinism.campaign import Run, differences
from trials.determinism.outputs import derivations

SYMMETRIC = ("trace of a fourth power", "distances")
NAMES = [*(f"symmetric: {name}" for name in SYMMETRIC), "softmax_mse", "tests: whitened_residuals"]


@pytest.mark.slow
def test_the_same_output_under_three_hash_seeds_in_another_order_and_in_threads() -> None:
    runs = [Run(0), Run(1, "in reverse"), Run(2, "in threads")]
    assert [d for d in differences(runs, NAMES)] == []


@cache
def made(name: str) -> Derivation:
    """Of the catalogue and of programs, the derivation that other tests look at, too."""
    origin, _, program = name.partition(": ")
    written = {"tests": ZOO, "corrupted": PROGRAMS}.get(origin, {})
    if program in written:
        return derived_from(*written[program])
    return derived(name) if name in LOSSES else derivations()[name]()


@pytest.mark.parametrize("name", typical([name for name in derivations() if name not in ("tests: heads",)][::4]))
def test_no_line_says_what_the_one_above_it_says(name: str) -> None:
    record = made(name).record
    for before, after in zip(record.steps, record.steps[1:], strict=False):
        if before.subject == after.subject:
            assert expression_text(before.after, record) != expression_text(after.after, record)
            assert expression_latex(before.after, record) != expression_latex(after.after, record)


@pytest.mark.parametrize(
    ("text", "shapes", "form"),
    [
        ("trace(X @ X @ X @ X)", "X: N N", "4 Xᵀ Xᵀ Xᵀ"),
        ("trace(X @ X.T @ X @ X.T)", "X: N N", "4 X Xᵀ X"),
        ("(m - x) @ K @ (m - x) / 2", "x: N, m: N, K: N N symmetric", "K (x − m)"),
        ("sum((m - x) * (K @ (m - x))) / 2", "x: N, m: N, K: N N symmetric", "K (x − m)"),
        ("sum(sum((X[:, None] - X[None, :])**2, axis=2))", "X: N D", "4 (N X − 1_N 1_Nᵀ X)"),
        ("norm(x - y) + norm(y - x)", "x: N, y: N", "(2/‖x − y‖) (x − y)"),
    ],
)
def test_like_terms_are_collected(text: str, shapes: str, form: str) -> None:
    derivation = derive(parse(text, shapes, shapes[0]))
    gradient = derivation.gradients[shapes[0]]
    shown = gradient.index if gradient.matrix is None else gradient.matrix
    assert expression_text(shown, derivation.record) == form
