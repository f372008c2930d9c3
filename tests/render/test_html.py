"""HTML: one structure behind the page, every link leads somewhere, every formula is MathML with its text form."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from catalogue import derived, derived_from, typical
from programs import ZOO
from records import cross_entropy, mse

import symgrad
from symgrad import InputError, derive
from symgrad.render.blocks import Example, Fact, Quantity
from symgrad.render.html import to_html
from symgrad.render.layout import Beside, layout
from symgrad.render.mathml import markup, pieces

RECORD = cross_entropy()
DERIVATION = derived("softmax_cross_entropy")
LINES = f"lines 1 to {len(DERIVATION.steps)}"


def section(page: str) -> Element:
    """A section without title and style, which is XML but for what HTML leaves out."""
    return ElementTree.fromstring(page)


def words(element: Element | None) -> str:
    """What a reader sees, formulas by their text form."""
    assert element is not None
    if element.tag == "math":
        return element.get("alttext", "")
    return (element.text or "") + "".join(words(child) + (child.tail or "") for child in element)


def cell(row: Element, kind: str) -> Element | None:
    return next((c for c in row if c.get("class") == kind), None)


def row(page: Element, number: int) -> Element:
    return next(e for e in page.iter("tr") if (e.get("id") or "").endswith(f"-{number}"))


def derivation(**options: object) -> Element:
    options = {"detail": "full", **options}
    return section(DERIVATION.to_html(fragment=True, title=False, **options))  # type: ignore[arg-type]


def test_a_line_has_number_sides_reason_and_mark() -> None:
    line = row(derivation(), 9)
    assert [words(cell(line, kind)) for kind in "nlr"] == ["9", "∂ log p_nk/∂z_mc", "= δ_nm (δ_kc − p_nc)"]
    assert words(cell(line, "w")) == "in terms of P (8) [S_n ≠ 0]"
    assert words(cell(line, "m")).startswith("✓ every shape")


def test_a_line_that_goes_on_has_no_left_side() -> None:
    assert words(cell(row(derivation(), 12), "l")) == ""


def test_the_detail_of_a_mark_is_there_on_demand() -> None:
    details = row(derivation(), 13).find(".//details")
    assert details is not None
    assert details.get("open") is None
    assert words(details.find("summary")) == "✓ every shape"
    assert "equal normal forms" in words(details.find("p"))
    assert "under A1" in words(details.find("p"))


def test_the_assumption_is_linked() -> None:
    page = derivation()
    link = next(a for a in row(page, 13).iter("a") if a.text == "[A1]")
    target = next(e for e in page.iter() if e.get("id") == (link.get("href") or "")[1:])
    assert words(target) == "[A1] each row of Y sums to one: Σ_k y_nk = 1 (used by line 13)"


def test_both_notations_side_by_side_linked_both_ways() -> None:
    page = derivation()
    matrix = row(page, 27)
    assert words(cell(matrix, "r")) == "= (1/N) (P − Y)"
    assert words(cell(matrix, "i")) == "∂L/∂z_mc = (1/N) (p_mc − y_mc) (13)"
    assert [a.get("href") for a in row(page, 13).iter("a")][-1] == f"#{matrix.get('id')}"
    assert "X⊤" not in words(matrix)
    assert words(cell(row(page, 28), "s")) == "Xᵀ: D × N, G: N × C → D × C"


def test_a_notation_alone_gives_reasons() -> None:
    line = row(derivation(notation="matrix"), 27)
    assert cell(line, "i") is None
    assert words(cell(line, "w")) == "in matrix notation"


def test_the_closed_forms_stand_in_a_box_with_their_shapes() -> None:
    page = derivation()
    box = next(e for e in page.iter("div") if e.get("class") == "closed")
    assert [words(r) for r in box.iter("tr")] == [
        "∂L/∂w_dc= (1/N) Σ_n x_nd (p_nc − y_nc)∂L/∂W= (1/N) Xᵀ (P − Y)",
        "∂L/∂b_c= (1/N) Σ_n (p_nc − y_nc)∂L/∂b= (1/N) (P − Y)ᵀ 1_N",
    ]
    shapes = next(e for e in page.iter("table") if e.get("class") == "shapes")
    assert words(next(shapes.iter("tr"))) == "∂L/∂WXᵀ: D × N, P − Y: N × C → D × C"


def test_wrong_and_unproved_lines_are_told_apart() -> None:
    page = section(to_html(layout(RECORD, {6: "unproved", 7: "every shape"}, title=False), fragment=True))
    assert [e.get("class") for e in cell(row(page, 6), "m") or ()] == ["bad"]
    assert [e.get("class") for e in cell(row(page, 7), "m") or ()] == [None]


@pytest.mark.parametrize(
    "name",
    [
        *typical(symgrad.LOSSES, {"softmax_cross_entropy", "multiclass_hinge", "layer_norm"}),
        *typical(ZOO, {"crammer_singer", "tensor_form", "clipped"}),
    ],
)
def test_every_page_is_xml_and_every_link_leads_somewhere(name: str) -> None:
    if name in ZOO:
        page = section(to_html(layout(derived_from(*ZOO[name]).record, title=False), fragment=True))
    else:
        page = section(derived(name).to_html(fragment=True, title=False))
    anchors = [e.get("id") for e in page.iter() if e.get("id")]
    assert len(anchors) == len(set(anchors))
    links = [e.get("href") or "" for e in page.iter("a")]
    assert links
    assert {link[1:] for link in links} <= set(anchors)
    assert not [e.tag for e in page.iter() if e.tag in ("script", "img", "link", "iframe")]
    formulas = [(before, e) for parent in page.iter() for before, e in pairwise([None, *parent]) if e.tag == "math"]
    assert formulas
    goes_on = [e for before, e in formulas if before is not None and before.tag == "math" and not before.tail]
    assert all(e.get("alttext") or e in goes_on for _, e in formulas)
    assert not [e for e in page.iter() if "\\" in (e.text or "") and e.tag != "code"]


def test_a_page_stands_alone() -> None:
    page = DERIVATION.to_html()
    assert page.startswith("<!doctype html>")
    assert "<title>Softmax cross-entropy from logits</title>" in page
    assert "http" not in page
    assert "color-scheme: light dark" in page
    assert 'name="viewport"' in page
    assert '<meta name="description" content="∂L/∂W = (1/N) Xᵀ (P − Y); ∂L/∂b = (1/N) (P − Y)ᵀ 1_N">' in page


def test_a_fragment_brings_its_style_and_a_bare_one_neither_style_nor_title() -> None:
    assert DERIVATION.to_html(fragment=True).startswith("<style>")
    bare = DERIVATION.to_html(fragment=True, title=False)
    assert bare.startswith('<section class="symgrad"')
    assert 'class="title"' not in bare


def test_headings_go_down_one_level_at_a_time() -> None:
    def levels(page: str) -> list[int]:
        return [int(level) for level in re.findall(r"<h([1-6])[ >]", page)]

    for page, top in (
        (DERIVATION.to_html(), 1),
        (DERIVATION.to_html(fragment=True), 2),
        (DERIVATION.to_html(fragment=True, title=False), 2),
    ):
        found = levels(page)
        assert found[0] == min(found) == top
        assert all(below - above <= 1 for above, below in pairwise(found))


def test_names_of_users_are_shown_and_not_run() -> None:
    program = replace(RECORD.program, summary="<script>alert(1)</script>", name='x"><script>')
    page = to_html(layout(replace(RECORD, program=program)))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("steps", "numbers"), [("none", []), ("5-7", [5, 6, 7]), ("1-2, 13", [1, 2, 13]), ("31", [31])]
)
def test_some_lines_alone(steps: str, numbers: list[int]) -> None:
    page = derivation(steps=steps, code=False)
    found = [int(m[1]) for e in page.iter("tr") if (m := re.fullmatch(r".*-(\d+)", e.get("id") or ""))]
    assert found == numbers
    assert "Arrays" not in words(page)
    assert ("[A1]" in words(page)) == (13 in numbers)
    closed = [e for e in page.iter() if e.get("class") == "closed"]
    assert [("∂L/∂W" in words(e)) for e in closed] == [steps == "none"]
    targets = {e.get("id") for e in page.iter()}
    assert {(a.get("href") or "")[1:] for a in page.iter("a")} <= targets


def test_a_line_that_is_not_shown_is_cited_without_a_link() -> None:
    reason = cell(row(derivation(steps="9"), 9), "w")
    assert words(reason) == "in terms of P (8) [S_n ≠ 0]"
    assert reason is not None and not list(reason.iter("a"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("5-", "expected all, none, or numbers"),
        ("x", "expected all, none, or numbers"),
        ("5-400", LINES),
        ("7-5", "the range is reversed"),
        ("0", LINES),
    ],
)
def test_lines_that_are_not_there(steps: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DERIVATION.to_html(steps=steps)


def test_the_example_and_the_frameworks() -> None:
    arrays = RECORD.program.arrays
    example = Example(
        sizes={"N": 1},
        remark="Label 2 of 0..2.",
        inputs=(Quantity(arrays["X"], np.array([[1.0, 2.0]])),),
        defined=(Quantity(arrays["b"], np.array([-1e-7, 0.0, 12345.678])),),
        loss=0.5,
        gradients=(Quantity(arrays["W"], np.array([[0.2, -0.5]])),),
    )
    facts = (Fact("PyTorch", "of the logits Z", "f(Z, '<b>')"),)
    beside = Beside(example=example, facts=facts, code="a < b & c")
    page = section(to_html(layout(RECORD, title=False, beside=beside), fragment=True))
    values = [words(e) for e in page.iter("div") if e.get("class") == "values"]
    assert values == ["X = [[1.0, 2.0]]", "b = [-1e-07, 0.0, 12350.0]", "L = 0.5∂L/∂W = [[0.2, -0.5]]"]
    assert "of the logits Z f(Z, '<b>')" in words(page)
    assert words(page.find(".//pre")) == "a < b & c"
    vector = next(e for e in page.iter("math") if (e.get("alttext") or "").startswith("b ="))
    assert "".join(vector.itertext()).replace(" ", "") == "b=(−1×10−7,0,1.235×104)"


def test_a_line_may_break_before_a_sign_but_not_within_brackets_that_grow() -> None:
    cases = r"\begin{cases} p & \text{if } q > 0 \end{cases}"
    inside = markup(rf"-a + \frac{{b - c}}{{d}} \, \Bigl( x - \left| y + z \right| \Bigr) \odot u + {cases}")
    texts = ["".join(ElementTree.fromstring(f"<math>{piece}</math>").itertext()) for piece in pieces(inside)]
    assert texts == ["−a", "+b−cd(x", "−|y+z|)", "⊙u", "+{pif\xa0q>0"]
    assert all(re.match("<mo form=.infix.>", piece) for piece in pieces(inside)[1:])
    assert pieces(markup("a b")) == (markup("a b"),)


def test_a_letter_that_descends_does_not_lower_its_subscript() -> None:
    assert markup("p_{n}") == '<msub><mpadded depth="0"><mi>p</mi></mpadded><mi>n</mi></msub>'
    assert markup(r"\hat{y}_{n}").startswith('<msub><mpadded depth="0"><mover')
    assert markup("z_{n}") == "<msub><mi>z</mi><mi>n</mi></msub>"


def test_an_array_of_three_axes_in_the_example() -> None:
    @symgrad.loss(shapes="T: N D C, w: C, y: N D", wrt="w")
    def stacked(T, w, y):  # type: ignore[no-untyped-def]
        return np.mean((T @ w - y) ** 2)

    page = section(derive(stacked).to_html(fragment=True, title=False))
    tensor = next(e for e in page.iter("math") if (e.get("alttext") or "").startswith("T = [[["))
    assert len(list(tensor.iter("mtable"))) == derive(stacked).example.sizes["N"]


@pytest.mark.parametrize("notation", ["both", "index", "matrix"])
def test_notations(notation: str) -> None:
    assert list(section(to_html(layout(mse(), notation=notation, title=False), fragment=True)).iter("math"))


def test_the_remarks_spell_names_as_formulas_do() -> None:
    remark = derived("layer_norm").to_html().partition("a vector is a column: ")[2].partition("</p>")[0]
    assert "<mi>&#x3B3;</mi>" in remark or "<mi>γ</mi>" in remark
    assert "gamma" not in re.sub('="[^"]*"', "", remark)
