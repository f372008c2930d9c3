"""Sums of products as a plan: which index is summed away first, and of what.

Factors over the same indices are multiplied entry by entry; a summed index in one of the groups so made is a sum over
an axis, in two a product of matrices; what is neither is contracted all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import Layout, Node, Product
from symgrad.codegen.build import contraction, parted, product, reading_order, reduced, signed


def contracted(groups: Iterable[Product], summed: set[Idx], order: Sequence[Idx]) -> list[Product]:
    """The groups, products in no order yet, after every index of ``summed`` is summed away; their product is the
    result."""
    left = _merged(groups)
    waiting = set(summed)
    while waiting:
        index = min(waiting, key=lambda i: (_cost(i, left), str(i)))
        using = [g for g in left if index in g.letters]
        rest = [g for g in left if index not in g.letters]
        gone = {i for i in waiting if not any(i in g.letters for g in rest)}
        if len(using) == 2 and is_matrix_product(using[0].letters, using[1].letters, {index}):
            gone = {index}
            made = contraction([_node(g, order) for g in using], gone, order)
        else:
            made = _combined(using, gone, order)
        left = _merged([*rest, Product(made.letters, (made,), ())])
        waiting -= gone
    return left


def is_matrix_product(left: Collection[Idx], right: Collection[Idx], over: Collection[Idx]) -> bool:
    """Whether a product of two arrays of at most two axes sums over the one index that they share."""
    return len(over) == 1 and set(left) & set(right) == set(over) and len(left) <= 2 and len(right) <= 2


def is_pair(left: Layout, right: Layout, over: Collection[Idx]) -> bool:
    """Whether two arrays have all indices in common that are summed over and, where they share more, the indices of a
    stack, two each besides."""
    both = set(left) & set(right)
    if both == set(over):
        return True
    return set(over) < both and len(over) == 1 and all(len(own) == len(both) + 1 for own in (left, right))


def _merged(groups: Iterable[Product]) -> list[Product]:
    """Groups over the same indices as one."""
    merged: dict[frozenset[Idx], Product] = {}
    for group in groups:
        indices = frozenset(group.letters)
        merged[indices] = _joined(merged[indices], group) if indices in merged else group
    return list(merged.values())


def _joined(one: Product, other: Product) -> Product:
    """All nodes of both."""
    letters = tuple(dict.fromkeys(one.letters + other.letters))
    return Product(letters, one.above + other.above, one.below + other.below)


def _node(group: Product, order: Sequence[Idx], summed: Collection[Idx] = ()) -> Node:
    """A group as one array, summed over its axes ``summed``."""
    whole = product(sorted(group.above, key=reading_order), group.below, order)
    return reduced(whole, summed) if summed else whole


def _cost(index: Idx, groups: Sequence[Product]) -> tuple[int, int]:
    """How wide the result is, and how many groups take part, when ``index`` is summed away."""
    using = [g for g in groups if index in g.letters]
    return len(set().union(*(g.letters for g in using))), len(using)


def _combined(using: Sequence[Product], gone: set[Idx], order: Sequence[Idx]) -> Node:
    """Groups multiplied, and summed over the indices ``gone`` that no others have, where they are no two matrices."""
    if not (len(using) == 2 and {*using[0].letters} & {*using[1].letters} == gone):
        using = _absorbed(using)
    if len(using) == 1:
        (group,) = using
        is_inner = len(group.above) == 2 and not group.below and len(group.letters) == len(gone) == 1  # of two vectors
        return contraction(group.above, gone) if is_inner else _node(group, order, gone)
    nodes = [_node(g, order) for g in using]
    if len(nodes) == 2 and is_pair(nodes[0].letters, nodes[1].letters, gone):
        return _pair(nodes[0], nodes[1], gone, order)
    every = {i for n in nodes for i in n.letters}
    return _in_layout(contraction(nodes, gone), [i for i in order if i in every and i not in gone])


def _pair(left: Node, right: Node, gone: Collection[Idx], order: Sequence[Idx]) -> Node:
    """A contraction of two; ``order`` says which comes first."""
    both = [i for i in left.letters if i in right.letters]

    def place(index: Idx) -> int:
        return order.index(index) if index in order else len(order)

    def first(node: Node) -> int:
        return min((place(i) for i in node.letters if i not in both), default=len(order))

    stack = sorted((i for i in both if i not in gone), key=place)
    left, right = sorted((left, right), key=first)
    if not stack and len(gone) == 1 and not _leads(left, right, gone) and _leads(right, left, gone):
        left, right = right, left
    return _in_layout(contraction([left, right], gone), stack)


def _leads(left: Node, right: Node, gone: Collection[Idx]) -> bool:
    """Whether a stack of matrices stands on the left of a product as it lies."""
    return left.letters[-1] in gone and len(right.letters) <= 2


def _in_layout(node: Node, first: Sequence[Idx]) -> Node:
    """A contraction with some letters in front."""
    negative, inside = parted(node)
    letters = (*first, *(i for i in inside.letters if i not in first))
    return signed(replace(inside, letters=letters), negative)


def _absorbed(using: Sequence[Product]) -> list[Product]:
    """The groups after each is multiplied into the narrowest other one that has all of its indices."""
    left = sorted(using, key=lambda g: len(g.letters))
    made: list[Product] = []
    while left:
        group = left.pop(0)
        host = next((place for place, g in enumerate(left) if set(group.letters) <= set(g.letters)), None)
        if host is None:
            made.append(group)
        else:
            left[host] = _joined(left[host], group)
    return made
