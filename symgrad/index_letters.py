"""The letters of indices: which one an index gets, free or bound by a sum."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from string import ascii_lowercase

from sympy import Expr, Indexed, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.notation import Axis, axis_name, bound_indices, free_indices, with_bound


def fresh_letter(axis: Axis, taken: set[str], *, bound: bool = False) -> Idx:
    """An index over ``axis`` whose letter is not ``taken``: the conventional ones first.

    For a bound index the letter of a derivative's denominator comes last, since it is usually wanted there.
    """
    preferred = axis.conventional
    if bound:
        preferred = preferred[:1] + preferred[2:] + preferred[1:2]
    for letter in preferred + axis.spares + ascii_lowercase:
        if letter not in taken:
            return axis.index(letter)
    numbered = (f"{axis.conventional[0]}{number}" for number in count(1))  # more than 26 indices at once
    return axis.index(next(letter for letter in numbered if letter not in taken))


def with_spares(axes: Sequence[Axis], taken: Collection[str]) -> dict[str, Axis]:
    """The axes by name, each letter conventional for one of them alone, the one that has it sooner in its list; letters
    that are neither conventional for one nor ``taken`` are shared out as spares."""
    owners: dict[str, str] = {}
    for place in range(max((len(axis.conventional) for axis in axes), default=0)):
        for axis in axes:
            for letter in axis.conventional[place : place + 1]:
                owners.setdefault(letter, axis.name)
    free = [letter for letter in ascii_lowercase if letter not in owners and letter not in taken]
    found: dict[str, Axis] = {}
    for place, axis in enumerate(axes):
        own = "".join(letter for letter in axis.conventional if owners[letter] == axis.name)
        spares = "".join(free[place :: len(axes)])
        found[axis.name] = replace(axis, own=own or spares[:1], spares=spares if own else spares[1:])
    return found


def lettered(expr: Expr, axes: Mapping[str, Axis], taken: Iterable[str] = (), above: Expr | None = None) -> Expr:
    """``expr`` with conventional letters for its bound indices, none that is free in it or in ``taken``.

    Where ``expr`` goes on from a line ``above``, a sum over entries that are summed there keeps its letter.
    """
    outside = {str(i.label) for i in free_indices(expr)} | set(taken)
    order = list(axes)
    known_places = {} if above is None else _places(above, {i for s in above.atoms(Sum) for i in bound_indices(s)})

    def letter(index: Idx, body: Basic, used: set[str]) -> Idx:
        places = _places(body, {index})[index]
        shared = {
            old: len(places & found)
            for old, found in known_places.items()
            if axis_name(old) == axis_name(index) and str(old.label) not in used
        }
        best = max(shared.values(), default=0)
        kept = sorted((old for old, count in shared.items() if count == best > 0), key=str)
        usual = fresh_letter(axes[axis_name(index)], used, bound=True)
        return kept[0] if kept and usual not in kept else usual

    def conventional(total: Sum, known: Mapping[Idx, Idx]) -> dict[Idx, Idx]:
        used = outside | {str(i.label) for i in known.values()}
        own: dict[Idx, Idx] = {}
        for index in sorted(bound_indices(total), key=lambda i: order.index(axis_name(i))):
            own[index] = letter(index, total.function, used)
            used = used | {str(own[index].label)}
        return own

    return with_bound(expr, conventional)


def _places(expr: Basic, indices: Collection[Idx]) -> dict[Idx, set[tuple[str, int]]]:
    """For each of ``indices``, the arrays of which it is an index in ``expr``, and which one."""
    found: dict[Idx, set[tuple[str, int]]] = {index: set() for index in indices}
    for entry in expr.atoms(Indexed):
        for place, index in enumerate(entry.indices):
            if index in found:
                found[index].add((entry.base.name, place))
    return found
