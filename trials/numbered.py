"""Campaigns over numbered programs, in one or several processes, with the results kept in a file."""

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
"""Clear SymPy's cache after so many programs, to limit memory."""
PART, PARTS = 10, 50
"""Programs per task, and tasks per process: after a thousand programs, SymPy's caches make a process half as fast."""
COLLECTED = 50
"""Collect garbage after so many programs: automatic collection over SymPy's caches would take longer than a program."""

Entry = dict[str, Any]
Examine = Callable[[int], Entry]
"""Examines the program with a number; pickled for other processes."""


def parser(name: str, doc: str | None, programs: int) -> argparse.ArgumentParser:
    """The options of a campaign."""
    made = argparse.ArgumentParser(prog=f"python -m trials {name}", description=doc)
    made.add_argument("--programs", type=int, default=programs, help="number of programs, from 0")
    made.add_argument("--first", type=int, default=0, help="first program")
    made.add_argument("--processes", type=int, default=1, help="number of processes")
    made.add_argument("--seed", type=int, default=0, help="the number and the seed determine a program")
    made.add_argument("--resume", action="store_true", help="continue, and examine programs with findings again")
    made.add_argument("--only", type=int, metavar="NUMBER", help="examine and show one program")
    return made


def run(kept: Path, options: argparse.Namespace, examine: Examine) -> dict[int, Entry]:
    """Examine the programs in ``options``, print the findings, and return the results, kept in the file ``kept``."""
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
    """The result for each number, in order of completion."""
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
    """The last result for each number; ``mended`` lists the kinds of its earlier findings."""
    found: dict[int, Entry] = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        before = found.get(entry["number"], {"findings": [], "mended": []})
        kinds = sorted({kind for kind, _ in before["findings"]} | set(before["mended"]))
        found[entry["number"]] = {**entry, "mended": kinds}
    return found


def commit() -> str:
    """The current commit, with a plus if files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "symgrad", "trials")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def ranges(numbers: Sequence[int]) -> str:
    """Ordered numbers as text, with ranges for consecutive numbers."""
    firsts = [n for place, n in enumerate(numbers) if not place or numbers[place - 1] != n - 1]
    lasts = [n for place, n in enumerate(numbers, 1) if place == len(numbers) or numbers[place] != n + 1]
    return " and ".join(f"{first:,} to {last:,}" for first, last in zip(firsts, lasts, strict=True))


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
