"""The cheapest of several equal forms of an expression, by what it costs its reader."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import combinations, permutations

import sympy as sp
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.engine.summation import is_multiplied_out_soon, multiplied_out, ordered_sums
from symgrad.functions import reciprocal, root, step
from symgrad.notation import bound_indices, height, parts_of, replaced, sum_over
from symgrad.piecewise import leaves_out


@lru_cache(maxsize=4096)
def _has_factor(expr: sp.Expr) -> bool:
    """Whether a sum has a common factor."""
    return isinstance(sp.factor_terms(expr), sp.Mul)


def cost(expr: Basic, weights: dict[str, int]) -> int:
    """What an expression costs its reader: entries by the weight of their array (default 2), operations, sums.

    Numbers and sizes of axes in front of a product are almost free.
    """
    if isinstance(expr, sp.Indexed):
        return weights.get(expr.base.name, 2)
    if isinstance(expr, sp.KroneckerDelta):
        return 2
    if isinstance(expr, sp.Symbol):
        return weights.get(expr.name, 1)
    if isinstance(expr, sp.Sum):
        return 3 * len(expr.limits) + cost(expr.function, weights)
    if isinstance(expr, (root, reciprocal)):  # written like powers
        return cost(expr.args[0], weights) + 1 + isinstance(expr, root)
    if isinstance(expr, sp.Function):
        return 2 + sum(cost(arg, weights) for arg in expr.args)
    if isinstance(expr, sp.Pow):
        unfactored = 3 if expr.exp.is_negative and _has_factor(expr.base) else 0
        return cost(expr.base, weights) + unfactored + (1 if expr.exp in (2, -1) else 2 + cost(expr.exp, weights))
    if isinstance(expr, sp.Mul):
        plain = [arg for arg in expr.args if not is_count(arg)]
        brackets = sum(isinstance(arg, sp.Add) for arg in plain)
        number = expr.as_coeff_Mul()[0]
        front = (number not in (1, -1)) + (number.is_negative is True)
        return max(len(plain) - 1, 0) + brackets + front + sum(cost(arg, weights) for arg in plain)
    if isinstance(expr, sp.Add):
        return len(expr.args) - 1 + sum(cost(arg, weights) for arg in expr.args)
    return 1


@lru_cache(maxsize=4096)
def is_count(expr: sp.Expr) -> bool:
    """Whether ``expr`` contains only numbers and sizes of axes."""
    return not parts_of(expr, Idx) and (expr.is_number or all(s.is_integer for s in expr.free_symbols))


def tidy(expr: sp.Expr, weights: dict[str, int]) -> sp.Expr:
    """The cheapest of SymPy's equal forms, with common factors taken out and fractions cancelled, also inside sums."""
    return canonical(_tidy_atoms(_tidy_sums(expr, weights), weights))


MOST_FACTORED = 12
"""A fraction with more distinct atoms is not factored: the time grows exponentially."""

QUOTIENTS = {(sp.sinh, sp.cosh): sp.tanh, (sp.sin, sp.cos): sp.tan}
"""Two functions of the same argument -> the function that is their quotient."""


def quotients_named(expr: Basic) -> sp.Expr:
    """``expr`` with quotients such as sinh u / cosh u replaced by tanh u."""
    if not expr.args or isinstance(expr, (sp.Indexed, Idx)):
        return expr
    if isinstance(expr, sp.Sum):
        return sum_over(quotients_named(expr.function), bound_indices(expr))
    new = expr.func(*(quotients_named(arg) for arg in expr.args))
    for (above, below), quotient in QUOTIENTS.items():
        for top in sp.Mul.make_args(new):
            base, power = top.as_base_exp()
            under = new.as_powers_dict().get(below(base.args[0]), sp.S.Zero) if isinstance(base, above) else sp.S.Zero
            if power.is_Integer and under.is_Integer and (times := min(power, -under)) > 0:
                new = new * (below(base.args[0]) / base * quotient(base.args[0])) ** times
    return new


def _tidy_sums(expr: Basic, weights: dict[str, int]) -> sp.Expr:
    if not height(expr):
        return expr
    if isinstance(expr, sp.Sum):
        body = _tidy_atoms(_tidy_sums(expr.function, weights), weights)
        return ordered_sums(sum_over(body, bound_indices(expr)))
    new = expr.func(*(_tidy_sums(arg, weights) for arg in expr.args))
    return _sums_joined(new, weights) if isinstance(new, sp.Add) else new


def _sums_joined(expr: sp.Add, weights: dict[str, int]) -> sp.Expr:
    """Sums over the same axes with a common factor as one sum: sum_n a_nm x_n + sum_i a_mi x_i."""
    alike: dict[tuple[sp.Expr, tuple[Basic, ...]], list[sp.Expr]] = {}
    for term in expr.args:
        number, rest = canonical(term).as_coeff_Mul()
        totals = [factor for factor in sp.Mul.make_args(rest) if isinstance(factor, sp.Sum)]
        if len(totals) == 1:
            key = rest / totals[0], totals[0].limits
            alike.setdefault(key, []).append(number * totals[0].function)
    for (rest, limits), bodies in alike.items():
        if len(bodies) < 2:
            continue
        body = min(_tidy_atoms(sp.Add(*bodies), weights), _factored(sp.Add(*bodies)), key=lambda e: cost(e, weights))
        factors = [factor for factor in sp.Mul.make_args(body) if not is_count(factor)]
        if len(factors) > 1 and any(isinstance(factor, sp.Add) for factor in factors):
            separate = sp.Add(*(rest * sp.Sum(part, *limits) for part in bodies))
            expr = canonical(expr) - canonical(separate) + rest * sp.Sum(body, *limits)
    return expr


def _factored(expr: sp.Expr) -> sp.Expr:
    """A sum, factored: x a + x b becomes x (a + b).  It is unchanged if it has no factors or is too long."""
    names = _names_of_atoms(expr)
    plain = _with_symbols(expr, names)
    if len(names) > MOST_FACTORED or not is_multiplied_out_soon(expr) or _is_irreducible(plain):
        return expr
    return _signed(replaced(_factor(plain), {name: atom for atom, name in names.items()}))


def _is_irreducible(expr: sp.Expr) -> bool:
    """Whether a polynomial is recognised as one without factors, except for numbers.

    If x and y occur in one term each, as in x a + y b + c, a factor without x divides a.  So y does not occur in it,
    and it divides b too.  If a and b have no symbol in common, it is a number.
    """
    terms = [(term.free_symbols, set(sp.Mul.make_args(term))) for term in sp.Add.make_args(expr)]
    occurring = Counter(symbol for symbols, _ in terms for symbol in symbols)
    alone = [symbols for symbols, factors in terms if any(occurring[symbol] == 1 for symbol in symbols & factors)]
    is_polynomial = all(power.exp.is_positive for power in expr.atoms(sp.Pow))
    return is_polynomial and any(one.isdisjoint(other) for one, other in combinations(alone, 2))


def _is_plainest(expr: sp.Expr) -> bool:
    """Whether a sum has no other form: of products of symbols with the signs + and -, without factors."""
    terms = [sp.Mul.make_args(term) for term in sp.Add.make_args(expr)]
    is_flat = all(factor.is_Symbol or factor == -1 for factors in terms for factor in factors)
    return is_flat and not all(-1 in factors for factors in terms) and _is_irreducible(expr)


# Expressions of different arrays are often equal up to the names of their atoms, as in the steps of a recurrence.
_factor, _factor_terms, _cancel = map(lru_cache(maxsize=4096), (sp.factor, sp.factor_terms, sp.cancel))


def _names_of_atoms(expr: sp.Expr) -> dict[Basic, sp.Symbol]:
    atoms = sorted(_atoms(expr), key=lambda atom: atom.sort_key())
    return {atom: sp.Symbol(f"atom{number}") for number, atom in enumerate(atoms)}


def _tidy_atoms(expr: sp.Expr, weights: dict[str, int]) -> sp.Expr:
    """The cheapest of SymPy's rational forms, with functions, sums, deltas and entries as atoms."""
    if not _has_bracket(expr):
        return expr
    names = _names_of_atoms(expr)
    plain = _with_symbols(expr, names)
    if _is_plainest(plain):
        return expr
    forms = [plain, _factor_terms(plain), _undivided(plain)]
    halves = [sp.factor_terms(multiplied_out(replaced(plain, opposite))) for opposite in _opposite_steps(names)]
    forms += sorted(halves, key=lambda form: sum(len(bracket.args) for bracket in form.atoms(sp.Add)))
    if not is_multiplied_out_soon(plain):
        pass
    elif _has_quotient_of_sums(plain):
        cancelled = _cancel(plain)
        forms += [cancelled, _factor_terms(cancelled)]
        if len(cancelled.free_symbols) <= MOST_FACTORED:
            forms.append(_factor(cancelled))
    else:
        forms.append(_factor_terms(multiplied_out(plain)))
    back = {name: atom for atom, name in names.items()}
    candidates = [_signed(_of_one_sign(replaced(form, back))) for form in dict.fromkeys(forms)]
    return min(candidates, key=lambda form: (cost(form, weights), form.count(sp.KroneckerDelta)))


def _undivided(expr: sp.Expr) -> sp.Expr:
    """``expr`` without divisions in a bracket by a factor of the bracket: p (log p - q/p) as p log p - q."""
    if not isinstance(expr, (sp.Add, sp.Mul)):
        return expr
    new = expr.func(*map(_undivided, expr.args))
    for bracket in new.args if isinstance(new, sp.Mul) else ():
        if isinstance(bracket, sp.Add):
            below = {power.base for power in bracket.atoms(sp.Pow) if power.exp.is_negative}
            for base, power in (new / bracket).as_powers_dict().items():
                if power.is_positive and base in below:
                    return _undivided(new / base / bracket * sp.Add(*(base * term for term in bracket.args)))
    return new


def _opposite_steps(names: dict[Basic, sp.Symbol]) -> list[dict[Basic, Basic]]:
    """H(-u) -> 1 - H(u), for the names of steps of which both occur, with H(0) = 1/2."""
    halves = [atom for atom in names if isinstance(atom, step) and atom.args[1] == sp.S.Half]
    pairs = [(a, b) for a, b in permutations(halves, 2) if multiplied_out(a.args[0] + b.args[0]) == 0]
    return [{names[a]: 1 - names[b]} for a, b in pairs]


def _of_one_sign(expr: sp.Expr) -> sp.Expr:
    """A product with brackets that are opposite as a power of one of them: (1 - p) (p - 1) as -(1 - p)^2."""
    for bracket in expr.args if isinstance(expr, sp.Mul) else ():
        base, power = bracket.as_base_exp()
        for other in expr.args:
            if isinstance(base, sp.Add) and other == -base and power.is_Integer:
                return _of_one_sign(-expr / other * base)
    return expr


def _has_bracket(expr: sp.Expr) -> bool:
    """Whether the rational part of ``expr`` contains a sum of terms; otherwise it has only one form."""
    if isinstance(expr, sp.Add):
        return True
    return isinstance(expr, (sp.Mul, sp.Pow)) and any(_has_bracket(arg) for arg in expr.args)


def _atoms(expr: sp.Expr) -> set[sp.Expr]:
    """The atoms of the rational part of ``expr``: entries, deltas, brackets 1 - delta, functions, roots and sums."""
    if leaves_out(expr):
        return {expr if 1 in expr.args else -expr}
    rational = isinstance(expr, (sp.Add, sp.Mul)) or (isinstance(expr, sp.Pow) and expr.exp.is_Integer)
    if rational:
        return set().union(*(_atoms(arg) for arg in expr.args))
    is_number = not isinstance(expr, (sp.Indexed, sp.Sum)) and expr.is_number  # SymPy looks for free symbols in sums
    return set() if isinstance(expr, sp.Symbol) or is_number else {expr}


def _with_symbols(expr: sp.Expr, names: dict[Basic, sp.Symbol]) -> sp.Expr:
    """``expr`` with its atoms replaced; atoms inside atoms are not."""
    if expr in names:
        return names[expr]
    if leaves_out(expr):
        return -names[-expr]
    if isinstance(expr, sp.Pow) and leaves_out(expr.base) and expr.exp.is_Integer and expr.exp > 0:
        mask = _with_symbols(expr.base, names)
        return mask if expr.exp.is_odd or not mask.could_extract_minus_sign() else -mask  # a mask is 0 or 1
    return expr.func(*(_with_symbols(arg, names) for arg in expr.args)) if expr.args else expr


def _signed(expr: sp.Expr) -> sp.Expr:
    """-(a - b) as (b - a)."""
    if not isinstance(expr, sp.Mul) or not expr.as_coeff_Mul()[0].is_negative:
        return expr
    for bracket in expr.args:
        if isinstance(bracket, sp.Add) and any(term.could_extract_minus_sign() for term in bracket.args):
            return sp.Mul(*((-part if part is bracket else part) for part in expr.args), -1)
    return expr


def _has_quotient_of_sums(expr: sp.Expr) -> bool:
    return any(power.exp.is_negative and isinstance(power.base, sp.Add) for power in expr.atoms(sp.Pow))
