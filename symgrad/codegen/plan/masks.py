"""Masks and choices: entries that are masked or not chosen neither overflow nor affect the entries that are kept.

A mask moves into exponents: with any number f, ``w exp(z)`` equals ``w exp(z where w is not 0, else f)``. The code
takes minus infinity for f, so masked entries do not affect the row maximum. NumPy evaluates every branch at every
entry, so ``where(c, log(x), y)`` becomes ``where(c, log(where(c, x, 1)), y)``: nothing warns, and no infinity is
multiplied by 0. Factors beside a step function are guarded in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import sympy
from sympy import Add, Expr, Indexed, Mul, Pow, S, Sum, exp
from sympy.core.basic import Basic

from symgrad.codegen.plan.schedule import Assignment, array_of, names_outside, written_out
from symgrad.codegen.plan.stable_functions import distributed, expm1, log1p, rebuilt, weighted
from symgrad.functions import absolute, clip, equal, maximum, minimum, relu, step, where
from symgrad.notation import array_names, free_indices, name_of
from symgrad.piecewise import is_indicator, may_be_infinite
from symgrad.special_functions import digamma, gammaln, trigamma

OVERFLOWING = (sympy.exp, sympy.sinh, sympy.cosh, sympy.tan)
BOUNDS = (maximum, minimum, clip, relu, absolute, sympy.Abs)
"""Functions whose value may be finite although an argument is infinite."""
SAFE: dict[type[Basic], Expr] = {
    **dict.fromkeys((sympy.exp, sympy.tan, sympy.asin, sympy.acos, sympy.sinh, sympy.cosh, expm1, log1p), S.Zero),
    **dict.fromkeys((sympy.atanh, sympy.erfinv), S.Zero),
    **dict.fromkeys((sympy.log, gammaln, digamma, trigamma), S.One),
    sympy.acosh: 2 * S.One,
}
"""Arguments at which functions that are not finite everywhere are finite."""


def branches_guarded(assignments: Sequence[Assignment], finite: Collection[str]) -> list[Assignment]:
    """Keep branches finite where they are not taken; arrays outside of ``finite`` may be inlined for this."""
    kept: list[Assignment] = []
    for a in reversed(assignments):
        outside = set[str]().union(*(names_outside(where, b.rhs) for b in kept))
        if a.name not in {*outside, *finite} and not a.is_output and may_be_infinite(a.rhs):
            kept = [replace(b, rhs=written_out(b.rhs, {a.name: a})) for b in kept]
        else:
            kept.insert(0, a)
    return _overflows_weighted([replace(a, rhs=guarded(a.rhs)) for a in kept], finite)


def _overflows_weighted(assignments: Sequence[Assignment], finite: Collection[str]) -> list[Assignment]:
    """Weight arrays that may overflow with factors beside them that may be 0, as in a clip's derivative."""
    large, vanishing = set[str](), set[str]()
    guarded_equations = []
    for a in assignments:
        guarded_equations.append(replace(a, rhs=_weighted(a.rhs, large, vanishing)))
        factors = [factor for term in Add.make_args(a.rhs) for factor in Mul.make_args(term)]
        if a.name not in finite and any(f.has(*OVERFLOWING) or _is_entry(f, large) for f in factors):
            large.add(a.name)
        if _may_vanish(a.rhs, vanishing):
            vanishing.add(a.name)
    return guarded_equations


def _weighted(expr: Basic, large: Collection[str], vanishing: Collection[str]) -> Expr:
    result = rebuilt(expr, lambda part: _weighted(part, large, vanishing))
    wild = [f for f in result.args if _is_entry(f, large)] if isinstance(result, Mul) else []
    weights = [f for f in result.args if f not in wild and _may_vanish(f, vanishing)] if wild else []
    if not weights:
        return result
    rest = (f for f in result.args if f not in wild and f not in weights)
    return Mul(*rest, weighted(Mul(*weights), Mul(*wild)))


def _is_entry(factor: Expr, names: Collection[str]) -> bool:
    """Whether a factor is a power of an entry of one of the arrays ``names``."""
    return array_of(factor.as_base_exp()[0]) in names


def _may_vanish(expr: Basic, names: Collection[str]) -> bool:
    """Whether an expression may be 0 at many entries, as masks and the arrays ``names`` may."""
    if isinstance(expr, Add):
        return all(_may_vanish(term, names) for term in expr.args)
    if isinstance(expr, (Mul, maximum, where)):
        values = expr.args[1:] if isinstance(expr, where) else expr.args
        return any(value == 0 or _may_vanish(value, names) for value in values)
    if isinstance(expr, Sum):
        return _may_vanish(expr.function, names)
    return isinstance(expr, (step, equal, relu)) or _is_entry(expr, names)


def guarded(expr: Basic) -> Expr:
    """Guard the parts of an expression that may be infinite where a branch is not taken or a mask is 0."""
    result = rebuilt(expr, guarded)
    if isinstance(result, where):
        condition, yes, no = result.args
        if yes == no:
            return yes
        return where(condition, _safe(yes, condition, True), _safe(no, condition, False))
    masks = [f for f in result.args if is_mask(f)] if isinstance(result, Mul) else []
    return _multiplied(result, masks, may_be_infinite) if masks else result


def bounds_what_may_be_infinite(assignments: Sequence[Assignment]) -> bool:
    """Whether a maximum, minimum, clip or absolute value has an argument that may be infinite."""
    infinite: set[str] = set()
    for a in assignments:
        if any(may_be_infinite(part) or array_names(part) & infinite for part in a.rhs.atoms(*BOUNDS)):
            return True
        if may_be_infinite(a.rhs) or array_names(a.rhs) & infinite:
            infinite.add(a.name)
    return False


def weighted_guarded(expr: Basic, weights: Collection[str], logits: Collection[str]) -> Expr:
    """Guard divisions by 0, and infinite entries of ``logits``, where an entry of ``weights`` beside them is 0."""
    result = rebuilt(expr, lambda part: weighted_guarded(part, weights, logits))
    entries = [f for f in result.args if isinstance(f, Indexed)] if isinstance(result, Mul) else []
    masks = [entry for entry in entries if name_of(entry) in weights]
    if not masks:
        return result
    no_weight = equal(Mul(*masks), 0)
    known = {entry: where(no_weight, S.Zero, entry) for entry in entries if name_of(entry) in {*logits} - {*weights}}
    return _multiplied(Mul(*(known.get(factor, factor) for factor in result.args)), masks, _divides)


def _divides(factor: Expr) -> bool:
    """Whether a factor divides by an expression that may be 0."""
    powers = factor.atoms(Pow)
    return any(array_names(p.base) and not p.base.is_positive and not p.exp.is_nonnegative for p in powers)


def _multiplied(product: Mul, masks: Sequence[Expr], is_wild: Callable[[Expr], bool]) -> Expr:
    """Guard the factors of a product that may be infinite where the masks among its factors are 0."""
    free = free_indices(Mul(*masks))
    others = [factor for factor in product.args if factor not in masks]
    wild = [factor for factor in others if free <= free_indices(factor) and is_wild(factor)]
    if not wild:
        return product
    is_entry = isinstance(masks[0], Indexed)
    condition = equal(Mul(*masks), 0) if is_entry else Mul(*map(_nonzero, masks))
    inside = Mul(*masks, *(_safe(factor, condition, not is_entry) for factor in wild))
    rest = Mul(*(factor for factor in others if factor not in wild))
    return rest * where(condition, *((S.Zero, inside) if is_entry else (inside, S.Zero)))


def is_mask(factor: Expr) -> bool:
    """Whether a factor is a step or a comparison, or 1 minus one."""
    if isinstance(factor, Add):
        return is_indicator(factor) and not any(isinstance(part, Indexed) for part in Mul.make_args(1 - factor))
    return isinstance(factor, (step, equal))


def is_whole(factor: Expr) -> bool:
    """Whether a factor is a positive integer power, which is finite, and 0 exactly where its base is."""
    return isinstance(factor, Pow) and bool(factor.exp.is_Integer and factor.exp.is_positive)


def _nonzero(mask: Expr) -> Expr:
    """The indicator of where a mask is not 0; a step may be 1/2 at 0."""
    return step(mask.args[0], min(1, 2 * mask.args[1])) if isinstance(mask, step) else mask


def _safe(expr: Basic, condition: Expr, holds: bool) -> Expr:
    """Make an expression finite where it is not used: where the condition fails, or, unless ``holds``, holds."""

    def chosen(argument: Expr, safe: Expr) -> Expr:
        return where(condition, *((argument, safe) if holds else (safe, argument)))

    if isinstance(expr, Sum) and not free_indices(condition) <= free_indices(expr):
        return expr  # the sum is the same for all entries
    result = rebuilt(expr, lambda part: _safe(part, condition, holds))
    if result.func in SAFE and array_names(result):
        return result.func(chosen(result.args[0], SAFE[result.func]))
    if isinstance(result, Pow) and not is_whole(result) and array_names(result.base) and not result.base.is_positive:
        return chosen(result.base, S.One) ** result.exp
    return result


def masks_taken_in(
    assignments: Sequence[Assignment], weights: Collection[str], indicators: Collection[str], floor: Expr
) -> list[Assignment]:
    """Move masks into the exponents beside them; masked entries get the exponent ``floor``.  Masks are ``weights``, of
    which ``indicators`` have no entries but 0 and 1."""
    masked = _Masked(weights, indicators, floor)
    changed = [a for a in assignments if not a.is_output and masked(a.rhs) != a.rhs]
    factors = {a.name: Mul.make_args(a.rhs) for a in changed}
    products = {a.name: a for a in changed if all(isinstance(f, exp) or is_indicator(f) for f in factors[a.name])}
    return [replace(a, rhs=masked(written_out(a.rhs, products))) for a in assignments]


@dataclass(frozen=True)
class _Masked:
    """Moves masks into the exponents beside them."""

    weights: Collection[str]
    indicators: Collection[str]
    floor: Expr

    def __call__(self, expr: Basic) -> Expr:
        result = rebuilt(expr, self)
        factors = result.args if isinstance(result, Mul) else ()
        for kernel in factors:
            if isinstance(kernel, exp) and not kernel.has(self.floor):
                others = [f for f in factors if f != kernel]
                bases = (f.base if is_whole(f) else f for f in others)
                if (mask := next((base for base in bases if self._masks(base, kernel)), None)) is not None:
                    return Mul(*others, exp(self._chosen(mask, kernel.args[0])))
                if (total := next((f for f in others if self._has_mask(f, kernel)), None)) is not None:
                    return self(Mul(*(f for f in others if f != total), distributed(kernel, total)))
        for bracket in (f for f in factors if isinstance(f, Add)):
            kernels = (f for term in bracket.args for f in Mul.make_args(term) if isinstance(f, exp))
            loose = [kernel for kernel in kernels if not kernel.has(self.floor)]
            masks = [f for f in factors if any(self._masks(f, kernel) for kernel in loose)]
            if masks:
                rest = Mul(*(f for f in factors if f not in (bracket, *masks)))
                return rest * Add(*(self(Mul(*masks, term)) for term in bracket.args))
        return result

    def _masks(self, factor: Expr, kernel: Expr) -> bool:
        """Whether a factor is 0 exactly where an exponential is left out; an array may have a mask for each row."""
        entry, indices, kernel_indices = _entry(factor), free_indices(factor), free_indices(kernel)
        if entry is None:
            return is_mask(factor) and is_indicator(factor) and indices <= kernel_indices
        return name_of(entry) in self.weights and (indices <= kernel_indices or kernel_indices <= indices)

    def _has_mask(self, total: Expr, kernel: Expr) -> bool:
        """Whether a sum contains a factor that masks an exponential outside of it."""
        factors = Mul.make_args(total.function) if isinstance(total, Sum) else ()
        return any(self._masks(f, kernel) and not free_indices(f) <= free_indices(kernel) for f in factors)

    def _chosen(self, mask: Expr, exponent: Expr) -> Expr:
        number, rest = exponent.as_coeff_Mul()
        if number.is_negative:
            number, rest = S.One, exponent
        entry = _entry(mask)
        is_weight = entry is not None and name_of(entry) not in self.indicators
        chosen = where(equal(mask, 0), self.floor, rest) if is_weight else where(mask, rest, self.floor)
        return number * chosen  # a multiple of an exponent that others may share


def _entry(mask: Expr) -> Indexed | None:
    """The entry of an array that a factor is, or is 1 minus."""
    return next((part for part in (mask, 1 - mask) if isinstance(part, Indexed)), None)
