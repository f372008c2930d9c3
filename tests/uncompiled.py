"""Generated loops as plain Python: numba's part is played by functions that leave a function as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class Uncompiled:
    """What ``njit`` makes of a function, without compiling it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.overloads: list[tuple[type, ...]] = []

    def __call__(self, *given: Any) -> Any:
        return self.function(*given)

    def compile(self, types: tuple[type, ...]) -> None:
        self.overloads.append(types)

    def disable_compile(self, val: bool = True) -> None:
        pass


@contextmanager
def numba_stands_aside(threads: int = 2) -> Iterator[None]:
    """Within it ``numba`` is a module that compiles nothing."""
    numba, extending = ModuleType("numba"), ModuleType("numba.extending")
    made: dict[str, Any] = {
        "njit": lambda **options: Uncompiled,
        "prange": range,
        "typeof": type,
        "types": None,
        "get_num_threads": lambda: threads,
    }
    vars(numba).update(made)
    vars(extending)["intrinsic"] = lambda function: lambda exponent: 2.0 ** int(exponent)
    kept = {name: sys.modules.get(name) for name in ("numba", "numba.extending")}
    sys.modules |= {"numba": numba, "numba.extending": extending}
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
