"""The shapes at which lines are evaluated: no relation between the sizes that a wrong line could hide behind."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from sympy import Indexed, Sum, Symbol
from sympy.core.basic import Basic

from symgrad.check.marks import Sizes
from symgrad.functions import selection
from symgrad.notation import axis_name, bound_indices, name_of
from symgrad.program import Program

SERIES = (
    (2, 4, 3, 5, 7, 6),
    (3, 2, 2, 4, 5, 3),
    (2, 3, 5, 4, 3, 2),
    (1, 1, 2, 3, 2, 4),
    (5, 3, 4, 2, 6, 3),
    (4, 5, 6, 3, 2, 5),
)
"""Sizes for the axes of a program in their order; (2, 4, 3) and so on for the axes N, D and C.

The first is that of the second witness, the others try a line that no normal form proves: the last two because a
factor such as 1 + (N-1)(N-2)(N-3) hides from the rest.
"""


MOST_TERMS = 100_000
"""Of a program written out entry by entry, its derivatives with it: sizes at which there are more are lessened."""


def standard_shapes(program: Program) -> tuple[Sizes, ...]:
    """The shapes for a program, each once; axes beyond the sixth begin again from the first."""
    shapes = ({axis.name: series[place % len(series)] for place, axis in enumerate(program.axes)} for series in SERIES)
    return tuple(dict.fromkeys(tuple(_lessened(program, shape).items()) for shape in shapes))


def _lessened(program: Program, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes, the largest made smaller one by one until the program written out is small enough."""
    while max(sizes.values(), default=0) > 1 and terms(program, sizes) > MOST_TERMS:
        largest = max(sizes, key=lambda name: sizes[name])
        sizes = {**sizes, largest: sizes[largest] - 1}
    return sizes


def terms(program: Program, sizes: Mapping[str, int]) -> int:
    """How many terms the definitions have when they are written out entry by entry, and their derivatives with them:
    of each entry of a node by those of the arrays that it uses, and of the deltas between the entries of one array."""
    sized = {name: prod(sizes[axis.name] for axis in array.axes) for name, array in program.arrays.items()}
    entries = sum(sized.values())
    short = {d.name: d for d in program.ordered if not d.is_node}

    def counted(expr: Basic) -> tuple[int, int]:
        """The entries that occur, and the terms."""
        if isinstance(expr, (Indexed, Symbol)) or not expr.args:
            name = name_of(expr) if isinstance(expr, (Indexed, Symbol)) else ""
            return counted(short[name].rhs) if name in short else (1, 1)
        times = prod(sizes[axis_name(i)] for i in bound_indices(expr)) if isinstance(expr, Sum) else 1
        times = sizes[axis_name(expr.args[1])] if isinstance(expr, selection) else times
        parts = [counted(arg) for arg in (expr.args[:1] if isinstance(expr, (Sum, selection)) else expr.args)]
        occurring = times * sum(part[0] for part in parts)
        return occurring, times * sum(part[1] for part in parts) + len(parts) * min(occurring, entries)

    by = {d.name: sum(sized[name] for name in program.uses(d.name)) if d.is_node else 0 for d in program.ordered}
    deltas = max(sized.values()) ** 2 // 2
    return deltas + sum(sized[d.name] * (counted(d.rhs)[1] + by[d.name]) for d in program.ordered)
