"""A derivation in Unicode, for a terminal: number, equation, reason, what it rests on and how it is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from textwrap import wrap

from sympy.core.basic import Basic

from symgrad.names import spelled, word
from symgrad.program import Program
from symgrad.render import phrases
from symgrad.render.layout import left_side
from symgrad.render.order import ordered
from symgrad.render.page import CODE, CONVENTIONS, GRADIENTS, Line, Page, Section
from symgrad.render.shapes import ProductShapes
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter, width
from symgrad.render.tree import Node
from symgrad.steps import Record

EQUATION_WIDTH = 68  # a longer equation pushes its reason to the next line, so that the columns stay in place
REASON_WIDTH = 44
PAGE_WIDTH = 100  # of prose, and of an equation before it is broken
LINE_WIDTH = 140  # of a whole line: a mark that does not fit beside its reason stands below it
HOLDS = re.compile(r"(?:(?<!\w)[a-z]{2,}|[-+−⊙⊘∂↦=≠<>≤≥]|Σ_\w+) $")  # the end of what the next factor belongs to


def to_text(page: Page, code: str = "") -> str:
    """Write a page as lines of text; ``code`` is the source of the generated function."""
    return _TextPage(page, TextPrinter(page.names)).page(code)


def expression_text(expr: Basic, source: Record | Program | None = None) -> str:
    """One expression as text, ordered as ``source`` says (without it, by names alone)."""
    names = vocabulary(source)
    return TextPrinter(names).show(ordered(expr, names))


def step_text(record: Record, number: int, after: Basic | None = None) -> str:
    """The equation of the line with a number as text, with its left side; ``after`` stands on the right instead."""
    step, names = next(step for step in record.steps if step.number == number), vocabulary(record)
    left = TextPrinter(names).show(left_side(step.subject, record.program, names))
    return f"{left} = {expression_text(step.after if after is None else after, record)}"


def name_text(name: str) -> str:
    """The name of an array as formulas spell it."""
    return spelled(word(name))


class _TextPage:
    def __init__(self, page: Page, printer: TextPrinter) -> None:
        self.content = page
        self.printer = printer
        self.reason_width = self._widest_reason(page.sections)

    def _widest_reason(self, sections: Sequence[Section]) -> int:
        widths = (width(self._reason(line)) for section in sections for line in section.lines)
        return min(REASON_WIDTH, max(widths, default=0))

    def page(self, code: str) -> str:
        evaluation = self.content.evaluation
        parts = [self.content.warning, self._head(), *(self._section(s) for s in self.content.sections), self._closed()]
        parts += [self._conditions(), self._conventions()]
        if evaluation:
            self.reason_width = self._widest_reason([evaluation])
            parts.append(self._section(evaluation))
        if code:
            parts.append(f"{CODE}\n\n{code.rstrip()}")
        return "\n\n".join(part for part in (*parts, self.content.warning) if part) + "\n"

    def _head(self) -> str:
        page, show = self.content, self.printer.show
        axes = [[a.name, a.meaning, "indices " + ", ".join(a.letters)] for a in page.axes]
        arrays = [[show(r.matrix), phrases.numpy_shape(r.axes), show(r.entry), r.role] for r in page.arrays]
        lines = [page.title, "=" * width(page.title)] if page.title else []
        if axes:
            lines += ["", "Axes", *_table(axes)]
        if arrays:
            lines += ["", "Arrays", *_table(arrays)]
        for remark in phrases.remarks(page, show):
            lines += ["", *wrap(remark, PAGE_WIDTH)]
        if page.reduction:
            lines += ["", f"Reduction: {page.reduction}"]
        if page.assumptions:
            lines += ["", "Assumptions"]
        for a in page.assumptions:
            used = f"  ({phrases.used_words(a)})" if phrases.used_words(a) else ""
            lines.append(f"  [{a.key}] {a.words}:  {show(a.left)} = {show(a.right)}{used}")
        return "\n".join(lines).strip("\n")

    def _section(self, section: Section) -> str:
        blocks = ["\n".join(self._group(group)) for group in section.groups]
        title = f"{section.title} {self.printer.show(section.array)}" if section.array else section.title
        return f"{title}\n" + "\n".join(blocks)

    def _group(self, group: Sequence[Line]) -> Iterator[str]:
        lefts = [" = ".join(map(self.printer.show, line.lefts)) for line in group]
        margin = max(width(left) for left in lefts)
        for line, left in zip(group, lefts, strict=True):
            number = "" if line.number is None else str(line.number)
            start = f"{number:>4}  {' ' * (margin - width(left))}{left} = "
            first, *rest = broken(self.printer.show(line.right), PAGE_WIDTH - width(start))
            equation = [start + first, *(" " * width(start) + part for part in rest)]
            yield from _beside(equation, self._reason(line), self.reason_width, phrases.mark_words(line.mark))
            yield from (" " * width(start) + words for words in self._shapes(line))

    def _reason(self, line: Line) -> str:
        divisors = [f"[{self.printer.show(node)} ≠ 0]" for node in line.nonzero]
        return " ".join([phrases.reason_words(line, self.printer.names), *divisors]).strip()

    def _shapes(self, line: Line) -> Iterator[str]:
        for product in line.products:
            yield f"  {shape_words(product, self.printer.show)}"
        if line.shape and not line.products:
            yield f"  {'×'.join(line.shape)}"

    def _closed(self) -> str:
        if not self.content.closed:
            return ""
        lines = [GRADIENTS, *self._group(self.content.closed_lines)]
        if self.content.no_matrix:
            remark = phrases.no_matrix_words([self.printer.show(node) for node in self.content.no_matrix])
            lines += wrap(remark, PAGE_WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
        return "\n".join(lines)

    def _conditions(self) -> str:
        show = self.printer.show
        shown = [f"  {show(c.nonzero)} ≠ 0: {c.reason}{phrases.cited(c.lines)}" for c in self.content.conditions]
        return "\n".join(["Divisors", *shown]) if shown else ""

    def _conventions(self) -> str:
        lines = []
        for c in self.content.conventions:
            key = f"  [{c.key}] "
            lines += wrap(
                f"{c.words}{phrases.cited(c.lines)}", PAGE_WIDTH, initial_indent=key, subsequent_indent=" " * len(key)
            )
        return "\n".join([CONVENTIONS, *lines]) if lines else ""


def broken(text: str, limit: int) -> list[str]:
    """A formula in lines of at most ``limit`` columns where it has places to break at.

    It is broken before a plus or minus outside of all brackets, else before a factor there that then fits on a
    line, else before the sign in the fewest brackets.
    """
    lines = []
    while width(text) > limit and (at := _first_break(text[: 4 * max(limit, 1)], limit)):
        lines.append(text[:at].rstrip())
        text = text[at:]
    return [*lines, text]


def _first_break(text: str, limit: int) -> int:
    """The place before which the first line of a formula ends, which what is further on than another line does not
    change; 0 where there is none."""
    places = list(_places(text))
    outside = [at for _, depth, at in places if depth == 0]
    kept = {at for at, end in pairwise([*outside, len(text)]) if width(text[at:end].rstrip()) <= limit}
    fitting = [
        (depth, not adds, -at)
        for adds, depth, at in places
        if width(text[:at].rstrip()) <= limit and (adds or depth or at in kept)
    ]
    return -min(fitting)[2] if fitting else 0


def _places(text: str) -> Iterator[tuple[bool, int, int]]:
    """Where a formula may be broken: whether before a plus or minus, in how many brackets, and the place.

    A sum sign and the name of a function are not parted from what follows, nor is a sign.
    """
    depth = 0
    for at, character in enumerate(text):
        if at and text[at - 1] == " ":
            if character in "+−⊙⊘" and text[at + 1 : at + 2] == " ":
                yield character in "+−", depth, at
            elif depth == 0 and not HOLDS.search(text[:at]):
                yield False, depth, at
        depth += (character in "([{") - (character in ")]}")


def shape_words(product: ProductShapes, show: Callable[[Node], str]) -> str:
    """The shapes of the factors of a matrix product, and of the product."""
    factors = ", ".join(f"{show(node)}: {rows}×{columns}" for node, (rows, columns) in product.factors)
    return f"{factors} → {'×'.join(product.result)}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(width(cell) for cell in column) for column in zip(*rows, strict=True)]
    padded = ((_padded(cell, columns) for cell, columns in zip(row, widths, strict=True)) for row in rows)
    return ["  " + "   ".join(row).rstrip() for row in padded]


def _beside(equation: Sequence[str], reason: str, reason_width: int, mark: str) -> Iterator[str]:
    """The lines of an equation with its reason and its mark in columns of their own."""
    *above, final = equation
    yield from above
    if width(final) > EQUATION_WIDTH and (reason or mark):
        yield final
        final = ""
    notes = wrap(reason, reason_width) if reason else []
    if EQUATION_WIDTH + reason_width + 4 + width(mark) > LINE_WIDTH:
        notes += wrap(mark, LINE_WIDTH - EQUATION_WIDTH - 2)
        mark = ""
    first, *more = notes or [""]
    yield f"{_padded(final, EQUATION_WIDTH)}  {_padded(first, reason_width)}  {mark}".rstrip()
    yield from (" " * (EQUATION_WIDTH + 2) + words for words in more)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
