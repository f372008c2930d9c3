"""The report of ``symgrad check``, as data and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from symgrad.api import Derivation
from symgrad.check.marks import ProofReport
from symgrad.render.phrases import mark_sign
from symgrad.results import Lines


@dataclass(frozen=True)
class Item:
    """One check: whether it succeeded, and its result.

    ``compared`` is False if there was nothing to compare; then ``ok`` means nothing.
    """

    what: str
    ok: bool
    found: str
    compared: bool = True


@dataclass(frozen=True)
class Row:
    """The evidence of the published numbers about one formula, right or wrong.

    ``witness``: whether inputs were found at which it gives the printed numbers; ``size``: the least |x|^2 + |w|^2 of
    these, or None.
    """

    formula: str
    witness: bool
    size: float | None


@dataclass(frozen=True)
class Section:
    """The checks of one loss, of one source, or of the recorded runs, named by ``title``; ``where`` is the address of
    the source."""

    title: str
    items: tuple[Item, ...]
    rows: tuple[Row, ...] = ()
    expected_size: tuple[float, float] | None = None
    where: str = ""


@dataclass(frozen=True)
class Report:
    """All checks; ``ok`` only if all succeeded."""

    sections: tuple[Section, ...]

    @property
    def ok(self) -> bool:
        return self.first_failure is None

    @property
    def first_failure(self) -> str | None:
        """The first failed check, in words, or None."""
        failed = (f"{s.title}: {i.what}: {i.found}" for s in self.sections for i in s.items if not i.ok)
        return next(failed, None)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {"ok": self.ok, "first_failure": self.first_failure, "sections": [asdict(s) for s in self.sections]}


def proof_items(derivation: Derivation) -> list[Item]:
    """The proof of every line and of the evaluation, if there is one; each weaker line has an item."""
    items: list[Item] = []
    whole: list[tuple[str, Lines]] = [("every line", derivation), ("what the code evaluates", derivation.evaluation)]
    for what, part in (*whole, ("its assignments", derivation.assignments)):
        if part.steps:
            report = part.prove()
            words = "; ".join([f"{len(report.marks)} lines: {_counted(report.counts)}", *report.problems])
            items += [Item(f"proof of {what}", report.ok, words), *_weaker(report)]
    return items


def _weaker(report: ProofReport, of: str = "") -> list[Item]:
    """An item for each line that is weaker than *every shape*."""
    return [Item(f"{of}line {mark.number}", mark.ok, f"{mark.words}: {mark.detail}") for mark in report.weaker()]


def joint_proof(derivations: Iterable[Derivation]) -> list[Item]:
    """The proofs of several derivations in one item; each weaker line, and each failed proof, has an item with the name
    of its loss."""
    names, counts, items = set[str](), Counter[str](), list[Item]()
    for derivation in derivations:
        name = derivation.program.name
        names.add(name)
        for part in (derivation, derivation.evaluation, derivation.assignments):
            report = part.prove()
            counts.update(report.counts)
            items += _weaker(report, f"{name}: ")
            items += [Item(f"{name}: proof", False, problem) for problem in report.problems]
    total = f"{counts.total()} lines of {len(names)} losses and of the code that they evaluate: {_counted(counts)}"
    return [*items, Item("proof of every line", all(item.ok for item in items), total)]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {words}" for words, count in counts.items())


def verdict(report: Report) -> str:
    """The last line of a report."""
    return "Everything holds." if report.ok else f"FAILED: {report.first_failure}"


def section_text(section: Section) -> str:
    """A section of the report, followed by a blank line."""
    lines = [section.title, "=" * len(section.title), *([f"  {section.where}"] if section.where else [])]
    for item in section.items:
        sign = mark_sign("every shape" if item.ok else "wrong") if item.compared else "-"
        lines.append(f"  {sign} {item.what}: {item.found}")
    if section.rows and section.expected_size:
        mean, deviation = section.expected_size
        lines += ["", "  What the printed numbers can say: are inputs found at which a formula gives them?"]
        width = max(len(row.formula) for row in section.rows)
        lines.append(
            f"    {'formula':{width}}  inputs found  least |x|^2 + |w|^2  ({mean:.0f} +- {deviation:.0f} expected)"
        )
        for row in section.rows:
            size = "-" if row.size is None else f"{row.size:.0f}"
            lines.append(f"    {row.formula:{width}}  {'yes' if row.witness else 'no':12}  {size}")
        lines.append(
            "  A formula for which inputs are found is not refuted; "
            "changes in two entries of a row that cancel cannot be seen."
        )
    return "\n".join([*lines, ""])
