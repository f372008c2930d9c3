"""Measure the tests: their CPU time and the lines that they reach.  Each file of tests runs in a forked child.

The tests of a file share what the package and their helpers cache, so what a test depends on may be reached by another
test of its file only.

The log has a JSON line for each file of tests, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import coverage
import pytest

from trials.mutation.mutants import Mutant, digest, spans_of

SLOWEST = 1.2
"""CPU seconds, like all times here; longer tests are not used."""
MOST_OF_ONE_TEST = 4.0
"""Seconds: of a parametrised test, as many cases are measured and used as fit in this time."""

Reached = tuple[str, frozenset[int]]
"""A function, as ``module:name:digest``, and the lines of it that a test reaches, relative to its start."""


Note = tuple[str, float, dict[str, list[int]]]
"""A test, its time, and the lines that it reaches."""


@dataclass(frozen=True)
class Timing:
    """The time of a test, and the numbers that ``Timings`` gives to what it reaches."""

    seconds: float
    reached: frozenset[int]


class Timings:
    """The tests that are known, with their times and what they reach."""

    def __init__(self) -> None:
        self.tests: dict[str, Timing] = {}
        self._numbers: dict[Reached, int] = {}
        self._modules: dict[str, dict[str, list[tuple[int, Reached]]]] = {}

    def add(self, test: str, seconds: float, reached: Iterable[Reached]) -> None:
        """Add a test."""
        self.tests[test] = Timing(seconds, frozenset(map(self._number, reached)))

    def _number(self, reached: Reached) -> int:
        if (number := self._numbers.get(reached)) is None:
            number = self._numbers[reached] = len(self._numbers)
            module, function, _ = reached[0].split(":")
            self._modules.setdefault(module, {}).setdefault(function, []).append((number, reached))
        return number

    def reaching(self, mutant: Mutant) -> dict[str, bool]:
        """The tests that reach the statement of a mutant, and the others of their files, as false.  Of an earlier
        version of the function every line counts, and of a module every line for a constant or an unknown function."""
        functions = self._modules.get(mutant.module, {})
        of_function = functions.get(mutant.function, [])
        current = f"{mutant.module}:{mutant.function}:{mutant.digest}"
        wanted = [each for each in of_function if each[1][0] != current or each[1][1].intersection(mutant.lines)]
        if not of_function:
            wanted = [each for all_ in functions.values() for each in all_]
        numbers = {number for number, _ in wanted}
        direct = {test for test, timing in self.tests.items() if not numbers.isdisjoint(timing.reached)}
        files = {test.partition("::")[0] for test in direct}
        return {test: test in direct for test in self.tests if test.partition("::")[0] in files}


def measured(
    items: Iterable[pytest.Item], sources: dict[str, Path], log: Path, passes: Callable[[pytest.Item], bool]
) -> Timings:
    """The timings of the tests that pass and are fast enough; from the log where a test's file has not changed."""
    spans = {}
    for module, path in sources.items():
        text = path.read_text(encoding="utf-8")
        of_text = spans_of(text).items()
        spans[str(path.resolve())] = {f"{module}:{name}:{digest(text, span)}": span for name, span in of_text}
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    known = dict(map(json.loads, log.read_text(encoding="utf-8").splitlines())) if log.exists() else {}
    timings = Timings()
    with log.open("a", encoding="utf-8") as file:
        for place, (path, of_file) in enumerate(files.items(), 1):
            key = f"{path} {sha256(path.read_bytes()).hexdigest()[:12]}"
            if key not in known:
                known[key] = _measured_in_child(of_file, spans, passes)
                file.write(json.dumps([key, known[key]]) + "\n")
                file.flush()
                print(f"measured {place} of {len(files)} files of tests", file=sys.__stderr__, flush=True)
            for name, seconds, lines in known[key]:
                timings.add(name, seconds, [(function, frozenset(own)) for function, own in lines.items()])
    return timings


def _measured_in_child(
    items: Sequence[pytest.Item], spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> list[Note]:
    """Tests of one file that pass and are fast enough, with their time and the lines that they reach."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            silence()
            with os.fdopen(writing, "w") as pipe:
                json.dump(_watched(items, spans, passes), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    notes: list[Note] = json.loads(text or "[]")
    return notes


def _fail(*_: object) -> None:
    pytest.fail("too slow")


def _watched(
    items: Sequence[pytest.Item], spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> list[Note]:
    signal.signal(signal.SIGPROF, _fail)
    watch = coverage.Coverage(include=list(spans), data_file=None, config_file=False)
    watch.set_option("run:disable_warnings", ["no-data-collected"])
    used: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    watch.start()
    for item in items:
        function = item.nodeid.partition("[")[0]
        if used[function] >= MOST_OF_ONE_TEST:
            continue
        watch.switch_context(item.nodeid)
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        try:
            passed = passes(item)
        except pytest.fail.Exception:  # its time was up between its phases
            passed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        needed = time.process_time() - start
        used[function] += needed
        if passed:
            seconds[item.nodeid] = round(needed, 3)
    watch.stop()
    data = watch.get_data()
    lines: dict[str, dict[str, list[int]]] = {name: {} for name in seconds}
    for file in data.measured_files():
        functions = {line: (name, span) for name, span in spans[file].items() for line in span}
        for line, tests in data.contexts_by_lineno(file).items():
            for test in lines.keys() & tests if line in functions else ():
                name, span = functions[line]
                lines[test].setdefault(name, []).append(line - span.start)
    return [(name, needed, lines[name]) for name, needed in seconds.items()]


def silence() -> None:
    """Send what this process prints to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
