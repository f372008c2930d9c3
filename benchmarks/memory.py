"""``python -m benchmarks.memory LOSS NAME``: the most memory that one call takes beyond its inputs, in parts of X.

A process of its own for each measurement, since the peak of a process never falls.
"""

from __future__ import annotations

import resource
import sys

import numpy as np

import symgrad
from benchmarks import handwritten

N, D, C, KIND = 60000, 784, 10, np.float32


def peak(loss: str, name: str) -> float:
    """The growth of the process's peak during a call, over the size of X."""
    function = handwritten.FUNCTIONS[loss] if name == "hand-written" else symgrad.derive(loss).to_numpy()
    X = np.random.default_rng(0).standard_normal((N, D), dtype=KIND)
    W, b, Y = np.zeros((D, C), KIND), np.zeros(C, KIND), np.eye(C, dtype=KIND)[np.arange(N) % C]
    function(X[:8], W, b, Y[:8])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    function(X, W, b, Y)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / X.nbytes


if __name__ == "__main__":
    print(f"{peak(*sys.argv[1:3]):.3f}")
