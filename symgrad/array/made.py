"""What has no protocol of NumPy's: ``len``, and the functions that make an array of a size; also of symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.array import public
from symgrad.array.graph import current, size
from symgrad.array.indexing import constant_array
from symgrad.array.place import located
from symgrad.array.symbolic import Symbolic, axis_of, positions, refuse


def length(value: Any, /) -> Any:
    """``len``: Python makes a whole number of whatever ``__len__`` returns."""
    return value.length() if isinstance(value, Symbolic) else len(value)


def arange(*args: Any, **keywords: Any) -> Any:
    """``np.arange``."""
    if _is_size(args[-1]) and (len(args) == 1 or args[:-1] == (0,)):
        return positions(args[-1])
    if any(map(_is_size, args)):
        refuse("np.arange of a symbolic size begins at 0, in steps of 1: declare other positions as an input")
    return np.arange(*args, **keywords)


def eye(N: Any, M: Any = None, k: int = 0, **keywords: Any) -> Any:
    """``np.eye`` and ``np.identity``."""
    if _is_size(N) and k == 0 and (M is None or (_is_size(M) and M.node is N.node)):
        return public.eye(N)
    if _is_size(N):
        refuse("np.eye of a symbolic size is square, with ones on the diagonal: declare another matrix as an input")
    return np.eye(N, M, k, **keywords)


def _is_size(value: Any) -> bool:
    return isinstance(value, Symbolic) and any(value.node is size(axis) for axis in current().axes)


def _filled(function: Callable[..., Any], value: int) -> Callable[..., Any]:
    """A function such as ``np.ones``."""

    def filled(shape: Any, *args: Any, **keywords: Any) -> Any:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        if not any(map(_is_size, sizes)):
            return function(shape, *args, **keywords)
        with located():
            operation = f"np.{function.__name__} with a symbolic size"
            axes = [axis_of(one, operation) if isinstance(one, Symbolic) or one != 1 else None for one in sizes]
            return Symbolic(constant_array(tuple(axes), value))

    return filled


ones, zeros = _filled(np.ones, 1), _filled(np.zeros, 0)


def full(shape: Any, fill_value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.full``."""
    made = ones(shape)
    return made * fill_value if isinstance(made, Symbolic) else np.full(shape, fill_value, *args, **keywords)


def array(value: Any, *args: Any, **keywords: Any) -> Any:
    """``np.asarray`` and ``np.array``."""
    return value if isinstance(value, Symbolic) else np.array(value, *args, **keywords)


INSTEAD: dict[Any, Callable[..., Any]] = {
    **{len: length, np.arange: arange, np.eye: eye, np.identity: eye},
    **{np.ones: ones, np.zeros: zeros, np.full: full, np.array: array, np.asarray: array},
}
"""What stands for a function while a loss is traced."""
