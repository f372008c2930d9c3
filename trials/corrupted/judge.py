"""Decide whether a mark claims more about a line than is true, by values at the trial's own shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sympy import Expr

from symgrad.check.marks import Level, Mark
from symgrad.check.numeric.fields import DIGITS as CLAIMED
from symgrad.check.obligations import Claim, claims
from symgrad.check.obligations import Line as Read
from symgrad.check.proof import Prover
from symgrad.steps import Record, Step
from trials.corrupted.lines import Corruption, Line
from trials.corrupted.matrices import matrices_differ
from trials.corrupted.values import DIGITS, Undefined, Values, entries_differ

FAR = ((8, 9, 10, 9, 8, 11), (1, 1, 1, 1, 1, 1), (3, 5, 2, 4, 3, 2), (9, 2, 8, 3, 2, 4))
"""The trial's shapes: one larger than all shapes of the checker, one with all sizes 1, and two between."""
SEEDS = (0, 3)
"""Scales of inputs: between -1.5 and 1.5, as for the mark *numerically*, and four times as large."""
EXACT = DIGITS - 20

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """A corruption, its mark, whether the line is true, and the finding about the mark, if any."""

    corruption: Corruption
    mark: Mark
    is_true: bool
    finding: str | None


class Judge:
    """Gives corrupted lines of one record to the checker, and compares its marks with values."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._prover = Prover(record)
        self._values: dict[tuple[Shape, int, bool], Values] = {}

    def right(self, line: Line) -> Mark:
        """Mark the original line; marks of later lines may rest on it."""
        return self._prover.mark(self._read(line, line.step))

    def verdict(self, line: Line, corruption: Corruption) -> Verdict:
        """The mark of a corruption, and whether it claims too much or too little."""
        read = self._read(line, corruption.step)
        mark = self._prover.verdict(read)
        assumed = isinstance(read, Claim) and bool(read.allowed)
        is_true = corruption.is_true
        if is_true is None:
            is_true = not any(self._differs(line, corruption.step, shape, assumed, EXACT) for shape in FAR)
        return Verdict(corruption, mark, is_true, self._finding(line, corruption, mark, is_true, assumed))

    def _read(self, line: Line, step: Step) -> Read:
        steps = (*self.record.steps[: line.place], step)
        return claims(replace(self.record, steps=steps))[-1]

    def _finding(self, line: Line, corruption: Corruption, mark: Mark, is_true: bool, assumed: bool) -> str | None:
        if mark.level == Level.WRONG:
            return "true, and refuted" if is_true and corruption.step.after != line.step.after else None
        if is_true or not mark.ok or (corruption.is_tiny and mark.level == Level.NUMERICAL):
            return None
        if corruption.is_true is False or mark.level <= Level.EVERY_SHAPE_RANDOMISED:
            return f"false, and marked {mark.words}"
        numerical = mark.level == Level.NUMERICAL
        digits, seeds = (CLAIMED, SEEDS[:1]) if numerical else (EXACT, SEEDS)
        for shape in mark.shapes:
            if self._differs(line, corruption.step, tuple(size for _, size in shape), assumed, digits, seeds):
                return f"false at {shape}, and marked {mark.words}"
        return None

    def _differs(
        self, line: Line, step: Step, shape: Shape, assumed: bool, digits: int, seeds: tuple[int, ...] = SEEDS
    ) -> bool:
        """Whether a line differs from the right line at a shape, in so many digits; an undefined line differs."""
        right, wrong = line.step.after, step.after
        for seed in seeds:
            values = self._at(shape, seed, assumed)
            try:
                if _differ(values, line, right, wrong, digits):
                    return True
            except Undefined:
                if _is_defined(values, line, right):
                    return True
        return False

    def _at(self, shape: Shape, seed: int, assumed: bool) -> Values:
        key = shape[: len(self.record.program.axes)], seed, assumed
        if key not in self._values:
            sizes = {axis.name: size for axis, size in zip(self.record.program.axes, shape, strict=False)}
            self._values[key] = Values(self.record, sizes, seed, assumed)
        return self._values[key]


def _differ(values: Values, line: Line, right: Expr, wrong: Expr, digits: int) -> bool:
    if line.is_matrix:
        return matrices_differ(values, right, wrong, digits)
    return entries_differ(values, line.letters, right, wrong, digits)


def _is_defined(values: Values, line: Line, right: Expr) -> bool:
    try:
        _differ(values, line, right, right, EXACT)
    except Undefined:
        return False
    return True


def lines_of(record: Record) -> Iterator[Line]:
    """The lines of a record."""
    return (Line(record, place) for place in range(len(record.steps)))
