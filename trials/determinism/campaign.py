"""Make the same derivations in many processes, compare all outputs, and write the page."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from trials import page
from trials.determinism.outputs import Outputs, derivations

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 21


@dataclass(frozen=True)
class Run:
    """One process: its hash seed, and the order of its derivations."""

    seed: int
    order: str = "one after another"


@dataclass(frozen=True)
class Difference:
    """An output that differs from the first run."""

    run: Run
    name: str
    kind: str
    lines: str


def runs(seeds: int) -> tuple[Run, ...]:
    """A run for every seed, one in reverse order, and one in threads."""
    plain = [Run(seed) for seed in range(seeds)]
    return (*plain, Run(seeds, "in reverse"), Run(seeds + 1, "in threads"))


def made(run: Run, names: Sequence[str]) -> Outputs:
    """The outputs of the named derivations, made in a separate process."""
    order = names[::-1] if run.order == "in reverse" else names
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    found: Outputs = json.loads(
        subprocess.run(
            [sys.executable, "-c", "from trials.determinism import outputs; outputs.main()"],
            input=json.dumps({"names": list(order), "in_threads": run.order == "in threads"}),
            env={**os.environ, "PYTHONHASHSEED": str(run.seed), "PYTHONPATH": path},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    )
    return found


def differences(given: Sequence[Run], names: Sequence[str]) -> Iterator[Difference]:
    """The differences from the first run."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        all_made = pool.map(lambda run: made(run, names), given)
        first = next(all_made)
        for run, now in zip(given[1:], all_made, strict=True):
            for name in names:
                for kind in sorted(first[name].keys() | now[name].keys()):
                    before, after = (found[name].get(kind, "") for found in (first, now))
                    if before != after:
                        lines = "\n".join(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
                        yield Difference(run, name, kind, lines)


def main(arguments: list[str]) -> int:
    """Run the campaign, print the differences, and write the page; return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m trials determinism", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="PYTHONHASHSEED 0 to this, exclusive")
    parser.add_argument("--only", default="", help="only derivations whose name has this in it; no page is written")
    options = parser.parse_args(arguments)
    names = [name for name in derivations() if options.only in name]
    given = runs(options.seeds)
    found = []
    for difference in differences(given, names):
        found.append(difference)
        print(f"{difference.run}: {difference.name}: {difference.kind}\n{difference.lines}\n", flush=True)
    print(f"{len(names)} derivations, {len(given)} processes, {len(found)} differences")
    if not options.only:
        page.write("determinism", _page(options.seeds, names, found))
    return int(bool(found))


def _page(seeds: int, names: Sequence[str], found: Sequence[Difference]) -> str:
    head = (
        f"{len(names)} derivations were made with `PYTHONHASHSEED` 0 to {seeds - 1}, in reverse order, and several at\n"
        "once in threads. The trial compares the text with its line numbers, marks and code, the LaTeX, Markdown and\n"
        "HTML, and the generated module.\n\n"
    )
    if not found:
        return head + "No output differs in a single byte.\n"
    rows = sorted({(f"`{d.name}`", d.kind, f"{d.run.order}, seed {d.run.seed}") for d in found})
    return head + page.table(("derivation", "output", "first differs"), rows)
