"""Factors that meet their own inverse, cancelled: y/p times p is y, also where p is rounded to 0.

A gradient with respect to probabilities has them in its divisors, or as powers less than one; the chain rule multiplies
it by them again.  The product gets an equation of its own, in which no p divides, and stands in the place of the
factor and the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, Mul, Pow, powsimp
from sympy.core.basic import Basic

from symgrad.codegen.identifiers import free
from symgrad.codegen.kernels import rebuilt
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import written_out
from symgrad.notation import array_names, entry_of, free_indices


def poles_cancelled(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """The equations, with those of products without poles; new arrays get names that are not among ``taken``."""
    found, waiting = list(assignments), [a.name for a in assignments if not a.is_output]
    while waiting:
        gradient = next(a for a in found if a.name == waiting[0])
        made = next((made for pole in _poles(gradient.rhs) if (made := _without(pole, gradient, found, taken))), None)
        waiting[:1] = [] if made is None else [made[0]]
        found = found if made is None else made[1]
    return found


def _without(
    pole: Expr, gradient: Assignment, found: list[Assignment], taken: set[str]
) -> tuple[str, list[Assignment]] | None:
    """The equations with a product in the place of a gradient, and the name of the product; None where some pole
    would be left."""
    product = _multiplied_in(pole * gradient.rhs)
    users = [a for a in found if a.name != gradient.name and gradient.name in array_names(a.rhs)]
    if free_indices(pole) - set(gradient.indices) or _kind(pole) in map(_kind, _poles(product)) or not users:
        return None
    name = free(f"{gradient.name}_{min(array_names(pole))}", {*taken})
    made = Assignment(entry_of(name, gradient.indices), product)
    quotient = {gradient.name: replace(gradient, rhs=made.entry / pole)}
    changed = {a.name: _multiplied_in(written_out(a.rhs, quotient)) for a in users}
    if any(_kind(p) == _kind(pole) for rhs in changed.values() for p in _poles(rhs)):
        return None
    taken.add(name)
    place = next(p for p, a in enumerate(found) if a.name == gradient.name)
    others = [replace(a, rhs=changed.get(a.name, a.rhs)) for a in found]
    return name, [*others[:place], made, *others[place + 1 :]]


def _kind(pole: Expr) -> Expr | str:
    """What tells poles apart: the entries of one array are one."""
    return pole.base.name if isinstance(pole, Indexed) else pole


def _poles(expr: Expr) -> list[Expr]:
    """The entries, and what is left of 1 beside one, that are raised to powers which may be negative."""
    bases = {p.base for p in expr.atoms(Pow) if not p.exp.is_nonnegative}
    return sorted((base for base in bases if isinstance(base, Indexed) or isinstance(1 - base, Indexed)), key=str)


def _multiplied_in(expr: Basic) -> Expr:
    """``expr`` with entries multiplied into the brackets beside them in which they cancel."""
    made = rebuilt(expr, _multiplied_in)
    made = powsimp(made, combine="exp", deep=False) if isinstance(made, Mul) else made  # x x^(q - 1) is x^q
    for entry in Mul.make_args(made) if isinstance(made, Mul) else ():
        for factor in made.args:
            if isinstance(factor, Add) and entry in _poles(factor):
                return _multiplied_in(made / entry / factor * Add(*(entry * term for term in factor.args)))
    return made
