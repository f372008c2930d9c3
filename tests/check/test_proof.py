"""The proof accepts every line of every program and rejects every wrong one."""

from __future__ import annotations

import classifier as cl
import pytest
from cases import sampled
from catalogue import TYPICAL_PROGRAMS, derived_from, typical
from classifier import LOSSES
from programs import ZOO
from sympy import Sum, sqrt
from wrong_lines import wrongly_accepted

from symgrad.equations import abbreviation, node
from symgrad.notation import Array
from symgrad.program import Program
from symgrad.steps import Record

n, d = cl.n, cl.d


def rms_norm() -> Program:
    """Root-mean-square normalisation with a gain, and a squared error."""
    eps, gain = Array("eps", (), positive=True), Array("g", (cl.D,))
    rms, out, target = Array("M", (cl.N,)), Array("O", (cl.N, cl.D)), Array("U", (cl.N, cl.D))
    return Program(
        "rms_norm",
        (cl.N, cl.D),
        (cl.X, gain, eps, target),
        (
            abbreviation(rms[n], sqrt(Sum(cl.X[n, d] ** 2, d) / cl.D.size + eps[()])),
            node(out[n, d], gain[d] * cl.X[n, d] / rms[n]),
            node(cl.L.base, Sum((out[n, d] - target[n, d]) ** 2, n, d)),
        ),
        "L",
    )


def cosine_similarity() -> Program:
    """One minus the cosine of the rows of two matrices, averaged."""
    u, v, c = Array("u", (cl.N, cl.D)), Array("v", (cl.N, cl.D)), Array("c", (cl.N,))
    q, r = Array("q", (cl.N,)), Array("r", (cl.N,))
    return Program(
        "cosine_similarity",
        (cl.N, cl.D),
        (u, v),
        (
            abbreviation(q[n], sqrt(Sum(u[n, d] ** 2, d))),
            abbreviation(r[n], sqrt(Sum(v[n, d] ** 2, d))),
            node(c[n], Sum(u[n, d] * v[n, d], d) / (q[n] * r[n])),
            node(cl.L.base, Sum(1 - c[n], n) / cl.N.size),
        ),
        "L",
    )


NORMS = {
    "rms_norm": (rms_norm, ("X", "g")),
    "rms_norm_as_node": (lambda: rms_norm().with_nodes(["M"]), ("X", "g")),
    "cosine_similarity": (cosine_similarity, ("u", "v")),
    "cosine_similarity_as_nodes": (lambda: cosine_similarity().with_nodes(["q", "r"]), ("u", "v")),
}
JOBS = {name: (build, ("W", "b")) for name, build in LOSSES.items()} | ZOO | NORMS


def record_of(name: str) -> Record:
    return derived_from(*JOBS[name]).record


@pytest.mark.parametrize("name", typical(JOBS, TYPICAL_PROGRAMS))
def test_every_line_of_every_program_is_proved_at_every_shape(name: str) -> None:
    report = derived_from(*JOBS[name]).prove()
    assert report.ok, [m for m in report.marks if not m.ok] or report.problems
    assert report.weaker() == ()


@pytest.mark.parametrize(
    "name",
    sampled(
        ["huber", "logistic", "layer_norm", "tensor_form"],  # trials.corrupted, in properties, has more
        "huber",
    ),
)
def test_every_corrupted_line_is_rejected(name: str) -> None:
    record = record_of(name)
    assert list(wrongly_accepted(record)) == []
