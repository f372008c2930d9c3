"""MathML: every string is XML, and every macro of the dialect is known to latex2mathml."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from catalogue import TYPICAL_PROGRAMS, derived_from, typical
from printed import expression_mathml
from programs import ZOO
from records import LONG, MARKS, G, N, P, X, Y, Z, c, cross_entropy, d, k, m, mse, n, scalar_adjoint
from sympy import HadamardProduct, Piecewise, Transpose, exp, symbols

from symgrad.engine.derive import derive_record
from symgrad.errors import UnsupportedError
from symgrad.render.layout import layout
from symgrad.render.mathml import latex_to_mathml, to_mathml

RECORD = cross_entropy()


def elements(page: str) -> list[ElementTree.Element]:
    """The elements of a sequence of ``<math>`` blocks."""
    return list(ElementTree.fromstring(f"<page>{page}</page>").iter())


def words(page: str) -> str:
    return " ".join(e.text or "" for e in elements(page) if e.tag.endswith("mtext"))


def test_an_expression_is_one_element() -> None:
    root = ElementTree.fromstring(expression_mathml((P[m, c] - Y[m, c]) / N.size, RECORD))
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert root.get("display") == "block"
    assert "".join(root.itertext()) == "1N(pmc−ymc)"


@pytest.mark.parametrize(
    "expr",
    [
        HadamardProduct(P.matrix, Y.matrix) * Transpose(G.matrix),
        Transpose(P.matrix - Y.matrix),
        Piecewise((X[n, d], X[n, d] > 0), (exp(Z[n, k]), True)),
        symbols("x_11") ** 2,
    ],
)
def test_every_formula_is_xml(expr: object) -> None:
    ElementTree.fromstring(expression_mathml(expr, RECORD))


def test_a_superscript_holds_on_to_the_whole_bracket() -> None:
    root = ElementTree.fromstring(expression_mathml(Transpose(P.matrix - Y.matrix), RECORD))
    (power,) = (e for e in root.iter() if e.tag.endswith("msup"))
    assert "".join(power[0].itertext()) == "(P−Y)"


def test_a_bold_digit_is_bold_by_itself() -> None:
    assert "\N{MATHEMATICAL BOLD DIGIT ONE}" in latex_to_mathml(r"\mathbf{1}_{N}")


def test_the_words_for_readers_without_mathml() -> None:
    expr = (P[m, c] - Y[m, c]) / N.size
    assert ElementTree.fromstring(expression_mathml(expr, RECORD)).get("alttext") == "(1/N) (p_mc − y_mc)"
    assert ElementTree.fromstring(latex_to_mathml('x < "y"')).get("alttext") == 'x < "y"'
    blocks = to_mathml(layout(RECORD, MARKS)).splitlines()
    said = [ElementTree.fromstring(block).get("alttext") or "" for block in blocks]
    assert all(said)
    assert any(words.startswith("16 G = ∂L/∂Z = (1/N) (P − Y) in matrix notation (11); N×C; 17 ") for words in said)


@pytest.mark.parametrize("latex", [r"x \nobreak y", "x & y", "x_2}", "^{2} x", "# x", r"\text{<b/>}", "{", "a^"])
def test_what_is_left_of_tex_is_refused(latex: str) -> None:
    with pytest.raises(UnsupportedError):
        latex_to_mathml(latex)


@pytest.mark.parametrize(
    ("latex", "inside"),
    [
        (r"\mathrm{probs}_{d}", '<msub><mpadded depth="0"><mi>probs</mi></mpadded><mi>d</mi></msub>'),
        (r"\mathrm{A}_{n}", "<msub><mtext>A</mtext><mi>n</mi></msub>"),
        (r"\mathrm{ab} \mathrm{cd}", "<mi>ab</mi><mi>cd</mi>"),
        (r"{x}^{\top} = y", "<msup><mi>x</mi><mo>⊤</mo></msup><mo>=</mo><mi>y</mi>"),
        (
            r"{(x)}^{2}",
            '<msup><mrow><mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo></mrow><mn>2</mn></msup>',
        ),
    ],
)
def test_the_markup_is_compact(latex: str, inside: str) -> None:
    assert latex_to_mathml(latex).split(">", 1)[1] == f"{inside}</math>"


def test_an_unknown_macro_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="nosuchmacro"):
        latex_to_mathml(r"\nosuchmacro{x}")


def test_malformed_xml_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no well-formed XML"):
        latex_to_mathml(r"\text{a & b}")


def test_the_page() -> None:
    page = to_mathml(layout(RECORD, MARKS))
    shown = words(page)
    for expected in ("Derivatives with respect to Z", "a row of Y sums to one [A1]", "✗ wrong", "The gradients"):
        assert expected in shown


def test_headings_marks_and_conditions() -> None:
    marks = {6: "unproved", 7: LONG, 8: "definition"}
    page = to_mathml(layout(RECORD, marks))
    shown = [e.text or "" for e in elements(page) if e.tag.endswith("mtext")]
    for expected in ("Axes", "Arrays", "Assumptions", "✗ unproved", f"✓ {LONG}", "definition"):
        assert expected in shown
    assert "[Sn≠0]" in "".join("".join(e.itertext()) for e in ElementTree.fromstring(f"<p>{page}</p>"))
    assert f'<mtr><mtd style="text-align: left"><mtext>✓ {LONG}' in page  # a row of its own
    assert 'style="margin: 0.6em 0"' in page


def test_the_adjoint_of_a_scalar() -> None:
    record, entry, matrix = scalar_adjoint()
    assert "".join(ElementTree.fromstring(expression_mathml(entry, record)).itertext()) == "xnd∂L∂τ"
    assert "".join(ElementTree.fromstring(expression_mathml(matrix, record)).itertext()) == "GτX"


def test_user_text_is_escaped() -> None:
    program = replace(RECORD.program, summary="<b> & 50% \\")
    assert "<b> & 50% \\" in words(to_mathml(layout(replace(RECORD, program=program))))


@pytest.mark.parametrize("notation", ["both", "index", "matrix"])
def test_notations(notation: str) -> None:
    assert elements(to_mathml(layout(mse(), notation=notation)))


@pytest.mark.parametrize("name", typical(ZOO, TYPICAL_PROGRAMS))
def test_other_programs_are_xml(name: str) -> None:
    assert elements(to_mathml(layout(derived_from(*ZOO[name]).record)))


def test_arrays_of_more_than_two_axes_are_said_to_have_no_matrix_form() -> None:
    assert "T has three axes: index notation only." in to_mathml(layout(derive_record(ZOO["tensor_form"][0](), ("T",))))
