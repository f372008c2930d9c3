"""A derivation in Unicode for a terminal: number, equation, reason, citations and mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from textwrap import wrap as wrapped

from sympy.core.basic import Basic

from symgrad.matrix_functions import inverse
from symgrad.names import spelled, word
from symgrad.program import Program
from symgrad.render import blocks
from symgrad.render.blocks import Line, Page
from symgrad.render.order import defining, left_side, ordered
from symgrad.render.phrases import mark_words
from symgrad.render.printer import Backend
from symgrad.render.symbols import vocabulary
from symgrad.render.text_printer import TextPrinter, width
from symgrad.steps import Record, Value

EQUATION_WIDTH = 68  # after a longer equation the reason is on the next line, in its column
NARROWEST_EQUATION = 44  # with less room beside the reasons, reasons are beneath the equations
REASON_WIDTH = 44
PAGE_WIDTH = 100  # of prose; a longer equation is broken
LINE_WIDTH = 140  # of a whole line; a mark that does not fit beside its reason is below it
MARK_WIDTH = 13  # of most marks
BENEATH = " " * 8  # before a reason beneath its equation
# The ends of texts after which a line must not break.
HOLDS = re.compile(r"(?:(?<!\w)[a-z]{2,}|[-+−⊙⊘∂↦=≠<>≤≥]|Σ_\w+) $")

wrap = partial(wrapped, break_on_hyphens=False)


def to_text(page: Page, columns: int | None = None) -> str:
    """Write a page as lines of text of at most ``columns`` characters, apart from code and unbreakable formulas."""
    return "\n\n".join(_TextPage(page, columns or LINE_WIDTH).blocks()) + "\n"


def expression_text(expr: Basic, source: Record | Program | None = None) -> str:
    """An expression as text, in the order of ``source`` (default: by names alone)."""
    names = vocabulary(source)
    return TextPrinter(names).show(ordered(expr, names))


def step_text(record: Record, number: int, after: Basic | None = None) -> str:
    """The equation of a numbered line as text; ``after`` replaces its right side."""
    step, names = next(step for step in record.steps if step.number == number), vocabulary(record)
    if isinstance(step.after, inverse) and isinstance(step.subject, Value):
        sides = defining(step.subject.expr, step.after, record.program, names)
        return " = ".join(map(TextPrinter(names).show, sides))
    left = TextPrinter(names).show(left_side(step.subject, record.program, names))
    return f"{left} = {expression_text(step.after if after is None else after, record)}"


def name_text(name: str) -> str:
    """The name of an array as formulas spell it."""
    return spelled(word(name))


class _TextPage(Backend):
    dialect = TextPrinter

    def __init__(self, page: Page, columns: int) -> None:
        super().__init__(page)
        reasons = (width(self.printer.write(line.reason)) for line in page.lines)
        self.columns, self.page_width = columns, min(PAGE_WIDTH, columns)
        self.reason_width = min(REASON_WIDTH, max(reasons, default=0))
        marks = max((width(mark_words(line.mark)) for line in page.lines), default=0)
        room = columns - self.reason_width - 2 - (min(marks, MARK_WIDTH) + 2 if marks else 0)
        self.equation_width = min(EQUATION_WIDTH, room) if room >= NARROWEST_EQUATION else 0

    def show_Warn(self, block: blocks.Warn) -> str:
        return self.printer.write(block.text)

    def show_Title(self, block: blocks.Title) -> str:
        rows = wrap(block.words, self.columns)
        return "\n".join([*rows, "=" * max(map(width, rows), default=0)])

    def show_Paragraph(self, block: blocks.Paragraph) -> str:
        return "\n".join(wrap(self.printer.write(block.text), self.page_width))

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
        return wrap(f"  {self.entry(entry)}", self.page_width, subsequent_indent=margin)

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
            first, *rest = broken(self.printer.show(line.right), self.page_width - width(start))
            equation = [start + first, *(" " * width(start) + part for part in rest)]
            yield from self._beside(equation, self.printer.write(line.reason), mark_words(line.mark))
            if shapes:
                indent = " " * (width(start) + 2)
                for words in map(self.printer.write, line.shapes):
                    yield from wrap(words, self.columns, initial_indent=indent, subsequent_indent=indent)

    def _beside(self, equation: Sequence[str], reason: str, mark: str) -> Iterator[str]:
        """The lines of an equation, with its reason and its mark in columns of their own, or beneath it."""
        *above, final = equation
        yield from above
        room = self.equation_width
        if not room:
            yield final
            words = "  ".join(filter(None, (reason, mark)))
            yield from wrap(words, self.page_width, initial_indent=BENEATH, subsequent_indent=BENEATH)
            return
        if width(final) > room and (reason or mark):
            yield final
            final = ""
        notes = wrap(reason, self.reason_width) if reason else []
        if room + self.reason_width + 4 + width(mark) > self.columns:
            notes += wrap(mark, self.columns - room - 2)
            mark = ""
        first, *more = notes or [""]
        yield f"{_padded(final, room)}  {_padded(first, self.reason_width)}  {mark}".rstrip()
        yield from (" " * (room + 2) + words for words in more)

    def show_ClosedForms(self, block: blocks.ClosedForms) -> str:
        remark = [f"      {row}" for row in wrap(self.printer.write(block.remark), self.page_width - 6)]
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


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
