"""The letters of free and bound indices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from string import ascii_lowercase

from sympy import Expr, Indexed, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.notation import Axis, axis_name, bound_indices, free_indices, parts_of, with_bound


def fresh_letter(axis: Axis, taken: set[str], *, bound: bool = False) -> Idx:
    """An index over ``axis`` whose letter is not ``taken``, conventional letters first.

    For a bound index the letter of a derivative's denominator comes last, to keep it free for that use.
    """
    preferred = axis.conventional
    if bound:
        preferred = preferred[:1] + preferred[2:] + preferred[1:2]
    for letter in preferred + axis.spares + ascii_lowercase:
        if letter not in taken:
            return axis.index(letter)
    numbered = (f"{axis.conventional[0]}{number}" for number in count(1))  # for more than 26 indices at once
    return axis.index(next(letter for letter in numbered if letter not in taken))


def with_spares(axes: Sequence[Axis], taken: Collection[str]) -> dict[str, Axis]:
    """The axes by name, with ``distinct`` and ``spares`` letters: no letter belongs to two axes.

    A conventional letter belongs to the axis that lists it first.  Letters that no axis lists, and that are not
    ``taken``, are distributed as spares.
    """
    owners: dict[str, str] = {}
    for turn in range(max((len(axis.conventional) for axis in axes), default=0)):
        for axis in axes:
            for letter in axis.conventional[turn : turn + 1]:
                owners.setdefault(letter, axis.name)
    free = [letter for letter in ascii_lowercase if letter not in owners and letter not in taken]
    by_name: dict[str, Axis] = {}
    for number, axis in enumerate(axes):
        distinct = "".join(letter for letter in axis.conventional if owners[letter] == axis.name)
        spares = "".join(free[number :: len(axes)])
        by_name[axis.name] = replace(axis, distinct=distinct or spares[:1], spares=spares if distinct else spares[1:])
    return by_name


def lettered(expr: Expr, axes: Mapping[str, Axis], taken: Iterable[str] = (), above: Expr | None = None) -> Expr:
    """``expr`` with conventional letters for its bound indices, different from its free indices and from ``taken``.

    Where ``expr`` continues a line ``above``, a sum keeps the letter that the same entries have there.
    """
    outside = {i.name for i in free_indices(expr)} | set(taken)
    order = list(axes)
    slots_above = {} if above is None else _slots(above, {i for s in parts_of(above, Sum) for i in bound_indices(s)})

    def letter(index: Idx, body: Basic, used: set[str]) -> Idx:
        slots = _slots(body, {index})[index]
        shared = {
            old: len(slots & slots_of_old)
            for old, slots_of_old in slots_above.items()
            if axis_name(old) == axis_name(index) and old.name not in used
        }
        best = max(shared.values(), default=0)
        kept = sorted((old for old, count in shared.items() if count == best > 0), key=str)
        usual = fresh_letter(axes[axis_name(index)], used, bound=True)
        return kept[0] if kept and usual not in kept else usual

    def conventional(total: Sum, known: Mapping[Idx, Idx]) -> dict[Idx, Idx]:
        used = outside | {i.name for i in known.values()}
        letters: dict[Idx, Idx] = {}
        for index in sorted(bound_indices(total), key=lambda i: order.index(axis_name(i))):
            letters[index] = letter(index, total.function, used)
            used = used | {letters[index].name}
        return letters

    return with_bound(expr, conventional)


def _slots(expr: Basic, indices: Collection[Idx]) -> dict[Idx, set[tuple[str, int]]]:
    """Where each index occurs in ``expr``: names of arrays with the position of the index."""
    slots: dict[Idx, set[tuple[str, int]]] = {index: set() for index in indices}
    for entry in parts_of(expr, Indexed):
        for position, index in enumerate(entry.indices):
            if index in slots:
                slots[index].add((entry.base.name, position))
    return slots
