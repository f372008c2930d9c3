"""One draft examined: derived, proved, and everything held against the witnesses."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgrad
from symgrad import Derivation
from symgrad.check.marks import Level, ProofReport
from symgrad.errors import SymgradError
from trials.fuzz import direct, witnesses
from trials.fuzz.lines import lines_at
from trials.fuzz.syntax import Draft
from trials.fuzz.witnesses import Point

SECONDS = 20
"""More than that for one program is a finding."""
EVALUATED = 3
"""Of one program in so many the lines on what the code evaluates are proved too."""
TOLERANCE = 1e-6
SIZES = ((3, 2, 4), (1, 2, 3), (2, 1, 2), (2, 4, 1), (4, 3, 2), (2, 2, 2), (1, 1, 5), (6, 1, 1), (5, 2, 3))


@dataclass
class Outcome:
    """What came of one draft: ``refused`` says why it was not derived, ``findings`` are (kind, what was found)."""

    refused: str = ""
    findings: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    points: int = 0
    ties: int = 0
    undefined: int = 0
    by_jax: int = 0
    seconds: float = 0.0


class TooLong(BaseException):
    """One program took too long: no ``except Exception`` may hide it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises ``TooLong`` after so many seconds of this process's time."""

    def stop(*_: object) -> None:
        raise TooLong

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1)  # again: what runs in a callback of C is passed over
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def derivation(draft: Draft) -> Derivation:
    """The derivation of a draft, traced or written by hand."""
    if draft.by_hand:
        return symgrad.derive(direct.program(draft), wrt=draft.wrt)
    names = {"np": np} | {name: getattr(symgrad.array, name) for name in symgrad.array.__all__}
    made = symgrad.loss(draft.shapes, draft.wrt)(witnesses.function(draft, names))
    return symgrad.derive(made)


def examine(draft: Draft, seed: int, thorough: bool) -> Outcome:
    """Everything that is tested of one draft; ``thorough`` is jax and what prints the derivation too."""
    outcome, start = Outcome(), time.process_time()
    try:
        with limited(SECONDS):
            _examine(draft, seed, thorough, outcome)
    except TooLong:
        outcome.findings.append(("too long", f"more than {SECONDS} s"))
    except Exception:
        outcome.findings.append(("crash", traceback.format_exc(limit=-6)))
    outcome.seconds = time.process_time() - start
    return outcome


def _examine(draft: Draft, seed: int, thorough: bool, outcome: Outcome) -> None:
    try:
        derived = derivation(draft)
    except SymgradError as error:
        outcome.refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return
    run = derived.to_numpy(check=False)
    proofs = [derived.prove()]
    if seed % EVALUATED == 0 and derived.evaluation.steps:
        proofs.append(derived.evaluation.prove())
    for proof in proofs:
        outcome.marks.update(proof.counts)
        outcome.findings += [("problem", problem) for problem in proof.problems]
        outcome.undefined += len(proof.numbers(Level.UNDEFINED))
        for mark in (mark for mark in proof.marks if mark.level == Level.WRONG):
            outcome.findings.append(("marked wrong", f"line {mark.number}: {mark.detail}"))
    points = [at for at in points_of(draft, seed) if _is_defined(derived, at)]
    outcome.points, outcome.ties = len(points), sum(at.tied for at in points)
    for at in points:
        outcome.findings += _gradients(derived, run, at)
        outcome.findings += _lines(derived, proofs[0], at)
    if thorough:
        for at in points[:1]:
            outcome.findings += _jax(draft, at)
            outcome.by_jax += not at.tied
        _printed(derived)


def points_of(draft: Draft, seed: int) -> Iterator[Point]:
    """Points at two shapes, those found."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(len(SIZES)))
    for place in (first, first + 1 + int(rng.integers(len(SIZES) - 1))):
        series = SIZES[place % len(SIZES)]
        sizes = {axis: series[at % len(series)] for at, axis in enumerate(draft.axes)}
        if (found := witnesses.point(draft, sizes, rng)) is not None:
            yield found


def _is_defined(derived: Derivation, at: Point) -> bool:
    """Whether the equations have a value: a function of what labels pick is, in the equations, one of every class."""
    if not any(isinstance(given, np.ndarray) and given.dtype.kind == "i" for given in at.inputs.values()):
        return True
    with np.errstate(all="ignore"):
        lines = lines_at(derived.record, at)
    output = lines.arrays[derived.program.output].reshape(-1)[0]
    return bool(lines.is_real and np.isreal(output) and np.isfinite(output))


def _gradients(derived: Derivation, run: Callable[..., Any], at: Point) -> Iterator[tuple[str, str]]:
    """The generated function against the loss and its gradients by the complex step."""
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
    """Every line that is marked as known, at a point."""
    with np.errstate(all="ignore"):
        lines = lines_at(derived.record, at)
        if lines.near:
            return  # the equations round otherwise than the function, and so come near a kink where that is on it
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
    """The complex step against jax: at ties jax has conventions of its own."""
    if at.tied:
        return
    scale = max([1.0, abs(at.value)])
    for name, found in witnesses.jax_gradients(draft, at).items():
        if not _close(found, at.gradients[name], scale):
            yield "witnesses differ", f"jax by {name}: {found.tolist()}, complex step {at.gradients[name].tolist()}"


def _printed(derived: Derivation) -> None:
    """Everything that prints a derivation, for crashes."""
    derived.to_text(code=True)
    derived.to_latex(code=True, standalone=True)
    derived.to_html()
    derived.to_markdown(code=True)
