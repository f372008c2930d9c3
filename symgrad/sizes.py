"""How much is written out: entry by entry, or definition by definition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod

import numpy as np
from sympy import Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.errors import InputError
from symgrad.notation import name_of
from symgrad.program import Program

MOST_ENTRIES = 10_000
"""Of all arrays together: each is an expression of its own, and nobody reads as many."""


def check_sizes(program: Program, sizes: Mapping[str, int]) -> None:
    """Raises ``InputError`` unless every axis has a size of at least 1, and the arrays have not too many entries."""
    known = [axis.name for axis in program.axes]
    for name in (*sizes, *known):
        if name not in known:
            raise InputError(f"{program.name}: unknown axis {name}: expected {', '.join(known)}")
        if name not in sizes:
            raise InputError(f"{program.name}: a size for the axis {name} is missing")
        if not isinstance(sizes[name], (int, np.integer)) or isinstance(sizes[name], bool) or sizes[name] < 1:
            words = f"size of the axis {name}: expected a whole number, at least 1, got {sizes[name]!r}"
            raise InputError(f"{program.name}: {words}")
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
