"""Whatever names and words a user chooses: every page stays well-formed, and none of it is read as markup or as TeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from dialect import PAGE_MACROS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sympy import Sum

import symgrad
from symgrad.equations import Assumption, node
from symgrad.names import entry_look, look
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.render.latex import PREAMBLE, to_latex
from symgrad.render.latex_printer import is_set
from symgrad.render.layout import layout
from symgrad.render.mathml import ELEMENTS
from symgrad.render.symbols import Vocabulary, split_words

HOSTILE = [
    "<script>alert(1)</script>",
    "a & b",
    "x_1",
    "50%",
    "\\input{x}",
    "\"'`",
    "]]>",
    "<!--",
    "#{}~^$",
    "é ≠ 中 Ω",
    "\0\x1b",
    "\ud800",
]
WORDS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.lists(st.sampled_from(HOSTILE)).map(" ".join))
LETTERS = st.text("abXYZ_019αΩéß變", min_size=1, max_size=5)
NAMES = st.one_of(
    LETTERS, st.sampled_from(["_", "__", "x_", "_x", "a__b", "xhat", "αhat", "x2pt", "lambda_", "G_Z"])
).filter(lambda name: name.isidentifier())
AXES = NAMES.filter(lambda name: name[0].isalpha())


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A least-squares loss, with names and words of a user's."""
    rows, columns, x, w, e, loss = draw(st.lists(NAMES, min_size=6, max_size=6, unique_by=(look, entry_look)))
    words = [draw(WORDS) for _ in range(4)]
    return replace(program(rows, columns, x, w, e, loss, *words), vectors=draw(st.sampled_from(["", "bold"])))


def program(
    rows: str, columns: str, x: str, w: str, e: str, loss: str, name: str, summary: str, meaning: str, words: str
) -> Program:
    n, d = Axis(rows, meaning, "nm"), Axis(columns, meaning, "dea")
    i, a = n.index("n"), d.index("d")
    inputs, weights, error, total = Array(x, (n, d)), Array(w, (d,)), Array(e, (n,)), Array(loss)
    return Program(
        name=name,
        summary=summary,
        axes=(n, d),
        inputs=(inputs, weights),
        equations=(
            node(error[i], Sum(inputs[i, a] * weights[a], a)),
            node(total.base, Sum(error[i] ** 2, i) / n.size),
        ),
        output=loss,
        assumptions=(Assumption(words, words, Sum(inputs[i, a], a), Sum(inputs[i, a], a) * 0 + 1),),
    )


def derived(of: Program) -> symgrad.Derivation:
    weights = of.inputs[1].name
    return symgrad.derive(of, wrt=weights)


# fmt: off
HTML_ELEMENTS = {
    "section", "h2", "h3", "h4", "p", "div", "table", "thead", "tbody", "tr", "th", "td", "a", "details", "summary",
    "pre",
    "code",     "span", "ul", "ol", "li", "figure", "figcaption", "strong", "em", "var", "sub", "sup", "dl", "dt", "dd",
}
# fmt: on

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@pytest.mark.slow
@few
@given(programs())
def test_mathml_is_well_formed(of: Program) -> None:
    page = ElementTree.fromstring(f"<page>{derived(of).to_mathml()}</page>")
    for part in page.iter():
        assert part.tag == "page" or part.tag.removeprefix("{http://www.w3.org/1998/Math/MathML}") in ELEMENTS


@pytest.mark.slow
@settings(few, max_examples=12)
@given(programs())
def test_html_has_our_elements_alone(of: Program) -> None:
    page = derived(of).to_html(fragment=True, title=False)
    for part in ElementTree.fromstring(page).iter():
        assert part.tag in ELEMENTS | HTML_ELEMENTS
        assert not any(name.startswith("on") for name in part.attrib)
        assert (part.get("href") or "#").startswith("#")


@pytest.mark.slow
@few
@given(programs())
def test_tex_has_our_macros_alone(of: Program) -> None:
    page = derived(of).to_latex(detail="full")
    assert set(re.findall(r"\\(?:[A-Za-z]+|[^A-Za-z0-9\s])", page)) <= {*PAGE_MACROS, r"\\"}
    plain = re.sub(r"\\.", "", page)
    depth = 0
    for sign in plain:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0 and sign not in "%#$~" and (is_set(sign) or sign == "\n")
    assert depth == 0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_tex_sets_them(tmp_path: Path) -> None:
    words = [*HOSTILE, "".join(map(chr, range(0x20, 0x250)))]
    names = ["αβ", "é", "ß_変", "_x", "a__b", "Ωhat", "x2pt"]
    programs = [
        replace(made, vectors="bold" * (place % 2))
        for place, w in enumerate(words)
        for made in [program("N_1", "Δ", names[place % 7], "__", names[(place + 1) % 7], "L", w, w, w, w)]
    ]
    fragments = [to_latex(layout(derived(of).record)) for of in programs]
    (tmp_path / "page.tex").write_text(PREAMBLE + "\n".join(fragments) + "\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert run.returncode == 0, run.stdout[-2000:]


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("in terms of A", ["A"]),
        ("solve the definition of A", ["A"]),
        ("from the definitions of W and A", ["W", "A"]),
        ("the definitions of W, A and I", ["W", "A", "I"]),
        ("in terms of a", ["a"]),
        ("the mean of a row", []),
        ("A row of W", ["W"]),
        ("a bound that I know", []),
    ],
)
def test_a_name_that_is_a_word_is_a_name_where_sentences_have_names(sentence: str, names: list[str]) -> None:
    arrays = {name: Array(name) for name in ("a", "A", "I", "W")}
    assert [name for _, name in split_words(sentence, Vocabulary(arrays=arrays)) if name] == names
