"""The parts of the checker's normal form: atoms, monomials and polynomials.

An *index* is a string ``letter@AXIS``.  An ``Atom`` is a quantity that the normal form does not split.  Each kind of
atom is a class with its own renaming and its own relations.  A ``Monomial`` is a product of powers of atoms, and a
``Polynomial`` maps monomials to rational coefficients.

*Lemma.*  Two atoms with equal keys are the same quantity, up to the names of the indices that they bind, because
a key spells out its atom unambiguously: arrays, axes and letters are identifiers, and no two functions share a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from itertools import count
from math import gcd, lcm
from typing import ClassVar

from symgrad.budget import spend
from symgrad.errors import SymgradError

Index = str
Exponent = int | Fraction


class NoNormalForm(SymgradError):
    """An expression has no normal form, or is too large for one."""


class Atom:
    """One quantity; a subclass lists its parts in ``__slots__``.

    ``key`` identifies and orders atoms, ``free`` are the free indices, and ``height`` is the nesting depth of sums.
    ``is_positive`` means known to be positive; roots count as positive although they may vanish (see ``is_nonzero``).
    ``is_nonnegative`` means known to be nonnegative.
    """

    __slots__ = ("_hash", "free", "height", "is_nonnegative", "is_positive", "key")

    precedence: ClassVar[int] = 0
    """Relations are used in the order of precedence; a kind with precedence 0 has none."""
    is_exponential: ClassVar[bool] = False

    def __init__(
        self,
        key: str,
        free: frozenset[Index] = frozenset(),
        height: int = 0,
        *,
        is_positive: bool = False,
        is_nonnegative: bool = False,
    ) -> None:
        self.key, self.free, self.height = key, free, height
        self.is_positive, self.is_nonnegative = is_positive, is_positive or is_nonnegative
        self._hash = hash(key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.key == other.key

    def __repr__(self) -> str:
        return self.key

    @property
    def adds_up_over(self) -> Index | None:
        """The index over which the sum of the atom is 1, if there is one."""
        return None

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        """The atom with its free indices renamed: a polynomial, since two indices may become one."""
        return single(self)

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """Apply the relations of this kind to a product: change ``exponents``, or return the whole product."""
        return None

    def is_nonzero(self, known: Collection[str]) -> bool:
        """Whether the atom is positive and cannot vanish; ``known`` are the keys of atoms that cannot vanish."""
        return self.is_positive

    def spelled(self, words: Mapping[Index, str]) -> str:
        """The atom as text with ``words`` for indices, independent of the order of commuting parts."""
        if not self.free & words.keys():
            return self.key
        parts = sorted(spelled(getattr(self, part), words) for part in self.__slots__)
        return f"{type(self).__name__}[{'; '.join(parts)}]"


Monomial = tuple[tuple[Atom, Exponent], ...]
Polynomial = dict[Monomial, Fraction]
Items = tuple[tuple[Monomial, Fraction], ...]

ONE: Monomial = ()
UNIT = Fraction(1)

_serial = count()

RESERVED = "%"
"""The first character of the checker's own indices, so that they differ from those of programs and lines."""


def axis_of(index: Index) -> str:
    """The axis over which an index runs."""
    return index.rpartition("@")[2]


def fresh_index(index: Index) -> Index:
    """A new index over the same axis."""
    return f"!{next(_serial)}@{axis_of(index)}"


class Size(Atom):
    """The number of entries along an axis."""

    __slots__ = ("axis",)

    def __init__(self, axis: str) -> None:
        self.axis = axis
        super().__init__(f"#{axis}", is_positive=True)


class Prime(Atom):
    """A prime under a fractional exponent or a logarithm."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value
        super().__init__(f"{value}", is_positive=True)


class Constant(Atom):
    """A number by its name: a positive one without a finite decimal expansion, such as pi, or any other."""

    __slots__ = ("name",)

    def __init__(self, name: str, is_positive: bool = True) -> None:
        self.name = name
        super().__init__(f"const({name})", is_positive=is_positive)


class Delta(Atom):
    """Kronecker's delta; ``product`` replaces one with equal indices by 1."""

    __slots__ = ("indices",)

    def __init__(self, one: Index, other: Index) -> None:
        low, high = self.indices = (one, other) if one <= other else (other, one)
        super().__init__(f"delta({low},{high})", frozenset(self.indices))

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return single(Delta(*(names.get(i, i) for i in self.indices)))


class Position(Atom):
    """The place that an index points at, counted from 0."""

    __slots__ = ("index",)

    def __init__(self, index: Index) -> None:
        self.index = index
        super().__init__(f"position({index})", frozenset([index]), is_nonnegative=True)

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        return single(Position(names.get(self.index, self.index)))


def spell(monomial: Monomial) -> str:
    """A monomial as text."""
    spend(sum(len(a.key) for a, _ in monomial) // 256)  # keys of nested atoms may grow exponentially
    return "*".join(a.key if e == 1 else f"{a.key}^{e}" for a, e in monomial) or "1"


def spell_items(items: Items) -> str:
    """A polynomial as text."""
    return "+".join(f"{c}*{spell(m)}" for m, c in items) or "0"


def spelled(part: object, words: Mapping[Index, str]) -> str:
    """A part of an atom as text with ``words`` for indices, independent of the order of commuting parts."""
    if isinstance(part, Atom):
        return part.spelled(words)
    if isinstance(part, tuple):
        parts = [spelled(inside, words) for inside in part]
        return f"({','.join(sorted(parts) if part and isinstance(part[0], tuple) else parts)})"
    return words.get(part, part) if isinstance(part, str) else str(part)


def key_of(polynomial: Polynomial) -> str:
    """The text that identifies a polynomial."""
    return spell_items(ordered(polynomial))


def ordered(polynomial: Polynomial) -> Items:
    """The terms of a polynomial in the order of their keys."""
    return tuple(sorted(polynomial.items(), key=lambda item: spell(item[0])))


def as_monomial(exponents: Mapping[Atom, Exponent]) -> Monomial:
    """The monomial with these exponents, in canonical order."""
    kept = [(a, simple(e)) for a, e in exponents.items() if e]
    return tuple(sorted(kept, key=lambda pair: pair[0].key))


def simple(exponent: Exponent) -> Exponent:
    """An exponent as an ``int`` if it is an integer."""
    return exponent if isinstance(exponent, int) or exponent.denominator != 1 else exponent.numerator


def free_of(monomial: Monomial) -> frozenset[Index]:
    """The free indices of a monomial."""
    return frozenset().union(*(a.free for a, _ in monomial))


def free_of_items(items: Iterable[tuple[Monomial, Fraction]]) -> frozenset[Index]:
    """The free indices of the terms of a polynomial."""
    return frozenset().union(*(free_of(m) for m, _ in items))


def height_of(monomial: Monomial) -> int:
    """The nesting depth of sums in a monomial."""
    return max((a.height for a, _ in monomial), default=0)


def height_of_items(items: Iterable[tuple[Monomial, Fraction]]) -> int:
    """The nesting depth of sums in the terms of a polynomial."""
    return max((height_of(m) for m, _ in items), default=0)


def is_positive(polynomial: Polynomial, known: Collection[str] | None = None) -> bool:
    """Whether a polynomial is known to be positive: no term is negative, and one term has positive factors only.

    Roots count as positive although they may vanish; with ``known``, the keys of atoms that cannot vanish, they do not.
    """
    return is_nonnegative(polynomial) and any(
        all(a.is_positive if known is None else a.is_nonzero(known) for a, _ in m) for m in polynomial
    )


def is_nonnegative(polynomial: Polynomial) -> bool:
    """Whether a polynomial is known to be nonnegative: no coefficient and no monomial is negative."""
    return all(c > 0 and is_nonnegative_monomial(m) for m, c in polynomial.items())


def is_nonnegative_monomial(monomial: Monomial) -> bool:
    """Whether a monomial is known to be nonnegative: each factor is an even power or a nonnegative atom."""
    return all(a.is_nonnegative or (isinstance(e, int) and e % 2 == 0) for a, e in monomial)


def number(value: Fraction | int) -> Polynomial:
    """A constant polynomial."""
    return {ONE: value if isinstance(value, Fraction) else Fraction(value)} if value else {}


def single(atom: Atom, exponent: Exponent = 1) -> Polynomial:
    """The polynomial of one power of an atom, which must be in normal form."""
    return {((atom, exponent),): UNIT}


def add(*polynomials: Polynomial) -> Polynomial:
    """The sum of polynomials."""
    result: Polynomial = {}
    for polynomial in polynomials:
        for m, c in polynomial.items():
            if m not in result:
                result[m] = c
            elif value := result[m] + c:
                result[m] = value
            else:
                del result[m]
    return result


def rational_content(coefficients: Collection[Fraction | int]) -> Fraction:
    """The largest rational number of which all coefficients are integer multiples."""
    return Fraction(gcd(*(c.numerator for c in coefficients)), lcm(*(c.denominator for c in coefficients)))


def scale(polynomial: Polynomial, factor: Fraction | int) -> Polynomial:
    """A polynomial times a number."""
    if factor == 1:
        return polynomial
    return {m: c * factor for m, c in polynomial.items()} if factor else {}
