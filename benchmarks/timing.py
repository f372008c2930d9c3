"""Measuring in turns, medians, and the tables that show them.

Contestants are measured in turns, round by round, so that a slowdown of the machine affects all of them.  Use CPU time
instead of wall time if other processes run on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Seconds(NamedTuple):
    """Wall time, and CPU time of this process and of children that have ended."""

    wall: float
    cpu: float


class Row(NamedTuple):
    """A row of a table: a measurement, with an optional bound on its wall time or ratio."""

    label: str
    seconds: Seconds
    bound: float | None = None
    bound_on_ratio: float | None = None


Measure = Callable[[], Mapping[str, Seconds]]
"""Measures once; returns seconds by label."""


def timed(work: Callable[[], object]) -> Seconds:
    """The time of one call of ``work``."""
    before = _clock()
    work()
    after = _clock()
    return Seconds(after.wall - before.wall, after.cpu - before.cpu)


def _clock() -> Seconds:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime)


def in_process(function: str, *arguments: object) -> Measure:
    """Call ``"module:function"``, which returns seconds by label, in a Python process of its own."""
    module, name = function.split(":")
    code = f"import json; from {module} import {name}; print(json.dumps({name}(*{arguments!r})))"

    def measure() -> dict[str, Seconds]:
        printed = _python("-c", code)
        return {label: Seconds(*pair) for label, pair in json.loads(printed).items()}

    return measure


def whole_process(label: str, *arguments: str) -> Measure:
    """Time a run of ``python`` with the given arguments, from start to end."""
    return lambda: {label: timed(lambda: _python(*arguments))}


def _python(*arguments: str) -> str:
    """The output of a Python process.  It may cache bytecode, like an installed package."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def interleaved(measures: Sequence[Measure], rounds: int = 5) -> dict[str, Seconds]:
    """Medians over ``rounds``, in which all are measured in turn, after a warm-up round."""
    found: dict[str, list[Seconds]] = {}
    for turn in range(rounds + 1):
        for measure in measures:
            for label, seconds in measure().items():
                if turn:
                    found.setdefault(label, []).append(seconds)
    return {label: Seconds(*map(median, zip(*runs, strict=True))) for label, runs in found.items()}


def print_table(title: str, rows: Sequence[Row], base: Seconds) -> None:
    """Print rows with the ratio of their wall time to ``base``, and their bounds."""
    width = max(40, *(len(row.label) for row in rows))
    print(f"\n{title}\n  {'':{width}} {'wall s':>9} {'CPU s':>9} {'ratio':>8}  bound")
    for label, seconds, bound, bound_on_ratio in rows:
        limit = f"{bound:g} s" if bound is not None else f"ratio {bound_on_ratio:g}" if bound_on_ratio else ""
        ratio = seconds.wall / base.wall
        print(f"  {label:{width}} {seconds.wall:9.3f} {seconds.cpu:9.3f} {ratio:8.2f}  {limit}".rstrip())


def machine() -> str:
    """One line about the machine and the versions that were measured."""
    parts = [f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", f"Python {platform.python_version()}"]
    return "; ".join([*parts, *(f"{name} {version(name.lower())}" for name in ("NumPy", "SymPy"))])


def _cpu() -> str:
    """The model of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
