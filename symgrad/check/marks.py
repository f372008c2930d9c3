"""Marks: how each line is known, and by which mechanism."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from math import floor, log2

Sizes = tuple[tuple[str, int], ...]
"""A shape: the size of each axis by name."""


def shown(shape: Sizes) -> str:
    """A shape as it is printed."""
    return "(" + ", ".join(f"{axis}={size}" for axis, size in shape) + ")"


class Level(IntEnum):
    """How a line is known, from the strongest mark to the weakest; ``words`` is the level as it is printed."""

    words: str

    def __new__(cls, value: int, words: str) -> Level:
        level = int.__new__(cls, value)
        level._value_, level.words = value, words
        return level

    DEFINITION = 0, "definition"
    EVERY_SHAPE = 1, "every shape"
    EVERY_SHAPE_RANDOMISED = 2, "every shape, randomised"
    EXACT_AT_SHAPES = 3, "exactly at shapes"
    RANDOMISED_AT_SHAPES = 4, "randomised at shapes"
    NUMERICAL = 5, "numerically"
    UNPROVED = 6, "unproved"
    UNDEFINED = 7, "undefined"
    WRONG = 8, "wrong"


@dataclass(frozen=True)
class Mark:
    """The verdict on the line ``number``.

    ``detail`` names the mechanism, or what is wrong.  ``shapes`` are the shapes at which the line was evaluated.
    ``error_bound`` bounds the probability that a wrong line passes the randomised test.  The proof uses the assumptions
    with the keys ``assumptions``, the closed forms of the lines ``rests_on``, and the definitions of the arrays
    ``written_out``.  ``where`` says where the line is undefined ("C = 1"); unless the level is *undefined*, the program
    is undefined there too.
    """

    number: int
    level: Level
    detail: str
    shapes: tuple[Sizes, ...] = ()
    error_bound: float | None = None
    assumptions: tuple[str, ...] = ()
    rests_on: tuple[int, ...] = ()
    written_out: tuple[str, ...] = ()
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether the line is known to hold, in the way that the level says."""
        return self.level < Level.UNPROVED

    @property
    def words(self) -> str:
        """The verdict as it is printed beside the line, with its shapes if the line is known only there."""
        if self.level == Level.UNDEFINED:
            return f"{self.level.words} at {self.where}"
        return f"{self._known}; undefined at {self.where}" if self.where else self._known

    @property
    def _known(self) -> str:
        if self.level in (Level.DEFINITION, Level.EVERY_SHAPE, Level.UNPROVED, Level.WRONG):
            return self.level.words
        error = f" (error < 2^{floor(log2(self.error_bound)) + 1})" if self.error_bound else ""
        if self.level == Level.EVERY_SHAPE_RANDOMISED:
            return f"{self.level.words}{error}"
        shown = ", ".join("(" + ", ".join(str(n) for _, n in sizes) + ")" for sizes in self.shapes)
        if self.level == Level.NUMERICAL:
            return f"{self.level.words} (50 digits) at shapes {shown}"
        return f"{self.level.words} {shown}{error}"

    @property
    def explanation(self) -> str:
        """How the verdict was reached: the mechanism and everything that it used."""
        parts = [self.detail]
        if self.written_out:
            parts.append(f"written out: {', '.join(self.written_out)}")
        if self.rests_on:
            parts.append(f"closed forms used: {', '.join(f'({number})' for number in self.rests_on)}")
        if self.assumptions:
            parts.append(f"under {', '.join(self.assumptions)}")
        if len(self.shapes) > 1:
            parts.append("at " + ", ".join(map(shown, self.shapes)))
        if self.error_bound:
            parts.append(f"a wrong line passes with a probability below {self.error_bound:.1g}")
        return "; ".join(parts)


@dataclass(frozen=True)
class ProofReport:
    """The marks of all lines, and ``problems`` that concern no single line: a closed form that no line states."""

    marks: tuple[Mark, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every line is known to hold, and every closed form is stated by a line."""
        return not self.problems and all(mark.ok for mark in self.marks)

    @property
    def counts(self) -> dict[str, int]:
        """The number of lines with each level, strongest first."""
        counts = Counter(mark.level for mark in self.marks)
        return {level.words: counts[level] for level in Level if counts[level]}

    def numbers(self, level: Level) -> tuple[int, ...]:
        """The numbers of the lines with a level."""
        return tuple(mark.number for mark in self.marks if mark.level == level)

    def weaker(self) -> tuple[Mark, ...]:
        """The marks weaker than *every shape*."""
        return tuple(mark for mark in self.marks if mark.level > Level.EVERY_SHAPE)

    def mark(self, number: int) -> Mark:
        """The mark of the line with a number."""
        return next(mark for mark in self.marks if mark.number == number)
