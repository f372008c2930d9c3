"""The alphabet of the checker's normal form: atoms, monomials in them, and polynomials.

An *index* is a string ``letter@AXIS``.  An ``Atom`` is a quantity that the normal form does not take apart.  Each kind
of atom is a class, which states how it is renamed and which relations it obeys.  A ``Monomial`` is a product of powers
of atoms; a ``Polynomial`` maps monomials to rational coefficients.

*Lemma.*  Two atoms with equal keys are the same quantity, up to the names of the indices that they bind: a key spells
its atom out and can be read in one way only, since arrays, axes and letters are identifiers, and a function is the one
that its name means.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from itertools import count
from typing import ClassVar

from symgrad.budget import spend
from symgrad.errors import SymgradError

Index = str
Exponent = int | Fraction


class NoNormalForm(SymgradError):
    """An expression is outside what the normal form covers, or too large for it."""


class Atom:
    """One quantity; a subclass has its parts in ``__slots__``.

    ``key`` spells the atom and orders it; ``free`` are its free indices; ``height`` is the depth of nested sums.
    ``is_positive``: it is known to be positive (a root too, though it vanishes where its radicand does, see
    ``is_nonzero``);
    ``is_nonnegative``: it is known not to be negative.
    """

    __slots__ = ("_hash", "free", "height", "is_nonnegative", "is_positive", "key")

    precedence: ClassVar[int] = 0
    """The relations of kinds with a lower precedence are used first; 0: there are none."""
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
        """The atom with other names for its free indices: a polynomial, since indices may come to coincide."""
        return single(self)

    @classmethod
    def relate(cls, exponents: dict[Atom, Exponent]) -> Polynomial | None:
        """Use the relations of atoms of this kind in a product: change ``exponents``, or return the whole product."""
        return None

    def is_nonzero(self, known: Collection[str]) -> bool:
        """Whether the atom, known to be positive, cannot vanish either; ``known`` are the keys of atoms that cannot."""
        return self.is_positive

    def spelled(self, words: Mapping[Index, str]) -> str:
        """The atom as text with ``words`` for indices, the same for every order of commuting parts."""
        if not self.free & words.keys():
            return self.key
        parts = sorted(spelled(getattr(self, part), words) for part in self.__slots__)
        return f"{type(self).__name__}[{'; '.join(parts)}]"


Monomial = tuple[tuple[Atom, Exponent], ...]
Polynomial = dict[Monomial, Fraction]
Items = tuple[tuple[Monomial, Fraction], ...]

ONE: Monomial = ()

_serial = count()

RESERVED = "%"
"""Begins the letters of the checker's own indices: those of programs and lines are identifiers."""


def axis_of(index: Index) -> str:
    """The axis over which an index runs."""
    return index.rpartition("@")[2]


def fresh_index(index: Index) -> Index:
    """An index over the same axis that occurs nowhere else."""
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
    """A positive number without a finite decimal expansion, such as pi."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"const({name})", is_positive=True)


class Delta(Atom):
    """Kronecker's delta; with two equal indices, a product takes it for 1."""

    __slots__ = ("indices",)

    def __init__(self, one: Index, other: Index) -> None:
        low, high = self.indices = (one, other) if one <= other else (other, one)
        super().__init__(f"delta({low},{high})", frozenset(self.indices))

    def renamed(self, names: Mapping[Index, Index]) -> Polynomial:
        """Kronecker's delta of the renamed indices."""
        return single(Delta(*(names.get(i, i) for i in self.indices)))


def spell(monomial: Monomial) -> str:
    """A monomial as text."""
    spend(sum(len(a.key) for a, _ in monomial) // 256)  # what occurs twice is spelled twice
    return "*".join(a.key if e == 1 else f"{a.key}^{e}" for a, e in monomial) or "1"


def spell_items(items: Items) -> str:
    """A polynomial as text."""
    return "+".join(f"{c}*{spell(m)}" for m, c in items) or "0"


def spelled(part: object, words: Mapping[Index, str]) -> str:
    """A part of an atom as text with ``words`` for indices, the same for every order of commuting parts."""
    if isinstance(part, Atom):
        return part.spelled(words)
    if isinstance(part, tuple):
        parts = [spelled(inside, words) for inside in part]
        return f"({','.join(sorted(parts) if part and isinstance(part[0], tuple) else parts)})"
    return words.get(part, part) if isinstance(part, str) else str(part)


def ordered(polynomial: Polynomial) -> Items:
    """The terms of a polynomial in the order of their keys."""
    return tuple(sorted(polynomial.items(), key=lambda item: spell(item[0])))


def as_monomial(exponents: Mapping[Atom, Exponent]) -> Monomial:
    """The canonical monomial with some exponents."""
    kept = [(a, simple(e)) for a, e in exponents.items() if e]
    return tuple(sorted(kept, key=lambda pair: pair[0].key))


def simple(exponent: Exponent) -> Exponent:
    """An exponent as an ``int`` where it is one."""
    return exponent if isinstance(exponent, int) or exponent.denominator != 1 else exponent.numerator


def free_of(monomial: Monomial) -> frozenset[Index]:
    """The free indices of a monomial."""
    return frozenset().union(*(a.free for a, _ in monomial))


def free_of_items(items: Items) -> frozenset[Index]:
    """The free indices of a polynomial."""
    return frozenset().union(*(free_of(m) for m, _ in items))


def height_of(monomial: Monomial) -> int:
    """How deeply sums are nested in a monomial."""
    return max((a.height for a, _ in monomial), default=0)


def height_of_items(items: Items) -> int:
    """How deeply sums are nested in a polynomial."""
    return max((height_of(m) for m, _ in items), default=0)


def is_positive(polynomial: Polynomial, known: Collection[str] | None = None) -> bool:
    """Whether a polynomial is known to be positive: no term is negative, and all factors of one are positive.

    A root counts as positive though it vanishes where its radicand does, unless there is ``known``: the keys of atoms
    that cannot vanish.
    """
    return is_nonnegative(polynomial) and any(
        all(a.is_positive if known is None else a.is_nonzero(known) for a, _ in m) for m in polynomial
    )


def is_nonnegative(polynomial: Polynomial) -> bool:
    """Whether a polynomial is known not to be negative: no coefficient and no monomial is."""
    return all(c > 0 and is_nonnegative_monomial(m) for m, c in polynomial.items())


def is_nonnegative_monomial(monomial: Monomial) -> bool:
    """Whether a monomial is known not to be negative: each factor is an even power or an atom that is not."""
    return all(a.is_nonnegative or (isinstance(e, int) and e % 2 == 0) for a, e in monomial)


def number(value: Fraction | int) -> Polynomial:
    """A constant polynomial."""
    return {ONE: Fraction(value)} if value else {}


def single(atom: Atom, exponent: Exponent = 1) -> Polynomial:
    """The polynomial of one power of an atom to which no rule applies."""
    return {((atom, exponent),): Fraction(1)}


def add(*polynomials: Polynomial) -> Polynomial:
    """The sum of polynomials."""
    result: Polynomial = {}
    for polynomial in polynomials:
        for m, c in polynomial.items():
            value = result.get(m, 0) + c
            if value:
                result[m] = Fraction(value)
            else:
                result.pop(m, None)
    return result


def scale(polynomial: Polynomial, factor: Fraction | int) -> Polynomial:
    """A polynomial times a number."""
    return {m: c * factor for m, c in polynomial.items()} if factor else {}
