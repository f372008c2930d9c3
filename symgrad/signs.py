"""What SymPy knows of the sign of an expression."""

from __future__ import annotations

from sympy.core.basic import Basic

from symgrad.canonical import extent

MOST_PARTS = 500
"""An expression with more is not asked: the time that SymPy takes doubles with each level of sums and powers."""


def is_known(expr: Basic, sign: str) -> bool:
    """Whether an expression is known to be ``positive``, ``negative``, ``nonnegative`` or ``nonzero`` for all values of
    its symbols."""
    return extent(expr) <= MOST_PARTS and getattr(expr, f"is_{sign}") is True
