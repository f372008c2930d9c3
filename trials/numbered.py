"""Campaigns over numbered programs: many examined, in one process or several, and what came of each kept in a file."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sympy.core.cache import clear_cache

ROOT = Path(__file__).resolve().parent.parent
CACHED = 100
"""After so many programs what SymPy remembers is dropped, or memory would fill."""
PART, PARTS = 10, 50
"""A process takes so many programs at a time, and ends after so many times: what SymPy remembers makes one that has
seen a thousand programs half as fast."""
COLLECTED = 50
"""After so many programs garbage is collected: of itself Python would do it many times in each, over all that SymPy
remembers, which takes longer than the program."""

Entry = dict[str, Any]
Examine = Callable[[int], Entry]
"""What comes of the program of a number; it is pickled for other processes."""


def parser(name: str, doc: str | None, programs: int) -> argparse.ArgumentParser:
    """The options of a campaign."""
    made = argparse.ArgumentParser(prog=f"python -m trials {name}", description=doc)
    made.add_argument("--programs", type=int, default=programs, help="how many, counted from 0")
    made.add_argument("--first", type=int, default=0, help="the first of them")
    made.add_argument("--processes", type=int, default=1, help="how many to run at once")
    made.add_argument("--seed", type=int, default=0, help="a number and the seed alone decide a program")
    made.add_argument("--resume", action="store_true", help="go on, and examine anew what had findings")
    made.add_argument("--only", type=int, metavar="NUMBER", help="examine one program, and show it")
    return made


def run(kept: Path, options: argparse.Namespace, examine: Examine) -> dict[int, Entry]:
    """Examine what the options say, print the findings, and return what came of each number, ``kept`` in a file."""
    if not options.resume:
        kept.unlink(missing_ok=True)
    kept.parent.mkdir(exist_ok=True)
    entries = read(kept) if kept.exists() else {}
    again = [number for number, entry in entries.items() if entry["findings"]]
    left = again + [n for n in range(options.first, options.programs) if n not in entries]
    revision = commit()
    with kept.open("a", encoding="utf-8") as file:
        for entry in shared(examine, left, options.processes):
            print(json.dumps({**entry, "commit": revision}), file=file, flush=True)
            for kind, what in entry["findings"]:
                print(f"{entry['number']}: {kind}: {what}", flush=True)
    return read(kept)


def shared(examine: Examine, numbers: Sequence[int], processes: int) -> Iterator[Entry]:
    """What comes of each number, in the order in which they are done."""
    if processes == 1 and len(numbers) <= PART * PARTS:
        yield from _in_turn(examine, numbers)
        return
    parts = [numbers[start : start + PART] for start in range(0, len(numbers), PART)]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=PARTS) as pool:
        for entries in pool.imap_unordered(partial(_part, examine), parts):
            yield from entries


def _part(examine: Examine, numbers: Sequence[int]) -> list[Entry]:
    return list(_in_turn(examine, numbers))


def _in_turn(examine: Examine, numbers: Iterable[int]) -> Iterator[Entry]:
    gc.disable()
    for count, number in enumerate(numbers, 1):
        yield examine(number)
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


def commit() -> str:
    """The commit that is run, with a plus where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "symgrad", "trials")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, those that follow one another as the first and the last of them."""
    firsts = [n for place, n in enumerate(numbers) if not place or numbers[place - 1] != n - 1]
    lasts = [n for place, n in enumerate(numbers, 1) if place == len(numbers) or numbers[place] != n + 1]
    return " and ".join(f"{first:,} to {last:,}" for first, last in zip(firsts, lasts, strict=True))


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
