"""The report on a campaign over numbered programs: figures, findings, marks, refusals, versions."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from symgrad.check.marks import Level
from trials.examination import CRASH, SECONDS, TOO_LONG, Outcome
from trials.numbered import Entry, processor, ranges
from trials.page import table

Row = tuple[str, str]


def report(
    name: str,
    seed: int,
    entries: Mapping[int, Entry],
    figures: Sequence[Row],
    kinds: Sequence[str],
    reason: Callable[[str], str],
    packages: Sequence[str],
) -> str:
    """The report on the results of all programs, in Markdown.

    ``figures`` are the trial's own rows of the first table, ``kinds`` its kinds of findings, ``packages`` the packages
    whose versions are printed; ``reason`` reduces the message of a refusal to its general reason.
    """
    every = list(entries.values())
    derived = [entry for entry in every if not entry["refused"]]
    marks: Counter[str] = Counter()
    for entry in derived:
        marks.update(entry["marks"])
    head = [
        ("programs", f"{len(every):,}"),
        ("derived", f"{len(derived):,}"),
        ("refused, with the reason", f"{len(every) - len(derived):,}"),
        *figures,
        ("seconds of one core", f"{sum(entry['seconds'] for entry in every):,.0f}"),
        ("the slowest program, in seconds", f"{max(entry['seconds'] for entry in every):.1f}"),
    ]
    return "\n\n".join(
        [
            f"Written by `python -m trials {name} --seed {seed}`, for the programs {ranges(sorted(entries))}; "
            "`--only NUMBER` shows one program.",
            table(("", ""), head),
            "## Findings",
            _findings(every, (*kinds, CRASH, TOO_LONG)),
            "## Marks",
            table(("mark", "lines"), [(level.words, f"{marks[level.words]:,}") for level in Level]),
            "## Refusals",
            _refusals(every, reason),
            "## Run with",
            table(("", ""), _surroundings(every, packages)),
        ]
    )


def print_outcome(text: str, outcome: Outcome) -> int:
    """Print the outcome of one program with derivation ``text``; return 1 if there are findings."""
    print(f"refused: {outcome.refused}" if outcome.refused else text)
    for kind, what in outcome.findings:
        print(f"{kind}: {what}")
    print(f"{dict(outcome.marks)}, {outcome.points} points, {outcome.seconds:.2f} s")
    return int(bool(outcome.findings))


def _findings(entries: Sequence[Entry], kinds: Sequence[str]) -> str:
    """The number of programs with each kind of finding: open, and fixed."""
    stand = Counter(kind for e in entries for kind in {kind for kind, _ in e["findings"]})
    mended = Counter(kind for e in entries if not e["findings"] for kind in e["mended"])
    words = {TOO_LONG: f"{TOO_LONG} (more than {SECONDS} s)"}
    rows = [(words.get(kind, kind), stand[kind], mended[kind]) for kind in kinds]
    return table(("kind", "open", "fixed"), rows)


def _refusals(entries: Sequence[Entry], reason: Callable[[str], str]) -> str:
    reasons = Counter(reason(entry["refused"]) for entry in entries if entry["refused"])
    return table(("reason", "programs"), [(words, f"{count:,}") for words, count in reasons.most_common()])


def _surroundings(entries: Sequence[Entry], packages: Sequence[str]) -> list[Row]:
    return [
        *((name, version(name)) for name in packages),
        ("Python", platform.python_version()),
        ("processor", processor()),
        *((f"commit {name}", f"{count:,} programs") for name, count in Counter(e["commit"] for e in entries).items()),
    ]
