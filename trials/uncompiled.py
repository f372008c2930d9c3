"""Run generated loops as plain Python, with a stand-in for numba that compiles nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from symgrad.codegen import compile_source
from symgrad.steps import Record

NUMBERS = ("log", "log1p", "exp", "expm1", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")
INVERSES = {"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh}


class Uncompiled:
    """Stands in for the result of ``njit``, without compiling."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.overloads: list[tuple[type, ...]] = []

    def __call__(self, *given: Any) -> Any:
        return self.function(*given)

    def compile(self, types: tuple[type, ...]) -> None:
        self.overloads.append(types)

    def disable_compile(self, val: bool = True) -> None:
        pass


def uncompiled(record: Record, threads: int = 2) -> Callable[..., Any] | None:
    """The loop function, run by Python; None if numba is missing, or if no input is an array."""
    if find_spec("numba") is None or not any(array.axes for array in record.program.inputs):
        return None
    from symgrad.codegen.loop_module import loop_source

    source = loop_source(record, "f")
    with numba_stands_aside(threads):
        function = compile_source(source, "f")
    like_numba = {name: getattr(np, name) for name in NUMBERS} | INVERSES
    floor = {"floor": lambda x: math.floor(x) if math.isfinite(x) else 0}
    vars_of = function.__globals__
    vars_of["math"] = SimpleNamespace(**like_numba, **floor, inf=math.inf, erf=math.erf)
    return function


@contextmanager
def numba_stands_aside(threads: int) -> Iterator[None]:
    """Replace ``numba`` by a module that compiles nothing."""
    numba, extending = ModuleType("numba"), ModuleType("numba.extending")
    made: dict[str, Any] = {"njit": lambda **options: Uncompiled, "prange": range, "typeof": type, "types": None}
    vars(numba).update(made, get_num_threads=lambda: threads)
    vars(extending)["intrinsic"] = lambda function: lambda exponent: 2.0 ** int(exponent)
    kept = {name: sys.modules.get(name) for name in ("numba", "numba.extending")}
    sys.modules.update({"numba": numba, "numba.extending": extending})
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
