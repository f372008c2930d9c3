"""Functions of entries picked by labels: f(p[n, y_n]) is the sum of y_nk f(p_nk) over the classes k.

A one-hot row picks one class, before a function as well as after it; written after, the sum stays outside of logarithms
and powers, as in the textbook's cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable

from sympy import Expr

from symgrad.array.bindings import in_order
from symgrad.array.elementwise import elementwise
from symgrad.array.graph import Kind, Node, current
from symgrad.array.products import contraction
from symgrad.array.reductions import expanded

GATHER = "labels"
LINEAR = {"+", "-", "negative", "positive"}


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
