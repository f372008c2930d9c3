"""Sums of products as a plan: which index is summed away first, and by what operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from sympy.tensor.indexed import Idx

from symgrad.codegen.stacks import is_pair, paired
from symgrad.codegen.values import Strength, Value, elementwise, matmul, reading_order, total

Fit = Callable[[Sequence[Value], Callable[[Sequence[Value]], Value]], Value]
"""What is made of values, the longest of which get lines of their own until it fits on one."""


@dataclass(frozen=True)
class Group:
    """Values to be multiplied (``above``) and to divide by (``below``), entry by entry."""

    above: tuple[Value, ...]
    below: tuple[Value, ...]

    @property
    def indices(self) -> set[Idx]:
        return {i for v in (*self.above, *self.below) for i in v.indices}

    def joined(self, other: Group) -> Group:
        return Group(self.above + other.above, self.below + other.below)

    def value(self, order: Sequence[Idx], fit: Fit, summed: Iterable[Idx] = ()) -> Value:
        """The group as one array, summed over its axes ``summed``."""
        above = sorted(self.above, key=reading_order)
        summed = set(summed)

        def made(values: Sequence[Value]) -> Value:
            product = elementwise(values[: len(above)], values[len(above) :], order)
            return total(product, summed) if summed else product

        return fit([*above, *self.below], made)


def contracted(
    groups: Iterable[Group], summed: set[Idx], order: Sequence[Idx], fit: Fit, rows: str = ""
) -> list[Group]:
    """The groups after every index of ``summed`` is summed away; their product is the result.

    ``rows`` is the axis of the block of rows at hand, if any (see ``matmul``).
    """
    left = _merged(groups)
    waiting = set(summed)
    while waiting:
        index = min(waiting, key=lambda i: (_cost(i, left), str(i)))
        using = [g for g in left if index in g.indices]
        rest = [g for g in left if index not in g.indices]
        gone = {i for i in waiting if not any(i in g.indices for g in rest) and any(i in g.indices for g in using)}
        if _is_matmul(using, index):
            gone = {index}
            one, other = (g.value(order, fit) for g in using)
            made = _in_order(matmul(one, other, index, rows), order)
        else:
            made = _combined(using, gone, order, fit)
        left = _merged([*rest, Group((made,), ())])
        waiting -= gone
    return left


def _merged(groups: Iterable[Group]) -> list[Group]:
    """Groups over the same indices as one."""
    merged: list[Group] = []
    for group in groups:
        for place, other in enumerate(merged):
            if group.indices == other.indices:
                merged[place] = other.joined(group)
                break
        else:
            merged.append(group)
    return merged


def _cost(index: Idx, groups: Sequence[Group]) -> tuple[int, int]:
    """How wide the result is, and how many groups take part, when ``index`` is summed away."""
    using = [g for g in groups if index in g.indices]
    return len(set().union(*(g.indices for g in using))), len(using)


def _is_matmul(using: Sequence[Group], index: Idx) -> bool:
    """Whether a matrix product sums ``index`` away from two groups."""
    if len(using) != 2:
        return False
    one, other = (g.indices for g in using)
    return one & other == {index} and len(one) <= 2 and len(other) <= 2


def _combined(using: Sequence[Group], gone: set[Idx], order: Sequence[Idx], fit: Fit) -> Value:
    """Groups multiplied, and summed over the indices ``gone`` that no others have, where they are no two matrices."""
    if not (len(using) == 2 and using[0].indices & using[1].indices == gone):
        using = _absorbed(using)
    if len(using) == 1:
        return _summed_group(using[0], gone, order, fit)
    values = [g.value(order, fit) for g in using]
    if len(values) == 2 and is_pair(values[0], values[1], gone):
        return fit(values, lambda pair: paired(pair[0], pair[1], gone, order))
    return fit(values, lambda given: _einsum(given, gone, order))


def _absorbed(using: Sequence[Group]) -> list[Group]:
    """The groups after each is multiplied into the narrowest other one that has all of its indices."""
    left = sorted(using, key=lambda g: len(g.indices))
    made: list[Group] = []
    while left:
        group = left.pop(0)
        host = next((place for place, g in enumerate(left) if group.indices <= g.indices), None)
        if host is None:
            made.append(group)
        else:
            left[host] = left[host].joined(group)
    return made


def _summed_group(group: Group, gone: set[Idx], order: Sequence[Idx], fit: Fit) -> Value:
    """One group summed over axes of its own; two vectors make an inner product."""
    if len(group.above) == 2 and not group.below and len(group.indices) == len(gone) == 1:
        one, other = group.above
        return matmul(one, other, *gone)
    return group.value([*order, *sorted(gone, key=str)], fit, gone)


def _in_order(value: Value, order: Sequence[Idx]) -> Value:
    """A matrix product, written the other way round where ``order`` asks for it."""
    wanted = [i for i in order if i in value.indices]
    return value.transpose if len(wanted) == 2 and tuple(wanted) != value.indices else value


def _einsum(values: Sequence[Value], gone: set[Idx], order: Sequence[Idx]) -> Value:
    """What no tidier plan fits; with more than two arrays, in an order that NumPy chooses."""
    every = list(dict.fromkeys(i for v in values for i in v.indices))
    letters: dict[Idx, str] = {}
    for index in every:
        wanted = [*str(index.label).lower(), *ascii_lowercase]
        letters[index] = next(a for a in wanted if a in ascii_lowercase and a not in letters.values())
    left = [i for i in order if i in every and i not in gone]
    left += [i for i in every if i not in gone and i not in left]
    spelled = ",".join("".join(letters[i] for i in v.indices) for v in values)
    result = "".join(letters[i] for i in left)
    given = ", ".join([*(v.code for v in values), *(["optimize=True"] if len(values) > 2 else [])])
    return Value(
        f'np.einsum("{spelled}->{result}", {given})',
        Strength.CALL,
        tuple(left),
        sum(v.negative for v in values) % 2 == 1,
        rank=max(v.rank for v in values),
    )
