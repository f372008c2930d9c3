"""Examine many losses, and write the page."""

from __future__ import annotations

from functools import partial

import symgrad
from trials import page
from trials.expressions.generate import from_seed
from trials.expressions.judge import KINDS, examine, reason, traced
from trials.numbered import ROOT, Entry, parser, run
from trials.report import print_outcome, report

THOROUGH = 10
"""Every so many losses, one is printed in every format."""


def main(arguments: list[str]) -> int:
    """Run a campaign, or one loss of it; return 1 if there are findings."""
    options = parser("expressions", __doc__, 5_000).parse_args(arguments)
    if options.only is not None:
        return _one(options.seed, options.only)
    entries = run(ROOT / ".trials" / f"expressions-{options.seed}.jsonl", options, partial(examined, options.seed))
    page.write("expressions", _page(options.seed, entries))
    return int(any(entry["findings"] for entry in entries.values()))


def examined(seed: int, number: int) -> Entry:
    """The result for the loss with a number."""
    outcome = examine(from_seed(seed, number), number, number % THOROUGH == 0)
    return {"number": number, **vars(outcome), "proved": outcome.is_proved}


def _one(seed: int, number: int) -> int:
    loss = from_seed(seed, number)
    print(loss)
    outcome = examine(loss, number, thorough=True)
    return print_outcome("" if outcome.refused else symgrad.derive(traced(loss)).to_text(), outcome)


def _page(seed: int, entries: dict[int, Entry]) -> str:
    every = entries.values()
    figures = [
        ("programs with every line proved", f"{sum(e['proved'] for e in every):,}"),
        ("points at which the loss was compared", f"{sum(e['points'] for e in every):,}"),
        ("of these, with every line evaluated independently", f"{sum(e['with_lines'] for e in every):,}"),
        ("slopes compared", f"{sum(e['slopes'] for e in every):,}"),
        ("programs without a usable point (near a kink, or overflow)", f"{sum(not e['points'] for e in every):,}"),
        ("points at a root of 0 with a non-finite gradient", f"{sum(e['at_root'] for e in every):,}"),
    ]
    return report("expressions", seed, entries, figures, KINDS, reason, ("sympy", "numpy", "scipy"))
