"""Stable forms of the equations, derived without any knowledge of particular losses.

Each equation of the schedule is rewritten into an equivalent form that neither overflows nor loses small probabilities.
The code is written from the rewritten equations; ``evaluation`` states in proved lines how they were rewritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from sympy import Expr, S, Sum, exp, log
from sympy.core.basic import Basic

from symgrad.codegen.identifiers import RESERVED, fresh
from symgrad.codegen.plan.masks import branches_guarded, masks_taken_in, weighted_guarded
from symgrad.codegen.plan.relative_exponentials import Relative
from symgrad.codegen.plan.schedule import Assignment, Schedule, array_of, live, schedule
from symgrad.codegen.plan.shifts import Shift, dividing_or_in_logarithms, in_divisors_and_logarithms, inlined, shifts_of
from symgrad.codegen.plan.singular_powers import poles_cancelled, slopes_kept_finite
from symgrad.codegen.plan.stable_functions import is_positive, logs_opened, small_kept, without_overflow, zeros_kept
from symgrad.facts import masks, nonnegative_inputs
from symgrad.notation import Array, array_names, entry_of, parts_of, replaced, stand_in, unfolded
from symgrad.steps import Record


@dataclass(frozen=True)
class Rewriting:
    """One rewritten equation: an entry of the ``original`` array is ``scale`` times an entry of the ``rewritten`` one,
    which has another name if the scale is not 1. ``logs`` are the rewritten logarithms, old and new."""

    original: Assignment
    rewritten: Assignment
    scale: Expr
    logs: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True)
class Evaluated:
    """What the code evaluates: rewritten equations in order, each shift before its first use. ``floor`` is the exponent
    of masked entries: any number in proofs, minus infinity in code."""

    record: Record
    parts: tuple[Shift | Rewriting, ...]
    schedule: Schedule
    floor: Array

    @property
    def assignments(self) -> list[Assignment]:
        """The equations that the outputs depend on."""
        parts = (part.assignments() if isinstance(part, Shift) else [part.rewritten] for part in self.parts)
        return live([a for equations in parts for a in equations])

    @cached_property
    def coded(self) -> list[Assignment]:
        """The equations as the code evaluates them: masked exponents are minus infinity, infinities are guarded."""
        program, lowest = self.record.program, {self.floor[()]: S.NegativeInfinity}
        weights = nonnegative_inputs(program) | masks(program)
        inputs = {array.name for array in program.inputs}
        bounded = {a.name for shift in self.shifts for a in shift.assignments()}
        exponents = {array_of(shift.exponent) for shift in self.shifts if shift.exponent.is_Indexed}
        guarded = branches_guarded([replace(a, rhs=replaced(a.rhs, lowest)) for a in self.assignments], bounded)
        taken = {*inputs, *(a.name for a in guarded), *(axis.name for axis in program.axes), *RESERVED}
        finite = slopes_kept_finite(poles_cancelled(guarded, taken), program, self.record.wrt, weights)
        return [replace(a, rhs=weighted_guarded(a.rhs, weights, inputs & exponents)) for a in finite]

    @property
    def shifts(self) -> list[Shift]:
        return [part for part in self.parts if isinstance(part, Shift)]


@lru_cache(maxsize=4)
def evaluated(record: Record) -> Evaluated:
    """The equations of the schedule of ``record`` in stable forms."""
    plan = schedule(record)
    taken = {a.name for a in record.program.inputs} | {a.name for a in plan.assignments} | RESERVED
    taken |= {axis.name for axis in record.program.axes} | {*record.program.printed.values()}
    floor = Array(fresh("floor", taken))
    indicators = masks(record.program)
    weights = nonnegative_inputs(record.program) | indicators
    masked = masks_taken_in(plan.assignments, weights, indicators, floor[()])
    kernels = {kernel for a in masked for kernel in parts_of(a.rhs, exp)}
    inside = {name for kernel in kernels if kernel.has(floor[()]) for name in array_names(kernel)}
    plain = {name for kernel in kernels if not kernel.has(floor[()]) for name in array_names(kernel)}
    # An exponential that also occurs without its mask must be relative to the maximum of all entries.
    is_masked = not inside & plain and any(shift.exponent.has(floor[()]) for shift in shifts_of(masked, {*taken}))
    equations = inlined(masked if is_masked else plan.assignments, {*taken})
    rewriter = _Rewriter(shifts_of(equations, taken), taken, weights, dividing_or_in_logarithms(equations))
    return Evaluated(record, tuple(part for a in equations for part in rewriter.parts(a)), plan, floor)


class _Rewriter:
    """Rewrites equations in order; later ones use the rewritten forms of earlier ones."""

    def __init__(self, shifts: Sequence[Shift], taken: set[str], nonnegative: set[str], inside: set[str]) -> None:
        self._nonnegative = nonnegative
        self._inside = inside
        self._relative = Relative(shifts)
        self._taken = taken
        self._known: dict[str, Assignment] = {}

    def parts(self, original: Assignment) -> list[Shift | Rewriting]:
        """The rewritten equation, after the shifts that it is the first to use."""
        before = len(self._relative.used)
        rhs = without_overflow(zeros_kept(original.rhs, self._nonnegative))
        is_inside = original.name in self._inside
        self._relative.join(parts_of(rhs, Sum) if is_inside else in_divisors_and_logarithms(rhs, Sum), self._taken)
        logs = {old: self._logarithm(old) for old in sorted(_outermost_logs(rhs), key=str)}
        stand_ins = {old: stand_in(old, f"log {position}") for position, old in enumerate(logs)}  # no array has a space
        scale, rest = self._relative.taken_out(replaced(rhs, stand_ins), is_output=original.is_output)
        is_kept = scale != 1 and not original.is_output and not self._relative.has_factor(rest)
        entry = original.entry
        if is_kept:
            name = fresh(f"{original.name}_shifted", self._taken)
            entry = entry_of(name, original.indices, positive=is_positive(rest, self._known))
            self._relative.keep(original.entry, scale, entry)
        rest = without_overflow(self._relative.in_largest(rest if is_kept else scale * rest))
        for old, new in logs.items():
            rest = unfolded(rest, stand_ins[old], new)
        rewritten = replace(original, entry=entry, rhs=small_kept(rest))
        scale = self._relative.in_largest(scale) if is_kept else S.One
        self._known[rewritten.name] = rewritten
        changed = tuple((old, new) for old, new in logs.items() if old != new)
        return [*self._relative.used[before:], Rewriting(original, rewritten, scale, changed)]

    def _logarithm(self, expr: Expr) -> Expr:
        """A logarithm without large exponentials inside; its scale becomes a term."""
        inner = {old: self._logarithm(old) for old in sorted(_outermost_logs(expr.args[0]), key=str) if old.has(exp)}
        expr = expr.func(replaced(expr.args[0], inner))
        scale, rest = self._relative.taken_out(expr)
        written = self._relative.in_largest(scale * rest)
        self._known |= {a.name: a for shift in self._relative.used for a in shift.assignments()}
        return logs_opened(written, self._known)


def _outermost_logs(expr: Basic) -> set[Expr]:
    """The logarithms of an expression that are inside no other."""
    if isinstance(expr, log):
        return {expr}
    return set[Expr]().union(*(_outermost_logs(arg) for arg in expr.args))
