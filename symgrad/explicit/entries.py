"""Index expressions written out entry by entry, at given sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import product

from sympy import Add, Dummy, Expr, ImmutableMatrix, Indexed, Integer, KroneckerDelta, Sum, Symbol
from sympy.core.basic import Basic
from sympy.core.parameters import distribute
from sympy.tensor.indexed import Idx

from symgrad.functions import selected, selection
from symgrad.notation import Array, axis_name, bound_indices, free_indices, indices_of
from symgrad.steps import Record

Place = tuple[str, tuple[int, ...]]  # the name of an array and the indices of an entry, from zero


class Table:
    """The symbols of all entries, and what stands for them: themselves, but for entries with ``known`` values."""

    def __init__(self, record: Record, sizes: Mapping[str, int], known: Mapping[Place, Expr] | None = None) -> None:
        self.sizes = sizes
        arrays = [*record.program.arrays.values(), *record.adjoint_arrays.values()]
        count = Counter(array.name.lower() for array in arrays)
        # In lower case, as the entries of a matrix are written, where that confuses no two.
        shown = {a.name: a.name.lower() if count[a.name.lower()] == 1 else a.name for a in arrays}
        self.shown = set(shown.values())
        self.symbols = self._symbols(arrays, shown)
        self.values: dict[Place, Expr] = {**self.symbols, **(known or {})}

    def _symbols(self, arrays: Iterable[Array], shown: Mapping[str, str]) -> dict[Place, Symbol]:
        """The symbols x_12, or x_1_12 where an axis has ten entries or more; places are zero-based."""
        found: dict[Place, Symbol] = {}
        for array in arrays:
            name = shown.get(array.name, array.name)
            between = "_" if any(self.sizes[axis.name] > 9 for axis in array.axes) else ""
            for place in self.places(array):
                indices = between.join(str(i + 1) for i in place)
                found[array.name, place] = Symbol(f"{name}_{indices}" if place else name, real=True)
        return found

    def with_arrays(self, arrays: Iterable[Array], *, are_dummies: bool = False) -> Table:
        """A table that knows further arrays, too, whose entries are shown by the arrays' own names, or are symbols like
        no other."""
        made = copy(self)
        own = self._symbols(arrays, {})
        if are_dummies:
            own = {(name, place): Dummy(name, real=True) for name, place in own}
        made.symbols, made.values = {**self.symbols, **own}, {**self.values, **own}
        return made

    def places(self, array: Array) -> Iterable[tuple[int, ...]]:
        """The zero-based places of the entries of an array, row by row."""
        return product(*(range(self.sizes[axis.name]) for axis in array.axes))

    def _grid(self, indices: Sequence[Idx]) -> Iterable[dict[Idx, int]]:
        """All places of some indices."""
        every = product(*(range(self.sizes[axis_name(i)]) for i in indices))
        return (dict(zip(indices, place, strict=True)) for place in every)

    def entries(self, expr: Expr, letters: Sequence[Idx]) -> list[Expr]:
        """``expr`` at every place of ``letters``, its free indices, row by row, with its sums written out."""
        known: dict[Basic, dict[tuple[int, ...], Expr]] = {}

        def entry(part: Basic, at: Mapping[Idx, int]) -> Expr:
            """A part at a place, written out once for each of its own indices."""
            place = tuple(at[i] for i in indices_in(part))
            found = known.setdefault(part, {})
            if place not in found:
                found[place] = written(part, at)
            return found[place]

        def written(part: Basic, at: Mapping[Idx, int]) -> Expr:
            if isinstance(part, Indexed):
                return self.values[part.base.name, tuple(at[i] for i in part.indices)]
            if isinstance(part, KroneckerDelta):
                return Integer(at[part.args[0]] == at[part.args[1]])
            if isinstance(part, Sum):
                return Add(*(entry(part.function, {**at, **more}) for more in self._grid(bound_indices(part))))
            if isinstance(part, selection):
                row, index = part.args
                return selected(Integer(at[index]), *(entry(row, {**at, **other}) for other in self._grid([index])))
            if isinstance(part, Symbol):
                is_size = part.is_integer and part.name in self.sizes
                return Integer(self.sizes[part.name]) if is_size else self.values[part.name, ()]
            return part.func(*(entry(arg, at) for arg in part.args)) if part.args else part

        indices_in = cache(lambda part: sorted(free_indices(part), key=str))
        with distribute(False):
            return [entry(expr, at) for at in self._grid(letters)]

    def pairs(self, name: str, letters: Sequence[Idx], rhs: Expr) -> list[tuple[Symbol, Expr]]:
        """The entries of the array ``name``, each with its value by the index form ``rhs`` in ``letters``."""
        places = (tuple(at.values()) for at in self._grid(letters))
        return list(zip((self.symbols[name, p] for p in places), self.entries(rhs, letters), strict=True))

    def matrix(self, array: Array, entries: Sequence[Expr]) -> Expr:
        """The entries of ``array`` as a matrix, a column for one axis, the entry itself for none."""
        if not array.axes:
            return entries[0]
        rows = self.sizes[array.axes[0].name]
        return ImmutableMatrix(rows, len(entries) // rows, entries)

    def array(self, array: Array, *, known: bool) -> Expr:
        """The symbols of the entries of ``array``, or, if they are to be ``known``, what stands for them."""
        chosen = self.values if known else self.symbols
        return self.matrix(array, [chosen[array.name, place] for place in self.places(array)])

    def gradient(self, array: Array, entry: Expr, index: Expr) -> Expr:
        """The entries of a derivative whose closed form at ``entry`` is ``index``."""
        return self.matrix(array, self.entries(index, indices_of(entry)))
