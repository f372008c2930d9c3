"""The programs measured in addition to the catalogue, written with the public API."""

from __future__ import annotations

from sympy import Sum, exp, sqrt, tanh

from symgrad import Array, Axis, Program, abbreviation, node

N, D, H, T = Axis("N", "rows"), Axis("D", "features"), Axis("H", "hidden units"), Axis("T", "tokens")
L = Array("L")


def attention() -> Program:
    """One attention head, softmax(Q K^T / sqrt(H)) V with Q, K and V from X, and a squared error."""
    d, h = D.index("d"), H.index("h")
    t, s, u = (T.index(letter) for letter in "tsu")
    X, Y = Array("X", (T, D)), Array("Y", (T, H))
    weights = [Array(f"W{name}", (D, H)) for name in "qkv"]
    projected = [Array(name, (T, H)) for name in "QKV"]
    Q, K, V = projected
    E, S, A, O = Array("E", (T, T)), Array("S", (T,)), Array("A", (T, T)), Array("O", (T, H))  # noqa: E741
    equations = (
        *(node(P[t, h], Sum(X[t, d] * W[d, h], d)) for P, W in zip(projected, weights, strict=True)),
        node(E[t, s], Sum(Q[t, h] * K[s, h], h) / sqrt(H.size)),
        abbreviation(S[t], Sum(exp(E[t, u]), u)),
        node(A[t, s], exp(E[t, s]) / S[t]),
        node(O[t, h], Sum(A[t, s] * V[s, h], s)),
        node(L[()], Sum((O[t, h] - Y[t, h]) ** 2, t, h)),
    )
    return Program("attention", (T, D, H), (X, *weights, Y), equations, "L")


def tanh_network(layers: int, *, residual: bool = False) -> Program:
    """Square tanh layers, each added to its input if ``residual``, and a squared error."""
    n, g, h = N.index("n"), H.index("g"), H.index("h")
    A = [Array(f"A{layer}", (N, H)) for layer in range(layers + 1)]
    W = [Array(f"W{layer}", (H, H)) for layer in range(1, layers + 1)]
    Y = Array("Y", (N, H))
    equations = []
    for layer, (below, weight, above) in enumerate(zip(A, W, A[1:], strict=False), 1):
        Z = Array(f"Z{layer}", (N, H))
        equations.append(node(Z[n, g], Sum(below[n, h] * weight[h, g], h)))
        equations.append(node(above[n, g], tanh(Z[n, g]) + (below[n, g] if residual else 0)))
    equations.append(node(L[()], Sum((A[-1][n, g] - Y[n, g]) ** 2, n, g)))
    return Program("tanh_network", (N, H), (A[0], *W, Y), tuple(equations), "L")
