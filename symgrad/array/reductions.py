"""Sums, means, largest entries and norms over axes, in index notation."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from sympy import Expr, Mul, Sum, exp, log, sqrt

from symgrad.array.elementwise import distance_of, elementwise, power_of
from symgrad.array.graph import Entries, Indices, Kind, Node, constant, make, place_of, places_of
from symgrad.array.literals import exact, operand
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.functions import absolute, selection
from symgrad.notation import array_names, bound_indices, free_indices, sum_over

Axes = int | Sequence[int] | None


def summed(body: Expr, indices: Sequence[Any]) -> Expr:
    """The sum of ``body`` over indices: sums of sums are one, an index that does not occur is counted, and
    numbers and sizes go out."""
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
    places = places_of(node, axis, operation)
    axes = [over for place, over in enumerate(node.axes) if place not in places]

    def build(entries: Entries, indices: Indices) -> Expr:
        outer = iter(indices)
        inner: list[Any] = []
        bound = []
        for place, over in enumerate(node.axes):
            if place not in places:
                inner.append(next(outer))
                continue
            inner.append(entries.fresh(over) if over is not None else None)
            bound += [inner[-1]] if over is not None else []
        return summed(entries(node, tuple(inner)), bound) if bound else entries(node, tuple(inner))

    is_sum = any(node.axes[place] for place in places)
    made = make(operation, (node,), axes, build, Kind.CONTRACTION if is_sum else Kind.VIEW, places, hint)
    return expanded(made, places) if keepdims else made


def expanded(node: Node, places: Sequence[int]) -> Node:
    """``node`` with dimensions of size one at ``places`` of the result."""
    axes = list(node.axes)
    for place in sorted(places):
        axes.insert(place, None)

    def build(entries: Entries, indices: Indices) -> Expr:
        return entries(node, tuple(i for place, i in enumerate(indices) if place not in places))

    return make("expand_dims", (node,), axes, build, Kind.VIEW, tuple(sorted(places))) if places else node


def count(node: Node, places: Sequence[int]) -> Node:
    """The number of entries over the axes at ``places``."""
    return constant(Mul(*(axis.size for place in places if (axis := node.axes[place]) is not None)))


def mean(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The mean over ``axis``; one that keeps its dimension, to be subtracted, is conventionally mu."""
    node = operand(a, "mean")
    places = places_of(node, axis, "mean")
    hint = "mu" if keepdims and len(places) < len(node.axes) else ""
    result = _divided("mean", node, places, count(node, places), places, hint)
    return expanded(result, places) if keepdims else result


def _divided(operation: str, node: Node, places: tuple[int, ...], divisor: Node, key: Hashable, hint: str) -> Node:
    """The sum over the axes at ``places``, divided by a number."""
    inner = total(node, places)

    def build(entries: Entries, indices: Indices) -> Expr:
        return inner.build(entries, indices) / divisor.build(entries, ())

    return make(operation, (node,), inner.axes, build, Kind.CONTRACTION, key, hint)


def var(a: Any, axis: Axes = None, *, ddof: int = 0, keepdims: bool = False) -> Node:
    """The mean square of the distances from the mean; ``ddof`` is taken from the number that it is divided by."""
    node = operand(a, "var")
    places = places_of(node, axis, "var")
    middle = expanded(_divided("mean", node, places, count(node, places), places, "mu"), places)
    squares = elementwise("var", distance_of, node, middle)
    divisor = elementwise("-", operator.sub, count(node, places), operand(ddof, "var"))
    result = _divided("var", squares, places, divisor, (places, ddof), "v")
    return expanded(result, places) if keepdims else result


def std(a: Any, axis: Axes = None, *, ddof: int = 0, keepdims: bool = False) -> Node:
    """The root of the variance."""
    return elementwise("std", sqrt, var(a, axis, ddof=ddof, keepdims=keepdims), hint="sigma")


def largest(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The largest entry along one axis: the entries selected (ties share equally), weighted and summed."""
    node = operand(a, "max")
    places = [p for p in places_of(node, axis, "max") if node.axes[p] is not None]
    if len(places) > 1:
        raise UnsupportedError("max over several axes has no rule: take it over one axis at a time")
    if not places:
        raise ProgramError("max of a scalar: there is no axis to take it over")
    (place,) = places

    def select(entries: Entries, indices: Indices) -> Expr:
        return selection(entries(node, indices), indices[place])

    chosen = make("selection", (node,), node.axes, select, Kind.ALWAYS, place, "Q")
    weighted = elementwise("max", operator.mul, chosen, node)
    inner = total(weighted, place)
    result = make("max", (chosen, node), inner.axes, inner.build, Kind.ALWAYS, place, "m")
    return expanded(result, (place,)) if keepdims else result


def smallest(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The smallest entry along one axis."""
    turned = elementwise("negative", operator.neg, operand(a, "min"))
    return elementwise("negative", operator.neg, largest(turned, axis, keepdims=keepdims))


def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Node:
    """``np.linalg.norm``: the root of the sum of squares, and for ``ord`` the other norms but those of singular values.

    Of a vector, or over one axis, ``ord`` is a power or infinity; of a matrix 1 and infinity are the largest sums of
    absolute values, of columns and of rows.
    """
    node = operand(x, "norm")
    places = places_of(node, axis, "norm")
    if ord is None or (ord == "fro" and len(places) == 2) or (ord == 2 and len(places) == 1):
        squares = total(elementwise("**", power_of, node, constant(2)), places, keepdims=keepdims, operation="norm")
        return elementwise("norm", sqrt, squares)
    sizes = elementwise("abs", absolute, node)
    choose = {math.inf: largest, -math.inf: smallest}.get(ord)
    if len(places) == 1 and choose:
        return choose(sizes, places, keepdims=keepdims)
    if len(places) == 1 and ord != 0 and not isinstance(ord, str):
        powers = sizes if ord == 1 else elementwise("**", power_of, sizes, operand(ord, "norm"))
        sums = total(powers, places, keepdims=keepdims)
        return sums if ord == 1 else elementwise("**", power_of, sums, constant(1 / exact(ord)))
    if len(places) == 2 and ord in (1, -1, math.inf, -math.inf):
        over, along = places if abs(ord) == 1 else places[::-1]
        choose, place = (largest if ord > 0 else smallest), along - (over < along and not keepdims)
        return choose(total(sizes, over, keepdims=keepdims), place, keepdims=keepdims)
    what = "a norm of singular values" if len(places) == 2 else "of a matrix" if ord else "a number of entries"
    raise UnsupportedError(
        f"norm with ord={ord!r} over {len(places)} axes has no rule: it is {what}; norm(X) is the root of the sum of "
        "squares, and norm(X, axis=1) that of each row"
    )


def normaliser(node: Node, place: int) -> Node:
    """S, the sum of the exponentials along an axis."""
    return total(elementwise("exp", exp, node), place, hint="S", operation="normaliser")


def logsumexp(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Node:
    """The logarithm of the sum of exponentials."""
    node = operand(a, "logsumexp")
    places = places_of(node, axis, "logsumexp")
    result = elementwise("log", log, total(elementwise("exp", exp, node), places, hint="S", operation="normaliser"))
    return expanded(result, places) if keepdims else result


def softmax(a: Any, axis: int = -1) -> Node:
    """exp(z) / S along an axis."""
    node = operand(a, "softmax")
    place = place_of(node, axis, "softmax")
    if node.axes[place] is None:
        raise ProgramError("softmax over a dimension of size one is 1 everywhere")
    below = expanded(normaliser(node, place), (place,))

    def build(entries: Entries, indices: Indices) -> Expr:
        return exp(entries(node, indices)) / entries(below, indices)

    return make("softmax", (node, below), node.axes, build, Kind.ALWAYS, place, "P")


def log_softmax(a: Any, axis: int = -1) -> Node:
    """The logarithm of the softmax."""
    return elementwise("log", log, softmax(a, axis))


def average(a: Any, axis: Axes = None, weights: Any = None, *, keepdims: bool = False) -> Node:
    """The mean, or that weighted by ``weights`` of the same axes."""
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    values, weight = operand(a, "average"), operand(weights, "average")
    if len(values.axes) != len(weight.axes):
        raise UnsupportedError("average takes weights with the axes of the array: write np.sum(w * x) / np.sum(w)")
    above = total(elementwise("*", operator.mul, values, weight), axis, keepdims=keepdims)
    return elementwise("/", operator.truediv, above, total(weight, axis, keepdims=keepdims))


REDUCTIONS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.sum: total,
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.max: largest,
    np.amax: largest,
    np.min: smallest,
    np.amin: smallest,
    np.average: average,
    np.linalg.norm: norm,
}
