"""A derivation in MathML: ``<math>`` elements, each with its text form for readers without MathML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from sympy.core.basic import Basic

from symgrad.program import Program
from symgrad.render import blocks
from symgrad.render.blocks import Line, Page, Text
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.mathml_markup import element, escaped, latex_to_mathml, markup
from symgrad.render.order import ordered
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node
from symgrad.steps import Record

NO_BREAK = "\N{NO-BREAK SPACE}"
MARK_WIDTH = 24  # characters; a longer mark is beneath the reason

# Alignment as a style; Chromium aligns a cell to the right only with its own keyword.
_LEFT = "text-align: left"
_RIGHT = "text-align: right; text-align: -webkit-right"
LINE_STYLES = (_RIGHT, f"{_RIGHT}; padding-right: 0", f"{_LEFT}; padding-left: 0.3em", _LEFT, _LEFT)


class Cell(NamedTuple):
    """Markup inside a ``<math>`` element, and the same in words."""

    markup: str
    words: str


def to_mathml(page: Page) -> str:
    """Write a page as ``<math>`` elements, one for each heading and block, with words as ``<mtext>``."""
    return "\n".join(_MathPage(page).blocks()) + "\n"


def expression_mathml(expr: Basic, source: Record | Program | None = None, display: str = "block") -> str:
    """One expression as a ``<math>`` element; ``display`` is ``"block"`` or ``"inline"``."""
    names = vocabulary(source)
    tree = ordered(expr, names)
    return latex_to_mathml(MathPrinter(names).show(tree), display, TextPrinter(names).show(tree))


class MathPrinter(LatexPrinter):
    """The LaTeX dialect with what TeX does by itself and latex2mathml does not: space around the name of a function,
    and a superscript on a whole bracket instead of on its closing sign."""

    application = r" \, "

    def tight(self, node: Node) -> str:
        shown = super().tight(node)
        return shown if isinstance(node, Leaf) and "(" not in shown else f"{{{shown}}}"


class _MathPage(Backend):
    dialect = MathPrinter

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.plain = TextPrinter(page.names)

    def show_Warn(self, block: blocks.Warn) -> str:
        return _heading(self.plain.write(block.text))

    def show_Title(self, block: blocks.Title) -> str:
        return _heading(block.words)

    def show_Paragraph(self, block: blocks.Paragraph) -> str:
        return _math(self._text(block.text))

    def show_Tables(self, block: blocks.Tables) -> str:
        return "\n".join(
            f"{_heading(table.heads[0])}\n{_table([list(map(self._text, row)) for row in table.rows])}"
            for table in block.tables
        )

    def show_Entries(self, block: blocks.Entries) -> str:
        keys = (f"[{entry.key}] " if entry.key else "" for entry in block.entries)
        rows = [(self._text((key, *entry.text)),) for key, entry in zip(keys, block.entries, strict=True)]
        return f"{_heading(block.title)}\n{_table(rows)}"

    def show_Section(self, block: blocks.Section) -> str:
        return self._lines(self.plain.write(block.title), block.lines)

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        remark = [_math(self._text(block.remark))] if block.remark else []
        return "\n".join([self._lines(block.title, [replace(line, shapes=()) for line in block.lines]), *remark])

    def show_Code(self, block: blocks.Code) -> str:
        rows = [(_words(line.replace(" ", NO_BREAK)),) for line in block.source.rstrip().splitlines()]
        return f"{_heading(block.title)}\n{_table(rows)}"

    def _lines(self, title: str, lines: Iterable[Line]) -> str:
        return f"{_heading(title)}\n{_table(list(map(self._row, lines)))}"

    def _row(self, line: Line) -> tuple[Cell, ...]:
        """A row of a section: number, left side, right side, reason (with shapes and a long mark beneath), mark."""
        reason, mark = self._text(line.reason), _words(mark_words(line.mark))
        beneath = list(map(self._text, line.shapes))
        if len(line.mark) > MARK_WIDTH:
            beneath.append(mark)
            mark = _words("")
        if beneath:
            reason = _grid([(cell,) for cell in (reason, *beneath)])
        number = _words("" if line.number is None else str(line.number))
        left = self._text((line.left,) if line.left else ())
        right = Cell(markup(f"= {self.printer.show(line.right)}"), f"= {self.plain.show(line.right)}")
        return number, left, right, reason, mark

    def _text(self, text: Text) -> Cell:
        """A sentence: formulas as markup, the words between them as one ``<mtext>``."""
        parts: list[str] = []
        for _, run in groupby(text, lambda piece: isinstance(piece, Node)):
            pieces = tuple(run)
            formulas = [markup(self.printer.show(piece)) for piece in pieces if isinstance(piece, Node)]
            parts += formulas or [_words(self.plain.write(pieces)).markup]
        return Cell("".join(parts), self.plain.write(text))


def _words(words: str) -> Cell:
    """Words; browsers drop spaces at their ends, so these become no-break spaces."""
    padded = re.sub("^ | $", NO_BREAK, words)
    return Cell(f"<mtext>{escaped(padded)}</mtext>" if words else "", words)


def _math(inside: Cell) -> str:
    return element(inside.markup, inside.words, style="margin: 0.6em 0")


def _heading(words: str) -> str:
    return element(f'<mtext style="font-weight: bold">{escaped(words)}</mtext>', words, style="margin: 1.2em 0 0.4em")


def _table(rows: Sequence[Sequence[Cell]]) -> str:
    return _math(_grid(rows, ' displaystyle="true"'))


def _grid(rows: Sequence[Sequence[Cell]], attributes: str = "") -> Cell:
    """Cells in columns; five columns are those of a line."""
    styles = LINE_STYLES if len(rows[0]) == len(LINE_STYLES) else (_LEFT,) * len(rows[0])
    columns = " ".join("right" if "right;" in style else "left" for style in styles)
    shown = "".join(f"<mtr>{''.join(map(_cell, row, styles))}</mtr>" for row in rows)
    return Cell(
        f'<mtable{attributes} columnalign="{columns}">{shown}</mtable>',
        "; ".join(" ".join(cell.words for cell in row if cell.words) for row in rows),
    )


def _cell(inside: Cell, style: str) -> str:
    return f'<mtd style="{style}">{inside.markup}</mtd>'
