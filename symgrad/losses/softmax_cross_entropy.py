"""Softmax cross-entropy from logits."""

from __future__ import annotations

from sympy import exp, log

from symgrad.losses.classifier import C, D, L, N, P, S, W, X, Y, Z, b, k, logits, n, normaliser, reduced
from symgrad.program import Program, abbreviation, node, rows_sum_to_one


def softmax_cross_entropy(reduction: str = "mean") -> Program:
    """Cross-entropy of softmax(X W + b) and labels Y; the default averages over the N rows.

    Shapes: X (N, D), W (D, C), b (C,), Y (N, C) with rows that sum to one.  The default is what TensorFlow's
    ``reduce_mean(losses.categorical_crossentropy(y, logits, from_logits=True))`` computes.
    """
    return Program(
        name="softmax_cross_entropy",
        summary="Softmax cross-entropy from logits",
        axes=(N, D, C),
        inputs=(X, W, b, Y),
        equations=(
            logits(),
            normaliser(),
            abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
            node(L.base, reduced(-Y[n, k] * log(P[n, k]), N.size, reduction)),
        ),
        output="L",
        assumptions=(rows_sum_to_one(Y),),
    )
