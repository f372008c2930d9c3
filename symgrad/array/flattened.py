"""Flattened arrays, ``ravel()`` and ``reshape(-1)``: their axis has no name, so they keep their axes until they are
reduced to a number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.array.elementwise import elementwise
from symgrad.array.graph import Kind, Node, is_number, mismatch, operand
from symgrad.array.indexing import squeeze
from symgrad.array.reductions import largest, mean, norm, product, smallest, std, total, var
from symgrad.errors import UnsupportedError

REFUSAL = "a flattened array has no rule: reduce it to a number, or keep the axes apart (declare X: N H E)"
TO_NUMBERS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.sum: total,
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.linalg.norm: norm,
}
TO_NUMBERS |= {np.prod: product, np.max: largest, np.amax: largest, np.min: smallest, np.amin: smallest}
PRODUCTS = {np.dot, np.vdot, np.inner, np.matmul}


@dataclass(frozen=True, eq=False)
class Flat:
    """``node`` as an array with one axis."""

    node: Node
    refusal: str = REFUSAL
    kind: Kind = Kind.VIEW


def ravel(a: Any, order: str = "C") -> Node | Flat:
    """``np.ravel``; an array with one axis, and dimensions of size one, loses these."""
    node = operand(a, "ravel")
    return squeeze(node) if len(node.real_axes) == 1 else Flat(node)


def reshape(a: Any, *shape: Any) -> Node | Flat:
    """``np.reshape`` to one axis, -1."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if len(sizes) != 1 or not is_number(sizes[0]) or sizes[0] != -1:
        words = "write x[:, None] for one more axis; otherwise keep the axes apart (declare X: N H E)"
        raise UnsupportedError(f"reshape has no rule: {words}")
    return ravel(a)


def of_flat(
    function: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
    call: Callable[..., Node | Flat],
) -> Node | Flat:
    """A function of flattened arrays and numbers: elementwise, or a reduction to a number.

    Raises ``UnsupportedError`` for any other, and ``ProgramError`` for arrays of different axes.
    """
    flat = [arg.node for arg in args if isinstance(arg, Flat)]
    if other := next((node for node in flat if node.axes != flat[0].axes), None):
        pairs = zip(flat[0].axes, other.axes, strict=False)
        left, right = next((pair for pair in pairs if pair[0] != pair[1]), (flat[0].axes[-1], other.axes[-1]))
        raise mismatch(name, [flat[0], other], left, right)
    if function in PRODUCTS and len(args) == len(flat) == 2 and not keywords:
        return total(elementwise("*", operator.mul, *flat))
    if function in TO_NUMBERS and isinstance(args[0], Flat):
        axis, *others = (*args[1:], *keywords.values()) or (None,)
        if not others and axis in (None, 0, -1) and keywords.keys() <= {"axis"} and not (args[1:] and function is norm):
            return TO_NUMBERS[function](flat[0])
    is_elementwise = isinstance(function, np.ufunc) and function is not np.matmul
    others = [arg for arg in args if not isinstance(arg, Flat)]
    are_numbers = all(is_number(arg) or (isinstance(arg, Node) and not arg.axes) for arg in others)
    if (is_elementwise or function in (np.where, np.clip)) and are_numbers and not keywords:
        inner = call(function, tuple(arg.node if isinstance(arg, Flat) else arg for arg in args), {})
        return Flat(operand(inner, name))
    raise UnsupportedError(f"{name} of {REFUSAL}")
