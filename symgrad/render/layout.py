"""The page of a derivation: its blocks and their order, before any notation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile

from symgrad.engine.short import short
from symgrad.errors import InputError
from symgrad.render import blocks, legend, phrases
from symgrad.render.blocks import Page
from symgrad.render.line_writer import LineWriter
from symgrad.render.symbols import axis_rows, vocabulary
from symgrad.steps import MatrixValue, Record, Statement

NOTATIONS = ("both", "index", "matrix")
DETAILS = ("short", "full")


@dataclass(frozen=True)
class Beside:
    """What a page shows beside the lines, all provided by the caller: how the mark of each line was decided
    (``details``), how many lines have each mark, declared facts with their marks and the keys of assumptions that they
    need (``statements``), a worked example,
    conventions of frameworks, the lines of NumPy that compute the result (``numpy``), and the generated code."""

    details: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    statements: Mapping[Statement, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    example: blocks.Example | None = None
    facts: tuple[blocks.Fact, ...] = ()
    numpy: str = ""
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
    has no tables, and only the assumptions that its lines use. ``detail`` is "short" or "full": a short derivation
    begins with the definitions and the results, the matrix form of an array is below its index form, and a mark is
    printed only if it differs from the mark of most lines.

    Raises ``InputError`` for an unknown ``notation`` or ``detail`` and for missing lines, ``SymgradError`` for a matrix
    form that does not fit.
    """
    if notation not in NOTATIONS:
        raise InputError(f"unknown notation {notation!r}: expected one of {', '.join(NOTATIONS)}")
    if detail not in DETAILS:
        raise InputError(f"unknown detail {detail!r}: expected one of {', '.join(DETAILS)}")
    beside, marks = beside or Beside(), marks or {}
    shown = evaluation if evaluation is not None and evaluation.steps else None
    is_short, last = detail == "short" and steps != "none", len(record.steps)
    common = phrases.common_mark(marks) if is_short else ""
    own_marks = {number: mark for number, mark in marks.items() if mark != common}
    record = short(record, own_marks) if is_short else record
    program, chosen = record.program, chosen_lines(steps, [step.number for step in record.steps], last)
    names = vocabulary(shown or record)
    names = replace(names, added=frozenset(names.arrays) - program.arrays.keys())
    in_notation = [s for s in record.steps if notation == "both" or s.is_matrix == (notation == "matrix")]
    lines = [s for s in in_notation if s.number in chosen]
    added = shown.steps if shown else ()
    present, citable = ({step.number for step in (*some, *added)} for some in (lines, in_notation))
    whole = steps == "all"
    leads = is_short and whole  # the definitions and the results precede the lines
    coded = re.findall(r"\w+", beside.numpy) if whole else ()
    writer = LineWriter(record, names, own_marks, beside.details, present, citable, coded)
    sections = tuple(writer.sections(lines, together=is_short and notation == "both"))
    closed = writer.closed_forms(notation, define=steps == "none", brief=leads)
    forward = [*takewhile(lambda section: section.title[0] in phrases.DEFINING, sections)]
    evaluated = (blocks.Section((phrases.EVALUATION,), tuple(writer.groups(added))),) if added else ()
    where = writer.definitions(lines, notation) if chosen and not whole else blocks.ClosedForms("", (), ())
    printed = [line for part in (where, *sections, closed, *evaluated) for line in part.lines]
    printed += [writer.line(step) for step in lines if isinstance(step.subject, MatrixValue)]  # beside definitions
    divided = lines if notation == "index" or not whole else record.steps
    warning = phrases.warning(marks)
    facts = tuple(writer.statements(beside.statements, common))
    meanings: list[blocks.Block] = [
        *legend.remarks(program.arrays.values() if whole else (), printed, notation),
        *legend.functions(printed),
    ]
    assumptions = phrases.entries(
        phrases.ASSUMPTIONS,
        writer.assumptions(whole and not is_short, {key for _, keys in beside.statements.values() for key in keys}),
    )
    results: list[blocks.Block] = [
        *([closed] if closed.forms and (whole or steps == "none") else ()),
        *([blocks.Paragraph((blocks.Prose(program.about),))] if program.about and whole else []),
        *(meanings if leads else ()),
        *([blocks.Code(phrases.NUMPY, beside.numpy)] if beside.numpy and whole else ()),
        *writer.named_in_code(printed),
        *([beside.example] if beside.example else ()),
        *([blocks.Section((phrases.STATEMENTS,), tuple((fact,) for fact in facts))] if facts and whole else ()),
    ]
    content: list[blocks.Block] = [
        *warning,
        *([blocks.Title(program.summary or program.name)] if title else ()),
        *([*forward, *phrases.upstream(program), *assumptions, *results] if leads else ()),
        *([blocks.Paragraph(phrases.mark_counts(beside.counts))] if beside.counts and whole and not common else ()),
        *(phrases.proved(program, others=len(own_marks) > 0) if common and lines else ()),
        *(writer.tables(axis_rows(record, shown, names, beside.statements)) if whole else ()),
        *(meanings if not leads else ()),
        *(phrases.reduction(program) if whole else ()),
        *(phrases.upstream(program) if whole and not leads else ()),
        *(assumptions if not leads else ()),
        *([where] if where.forms else ()),
        *sections[len(forward) if leads else 0 :],
        *(results if not leads else ()),
        *phrases.entries(phrases.DIVISORS, writer.divisors(divided)),
        *phrases.entries(phrases.CONVENTIONS, writer.conventions(whole)),
        *([blocks.Facts(phrases.FRAMEWORKS, beside.facts)] if beside.facts else ()),
        *evaluated,
        *([blocks.Code(phrases.CODE, beside.code)] if beside.code else ()),
        *warning,
    ]
    parts = [program.name] if whole else [program.name, steps]
    return Page(names, "-".join(re.sub(r"\W+", "-", part) for part in parts), tuple(content))


def chosen_lines(steps: str, shown: Collection[int], last: int) -> Collection[int]:
    """The numbers of the lines that ``steps`` asks for: of those ``shown``, out of ``last`` in the full derivation.

    Raises ``InputError`` unless it is "all", "none" or line numbers, and for a part that asks for no shown line.
    """
    if steps in ("all", "none"):
        return shown if steps == "all" else ()
    chosen: set[int] = set()
    for part in str(steps).split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(re.fullmatch("[0-9]{1,9}", end) for end in ends):
            raise InputError(f"unknown steps {steps!r}: expected all, none, or numbers of lines such as 5-13")
        first, final = int(ends[0]), int(ends[-1])
        if final < first:
            raise InputError(f"steps {part.strip()}: the range is reversed")
        if not 1 <= first <= final <= last:
            raise InputError(f"steps {part.strip()}: the derivation has lines 1 to {last}")
        if not (asked := [number for number in shown if first <= number <= final]):
            numbers = ", ".join(map(str, shown))
            raise InputError(
                f"steps {part.strip()}: the short derivation has lines {numbers}; the full one (--full) has every line"
            )
        chosen.update(asked)
    return chosen
