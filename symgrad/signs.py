"""What SymPy knows of the sign of an expression."""

from __future__ import annotations

from sympy import Add, Dummy
from sympy.core.basic import Basic

from symgrad.canonical import extent
from symgrad.notation import replaced
from symgrad.piecewise import leaves_out

MOST_PARTS = 500
"""An expression with more is not asked: the time that SymPy takes doubles with each level of sums and powers."""


def is_known(expr: Basic, sign: str) -> bool:
    """Whether an expression is known to be ``positive``, ``negative``, ``nonnegative`` or ``nonzero`` for all values of
    its symbols."""
    if extent(expr) > MOST_PARTS:
        return False
    masks = {part: Dummy(nonnegative=True) for part in expr.atoms(Add) if leaves_out(part) and 1 in part.args}
    return getattr(replaced(expr, masks), f"is_{sign}") is True
