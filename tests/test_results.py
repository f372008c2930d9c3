"""What a notebook shows of derivations, gradients and proofs."""

from __future__ import annotations

import pytest

import symgrad
from symgrad.check.marks import Level, Mark

D = symgrad.derive("softmax_cross_entropy")
THINGS = {"derivation": D, "gradient": D.gradients["W"], "proof": D.prove()}


@pytest.mark.parametrize("name", THINGS)
def test_all_forms(name: str) -> None:
    bundle = THINGS[name]._repr_mimebundle_()
    assert bundle == {
        "text/html": THINGS[name]._repr_html_(),
        "text/latex": THINGS[name]._repr_latex_(),
        "text/plain": repr(THINGS[name]),
    }
    assert bundle["text/html"].startswith("<style>")
    assert "<script" not in bundle["text/html"]
    assert bundle["text/latex"].startswith("$$\\begin{") and bundle["text/latex"].endswith("}$$")


def test_a_gradient_is_a_line_in_text() -> None:
    assert repr(D.gradients["W"]) == "<dL/dW = (1/N) Xᵀ (P − Y)>"


def test_forms_asked_for() -> None:
    assert set(D._repr_mimebundle_(include={"text/latex", "text/html"}, exclude={"text/html"})) == {"text/latex"}


def test_a_gradient_shows_itself_and_what_it_is_written_in() -> None:
    perceptron = symgrad.derive("tanh_perceptron")
    shown = perceptron.gradients["W1"]._repr_latex_()
    assert r"\frac{\partial L}{\partial W_{1}} &= X^{\top} \, G_{A}" in shown
    assert r"G_{A} = \frac{\partial L}{\partial A}" in shown
    assert r"\partial W_{2}" not in shown
    assert "∂L/∂W1" in perceptron.gradients["W1"]._repr_html_()


def test_a_proof_shows_how_each_line_is_known() -> None:
    proof = D.prove()
    shown = proof._repr_html_()
    assert "31 lines: 4 definitions, 27 ✓ every shape." in shown
    assert "equal normal forms; a second witness at" in shown
    assert repr(proof) == "<proof of softmax_cross_entropy: 31 lines: 4 definition, 27 every shape>"


def test_a_proof_that_fails_says_so() -> None:
    proof = D.prove()
    marks = (*proof.marks[:12], Mark(13, Level.WRONG, "not so"), *proof.marks[13:])
    shown = symgrad.Proof(marks, ("no line states <the> closed form",), record=D.record)._repr_html_()
    assert "1 ✗ wrong" in shown and "✗ no line states &lt;the&gt; closed form" in shown
