"""Every catalogue loss: time to trace, derive and prove it, and its generated function compared with ``jax.jit``.

JAX differentiates the same functions, with its own NumPy in place of NumPy.
``python -m benchmarks.catalogue NAME SIZE LIBRARY`` is one contestant.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import symgrad
from benchmarks.jaxed import in_jax, on_device
from benchmarks.timing import machine
from benchmarks.turns import in_turns, serve
from symgrad.losses import LOSSES
from symgrad.sampling.space import InputSpace

# Sizes of the axes: about 64 x 20 x 10, and about 20000 x 784 x 10 where the rows are independent of each other.
SMALL = {"N": 64, "D": 20, "C": 10, "H": 16, "T": 32, "K": 8, "M": 64}
LARGE = {"N": 20000, "D": 784, "C": 10, "H": 64, "T": 1024, "K": 16, "M": 2000}
OTHERS = {  # where every row interacts with every other, or every entry is a result
    "info_nce": {"N": 1000, "D": 256},
    "clip_loss": {"N": 1000, "D": 256},
    "matrix_factorisation": {"M": 2000, "N": 2000, "K": 16},
    "attention_head": {"T": 1024, "D": 256, "H": 64},
}
BOUNDS = {"derive": 1.5, "prove": 20.0, "trace": 0.02}


def main() -> None:
    """Print both tables, in Markdown."""
    print(f"{machine()}\n")
    print("| loss | trace ms | derive s | prove s | lines |\n|---|---|---|---|---|", flush=True)
    for name in LOSSES:
        print(f"| {name} | {' | '.join(derived(name))} |", flush=True)
    print("\nGenerated functions, as ratios to `jax.jit` on the CPU, float64.\n")
    print("| loss | small, numpy | numba | large, numpy | numba |\n|---|---|---|---|---|", flush=True)
    won = dict.fromkeys(("small", "large"), 0)
    for name in LOSSES:
        ratios = []
        for size in won:
            command = ["-m", "benchmarks.catalogue", name, size]
            times = in_turns({library: [*command, library] for library in ("numpy", "numba", "jax")}, 3.0)
            ratios += [times[target] / times["jax"] for target in ("numpy", "numba")]
            won[size] += min(ratios[-2:]) <= 1.0
        print(f"| {name} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)
    counts = ", ".join(f"{n} of {len(LOSSES)} ({size})" for size, n in won.items())
    print(f"\nThe better of both no slower than jax.jit: {counts}")


def derived(name: str) -> list[str]:
    """Times to trace, derive and prove a loss: medians of three runs, after a first run."""
    taken: list[tuple[float, float, float]] = []
    for _ in range(4):
        start = time.perf_counter()
        program = LOSSES[name].program()
        traced = time.perf_counter()
        derivation = symgrad.derive(program, LOSSES[name].wrt)
        done = time.perf_counter()
        derivation.prove()
        taken.append((traced - start, done - traced, time.perf_counter() - done))
    trace, derive, prove = (sorted(values)[1] for values in zip(*taken[1:], strict=True))
    return [f"{1e3 * trace:.0f}", f"{derive:.2f}", f"{prove:.2f}", str(len(derivation.steps))]


def inputs(name: str, size: str) -> dict[str, Any]:
    """Random inputs that satisfy the declarations of the loss."""
    sizes = SMALL if size == "small" else {**LARGE, **OTHERS.get(name, {})}
    rng = np.random.default_rng(0)
    scale = {"W": 0.05, "w": 0.05, "v": 0.01, "W1": 0.05, "W2": 0.05, "Wq": 0.05, "Wk": 0.05, "Wv": 0.05, "U": 0.1}
    given = InputSpace(LOSSES[name].program()).random(sizes, rng)
    given = {key: value if value.ndim else float(value) for key, value in given.items()}
    return {key: value * scale.get(key, 1.0) for key, value in given.items()}


def work(name: str, size: str, library: str) -> None:
    """What the process of one contestant does."""
    given = inputs(name, size)
    function: Callable[..., Any]
    if library in ("numpy", "numba"):
        derivation = symgrad.derive(name)
        function = derivation.to_numpy() if library == "numpy" else derivation.to_numba()
        order = [array.name for array in LOSSES[name].program().inputs]
    else:
        function, order = in_jax(LOSSES[name])
        given = {key: on_device(value) for key, value in given.items()}
    serve(function, [given[key] for key in order])


if __name__ == "__main__":
    work(*sys.argv[1:])
