"""Reductions over axes in index notation: sum, mean, variance, maximum, norm, softmax."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from sympy import Expr, Mul, Sum, exp, log, sqrt

from symgrad.array.elementwise import MASKED, distance_of, elementwise, masked, power_of, value_of
from symgrad.array.graph import (
    Entries,
    Indices,
    Kind,
    Node,
    axis_position,
    axis_positions,
    constant,
    make,
    operand,
    shown,
)
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.functions import absolute, selection
from symgrad.notation import array_names, bound_indices, free_indices, sum_over

Axes = int | Sequence[int] | None


def summed(body: Expr, indices: Sequence[Any]) -> Expr:
    """The sum of ``body`` over ``indices``: nested sums merged, constants in front, an unused index as its size."""
    factors = Mul.make_args(body)
    outside = [factor for factor in factors if not array_names(factor) and not free_indices(factor)]
    inside = Mul(*(factor for factor in factors if factor not in outside))
    if isinstance(inside, Sum):
        return Mul(*outside, summed(inside.function, (*indices, *bound_indices(inside))))
    unused = [index for index in indices if index not in free_indices(inside)]
    used = [index for index in indices if index not in unused]
    return Mul(*outside, *(index.upper + 1 for index in unused), sum_over(inside, used))


def total(a: Any, axis: Axes = None, *, keepdims: bool = False, hint: str = "", operation: str = "sum") -> Node:
    """The sum over ``axis`` (all axes for None)."""
    node = operand(a, operation)
    positions = axis_positions(node, axis, operation)
    axes = [kept for position, kept in enumerate(node.axes) if position not in positions]

    def build(entries: Entries, indices: Indices) -> Expr:
        outer = iter(indices)
        bound = {p: entries.fresh(over) for p in sorted(positions) if (over := node.axes[p]) is not None}
        inner = tuple(bound.get(p) if p in positions else next(outer) for p in range(len(node.axes)))
        return summed(entries(node, inner), [*bound.values()]) if bound else entries(node, inner)

    is_sum = any(node.axes[position] for position in positions)
    result = make(operation, (node,), axes, build, Kind.CONTRACTION if is_sum else Kind.VIEW, positions, hint)
    return expanded(result, positions) if keepdims else result


def expanded(node: Node, positions: Sequence[int]) -> Node:
    """``node`` with dimensions of size one at ``positions`` of the result."""
    if node.operation == MASKED and all(len(part.axes) in (0, len(node.axes)) for part in node.operands):
        value, keep = (expanded(part, positions) if part.axes else part for part in node.operands)
        return masked(keep, value)
    axes = list(node.axes)
    for position in sorted(positions):
        axes.insert(position, None)

    def build(entries: Entries, indices: Indices) -> Expr:
        return entries(node, tuple(i for position, i in enumerate(indices) if position not in positions))

    return make("expand_dims", (node,), axes, build, Kind.VIEW, tuple(sorted(positions))) if positions else node


def count(node: Node, positions: Sequence[int]) -> Node:
    """The number of entries over the axes at ``positions``."""
    return constant(Mul(*(axis.size for position in positions if (axis := node.axes[position]) is not None)))


def mean(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The mean over ``axis``.  With ``keepdims``, which means that it is subtracted, its textbook name is mu."""
    node = operand(a, "mean")
    positions = axis_positions(node, axis, "mean")
    hint = "mu" if keepdims and len(positions) < len(node.axes) else ""
    result = _divided("mean", node, positions, count(node, positions), positions, hint)
    return expanded(result, positions) if keepdims else result


def _divided(operation: str, node: Node, positions: tuple[int, ...], divisor: Node, key: Hashable, hint: str) -> Node:
    """The sum over the axes at ``positions``, divided by ``divisor``."""
    inner = total(node, positions)

    def build(entries: Entries, indices: Indices) -> Expr:
        return inner.build(entries, indices) / divisor.build(entries, ())

    return make(operation, (node,), inner.axes, build, Kind.CONTRACTION, key, hint)


def var(a: Any, axis: Axes = None, *, ddof: int = 0, keepdims: bool = False) -> Node:
    """The variance: the sum of squared distances from the mean, divided by the number of entries less ``ddof``."""
    node = operand(a, "var")
    positions = axis_positions(node, axis, "var")
    center = expanded(_divided("mean", node, positions, count(node, positions), positions, "mu"), positions)
    squares = elementwise("var", distance_of, node, center)
    divisor = elementwise("-", operator.sub, count(node, positions), operand(ddof, "var"))
    result = _divided("var", squares, positions, divisor, (positions, ddof), "v")
    return expanded(result, positions) if keepdims else result


def std(a: Any, axis: Axes = None, *, ddof: int = 0, keepdims: bool = False) -> Node:
    """The square root of the variance."""
    return elementwise("std", sqrt, var(a, axis, ddof=ddof, keepdims=keepdims), hint="sigma")


def product(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The product of positive entries: the exponential of the sum of their logarithms.

    Raises ``UnsupportedError`` for entries that are not known to be positive: the derivative is the product of the
    others, which is not the whole product over the entry where that is 0.
    """
    node = operand(a, "prod")
    if not value_of(node).is_positive:
        raise UnsupportedError(
            f"prod of {shown(node)} takes positive entries: declare them so in shapes, as in 'x: N positive', or write "
            "np.exp(np.sum(np.log(x)))"
        )
    return elementwise("prod", exp, total(elementwise("log", log, node), axis, keepdims=keepdims))


def largest(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The largest entry: the sum of the entries times their ``selection``, which ties share equally; over several axes,
    one axis after the other, from the last."""
    node = operand(a, "max")
    positions = [p for p in axis_positions(node, axis, "max") if node.axes[p] is not None]
    if len(positions) > 1:
        return largest(largest(node, positions[-1], keepdims=keepdims), positions[:-1], keepdims=keepdims)
    if not positions:
        raise ProgramError(f"max of {shown(node)}: there is no axis to take it over")
    (position,) = positions

    def select(entries: Entries, indices: Indices) -> Expr:
        return selection(entries(node, indices), indices[position])

    selected = make("selection", (node,), node.axes, select, Kind.ALWAYS, position, "Q")
    inner = total(elementwise("max", operator.mul, selected, node), position)
    result = make("max", (selected, node), inner.axes, inner.build, Kind.ALWAYS, position, "m")
    return expanded(result, (position,)) if keepdims else result


def smallest(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The smallest entry along one axis."""
    negated = elementwise("negative", operator.neg, operand(a, "min"))
    return elementwise("negative", operator.neg, largest(negated, axis, keepdims=keepdims))


def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Node:
    """``np.linalg.norm``: by default the square root of the sum of squares.

    Over one axis ``ord`` is a power or infinity.  Over two axes 1 and infinity give the largest absolute column sum and
    row sum; norms of singular values are not supported.
    """
    node = operand(x, "norm")
    positions = axis_positions(node, axis, "norm")
    if ord is None or (ord == "fro" and len(positions) == 2) or (ord == 2 and len(positions) == 1):
        squares = total(elementwise("**", power_of, node, constant(2)), positions, keepdims=keepdims, operation="norm")
        return elementwise("norm", sqrt, squares)
    absolutes = elementwise("abs", absolute, node)
    extreme = {math.inf: largest, -math.inf: smallest}.get(ord)
    if len(positions) == 1 and extreme:
        return extreme(absolutes, positions, keepdims=keepdims)
    if len(positions) == 1 and ord != 0 and not isinstance(ord, str):
        powers = absolutes if ord == 1 else elementwise("**", power_of, absolutes, operand(ord, "norm"))
        sums = total(powers, positions, keepdims=keepdims)
        inverse = elementwise("/", operator.truediv, constant(1), operand(ord, "norm"))
        return sums if ord == 1 else elementwise("**", power_of, sums, inverse)
    if len(positions) == 2 and ord in (1, -1, math.inf, -math.inf):
        over, along = positions if abs(ord) == 1 else positions[::-1]
        extreme, position = (largest if ord > 0 else smallest), along - (over < along and not keepdims)
        return extreme(total(absolutes, over, keepdims=keepdims), position, keepdims=keepdims)
    if len(positions) == 2 and ord in ("nuc", 2, -2):
        raise UnsupportedError(
            f"norm with ord={ord!r} has no rule: it is made of singular values, which are roots of an equation of high "
            "degree; np.sum(A**2) is the sum of their squares"
        )
    raise UnsupportedError(
        f"norm with ord={ord!r} over {len(positions)} axes has no rule; norm(X) is the square root of the sum of "
        "squares, and norm(X, axis=1) takes it for each row"
    )


def normaliser(node: Node, axis: Axes) -> Node:
    """S, the sum of the exponentials over ``axis``."""
    return total(elementwise("exp", exp, node), axis, hint="S", operation="normaliser")


def logsumexp(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """The logarithm of the sum of exponentials."""
    node = operand(a, "logsumexp")
    positions = axis_positions(node, axis, "logsumexp")
    result = elementwise("log", log, normaliser(node, positions))
    return expanded(result, positions) if keepdims else result


def softmax(a: Any, axis: int = -1) -> Node:
    """exp(z) / S along an axis."""
    node = operand(a, "softmax")
    position = axis_position(node, axis, "softmax")
    if node.axes[position] is None:
        raise ProgramError("softmax over a dimension of size one is 1 everywhere")
    divisor = expanded(normaliser(node, position), (position,))
    exponential = elementwise("exp", exp, node)

    def build(entries: Entries, indices: Indices) -> Expr:
        return entries(exponential, indices) / entries(divisor, indices)

    return make("softmax", (node, divisor), node.axes, build, Kind.ALWAYS, position, "P")


def log_softmax(a: Any, axis: int = -1) -> Node:
    """The logarithm of the softmax."""
    return elementwise("log", log, softmax(a, axis))


def average(a: Any, axis: Axes = None, weights: Any = None, *, keepdims: bool = False) -> Node:
    """The mean, weighted by ``weights``, which have the same axes."""
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    values, weight = operand(a, "average"), operand(weights, "average")
    if len(values.axes) != len(weight.axes):
        raise UnsupportedError("average takes weights with the axes of the array: write np.sum(w * x) / np.sum(w)")
    weighted = total(elementwise("*", operator.mul, values, weight), axis, keepdims=keepdims)
    return elementwise("/", operator.truediv, weighted, total(weight, axis, keepdims=keepdims))


REDUCTIONS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.sum: total,
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.prod: product,
    np.max: largest,
    np.amax: largest,
    np.min: smallest,
    np.amin: smallest,
    np.average: average,
    np.linalg.norm: norm,
}
