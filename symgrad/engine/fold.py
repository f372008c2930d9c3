"""Fold subexpressions into the program's named arrays, and take out common factors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sympy import (
    Add,
    Expr,
    Function,
    Indexed,
    Integer,
    KroneckerDelta,
    Mul,
    Pow,
    S,
    Sum,
    Symbol,
    cancel,
    cos,
    cosh,
    default_sort_key,
    factor,
    factor_terms,
    fraction,
    sin,
    sinh,
    tan,
    tanh,
)
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import uncounted
from symgrad.canonical import canonical
from symgrad.engine.rules import Rule, matches
from symgrad.engine.summation import is_multiplied_out_soon, multiplied_out, ordered_sums, split_sums
from symgrad.functions import reciprocal, root
from symgrad.notation import axis_name, bound_indices, free_indices, height, is_matrix, renamed, replaced, sum_over
from symgrad.piecewise import leaves_out


def fold_sums(expr: Expr, rules: Sequence[Rule]) -> Expr:
    """``expr`` with named sums replaced by their names."""
    return _apply([r for r in rules if r.always and isinstance(r.pattern, Sum)], expr)[0]


def fold(expr: Expr, rules: Sequence[Rule], weights: dict[str, int]) -> tuple[Expr, tuple[Rule, ...]]:
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
        always = [r for r in always if not isinstance(fraction(r.replacement)[0], Add)]
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


def _without_empty_sums(rules: Sequence[Rule], expr: Expr) -> tuple[Expr, tuple[Rule, ...]]:
    """``expr`` without sums that are 0 when each term is summed alone and named, as of deviations from a mean."""
    totals = [r for r in rules if isinstance(r.pattern, Sum)]
    used: list[Rule] = []
    for total in sorted((s for s in expr.atoms(Sum) if isinstance(s.function, Add)), key=lambda e: e.sort_key()):
        if all(set(bound_indices(total)) <= free_indices(term) for term in total.function.args):
            continue  # a term without an index of the sum is needed to cancel a whole sum
        named, by = _apply(totals, split_sums(total))
        if multiplied_out(named) == 0:
            expr, used = ordered_sums(replaced(expr, {total: S.Zero})), [*used, *by]
    return expr, tuple(used)


def _divisors(expr: Expr) -> set[Basic]:
    """The sums and differences that an expression divides by."""
    return {p.base for p in expr.atoms(Pow) if isinstance(p.base, Add) and p.exp.is_negative}


def _chosen(rules: Sequence[Rule], expr: Expr, weights: dict[str, int]) -> tuple[Expr, tuple[Rule, ...]]:
    """``expr`` with each kernel that several rules match replaced by the rule that is cheapest in its product."""
    several = [r for r in rules if any(r is not other and _same_kernel(r, other) for other in rules)]
    if not several:
        return expr, ()
    if isinstance(expr, Mul):
        pairs = [(rule, dict(matches(rule, expr))) for rule in several]
        options = [(rule, replaced(expr, by)) for rule, by in pairs if by and not any(isinstance(k, Sum) for k in by)]
        if options:
            rule, best = min(options, key=lambda pair: cost(pair[1], weights))
            return best, (rule,)
    if isinstance(expr, Sum):
        body, used = _chosen(several, expr.function, weights)
        return sum_over(body, bound_indices(expr)), used
    if not isinstance(expr, (Add, Mul)):
        return expr, ()
    parts = [_chosen(several, arg, weights) for arg in expr.args]
    return expr.func(*(part for part, _ in parts)), tuple(rule for _, used in parts for rule in used)


def _same_kernel(one: Rule, other: Rule) -> bool:
    """Whether two rules have the same kernel up to the letters of indices."""
    if [axis_name(i) for i in one.indices] != [axis_name(i) for i in other.indices]:
        return False
    pattern = renamed(one.pattern, dict(zip(one.indices, other.indices, strict=True)))
    return bool(canonical(pattern) == canonical(other.pattern))


def _apply(rules: Sequence[Rule], expr: Expr) -> tuple[Expr, tuple[Rule, ...]]:
    used: list[Rule] = []
    for rule in sorted(rules, key=lambda r: not isinstance(r.pattern, Sum)):
        if replacements := dict(matches(rule, expr)):
            used.append(rule)
            expr = ordered_sums(replaced(expr, replacements))
    return expr, tuple(used)


@lru_cache(maxsize=4096)
def _has_factor(expr: Expr) -> bool:
    """Whether a sum has a common factor."""
    return isinstance(factor_terms(expr), Mul)


def cost(expr: Basic, weights: dict[str, int]) -> int:
    """What an expression costs its reader: entries by the weight of their array (default 2), operations, sums.

    Numbers and sizes of axes in front of a product are almost free.
    """
    if isinstance(expr, Indexed):
        return weights.get(expr.base.name, 2)
    if isinstance(expr, KroneckerDelta):
        return 2
    if isinstance(expr, Symbol):
        return weights.get(expr.name, 1)
    if isinstance(expr, Sum):
        return 3 * len(expr.limits) + cost(expr.function, weights)
    if isinstance(expr, (root, reciprocal)):  # written like powers
        return cost(expr.args[0], weights) + 1 + isinstance(expr, root)
    if isinstance(expr, Function):
        return 2 + sum(cost(arg, weights) for arg in expr.args)
    if isinstance(expr, Pow):
        unfactored = 3 if expr.exp.is_negative and _has_factor(expr.base) else 0
        return cost(expr.base, weights) + unfactored + (1 if expr.exp in (2, -1) else 2 + cost(expr.exp, weights))
    if isinstance(expr, Mul):
        plain = [arg for arg in expr.args if not _is_count(arg)]
        brackets = sum(isinstance(arg, Add) for arg in plain)
        number = expr.as_coeff_Mul()[0]
        front = (number not in (1, -1)) + (number.is_negative is True)
        return max(len(plain) - 1, 0) + brackets + front + sum(cost(arg, weights) for arg in plain)
    if isinstance(expr, Add):
        return len(expr.args) - 1 + sum(cost(arg, weights) for arg in expr.args)
    return 1


@lru_cache(maxsize=4096)
def _is_count(expr: Expr) -> bool:
    """Whether ``expr`` contains only numbers and sizes of axes."""
    return expr.is_number or (not expr.has(Idx) and all(s.is_integer for s in expr.free_symbols))


def tidy(expr: Expr, weights: dict[str, int]) -> Expr:
    """The cheapest of SymPy's equal forms, with common factors taken out and fractions cancelled, also inside sums."""
    return canonical(_tidy_atoms(_tidy_sums(expr, weights), weights))


MOST_FACTORED = 12
"""A fraction with more distinct atoms is not factored: the time grows exponentially."""

QUOTIENTS = {(sinh, cosh): tanh, (sin, cos): tan}
"""Two functions of the same argument -> the function that is their quotient."""


def quotients_named(expr: Basic) -> Expr:
    """``expr`` with quotients such as sinh u / cosh u replaced by tanh u."""
    if not expr.args or isinstance(expr, (Indexed, Idx)):
        return expr
    if isinstance(expr, Sum):
        return sum_over(quotients_named(expr.function), bound_indices(expr))
    new = expr.func(*(quotients_named(arg) for arg in expr.args))
    for (above, below), quotient in QUOTIENTS.items():
        for top in Mul.make_args(new):
            base, power = top.as_base_exp()
            under = new.as_powers_dict().get(below(base.args[0]), S.Zero) if isinstance(base, above) else S.Zero
            if power.is_Integer and under.is_Integer and (times := min(power, -under)) > 0:
                new = new * (below(base.args[0]) / base * quotient(base.args[0])) ** times
    return new


def _tidy_sums(expr: Basic, weights: dict[str, int]) -> Expr:
    if not height(expr):
        return expr
    if isinstance(expr, Sum):
        body = _tidy_atoms(_tidy_sums(expr.function, weights), weights)
        return ordered_sums(sum_over(body, bound_indices(expr)))
    return expr.func(*(_tidy_sums(arg, weights) for arg in expr.args))


def _tidy_atoms(expr: Expr, weights: dict[str, int]) -> Expr:
    """The cheapest of SymPy's rational forms, with functions, sums, deltas and entries as atoms."""
    if not _has_bracket(expr):
        return expr
    atoms = sorted(_atoms(expr), key=lambda atom: atom.sort_key())
    names = {atom: Symbol(f"atom{number}") for number, atom in enumerate(atoms)}
    plain = _with_symbols(expr, names)
    forms = [plain, factor_terms(plain)]
    if not is_multiplied_out_soon(plain):
        pass
    elif _has_quotient_of_sums(plain):
        cancelled = cancel(plain)
        forms += [cancelled, factor_terms(cancelled)]
        if len(cancelled.free_symbols) <= MOST_FACTORED:
            forms.append(factor(cancelled))
    else:
        forms.append(factor_terms(multiplied_out(plain)))
    back = {name: atom for atom, name in names.items()}
    candidates = [_signed(replaced(form, back)) for form in forms]
    return min(candidates, key=lambda form: cost(form, weights))


def _has_bracket(expr: Expr) -> bool:
    """Whether the rational part of ``expr`` contains a sum of terms; otherwise it has only one form."""
    if isinstance(expr, Add):
        return True
    return isinstance(expr, (Mul, Pow)) and any(_has_bracket(arg) for arg in expr.args)


def _atoms(expr: Expr) -> set[Expr]:
    """The atoms of the rational part of ``expr``: entries, deltas, brackets 1 - delta, functions, roots and sums."""
    if leaves_out(expr):
        return {expr if 1 in expr.args else -expr}
    rational = isinstance(expr, (Add, Mul)) or (isinstance(expr, Pow) and expr.exp.is_Integer)
    if rational:
        return set().union(*(_atoms(arg) for arg in expr.args))
    return set() if isinstance(expr, Symbol) or expr.is_number else {expr}


def _with_symbols(expr: Expr, names: dict[Basic, Symbol]) -> Expr:
    """``expr`` with its atoms replaced; atoms inside atoms are not."""
    if expr in names:
        return names[expr]
    if leaves_out(expr):
        return -names[-expr]
    if isinstance(expr, Pow) and leaves_out(expr.base) and expr.exp.is_Integer and expr.exp > 0:
        mask = _with_symbols(expr.base, names)
        return mask if expr.exp.is_odd or not mask.could_extract_minus_sign() else -mask  # a mask is 0 or 1
    return expr.func(*(_with_symbols(arg, names) for arg in expr.args)) if expr.args else expr


def _signed(expr: Expr) -> Expr:
    """-(a - b) as (b - a)."""
    if not isinstance(expr, Mul) or not expr.as_coeff_Mul()[0].is_negative:
        return expr
    for bracket in expr.args:
        if isinstance(bracket, Add) and any(term.could_extract_minus_sign() for term in bracket.args):
            return Mul(*((-part if part is bracket else part) for part in expr.args), -1)
    return expr


def collected(expr: Expr) -> Expr:
    """``expr`` with like terms merged, also if their brackets differ in sign: a (x - y) + b (y - x)."""
    if not expr.args or isinstance(expr, (Indexed, Idx, KroneckerDelta)) or is_matrix(expr):
        return expr
    if isinstance(expr, Sum):
        return sum_over(collected(expr.function), bound_indices(expr))
    new = expr.func(*map(collected, expr.args))
    like: dict[Expr, list[tuple[Expr, Expr]]] = {}
    for term in new.args if isinstance(new, Add) else ():
        number, rest = unsigned(term)
        like.setdefault(rest, []).append((number, term))
    if all(len(terms) == 1 for terms in like.values()):
        return new
    return Add(*(term / number * Add(*(n for n, _ in terms)) for terms in like.values() for number, term in terms[:1]))


@lru_cache(maxsize=4096)
@uncounted()
def unsigned(expr: Expr) -> tuple[Expr, Expr]:
    """A number and a rest whose product is ``expr``; the rest does not depend on the signs of its brackets."""
    if is_matrix(expr):
        return Integer(1), expr
    if not expr.args or isinstance(expr, (Indexed, Idx, KroneckerDelta)):
        number, rest = expr.as_coeff_Mul()
        return number, rest
    if isinstance(expr, Sum):
        number, rest = unsigned(expr.function)
        return number, canonical(sum_over(rest, bound_indices(expr)))
    parts = [unsigned(arg) for arg in expr.args]
    if isinstance(expr, Mul):
        return Mul(*(number for number, _ in parts)), Mul(*(rest for _, rest in parts))
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        return parts[0][0] ** expr.exp, parts[0][1] ** expr.exp
    new = expr.func(*(number * rest for number, rest in parts))
    is_negative = isinstance(new, Add) and new.could_extract_minus_sign()
    return (Integer(-1), -new) if is_negative else (Integer(1), new)


def reads_alike(first: Expr, second: Expr) -> bool:
    """Whether two right sides look the same on a page, which shows signs, numbers and sizes in front of a product.

    Factors taken out of brackets inside sums are ignored too.
    """
    return _in_front(first) == _in_front(second)


def _in_front(expr: Expr) -> tuple[Expr, Expr]:
    """``expr`` as a product of numbers and sizes with a rest, which does not depend on their positions in ``expr``."""
    if _is_count(expr):
        return expr, Integer(1)
    if not expr.args or isinstance(expr, (Indexed, Idx, KroneckerDelta)):
        return Integer(1), expr
    if isinstance(expr, Sum):
        count, rest = _in_front(factor_terms(expr.function))
        return count, canonical(sum_over(rest, bound_indices(expr)))
    parts = [_in_front(arg) for arg in expr.args]
    if isinstance(expr, Mul):
        return Mul(*(count for count, _ in parts)), Mul(*(rest for _, rest in parts))
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        return parts[0][0] ** expr.exp, parts[0][1] ** expr.exp
    if isinstance(expr, Add):
        front, _ = min(parts, key=lambda part: default_sort_key(part[1]))
        return front, Add(*(count / front * rest for count, rest in parts))
    return Integer(1), canonical(expr.func(*(count * rest for count, rest in parts)))


def _has_quotient_of_sums(expr: Expr) -> bool:
    return any(power.exp.is_negative and isinstance(power.base, Add) for power in expr.atoms(Pow))
