"""The language: which of NumPy's functions have a meaning in index notation, and what is said of the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.elementwise import ELEMENTWISE, SIGNS, at_least, at_most, elementwise
from symgrad.array.graph import Kind, Node, shown
from symgrad.array.indexing import ARRANGEMENTS
from symgrad.array.labels import entrywise
from symgrad.array.logical import check_types, is_boolean
from symgrad.array.numbers import operand
from symgrad.array.products import PRODUCTS
from symgrad.array.reductions import REDUCTIONS
from symgrad.errors import UnsupportedError
from symgrad.functions import where

Handler = Callable[..., Node]


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called in messages: ``norm`` for ``np.linalg.norm``."""
    return getattr(function, "__name__", str(function))


def sign_of(function: Callable[..., Any]) -> str:
    """The operator that a function is written as, or its name."""
    return SIGNS.get(function, name_of(function))


def _entrywise(function: Callable[..., Any], meaning: Callable[..., Expr]) -> Handler:
    """The handler of a function of entries: as many operands as its meaning takes, and nothing else."""
    operation = sign_of(function)
    takes = function.nin if isinstance(function, np.ufunc) else len(inspect.signature(meaning).parameters)

    def handler(*operands: Any) -> Node:
        if len(operands) != takes:
            raise TypeError(f"it takes {takes} operands")
        return entrywise(operation, meaning, *(operand(value, operation) for value in operands))

    return handler


def chosen(condition: Any, x: Any, y: Any) -> Node:
    """``np.where(condition, x, y)`` of a comparison."""
    node = operand(condition, "where")
    if not is_boolean(node) and node.kind is not Kind.CONSTANT:
        raise UnsupportedError(f"where takes a comparison, such as Z > 0, as its condition, not {shown(node)}")
    return entrywise("where", where, node, operand(x, "where"), operand(y, "where"))


def clipped(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Node:
    """``np.clip``: between two bounds, or on one side of one."""
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    x = operand(a, "clip")
    if low is not None and high is not None:
        return elementwise("clip", ELEMENTWISE[np.clip], x, operand(low, "clip"), operand(high, "clip"))
    if low is not None:
        return elementwise("clip", at_least, x, operand(low, "clip"))
    if high is not None:
        return elementwise("clip", at_most, x, operand(high, "clip"))
    return x


FUNCTIONS: dict[Callable[..., Any], Handler] = {
    **{function: _entrywise(function, meaning) for function, meaning in ELEMENTWISE.items()},
    **REDUCTIONS,
    **PRODUCTS,
    **ARRANGEMENTS,
    np.where: chosen,
    np.clip: clipped,
}

# What has no meaning at symbolic shapes, and what to write instead.
REFUSED: dict[Callable[..., Any], str] = {
    np.reshape: "keep the axes apart (declare X: N H E), and contract them with einsum",
    np.ravel: "sum over several axes at once instead",
    np.concatenate: "give each part an array of its own, and add what each contributes",
    np.stack: "give each part an array of its own",
    np.prod: "write np.exp(np.sum(np.log(x))) of positive entries",
    np.cumsum: "write the sum as a product with a matrix that is an input",
    np.sort: "no equation in index notation says it",
    np.argmax: "it is piecewise constant: no gradient passes it",
    np.argmin: "it is piecewise constant: no gradient passes it",
    np.linalg.inv: "no rule differentiates an inverse yet",
    np.linalg.det: "no rule differentiates a determinant yet",
    np.linalg.solve: "no rule differentiates a solution yet",
}


@lru_cache(maxsize=1)
def words() -> dict[str, Handler]:
    """The functions by name."""
    return {name_of(function): handler for function, handler in FUNCTIONS.items()}


def call(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Node:
    """A NumPy function applied to symbols.

    Raises ``UnsupportedError`` for one that is not in the table, naming the nearest that are, and for an argument
    without a meaning.
    """
    name = name_of(function)
    if function not in FUNCTIONS:
        raise UnsupportedError(f"{name} has no rule{_instead(function, name)}")
    handler = FUNCTIONS[function]
    given = {key: value for key, value in keywords.items() if value is not None}
    if given.get("out") is not None:
        raise UnsupportedError(f"{name} with out=: a symbolic array is never changed; write A = {name}(...)")
    try:
        bound = inspect.signature(handler).bind(*args, **given)
    except TypeError as error:
        raise UnsupportedError(f"{name} with these arguments has no rule: {error}") from None
    check_types(function, sign_of(function), bound.args)
    return handler(*bound.args, **bound.kwargs)


def _instead(function: Callable[..., Any], name: str) -> str:
    if function in REFUSED:
        return f": {REFUSED[function]}"
    near = get_close_matches(name, words(), n=3, cutoff=0.5)
    return f"; the nearest that have: {', '.join(near)}" if near else ""
