"""Simplification of sums: Kronecker deltas summed away, constant factors pulled out, independent sums separated.

Every function here returns an expression of equal value.  A bracket is expanded only if a delta in it can be summed
away, so that other brackets stay recognisable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from math import comb, prod

from sympy import Add, Expr, KroneckerDelta, Mul, Pow, S, Sum, exp
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx, Indexed

from symgrad.budget import spend
from symgrad.canonical import canonical, extent, spelled
from symgrad.functions import where
from symgrad.notation import (
    axis_name,
    bound_indices,
    free_indices,
    freshen,
    height,
    parts_of,
    replaced,
    stand_in,
    sum_over,
    unfolded,
)
from symgrad.piecewise import cases, leaves_out

MOST_PRODUCTS = 500
"""An expression with more terms after expansion stays in brackets; the catalogue's largest has 14."""
MOST_PARTS = 20_000
"""So does an expression with a larger extent after expansion."""


def contract(expr: Expr, axis: str, *, opened: bool = True) -> Expr:
    """``expr`` with every delta in a bound index over ``axis`` summed away, and its sums simplified.

    A bracket (1 - delta), which leaves an entry out of a sum, stays: it reads well, and expanding it would first add
    the entry and then subtract it, which loses digits.  With ``opened=False`` a bracket with a term without a delta
    stays too.
    """
    return canonical(_rebuild(freshen(expr), axis, opened))


def ordered_sums(expr: Expr) -> Expr:
    """``expr`` with its sums simplified, except for deltas."""
    return canonical(_rebuild(freshen(expr), None))


def split_sums(expr: Expr) -> Expr:
    """``expr`` with every sum of several terms split into one sum per term."""
    return canonical(_split(freshen(expr)))


def is_multiplied_out_soon(expr: Basic) -> bool:
    """Whether ``expr`` stays small when it is expanded: at most ``MOST_PRODUCTS`` terms, also in the denominator, and
    ``MOST_PARTS`` parts, before like terms are merged."""
    return max(_products(expr)) <= MOST_PRODUCTS and _parts(expr) <= MOST_PARTS


@lru_cache(maxsize=1024)
def _parts(expr: Basic) -> int:
    """About the extent of ``expr`` when it is expanded at all depths and nothing is merged."""
    if isinstance(expr, Mul):
        counts = [max(_products(factor)) for factor in expr.args]
        return prod(counts) * sum(_parts(factor) // count + 1 for factor, count in zip(expr.args, counts, strict=True))
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        count = max(_products(expr.base))
        return max(_products(expr)) * min(abs(int(expr.exp)), MOST_PRODUCTS) * (_parts(expr.base) // count + 1)
    return 1 + sum(map(_parts, expr.args))


def _products(expr: Basic) -> tuple[int, int]:
    """The number of terms in the numerator and in the denominator of ``expr`` when they are expanded."""
    parts = [_products(arg) for arg in expr.args] if isinstance(expr, (Add, Mul)) else []
    if isinstance(expr, Add):
        below = prod(part[1] for part in parts)
        return sum(part[0] * (below // part[1]) for part in parts), below
    if isinstance(expr, Mul):
        return prod(part[0] for part in parts), prod(part[1] for part in parts)
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        times = min(abs(int(expr.exp)), MOST_PRODUCTS)
        above, below = (comb(count + times - 1, times) for count in _products(expr.base))
        return (above, below) if expr.exp.is_positive else (below, above)
    return 1, 1


def multiplied_out(expr: Expr) -> Expr:
    """``expr`` expanded, unless it becomes too large.

    Exponentials of sums are protected: SymPy would expand them into products over an index, which are not supported.
    """
    if not is_multiplied_out_soon(expr):
        return expr
    spend(extent(expr))
    sums = sorted((e for e in parts_of(expr, exp) if e.args[0].has(Sum)), key=lambda e: e.sort_key())
    names = {e: stand_in(e, f"exp {number}", positive=True) for number, e in enumerate(sums)}
    expanded = replaced(expr, names).expand()
    for e, name in names.items():
        expanded = unfolded(expanded, name, e)
    return expanded


def _split(expr: Basic) -> Expr:
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)) or not height(expr):
        return expr
    if isinstance(expr, Sum):
        body = multiplied_out(_split(expr.function))
        return Add(*(_sum_of_product(term, bound_indices(expr)) for term in Add.make_args(body)))
    return expr.func(*(_split(arg) for arg in expr.args))


def terms_apart(expr: Expr) -> Expr:
    """A sum over indices of several terms as several sums; brackets inside a term stay."""
    if isinstance(expr, Add):
        return Add(*map(terms_apart, expr.args))
    if isinstance(expr, Sum) and isinstance(expr.function, Add):
        return Add(*(terms_apart(sum_over(term, bound_indices(expr))) for term in expr.function.args))
    if isinstance(expr, Mul):
        sums = [factor for factor in expr.args if isinstance(factor, Sum) and isinstance(factor.function, Add)]
        if len(sums) == 1:
            rest = Mul(*(factor for factor in expr.args if factor is not sums[0]))
            return Add(*(rest * term for term in Add.make_args(terms_apart(sums[0]))))
    return expr


def has_delta(expr: Basic, axis: str) -> bool:
    """Whether ``expr`` has a delta that can be summed away over ``axis``."""
    every = deltas(expr)
    bound = {i for total in parts_of(expr, Sum) for i in bound_indices(total) if axis_name(i) == axis} if every else ()
    return any(set(delta.args[:2]) & set(bound) for delta in every)


def deltas(expr: Basic) -> set[KroneckerDelta]:
    """The deltas in ``expr``, except those that leave an entry out of a sum."""
    if isinstance(expr, KroneckerDelta):
        return {expr}
    if not parts_of(expr, KroneckerDelta) or leaves_out(expr):
        return set()
    if isinstance(expr, Sum) and leaves_out(expr.function):
        return set(parts_of(expr, KroneckerDelta))
    is_plain = isinstance(expr, (Add, Mul, Sum, where))  # in a function or a power, only deltas in sums
    return set().union(*map(deltas, expr.args if is_plain else parts_of(expr, Sum)))


def _rebuild(expr: Basic, axis: str | None, opened: bool = True) -> Expr:
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)) or not height(expr):
        return expr
    if isinstance(expr, Sum):
        return _summed(_rebuild(expr.function, axis, opened), set(bound_indices(expr)), axis, opened)
    return expr.func(*(_rebuild(arg, axis, opened) for arg in expr.args))


def _summed(body: Expr, indices: set[Idx], axis: str | None, opened: bool = True) -> Expr:
    """The simplified sum of ``body`` over ``indices``."""
    if not parts_of(body, KroneckerDelta) or axis is None:
        return _sum_of_product(body, indices)
    waiting = {i for i in indices if axis_name(i) == axis}
    terms = _multiplied_out(body, waiting, opened)
    return Add(*(_sum_of_product(*_picked(term, indices, waiting)) for term in terms))


def _multiplied_out(body: Expr, waiting: set[Idx], opened: bool) -> list[Expr]:
    """The terms of ``body`` after expanding the brackets with a delta in a ``waiting`` index.

    Unless ``opened``, only brackets with such a delta in each term are expanded.
    """
    if isinstance(body, Add):
        if not _waits(body, waiting):
            return [body]
        plain = [term for term in body.args if not _waits(term, waiting)]
        rest = [t for term in body.args if _waits(term, waiting) for t in _multiplied_out(term, waiting, opened)]
        return rest + ([Add(*plain)] if plain else [])
    for factor in Mul.make_args(body):
        if isinstance(factor, where) and _waits(factor, waiting):
            apart = deltas_apart(factor, waiting)
            return _multiplied_out(body / factor * apart, waiting, opened) if apart != factor else [body]
        is_opened = isinstance(factor, Add) and not leaves_out(factor)
        if is_opened and (any if opened else all)(_waits(term, waiting) for term in factor.args):
            others = body / factor
            return [t for term in factor.args for t in _multiplied_out(others * term, waiting, opened)]
    return [body]


def deltas_apart(choice: where, waiting: Set[Idx] = frozenset()) -> Expr:
    """``where(c, a, b)`` with its deltas outside: for each product of deltas, the choice of its two coefficients.

    Brackets with a delta in a ``waiting`` index are expanded.
    """
    condition, *branches = choice.args
    parts: dict[Expr, list[Expr]] = {}
    for number, branch in enumerate(branches):
        for term in _multiplied_out(branch, {*waiting}, True) if waiting else Add.make_args(branch):
            deltas = Mul(*(factor for factor in Mul.make_args(term) if isinstance(factor, KroneckerDelta)))
            parts.setdefault(deltas, [S.Zero, S.Zero])[number] += term / deltas
    return Add(*(deltas * cases(condition, *chosen) for deltas, chosen in parts.items()))


def _waits(expr: Basic, waiting: set[Idx]) -> bool:
    return any(set(delta.args[:2]) & waiting for delta in deltas(expr))


def _picked(term: Expr, indices: set[Idx], waiting: set[Idx]) -> tuple[Expr, set[Idx]]:
    """``term`` with its factors delta(i, x) summed away, sum_i delta(i, x) f(i) = f(x), and the remaining indices."""
    remaining = set(indices)
    while True:
        for factor in Mul.make_args(term):
            if isinstance(factor, KroneckerDelta) and (bound := set(factor.args[:2]) & waiting & remaining):
                gone = min(bound, key=str)
                (kept,) = set(factor.args[:2]) - {gone}
                term = replaced(term / factor, {gone: kept})
                remaining.discard(gone)
                break
        else:
            return term, remaining


def _sum_of_product(body: Expr, indices: Iterable[Idx]) -> Expr:
    """The sum of a product, with each factor inside only the sums that it needs; a bracket is one factor."""
    waiting = set(indices)
    factors: list[Expr] = []
    for factor in Mul.make_args(body):
        if isinstance(factor, Sum) and free_indices(factor) & waiting:
            waiting |= set(bound_indices(factor))
            factors.extend(Mul.make_args(factor.function))
        else:
            factors.append(factor)
    while waiting:
        using = {i: [f for f in factors if i in free_indices(f)] for i in waiting}
        index = _first(using)
        factors = [f for f in factors if index not in free_indices(f)]
        factors.append(_single(Mul(*using[index]), index))
        waiting.discard(index)
    return Mul(*factors)


def _first(using: Mapping[Idx, Sequence[Expr]]) -> Idx:
    """The index to sum over first, given the factors that contain each index.

    It is the index in the fewest factors, with the fewest other indices; ties do not depend on letters.
    """
    sizes = {i: (len(some), sorted(len(free_indices(f)) for f in some), axis_name(i)) for i, some in using.items()}
    least = min(sizes.values())
    colors = {i: axis_name(i) for i in using}  # refined until indices with different roles have different colors
    for _ in using if list(sizes.values()).count(least) > 1 else ():
        texts = {i: f"{colors[i]}: {sorted(spelled(f, {**colors, i: '*'}) for f in some)}" for i, some in using.items()}
        ranks = {text: str(rank) for rank, text in enumerate(sorted(set(texts.values())))}
        colors = {i: ranks[text] for i, text in texts.items()}
    return min((i for i in using if sizes[i] == least), key=lambda i: (colors[i], i.name))


def _single(body: Expr, index: Idx) -> Expr:
    """The sum over one index of a product in which every factor has the index; nested sums are merged."""
    if body == 1:
        return index.upper + 1
    if leaves_out(body):
        picked = (_picked(term, {index}, {index}) for term in body.args)
        return Add(*(_sum_of_product(term, remaining) for term, remaining in picked))
    if isinstance(body, Sum):
        return sum_over(body.function, (*bound_indices(body), index))
    return sum_over(body, (index,))
