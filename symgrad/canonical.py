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


@lru_cache(maxsize=65536)
def extent(expr: Basic) -> int:
    """The number of nodes in the tree of an expression; repeated subexpressions count each time."""
    return 1 + sum(map(extent, expr.args))


def canonical(expr: Expr) -> Expr:
    """``expr`` with bound indices named by axis and height, so that alpha-equivalent expressions are equal.

    The height in the name prevents an inner sum from capturing an outer index.  Names of free indices are skipped.
    """
    spend(1 + extent(expr) // 8 * max(1, height(expr) ** 2 // 32))  # like indices are compared pairwise
    return _canonical(expr)


def numbered(expr: Expr, letters: Sequence[Idx]) -> Expr:
    """``canonical`` with the free indices ``letters`` numbered, so that their names do not matter either."""
    return canonical(renamed(expr, {i: index_over(f"_free{number}", i.upper + 1) for number, i in enumerate(letters)}))


@lru_cache(maxsize=16384)
def _canonical(expr: Expr) -> Expr:
    free = {i.name for i in free_indices(expr)}

    def at_height(axis: str, at: int) -> str:
        """The name for a sum at a height: the ``at``-th name that is not free."""
        number = 0
        while at:
            number += 1
            at -= f"_{axis}{number}" not in free
        return f"_{axis}{number}"

    def by_height(total: Sum, _: Mapping[Idx, Idx]) -> dict[Idx, Idx]:
        """Names for the indices of one sum, by axis; like indices are named so that the expression sorts first."""
        below = height(total.function)
        ordered = sorted(bound_indices(total), key=axis_name)

        def names(order: Sequence[Idx]) -> dict[Idx, Idx]:
            return {
                i: index_over(at_height(axis_name(i), below + number), i.upper + 1) for number, i in enumerate(order, 1)
            }

        candidates = _orders_within_axes(ordered, total.function)
        if len(candidates) == 1:
            return names(candidates[0])
        return names(min(candidates, key=lambda order: with_bound(total.function, by_height, names(order)).sort_key()))

    return with_bound(expr, by_height)


def _orders_within_axes(indices: Sequence[Idx], body: Expr) -> list[Sequence[Idx]]:
    """The candidate orders of the indices of a sum, grouped by axis: all of them if they are few."""
    groups = [list(group) for _, group in groupby(indices, axis_name)]
    if prod(factorial(len(group)) for group in groups) > MOST_ORDERS:
        return list(orders(indices, axis_name, lambda words: spelled(body, words)))
    return [tuple(chain.from_iterable(parts)) for parts in product(*map(permutations, groups))]


def spelled(expr: Basic, indices: Mapping[Idx, str], arrays: Mapping[str, str] = MappingProxyType({})) -> str:
    """An expression as text that does not depend on the letters of bound indices.

    ``indices`` and ``arrays`` give the text for free indices and for arrays; default: their own names.
    """
    if isinstance(expr, Idx):
        return indices.get(expr) or str(expr)
    if isinstance(expr, Indexed):
        labels = ",".join(indices.get(i) or str(i) for i in expr.indices)
        return f"{arrays.get(expr.base.name, expr.base.name)}[{labels}]"
    if isinstance(expr, Symbol):
        return arrays.get(expr.name, str(expr))
    if isinstance(expr, Sum):
        depth = sum(text.startswith("~") for text in indices.values())
        bound = {i: f"~{depth + number}{axis_name(i)}" for number, i in enumerate(bound_indices(expr))}
        return f"Sum{sorted(bound.values())}({spelled(expr.function, {**indices, **bound}, arrays)})"
    parts = [spelled(arg, indices, arrays) for arg in expr.args]
    if isinstance(expr, (Add, Mul, KroneckerDelta)):
        parts.sort()
    return f"{expr.func.__name__}({','.join(parts)})" if parts else str(expr)


def orders(
    indices: Sequence[Index], axis: Callable[[Index], str], look: Callable[[Mapping[Index, str]], str]
) -> list[tuple[Index, ...]]:
    """The candidate orders of ``indices``, grouped by axis; the caller chooses the one whose expression sorts first.

    ``look`` spells the expression with each index replaced by a word, whatever the order of commuting parts.
    """
    if len(indices) < 2:
        return [tuple(indices)]
    distinct = {index: f"{number}" for number, index in enumerate(indices)}

    def swaps(left: Index, right: Index) -> bool:
        return look({**distinct, left: "*", right: "+"}) == look({**distinct, left: "+", right: "*"})

    def extended(prefix: tuple[Index, ...]) -> Iterator[tuple[Index, ...]]:
        waiting = [i for i in indices if i not in prefix]
        if not waiting:
            yield prefix
            return
        words = {i: f"?{axis(i)}" for i in waiting}
        words |= {i: f"{number}" for number, i in enumerate(prefix)}
        same_look: dict[str, list[Index]] = {}
        for index in waiting:
            if axis(index) == axis(waiting[0]):
                same_look.setdefault(look({**words, index: "*"}), []).append(index)
        tried: list[Index] = []
        for index in min(same_look.items(), key=lambda item: (len(item[1]), item[0]))[1]:
            if not any(swaps(index, other) for other in tried):
                tried.append(index)
                yield from extended((*prefix, index))

    return list(islice(extended(()), MOST_ORDERS))


def is_known(expr: Basic, sign: str) -> bool:
    """Whether SymPy knows that an expression is ``positive``, ``negative``, ``nonnegative`` or ``nonzero``."""
    if extent(expr) > MOST_SIGNED:
        return False
    masks = {part: Dummy(nonnegative=True) for part in expr.atoms(Add) if leaves_out(part) and 1 in part.args}
    return getattr(replaced(expr, masks), f"is_{sign}") is True
