"""Typst: every macro of the dialect has a translation, words are escaped, and documents compile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalogue import NAMES, derived
from dialect import FORMULA_MACROS, use

import symgrad
from symgrad.errors import UnsupportedError
from symgrad.render.typst import formula


def compiled(source: str, tmp_path: Path) -> bytes:
    """The document as PDF; raises for an error and for a warning such as a missing font."""
    typst: Any = pytest.importorskip("typst", reason="typst is not installed")
    path = tmp_path / "derivation.typ"
    path.write_text(source, encoding="utf-8")
    pdf, warnings = typst.compile_with_warnings(path)
    assert not warnings
    return bytes(pdf)


@pytest.mark.parametrize(
    ("latex", "typst"),
    [
        (r"\frac{\partial L}{\partial w_{dc}}", "frac(∂ L, ∂ w_(d c))"),
        (r"\sum_{n=1}^{N} x_{nd} \, \hat{y}_{n}", "sum_(n = 1)^(N) x_(n d) thin hat(y)_(n)"),
        (r"\bigl(a - b\bigr)^{2}", "( a − b )^(2)"),
        (r"X^{\top} \odot \mathbf{1}_{N \times D}", "X^(⊤) ⊙ bold(1)_(N × D)"),
        (r"e^{z/2} \max(a, 10.5)", r"e^(z \/ 2) max ( a \, 10.5 )"),
        (r"\left| x \right| \operatorname{erf} \mathrm{a\_b}", 'abs(x) op("erf") upright("a_b")'),
        (r"\left\| X \right\|^{2} \Phi(x)", "norm(X)^(2) Φ ( x )"),
        (r"\begin{cases} a & \text{if } b \\ c & \text{otherwise} \end{cases}", 'cases(a & "if " b , c & "otherwise")'),
        (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", "mat(a , b ; c , d)"),
        (r"{}^{\top}", '""^(⊤)'),
    ],
)
def test_a_formula_is_translated(latex: str, typst: str) -> None:
    assert formula(latex) == typst


def test_an_unknown_macro_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"no translation of \\widehat to Typst"):
        formula(r"\widehat{a}")


def test_every_macro_of_the_dialect_has_a_translation_that_compiles(tmp_path: Path) -> None:
    compiled("\n\n".join(f"${formula(use(macro))}$" for macro in FORMULA_MACROS), tmp_path)


@symgrad.loss(shapes="x: N, a_b: N", wrt="x")
def hostile(x, a_b):  # type: ignore[no-untyped-def]
    """= #x $y *z* _a_ <b> @c `d` \\e [f] // ~ "g" 'h' - i"""
    return np.sum(np.where(x > a_b, abs(x) ** 1.5, np.maximum(x, 0) / 2))


def test_words_that_are_markup_are_escaped(tmp_path: Path) -> None:
    source = symgrad.derive(hostile).to_typst(code=True)
    assert r"= \= \#x \$y \*z\* \_a\_ \<b\> \@c \`d\`" in source
    compiled(source, tmp_path)


def test_parts_of_a_page() -> None:
    source = derived("softmax_cross_entropy").to_typst(code=True, detail="full")
    assert "= Softmax cross\\-entropy from logits" in source and "== The gradients" in source
    assert "side[$display(= frac(1, N) thin ( p_(m c) − y_(m c) ))$]" in source
    assert r"sums to one \[A1\] \ ✓ every shape]" in source
    assert '#raw("def softmax_cross_entropy_gradient(' in source
    assert "breakable: false" in source


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "multiclass_hinge"])
def test_a_document_compiles(name: str, tmp_path: Path) -> None:
    assert compiled(derived(name).to_typst(code=True), tmp_path).startswith(b"%PDF")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[::2])
def test_every_document_compiles(name: str, tmp_path: Path) -> None:
    for detail in ("short", "full"):
        assert compiled(derived(name).to_typst(detail=detail), tmp_path).startswith(b"%PDF")
