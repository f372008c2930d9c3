"""Where in the user's source an operation was written, and the line with a caret under it."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

import numpy

from symgrad.errors import SymgradError

PACKAGE = Path(__file__).parent.parent
NUMPY = str(Path(numpy.__file__).parent)
LIBRARIES = (NUMPY, str(Path(NUMPY).parent / "scipy"))
OURS = (str(PACKAGE), *LIBRARIES, contextlib.__file__, "<__array_function__")
"""Where code lies that is not the user's: this package, NumPy, SciPy and their wrappers, what runs ``with`` blocks."""
WIDTH = 120  # of a line that is shown with a caret under it; of a longer one, what surrounds the place
LOSSES = str(PACKAGE / "losses")
"""The ready-made losses are written as a user's are."""


@dataclass(frozen=True)
class Place:
    """A stretch of one source line: ``start`` and ``end`` count its characters, ``line`` starts at 1.

    ``text`` is the whole line, or empty where no source is to be had.
    """

    file: str
    line: int
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        if not self.text.strip():
            return f"  {where}"
        text = self.text.rstrip()
        indent = len(text) - len(text.lstrip())
        first = indent if len(text) - indent <= WIDTH else max(indent, self.start - WIDTH // 3)
        last = first + WIDTH
        before, after = "..." if first > indent else "", "..." if last < len(text) else ""
        start = max(self.start, first)
        caret = " " * (len(before) + start - first) + "^" * max(min(self.end, last) - start, 1)
        return f"  {where}:\n    {before}{text[first:last]}{after}\n    {caret}"


Spot = Place | tuple[CodeType, int]
"""A place, or the code and instruction from which one is found when it is wanted."""

_written: ContextVar[Place | None] = ContextVar("written", default=None)


@contextmanager
def written_at(place: Place) -> Iterator[None]:
    """What is done inside was written at ``place``: for text that is walked, not run."""
    token = _written.set(place)
    try:
        yield
    finally:
        _written.reset(token)


@lru_cache(maxsize=1024)
def is_ours(file: str) -> bool:
    """Whether a source file belongs to this package, NumPy or SciPy, and is no loss."""
    return file.startswith(OURS) and not file.startswith(LOSSES)


def users_frames() -> list[FrameType]:
    """The frames of the user's code, innermost first, down to the call that this package made to trace it."""
    frame: FrameType | None = sys._getframe(1)
    found = []
    while frame is not None and frame.f_code.co_name != "run_traced":
        if not is_ours(frame.f_code.co_filename):
            found.append(frame)
        frame = frame.f_back
    return found


def numpys_function() -> str:
    """The function of NumPy's or SciPy's, of those written in Python, that the user's line has called; or nothing."""
    frame: FrameType | None = sys._getframe(1)
    found = ""
    while frame is not None and is_ours(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(LIBRARIES):
            found = frame.f_code.co_name.removeprefix("_").removesuffix("_dispatcher")
        frame = frame.f_back
    return found


def spot() -> Spot | None:
    """Where the operation under way was written."""
    if (place := _written.get()) is not None:
        return place
    frames = users_frames()
    return (frames[0].f_code, frames[0].f_lasti) if frames else None


def resolved(found: Spot | None) -> Place | None:
    """The place at a spot, its line read from the file, the notebook or the prompt where that is to be had."""
    if found is None or isinstance(found, Place):
        return found
    code, instruction = found
    line, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    number = line or code.co_firstlineno
    text = linecache.getline(code.co_filename, number).rstrip("\n")
    start, end = _characters(text, start), _characters(text, end)
    if last != line:
        end = len(text)
    return Place(_short(code.co_filename), number, text, start, end)


def _characters(text: str, column: int | None) -> int:
    """A column in bytes as one in characters."""
    return len(text.encode()[: column or 0].decode(errors="ignore"))


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def defined_at(function: object) -> Place | None:
    """The line on which a function of Python's is declared: that of its first decorator."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is None:
        return None
    text = linecache.getline(code.co_filename, code.co_firstlineno).rstrip()
    return Place(_short(code.co_filename), code.co_firstlineno, text, len(text) - len(text.lstrip()), len(text))


def at_place(error: SymgradError, found: Spot | None) -> SymgradError:
    """The error with the user's line under its message; as it is where it has one already."""
    place = resolved(found)
    if place is None or "\n" in str(error):
        return error
    return type(error)(f"{error}\n{place}")


@contextmanager
def located() -> Iterator[None]:
    """Errors of this package raised inside point at the user's line."""
    try:
        yield
    except SymgradError as error:
        raise at_place(error, spot()) from None
