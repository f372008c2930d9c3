"""Shifts of exponentials: which families of exponentials are summed, and what is subtracted from their exponents.

With any number M_n, every exp(a_nk) equals exp(M_n) E_nk, where E_nk = exp(a_nk - M_n). The code takes M_n = max_k
a_nk. An exponential that is summed along rows and along columns gets a shift for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

from sympy import Add, Expr, Indexed, Mul, Pow, S, Sum, Symbol, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.codegen.identifiers import fresh
from symgrad.codegen.plan.schedule import Assignment, array_of, live, names_outside, written_out
from symgrad.codegen.plan.stable_functions import exponents_of, rebuilt
from symgrad.notation import (
    array_names,
    axis_name,
    bound_indices,
    entry_of,
    free_indices,
    freshen,
    parts_of,
    renamed,
    sum_over,
)


@dataclass(frozen=True)
class Shift:
    """The exponentials of ``exponent`` relative to the largest along ``columns``; its other indices are ``rows``.
    ``exp(exponent) = factor * relative``, where ``relative = exp(shifted)``, ``shifted = exponent - largest`` and
    ``factor = exp(largest)``."""

    exponent: Expr
    rows: tuple[Idx, ...]
    columns: tuple[Idx, ...]
    largest: Expr
    shifted: Expr
    relative: Expr
    factor: Expr

    def assignments(self) -> list[Assignment]:
        """The equations that define the arrays of the shift."""
        return [
            Assignment(self.largest, self.exponent, over=self.columns, is_helper=True),
            Assignment(self.shifted, self.exponent - self.largest, is_helper=True),
            Assignment(self.relative, exp(self.shifted), is_helper=True),
        ]

    def at(self, indices: Iterable[Idx]) -> Iterator[dict[Idx, Idx]]:
        """The ways to put ``indices`` in place of the indices of the shift."""
        letters, ordered = self.rows + self.columns, sorted(indices, key=str)
        choices = ([i for i in ordered if axis_name(i) == axis_name(letter)] for letter in letters)
        return (dict(zip(letters, chosen, strict=True)) for chosen in product(*choices))

    def matches(self, kernel: Expr) -> Iterator[tuple[dict[Idx, Idx], Expr]]:
        """The indices and numbers c for which ``kernel`` is exp(c * exponent) at these indices."""
        for names in self.at(free_indices(kernel)):
            exponents = canonical(kernel.args[0]), canonical(renamed(self.exponent, names))
            (p, above), (q, below) = (exponent.primitive() for exponent in exponents)
            multiple = p / q * (S.NegativeOne if above == -below else above / below)  # SymPy keeps (a - b)/(b - a)
            if multiple.is_number:
                yield names, multiple

    def serves(self, kernel: Expr, columns: set[Idx]) -> bool:
        """Whether ``kernel``, summed along ``columns``, is a positive power of an exponential of this shift."""
        return any(power > 0 and {names[i] for i in self.columns} == columns for names, power in self.matches(kernel))


def shift_along(exponent: Expr, columns: tuple[Idx, ...], taken: set[str]) -> Shift:
    """A shift whose arrays have new names, which are added to ``taken``."""
    rows = tuple(sorted(free_indices(exponent) - set(columns), key=str))
    every: tuple[Idx, ...] = rows + columns
    prefix = ""
    if isinstance(exponent, Indexed) and len(set(exponent.indices)) == len(exponent.indices):  # no diagonal
        rows = tuple(i for i in exponent.indices if i in rows)
        every, prefix = exponent.indices, f"{exponent.base.name}_"
    names = (f"{prefix}max" if prefix else "largest", f"{prefix}shifted", "E", "exp_max")
    largest, shifted, relative, factor = (fresh(name, taken) for name in names)
    real = entry_of(largest, rows), entry_of(shifted, every)
    positive = entry_of(relative, every, positive=True), entry_of(factor, rows, positive=True)
    return Shift(exponent, rows, columns, *real, *positive)


def shifts_of(assignments: Sequence[Assignment], taken: set[str]) -> list[Shift]:
    """One shift for each family of exponentials and each set of indices along which it is summed, in a divisor or in a
    logarithm: elsewhere the factor would only be multiplied in again."""
    shifts: list[Shift] = []
    inside = dividing_or_in_logarithms(assignments)
    for assignment in assignments:
        rhs, is_inside = assignment.rhs, assignment.name in inside
        for total in sorted(parts_of(rhs, Sum) if is_inside else in_divisors_and_logarithms(rhs, Sum), key=str):
            bound = set(bound_indices(total))
            factors = {factor for term in Add.make_args(total.function) for factor in Mul.make_args(term)}
            for kernel in sorted((f for f in factors if isinstance(f, exp)), key=str):
                columns = tuple(sorted(free_indices(kernel) & bound, key=str))
                if columns and not any(shift.serves(kernel, {*columns}) for shift in shifts):
                    shifts.append(shift_along(kernel.args[0], columns, taken))
    return shifts


def dividing_or_in_logarithms(assignments: Sequence[Assignment]) -> set[str]:
    """The arrays that divide or occur in logarithms, and those they are computed from outside of exponents."""
    kinds = (Indexed, Symbol)
    names = {array_of(e) for a in assignments for kind in kinds for e in in_divisors_and_logarithms(a.rhs, kind)}
    for assignment in reversed(assignments):
        if assignment.name in names:
            names |= names_outside(exp, assignment.rhs)
    return names


@lru_cache(maxsize=16384)
def in_divisors_and_logarithms(expr: Expr, kind: Any) -> frozenset[Expr]:
    """The parts of type ``kind`` in the divisors and logarithms of an expression."""
    logs = [call.args[0] for call in parts_of(expr, log)]
    divisors = [power.base for power in parts_of(expr, Pow) if power.exp.could_extract_minus_sign()]
    return frozenset().union(*(parts_of(part, kind) for part in (*logs, *divisors)))


def _sums_joined(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Join nested sums of exponentials into one sum, which then has one shift."""
    sums = {a.name: a for a in assignments if isinstance(a.rhs, Sum) and isinstance(a.rhs.function, exp)}

    def joined(expr: Basic) -> Expr:
        entry = expr.function if isinstance(expr, Sum) else None
        if isinstance(entry, Indexed) and entry.base.name in sums:
            inner = freshen(sums[entry.base.name].at(entry.indices))
            return sum_over(inner.function, (*bound_indices(inner), *bound_indices(expr)))
        factors = Mul.make_args(expr.function) if isinstance(expr, Sum) else ()
        inner = next((f for f in factors if isinstance(f, Sum) and f.has(exp)), None)
        if inner is not None and any(name in sums for f in factors if f != inner for name in array_names(f)):
            body = expr.function / inner * inner.function
            return joined(sum_over(body, (*bound_indices(inner), *bound_indices(expr))))
        return rebuilt(expr, joined)

    rewritten = [(a, joined(a.rhs)) for a in assignments]
    return [a if rhs == a.rhs else replace(a, rhs=canonical(rhs)) for a, rhs in rewritten]


def inlined(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """Inline nested sums of exponentials, and named exponentials that get a shift, so that each term has its own."""
    assignments = _sums_joined(assignments)
    names = {a.name: a for a in assignments if isinstance(a.rhs, exp) and not a.is_output}
    bases = {part.args[0] for a in assignments for part in parts_of(a.rhs, Pow, log)}
    summed = {n for base in bases if exponents_of(written_out(base, names)) for n in array_names(base)}
    shifts = shifts_of([replace(a, rhs=written_out(a.rhs, names)) for a in assignments], taken)
    names = {name: a for name, a in names.items() if name in summed or any(any(s.matches(a.rhs)) for s in shifts)}
    return live([replace(a, rhs=written_out(a.rhs, names)) for a in assignments])
