"""A user's function in which some names mean something else, without a change to anything that other code sees.

The function is copied, with globals of its own.  So is what it reaches by name: functions, methods, the attributes of
modules when they are read, and objects, a copy of which shares the attributes of the original.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from symgrad.array.source_location import is_ours


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
