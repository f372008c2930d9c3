"""The error family: every message is one line that names the thing and says what would be right."""

from collections.abc import Iterator
from contextlib import contextmanager

from symgrad.printable import visible

LONGEST_WORD, LONGEST_LINE = 200, 1000
"""Of a message, in letters: what is longer is told by its two ends."""


class SymgradError(Exception):
    """Whatever symgrad refuses to do; the message is one line meant for the user, with the user's line under it where
    there is one.  It quotes what it refuses, so what cannot be printed is escaped and what is very long is cut."""

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(map(shown, message.split("\n"))))


class ProgramError(SymgradError):
    """The forward equations are ill-formed: an undefined array, a wrong axis, an unbound index."""


class UnsupportedError(SymgradError):
    """The input is well-formed, but symgrad has no rule for an expression in it; the expression is named.

    ``equation`` names the array in whose equation it stands, where that is known.
    """

    def __init__(self, message: str = "", equation: str = "") -> None:
        super().__init__(message)
        self.equation = equation


@contextmanager
def nested(what: str, equation: str = "") -> Iterator[None]:
    """Say in one line that ``what`` is nested too deeply, where Python's stack does not suffice for it."""
    try:
        yield
    except RecursionError:
        raise UnsupportedError(f"{what} is nested too deeply", equation) from None


class InputError(SymgradError):
    """An argument is wrong: an unknown loss, a wrong shape, a label out of range, a malformed file."""


class RefutedError(SymgradError):
    """A line of the derivation is wrong: the message names it, and no code is made of the derivation."""


class UndefinedWarning(UserWarning):
    """A line of the derivation is undefined at some shape or value, where the loss itself is defined."""


def shown(text: str) -> str:
    """A text as one line for a terminal, of bounded length, in which nothing is invisible or drives the terminal."""
    words = [cut(word, LONGEST_WORD) for word in cut(text, LONGEST_LINE).split(" ")]
    return visible(" ".join(words))


def cut(text: str, most: int) -> str:
    """Both ends of a text that has more than ``most`` letters."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}...{text[-most // 4 :]}"
