"""Run a user's function on symbols: note the names of its variables, and point errors at its lines.

``Overlay`` copies the function so that ``len``, ``np.eye`` and the like mean their symbolic versions in the copy.  The
copy has globals of its own, so other code sees no change.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from symgrad.array.graph import Trace
from symgrad.array.source_location import Spot, at_place, is_ours, users_frames
from symgrad.array.symbolic import note
from symgrad.array.undispatched import substitutes
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


class Overlay:
    """Copies that see ``instead``: what stands for functions without a protocol, such as ``len``."""

    def __init__(self, instead: Mapping[Any, Any]) -> None:
        self._instead = instead
        self._copies: dict[int, tuple[Any, Any]] = {}  # with the original, or another could get its id
        self._globals: dict[int, dict[str, Any]] = {}
        self._unfilled: list[Callable[[], None]] = []
        self._builtins = {**vars(builtins), **{f.__name__: g for f, g in instead.items() if f.__module__ == "builtins"}}
        self._builtins["__import__"] = lambda *args, **keywords: self.of(__import__(*args, **keywords))

    def of(self, value: Any) -> Any:
        """A copy of ``value`` that sees the overlay; the value itself where nothing in it does."""
        copy = self._of(value)
        while self._unfilled:
            self._unfilled.pop()()
        return copy

    def _of(self, value: Any) -> Any:
        if isinstance(value, (int, float, complex, str, bytes, type)):
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = value, value  # a list may be in itself
            copy = self._copy(value)
            self._copies |= {id(copy): (copy, copy), id(value): (value, copy)}
        return self._copies[id(value)][1]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, (BuiltinFunctionType, FunctionType)) and value in self._instead:
            return self._instead[value]
        if isinstance(value, BuiltinFunctionType):
            return value
        if isinstance(value, FunctionType):
            return self._function(value) if _is_users(value) else value
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, MethodType):
            return MethodType(self._of(value.__func__), self._of(value.__self__))
        if isinstance(value, partial):
            return partial(self._of(value.func), *self._of(value.args), **self._of(value.keywords))
        if type(value) in (list, tuple, dict):
            parts = [*value.values()] if type(value) is dict else [*value]
            copies = [self._of(part) for part in parts]
            if all(copy is part for copy, part in zip(copies, parts, strict=True)):
                return value
            return dict(zip(value, copies, strict=True)) if type(value) is dict else type(value)(copies)
        return self._object(value)

    def _function(self, function: FunctionType) -> FunctionType:
        code, own = function.__code__, function.__globals__
        if id(own) not in self._globals:
            modules = {name: self._of(value) for name, value in own.items() if isinstance(value, ModuleType)}
            self._globals[id(own)] = {**own, **modules, "__builtins__": self._builtins}
        names = self._globals[id(own)]
        cells = tuple(map(self._cell, function.__closure__ or ()))
        copy = FunctionType(code, names, function.__name__, self._of(function.__defaults__), cells)
        copy.__kwdefaults__ = self._of(function.__kwdefaults__)
        vars(copy).update(vars(function))
        read = [name for name in _names(code) if name in own and names[name] is own[name]]
        self._unfilled.append(lambda: names.update((name, self._of(own[name])) for name in read))
        return copy

    def _cell(self, cell: CellType) -> CellType:
        """The cell of a variable outside a function, which may be bound there later, or to the function itself."""
        try:
            value = cell.cell_contents
        except ValueError:
            return cell
        if not isinstance(value, FunctionType):
            return cell if self._of(value) is value else CellType(self._of(value))
        new = CellType()
        self._unfilled.append(lambda: setattr(new, "cell_contents", self._of(value)))
        return new

    def _module(self, module: ModuleType) -> ModuleType:
        """A module whose attributes are copied when they are read."""
        kind = type("module", (ModuleType,), {"__getattribute__": lambda _, name: self.of(getattr(module, name))})
        copy: ModuleType = kind(module.__name__)
        return copy

    def _object(self, value: Any) -> Any:
        """An object whose methods and attributes are copied; one that has none, or is made in C, as it is."""
        kind: Any = type(value)
        known = getattr(value, "__dict__", {})
        if "__wrapped__" in known:  # of a cache, or of a loss that serves in another one
            inner = known["__wrapped__"]
            return value if self._of(inner) is inner else self._of(inner)
        written = {name: own for base in reversed(kind.__mro__) for name, own in vars(base).items()}
        methods = {name: self._of(own) for name, own in written.items() if isinstance(own, FunctionType)}
        if not known or "__slots__" in written or all(copy is written[name] for name, copy in methods.items()):
            return value
        methods["__getattribute__"] = lambda this, name: self.of(kind.__getattribute__(this, name))
        methods["__class__"] = property(lambda _: kind)
        try:
            copy = object.__new__(type(kind)(kind.__name__, (kind,), methods))
        except TypeError:
            return value
        object.__setattr__(copy, "__dict__", known)
        return copy


def _is_users(function: FunctionType) -> bool:
    """Whether a function may be one that a loss is written in: losses stand in other parts of this package as well."""
    name = function.__module__ or ""
    if name.startswith("symgrad."):
        return not name.startswith("symgrad.array.")
    return not is_ours(function.__code__.co_filename) and name.partition(".")[0] not in sys.stdlib_module_names


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function reads, with those inside it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)
