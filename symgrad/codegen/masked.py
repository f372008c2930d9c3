"""Exponentials that a mask leaves out: they do not decide what the others are relative to.

In ``Sum_k w_nk exp(z_nk)`` the entries with w_nk = 0 do not count, be they as large as they like.  With any number f at
all, ``w exp(z)`` is ``w exp(z where w counts, else f)``; the code takes minus infinity for f.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, exp
from sympy.core.basic import Basic

from symgrad.branches import is_indicator
from symgrad.codegen.kernels import rebuilt
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import written_out
from symgrad.functions import equal, step, where
from symgrad.notation import array_names, free_indices, name_of, replaced
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
    return [replace(a, rhs=masked(_collected(written_out(a.rhs, products)))) for a in assignments]


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
        for kernel in made.args if isinstance(made, Mul) else ():
            if isinstance(kernel, exp) and not kernel.has(self._floor):
                free = free_indices(kernel)
                masks = (f for f in made.args if self._counts(f) and f != kernel and free_indices(f) <= free)
                if (mask := next(masks, None)) is not None:
                    return made / kernel * exp(self._chosen(mask, kernel.args[0]))
        return made

    def _chosen(self, mask: Expr, exponent: Expr) -> Expr:
        if isinstance(mask, Indexed):
            return where(equal(mask, 0), self._floor, exponent)
        return where(mask, exponent, self._floor)

    def _counts(self, mask: Expr) -> bool:
        """Whether a factor is 0 where what it multiplies does not count."""
        if isinstance(mask, Indexed):
            return name_of(mask) in self._weights
        if isinstance(mask, Add):
            return is_indicator(mask) and not any(isinstance(part, Indexed) for part in Mul.make_args(1 - mask))
        return isinstance(mask, (step, equal)) and is_indicator(mask)


def _collected(expr: Basic) -> Expr:
    """``expr`` with t - delta t, the second term with the one index for the other, as (1 - delta) t."""
    made = rebuilt(expr, _collected)
    if not isinstance(made, Add):
        return made
    terms = list(made.args)
    for term in made.args if made.has(exp) else ():
        for delta in (f for f in Mul.make_args(term) if isinstance(f, KroneckerDelta)):
            i, j = delta.args[:2]
            picked = -term / delta
            whole = next((t for t in terms if t != term and picked in (replaced(t, {i: j}), replaced(t, {j: i}))), None)
            if whole is not None and term in terms:
                terms = [t for t in terms if t not in (whole, term)] + [(1 - delta) * whole]
    return Add(*terms)
