"""Measure the tests: their CPU time and the lines that they reach.  Each file of tests runs in a forked child.

The tests of a file share what the package and their helpers cache, so a test may depend on more than it reaches: what
an earlier test of its file reaches.

The notes are a file of JSON lines, one for each test, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import coverage
import pytest

from trials.mutation.mutants import Mutant, digest, spans_of

SLOWEST = 0.5
"""CPU seconds, like all times here; longer tests are not used."""
MOST_OF_ONE_TEST = 1.0
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

    def reaching(self, mutant: Mutant) -> list[str]:
        """The tests that reach the statement of a mutant; for a constant or an unknown function, its module."""
        functions = self._modules.get(mutant.module, {})
        of_function = functions.get(mutant.function, [])
        current = f"{mutant.module}:{mutant.function}:{mutant.digest}"
        if any(name == current for _, (name, _) in of_function):
            wanted = [each for each in of_function if each[1][0] == current and each[1][1].intersection(mutant.lines)]
        else:
            wanted = of_function or [each for all_ in functions.values() for each in all_]
        numbers = {number for number, _ in wanted}
        return [test for test, timing in self.tests.items() if not numbers.isdisjoint(timing.reached)]


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
    notes = _read(log)
    timings = Timings()
    with log.open("a", encoding="utf-8") as file:
        for place, (path, of_file) in enumerate(files.items(), 1):
            stamp = sha256(path.read_bytes()).hexdigest()[:12]
            if (path.name, stamp) not in notes:
                for note in _measured_in_child(of_file, spans, passes):
                    notes.setdefault((path.name, stamp), []).append(note)
                    file.write(json.dumps([path.name, stamp, *note]) + "\n")
                file.flush()
                print(f"measured {place} of {len(files)} files of tests", file=sys.__stderr__, flush=True)
            for name, seconds, lines in notes.get((path.name, stamp), ()):
                timings.add(name, seconds, [(function, frozenset(own)) for function, own in lines.items()])
    return timings


def _read(log: Path) -> dict[tuple[str, str], list[Note]]:
    notes: dict[tuple[str, str], list[Note]] = {}
    for file, stamp, *note in map(json.loads, log.open(encoding="utf-8")) if log.exists() else ():
        notes.setdefault((file, stamp), []).append(tuple(note))
    return notes


def _measured_in_child(
    items: Sequence[pytest.Item], spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> Iterator[Note]:
    """Tests of one file that pass and are fast enough, with their time and the lines that they reach."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            silence()
            signal.signal(signal.SIGPROF, _fail)
            used: Counter[str] = Counter()
            with os.fdopen(writing, "w") as pipe:
                for item in items:
                    function = item.nodeid.partition("[")[0]
                    if used[function] < MOST_OF_ONE_TEST:
                        passed, seconds, lines = _watched(item, spans, passes)
                        used[function] += seconds
                        if passed:
                            pipe.write(json.dumps([item.nodeid, seconds, lines]) + "\n")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        for line in pipe:
            yield tuple(json.loads(line))
    os.waitpid(child, 0)


def _fail(*_: object) -> None:
    pytest.fail("too slow")


def _watched(
    item: pytest.Item, spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> tuple[bool, float, dict[str, list[int]]]:
    watch = coverage.Coverage(include=list(spans), data_file=None, config_file=False)
    watch.set_option("run:disable_warnings", ["no-data-collected"])
    start = time.process_time()
    watch.start()
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    passed = passes(item)
    signal.setitimer(signal.ITIMER_PROF, 0)
    watch.stop()
    seconds = round(time.process_time() - start, 3)
    data = watch.get_data()
    lines: dict[str, list[int]] = {}
    for file in data.measured_files() if passed else ():
        reached = set(data.lines(file) or ())
        for name, span in spans[file].items():
            if own := reached.intersection(span):
                lines[name] = sorted(line - span.start for line in own)
    return passed, seconds, lines


def silence() -> None:
    """Send what this process prints to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
