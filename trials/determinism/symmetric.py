"""Losses with symmetries: equally cheap forms, sums with exchangeable indices, equal summands."""

from __future__ import annotations

SQUARE = "X: N N"
PAIR = "x: N, A: N N"
KNOWN = "x: N, A: N N symmetric"

TEXTS = {
    # traces and products of one matrix
    "trace of a square": ("trace(X @ X)", SQUARE, "X"),
    "trace of a cube": ("trace(X @ X @ X)", SQUARE, "X"),
    "trace of a fourth power": ("trace(X @ X @ X @ X)", SQUARE, "X"),
    "trace with transposes": ("trace(X @ X.T @ X @ X.T)", SQUARE, "X"),
    "trace of a transpose between": ("trace(X @ X @ X.T)", SQUARE, "X"),
    "product of traces": ("trace(X) * trace(X @ X) + trace(X @ X) * trace(X)", SQUARE, "X"),
    "X X^T X": ("sum(X @ X.T @ X)", "X: N D", "X"),
    "X X^T X squared": ("sum((X @ X.T @ X)**2)", "X: N D", "X"),
    "two matrices in turn": ("trace(A @ B @ A @ B)", "A: N N, B: N N", "A B"),
    "two matrices both ways": ("trace(A @ B @ B @ A) + trace(B @ A @ A @ B)", "A: N N, B: N N", "A B"),
    "commutator": ("sum((A @ B - B @ A)**2)", "A: N N, B: N N", "A B"),
    "products entry by entry": ("sum((A * B) @ (B * A))", "A: N N, B: N N", "A B"),
    # Gram matrices
    "Gram matrix": ("sum((X @ X.T)**2)", "X: N D", "X"),
    "Gram matrix of features": ("sum((X.T @ X - E)**2)", "X: N D, E: D D", "X E"),
    "Gram matrix and its mean": ("mean(X @ X.T) + sum((X.T @ X)**2)", "X: N D", "X"),
    "Gram matrix under a function": ("sum(exp(-X @ X.T))", "X: N D", "X"),
    "distances": ("sum((X[:, None] - X[None, :])**2)", "X: N D", "X"),
    "weighted distances": ("sum(A * sum((X[:, None] - X[None, :])**2, axis=2))", "X: N D, A: N N", "X A"),
    "kernel of distances": ("sum(A * exp(-sum((X[:, None] - X[None, :])**2, axis=2)))", "X: N D, A: N N", "X"),
    "softmax of similarities": ("sum(log_softmax(X @ X.T, axis=1))", "X: N D", "X"),
    "similarities both ways": ("sum(logsumexp(S, axis=1)) + sum(logsumexp(S, axis=0))", "S: N N", "S"),
    # quadratic forms
    "form": ("x @ A @ x", PAIR, "x A"),
    "form squared": ("(x @ A @ x)**2", PAIR, "x A"),
    "form entry by entry": ("sum((x @ A @ x) * x)", PAIR, "x A"),
    "form of both sides": ("sum((x @ A) * (A @ x))", PAIR, "x A"),
    "three in a row": ("sum((A @ x) * (A.T @ x) * x)", PAIR, "x A"),
    "symmetric form": ("x @ A @ x", KNOWN, "x"),
    "half a symmetric form": ("(m - x) @ A @ (m - x) / 2", "m: N, x: N, A: N N symmetric", "x m"),
    "symmetric form squared": ("(x @ A @ x)**2 / 4", KNOWN, "x"),
    "symmetric twice": ("x @ A @ A @ x", KNOWN, "x"),
    "symmetric between": ("sum((A @ x) * (A.T @ x))", KNOWN, "x"),
    "logarithm of a form": ("log(1 + (x @ A @ x)**2)", KNOWN, "x"),
    "two symmetric matrices": ("x @ A @ B @ x + x @ B @ A @ x", "x: N, A: N N symmetric, B: N N symmetric", "x"),
    "rows in a form": ("sum(diag(X @ A @ X.T))", "X: N D, A: D D symmetric", "X"),
    "rows of residuals in a form": ("trace((X - M) @ A @ (X - M).T) / 2", "X: N D, M: N D, A: D D symmetric", "X M"),
    # many equal summands, and exchangeable orders
    "equal summands": ("sum(X) + sum(X) + sum(sum(X, axis=0)) + sum(sum(X, axis=1))", "X: N D", "X"),
    "equal summands of several arrays": ("sum((x + y + z)**2) + sum((z + y + x)**2)", "x: N, y: N, z: N", "x y z"),
    "a form of four": ("sum(x * y * z * w) + sum(w * z * y * x)", "x: N, y: N, z: N, w: N", "w x y z"),
    "outer products": ("sum((outer(x, y) + outer(y, x))**2)", "x: N, y: N", "x y"),
    "outer product and its transpose": ("sum((outer(x, x) - A)**2) + sum((outer(x, x) - A.T)**2)", PAIR, "x"),
    "Kronecker": ("sum((A[:, None, :, None] * B[None, :, None, :])**2)", "A: N N, B: D D", "A B"),
    "Kronecker sum": ("sum((A[:, None] + B[None, :])**2)", "A: N D, B: N D", "A B"),
    "three axes": ("einsum('ijk,i,j,k->', T, x, x, x)", "T: N N N, x: N", "x T"),
    "three axes, permuted": ("einsum('ijk,jki->', T, T) + einsum('ijk,kij->', T, T)", "T: N N N", "T"),
    "three axes squared": ("sum(einsum('ijk,j,k->i', T, x, x)**2)", "T: N N N, x: N", "x"),
    "softmax against its mean": ("sum((P - mean(P, axis=0))**2)", "P: N N", "P"),
    "two softmaxes": ("sum(softmax(X, axis=0) * softmax(X, axis=1))", "X: N N", "X"),
    "variance of both axes": ("sum(var(X, axis=0)) + sum(var(X, axis=1))", "X: N N", "X"),
    "covariance": (
        "sum(((X - mean(X, axis=0)).T @ (X - mean(X, axis=0)) / 7 - E)**2)",
        "X: N D, E: D D",
        "X",
    ),
    "centred both ways": (
        "sum((X - mean(X, axis=0, keepdims=True) - mean(X, axis=1, keepdims=True) + mean(X))**2)",
        "X: N N",
        "X",
    ),
    "cosines": ("sum(X @ X.T / outer(norm(X, axis=1), norm(X, axis=1)))", "X: N D", "X"),
    "correlation": ("sum(x * y) / sqrt(sum(x**2) * sum(y**2))", "x: N, y: N", "x y"),
    "ratios": ("sum(x) / sum(y) + sum(y) / sum(x)", "x: N positive, y: N positive", "x y"),
    "logits of two": ("sum(exp(x) / (exp(x) + exp(y))) + sum(exp(y) / (exp(x) + exp(y)))", "x: N, y: N", "x y"),
    "three exponentials": ("log(sum(exp(x) + exp(y) + exp(z)))", "x: N, y: N, z: N", "x y z"),
    "norms": ("norm(x - y) + norm(y - x)", "x: N, y: N", "x y"),
    "largest of both": ("sum(maximum(x, y)) + sum(minimum(y, x))", "x: N, y: N", "x y"),
    "factorised": ("sum((A - U @ V.T)**2) + sum((A.T - V @ U.T)**2)", "A: N N, U: N D, V: N D", "U V"),
}
"""Name -> the text of a loss, its shapes, and the arrays to differentiate with respect to."""
