"""Both losses of the blog as programs written by hand, and their parts: the arrays, the axes, a linear layer."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Expr, Sum, exp, log

from symgrad.equations import Definition, abbreviation, node, rows_sum_to_one
from symgrad.errors import InputError
from symgrad.notation import Array, Axis
from symgrad.program import Program

N = Axis("N", "rows of the batch")
D = Axis("D", "features")
C = Axis("C", "classes")

X = Array("X", (N, D))
W = Array("W", (D, C))
b = Array("b", (C,))
Y = Array("Y", (N, C))
Z = Array("Z", (N, C))
S = Array("S", (N,))
P = Array("P", (N, C))
R = Array("R", (N, C))
L = Array("L")

n = N.index("n")
d = D.index("d")
k, j = C.index("k"), C.index("j")


def logits() -> Definition:
    """Z = X W + 1 b^T, the logits of a linear layer."""
    return node(Z[n, k], Sum(X[n, d] * W[d, k], d) + b[k])


def normaliser() -> Definition:
    """S_n, the sum that makes a row of the softmax sum to one."""
    return abbreviation(S[n], Sum(exp(Z[n, j]), j))


def reduced(over_entries: Expr, mean: Expr, reduction: str) -> Expr:
    """The sum of ``over_entries`` over all rows and classes, divided as ``reduction`` says.

    ``"mean"`` divides by ``mean``, what the framework's default mean counts; ``"batch_mean"`` by the N rows;
    ``"sum"`` by nothing.  Raises ``InputError`` for any other word.
    """
    counts = {"mean": mean, "batch_mean": N.size, "sum": 1}
    if reduction not in counts:
        raise InputError(f"unknown reduction {reduction!r}: expected one of {', '.join(counts)}")
    return Sum(over_entries, n, k) / counts[reduction]


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


LOSSES: dict[str, Callable[..., Program]] = {build.__name__: build for build in (softmax_mse, softmax_cross_entropy)}
