"""The campaign: many drafts examined one after another, what came of each kept in a file, and the page on all."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from symgrad.check.marks import Level
from trials import page
from trials.fuzz.generate import from_seed
from trials.fuzz.judge import SECONDS, derivation, examine
from trials.fuzz.syntax import Draft, source
from trials.numbered import ROOT, Entry, parser, processor, ranges, run

THOROUGH = 10
"""One draft in so many is held against jax, and printed in every form."""


def main(arguments: list[str]) -> int:
    """Run a campaign, or one draft of it; 1 where there are findings."""
    options = parser("fuzz", __doc__, 20_000).parse_args(arguments)
    if options.only is not None:
        return _one(options.seed, options.only)
    entries = run(ROOT / ".trials" / f"fuzz-{options.seed}.jsonl", options, partial(_examined, options.seed))
    page.write("fuzz", _page(options.seed, entries))
    return int(any(entry["findings"] for entry in entries.values()))


def _examined(seed: int, number: int) -> Entry:
    draft = from_seed(seed, number)
    return {"number": number, **vars(examine(draft, number, number % THOROUGH == 0))}


def _one(seed: int, number: int) -> int:
    draft = from_seed(seed, number)
    print(shown(draft))
    outcome = examine(draft, number, thorough=True)
    if outcome.refused:
        print(f"refused: {outcome.refused}")
    else:
        print(derivation(draft).to_text())
    for kind, what in outcome.findings:
        print(f"{kind}: {what}")
    print(f"{dict(outcome.marks)}, {outcome.points} points, {outcome.seconds:.2f} s")
    return int(bool(outcome.findings))


def shown(draft: Draft) -> str:
    """A draft as text."""
    how = f"equations written by hand, in the letters {draft.letters}" if draft.by_hand else "traced"
    return f"shapes: {draft.shapes}\nwrt: {', '.join(draft.wrt)}\n{how}\n{source(draft)}"


# --- the page -----------------------------------------------------------------------------------------------------


def _page(seed: int, entries: dict[int, Entry]) -> str:
    every = list(entries.values())
    derived = [entry for entry in every if not entry["refused"]]
    marks: Counter[str] = Counter()
    for entry in derived:
        marks.update(entry["marks"])
    seconds = [entry["seconds"] for entry in every]
    head = [
        ("programs", f"{len(every):,}"),
        ("derived and proved", f"{len(derived):,}"),
        ("refused, with the reason", f"{len(every) - len(derived):,}"),
        ("points at which a gradient was compared", f"{sum(e['points'] for e in every):,}"),
        ("of these at a tie of a kink", f"{sum(e['ties'] for e in every):,}"),
        ("programs held against jax", f"{sum(e['by_jax'] for e in every):,}"),
        (
            "lines that are rightly marked wrong: they divide by 0 somewhere where the program has a value",
            f"{sum(e['undefined'] for e in every):,}",
        ),
        ("seconds of one core", f"{sum(seconds):,.0f}"),
        ("the slowest program, in seconds", f"{max(seconds):.1f}"),
    ]
    commits = Counter(entry["commit"] for entry in every)
    return "\n\n".join(
        [
            f"Written by `python -m trials fuzz --seed {seed}`, of the programs {ranges(sorted(entries))}; "
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
                    *((name, version(name)) for name in ("sympy", "numpy", "jax", "scipy")),
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
    kinds = (
        "wrong gradient",
        "wrong value",
        "gradient not finite",
        "wrong equations",
        "wrong shape",
        "false mark",
        "marked wrong",
        "problem",
        "crash",
        "too long",
        "witnesses differ",
    )
    rows = [
        (f"{kind} (more than {SECONDS} s)" if kind == "too long" else kind, stand[kind], mended[kind]) for kind in kinds
    ]
    return page.table(("kind", "programs that have it", "programs that had it, mended"), rows)


def _refusals(entries: Sequence[Entry]) -> str:
    reasons = Counter(reason(entry["refused"]) for entry in entries if entry["refused"])
    return page.table(("reason", "programs"), [(words, f"{count:,}") for words, count in reasons.most_common()])


def reason(refused: str) -> str:
    """Why a program was refused, without the names that are its own."""
    patterns = {
        r"depends on \w+ only through functions that are constant": "constant apart from jumps",
        r"does not depend on": "the output does not depend on the array",
        r"is not finite": "not finite: division by zero, or a logarithm of 0",
    }
    return next((words for pattern, words in patterns.items() if re.search(pattern, refused)), refused)
