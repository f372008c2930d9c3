"""Entries of arrays in the checker's normal form, with the relations of one-hot rows and of domains.

*Lemma.*  If at most one entry of a row is 1 and all others are 0, then ``y_k y_j = delta(k, j) y_k``.  An entry that is
0 or 1 equals its square; the square of an entry that is -1 or 1 is 1.  (``sums`` has the relations of sums over rows.)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from itertools import combinations

from symgrad.check.normal_form.algebra import multiply, product
from symgrad.check.normal_form.atoms import Atom, Delta, Exponent, Index, Polynomial, single


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


class Entry(Atom):
    """The entry of an array, or a scalar."""

    __slots__ = ("indices", "name", "relation")

    precedence = 2

    def __init__(
        self, name: str, indices: tuple[Index, ...], *, is_positive: bool = False, relation: Relation = Relation.FREE
    ) -> None:
        self.name, self.indices, self.relation = name, indices, relation
        super().__init__(
            f"{name}[{','.join(indices)}]{'!' * relation}",
            frozenset(indices),
            is_positive=is_positive,
            is_nonnegative=relation not in (Relation.FREE, Relation.SIGN),
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
        """The entry with the renamed indices."""
        indices = tuple(names.get(i, i) for i in self.indices)
        return single(Entry(self.name, indices, is_positive=self.is_positive, relation=self.relation))

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
