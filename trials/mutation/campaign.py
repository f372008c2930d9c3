"""Run tests on mutants, each in a forked child of one pytest session that has already imported everything.

First each test runs once alone, to measure its time and the lines of the mutated modules that it reaches.  A mutant
then gets only the tests that reach its statement, likely killers first (``_ordered``), until one fails or ``BUDGET``
seconds are used.  Survivors then get further tests, up to ``LARGER_BUDGET`` seconds.
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
from trials.mutation.timings import Timing, measured, silence

BUDGET = 3.0
LARGER_BUDGET = 10.0
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
        self._killers: dict[tuple[str, str], dict[str, int]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failed test."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure the tests, then run the mutants."""
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # a child that collects would otherwise copy the memory of its parent
        timings = measured(items, self._sources, self._notes, self._passes)
        survivors: dict[Mutant, set[str]] = {}
        for mutant in self._wanted:
            tests = timings.reaching(mutant)
            result, passed = self._meet(mutant, tests, items, timings.tests, BUDGET)
            self._record(mutant, result)
            if result.outcome == SURVIVED:
                survivors[mutant] = passed
        for mutant, passed in survivors.items():
            tests = [name for name in timings.reaching(mutant) if name not in passed]
            if tests:
                self._record(mutant, self._meet(mutant, tests, items, timings.tests, LARGER_BUDGET - BUDGET)[0])
        return True

    def _passes(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

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
            silence()
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
