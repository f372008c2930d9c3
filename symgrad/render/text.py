"""A derivation in Unicode for a terminal: number, equation, reason, citations and mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import wrap

from sympy.core.basic import Basic

from symgrad.names import spelled, word
from symgrad.program import Program
from symgrad.render import blocks
from symgrad.render.blocks import Line, Page
from symgrad.render.line_writer import left_side
from symgrad.render.order import ordered
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter, width
from symgrad.steps import Record

EQUATION_WIDTH = 68  # after a longer equation the reason is on the next line, in its column
REASON_WIDTH = 44
PAGE_WIDTH = 100  # of prose; a longer equation is broken
LINE_WIDTH = 140  # of a whole line; a mark that does not fit beside its reason is below it
# The end of a text that the next factor must not be parted from.
HOLDS = re.compile(r"(?:(?<!\w)[a-z]{2,}|[-+−⊙⊘∂↦=≠<>≤≥]|Σ_\w+) $")


def to_text(page: Page) -> str:
    """Write a page as lines of text."""
    return "\n\n".join(_TextPage(page).blocks()) + "\n"


def expression_text(expr: Basic, source: Record | Program | None = None) -> str:
    """An expression as text, in the order of ``source`` (default: by names alone)."""
    names = vocabulary(source)
    return TextPrinter(names).show(ordered(expr, names))


def step_text(record: Record, number: int, after: Basic | None = None) -> str:
    """The equation of a numbered line as text; ``after`` replaces its right side."""
    step, names = next(step for step in record.steps if step.number == number), vocabulary(record)
    left = TextPrinter(names).show(left_side(step.subject, record.program, names))
    return f"{left} = {expression_text(step.after if after is None else after, record)}"


def name_text(name: str) -> str:
    """The name of an array as formulas spell it."""
    return spelled(word(name))


class _TextPage(Backend):
    dialect = TextPrinter

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        reasons = (width(self.printer.write(line.reason)) for line in page.lines)
        self.reason_width = min(REASON_WIDTH, max(reasons, default=0))

    def show_Warn(self, block: blocks.Warn) -> str:
        return self.printer.write(block.text)

    def show_Title(self, block: blocks.Title) -> str:
        return f"{block.words}\n{'=' * width(block.words)}"

    def show_Paragraph(self, block: blocks.Paragraph) -> str:
        return "\n".join(wrap(self.printer.write(block.text), PAGE_WIDTH))

    def show_Tables(self, block: blocks.Tables) -> str:
        return "\n\n".join(f"{table.heads[0]}\n{self._table(table)}" for table in block.tables)

    def _table(self, table: blocks.Table) -> str:
        rows = [list(map(self.printer.write, row)) for row in table.rows]
        widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
        padded = ("   ".join(map(_padded, row, widths)) for row in rows)
        return "\n".join(f"  {row}".rstrip() for row in padded)

    def show_Entries(self, block: blocks.Entries) -> str:
        return "\n".join([block.title, *(line for entry in block.entries for line in self._wrapped(entry))])

    def _wrapped(self, entry: blocks.Entry) -> list[str]:
        margin = " " * (len(entry.key) + 5 if entry.key else 2)
        return wrap(f"  {self.entry(entry)}", PAGE_WIDTH, subsequent_indent=margin)

    def show_Section(self, block: blocks.Section) -> str:
        return "\n".join(
            [self.printer.write(block.title), *(row for group in block.groups for row in self._group(group))]
        )

    def _group(self, group: Sequence[Line], *, shapes: bool = True) -> Iterator[str]:
        lefts = [self.printer.show(line.left) if line.left else "" for line in group]
        margin = max(map(width, lefts))
        for line, left in zip(group, lefts, strict=True):
            number = "" if line.number is None else str(line.number)
            start = f"{number:>4}  {' ' * (margin - width(left))}{left} = "
            first, *rest = broken(self.printer.show(line.right), PAGE_WIDTH - width(start))
            equation = [start + first, *(" " * width(start) + part for part in rest)]
            yield from _beside(equation, self.printer.write(line.reason), self.reason_width, mark_words(line.mark))
            if shapes:
                yield from (" " * (width(start) + 2) + self.printer.write(words) for words in line.shapes)

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        indent = " " * 6
        remark = wrap(self.printer.write(block.remark), PAGE_WIDTH, initial_indent=indent, subsequent_indent=indent)
        return "\n".join([block.title, *self._group(block.lines, shapes=False), *remark])

    def show_Code(self, block: blocks.Code) -> str:
        return f"{block.title}\n\n{block.source.rstrip()}"


def broken(text: str, limit: int) -> list[str]:
    """Break a formula into lines of at most ``limit`` columns where possible.

    It breaks before a plus or minus outside all brackets, else before a factor there that then fits on a line, else
    before the sign inside the fewest brackets.
    """
    lines = []
    while width(text) > limit and (at := _first_break(text[: 4 * max(limit, 1)], limit)):
        lines.append(text[:at].rstrip())
        text = text[at:]
    return [*lines, text]


def _first_break(text: str, limit: int) -> int:
    """Where the first line of a formula ends, 0 for nowhere; independent of anything beyond the next line."""
    breaks = list(_places(text))
    outside = [at for _, depth, at in breaks if depth == 0]
    fitting_starts = {at for at, end in pairwise([*outside, len(text)]) if width(text[at:end].rstrip()) <= limit}
    fitting = [
        (depth, not adds, -at)
        for adds, depth, at in breaks
        if width(text[:at].rstrip()) <= limit and (adds or depth or at in fitting_starts)
    ]
    return -min(fitting)[2] if fitting else 0


def _places(text: str) -> Iterator[tuple[bool, int, int]]:
    """Where a formula may break: whether before a plus or minus, inside how many brackets, and the position.

    A sum sign, the name of a function and a sign stay with what follows them.
    """
    depth = 0
    for at, character in enumerate(text):
        if at and text[at - 1] == " ":
            if character in "+−⊙⊘" and text[at + 1 : at + 2] == " ":
                yield character in "+−", depth, at
            elif depth == 0 and not HOLDS.search(text[:at]):
                yield False, depth, at
        depth += (character in "([{") - (character in ")]}")


def _beside(equation: Sequence[str], reason: str, reason_width: int, mark: str) -> Iterator[str]:
    """The lines of an equation, with its reason and its mark in columns of their own."""
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
