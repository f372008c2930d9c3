"""Mutation: mutmut changes the engine, the checker and the code generator, one change at a time; the tests must fail.

``harmless.toml`` gives the reasons why survivors are harmless.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from trials import page
from trials.mutation.campaign import KILLED, TIMED_OUT, Result, run
from trials.mutation.mutants import Mutant, mutants_of
from trials.mutation.report import Reason, pages, reasons_in

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
REASONS = Path(__file__).with_name("harmless.toml")
LEFT_OUT = ("hostile", "determinism", "figure", "layers", "pages", "readme", "versions")
"""The files of tests/properties that are not run: they hold for any code, or need a session of their own."""


def main(arguments: list[str]) -> int:
    """Run all mutants or a sample, and write the pages, or print them if only some modules were asked for.

    The order is a hash of the mutant and the seed, so of each module the mutants done at any time are a random sample.
    The pages tell of every result in the log that is of the current code.
    """
    parser = argparse.ArgumentParser(prog="python -m trials mutation", description=__doc__)
    parser.add_argument(
        "--module", action="append", metavar="PATH", help="only mutants of this file or folder; repeatable"
    )
    parser.add_argument("--without", metavar="PATH", help="no mutants of this file or folder")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the order, and so of the sample")
    parser.add_argument("--test", action="append", metavar="PATH", help="tests/PATH only; repeatable")
    parser.add_argument("--resume", action="store_true", help="keep what was killed, or has a reason; run the others")
    chosen = parser.parse_args(arguments)
    sources = {_module(path): path for path in _targets()}
    asked = [path for path in sources.values() if not chosen.module or _is_in(path, chosen.module)]
    asked = [path for path in asked if not chosen.without or not _is_in(path, [chosen.without])]
    mutants = [mutant for path in asked for mutant in mutants_of(_module(path), path)]
    order = sorted(mutants, key=lambda mutant: sha256(f"{chosen.seed}{mutant.key}".encode()).digest())
    sample = order[: chosen.sample]
    WORK.mkdir(parents=True, exist_ok=True)
    log = WORK / "results.jsonl"
    if not chosen.resume:
        log.unlink(missing_ok=True)
    known = _known(log)
    reasons = reasons_in(REASONS)
    wanted = [mutant for mutant in sample if not _is_settled(mutant, known.get(_line(mutant)), reasons)]
    with log.open("a", encoding="utf-8") as file:

        def record(mutant: Mutant, result: Result) -> None:
            known[_line(mutant)] = result
            file.write(json.dumps([_line(mutant), result.outcome, result.test, result.seconds]) + "\n")
            file.flush()

        files = [f"tests/{path}" for path in chosen.test] if chosen.test else _tests()
        if wanted:
            run(sources, wanted, files, WORK / "tests.jsonl", record)
    results = [(mutant, known[_line(mutant)]) for mutant in mutants if _line(mutant) in known]
    found = pages(mutants, results, reasons)
    for name, text in found.items():
        if chosen.module or chosen.without:
            print(text)
        else:
            page.write(name, text)
    return 0


def _is_settled(mutant: Mutant, result: Result | None, reasons: Sequence[Reason]) -> bool:
    """Whether an earlier result stands: a test failed, or the survivor has a reason."""
    if result is None:
        return False
    return result.outcome in (KILLED, TIMED_OUT) or any(reason.fits(mutant) for reason in reasons)


def _targets() -> list[Path]:
    """The modules of the package, but for the run-time modules, of whose text generated modules have a copy."""
    return [path for path in sorted((ROOT / "symgrad").rglob("*.py")) if not path.stem.endswith("runtime")]


def _tests() -> list[str]:
    return [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if path.parent.name != "properties" or path.stem.removeprefix("test_") not in LEFT_OUT
    ]


def _is_in(path: Path, places: Sequence[str]) -> bool:
    return any(path.is_relative_to(ROOT / place) for place in places)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _line(mutant: Mutant) -> str:
    """The log entry of a mutant, identified by the text of its function."""
    return json.dumps([*mutant.key, mutant.digest], ensure_ascii=False)


def _known(log: Path) -> dict[str, Result]:
    if not log.exists():
        return {}
    return {line: Result(*rest) for line, *rest in map(json.loads, log.read_text(encoding="utf-8").splitlines())}
