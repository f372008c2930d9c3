"""Examine one loss: derive it, prove it, and compare everything with the function itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import symgrad
from symgrad import Derivation
from symgrad.array.expression import parse
from symgrad.array.loss import Loss as Traced
from symgrad.check.marks import Level
from symgrad.errors import SymgradError
from trials.examination import EVALUATED, TOLERANCE, Outcome, conclude, print_all, proofs
from trials.expressions.oracle import Point, function, points
from trials.expressions.terms import Loss
from trials.fuzz.lines import lines_at
from trials.uncompiled import uncompiled

KINDS = (
    *("wrong gradient", "wrong value", "wrong shape", "not finite", "wrong line", "false mark"),
    "problem",
)
"""Kinds of findings in addition to the general ones.  ``wrong line``: the checker refutes it.  ``false mark``: the mark
claims too much, or refutes a line that is true at every point tried."""

STEEPEST = 1e9
"""If an adjoint is larger, such as 1/(2 sigma) of equal entries, rounding errors exceed the tolerance."""


@dataclass
class LossOutcome(Outcome):
    """The outcome for one loss.

    ``at_root`` counts points with a non-finite gradient at a root of 0, such as the standard deviation of equal entries
    or the norm of zeros.  ``with_lines`` counts points at which every line was evaluated independently.
    """

    slopes: int = 0
    with_lines: int = 0
    at_root: int = 0

    @property
    def is_proved(self) -> bool:
        """Whether every line is proved."""
        return not self.refused and not any(self.marks[level.words] for level in Level if level >= Level.UNPROVED)


def traced(loss: Loss) -> Traced:
    """The loss for symgrad: a function, or one line of text."""
    if loss.in_one_line:
        return parse(loss.expression, loss.shapes, " ".join(loss.wrt))
    language = {"np": np} | {name: getattr(symgrad.array, name) for name in symgrad.array.__all__}
    return symgrad.loss(loss.shapes, " ".join(loss.wrt))(function(loss, language))


def examine(loss: Loss, seed: int, thorough: bool) -> LossOutcome:
    """Run all tests of one loss; ``thorough`` also prints the derivation in every format."""
    outcome = LossOutcome()
    conclude(outcome, partial(_examine, loss, seed, thorough, outcome))
    return outcome


def _examine(loss: Loss, seed: int, thorough: bool, outcome: LossOutcome) -> None:
    at_points = list(points(loss, seed))
    outcome.points, outcome.slopes = len(at_points), sum(len(at.slopes) for at in at_points)
    try:
        definition = traced(loss)
        derived = symgrad.derive(definition)
    except SymgradError as error:
        outcome.refuse(error)
        return
    [proof, *others] = proofs(derived, seed)
    for report in (proof, *others):
        outcome.mark(report, "wrong line")
    run = derived.to_numpy(check=False)
    loops = uncompiled(derived.record) if seed % EVALUATED == 0 else None
    held: list[set[int]] = []  # the refuted lines that are true, for each point
    refuted = {mark.number for mark in proof.marks if mark.level == Level.WRONG}
    for place, at in enumerate(at_points):
        if place == 1:  # blocks of two rows, if the code uses blocks
            run.__globals__.update(_BLOCK=1, _SHORTEST=2)
        numbers = list(_numbers(definition, run, at))
        if loops is not None:
            numbers += ((kind, f"loops: {words}") for kind, words in _numbers(definition, loops, at))
        if at.is_at_root and {kind for kind, _ in numbers} == {"not finite"}:
            outcome.at_root += 1
            continue
        outcome.findings += numbers
        if (errors := _errors(derived, at)) is None:
            continue
        outcome.with_lines += 1
        held.append(refuted.difference(errors))
        outcome.findings += [
            ("false mark", f"line {number}, {proof.mark(number).words}: off by {error:.2g} at {dict(at.sizes)}")
            for number, error in errors.items()
            if proof.mark(number).level < Level.UNPROVED
        ]
    for number in set.intersection(*held) if held else ():
        outcome.findings.append(("false mark", f"line {number} is refuted, and holds at all points"))
    derived.to_text()
    if thorough:
        print_all(derived)


def _numbers(definition: Traced, run: Callable[..., Any], at: Point) -> Iterator[tuple[str, str]]:
    """Compare the loss on arrays and the generated function with the reference."""
    with np.errstate(all="ignore"):
        called = float(definition(*at.inputs.values()))
        value, grads = run(*at.inputs.values())
    scale = max(1.0, abs(at.value))
    for words, number in (("the function", called), ("the generated code", value)):
        if not np.isfinite(number):
            yield "not finite", f"{words} gives {number!r}, expected {at.value!r} at {dict(at.sizes)}"
        elif not abs(number - at.value) <= TOLERANCE * scale:
            yield "wrong value", f"{words} gives {number!r}, expected {at.value!r} at {dict(at.sizes)}"
    for slope in at.slopes:
        found = np.asarray(getattr(grads, slope.name))
        if found.shape != np.shape(at.inputs[slope.name]):
            yield "wrong shape", f"of the gradient with respect to {slope.name}: {found.shape}"
        elif not np.all(np.isfinite(found)):
            yield "not finite", f"the gradient with respect to {slope.name} at {dict(at.sizes)}: {found.tolist()}"
        else:
            along = float(np.sum(found * slope.direction))
            if not abs(along - slope.value) <= TOLERANCE * max(scale, abs(slope.value)) + 30 * slope.error:
                yield (
                    "wrong gradient",
                    f"with respect to {slope.name} at {dict(at.sizes)}: {along!r} along a direction, "
                    f"expected {slope.value!r}, error {slope.error:.1g}",
                )


def _errors(derived: Derivation, at: Point) -> dict[int, float] | None:
    """The errors of the lines that are false at a point; None if the equations round differently from the function, are
    undefined, tie or overflow there, or are so steep that rounding matters."""
    with np.errstate(all="ignore", over="raise"), suppress(FloatingPointError):
        lines = lines_at(derived.record, at.inputs, at.sizes)
        output = complex(lines.arrays[derived.program.output].reshape(-1)[0])
        steepest = max((float(np.max(np.abs(slope))) for slope in lines.adjoints.values()), default=0.0)
        if not (lines.near or lines.kinks.watch.tied) and lines.is_real and np.isfinite(output) and steepest < STEEPEST:
            return {found.number: found.error for found in lines.wrong(derived.steps)}
    return None


def reason(refused: str) -> str:
    """Why a loss was refused, without its names, axes and columns."""
    words = re.sub(r"\([^()]*,[^()]*\)", "(...)", refused)
    words = re.sub(r"column \d+: ", "", words)
    patterns = {
        r"depends on \w+ only through piecewise constant functions": "constant apart from jumps",
        r"does not depend on": "the output does not depend on the array",
    }
    return next((plain for pattern, plain in patterns.items() if re.search(pattern, words)), words[:160])
