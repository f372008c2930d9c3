"""Products and transposes of arrays, each as a contraction in the index notation of ``einsum``."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np
from sympy import Expr, KroneckerDelta, Mul

from symgrad.array.graph import Dimension, Entries, Indices, Kind, Node, axis_positions, make, mismatch, operand, shown
from symgrad.array.reductions import summed
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Axis

Labels = tuple[str, ...]


def contraction(operation: str, operands: list[Node], labels: list[Labels], result: Labels) -> Node:
    """The product of the operands, summed over the labels not in ``result``; ``labels`` has a letter per dimension.

    Raises ``ProgramError`` where one label names two different axes.
    """
    axes: dict[str, Dimension] = {}
    for node, letters in zip(operands, labels, strict=True):
        for letter, axis in zip(letters, node.axes, strict=True):
            known = axes.get(letter)
            if None not in (known, axis) and known != axis:
                raise mismatch(operation, operands, known, axis)
            axes[letter] = known or axis
    over = {letter: axis for letter, axis in axes.items() if letter not in result and axis is not None}

    def build(entries: Entries, indices: Indices) -> Expr:
        at: dict[str, Any] = dict.fromkeys(axes) | dict(zip(result, indices, strict=True))
        at |= {letter: entries.fresh(axis) for letter, axis in over.items()}
        factors = [entries(n, tuple(at[x] for x in letters)) for n, letters in zip(operands, labels, strict=True)]
        return summed(Mul(*factors), [at[letter] for letter in over]) if over else Mul(*factors)

    kind = Kind.CONTRACTION if over else Kind.VIEW if len(operands) == 1 else Kind.PLAIN
    return make(operation, operands, [axes[letter] for letter in result], build, kind, (tuple(labels), result))


def matmul(a: Any, b: Any) -> Node:
    """``a @ b``: the last axis of ``a`` is contracted with the last but one of ``b``, or a vector's only axis."""
    left, right = operand(a, "@"), operand(b, "@")
    if not left.axes or not right.axes:
        raise ProgramError(f"{shown(left)} @ {shown(right)}: @ does not take a scalar; write *")
    inner, first, last = "k", "i", "j"
    batch = ascii_letters[-max(len(left.axes), len(right.axes)) :]
    before, after = max(len(left.axes) - 2, 0), max(len(right.axes) - 2, 0)
    above: Labels = tuple(batch[-before:]) if before else ()
    below: Labels = tuple(batch[-after:]) if after else ()
    rows = (first,) if len(left.axes) > 1 else ()
    columns = (last,) if len(right.axes) > 1 else ()
    labels = [(*above, *rows, inner), (*below, inner, *columns)]
    return contraction("@", [left, right], labels, (*max(above, below, key=len), *rows, *columns))


def dot(a: Any, b: Any) -> Node:
    """``np.dot`` of arrays with at most two axes: a matrix product, or a product with a scalar."""
    left, right = operand(a, "dot"), operand(b, "dot")
    if not left.axes or not right.axes:
        one, two = tuple("ab"[: len(left.axes)]), tuple("ab"[: len(right.axes)])
        return contraction("dot", [left, right], [one, two], one or two)
    if len(right.axes) > 2:
        raise UnsupportedError("dot with an array of more than two axes has no rule: write einsum, or @ for a stack")
    return matmul(left, right)


def inner(a: Any, b: Any) -> Node:
    """``np.inner``: the last axes contracted with each other."""
    left, right = operand(a, "inner"), operand(b, "inner")
    letters = iter(ascii_letters)
    one, two = [tuple(next(letters) for _ in node.axes[:-1]) for node in (left, right)]
    return contraction("inner", [left, right], [(*one, "Z"), (*two, "Z")], (*one, *two))


def vdot(a: Any, b: Any) -> Node:
    """``np.vdot``: the sum of the elementwise product of two arrays with the same axes."""
    left, right = operand(a, "vdot"), operand(b, "vdot")
    if left.axes != right.axes:
        raise ProgramError(f"vdot({shown(left)}, {shown(right)}): the axes differ")
    labels = tuple(ascii_letters[: len(left.axes)])
    return contraction("vdot", [left, right], [labels, labels], ())


def outer(a: Any, b: Any) -> Node:
    """``np.outer`` of two vectors."""
    left, right = operand(a, "outer"), operand(b, "outer")
    if max(len(left.axes), len(right.axes)) != 1 or not left.axes or not right.axes:
        raise UnsupportedError(f"outer({shown(left)}, {shown(right)}) has no rule: it takes two vectors")
    return contraction("outer", [left, right], [("i",), ("j",)], ("i", "j"))


def einsum(subscripts: Any, *operands: Any) -> Node:
    """``np.einsum`` with its subscripts as a string without ``...``."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise UnsupportedError("einsum takes its subscripts as a string with one letter per axis, without '...'")
    nodes = [operand(value, "einsum") for value in operands]
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    words = inputs.split(",")
    if not all(word.isalpha() or not word for word in (*words, result)):
        raise ProgramError(f"einsum: {subscripts!r} is not of the form 'nd,dc->nc'")
    if len(words) != len(nodes):
        raise ProgramError(f"einsum: {subscripts!r} takes {len(words)} operands, got {len(nodes)}")
    for word, node in zip(words, nodes, strict=True):
        if len(word) != len(node.axes):
            raise ProgramError(f"einsum: {word!r} has {len(word)} letters, but its operand is {shown(node)}")
    if not arrow:
        result = "".join(sorted(letter for letter in set(inputs) if letter.isalpha() and inputs.count(letter) == 1))
    if unknown := [letter for letter in result if letter not in inputs]:
        raise ProgramError(f"einsum: the result of {subscripts!r} has {unknown[0]!r}, which no operand has")
    if len(set(result)) < len(result):
        raise ProgramError(f"einsum: the result {result!r} repeats a letter")
    return contraction("einsum", nodes, [tuple(word) for word in words], tuple(result))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Node:
    """``np.tensordot``: the last axes of ``a`` contracted with the first of ``b``, or pairs of axes."""
    left, right = operand(a, "tensordot"), operand(b, "tensordot")
    rank = len(left.axes)
    pairs = (range(rank - axes, rank), range(axes)) if isinstance(axes, int) else axes
    over, along = (
        axis_positions(n, (p,) if isinstance(p, int) else (*p,), "tensordot")
        for n, p in zip((left, right), pairs, strict=True)
    )
    if len(over) != len(along):
        raise ProgramError(f"tensordot: axes={axes!r} must pair the axes of its operands")
    one = [f"a{position}" for position in range(rank)]
    two = [one[over[along.index(p)]] if p in along else f"b{p}" for p in range(len(right.axes))]
    result = [x for x in (*one, *two) if not (x in one and x in two)]
    return contraction("tensordot", [left, right], [tuple(one), tuple(two)], tuple(result))


# --- transposes and diagonals ---------------------------------------------------------------------------------------


def transpose(a: Any, axes: Any = None) -> Node:
    """``np.transpose``: the axes reversed, or in the order ``axes``."""
    node = operand(a, "transpose")
    rank = len(node.axes)
    order = tuple(reversed(range(rank))) if axes is None else tuple(axis % rank for axis in axes)
    if sorted(order) != list(range(rank)):
        raise ProgramError(f"transpose of {shown(node)}: axes={axes!r} must name each axis once")
    letters = ascii_letters[:rank]
    return contraction("transpose", [node], [tuple(letters)], tuple(letters[position] for position in order))


def swapaxes(a: Any, axis1: int, axis2: int) -> Node:
    """``np.swapaxes``."""
    order = list(range(len(operand(a, "swapaxes").axes)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(a, order)


def moveaxis(a: Any, source: int, destination: int) -> Node:
    """``np.moveaxis`` of one axis."""
    order = list(range(len(operand(a, "moveaxis").axes)))
    axis = order.pop(source)
    order.insert(destination % (len(order) + 1), axis)
    return transpose(a, order)


def trace(a: Any) -> Node:
    """The sum of the diagonal of a square matrix."""
    return contraction("trace", [square(a, "trace")], [("i", "i")], ())


def diagonal(a: Any) -> Node:
    """The diagonal of a square matrix."""
    return contraction("diagonal", [square(a, "diagonal")], [("i", "i")], ("i",))


def diag(v: Any) -> Node:
    """``np.diag``: a vector as a diagonal matrix, or the diagonal of a square matrix."""
    node = operand(v, "diag")
    if len(node.axes) == 2:
        return diagonal(node)
    if len(node.axes) != 1 or node.axes[0] is None:
        raise ProgramError(f"diag of {shown(node)}: it takes a vector or a square matrix")
    return contraction("diag", [node, eye_of(node.axes[0])], [("i",), ("i", "j")], ("i", "j"))


def eye_of(axis: Axis) -> Node:
    """The identity matrix along an axis."""

    def build(_: Entries, indices: Indices) -> Expr:
        return KroneckerDelta(indices[0], indices[1])

    return make("eye", (), (axis, axis), build, Kind.CONSTANT, axis)


def square(a: Any, operation: str) -> Node:
    """The node of a square matrix.  Raises ``ProgramError`` for another shape."""
    node = operand(a, operation)
    if len(node.axes) != 2 or node.axes[0] is None or node.axes[0] != node.axes[1]:
        raise ProgramError(f"{operation} of {shown(node)}: it takes a square matrix")
    return node


PRODUCTS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.matmul: matmul,
    np.dot: dot,
    np.inner: inner,
    np.vdot: vdot,
    np.outer: outer,
    np.einsum: einsum,
    np.tensordot: tensordot,
    np.transpose: transpose,
    np.swapaxes: swapaxes,
    np.moveaxis: moveaxis,
    np.trace: trace,
    np.diagonal: diagonal,
    **{np.linalg.trace: trace, np.linalg.diagonal: diagonal, np.linalg.outer: outer, np.linalg.matmul: matmul},
    np.diag: diag,
}
