"""Measure the tests: each runs alone in a forked child, for its CPU time and the lines that it reaches.

The notes are a file of JSON lines, one for each test, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import coverage
import pytest

from trials.mutation.mutants import Mutant, digest, spans_of

SLOWEST = 1.0
"""CPU seconds, like all times here; longer tests are not used."""
MOST_OF_ONE_TEST = 2.0
"""Seconds: of a parametrised test, as many cases are measured and used as fit in this time, in an arbitrary order."""

Reached = tuple[str, frozenset[int]]
"""A function, as ``module:name:digest``, and the lines of it that a test reaches, relative to its start."""


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
    items: dict[str, pytest.Item],
    sources: dict[str, Path],
    notes: Path,
    passes: Callable[[pytest.Item], bool],
) -> Timings:
    """The timings of the tests that pass and are fast enough; from the notes where a test's file has not changed."""
    spans = {}
    for module, path in sources.items():
        text = path.read_text(encoding="utf-8")
        of_text = spans_of(text).items()
        spans[str(path.resolve())] = {f"{module}:{name}:{digest(text, span)}": span for name, span in of_text}
    stamps = {path: sha256(path.read_bytes()).hexdigest()[:12] for path in {item.path for item in items.values()}}
    known = _read(notes)
    used: Counter[str] = Counter()
    timings = Timings()
    with notes.open("a", encoding="utf-8") as file:
        for place, (name, item) in enumerate(sorted(items.items(), key=lambda each: _hashed(each[0])), 1):
            function = name.partition("[")[0]
            if used[function] >= MOST_OF_ONE_TEST:
                continue
            if (note := known.get((name, stamps[item.path]))) is None:
                note = _alone(item, spans, passes)
                file.write(json.dumps([name, stamps[item.path], *note]) + "\n")
            seconds, lines = note
            used[function] += seconds
            if lines and seconds <= SLOWEST:
                timings.add(name, seconds, [(function, frozenset(own)) for function, own in lines.items()])
            if place % 100 == 0 or place == len(items):
                file.flush()
                print(f"measured {place} of {len(items)} tests", file=sys.__stderr__, flush=True)
    return timings


def _hashed(name: str) -> bytes:
    return sha256(name.encode()).digest()


def _read(notes: Path) -> dict[tuple[str, str], tuple[float, dict[str, list[int]]]]:
    if not notes.exists():
        return {}
    return {(name, stamp): (seconds, lines) for name, stamp, seconds, lines in map(json.loads, notes.open())}


def _alone(
    item: pytest.Item, spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> tuple[float, dict[str, list[int]]]:
    """The time of a test and the lines that it reaches; none if it fails or takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(_watched(item, spans, passes), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    seconds, lines = json.loads(text) if text else (1.5 * SLOWEST, {})
    return seconds, lines


def _watched(
    item: pytest.Item, spans: dict[str, dict[str, range]], passes: Callable[[pytest.Item], bool]
) -> tuple[float, dict[str, list[int]]]:
    signal.setitimer(signal.ITIMER_PROF, 1.5 * SLOWEST)
    silence()
    watch = coverage.Coverage(include=list(spans), data_file=None, config_file=False)
    watch.set_option("run:disable_warnings", ["no-data-collected"])
    start = time.process_time()
    watch.start()
    passed = passes(item)
    watch.stop()
    seconds = round(time.process_time() - start, 3)
    data = watch.get_data()
    lines: dict[str, list[int]] = {}
    for file in data.measured_files() if passed else ():
        reached = set(data.lines(file) or ())
        for name, span in spans[file].items():
            if own := reached.intersection(span):
                lines[name] = sorted(line - span.start for line in own)
    return seconds, lines


def silence() -> None:
    """Send what this process prints to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
