"""A derivation in LaTeX (amsmath and amssymb), as a fragment or a document that pdflatex compiles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from symgrad.render import blocks
from symgrad.render.blocks import Line, Page
from symgrad.render.latex_printer import LatexPrinter, escaped
from symgrad.render.layout import layout
from symgrad.render.phrases import mark_sign
from symgrad.render.printer import Backend
from symgrad.render.text_printer import TextPrinter, width
from symgrad.steps import Record

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[margin=20mm]{geometry}
\usepackage{amsmath,amssymb}
\setlength{\parindent}{0pt}
\begin{document}
"""

# Widths as fractions of the line.  A right side whose text form is too wide to fit beside the reasons goes into a
# box, in which TeX breaks it at its signs.
REASON = 0.32
EQUATION = 0.56
CHARACTER = 0.0115

# TeX breaks after signs; these penalties forbid that, and allow breaks before signs outside brackets.
PENALTIES = {"+": 0, "-": 0, r"\odot": 100, r"\oslash": 100, r"\,": 2000}
BREAKS = re.compile(r" [+-] | \\(?:odot|oslash) | \\, (?=\\[Bb]igl|\\sum)|\\[Bb]ig[lr]|\\begin|\\end|[{}]")

SIGNS = {"✓": r"\(\checkmark\) ", "✗": r"\(\times\) ", "?": "? ", "": ""}


def to_latex(page: Page, *, standalone: bool = False) -> str:
    """Write a page in LaTeX: a fragment, which needs amsmath and amssymb, or with ``standalone`` a document."""
    blocks = "\n\n".join(_LatexPage(page).blocks())
    body = f"\\begingroup\\allowdisplaybreaks\n{blocks}\n\\par\\endgroup\n"
    return f"{PREAMBLE}{body}\\end{{document}}\n" if standalone else body


def closed_forms_latex(record: Record) -> str:
    """The closed forms in one display that TeX and MathJax both take."""
    page = layout(record)
    printer = LatexPrinter(page.names)
    rows = []
    for line in page.closed_lines:
        rows.append(f"{printer.show(line.left) if line.left else ''} &= {printer.show(line.right)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def proof_latex(counts: Mapping[str, int], weaker: Mapping[int, str]) -> str:
    """How many lines have each mark, and the lines ``weaker`` than proved at every shape, in one display that TeX and
    MathJax both take."""
    rows = [rf"{count} & \text{{{escaped(level)}}}" for level, count in counts.items()]
    rows += [rf"({number}) & \text{{{escaped(mark)}}}" for number, mark in weaker.items()]
    return "\\begin{array}{rl}\n" + " \\\\\n".join(rows) + "\n\\end{array}"


class _LatexPage(Backend):
    dialect = LatexPrinter

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.ruler = TextPrinter(page.names)

    def show_Warn(self, block: blocks.Warn) -> str:
        return rf"\textbf{{{self.printer.write(block.text)}}}"

    def show_Title(self, block: blocks.Title) -> str:
        return rf"\section*{{{escaped(block.words)}}}"

    def show_Tables(self, block: blocks.Tables) -> str:
        return "\n\n".join(map(self._table, block.tables)) + "\\medskip"

    def _table(self, table: blocks.Table) -> str:
        rows = " \\\\\n".join(" & ".join(map(self.printer.write, row)) for row in table.rows)
        columns = "l" * len(table.heads)
        return f"{_heading(table.heads[0])}\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n{rows}\n\\end{{tabular}}"

    def show_Entries(self, block: blocks.Entries) -> str:
        # A paragraph each: TeX takes a bracket at the beginning of a row for a length.
        return _heading(block.title) + "\n\n".join(map(self.entry, block.entries))

    def show_Section(self, block: blocks.Section) -> str:
        return _heading(self.printer.write(block.title)) + self._lines(block.lines, EQUATION)

    def _lines(self, lines: Sequence[Line], room: float) -> str:
        """Lines aligned at their equals signs, with the reasons in a column on the right."""
        margin = max(width(self._ruled(line)) for line in lines) * CHARACTER
        rows = []
        for line in lines:
            right = self.printer.show(line.right)
            if width(self.ruler.show(line.right)) * CHARACTER > room - margin:
                right = _breakable(right, room - margin)
            reason = self._reason(line) if room == EQUATION else ""
            box = rf" && \parbox[t]{{{REASON}\linewidth}}{{\raggedright\footnotesize {reason}}}" if reason else " &&"
            tag = rf" \tag{{{line.number}}}" if line.number is not None else ""
            rows.append(f"{self.printer.show(line.left) if line.left else ''} &= {right}{box}{tag}")
        joined = " \\\\[3pt]\n".join(rows)
        return f"\\begin{{flalign*}}\n{joined}\n\\end{{flalign*}}"

    def _ruled(self, line: Line) -> str:
        """The text form of a left side; LaTeX sets a derivative in about half of its width."""
        name, equals, left = (self.ruler.show(line.left) if line.left else "").rpartition(" = ")
        return name + equals + max(left.split("/"), key=width)

    def _reason(self, line: Line) -> str:
        parts = [*map(self.printer.write, (line.reason, *line.shapes)), self._mark(line.mark)]
        return r" \newline ".join(part for part in parts if part)

    def _mark(self, mark: str) -> str:
        return SIGNS[mark_sign(mark)] + escaped(mark)

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        remark = [self.printer.write(block.remark)] if block.remark else []
        lines = f"{{\\allowdisplaybreaks[0]\n{self._lines(block.lines, EQUATION + REASON)}}}"
        return "\n\n".join([_heading(block.title) + lines, *remark])

    def show_Code(self, block: blocks.Code) -> str:
        """The source verbatim; there pdflatex sets ASCII only."""
        plain = block.source.encode("ascii", "backslashreplace").decode().rstrip()
        return _heading(block.title) + f"{{\\footnotesize\n\\begin{{verbatim}}\n{plain}\n\\end{{verbatim}}\n}}"


def _heading(words: str) -> str:
    return rf"\subsection*{{{words}}}" + "\n"


def _breakable(formula: str, room: float) -> str:
    """A formula in a box of ``room`` times the line width, in which it breaks before a sign, or else a factor."""
    braces = brackets = 0

    def marked(match: re.Match[str]) -> str:
        nonlocal braces, brackets
        part = match[0].strip()
        braces += (part in ("{", r"\begin")) - (part in ("}", r"\end"))
        brackets += part.endswith("igl") - part.endswith("igr")
        penalty = PENALTIES.get(part)
        if penalty is None or braces:
            return match[0]
        return rf" \penalty{penalty + 300 * brackets} {part} "

    box = rf"\parbox[t]{{{max(room, 0.2):.2f}\linewidth}}"
    shown = rf"\(\displaystyle {BREAKS.sub(marked, formula)}\)"
    return rf"{box}{{\raggedright\binoppenalty=10000\lineskiplimit=3pt\lineskip=3pt{shown}}}"
