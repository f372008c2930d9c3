"""Powers that are infinite where a base was rounded to 0: cancelled, or replaced by 1.

A gradient with respect to probabilities divides by them, and the chain rule multiplies it by them again: the product
y/p * p gets an equation of its own. The derivative of p**q contains p**(q - 1), which is infinite where a positive p
was rounded to 0, next to factors that vanish faster: there the power is taken to be 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Sum, exp, log, powsimp
from sympy.core.basic import Basic

from symgrad.codegen.identifiers import free
from symgrad.codegen.plan.schedule import Assignment, array_of, written_out
from symgrad.codegen.plan.stable_functions import distributed, log1p, logaddexp, nonzero, rebuilt, sigmoid
from symgrad.facts import inputs_at_most_one
from symgrad.notation import array_names, entry_of, free_indices, parts_of
from symgrad.piecewise import leaves_out
from symgrad.program import Program


def slopes_kept_finite(
    assignments: Sequence[Assignment], program: Program, wrt: Collection[str], weights: Collection[str]
) -> list[Assignment]:
    """Replace bases that may have been rounded to 0 by ``nonzero`` in the derivatives of their powers. Not if the loss
    divides by the same arrays, since it is infinite then, too; nor if an input of ``wrt`` occurs in the base outside of
    exponents, since its derivative has no exponential that vanishes. The inputs ``weights`` are nonnegative."""
    known = {a.name: a for a in assignments if not a.over}
    needed = {*program.results}
    for a in reversed(assignments):
        needed |= array_names(a.rhs) if a.name in needed else set()
    powers = [p for a in assignments if a.name in needed for p in parts_of(a.rhs, Pow)]
    exponents = {p.exp for p in powers}
    divided = {name for p in powers if p.exp.could_extract_minus_sign() for name in array_names(p.base)}
    constants = {array.name for array in program.inputs} - set(wrt)
    small = _Small(known, set(wrt), constants, weights, inputs_at_most_one(program).intersection(weights))

    def kept(expr: Basic) -> Expr:
        result = rebuilt(expr, kept)
        if not isinstance(result, Pow) or result.exp.is_nonnegative or result.exp.is_Integer:
            return result
        base, is_slope = result.base, result.exp + 1 in exponents and divided.isdisjoint(array_names(result.base))
        is_small = is_slope and small.may_be(base) and not small.is_differentiated(base)
        return nonzero(base) ** result.exp if is_small else result

    return [a if a.name in needed else replace(a, rhs=kept(a.rhs)) for a in assignments]


@dataclass(frozen=True)
class _Small:
    """Finds expressions that are positive by their structure but may be rounded to 0: products of exponentials. The
    inputs ``wrt`` are differentiated, the ``constants`` are not: where one of these is 0, so is the derivative of what
    it multiplies. ``weights`` are nonnegative, and the ``shares`` of them at most 1."""

    known: Mapping[str, Assignment]
    wrt: Collection[str]
    constants: Collection[str]
    weights: Collection[str]
    shares: Collection[str]

    def may_be(self, expr: Expr, is_term: bool = False) -> bool:
        """Whether an expression may be rounded to 0; terms of a sum must not cancel."""
        if isinstance(expr, (exp, sigmoid)):
            return True
        if name := array_of(expr):
            return name in self.known and self.may_be(self.known[name].rhs, is_term)
        if isinstance(expr, Sum):
            return self.may_be(expr.function, True)
        if isinstance(expr, Add):
            return isinstance(1 - expr, sigmoid) or all(self.may_be(term, True) for term in expr.args)
        if isinstance(expr, (Pow, log1p)):
            return self.may_be(expr.args[0], is_term) and bool(isinstance(expr, log1p) or expr.exp.is_positive)
        if isinstance(expr, logaddexp):
            return bool(expr.args[0] == 0)
        factors = expr.args if isinstance(expr, Mul) else ()
        small = [factor for factor in factors if self.may_be(factor, is_term)]
        return bool(small) and all(f in small or self._is_harmless(f, is_term) for f in factors)

    def is_differentiated(self, expr: Basic, in_exponent: bool = False) -> bool:
        """Whether an input of ``wrt`` occurs outside of exponents, or in a logarithm there: exp(2 log x) is x**2."""
        if name := array_of(expr):
            if name in self.known:
                return self.is_differentiated(self.known[name].rhs, in_exponent)
            return name in self.wrt and not in_exponent
        is_exponent = isinstance(expr, (exp, sigmoid, logaddexp)) or (in_exponent and not isinstance(expr, log))
        return any(self.is_differentiated(arg, is_exponent) for arg in expr.args)

    def _is_harmless(self, factor: Expr, is_term: bool) -> bool:
        """Whether a factor leaves the others positive, or makes their derivative 0."""
        if factor.is_positive:
            return True
        if (name := array_of(factor)) in self.constants:
            return not is_term or name in self.weights
        if isinstance(factor, Add) and (name := array_of(1 - factor)) in self.constants:
            return not is_term or name in self.shares
        is_constant = leaves_out(factor) or isinstance(factor, KroneckerDelta)
        return is_constant or (isinstance(factor, Pow) and self.may_be(1 / factor, is_term))


def poles_cancelled(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """Give products without poles their own equations; their names are added to ``taken``."""
    equations, waiting = list(assignments), [a.name for a in assignments if not a.is_output]
    while waiting:
        gradient = next(a for a in equations if a.name == waiting[0])
        ways = (_without(pole, gradient, equations, taken) for pole in _poles(gradient.rhs))
        product, equations = next(filter(None, ways), ("", equations))
        waiting[:1] = [product] if product else []
    return equations


def _without(
    pole: Expr, gradient: Assignment, equations: list[Assignment], taken: set[str]
) -> tuple[str, list[Assignment]] | None:
    """The equations with a product in place of a gradient, and its name; None if a pole would remain."""
    product = _multiplied_in(pole * gradient.rhs)
    users = [a for a in equations if a.name != gradient.name and gradient.name in array_names(a.rhs)]
    if free_indices(pole) - set(gradient.indices) or _kind(pole) in map(_kind, _poles(product)) or not users:
        return None
    name = free(f"{gradient.name}_{min(array_names(pole))}", {*taken})
    substitute = Assignment(entry_of(name, gradient.indices), product)
    quotient = {gradient.name: replace(gradient, rhs=substitute.entry / pole)}
    changed = {a.name: _multiplied_in(written_out(a.rhs, quotient)) for a in users}
    if any(_kind(p) == _kind(pole) for rhs in changed.values() for p in _poles(rhs)):
        return None
    taken.add(name)
    position = next(p for p, a in enumerate(equations) if a.name == gradient.name)
    others = [replace(a, rhs=changed.get(a.name, a.rhs)) for a in equations]
    return name, [*others[:position], substitute, *others[position + 1 :]]


def _kind(pole: Expr) -> Expr | str:
    """What distinguishes poles: all entries of one array are the same."""
    return pole.base.name if isinstance(pole, Indexed) else pole


def _poles(expr: Expr) -> list[Expr]:
    """The entries, and the brackets 1 - entry, that have powers which may be negative."""
    bases = {p.base for p in parts_of(expr, Pow) if not p.exp.is_nonnegative}
    return sorted((base for base in bases if isinstance(base, Indexed) or isinstance(1 - base, Indexed)), key=str)


def _multiplied_in(expr: Basic) -> Expr:
    """Multiply entries into the brackets beside them in which they cancel."""
    result = rebuilt(expr, _multiplied_in)
    result = powsimp(result, combine="exp", deep=False) if isinstance(result, Mul) else result  # x x^(q - 1) is x^q
    for entry in Mul.make_args(result) if isinstance(result, Mul) else ():
        for factor in result.args:
            if isinstance(factor, Add) and entry in _poles(factor):
                return _multiplied_in(result / entry / factor * distributed(entry, factor))
    return result
