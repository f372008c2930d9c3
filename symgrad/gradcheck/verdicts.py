"""The results for a gradient: each entry with its verdict, and a short text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from symgrad.gradcheck.slopes import Slope

TINY = 1e-300
COMPLEX, DIFFERENCES = "complex step", "differences"


class Verdict(IntEnum):
    """The verdict on an entry of a gradient, or on the whole."""

    RIGHT = 0
    UNDECIDED = 1
    WRONG = 2

    @property
    def words(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Entry:
    """An entry of a gradient as ``given``, and the measured ``slope``; the two may differ by ``allowed``.

    ``index`` is the position in the input ``name``, or None for the slope in a random direction along all entries that
    are not tested one by one.
    """

    name: str
    index: tuple[int, ...] | None
    given: float
    slope: Slope
    allowed: float
    method: str

    @property
    def error(self) -> float:
        """The difference of the two numbers; infinite if one of them is not finite."""
        error = abs(self.given - self.slope.found)
        return error if math.isfinite(error) else math.inf

    @property
    def verdict(self) -> Verdict:
        """Wrong if the two differ by more than the tolerance plus the bound on the error; undecided if that bound
        exceeds the tolerance."""
        if math.isnan(self.slope.found):
            return Verdict.UNDECIDED
        if self.error > self.allowed + self.slope.bound:
            return Verdict.WRONG
        return Verdict.RIGHT if self.slope.bound <= self.allowed else Verdict.UNDECIDED

    @property
    def badness(self) -> tuple[Verdict, float]:
        """A sort key: the verdict, then the error (or for undecided entries, its bound) relative to the tolerance."""
        off = self.slope.bound if self.verdict is Verdict.UNDECIDED else self.error
        return self.verdict, off / max(self.allowed, TINY)

    def __str__(self) -> str:
        where = f"the other entries of {self.name}, in a random direction"
        if self.index is not None:
            where = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        if math.isnan(self.slope.found):
            return f"{where}: given {self.given:.6g}, nothing found: the function is not finite nearby"
        given, measured = _told_apart(self.given, self.slope.found)
        text = f"{where}: given {given}, found {measured} +- {self.slope.bound:.1g} ({self.method})"
        if not self.slope.jump:
            return text
        left, right = (f"{self.slope.found + half * self.slope.jump:.6g}" for half in (-0.5, 0.5))
        return f"{text}, {left} to the left and {right} to the right"


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with enough digits to show that they differ, at least 6."""
    shown = [(f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in (6, 9, 12, 17)]
    return next((pair for pair in shown if pair[0] != pair[1]), shown[0])


@dataclass(frozen=True)
class GradientOf:
    """The gradient with respect to one input: the number of ``entries``, and the results ``seen``, for single entries
    and for entries together."""

    name: str
    entries: int
    seen: tuple[Entry, ...] = field(repr=False)

    @property
    def worst(self) -> Entry | None:
        """The most wrong entry, else the least certain, else the entry with the largest error."""
        return max(self.seen, key=lambda entry: entry.badness, default=None)

    def count(self, verdict: Verdict) -> int:
        """The number of entries with this verdict; entries tested together do not count."""
        return sum(entry.verdict is verdict for entry in self.seen if entry.index is not None)

    @property
    def together(self) -> Verdict | None:
        """The verdict on the entries tested together; None if there are none, or if a wrong one of them was found."""
        last = self.seen[-1] if self.seen else None
        return last.verdict if last is not None and last.index is None else None


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The result of ``check_grad``: the gradient with respect to each input, ``problems`` that do not concern a single
    entry, and ``doubts`` about the function itself, such as a value that is not finite.

    It is truthy if everything is right.  Its text is a short report.
    """

    gradients: tuple[GradientOf, ...]
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Wrong if there are problems or a wrong entry; undecided if an entry is undecided or there are doubts."""
        if self.problems:
            return Verdict.WRONG
        worst = self.worst.verdict if self.worst else Verdict.RIGHT
        return max(worst, Verdict.UNDECIDED) if self.doubts else worst

    @property
    def ok(self) -> bool:
        """Whether every entry is right and there are no problems or doubts."""
        return self.verdict is Verdict.RIGHT

    def __bool__(self) -> bool:
        return self.ok

    @property
    def worst(self) -> Entry | None:
        """The most wrong entry, else the least certain, else the entry with the largest error."""
        candidates = [gradient.worst for gradient in self.gradients if gradient.worst]
        return max(candidates, key=lambda entry: entry.badness, default=None)

    def __repr__(self) -> str:
        entries = sum(gradient.entries for gradient in self.gradients)
        lines = [f"gradient {self.verdict.words}, {entries} {'entry' if entries == 1 else 'entries'}"]
        lines += [*self.problems, *self.doubts]
        for gradient in self.gradients:
            lines += _lines_of(gradient)
        return "\n  ".join(lines)


def _lines_of(gradient: GradientOf) -> list[str]:
    if gradient.worst is None:
        return []
    counts = [f"{count} {verdict.words}" for verdict in reversed(Verdict) if (count := gradient.count(verdict))]
    others = gradient.entries - sum(entry.index is not None for entry in gradient.seen)
    if gradient.together is not None:
        counts.append(f"the {others} others {gradient.together.words} together")
    elif others:
        counts.append(f"{others} not looked at one by one")
    return [f"{gradient.name}: {', '.join(counts)}", f"  {gradient.worst}"]
