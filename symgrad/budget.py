"""How much work a derivation and a proof may do, counted in terms and never in seconds: the same outcome on every
machine, in every run.

A *term* is one visit to a part of an expression, one product of two terms, one entry computed: about ten microseconds.
Work is counted where it is asked for, before any cache is looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from symgrad.errors import SymgradError


class OverBudget(SymgradError):
    """Something takes more work than it may."""


@dataclass
class Budget:
    """At most so many terms for ``what``; ``spent`` counts those used so far."""

    what: str
    most: int
    spent: int = 0


_budgets: ContextVar[tuple[Budget, ...]] = ContextVar("budgets", default=())
"""Those in force: of this thread, and of this call alone."""


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """Count the work done inside against ``budget`` as well."""
    token = _budgets.set((*_budgets.get(), budget))
    try:
        yield
    finally:
        _budgets.reset(token)


@contextmanager
def uncounted() -> Iterator[None]:
    """Count none of the work done inside: that of functions whose results are kept for whoever asks next."""
    token = _budgets.set(())
    try:
        yield
    finally:
        _budgets.reset(token)


def spend(terms: int) -> None:
    """Count some work.  Raises ``OverBudget`` where a budget in force does not allow it."""
    for budget in _budgets.get():
        budget.spent += terms
        if budget.spent > budget.most:
            raise OverBudget(f"{budget.what} takes more than {budget.most:,} terms of work")
