"""A derivation in MathML: ``<math>`` elements, each with its text form for readers that do not know MathML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sympy.core.basic import Basic

from symgrad.program import Program
from symgrad.render import phrases
from symgrad.render.formula import element, escaped, latex_to_mathml, markup
from symgrad.render.latex_printer import LatexPrinter, letters, size_latex
from symgrad.render.order import ordered
from symgrad.render.page import CONVENTIONS, GRADIENTS, AssumptionRow, Line, Page
from symgrad.render.shapes import Shape
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node
from symgrad.steps import Record

MARK_WIDTH = 24  # a longer mark stands beneath the reason

# How a cell is aligned: the word of MathML 3 for some readers, the property for others; Chromium lets a cell end at the
# right only by its own word for it.
_LEFT = "text-align: left"
_RIGHT = "text-align: right; text-align: -webkit-right"
LINE_STYLES = (_RIGHT, f"{_RIGHT}; padding-right: 0", f"{_LEFT}; padding-left: 0.3em", _LEFT, _LEFT)


@dataclass(frozen=True)
class Formula:
    """A formula in the dialect, and in Unicode for readers that do not know MathML."""

    latex: str
    words: str

    def __add__(self, other: Formula) -> Formula:
        return Formula(self.latex + other.latex, self.words + other.words)


EQUALS = Formula(" = ", " = ")
NOT_ZERO = Formula(r" \ne 0", " ≠ 0")
TO = Formula(r" \to ", " → ")


@dataclass(frozen=True)
class Piece:
    """Markup that stands within a ``<math>`` element, and the same in words."""

    markup: str
    words: str


def to_mathml(page: Page) -> str:
    """Write a page as a sequence of ``<math>`` elements, the headings and reasons as ``<mtext>`` in them."""
    return "\n".join(_MathPage(page).blocks()) + "\n"


def expression_mathml(expr: Basic, source: Record | Program | None = None, display: str = "block") -> str:
    """One expression as a ``<math>`` element; ``display`` is ``"block"`` or ``"inline"``."""
    names = vocabulary(source)
    tree = ordered(expr, names)
    return latex_to_mathml(MathPrinter(names).show(tree), display, TextPrinter(names).show(tree))


class MathPrinter(LatexPrinter):
    """The same dialect, with what TeX does by itself and latex2mathml does not: room around the name of a
    function, and a superscript that holds on to all of a bracket and not to its closing sign alone.
    """

    application = r" \, "

    def tight(self, node: Node) -> str:
        shown = super().tight(node)
        return shown if isinstance(node, Leaf) and "(" not in shown else f"{{{shown}}}"


class _MathPage:
    def __init__(self, page: Page) -> None:
        self.content = page
        self.printer = MathPrinter(page.names)
        self.plain = TextPrinter(page.names)

    def blocks(self) -> Iterator[str]:
        """The page as ``<math>`` elements."""
        page, show = self.content, self.plain.show
        axes = [(_piece(_axis(a.name)), _text(a.meaning), _text(f"indices {', '.join(a.letters)}")) for a in page.axes]
        arrays = [
            (self._cell(r.matrix), _text(phrases.numpy_shape(r.axes)), self._cell(r.entry), _text(r.role))
            for r in page.arrays
        ]
        yield from map(_heading, filter(None, (page.warning, page.title)))
        for heading, rows in (("Axes", axes), ("Arrays", arrays)):
            if rows:
                yield _heading(heading)
                yield _table(rows)
        said = [*phrases.remarks(page, show), *([f"Reduction: {page.reduction}"] if page.reduction else [])]
        yield from (_math(_text(words)) for words in said)
        if page.assumptions:
            yield _heading("Assumptions")
            yield _table([self._assumption(a) for a in page.assumptions])
        for title, lines in self._titled():
            yield _heading(title)
            yield _table([self._row(line) for line in lines])
        if page.no_matrix:
            yield _math(_text(phrases.no_matrix_words([show(node) for node in page.no_matrix])))
        if page.conditions:
            yield _heading("Divisors")
            yield _table(
                [
                    (_piece(self._show(c.nonzero) + NOT_ZERO), _text(f"{c.reason}{phrases.cited(c.lines)}"))
                    for c in page.conditions
                ]
            )
        if page.conventions:
            yield _heading(CONVENTIONS)
            yield _table([(_text(f"[{c.key}] {c.words}{phrases.cited(c.lines)}"),) for c in page.conventions])
        if page.evaluation:
            yield _heading(page.evaluation.title)
            yield _table(list(map(self._row, page.evaluation.lines)))

    def _titled(self) -> Iterator[tuple[str, Sequence[Line]]]:
        for section in self.content.sections:
            title = f"{section.title} {self.plain.show(section.array)}" if section.array else section.title
            yield title, section.lines
        if self.content.closed:
            yield GRADIENTS, self.content.closed_lines

    def _assumption(self, row: AssumptionRow) -> tuple[Piece, ...]:
        equation = self._show(row.left) + EQUALS + self._show(row.right)
        return _text(f"[{row.key}] {row.words}:"), _piece(equation), _text(phrases.used_words(row))

    def _row(self, line: Line) -> tuple[Piece, ...]:
        """One row of a section: number, left side, right side, reason (shapes and a long mark beneath), mark."""
        number = _text("" if line.number is None else str(line.number))
        reason = _beside([_text(phrases.reason_words(line, self.plain.names)), *map(self._divisor, line.nonzero)])
        beneath = [_piece(shape) for shape in self._shapes(line)]
        mark = _text(phrases.mark_words(line.mark))
        if len(line.mark) > MARK_WIDTH:
            beneath.append(mark)
            mark = _text("")
        if beneath:
            reason = _grid([(reason,), *((piece,) for piece in beneath)])
        left = Formula(*(" = ".join(map(show, line.lefts)) for show in (self.printer.show, self.plain.show)))
        return number, _piece(left), _piece(Formula("= ", "= ") + self._show(line.right)), reason, mark

    def _divisor(self, node: Node) -> Piece:
        return _piece(Formula(r"\quad [", "[") + self._show(node) + NOT_ZERO + Formula("]", "]"))

    def _shapes(self, line: Line) -> Iterator[Formula]:
        for product in line.products:
            parts = (self._show(node) + Formula(r": \; ", ": ") + _size(size) for node, size in product.factors)
            first, *others = parts
            yield sum((Formula(r", \; ", ", ") + other for other in others), first) + TO + _size(product.result)
        if line.shape and not line.products:
            yield _size(line.shape)

    def _show(self, node: Node) -> Formula:
        return Formula(self.printer.show(node), self.plain.show(node))

    def _cell(self, node: Node) -> Piece:
        return _piece(self._show(node))


def _size(size: Shape) -> Formula:
    return Formula(size_latex(size), "×".join(size))


def _axis(name: str) -> Formula:
    return Formula(letters(name), name)


def _piece(formula: Formula) -> Piece:
    return Piece(markup(formula.latex), formula.words)


def _text(words: str) -> Piece:
    return Piece(f"<mtext>{escaped(words)}</mtext>", words) if words else Piece("", "")


def _beside(pieces: Sequence[Piece]) -> Piece:
    return Piece("".join(p.markup for p in pieces), " ".join(p.words for p in pieces if p.words))


def _math(inside: Piece) -> str:
    return element(inside.markup, inside.words, style="margin: 0.6em 0")


def _heading(words: str) -> str:
    return element(f'<mtext style="font-weight: bold">{escaped(words)}</mtext>', words, style="margin: 1.2em 0 0.4em")


def _table(rows: Sequence[Sequence[Piece]]) -> str:
    return _math(_grid(rows, ' displaystyle="true"'))


def _grid(rows: Sequence[Sequence[Piece]], attributes: str = "") -> Piece:
    """Cells in columns; where there are five, they are those of a line of the derivation."""
    styles = LINE_STYLES if len(rows[0]) == len(LINE_STYLES) else (_LEFT,) * len(rows[0])
    columns = " ".join("right" if "right;" in style else "left" for style in styles)
    shown = "".join(f"<mtr>{''.join(map(_cell, row, styles))}</mtr>" for row in rows)
    return Piece(
        f'<mtable{attributes} columnalign="{columns}">{shown}</mtable>', "; ".join(_beside(row).words for row in rows)
    )


def _cell(inside: Piece, style: str) -> str:
    return f'<mtd style="{style}">{inside.markup}</mtd>'
