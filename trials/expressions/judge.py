"""One loss examined: derived, proved, and everything held against the function itself."""

from __future__ import annotations

import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgrad
from symgrad import Derivation
from symgrad.array.expression import parse
from symgrad.array.loss import Loss as Traced
from symgrad.check.marks import Level, ProofReport
from symgrad.errors import SymgradError
from trials.expressions.oracle import Point, function, points
from trials.expressions.terms import Loss
from trials.fuzz.judge import TooLong, limited
from trials.fuzz.lines import Lines

SECONDS = 20
"""More than that for one loss is a finding."""
EVALUATED = 3
"""Of one loss in so many the lines on what the code evaluates are proved too."""
TOLERANCE = 1e-6
KINDS = (
    *("wrong gradient", "wrong value", "wrong shape", "not finite", "wrong line", "false mark"),
    *("problem", "traceback", "slow"),
)
"""What may be found: ``wrong line`` is one that the prover refutes; ``false mark`` one that says more than is true, or
that refutes a line which holds at every point that was tried."""


@dataclass
class Outcome:
    """What came of one loss: ``refused`` says why it was not derived, ``findings`` are (kind, what was found).

    ``at_root`` counts points at which the gradient is not finite because a root is taken of 0: a standard deviation of
    equal entries, a norm of zeros.  They are counted apart.
    """

    refused: str = ""
    findings: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    points: int = 0
    slopes: int = 0
    at_root: int = 0
    seconds: float = 0.0

    @property
    def is_proved(self) -> bool:
        """Whether every line is known to hold."""
        return not self.refused and not any(self.marks[level.words] for level in Level if level >= Level.UNPROVED)


def traced(loss: Loss) -> Traced:
    """The loss as symgrad takes it: a function, or one line of text."""
    if loss.in_one_line:
        return parse(loss.expression, loss.shapes, " ".join(loss.wrt))
    language = {"np": np} | {name: getattr(symgrad.array, name) for name in symgrad.array.__all__}
    return symgrad.loss(loss.shapes, " ".join(loss.wrt))(function(loss, language))


def examine(loss: Loss, seed: int, thorough: bool) -> Outcome:
    """Everything that is tested of one loss; ``thorough`` prints the derivation in every form too."""
    outcome, start = Outcome(), time.process_time()
    try:
        with limited(SECONDS):
            _examine(loss, seed, thorough, outcome)
    except TooLong:
        outcome.findings.append(("slow", f"more than {SECONDS} s"))
    except Exception:
        outcome.findings.append(("traceback", traceback.format_exc(limit=-6)))
    outcome.seconds = time.process_time() - start
    return outcome


def _examine(loss: Loss, seed: int, thorough: bool, outcome: Outcome) -> None:
    at_points = list(points(loss, seed))
    outcome.points, outcome.slopes = len(at_points), sum(len(at.slopes) for at in at_points)
    try:
        definition = traced(loss)
        derived = symgrad.derive(definition)
    except SymgradError as error:
        outcome.refused = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return
    proof: ProofReport = derived.prove()
    evaluation = derived.evaluation.prove() if seed % EVALUATED == 0 and derived.evaluation.steps else ProofReport(())
    for report in (proof, evaluation):
        outcome.marks.update(report.counts)
        outcome.findings += [("problem", problem) for problem in report.problems]
        outcome.findings += [
            ("wrong line", f"line {mark.number}: {mark.detail}") for mark in report.marks if mark.level == Level.WRONG
        ]
    run = derived.to_numpy(check=False)
    held = {mark.number for mark in proof.marks if mark.level == Level.WRONG}
    for at in at_points:
        numbers = list(_numbers(definition, run, at))
        if at.is_at_root and {kind for kind, _ in numbers} == {"not finite"}:
            outcome.at_root += 1
            continue
        outcome.findings += numbers
        disagreeing = _disagreeing(derived, at)
        held = held - set(disagreeing)
        outcome.findings += [
            ("false mark", f"line {number}, {proof.mark(number).words}: off by {error:.2g} at {dict(at.sizes)}")
            for number, error in disagreeing.items()
            if proof.mark(number).level < Level.UNPROVED
        ]
    if at_points:
        outcome.findings += [("false mark", f"line {number} is refuted, and holds at all points") for number in held]
    derived.to_text()
    if thorough:
        _printed(derived)


def _numbers(definition: Traced, run: Callable[..., Any], at: Point) -> Iterator[tuple[str, str]]:
    """The loss called with arrays, and the generated function, against the witness."""
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


def _disagreeing(derived: Derivation, at: Point) -> dict[int, float]:
    """The lines that do not hold at a point, by how much; none where the equations round otherwise than the function,
    have no value there, or overflow."""
    inputs = {
        array.name: np.eye(at.sizes[array.axes[-1].name])[given] if _is_labels(given) else given
        for array, given in zip(derived.program.inputs, at.inputs.values(), strict=True)
    }
    with np.errstate(all="ignore", over="raise"), suppress(FloatingPointError):
        lines = Lines(derived.record, inputs, at.sizes)
        output = complex(lines.arrays[derived.program.output].reshape(-1)[0])
        if not lines.near and lines.is_real and np.isfinite(output):
            return {found.number: found.error for found in lines.wrong(derived.steps)}
    return {}


def _is_labels(given: Any) -> bool:
    return isinstance(given, np.ndarray) and given.dtype.kind == "i"


def _printed(derived: Derivation) -> None:
    """Everything that prints a derivation, for tracebacks."""
    derived.to_text(code=True)
    derived.to_latex(code=True, standalone=True)
    derived.to_html()
    derived.to_markdown(code=True)


def reason(refused: str) -> str:
    """Why a loss was refused, without the names, axes and columns that are its own."""
    words = re.sub(r"\([^()]*,[^()]*\)", "(...)", refused)
    words = re.sub(r"at column \d+|column \d+: ", "", words)
    patterns = {
        r"depends on \w+ only through functions that are constant": "constant apart from jumps",
        r"does not depend on": "the output does not depend on the array",
    }
    return next((plain for pattern, plain in patterns.items() if re.search(pattern, words)), words[:160])
