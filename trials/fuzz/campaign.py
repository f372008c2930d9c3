"""Examine many drafts, keep the results in a file, and write the page."""

from __future__ import annotations

import re
from functools import partial

from trials import page
from trials.fuzz.generate import from_seed
from trials.fuzz.judge import KINDS, derivation, examine
from trials.fuzz.syntax import Draft, source
from trials.numbered import ROOT, Entry, parser, run
from trials.report import print_outcome, report

THOROUGH = 10
"""Every so many drafts, one is compared with jax and printed in every format."""


def main(arguments: list[str]) -> int:
    """Run a campaign, or one draft of it; return 1 if there are findings."""
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
    return print_outcome("" if outcome.refused else derivation(draft).to_text(), outcome)


def shown(draft: Draft) -> str:
    """A draft as text."""
    how = f"equations written by hand, in the letters {draft.letters}" if draft.by_hand else "traced"
    return f"shapes: {draft.shapes}\nwrt: {', '.join(draft.wrt)}\n{how}\n{source(draft)}"


def _page(seed: int, entries: dict[int, Entry]) -> str:
    every = entries.values()
    figures = [
        ("points at which a gradient was compared", f"{sum(e['points'] for e in every):,}"),
        ("of these, at a tie", f"{sum(e['ties'] for e in every):,}"),
        ("programs compared with jax", f"{sum(e['by_jax'] for e in every):,}"),
        (
            "lines correctly marked wrong (they divide by 0 where the program has a value)",
            f"{sum(e['undefined'] for e in every):,}",
        ),
    ]
    return report("fuzz", seed, entries, figures, KINDS, reason, ("sympy", "numpy", "jax", "scipy"))


def reason(refused: str) -> str:
    """Why a program was refused, without its names."""
    patterns = {
        r"depends on \w+ only through piecewise constant functions": "constant apart from jumps",
        r"does not depend on": "the output does not depend on the array",
        r"is not finite": "not finite: division by zero, or a logarithm of 0",
    }
    return next((words for pattern, words in patterns.items() if re.search(pattern, refused)), refused)
