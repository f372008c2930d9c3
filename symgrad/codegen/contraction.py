"""Sums of products as a plan: which index is summed away first, and by what operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from sympy.tensor.indexed import Idx

from symgrad.codegen.stacks import paired
from symgrad.codegen.values import Strength, Value, elementwise, matmul, reading_order, total


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

    def value(self, order: Sequence[Idx]) -> Value:
        """The group as one array."""
        return elementwise(sorted(self.above, key=reading_order), self.below, order)


def contracted(groups: Iterable[Group], summed: set[Idx], order: Sequence[Idx], rows: str = "") -> list[Group]:
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
            made = _in_order(matmul(using[0].value(order), using[1].value(order), index, rows), order)
        else:
            made = _combined(using, gone, order)
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


def _combined(using: Sequence[Group], gone: set[Idx], order: Sequence[Idx]) -> Value:
    """Groups multiplied, and summed over the indices ``gone`` that no others have, where they are no two matrices."""
    if len(using) == 2 and using[0].indices & using[1].indices == gone:
        product = paired(using[0].value(order), using[1].value(order), gone, order)
        if product is not None:
            return product
    using = _absorbed(using)
    if len(using) == 1:
        return _summed_group(using[0], gone, order)
    values = [g.value(order) for g in using]
    product = paired(*values, gone, order) if len(values) == 2 else None
    return _einsum(values, gone, order) if product is None else product


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


def _summed_group(group: Group, gone: set[Idx], order: Sequence[Idx]) -> Value:
    """One group summed over axes of its own; two vectors make an inner product."""
    if len(group.above) == 2 and not group.below and len(group.indices) == len(gone) == 1:
        one, other = group.above
        return matmul(one, other, *gone)
    return total(group.value([*order, *sorted(gone, key=str)]), gone)


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
