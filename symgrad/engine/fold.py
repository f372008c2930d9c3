"""Fold subexpressions into the program's named arrays, and take out common factors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sympy as sp
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import uncounted
from symgrad.canonical import canonical
from symgrad.engine.rules import Rule, matches
from symgrad.engine.summation import multiplied_out, ordered_sums, split_sums
from symgrad.engine.tidying import cost, is_count, tidy
from symgrad.matrix_functions import is_matrix
from symgrad.notation import axis_name, bound_indices, free_indices, parts_of, renamed, replaced, sum_over


def fold_sums(expr: sp.Expr, rules: Sequence[Rule]) -> sp.Expr:
    """``expr`` with named sums replaced by their names."""
    return _apply([r for r in rules if r.always and isinstance(r.pattern, sp.Sum)], expr)[0]


def fold(expr: sp.Expr, rules: Sequence[Rule], weights: dict[str, int]) -> tuple[sp.Expr, tuple[Rule, ...]]:
    """``expr`` in named arrays, and the rules used.

    Kernels are always replaced; entries and identities only where the line becomes cheaper (see ``cost``).
    """
    always = [r for r in rules if r.always]
    expr, emptied = _without_empty_sums(always, expr)
    expr, chosen = _chosen(always, expr, weights)
    chosen = emptied + chosen
    applied, used = _apply(always, expr)
    folded = tidy(applied, weights)
    if not _divisors(folded) <= _divisors(expr):  # exp(z) = p/(1 - p) is inaccurate where p rounds to 1
        always = [r for r in always if not isinstance(sp.fraction(r.replacement)[0], sp.Add)]
        applied, used = _apply(always, expr)
        folded = tidy(applied, weights)
    expr, used = folded, chosen + used
    for rule in (r for r in rules if not r.always):
        chain = [rule] if rule.after is None or rule.after.always else [rule.after, rule]
        for candidate in (expr, split_sums(expr)):
            changed, applied = candidate, tuple[Rule, ...]()
            for link in chain:
                changed, more = _apply([link], changed)
                applied += more
            if rule in applied:
                shorter = tidy(changed, weights)
                if cost(shorter, weights) < cost(expr, weights):
                    expr, used = shorter, used + applied
                    break
    return expr, tuple(dict.fromkeys(used))


def _without_empty_sums(rules: Sequence[Rule], expr: sp.Expr) -> tuple[sp.Expr, tuple[Rule, ...]]:
    """``expr`` without sums that vanish once each term is summed and named, such as sums of deviations from a mean."""
    totals = [r for r in rules if isinstance(r.pattern, sp.Sum)]
    used: list[Rule] = []
    sums = [total for total in parts_of(expr, sp.Sum) if isinstance(total.function, sp.Add)]
    for total in sorted(sums, key=lambda e: e.sort_key()):
        if all(set(bound_indices(total)) <= free_indices(term) for term in total.function.args):
            continue  # a term without an index of the sum is needed to cancel a whole sum
        named, by = _apply(totals, split_sums(total))
        if multiplied_out(named) == 0:
            expr, used = ordered_sums(replaced(expr, {total: sp.S.Zero})), [*used, *by]
    return expr, tuple(used)


def _divisors(expr: sp.Expr) -> set[Basic]:
    """The sums and differences that an expression divides by."""
    return {p.base for p in parts_of(expr, sp.Pow) if isinstance(p.base, sp.Add) and p.exp.is_negative}


def _chosen(rules: Sequence[Rule], expr: sp.Expr, weights: dict[str, int]) -> tuple[sp.Expr, tuple[Rule, ...]]:
    """``expr`` with each kernel that several rules match replaced by the rule that gives the cheapest product."""
    several = [r for r in rules if any(r is not other and _same_kernel(r, other) for other in rules)]
    if not several:
        return expr, ()
    if isinstance(expr, sp.Mul):
        pairs = [(rule, dict(matches(rule, expr))) for rule in several]
        options = [
            (rule, replaced(expr, by)) for rule, by in pairs if by and not any(isinstance(k, sp.Sum) for k in by)
        ]
        if options:
            rule, best = min(options, key=lambda pair: cost(pair[1], weights))
            return best, (rule,)
    if isinstance(expr, sp.Sum):
        body, used = _chosen(several, expr.function, weights)
        return sum_over(body, bound_indices(expr)), used
    if not isinstance(expr, (sp.Add, sp.Mul)):
        return expr, ()
    parts = [_chosen(several, arg, weights) for arg in expr.args]
    return expr.func(*(part for part, _ in parts)), tuple(rule for _, used in parts for rule in used)


def _same_kernel(one: Rule, other: Rule) -> bool:
    """Whether two rules have the same kernel up to the letters of indices."""
    if [axis_name(i) for i in one.indices] != [axis_name(i) for i in other.indices]:
        return False
    pattern = renamed(one.pattern, dict(zip(one.indices, other.indices, strict=True)))
    return bool(canonical(pattern) == canonical(other.pattern))


def _apply(rules: Sequence[Rule], expr: sp.Expr) -> tuple[sp.Expr, tuple[Rule, ...]]:
    used: list[Rule] = []
    for rule in sorted(rules, key=lambda r: not isinstance(r.pattern, sp.Sum)):
        while replacements := dict(matches(rule, expr)):
            used.append(rule)
            expr = ordered_sums(replaced(expr, replacements))
            if not isinstance(rule.pattern, sp.Mul):  # which matches one factor of a product at a time
                break
    return expr, tuple(used)


def collected(expr: sp.Expr) -> sp.Expr:
    """``expr`` with like terms merged, also if their brackets differ in sign: a (x - y) + b (y - x)."""
    if not expr.args or isinstance(expr, (sp.Indexed, Idx, sp.KroneckerDelta)) or is_matrix(expr):
        return expr
    if isinstance(expr, sp.Sum):
        return sum_over(collected(expr.function), bound_indices(expr))
    new = expr.func(*map(collected, expr.args))
    like: dict[sp.Expr, list[tuple[sp.Expr, sp.Expr]]] = {}
    for term in new.args if isinstance(new, sp.Add) else ():
        number, rest = unsigned(term)
        like.setdefault(rest, []).append((number, term))
    if all(len(terms) == 1 for terms in like.values()):
        return new
    return sp.Add(
        *(term / number * sp.Add(*(n for n, _ in terms)) for terms in like.values() for number, term in terms[:1])
    )


@lru_cache(maxsize=4096)
@uncounted()
def unsigned(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A number and a rest whose product is ``expr``; the rest does not depend on the signs of its brackets."""
    if is_matrix(expr):
        return sp.Integer(1), expr
    if not expr.args or isinstance(expr, (sp.Indexed, Idx, sp.KroneckerDelta)):
        number, rest = expr.as_coeff_Mul()
        return number, rest
    if isinstance(expr, sp.Sum):
        number, rest = unsigned(expr.function)
        return number, canonical(sum_over(rest, bound_indices(expr)))
    parts = [unsigned(arg) for arg in expr.args]
    if isinstance(expr, sp.Mul):
        return sp.Mul(*(number for number, _ in parts)), sp.Mul(*(rest for _, rest in parts))
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer:
        return parts[0][0] ** expr.exp, parts[0][1] ** expr.exp
    new = expr.func(*(number * rest for number, rest in parts))
    is_negative = isinstance(new, sp.Add) and new.could_extract_minus_sign()
    return (sp.Integer(-1), -new) if is_negative else (sp.Integer(1), new)


def reads_alike(first: sp.Expr, second: sp.Expr) -> bool:
    """Whether two right sides look the same on a page, which shows signs, numbers and sizes in front of a product.

    Factors taken out of brackets inside sums are ignored too.
    """
    return _in_front(first) == _in_front(second)


def _in_front(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """``expr`` as a product of numbers and sizes with a rest, which does not depend on their positions in ``expr``."""
    if is_count(expr):
        return expr, sp.Integer(1)
    if not expr.args or isinstance(expr, (sp.Indexed, Idx, sp.KroneckerDelta)):
        return sp.Integer(1), expr
    if isinstance(expr, sp.Sum):
        count, rest = _in_front(sp.factor_terms(expr.function))
        return count, canonical(sum_over(rest, bound_indices(expr)))
    parts = [_in_front(arg) for arg in expr.args]
    if isinstance(expr, sp.Mul):
        return sp.Mul(*(count for count, _ in parts)), sp.Mul(*(rest for _, rest in parts))
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer:
        return parts[0][0] ** expr.exp, parts[0][1] ** expr.exp
    if isinstance(expr, sp.Add):
        front, _ = min(parts, key=lambda part: sp.default_sort_key(part[1]))
        return front, sp.Add(*(count / front * rest for count, rest in parts))
    return sp.Integer(1), canonical(expr.func(*(count * rest for count, rest in parts)))
