"""Relative exponentials: which shift each term uses, and what happens to the factors exp(M).

If an equation is homogeneous of degree 0 in the exponentials of a row, the factor exp(M_n) cancels. Otherwise the code
stores the array relative to the factor, under another name; log exp(M_n) is M_n, and any remaining factor is written
out. Each term uses the shift whose factor cancels in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sympy import Add, Expr, Function, Mul, Pow, S, Sum, exp, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx
from sympy.utilities.iterables import sift

from symgrad.canonical import canonical
from symgrad.codegen.plan.schedule import Assignment, array_of, written_out
from symgrad.codegen.plan.shifts import Shift, shift_along
from symgrad.codegen.plan.stable_functions import distributed, weighted
from symgrad.engine.summation import ordered_sums
from symgrad.notation import array_names, bound_indices, entries, free_indices, name_of, renamed, replaced, sum_over

Way = tuple[Expr, float]
"""A way to write an expression, and its cost."""
# The cost of a shift for a term if a factor exp(M) is left over: under a sum over its own index, where it must be
# written out, and where the whole array is stored relative to it.
UNDER_A_SUM, WRITTEN_OUT, KEPT_APART = 10.0, 5.0, 1.0
# The advantage of a joint shift in the sum it was made for: another shift's maximum may be far off.
MADE_FOR_IT = 2.0
# The cost of an exponential without a shift, in a sum and elsewhere.
SUMMED_AS_IT_IS, AS_IT_IS = 30.0, 4.0


@dataclass(frozen=True)
class Joint:
    """A shift of ``exp(exponent) * inner``, where ``inner`` is a product of powers of the factors of other shifts."""

    shift: Shift
    exponent: Expr
    inner: Expr

    def taken_from(self, exponent: Expr, indices: Collection[Idx]) -> Iterator[tuple[Expr, Expr]]:
        """For each choice of ``indices`` at which this exponent is part of another: the exponential, and the rest."""
        terms = set(Add.make_args(canonical(exponent)))
        for names in self.shift.at(indices):
            part = set(Add.make_args(canonical(renamed(self.exponent, names)))) - {S.Zero}
            if len({*names.values()}) == len(names) and part <= terms:
                kernel = replaced(self.shift.factor * self.shift.relative / self.inner, names)
                yield kernel, Add(*(terms - part))


def _exponent(kernel: Expr) -> Expr:
    """The logarithm of a product of exponentials."""
    return Add(*(factor.args[0] for factor in Mul.make_args(kernel) if factor != 1))


class Relative:
    """Writes expressions in relative exponentials; ``used`` are the shifts in use so far, in order."""

    def __init__(self, shifts: Sequence[Shift]) -> None:
        self._shifts = list(shifts)
        self._joint: list[Joint] = []
        self._factors = {name_of(s.factor): Assignment(s.factor, exp(s.largest)) for s in shifts}
        self._kept: dict[str, Assignment] = {}
        self.used: list[Shift] = []

    def join(self, totals: Iterable[Expr], taken: set[str]) -> None:
        """Find joint shifts for sums over exponentials times arrays that are stored relative, and prefer these."""
        self._preferred: list[Joint] = []
        for total in sorted((written_out(total, self._kept) for total in totals), key=str):
            for term in Add.make_args(total.function):
                inner = Mul(*self._factors_in(term))
                kernel = Mul(*(f for f in Mul.make_args(term) if isinstance(f, exp)))
                exponent = _exponent(kernel) + _exponent(self.in_largest(inner))
                if free_indices(inner).isdisjoint(bound_indices(total)):
                    continue
                if not any(any(shift.matches(exp(exponent))) for shift in self._shifts):
                    columns = tuple(i for i in bound_indices(total) if i in free_indices(exponent))
                    shift = shift_along(exponent, columns, taken)
                    self._shifts.append(shift)
                    self._joint.append(Joint(shift, _exponent(kernel), inner))
                    self._factors[name_of(shift.factor)] = Assignment(shift.factor, exp(shift.largest))
                self._preferred += [j for j in self._joint if any(j.shift.matches(exp(exponent)))]

    def keep(self, entry: Expr, scale: Expr, relative: Expr) -> None:
        """From now on, write ``entry`` as ``scale * relative``."""
        self._kept[name_of(entry)] = Assignment(entry, scale * relative)

    def taken_out(self, expr: Expr, *, is_output: bool = False) -> tuple[Expr, Expr]:
        """``expr`` in relative exponentials, split into powers of the shifts' factors and the rest. For an output, the
        factors will be written out beside the rest."""
        relative, _ = self._best(expr, frozenset(), WRITTEN_OUT if is_output else KEPT_APART)
        for shift in self._shifts:
            if shift not in self.used and {name_of(shift.factor), name_of(shift.relative)} & array_names(relative):
                self.used.append(shift)
        return self._pulled(relative)

    def has_factor(self, expr: Basic) -> bool:
        """Whether the factor of a shift occurs in an expression."""
        return not array_names(expr).isdisjoint(self._factors)

    def in_largest(self, expr: Expr) -> Expr:
        """Replace each factor by its definition, the exponential of a largest exponent."""
        return written_out(expr, self._factors)

    def _best(self, expr: Expr, bound: frozenset[Idx], left_over: float) -> Way:
        """``expr``, inside sums over ``bound``, in relative exponentials, and the cost of its remaining factors."""
        expr = written_out(expr, self._kept)
        if isinstance(expr, Add):
            terms = [self._best(term, bound, left_over) for term in expr.args]
            return Add(*(best for best, _ in terms)), sum(cost for _, cost in terms)
        if isinstance(expr, Sum):
            body, cost = self._best(expr.function, bound | set(bound_indices(expr)), left_over)
            return sum_over(body, bound_indices(expr)), cost
        logarithm = next((f for f in Mul.make_args(expr) if isinstance(f, weighted)), None)
        if logarithm is not None:  # the exponentials in its weight are factors of the term
            beside = [f for f in Mul.make_args(expr) if f is not logarithm]
            best, cost = self._best(Mul(*beside, logarithm.args[0]), bound, left_over)
            kept, weights = sift(Mul.make_args(best), lambda f: f in beside, binary=True)
            return Mul(*kept, weighted(Mul(*weights), self._inside(logarithm.args[1]))), cost
        kernels, others = sift(Mul.make_args(expr), lambda f: isinstance(f, exp), binary=True)
        inside = Mul(*map(self._inside, others))
        choices = product(*(self._choices(kernel, bound) for kernel in kernels))
        ways = (way for choice in choices for way in self._ways(inside, choice, bound))
        costs = ((term, cost + self._left_over(term, bound, left_over)) for term, cost in ways)
        best, cost = min(costs, key=lambda way: way[1])
        brackets = [f for f in others if isinstance(f, Add) and (f.has(exp) or self.has_factor(f))]
        for part in [*brackets, *(f for f in others if isinstance(f, Sum) and self._joint)] if cost else ():
            rest = Mul(*kernels, *(f for f in others if f is not part))
            opened, lower = self._best(distributed(rest, part), bound, left_over)
            if lower < cost:
                best, cost = opened if isinstance(part, Add) else ordered_sums(opened), lower
        return best, cost

    def _ways(self, inside: Expr, chosen: Sequence[Way], bound: frozenset[Idx]) -> Iterator[Way]:
        """Yields terms with their costs: one with its exponentials as chosen, then one for each way to write several of
        them with a shift that they share."""
        term = Mul(inside, *(relative for relative, _ in chosen))
        yield term, sum(cost for _, cost in chosen)
        plain = [way for way in chosen if not isinstance(way[0], exp)]
        exponent = _exponent(Mul(*(kernel for kernel, _ in chosen if isinstance(kernel, exp))))
        beside, cost = Mul(inside, *(relative for relative, _ in plain)), sum(cost for _, cost in plain)
        for relative, rest in self._by_joint_shifts(beside, exponent, free_indices(term) | bound):
            is_summed = not free_indices(rest).isdisjoint(bound)
            more = 0.0 if rest == 0 else SUMMED_AS_IT_IS if is_summed else AS_IT_IS
            preferred = array_names(relative) & {name_of(j.shift.relative) for j in self._preferred} if bound else ()
            yield relative * exp(rest), cost + more - (MADE_FOR_IT if preferred else 0.0)

    def _by_joint_shifts(self, beside: Expr, exponent: Expr, indices: Collection[Idx]) -> Iterator[tuple[Expr, Expr]]:
        """``beside * exp(exponent)`` with one or more joint shifts, and the exponent that is left."""
        for joint in self._joint:
            for kernel, rest in joint.taken_from(exponent, indices):
                relative = beside * kernel
                if joint.exponent != 0 or len(self._factors_in(relative)) <= len(self._factors_in(beside)):
                    yield relative, rest
                    if joint.exponent != 0 and rest != 0:
                        yield from self._by_joint_shifts(relative, rest, indices)

    def _factors_in(self, term: Expr) -> list[Expr]:
        """The powers of shifts' factors among the factors of a term."""
        bases = {factor: factor.as_base_exp()[0] for factor in Mul.make_args(term)}
        return [factor for factor, base in bases.items() if array_of(base) in self._factors]

    def _inside(self, factor: Expr) -> Expr:
        """A factor that is not an exponential, with the exponentials in it relative."""
        if not factor.has(exp):
            return factor
        if isinstance(factor, (Pow, Function)):
            return factor.func(*(self._best(arg, frozenset(), WRITTEN_OUT)[0] for arg in factor.args))
        return self._best(factor, frozenset(), WRITTEN_OUT)[0]

    def _choices(self, kernel: Expr, bound: frozenset[Idx]) -> list[Way]:
        """The ways to write an exponential, each with its cost."""
        forms = self._written(kernel, bound)
        if not forms and isinstance(kernel.args[0], Add):
            parts = {exp(term): self._written(exp(term), bound) for term in kernel.args[0].args}
            if any(parts.values()):
                forms = [Mul(*chosen) for chosen in product(*(ways or [part] for part, ways in parts.items()))]
        if not forms:
            return [(kernel, 0.0)]
        plain_cost = SUMMED_AS_IT_IS if free_indices(kernel) & bound else AS_IT_IS
        return [*((form, 0.0) for form in forms), (kernel, plain_cost)]

    def _written(self, kernel: Expr, bound: frozenset[Idx]) -> list[Expr]:
        """An exponential in terms of each matching shift, but never as the inverse of a summed one: it may be large."""
        forms: list[Expr] = []
        for shift in self._shifts if isinstance(kernel, exp) else ():
            for names, multiple in shift.matches(kernel):
                if multiple > 0 or bound.isdisjoint(names[i] for i in shift.columns):
                    forms.append(replaced((shift.factor * shift.relative) ** multiple, names))
        return forms

    def _left_over(self, term: Expr, bound: frozenset[Idx], left_over: float) -> float:
        scale, rest = self._pulled(term)
        outside = [UNDER_A_SUM if free_indices(f) & bound else left_over for f in Mul.make_args(scale) if f != 1]
        inside = [entry for name in self._factors for entry in entries(rest, name)]
        return sum(outside) + UNDER_A_SUM * len(inside)

    def _pulled(self, expr: Expr) -> tuple[Expr, Expr]:
        """Split ``expr`` into powers of factors and the rest; logarithms are expanded on the way."""
        if not self.has_factor(expr):
            return S.One, expr
        if array_of(expr):
            return expr, S.One
        if isinstance(expr, Sum):
            scale, rest = self._pulled(expr.function)
            bound, factors = bound_indices(expr), Mul.make_args(scale)
            outside, inside = sift(factors, lambda f: free_indices(f).isdisjoint(bound), binary=True)
            return Mul(*outside), sum_over(Mul(*inside, rest), bound)
        scales, rests = zip(*map(self._pulled, expr.args), strict=True)
        if isinstance(expr, Mul):
            return Mul(*scales), Mul(*rests)
        if isinstance(expr, Pow) and not self.has_factor(expr.exp):
            return Mul(*(f**expr.exp for f in Mul.make_args(scales[0]))), rests[0] ** expr.exp
        if isinstance(expr, weighted):
            return scales[0], weighted(rests[0], scales[1] * rests[1])
        if isinstance(expr, Add) and len({*scales}) == 1:
            return scales[0], Add(*rests)
        if isinstance(expr, log):
            return S.One, Add(log(*rests), *(power * log(f) for f, power in scales[0].as_powers_dict().items()))
        return S.One, expr.func(*map(Mul, scales, rests))
