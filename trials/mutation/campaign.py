"""Run tests on mutants, each in a forked child of one pytest session that has already imported everything.

First each test runs once alone, to measure its time and the lines of the mutated modules that it reaches.  A mutant
then gets only the tests that reach its statement, likely killers first (``_ordered``), until one fails or ``BUDGET``
seconds are used.  Survivors then get further tests, up to ``LARGER_BUDGET`` seconds.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import coverage
import pytest

from trials.mutation.mutants import Mutant, install, spans_of

SLOWEST = 3.0
"""CPU seconds, like all times here; longer tests are not used."""
BUDGET = 3.0
LARGER_BUDGET = 10.0
"""CPU seconds of tests for each mutant: at first, and in total."""
MEMORY = 6 * 2**30

KILLED, SURVIVED, TIMED_OUT, UNREACHED = "killed", "survived", "timed out", "not reached"


@dataclass(frozen=True)
class Timing:
    """The time of a test, and the lines of each function that it reaches, relative to the start of the function.

    A function is ``module:name:digest``; a function that has changed since counts as reached completely.
    """

    seconds: float
    lines: dict[str, list[int]]

    def reaches(self, mutant: Mutant) -> bool:
        """Whether the test reaches the statement of a mutant; for a constant, its module."""
        if mutant.function.isupper():
            return any(name.startswith(f"{mutant.module}:") for name in self.lines)
        name = f"{mutant.module}:{mutant.function}:"
        if (known := self.lines.get(name + mutant.digest)) is not None:
            return not set(known).isdisjoint(mutant.lines)
        return any(other.startswith(name) for other in self.lines)


@dataclass(frozen=True)
class Result:
    """The outcome for a mutant, the test that decided it, and the CPU seconds."""

    outcome: str
    test: str = ""
    seconds: float = 0.0


class Campaign:
    """A pytest plugin that replaces the loop over tests."""

    def __init__(
        self,
        sources: dict[str, Path],
        mutants: Iterable[Mutant],
        wanted: Iterable[Mutant],
        notes: Path,
        record: Callable[[Mutant, Result], None],
    ) -> None:
        digests = {(mutant.module, mutant.function): mutant.digest for mutant in mutants}
        self._spans = {
            str(path.resolve()): {
                f"{module}:{name}:{digests[module, name]}": span
                for name, span in spans_of(path.read_text(encoding="utf-8")).items()
                if (module, name) in digests
            }
            for module, path in sources.items()
        }
        self._wanted = wanted
        self._notes = notes
        self._record = record
        self._failed = False
        self._killers: dict[tuple[str, str], dict[str, int]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failed test."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure the tests, then run the mutants."""
        items = {item.nodeid: item for item in session.items}
        timings = self._measured(items)
        usable = {name: timing for name, timing in timings.items() if timing.seconds <= SLOWEST}
        survivors: dict[Mutant, set[str]] = {}
        for mutant in self._wanted:
            tests = [name for name, timing in usable.items() if timing.reaches(mutant)]
            result, passed = self._meet(mutant, tests, items, usable, BUDGET)
            self._record(mutant, result)
            if result.outcome == SURVIVED:
                survivors[mutant] = passed
        for mutant, passed in survivors.items():
            tests = [name for name, timing in usable.items() if timing.reaches(mutant) and name not in passed]
            if tests:
                self._record(mutant, self._meet(mutant, tests, items, usable, LARGER_BUDGET - BUDGET)[0])
        return True

    # --- tests by themselves -----------------------------------------------------------------------------------------

    def _measured(self, items: dict[str, pytest.Item]) -> dict[str, Timing]:
        """The timing of each test, from earlier notes if its file has not changed."""
        stamps = {str(path): _stamp(path) for path in {item.path for item in items.values()}}
        known = json.loads(self._notes.read_text()) if self._notes.exists() else {"stamps": {}, "tests": {}}
        old = known["stamps"]
        kept = {name: test for name, test in known["tests"].items() if old[test["file"]] == stamps.get(test["file"])}
        for place, (name, item) in enumerate(items.items(), 1):
            if name not in kept:
                kept[name] = {"file": str(item.path), **self._alone(item)}
            if place % 100 == 0 or place == len(items):
                self._notes.write_text(json.dumps({"stamps": stamps, "tests": kept}))
                print(f"measured {place} of {len(items)} tests", file=sys.__stderr__)
        return {name: Timing(kept[name]["seconds"], kept[name]["lines"]) for name in items}

    def _alone(self, item: pytest.Item) -> dict[str, Any]:
        """The timing of one test in a child process; infinite if it fails or takes too long."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                with os.fdopen(writing, "w") as pipe:
                    json.dump(self._watched(item), pipe)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found or {"seconds": 2 * SLOWEST, "lines": {}}

    def _watched(self, item: pytest.Item) -> dict[str, object] | None:
        signal.setitimer(signal.ITIMER_PROF, 2 * SLOWEST)
        _quiet()
        watch = coverage.Coverage(include=list(self._spans), data_file=None, config_file=False)
        watch.set_option("run:disable_warnings", ["no-data-collected"])
        start = time.process_time()
        watch.start()
        passed = self._passes(item)
        watch.stop()
        seconds = time.process_time() - start
        data = watch.get_data()
        lines: dict[str, list[int]] = {}
        for file in data.measured_files():
            reached = set(data.lines(file) or ())
            for name, span in self._spans[file].items():
                if own := reached.intersection(span):
                    lines[name] = sorted(line - span.start for line in own)
        return {"seconds": seconds, "lines": lines} if passed else None

    def _passes(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    # --- mutants -----------------------------------------------------------------------------------------------------

    def _meet(
        self,
        mutant: Mutant,
        tests: list[str],
        items: dict[str, pytest.Item],
        timings: dict[str, Timing],
        budget: float,
    ) -> tuple[Result, set[str]]:
        """The outcome for a mutant, and the tests that were run."""
        if not tests:
            return Result(UNREACHED), set()
        killers = self._killers.setdefault((mutant.module, mutant.function), {})
        tests = _ordered(tests, mutant, killers, timings)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self._child(mutant, [items[name] for name in tests], timings, budget, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            lines = pipe.read().splitlines()
        _, status, usage = os.wait4(child, 0)
        seconds = round(usage.ru_utime + usage.ru_stime, 2)
        last = lines[-1] if lines else ""
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            return Result(TIMED_OUT, last, seconds), set(lines)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return Result(SURVIVED, "", seconds), set(lines)
        killers[last] = killers.get(last, 0) + 1
        return Result(KILLED, last, seconds), set(lines)

    def _child(
        self, mutant: Mutant, tests: list[pytest.Item], timings: dict[str, Timing], budget: float, writing: int
    ) -> None:
        """Never returns: the exit status is 0 where every test passed, the last line written is the last test begun."""
        try:
            _quiet()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            install(mutant)
            until = time.process_time() + budget
            for item in tests:
                os.write(writing, f"{item.nodeid}\n".encode())
                signal.setitimer(signal.ITIMER_PROF, 3 + 10 * timings[item.nodeid].seconds)
                if not self._passes(item):
                    os._exit(1)
                if time.process_time() > until:
                    break
            os._exit(0)
        except BaseException:
            os._exit(2)


def _ordered(tests: list[str], mutant: Mutant, killers: dict[str, int], timings: dict[str, Timing]) -> list[str]:
    """Tests in the order in which a mutant meets them: first those that killed a mutant of the same function, then the
    fastest first, where a test of the module's own test file counts as ten times as fast, and the
    n-th fastest case of a parametrised test as n times as slow, because one case tells much of what its neighbours
    tell.
    """
    *folders, stem = mutant.module.split(".")[1:]
    own = "/".join(["tests", *folders, f"test_{stem}.py"])
    costs: dict[str, float] = {}
    cases: Counter[str] = Counter()
    for name in sorted(tests, key=lambda name: timings[name].seconds):
        function = name.partition("[")[0]
        cases[function] += 1
        costs[name] = timings[name].seconds * cases[function] * (0.1 if function.startswith(own) else 1.0)
    return sorted(tests, key=lambda name: (-killers.get(name, 0), costs[name]))


def _stamp(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def run(
    sources: dict[str, Path],
    mutants: Iterable[Mutant],
    wanted: Iterable[Mutant],
    tests: Iterable[str],
    notes: Path,
    record: Callable[[Mutant, Result], None],
) -> None:
    """Test the selected mutants with the tests of some files; record each result at once."""
    plugins = [f"-pno:{name}" for name in ("terminal", "cacheprovider", "faulthandler")]
    options = [*plugins, "-o", "addopts=", "-s", "--assert=plain"]
    campaign = Campaign(sources, mutants, wanted, notes, record)
    if pytest.main([*options, *tests], plugins=[campaign]) not in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED):
        raise SystemExit("pytest did not come to its end")
