"""Functions in the checker's normal form: exponentials and logarithms; indicators, selections, functions without rules.

*Lemma.*  Wherever the program is defined, ``exp`` of a sum is a product, ``exp`` of a rational multiple is a power, and
``exp(log x) = x``.  The logarithm of a product of positive factors is a sum.  ``log(x**k) = k log x`` for positive x,
and for odd ``k`` (then the left side is real only if x > 0).

*Lemma.*  An indicator (a step or a comparison) is 0 or 1, so it equals its square; ``[x > 0] [x >= 0] = [x > 0]``,
``[-x > 0] = 1 - [x >= 0]``, and ``x [x = 0] = 0``.  For an expression E with an indicator c, at each point
``f(E) = c f(E at c = 1) + (1 - c) f(E at c = 0)``, since c is 0 or 1 there; so a choice is ``c a + (1 - c) b``.  A term
with the factor c is not needed where c is 0, even if it is undefined there.  So equal forms are equal in each branch,
wherever that branch is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product as every_choice

from symgrad.check.normal_form.algebra import Root, content, multiply, power, prime_powers, product, rename
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
    Position,
    Prime,
    add,
    axis_of,
    free_of,
    free_of_items,
    fresh_index,
    height_of,
    height_of_items,
    key_of,
    number,
    ordered,
    rational_content,
    scale,
    simple,
    single,
    spell,
    spell_items,
    spelled,
)

MOST_SPLIT = 3
"""A function of an expression with more indicators is not split into cases."""


# --- exponentials and logarithms --------------------------------------------------------------------------------------


class Exponential(Atom):
    """exp of a monomial; its powers are exponentials of rational multiples of the monomial."""

    __slots__ = ("exponent",)

    is_exponential = True

    def __init__(self, exponent: Monomial) -> None:
        self.exponent = exponent
        super().__init__(f"exp({spell(exponent)})", free_of(exponent), height_of(exponent), is_positive=True)

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return exp_of(rename({self.exponent: UNIT}, names))


class Logarithm(Atom):
    """log of a polynomial that no rule splits."""

    __slots__ = ("argument",)

    def __init__(self, argument: Polynomial) -> None:
        items = self.argument = ordered(argument)
        super().__init__(f"log({spell_items(items)})", free_of_items(items), height_of_items(items))

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
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
        return {atom.exponent: UNIT}
    if isinstance(atom, Root):
        return scale(log_of(dict(atom.radicand)), Fraction(1, atom.degree))
    return single(Logarithm(single(atom)))


# --- indicators, selections and other calls ---------------------------------------------------------------------------


class Call(Atom):
    """A function without rules: equal arguments give equal values."""

    __slots__ = ("arguments", "name")

    def __init__(self, name: str, arguments: tuple[Polynomial, ...]) -> None:
        self.name, self.arguments = name, tuple(map(ordered, arguments))
        free = frozenset[Index]().union(*map(free_of_items, self.arguments))
        key = f"function {name}({';'.join(map(spell_items, self.arguments))})"
        super().__init__(key, free, max(map(height_of_items, self.arguments), default=0))

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return call(self.name, tuple(rename(dict(argument), names) for argument in self.arguments))

    def spelled(self, words: Mapping[Index, str]) -> str:
        """As for every atom, but the order of the arguments counts."""
        if not self.free & words.keys():
            return self.key
        return f"{self.name}({';'.join(spelled(argument, words) for argument in self.arguments)})"


class Indicator(Call):
    """A step [x > 0] or [x >= 0], or a comparison of two expressions for equality."""

    __slots__ = ()

    precedence = 1

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """Reduce powers of indicators, and replace ``x [x = 0]`` by 0."""
        factors = {atom for atom, exponent in exponents.items() if isinstance(exponent, int) and exponent > 0}
        for atom in factors:
            if isinstance(atom, Indicator):
                exponents[atom] = 0 if atom._strict() in factors else 1
                left, right = map(dict, atom.arguments)
                if atom.name == "equal" and not right and any(single(factor) == left for factor in factors):
                    return {}
        return None

    def _strict(self) -> Indicator | None:
        """[x > 0], if the indicator is [x >= 0], which it implies."""
        argument, at_zero = self.arguments
        return Indicator("step", (dict(argument), {})) if self.name == "step" and at_zero else None


def call(name: str, arguments: tuple[Polynomial, ...]) -> Polynomial:
    """A function of normal forms; a step or a comparison is expressed in indicators."""
    if name == "step" and not arguments[1].keys() - {ONE}:
        return _step(arguments[0], arguments[1].get(ONE, Fraction(0)))
    if name == "equal":
        difference = add(arguments[0], scale(arguments[1], -1))
        if not difference.keys() - {ONE}:
            return number(int(not difference))
        return single(Indicator(name, arguments))
    return single(Call(name, arguments))


def _step(argument: Polynomial, at_zero: Fraction) -> Polynomial:
    """[x > 0] with the value ``at_zero`` at 0; arguments that are rational multiples of each other become equal."""
    if not argument.keys() - {ONE}:
        value = argument.get(ONE, 0)
        return number(at_zero if value == 0 else int(value > 0))
    if at_zero not in (0, 1):
        return add(scale(_step(argument, Fraction(0)), 1 - at_zero), scale(_step(argument, Fraction(1)), at_zero))
    common = rational_content(argument.values())
    if ordered(argument)[0][1] > 0 or any(isinstance(a, Position) for m in argument for a, _ in m):
        # A comparison of positions stays as it is: which of its letters comes first depends on their names.
        return single(Indicator("step", (scale(argument, 1 / common), number(at_zero))))
    turned = single(Indicator("step", (scale(argument, -1 / common), number(1 - at_zero))))
    return add(number(1), scale(turned, -1))


class Selection(Atom):
    """The share of the entry at the index ``at`` in a selection among the values of ``row`` along the index ``along``.

    The name of ``along`` is canonical.
    """

    __slots__ = ("along", "at", "row")

    def __init__(self, row: Polynomial, along: Index, at: Index) -> None:
        self.row, self.along, self.at = ordered(row), along, at
        free = (free_of_items(self.row) - {along}) | {at}
        key = f"selection[{along}]({spell_items(self.row)};{at})"
        super().__init__(key, free, 1 + height_of_items(self.row))

    @property
    def adds_up_over(self) -> Index | None:
        """The selected index: the shares of a selection add up to 1."""
        return None if self.at in free_of_items(self.row) else self.at

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        inside = fresh_index(self.along)
        return selected(rename(dict(self.row), {**names, self.along: inside}), inside, names.get(self.at, self.at))


def selected(row: Polynomial, along: Index, at: Index) -> Polynomial:
    """The share of the entry at ``at`` in a selection along ``along``, an index that occurs nowhere else."""
    name = f"~{1 + height_of_items(row.items())}.0@{axis_of(along)}"
    return single(Selection(rename(row, {along: name}), name, at))


def through(form: Polynomial, of: Callable[[Polynomial], Polynomial]) -> Polynomial:
    """The function ``of`` a normal form, split into the cases of its indicators."""
    indicators = _indicators(form)
    if not indicators or len(indicators) > MOST_SPLIT:
        return of(form)
    first = indicators[0]
    yes, no = (through(_at(form, first, value), of) for value in (1, 0))
    return add(no, multiply(single(first), add(yes, scale(no, -1))))


def branches(form: Polynomial) -> Iterator[tuple[Polynomial, frozenset[str]]]:
    """A normal form in each case of its indicators, with the keys of what is 1 there: an indicator, or 1 minus it.

    With too many indicators, there is one case, without keys.
    """
    indicators = _indicators(form)
    cases = every_choice((0, 1), repeat=len(indicators)) if len(indicators) <= MOST_SPLIT else [()]
    for values in cases:
        at, facts = form, set[str]()
        for atom, value in zip(indicators, values, strict=False):
            at = _at(at, atom, value)
            facts.add(key_of(single(atom) if value else add(number(1), scale(single(atom), -1))))
        yield at, frozenset(facts)


def _indicators(form: Polynomial) -> list[Atom]:
    indicators = {a for m in form for a, e in m if isinstance(a, (Indicator, Delta)) and e == 1}
    return sorted(indicators, key=lambda atom: atom.key)


def _at(form: Polynomial, indicator: Atom, value: int) -> Polynomial:
    """A normal form with a value for an indicator."""
    terms = ((dict(monomial), coefficient) for monomial, coefficient in form.items())
    kept = [(exponents, c) for exponents, c in terms if value or indicator not in exponents]
    return add(*(scale(product((a, e) for a, e in m.items() if a != indicator), c) for m, c in kept))
