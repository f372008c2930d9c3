"""Factors that meet their own inverse, cancelled: y/p times p is y, also where p is rounded to 0.

A gradient with respect to probabilities has them in its divisors, or as powers less than one; the chain rule multiplies
it by them again.  The product gets an equation of its own, in which no p divides, and stands in the place of the
factor and the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, Mul, Pow
from sympy.core.basic import Basic

from symgrad.codegen.kernels import rebuilt
from symgrad.codegen.names import free
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import written_out
from symgrad.notation import array_names, entry_of


def poles_cancelled(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """The equations, with those of products without poles; new arrays get names that are not among ``taken``."""
    found = list(assignments)
    for gradient in assignments:
        for pole in _poles(gradient.rhs):
            if gradient.is_output or set(pole.indices) - set(gradient.indices):
                continue
            product = _multiplied_in(pole * gradient.rhs)
            users = [a for a in found if a.name != gradient.name and gradient.name in array_names(a.rhs)]
            if pole.base.name in {p.base.name for p in _poles(product)} or not users:
                continue
            name = free(f"{gradient.name}_{pole.base.name}", taken)
            made = Assignment(entry_of(name, gradient.indices), product)
            quotient = {gradient.name: replace(gradient, rhs=made.entry / pole)}
            changed = {a.name: _multiplied_in(written_out(a.rhs, quotient)) for a in users}
            if any(p.base == pole.base for rhs in changed.values() for p in _poles(rhs)):
                continue
            place = next(p for p, a in enumerate(found) if a.name == gradient.name)
            found = [replace(a, rhs=changed.get(a.name, a.rhs)) for a in found]
            found[place : place + 1] = [made]
            break
    return found


def _poles(expr: Expr) -> list[Indexed]:
    """The entries that are raised to powers which may be less than one."""
    powers = [p for p in expr.atoms(Pow) if isinstance(p.base, Indexed) and not (p.exp.is_Integer and p.exp > 0)]
    return sorted({p.base for p in powers}, key=str)


def _multiplied_in(expr: Basic) -> Expr:
    """``expr`` with entries multiplied into the brackets beside them in which they cancel."""
    made = rebuilt(expr, _multiplied_in)
    for entry in Mul.make_args(made) if isinstance(made, Mul) else ():
        for factor in made.args:
            if isinstance(entry, Indexed) and isinstance(factor, Add) and entry in _poles(factor):
                return _multiplied_in(made / entry / factor * Add(*(entry * term for term in factor.args)))
    return made
