"""Mean squared error of softmax probabilities (the Brier score)."""

from __future__ import annotations

from sympy import exp

from symgrad.losses.classifier import C, D, L, N, P, S, W, X, Y, Z, b, k, logits, n, normaliser, reduced
from symgrad.notation import Array
from symgrad.program import Program, abbreviation, node

R = Array("R", (N, C))


def softmax_mse(reduction: str = "mean") -> Program:
    """Squared error of softmax(X W + b) against Y; the default averages over all N C entries.

    Shapes: X (N, D), W (D, C), b (C,), Y (N, C), any real entries.  The default is what TensorFlow's
    ``reduce_mean(losses.MSE(y, softmax(x @ w + b)))`` computes: ``losses.MSE`` averages over the last axis.
    """
    return Program(
        name="softmax_mse",
        summary="Mean squared error of softmax probabilities",
        axes=(N, D, C),
        inputs=(X, W, b, Y),
        equations=(
            logits(),
            normaliser(),
            node(P[n, k], exp(Z[n, k]) / S[n]),
            abbreviation(R[n, k], P[n, k] - Y[n, k]),
            node(L.base, reduced(R[n, k] ** 2, N.size * C.size, reduction)),
        ),
        output="L",
    )
