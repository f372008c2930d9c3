"""Index expressions written out entry by entry, at given sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import product

from sympy import Add, Dummy, Expr, ImmutableMatrix, Indexed, Integer, KroneckerDelta, Sum, Symbol
from sympy.core.parameters import distribute
from sympy.tensor.indexed import Idx

from symgrad.functions import selected, selection
from symgrad.notation import Array, axis_name, bound_indices, free_indices
from symgrad.steps import Record

Place = tuple[str, tuple[int, ...]]  # the name of an array and the indices of an entry, from zero
Maker = Callable[[tuple[int, ...]], Expr]


class Table:
    """The symbols of all entries, and what stands for them: themselves, but for entries with ``known`` values."""

    def __init__(self, record: Record, sizes: Mapping[str, int], known: Mapping[Place, Expr] | None = None) -> None:
        self.sizes = sizes
        self.symbols: dict[Place, Symbol] = {}
        arrays = [*record.program.arrays.values(), *record.adjoint_arrays.values()]
        shown = _shown_names([array.name for array in arrays])
        self.shown = set(shown.values())
        for array in arrays:
            self._name(array, shown[array.name])
        self.values: dict[Place, Expr] = {**self.symbols, **(known or {})}

    def _name(self, array: Array, shown: str) -> None:
        sizes = [self.sizes[axis.name] for axis in array.axes]
        self.symbols.update({(array.name, place): _symbol(shown, place, sizes) for place in self.places(array)})

    def with_arrays(self, arrays: Iterable[Array]) -> Table:
        """A table that knows further arrays, too, whose entries are shown by the arrays' own names."""
        made = copy(self)
        made.symbols = dict(self.symbols)
        for array in arrays:
            made._name(array, array.name)
        made.values = {**made.symbols, **self.values}
        return made

    def with_dummies(self, arrays: Iterable[Array]) -> Table:
        """A table in which the entries of these arrays are symbols like no other."""
        made = copy(self)
        own = {(array.name, place): Dummy(array.name, real=True) for array in arrays for place in self.places(array)}
        made.symbols, made.values = {**self.symbols, **own}, {**self.values, **own}
        return made

    def places(self, array: Array) -> Iterable[tuple[int, ...]]:
        """The zero-based places of the entries of an array, row by row."""
        return product(*(range(self.sizes[axis.name]) for axis in array.axes))

    def entries(self, expr: Expr, letters: Sequence[Idx]) -> list[Expr]:
        """``expr`` at every place of ``letters``, its free indices, row by row, with its sums written out."""
        make = self._maker(expr, tuple(letters))
        with distribute(False):
            return [make(p) for p in product(*(range(self.sizes[axis_name(i)]) for i in letters))]

    def _maker(self, expr: Expr, letters: tuple[Idx, ...]) -> Maker:
        """The function that gives ``expr`` at the places of ``letters``, once for those of its own indices."""
        own = [place for place, i in enumerate(letters) if i in free_indices(expr)]
        make = cache(self._made(expr, tuple(letters[place] for place in own)))
        return lambda at: make(tuple(at[place] for place in own))

    def _made(self, expr: Expr, letters: tuple[Idx, ...]) -> Maker:
        """The same, anew each time, of the free indices ``letters``."""
        if isinstance(expr, Indexed):
            name, own = expr.base.name, [letters.index(i) for i in expr.indices]
            return lambda at: self.values[name, tuple(at[i] for i in own)]
        if isinstance(expr, KroneckerDelta):
            row, column = (letters.index(i) for i in expr.args[:2])
            return lambda at: Integer(at[row] == at[column])
        if isinstance(expr, Sum):
            return self._sum(expr, letters)
        if isinstance(expr, selection):
            return self._selection(expr, letters)
        if expr.args:
            makers = [self._maker(arg, letters) for arg in expr.args]
            return lambda at: expr.func(*(make(at) for make in makers))
        if isinstance(expr, Symbol):
            is_size = expr.is_integer and expr.name in self.sizes
            value = Integer(self.sizes[expr.name]) if is_size else self.values[expr.name, ()]
            return lambda _: value
        return lambda _: expr

    def _sum(self, expr: Sum, letters: tuple[Idx, ...]) -> Maker:
        indices = bound_indices(expr)
        make = self._maker(expr.function, letters + indices)
        ranges = list(product(*(range(self.sizes[axis_name(i)]) for i in indices)))
        return lambda at: Add(*(make(at + place) for place in ranges))

    def _selection(self, expr: selection, letters: tuple[Idx, ...]) -> Maker:
        row, index = expr.args
        place, make = letters.index(index), self._maker(row, letters)
        places = range(self.sizes[axis_name(index)])
        return lambda at: selected(
            Integer(at[place]), *(make((*at[:place], other, *at[place + 1 :])) for other in places)
        )

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
        letters = entry.indices if isinstance(entry, Indexed) else ()
        return self.matrix(array, self.entries(index, letters))


def _shown_names(names: Iterable[str]) -> dict[str, str]:
    """The names in lower case, as the entries of a matrix are written, where that confuses no two."""
    names = list(names)
    lower = [name.lower() for name in names]
    return {name: low if lower.count(low) == 1 else name for name, low in zip(names, lower, strict=True)}


def _symbol(name: str, place: Sequence[int], sizes: Sequence[int]) -> Symbol:
    """x_12, or x_1_12 where an axis has ten entries or more; places are shown one-based."""
    between = "_" if any(size > 9 for size in sizes) else ""
    shown = between.join(str(i + 1) for i in place)
    return Symbol(f"{name}_{shown}" if shown else name, real=True)


def pairs(table: Table, name: str, letters: Sequence[Idx], rhs: Expr) -> list[tuple[Symbol, Expr]]:
    """The entries of the array ``name``, each with its value by the index form ``rhs`` in ``letters``."""
    places = product(*(range(table.sizes[axis_name(i)]) for i in letters))
    return list(zip((table.symbols[name, p] for p in places), table.entries(rhs, letters), strict=True))
