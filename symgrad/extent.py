"""How much may be written out entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from symgrad.errors import InputError
from symgrad.program import Program

MOST_ENTRIES = 10_000
"""Of all arrays together: each is an expression of its own, and nobody reads as many."""


def check_extent(program: Program, sizes: Mapping[str, int]) -> None:
    """Raises ``InputError`` where the arrays have too many entries at these sizes."""
    entries = sum(prod(int(sizes[axis.name]) for axis in array.axes) for array in program.arrays.values())
    if entries > MOST_ENTRIES:
        words = f"{entries} entries at these sizes are too many; at most {MOST_ENTRIES} are written out"
        raise InputError(f"{program.name}: {words}")
