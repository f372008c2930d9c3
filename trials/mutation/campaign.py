"""Run tests on mutants, each in a forked child of one pytest session that has already imported everything.

First the tests are measured: their times, and the lines that they reach.  A mutant then gets the tests that reach its
statement, likely killers first, until one fails or ``BUDGET`` seconds are used.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from trials.mutation.mutants import Mutant, caches, install
from trials.mutation.timings import measured, silence

BUDGET = 5.0
"""CPU seconds of tests for each mutant."""
MARKS = "not (slow or jax or matplotlib or browser)"
MEMORY = 6 * 2**30

KILLED, SURVIVED, TIMED_OUT, UNREACHED = "killed", "survived", "timed out", "not reached"


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
        wanted: Sequence[Mutant],
        notes: Path,
        record: Callable[[Mutant, Result], None],
    ) -> None:
        self._sources = sources
        self._wanted = wanted
        self._notes = notes
        self._record = record
        self._failed = False
        self._killers: dict[str, Counter[str]] = {}  # of modules and functions
        self._seconds: dict[str, float] = {}

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Keep the report of a failure short; pytest's own takes longer than most tests."""
        parser.addoption("--tb", dest="tbstyle", default="native")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failed test."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure the tests, then run the mutants."""
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # a child that collects would otherwise copy the memory of its parent
        timings = measured(items.values(), self._sources, self._notes, self._passes)
        self._seconds = {name: timing.seconds for name, timing in timings.tests.items()}
        caches()
        for mutant in self._wanted[:1]:
            if self._meet(replace(mutant, source=""), timings.reaching(mutant), items).outcome == KILLED:
                raise SystemExit("a test fails where nothing is changed")
        for place, mutant in enumerate(self._wanted, 1):
            self._record(mutant, self._meet(mutant, timings.reaching(mutant), items))
            if place % 20 == 0:
                print(f"{place} mutants", file=sys.__stderr__, flush=True)
        return True

    def _passes(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    def _meet(self, mutant: Mutant, tests: dict[str, bool], items: dict[str, pytest.Item]) -> Result:
        """The outcome for a mutant under some tests; true are those that reach its statement."""
        if not tests:
            return Result(UNREACHED)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self._child(mutant, [items[name] for name in self._ordered(tests, mutant)], writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            lines = pipe.read().splitlines()
        _, status, usage = os.wait4(child, 0)
        seconds = round(usage.ru_utime + usage.ru_stime, 2)
        last = lines[-1] if lines else ""
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            return Result(TIMED_OUT, last, seconds)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return Result(SURVIVED, "", seconds)
        for killed in (mutant.module, f"{mutant.module}.{mutant.function}"):
            self._killers.setdefault(killed, Counter())[last] += 1
        return Result(KILLED, last, seconds)

    def _child(self, mutant: Mutant, tests: list[pytest.Item], writing: int) -> None:
        """Never returns: the exit status is 0 where every test passed, the last line written is the last test begun."""
        try:
            silence()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            if mutant.source:
                install(mutant)
            until = time.process_time() + BUDGET
            for item in tests:
                os.write(writing, f"{item.nodeid}\n".encode())
                # A test may be the first of its file that needs what they share.
                signal.setitimer(signal.ITIMER_PROF, 8 + 10 * self._seconds.get(item.nodeid, 1.0))
                if not self._passes(item):
                    os._exit(1)
                if time.process_time() > until:
                    break
            os._exit(0)
        except BaseException:
            os._exit(2)

    def _ordered(self, tests: dict[str, bool], mutant: Mutant) -> list[str]:
        """Tests in the order in which a mutant meets them: first those that killed a mutant of the same function, then
        those that reach the statement and killed one of the same module, then the fastest first.  A test of the
        module's own file counts as ten times as fast, one that does not reach the statement as ten times as slow, and
        the n-th fastest case of a parametrised test as n times as slow, because one case tells much of what its
        neighbours tell.
        """
        of_function = self._killers.get(f"{mutant.module}.{mutant.function}", Counter())
        of_module = self._killers.get(mutant.module, Counter())
        *folders, stem = mutant.module.split(".")[1:]
        own = tuple("/".join(["tests", *folders[:depth], f"test_{stem}"]) for depth in range(len(folders) + 1))
        costs: dict[str, float] = {}
        cases: Counter[str] = Counter()
        for name in sorted(tests, key=lambda name: self._seconds.get(name, 1.0)):
            function = name.partition("[")[0]
            cases[function] += 1
            weight = (1.0 if tests[name] else 10.0) * (0.1 if name.startswith(own) else 1.0)
            costs[name] = (self._seconds.get(name, 1.0) + 0.005) * cases[function] * weight
        return sorted(tests, key=lambda name: (-of_function[name], -of_module[name] * tests[name], costs[name]))


def run(
    sources: dict[str, Path],
    wanted: Sequence[Mutant],
    tests: Iterable[str],
    notes: Path,
    record: Callable[[Mutant, Result], None],
) -> None:
    """Test the selected mutants with the tests of some files; record each result at once."""
    plugins = [f"-pno:{name}" for name in ("terminal", "cacheprovider", "faulthandler")]
    options = [
        *plugins,
        "-m",
        MARKS,
        "-o",
        "addopts=",
        "-s",
        "--import-mode=importlib",
        "--assert=plain",
    ]
    campaign = Campaign(sources, wanted, notes, record)
    if pytest.main([*options, *tests], plugins=[campaign]) not in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED):
        raise SystemExit("pytest did not come to its end")
