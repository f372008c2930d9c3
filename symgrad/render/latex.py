"""A derivation in LaTeX (amsmath and amssymb), as a fragment or as a document that pdflatex compiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sympy.core.basic import Basic

from symgrad.names import GREEK
from symgrad.program import Program
from symgrad.render import phrases
from symgrad.render.latex_printer import LatexPrinter, is_set, letters, matrix_name, size_latex
from symgrad.render.layout import layout
from symgrad.render.order import ordered
from symgrad.render.page import CODE, CONVENTIONS, GRADIENTS, Line, Page, Section
from symgrad.render.shapes import Shape
from symgrad.render.symbols import Vocabulary, is_symbol, split_words, vocabulary
from symgrad.render.text_printer import TextPrinter, width
from symgrad.render.tree import Node
from symgrad.steps import Record

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[margin=20mm]{geometry}
\usepackage{amsmath,amssymb}
\setlength{\parindent}{0pt}
\begin{document}
"""

# Widths as fractions of the line.  A right side that seems, from the characters of its text form, to be wider
# than what the reasons leave goes into a box in which TeX breaks it at its signs.
REASON = 0.32
EQUATION = 0.56
CHARACTER = 0.0115

CHARACTERS = {
    "<": "<",
    ">": ">",
    "|": "|",
    "≠": r"\ne",
    "≤": r"\le",
    "≥": r"\ge",
    "×": r"\times",
    "·": r"\cdot",
    "→": r"\to",
    "−": "-",
    "∂": r"\partial",
    "Σ": r"\textstyle\sum",
    "⊙": r"\odot",
    "∞": r"\infty",
    "√": r"\surd",
    "²": "{}^{2}",
    "ᵀ": r"{}^{\top}",
    **{letter: matrix_name(name) for name, letter in GREEK.items()},
}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "{}$&#%_"},
    **{sign: rf"\({macro}\)" for sign, macro in CHARACTERS.items()},
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
}

SIGNS = {"✓": r"\(\checkmark\) ", "✗": r"\(\times\) ", "?": "? ", "": ""}


def to_latex(page: Page, code: str = "", *, standalone: bool = False) -> str:
    """Write a page in LaTeX; ``code`` is the source of the generated function.

    The fragment needs the packages amsmath and amssymb; ``standalone`` gives a whole document.
    """
    body = _LatexPage(page).page(code)
    return f"{PREAMBLE}{body}\\end{{document}}\n" if standalone else body


def expression_latex(expr: Basic, source: Record | Program | None = None) -> str:
    """One expression in LaTeX for math mode, ordered as ``source`` says (without it, by names alone)."""
    names = vocabulary(source)
    return LatexPrinter(names).show(ordered(expr, names))


def closed_forms_latex(record: Record) -> str:
    """The closed forms in one display that TeX and MathJax both take."""
    page = layout(record)
    printer = LatexPrinter(page.names)
    rows = []
    for line in page.closed_lines:
        rows.append(f"{' = '.join(map(printer.show, line.lefts))} &= {printer.show(line.right)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def proof_latex(counts: Mapping[str, int], weaker: Mapping[int, str]) -> str:
    """How many lines bear each mark, and the lines that are ``weaker`` than proved at every shape, in one display that
    TeX and MathJax both take."""
    rows = [rf"{count} & \text{{{escaped(level)}}}" for level, count in counts.items()]
    rows += [rf"({number}) & \text{{{escaped(mark)}}}" for number, mark in weaker.items()]
    return "\\begin{array}{rl}\n" + " \\\\\n".join(rows) + "\n\\end{array}"


class _LatexPage:
    def __init__(self, page: Page) -> None:
        self.content = page
        self.names = page.names
        self.printer = LatexPrinter(self.names)
        self.ruler = TextPrinter(self.names)

    def page(self, code: str) -> str:
        warning = [rf"\textbf{{{self._words(self.content.warning)}}}"] if self.content.warning else []
        parts = [*warning, *self._head(), *(self._section(s) for s in self.content.sections), *self._foot()]
        if self.content.evaluation:
            parts.append(self._section(self.content.evaluation))
        if code:
            parts.append(_heading(CODE) + _verbatim(code))
        return "\\begingroup\\allowdisplaybreaks\n" + "\n\n".join([*parts, *warning]) + "\n\\par\\endgroup\n"

    def _head(self) -> Iterator[str]:
        page = self.content
        if page.title:
            yield rf"\section*{{{escaped(page.title)}}}"
        axes = [
            [rf"\({letters(a.name)}\)", self._words(a.meaning), rf"indices \({', '.join(map(letters, a.letters))}\)"]
            for a in page.axes
        ]
        if axes:
            yield _heading("Axes") + _table(axes)
        arrays = [[self._math(r.matrix), _numpy_shape(r.axes), self._math(r.entry), r.role] for r in page.arrays]
        if arrays:
            yield _heading("Arrays") + _table(arrays) + "\\medskip"
        yield from phrases.remarks(
            page, self._math, lambda axis: rf"\({letters(axis)}\)", r"\(\,\times\,\)", r"\([x > 0]\)"
        )
        if page.reduction:
            yield f"Reduction: {self._words(page.reduction)}."
        for place, a in enumerate(page.assumptions):
            used = f" (used by line{'s' * (len(a.lines) > 1)} {phrases.numbers(a.lines)})" if a.lines else " (not used)"
            equation = rf"\(\displaystyle {self.printer.show(a.left)} = {self.printer.show(a.right)}\)"
            heading = "" if place else _heading("Assumptions")
            shown = "" if a.used and not a.lines else used
            yield f"{heading}[{escaped(a.key)}] {self._words(a.words)}: {equation}{shown}."

    def _section(self, section: Section) -> str:
        array = f" {self._math(section.array)}" if section.array else ""
        return _heading(f"{self._words(section.title)}{array}") + self._block(section.lines, EQUATION)

    def _block(self, lines: Sequence[Line], room: float) -> str:
        """Lines aligned at their equals signs, the reasons in a column at the right."""
        margin = max(width(self._ruled(line)) for line in lines) * CHARACTER
        rows = []
        for line in lines:
            right = self.printer.show(line.right)
            if width(self.ruler.show(line.right)) * CHARACTER > room - margin:
                right = _breakable(right, room - margin)
            reason = self._reason(line)
            box = rf" && \parbox[t]{{{REASON}\linewidth}}{{\raggedright\footnotesize {reason}}}" if reason else " &&"
            tag = rf" \tag{{{line.number}}}" if line.number is not None else ""
            rows.append(f"{' = '.join(map(self.printer.show, line.lefts))} &= {right}{box}{tag}")
        joined = " \\\\[3pt]\n".join(rows)
        return f"\\begin{{flalign*}}\n{joined}\n\\end{{flalign*}}"

    def _ruled(self, line: Line) -> str:
        """The text form of a left side, where a derivative takes about half of its characters in LaTeX."""
        if line.left is None:
            return ""
        left = max(self.ruler.show(line.left).split("/"), key=width)
        return f"{self.ruler.show(line.name)} = {left}" if line.name else left

    def _reason(self, line: Line) -> str:
        divisors = [rf"\([{self.printer.show(node)} \ne 0]\)" for node in line.nonzero]
        cites = [f"({phrases.numbers(line.cites)})"] if line.cites else []
        keys = [f"[{escaped(key)}]" for key in line.keys]
        parts = [" ".join([self._words(line.reason), *cites, *keys, *divisors]).strip()]
        parts += [self._product(p.factors, p.result) for p in line.products]
        if line.shape and not line.products:
            parts.append(rf"\({size_latex(line.shape)}\)")
        if line.mark:
            parts.append(SIGNS[phrases.mark_sign(line.mark)] + escaped(line.mark))
        return r" \newline ".join(part for part in parts if part)

    def _product(self, factors: Sequence[tuple[Node, Shape]], result: Shape) -> str:
        shown = ", ".join(rf"\({self.printer.show(node)}\colon {size_latex(size)}\)" for node, size in factors)
        return rf"{shown} \(\to {size_latex(result)}\)"

    def _foot(self) -> Iterator[str]:
        if self.content.closed:
            yield _heading(GRADIENTS) + self._block(self.content.closed_lines, EQUATION + REASON)
        if self.content.no_matrix:
            yield phrases.no_matrix_words([self._math(node) for node in self.content.no_matrix])
        if self.content.conditions:
            rows = [
                rf"\({self.printer.show(c.nonzero)} \ne 0\): {self._words(c.reason)}{phrases.cited(c.lines)}"
                for c in self.content.conditions
            ]
            yield _heading("Divisors") + " \\\\\n".join(rows)
        if self.content.conventions:
            rows = [f"[{escaped(c.key)}] {escaped(c.words)}{phrases.cited(c.lines)}." for c in self.content.conventions]
            # A row may not begin with a bracket after the sign for a new line: TeX would take it for a length.
            yield _heading(CONVENTIONS) + "\n\n".join(rows)

    def _math(self, node: Node) -> str:
        return rf"\({self.printer.show(node)}\)"

    def _words(self, text: str) -> str:
        return sentence(text, self.names)


def _heading(words: str) -> str:
    return rf"\subsection*{{{words}}}" + "\n"


def _verbatim(code: str) -> str:
    """Source as it stands; pdflatex sets no other letters there than those of ASCII."""
    plain = code.encode("ascii", "backslashreplace").decode()
    return f"{{\\footnotesize\n\\begin{{verbatim}}\n{plain.rstrip()}\n\\end{{verbatim}}\n}}"


def _breakable(formula: str, room: float) -> str:
    """A formula in a box of a fraction of the line, with places to break besides its signs."""
    for place in (r"\Bigl(", r"\bigl(", r"\sum"):
        formula = formula.replace(rf"\, {place}", rf"\, \allowbreak {place}")
    box = rf"\parbox[t]{{{max(room, 0.2):.2f}\linewidth}}"
    return rf"{box}{{\raggedright\lineskiplimit=3pt\lineskip=3pt\(\displaystyle {formula}\)}}"


def _numpy_shape(axes: Sequence[str]) -> str:
    shape = phrases.numpy_shape(list(map(letters, axes)))
    return rf"\({shape}\)" if axes else shape


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = " \\\\\n".join(" & ".join(row) for row in rows)
    return f"\\begin{{tabular}}{{@{{}}{'l' * len(rows[0])}@{{}}}}\n{lines}\n\\end{{tabular}}"


# --- words --------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Text that TeX sets as it stands; a character that pdflatex cannot set is named by its code point."""
    return "".join(SPECIAL.get(c, c if is_set(c) else f"[U+{ord(c):04X}]") for c in text)


def sentence(text: str, names: Vocabulary) -> str:
    """Words with the names of the program in them set as mathematics; a name that is a word stays one."""
    return "".join(escaped(words) + (_name(name) if name else "") for words, name in split_words(text, names))


def _name(name: str) -> str:
    return rf"\({matrix_name(name)}\)" if is_symbol(name) else escaped(name)
