"""Run a user's function on symbols: note the names of its variables, and point errors at its lines.

``Overlay`` copies the function so that ``len``, ``np.eye`` and the like mean their symbolic versions in the copy.  The
copy has globals of its own, so other code sees no change.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from symgrad.array.graph import Trace
from symgrad.array.language import substitutes
from symgrad.array.source_location import Location, is_ours, users_frames, with_location
from symgrad.array.symbolic import note
from symgrad.errors import InputError, ProgramError, SymgradError


def run(trace: Trace, name: str, function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Call ``function`` on symbolic arrays; any exception becomes one short error that points at the user's line."""
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
        words = f": {str(error).splitlines()[0]}" if str(error) else ""
        short: SymgradError = InputError(f"{name} raised {type(error).__name__}{words}")
        if isinstance(error, ZeroDivisionError):
            short = ProgramError("division by zero")
        raise with_location(short, _raised_at(error.__traceback__)) from error


def run_traced(function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Call the function; ``users_frames`` recognizes the frame of this call by its name."""
    return function(*args, **keywords)


def _raised_at(trace: types.TracebackType | None) -> Location | None:
    """The innermost user's line in a traceback."""
    location: Location | None = None
    while trace is not None:
        if not is_ours(trace.tb_frame.f_code.co_filename):
            location = trace.tb_frame.f_code, trace.tb_lasti
        trace = trace.tb_next
    return location


@contextmanager
def names_at_return(trace: Trace) -> Iterator[None]:
    """Note the variables of the user's functions as they return: the last are assigned after the last operation."""
    previous = sys.getprofile()

    def event(frame: types.FrameType, kind: str, _: object) -> None:
        if kind == "return" and not is_ours(frame.f_code.co_filename):
            note(trace, frame, len(users_frames()) - 1)

    sys.setprofile(event)
    try:
        yield
    finally:
        if previous is None or callable(previous):
            sys.setprofile(previous)
        else:  # a cProfile object, which is not callable and reinstalls itself
            previous.enable()


class Overlay:
    """Makes copies of functions and objects in which the functions ``instead`` are replaced."""

    def __init__(self, instead: Mapping[Any, Any]) -> None:
        self._instead = instead
        self._copies: dict[int, tuple[Any, Any]] = {}  # by id; holds the original too, so that its id is not reused
        self._globals: dict[int, dict[str, Any]] = {}
        self._unfilled: list[Callable[[], None]] = []
        self._builtins = {**vars(builtins), **{f.__name__: g for f, g in instead.items() if f.__module__ == "builtins"}}
        self._builtins["__import__"] = self._imported

    def of(self, value: Any) -> Any:
        """A copy of ``value`` that sees the replacements; ``value`` itself where nothing in it does."""
        copy = self._of(value)
        while self._unfilled:
            self._unfilled.pop()()
        return copy

    def _imported(self, *args: Any, **keywords: Any) -> Any:
        """``__import__``; functions of SciPy have replacements once SciPy is imported."""
        module = __import__(*args, **keywords)
        self._instead = {**self._instead, **substitutes()}
        return self.of(module)

    def _of(self, value: Any) -> Any:
        if isinstance(value, (int, float, complex, str, bytes, type)):
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = value, value  # a list may be in itself
            copy = self._copy(value)
            self._copies |= {id(copy): (copy, copy), id(value): (value, copy)}
        return self._copies[id(value)][1]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, (types.BuiltinFunctionType, types.FunctionType)) and value in self._instead:
            return self._instead[value]
        if isinstance(value, types.BuiltinFunctionType):
            return value
        if isinstance(value, types.FunctionType):
            return self._function(value) if _is_users(value) else value
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(self._of(value.__func__), self._of(value.__self__))
        if isinstance(value, partial):
            return partial(self._of(value.func), *self._of(value.args), **self._of(value.keywords))
        if type(value) in (list, tuple, dict):
            parts = [*value.values()] if type(value) is dict else [*value]
            copies = [self._of(part) for part in parts]
            if all(copy is part for copy, part in zip(copies, parts, strict=True)):
                return value
            return dict(zip(value, copies, strict=True)) if type(value) is dict else type(value)(copies)
        return self._object(value)

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        code, original = function.__code__, function.__globals__
        if id(original) not in self._globals:
            modules = {name: self._of(value) for name, value in original.items() if isinstance(value, types.ModuleType)}
            self._globals[id(original)] = {**original, **modules, "__builtins__": self._builtins}
        names = self._globals[id(original)]
        cells = tuple(map(self._cell, function.__closure__ or ()))
        copy = types.FunctionType(code, names, function.__name__, self._of(function.__defaults__), cells)
        copy.__kwdefaults__ = self._of(function.__kwdefaults__)
        vars(copy).update(vars(function))
        read = [name for name in _names(code) if name in original and names[name] is original[name]]
        self._unfilled.append(lambda: names.update((name, self._of(original[name])) for name in read))
        return copy

    def _cell(self, cell: types.CellType) -> types.CellType:
        """The cell of a closure variable, which may be unbound yet, or hold the function itself."""
        try:
            value = cell.cell_contents
        except ValueError:
            return cell
        if not isinstance(value, types.FunctionType):
            return cell if self._of(value) is value else types.CellType(self._of(value))
        new = types.CellType()
        self._unfilled.append(lambda: setattr(new, "cell_contents", self._of(value)))
        return new

    def _module(self, module: types.ModuleType) -> types.ModuleType:
        """A module whose attributes are copied when they are read."""
        kind = type("module", (types.ModuleType,), {"__getattribute__": lambda _, name: self.of(getattr(module, name))})
        copy: types.ModuleType = kind(module.__name__)
        return copy

    def _object(self, value: Any) -> Any:
        """An object with its methods and attributes copied; one without methods, or implemented in C, unchanged."""
        kind: Any = type(value)
        known = getattr(value, "__dict__", {})
        if "__wrapped__" in known:  # a cached function, or a loss that another loss calls
            inner = known["__wrapped__"]
            return value if self._of(inner) is inner else self._of(inner)
        members = {name: member for base in reversed(kind.__mro__) for name, member in vars(base).items()}
        methods = {name: self._of(member) for name, member in members.items() if isinstance(member, types.FunctionType)}
        if not known or "__slots__" in members or all(copy is members[name] for name, copy in methods.items()):
            return value
        methods["__getattribute__"] = lambda this, name: self.of(kind.__getattribute__(this, name))
        methods["__class__"] = property(lambda _: kind)
        try:
            copy = object.__new__(type(kind)(kind.__name__, (kind,), methods))
        except TypeError:
            return value
        object.__setattr__(copy, "__dict__", known)
        return copy


def _is_users(function: types.FunctionType) -> bool:
    """Whether a function may be part of a loss; modules of this package outside of ``array`` contain losses too."""
    name = function.__module__ or ""
    if name.startswith("symgrad."):
        return not name.startswith("symgrad.array")
    return not is_ours(function.__code__.co_filename) and name.partition(".")[0] not in sys.stdlib_module_names


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that a function reads, including those of nested functions."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _names(part)
