"""What is found of a gradient: each entry with its verdict, and a short text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from symgrad.gradcheck.slopes import Slope

TINY = 1e-300
COMPLEX, DIFFERENCES = "complex step", "differences"


class Verdict(IntEnum):
    """What is known of an entry of a gradient, or of the whole."""

    RIGHT = 0
    UNDECIDED = 1
    WRONG = 2

    @property
    def words(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Entry:
    """An entry of a gradient, as ``given`` and as found, which may differ by ``allowed``.

    ``index`` is its place in the input ``name``, or None for the slope in a direction along all entries that are not
    looked at one by one.
    """

    name: str
    index: tuple[int, ...] | None
    given: float
    slope: Slope
    allowed: float
    method: str

    @property
    def error(self) -> float:
        """By how much the two differ; infinite where one is not finite."""
        error = abs(self.given - self.slope.found)
        return error if math.isfinite(error) else math.inf

    @property
    def verdict(self) -> Verdict:
        """Wrong if the two differ by more than is allowed and uncertain; undecided if that is more than allowed."""
        if math.isnan(self.slope.found):
            return Verdict.UNDECIDED
        if self.error > self.allowed + self.slope.bound:
            return Verdict.WRONG
        return Verdict.RIGHT if self.slope.bound <= self.allowed else Verdict.UNDECIDED

    @property
    def badness(self) -> tuple[Verdict, float]:
        """The larger the worse: the verdict, then the error in units of what is allowed, or its bound."""
        off = self.slope.bound if self.verdict is Verdict.UNDECIDED else self.error
        return self.verdict, off / max(self.allowed, TINY)

    def __str__(self) -> str:
        where = f"the other entries of {self.name}, in a random direction"
        if self.index is not None:
            where = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        if math.isnan(self.slope.found):
            return f"{where}: given {self.given:.6g}, nothing found: the function is not finite nearby"
        given, found = _told_apart(self.given, self.slope.found)
        text = f"{where}: given {given}, found {found} +- {self.slope.bound:.1g} ({self.method})"
        if not self.slope.jump:
            return text
        left, right = (f"{self.slope.found + half * self.slope.jump:.6g}" for half in (-0.5, 0.5))
        return f"{text}, {left} to the left and {right} to the right"


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, from 6 on."""
    shown = [(f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in (6, 9, 12, 17)]
    return next((pair for pair in shown if pair[0] != pair[1]), shown[0])


@dataclass(frozen=True)
class GradientOf:
    """The gradient by one input: how many ``entries`` it has, and those ``seen``, one by one or together."""

    name: str
    entries: int
    seen: tuple[Entry, ...] = field(repr=False)

    @property
    def worst(self) -> Entry | None:
        """The entry that is most wrong, else the least certain, else the one that is furthest off."""
        return max(self.seen, key=lambda entry: entry.badness, default=None)

    def count(self, verdict: Verdict) -> int:
        """How many of the entries that were looked at one by one have this verdict."""
        return sum(entry.verdict is verdict for entry in self.seen if entry.index is not None)

    @property
    def together(self) -> Verdict | None:
        """What is known of those that were not, together; None where there are none, or where the one that makes them
        wrong was found."""
        found = [place for place, entry in enumerate(self.seen) if entry.index is None]
        is_last = bool(found) and found[0] == len(self.seen) - 1
        return self.seen[found[0]].verdict if is_last else None


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """What ``check_grad`` found: the gradient by each input, ``problems`` of it that are not those of an entry, and
    ``doubts`` that the function itself leaves, which has no value, or more than one.

    It is true in a condition where everything is right; its text is a short report.
    """

    gradients: tuple[GradientOf, ...]
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Wrong if there are problems or an entry is; undecided if an entry is, or there are doubts."""
        if self.problems:
            return Verdict.WRONG
        found = self.worst.verdict if self.worst else Verdict.RIGHT
        return max(found, Verdict.UNDECIDED) if self.doubts else found

    @property
    def ok(self) -> bool:
        """Whether every entry is known to be right, and nothing else is wrong."""
        return self.verdict is Verdict.RIGHT

    def __bool__(self) -> bool:
        return self.ok

    @property
    def worst(self) -> Entry | None:
        """The entry that is most wrong, else the least certain, else the one that is furthest off."""
        found = [gradient.worst for gradient in self.gradients if gradient.worst]
        return max(found, key=lambda entry: entry.badness, default=None)

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
