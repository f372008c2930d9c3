"""Stable forms, derived from the forward equations: no loss, and no array, is known here by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from symgrad.codegen.kernels import logs_opened, without_overflow, zeros_kept
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import shifted, shifts_of
from symgrad.notation import array_names


def stabilised(assignments: Sequence[Assignment], taken: Iterable[str]) -> list[Assignment]:
    """The same equations in forms, exactly equivalent, that neither overflow nor lose small probabilities.

    New arrays get names that are not among ``taken``.
    """
    assignments = [replace(a, rhs=zeros_kept(a.rhs)) for a in assignments]
    shifts = shifts_of(assignments, set(taken) | {a.name for a in assignments})
    made = shifted(assignments, shifts)
    known = {a.name: a for a in made}
    shown = [replace(a, rhs=without_overflow(a.rhs)) for a in made]
    known = {a.name: a for a in shown}
    shown = [replace(a, rhs=logs_opened(a.rhs, known)) for a in shown]
    used = {name for a in shown if not a.is_helper for name in array_names(a.rhs)}
    for a in reversed(shown):
        if a.name in used:
            used |= array_names(a.rhs)
    return [a for a in shown if a.is_output or not a.is_helper or a.name in used]
