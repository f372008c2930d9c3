"""The campaign: many losses examined one after another, and the page on all of them."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

import symgrad
from symgrad.check.marks import Level
from trials import page
from trials.expressions.generate import from_seed
from trials.expressions.judge import KINDS, SECONDS, examine, reason, traced
from trials.numbered import ROOT, Entry, parser, processor, ranges, run

THOROUGH = 10
"""One loss in so many is printed in every form."""


def main(arguments: list[str]) -> int:
    """Run a campaign, or one loss of it; 1 where there are findings."""
    options = parser("expressions", __doc__, 5_000).parse_args(arguments)
    if options.only is not None:
        return _one(options.seed, options.only)
    entries = run(ROOT / ".trials" / f"expressions-{options.seed}.jsonl", options, partial(examined, options.seed))
    page.write("expressions", _page(options.seed, entries))
    return int(any(entry["findings"] for entry in entries.values()))


def examined(seed: int, number: int) -> Entry:
    """What came of the loss of a number."""
    outcome = examine(from_seed(seed, number), number, number % THOROUGH == 0)
    return {"number": number, **vars(outcome), "proved": outcome.is_proved}


def _one(seed: int, number: int) -> int:
    loss = from_seed(seed, number)
    print(loss)
    outcome = examine(loss, number, thorough=True)
    print(f"refused: {outcome.refused}" if outcome.refused else traced_text(seed, number))
    for kind, what in outcome.findings:
        print(f"{kind}: {what}")
    print(f"{dict(outcome.marks)}, {outcome.points} points, {outcome.seconds:.2f} s")
    return int(bool(outcome.findings))


def traced_text(seed: int, number: int) -> str:
    """The derivation of a loss as text."""
    return symgrad.derive(traced(from_seed(seed, number))).to_text()


# --- the page -----------------------------------------------------------------------------------------------------


def _page(seed: int, entries: dict[int, Entry]) -> str:
    every = list(entries.values())
    derived = [entry for entry in every if not entry["refused"]]
    marks: Counter[str] = Counter()
    for entry in derived:
        marks.update(entry["marks"])
    head = [
        ("programs", f"{len(every):,}"),
        ("derived", f"{len(derived):,}"),
        ("of these with every line proved", f"{sum(e['proved'] for e in derived):,}"),
        ("refused, with the reason", f"{len(every) - len(derived):,}"),
        ("points at which the loss was compared", f"{sum(e['points'] for e in every):,}"),
        ("slopes that were compared", f"{sum(e['slopes'] for e in every):,}"),
        ("programs without a point: too near a kink, or too large", f"{sum(not e['points'] for e in every):,}"),
        (
            "points at a root of 0 with a gradient that is not finite",
            f"{sum(e['at_root'] for e in every):,}",
        ),
        ("seconds of one core", f"{sum(e['seconds'] for e in every):,.0f}"),
        ("the slowest program, in seconds", f"{max(e['seconds'] for e in every):.1f}"),
    ]
    commits = Counter(entry["commit"] for entry in every)
    return "\n\n".join(
        [
            f"Written by `python -m trials expressions --seed {seed}`, of the programs {ranges(sorted(entries))}; "
            "`--only NUMBER` shows one.",
            page.table(("", ""), head),
            "## Findings",
            _findings(every),
            "## Marks",
            page.table(("mark", "lines"), [(level.words, f"{marks[level.words]:,}") for level in Level]),
            "## Refusals",
            _refusals(every),
            "## Run with",
            page.table(
                ("", ""),
                [
                    *((name, version(name)) for name in ("sympy", "numpy", "scipy")),
                    ("Python", platform.python_version()),
                    ("processor", processor()),
                    *((f"commit {name}", f"{count:,} programs") for name, count in commits.items()),
                ],
            ),
        ]
    )


def _findings(entries: Sequence[Entry]) -> str:
    """The findings by kind: those that stand, and those that were mended."""
    stand = Counter(kind for e in entries for kind in {kind for kind, _ in e["findings"]})
    mended = Counter(kind for e in entries if not e["findings"] for kind in e["mended"])
    rows = [(f"{k} (more than {SECONDS} s)" if k == "slow" else k, stand[k], mended[k]) for k in KINDS]
    return page.table(("kind", "programs that have it", "programs that had it, mended"), rows)


def _refusals(entries: Sequence[Entry]) -> str:
    reasons = Counter(reason(entry["refused"]) for entry in entries if entry["refused"])
    return page.table(("reason", "programs"), [(words, f"{count:,}") for words, count in reasons.most_common()])
