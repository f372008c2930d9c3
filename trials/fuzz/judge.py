"""Examine one draft: derive it, prove it, and compare everything with the references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import symgrad
from symgrad import Derivation
from symgrad.check.marks import Level, ProofReport
from symgrad.errors import SymgradError
from trials.examination import EVALUATED, TOLERANCE, Outcome, conclude, print_all, proofs
from trials.fuzz import direct, witnesses
from trials.fuzz.lines import lines_at
from trials.fuzz.syntax import Draft
from trials.fuzz.witnesses import Point
from trials.uncompiled import uncompiled

KINDS = (
    *("wrong gradient", "wrong value", "gradient not finite", "wrong equations", "wrong shape", "false mark"),
    *("marked wrong", "problem", "witnesses differ"),
)
"""Kinds of findings in addition to the general ones."""
SIZES = ((3, 2, 4), (1, 2, 3), (2, 1, 2), (2, 4, 1), (4, 3, 2), (2, 2, 2), (1, 1, 5), (6, 1, 1), (5, 2, 3))


@dataclass
class DraftOutcome(Outcome):
    """The outcome for one draft."""

    ties: int = 0
    undefined: int = 0
    by_jax: int = 0


def derivation(draft: Draft) -> Derivation:
    """The derivation of a draft, traced or written by hand."""
    if draft.by_hand:
        return symgrad.derive(direct.program(draft), wrt=draft.wrt)
    names = {"np": np} | {name: getattr(symgrad.array, name) for name in symgrad.array.__all__}
    made = symgrad.loss(draft.shapes, draft.wrt)(witnesses.function(draft, names))
    return symgrad.derive(made)


def examine(draft: Draft, seed: int, thorough: bool) -> DraftOutcome:
    """Run all tests of one draft; ``thorough`` adds jax and printing in every format."""
    outcome = DraftOutcome()
    conclude(outcome, partial(_examine, draft, seed, thorough, outcome))
    return outcome


def _examine(draft: Draft, seed: int, thorough: bool, outcome: DraftOutcome) -> None:
    try:
        derived = derivation(draft)
    except SymgradError as error:
        outcome.refuse(error)
        return
    run = derived.to_numpy(check=False)
    loops = uncompiled(derived.record) if seed % EVALUATED == 0 else None
    [proof, *others] = proofs(derived, seed)
    for report in (proof, *others):
        outcome.mark(report, "marked wrong")
        outcome.undefined += len(report.numbers(Level.UNDEFINED))
    points = [at for at in points_of(draft, seed) if _is_defined(derived, at)]
    outcome.points, outcome.ties = len(points), sum(at.tied for at in points)
    for at in points:
        outcome.findings += _gradients(derived, run, at)
        if loops is not None:
            outcome.findings += ((kind, f"loops: {words}") for kind, words in _gradients(derived, loops, at))
        outcome.findings += _lines(derived, proof, at)
    if thorough:
        for at in points[:1]:
            outcome.findings += _jax(draft, at)
            outcome.by_jax += not at.tied
        print_all(derived)


def points_of(draft: Draft, seed: int) -> Iterator[Point]:
    """The points found at two shapes."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(len(SIZES)))
    for place in (first, first + 1 + int(rng.integers(len(SIZES) - 1))):
        series = SIZES[place % len(SIZES)]
        sizes = {axis: series[at % len(series)] for at, axis in enumerate(draft.axes)}
        if (found := witnesses.point(draft, sizes, rng)) is not None:
            yield found


def _is_defined(derived: Derivation, at: Point) -> bool:
    """Whether the equations are defined: they apply a function of a labelled entry to every class."""
    if not any(isinstance(given, np.ndarray) and given.dtype.kind == "i" for given in at.inputs.values()):
        return True
    with np.errstate(all="ignore"):
        lines = lines_at(derived.record, at.inputs, at.sizes)
    output = lines.arrays[derived.program.output].reshape(-1)[0]
    return bool(lines.is_real and np.isreal(output) and np.isfinite(output))


def _gradients(derived: Derivation, run: Callable[..., Any], at: Point) -> Iterator[tuple[str, str]]:
    """Compare the generated function with the loss and its complex-step gradients."""
    with np.errstate(all="ignore"):
        value, grads = run(*at.inputs.values())
    scale = max([1.0, abs(at.value), *(float(np.max(np.abs(g), initial=0)) for g in at.gradients.values())])
    if not abs(value - at.value) <= TOLERANCE * scale:
        yield "wrong value", f"{value!r}, expected {at.value!r} at {dict(at.sizes)}"
    for name, expected in at.gradients.items():
        found = np.asarray(getattr(grads, name, None))
        if found.shape != expected.shape:
            yield "wrong shape", f"of the gradient by {name}: {found.shape}"
        elif not _close(found, expected, scale):
            kind = "wrong gradient" if np.all(np.isfinite(found)) else "gradient not finite"
            yield kind, f"by {name} at {dict(at.sizes)}: {found.tolist()}, expected {expected.tolist()}"


def _close(found: np.ndarray, expected: np.ndarray, scale: float) -> bool:
    own = float(np.max(np.abs(expected), initial=0))
    return bool(np.max(np.abs(found - expected), initial=0) <= TOLERANCE * own + 1e-8 * scale)


def _lines(derived: Derivation, proof: ProofReport, at: Point) -> Iterator[tuple[str, str]]:
    """Check every proved line at a point."""
    with np.errstate(all="ignore"):
        lines = lines_at(derived.record, at.inputs, at.sizes)
        if lines.near:
            return  # the equations round differently from the function, which may be exactly on a kink
        output = complex(lines.arrays[derived.program.output].reshape(-1)[0])
        if not abs(output - at.value) <= TOLERANCE * max(1.0, abs(at.value)):
            yield "wrong equations", f"the equations give {output}, the function {at.value} at {dict(at.sizes)}"
            return
        for name, expected in at.gradients.items():
            if not _close(lines.adjoint(name), expected, 1.0 + abs(at.value)):
                yield "witnesses differ", f"by {name} at {dict(at.sizes)}"
                return
        marks: Mapping[int, Any] = {mark.number: mark for mark in proof.marks}
        for found in lines.wrong(derived.steps):
            mark = marks[found.number]
            if mark.level < Level.UNPROVED:
                yield "false mark", f"line {found.number}, {mark.words}: off by {found.error:.2g} at {dict(at.sizes)}"


def _jax(draft: Draft, at: Point) -> Iterator[tuple[str, str]]:
    """Compare the complex step with jax, except at ties, where jax has its own conventions."""
    if at.tied:
        return
    scale = max([1.0, abs(at.value)])
    for name, found in witnesses.jax_gradients(draft, at).items():
        if not _close(found, at.gradients[name], scale):
            yield "witnesses differ", f"jax by {name}: {found.tolist()}, complex step {at.gradients[name].tolist()}"
