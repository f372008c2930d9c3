"""Exponentials and logarithms in the checker's normal form.

*Lemma.*  Wherever the program is defined, ``exp`` of a sum is a product, ``exp`` of a rational multiple is a power, and
``exp(log x) = x``.  The logarithm of a product of positive factors is a sum.  ``log(x**k) = k log x`` for positive x,
and for odd ``k`` (then the left side is real only if x > 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from symgrad.check.normal_form.algebra import Root, content, multiply, power, prime_powers, rename
from symgrad.check.normal_form.atoms import (
    Atom,
    Index,
    Monomial,
    NoNormalForm,
    Polynomial,
    Prime,
    add,
    free_of,
    free_of_items,
    height_of,
    height_of_items,
    number,
    ordered,
    scale,
    simple,
    single,
    spell,
    spell_items,
)


class Exponential(Atom):
    """exp of a monomial; its powers are exponentials of rational multiples of the monomial."""

    __slots__ = ("exponent",)

    is_exponential = True

    def __init__(self, exponent: Monomial) -> None:
        self.exponent = exponent
        super().__init__(f"exp({spell(exponent)})", free_of(exponent), height_of(exponent), is_positive=True)

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        """exp of the renamed monomial."""
        return exp_of(rename({self.exponent: Fraction(1)}, names))


class Logarithm(Atom):
    """log of a polynomial that no rule splits."""

    __slots__ = ("argument",)

    def __init__(self, argument: Polynomial) -> None:
        items = self.argument = ordered(argument)
        super().__init__(f"log({spell_items(items)})", free_of_items(items), height_of_items(items))

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        """log of the renamed polynomial."""
        return log_of(rename(dict(self.argument), names))


def exp_of(exponent: Polynomial) -> Polynomial:
    """exp of a polynomial: a product over its terms."""
    result = number(1)
    for monomial, coefficient in exponent.items():
        match monomial:
            case ((Logarithm() as logarithm, 1),):
                factor = power(dict(logarithm.argument), coefficient)
            case _:
                factor = single(Exponential(monomial), simple(coefficient))
        result = multiply(result, factor)
    return result


def log_of(argument: Polynomial) -> Polynomial:
    """log of a polynomial, which is positive wherever the program is defined."""
    if not argument:
        raise NoNormalForm("log of zero")
    factor, coefficient, rest = content(argument, positive=True)
    terms = [scale(_log_of_atom(a), Fraction(e)) for a, e in factor]
    terms += [scale(_log_of_atom(Prime(p)), k) for p, k in prime_powers(coefficient).items()]
    if odd := odd_power(rest):
        terms.append(scale(_log_of_atom(odd[0]), odd[1]))
    elif rest != number(1):
        terms.append(single(Logarithm(rest)))
    return add(*terms)


def odd_power(polynomial: Polynomial) -> tuple[Atom, int] | None:
    """The atom of which a polynomial is an odd power, and the exponent; both have the same sign."""
    match list(polynomial.items()):
        case [(((atom, int(exponent)),), 1)] if exponent % 2:
            return atom, exponent
    return None


def _log_of_atom(atom: Atom) -> Polynomial:
    if isinstance(atom, Exponential):
        return {atom.exponent: Fraction(1)}
    if isinstance(atom, Root):
        return scale(log_of(dict(atom.radicand)), Fraction(1, atom.degree))
    return single(Logarithm(single(atom)))
