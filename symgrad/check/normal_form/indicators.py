"""Indicators, which are 0 or 1: steps and comparisons, in the checker's normal form.

An indicator squared is itself; ``[x > 0] [x >= 0] = [x > 0]``, and ``[-x > 0] = 1 - [x >= 0]``.  A function of an
expression with an indicator c is, at each point, that of the expression with 1 or with 0 in its place:
``f(E) = c f(E at c = 1) + (1 - c) f(E at c = 0)``.  So a choice is ``c a + (1 - c) b``, where a term with the factor c
says nothing of the points at which c is 0, be it defined there or not: an equality of such forms is one of each branch
where that is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from math import gcd, lcm

from symgrad.check.normal_form import algebra
from symgrad.check.normal_form.atoms import (
    ONE,
    Atom,
    Exponent,
    Polynomial,
    add,
    function,
    number,
    ordered,
    scale,
    single,
    spell_items,
)

MOST_SPLIT = 3
"""A function of an expression with more indicators is not taken apart."""


def call(name: str, parts: tuple[Polynomial, ...]) -> Polynomial:
    """A function of normal forms, in indicators where it is a step or a comparison."""
    if name == "step" and not parts[1].keys() - {ONE}:
        return _step(parts[0], parts[1].get(ONE, Fraction(0)))
    if name == "equal":
        difference = add(parts[0], scale(parts[1], -1))
        if not difference.keys() - {ONE}:
            return number(int(not difference))
    return single(function(name, parts))


def _step(argument: Polynomial, at_zero: Fraction) -> Polynomial:
    """[x > 0] with a value of its own at 0; of arguments that differ in a number alone one is chosen."""
    if not argument.keys() - {ONE}:
        value = argument.get(ONE, 0)
        return number(at_zero if value == 0 else int(value > 0))
    if at_zero not in (0, 1):
        return add(scale(_step(argument, Fraction(0)), 1 - at_zero), scale(_step(argument, Fraction(1)), at_zero))
    values = list(argument.values())
    content = Fraction(gcd(*(c.numerator for c in values)), lcm(*(c.denominator for c in values)))
    if ordered(argument)[0][1] > 0:
        return single(function("step", (scale(argument, 1 / content), number(at_zero))))
    turned = single(function("step", (scale(argument, -1 / content), number(1 - at_zero))))
    return add(number(1), scale(turned, -1))


def settle(exponents: dict[Atom, Exponent]) -> bool:
    """Use the relations of indicators in a product; whether it is 0, as ``x [x = 0]`` is."""
    factors = {atom for atom, exponent in exponents.items() if isinstance(exponent, int) and exponent > 0}
    for atom in factors:
        if _is_indicator(atom):
            exponents[atom] = 0 if _loose(atom) in factors else 1
            left, right = (dict(part) for part in atom.data[1])
            if atom.data[0] == "equal" and not right and any(single(factor) == left for factor in factors):
                return True
    return False


def through(form: Polynomial, of: Callable[[Polynomial], Polynomial]) -> Polynomial:
    """A function ``of`` a normal form, its indicators outside."""
    found = _indicators(form)
    if not found or len(found) > MOST_SPLIT:
        return of(form)
    first = single(found[0])
    yes, no = (through(_at(form, found[0], value), of) for value in (1, 0))
    return add(no, algebra.multiply(first, add(yes, scale(no, -1))))


def branches(form: Polynomial) -> Iterator[tuple[Polynomial, frozenset[str]]]:
    """A normal form in each case of its indicators, with what is 1 there, spelled out; none are told apart where there
    are many."""
    found = _indicators(form)
    values = product((0, 1), repeat=len(found)) if len(found) <= MOST_SPLIT else [()]
    for chosen in values:
        at, facts = form, set[str]()
        for atom, value in zip(found, chosen, strict=False):
            at = _at(at, atom, value)
            facts.add(spell_items(ordered(single(atom) if value else add(number(1), scale(single(atom), -1)))))
        yield at, frozenset(facts)


def _indicators(form: Polynomial) -> list[Atom]:
    found = {a for m in form for a, e in m if (_is_indicator(a) or a.kind == "delta") and e == 1}
    return sorted(found, key=lambda atom: atom.key)


def _at(form: Polynomial, indicator: Atom, value: int) -> Polynomial:
    """A normal form where an indicator has a value."""
    terms = ((dict(monomial), coefficient) for monomial, coefficient in form.items())
    kept = [(exponents, c) for exponents, c in terms if value or indicator not in exponents]
    return add(*(scale(algebra.product((a, e) for a, e in m.items() if a != indicator), c) for m, c in kept))


def _is_indicator(atom: Atom) -> bool:
    return atom.kind == "function" and atom.data[0] in ("step", "equal")


def _loose(atom: Atom) -> Atom | None:
    """[x > 0] for [x >= 0], of which it is a part."""
    name, parts = atom.data
    if name != "step" or not parts[1]:
        return None
    return function("step", (dict(parts[0]), {}))
