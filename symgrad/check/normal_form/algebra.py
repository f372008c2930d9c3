"""Arithmetic of the checker's normal form: products, powers, roots and renamed indices.

*Lemma.*  Every function here keeps the value at every shape.  The rules are:

* powers of one atom merge; a Kronecker delta equals its square; in a product with a delta, one of its indices may
  replace the other (both sides vanish if the indices differ);
* the root r of R satisfies ``r**degree = R``, and a divisor (a root of degree 1) ``r * r**-1 = 1``;
* every kind of atom adds its own relations (``Atom.relate``) and renaming (``Atom.renamed``), in a module of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache

from sympy import factorint

from symgrad.budget import spend
from symgrad.check.normal_form.atoms import (
    ONE,
    UNIT,
    Atom,
    Delta,
    Exponent,
    Index,
    Monomial,
    NoNormalForm,
    Polynomial,
    Prime,
    Size,
    add,
    as_monomial,
    free_of,
    free_of_items,
    height_of_items,
    is_positive,
    number,
    ordered,
    rational_content,
    scale,
    simple,
    single,
    spell_items,
)

MOST_EXPONENT = 200
"""The highest power of a polynomial with several terms, or with sums."""
MOST_TRIED = 2**15
"""The largest prime that is split off a number: the search for larger ones may not end."""
MOST_TERMS = 4000
"""The largest number of products of terms in a multiplication; a line that needs more is proved in another way."""


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    if len(left) * len(right) > MOST_TERMS:
        raise NoNormalForm(f"a product of {len(left)} and {len(right)} terms is too large")
    for one, other in ((left, right), (right, left)):
        if one.keys() == {ONE}:
            spend(len(other))
            return scale(other, one[ONE])
    return add(*(scale(product((*m, *n)), c * d) for m, c in left.items() for n, d in right.items()))


def product(factors: Iterable[tuple[Atom, Exponent]]) -> Polynomial:
    """A product of powers of atoms, with all rules about products applied."""
    spend(1)
    exponents: dict[Atom, Exponent] = {}
    for atom, exponent in factors:
        exponents[atom] = simple(exponents.get(atom, 0) + exponent)
    kinds = {type(atom) for atom in exponents}
    if Delta in kinds and (deltas := [a for a, e in exponents.items() if isinstance(a, Delta) and e]):
        stand_in = _classes(deltas)
        rest = {a: e for a, e in exponents.items() if not isinstance(a, Delta)}
        if any(a.free & stand_in.keys() for a, e in rest.items() if e):
            renamed = number(1)
            for atom, exponent in rest.items():
                renamed = multiply(renamed, power(rename_atom(atom, stand_in), exponent))
            return multiply(renamed, {_deltas(stand_in): UNIT})
        exponents = rest | dict(_deltas(stand_in))
    coefficient = _whole_powers_of_primes(exponents) if Prime in kinds else UNIT
    for kind in sorted((kind for kind in kinds if kind.precedence), key=lambda kind: kind.precedence):
        if (related := kind.relate(exponents)) is not None:
            return scale(related, coefficient)
    return {as_monomial(exponents): coefficient}


def _classes(deltas: list[Delta]) -> dict[Index, Index]:
    """The smallest index of the class of each index that deltas equate with a smaller one."""
    parent: dict[Index, Index] = {}

    def find(i: Index) -> Index:
        while parent.get(i, i) != i:
            i = parent[i]
        return i

    for atom in deltas:
        low, high = sorted(map(find, atom.indices))
        if low != high:
            parent[high] = low
    return {i: find(i) for i in parent}


def _deltas(stand_in: Mapping[Index, Index]) -> Monomial:
    return as_monomial({Delta(low, high): 1 for high, low in stand_in.items()})


def _whole_powers_of_primes(exponents: dict[Atom, Exponent]) -> Fraction:
    """The product of the integer powers of primes; ``exponents`` keeps the fractional parts."""
    coefficient = UNIT
    for atom, exponent in exponents.items():
        if isinstance(atom, Prime):
            whole = exponent // 1
            exponents[atom] = exponent - whole
            coefficient *= Fraction(atom.value) ** int(whole)
    return coefficient


def power(polynomial: Polynomial, exponent: Exponent) -> Polynomial:
    """A rational power of a polynomial, which must be nonnegative if the exponent is not an integer."""
    exponent = simple(exponent)
    if exponent == 1:
        return polynomial
    if not polynomial:
        if exponent > 0:
            return {}
        raise NoNormalForm("a division by zero")
    if isinstance(exponent, Fraction):
        return _root_power(polynomial, exponent)
    if abs(exponent) > MOST_EXPONENT and (len(polynomial) > 1 or height_of_items(polynomial.items())):
        raise NoNormalForm(f"the power {exponent} is too high")
    if len(polynomial) == 1:
        ((monomial, coefficient),) = polynomial.items()
        if exponent < 0 and any(isinstance(a, Delta) for a, _ in monomial):
            raise NoNormalForm("a division by a Kronecker delta")
        return scale(product((a, e * exponent) for a, e in monomial), coefficient**exponent)
    if exponent >= 0:
        result = number(1)
        for _ in range(exponent):
            result = multiply(result, polynomial)
        return result
    factor, coefficient, rest = content(polynomial)
    outside = [(a, e * exponent) for a, e in factor]
    if rest != number(1):
        outside.append((Root(1, rest), exponent))
    return scale(product(outside), coefficient**exponent)


def _root_power(polynomial: Polynomial, exponent: Fraction) -> Polynomial:
    """A fractional power: positive factors move out of the root."""
    factor, coefficient, rest = content(polynomial, positive=True)
    outside: list[tuple[Atom, Exponent]] = [(a, e * exponent) for a, e in factor]
    for p, k in prime_powers(coefficient).items():
        outside.append((Prime(p), k * exponent))
    if rest != number(1):
        outside.append((Root(exponent.denominator, rest), exponent.numerator))
    return product(outside)


def content(polynomial: Polynomial, *, positive: bool = False) -> tuple[Monomial, Fraction, Polynomial]:
    """A polynomial as monomial * coefficient * primitive part; with ``positive``, the first two are positive.

    Otherwise the coefficient has the sign of the first term, so a polynomial and its negative have one primitive part.
    """
    polynomial, divisors = cleared(polynomial)
    if not polynomial:
        raise NoNormalForm("a division by zero")
    lowest: dict[Atom, Exponent] = {}
    for atom in {a for m in polynomial for a, _ in m}:
        if isinstance(atom, Delta):
            raise NoNormalForm("a division by an expression with a Kronecker delta, or its root or logarithm")
        lowest[atom] = min(dict(m).get(atom, 0) for m in polynomial)
    inverse = [(a, -e) for a, e in lowest.items() if e]
    reduced: Polynomial = {}
    for m, c in polynomial.items():
        exponents = dict(m)
        for a, e in inverse:
            exponents[a] = exponents.get(a, 0) + e
        reduced[as_monomial(exponents)] = c
    coefficient = rational_content(reduced.values())
    if ordered(reduced)[0][1] < 0:
        coefficient = -coefficient
    rest = scale(reduced, 1 / coefficient)
    for atom, exponent in divisors.items():
        lowest[atom] = lowest.get(atom, 0) - exponent
    if not positive:
        return as_monomial(lowest), coefficient, rest
    kept = {atom: exponent for atom, exponent in lowest.items() if not atom.is_positive}
    signed = scale(product(kept.items()), 1 if coefficient > 0 else -1)
    return as_monomial({a: e for a, e in lowest.items() if a.is_positive}), abs(coefficient), multiply(signed, rest)


def cleared(polynomial: Polynomial) -> tuple[Polynomial, dict[Atom, Exponent]]:
    """A polynomial over the common denominator: the numerator, and the powers of roots and divisors below.

    The sum of terms with different divisors may simplify: 1 - 1/(1 + e) is e/(1 + e).
    """
    divisors: dict[Atom, Exponent] = {}
    for monomial in polynomial:
        for atom, exponent in monomial:
            if isinstance(atom, Root) and exponent < 0:
                divisors[atom] = max(divisors.get(atom, 0), -exponent)
    if not divisors:
        return polynomial, {}
    numerator = add(*(scale(product((*m, *divisors.items())), c) for m, c in polynomial.items()))
    return numerator, divisors


def divisors_in(polynomial: Polynomial) -> list[Atom]:
    """The atoms by which the inverse of a polynomial divides: if none vanishes, the polynomial is nonzero."""
    return [atom for monomial in power(polynomial, -1) for atom, exponent in monomial if exponent < 0]


def prime_powers(value: Fraction) -> dict[int, int]:
    """The primes of a positive number with their exponents; a factor without small primes is not split."""
    exponents: dict[int, int] = {}
    for whole, sign in ((value.numerator, 1), (value.denominator, -1)):
        parts = factorint(whole, limit=MOST_TRIED, use_rho=False, use_pm1=False, use_ecm=False)
        exponents |= {int(p): sign * int(k) for p, k in parts.items()}
    return exponents


def rename(polynomial: Polynomial, names: Mapping[Index, Index]) -> Polynomial:
    """A polynomial with its free indices renamed; two indices may become one."""
    terms: list[Polynomial] = []
    for monomial, coefficient in polynomial.items():
        if not free_of(monomial) & names.keys():
            terms.append({monomial: coefficient})
            continue
        factors, powers = [], []
        for atom, exponent in monomial:
            renamed = rename_atom(atom, names)
            alone = next(iter(renamed)) if len(renamed) == 1 else ()
            if len(alone) == 1 and alone[0][1] == 1 and renamed[alone] == 1:
                factors.append((alone[0][0], exponent))
            else:
                powers.append(power(renamed, exponent))
        term = scale(product(factors), coefficient)
        for part in powers:
            term = multiply(term, part)
        terms.append(term)
    return add(*terms)


def rename_atom(atom: Atom, names: Mapping[Index, Index]) -> Polynomial:
    """An atom with its free indices renamed, as a polynomial."""
    if not atom.free & names.keys():
        return single(atom)
    spend(1)
    return atom.renamed(names)


class Root(Atom):
    """The ``degree``-th root of a polynomial; of degree 1 the polynomial itself, as a divisor.

    All relations follow from R = r**degree for the root r of R.  A power of r of at least the degree is expressed in R.
    If L is the leading monomial of R, ``L * r**-k`` is ``(r**degree - rest) * r**-k``.  If R is a polynomial in one
    exponential e with the constant term c, ``e**-j * r**-k`` is ``(r**degree - rest) / c * e**-j * r**-k``.
    """

    __slots__ = ("degree", "radicand")

    precedence = 4

    def __init__(self, degree: int, radicand: Polynomial) -> None:
        self.degree, self.radicand = degree, ordered(radicand)
        super().__init__(
            f"root{degree}({spell_items(self.radicand)})",
            free_of_items(self.radicand),
            height_of_items(self.radicand),
            is_positive=degree % 2 == 0 or is_positive(radicand),
        )

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return power(rename(dict(self.radicand), names), Fraction(1, self.degree))

    def is_nonzero(self, known: Collection[str]) -> bool:
        """Whether the radicand is positive, or its inverse divides by nothing that may vanish."""
        radicand = dict(self.radicand)
        return self.is_positive and (is_positive(radicand, known) or all(a.key in known for a in divisors_in(radicand)))

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """The product with the relation of one root applied, or None if all roots are reduced."""
        for atom, exponent in exponents.items():
            if isinstance(atom, Root) and exponent and (reduced := atom._reduced(exponent, exponents)) is not None:
                return reduced
        return None

    def _reduced(self, exponent: Exponent, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        if exponent >= self.degree:
            others = [(a, e) for a, e in exponents.items() if a != self]
            whole = int(exponent // self.degree)
            result = power(dict(self.radicand), whole)
            return multiply(result, product([*others, (self, exponent - whole * self.degree)]))
        if exponent > 0:
            return None
        lead = _leading(self)
        if lead and all(exponents.get(a, 0) >= e for a, e in lead if not isinstance(a, Size)):
            return self._exchanged(lead, exponents)
        return self._exchanged(ONE, exponents) if self._has_inverse_exponential(exponents) else None

    def _exchanged(self, term: Monomial, exponents: dict[Atom, Exponent]) -> Polynomial:
        """A product with a term of the radicand replaced by its value, root**degree minus the other terms."""
        spend(len(self.radicand))
        coefficient = dict(self.radicand)[term]
        quotient = [*exponents.items(), *((a, -e) for a, e in term)]
        terms = [product([*quotient, (self, self.degree)])]
        terms += [scale(product([*quotient, *m]), -c) for m, c in self.radicand if m != term]
        return scale(add(*terms), 1 / coefficient)

    def _has_inverse_exponential(self, exponents: dict[Atom, Exponent]) -> bool:
        """Whether the radicand is a polynomial in one exponential with a constant term, and a factor is its inverse."""
        atoms = {a for m, _ in self.radicand for a, _ in m}
        if len(atoms) != 1 or ONE not in dict(self.radicand):
            return False
        (only,) = atoms
        return only.is_exponential and exponents.get(only, 0) < 0


def _rank(atom: Atom) -> tuple[int, str]:
    return (-atom.height, atom.key)


@lru_cache(maxsize=4096)
def _leading(root: Root) -> Monomial | None:
    """The lexicographically leading monomial of a radicand, with sizes as coefficients; None if it is not unique."""
    items = root.radicand
    atoms = sorted({a for m, _ in items for a, _ in m if not isinstance(a, Size)}, key=_rank, reverse=True)
    vectors = [tuple(dict(m).get(a, 0) for a in atoms) for m, _ in items]
    best = max(vectors)
    if vectors.count(best) > 1 or not any(best):
        return None
    return items[vectors.index(best)][0]
