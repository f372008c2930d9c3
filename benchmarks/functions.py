"""Generated functions compared with hand-written NumPy and other libraries: time, memory, time to build them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import symgrad
from benchmarks import handwritten
from benchmarks.memory import peak, stream
from benchmarks.peers import PEERS
from benchmarks.timing import machine
from benchmarks.turns import in_turns, serve
from symgrad.codegen import compile_source

SIZES = [
    (2, 4, 3, np.float64),
    (64, 20, 10, np.float64),
    (1000, 784, 10, np.float64),
    (20000, 784, 10, np.float64),
    (60000, 784, 10, np.float32),
    (4096, 1024, 1000, np.float32),
]
NAMES = ("numpy", "numba", "scalar", *PEERS)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, in Markdown; an argument such as ``2x4x3`` restricts them to that size."""
    print(f"{machine()}\n")
    print(
        "Loss and gradients with respect to W and b: medians of one interleaved run, as ratios to hand-written NumPy.\n"
    )
    head = ["size", "loss", "hand-written", *NAMES]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for N, D, C, kind in SIZES:
        if arguments and f"{N}x{D}x{C}" not in arguments:
            continue
        for loss in handwritten.FUNCTIONS:
            given = ["-m", "benchmarks.functions"], [loss, str(N), str(D), str(C), kind.__name__]
            times = in_turns({name: [*given[0], name, *given[1]] for name in ("hand-written", *NAMES)})
            hand = times["hand-written"]
            ratios = [f"{times[name] / hand:.2f}" if name in times else "" for name in NAMES]
            row = [f"{N}x{D}x{C} {kind.__name__}", loss, f"{hand * 1e3:.3g} ms", *ratios]
            print(f"| {' | '.join(row)} |", flush=True)
    if not arguments:
        print()
        building()
        memory()


def inputs(N: int, D: int, C: int, kind: Any) -> list[Any]:
    """Standard normal features, one-hot labels."""
    rng = np.random.default_rng(0)
    labels = np.eye(C, dtype=kind)[rng.integers(0, C, N)]
    X = rng.standard_normal((N, D), dtype=kind)
    return [X, (rng.standard_normal((D, C)) / D**0.5).astype(kind), rng.standard_normal(C).astype(kind), labels]


def contestant(name: str, loss: str, N: int, D: int, C: int, kind: Any) -> Callable[..., Any] | None:
    """A contestant at a size, or None if the library does not have it."""
    sizes = {"N": N, "D": D, "C": C}
    if name == "hand-written":
        return handwritten.FUNCTIONS[loss]
    if name in PEERS:
        return PEERS[name](loss, inputs(N, D, C, kind)) if find_spec(name) is not None else None
    derivation = symgrad.derive(loss)
    if name in ("numpy", "numba"):
        return derivation.to_numpy() if name == "numpy" else derivation.to_numba()
    if N * D * C > 100:
        return None
    return compile_source(derivation.to_source("f", target="scalar", sizes=sizes), "f")


def work(name: str, loss: str, N: str, D: str, C: str, kind: str) -> None:
    """What the process of one contestant does."""
    size = int(N), int(D), int(C), getattr(np, kind)
    function = contestant(name, loss, *size)
    if function is not None:
        serve(function, inputs(*size))


def building() -> None:
    """Print the time to make functions from a derivation."""
    for loss in handwritten.FUNCTIONS:
        derivation = symgrad.derive(loss)
        start = time.perf_counter()
        derivation.to_numpy(check=False)
        made = time.perf_counter()
        derivation.explicit(N=2, D=4, C=3).lambdify(check=False)
        done = time.perf_counter()
        print(f"{loss}: to_numpy() {1e3 * (made - start):.0f} ms, explicit(2, 4, 3).lambdify() {done - made:.2f} s")


def memory() -> None:
    """Print the peak memory of a call beyond its inputs, and whether a call succeeds with less memory than X."""
    for loss in handwritten.FUNCTIONS:
        parts = "  ".join(f"{name} {peak(loss, name):.3f}" for name in ("hand-written", "numpy", "numba"))
        print(f"{loss} 60000x784x10 float32: memory beyond inputs and outputs, in parts of X: {parts}")
        print(f"{loss} X a file, 0.75 of its size allowed: {stream(loss, 0.75)}", flush=True)


if __name__ == "__main__":
    work(*sys.argv[1:])
