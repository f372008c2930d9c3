"""A derivation in MathML: our LaTeX dialect through latex2mathml, every string parsed as XML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from latex2mathml.converter import convert
from sympy.core.basic import Basic

from symgrad.errors import UnsupportedError
from symgrad.program import Program
from symgrad.render.latex_printer import LatexPrinter, size_latex
from symgrad.render.layout import layout
from symgrad.render.names import vocabulary
from symgrad.render.order import ordered
from symgrad.render.page import CONVENTIONS, GRADIENTS, Line, Page
from symgrad.render.text import (
    cited,
    columns_words,
    index_only_words,
    mark_words,
    no_matrix_words,
    numbers,
    numpy_shape,
    reason_words,
)
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node
from symgrad.steps import Record

BOLD_ZERO = ord("\N{MATHEMATICAL BOLD DIGIT ZERO}")
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
MARK_WIDTH = 24  # a longer mark stands beneath the reason

# How a cell is aligned: the attribute of MathML 3 for some readers, the property for others; Chromium lets
# a cell end at the right only by its own word for it.
_LEFT = 'columnalign="left" style="text-align: left"'
_RIGHT = 'columnalign="right" style="text-align: right; text-align: -webkit-right{}"'
LINE_STYLES = (
    _RIGHT.format(""),
    _RIGHT.format("; padding-right: 0"),
    'columnalign="left" style="text-align: left; padding-left: 0.3em"',
    _LEFT,
    _LEFT,
)


@dataclass(frozen=True)
class MathLine:
    """A line of a derivation.

    ``equation`` is a whole ``<math>`` element, and so is each of ``nonzero`` and of ``shapes``; the rest is
    plain text, not escaped.  ``number`` is None for a closed form.
    """

    section: str
    number: int | None
    equation: str
    reason: str = ""
    mark: str = ""
    nonzero: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()


def to_mathml(
    record: Record,
    marks: Mapping[int, str] | None = None,
    notation: str = "both",
    evaluation: Record | None = None,
) -> str:
    """The derivation as a sequence of ``<math>`` elements, the headings and reasons as ``<mtext>`` in them.

    ``evaluation`` has the lines on what the generated code evaluates.  Raises ``InputError`` for a ``notation`` other
    than ``"both"``, ``"index"`` and ``"matrix"``.
    """
    writer = _MathPage(layout(record, marks, notation, evaluation))
    return "\n".join(_parsed(block) for block in writer.blocks()) + "\n"


def mathml_lines(
    record: Record, marks: Mapping[int, str] | None = None, notation: str = "both"
) -> tuple[MathLine, ...]:
    """The lines of the derivation, then its closed forms, for a page that lays them out itself."""
    writer = _MathPage(layout(record, marks, notation))
    return tuple(writer.lines())


def expression_mathml(expr: Basic, source: Record | Program | None = None, display: str = "block") -> str:
    """One expression as a ``<math>`` element; ``display`` is ``"block"`` or ``"inline"``."""
    names = vocabulary(source)
    return latex_to_mathml(MathPrinter(names).show(ordered(expr, names)), display)


def latex_to_mathml(latex: str, display: str = "block", alttext: str = "") -> str:
    """A formula of the dialect as a ``<math>`` element that is well-formed XML.

    Raises ``UnsupportedError`` where latex2mathml writes none, or passes a macro through as text.
    """
    try:
        xml = _bold_digits(convert(latex, display=display))
        return _parsed(xml.replace("<math ", f'<math alttext="{html.escape(alttext or latex)}" ', 1))
    except ElementTree.ParseError as error:
        raise UnsupportedError(f"latex2mathml writes no well-formed XML for {latex}") from error


def _bold_digits(xml: str) -> str:
    """Digits that are bold by themselves: browsers ignore the attribute that asks for it."""
    return re.sub(r'<mn mathvariant="bold">(\d)</mn>', lambda m: f"<mn>{chr(BOLD_ZERO + int(m[1]))}</mn>", xml)


def _parsed(xml: str) -> str:
    """The same string, once it is known to be XML without a macro left in it."""
    for element in ElementTree.fromstring(xml).iter():
        if "\\" in (element.text or "") and not element.tag.endswith("mtext"):
            raise UnsupportedError(f"latex2mathml does not know the macro {element.text}")
    return xml


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

    def lines(self) -> Iterator[MathLine]:
        for title, lines in self._titled():
            for line in lines:
                yield MathLine(
                    section=title,
                    number=line.number,
                    equation=latex_to_mathml(
                        " = ".join(part for part in (self._left(line), self._right(line)) if part)
                    ),
                    reason=reason_words(line, self.plain.names),
                    mark=line.mark,
                    nonzero=tuple(latex_to_mathml(rf"{self._show(node)} \ne 0", "inline") for node in line.nonzero),
                    shapes=tuple(_math(cell) for cell in self._shapes(line)),
                )

    def blocks(self) -> Iterator[str]:
        """The page as ``<math>`` elements."""
        page = self.content
        yield _heading(page.title)
        axes = [(self._inner(a.name), _text(a.meaning), _text(f"indices {', '.join(a.letters)}")) for a in page.axes]
        yield _heading("Axes")
        yield _table(axes)
        arrays = [
            (self._cell(r.matrix), _text(numpy_shape(r.axes)), self._cell(r.entry), _text(r.role)) for r in page.arrays
        ]
        yield _heading("Arrays")
        yield _table(arrays)
        if page.columns:
            yield _math(_text(columns_words([(self.plain.show(r.matrix), r.axes[0]) for r in page.columns])))
        if page.index_only:
            yield _math(_text(index_only_words([(self.plain.show(r.matrix), len(r.axes)) for r in page.index_only])))
        if page.reduction:
            yield _math(_text(f"Reduction: {page.reduction}"))
        if page.assumptions:
            yield _heading("Assumptions")
            yield _table(
                [
                    (
                        _text(f"[{a.key}] {a.words}:"),
                        self._inner(rf"{self._show(a.left)} = {self._show(a.right)}"),
                        _text(f"used by {numbers(a.lines)}" if a.lines else "" if a.used else "not used"),
                    )
                    for a in page.assumptions
                ]
            )
        for title, lines in self._titled():
            yield _heading(title)
            yield _table([self._row(line) for line in lines])
        if page.no_matrix:
            yield _math(_text(no_matrix_words([self.plain.show(node) for node in page.no_matrix])))
        if page.conditions:
            yield _heading("Divisors")
            yield _table(
                [
                    (
                        self._inner(rf"{self._show(c.nonzero)} \ne 0"),
                        _text(f"{c.reason}{cited(c.lines)}"),
                    )
                    for c in page.conditions
                ]
            )
        if page.conventions:
            yield _heading(CONVENTIONS)
            yield _table([(_text(f"[{c.key}] {c.words}{cited(c.lines)}"),) for c in page.conventions])
        if page.evaluation:
            yield _heading(page.evaluation.title)
            yield _table([self._row(line) for group in page.evaluation.groups for line in group])

    def _titled(self) -> Iterator[tuple[str, Sequence[Line]]]:
        for section in self.content.sections:
            title = f"{section.title} {self.plain.show(section.array)}" if section.array else section.title
            yield title, [line for group in section.groups for line in group]
        if self.content.closed:
            yield GRADIENTS, self.content.closed_lines

    def _row(self, line: Line) -> tuple[str, ...]:
        """One row of a section: number, left side, right side, reason (shapes and a long mark beneath), mark."""
        number = _text("" if line.number is None else str(line.number))
        reason = [_text(reason_words(line, self.plain.names))]
        reason += [self._inner(rf"\quad [{self._show(node)} \ne 0]") for node in line.nonzero]
        beneath = [_row((shape,)) for shape in self._shapes(line)]
        mark = _text(mark_words(line.mark))
        if len(line.mark) > MARK_WIDTH:
            beneath.append(_row((mark,)))
            mark = _text("")
        if beneath:
            reason = [f"<mtable>{_row((''.join(reason),))}{''.join(beneath)}</mtable>"]
        return (
            number,
            self._inner(self._left(line)),
            self._inner(f"= {self._right(line)}"),
            "".join(reason),
            mark,
        )

    def _left(self, line: Line) -> str:
        if line.left is None:
            return ""
        return f"{self._show(line.name)} = {self._show(line.left)}" if line.name else self._show(line.left)

    def _right(self, line: Line) -> str:
        return self._show(line.right)

    def _shapes(self, line: Line) -> Iterator[str]:
        for product in line.products:
            factors = r", \; ".join(rf"{self._show(node)}: \; {size_latex(size)}" for node, size in product.factors)
            yield self._inner(rf"{factors} \to {size_latex(product.result)}")
        if line.shape and not line.products:
            yield self._inner(size_latex(line.shape))

    def _show(self, node: Node) -> str:
        return self.printer.show(node)

    def _cell(self, node: Node) -> str:
        return self._inner(self._show(node))

    def _inner(self, latex: str) -> str:
        """The content of the ``<math>`` element of a formula; latex2mathml does not take an empty one."""
        if not latex:
            return ""
        xml = latex_to_mathml(latex)
        return xml[xml.index(">") + 1 : xml.rindex("<")]


def _text(words: str) -> str:
    return f"<mtext>{html.escape(words, quote=False)}</mtext>"


def _math(inner: str) -> str:
    return f'<math xmlns="{NAMESPACE}" display="block" style="margin: 0.6em 0">{inner}</math>'


def _heading(words: str) -> str:
    bold = f'<mtext style="font-weight: bold">{html.escape(words, quote=False)}</mtext>'
    return f'<math xmlns="{NAMESPACE}" display="block" style="margin: 1.2em 0 0.4em">{bold}</math>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Cells in columns; where there are five, they are those of a line of the derivation."""
    return _math(f'<mtable displaystyle="true">{"".join(_row(row) for row in rows)}</mtable>')


def _row(cells: Sequence[str]) -> str:
    styles = LINE_STYLES if len(cells) == len(LINE_STYLES) else (_LEFT,) * len(cells)
    shown = (f"<mtd {style}><mrow>{cell}</mrow></mtd>" for style, cell in zip(styles, cells, strict=True))
    return f"<mtr>{''.join(shown)}</mtr>"
