"""The source line on which the user wrote an operation, shown with a caret under it."""

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
import sympy

from symgrad.errors import SymgradError

PACKAGE = Path(__file__).parent.parent
NUMPY = str(Path(numpy.__file__).parent)
LIBRARIES = (NUMPY, str(Path(NUMPY).parent / "scipy"))
OURS = (str(PACKAGE), *LIBRARIES, str(Path(sympy.__file__).parent), contextlib.__file__, "<__array_function__")
"""Code that is not the user's: this package, NumPy, SciPy, SymPy, wrappers, and what runs ``with`` blocks."""
LOSSES = str(PACKAGE / "losses")
"""The catalogue counts as the user's code, since it is written in the same language."""
WIDTH = 120  # of a quoted line; of a longer one only the part around the caret is shown


@dataclass(frozen=True)
class Span:
    """A range of one source line: ``start`` and ``end`` count its characters, ``line`` starts at 1.

    ``text`` is the whole line, or empty where the source is not available.
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


Location = Span | tuple[CodeType, int]
"""A span, or the code object and instruction from which ``span_of`` finds it when an error needs it."""

_written: ContextVar[Span | None] = ContextVar("written", default=None)


@contextmanager
def written_at(span: Span) -> Iterator[None]:
    """Take ``span`` as the location of all operations inside: an evaluated expression has no Python line of its own."""
    token = _written.set(span)
    try:
        yield
    finally:
        _written.reset(token)


@lru_cache(maxsize=1024)
def is_ours(file: str) -> bool:
    """Whether a source file belongs to this package (except the catalogue) or its libraries."""
    return file.startswith(OURS) and not file.startswith(LOSSES)


def users_frames() -> list[FrameType]:
    """The frames of the user's code, innermost first, up to the call that traces it."""
    frame: FrameType | None = sys._getframe(1)
    frames = []
    while frame is not None and frame.f_code.co_name != "run_traced":
        if not is_ours(frame.f_code.co_filename):
            frames.append(frame)
        frame = frame.f_back
    return frames


def numpys_function() -> str:
    """The name of the NumPy or SciPy function, written in Python, that the user's line called; "" if none."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None and is_ours(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(LIBRARIES):
            name = frame.f_code.co_name.removeprefix("_").removesuffix("_dispatcher")
        frame = frame.f_back
    return name


def current_location() -> Location | None:
    """Where the user wrote the current operation."""
    if (span := _written.get()) is not None:
        return span
    frames = users_frames()
    return (frames[0].f_code, frames[0].f_lasti) if frames else None


def span_of(location: Location | None) -> Span | None:
    """The span of a location, its line read from the file, the notebook or the prompt where possible."""
    if location is None or isinstance(location, Span):
        return location
    code, instruction = location
    line, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    number = line or code.co_firstlineno
    text = linecache.getline(code.co_filename, number).rstrip("\n")
    start, end = _characters(text, start), _characters(text, end)
    if last != line:
        end = len(text)
    return Span(_short(code.co_filename), number, text, start, end)


def _characters(text: str, column: int | None) -> int:
    """A column counted in bytes, counted in characters."""
    return len(text.encode()[: column or 0].decode(errors="ignore"))


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def defined_at(function: object) -> Span | None:
    """The line of a Python function's first decorator, or of its ``def``."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is None:
        return None
    text = linecache.getline(code.co_filename, code.co_firstlineno).rstrip()
    return Span(_short(code.co_filename), code.co_firstlineno, text, len(text) - len(text.lstrip()), len(text))


def with_location(error: SymgradError, location: Location | None) -> SymgradError:
    """The error with the user's line under its message, unless it has one already."""
    span = span_of(location)
    if span is None or "\n" in str(error):
        return error
    return type(error)(f"{error}\n{span}")


@contextmanager
def located() -> Iterator[None]:
    """Point errors raised inside at the user's line."""
    try:
        yield
    except SymgradError as error:
        raise with_location(error, current_location()) from None
