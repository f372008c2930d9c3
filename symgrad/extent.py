"""How much is written out: entry by entry, or definition by definition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod

from sympy import Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.errors import InputError
from symgrad.notation import name_of
from symgrad.program import Program

MOST_ENTRIES = 10_000
"""Of all arrays together: each is an expression of its own, and nobody reads as many."""


def check_extent(program: Program, sizes: Mapping[str, int]) -> None:
    """Raises ``InputError`` where the arrays have too many entries at these sizes."""
    entries = sum(prod(int(sizes[axis.name]) for axis in array.axes) for array in program.arrays.values())
    if entries > MOST_ENTRIES:
        words = f"{entries} entries at these sizes are too many; at most {MOST_ENTRIES} are written out"
        raise InputError(f"{program.name}: {words}")


def extent_written_out(program: Program, expr: Basic, names: Collection[str]) -> int:
    """How many parts an expression has once the arrays ``names`` are written out."""
    inside: dict[str, int] = {}

    def count(part: Basic) -> int:
        if isinstance(part, (Indexed, Symbol)):
            return inside.get(name_of(part), 1)
        return 1 + sum(map(count, part.args))

    for definition in program.ordered:
        if definition.name in names:
            inside[definition.name] = count(definition.rhs)
    return count(expr)
