"""Run tests on mutants, each in a forked child of one pytest session that has already imported everything.

A mutant first gets the tests of its module, likely killers first, until one fails or ``BUDGET`` seconds are used.
Survivors then get the tests that reach their statement, up to ``LARGER_BUDGET`` seconds.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from trials.mutation.mutants import Mutant, install
from trials.mutation.timings import measured, silence

BUDGET = 2.0
LARGER_BUDGET = 8.0
"""CPU seconds of tests for each mutant: at first, and in total."""
MARKS = "not (slow or jax or numba or matplotlib or browser)"
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
        wanted: Iterable[Mutant],
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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failed test."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure the tests, then run the mutants."""
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # a child that collects would otherwise copy the memory of its parent
        survivors: dict[Mutant, set[str]] = {}
        for mutant in self._wanted:
            result, passed = self._meet(mutant, _own(mutant, items), items, BUDGET)
            self._record(mutant, result)
            if result.outcome in (SURVIVED, UNREACHED):
                survivors[mutant] = passed
        if survivors:
            timings = measured(items.values(), self._sources, self._notes, self._passes)
            self._seconds |= {name: timing.seconds for name, timing in timings.tests.items()}
        for mutant, passed in survivors.items():
            tests = timings.reaching(mutant)
            result, _ = self._meet(mutant, [name for name in tests if name not in passed], items, LARGER_BUDGET)
            if result.outcome != UNREACHED or not tests:
                self._record(mutant, result)
        return True

    def _passes(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    def _meet(
        self, mutant: Mutant, tests: list[str], items: dict[str, pytest.Item], budget: float
    ) -> tuple[Result, set[str]]:
        """The outcome for a mutant, and the tests that were run."""
        if not tests:
            return Result(UNREACHED), set()
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self._child(mutant, [items[name] for name in self._ordered(tests, mutant)], budget, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            lines = [line.split("\t") for line in pipe.read().splitlines()]
        _, status, usage = os.wait4(child, 0)
        begun = [name for name, seconds in lines if not seconds]
        self._seconds |= {name: float(seconds) for name, seconds in lines if seconds}
        seconds = round(usage.ru_utime + usage.ru_stime, 2)
        last = begun[-1] if begun else ""
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            return Result(TIMED_OUT, last, seconds), set(begun)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return Result(SURVIVED, "", seconds), set(begun)
        self._killers.setdefault(mutant.module, Counter())[last] += 1
        self._killers.setdefault(f"{mutant.module}.{mutant.function}", Counter())[last] += 1
        return Result(KILLED, last, seconds), set(begun)

    def _child(self, mutant: Mutant, tests: list[pytest.Item], budget: float, writing: int) -> None:
        """Never returns: the exit status is 0 where every test passed.  A test is written when it begins, and with its
        seconds when it has passed."""
        try:
            silence()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            install(mutant)
            until = time.process_time() + budget
            for item in tests:
                os.write(writing, f"{item.nodeid}\t\n".encode())
                signal.setitimer(signal.ITIMER_PROF, 10 + 10 * self._seconds.get(item.nodeid, 1.0))
                start = time.process_time()
                if not self._passes(item):
                    os._exit(1)
                now = time.process_time()
                os.write(writing, f"{item.nodeid}\t{now - start:.3f}\n".encode())
                if now > until:
                    break
            os._exit(0)
        except BaseException:
            os._exit(2)

    def _ordered(self, tests: list[str], mutant: Mutant) -> list[str]:
        """Tests in the order in which a mutant meets them: first those that killed a mutant of the same function, then
        of the same module, then the fastest first, where the n-th fastest case of a parametrised test counts as n
        times as slow, because one case tells much of what its neighbours tell."""
        of_function = self._killers.get(f"{mutant.module}.{mutant.function}", Counter())
        of_module = self._killers.get(mutant.module, Counter())
        costs: dict[str, float] = {}
        cases: Counter[str] = Counter()
        for name in sorted(tests, key=lambda name: self._seconds.get(name, 0.1)):
            function = name.partition("[")[0]
            cases[function] += 1
            costs[name] = self._seconds.get(name, 0.1) * cases[function]
        return sorted(tests, key=lambda name: (-of_function[name], -of_module[name], costs[name]))


def _own(mutant: Mutant, tests: Iterable[str]) -> list[str]:
    """The tests of the mutant's module; where it has no file of tests, those of its folder."""
    *folders, stem = mutant.module.split(".")[1:]
    paths = [["tests", *folders[:depth]] for depth in range(len(folders), -1, -1)]
    folders_of_tests = ["/".join(path) for path in paths]
    wanted = [(f"{folder}/test_{stem}.py", f"{folder}/test_{stem}_") for folder in folders_of_tests]
    wanted += [(f"{folder}/test_",) for folder in folders_of_tests]
    found = ([name for name in tests if name.startswith(prefixes)] for prefixes in wanted)
    return next(filter(None, found), [])


def run(
    sources: dict[str, Path],
    wanted: Iterable[Mutant],
    tests: Iterable[str],
    notes: Path,
    record: Callable[[Mutant, Result], None],
) -> None:
    """Test the selected mutants with the tests of some files; record each result at once."""
    plugins = [f"-pno:{name}" for name in ("terminal", "cacheprovider", "faulthandler")]
    options = [
        *plugins,
        "-m",
        "not (slow or jax or numba or matplotlib or browser)",
        "-o",
        "addopts=",
        "-s",
        "--assert=plain",
    ]
    campaign = Campaign(sources, wanted, notes, record)
    if pytest.main([*options, *tests], plugins=[campaign]) not in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED):
        raise SystemExit("pytest did not come to its end")
