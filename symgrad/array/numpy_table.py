"""The language: which of NumPy's functions have a meaning in index notation, and what is said of the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.elementwise import ELEMENTWISE, SCIPY, SIGNS, at_least, at_most, elementwise
from symgrad.array.graph import Kind, Node, shown
from symgrad.array.indexing import ARRANGEMENTS, GATHER, entrywise
from symgrad.array.literals import is_number, operand
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

# What has no meaning at symbolic shapes, by name, and what to write instead.
REFUSED: dict[str, str] = {
    name: reason
    for names, reason in (
        ("reshape", "write x[:, None] for one more axis; otherwise keep the axes apart (declare X: N H E)"),
        ("ravel", "sum over several axes at once instead"),
        ("concatenate stack vstack hstack append", "give each part an array of its own, and add what each contributes"),
        ("prod", "write np.exp(np.sum(np.log(x))) of positive entries"),
        ("cumsum", "write the sum as a product with a matrix that is an input"),
        ("triu tril", "multiply by a mask of zeros and ones that is an input"),
        ("roll flip diff tile repeat", "multiply by a matrix that is an input and says which entry goes where"),
        ("tensordot kron cross multi_dot", "write einsum"),
        ("matrix_power", "write A @ A"),
        ("all any isnan isfinite", "compare, and write np.where(condition, a, b)"),
        ("sort argsort median percentile quantile ptp", "it picks entries piecewise, by an order that no equation has"),
        ("argmax argmin round rint floor ceil", "it is piecewise constant: no gradient passes it"),
        ("inv pinv", "no rule differentiates an inverse yet"),
        ("det slogdet", "no rule differentiates a determinant yet"),
        ("solve lstsq", "no rule differentiates a solution yet"),
        ("svd svdvals eig eigh eigvals eigvalsh cond matrix_rank", "no rule differentiates singular values yet"),
        ("qr cholesky", "no rule differentiates the factors of a matrix yet"),
    )
    for name in names.split()
}


def refusal(name: str) -> str:
    """That a function has no rule, with what to write instead."""
    if name in REFUSED:
        return f"{name} has no rule: {REFUSED[name]}"
    near = [
        word for word in map(name_of, FUNCTIONS) if name != word and name.endswith(word)
    ]  # nansum, not sinc for sin
    return f"{name} has no rule{f'; the nearest that have: {near[0]}' if near else ''}"


def call(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Node:
    """A NumPy function applied to symbols.

    Raises ``UnsupportedError`` for one that is not in the table, naming the nearest that are, and for an argument
    without a meaning.
    """
    name = name_of(function)
    handler = FUNCTIONS.get(function)
    if handler is None and isinstance(function, np.ufunc) and name in SCIPY:
        handler = _entrywise(function, SCIPY[name])
    if handler is None:
        raise UnsupportedError(refusal(name))
    given = {key: value for key, value in keywords.items() if value is not None}
    if given.get("out") is not None:
        raise UnsupportedError(f"{name} with out=: a symbolic array is never changed; write A = {name}(...)")
    try:
        bound = inspect.signature(handler).bind(*args, **given)
    except TypeError as error:
        raise UnsupportedError(f"{name} with these arguments has no rule: {error}") from None
    check_types(function, sign_of(function), bound.args)
    return handler(*bound.args, **bound.kwargs)


LOGICAL = {np.logical_and, np.bitwise_and, np.logical_or, np.bitwise_or, np.logical_not, np.invert}
# What NumPy computes of values of type bool otherwise than of numbers, or not at all.
ARITHMETIC = {np.add, np.subtract, np.negative, np.positive, np.matmul, np.dot, np.inner, np.vdot, np.einsum}
COMPARISONS = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal}
COMPARED = {SIGNS.get(function, function.__name__) for function in COMPARISONS | LOGICAL}
BOOLEAN_OF_BOOLEANS = {"*", "outer", "maximum", "minimum", "where", "absolute", "max", "selection"}
"""What is of type bool if all its operands are."""


def is_boolean(value: Any) -> bool:
    """Whether NumPy's type of a value is bool: a comparison, or what is picked, viewed or multiplied of such alone."""
    if not isinstance(value, Node):
        return isinstance(value, (bool, np.bool_))
    if value.operation == GATHER or value.kind is Kind.VIEW:
        return is_boolean(value.parts[0])
    return value.operation in COMPARED or (value.operation in BOOLEAN_OF_BOOLEANS and all(map(is_boolean, value.parts)))


def check_types(function: Callable[..., Any], name: str, operands: tuple[Any, ...]) -> None:
    """Check the operands of a function of NumPy.

    Raises ``UnsupportedError`` for arithmetic on values of type bool alone, which NumPy does with True and False, and
    for numbers as operands of a logical function.
    """
    arrays = [operand for operand in operands if not isinstance(operand, str)]
    if function in ARITHMETIC and arrays and all(map(is_boolean, arrays)):
        raise UnsupportedError(
            f"{name} of comparisons alone: they are True and False in NumPy, and not numbers; "
            "multiply them by 1.0, or write & and |"
        )
    for value in arrays if function in LOGICAL else ():
        if not is_boolean(value) and not (is_number(value) and value in (0, 1)):
            what = shown(value) if isinstance(value, Node) else str(value)
            raise UnsupportedError(f"{name} takes comparisons, such as Z > 0, not {what}")
