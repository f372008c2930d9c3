"""Subscripts: ``None``, whole slices, ``...``, and integer labels.

Indexing by labels is a sum against one-hot rows: P[n, y_n] = sum_k Y_nk P_nk.  A function of picked entries is applied
before picking, f(P[n, y_n]) = sum_k Y_nk f(P_nk), so that the sum stays outside of logarithms and powers, as in the
textbook's cross-entropy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Expr, Integer

from symgrad.array.elementwise import elementwise, is_minus_infinity, masked
from symgrad.array.graph import (
    Dimension,
    Entries,
    Indices,
    Kind,
    Node,
    axis_position,
    axis_positions,
    current,
    in_order,
    make,
    operand,
    shown,
)
from symgrad.array.products import contraction
from symgrad.array.reductions import expanded
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Axis

GATHER = "labels"  # the operation that picks entries by labels
LINEAR = {"+", "-", "negative", "positive"}
POLYNOMIAL = {"+", "-", "*", "negative", "positive", "sum", "mean", "@", GATHER}


@dataclass(frozen=True, eq=False)
class LabelIndex:
    """Integer labels (N,) of C classes, with their one-hot rows (N, C); or (N, T) with (N, T, C), and so on."""

    name: str
    one_hot: Node


@dataclass(frozen=True)
class Positions:
    """``np.arange(len(y))`` as a subscript: the positions along an axis, in order; ``after`` counts the dimensions of
    size one that follow, as in ``np.arange(N)[:, None]``."""

    axis: Axis
    after: int = 0


def subscript(node: Node, key: Any) -> Node:
    """``node[key]``.  Raises ``UnsupportedError`` for a subscript that picks entries by number."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if used > len(node.axes):
        raise ProgramError(f"{shown(node)} has {len(node.axes)} axes, but {used} are indexed")
    gap = [slice(None)] * (len(node.axes) - used)
    if any(part is Ellipsis for part in parts):
        position = next(position for position, part in enumerate(parts) if part is Ellipsis)
        parts[position : position + 1] = gap
    else:
        parts += gap
    indexed = [part for part in parts if part is not None]
    if ones := [at for at, part in enumerate(indexed) if _is_only_entry(part) and node.axes[at] is None]:
        return subscript(squeeze(node, tuple(ones)), tuple(part for part in parts if not _is_only_entry(part)))
    for part in parts:
        _check(node, part)
    if any(isinstance(part, LabelIndex) for part in parts):
        return _gathered(node, parts)
    return expanded(node, [position for position, part in enumerate(parts) if part is None])


def _is_only_entry(part: Any) -> bool:
    """Whether a part of a subscript may take the entry of a dimension of size one."""
    return type(part) is int and part in (0, -1)


def _check(node: Node, part: Any) -> None:
    if part is None or isinstance(part, (LabelIndex, Positions)):
        return
    if isinstance(part, slice):
        bounds = part.start, part.stop, part.step
        is_plain = all(bound is None or type(bound) is int for bound in bounds)  # == of symbolic sizes is an operation
        if is_plain and bounds in ((None, None, None), (0, None, None), (None, None, 1)):
            return
        raise UnsupportedError(
            f"a slice of {shown(node)}: sizes are symbolic, so only whole axes (:) can be taken; declare the part as "
            "an input of its own"
        )
    if isinstance(part, (int, np.integer)):
        raise UnsupportedError(
            f"entry {part} of {shown(node)}: sizes are symbolic, so a single entry cannot be taken; declare it as an "
            "input of its own"
        )
    if hasattr(part, "node"):
        raise UnsupportedError(f"{shown(node)} indexed by another array: for a mask write np.where(mask, A, 0)")
    raise UnsupportedError(
        f"{shown(node)} indexed by a {type(part).__name__}: use None, a whole slice, ... or labels declared as "
        "'y: N labels of C'"
    )


def _gathered(node: Node, parts: list[Any]) -> Node:
    """``P[np.arange(len(y)), y]`` and ``a[y]``."""
    if None in parts or sum(isinstance(part, LabelIndex) for part in parts) > 1:
        raise UnsupportedError(f"{shown(node)} indexed by labels and something else: index by the labels alone first")
    position = next(position for position, part in enumerate(parts) if isinstance(part, LabelIndex))
    labels: LabelIndex = parts[position]
    *rows, classes = labels.one_hot.axes
    if node.axes[position] != classes:
        raise ProgramError(f"{shown(node)} indexed by {labels.name}: its labels are of {_name(classes)}")
    if not _is_polynomial(node, labels.one_hot):
        raise UnsupportedError(
            f"{shown(node)} indexed by {labels.name}: it already depends on the one-hot rows of {labels.name}, and may "
            "be singular where they are 0"
        )
    paired = {at: part for at, part in enumerate(parts) if isinstance(part, Positions)}
    if node.operation == "eye" and position == 0 and not paired:
        return labels.one_hot
    row_letters = [f"row{at}" for at in range(len(rows))]
    letters = [f"a{at}" for at in range(len(parts))]
    letters[position] = "class"
    for at, part in paired.items():
        row = len(rows) - 1 - part.after
        if row < 0 or rows[row] != part.axis or row_letters[row] in letters:
            raise ProgramError(f"{shown(node)} indexed by labels: the axis of np.arange is not that of {labels.name}")
        letters[at] = row_letters[row]
    picked = sorted([position, *paired])
    if picked[-1] - picked[0] >= len(picked) or any(node.axes[at] != part.axis for at, part in paired.items()):
        raise ProgramError(f"{shown(node)} indexed by labels: np.arange(len({labels.name})) is for the axis beside")
    result = [*letters[: picked[0]], *row_letters, *letters[picked[-1] + 1 :]]
    return contraction(GATHER, [node, labels.one_hot], [tuple(letters), (*row_letters, "class")], tuple(result))


def take_along_axis(node: Node, labels: LabelIndex, axis: Any) -> Node:
    """``np.take_along_axis`` by labels (..., 1, ...) of all other axes."""
    position = axis_position(node, axis, "take_along_axis")
    rows = [over for at, over in enumerate(node.axes) if at != position]
    if tuple(rows) != labels.one_hot.axes[:-1] or None in rows:
        raise ProgramError(f"take_along_axis of {shown(node)}: the labels {labels.name} have other axes")
    parts: list[Any] = [Positions(over, len(rows) - 1 - at) for at, over in enumerate(rows) if over is not None]
    parts.insert(position, labels)
    return expanded(_gathered(node, parts), (position,))


def _is_polynomial(node: Node, leaf: Node) -> bool:
    """Whether a node is known to be a polynomial in the entries of ``leaf``, so that 0 times it is 0."""
    known: dict[Node, bool | None] = {leaf: True}

    def polynomial(part: Node) -> bool | None:
        """Whether a node is a polynomial in the leaf; None if it does not depend on it."""
        if part not in known:
            answers = [polynomial(inner) for inner in part.operands]
            keeps = part.operation in POLYNOMIAL or (part.operation == "/" and answers[1] is None)
            dependent = [answer for answer in answers if answer is not None]
            known[part] = (keeps and all(dependent)) if dependent else None
        return known[part]

    return polynomial(node) is not False


def _name(axis: Dimension) -> str:
    return axis.name if axis else "1"


# --- functions of picked entries ------------------------------------------------------------------------------------


def entrywise(operation: str, meaning: Callable[..., Expr], *operands: Node, hint: str = "") -> Node:
    """``elementwise``, but a function that is not linear in picked entries is applied before they are picked."""
    picked = [node for node in operands if picks(node) is not None]
    is_linear = (
        operation in LINEAR or (operation == "*" and len(picked) == 1) or (operation == "/" and picked == [operands[0]])
    )
    labels = next((picks(node) for node in picked), None)
    if labels is None or is_linear:
        return elementwise(operation, meaning, *operands, hint=hint)
    sources = [source_of(node, labels) for node in operands]
    if any(source is None or labels in in_order(source) for source in sources):  # y/y is 1 for classes not picked, too
        return elementwise(operation, meaning, *operands, hint=hint)
    inside = elementwise(operation, meaning, *(source for source in sources if source is not None))
    *rows, _ = letters = tuple(f"a{at}" for at in range(len(labels.axes)))
    return contraction(GATHER, [inside, labels], [letters[-len(inside.axes) :], letters], tuple(rows))


def picks(node: Node) -> Node | None:
    """The one-hot rows that picked an array of their rows, or one of its elementwise operands."""
    known = current().picked
    if node not in known:
        known[node] = None
        if node.operation == GATHER:
            rows = [node.operands[1]]
        elif node.kind is Kind.PLAIN and node.meaning is not None:
            rows = [labels for operand in node.operands if (labels := picks(operand)) is not None]
        else:
            rows = []
        known[node] = next((labels for labels in rows if labels.axes[:-1] == node.axes), None)
    return known[node]


def source_of(node: Node, labels: Node) -> Node | None:
    """The array, (N, C) or (C,), from which ``labels`` (N, C) pick; None if it is picked in another way."""
    known = current().sources
    if (node, labels) not in known:
        known[node, labels] = _source_of(node, labels)
    return known[node, labels]


def _source_of(node: Node, labels: Node) -> Node | None:
    *rows, classes = labels.axes
    if not node.axes:
        return node
    if node.operation == GATHER and node.operands[1] is labels:
        source = node.operands[0]
        return source if source.axes in (labels.axes, (classes,)) else None
    if node.axes != tuple(rows):
        return None
    if picks(node) is None or node.meaning is None:
        return expanded(node, (len(rows),))
    sources = [source_of(operand, labels) for operand in node.operands]
    if any(source is None for source in sources):
        return None
    return elementwise(node.operation, node.meaning, *(source for source in sources if source is not None))


# --- dimensions of size one, constant arrays --------------------------------------------------------------------------


def expand_dims(a: Any, axis: int | tuple[int, ...]) -> Node:
    """``np.expand_dims``."""
    node = operand(a, "expand_dims")
    positions = axis if isinstance(axis, tuple) else (axis,)
    return expanded(node, [position % (len(node.axes) + len(positions)) for position in positions])


def squeeze(a: Any, axis: Any = None) -> Node:
    """``np.squeeze``: without the dimensions of size one, all of them or those in ``axis``."""
    node = operand(a, "squeeze")
    ones = [position for position, over in enumerate(node.axes) if over is None]
    gone = ones if axis is None else list(axis_positions(node, axis, "squeeze"))
    if not set(gone) <= set(ones):
        raise ProgramError(f"squeeze of {shown(node)}: axis={axis!r} does not have size one")

    def build(entries: Entries, indices: Indices) -> Expr:
        kept = iter(indices)
        return entries(node, tuple(None if position in gone else next(kept) for position in range(len(node.axes))))

    axes = [over for position, over in enumerate(node.axes) if position not in gone]
    return make("squeeze", (node,), axes, build, Kind.VIEW, tuple(gone))


def constant_array(axes: tuple[Dimension, ...], value: int) -> Node:
    """An array with the same value everywhere."""
    return make("like", (), axes, lambda *_: Integer(value), Kind.CONSTANT, (axes, value))


def full_like(a: Any, fill_value: Any) -> Node:
    """``np.full_like``, also of minus infinity."""
    axes = operand(a, "full_like").axes
    if is_minus_infinity(fill_value):
        return masked(constant_array(axes, 0), constant_array(axes, 0))
    return elementwise("*", operator.mul, constant_array(axes, 1), operand(fill_value, "full_like"))


ARRANGEMENTS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.ones_like: lambda a: constant_array(operand(a, "like").axes, 1),
    np.zeros_like: lambda a: constant_array(operand(a, "like").axes, 0),
    np.full_like: full_like,
    np.copy: lambda a: operand(a, "copy"),
}
