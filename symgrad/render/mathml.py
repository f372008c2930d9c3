"""A derivation in MathML: ``<math>`` elements, each with its text form for readers without MathML.

A formula is our LaTeX dialect, converted by latex2mathml, checked and made compact. latex2mathml writes what it knows
as elements and numeric entities, and passes the rest through as text. So a character with a meaning in TeX that is left
in its output is an error.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

from symgrad.errors import UnsupportedError
from symgrad.render import blocks
from symgrad.render.blocks import Line, Page, Text
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node

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


# --- one formula ------------------------------------------------------------------------------------------------------

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
BOLD_ZERO = ord("\N{MATHEMATICAL BOLD DIGIT ZERO}")
LETTER = re.compile("GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")
NOT_TEXT = re.compile("<[^>]*>|&(?:#x[0-9A-F]+|amp|lt|gt);")
LEFTOVER = re.compile(r"\\[A-Za-z]*|[&^_{}~$#%]")
LONE = re.compile(r"\\mathrm\{([A-Za-z])\}")  # for one letter latex2mathml forgets that it is upright
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The elements that lay their children out as an mrow does.
ROWS = frozenset(["math", "mrow", "mtd", "msqrt", "mstyle", "mpadded", "mphantom", "menclose"])
SIGNS = frozenset("+−⊙⊘")  # a formula may break before these
DESCENDING = frozenset("Qfgjpqyβγζημξρφϕχψ")  # letters that go below the line
# fmt: off
ELEMENTS = ROWS | {
    "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mroot",
    "mtable", "mtr",
}
# fmt: on


def latex_to_mathml(latex: str, display: str = "block", alttext: str = "") -> str:
    """Convert a formula to a ``<math>`` element, well-formed XML; ``display`` is ``"block"`` or ``"inline"``.

    ``alttext`` is the formula in words or in Unicode, for readers without MathML (default: the LaTeX). Raises
    ``UnsupportedError`` where latex2mathml writes malformed XML or leaves TeX in it.
    """
    return element(markup(latex, display), alttext or latex, display)


def element(inside: str, alttext: str, display: str = "block", style: str = "") -> str:
    """A ``<math>`` element around markup; ``alttext`` and ``style`` are escaped here. Raises ``UnsupportedError`` for
    malformed XML."""
    styled = f' style="{escaped(style)}"' if style else ""
    xml = f'<math xmlns="{NAMESPACE}" display="{display}" alttext="{escaped(alttext)}"{styled}>{inside}</math>'
    _tree(xml, alttext)
    return xml


def escaped(words: str) -> str:
    """Escape words for text and for double-quoted attributes, in XML and in HTML; name a character that XML cannot hold
    by its code point."""
    named = NO_XML.sub(lambda match: f"[U+{ord(match[0]):04X}]", words)
    return html.escape(named, quote=False).replace('"', "&quot;")


@lru_cache(maxsize=4096)
def markup(latex: str, display: str = "block") -> str:
    """The content of the ``<math>`` element of a formula; empty for an empty formula. Raises ``UnsupportedError``."""
    if not latex:
        return ""
    try:
        xml = convert(re.sub(LONE, r"\\text{\1}", latex), display=display).replace(f' xmlns="{NAMESPACE}"', "", 1)
    except Exception as error:  # latex2mathml's own errors have no common class, and some are IndexError
        raise UnsupportedError(f"latex2mathml cannot write {latex} as MathML: {error}") from error
    root = _tree(xml, latex)
    if left := LEFTOVER.search(NOT_TEXT.sub(" ", xml)):
        raise UnsupportedError(f"latex2mathml does not know {left[0]} in {latex}")
    for part in root.iter():
        if part.tag not in ELEMENTS or (part.tag == "mi" and not part.text):
            raise UnsupportedError(f"latex2mathml writes no formula for {latex}")
    _compact(root)
    return "".join(map(_written, root)).replace('width="0.', 'width=".')


@lru_cache(maxsize=4096)
def pieces(inside: str) -> tuple[str, ...]:
    """The markup of a formula in parts between which a line may break: before each sign between two operands, unless it
    is within an element or between brackets that grow with what is inside."""
    parts, growing = [""], 0
    before = None
    for child in _tree(f"<math>{inside}</math>", inside):
        growing += (child.get("form") == "prefix" and child.text not in SIGNS) - (child.get("form") == "postfix")
        if child.text in SIGNS and not growing and _ends_operand(before) and child.get("form") is None:
            child.set("form", "infix")
            parts.append("")
        parts[-1] += _written(child)
        before = child
    return tuple(parts)


def _ends_operand(part: Element | None) -> bool:
    """Whether a sign after this element is between two operands."""
    return part is not None and (part.tag != "mo" or part.text in (")", "]"))


def _written(part: Element) -> str:
    return ElementTree.tostring(part, encoding="unicode").replace(" />", "/>")


def _tree(xml: str, latex: str) -> Element:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise UnsupportedError(f"no well-formed XML for {latex}") from error


def _compact(part: Element) -> None:
    """Write the same formula in fewer elements, in place.

    The letters of an upright word become one word; an mrow around one child goes, and so does an mrow that is the only
    child of a row; a bold digit or letter becomes a bold character, since browsers ignore the attribute; the name of a
    function becomes an identifier, since browsers leave space around an operator, unless it has a script (a maximum
    over an index). A letter before a subscript has no depth, since browsers lower the subscript by it, unlike TeX.
    """
    if len(part) > 1 and all(child.tag == "mi" and child.get("mathvariant") == "normal" for child in part):
        word = Element("mi")
        word.text = "".join(child.text or "" for child in part)
        part[:] = [word]
    if part.get("mathvariant") == "bold" and re.fullmatch("[0-9]", part.text or ""):
        del part.attrib["mathvariant"]
        part.text = chr(BOLD_ZERO + int(part.text or ""))
    if part.get("mathvariant") == "bold-italic" and (letter := LETTER.fullmatch(unicodedata.name(part.text or " "))):
        del part.attrib["mathvariant"]
        part.text = unicodedata.lookup(f"MATHEMATICAL BOLD ITALIC {letter[1]} {letter[2]}")
    for child in part:
        if child.tag == "mo" and len(child.text or "") > 1 and part.tag in ROWS:
            child.tag = "mi"
        _compact(child)
    part[:] = [child[0] if len(child) == 1 and _is_plain_row(child) else child for child in part]
    if part.tag in ("msub", "msubsup") and {*unicodedata.normalize("NFKC", "".join(part[0].itertext()))} & DESCENDING:
        base = Element("mpadded", depth="0")
        base.append(part[0])
        part[0] = base
    while part.tag in ROWS and len(part) == 1 and _is_plain_row(part[0]):
        part[:] = part[0][:]


def _is_plain_row(part: Element) -> bool:
    return part.tag == "mrow" and not part.attrib
