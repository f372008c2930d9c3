"""Comparisons: values of type bool in NumPy, which it adds and multiplies as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.array.elementwise import SIGNS
from symgrad.array.graph import Kind, Node, shown
from symgrad.array.labels import GATHER
from symgrad.array.literals import is_number
from symgrad.errors import UnsupportedError

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
    for operand in arrays if function in LOGICAL else ():
        if not is_boolean(operand) and not (is_number(operand) and operand in (0, 1)):
            what = shown(operand) if isinstance(operand, Node) else str(operand)
            raise UnsupportedError(f"{name} takes comparisons, such as Z > 0, not {what}")
