"""The campaign: many drafts examined one after another, what came of each kept in a file, and the page on all."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sympy.core.cache import clear_cache

from symgrad.check.marks import Level
from trials import page
from trials.fuzz.generate import from_seed
from trials.fuzz.judge import SECONDS, derivation, examine
from trials.fuzz.syntax import Draft, source

ROOT = Path(__file__).resolve().parent.parent.parent
THOROUGH = 10
"""One draft in so many is held against jax, and printed in every form."""
CACHED = 100
"""After so many drafts what SymPy remembers is dropped, or memory would fill."""
PART, PARTS = 50, 10
"""Where there are several processes each takes so many drafts at a time, and ends after so many times: what SymPy and
jax remember makes a process that has seen a thousand drafts half as fast."""
COLLECTED = 50
"""After so many drafts garbage is collected: of itself Python would do it many times in each, over all that SymPy and
jax remember, which takes longer than the draft."""

Entry = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run a campaign, or one draft of it; 1 where there are findings."""
    options = _parser().parse_args(arguments)
    if options.only is not None:
        return _one(options.seed, options.only)
    kept = ROOT / ".trials" / f"fuzz-{options.seed}.jsonl"
    if not options.resume:
        kept.unlink(missing_ok=True)
    kept.parent.mkdir(exist_ok=True)
    entries = read(kept) if kept.exists() else {}
    again = [number for number, entry in entries.items() if entry["findings"]]
    left = again + [n for n in range(options.first, options.programs) if n not in entries]
    commit = _commit()
    with kept.open("a", encoding="utf-8") as file:
        for entry in _shared(options.seed, left, options.processes):
            print(json.dumps({**entry, "commit": commit}), file=file, flush=True)
            for kind, what in entry["findings"]:
                print(f"{entry['number']}: {kind}: {what}", flush=True)
    entries = read(kept)
    page.write("fuzz", _page(options.seed, kept, entries))
    return int(any(entry["findings"] for entry in entries.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trials fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=20_000, help="how many, counted from 0")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many to run at once")
    parser.add_argument("--seed", type=int, default=0, help="a number and the seed alone decide a program")
    parser.add_argument("--resume", action="store_true", help="go on, and examine anew what had findings")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="examine one program, and show it")
    return parser


def _shared(seed: int, numbers: Sequence[int], processes: int) -> Iterator[Entry]:
    """The same in several processes, in the order in which they finish."""
    if processes == 1:
        yield from _examined(seed, numbers)
        return
    parts = [(seed, numbers[start : start + PART]) for start in range(0, len(numbers), PART)]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=PARTS) as pool:
        for entries in pool.imap_unordered(_part, parts):
            yield from entries


def _part(part: tuple[int, Sequence[int]]) -> list[Entry]:
    return list(_examined(*part))


def _examined(seed: int, numbers: Iterable[int]) -> Iterator[Entry]:
    gc.disable()
    for count, number in enumerate(numbers, 1):
        draft = from_seed(seed, number)
        outcome = examine(draft, number, number % THOROUGH == 0)
        yield {"number": number, **vars(outcome)}
        if count % CACHED == 0:
            clear_cache()
        if count % COLLECTED == 0:
            gc.collect()
    gc.enable()


def read(kept: Path) -> dict[int, Entry]:
    """What came of each number, by the last line about it; ``mended`` are the kinds of its earlier findings."""
    found: dict[int, Entry] = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        before = found.get(entry["number"], {"findings": [], "mended": []})
        kinds = sorted({kind for kind, _ in before["findings"]} | set(before["mended"]))
        found[entry["number"]] = {**entry, "mended": kinds}
    return found


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


def _commit() -> str:
    """The commit that is run, with a plus where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "symgrad", "trials")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


# --- the page -----------------------------------------------------------------------------------------------------


def _page(seed: int, kept: Path, entries: dict[int, Entry]) -> str:
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
            f"Written by `python -m trials fuzz --seed {seed}`, of the programs {_ranges(sorted(entries))}; "
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
                    ("processor", _processor()),
                    *((f"commit {name}", f"{count:,} programs") for name, count in commits.items()),
                ],
            ),
        ]
    )


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, those that follow one another as the first and the last of them."""
    firsts = [n for place, n in enumerate(numbers) if not place or numbers[place - 1] != n - 1]
    lasts = [n for place, n in enumerate(numbers, 1) if place == len(numbers) or numbers[place] != n + 1]
    return " and ".join(f"{first:,} to {last:,}" for first, last in zip(firsts, lasts, strict=True))


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


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
