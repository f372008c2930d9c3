"""Index expressions written out entry by entry, at given sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import product

from sympy import Add, Dummy, Expr, ImmutableMatrix, Indexed, Integer, KroneckerDelta, Max, Sum, Symbol
from sympy.core.basic import Basic
from sympy.core.parameters import distribute
from sympy.tensor.indexed import Idx

from symgrad.codegen.schedule import Assignment
from symgrad.functions import selected, selection
from symgrad.notation import Array, axis_name, bound_indices, free_indices, indices_of, places
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
        self.symbols = self._symbols({a.name: [axis.name for axis in a.axes] for a in arrays}, shown)
        self.values: dict[Place, Expr] = {**self.symbols, **(known or {})}

    def _symbols(self, arrays: Mapping[str, Sequence[str]], shown: Mapping[str, str]) -> dict[Place, Symbol]:
        """The symbols of arrays, given by their axes: x_12, or x_1_12 where an axis has ten entries or more; places are
        zero-based."""
        found: dict[Place, Symbol] = {}
        for name, axes in arrays.items():
            between = "_" if any(self.sizes[axis] > 9 for axis in axes) else ""
            for place in product(*(range(self.sizes[axis]) for axis in axes)):
                own, indices = shown.get(name, name), between.join(str(i + 1) for i in place)
                found[name, place] = Symbol(f"{own}_{indices}" if place else own, real=True)
        return found

    def with_equations(self, equations: Iterable[Assignment], *, are_dummies: bool = False) -> Table:
        """A table that knows the arrays of further equations, too, whose entries are shown by the arrays' own names, or
        are symbols like no other."""
        made = copy(self)
        own = self._symbols({a.name: [*map(axis_name, a.indices)] for a in equations}, {})
        if are_dummies:
            own = {(name, place): Dummy(name, real=True) for name, place in own}
        made.symbols, made.values = {**self.symbols, **own}, {**self.values, **own}
        return made

    def of(self, array: Array, *, known: bool = False) -> list[Expr]:
        """The symbols of the entries of an array, row by row; or, if they are to be ``known``, what stands for them."""
        chosen = self.values if known else self.symbols
        return [chosen[array.name, at] for at in product(*(range(self.sizes[axis.name]) for axis in array.axes))]

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
                return Add(*(entry(part.function, {**at, **more}) for more in places(bound_indices(part), self.sizes)))
            if isinstance(part, selection):
                row, index = part.args
                return selected(Integer(at[index]), *(entry(row, {**at, **p}) for p in places([index], self.sizes)))
            if isinstance(part, Symbol):
                is_size = part.is_integer and part.name in self.sizes
                return Integer(self.sizes[part.name]) if is_size else self.values[part.name, ()]
            return part.func(*(entry(arg, at) for arg in part.args)) if part.args else part

        indices_in = cache(lambda part: sorted(free_indices(part), key=str))
        with distribute(False):
            return [entry(expr, at) for at in places(letters, self.sizes)]

    def pairs(self, equation: Assignment) -> list[tuple[Symbol, Expr]]:
        """The entries of the array of an equation, each with its value."""
        own = [self.symbols[equation.name, tuple(at.values())] for at in places(equation.indices, self.sizes)]
        values = self.entries(equation.rhs, equation.indices + equation.over)
        if equation.over:
            count = len(values) // len(own)
            rows = (values[start : start + count] for start in range(0, len(values), count))
            values = [Max(*row, evaluate=False) for row in rows]
        return list(zip(own, values, strict=True))

    def matrix(self, array: Array, entries: Sequence[Expr]) -> Expr:
        """The entries of ``array`` as a matrix, a column for one axis, the entry itself for none."""
        if not array.axes:
            return entries[0]
        rows = self.sizes[array.axes[0].name]
        return ImmutableMatrix(rows, len(entries) // rows, entries)

    def gradient(self, array: Array, entry: Expr, index: Expr) -> Expr:
        """The entries of a derivative whose closed form at ``entry`` is ``index``."""
        return self.matrix(array, self.entries(index, indices_of(entry)))
