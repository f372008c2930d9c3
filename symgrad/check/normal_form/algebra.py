"""Arithmetic of the checker's normal form: products, powers, exponentials, logarithms and renamed indices.

Every function here preserves the value at every shape, and that is the whole argument for soundness: if two
expressions reach the same polynomial, they are equal at every shape.  The rules are these, and no others:

* powers of one atom merge; a Kronecker delta squared is itself; a delta lets one of its indices stand for the other
  in the factors beside it (both sides vanish where the indices differ);
* ``exp`` of a sum is a product, rational multiples of an exponent are powers, ``exp(log x) = x``;
* ``log`` of a product of factors known to be positive is a sum, ``log(x**k) = k log x`` for odd ``k`` (the left side is
  real only for x > 0) or positive x;
* entries of one-hot rows obey theirs (``onehot``), and so do steps and comparisons (``indicators``);
* roots and divisors obey their one relation (``roots``).

Sums over indices are in ``sums``; ``rename`` needs them because renaming may make two indices coincide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import gcd, lcm

from sympy import factorint

from symgrad.budget import spend
from symgrad.check.normal_form import indicators, onehot, roots, sums
from symgrad.check.normal_form.atoms import (
    Atom,
    Exponent,
    Index,
    Monomial,
    NoNormalForm,
    Polynomial,
    add,
    as_monomial,
    axis_of,
    chosen,
    delta,
    entry,
    exponential,
    height_of_items,
    logarithm,
    number,
    ordered,
    prime,
    root,
    scale,
    simple,
    single,
    spell,
)

MOST_EXPONENT = 200
"""A polynomial of several terms, or with sums, is not raised to a higher power."""
MOST_TRIED = 2**15
"""Of the primes by which a number is divided: to find larger ones may take for ever."""
MOST_TERMS = 4000
"""Polynomials of more terms than this are not worth the wait: the line is proved in another way."""


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    if len(left) * len(right) > MOST_TERMS:
        raise NoNormalForm(f"a product of {len(left)} and {len(right)} terms is too large")
    result: Polynomial = {}
    for m, c in left.items():
        for n, d in right.items():
            for product_, e in product((*m, *n)).items():
                value = result.get(product_, 0) + c * d * e
                if value:
                    result[product_] = value
                else:
                    del result[product_]
    return result


def product(factors: Iterable[tuple[Atom, Exponent]]) -> Polynomial:
    """A product of powers of atoms, with every rule about products applied."""
    spend(1)
    exponents: dict[Atom, Exponent] = {}
    for atom, exponent in factors:
        exponents[atom] = simple(exponents.get(atom, 0) + exponent)
    deltas = [a for a, e in exponents.items() if a.kind == "delta" and e]
    if deltas:
        stand_in = _classes(deltas)
        rest = {a: e for a, e in exponents.items() if a.kind != "delta"}
        if any(a.free & stand_in.keys() for a, e in rest.items() if e):
            renamed = number(1)
            for atom, exponent in rest.items():
                renamed = multiply(renamed, power(rename_atom(atom, stand_in), exponent))
            return multiply(renamed, {_deltas(stand_in): Fraction(1)})
        exponents = rest | dict(_deltas(stand_in))
    if indicators.settle(exponents):
        return {}
    if (picked := onehot.picked(exponents)) is not None:
        return picked
    coefficient = Fraction(1)
    for atom, exponent in list(exponents.items()):
        if atom.kind == "prime":
            whole = exponent // 1
            exponents[atom] = exponent - whole
            coefficient *= Fraction(atom.data[0]) ** int(whole)
        elif atom.kind == "root" and exponent and (reduced := roots.reduced(atom, exponent, exponents)) is not None:
            return scale(reduced, coefficient)
    return {as_monomial(exponents): coefficient}


def _classes(deltas: list[Atom]) -> dict[Index, Index]:
    """For each index that a delta ties to a smaller one, the smallest index of its class."""
    parent: dict[Index, Index] = {}

    def find(i: Index) -> Index:
        while parent.get(i, i) != i:
            i = parent[i]
        return i

    for atom in deltas:
        low, high = sorted(map(find, atom.data))
        if low != high:
            parent[high] = low
    return {i: find(i) for i in parent}


def _deltas(stand_in: Mapping[Index, Index]) -> Monomial:
    return as_monomial({delta(low, high): 1 for high, low in stand_in.items()})


def power(polynomial: Polynomial, exponent: Exponent) -> Polynomial:
    """A rational power of a polynomial; for a fractional one the polynomial is taken to be nonnegative."""
    exponent = simple(exponent)
    if exponent == 1:
        return polynomial
    if not polynomial:
        if exponent > 0:
            return {}
        raise NoNormalForm("a division by zero")
    if isinstance(exponent, Fraction):
        return _root_power(polynomial, exponent)
    if abs(exponent) > MOST_EXPONENT and (len(polynomial) > 1 or height_of_items(ordered(polynomial))):
        raise NoNormalForm(f"the power {exponent} is too high")
    if len(polynomial) == 1:
        ((monomial, coefficient),) = polynomial.items()
        if exponent < 0 and any(a.kind == "delta" for a, _ in monomial):
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
        outside.append((root(1, rest), exponent))
    return scale(product(outside), coefficient**exponent)


def _root_power(polynomial: Polynomial, exponent: Fraction) -> Polynomial:
    """A fractional power: what is known to be positive comes out of the root."""
    factor, coefficient, rest = content(polynomial, positive=True)
    outside: list[tuple[Atom, Exponent]] = [(a, e * exponent) for a, e in factor]
    for p, k in prime_powers(coefficient).items():
        outside.append((prime(p), k * exponent))
    if rest != number(1):
        outside.append((root(exponent.denominator, rest), exponent.numerator))
    return product(outside)


def content(polynomial: Polynomial, *, positive: bool = False) -> tuple[Monomial, Fraction, Polynomial]:
    """A polynomial as monomial * coefficient * primitive part; with ``positive``, only what is positive comes out.

    Else the coefficient takes the sign of the first term: a polynomial and its negative have one primitive part.
    """
    polynomial, divisors = cleared(polynomial)
    if not polynomial:
        raise NoNormalForm("a division by zero")
    lowest: dict[Atom, Exponent] = {}
    for atom in {a for m in polynomial for a, _ in m}:
        if atom.kind == "delta":
            raise NoNormalForm("a division by an expression with a Kronecker delta, or its root or logarithm")
        lowest[atom] = min(dict(m).get(atom, 0) for m in polynomial)
    inverse = [(a, -e) for a, e in lowest.items() if e]
    reduced: Polynomial = {}
    for m, c in polynomial.items():
        exponents = dict(m)
        for a, e in inverse:
            exponents[a] = exponents.get(a, 0) + e
        reduced[as_monomial(exponents)] = c
    values = list(reduced.values())
    coefficient = Fraction(gcd(*(c.numerator for c in values)), lcm(*(c.denominator for c in values)))
    if ordered(reduced)[0][1] < 0:
        coefficient = -coefficient
    rest = scale(reduced, 1 / coefficient)
    for atom, exponent in divisors.items():
        lowest[atom] = lowest.get(atom, 0) - exponent
    if not positive:
        return as_monomial(lowest), coefficient, rest
    kept = {atom: exponent for atom, exponent in lowest.items() if not atom.sign}
    signed = scale(product(kept.items()), 1 if coefficient > 0 else -1)
    return as_monomial({a: e for a, e in lowest.items() if a.sign}), abs(coefficient), multiply(signed, rest)


def cleared(polynomial: Polynomial) -> tuple[Polynomial, dict[Atom, Exponent]]:
    """A polynomial as numerator / product of powers of roots and divisors.

    Where terms with different divisors belong to one fraction, their sum may simplify: 1 - 1/(1 + e) is e/(1 + e).
    """
    divisors: dict[Atom, Exponent] = {}
    for monomial in polynomial:
        for atom, exponent in monomial:
            if atom.kind == "root" and exponent < 0:
                divisors[atom] = max(divisors.get(atom, 0), -exponent)
    if not divisors:
        return polynomial, {}
    numerator = add(*(scale(product((*m, *divisors.items())), c) for m, c in polynomial.items()))
    return numerator, divisors


def prime_powers(value: Fraction) -> dict[int, int]:
    """The primes of a positive number with their exponents; what has no small prime left may stay in one piece."""
    found: dict[int, int] = {}
    for whole, sign in ((value.numerator, 1), (value.denominator, -1)):
        parts = factorint(whole, limit=MOST_TRIED, use_rho=False, use_pm1=False, use_ecm=False)
        found |= {int(p): sign * int(k) for p, k in parts.items()}
    return found


def exp_of(exponent: Polynomial) -> Polynomial:
    """exp of a polynomial: a product over its terms."""
    result = number(1)
    for monomial, coefficient in exponent.items():
        if len(monomial) == 1 and monomial[0][0].kind == "log" and monomial[0][1] == 1:
            result = multiply(result, power(dict(monomial[0][0].data[0]), coefficient))
        else:
            result = multiply(result, single(exponential(monomial), simple(coefficient)))
    return result


def log_of(argument: Polynomial) -> Polynomial:
    """log of a polynomial, positive wherever the program is defined."""
    if not argument:
        raise NoNormalForm("log of zero")
    factor, coefficient, rest = content(argument, positive=True)
    terms = [scale(_log_of_atom(a), Fraction(e)) for a, e in factor]
    terms += [scale(_log_of_atom(prime(p)), k) for p, k in prime_powers(coefficient).items()]
    if odd := odd_power(rest):
        terms.append(scale(_log_of_atom(odd[0]), odd[1]))
    elif rest != number(1):
        terms.append(single(logarithm(rest)))
    return add(*terms)


def odd_power(polynomial: Polynomial) -> tuple[Atom, int] | None:
    """The atom of which a polynomial is an odd power, positive just where the atom is, and the exponent."""
    match list(polynomial.items()):
        case [(((atom, int(exponent)),), 1)] if exponent % 2:
            return atom, exponent
    return None


def _log_of_atom(atom: Atom) -> Polynomial:
    if atom.kind == "exp":
        return {atom.data[0]: Fraction(1)}
    if atom.kind == "root":
        return scale(log_of(dict(atom.data[1])), Fraction(1, atom.data[0]))
    return single(logarithm(single(atom)))


def rename(polynomial: Polynomial, names: Mapping[Index, Index]) -> Polynomial:
    """A polynomial with other names for its free indices, which may coincide."""
    terms: list[Polynomial] = []
    for monomial, coefficient in polynomial.items():
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
    """An atom with other names for its free indices, as a polynomial, since indices may come to coincide."""
    if not atom.free & names.keys():
        return single(atom)
    spend(1)
    if atom.kind == "entry":
        name, positive, indices, row = atom.data
        return single(entry(name, tuple(names.get(i, i) for i in indices), positive, row))
    if atom.kind == "delta":
        return single(delta(*(names.get(i, i) for i in atom.data)))
    if atom.kind == "exp":
        return exp_of(rename({atom.data[0]: Fraction(1)}, names))
    if atom.kind == "log":
        return log_of(rename(dict(atom.data[0]), names))
    if atom.kind == "root":
        degree, items = atom.data
        return power(rename(dict(items), names), Fraction(1, degree))
    if atom.kind == "sum":
        bound, factors = atom.data
        fresh = {i: sums.fresh_index(i) for i in bound}
        return sums.over(rename({factors: Fraction(1)}, {**names, **fresh}), list(fresh.values()))
    if atom.kind == "selection":
        along, items, at = atom.data
        inside = sums.fresh_index(along)
        return selected(rename(dict(items), {**names, along: inside}), inside, names.get(at, at))
    if atom.kind == "function":
        name, parts = atom.data
        return indicators.call(name, tuple(rename(dict(p), names) for p in parts))
    raise NoNormalForm(f"an index of {spell(((atom, 1),))} cannot be renamed")


def selected(row: Polynomial, along: Index, at: Index) -> Polynomial:
    """The entry at the index ``at`` of a selection among the values of ``row`` along an index that occurs nowhere
    else."""
    name = f"~{1 + height_of_items(ordered(row))}.0@{axis_of(along)}"
    return single(chosen(rename(row, {along: name}), name, at))
