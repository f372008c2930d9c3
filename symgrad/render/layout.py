"""The page of a derivation: its blocks and their order, before any notation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from symgrad.engine.short import short
from symgrad.errors import InputError
from symgrad.render import blocks, phrases
from symgrad.render.blocks import Page
from symgrad.render.line_writer import LineWriter, is_matrix_line
from symgrad.render.symbols import axis_rows, vocabulary
from symgrad.steps import Record

NOTATIONS = ("both", "index", "matrix")
DETAILS = ("full", "short")


@dataclass(frozen=True)
class Beside:
    """What a page shows beside the lines, all provided by the caller: how the mark of each line was decided
    (``details``), how many lines have each mark, a worked example, conventions of frameworks, and the code."""

    details: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    example: blocks.Example | None = None
    facts: tuple[blocks.Fact, ...] = ()
    code: str = ""


def layout(
    record: Record,
    marks: Mapping[int, str] | None = None,
    notation: str = "both",
    evaluation: Record | None = None,
    steps: str = "all",
    title: bool = True,
    beside: Beside | None = None,
    detail: str = "full",
) -> Page:
    """The page of a derivation; ``marks`` maps line numbers to how each line is known to hold, and 0 to what is wrong
    with the whole.

    ``evaluation`` has the lines on what the code evaluates, numbered on from those of ``record``. ``steps`` is "all",
    "none" (the closed forms with their definitions) or line numbers, "5-13" or "1-4, 13"; unless it is "all", the page
    has no tables, and only the assumptions that its lines use. ``detail`` is "full" or "short": in a short derivation
    the matrix form of an array is below its index form, and a mark is printed only if it differs from the mark of most
    lines.

    Raises ``InputError`` for an unknown ``notation`` or ``detail`` and for missing lines, ``SymgradError`` for a matrix
    form that does not fit.
    """
    if notation not in NOTATIONS:
        raise InputError(f"unknown notation {notation!r}: expected one of {', '.join(NOTATIONS)}")
    if detail not in DETAILS:
        raise InputError(f"unknown detail {detail!r}: expected one of {', '.join(DETAILS)}")
    beside, marks = beside or Beside(), marks or {}
    shown = evaluation if evaluation is not None and evaluation.steps else None
    is_short, chosen = detail == "short", chosen_lines(steps, len(record.steps))
    common = phrases.common_mark(marks) if is_short else ""
    own_marks = {number: mark for number, mark in marks.items() if mark != common}
    record = short(record, own_marks) if is_short else record
    program = record.program
    names = vocabulary(shown or record)
    names = replace(names, added=frozenset(names.arrays) - program.arrays.keys())
    in_notation = [s for s in record.steps if notation == "both" or is_matrix_line(s) == (notation == "matrix")]
    lines = [s for s in in_notation if s.number in chosen]
    added = shown.steps if shown else ()
    present, citable = ({step.number for step in (*some, *added)} for some in (lines, in_notation))
    writer = LineWriter(record, names, own_marks, beside.details, present, citable)
    whole = steps == "all"
    sections = tuple(writer.sections(lines, together=is_short and notation == "both"))
    closed = writer.closed_forms(notation, define=steps == "none", asked_for=is_short and whole)
    evaluated = (blocks.Section((phrases.EVALUATION,), tuple(writer.groups(added))),) if added else ()
    printed = [line for part in (*sections, closed, *evaluated) for line in part.lines]
    divided = lines if notation == "index" or not whole else record.steps
    warning = phrases.warning(marks)
    content: list[blocks.Block] = [
        *warning,
        *([blocks.Title(program.summary or program.name)] if title else ()),
        *([blocks.Paragraph(phrases.mark_counts(beside.counts))] if beside.counts and whole and not common else ()),
        *(phrases.proved(program, others=len(own_marks) > 0) if common and lines else ()),
        *(writer.tables(axis_rows(record, shown, names)) if whole else ()),
        *phrases.remarks(program.arrays.values() if whole else (), printed, notation),
        *(phrases.reduction(program) if whole else ()),
        *phrases.entries(phrases.ASSUMPTIONS, writer.assumptions(whole)),
        *sections,
        *([closed] if closed.forms else ()),
        *phrases.entries(phrases.DIVISORS, writer.divisors(divided)),
        *phrases.entries(phrases.CONVENTIONS, writer.conventions(whole)),
        *([beside.example] if beside.example else ()),
        *([blocks.Facts(phrases.FRAMEWORKS, beside.facts)] if beside.facts else ()),
        *evaluated,
        *([blocks.Code(phrases.CODE, beside.code)] if beside.code else ()),
        *warning,
    ]
    parts = [program.name] if whole else [program.name, steps]
    return Page(names, "-".join(re.sub(r"\W+", "-", part) for part in parts), tuple(content))


def chosen_lines(steps: str, last: int) -> Collection[int]:
    """The numbers of the lines that ``steps`` asks for, out of ``last``.

    Raises ``InputError`` unless it is "all", "none" or line numbers.
    """
    if steps in ("all", "none"):
        return range(1, last + 1) if steps == "all" else ()
    found: set[int] = set()
    for part in str(steps).split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(re.fullmatch("[0-9]{1,9}", end) for end in ends):
            raise InputError(f"unknown steps {steps!r}: expected all, none, or numbers of lines such as 5-13")
        first, final = int(ends[0]), int(ends[-1])
        if final < first:
            raise InputError(f"steps {part.strip()}: the range is reversed")
        if not 1 <= first <= final <= last:
            raise InputError(f"steps {part.strip()}: the derivation has lines 1 to {last}")
        found.update(range(first, final + 1))
    return found
