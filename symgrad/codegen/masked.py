"""Exponentials that a mask leaves out: they do not decide what the others are relative to.

In ``Sum_k w_nk exp(z_nk)`` the entries with w_nk = 0 do not count, be they as large as they like.  With any number f at
all, ``w exp(z)`` is ``w exp(z where w counts, else f)``; the code takes minus infinity for f.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, Mul, S, Sum, exp
from sympy.core.basic import Basic

from symgrad.codegen.guarded import is_mask, is_whole
from symgrad.codegen.kernels import rebuilt
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import written_out
from symgrad.functions import equal, where
from symgrad.notation import array_names, bound_indices, free_indices, name_of, sum_over
from symgrad.piecewise import is_indicator
from symgrad.program import Program


def weights_of(program: Program) -> set[str]:
    """The inputs that are declared to weigh, or to leave out, what they are multiplied by: none is negative."""
    said = [a for a in program.assumptions if a.is_one_hot or (a.domain and a.domain.low == 0)]
    return {name for assumption in said for name in array_names(assumption.lhs)}


def masks_taken_in(assignments: Sequence[Assignment], weights: Collection[str], floor: Expr) -> list[Assignment]:
    """The equations, with masked exponentials as exponentials of masked exponents; ``floor`` is that of what does not
    count."""
    masked = _Masked(weights, floor)
    products = {a.name: a for a in assignments if not a.is_output and _is_kept(a) and masked(a.rhs) != a.rhs}
    return [replace(a, rhs=masked(written_out(a.rhs, products))) for a in assignments]


def _is_kept(assignment: Assignment) -> bool:
    """Whether an equation is a product of an exponential and masks alone."""
    return all(isinstance(f, (exp, Indexed)) or is_indicator(f) for f in Mul.make_args(assignment.rhs))


class _Masked:
    """Takes masks into the exponents beside them."""

    def __init__(self, weights: Collection[str], floor: Expr) -> None:
        self._weights = weights
        self._floor = floor

    def __call__(self, expr: Basic) -> Expr:
        made = rebuilt(expr, self)
        factors = made.args if isinstance(made, Mul) else ()
        for kernel in factors:
            if isinstance(kernel, exp) and not kernel.has(self._floor):
                others = [f for f in factors if f != kernel]
                bases = (f.base if is_whole(f) else f for f in others)
                if (mask := next((base for base in bases if self._masks(base, kernel)), None)) is not None:
                    return Mul(*others, exp(self._chosen(mask, kernel.args[0])))
                if (total := next((f for f in others if self._has_mask(f, kernel)), None)) is not None:
                    inside = sum_over(total.function * kernel, bound_indices(total))
                    return self(Mul(*(f for f in others if f != total), inside))
        for bracket in (f for f in factors if isinstance(f, Add)):
            kernels = (f for term in bracket.args for f in Mul.make_args(term) if isinstance(f, exp))
            loose = [kernel for kernel in kernels if not kernel.has(self._floor)]
            masks = [f for f in factors if any(self._masks(f, kernel) for kernel in loose)]
            if masks:
                rest = Mul(*(f for f in factors if f not in (bracket, *masks)))
                return rest * Add(*(self(Mul(*masks, term)) for term in bracket.args))
        return made

    def _masks(self, mask: Expr, kernel: Expr) -> bool:
        """Whether a factor masks an exponential beside it; an array may do so for each of its rows otherwise."""
        if not self._counts(mask):
            return False
        own, free = free_indices(mask), free_indices(kernel)
        return own <= free or (_entry(mask) is not None and free <= own)

    def _has_mask(self, total: Expr, kernel: Expr) -> bool:
        """Whether a sum has a factor that masks an exponential outside of it."""
        factors = Mul.make_args(total.function) if isinstance(total, Sum) else ()
        return any(
            self._masks(factor, kernel) and not free_indices(factor) <= free_indices(kernel) for factor in factors
        )

    def _chosen(self, mask: Expr, exponent: Expr) -> Expr:
        number, rest = exponent.as_coeff_Mul()
        if number.is_negative:
            number, rest = S.One, exponent
        is_entry = _entry(mask) is not None
        chosen = where(equal(mask, 0), self._floor, rest) if is_entry else where(mask, rest, self._floor)
        return number * chosen  # a multiple of the exponent of others

    def _counts(self, mask: Expr) -> bool:
        """Whether a factor is 0 where what it multiplies does not count."""
        entry = _entry(mask)
        return is_mask(mask) and is_indicator(mask) if entry is None else name_of(entry) in self._weights


def _entry(mask: Expr) -> Indexed | None:
    """The entry of an array that a factor is, or is one less."""
    return next((part for part in (mask, 1 - mask) if isinstance(part, Indexed)), None)
