"""Times of other tools for the same gradients.  Nothing here imports symgrad.

``python -m benchmarks.rivals`` differentiates both losses by SymPy at 6 x 12 x 7, once; it takes minutes.
"""

from __future__ import annotations

from importlib.util import find_spec

from sympy import Expr, Symbol, exp, log

from benchmarks.timing import Seconds, timed

LOSSES = ("softmax_cross_entropy", "softmax_mse")


def has_tensorgrad() -> bool:
    """Whether tensorgrad is installed."""
    return find_spec("tensorgrad") is not None


def brute_force(loss: str, sizes: tuple[int, int, int]) -> dict[str, Seconds]:
    """SymPy's gradient of the explicit loss at sizes N, D, C, with respect to every entry of W and b."""
    return {f"{loss}: SymPy at {'x'.join(map(str, sizes))}": timed(lambda: _brute_force(loss, *sizes))}


def _brute_force(loss: str, N: int, D: int, C: int) -> list[Expr]:
    X, W, Y = _symbols("x", N, D), _symbols("w", D, C), _symbols("y", N, C)
    (b,) = _symbols("b", 1, C)
    total: Expr = 0
    for x, y in zip(X, Y, strict=True):
        z = [sum(x[d] * W[d][c] for d in range(D)) + b[c] for c in range(C)]
        normaliser = sum(exp(logit) for logit in z)
        if loss == "softmax_mse":
            total += sum((exp(z[c]) / normaliser - y[c]) ** 2 for c in range(C)) / (N * C)
        else:
            total += sum(y[c] * (log(normaliser) - z[c]) for c in range(C)) / N
    return [total.diff(entry) for entry in [*(w for row in W for w in row), *b]]


def _symbols(name: str, rows: int, columns: int) -> list[list[Symbol]]:
    return [[Symbol(f"{name}_{i}_{j}") for j in range(columns)] for i in range(rows)]


def tensorgrad(loss: str) -> dict[str, Seconds]:
    """tensorgrad's simplified derivative with respect to W alone, at symbolic shape, its import not counted."""
    import tensorgrad as tg
    from tensorgrad import functions as F

    n, d, c = tg.symbols("n d c")
    X, W, b, Y = tg.Variable("X", n, d), tg.Variable("W", d, c), tg.Variable("b", c), tg.Variable("Y", n, c)

    def gradient() -> object:
        Z = X @ W + b
        if loss == "softmax_mse":
            output = F.mean(F.pow(F.softmax(Z, "c") - Y, 2))
        else:
            output = F.mean(F.cross_entropy(Z, Y, "c"), "n")
        return tg.Derivative(output, W).full_simplify()

    return {f"{loss}: tensorgrad": timed(gradient)}


def main() -> None:
    """Brute force at a size where it hurts."""
    for loss in LOSSES:
        for label, seconds in brute_force(loss, (6, 12, 7)).items():
            print(f"{label}: {seconds.wall:.1f} s (CPU {seconds.cpu:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
