"""Sums in order: Kronecker deltas summed away, free factors pulled out, independent sums pulled apart.

Every function here returns an expression of equal value.  Sums are taken as linear combinations: a bracket is
multiplied out only where a delta in it waits to be summed away, so that what has a name keeps its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    replaced,
    stand_in,
    sum_over,
    unfolded,
)
from symgrad.piecewise import cases, leaves_out

MOST_PRODUCTS = 500
"""What is more when it is multiplied out stays in brackets; the catalogue comes to 14."""
MOST_PARTS = 20_000
"""And so does what then has more parts, at all depths together."""


def contract(expr: Expr, axis: str, *, opened: bool = True) -> Expr:
    """``expr`` with every delta in a bound index over ``axis`` summed away, and its sums in order.

    A bracket (1 - delta), which leaves an entry out of a sum, stays closed: so the sum is read, and numbers would lose
    digits if the entry were first added and then subtracted.  With ``opened=False`` so does any bracket that has
    terms without a delta.
    """
    return canonical(_rebuild(freshen(expr), axis, opened))


def ordered_sums(expr: Expr) -> Expr:
    """``expr`` with its sums in order and their deltas left as they are."""
    return canonical(_rebuild(freshen(expr), None))


def split_sums(expr: Expr) -> Expr:
    """``expr`` with every sum of several terms written as several sums, each in order."""
    return canonical(_split(freshen(expr)))


def is_multiplied_out_soon(expr: Basic) -> bool:
    """Whether ``expr`` has at most ``MOST_PRODUCTS`` products, above the fraction bar and below, and ``MOST_PARTS``
    parts, when all is multiplied out and nothing is merged."""
    return max(_products(expr)) <= MOST_PRODUCTS and _parts(expr) <= MOST_PARTS


@lru_cache(maxsize=1024)
def _parts(expr: Basic) -> int:
    """About how many parts ``expr`` has when it is multiplied out at all depths, with nothing merged."""
    if isinstance(expr, Mul):
        counts = [max(_products(factor)) for factor in expr.args]
        return prod(counts) * sum(_parts(factor) // count + 1 for factor, count in zip(expr.args, counts, strict=True))
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        count = max(_products(expr.base))
        return max(_products(expr)) * min(abs(int(expr.exp)), MOST_PRODUCTS) * (_parts(expr.base) // count + 1)
    return 1 + sum(map(_parts, expr.args))


def _products(expr: Basic) -> tuple[int, int]:
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
    """``expr`` with its brackets multiplied out.  SymPy would make a product over an index of the exponential of a sum,
    and no part of this package knows what that is.  One of too many terms is left as it is."""
    if not is_multiplied_out_soon(expr):
        return expr
    spend(extent(expr))
    sums = sorted((e for e in expr.atoms(exp) if e.args[0].has(Sum)), key=lambda e: e.sort_key())
    names = {e: stand_in(e, f"exp {place}", positive=True) for place, e in enumerate(sums)}
    made = replaced(expr, names).expand()
    for e, name in names.items():
        made = unfolded(made, name, e)
    return made


def _split(expr: Basic) -> Expr:
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)) or not height(expr):
        return expr
    if isinstance(expr, Sum):
        body = multiplied_out(_split(expr.function))
        return Add(*(_sum_of_product(term, bound_indices(expr)) for term in Add.make_args(body)))
    return expr.func(*(_split(arg) for arg in expr.args))


def has_delta(expr: Basic, axis: str) -> bool:
    """Whether a delta in ``expr`` has an index over ``axis`` that a sum binds, and will be summed away."""
    found = deltas(expr)
    bound = {i for total in expr.atoms(Sum) for i in bound_indices(total) if axis_name(i) == axis} if found else ()
    return any(set(delta.args[:2]) & set(bound) for delta in found)


def deltas(expr: Basic) -> set[KroneckerDelta]:
    """The deltas in ``expr``, but for those that leave an entry out of a sum of something."""
    if isinstance(expr, KroneckerDelta):
        return {expr}
    if not expr.has(KroneckerDelta) or leaves_out(expr):
        return set()
    if isinstance(expr, Sum) and leaves_out(expr.function):
        return set(expr.atoms(KroneckerDelta))
    is_plain = isinstance(expr, (Add, Mul, Sum, where))  # in a function or a power only sums have theirs to sum away
    return set().union(*map(deltas, expr.args if is_plain else expr.atoms(Sum)))


def _rebuild(expr: Basic, axis: str | None, opened: bool = True) -> Expr:
    if isinstance(expr, (Indexed, Idx, KroneckerDelta)) or not height(expr):
        return expr
    if isinstance(expr, Sum):
        return _summed(_rebuild(expr.function, axis, opened), set(bound_indices(expr)), axis, opened)
    return expr.func(*(_rebuild(arg, axis, opened) for arg in expr.args))


def _summed(body: Expr, indices: set[Idx], axis: str | None, opened: bool = True) -> Expr:
    """The sum of ``body`` over ``indices``, in order."""
    if not body.has(KroneckerDelta) or axis is None:
        return _sum_of_product(body, indices)
    waiting = {i for i in indices if axis_name(i) == axis}
    terms = _multiplied_out(body, waiting, opened)
    return Add(*(_sum_of_product(*_picked(term, indices, waiting)) for term in terms))


def _multiplied_out(body: Expr, waiting: set[Idx], opened: bool) -> list[Expr]:
    """The terms of ``body`` after brackets with a delta in a ``waiting`` index are multiplied out; unless ``opened``,
    only those that have one in each term."""
    if isinstance(body, Add):
        if not _waits(body, waiting):
            return [body]
        plain = [term for term in body.args if not _waits(term, waiting)]
        rest = [t for term in body.args if _waits(term, waiting) for t in _multiplied_out(term, waiting, opened)]
        return rest + ([Add(*plain)] if plain else [])
    for factor in Mul.make_args(body):
        if isinstance(factor, where) and _waits(factor, waiting):
            apart = deltas_apart(factor)
            return _multiplied_out(body / factor * apart, waiting, opened) if apart != factor else [body]
        is_opened = isinstance(factor, Add) and not leaves_out(factor)
        if is_opened and (any if opened else all)(_waits(term, waiting) for term in factor.args):
            others = body / factor
            return [t for term in factor.args for t in _multiplied_out(others * term, waiting, opened)]
    return [body]


def deltas_apart(choice: where) -> Expr:
    """``where(c, a, b)`` with its deltas outside: of each product of deltas what it has in the one branch and in the
    other."""
    condition, *branches = choice.args
    parts: dict[Expr, list[Expr]] = {}
    for place, branch in enumerate(branches):
        for term in Add.make_args(branch):
            deltas = Mul(*(factor for factor in Mul.make_args(term) if isinstance(factor, KroneckerDelta)))
            parts.setdefault(deltas, [S.Zero, S.Zero])[place] += term / deltas
    return Add(*(deltas * cases(condition, *chosen) for deltas, chosen in parts.items()))


def _waits(expr: Basic, waiting: set[Idx]) -> bool:
    return any(set(delta.args[:2]) & waiting for delta in deltas(expr))


def _picked(term: Expr, indices: set[Idx], waiting: set[Idx]) -> tuple[Expr, set[Idx]]:
    """``term`` with the deltas among its factors used up: sum_i delta(i, x) f(i) = f(x)."""
    remaining = set(indices)
    while True:
        for factor in Mul.make_args(term):
            if isinstance(factor, KroneckerDelta) and (found := set(factor.args[:2]) & waiting & remaining):
                gone = min(found, key=str)
                (kept,) = set(factor.args[:2]) - {gone}
                term = replaced(term / factor, {gone: kept})
                remaining.discard(gone)
                break
        else:
            return term, remaining


def _sum_of_product(body: Expr, indices: Iterable[Idx]) -> Expr:
    """The sum of a product (an Add counts as one factor), each factor inside only the sums that it needs."""
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
    """Which index to sum over first, given the factors that have it: one that few have, each with few others; of equals
    the one that comes first in whatever letters the sum is written."""
    sizes = {i: (len(some), sorted(len(free_indices(f)) for f in some), axis_name(i)) for i, some in using.items()}
    least = min(sizes.values())
    told = {i: axis_name(i) for i in using}
    for _ in using if list(sizes.values()).count(least) > 1 else ():
        texts = {i: f"{told[i]}: {sorted(spelled(f, {**told, i: '*'}) for f in some)}" for i, some in using.items()}
        places = {text: str(place) for place, text in enumerate(sorted(set(texts.values())))}
        told = {i: places[text] for i, text in texts.items()}
    return min((i for i in using if sizes[i] == least), key=lambda i: (told[i], str(i)))


def _single(body: Expr, index: Idx) -> Expr:
    """The sum over one index of a product in which every factor has the index, nested sums merged."""
    if body == 1:
        return index.upper + 1
    if leaves_out(body):
        counted = (_picked(term, {index}, {index}) for term in body.args)
        return Add(*(_sum_of_product(term, left) for term, left in counted))
    if isinstance(body, Sum):
        return sum_over(body.function, (*bound_indices(body), index))
    return sum_over(body, (index,))
