"""The table of mistakes, and mistakes outside the corpus: each is diagnosed as one of its kind."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import derived

import symgrad
from symgrad.array import log_softmax, relu, softmax
from symgrad.diagnosis import (
    KINDS,
    backward_mistakes,
    edits,
    equation_mistakes,
    explanations,
    extremes,
    input_mistakes,
    result_mistakes,
)
from symgrad.diagnosis.mistakes import ROUNDS

Function = Callable[..., Any]


def smooth_l1(r):
    return np.sum(np.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 0.5))


def ppo(r, a, e=0.2):
    return -np.mean(np.minimum(r * a, np.clip(r, 1 - e, 1 + e) * a))


def leaky(z):
    return np.sum(np.where(z > 0, z, 0.1 * z) ** 2)


def elastic_net(w, s=0.1, t=0.3):
    return s * np.sum(np.abs(w)) + t * np.sum(w**2)


def focal(p, g=2.0):
    return -np.sum((1 - p) ** g * np.log(p))


def cross_entropy(Z, Y):
    return -np.mean(np.sum(Y * log_softmax(Z, axis=1), axis=1))


def rectified(A, T):
    H = relu(A)
    return np.sum(H * T + H**2)


def masked_by_gradient(A, T):
    G = T + 2 * np.maximum(A, 0)
    return G * (G > 0)


def turned(Z, Y):
    P = softmax(Z, axis=1)
    return np.where(Y == 1, 1 - P, P) / len(Z)


CASES: dict[str, tuple[Function, str, Function, str, str]] = {
    "far branch": (smooth_l1, "r: N", lambda r: r, "branch", "in every branch"),
    "near branch": (smooth_l1, "r: N", np.sign, "branch", "in every branch"),
    "clip": (
        ppo,
        "r: N positive, a: N, e: scalar",
        lambda r, a, e: -a / len(r),
        "branch",
        "r_n a_n is used instead of min",
    ),
    "other slope": (leaky, "z: N", lambda z: 2 * np.maximum(z, 0), "branch", "is left out"),
    "cube": (lambda x: np.mean((x - 1) ** 3), "x: N", lambda x: 6 * (x - 1) / len(x), "power", "the product"),
    "root": (lambda x: np.sum(np.sqrt(1 + x**2)), "x: N", lambda x: 2 * x / (1 + x**2), "power", "the product"),
    "all powers": (
        focal,
        "p: N probability, g: scalar positive",
        lambda p, g: g * (1 - p) * (g - 1) * np.log(p) - (1 - p) * g / p,
        "power",
        "every power",
    ),
    "exchanged scalars": (
        elastic_net,
        "w: D, s: scalar positive, t: scalar positive",
        lambda w, a, b: b * np.sign(w) + 2 * a * w,
        "swapped",
        "s and t are swapped",
    ),
    "true class": (cross_entropy, "Z: N C, Y: N C one-hot", turned, "sign", "has the wrong sign where y_mc is 1"),
    "mask": (
        rectified,
        "A: N D, T: N D",
        masked_by_gradient,
        "swapped",
        "is evaluated at the gradient with respect to H",
    ),
    "centred": (
        lambda x: np.sum((x - np.mean(x)) ** 3),
        "x: N",
        lambda x: 3 * (x - x.mean()) ** 2,
        "path",
        "is treated as constant",
    ),
}


@pytest.mark.parametrize("name", sampled(CASES, "root", "cube", "other slope"))
def test_a_mistake_is_named(name: str) -> None:
    loss, shapes, candidate, kind, words = CASES[name]
    derivation = symgrad.derive(symgrad.loss(shapes=shapes, wrt=shapes[0], name="f")(loss))
    found = symgrad.diagnose(derivation, candidate)
    assert not found.ok and found.explanations, found
    assert found.explanations[0].kind == kind and words in found.summary, found


@pytest.mark.slow
def test_what_agrees_by_chance_where_inputs_are_large_is_no_explanation() -> None:
    """Rows that are far apart are also far apart without B, or if all distances are added."""

    @symgrad.loss(shapes="A: N D, B: N D, y: N binary", wrt="A B")
    def contrastive(A, B, y, margin=1.0):
        squares = np.sum((A - B) ** 2, axis=1)
        return np.mean(y * squares + (1 - y) * np.maximum(0, margin - np.sqrt(squares)) ** 2)

    def without_margin(A, B, y, margin=1.0):
        of_a = 2 * y[:, None] * (A - B) / len(y)
        return of_a, -of_a

    found = symgrad.diagnose(symgrad.derive(contrastive), without_margin).explanations
    assert found[0].kind == "branch"
    assert not [e.words for e in found if e.words.endswith("in the forward pass only")]


@pytest.mark.slow
def test_rounding_at_a_kink_is_no_other_convention() -> None:
    """The loss is smooth at the border of its pieces; there, terms of the sum over rows cancel."""

    @symgrad.loss(shapes="X: N D, w: D, b: scalar, y: N sign, lam: scalar", wrt="w b")
    def modified_huber(X, w, b, y, lam=0.01):
        m = y * (X @ w + b)
        h = np.where(m >= -1, np.maximum(0, 1 - m) ** 2, -4 * m)
        return h.mean() + lam * np.sum(np.clip(w, -2, 2) ** 2)

    def clipped(X, w, b, y, lam):
        slopes = -2 * np.clip(1 - y * (X @ w + b), 0, 2) * y / len(y)
        return X.T @ slopes + 2 * lam * w * (np.abs(w) <= 2), slopes.sum()

    found = symgrad.diagnose(symgrad.derive(modified_huber), clipped)
    assert found.ok and not [remark for remark in found.remarks if "convention" in remark]


# --- the table of mistakes --------------------------------------------------------------------------------------------

MAKERS = (input_mistakes, equation_mistakes, backward_mistakes, edits, result_mistakes, explanations, extremes)


def kinds_by_name(module: ModuleType) -> dict[str, set[str]]:
    """For every function, class and table of a module, the kinds of mistakes in its code, or in a table that it
    uses."""
    tree = ast.parse(inspect.getsource(module))
    named = {getattr(n, "name", None) or ast.unparse(getattr(n, "target", n)): n for n in tree.body}
    kinds = {
        name: {c.value for c in ast.walk(n) if isinstance(c, ast.Constant)} & KINDS.keys() for name, n in named.items()
    }
    used = {name: {c.id for c in ast.walk(n) if isinstance(c, ast.Name)} for name, n in named.items()}
    return {name: kinds[name].union(*(kinds[u] for u in used[name] & kinds.keys() if u.isupper())) for name in named}


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_names_functions_that_make_the_kind(kind: str) -> None:
    assert KINDS[kind].words and KINDS[kind].makers
    for maker in KINDS[kind].makers:
        module = inspect.getmodule(maker)
        assert module in MAKERS
        source = kinds_by_name(module)
        assert kind in source[maker.__name__] or kind in source.get("_Judge", ()), maker.__name__


@pytest.mark.parametrize("module", MAKERS, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_every_function_that_makes_a_kind_is_in_the_table(module: ModuleType) -> None:
    listed = {maker.__name__ for kind in KINDS.values() for maker in kind.makers}
    makers = {name for name, kinds in kinds_by_name(module).items() if kinds and name.islower() and name[0] != "_"}
    assert makers <= listed | {"of_lines_more_widely"}


@pytest.mark.slow
def test_every_hypothesis_has_a_kind_of_the_table() -> None:
    for loss in ("layer_norm", "softmax_cross_entropy", "huber"):
        record = derived(loss).record
        assert {h.kind for generators in ROUNDS[:1] for g in generators for h in g(record)} <= KINDS.keys()
