"""Sums over whole axes in the checker's normal form.

The rules, each of which preserves the value at every shape: a delta that ties a summed index to another one picks
that term; a factor without the index comes out of the sum; a sum over an index that nothing bears is the size of its
axis; factors that share no summed index part into sums of their own; the shares of a selection add up to 1; a
positive power of a sum inside a sum is written out with indices of its own (``(sum_j a_j)**2 = sum_ij a_i a_j``);
factors that make up a sum by which the same term is divided cancel with it.  What is left is an atom, its indices
named by axis, height and the order of the key, so that sums which differ in the names of their indices are the same
atom.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import count, product

from symgrad import canonical
from symgrad.budget import spend
from symgrad.check.normal_form import algebra, onehot
from symgrad.check.normal_form.atoms import (
    Atom,
    Exponent,
    Index,
    Monomial,
    NoNormalForm,
    Polynomial,
    add,
    axis_of,
    free_of_items,
    height_of,
    number,
    scale,
    size,
    spell,
    total,
)

_serial = count()


def fresh_index(index: Index) -> Index:
    """An index over the same axis that occurs nowhere else."""
    return f"!{next(_serial)}@{axis_of(index)}"


def over(polynomial: Polynomial, bound: list[Index]) -> Polynomial:
    """The sum of a polynomial over indices that occur nowhere else."""
    terms = [scale(_over_monomial(m, set(bound)), c) for m, c in polynomial.items()]
    return add(*terms)


def _over_monomial(monomial: Monomial, bound: set[Index]) -> Polynomial:
    for atom, exponent in monomial:
        if atom.kind == "sum" and atom.free & bound and isinstance(exponent, int) and exponent > 0:
            return _flattened(monomial, atom, exponent, bound)
    for atom, _ in monomial:
        if atom.kind == "delta" and set(atom.data) & bound:
            i, j = atom.data if atom.data[0] in bound else reversed(atom.data)
            return over(algebra.rename({monomial: Fraction(1)}, {i: j}), sorted(bound - {i}))
    if (summed := onehot.without_row(monomial, bound)) is not None:
        rest, index = summed
        return over({rest: Fraction(1)}, sorted(bound - {index}))
    for atom, exponent in monomial:
        if atom.kind == "selection" and exponent == 1 and _is_alone(atom, monomial, bound):
            return over({tuple((a, e) for a, e in monomial if a != atom): Fraction(1)}, sorted(bound - {atom.data[2]}))
    if (cancelled := _cancelled(monomial, bound)) is not None:
        return over(*cancelled)
    result = number(1)
    loose: list[tuple[Atom, Exponent]] = [(a, e) for a, e in monomial if not a.free & bound]
    parts = _components([(a, e) for a, e in monomial if a.free & bound], bound)
    for indices, factors in parts:
        loose += [(size(axis_of(i)), 1) for i in indices] if not factors else [(_atom(indices, factors), 1)]
    for factor in loose:
        result = algebra.multiply(result, {(factor,): Fraction(1)})
    return result


def _is_alone(selected: Atom, monomial: Monomial, bound: set[Index]) -> bool:
    """Whether a whole selection is summed, row by row, so that its shares add up to 1."""
    _, row, at = selected.data
    others = [a.free for a, _ in monomial if a != selected]
    return at in bound and at not in free_of_items(row) and not any(at in free for free in others)


def _flattened(monomial: Monomial, atom: Atom, exponent: int, bound: set[Index]) -> Polynomial:
    """The sum with a power of an inner sum written out."""
    rest = {tuple((a, e) for a, e in monomial if a != atom): Fraction(1)}
    indices = sorted(bound)
    for _ in range(exponent):
        fresh = {i: fresh_index(i) for i in atom.data[0]}
        rest = algebra.multiply(rest, algebra.rename({atom.data[1]: Fraction(1)}, fresh))
        indices += fresh.values()
    return over(rest, indices)


def _cancelled(monomial: Monomial, bound: set[Index]) -> tuple[Polynomial, list[Index]] | None:
    """The sum with factors cancelled that make up a sum by which the term is divided, and the indices that are left."""
    divisors = {a for a, e in monomial if a.kind == "sum" and e < 0}
    for divisor in divisors:
        axes = sorted(axis_of(i) for i in divisor.data[0])
        for chosen in product(*([i for i in sorted(bound) if axis_of(i) == axis] for axis in axes)):
            indices = set(chosen)
            touching = tuple((a, e) for a, e in monomial if a.free & indices)
            if len(touching) == len(divisor.data[1]) and _atom(indices, list(touching)) == divisor:
                exponents: dict[Atom, Exponent] = {a: e for a, e in monomial if (a, e) not in touching}
                exponents[divisor] += 1
                return algebra.product(exponents.items()), sorted(bound - indices)
    return None


def _components(
    factors: list[tuple[Atom, Exponent]], bound: set[Index]
) -> list[tuple[set[Index], list[tuple[Atom, Exponent]]]]:
    """The factors parted into groups that share no summed index, each with its indices."""
    groups: list[tuple[set[Index], list[tuple[Atom, Exponent]]]] = [({i}, []) for i in sorted(bound)]
    for factor in factors:
        joined = [g for g in groups if g[0] & factor[0].free]
        groups = [g for g in groups if not g[0] & factor[0].free]
        groups.append((set().union(*(g[0] for g in joined)), [f for g in joined for f in g[1]] + [factor]))
    return groups


def _atom(bound: set[Index], factors: list[tuple[Atom, Exponent]]) -> Atom:
    """The atom of a sum whose factors hang together, its indices canonical."""
    named = [_named(order, tuple(factors)) for order in _orders(bound, factors)]
    return total(*min(named, key=lambda indices_and_factors: spell(indices_and_factors[1])))


def _named(order: tuple[Index, ...], factors: Monomial) -> tuple[tuple[Index, ...], Monomial]:
    """Canonical names for the indices of a sum, given out in some order, and its factors in them."""
    spend(2)
    names: dict[Index, Index] = {}
    for i in order:
        place = sum(axis_of(other) == axis_of(i) for other in names)
        names[i] = f"~{1 + height_of(factors)}.{place}@{axis_of(i)}"
    renamed = algebra.rename({factors: Fraction(1)}, names)
    if list(renamed.values()) != [1]:
        raise NoNormalForm("a sum whose factors change when its indices are renamed")
    return tuple(sorted(names.values())), next(iter(renamed))


def _orders(bound: set[Index], factors: list[tuple[Atom, Exponent]]) -> list[tuple[Index, ...]]:
    """The orders of the indices to be tried, axis by axis."""
    ordered = sorted(bound, key=lambda i: (axis_of(i), i))

    def look(words: Mapping[Index, str]) -> str:
        text = _spelled(tuple(factors), words)
        spend(len(text) // 64)
        return text

    return canonical.orders(ordered, axis_of, look)


def _spelled(part: object, words: Mapping[Index, str]) -> str:
    """A part of an atom as text in which indices are replaced by ``words``, whatever the order of what commutes."""
    if isinstance(part, Atom):
        if not part.free & words.keys():
            return part.key
        if part.kind == "function":
            return f"{part.data[0]}({';'.join(_spelled(argument, words) for argument in part.data[1])})"
        return f"{part.kind}[{'; '.join(sorted(_spelled(inside, words) for inside in part.data))}]"
    if isinstance(part, tuple):
        parts = [_spelled(inside, words) for inside in part]
        return f"({','.join(sorted(parts) if part and isinstance(part[0], tuple) else parts)})"
    return words.get(part, part) if isinstance(part, str) else str(part)
