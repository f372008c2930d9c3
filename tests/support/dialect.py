r"""The dialect of LaTeX that the printers write, read off the sources: its macros, and the smallest use of each.

They come from every string of the printers and from the tables (functions, Greek letters, accents), so that one that is
added later is found.  One that needs more than a letter on each side of it has its smallest use in ``USES``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import symgrad.render
from symgrad.functions import MEANINGS
from symgrad.names import ACCENTS, GREEK, Word
from symgrad.render import latex_printer
from symgrad.render.latex_printer import escaped

RENDER = Path(symgrad.render.__file__).parent
MACRO = re.compile(r"\\(?:[A-Za-z]+|[^A-Za-z0-9\s`])")  # an escaped backtick is Markdown's
ENVIRONMENT = re.compile(r"\\begin\{(\w+\*?)\}")
CAPTION = re.compile(r"\\text\{([^}]*)\}")

# The smallest use of what does not stand by itself between two letters.
USES = {
    r"\frac": r"\frac{a}{b}",
    r"\sqrt": r"\sqrt{a}",
    r"\left": r"\left| a \right|",
    r"\|": r"\left\| a \right\|",
    r"\right": r"\left| a \right|",
    r"\bigl": r"\bigl( a \bigr)",
    r"\bigr": r"\bigl[ a \bigr]",
    r"\Bigl": r"\Bigl( a \Bigr)",
    r"\Bigr": r"\Bigl[ a \Bigr]",
    r"\begin": r"\begin{cases} a & \text{if } b \\ c & \text{otherwise} \end{cases}",
    r"\end": r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
    r"\\": r"\begin{pmatrix} a \\ c \end{pmatrix}",
    r"\text": r"\text{if } b",
    r"\operatorname": r"\operatorname{relu} a",
    r"\mathrm": r"\mathrm{ab}",
    r"\mathbf": r"\mathbf{1}",
    r"\_": r"\mathrm{a\_b}",
    r"\hat": r"\hat{a}",
    r"\bar": r"\bar{a}",
    r"\tilde": r"\tilde{a}",
    r"\sum": r"\sum_{n=1}^{N} a",
}
ENVIRONMENTS = {"cases": r"a & b \\ c & d", "pmatrix": r"a & b \\ c & d"}
# What stands on a page and in no formula, with its smallest use outside of mathematics.
PAGE_USES = {
    r"\documentclass": "",  # the preamble that the tried document has
    r"\usepackage": "",
    r"\setlength": r"{\setlength{\parindent}{0pt}a}",
    r"\parindent": r"{\setlength{\parindent}{0pt}a}",
    r"\begingroup": r"\begingroup a\endgroup",
    r"\endgroup": r"\begingroup a\endgroup",
    r"\par": r"a\par",
    r"\allowdisplaybreaks": r"{\allowdisplaybreaks a}",
    r"\section": r"\section*{a}",
    r"\subsection": r"\subsection*{a}",
    r"\medskip": r"a\medskip",
    r"\footnotesize": r"{\footnotesize a}",
    r"\parbox": r"\parbox[t]{0.3\linewidth}{\raggedright a}",
    r"\linewidth": r"\parbox[t]{0.3\linewidth}{\raggedright a}",
    r"\raggedright": r"\parbox[t]{0.3\linewidth}{\raggedright a}",
    r"\lineskip": r"\parbox[t]{0.3\linewidth}{\lineskip=3pt a}",
    r"\lineskiplimit": r"\parbox[t]{0.3\linewidth}{\lineskiplimit=3pt a}",
    r"\binoppenalty": r"\parbox[t]{0.3\linewidth}{\binoppenalty=10000 a}",
    r"\penalty": r"\(a \penalty100 + b\)",
    r"\newline": r"a \newline b",
    r"\tag": r"\begin{flalign*} a &= b && c \tag{1} \end{flalign*}",
    r"\(": r"\(a\)",
    r"\)": r"\(a\)",
    **{sign: rf"a {sign} b" for sign in (r"\textbackslash", r"\textasciitilde", r"\textasciicircum", r"\dots")},
}
PAGE_ENVIRONMENTS = {
    "document": "",
    "flalign*": r"\begin{flalign*} a &= b && \parbox[t]{3cm}{c} \tag{1} \\[3pt] &= d && \end{flalign*}",
    "tabular": r"\begin{tabular}{@{}ll@{}} a & b \\ c & d \end{tabular}",
    "aligned": r"\[\begin{aligned} a &= b \\ c &= d \end{aligned}\]",
    "array": r"\[\begin{array}{rl} a & b \\ c & d \end{array}\]",
    "verbatim": "\\begin{verbatim}\na & b_1\n\\end{verbatim}",
}


def strings(path: Path) -> Iterator[str]:
    """The strings of a module, without docstrings and without the patterns of regular expressions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for part in ast.walk(tree):
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            skipped.add(id(part.value))
        if isinstance(part, ast.Call) and ast.unparse(part.func).startswith("re."):
            skipped |= {id(inner) for argument in part.args for inner in ast.walk(argument)}
    for part in ast.walk(tree):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in skipped:
            yield part.value


def formula_tables() -> Iterator[str]:
    """What the tables spell: functions, Greek letters and accents."""
    yield from (meaning.latex for meaning in MEANINGS.values())
    yield from latex_printer.NAMED.values()
    yield from latex_printer.CONSTANTS.values()
    yield from latex_printer.LatexPrinter.relations.values()
    for letter in GREEK:
        yield latex_printer.spelled(Word(letter, greek=True))
        yield latex_printer.spelled(Word(letter.capitalize(), greek=True))
    for accent in ACCENTS:
        yield latex_printer.spelled(Word("x", accent=accent))


def written(paths: Iterable[Path]) -> str:
    return "\n".join([*(text for path in paths for text in strings(path)), *formula_tables()])


# What goes through latex2mathml: the printer, and whatever calls for the conversion.
CALLERS = [p for p in sorted(RENDER.glob("*.py")) if "render.mathml import" in p.read_text(encoding="utf-8")]
CALLERS += [RENDER / "mathml.py"]
FORMULAS = written([RENDER / "latex_printer.py", *CALLERS])
SIGNS = [escaped(chr(code)) for code in range(0x20, 0x2300)]  # every character that is a sign in a sentence
PAGES = written(sorted(RENDER.glob("*.py"))) + "\n".join(SIGNS)
FORMULA_MACROS = sorted(set(MACRO.findall(FORMULAS)) - PAGE_USES.keys())
PAGE_MACROS = sorted(set(MACRO.findall(PAGES)))


def use(macro: str) -> str:
    """The smallest formula with a macro: two letters, and it between them."""
    return USES.get(macro, f"a {macro} b")
