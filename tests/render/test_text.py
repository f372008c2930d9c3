"""Text: the lines of both losses as the issue asks for them, and what single formulas look like."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from cases import sampled
from catalogue import NAMES, TYPICAL_PROGRAMS, derived, derived_from, typical
from classifier import LOSSES
from printed import expression_latex
from programs import ZOO
from records import (
    LONG,
    MARKS,
    C,
    D,
    G,
    N,
    P,
    S,
    W,
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
    mse_entry,
    mse_matrix,
    n,
    scalar_adjoint,
)
from sympy import (
    Abs,
    Expr,
    Float,
    HadamardPower,
    HadamardProduct,
    Identity,
    Integer,
    KroneckerDelta,
    MatMul,
    Matrix,
    Max,
    Mul,
    OneMatrix,
    Piecewise,
    Rational,
    Sum,
    Symbol,
    Trace,
    Transpose,
    exp,
    log,
    pi,
    sqrt,
    symbols,
    tanh,
)

from symgrad import derive, steps
from symgrad.array.expression import parse
from symgrad.engine.derive import derive_record
from symgrad.equations import node
from symgrad.errors import InputError, SymgradError
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.render import line_writer
from symgrad.render.blocks import Tables
from symgrad.render.html import to_html
from symgrad.render.latex import to_latex
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.layout import layout
from symgrad.render.markdown import to_markdown
from symgrad.render.mathml import to_mathml
from symgrad.render.order import ordered
from symgrad.render.phrases import mark_sign, reduction_words
from symgrad.render.shapes import products
from symgrad.render.symbols import axis_rows, vocabulary
from symgrad.render.text import broken, expression_text, to_text
from symgrad.render.text_printer import TextPrinter
from symgrad.steps import MatrixTotal, Record, Step, Total

RECORD = cross_entropy()
PAGE = to_text(layout(RECORD, MARKS))
LAMBDA = Array("lambda_").base
ones = OneMatrix(C.size, 1)


def cases(positive: Expr, yes: Expr | int, no: Expr | int) -> Expr:
    return Piecewise((yes, positive > 0), (no, True))


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        ((P[m, c] - Y[m, c]) / N.size, "(1/N) (p_mc − y_mc)"),
        ((Y[m, c] - P[m, c]) / -N.size, "(1/N) (p_mc − y_mc)"),
        (2 * (Y[m, c] - P[m, c]) / (C.size * N.size), "(2/(N C)) (y_mc − p_mc)"),
        (-Sum(Y[m, k] * (KroneckerDelta(k, c) - P[m, c]), k) / N.size, "−(1/N) Σ_k y_mk (δ_kc − p_mc)"),
        ((P[m, c] * Sum(Y[m, k], k) - Y[m, c]) / N.size, "(1/N) (p_mc Σ_k y_mk − y_mc)"),
        (Sum(-Y[n, k] * log(P[n, k]), n, k) / N.size, "−(1/N) Σ_n Σ_k y_nk log p_nk"),
        (Sum(X[n, d] * W[d, k], d) + b[k], "Σ_d x_nd w_dk + b_k"),
        (Sum(X[n, d] * G[n, c], n), "Σ_n x_nd ∂L/∂z_nc"),
        (exp(Z[n, k]) / S[n], "exp(z_nk)/S_n"),
        (exp(Z[n, k]) * KroneckerDelta(n, m) / S[n], "(exp(z_nk)/S_n) δ_nm"),
        (Z[n, k] - log(S[n]), "z_nk − log S_n"),
        (log(P[n, k]) * P[n, c] * Sum(Y[n, k], k), "p_nc log(p_nk) Σ_k y_nk"),
        (1 / (1 + exp(-Z[n, k])), "sigmoid z_nk"),
        (1 / (2 + exp(-Z[n, k])), "1/(2 + exp(−z_nk))"),
        (P[n, k] * (1 - P[n, k]), "p_nk (1 − p_nk)"),
        (1 - tanh(Z[n, k]) ** 2, "1 − (tanh z_nk)²"),
        (Z[n, k] / sqrt(2), "z_nk/√2"),
        (Z[n, k] * P[n, k] / sqrt(2), "(1/√2) z_nk p_nk"),
        (sqrt(2) * Z[n, k] / sqrt(pi), "√(2/π) z_nk"),
        (exp(-Z[n, k]) / sqrt(2 * pi), "(1/√(2 π)) exp(−z_nk)"),
        (2 * exp(-Z[n, k]) / sqrt(pi), "(2/√π) exp(−z_nk)"),
        (sqrt(6) * Z[n, k] / 3, "√(2/3) z_nk"),
        (sqrt(6) * Z[n, k] / 4, "(√6/4) z_nk"),
        (sqrt(3) * Z[n, k] / 2, "(√3/2) z_nk"),
        (sqrt(2) * Z[n, k] / (4 * sqrt(N.size)), "(1/(2 √2 √N)) z_nk"),
        (exp(-pi * Z[n, k]), "exp(−π z_nk)"),
        (log(tanh(Z[n, k])) + log(2) * log(LAMBDA), "log tanh z_nk + log(2) log λ"),
        (log(tanh(Z[n, k])) * Sum(Z[n, k], k), "log(tanh z_nk) Σ_k z_nk"),
        (tanh(Integer(-2)), "−tanh 2"),
        (log(exp(Z[n, k]) + 1), "log(1 + exp(z_nk))"),
        (Sum((P[n, k] - Y[n, k]) ** 2, k), "Σ_k (p_nk − y_nk)²"),
        (Sum(X[n, d] ** 2, n, d) * LAMBDA / 2, "(λ/2) Σ_n Σ_d x_nd²"),
        (Sum(P[n, k], k) * Sum(Y[n, k], k), "(Σ_k y_nk) Σ_k p_nk"),
        ((N.size - 1) * X[n, d] / N.size, "((N − 1)/N) x_nd"),
        (X[n, d] / sqrt(N.size), "(1/√N) x_nd"),
        ((S[n] + LAMBDA) ** Rational(-3, 2), "1/(S_n + λ)^(3/2)"),
        (Abs(X[n, d]) + Max(0, b[k]), "abs x_nd + max(0, b_k)"),
        (Float(0.25) * X[n, d], "0.25 x_nd"),
        (Mul(Float(1.0), X[n, d], evaluate=False), "x_nd"),
        (Float(-1.0) * X[n, d] + b[k], "b_k − x_nd"),
        (Float(1.0), "1"),
        (-Y[m, c] / (N.size * P[m, c]), "−(1/N) y_mc/p_mc"),
        (-Y[m, c] * KroneckerDelta(k, c) / (N.size * P[m, c]), "−(1/N) (y_mc/p_mc) δ_kc"),
        (exp(-Y[m, c] / P[m, c]) / (N.size * S[n]), "(1/N) exp(−y_mc/p_mc)/S_n"),
        (Piecewise((X[n, d], X[n, d] > 0), (0, True)), "x_nd if x_nd > 0, else 0"),
        (cases(X[n, d], cases(Y[n, k], Y[n, k], 0), 1), "(y_nk if y_nk > 0, else 0) if x_nd > 0, else 1"),
        (cases(X[n, d], 1, cases(Y[n, k], Y[n, k], 0)), "1 if x_nd > 0, else y_nk if y_nk > 0, else 0"),
        (cases(X[n, d], 2, 0) - cases(Y[n, k], 2, 1), "(2 if x_nd > 0, else 0) − (2 if y_nk > 0, else 1)"),
        (Sum(0, k), "Σ_k 0"),
        (Integer(-1), "−1"),
        (mse_entry(), "(2/(N C)) p_mc (r_mc − Σ_k p_mk r_mk)"),
    ],
)
def test_entries(expr: Expr, shown: str) -> None:
    record = mse() if shown.startswith("(2/(N C)) p") else RECORD
    assert expression_text(expr, record) == shown


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        (MatMul(1 / N.size, P.matrix - Y.matrix), "(1/N) (P − Y)"),
        (MatMul(Transpose(X.matrix), G.matrix), "Xᵀ G"),
        (X.matrix * W.matrix + OneMatrix(N.size, 1) * b.matrix.T, "X W + 1_N bᵀ"),
        (
            MatMul(Integer(-1), HadamardProduct(P.matrix, Y.matrix), ones, Transpose(ones)),
            "−(Y ⊙ P) 1_C 1_Cᵀ",
        ),
        (
            HadamardProduct(Z.matrix.applyfunc(exp), HadamardPower(S.matrix, Integer(-1)) * ones.T),
            "exp(Z) ⊘ (S 1_Cᵀ)",
        ),
        (HadamardPower(P.matrix - Y.matrix, Integer(2)), "(P − Y)^⊙2"),
        (HadamardPower(P.matrix, Integer(2)), "P ⊙ P"),
        (OneMatrix(N.size, C.size) - P.matrix, "1_(N×C) − P"),
        (OneMatrix(1, 1) - Transpose(b.matrix) * b.matrix, "1 − bᵀ b"),
        (Identity(1) - Transpose(b.matrix) * b.matrix, "1 − bᵀ b"),
        (MatMul(b.matrix, OneMatrix(1, 1)), "b"),
        (P.matrix.applyfunc(lambda x: log(tanh(x))), "log(tanh(P))"),
        (Identity(N.size) * X.matrix, "X"),
        (Trace(P.matrix * Y.matrix.T), "tr(P Yᵀ)"),
        (mse_matrix(), "(2/(N C)) P ⊙ (R − (P ⊙ R) 1_C 1_Cᵀ)"),
    ],
)
def test_matrices(expr: Expr, shown: str) -> None:
    record = mse() if "R" in shown else RECORD
    assert expression_text(expr.doit() if expr.func is MatMul and expr.has(Identity) else expr, record) == shown


def test_names() -> None:
    assert [expression_text(Symbol(name)) for name in ("lam", "lambda_", "lam2")] == ["λ", "λ", "λ2"]
    assert expression_latex(Symbol("lam")) == expression_latex(Symbol("lambda_")) == r"\lambda"
    assert expression_latex(Symbol("Lam")) == r"\Lambda"
    axis = Axis("D")
    i = axis.index("d")
    square = (axis, axis)
    e = axis.index("e")
    shown = {
        Array("Xhat", square)[i, e]: "x̂_de",
        Array("W1", square)[i, e]: "w1_de",
        Array("Wq", square)[i, e]: "wq_de",
        Array("Wq", square).matrix: "W_q",
        Array("D_KL", square).matrix: "D_KL",  # one mark
        Array("mu", (axis,))[i]: "μ_d",
        Array("probs", (axis,))[i]: "probs_d",
        Array("lambda_").base: "λ",
        Symbol("x_11"): "x_11",
        Symbol("x_1_10"): "x_1,10",
    }
    assert {expr: expression_text(expr) for expr in shown} == shown


def test_two_matrices_that_differ_in_case_alone_keep_it() -> None:
    small, large, total = Array("w", W.axes), Array("W", W.axes), Array("L")
    program = Program("both", W.axes, (small, large), (node(total.base, Sum(small[d, k] * large[d, k], d, k)),), "L")
    assert expression_text(small[d, k] * large[d, k], program) == "w_dk W_dk"


def test_explicit_entries_follow_the_program() -> None:
    x_12, w_21, b_1 = symbols("x_12 w_21 b_1")
    assert expression_text(b_1 + w_21 * x_12, RECORD) == "x_12 w_21 + b_1"


def test_explicit_matrices() -> None:
    x_11, x_2, b_1 = symbols("x_11 x_2 b_1")
    assert expression_text(Matrix([[x_11, 2 * b_1], [0, -x_2]])) == "[x_11, 2 b_1; 0, −x_2]"


@pytest.mark.parametrize(
    "line",
    [
        "   1  z_nk = Σ_d x_nd w_dk + b_k",
        "   7                   = δ_nm (δ_kc − p_nc)",
        "   9           = −(1/N) Σ_k y_mk (δ_kc − p_mc)",
        "  10           = (1/N) (p_mc Σ_k y_mk − y_mc)",
        "  11           = (1/N) (p_mc − y_mc)",
        "  13  ∂L/∂w_dc = Σ_n x_nd ∂L/∂z_nc",
        "  16  G = ∂L/∂Z = (1/N) (P − Y)",
        "  17  ∂L/∂W = Xᵀ G",
        "a row of Y sums to one [A1]",
        "in terms of P [S_n ≠ 0]",
        "Xᵀ: D×N, G: N×C → D×C",
        "[A1] each row of Y sums to one: Σ_k y_nk = 1 (used by line 11)",
        "Reduction: the sum over the rows of the batch and the classes, divided by N.",
        "b is (C,) in NumPy, C×1 here",
        "S_n ≠ 0: a sum of exponentials (3, 7)",
        "✓ exactly at shapes (2, 4, 3)",
        "✗ wrong",
    ],
)
def test_the_page_of_cross_entropy(line: str) -> None:
    assert line in PAGE


def test_equals_signs_and_marks_align() -> None:
    lines = {i: next(x for x in PAGE.splitlines() if x.startswith(f"{i:4}  ")) for i in (9, 10, 11)}
    assert len({x.index("=") for x in lines.values()}) == 1
    assert lines[10].index("✓") == lines[11].index("✗")


def test_notation() -> None:
    index, matrix = to_text(layout(RECORD, notation="index")), to_text(layout(RECORD, notation="matrix"))
    assert "Xᵀ G" not in index and "Σ_n x_nd" in index
    assert "Xᵀ G" in matrix and "Σ_n x_nd" not in matrix
    with pytest.raises(InputError, match="expected one of both, index, matrix"):
        to_text(layout(RECORD, notation="tensor"))


def test_a_formula_of_more_lines_than_calls_may_be_nested_is_broken() -> None:
    assert broken(" + ".join("a" * 1500), 4) == ["a", *["+ a"] * 1499]


def test_long_formulas_break_outside_of_brackets() -> None:
    assert broken("a + (b + c) − d", 12) == ["a + (b + c)", "− d"]
    assert broken("abcdef", 3) == ["abcdef"]
    assert broken("a + (bbbb + cccc)", 15) == ["a", "+ (bbbb + cccc)"]
    assert broken("(1/N) (bbb + ccc)", 14) == ["(1/N)", "(bbb + ccc)"]
    assert broken("Σ_n a_n log p_n (b + c)", 14) == ["Σ_n a_n", "log p_n", "(b + c)"]
    assert broken("(aaaa + bbbb) ⊙ C", 14) == ["(aaaa + bbbb)", "⊙ C"]
    assert broken("2 (aaaa + bbbb + cccc)", 14) == ["2 (aaaa + bbbb", "+ cccc)"]


def test_marks() -> None:
    signs = {"every shape": "✓", "exactly at": "✓", "randomised": "✓", "numerically": "✓"}
    signs |= {"unproved": "✗", "wrong": "✗", "definition": "", "": ""}
    assert {mark: mark_sign(mark) for mark in signs} == signs


def test_a_long_mark_stands_below_the_reason() -> None:
    lines = to_text(layout(RECORD, {7: LONG, 10: "every shape"})).splitlines()
    (below,) = (line for line in lines if LONG in line)
    assert below.split() == ["✓", *LONG.split()] and len(below) <= 140
    assert lines[lines.index(below) - 1].startswith("   7")


def test_the_adjoint_of_a_scalar() -> None:
    record, entry, matrix = scalar_adjoint()
    assert expression_text(entry, record) == "x_nd ∂L/∂τ"
    assert expression_text(matrix, record) == "G_τ X"
    step = Step(1, MatrixTotal(X), None, matrix, "matrix", "in matrix notation")
    again = replace(step, number=2, subject=Total(X[n, d]), after=entry)
    own = replace(step, number=3, subject=MatrixTotal(Array("tau")), after=Trace(P.matrix * Y.matrix.T))
    page = to_text(layout(replace(record, steps=(step, again, own))))
    for shown in ("∂L/∂X = G_τ X", "∂L/∂x_nd = x_nd ∂L/∂τ", "G_τ = ∂L/∂τ = tr(P Yᵀ)"):
        assert shown in page


def test_definitions_keep_the_signs_of_their_author() -> None:
    mu, v, total = Array("mu", (N,)), Array("v", (N,)), Array("L")
    program = Program(
        "signs",
        (N, D),
        (X,),
        (
            node(mu[n], Sum(X[n, d], d) / D.size),
            node(v[n], Sum((X[n, d] - mu[n]) ** 2 - 3 * X[n, d] * (mu[n] - X[n, d]), d)),
            node(total.base, Sum((mu[n] - v[n]) ** 2, n)),
        ),
        "L",
    )
    page = to_text(layout(derive_record(program, ("X",))))
    for line in (
        "v_n = Σ_d ((x_nd − μ_n)² − 3 x_nd (μ_n − x_nd))",
        "L = Σ_n (μ_n − v_n)²",
        "v = ((X − μ 1_Dᵀ)^⊙2 − 3 X ⊙ (μ 1_Dᵀ − X)) 1_D",
        "L = ‖μ − v‖²",
    ):
        assert line in page
    assert expression_text((mu[n] - v[n]) ** 2, program) == "(v_n − μ_n)²"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("info_nce", "G = ∂L/∂Z = (1/N) (P − I_N)"),
        ("info_nce", "∂L/∂u_md = (1/(N τ)) Σ_i v_id (p_mi − δ_im)"),
        ("clip_loss", "∂L/∂V = (1/(2 N τ)) (P + Q − 2 I_N)ᵀ U"),
        ("huber", "G = ∂L/∂e = (1/N) clip(e, −δ, δ)"),
        ("clip_loss", "L = −(1/(2 N)) Σ_n (log p_nn + log q_nn)"),
        ("poisson", "∂L/∂z_m = (1/N) Σ_n (exp(z_n) δ_nm − y_n δ_nm)"),
        ("softmax_cross_entropy", "= −(1/N) Σ_k y_mk (δ_kc − p_mc)"),
        ("matrix_factorisation", "L = Σ_m Σ_n e_mn² + λ (Σ_m Σ_k u_mk² + Σ_n Σ_k v_nk²)"),
        ("elastic_net", "λ (α 1_Dᵀ |w| + ((1 − α)/2) wᵀ w)"),
        ("attention_head", "∂L/∂X = G_Q W_qᵀ + G_K W_kᵀ + G_V W_vᵀ"),
    ],
)
def test_signs_and_terms_stand_as_one_writes_them(name: str, line: str) -> None:
    assert f" {line} " in to_text(layout(derived(name).record)).replace("\n", " ")


def test_an_axis_that_is_summed_over_twice_is_named_once() -> None:
    e, a = D.index("e"), D.index("a")
    total = Array("L")
    body = Sum(W[d, k] * W[e, k] * W[a, k], d, e, a, k) / 2
    words = reduction_words(Program("thrice", (D, C), (W,), (node(total.base, body),), "L"))
    assert words == "the sum over the features (three times) and the classes, divided by 2"


def test_matrix_notation_alone_cites_no_line_that_it_does_not_show() -> None:
    page = to_text(layout(RECORD, notation="matrix"))
    numbered = {int(line[:4]) for line in page.splitlines() if line[:4].strip().isdigit()}
    cited = {int(n) for group in re.findall(r"\(([\d, ]+)\)", page) for n in group.split(", ")}
    assert min(numbered) > 1 and cited <= numbered
    assert "S_n ≠ 0: a sum of exponentials\n" in page
    assert "Σ_k y_nk = 1\n" in page and "not used" not in page


def test_what_a_gradient_names_is_listed() -> None:
    adjoint = replace(RECORD.adjoints["Z"], matrix=None)
    page = to_text(layout(replace(RECORD, adjoints={"Z": adjoint}), notation="matrix")).split("The gradients\n")[1]
    assert page.count("∂L/∂z_mc = (1/N) (p_mc − y_mc)\n") == 1
    assert "∂L/∂W = Xᵀ G" in page and "\n      No matrix form was found for G.\n" in page


@pytest.mark.parametrize("write", [to_text, to_latex, to_mathml])
def test_a_gradient_without_a_matrix_form_is_printed_once(write: Callable[..., str]) -> None:
    """That it has none is said once, in words."""

    def shown(record: Record, notation: str = "both") -> str:
        return re.sub('alttext="[^"]*"', "", write(layout(record, notation=notation)))

    stands = shown(RECORD).split("The gradients")[1].count("G")
    record = replace(RECORD, gradients={n: replace(g, matrix=None) for n, g in RECORD.gradients.items()})
    page = shown(record).split("The gradients")[1]
    assert stands > 0 and page.count("No matrix form was found for") == 1
    assert "No matrix form" not in shown(record, "index")
    if write is to_text:
        assert len(re.findall("∂L/∂w_dc =", page)) == 1 and "∂L/∂W =" not in page
        assert "      No matrix form was found for ∂L/∂W and ∂L/∂b.\n" in page


def test_the_axes_list_the_letters_that_lines_use() -> None:
    rows = {row.name: row.letters for row in axis_rows(RECORD, None, vocabulary(RECORD))}
    assert rows == {"N": ("n", "m"), "D": ("d",), "C": ("k", "j", "c")}
    page = to_text(layout(RECORD))
    assert "  D   features            indices d\n" in page
    for letters in rows.values():
        assert all(re.search(rf"[_\w]{letter}\b", page) for letter in letters)


def test_the_names_in_matrix_lines_are_collected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    collect = steps.matrix_names
    for module in (steps, line_writer):
        monkeypatch.setattr(module, "matrix_names", lambda expr: calls.append(expr) or collect(expr))
    layout(RECORD)
    assert len(calls) < 2 * len(RECORD.steps)


def test_a_product_that_does_not_fit_is_refused() -> None:
    names = vocabulary(RECORD)
    with pytest.raises(SymgradError, match="N x C times N x C"):
        list(products(ordered(MatMul(P.matrix, Y.matrix), names), names.arrays))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", sampled(["mean", "sum", "batch_mean"], "mean"))
def test_derivations_of_the_losses_print(name: str, reduction: str) -> None:
    page = to_text(layout(derive_record(LOSSES[name](reduction), ("W", "b"))))
    assert "∂L/∂W = " in page
    assert max(len(line) for line in page.splitlines()) <= 132


@pytest.mark.parametrize("name", typical(ZOO, TYPICAL_PROGRAMS))
def test_derivations_of_other_programs_print(name: str) -> None:
    page = to_text(layout(derived_from(*ZOO[name]).record))
    assert all(letter not in page for letter in "{}*")


PAIRS = "sum((A[:,None,:]-A[None,:,:])**2,axis=2)"
DIFFERENCES = {
    "t-distribution": (f"sum((1-eye(N))/(1+{PAIRS}))", "A: N D", "A"),
    "its square": (f"sum((1-eye(N))/(1+{PAIRS})**2)", "A: N D", "A"),
    "logarithm": (f"sum(W*log(1+{PAIRS}))", "A: N D, W: N N", "A"),
    "fourth power": ("mean((x[:,None]-x[None,:])**4)", "x: N", "x"),
    "of the mean": ("sum((x-mean(x))**4)", "x: N", "x"),
    "root": ("mean(sqrt(1+(x[:,None]-y[None,:])**2))", "x: N, y: K", "x"),
}


def shown_twice(record: Record) -> list[int | None]:
    """The numbers of the lines that show what the line above shows, in a notation."""
    page = layout(record)
    groups = [group for section in page.sections for group in section.groups]
    printers = [printer(page.names).show for printer in (TextPrinter, LatexPrinter)]
    pairs = [(above.right, line) for group in groups for above, line in pairwise(group)]
    return [line.number for above, line in pairs if any(show(above) == show(line.right) for show in printers)]


MADE = {**ZOO, **{f"ready-made {name}": name for name in NAMES}}


@pytest.mark.parametrize("name", sampled(MADE, every=8))
def test_no_line_shows_what_the_one_above_shows(name: str) -> None:
    made = MADE[name]
    assert not shown_twice((derived(made) if isinstance(made, str) else derived_from(*made)).record)


@pytest.mark.parametrize("expression", sampled(map(pytest.param, DIFFERENCES.values()), every=3), ids=DIFFERENCES)
def test_no_line_of_differences_shows_what_the_one_above_shows(expression: tuple[str, str, str]) -> None:
    """Terms with differences in opposite order print as one before they are collected."""
    assert not shown_twice(derive(parse(*expression)).record)


def test_arrays_of_more_than_two_axes_are_said_to_have_no_matrix_form() -> None:
    of = derive_record(ZOO["tensor_form"][0](), ("X", "T"))
    page = to_text(layout(of))
    assert "T has three axes: index notation only." in page
    assert "T   (I, J, K)   t_ijk" in page and "∂L/∂t_ijk = (2/N) Σ_n x_ni v_nj z_nk (f_n − u_n)" in page
    assert page.count("∂L/∂t_ijk = (2/N)") == 1  # the gradient of T stands once, that of X also as what has no form
    assert "∂L/∂T" not in page and "index notation only" not in to_text(layout(of, notation="index"))
    both = to_text(layout(derived_from(*ZOO["heads"]).record))
    assert "have three axes and Q, K, V, Z, A and O have four axes: index" in both


def test_the_letters_of_an_entry_differ_whatever_its_axes() -> None:
    axes = tuple(Axis(name) for name in "CKDDE")  # all but one share letters with others
    a = Array("a", axes)
    letters = [axis.index(letter) for axis, letter in zip(axes, "klpqr", strict=True)]
    loss = node(Array("L").base, Sum(a[tuple(letters)] ** 2, *letters))
    page = to_text(layout(derive_record(Program("axes", tuple(dict.fromkeys(axes)), (a,), (loss,), "L"), ("a",))))
    assert "a   (C, K, D, D, E)   a_kmdef   input" in page


@pytest.mark.parametrize("name", ["attention_head", "info_nce", "clip_loss", "soft_dice"])
def test_the_table_has_the_entries_of_the_definitions(name: str) -> None:
    page = layout(derived(name).record)
    defined = {line.left for group in page.sections[0].groups for line in group}
    (tables,) = (block for block in page.blocks if isinstance(block, Tables))
    entries = {row[2][0] for row in tables.tables[-1].rows if not row[3][0].startswith("input")}
    assert entries and entries <= defined


def test_relations_in_brackets_are_explained_where_there_are_any() -> None:
    remark = "A relation in brackets, such as"
    for name, shown in (("relu_perceptron", True), ("mse", False)):
        page = layout(derived(name).record)
        assert all((remark in render(page)) is shown for render in (to_text, to_latex, to_mathml, to_markdown, to_html))


def test_cases_in_matrix_notation_are_explained_where_there_are_any() -> None:
    for notation, shown in (("both", True), ("index", False)):
        page = layout(derived("huber").record, notation=notation)
        writers = (to_text, to_latex, to_mathml, to_markdown, to_html)
        assert all(("a case is chosen entry by entry" in write(page)) is shown for write in writers)


def test_signs_are_explained_where_there_are_any() -> None:
    page = " ".join(to_text(layout(derived("layer_norm").record)).split())
    assert (
        "δ_nm is 1 if n = m, else 0; 1_D and 1_N are columns of ones; "
        "A ⊙ B is the product entry by entry; A ⊘ B the quotient; A^⊙k the power; "
        "√(v + ε 1_N) is taken entry by entry." in page
    )
    page = to_text(layout(derived("ridge").record, detail="short"))
    assert "entry by entry" not in page and "of ones" not in page


def test_an_input_that_is_declared_positive_is_said_to_be() -> None:
    assert "ε   scalar   ε      input, positive\n" in to_text(layout(derived("layer_norm").record))


def test_a_maximum_of_sums_is_written_in_the_letters_of_its_line() -> None:
    bag = parse("sum(max(W[idx], axis=1))", "W: V D, idx: N T labels of V")
    assert "max_t Σ_v w_vd idx_ntv" in derive(bag, wrt="W").to_text()
