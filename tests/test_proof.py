"""The proof accepts every line of every program and rejects every wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import classifier as cl
import literal
import numpy as np
import pytest
from catalogue import derived_from
from classifier import LOSSES
from programs import ZOO
from sympy import Add, Expr, HadamardProduct, Indexed, Integer, MatAdd, MatMul, MatrixExpr, MatrixSymbol, Sum, sqrt

from symgrad.check import prove
from symgrad.check.lines import Claim, claims
from symgrad.check.marks import Level, Mark
from symgrad.check.proof import Prover
from symgrad.equations import abbreviation, node
from symgrad.notation import Array, array_names, axis_name, free_indices
from symgrad.program import Program
from symgrad.steps import Record, Step

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
SHARE = 6  # of the corruptions of a line, one in so many: all of them are a trial (python -m trials corrupted)
JOBS = {name: (build, ("W", "b")) for name, build in LOSSES.items()} | ZOO | NORMS


def record_of(name: str) -> Record:
    return derived_from(*JOBS[name]).record


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_every_line_of_every_program_is_proved_at_every_shape(name: str) -> None:
    report = prove(record_of(name))
    assert report.ok, [m for m in report.marks if not m.ok] or report.problems
    assert report.weaker() == ()


def corruptions(step: Step, sizes: dict[str, Expr]) -> Iterator[tuple[str, Expr]]:
    """Wrong right sides of the same shape."""
    after = step.after
    n, c = sizes.get("N", Integer(2)), next((s for a, s in sizes.items() if a != "N"), Integer(3))
    factors: dict[str, Expr] = {
        "sign": Integer(-1),
        "2": Integer(2),
        "(C-1)/N": (c - 1) / n,
        "C/3": c / 3,
        "(N-1)-(C-2)": (n - 1) - (c - 2),
        "N(N-1)/2": n * (n - 1) / 2,
    } | {axis: size for axis, size in sizes.items()}
    for label, factor in factors.items():
        yield f"factor {label}", (MatMul(factor, after) if isinstance(after, MatrixExpr) else factor * after)
    yield from dropped_terms(after)
    yield from swapped_indices(after)
    if not isinstance(after, MatrixExpr):
        hidden = (n - 1) * (n - 2) * (n - 3) * (n - 5)
        yield "a factor that is 1 at every shape of the series", after * (1 + hidden)
        yield "a term that vanishes at N = 1", after + (n - 1) * (n - 2) * (n - 3)
        yield "y squared", after.replace(lambda e: isinstance(e, Indexed) and e.base.name == "Y", lambda e: e**2)
    else:
        yield (
            "y squared",
            after.replace(
                lambda e: isinstance(e, MatrixSymbol) and e.name == "Y", lambda e: HadamardProduct(e, e, evaluate=False)
            ),
        )


def dropped_terms(after: Expr) -> Iterator[tuple[str, Expr]]:
    for total in after.atoms(Add, MatAdd):
        if not total.free_symbols & {s for s in after.free_symbols if not s.is_integer}:
            continue
        for place, term in enumerate(total.args):
            rest = [*total.args[:place], *total.args[place + 1 :]]
            yield f"without {term}", after.xreplace({total: total.func(*rest)})


def swapped_indices(after: Expr) -> Iterator[tuple[str, Expr]]:
    free = sorted(free_indices(after), key=str)
    for entry in sorted(after.atoms(Indexed), key=str):
        for place, old in enumerate(entry.indices):
            for new in free:
                if new != old and axis_name(new) == axis_name(old):
                    indices = [*entry.indices[:place], new, *entry.indices[place + 1 :]]
                    yield f"{entry} with {new} for {old}", after.xreplace({entry: entry.base[tuple(indices)]})


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *LOSSES,
        "label_smoothing",
        "logistic",
        "layer_norm",
        "rms_norm",
        "cosine_similarity",
        "relu_network",
        "huber",
        "clipped",
        "crammer_singer",
        "tensor_form",
    ],
)
def test_every_corrupted_line_is_rejected(name: str) -> None:
    record = record_of(name)
    assert list(wrongly_accepted(record)) == []


def wrongly_accepted(record: Record) -> Iterator[str]:
    """The corruptions that pass although the values of the two sides differ, of a share of those of each line."""
    sizes = {axis.name: axis.size for axis in record.program.axes}
    prover = Prover(record)
    for place, (step, claim) in enumerate(zip(record.steps, claims(record), strict=True)):
        for label, wrong in islice(corruptions(step, sizes), place % SHARE, None, SHARE):
            steps = (*record.steps[:place], replace(step, after=wrong))
            corrupted = claims(replace(record, steps=steps))[-1]
            if not isinstance(corrupted, Claim):
                continue  # its axes do not fit
            mark = prover.verdict(corrupted)
            if mark.ok and differ(record, claim, corrupted):
                yield f"{step.number}: {step.subject} = {step.after}: {label}: {wrong}: {mark}"
        prover.mark(claim)


def differ(record: Record, right: Claim, wrong: Claim) -> bool:
    """Whether two right sides differ in floating point, at true values of all names and at a shape of its own."""
    sizes = {axis.name: size for axis, size in zip(record.program.axes, (4, 3, 5, 2), strict=False)}
    letters, values = right.letters, true_values(record, bool(right.allowed))
    for place in product(*(range(sizes[axis_name(i)]) for i in letters)):
        at = dict(zip(letters, place, strict=True))
        found = [literal.value(side.after, values, sizes, at) for side in (right, wrong)]
        if abs(found[0] - found[1]) > 1e-9 * (1 + abs(found[0])):
            return True
    return False


_values: dict[tuple[str, bool], dict[str, np.ndarray]] = {}


def true_values(record: Record, assumed: bool) -> dict[str, np.ndarray]:
    """Forward values and adjoints; inputs that satisfy no assumption unless ``assumed``."""
    program = record.program
    if (program.name, assumed) not in _values:
        sizes = {axis.name: size for axis, size in zip(program.axes, (4, 3, 5, 2), strict=False)}
        inputs = literal.random_inputs(program, sizes)
        for name in {n for a in program.assumptions for n in array_names(a.lhs)}:
            if not assumed:
                inputs[name] = np.random.default_rng(1).standard_normal(inputs[name].shape)
        values = literal.forward(program, inputs, sizes)
        for name, array in record.adjoint_arrays.items():
            values[array.name] = literal.complex_step(program, name, values, sizes)
        _values[program.name, assumed] = values
    return _values[program.name, assumed]


@pytest.mark.parametrize(
    ("level", "bound", "words"),
    [
        (Level.EVERY_SHAPE, None, "every shape"),
        (Level.EVERY_SHAPE_RANDOMISED, 2.0**-55.5, "every shape, randomised (error < 2^-55)"),
        (Level.EXACT_AT_SHAPES, None, "exactly at shapes (2, 4, 3), (3, 2, 2)"),
        (Level.RANDOMISED_AT_SHAPES, None, "randomised at shapes (2, 4, 3), (3, 2, 2)"),
        (Level.NUMERICAL, None, "numerically (50 digits) at shapes (2, 4, 3), (3, 2, 2)"),
    ],
)
def test_a_mark_names_the_shapes_where_it_is_no_more_than_those(level: Level, bound: float | None, words: str) -> None:
    shapes = ((("N", 2), ("D", 4), ("C", 3)), (("N", 3), ("D", 2), ("C", 2)))
    assert Mark(1, level, "", shapes, bound).words == words
