"""Limits on the work of a derivation or a proof, counted in terms and not in seconds, so that every run agrees.

A *term* is one visit to a part of an expression, one product of two terms, or one entry computed: about ten
microseconds.  Work is counted when it is requested, even if a cache has the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from symgrad.errors import SymgradError


class OverBudget(SymgradError):
    """A computation exceeds its budget."""


@dataclass
class Budget:
    """At most ``most`` terms of work for ``what``; ``spent`` counts the work so far."""

    what: str
    most: int
    spent: int = 0


_budgets: ContextVar[tuple[Budget, ...]] = ContextVar("budgets", default=())
"""The active budgets, outermost first."""


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """Count the work of the ``with`` block against ``budget``, besides any outer budgets."""
    token = _budgets.set((*_budgets.get(), budget))
    try:
        yield
    finally:
        _budgets.reset(token)


@contextmanager
def uncounted() -> Iterator[None]:
    """Do not count the work of the ``with`` block: a cached function would charge only its first caller."""
    token = _budgets.set(())
    try:
        yield
    finally:
        _budgets.reset(token)


def spend(terms: int) -> None:
    """Count some work.  Raises ``OverBudget`` if it exceeds an active budget."""
    for budget in _budgets.get():
        budget.spent += terms
        if budget.spent > budget.most:
            raise OverBudget(f"{budget.what} takes more than {budget.most:,} terms of work")
