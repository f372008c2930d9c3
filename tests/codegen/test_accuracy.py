"""How exact the generated functions are, against 50 digits: given the logits, and from the inputs on.

Two gradients show what a function evaluates inside: that of sum u_nk p_nk with respect to u is P, and that of
sum u_n l_n with respect to u are the rows' losses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import classifier as cl
import mpmath
import numpy as np
import pytest
from cases import sampled
from catalogue import derived_from
from classifier import LOSSES
from sympy import Sum, log

from symgrad.codegen import compile_source, to_numpy, to_source
from symgrad.engine.derive import derive_record
from symgrad.equations import abbreviation, node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Record

N, C, Z, Y, P, L, n, k = cl.N, cl.C, cl.Z, cl.Y, cl.P, cl.L, cl.n, cl.k
ROW, ENTRY = Array("u", (N,)), Array("U", (N, C))
SHAPES = [(1, 2), (4, 3), (3, 10), (1, 150)]  # NumPy adds more than 128 terms in pairs
SCALES = [1e-3, 1.0, 40.0, 700.0, 1e4]
KINDS = [np.float64, np.float32]
UNITS = 8


def _probe(loss: Any, *inputs: Array) -> Program:
    softmax = abbreviation(P[n, k], cl.exp(Z[n, k]) / cl.S[n])
    return Program("probe", (N, C), (Z, *inputs), (cl.normaliser(), softmax, node(L.base, loss)), "L")


PROBES = {
    "probabilities": _probe(Sum(ENTRY[n, k] * P[n, k], n, k), ENTRY),
    "softmax_cross_entropy": _probe(Sum(-ROW[n] * Sum(Y[n, k] * log(P[n, k]), k), n), Y, ROW),
    "softmax_mse": _probe(Sum(ROW[n] * Sum((P[n, k] - Y[n, k]) ** 2, k), n) / C.size, Y, ROW),
}


@cache
def probed(name: str) -> Record:
    return derive_record(PROBES[name], ("U",) if name == "probabilities" else ("u",))


@cache
def functions(of: Callable[[str], Record], name: str, **sizes: int) -> list[Callable[..., Any]]:
    """The function of each target; the scalar one is for small sizes."""
    made = [to_numpy(of(name))]
    if sizes["C"] <= 10:
        made.append(compile_source(to_source(of(name), "f", target="scalar", sizes=sizes), "f"))
    return made


def drawn(shape: tuple[int, int], scale: float, kind: Any, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the scale, with ties and a far outlier among them, and labels."""
    rng = np.random.default_rng(hash((shape, scale)) % 2**32)
    z = (scale * rng.uniform(-1, 1, shape)).astype(kind)
    z[0, :2] = z[0, 0]
    y = np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
    if labels == "soft":
        y = rng.multinomial(64, np.ones(shape[1]) / shape[1], shape[0]) / 64  # sums that are exact in float32 too
    return z, y.astype(kind)


def exact(z: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """At 50 digits: probabilities, the losses of the rows, and the gradients of both mean losses by the logits."""
    rows, columns = z.shape
    with mpmath.workdps(50):
        zs = [[v if isinstance(v, mpmath.mpf) else mpmath.mpf(float(v)) for v in row] for row in z]
        ys = [[mpmath.mpf(float(v)) for v in row] for row in y]
        e = [[mpmath.exp(v - max(row)) for v in row] for row in zs]
        p = [[v / mpmath.fsum(row) for v in row] for row in e]
        r = [[a - b for a, b in zip(ps, given, strict=True)] for ps, given in zip(p, ys, strict=True)]
        logs = [[v - max(row) - mpmath.log(mpmath.fsum(es)) for v in row] for row, es in zip(zs, e, strict=True)]
        dots = [mpmath.fsum(a * b for a, b in zip(ps, rs, strict=True)) for ps, rs in zip(p, r, strict=True)]
        return {
            "probabilities": np.array(p),
            "softmax_cross_entropy": np.array(
                [
                    -mpmath.fsum(a * b for a, b in zip(given, row, strict=True))
                    for given, row in zip(ys, logs, strict=True)
                ]
            ),
            "softmax_mse": np.array([mpmath.fsum(v * v for v in row) / columns for row in r]),
            "G of softmax_cross_entropy": np.array(r) / rows,
            "G of softmax_mse": np.array(
                [[2 * p[i][j] * (r[i][j] - dots[i]) / (rows * columns) for j in range(columns)] for i in range(rows)]
            ),
        }


def errors(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    with mpmath.workdps(50):
        differences = np.array([mpmath.mpf(float(v)) for v in np.ravel(found)]) - np.ravel(expected)
        return np.abs(differences).astype(float).reshape(np.shape(found))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", ["one-hot", "soft"])
@pytest.mark.parametrize("scale", sampled(SCALES, every=2))
@pytest.mark.parametrize("shape", SHAPES)
def test_probabilities_rows_and_gradients_given_the_logits(
    shape: tuple[int, int], scale: float, labels: str, kind: Any
) -> None:
    """Within 8 units in the last place of the largest term summed: 1 for what is made of probabilities, and for the
    row's cross-entropy the largest distance of a logit from the maximum, or the logarithm of the normaliser."""
    z, y = drawn(shape, scale, kind, labels)
    truth = exact(z, y)
    sizes = {"N": shape[0], "C": shape[1]}
    one = float(np.spacing(kind(1)))
    largest = np.maximum(max(1.0, np.log(shape[1])), np.ptp(z, axis=1)).astype(kind)
    for f in functions(probed, "probabilities", **sizes):
        _, grads = f(z, np.ones(shape, kind))
        assert grads.U.dtype == kind and np.all(errors(grads.U, truth["probabilities"]) <= UNITS * one)
    for loss, bound in (("softmax_cross_entropy", np.spacing(largest)), ("softmax_mse", one)):
        for f in functions(probed, loss, **sizes):
            _, grads = f(z, y, np.ones(shape[0], kind))
            assert grads.u.dtype == kind and np.all(errors(grads.u, truth[loss]) <= UNITS * bound), loss
        given = np.eye(shape[0], dtype=kind), z, np.zeros(shape[1], kind), y
        for f in functions(_by_logits, loss, **sizes, D=shape[0]):
            _, grads = f(*given)
            assert np.all(errors(grads.Z, truth[f"G of {loss}"]) <= UNITS * one / shape[0]), loss


@cache
def _by_logits(loss: str) -> Record:
    return derived_from(LOSSES[loss], ("Z",)).record


@cache
def _by_weights(loss: str) -> Callable[..., Any]:
    return to_numpy(derived_from(LOSSES[loss], ("W",)).record)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_end_to_end_within_what_the_rounding_of_the_logits_carries(loss: str, kind: Any, scale: float) -> None:
    """A logit is a sum of D + 1 terms, so it is off by at most (D + 1) units of their sizes.  An error of the logits
    moves a probability, a row's cross-entropy, a squared error by at most twice as much, and a gradient accordingly."""
    rng = np.random.default_rng(5)
    x, w, b = (rng.standard_normal(shape).astype(kind) for shape in ((6, 20), (20, 5), (5,)))
    w *= kind(scale)
    y = np.eye(5, dtype=kind)[rng.integers(0, 5, 6)]
    with mpmath.workdps(50):
        xm, wm, bm = (np.vectorize(mpmath.mpf, otypes=[object])(a.astype(float)) for a in (x, w, b))
        z = xm.dot(wm) + bm
        truth = exact(z, y)
        slope = xm.T.dot(truth[f"G of {loss}"])
        value = mpmath.fsum(truth[loss]) / 6
    unit = float(np.spacing(kind(1)))
    off = (20 + 1 + UNITS) * unit * (np.abs(x).astype(float) @ np.abs(w) + np.abs(b)).max()
    found, grads = _by_weights(loss)(x, w, b, y)
    rounding = (6 + UNITS) * unit
    assert abs(mpmath.mpf(float(found)) - value) <= 2 * off + rounding * max(1, float(value))
    reach = np.abs(x).astype(float).sum(axis=0)[:, None] / 6
    assert np.all(errors(grads.W, slope) <= (4 * off + rounding) * reach)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1e4, 1e300])
def test_huge_logits_give_the_true_values(loss: str, scale: float) -> None:
    z = scale * np.array([[1.0, -1.0, 0.5], [0.0, 0.25, -1.0]])
    y = np.eye(3)[[1, 2]]
    truth = exact(z, y)
    found, grads = to_numpy(_by_logits(loss))(np.eye(2), z, np.zeros(3), y)
    assert float(found) == pytest.approx(float(mpmath.fsum(truth[loss]) / 2), rel=1e-15)
    assert np.all(errors(grads.Z, truth[f"G of {loss}"]) <= UNITS * np.spacing(1.0))
