"""Diagnose every gradient of the corpus, and write the table of results."""

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
from symgrad.diagnosis import KINDS
from trials import page
from trials.diagnosis.corpus import ISSUE, Source, Wrong
from trials.diagnosis.right import COUNT, Right, variants
from trials.diagnosis.wrong import WRONG

RIGHT, NOTED, LATER, OTHER, NONE, UNSEEN = "right", "noted", "right, not first", "other", "none", "called right"
"""Outcomes, in order: the first explanation names the mistake; a note names the inputs at which the gradient is not
finite, or the only labels for which it is right; a later explanation names the mistake; no explanation names it;
nothing is explained; the gradient is called right."""
NAMED = frozenset({RIGHT, NOTED})


@dataclass(frozen=True)
class Judged:
    """A wrong gradient and its diagnosis: the kinds of the explanations, and the first explanation in words."""

    case: Wrong
    outcome: str
    kinds: tuple[str, ...]
    words: str


@cache
def _derived(loss: str, options: tuple[tuple[str, Any], ...]) -> symgrad.Derivation:
    return symgrad.derive(loss, **dict(options))


def derivation_of(loss: str, options: Mapping[str, Any] | None = None) -> symgrad.Derivation:
    """The derivation of a catalogue loss, cached."""
    return _derived(loss, tuple((options or {}).items()))


def judge(case: Wrong) -> Judged:
    """Diagnose a wrong gradient, and compare the first explanation with the mistake."""
    with np.errstate(all="ignore"):
        diagnosis = symgrad.diagnose(derivation_of(case.loss, case.options), case.candidate)
    explanations = diagnosis.explanations
    kinds = tuple(explanation.kind for explanation in explanations)
    if diagnosis.ok:
        note = noted(diagnosis) if case.kind == "precision" else diagnosis.within
        return Judged(case, NOTED if note else UNSEEN, (), note)
    if not explanations:
        return Judged(case, NONE, (), "")
    first = explanations[0]
    line = "" if first.line is None else f" (line {first.line})"
    outcome = RIGHT if kinds[0] in case.accepted else LATER if case.accepted & set(kinds) else OTHER
    return Judged(case, outcome, kinds, f"{first.words}{line}")


def diagnosed(right: Right) -> symgrad.Diagnosis:
    """The diagnosis of a right gradient."""
    with np.errstate(all="ignore"):
        return symgrad.diagnose(derivation_of(right.loss), right.candidate)


def noted(diagnosis: symgrad.Diagnosis) -> str:
    """The note on inputs at which a gradient is not finite, if there is one."""
    return " ".join(remark for remark in diagnosis.remarks if "not finite" in remark)


def main(arguments: list[str]) -> int:
    """Diagnose everything, print the results and write the page; return 1 if a right gradient is called wrong."""
    parser = argparse.ArgumentParser(prog="python -m trials diagnosis", description=__doc__)
    parser.add_argument("--right", type=int, default=COUNT, help=f"how many right gradients (default: {COUNT})")
    parser.add_argument("--only", default="", help="wrong gradients whose id contains this, and no right ones")
    given = parser.parse_args(arguments)
    started = time.process_time()
    judged = []
    for case in WRONG:
        if given.only in case.id:
            judged.append(judge(case))
            print(_told(judged[-1]), flush=True)
    if given.only:
        return 0
    named_in = time.process_time() - started
    rights = variants(given.right)
    diagnoses = [(right, diagnosed(right)) for right in rights]
    wronged = [(right, diagnosis) for right, diagnosis in diagnoses if not diagnosis.ok]
    for right, diagnosis in wronged:
        print(f"accused: {right.id}\n{diagnosis}", flush=True)
    seconds = named_in, time.process_time() - started - named_in
    page.write("diagnosis", _page(judged, diagnoses, seconds))
    counts = Counter(found.outcome for found in judged)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    print(f"{len(wronged)} of {len(rights)} right ones accused; {seconds[0]:.0f} s and {seconds[1]:.0f} s")
    return int(bool(wronged))


def _told(found: Judged) -> str:
    case = found.case
    wanted = "" if found.outcome in NAMED else f"   wanted {' or '.join(sorted(case.accepted))}"
    return f"{found.outcome:17}{case.loss:24}{case.id:40}{' '.join(found.kinds) or '-'}: {found.words}{wanted}"


def _page(
    judged: Sequence[Judged], diagnoses: Sequence[tuple[Right, symgrad.Diagnosis]], seconds: tuple[float, float]
) -> str:
    threads = [found for found in judged if found.case.source is not ISSUE]
    asked = [found for found in judged if found.case.source is ISSUE]
    return "\n\n".join(
        (
            _counted("wrong gradients written from threads and bug reports", threads),
            _counted("further wrong gradients, for which we found no thread", asked),
            _counted_right(diagnoses),
            f"The wrong gradients took {seconds[0]:.0f} s of processor time, the right gradients {seconds[1]:.0f} s.",
            _table(threads),
            "For these mistakes we found no thread:",
            _table(asked),
            "The kinds: " + "; ".join(f"*{name}*, {kind.words}" for name, kind in KINDS.items()) + ".",
        )
    )


def _counted_right(pairs: Sequence[tuple[Right, symgrad.Diagnosis]]) -> str:
    naive = [diagnosis for right, diagnosis in pairs if right.naive]
    singles, wrong = sum(right.single for right, _ in pairs), sum(not diagnosis.ok for _, diagnosis in pairs)
    return (
        f"Of {len(pairs)} right gradients, {singles} of which compute in float32, {wrong} are called wrong."
        f" {len(naive)} overflow or divide by 0 at large inputs;"
        f" for {sum(bool(noted(diagnosis)) for diagnosis in naive)} of these, a note says so."
    )


def _counted(what: str, found: Sequence[Judged]) -> str:
    counts = Counter(one.outcome for one in found)
    losses = len({one.case.loss for one in found})
    texts = (
        (RIGHT, "named correctly"),
        (NOTED, "called right, with a note on the inputs at which they are wrong"),
        (LATER, "named correctly, but after another explanation"),
        (OTHER, "named incorrectly"),
        (NONE, "without an explanation"),
        (UNSEEN, "called right"),
    )
    return (
        f"Of {len(found)} {what}, for {losses} losses: "
        + ", ".join(f"{counts[key]} {text}" for key, text in texts)
        + "."
    )


def _table(found: Sequence[Judged]) -> str:
    rows = [
        (
            one.case.loss,
            _cell(f"{one.case.words} ({' or '.join(f'*{kind}*' for kind in sorted(one.case.accepted))})"),
            _source(one.case.source),
            _cell(f"{one.words} (*{one.kinds[0]}*)" if one.kinds else one.words),
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
