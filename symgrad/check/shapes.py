"""The shapes at which lines are evaluated: no relation between the sizes that a wrong line could hide behind."""

from __future__ import annotations

from symgrad.check.marks import Sizes
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


def standard_shapes(program: Program) -> tuple[Sizes, ...]:
    """The shapes for a program, each once; axes beyond the sixth begin again from the first."""
    shapes = (
        tuple((axis.name, series[place % len(series)]) for place, axis in enumerate(program.axes)) for series in SERIES
    )
    return tuple(dict.fromkeys(shapes))
