"""Canonical labelling: orders of like indices that do not depend on how the indices are named.

Trying every order takes a factorial of their number.  Instead indices are individualised and told apart by what the
expression looks like then, as graphs are labelled (McKay, *Practical graph isomorphism*, 1981): the index that fewest
others look like comes next, ties are tried one by one, and of indices that may be swapped one is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

MOST_ORDERS = 24
"""Of an expression that looks the same in more orders, the first are tried: equal ones may then stay apart."""

Index = TypeVar("Index")


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
