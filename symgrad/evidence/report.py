"""What ``symgrad check`` finds, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from symgrad.api import Derivation
from symgrad.check.marks import ProofReport


@dataclass(frozen=True)
class Item:
    """One thing checked: whether it holds, and what was found.

    ``compared`` is False where there was nothing to compare: then that it holds says nothing.
    """

    what: str
    ok: bool
    found: str
    compared: bool = True


@dataclass(frozen=True)
class Row:
    """What the published numbers can say of one formula, right or wrong.

    ``witness`` tells whether inputs were found at which it gives the printed numbers; ``size`` is the least
    |x|^2 + |w|^2 of those found, or None.
    """

    formula: str
    witness: bool
    size: float | None


@dataclass(frozen=True)
class Section:
    """What was checked of one loss, of what one source printed, or of the recorded runs: ``title`` says which;
    ``where`` is where the source is found."""

    title: str
    items: tuple[Item, ...]
    rows: tuple[Row, ...] = ()
    expected_size: tuple[float, float] | None = None
    where: str = ""


@dataclass(frozen=True)
class Report:
    """All that was checked; ``ok`` only if everything holds."""

    sections: tuple[Section, ...]

    @property
    def ok(self) -> bool:
        return self.first_failure is None

    @property
    def first_failure(self) -> str | None:
        """The first thing that does not hold, in words, or None."""
        failed = (f"{s.title}: {i.what}: {i.found}" for s in self.sections for i in s.items if not i.ok)
        return next(failed, None)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {"ok": self.ok, "first_failure": self.first_failure, "sections": [asdict(s) for s in self.sections]}


def proof_items(derivation: Derivation) -> list[Item]:
    """The proof of every line, and of what the generated code evaluates; each line that is weaker has an item."""
    items = _lines("proof of every line", derivation.prove())
    return items + _lines("proof of what the code evaluates", derivation.evaluation.prove())


def _lines(what: str, report: ProofReport) -> list[Item]:
    counts = ", ".join(f"{count} {words}" for words, count in report.counts.items())
    items = [Item(what, report.ok, f"{len(report.marks)} lines: {counts}")]
    return items + [Item(f"line {mark.number}", mark.ok, f"{mark.words}: {mark.detail}") for mark in report.weaker()]
