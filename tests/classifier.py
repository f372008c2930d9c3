"""What the softmax classifiers share: the arrays, the axes and the equations of a linear layer with a softmax."""

from __future__ import annotations

from sympy import Expr, Sum, exp

from symgrad.errors import InputError
from symgrad.notation import Array, Axis
from symgrad.program import Definition, abbreviation, node

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
