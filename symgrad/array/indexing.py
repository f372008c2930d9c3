"""Subscripts: ``None``, whole slices, ``...``, and integer labels.

A subscript by labels sums against one-hot rows: P[n, y_n] is the sum of Y_nk P_nk over k.  A function of picked entries
picks afterwards, f(P[n, y_n]) = sum_k Y_nk f(P_nk), so that the sum stays outside of logarithms and powers as in the
textbook's cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from sympy import Expr, Integer

from symgrad.array.elementwise import elementwise
from symgrad.array.graph import Dimension, Entries, Indices, Kind, Node, current, make, places_of, shown
from symgrad.array.intermediates import in_order
from symgrad.array.literals import operand
from symgrad.array.products import contraction
from symgrad.array.reductions import expanded
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Axis

GATHER = "labels"  # the operation that picks entries by labels
LINEAR = {"+", "-", "negative", "positive"}
POLYNOMIAL = {"+", "-", "*", "negative", "positive", "sum", "mean", "@", GATHER}


@dataclass(frozen=True, eq=False)
class Chosen:
    """Integer labels (N,) of C classes: ``one_hot`` (N, C) has a one at each row's label."""

    name: str
    one_hot: Node


@dataclass(frozen=True)
class Positions:
    """``np.arange(len(y))``: the positions along an axis, in order."""

    axis: Axis
    words = "np.arange of a symbolic size"

    def __getitem__(self, _: Any) -> NoReturn:
        raise UnsupportedError(
            f"{self.words} serves beside labels, P[np.arange(len(y)), y]: declare other positions, or what is made of "
            "them, as an input"
        )


def subscript(node: Node, key: Any) -> Node:
    """``node[key]``.  Raises ``UnsupportedError`` for a subscript that picks entries by number."""
    parts = list(key) if isinstance(key, tuple) else [key]
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if taken > len(node.axes):
        raise ProgramError(f"{shown(node)} has {len(node.axes)} axes, but {taken} are indexed")
    gap = [slice(None)] * (len(node.axes) - taken)
    if any(part is Ellipsis for part in parts):
        place = next(place for place, part in enumerate(parts) if part is Ellipsis)
        parts[place : place + 1] = gap
    else:
        parts += gap
    for part in parts:
        _check(node, part)
    if any(isinstance(part, Chosen) for part in parts):
        return _gathered(node, parts)
    return expanded(node, [place for place, part in enumerate(parts) if part is None])


def _check(node: Node, part: Any) -> None:
    if part is None or isinstance(part, (Chosen, Positions)):
        return
    if isinstance(part, slice):
        if (part.start, part.stop, part.step) in ((None, None, None), (0, None, None), (None, None, 1)):
            return
        raise UnsupportedError(
            f"a slice of {shown(node)}: its axes have symbolic sizes, so that only whole axes (:) can be taken; "
            "declare the part as an input of its own"
        )
    if isinstance(part, (int, np.integer)):
        raise UnsupportedError(
            f"entry {part} of {shown(node)}: its axes have symbolic sizes, and every entry along one is treated alike; "
            "declare the part as an input of its own"
        )
    if hasattr(part, "node"):
        raise UnsupportedError(f"{shown(node)} indexed by another array: for a mask write np.where(mask, A, 0)")
    raise UnsupportedError(
        f"{shown(node)} indexed by a {type(part).__name__}: a subscript is None, a whole slice, ... or labels "
        "declared as 'y: N labels of C'"
    )


def _gathered(node: Node, parts: list[Any]) -> Node:
    """``P[np.arange(len(y)), y]`` and ``a[y]``: a sum against the one-hot rows."""
    if None in parts or sum(isinstance(part, Chosen) for part in parts) > 1:
        raise UnsupportedError(f"{shown(node)} indexed by labels and something else: index by the labels alone first")
    place = next(place for place, part in enumerate(parts) if isinstance(part, Chosen))
    labels: Chosen = parts[place]
    rows, classes = labels.one_hot.axes
    if node.axes[place] != classes:
        raise ProgramError(f"{shown(node)} indexed by {labels.name}: its labels are of {_name(classes)}")
    if not _is_polynomial(node, labels.one_hot):
        raise UnsupportedError(
            f"{shown(node)} indexed by {labels.name}: it depends on the one-hot rows of {labels.name} itself, and may "
            "be singular where they are 0"
        )
    paired = [at for at, part in enumerate(parts) if isinstance(part, Positions)]
    if len(paired) > 1 or (paired and (abs(paired[0] - place) != 1 or node.axes[paired[0]] != rows)):
        raise ProgramError(f"{shown(node)} indexed by labels: np.arange(len({labels.name})) is for the axis beside")
    if node.operation == "eye" and place == 0 and not paired:
        return labels.one_hot
    letters = [f"a{at}" for at in range(len(parts))]
    letters[place] = "class"
    for at in paired:
        letters[at] = "row"
    result = ["row" if letter == "class" else letter for letter in letters if not (letter == "row" and paired)]
    return contraction(GATHER, [node, labels.one_hot], [tuple(letters), ("row", "class")], tuple(result))


def _is_polynomial(node: Node, leaf: Node) -> bool:
    """Whether a value is known to be a polynomial in the entries of ``leaf``, so that 0 times it is 0."""
    known: dict[Node, bool | None] = {leaf: True}

    def how(part: Node) -> bool | None:
        """Whether a part is a polynomial in them; None if they do not occur in it."""
        if part not in known:
            found = [how(inner) for inner in part.parts]
            plain = part.operation in POLYNOMIAL or (part.operation == "/" and found[1] is None)
            using = [one for one in found if one is not None]
            known[part] = (plain and all(using)) if using else None
        return known[part]

    return how(node) is not False


def _name(axis: Dimension) -> str:
    return axis.name if axis else "1"


def expand_dims(a: Any, axis: int | tuple[int, ...]) -> Node:
    """A dimension of size one put in at each place of ``axis``."""
    node = operand(a, "expand_dims")
    places = axis if isinstance(axis, tuple) else (axis,)
    return expanded(node, [place % (len(node.axes) + len(places)) for place in places])


def squeeze(a: Any, axis: Any = None) -> Node:
    """The dimensions of size one left out: all of them, or those of ``axis``."""
    node = operand(a, "squeeze")
    ones = [place for place, over in enumerate(node.axes) if over is None]
    gone = ones if axis is None else list(places_of(node, axis, "squeeze"))
    if not set(gone) <= set(ones):
        raise ProgramError(f"squeeze of {shown(node)}: axis={axis!r} is not of size one")

    def build(entries: Entries, indices: Indices) -> Expr:
        kept = iter(indices)
        return entries(node, tuple(None if place in gone else next(kept) for place in range(len(node.axes))))

    axes = [over for place, over in enumerate(node.axes) if place not in gone]
    return make("squeeze", (node,), axes, build, Kind.VIEW, tuple(gone))


def constant_array(axes: tuple[Dimension, ...], value: int) -> Node:
    """An array that has one value everywhere."""
    return make("like", (), axes, lambda *_: Integer(value), Kind.CONSTANT, (axes, value))


def like(value: int) -> Callable[..., Node]:
    """``np.ones_like`` and ``np.zeros_like``."""
    return lambda a: constant_array(operand(a, "like").axes, value)


def same(a: Any) -> Node:
    """``np.copy``, ``np.real`` and the like: the array itself."""
    return operand(a, "copy")


ARRANGEMENTS: dict[Callable[..., Any], Callable[..., Node]] = {
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.ones_like: like(1),
    np.zeros_like: like(0),
    np.copy: same,
}


def entrywise(operation: str, meaning: Callable[..., Expr], *parts: Node, hint: str = "") -> Node:
    """``elementwise``, with what labels pick picked after the function where that is not linear in it."""
    picked = [part for part in parts if picks(part) is not None]
    alone = (
        operation in LINEAR or (operation == "*" and len(picked) == 1) or (operation == "/" and picked == [parts[0]])
    )
    labels = next((picks(part) for part in picked), None)
    if labels is None or alone:
        return elementwise(operation, meaning, *parts, hint=hint)
    sources = [before(part, labels) for part in parts]
    if any(source is None or labels in in_order(source) for source in sources):  # y/y is 1 for classes not picked, too
        return elementwise(operation, meaning, *parts, hint=hint)
    inside = elementwise(operation, meaning, *(source for source in sources if source is not None))
    rows = ("row", "class")
    return contraction(GATHER, [inside, labels], [rows[-len(inside.axes) :], rows], ("row",))


def picks(node: Node) -> Node | None:
    """The one-hot rows by which a vector, or one of those that it is made of entry by entry, is picked."""
    known = current().picked
    if node not in known:
        known[node] = None
        if node.operation == GATHER and len(node.axes) == 1:
            known[node] = node.parts[1]
        elif node.kind is Kind.PLAIN and node.meaning is not None and len(node.axes) == 1:
            known[node] = next((found for part in node.parts if (found := picks(part)) is not None), None)
    return known[node]


def before(node: Node, labels: Node) -> Node | None:
    """What a vector over the rows is picked from, (N, C) or (C,); None for one picked in another way."""
    known = current().sources
    if (node, labels) not in known:
        known[node, labels] = _before(node, labels)
    return known[node, labels]


def _before(node: Node, labels: Node) -> Node | None:
    rows, classes = labels.axes
    if not node.axes:
        return node
    if node.operation == GATHER and node.parts[1] is labels:
        source = node.parts[0]
        return source if source.axes in ((rows, classes), (classes,)) else None
    if node.axes != (rows,):
        return None
    if picks(node) is None or node.meaning is None:
        return expanded(node, (1,))
    parts = [before(part, labels) for part in node.parts]
    if any(part is None for part in parts):
        return None
    return elementwise(node.operation, node.meaning, *(part for part in parts if part is not None))
