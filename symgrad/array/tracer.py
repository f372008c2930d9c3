"""A user's function run on symbols: names noted as its frames end, errors pointing at its lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from symgrad.array.graph import Trace
from symgrad.array.overlay import Overlay
from symgrad.array.source_location import Spot, at_place, is_ours, users_frames
from symgrad.array.substitutes import substitutes
from symgrad.array.symbolic import note
from symgrad.errors import InputError, ProgramError, SymgradError


def run(trace: Trace, name: str, function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """``function(*args, **keywords)`` on symbols; what it raises is said in one message, at its line."""
    try:
        overlay = Overlay(substitutes())
        with names_at_return(trace):
            return run_traced(overlay.of(function), overlay.of([*args]), overlay.of({**keywords}))
    except SymgradError:
        raise
    except Exception as error:
        inner: BaseException | None = error
        while inner is not None and not isinstance(inner, SymgradError):
            inner = inner.__cause__ or inner.__context__
        if inner is not None:
            raise inner from None
        words = str(error).splitlines()[0] if str(error) else ""
        message: SymgradError = InputError(f"{name} raised {type(error).__name__}: {words}")
        if isinstance(error, ZeroDivisionError):
            message = ProgramError("division by zero")
        raise at_place(message, _raised_at(error.__traceback__)) from error


def run_traced(function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """The call itself: the user's frames are those above one of this name."""
    return function(*args, **keywords)


def _raised_at(trace: TracebackType | None) -> Spot | None:
    """The innermost line of the user's in a traceback."""
    found: Spot | None = None
    while trace is not None:
        if not is_ours(trace.tb_frame.f_code.co_filename):
            found = trace.tb_frame.f_code, trace.tb_lasti
        trace = trace.tb_next
    return found


@contextmanager
def names_at_return(trace: Trace) -> Iterator[None]:
    """Note what the user's functions call their values as they return: the last are named after the last operation."""
    previous = sys.getprofile()

    def event(frame: FrameType, kind: str, _: object) -> None:
        if kind == "return" and not is_ours(frame.f_code.co_filename):
            note(trace, frame, len(users_frames()) - 1)

    sys.setprofile(event)
    try:
        yield
    finally:
        if previous is None or callable(previous):
            sys.setprofile(previous)
        else:  # cProfile's: an object that Python cannot call, and that takes its place back by itself
            previous.enable()
