"""Every macro that the printers can write is known to TeX and to latex2mathml."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from unicodedata import normalize
from xml.etree import ElementTree

import pytest
from dialect import (
    CALLERS,
    CAPTION,
    ENVIRONMENT,
    ENVIRONMENTS,
    FORMULA_MACROS,
    FORMULAS,
    PAGE_ENVIRONMENTS,
    PAGE_MACROS,
    PAGE_USES,
    PAGES,
    USES,
    use,
)

from symgrad.errors import UnsupportedError
from symgrad.names import GREEK, LATIN, Word
from symgrad.render import latex_printer
from symgrad.render.latex import PREAMBLE
from symgrad.render.mathml import latex_to_mathml


def test_the_macros_are_found() -> None:
    assert {path.name for path in CALLERS} >= {"mathml.py", "html.py"}
    assert {r"\frac", r"\odot", r"\varphi", r"\Gamma", r"\tanh", r"\operatorname", r"\hat", r"\,"} <= set(
        FORMULA_MACROS
    )
    assert {r"\parbox", r"\surd", r"\tag", r"\checkmark", r"\(", r"\&", *FORMULA_MACROS} <= set(PAGE_MACROS)
    assert USES.keys() <= set(FORMULA_MACROS) and PAGE_USES.keys() <= set(PAGE_MACROS)  # none for what has gone


@pytest.mark.parametrize("macro", FORMULA_MACROS)
def test_latex2mathml_knows_every_macro(macro: str) -> None:
    root = ElementTree.fromstring(latex_to_mathml(use(macro)))
    for part in root.iter():
        assert part.tag.endswith("}mspace") or part.text or len(part), f"an empty element for {macro}"
        assert "\\" not in (part.text or "")
        if part.tag.endswith("}mspace"):  # the names of MathML 3 for widths are no longer known to browsers
            assert re.fullmatch(r"[\d.]+em", part.get("width", "")), macro
    word = macro.strip("\\")
    if word.isalpha() and macro not in latex_printer.NAMED.values():
        assert word not in "".join(root.itertext())


@pytest.mark.parametrize("name", GREEK)
def test_a_greek_letter_is_the_same_in_text_and_in_mathml(name: str) -> None:
    small = latex_to_mathml(latex_printer.spelled(Word(name, greek=True)))
    assert normalize("NFKC", "".join(ElementTree.fromstring(small).itertext())) == GREEK[name]
    capital = latex_to_mathml(latex_printer.spelled(Word(name.capitalize(), greek=True)))
    shown = "".join(ElementTree.fromstring(capital).itertext())
    assert shown == GREEK[name].upper() or (shown.isascii() and shown == LATIN[name.capitalize()])


def test_environments_of_formulas() -> None:
    assert set(ENVIRONMENT.findall(FORMULAS)) == ENVIRONMENTS.keys()
    assert set(ENVIRONMENT.findall(PAGES)) == ENVIRONMENTS.keys() | PAGE_ENVIRONMENTS.keys()
    for name, rows in ENVIRONMENTS.items():
        latex_to_mathml(rf"\begin{{{name}}} {rows} \end{{{name}}}")


def test_text_in_a_formula_is_ours() -> None:
    """latex2mathml neither escapes nor unescapes what stands in it: of a user's, nothing but letters of a name may."""
    assert set(CAPTION.findall(FORMULAS)) == {"if ", "otherwise", " and ", " or ", "\n"}  # the last for the letters
    assert latex_printer.letters("é_變") == r"{\text{é}\mathrm{\_}\text{U+8B8A}}"


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{aligned} a &= b \end{aligned}",
        r"\text{a & b}",
        r"\text{50\%}",
        r"\nosuchmacro{x}",
        r"\nobreak x",
        r"a & b",
    ],
)
def test_what_latex2mathml_gets_wrong_is_refused(latex: str) -> None:
    with pytest.raises(UnsupportedError):
        latex_to_mathml(latex)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_tex_knows_every_macro(tmp_path: Path) -> None:
    lines = [rf"\({use(macro)}\)" for macro in PAGE_MACROS if macro not in PAGE_USES]
    lines += [*filter(None, PAGE_USES.values()), *filter(None, PAGE_ENVIRONMENTS.values())]
    lines += [rf"\(\begin{{{name}}} {rows} \end{{{name}}}\)" for name, rows in ENVIRONMENTS.items()]
    (tmp_path / "page.tex").write_text(PREAMBLE + "\n\n".join(lines) + "\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "page.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    errors = re.findall(r"^! .*?^l\.\d+[^\n]*", run.stdout, re.MULTILINE | re.DOTALL)
    assert run.returncode == 0 and not errors, errors
