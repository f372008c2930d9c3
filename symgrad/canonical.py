"""Canonical forms: expressions that differ only in the names of bound indices become equal.

Trying every order of like indices takes factorial time.  Instead indices are individualised and told apart by what the
expression looks like then, as graphs are labelled (McKay, *Practical graph isomorphism*, 1981): the index that the
fewest others look like comes next, ties are tried one by one, and of interchangeable indices one is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, groupby, islice, permutations, product
from math import factorial, prod
from types import MappingProxyType
from typing import TypeVar

from sympy import Add, Dummy, Expr, Indexed, KroneckerDelta, Mul, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.notation import axis_name, bound_indices, free_indices, height, index_over, renamed, replaced, with_bound
from symgrad.piecewise import leaves_out

MOST_ORDERS = 24
"""At most this many orders of like indices are tried.  Beyond it, equal expressions may get different forms."""
MOST_SIGNED = 500
"""SymPy is not asked for the sign of a larger expression: its time doubles with each level of sums and powers."""

Index = TypeVar("Index")


@lru_cache(maxsize=16384)
def extent(expr: Basic) -> int:
    """How many parts an expression has, one that occurs twice counted twice."""
    known: dict[Basic, int] = {}  # a part that occurs often is looked at once

    def count(part: Basic) -> int:
        if not part.args:
            return 1
        if part not in known:
            known[part] = 1 + sum(map(count, part.args))
        return known[part]

    return count(expr)


def canonical(expr: Expr) -> Expr:
    """``expr`` with bound indices named by axis and height, so that alpha-equivalent expressions are equal.

    A name contains the height at which its sum is nested, so an inner sum can never capture an outer index; those of
    an expression that stands in a sum already are passed over.
    """
    spend(1 + extent(expr) // 8 * max(1, height(expr) ** 2 // 32))  # like indices are told apart two by two
    return _canonical(expr)


def numbered(expr: Expr, letters: Sequence[Idx]) -> Expr:
    """The same for expressions that differ in bound indices, and in ``letters``, which are free in them, alone."""
    return canonical(renamed(expr, {i: index_over(f"_free{place}", i.upper + 1) for place, i in enumerate(letters)}))


@lru_cache(maxsize=16384)
def _canonical(expr: Expr) -> Expr:
    free = {str(i) for i in free_indices(expr)}

    def at_height(axis: str, at: int) -> str:
        """The name for a sum at a height: the so-manieth of those that are not free."""
        number = 0
        while at:
            number += 1
            at -= f"_{axis}{number}" not in free
        return f"_{axis}{number}"

    def by_height(total: Sum, _: Mapping[Idx, Idx]) -> dict[Idx, Idx]:
        """Names for the indices of one sum, in the order of their axes; among one axis, the order that sorts first."""
        below = height(total.function)
        ordered = sorted(bound_indices(total), key=axis_name)

        def names(order: Sequence[Idx]) -> dict[Idx, Idx]:
            return {
                i: index_over(at_height(axis_name(i), below + place), i.upper + 1) for place, i in enumerate(order, 1)
            }

        found = _orders_within_axes(ordered, total.function)
        if len(found) == 1:
            return names(found[0])
        return names(min(found, key=lambda order: with_bound(total.function, by_height, names(order)).sort_key()))

    return with_bound(expr, by_height)


def _orders_within_axes(indices: Sequence[Idx], body: Expr) -> list[Sequence[Idx]]:
    """The orders of the indices of a sum that keep the order of the axes: all of them where these are few."""
    groups = [list(group) for _, group in groupby(indices, axis_name)]
    if prod(factorial(len(group)) for group in groups) > MOST_ORDERS:
        return list(orders(indices, axis_name, lambda words: spelled(body, words)))
    return [tuple(chain.from_iterable(parts)) for parts in product(*map(permutations, groups))]


def spelled(expr: Basic, indices: Mapping[Idx, str], arrays: Mapping[str, str] = MappingProxyType({})) -> str:
    """An expression as text, the same in whatever letters: ``indices`` and ``arrays`` say what to write for those that
    are not bound; a name that they lack stands for itself."""
    if isinstance(expr, Idx):
        return indices.get(expr, str(expr))
    if isinstance(expr, Indexed):
        own = ",".join(indices.get(i, str(i)) for i in expr.indices)
        return f"{arrays.get(expr.base.name, expr.base.name)}[{own}]"
    if isinstance(expr, Symbol):
        return arrays.get(expr.name, str(expr))
    if isinstance(expr, Sum):
        depth = sum(text.startswith("~") for text in indices.values())
        bound = {i: f"~{depth + place}{axis_name(i)}" for place, i in enumerate(bound_indices(expr))}
        return f"Sum{sorted(bound.values())}({spelled(expr.function, {**indices, **bound}, arrays)})"
    parts = [spelled(arg, indices, arrays) for arg in expr.args]
    if isinstance(expr, (Add, Mul, KroneckerDelta)):
        parts.sort()
    return f"{expr.func.__name__}({','.join(parts)})" if parts else str(expr)


def orders(
    indices: Sequence[Index], axis: Callable[[Index], str], look: Callable[[Mapping[Index, str]], str]
) -> list[tuple[Index, ...]]:
    """The orders of ``indices``, axis by axis as they come, among which the least is to be chosen.

    ``look`` spells the expression with indices replaced by words, whatever the order of commuting parts.
    """
    apart = {index: f"{place}" for place, index in enumerate(indices)}

    def swaps(one: Index, other: Index) -> bool:
        return look({**apart, one: "*", other: "+"}) == look({**apart, one: "+", other: "*"})

    def extended(chosen: tuple[Index, ...]) -> Iterator[tuple[Index, ...]]:
        waiting = [i for i in indices if i not in chosen]
        if not waiting:
            yield chosen
            return
        words = {i: f"?{axis(i)}" for i in waiting}
        words |= {i: f"{place}" for place, i in enumerate(chosen)}
        alike: dict[str, list[Index]] = {}
        for index in waiting:
            if axis(index) == axis(waiting[0]):
                alike.setdefault(look({**words, index: "*"}), []).append(index)
        tried: list[Index] = []
        for index in min(alike.items(), key=lambda item: (len(item[1]), item[0]))[1]:
            if not any(swaps(index, other) for other in tried):
                tried.append(index)
                yield from extended((*chosen, index))

    return list(islice(extended(()), MOST_ORDERS))


def is_known(expr: Basic, sign: str) -> bool:
    """Whether an expression is known to be ``positive``, ``negative``, ``nonnegative`` or ``nonzero`` for all values of
    its symbols."""
    if extent(expr) > MOST_SIGNED:
        return False
    masks = {part: Dummy(nonnegative=True) for part in expr.atoms(Add) if leaves_out(part) and 1 in part.args}
    return getattr(replaced(expr, masks), f"is_{sign}") is True
