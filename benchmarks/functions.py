"""Generated functions against hand-written NumPy and other libraries: time, memory, and the time to build them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symgrad
from benchmarks import handwritten
from benchmarks.memory import peak, stream
from benchmarks.peers import peers
from symgrad.codegen import compile_source

SIZES = [
    (2, 4, 3, np.float64),
    (64, 20, 10, np.float64),
    (1000, 784, 10, np.float64),
    (20000, 784, 10, np.float64),
    (60000, 784, 10, np.float32),
    (4096, 1024, 1000, np.float32),
]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables; an argument such as ``2x4x3`` restricts them to that size."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}")
    print("Loss and gradients with respect to W and b: medians of one interleaved run, as ratios to hand-written NumPy")
    for N, D, C, kind in SIZES:
        if arguments and f"{N}x{D}x{C}" not in arguments:
            continue
        for loss in handwritten.FUNCTIONS:
            times = measured(contestants(loss, N, D, C, kind), inputs(N, D, C, kind))
            hand = times.pop("hand-written")
            ratios = "  ".join(f"{name} {value / hand:.2f}" for name, value in times.items())
            print(f"{N}x{D}x{C} {kind.__name__} {loss}: hand-written {hand * 1e3:.3g} ms  {ratios}", flush=True)
    if not arguments:
        building()
        memory()


def inputs(N: int, D: int, C: int, kind: Any) -> list[Any]:
    """Standard normal features, one-hot labels."""
    rng = np.random.default_rng(0)
    labels = np.eye(C, dtype=kind)[rng.integers(0, C, N)]
    X = rng.standard_normal((N, D), dtype=kind)
    return [X, (rng.standard_normal((D, C)) / D**0.5).astype(kind), rng.standard_normal(C).astype(kind), labels]


def contestants(loss: str, N: int, D: int, C: int, kind: Any) -> dict[str, Callable[..., Any]]:
    """The functions to compare at one size."""
    derivation = symgrad.derive(loss)
    found: dict[str, Callable[..., Any]] = {"hand-written": handwritten.FUNCTIONS[loss], "numpy": derivation.to_numpy()}
    if N * D * C <= 100:
        sizes = {"N": N, "D": D, "C": C}
        found["scalar"] = compile_source(derivation.to_source("f", target="scalar", sizes=sizes), "f")
        found["lambdify"] = derivation.explicit(**sizes).lambdify()
    return found | peers(loss, inputs(N, D, C, kind))


def measured(functions: dict[str, Callable[..., Any]], arrays: list[Any], seconds: float = 3.0) -> dict[str, float]:
    """The median time of a call of each, all taking turns."""
    once = {name: _time(function, arrays, 1) for name, function in functions.items()}
    once = {name: _time(functions[name], arrays, 1) for name in once}
    calls = {name: max(1, int(2e-3 / spent)) for name, spent in once.items()}
    rounds = max(5, min(201, int(seconds / sum(spent * calls[name] for name, spent in once.items()))))
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            taken[name].append(_time(function, arrays, calls[name]))
    return {name: statistics.median(values) for name, values in taken.items()}


def _time(function: Callable[..., Any], arrays: list[Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function(*arrays)
    return (time.perf_counter() - start) / calls


def building() -> None:
    """Print how long it takes to make functions of a derivation."""
    for loss in handwritten.FUNCTIONS:
        derivation = symgrad.derive(loss)
        start = time.perf_counter()
        derivation.to_numpy()
        made = time.perf_counter()
        derivation.explicit(N=2, D=4, C=3).lambdify()
        done = time.perf_counter()
        print(f"{loss}: to_numpy() {1e3 * (made - start):.0f} ms, explicit(2, 4, 3).lambdify() {done - made:.2f} s")


def memory() -> None:
    """Print the most memory that a call takes beyond its inputs, and what a call does with less memory than X."""
    for loss in handwritten.FUNCTIONS:
        parts = "  ".join(f"{name} {peak(loss, name):.3f}" for name in ("hand-written", "generated"))
        print(f"{loss} 60000x784x10 float32: memory beyond inputs and outputs, in parts of X: {parts}")
        print(f"{loss} X a file, 0.75 of its size allowed: {stream(loss, 0.75)}", flush=True)
