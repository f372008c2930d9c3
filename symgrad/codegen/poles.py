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
from symgrad.notation import array_names, entry_of, name_of, replaced


def poles_cancelled(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """The equations, with those of products without poles; new arrays get names that are not among ``taken``."""
    found = list(assignments)
    for gradient in assignments:
        for pole in _poles(gradient.rhs):
            if gradient.is_output or set(pole.indices) - set(gradient.indices):
                continue
            product = _times(pole, gradient.rhs)
            users = [a for a in found if a.name != gradient.name and gradient.name in array_names(a.rhs)]
            if pole.base.name in {p.base.name for p in _poles(product)} or not users:
                continue
            name = free(f"{gradient.name}_{pole.base.name}", taken)
            made = Assignment(entry_of(name, gradient.indices), product)
            changed = {a.name: _replaced(a.rhs, gradient, pole, name) for a in users}
            if any(gradient.name in array_names(rhs) for rhs in changed.values()):
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


def _times(pole: Expr, expr: Expr) -> Expr:
    """``pole * expr``, multiplied into the brackets in which it cancels."""
    if isinstance(expr, Add):
        return Add(*(_times(pole, term) for term in expr.args))
    if isinstance(expr, Mul):
        for factor in expr.args:
            if isinstance(factor, Add) and any(power.base == pole for power in factor.atoms(Pow)):
                return Mul(*(f for f in expr.args if f is not factor), _times(pole, factor))
    return pole * expr


def _replaced(expr: Basic, gradient: Assignment, pole: Indexed, name: str) -> Expr:
    """``expr`` with the entries of the product in the place of the factor and the gradient, brackets multiplied out
    where they part the two."""
    if isinstance(expr, Mul):
        for factor in expr.args:
            if isinstance(factor, Add) and gradient.name in array_names(factor):
                near = [f for f in expr.args if isinstance(f, Indexed) and f.base == pole.base]
                if near:
                    others = Mul(*(f for f in expr.args if f is not factor and f is not near[0]))
                    opened = Add(*(near[0] * term for term in factor.args))
                    return _replaced(others, gradient, pole, name) * _replaced(opened, gradient, pole, name)
        for factor in expr.args:
            if isinstance(factor, Indexed) and name_of(factor) == gradient.name:
                at = dict(zip(gradient.indices, factor.indices, strict=True))
                wanted = replaced(pole, at)
                if wanted in expr.args:
                    rest = Mul(*(f for f in expr.args if f is not factor and f != wanted))
                    return _replaced(rest, gradient, pole, name) * entry_of(name, factor.indices)
    return rebuilt(expr, lambda part: _replaced(part, gradient, pole, name))
