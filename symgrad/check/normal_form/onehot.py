"""The relations of entries of one-hot rows, of 0 or 1, and of -1 or 1, in the checker's normal form.

In a row of which one entry at most is 1 and the others are 0, ``y_k y_j = delta(k, j) y_k``; so a square is the entry,
``y_k sum_j y_j f_j = y_k f_k``, and a product of two such sums is one sum.  Where exactly one entry is 1,
``sum_k y_k = 1``, whatever else the sum is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations

from symgrad.check.normal_form import algebra, sums
from symgrad.check.normal_form.atoms import (
    AT_MOST_ONE,
    BINARY,
    EXACTLY_ONE,
    SIGN,
    Atom,
    Exponent,
    Index,
    Monomial,
    Polynomial,
    delta,
    single,
)


def picked(exponents: dict[Atom, Exponent]) -> Polynomial | None:
    """A product with one of the relations used, or None where none applies.

    Powers become first powers in ``exponents`` itself.
    """
    for atom, e in exponents.items():
        if atom.kind == "entry" and isinstance(e, int):
            exponents[atom] = e % 2 if atom.data[3] == SIGN else min(e, 1) if atom.data[3] == BINARY else e
    factors = [a for a, e in exponents.items() if isinstance(e, int) and e > 0]
    hot = [a for a in factors if _is_hot(a)]
    exponents.update(dict.fromkeys(hot, 1))
    for one, other in combinations(hot, 2):
        if _row(one) == _row(other):
            rest = algebra.product((a, e) for a, e in exponents.items() if a != other)
            return algebra.multiply(rest, single(delta(_last(one), _last(other))))
    seen = {_row(one) for one in hot}
    for total in factors:
        if total.kind == "sum" and (rows := _rows(total)):
            if rows & seen or exponents[total] > 1:
                return _written_out(exponents, total)
            seen |= rows
    return None


def _is_hot(atom: Atom) -> bool:
    return atom.kind == "entry" and atom.data[3] in (AT_MOST_ONE, EXACTLY_ONE)


def _row(atom: Atom) -> tuple[str, tuple[Index, ...]]:
    return atom.data[0], atom.data[2][:-1]


def _last(atom: Atom) -> Index:
    index: Index = atom.data[2][-1]
    return index


def _rows(total: Atom) -> set[tuple[str, tuple[Index, ...]]]:
    """The rows over whose entries a sum runs."""
    bound, factors = total.data
    return {_row(a) for a, _ in factors if _is_hot(a) and _last(a) in bound and not set(_row(a)[1]) & set(bound)}


def _written_out(exponents: Mapping[Atom, Exponent], total: Atom) -> Polynomial:
    """A product with one power of a sum written out under sums over indices of its own."""
    bound, factors = total.data
    fresh = {i: sums.fresh_index(i) for i in bound}
    rest = algebra.product((a, e - 1 if a == total else e) for a, e in exponents.items())
    inner = algebra.rename({factors: Fraction(1)}, fresh)
    return sums.over(algebra.multiply(rest, inner), list(fresh.values()))


def without_row(monomial: Monomial, bound: set[Index]) -> tuple[Monomial, Index] | None:
    """The rest of a summand, and the summed index, where it is in nothing but an entry of a row that sums to one."""
    for atom, exponent in monomial:
        if atom.kind == "entry" and atom.data[3] == EXACTLY_ONE and exponent == 1 and _last(atom) in bound:
            index, rest = _last(atom), tuple((a, e) for a, e in monomial if a != atom)
            if index not in atom.data[2][:-1] and not any(index in a.free for a, _ in rest):
                return rest, index
    return None
