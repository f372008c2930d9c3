"""Every candidate of the corpus diagnosed, and the table of what was said of it."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import symgrad
from trials import page
from trials.diagnosis.corpus import ISSUE, KINDS, Source, Wrong
from trials.diagnosis.right import COUNT, Right, variants
from trials.diagnosis.wrong import WRONG

RIGHT, LATER, OTHER, NONE, UNSEEN = "right", "right, not first", "other", "none", "taken for right"
"""What became of a wrong gradient: the first explanation is of a kind that names the mistake, or a later one, or none
of them; there is no explanation; it was not even found to be wrong."""


@dataclass(frozen=True)
class Judged:
    """A wrong gradient with what the diagnosis said: the kinds of its explanations, and the first one in words."""

    case: Wrong
    outcome: str
    kinds: tuple[str, ...]
    said: str


@cache
def _derived(loss: str, options: tuple[tuple[str, Any], ...]) -> symgrad.Derivation:
    return symgrad.derive(loss, **dict(options))


def derivation_of(loss: str, options: Mapping[str, Any] | None = None) -> symgrad.Derivation:
    """The derivation, made once, of a loss of the catalogue."""
    return _derived(loss, tuple((options or {}).items()))


def judge(case: Wrong) -> Judged:
    """Diagnose a wrong gradient, and hold the first explanation against the mistake."""
    with np.errstate(all="ignore"):
        diagnosis = symgrad.diagnose(derivation_of(case.loss, case.options), case.candidate)
    explanations = diagnosis.explanations
    kinds = tuple(explanation.kind for explanation in explanations)
    if diagnosis.ok:
        return Judged(case, UNSEEN, (), "")
    if not explanations:
        return Judged(case, NONE, (), "")
    first = explanations[0]
    line = "" if first.line is None else f" (line {first.line})"
    outcome = RIGHT if kinds[0] in case.accepted else LATER if case.accepted & set(kinds) else OTHER
    return Judged(case, outcome, kinds, f"{first.words}{line}")


def accusation(right: Right) -> str:
    """What is held against a right gradient; nothing where it is found right, or where a naive one is told that it is
    wrong at large inputs, which it is."""
    with np.errstate(all="ignore"):
        diagnosis = symgrad.diagnose(derivation_of(right.loss), right.candidate)
    kinds = {explanation.kind for explanation in diagnosis.explanations}
    return "" if diagnosis.ok or (right.naive and kinds == {"precision"}) else str(diagnosis)


def main(arguments: list[str]) -> int:
    """Diagnose everything, print what was said and write the page; 1 where a right gradient was accused."""
    parser = argparse.ArgumentParser(prog="python -m trials diagnosis", description=__doc__)
    parser.add_argument("--right", type=int, default=COUNT, help=f"how many right gradients (default: {COUNT})")
    parser.add_argument("--only", default="", help="wrong gradients whose id contains this, and no right ones")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    judged = []
    for case in WRONG:
        if given.only in case.id:
            judged.append(judge(case))
            print(_told(judged[-1]), flush=True)
    if given.only:
        return 0
    named_in = time.perf_counter() - started
    rights = variants(given.right)
    accused = [(right, said) for right in rights if (said := accusation(right))]
    for right, said in accused:
        print(f"accused: {right.id}\n{said}", flush=True)
    seconds = named_in, time.perf_counter() - started - named_in
    page.write("diagnosis", _page(judged, rights, [right for right, _ in accused], seconds))
    counts = Counter(found.outcome for found in judged)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    print(f"{len(accused)} of {len(rights)} right ones accused; {seconds[0]:.0f} s and {seconds[1]:.0f} s")
    return int(bool(accused))


def _told(found: Judged) -> str:
    case = found.case
    wanted = "" if found.outcome == RIGHT else f"   wanted {' or '.join(sorted(case.accepted))}"
    return f"{found.outcome:17}{case.loss:24}{case.id:40}{' '.join(found.kinds) or '-'}: {found.said}{wanted}"


def _page(
    judged: Sequence[Judged], rights: Sequence[Right], accused: Sequence[Right], seconds: tuple[float, float]
) -> str:
    threads = [found for found in judged if found.case.source is not ISSUE]
    asked = [found for found in judged if found.case.source is ISSUE]
    naive, single = (sum(getattr(right, name) for right in rights) for name in ("naive", "single"))
    return "\n\n".join(
        (
            _counted("wrong gradients written from threads and bug reports", threads),
            _counted("more for mistakes of which no thread was found", asked),
            f"Of {len(rights)} right gradients, {naive} of which overflow at large inputs and {single} compute in"
            f" float32, {len(accused)} are accused. The wrong ones took {seconds[0]:.0f} s, the right ones"
            f" {seconds[1]:.0f} s.",
            _table(threads),
            "No thread was found of these:",
            _table(asked),
            "The kinds: " + "; ".join(f"*{kind}*, {words}" for kind, words in KINDS.items()) + ".",
        )
    )


def _counted(what: str, found: Sequence[Judged]) -> str:
    counts = Counter(one.outcome for one in found)
    losses = len({one.case.loss for one in found})
    said = (
        (RIGHT, "named rightly"),
        (LATER, "named rightly, but after another explanation"),
        (OTHER, "named wrongly"),
        (NONE, "without an explanation"),
        (UNSEEN, "taken for right"),
    )
    return (
        f"Of {len(found)} {what}, for {losses} losses: "
        + ", ".join(f"{counts[key]} {text}" for key, text in said)
        + "."
    )


def _table(found: Sequence[Judged]) -> str:
    rows = [
        (
            one.case.loss,
            _cell(f"{one.case.words} (*{one.case.kind}*)"),
            _source(one.case.source),
            _cell(f"{one.said} (*{one.kinds[0]}*)") if one.kinds else "",
            one.outcome,
        )
        for one in found
    ]
    return page.table(("loss", "mistake", "source", "symgrad says", ""), rows)


def _source(source: Source) -> str:
    """The source as a link, with its year; nothing for a mistake without a thread."""
    year = "" if source.year is None else f", {source.year}"
    return f"[{_cell(source.title)}]({source.url}){year}" if source.url else ""


def _cell(text: str) -> str:
    """Text as the cell of a table in Markdown."""
    return " ".join(text.split()).replace("|", r"\|").replace("[", r"\[").replace("]", r"\]")
