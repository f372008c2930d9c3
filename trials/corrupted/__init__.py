"""Give the checker corrupted lines, each equal to the right line at some shapes, at some points or in some digits.

The trial decides by its own evaluation, at its own shapes (``values``, ``judge``), whether a corrupted line is true; no
mark may claim more.  Rewritten true lines are controls: none may be refuted.
"""

from __future__ import annotations

import argparse
import platform
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import mpmath
import numpy as np
import sympy

from symgrad.check.marks import Level
from symgrad.check.wellformed import problems
from symgrad.steps import Largest, Record
from trials.corrupted import others
from trials.corrupted.judge import Judge, Verdict, lines_of
from trials.corrupted.kinds import KINDS, controls
from trials.corrupted.lines import Corruption, Line
from trials.corrupted.programs import records
from trials.page import table, write

CONTROLS = "controls"
MATRIX_KINDS = {
    "matrix factors": others.matrix_factors,
    "matrix products": others.matrices,
    CONTROLS: others.matrix_controls,
}
LINES = 4000
"""Approximate number of corrupted lines in a run."""


@dataclass
class Tally:
    """The results for one kind of corruption: how many lines were true anyway, and the marks of the others."""

    true: int = 0
    marks: Counter[Level] = field(default_factory=Counter)
    refuted_though_true: int = 0

    @property
    def false(self) -> int:
        """The number of lines that are not true at every shape."""
        return sum(self.marks.values())


def kinds_of(line: Line) -> dict[str, Callable[[Line], Iterator[Corruption]]]:
    """The kinds of corruption of a line, by name."""
    if isinstance(line.step.subject, Largest):
        return {"what is put for a shift": others.largest}
    known = MATRIX_KINDS if line.is_matrix else {**KINDS, CONTROLS: controls}
    return {**known, "citations": others.citations}


def corrupted(name: str, record: Record, share: float, draw: random.Random) -> Iterator[tuple[str, str, Verdict]]:
    """Yield kind, location and verdict of corrupted lines of one record: ``share`` per line and kind, on average."""
    judge = Judge(record)
    for line in lines_of(record):
        for kind, corrupt in kinds_of(line).items():
            wanted = int(share) + (draw.random() < share % 1)
            found = list(corrupt(line)) if wanted else []
            for corruption in draw.sample(found, min(wanted, len(found))):
                yield kind, f"{name} ({line.step.number})", judge.verdict(line, corruption)
        judge.right(line)


def unnoticed(name: str, record: Record) -> Iterator[tuple[str, bool]]:
    """Yield records that state something no line states, and whether the checker missed it."""
    for label, wrong in others.broken(record):
        yield f"{name}: {label}", not problems(wrong)


def main(arguments: list[str]) -> int:
    """Corrupt lines of all records, print what passes, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m trials corrupted", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, help="approximate number of corrupted lines")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choice of corruptions")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    known = list(records())
    possible = sum(len(kinds_of(line)) for _, record in known for line in lines_of(record))
    draw, tallies, findings = random.Random(options.seed), defaultdict(Tally), []
    for name, record in known:
        for kind, place, verdict in corrupted(name, record, options.lines / possible, draw):
            _count(tallies[kind], verdict)
            if verdict.finding:
                findings.append(f"{place}, {verdict.corruption.label}: {verdict.finding}")
                print(findings[-1])
    checked = [result for name, record in known for result in unnoticed(name, record)]
    findings += [label for label, passed in checked if passed]
    seconds = time.perf_counter() - start
    text = _page(dict(tallies), findings, len(checked), seconds, len(known), options.seed)
    print(text)
    write("corrupted", text)
    return int(bool(findings))


def _count(tally: Tally, verdict: Verdict) -> None:
    if verdict.is_true:
        tally.true += 1
        tally.refuted_though_true += verdict.mark.level == Level.WRONG
    else:
        tally.marks[verdict.mark.level] += 1


def _page(
    tallies: dict[str, Tally], findings: list[str], checked: int, seconds: float, records_read: int, seed: int
) -> str:
    control = tallies.pop(CONTROLS, Tally())
    weaker = (Level.EXACT_AT_SHAPES, Level.RANDOMISED_AT_SHAPES, Level.NUMERICAL, Level.UNPROVED)
    head = ["corruption", "lines", "true after all", "false", "refuted", *(level.words for level in weaker)]
    rows = [
        [kind, t.true + t.false, t.true, t.false, t.marks[Level.WRONG], *(t.marks[level] for level in weaker)]
        for kind, t in sorted(tallies.items())
    ]
    total = ["all", *(sum(int(str(row[place])) for row in rows) for place in range(1, len(head)))]
    versions = f"Python {platform.python_version()}, SymPy {sympy.__version__}, NumPy {np.__version__}"
    versions += f", mpmath {mpmath.__version__}"
    passed = "\n".join(f"- {finding}" for finding in findings)
    return f"""{table(head, [*rows, total])}

Findings (a mark claims more than is true, or a true line is refuted): {len(findings)}.

{passed}

Controls (true lines, rewritten): {control.true}, of which {control.refuted_though_true} were refuted. Derivations with
a closed form or condition that no line of them states: {checked}, all rejected unless named above.

The lines come from {records_read} records, with seed {seed}, in {seconds:.0f} s. {versions}.
`python -m trials corrupted` writes this page.
"""
