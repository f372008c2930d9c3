"""The one relation of a root or a divisor in a product.

The root r of R obeys ``r**degree = R`` (degree 1: a divisor).  A power of r from the degree on is written out in
R.  With L the leading monomial of R, ``L * r**-k`` is ``(r**degree - rest) * r**-k``; with R a polynomial in one
exponential e and constant term c, ``e**-j * r**-k`` is ``(r**degree - rest) / c * e**-j * r**-k``.  All of them
are R / r**degree = 1, read from one side, so they preserve the value at every shape.
"""

from __future__ import annotations

from functools import lru_cache

from symgrad.budget import spend
from symgrad.check.normal_form import algebra
from symgrad.check.normal_form.atoms import ONE, Atom, Exponent, Items, Monomial, Polynomial, add, scale


def reduced(atom: Atom, exponent: Exponent, exponents: dict[Atom, Exponent]) -> Polynomial | None:
    """The product with the relation of a root used, or None where the product is already reduced."""
    degree, items = atom.data
    if exponent >= degree:
        others = [(a, e) for a, e in exponents.items() if a != atom]
        whole = int(exponent // degree)
        result = algebra.power(dict(items), whole)
        return algebra.multiply(result, algebra.product([*others, (atom, exponent - whole * degree)]))
    if exponent > 0:
        return None
    lead = _leading(atom)
    if lead and all(exponents.get(a, 0) >= e for a, e in lead if a.kind != "size"):
        return _exchange(atom, items, lead, exponents)
    if (constant_term := _inverse_leading(items, exponents)) is not None:
        return _exchange(atom, items, constant_term, exponents)
    return None


def _exchange(atom: Atom, items: Items, monomial: Monomial, exponents: dict[Atom, Exponent]) -> Polynomial:
    """A product divided by the term ``monomial`` of a radicand, times what that term is: root**degree - the others."""
    spend(len(items))
    coefficient = dict(items)[monomial]
    quotient = [*exponents.items(), *((a, -e) for a, e in monomial)]
    terms = [algebra.product([*quotient, (atom, atom.data[0])])]
    terms += [scale(algebra.product([*quotient, *m]), -c) for m, c in items if m != monomial]
    return scale(add(*terms), 1 / coefficient)


def _rank(atom: Atom) -> tuple[int, str]:
    return (-atom.height, atom.key)


@lru_cache(maxsize=4096)
def _leading(root: Atom) -> Monomial | None:
    """The lexicographically leading monomial of a radicand, sizes counting as coefficients; None if not unique."""
    items: Items = root.data[1]
    atoms = sorted({a for m, _ in items for a, _ in m if a.kind != "size"}, key=_rank, reverse=True)
    vectors = [tuple(dict(m).get(a, 0) for a in atoms) for m, _ in items]
    best = max(vectors)
    if vectors.count(best) > 1 or not any(best):
        return None
    return items[vectors.index(best)][0]


def _inverse_leading(items: Items, exponents: dict[Atom, Exponent]) -> Monomial | None:
    """The constant term of a radicand in one exponential alone, where that exponential occurs inverted beside it."""
    atoms = {a for m, _ in items for a, _ in m}
    if len(atoms) != 1 or ONE not in dict(items):
        return None
    (only,) = atoms
    return ONE if only.kind == "exp" and exponents.get(only, 0) < 0 else None
