"""The verdict on each line: how it is known, and by which mechanism."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from math import floor, log2

Sizes = tuple[tuple[str, int], ...]
"""A shape: the size of each axis by name."""


class Level(IntEnum):
    """How a line is known, from the strongest to none at all; ``words`` is how it is said."""

    DEFINITION = 0
    EVERY_SHAPE = 1
    EVERY_SHAPE_RANDOMISED = 2
    EXACT_AT_SHAPES = 3
    RANDOMISED_AT_SHAPES = 4
    NUMERICAL = 5
    UNPROVED = 6
    UNDEFINED = 7
    WRONG = 8

    @property
    def words(self) -> str:
        """The level as it is printed."""
        return {
            Level.DEFINITION: "definition",
            Level.EVERY_SHAPE: "every shape",
            Level.EVERY_SHAPE_RANDOMISED: "every shape, randomised",
            Level.EXACT_AT_SHAPES: "exactly at shapes",
            Level.RANDOMISED_AT_SHAPES: "randomised at shapes",
            Level.NUMERICAL: "numerically",
            Level.UNPROVED: "unproved",
            Level.UNDEFINED: "undefined",
            Level.WRONG: "wrong",
        }[self]


@dataclass(frozen=True)
class Mark:
    """The verdict on one line.

    ``detail`` says by what mechanism, or what is wrong; ``shapes`` are those at which the line was evaluated;
    ``error_bound`` bounds the probability that a wrong line passed a randomised test; ``assumptions`` are the keys of
    those without which the line was not proved; ``where`` says where the line is
    undefined ("C = 1"; with a level other than *undefined* the program is undefined there too); ``rests_on`` numbers
    the lines whose closed forms were used, and ``written_out`` names the arrays whose definitions were.
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
        """Whether the line is known to hold, in whatever way the level says."""
        return self.level < Level.UNPROVED

    @property
    def words(self) -> str:
        """The verdict as it is printed beside the line, shapes included where it is no more than those."""
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
        """How the verdict was reached, in words: the mechanism and all that it used."""
        parts = [self.detail]
        if self.written_out:
            parts.append(f"written out: {', '.join(self.written_out)}")
        if self.rests_on:
            parts.append(f"closed forms used: {', '.join(f'({number})' for number in self.rests_on)}")
        if self.assumptions:
            parts.append(f"under {', '.join(self.assumptions)}")
        if len(self.shapes) > 1:
            parts.append(
                "at " + ", ".join("(" + ", ".join(f"{a}={n}" for a, n in sizes) + ")" for sizes in self.shapes)
            )
        if self.error_bound:
            parts.append(f"a wrong line passes with a probability below {self.error_bound:.1g}")
        return "; ".join(parts)


@dataclass(frozen=True)
class ProofReport:
    """The marks of all lines, and ``problems`` that are not those of a line: a closed form that no line states."""

    marks: tuple[Mark, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every line is known to hold and every closed form is that of a line."""
        return not self.problems and all(mark.ok for mark in self.marks)

    @property
    def counts(self) -> dict[str, int]:
        """How many lines bear each level, strongest first."""
        found = Counter(mark.level for mark in self.marks)
        return {level.words: found[level] for level in Level if found[level]}

    def numbers(self, level: Level) -> tuple[int, ...]:
        """The numbers of the lines that bear a level."""
        return tuple(mark.number for mark in self.marks if mark.level == level)

    def weaker(self) -> tuple[Mark, ...]:
        """The lines that are weaker than *every shape*."""
        return tuple(mark for mark in self.marks if mark.level > Level.EVERY_SHAPE)

    def mark(self, number: int) -> Mark:
        """The mark of the line with a number."""
        return next(mark for mark in self.marks if mark.number == number)
