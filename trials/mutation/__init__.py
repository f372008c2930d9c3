"""Mutation: mutmut changes the engine, the checker and the code generator, one change at a time; the tests must fail.

``harmless.toml`` gives the reasons why survivors are harmless.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from trials import page
from trials.mutation.campaign import KILLED, TIMED_OUT, Result, run
from trials.mutation.mutants import Mutant, mutants_of
from trials.mutation.report import Reason, pages, reasons_in

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
REASONS = Path(__file__).with_name("harmless.toml")
TARGETS = ("symgrad/engine", "symgrad/check", "symgrad/codegen")
PROPERTIES = (
    *("assumptions", "captured_indices", "corrupted", "domains", "forged", "further_cases", "fuzz_findings"),
    *("metamorphic", "soundness", "unseen"),
)
TESTS = (
    "check",
    "codegen",
    "engine",
    "evidence",
    *(f"properties/test_{name}.py" for name in PROPERTIES),
    "test_budget.py",
    "test_explicit.py",
    "test_explicit_listing.py",
    "test_functions.py",
)
"""The tests that are run: for the engine, the checker and the code, but not for pages or speed."""


def main(arguments: list[str]) -> int:
    """Run all mutants or a sample, and write the page, or print it if only some modules were run.

    An interrupted run still writes its page: the order is a hash of the mutant and the seed, so the mutants done at
    any time are a random sample.
    """
    parser = argparse.ArgumentParser(prog="python -m trials mutation", description=__doc__)
    parser.add_argument("--module", action="append", metavar="PATH", help="the mutants of this file only; repeatable")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the order, and so of the sample")
    parser.add_argument("--test", action="append", metavar="PATH", help="tests/PATH only; repeatable")
    parser.add_argument("--resume", action="store_true", help="keep what was killed, or has a reason; run the others")
    chosen = parser.parse_args(arguments)
    sources = {_module(path): path for path in _targets()}
    mutants = [mutant for module, path in sources.items() for mutant in mutants_of(module, path)]
    asked = {_module(ROOT / name) for name in chosen.module or ()}
    order = sorted(mutants, key=lambda mutant: sha256(f"{chosen.seed}{mutant.key}".encode()).digest())
    sample = [mutant for mutant in order if not asked or mutant.module in asked][: chosen.sample]
    WORK.mkdir(parents=True, exist_ok=True)
    log = WORK / "results.jsonl"
    known = _known(log) if chosen.resume else {}
    reasons = reasons_in(REASONS)
    wanted = [mutant for mutant in sample if not _is_settled(mutant, known.get(_line(mutant)), reasons)]
    if not known:
        log.unlink(missing_ok=True)
    with log.open("a", encoding="utf-8") as file:

        def record(mutant: Mutant, result: Result) -> None:
            known[_line(mutant)] = result
            file.write(json.dumps([_line(mutant), result.outcome, result.test, result.seconds]) + "\n")
            file.flush()

        files = [f"tests/{path}" for path in chosen.test or TESTS]
        run(sources, mutants, wanted, files, WORK / "tests.json", record)
    # An interrupted run has done a sample up to some mutant; what an earlier one noticed beyond it does not count.
    done = takewhile if chosen.sample else filter
    results = [(mutant, known[_line(mutant)]) for mutant in done(lambda mutant: _line(mutant) in known, sample)]
    found = pages([m for m in mutants if not asked or m.module in asked], results, reasons, drawn=bool(chosen.sample))
    for name, text in found.items():
        if asked:
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
    found = [
        path for name in TARGETS for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    ]
    found = [path for path in found if not path.stem.endswith("runtime")]  # generated modules have a copy of its text
    return sorted(found, key=lambda path: (path.parent.name == "check", path.parent.name, path.name))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _line(mutant: Mutant) -> str:
    """The log entry of a mutant, identified by the text of its function."""
    return json.dumps([*mutant.key, mutant.digest], ensure_ascii=False)


def _known(log: Path) -> dict[str, Result]:
    if not log.exists():
        return {}
    return {line: Result(*rest) for line, *rest in map(json.loads, log.read_text(encoding="utf-8").splitlines())}
