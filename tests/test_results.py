"""What a notebook shows of derivations, gradients and proofs; and the Jacobians of layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from catalogue import derived

import symgrad
from symgrad import Derivation, InputError, derive, layer
from symgrad.array import softmax
from symgrad.check.marks import Level, Mark

NAME = "softmax_cross_entropy"
FORMATS: dict[str, Callable[..., str]] = {
    "text": Derivation.to_text,
    "latex": Derivation.to_latex,
    "markdown": Derivation.to_markdown,
    "mathml": Derivation.to_mathml,
    "html": partial(Derivation.to_html, code=False),
}
HEADINGS = ("Axes", "axis", "Arrays", "array")
DISPLAYED: dict[str, Callable[[Derivation], Any]] = {
    "derivation": lambda derivation: derivation,
    "gradient": lambda derivation: derivation.gradients["W"],
    "proof": Derivation.prove,
}


@pytest.mark.parametrize("name", DISPLAYED)
def test_all_forms(name: str) -> None:
    displayed = DISPLAYED[name](derived(NAME))
    bundle = displayed._repr_mimebundle_()
    assert bundle == {
        "text/html": displayed._repr_html_(),
        "text/latex": displayed._repr_latex_(),
        "text/plain": repr(displayed),
    }
    assert bundle["text/html"].startswith("<style>")
    assert "<script" not in bundle["text/html"]
    assert bundle["text/latex"].startswith("$$\\begin{") and bundle["text/latex"].endswith("}$$")


def test_a_gradient_is_a_line_in_text() -> None:
    assert repr(derived(NAME).gradients["W"]) == "<dL/dW = (1/N) Xᵀ (P − Y)>"


def test_forms_asked_for() -> None:
    assert set(derived(NAME)._repr_mimebundle_(include={"text/latex", "text/html"}, exclude={"text/html"})) == {
        "text/latex"
    }


def test_a_gradient_shows_itself_and_what_it_is_written_in() -> None:
    perceptron = derived("tanh_perceptron")
    shown = perceptron.gradients["W1"]._repr_latex_()
    assert r"\frac{\partial L}{\partial W_{1}} &= X^{\top} \, G_{A}" in shown
    assert r"G_{A} = \frac{\partial L}{\partial A}" in shown
    assert r"\partial W_{2}" not in shown
    assert "∂L/∂W1" in perceptron.gradients["W1"]._repr_html_()


def test_a_proof_shows_how_each_line_is_known() -> None:
    proof = derived(NAME).prove()
    shown = proof._repr_html_()
    count = len(derived(NAME).steps)
    assert f"{count} lines: 4 definitions, {count - 4} ✓ every shape." in shown
    assert "equal normal forms; a second witness at" in shown
    assert repr(proof) == f"<proof of softmax_cross_entropy: {count} lines: 4 definition, {count - 4} every shape>"


def test_a_proof_that_fails_says_so() -> None:
    proof = derived(NAME).prove()
    marks = (*proof.marks[:12], Mark(13, Level.WRONG, "not so"), *proof.marks[13:])
    shown = symgrad.Proof(marks, ("no line states <the> closed form",), record=derived(NAME).record)._repr_html_()
    assert "1 ✗ wrong" in shown and "✗ no line states &lt;the&gt; closed form" in shown


# --- some lines -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("steps", ["none", "13", "1-4, 13"])
def test_some_lines(name: str, steps: str) -> None:
    shown = FORMATS[name](derived(NAME), steps=steps)
    assert derived(NAME).program.summary in shown
    assert ("each row of" in shown) == ("13" in steps)
    assert ("chain rule" in shown) is False
    assert ("The gradients" in shown) == (steps == "none")
    assert ("Where" in shown) == (steps == "13")  # the others define what is in them
    assert not any(
        f"{heading}</" in shown or f"\n{heading}\n" in shown or f"| {heading} |" in shown for heading in HEADINGS
    )


@pytest.mark.parametrize("name", ["text", "latex", "markdown", "mathml"])
def test_without_a_title(name: str) -> None:
    shown = FORMATS[name](derived(NAME), title=False)
    assert derived(NAME).program.summary not in shown
    assert "Forward equations" in shown


def test_text_of_the_closed_forms_alone_begins_with_them() -> None:
    shown = derived(NAME).to_text(steps="none", title=False)
    assert shown.startswith("The gradients\n") and "  P = exp(Z)" in shown and "  L = " not in shown


@pytest.mark.parametrize("name", FORMATS)
def test_lines_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"steps 5-400: the derivation has lines 1 to {len(derived(NAME).steps)}"):
        FORMATS[name](derived(NAME), steps="5-400")


SIZES = {"N": 3, "C": 4, "D": 2}


def _both(X: Any, W: Any) -> Any:
    A = X @ W
    H = np.tanh(A)
    return H, A.T


SOFTMAX = layer("Z: N C")(lambda Z: softmax(Z, axis=1))
BOTH = layer("X: N D, W: D C")(_both)


def test_the_jacobian_of_a_softmax_is_the_textbooks() -> None:
    assert repr(derive(SOFTMAX).jacobian("Z")) == "<∂o_nk/∂z_mc = o_mc δ_nm (δ_kc − o_mk): every shape>"


def test_an_output_is_named_where_there_are_several() -> None:
    derivation = derive(BOTH)
    assert repr(derivation.jacobian("X", "O")).startswith("<∂o_kn/∂x_md = w_dk δ_nm")
    with pytest.raises(InputError, match="has no output '': expected one of H, O"):
        derivation.jacobian("X")


@pytest.mark.parametrize(
    ("take", "words"),
    [
        (lambda: derive("mse").jvp(), "mse is a loss: only a layer"),
        (lambda: derive(SOFTMAX).jacobian("O"), "no gradient with respect to O; wrt is Z"),
        (lambda: derive(SOFTMAX).jacobian("Z", "Z"), "has no output 'Z': expected one of O"),
    ],
)
def test_what_has_no_jacobian_is_refused(take: Any, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        take()


@pytest.mark.parametrize("of", [SOFTMAX, BOTH], ids=["softmax", "two outputs"])
def test_the_product_with_a_tangent_is_the_slope_along_it(of: Any) -> None:
    derivation = derive(of)
    product, rng = derivation.jvp(), np.random.default_rng(0)
    assert {mark.level for mark in product.prove().marks} == {Level.DEFINITION, Level.EVERY_SHAPE}
    shapes = {a.name: tuple(SIZES[axis.name] for axis in a.axes) for a in product.program.inputs}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    _, slopes = product.to_numpy(check=False)(*arrays.values())
    at = [arrays[name] for name in of.wrt]
    along = [arrays[f"{name}dot"] for name in of.wrt]
    step = 1e-6
    right, left = (of(*(x + sign * step * t for x, t in zip(at, along, strict=True))) for sign in (1, -1))
    pairs = zip(right, left, strict=True) if isinstance(right, tuple) else [(right, left)]
    for slope, (above, below) in zip(slopes, pairs, strict=True):
        np.testing.assert_allclose(slope, (above - below) / (2 * step), atol=1e-8)
