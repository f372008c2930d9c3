"""Entries of arrays, and sums over whole axes, in the checker's normal form.

*Lemma.*  If at most one entry of a row is 1 and all others are 0, then ``y_k y_j = delta(k, j) y_k``.  An entry that is
0 or 1 equals its square; the square of an entry that is -1 or 1 is 1.

*Lemma.*  Each rule for a sum keeps the value at every shape:

* a delta between a summed index and another index picks a term of the sum;
* a factor without the summed index moves out of the sum;
* a sum over an index that does not occur is the size of its axis;
* factors that share no summed index are summed separately;
* the sum over k of ``a_ik b_kj``, and that of ``b_ik a_kj``, is ``delta(i, j)``, where b is the inverse of a;
* the sum over k of ``q_ki q_kj``, and that of ``q_ik q_jk``, is ``delta(i, j)``, where q is orthogonal;
* the shares of a selection add up to 1, as do the entries of a row with exactly one 1;
* ``y_k sum_j y_j f_j = y_k f_k`` for a one-hot row y, and a product of two such sums is one sum;
* a positive power of a sum inside a sum is expanded with fresh indices (``(sum_j a_j)**2 = sum_ij a_i a_j``);
* a sum cancels with the same sum in a divisor.

A sum to which no rule applies is an atom.  Its indices get canonical names, from the axis, the height and the order of
the key, so sums that differ only in the names of their indices are the same atom.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from itertools import combinations, combinations_with_replacement
from itertools import product as every_choice

from symgrad import canonical
from symgrad.budget import spend
from symgrad.check.normal_form.algebra import multiply, product, rename
from symgrad.check.normal_form.atoms import (
    UNIT,
    Atom,
    Delta,
    Exponent,
    Index,
    Monomial,
    NoNormalForm,
    Polynomial,
    Size,
    add,
    axis_of,
    free_of,
    fresh_index,
    height_of,
    is_nonnegative_monomial,
    number,
    scale,
    single,
    spell,
    spelled,
)

# --- entries ----------------------------------------------------------------------------------------------------------


class Relation(IntEnum):
    """What is known of an entry, or of its row (the last axis)."""

    FREE = 0
    AT_MOST_ONE = 1
    """At most one entry of the row is 1, all others are 0."""
    EXACTLY_ONE = 2
    """One entry of the row is 1, all others are 0."""
    BINARY = 3
    """The entry is 0 or 1."""
    SIGN = 4
    """The entry is -1 or 1."""
    NONNEGATIVE = 5
    """The entry is not negative."""
    ORTHOGONAL = 6
    """The matrix is orthogonal."""


INVERSE = "inverse of "
"""Before the name of a matrix: the name of its inverse.  No array has a space in its name."""


class Entry(Atom):
    """The entry of an array, or a scalar; the indices of a symmetric matrix are sorted."""

    __slots__ = ("indices", "is_symmetric", "name", "relation")

    precedence = 2

    def __init__(
        self,
        name: str,
        indices: tuple[Index, ...],
        *,
        is_positive: bool = False,
        relation: Relation = Relation.FREE,
        is_symmetric: bool = False,
    ) -> None:
        indices = tuple(sorted(indices)) if is_symmetric else indices
        self.name, self.indices, self.relation, self.is_symmetric = name, indices, relation, is_symmetric
        super().__init__(
            f"{name}[{','.join(indices)}]{'!' * relation}",
            frozenset(indices),
            is_positive=is_positive,
            is_nonnegative=relation not in (Relation.FREE, Relation.SIGN, Relation.ORTHOGONAL),
        )

    @property
    def is_hot(self) -> bool:
        """Whether the entry belongs to a one-hot row."""
        return self.relation in (Relation.AT_MOST_ONE, Relation.EXACTLY_ONE)

    @property
    def row(self) -> tuple[str, tuple[Index, ...]]:
        """The row of the entry: the array and all indices but the last."""
        return self.name, self.indices[:-1]

    @property
    def adds_up_over(self) -> Index | None:
        """The last index, where exactly one entry of the row is 1."""
        if self.relation != Relation.EXACTLY_ONE or self.indices[-1] in self.indices[:-1]:
            return None
        return self.indices[-1]

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        indices = tuple(names.get(i, i) for i in self.indices)
        return single(
            Entry(
                self.name,
                indices,
                is_positive=self.is_positive,
                relation=self.relation,
                is_symmetric=self.is_symmetric,
            )
        )

    def spelled(self, words: Mapping[Index, str]) -> str:
        if self.is_symmetric and self.free & words.keys():
            return f"{self.name}{{{','.join(sorted(words.get(i, i) for i in self.indices))}}}"
        return super().spelled(words)

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """Reduce powers of entries, and replace one of two entries of the same one-hot row by a delta."""
        for atom, e in exponents.items():
            if isinstance(atom, Entry) and isinstance(e, int):
                if atom.relation == Relation.SIGN:
                    exponents[atom] = e % 2
                elif atom.relation == Relation.BINARY:
                    exponents[atom] = min(e, 1)
        hot = hot_factors(exponents)
        exponents.update(dict.fromkeys(hot, 1))
        for one, other in combinations(hot, 2):
            if one.row == other.row:
                rest = product((a, e) for a, e in exponents.items() if a != other)
                return multiply(rest, single(Delta(one.indices[-1], other.indices[-1])))
        return None


def hot_factors(exponents: Mapping[Atom, Exponent]) -> list[Entry]:
    """The entries of one-hot rows among the factors of a product."""
    positive = (a for a, e in exponents.items() if isinstance(e, int) and e > 0)
    return [a for a in positive if isinstance(a, Entry) and a.is_hot]


# --- sums -------------------------------------------------------------------------------------------------------------


class Sum(Atom):
    """The sum of a monomial over the indices ``bound``, whose names are canonical."""

    __slots__ = ("bound", "factors")

    precedence = 3

    def __init__(self, bound: tuple[Index, ...], factors: Monomial) -> None:
        self.bound, self.factors = bound, factors
        super().__init__(
            f"sum[{','.join(bound)}]({spell(factors)})",
            free_of(factors) - set(bound),
            1 + height_of(factors),
            is_positive=all(atom.is_positive for atom, _ in factors),
            is_nonnegative=is_nonnegative_monomial(factors),
        )

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return over(*self._expanded(names))

    def _expanded(self, names: Mapping[Index, Index]) -> tuple[Polynomial, list[Index]]:
        """The factors with renamed free indices and fresh summed indices, and the summed indices."""
        fresh = {i: fresh_index(i) for i in self.bound}
        return rename({self.factors: UNIT}, {**names, **fresh}), list(fresh.values())

    def is_nonzero(self, known: Collection[str]) -> bool:
        """Whether no factor can vanish."""
        return self.is_positive and all(atom.is_nonzero(known) for atom, _ in self.factors)

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """Expand a sum over entries of a one-hot row if another factor contains entries of the same row."""
        rows = {entry.row for entry in hot_factors(exponents)}
        for total, exponent in exponents.items():
            if isinstance(total, Sum) and isinstance(exponent, int) and exponent > 0 and (summed := total._hot_rows()):
                if summed & rows or exponent > 1:
                    factors, bound = total._expanded({})
                    rest = product((a, e - 1 if a == total else e) for a, e in exponents.items())
                    return over(multiply(rest, factors), bound)
                rows |= summed
        return None

    def _hot_rows(self) -> set[tuple[str, tuple[Index, ...]]]:
        """The one-hot rows over whose entries the sum runs."""
        bound = set(self.bound)
        hot = [a for a, _ in self.factors if isinstance(a, Entry) and a.is_hot and a.indices[-1] in bound]
        return {entry.row for entry in hot if not bound & set(entry.row[1])}


def over(polynomial: Polynomial, bound: list[Index]) -> Polynomial:
    """The sum of a polynomial over indices that occur nowhere else."""
    return add(*(scale(_over_monomial(m, set(bound)), c) for m, c in polynomial.items()))


def _over_monomial(monomial: Monomial, bound: set[Index]) -> Polynomial:
    for atom, exponent in monomial:
        if isinstance(atom, Sum) and atom.free & bound and isinstance(exponent, int) and exponent > 0:
            return _flattened(monomial, atom, exponent, bound)
    for atom, _ in monomial:
        if isinstance(atom, Delta) and set(atom.indices) & bound:
            i, j = atom.indices if atom.indices[0] in bound else reversed(atom.indices)
            return over(rename({monomial: UNIT}, {i: j}), sorted(bound - {i}))
    if (contracted := _with_contraction(monomial, bound)) is not None:
        return over(*contracted)
    if row := _whole_row(monomial, bound):
        atom, index = row
        return over({tuple((a, e) for a, e in monomial if a != atom): UNIT}, sorted(bound - {index}))
    if (cancelled := _cancelled(monomial, bound)) is not None:
        return over(*cancelled)
    result = number(1)
    outside: list[tuple[Atom, Exponent]] = [(a, e) for a, e in monomial if not a.free & bound]
    for indices, factors in _components([(a, e) for a, e in monomial if a.free & bound], bound):
        outside += [(Size(axis_of(i)), 1) for i in indices] if not factors else [(_atom(indices, factors), 1)]
    for factor in outside:
        result = multiply(result, {(factor,): UNIT})
    return result


def _with_contraction(monomial: Monomial, bound: set[Index]) -> tuple[Polynomial, list[Index]] | None:
    """The summand with a matrix and its inverse, or its transpose if it is orthogonal, contracted to a delta, and the
    remaining indices; or None."""
    entries = [a for a, _ in monomial if isinstance(a, Entry)]
    for one, other in combinations_with_replacement(entries, 2):
        for here, there in _contracting(one, other):
            k, i, j = one.indices[here], one.indices[1 - here], other.indices[1 - there]
            touching = {a: e for a, e in monomial if k in a.free}
            is_alone = touching == ({one: 2} if one == other else {one: 1, other: 1})
            if k == other.indices[there] and k in bound and k not in (i, j) and is_alone:
                rest = product((a, e) for a, e in monomial if a not in touching)
                delta = number(1) if i == j else single(Delta(i, j))
                return multiply(rest, delta), sorted(bound - {k})
    return None


def _contracting(one: Entry, other: Entry) -> tuple[tuple[int, int], ...]:
    """The positions of the index over which the products of two entries add up to a delta."""
    if one.name == other.name:
        return ((0, 0), (1, 1)) if one.relation == Relation.ORTHOGONAL else ()
    if INVERSE + one.name == other.name or INVERSE + other.name == one.name:
        return ((0, 1), (1, 0), *(((0, 0), (1, 1)) if one.is_symmetric and other.is_symmetric else ()))
    return ()


def _whole_row(monomial: Monomial, bound: set[Index]) -> tuple[Atom, Index] | None:
    """A factor that adds up to 1 over a summed index that no other factor contains, and the index."""
    for atom, exponent in monomial:
        index = atom.adds_up_over
        if index in bound and exponent == 1 and not any(index in a.free for a, _ in monomial if a != atom):
            return atom, index
    return None


def _flattened(monomial: Monomial, atom: Sum, exponent: int, bound: set[Index]) -> Polynomial:
    """The sum with a power of an inner sum expanded."""
    rest = {tuple((a, e) for a, e in monomial if a != atom): UNIT}
    indices = sorted(bound)
    for _ in range(exponent):
        factors, fresh = atom._expanded({})
        rest, indices = multiply(rest, factors), indices + fresh
    return over(rest, indices)


def _cancelled(monomial: Monomial, bound: set[Index]) -> tuple[Polynomial, list[Index]] | None:
    """The summand after a sum is cancelled with the same sum in the divisor, and the remaining indices; or None."""
    divisors = {a for a, e in monomial if isinstance(a, Sum) and e < 0}
    for divisor in divisors:
        axes = sorted(axis_of(i) for i in divisor.bound)
        for chosen in every_choice(*([i for i in sorted(bound) if axis_of(i) == axis] for axis in axes)):
            indices = set(chosen)
            touching = tuple((a, e) for a, e in monomial if a.free & indices)
            if len(touching) == len(divisor.factors) and _atom(indices, list(touching)) == divisor:
                exponents: dict[Atom, Exponent] = {a: e for a, e in monomial if (a, e) not in touching}
                exponents[divisor] += 1
                return product(exponents.items()), sorted(bound - indices)
    return None


def _components(
    factors: list[tuple[Atom, Exponent]], bound: set[Index]
) -> list[tuple[set[Index], list[tuple[Atom, Exponent]]]]:
    """The factors in groups that share no summed index, each group with its indices."""
    groups: list[tuple[set[Index], list[tuple[Atom, Exponent]]]] = [({i}, []) for i in sorted(bound)]
    for factor in factors:
        joined = [g for g in groups if g[0] & factor[0].free]
        groups = [g for g in groups if not g[0] & factor[0].free]
        groups.append((set().union(*(g[0] for g in joined)), [f for g in joined for f in g[1]] + [factor]))
    return groups


def _atom(bound: set[Index], factors: list[tuple[Atom, Exponent]]) -> Sum:
    """The sum of factors that share indices, as an atom with canonical names for its indices."""
    named = [_named(order, tuple(factors)) for order in _orders(bound, factors)]
    return Sum(*min(named, key=lambda indices_and_factors: spell(indices_and_factors[1])))


def _named(order: tuple[Index, ...], factors: Monomial) -> tuple[tuple[Index, ...], Monomial]:
    """The canonical names of the indices of a sum, assigned in this order, and the factors with these names."""
    spend(2)
    names: dict[Index, Index] = {}
    for i in order:
        serial = sum(axis_of(other) == axis_of(i) for other in names)
        names[i] = f"~{1 + height_of(factors)}.{serial}@{axis_of(i)}"
    renamed = rename({factors: UNIT}, names)
    if list(renamed.values()) != [1]:
        raise NoNormalForm("a sum whose factors change when its indices are renamed")
    return tuple(sorted(names.values())), next(iter(renamed))


def _orders(bound: set[Index], factors: list[tuple[Atom, Exponent]]) -> list[tuple[Index, ...]]:
    """The orders of the indices to try, axis by axis."""
    ordered = sorted(bound, key=lambda i: (axis_of(i), i))

    def look(words: Mapping[Index, str]) -> str:
        text = spelled(tuple(factors), words)
        spend(len(text) // 64)
        return text

    return canonical.orders(ordered, axis_of, look)
