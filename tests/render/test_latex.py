"""LaTeX: single formulas, escaping, and documents that pdflatex compiles without an overfull box."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import sampled
from catalogue import NAMES, derived, derived_from
from classifier import LOSSES
from printed import expression_latex
from programs import ZOO
from records import (
    LONG,
    MARKS,
    C,
    G,
    N,
    P,
    S,
    X,
    Y,
    Z,
    b,
    c,
    cross_entropy,
    d,
    k,
    m,
    mse,
    mse_matrix,
    n,
    scalar_adjoint,
)
from sympy import (
    Abs,
    Expr,
    HadamardPower,
    HadamardProduct,
    Integer,
    KroneckerDelta,
    MatMul,
    Matrix,
    Max,
    Min,
    OneMatrix,
    Piecewise,
    Rational,
    Sum,
    Transpose,
    exp,
    log,
    pi,
    sqrt,
    symbols,
    tanh,
)

import symgrad
from symgrad.engine.derive import derive_record
from symgrad.functions import step, where
from symgrad.notation import Array, Axis
from symgrad.render import blocks
from symgrad.render.blocks import Prose
from symgrad.render.latex import _breakable, _LatexPage, to_latex
from symgrad.render.latex_printer import LatexPrinter, escaped
from symgrad.render.layout import layout
from symgrad.render.symbols import vocabulary
from symgrad.steps import Record

RECORD = cross_entropy()
ones = OneMatrix(C.size, 1)
CHOICE = Piecewise((X[n, d], X[n, d] > 0), (0, True))
CASES_OF_A_DELTA = r"\begin{cases} b_{k} & \text{if } \delta_{kc} = 1 \\ 0 & \text{otherwise} \end{cases}"
CASES = r"\begin{cases} x_{nd} & \text{if } x_{nd} > 0 \\ 0 & \text{otherwise} \end{cases}"


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        ((P[m, c] - Y[m, c]) / N.size, r"\frac{1}{N} \, (p_{mc} - y_{mc})"),
        (2 * P[m, c] / (C.size * N.size), r"\frac{2}{N \, C} \, p_{mc}"),
        (Sum(Y[m, k] * KroneckerDelta(k, c), k), r"\sum_{k=1}^{C} y_{mk} \, \delta_{kc}"),
        (exp(Z[n, k]) / S[n], r"\frac{e^{z_{nk}}}{S_{n}}"),
        (exp(Z[n, k] / S[n]), r"\exp\Bigl( \frac{z_{nk}}{S_{n}} \Bigr)"),
        (Sum(X[n, d] * G[n, c], n), r"\sum_{n=1}^{N} x_{nd} \, \frac{\partial L}{\partial z_{nc}}"),
        (log(P[n, k]), r"\log p_{nk}"),
        (Max(0, b[k]), r"\max(0, b_{k})"),
        (Min(0, b[k]), r"\min(0, b_{k})"),
        (step(X[n, d], 0), r"[x_{nd} > 0]"),
        (where(KroneckerDelta(k, c), b[k], 0), CASES_OF_A_DELTA),
        (tanh(Z[n, k]) ** 2, r"(\tanh z_{nk})^{2}"),
        (
            sqrt(2) * tanh(Z[n, k] / sqrt(2)) / sqrt(pi),
            r"\sqrt{\frac{2}{\pi}} \, \tanh\Bigl( \frac{z_{nk}}{\sqrt{2}} \Bigr)",
        ),
        (Sum(CHOICE, n), r"\sum_{n=1}^{N} " + CASES),
        (Sum(CHOICE, n) + b[k], rf"\Bigl( \sum_{{n=1}}^{{N}} {CASES} \Bigr) + b_{{k}}"),
        (CHOICE * Sum(Y[n, k], k), rf"\Bigl( \sum_{{k=1}}^{{C}} y_{{nk}} \Bigr) \, {CASES}"),
        (log(tanh(Z[n, k])), r"\log \tanh z_{nk}"),
        (HadamardPower(P.matrix, symbols("gamma") - 1), r"P^{\odot (\gamma - 1)}"),
        (HadamardPower(P.matrix, symbols("gamma")), r"P^{\odot \gamma}"),
        (
            P[m, c] * (P[m, c] - Sum(P[m, k] * Y[m, k], k)),
            r"p_{mc} \, \Bigl( p_{mc} - \sum_{k=1}^{C} y_{mk} \, p_{mk} \Bigr)",
        ),
        ((S[n] + 1) ** Rational(3, 2), r"(1 + S_{n})^{3/2}"),
        (Abs(X[n, d]), r"\left| x_{nd} \right|"),
        (
            Piecewise((X[n, d], X[n, d] > 0), (0, True)),
            r"\begin{cases} x_{nd} & \text{if } x_{nd} > 0 \\ 0 & \text{otherwise} \end{cases}",
        ),
        (MatMul(Transpose(X.matrix), G.matrix), r"X^{\top} \, G"),
        (Z.matrix.applyfunc(exp), r"\exp(Z)"),
        (OneMatrix(N.size, 1) * b.matrix.T, r"\mathbf{1}_{N} \, b^{\top}"),
        (OneMatrix(1, N.size).T, r"\mathbf{1}_{N}"),
        (OneMatrix(N.size, C.size), r"\mathbf{1}_{N \times C}"),
        (
            MatMul(Integer(-1), HadamardProduct(P.matrix, Y.matrix), ones, Transpose(ones)),
            r"-(Y \odot P) \, \mathbf{1}_{C} \, \mathbf{1}_{C}^{\top}",
        ),
        (HadamardPower(P.matrix - Y.matrix, Integer(2)), r"(P - Y)^{\odot 2}"),
        (
            mse_matrix(),
            r"\frac{2}{N \, C} \, P \odot \bigl( R - (P \odot R) \, \mathbf{1}_{C} \, \mathbf{1}_{C}^{\top} \bigr)",
        ),
    ],
)
def test_formulas(expr: Expr, shown: str) -> None:
    assert expression_latex(expr, mse() if "R" in shown else RECORD) == shown


def test_names() -> None:
    axis = Axis("D")
    i, e = axis.index("d"), axis.index("e")
    square = (axis, axis)
    shown = {
        Array("Xhat", square)[i, e]: r"\hat{x}_{de}",
        Array("W1", square)[i, e]: "w^{(1)}_{de}",
        Array("W1", square)[i, e] ** 2: "(w^{(1)}_{de})^{2}",
        Array("W1", square).matrix: "W_{1}",
        Array("Wq", square)[i, e]: "w^{(q)}_{de}",
        Array("G_Xhat", square).matrix: r"G_{\hat{X}}",
        Array("Sigma", square).matrix: r"\Sigma",
        Array("eps").base: r"\varepsilon",
        Array("probs", (axis,))[i]: r"\mathrm{probs}_{d}",
    }
    known = replace(RECORD, adjoint_arrays={"Z": Array("G_Xhat", square)})
    source = {True: known, False: None}
    assert {x: expression_latex(x, source["G_Xhat" in str(x)]) for x in shown} == shown


def test_the_letter_e_has_one_meaning() -> None:
    e = Array("e", (N,))
    assert expression_latex(exp(e[n])) == r"\exp(e_{n})"
    assert expression_latex(exp(-X[n, Axis("D").index("e")]), RECORD) == r"\exp(-x_{ne})"
    for name in ("attention_head", "gaussian"):  # they have an array E, an array e
        page = to_latex(layout(derived(name).record, evaluation=derived(name).evaluation.record))
        assert r"\exp(" in page
        assert set(re.findall(r"\be\^\{([^}]*)", page)) <= {r"\top", "(2)", r"(\mathrm{shifted"}
    assert "e^{z_{nk}}" in to_latex(layout(derived("softmax_cross_entropy").record))


def test_explicit_matrices() -> None:
    x_11, x_12, b_1 = symbols("x_11 x_1_12 b_1")
    shown = r"\begin{pmatrix} x_{11} & x_{1,12} \\ 2 \, b_{1} & 0 \end{pmatrix}"
    assert expression_latex(Matrix([[x_11, x_12], [2 * b_1, 0]])) == shown


def test_user_text_is_escaped() -> None:
    assert escaped("50% of a_b & #1 {x} \\ ~^") == (
        r"50\% of a\_b \& \#1 \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}"
    )
    assert escaped("é ≠ 中") == r"é \(\ne\) [U+4E2D]"


def test_names_in_words_are_mathematics() -> None:
    def sentence(words: str) -> str:
        return LatexPrinter(vocabulary(RECORD)).write((Prose(words),))

    assert sentence("sum over n: only n = m survives") == r"sum over \(n\): only \(n\) = \(m\) survives"
    assert sentence("a row of Y, the user's b") == r"a row of \(Y\), the user's \(b\)"
    assert sentence("sum over a: only a = d survives") == r"sum over \(a\): only \(a\) = \(d\) survives"


def test_the_fragment_numbers_its_lines_and_gives_reasons() -> None:
    page = to_latex(layout(RECORD, MARKS))
    assert r"\tag{11}" in page and r"\begin{flalign*}" in page
    assert r"a row of \(Y\) sums to one [A1]" in page
    assert r"\(\checkmark\) exactly at shapes (2, 4, 3)" in page and r"\(\times\) wrong" in page
    assert r"\(X^{\top}\): \(D \times N\), \(G\): \(N \times C\) \(\to\) \(D \times C\)" in page
    assert r"\documentclass" not in page


def test_headings_and_marks() -> None:
    page = to_latex(layout(RECORD, {6: "unproved", 7: LONG, 8: "definition"}))
    for heading in ("Axes", "Arrays", "Assumptions", "The gradients"):
        assert rf"\subsection*{{{heading}}}" in page
    for mark in (r"\(\times\) unproved", rf"\(\checkmark\) {LONG}", r"\newline definition"):
        assert mark in page


def test_tables_are_paragraphs() -> None:
    tables = tuple(blocks.Table((words,), ((words,),)) for words in ("Axes", "Arrays"))
    first, second = _LatexPage(layout(RECORD, {})).show_Tables(blocks.Tables(tables)).split("\n\n")
    assert first.endswith(r"\end{tabular}") and second.startswith(r"\subsection*{Arrays}")


def test_the_adjoint_of_a_scalar() -> None:
    record, entry, matrix = scalar_adjoint()
    assert expression_latex(entry, record) == r"x_{nd} \, \frac{\partial L}{\partial \tau}"
    assert expression_latex(matrix, record) == r"G_{\tau} \, X"


def compiled(page: str, where: Path) -> str:
    """What pdflatex says about a standalone document."""
    where.mkdir(exist_ok=True)
    (where / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    run = subprocess.run(command, cwd=where, capture_output=True, text=True, errors="replace", check=False)
    assert run.returncode == 0, run.stdout[-2000:]
    return run.stdout


def marked(record: Record) -> str:
    return to_latex(layout(record, {step.number: "every shape" for step in record.steps}), standalone=True)


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@needs_tex
@pytest.mark.parametrize("name", LOSSES)
def test_losses_compile(name: str, tmp_path: Path) -> None:
    assert "Overfull" not in compiled(marked(derived_from(LOSSES[name], ("W", "b")).record), tmp_path)


SOME = ("softmax_mse", "huber", "layer_norm", "attention_head")


@pytest.mark.slow
@needs_tex
def test_the_catalogue_compiles(tmp_path: Path) -> None:
    """Every second loss, some of them in one notation alone and with the code; pdflatex runs twice at a time."""
    wanted: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in NAMES[::2]]
    wanted += [(name, {"notation": notation}) for name in SOME for notation in ("index", "matrix")]
    wanted += [(name, {"code": True}) for name in SOME]
    pages = [derived(name).to_latex(standalone=True, **options) for name, options in wanted]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(compiled, pages, [tmp_path / str(place) for place in range(len(pages))]))
    overfull = [what for what, words in zip(wanted, said, strict=True) if "Overfull" in words]
    assert not overfull


@needs_tex
@pytest.mark.parametrize("name", sampled(ZOO, every=12))
def test_other_programs_compile(name: str, tmp_path: Path) -> None:
    assert "Overfull" not in compiled(marked(derived_from(*ZOO[name]).record), tmp_path)


@needs_tex
def test_hostile_words_compile(tmp_path: Path) -> None:
    program = replace(RECORD.program, summary="100% of #1 & $x_1$ \\ { 中 “δ”")
    steps = (replace(RECORD.steps[0], reason="by_user's <rule> & 50% ~ ^ x²"), *RECORD.steps[1:])
    assert "Overfull" not in compiled(marked(replace(RECORD, program=program, steps=steps)), tmp_path)


def test_arrays_of_more_than_two_axes_are_said_to_have_no_matrix_form() -> None:
    page = to_latex(layout(derive_record(ZOO["tensor_form"][0](), ("T",))))
    assert r"\(T\) has three axes: index notation only." in page and r"t_{ijk}" in page


def test_a_case_that_begins_with_a_relation() -> None:
    @symgrad.loss(shapes="v: N, w: N", wrt="w")
    def relation_first(v, w):
        return np.sum(np.where(v > 1, (v > 2) * w, 3 * w))

    derivation = symgrad.derive(relation_first)
    assert r"\begin{cases} {}[v_{m} > 2]" in derivation.to_latex()
    assert derivation.to_html() and derivation.to_mathml()


def test_a_long_formula_breaks_before_a_sign_and_least_inside_brackets() -> None:
    shown = _breakable(r"\frac{a - b}{c} \, \Bigl( x - y \Bigr) \odot \begin{cases} p + q & r \end{cases} + z", 0.5)
    assert shown.startswith(r"\parbox[t]{0.50\linewidth}{\raggedright\binoppenalty=10000")
    inside = shown.partition(r"\displaystyle ")[2].removesuffix(r"\)}")
    assert inside == (
        r"\frac{a - b}{c} \penalty2000 \, \Bigl( x \penalty300 - y \Bigr) \penalty100 \odot "
        r"\begin{cases} p + q & r \end{cases} \penalty0 + z"
    )
