"""Functions that take turns, each in its own process: idle threads of one library would slow down the next."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def in_turns(workers: Mapping[str, Sequence[str]], seconds: float = 6.0) -> dict[str, float]:
    """The median time of a call of each function, in turns; ``workers`` has the ``python`` arguments for each.

    A worker calls ``serve``; a worker that exits before its turn is skipped.
    """
    running = {
        name: subprocess.Popen(
            [sys.executable, "-W", "ignore", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for name, arguments in workers.items()
    }
    once = {name: _asked(worker, 1) for name, worker in running.items()}
    once = {name: spent for name, spent in once.items() if spent is not None}
    once = {name: _asked(running[name], 1) or 1.0 for name in once}
    calls = {name: max(1, int(1e-2 / spent)) for name, spent in once.items()}
    rounds = max(9, min(51, int(seconds / sum(spent * calls[name] + 0.12 for name, spent in once.items()))))
    taken: dict[str, list[float]] = {name: [] for name in once}
    for _ in range(rounds):
        for name in once:
            time.sleep(0.06)  # idle threads of the previous process keep a core busy for up to 30 ms
            taken[name].append(_asked(running[name], calls[name]) or math.nan)
    for worker in running.values():
        worker.communicate()
    return {name: statistics.median(values) for name, values in taken.items()}


def _asked(worker: subprocess.Popen[str], calls: int) -> float | None:
    """Seconds of a call, measured by a worker; None if it has exited."""
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdin.write(f"{calls}\n")
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    answer = worker.stdout.readline()
    return float(answer) if answer else None


def serve(function: Callable[..., Any], arrays: Sequence[Any]) -> None:
    """Time one call per line of standard input, after some warm-up calls.

    After a process wakes up, its BLAS threads may share a core, and wait for each other, until the scheduler separates
    them.
    """
    for line in sys.stdin:
        awake = time.perf_counter()
        while time.perf_counter() < awake + 0.05:
            function(*arrays)
        start = time.perf_counter()
        for _ in range(int(line)):
            function(*arrays)
        print((time.perf_counter() - start) / int(line), flush=True)
