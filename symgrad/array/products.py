"""Products of arrays: everything is a contraction, ``einsum``'s own notation of indices."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np
from sympy import Expr, KroneckerDelta, Mul

from symgrad.array.graph import Dimension, Entries, Indices, Kind, Node, make, mismatch, shown
from symgrad.array.literals import operand
from symgrad.array.reductions import summed
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Axis

Labels = tuple[str, ...]


def contraction(operation: str, parts: list[Node], labels: list[Labels], result: Labels) -> Node:
    """The product of the parts, whose dimensions bear ``labels``, summed over the labels not in ``result``.

    Raises ``ProgramError`` where one label stands for two axes.
    """
    over: dict[str, Dimension] = {}
    for part, letters in zip(parts, labels, strict=True):
        for letter, axis in zip(letters, part.axes, strict=True):
            known = over.get(letter)
            if None not in (known, axis) and known != axis:
                raise mismatch(operation, parts, known, axis)
            over[letter] = known or axis
    gone = [letter for letter in over if letter not in result and over[letter] is not None]

    def build(entries: Entries, indices: Indices) -> Expr:
        at: dict[str, Any] = {letter: None for letter in over} | dict(zip(result, indices, strict=True))
        at |= {letter: entries.fresh(axis) for letter in gone if (axis := over[letter]) is not None}
        factors = [entries(p, tuple(at[x] for x in letters)) for p, letters in zip(parts, labels, strict=True)]
        return summed(Mul(*factors), [at[letter] for letter in gone]) if gone else Mul(*factors)

    axes = tuple(over[letter] for letter in result)
    plain = not gone and len(parts) == 1
    kind = Kind.VIEW if plain else Kind.CONTRACTION if gone else Kind.PLAIN
    return make(operation, parts, axes, build, kind, (tuple(labels), result))


def matmul(a: Any, b: Any) -> Node:
    """``a @ b``: the last axis of ``a`` against the last but one of ``b`` (its only one, of a vector)."""
    left, right = operand(a, "@"), operand(b, "@")
    if not left.axes or not right.axes:
        raise ProgramError(f"{shown(left)} @ {shown(right)}: @ takes no scalar; write *")
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
    """``np.dot`` of at most two axes each: a matrix product, or a product with a scalar."""
    left, right = operand(a, "dot"), operand(b, "dot")
    if not left.axes or not right.axes:
        one, two = tuple("ab"[: len(left.axes)]), tuple("ab"[: len(right.axes)])
        return contraction("dot", [left, right], [one, two], one or two)
    if len(right.axes) > 2:
        raise UnsupportedError("dot with an array of more than two axes has no rule: write einsum, or @ for a stack")
    return matmul(left, right)


def inner(a: Any, b: Any) -> Node:
    """The products summed over both last axes."""
    left, right = operand(a, "inner"), operand(b, "inner")
    letters = iter(ascii_letters)
    one, two = [tuple(next(letters) for _ in node.axes[:-1]) for node in (left, right)]
    return contraction("inner", [left, right], [(*one, "Z"), (*two, "Z")], (*one, *two))


def vdot(a: Any, b: Any) -> Node:
    """The products of all entries of two arrays of the same axes, summed."""
    left, right = operand(a, "vdot"), operand(b, "vdot")
    if left.axes != right.axes:
        raise ProgramError(f"vdot({shown(left)}, {shown(right)}): the axes differ")
    labels = tuple(ascii_letters[: len(left.axes)])
    return contraction("vdot", [left, right], [labels, labels], ())


def outer(a: Any, b: Any) -> Node:
    """The products of all pairs of entries of two vectors."""
    left, right = operand(a, "outer"), operand(b, "outer")
    if max(len(left.axes), len(right.axes)) != 1 or not left.axes or not right.axes:
        raise UnsupportedError(f"outer({shown(left)}, {shown(right)}) has no rule: it takes two vectors")
    return contraction("outer", [left, right], [("i",), ("j",)], ("i", "j"))


def einsum(subscripts: Any, *operands: Any) -> Node:
    """``np.einsum`` with its subscripts as text, without ``...``."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise UnsupportedError("einsum takes its subscripts as text, without '...': one letter for each axis")
    parts = [operand(o, "einsum") for o in operands]
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    words = inputs.split(",")
    if not all(word.isalpha() or not word for word in (*words, result)):
        raise ProgramError(f"einsum: {subscripts!r} is not of the form 'nd,dc->nc'")
    if len(words) != len(parts):
        raise ProgramError(f"einsum: {subscripts!r} is about {len(words)} arrays, but {len(parts)} are given")
    for word, part in zip(words, parts, strict=True):
        if len(word) != len(part.axes):
            raise ProgramError(f"einsum: {word!r} names {len(word)} axes, but it stands for {shown(part)}")
    if not arrow:
        result = "".join(sorted(letter for letter in set(inputs) if letter.isalpha() and inputs.count(letter) == 1))
    if unknown := [letter for letter in result if letter not in inputs]:
        raise ProgramError(f"einsum: {unknown[0]!r} of the result is in no operand of {subscripts!r}")
    if len(set(result)) < len(result):
        raise ProgramError(f"einsum: a letter occurs twice in the result {result!r}")
    return contraction("einsum", parts, [tuple(word) for word in words], tuple(result))


# --- arrangements -------------------------------------------------------------------------------------------------


def transpose(a: Any, axes: Any = None) -> Node:
    """The axes in another order: reversed, or as ``axes`` says."""
    node = operand(a, "transpose")
    rank = len(node.axes)
    order = tuple(reversed(range(rank))) if axes is None else tuple(axis % rank for axis in axes)
    if sorted(order) != list(range(rank)):
        raise ProgramError(f"transpose of {shown(node)}: axes={axes!r} does not name each axis once")
    letters = ascii_letters[:rank]
    return contraction("transpose", [node], [tuple(letters)], tuple(letters[place] for place in order))


def swapaxes(a: Any, axis1: int, axis2: int) -> Node:
    """Two axes exchanged."""
    order = list(range(len(operand(a, "swapaxes").axes)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(a, order)


def moveaxis(a: Any, source: int, destination: int) -> Node:
    """One axis moved to another place."""
    order = list(range(len(operand(a, "moveaxis").axes)))
    place = order.pop(source)
    order.insert(destination % (len(order) + 1), place)
    return transpose(a, order)


def trace(a: Any) -> Node:
    """The sum of the diagonal of a square matrix."""
    return contraction("trace", [_square(a, "trace")], [("i", "i")], ())


def diagonal(a: Any) -> Node:
    """The diagonal of a square matrix."""
    return contraction("diagonal", [_square(a, "diagonal")], [("i", "i")], ("i",))


def diag(v: Any) -> Node:
    """A vector as a diagonal matrix; the diagonal of a square matrix."""
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


def _square(a: Any, operation: str) -> Node:
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
    np.transpose: transpose,
    np.swapaxes: swapaxes,
    np.moveaxis: moveaxis,
    np.trace: trace,
    np.diagonal: diagonal,
    **{np.linalg.trace: trace, np.linalg.diagonal: diagonal, np.linalg.outer: outer, np.linalg.matmul: matmul},
    np.diag: diag,
}
