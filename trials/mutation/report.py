"""The pages of the mutation trial: a table of modules, and the survivors with their reasons."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from trials import page
from trials.mutation.campaign import BUDGET, KILLED, SURVIVED, TIMED_OUT, UNREACHED, Result
from trials.mutation.mutants import Mutant

KINDS = {
    "equal": "the mutant computes the same",
    "slower": "the result is the same, at another speed or with other memory use",
    "limit": "it changes a limit on size or effort, whose exact value is arbitrary",
    "words": "it changes the wording of a text",
    "collected": "the tests read it when they are collected, before the mutant is installed",
    "stricter": "the mutant proves or simplifies less, but nothing wrong",
}
"""Kinds of reasons in ``harmless.toml`` why a survivor is harmless."""


@dataclass(frozen=True)
class Reason:
    """Why the mutants of ``function`` with the mutated line ``after`` are harmless; ``kind`` is one of ``KINDS``.

    ``function`` includes its module, without ``symgrad.``.  A star in ``function`` or ``after`` matches any text.
    """

    function: str
    after: str
    kind: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        """Whether the reason applies to a mutant."""
        return all(
            re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
            for pattern, text in zip((self.function, self.after), _at(mutant), strict=True)
        )


def reasons_in(path: Path) -> list[Reason]:
    """The table of reasons."""
    groups = tomllib.loads(path.read_text(encoding="utf-8"))["reason"]
    return [Reason(g["function"], after, g["kind"], g["why"]) for g in groups for after in g["after"]]


def pages(mutants: list[Mutant], results: list[tuple[Mutant, Result]], reasons: list[Reason]) -> dict[str, str]:
    """The pages ``mutation`` and ``survivors``, in Markdown."""
    left = [(mutant, result) for mutant, result in results if result.outcome in (SURVIVED, UNREACHED)]
    explained, unexplained = [], []
    for mutant, _ in left:
        found = next((reason for reason in reasons if reason.fits(mutant)), None)
        if found:
            explained.append((mutant, found))
        else:
            unexplained.append(mutant)
    figures = [
        _summary(mutants, results, len(explained), len(unexplained)),
        _modules(mutants, results, {mutant for mutant, _ in explained}),
    ]
    survivors = [
        "# Mutants that survive",
        "These mutants of [the evidence](../evidence.md) were run, and no test failed.",
        _explained(explained),
        "## Survivors without a reason",
        _listed(unexplained) or "None.",
        _stale(reasons, results) if len(results) == len(mutants) else "",
    ]
    found = {"mutation": figures, "survivors": survivors}
    return {name: "\n\n".join(part for part in parts if part) for name, parts in found.items()}


def _at(mutant: Mutant) -> tuple[str, str]:
    return f"{mutant.module.removeprefix('symgrad.')}.{mutant.function}", mutant.after


def _summary(mutants: list[Mutant], results: list[tuple[Mutant, Result]], explained: int, unexplained: int) -> str:
    count = Counter(result.outcome for _, result in results)
    total, noticed = len(results), count[KILLED] + count[TIMED_OUT]
    score = noticed / total if total else 0.0
    all_run = total == len(mutants)
    which = f"All {total}" if all_run else f"Of {len(mutants)} mutants {total}, a random sample of each module,"
    seconds = sum(result.seconds for _, result in results)
    return f"""\
mutmut {version("mutmut")} makes one change at a time to the functions and constants of the package.
{which} were run, each in the current version of its function. A mutant was tested until a test failed, all
tests that reach its statement had passed, or {BUDGET:g} seconds were used: {seconds / 60:.0f} minutes of one
processor in total.

**{100 * score:.1f} % were killed**: {count[KILLED]} failed a test, {count[TIMED_OUT]} exceeded the time
limit. {count[SURVIVED]} passed the tests, and no test reaches {count[UNREACHED]}. Of these {explained + unexplained},
{explained} are harmless for [a documented reason](trials/survivors.md), and {unexplained} have no such reason.

Types, decorators, imports, texts of errors, declared fields of classes, and the arguments of `len` and `isinstance` are
not mutated."""


def _modules(mutants: list[Mutant], results: list[tuple[Mutant, Result]], explained: set[Mutant]) -> str:
    rows: list[tuple[str, int, int, int, int, int, int]] = []
    made = Counter(mutant.module for mutant in mutants)
    for module, all_ in made.items():
        outcomes = {mutant: result.outcome for mutant, result in results if mutant.module == module}
        noticed = sum(outcome in (KILLED, TIMED_OUT) for outcome in outcomes.values())
        harmless = sum(mutant in explained for mutant in outcomes)
        run = len(outcomes)
        rows.append((f"`{module}`", all_, run, noticed, harmless, run - noticed - harmless, all_ - run))
    inside = [row for row in rows if row[0].startswith("`symgrad.codegen")]
    outside = [row for row in rows if row not in inside]
    parts = [(name, *_added(rows)) for name, rows in (("the code generator", inside), ("the rest", outside)) if rows]
    without = [row for row in rows if not row[2]]
    if without:
        rows = [row for row in rows if row[2]]
        rows.append((f"{len(without)} other modules", *_added(without)))
    head = ("module", "mutants", "run", "killed", "harmless, with a reason", "neither", "not run")
    return page.table(head, [*rows, *parts])


def _added(rows: list[tuple[str, int, int, int, int, int, int]]) -> list[int]:
    """The sums of all columns of a table except the first."""
    return [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]


def _explained(explained: list[tuple[Mutant, Reason]]) -> str:
    """The reasons, each with its functions; ``harmless.toml`` has the lines."""
    parts = [
        "## Survivors that are harmless",
        "Each reason is listed with its functions and the number of mutants. `trials/mutation/harmless.toml` has the"
        " mutated lines.",
    ]
    for kind, meaning in KINDS.items():
        functions: dict[str, Counter[str]] = {}
        for mutant, reason in explained:
            if reason.kind == kind:
                functions.setdefault(reason.why, Counter())[_at(mutant)[0]] += 1
        if functions:
            count = sum(places.total() for places in functions.values())
            rows = [
                (why, ", ".join(f"`{place}`" + f" ({n})" * (n > 1) for place, n in sorted(places.items())))
                for why, places in sorted(functions.items())
            ]
            parts += [f"### {meaning[0].upper()}{meaning[1:]}: {count}", page.table(("reason", "functions"), rows)]
    return "\n\n".join(parts)


def _listed(mutants: Iterable[Mutant]) -> str:
    """Mutants, each as its line before and after."""
    lines = []
    for mutant in sorted(mutants, key=lambda mutant: mutant.key):
        lines += [f"- `{_at(mutant)[0]}`", "  ```diff", f"  - {mutant.before}", f"  + {mutant.after}", "  ```"]
    return "\n".join(lines)


def _stale(reasons: list[Reason], results: list[tuple[Mutant, Result]]) -> str:
    """The reasons without a survivor: their mutant is gone, or a test now fails."""
    left = [mutant for mutant, result in results if result.outcome in (SURVIVED, UNREACHED)]
    stale = [reason for reason in reasons if not any(reason.fits(mutant) for mutant in left)]
    if not stale:
        return ""
    lines = [f"- `{reason.function}`: `{reason.after}`" for reason in stale]
    return "\n".join(["## Reasons that belong to no survivor", "", *lines])
