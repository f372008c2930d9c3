"""The author's letters: arrays that are printed with another letter, and bold arrays in matrix notation."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symgrad
from symgrad.array import softmax
from symgrad.diagnosis import diagnose
from symgrad.errors import InputError
from symgrad.explicit import entries_to_latex, entries_to_text
from symgrad.names import look, printed_name
from symgrad.render.mathml import markup

NAMES = {"W": r"\Theta", "b": r"\theta_0", "Z": "A", "y": r"\tilde{Y}"}


def classifier(**options: Any) -> symgrad.Derivation:
    @symgrad.loss(shapes="X: N D, W: D C, b: C, y: N labels of C", wrt="W b", **options)
    def loss(X, W, b, y):
        Z = X @ W + b
        P = softmax(Z, axis=1)
        return -np.mean(np.log(P[np.arange(len(y)), y]))

    return symgrad.derive(loss)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\theta", "θ"),
        (r"\Theta", "Θ"),
        ("θ", "θ"),
        ("theta", "θ"),
        (r"\varepsilon", "ε"),
        (r"\varphi", "φ"),
        (r"\lambda", "λ"),
        (r"\hat{y}", "ŷ"),
        (r"\hat y", "ŷ"),
        ("ŷ", "ŷ"),
        (r"\bar{\mu}_1", "μ̄1"),
        (r"w_{1}", "w1"),
        ("W_q", "W_q"),
    ],
)
def test_a_letter_in_latex_or_unicode(text: str, shown: str) -> None:
    assert look(printed_name(text)) == shown


@pytest.mark.parametrize(
    "text",
    [r"\foo", r"\Alpha", r"\eps", "weights", "", "1", r"\hat{\theta", r"\mathcal{L}", "ℓ", "θθ", "x y", "$x$", None],
)
def test_what_is_no_letter_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match=r"expected one letter, such as '\\theta', 'θ', '\\hat{y}' or 'w_1', got "):
        printed_name(text)


def test_every_notation_prints_the_authors_letters() -> None:
    derivation = classifier(names=NAMES)
    text, latex = derivation.to_text(), derivation.to_latex()
    assert "∂L/∂Θ = (1/N) Xᵀ (P − Ỹ)" in text and "∂L/∂θ_dc = (1/N) Σ_n x_nd (p_nc − ỹ_nc)" in text
    assert "a_nk = Σ_d x_nd θ_dk + θ0_k" in text and "Derivatives with respect to A" in text
    assert (
        r"\frac{\partial L}{\partial \Theta}" in latex and r"\theta^{(0)}_{k}" in latex and r"\tilde{y}_{nk}" in latex
    )
    assert r"$\frac{\partial L}{\partial \Theta}$".strip("$") in derivation.to_markdown()
    assert "frac(∂ L, ∂ Θ)" in derivation.to_typst() and "∂ θ_(d c)" in derivation.to_typst()
    page = derivation.to_html()
    assert "<mo>∂</mo><mi>Θ</mi>" in page and 'alttext="θ_dk"' in page
    assert "In the code, W is Θ, b is θ0, Z is A, y is Ỹ." in text
    for shown in (text.split("In the code")[1].split("\n", 1)[1], latex.split("Each line")[1]):
        assert not re.search(r"\b[WZ]\b|[wz]_|\bb_", shown)


def test_code_keeps_the_names_of_the_program() -> None:
    plain, renamed = classifier(), classifier(names=NAMES, vectors="bold")
    assert renamed.numpy_lines == plain.numpy_lines
    assert "dW = " in renamed.numpy_lines and renamed.gradients.keys() == {"W", "b"}
    f = renamed.to_numpy()
    rng = np.random.default_rng(0)
    inputs = {"X": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2)), "b": np.zeros(2), "y": np.array([0, 1, 1, 0])}
    np.testing.assert_array_equal(f(**inputs)[1].W, plain.to_numpy()(**inputs)[1].W)


@pytest.mark.slow
def test_a_diagnosis_and_explicit_entries_have_the_names_of_the_program() -> None:
    plain, renamed = classifier(), classifier(names=NAMES, vectors="bold")

    def doubled(*inputs: Any) -> Any:
        return tuple(2 * gradient for gradient in plain.to_numpy()(*inputs)[1])

    assert str(diagnose(renamed, doubled)) == str(diagnose(plain, doubled))
    for written in (entries_to_text, entries_to_latex):
        assert written(renamed.explicit(N=2, D=1, C=2)) == written(plain.explicit(N=2, D=1, C=2))
    assert "dL/dΘ = (1/N) Xᵀ (P − Ỹ)" in repr(renamed)


def test_indices_and_new_names_avoid_the_authors_letters() -> None:
    text = classifier(names={"W": "n", "b": "G"}).to_text()
    assert "n_" in text and not re.search(r"Σ_n\b|x_n", text)
    assert "G_Z = ∂L/∂Z" in text
    text = classifier(names={"X": "E"}).to_text(code=True)
    assert "e_nd" in text and "e2_nk = exp(" in text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"Q": r"\theta"}, "names renames Q, but the arrays are X, W, b, Y, Z, S, P, L"),
        ({"W": r"\theta", "b": "θ"}, "W and b are both written θ: rename one"),
        ({"W": "P"}, "W and P are both written P: rename one"),
        ({"W": "C"}, "the axis C and W are both written C: rename one"),
        ({"W": r"\mathfrak{W}"}, "loss: names: W: expected one letter"),
    ],
)
def test_names_that_cannot_be_printed_are_refused(names: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier(names=names)


def test_two_arrays_can_change_their_letters() -> None:
    assert "∂L/∂B = " in classifier(names={"W": "B", "X": "W", "b": "x"}).to_text()


def test_a_scalar_that_is_fixed_has_no_letter() -> None:
    loss = symgrad.loss(shapes="x: N, c: scalar", names={"c": r"\gamma"})(lambda x, c: c * np.sum(x**2))
    assert "γ" in symgrad.derive(loss).to_text() and "γ" not in symgrad.derive(loss, "x", c=2).to_text()


def test_arrays_in_matrix_notation_are_bold() -> None:
    derivation = classifier(names=NAMES, vectors="bold")
    latex, page = derivation.to_latex(), derivation.to_html()
    assert r"\frac{\partial L}{\partial \boldsymbol{\Theta}} &= \frac{1}{N} \, \mathbf{X}^{\top}" in latex
    assert r"\boldsymbol{\theta}_{0}" in latex and r"\tilde{\mathbf{Y}}" in latex and r"\(\mathbf{P}\)" in latex
    assert r"\partial \theta_{dc}" in latex and r"x_{nd}" in latex and r"\mathbf{L}" not in latex
    assert "<mi>𝐗</mi>" in page and "<mi>𝚯</mi>" in page.replace("𝜣", "𝚯") and "mathvariant" not in page
    assert "bold(Θ)" in derivation.to_typst() and "bold(X)" in derivation.to_typst()
    assert derivation.to_text() == classifier(names=NAMES).to_text()


def test_the_identity_is_bold_too() -> None:
    loss = symgrad.loss(shapes="A: N N", vectors="bold")(lambda A: np.trace(A) ** 2)
    assert r"\mathbf{I}_{N}" in symgrad.derive(loss, "A").to_latex()


def test_another_kind_of_vectors_is_refused() -> None:
    with pytest.raises(InputError, match="vectors must be 'bold' or '', not 'arrow'"):
        classifier(vectors="arrow")


@pytest.mark.parametrize(
    ("latex", "letter"),
    [(r"\boldsymbol{\theta}", "𝜽"), (r"\boldsymbol{\Theta}", "𝜣")],
)
def test_browsers_need_bold_characters(latex: str, letter: str) -> None:
    assert markup(latex) == f"<mi>{letter}</mi>"
