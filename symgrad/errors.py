"""The errors: the first line of a message names what is wrong and says what was expected."""

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WORD, LONGEST_LINE = 200, 1000
"""The limits in letters, beyond which a message shows only both ends of a word or line."""


class SymgradError(Exception):
    """The base of all errors: one line for the user, with the user's source line under it where there is one.

    A message quotes input, so characters that cannot be printed are escaped, and long quotes are cut.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(map(shown, message.split("\n"))))


class ProgramError(SymgradError):
    """The forward equations are ill-formed: an undefined array, a wrong axis, an unbound index."""


class UnsupportedError(SymgradError):
    """The input is well-formed, but symgrad has no rule for an expression in it.

    ``equation`` names the array that the expression defines, where that is known.
    """

    def __init__(self, message: str = "", equation: str = "") -> None:
        super().__init__(message)
        self.equation = equation


@contextmanager
def nested(what: str, equation: str = "") -> Iterator[None]:
    """Turn a ``RecursionError`` inside into the message that ``what`` is nested too deeply."""
    try:
        yield
    except RecursionError:
        raise UnsupportedError(f"{what} is nested too deeply", equation) from None


class InputError(SymgradError):
    """An argument is wrong: an unknown loss, axes that do not fit, a malformed file. Generated functions, which
    stand alone, raise ``ValueError`` for wrong arrays and labels."""


class RefutedError(SymgradError):
    """A line of the derivation is wrong, so no code is generated from it; the message names the line."""


class UndefinedWarning(UserWarning):
    """A line of the derivation is undefined at some shape or value, where the loss itself is defined."""


def shown(text: str) -> str:
    """A text as one line of bounded length that is safe to print in a terminal."""
    words = [cut(word, LONGEST_WORD) for word in cut(text, LONGEST_LINE).split(" ")]
    return visible(" ".join(words))


def visible(text: str) -> str:
    """A text with control characters and other invisible characters escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def cut(text: str, most: int) -> str:
    """A text with at most about ``most`` letters: the middle of a longer text is left out."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}...{text[-most // 4 :]}"
