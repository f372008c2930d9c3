"""The table of NumPy functions that have a meaning in index notation, and the advice given for the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sympy import Expr

from symgrad.array.elementwise import (
    ELEMENTWISE,
    SCIPY,
    SIGNS,
    at_least,
    at_most,
    elementwise,
    is_minus_infinity,
    masked,
    value_of,
)
from symgrad.array.flattened import Flat, of_flat, ravel, reshape
from symgrad.array.graph import Kind, Node, in_order, is_number, operand, shown
from symgrad.array.indexing import ARRANGEMENTS, GATHER, entrywise
from symgrad.array.linear_algebra import LINEAR_ALGEBRA, PLACES, TRIANGLE, TRIANGLES
from symgrad.array.products import PRODUCTS
from symgrad.array.reductions import REDUCTIONS
from symgrad.errors import UnsupportedError
from symgrad.functions import where

Handler = Callable[..., Any]


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function in messages: ``norm`` for ``np.linalg.norm``."""
    return getattr(function, "__name__", str(function))


OPPOSITES = [(np.greater, np.less_equal), (np.less, np.greater_equal), (np.equal, np.not_equal)]
OPPOSITES += [(other, function) for function, other in OPPOSITES]


def sign_of(function: Callable[..., Any]) -> str:
    """The operator of a function, such as ``+``, or its name."""
    return SIGNS.get(function, name_of(function))


def _entrywise(function: Callable[..., Any], meaning: Callable[..., Expr]) -> Handler:
    """The handler of an elementwise function; it takes as many operands as the function, and no keywords."""
    operation = sign_of(function)
    arity = function.nin if isinstance(function, np.ufunc) else len(inspect.signature(meaning).parameters)

    def handler(*operands: Any) -> Node:
        if len(operands) != arity:
            raise TypeError(f"it takes {arity} operands")
        nodes = [operand(value, operation) for value in operands]
        is_number = nodes[-1].kind is Kind.CONSTANT and not nodes[-1].axes
        if nodes[0].operation == TRIANGLE and is_number and (function, value_of(nodes[-1])) in TRUTHS:
            return elementwise(">=", nodes[0].meaning or meaning, *nodes[0].operands, hint="M")
        compares = function in COMPARISONS and max(len(node.axes) for node in nodes) > 1
        is_mask = compares and any(part.operation == PLACES for node in nodes for part in in_order(node))
        return entrywise(operation, meaning, *nodes, hint="M" if is_mask else "")

    return handler


def _where(condition: Any, x: Any, y: Any) -> Node:
    """``np.where(condition, x, y)``."""
    node = operand(condition, "where")
    if not is_boolean(node) and node.kind is not Kind.CONSTANT and node.operation != TRIANGLE:
        raise UnsupportedError(f"where takes a comparison, such as Z > 0, as its condition, not {shown(node)}")
    if is_minus_infinity(y):
        return masked(node, operand(x, "where"))
    if is_minus_infinity(x):
        return masked(_opposite(node), operand(y, "where"))
    return entrywise("where", where, node, operand(x, "where"), operand(y, "where"))


def _opposite(mask: Node) -> Node:
    """Where a mask is not; of a comparison, the opposite comparison."""
    for function, other in OPPOSITES:
        if mask.meaning is ELEMENTWISE[function] and mask.operands:
            return elementwise(sign_of(other), ELEMENTWISE[other], *mask.operands, hint="M")
    return elementwise("~", ELEMENTWISE[np.logical_not], mask)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Node:
    """``np.clip`` with two bounds or one."""
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    bounds = [operand(bound, "clip") for bound in (low, high) if bound is not None]
    meaning = ELEMENTWISE[np.clip] if len(bounds) == 2 else at_least if low is not None else at_most
    x = operand(a, "clip")
    return elementwise("clip", meaning, x, *bounds) if bounds else x


def _finite(x: Any, copy: bool = True, nan: Any = 0, posinf: Any = None, neginf: Any = None) -> Node:
    """``np.nan_to_num``: the array itself, since its entries are finite wherever a derivation holds."""
    return operand(x, "nan_to_num")


FUNCTIONS: dict[Callable[..., Any], Handler] = {
    **{function: _entrywise(function, meaning) for function, meaning in ELEMENTWISE.items()},
    **REDUCTIONS,
    **PRODUCTS,
    **LINEAR_ALGEBRA,
    **ARRANGEMENTS,
    **TRIANGLES,
    np.where: _where,
    np.clip: _clip,
    np.nan_to_num: _finite,
    np.ravel: ravel,
    np.reshape: reshape,
}

# Functions without a meaning at symbolic shapes -> what to write instead.
REFUSED: dict[str, str] = {
    name: reason
    for names, reason in (
        ("concatenate stack vstack hstack append block", "give each part its own array, and add their contributions"),
        ("split array_split take", "declare the parts as inputs of their own"),
        ("cumprod", "write np.exp(np.cumsum(np.log(x))) of positive entries"),
        ("cov corrcoef", "write R.T @ R / (len(X) - 1) with R = X - X.mean(axis=0)"),
        (
            "broadcast_to atleast_1d atleast_2d meshgrid",
            "arrays broadcast by themselves: write x[:, None] for one more axis",
        ),
        ("select piecewise", "write np.where(condition, a, b), nested"),
        ("count_nonzero", "write np.sum(1.0 * (X != 0))"),
        (
            "pad convolve correlate gradient trapezoid interp",
            "it shifts entries: declare the windows or parts as inputs",
        ),
        ("roll flip rot90 diff tile repeat", "multiply by an input that is the matrix of this rearrangement"),
        (
            "kron",
            "np.sum(np.kron(A, B)) is np.sum(A) * np.sum(B), and its trace np.trace(A) * np.trace(B); otherwise keep "
            "its four axes apart, as np.einsum('ij,kl->ikjl', A, B) does",
        ),
        (
            "cross",
            "it needs an axis of 3 entries, and sizes are symbolic; write np.einsum('ijk,j,k->i', E, a, b) with the "
            "Levi-Civita symbol E as an input",
        ),
        ("multi_dot", "write A @ B @ C"),
        ("all any isnan isfinite", "compare, and write np.where(condition, a, b)"),
        ("sort argsort median percentile quantile ptp", "it picks entries by their order, which no equation expresses"),
        ("argmax argmin round rint trunc fix", "it is piecewise constant, so its gradient is 0"),
        ("lstsq", "of full column rank, its solution is np.linalg.solve(X.T @ X, X.T @ y): write that"),
        (
            "svd svdvals",
            "singular values are roots of an equation of high degree; np.sum(A**2) is the sum of their squares",
        ),
        (
            "eig eigh eigvals eigvalsh",
            "they are roots of an equation of high degree; np.trace(A) is their sum, np.linalg.det(A) their product",
        ),
        ("cond", "it is a quotient of singular values, which have no rule"),
        ("matrix_rank", "it is piecewise constant, so its gradient is 0"),
        ("qr", "its factors have no rule; X.T @ X is R.T @ R"),
        (
            "cholesky cho_factor cho_solve",
            "write np.linalg.slogdet(S)[1] for 2 * np.sum(np.log(np.diag(L))), and np.linalg.solve(S, b) for both "
            "triangular systems; or declare the factor L as the input, and write L @ L.T",
        ),
    )
    for name in names.split()
}


def refusal(name: str) -> str:
    """The message for a function without a rule, with what to write instead."""
    if name in REFUSED:
        return f"{name} has no rule: {REFUSED[name]}"
    near = [word for word in map(name_of, FUNCTIONS) if name == f"nan{word}"]
    return f"{name} has no rule{f'; use {near[0]} instead' if near else ''}"


def call(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Node | Flat:
    """Apply a NumPy function to symbolic arrays.

    Raises ``UnsupportedError`` for a function that is not in the table, and for arguments that it does not support.
    """
    name = name_of(function)
    if any(isinstance(arg, Flat) for arg in args):
        return of_flat(function, sign_of(function), args, keywords, call)
    handler = FUNCTIONS.get(function)
    if handler is None and isinstance(function, np.ufunc) and name in SCIPY:
        handler = _entrywise(function, SCIPY[name])
    if handler is None:
        raise UnsupportedError(refusal(name))
    keywords = {key: value for key, value in keywords.items() if value is not None}
    if "out" in keywords:
        raise UnsupportedError(f"{name} with out=: a symbolic array cannot be changed; write A = {name}(...)")
    try:
        bound = inspect.signature(handler).bind(*args, **keywords)
    except TypeError as error:
        raise UnsupportedError(f"{name} with these arguments has no rule: {error}") from None
    check_dtypes(function, sign_of(function), bound.args)
    result: Node | Flat = handler(*bound.args, **bound.kwargs)
    return result


# --- bool -----------------------------------------------------------------------------------------------------------

LOGICAL = {np.logical_and, np.bitwise_and, np.logical_or, np.bitwise_or, np.logical_not, np.invert}
# Functions that NumPy computes differently for dtype bool, or not at all.
ARITHMETIC = {np.add, np.subtract, np.negative, np.positive, np.matmul, np.dot, np.inner, np.vdot, np.einsum}
COMPARISONS = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal}
COMPARED = {SIGNS.get(function, function.__name__) for function in COMPARISONS | LOGICAL}
BOOLEAN_OF_BOOLEANS = {"*", "outer", "maximum", "minimum", "where", "absolute", "max", "selection"}
"""The operations whose result is bool if all operands are."""


TRUTHS = {(np.equal, 1), (np.not_equal, 0), (np.greater, 0)}
"""Comparisons with a number that turn an array of the numbers 0 and 1 into truth values."""


def is_boolean(value: Any) -> bool:
    """Whether NumPy's dtype of a value is bool: a comparison, or a view, selection or product of comparisons."""
    if not isinstance(value, Node):
        return isinstance(value, (bool, np.bool_))
    if value.operation == GATHER or value.kind is Kind.VIEW:
        return is_boolean(value.operands[0])
    is_closed = value.operation in BOOLEAN_OF_BOOLEANS and all(map(is_boolean, value.operands))
    return value.operation in COMPARED or is_closed


def check_dtypes(function: Callable[..., Any], name: str, operands: tuple[Any, ...]) -> None:
    """Raise ``UnsupportedError`` for arithmetic on bools alone, and for numbers in a logical function."""
    arrays = [value for value in operands if not isinstance(value, str)]
    if function in ARITHMETIC and arrays and all(map(is_boolean, arrays)):
        raise UnsupportedError(
            f"{name} of comparisons: NumPy computes it with True and False, not numbers; multiply them by 1.0, or "
            "write & and |"
        )
    for value in arrays if function in LOGICAL else ():
        if not is_boolean(value) and not (is_number(value) and value in (0, 1)):
            what = shown(value) if isinstance(value, Node) else str(value)
            raise UnsupportedError(f"{name} takes comparisons, such as Z > 0, not {what}")
