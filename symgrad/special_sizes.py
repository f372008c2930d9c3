"""A program at a given size of an axis: an array along the axis becomes an array for each position.

This is exact: a sum along the axis is the sum over its positions, and a Kronecker delta is 1 or 0. Where rows sum to a
number, the last entry is this number minus the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.equations import Definition
from symgrad.errors import InputError
from symgrad.functions import selection
from symgrad.matrix_functions import OF_MATRICES
from symgrad.notation import Array, axis_name, bound_indices, entry_of, every_index, free_indices, name_of, sum_over
from symgrad.program import Program
from symgrad.special_functions import position_of

Positions = Mapping[Idx, int]


@dataclass(frozen=True)
class AtSize:
    """``source`` at the size ``number`` of the axis named ``axis``.

    Raises ``InputError`` for an assumption about an array along the axis that is not a sum along it, and for a largest
    entry along the axis.
    """

    source: Program
    axis: str
    number: int

    @cached_property
    def program(self) -> Program:
        """The program without the axis."""
        equations = [
            Definition(self.unrolled(e.entry, at), self.unrolled(e.rhs, at), e.is_node)
            for e in self.source.equations
            for at in self.positions(e.entry)
        ]
        others = [a for a in self.source.assumptions if not self._along(a.lhs)]
        return replace(
            self.source,
            axes=tuple(axis for axis in self.source.axes if axis.name != self.axis),
            inputs=tuple(piece for array in self.source.inputs for piece in self._pieces(array)),
            equations=tuple(equations),
            assumptions=tuple(replace(a, rhs=self.unrolled(a.rhs)) for a in others),
            labels=(),
        )

    def positions(self, *exprs: Expr) -> Iterator[Positions]:
        """All positions of the free indices of some expressions that run along the axis."""
        free = frozenset[Idx]().union(*map(free_indices, exprs))
        indices = sorted((i for i in free if axis_name(i) == self.axis), key=str)
        for at in product(range(self.number), repeat=len(indices)):
            yield dict(zip(indices, at, strict=True))

    def unrolled(self, expr: Basic, at: Positions | None = None) -> Expr:
        """An expression at positions ``at`` of its free indices along the axis."""
        at = at or {}
        match expr:
            case Indexed():
                return self._entry(expr, at)
            case Sum():
                over = [i for i in bound_indices(expr) if axis_name(i) == self.axis]
                positions = product(range(self.number), repeat=len(over))
                parts = (self.unrolled(expr.function, {**at, **dict(zip(over, p, strict=True))}) for p in positions)
                return sum_over(Add(*parts), [i for i in bound_indices(expr) if i not in over])
            case KroneckerDelta() if any(i in at for i in expr.args):
                return Integer(len({at[i] for i in expr.args}) == 1)
            case position_of() if expr.args[0] in at:
                return Integer(at[expr.args[0]])
            case selection() if axis_name(expr.args[1]) == self.axis:
                raise InputError(f"{self.axis} = {self.number}: a largest entry along {self.axis} is not supported")
        if isinstance(expr, OF_MATRICES):
            if self.axis in {axis.name for axis in self.source.arrays[expr.matrix].axes}:
                raise InputError(f"{self.axis} = {self.number}: an inverse along {self.axis} is not supported")
            return expr
        if expr == self.source.axis[self.axis].size:
            return Integer(self.number)
        is_leaf = isinstance(expr, Idx) or not expr.args
        return expr if is_leaf else expr.func(*(self.unrolled(arg, at) for arg in expr.args))

    def _entry(self, entry: Indexed, at: Positions) -> Expr:
        name, along = name_of(entry), [at[i] for i in entry.indices if axis_name(i) == self.axis]
        if name in self._totals and along == [self.number - 1]:
            (index,) = (i for i in entry.indices if axis_name(i) == self.axis)
            others = (self._entry(entry, {**at, index: position}) for position in range(self.number - 1))
            return self.unrolled(self._totals[name]) - Add(*others)
        rest = [i for i in entry.indices if axis_name(i) != self.axis]
        whole = "_".join([name, *(f"at{position}" for position in along)])
        return entry_of(whole, rest, positive=bool(entry.base.is_positive or entry.is_positive))

    def _pieces(self, array: Array) -> Iterator[Array]:
        """The inputs that an input becomes."""
        along = [axis for axis in array.axes if axis.name == self.axis]
        rest = tuple(axis for axis in array.axes if axis.name != self.axis)
        for positions in product(range(self.number), repeat=len(along)):
            if not (array.name in self._totals and positions == (self.number - 1,)):
                yield Array("_".join([array.name, *(f"at{position}" for position in positions)]), rest, array.positive)

    @cached_property
    def solved(self) -> tuple[str, ...]:
        """The keys of the assumptions by which last entries are written."""
        return tuple(a.key for a in self.source.assumptions if self._along(a.lhs))

    @cached_property
    def _totals(self) -> dict[str, Expr]:
        """The inputs whose sums along the axis are known, with these sums."""
        totals: dict[str, Expr] = {}
        for a in filter(lambda a: self._along(a.lhs), self.source.assumptions):
            is_along = a.is_sum and [axis_name(i) for i in bound_indices(a.lhs)] == [self.axis] == self._along(a.lhs)
            if not is_along or a.lhs.function.is_positive:
                raise InputError(f"{self.axis} = {self.number}: the assumption that {a.words} is not supported")
            totals[name_of(a.lhs.function)] = a.rhs
        return totals

    def _along(self, expr: Expr) -> list[str]:
        """The axis, once for each index along it."""
        return [self.axis for i in every_index(expr) if axis_name(i) == self.axis]
