"""The alphabet of the checker's normal form: atoms, monomials in them, and polynomials.

An *index* is a string ``letter@AXIS``.  An ``Atom`` is a quantity that the normal form does not take apart: an
entry of an array, a size, an exponential of a monomial, a logarithm, a root or a denominator, a Kronecker delta,
or a sum over indices whose factors hang together.  A ``Monomial`` is a product of powers of atoms, a
``Polynomial`` maps monomials to rational coefficients.  Atoms are compared by a key that spells them out, so two
atoms are equal only if they are the same quantity, up to the names of the indices that they bind.  A key can be read in
one way only: arrays, axes and letters are identifiers, and a function is the one that its name means.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from symgrad.budget import spend
from symgrad.errors import SymgradError

Index = str
Exponent = int | Fraction


class NoNormalForm(SymgradError):
    """An expression is outside what the normal form covers, or too large for it."""


class Atom:
    """One quantity.  ``kind`` says which, ``data`` holds its parts:

    ``entry`` (name, positive, indices, relations); ``size`` (axis,); ``prime`` (p,);
    ``constant`` (name,); ``delta`` (i, j);
    ``exp`` (monomial,); ``log`` (polynomial items,); ``function`` (name, polynomial items of each argument);
    ``selection`` (bound index, polynomial items, index): the entry at an index of a selection along the bound one;
    ``root`` (degree, polynomial items): the positive root, or for degree 1 the polynomial itself;
    ``sum`` (bound indices, monomial).
    """

    __slots__ = ("_hash", "data", "free", "height", "key", "kind", "sign")

    kind: str
    data: tuple  # type: ignore[type-arg]
    key: str
    free: frozenset[Index]
    height: int
    sign: int

    def __init__(self, kind: str, data: tuple, key: str, free: frozenset[Index], height: int, sign: int) -> None:  # type: ignore[type-arg]
        self.kind, self.data, self.key = kind, data, key
        self.free, self.height, self.sign = free, height, sign
        self._hash = hash(key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.key == other.key

    def __repr__(self) -> str:
        return self.key


Monomial = tuple[tuple[Atom, Exponent], ...]
Polynomial = dict[Monomial, Fraction]
Items = tuple[tuple[Monomial, Fraction], ...]

ONE: Monomial = ()

OWN = "%"
"""Begins the letters of the checker's own indices: those of programs and lines are identifiers."""

FREE, AT_MOST_ONE, EXACTLY_ONE, BINARY, SIGN, NONNEGATIVE = range(6)
"""The relations of entries: none; of a row, at most one is 1 and the others are 0; exactly one is; each is 0 or 1; each
is -1 or 1; none is negative."""


def axis_of(index: Index) -> str:
    """The axis over which an index runs."""
    return index.rpartition("@")[2]


def entry(name: str, indices: tuple[Index, ...], positive: bool, row: int = FREE) -> Atom:
    """The entry of an array, or a scalar; ``row`` says which relations it, or the entries of its row, obey."""
    key = f"{name}[{','.join(indices)}]{'!' * row}"
    return Atom("entry", (name, positive, indices, row), key, frozenset(indices), 0, int(positive))


def size(axis: str) -> Atom:
    """The number of entries along an axis."""
    return Atom("size", (axis,), f"#{axis}", frozenset(), 0, 1)


def prime(p: int) -> Atom:
    """A prime under a fractional exponent or a logarithm."""
    return Atom("prime", (p,), f"{p}", frozenset(), 0, 1)


def constant(name: str) -> Atom:
    """A positive number without a finite name of its own, such as pi."""
    return Atom("constant", (name,), f"const({name})", frozenset(), 0, 1)


def delta(i: Index, j: Index) -> Atom:
    """Kronecker's delta; of two equal indices it is taken for 1 in any product."""
    i, j = sorted((i, j))
    return Atom("delta", (i, j), f"delta({i},{j})", frozenset((i, j)), 0, 0)


def exponential(exponent: Monomial) -> Atom:
    """exp of a monomial; powers of it are exponentials of its rational multiples."""
    return Atom("exp", (exponent,), f"exp({spell(exponent)})", free_of(exponent), height_of(exponent), 1)


def logarithm(argument: Polynomial) -> Atom:
    """log of a polynomial that does not come apart."""
    items = ordered(argument)
    return Atom("log", (items,), f"log({spell_items(items)})", free_of_items(items), height_of_items(items), 0)


def function(name: str, arguments: tuple[Polynomial, ...]) -> Atom:
    """Any other function, of which nothing is known but that equal arguments give equal values."""
    parts = tuple(ordered(a) for a in arguments)
    free = frozenset().union(*(free_of_items(p) for p in parts))
    key = f"function {name}({';'.join(spell_items(p) for p in parts)})"
    return Atom("function", (name, parts), key, free, max((height_of_items(p) for p in parts), default=0), 0)


def chosen(row: Polynomial, along: Index, at: Index) -> Atom:
    """The entry at the index ``at`` of a selection among the values of ``row`` along the index ``along``, which is
    canonical already."""
    items = ordered(row)
    free = (free_of_items(items) - {along}) | {at}
    key = f"selection[{along}]({spell_items(items)};{at})"
    return Atom("selection", (along, items, at), key, free, 1 + height_of_items(items), 0)


def root(degree: int, radicand: Polynomial) -> Atom:
    """The ``degree``-th root of a polynomial; for degree 1 a polynomial that is divided by."""
    items = ordered(radicand)
    positive = int(degree % 2 == 0 or sign_of(radicand) > 0)
    key = f"root{degree}({spell_items(items)})"
    return Atom("root", (degree, items), key, free_of_items(items), height_of_items(items), positive)


def total(bound: tuple[Index, ...], factors: Monomial) -> Atom:
    """The sum of a monomial over the indices ``bound``, which bear canonical names already."""
    key = f"sum[{','.join(bound)}]({spell(factors)})"
    sign = int(all(atom.sign for atom, _ in factors))
    return Atom("sum", (bound, factors), key, free_of(factors) - set(bound), 1 + height_of(factors), sign)


def spell(monomial: Monomial) -> str:
    """A monomial as text."""
    spend(sum(len(a.key) for a, _ in monomial) // 256)  # what occurs twice is spelled twice
    return "*".join(a.key if e == 1 else f"{a.key}^{e}" for a, e in monomial) or "1"


def spell_items(items: Items) -> str:
    """A polynomial as text."""
    return "+".join(f"{c}*{spell(m)}" for m, c in items) or "0"


def ordered(polynomial: Polynomial) -> Items:
    """The terms of a polynomial in an order that its keys decide."""
    return tuple(sorted(polynomial.items(), key=lambda item: spell(item[0])))


def as_monomial(exponents: Mapping[Atom, Exponent]) -> Monomial:
    """The canonical monomial of some exponents."""
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


def sign_of(polynomial: Polynomial) -> int:
    """1 if the polynomial is known to be positive, else 0: positive coefficients, no term that may be negative, and
    one term at least that cannot vanish.  A root counts as positive, though it vanishes where its radicand does."""
    return int(is_nonnegative(polynomial) and any(all(a.sign for a, _ in m) for m in polynomial))


def is_nonnegative(polynomial: Polynomial) -> bool:
    """Whether a polynomial is known not to be negative: positive coefficients, and no term that may be negative."""
    return all(c > 0 and _is_nonnegative(m) for m, c in polynomial.items())


def _is_nonnegative(monomial: Monomial) -> bool:
    """Whether a monomial is known not to be negative: positive atoms, even powers, and sums of such monomials."""
    return all(
        a.sign
        or (isinstance(e, int) and e % 2 == 0)
        or (a.kind == "sum" and _is_nonnegative(a.data[1]))
        or (a.kind == "entry" and a.data[3] not in (FREE, SIGN))
        for a, e in monomial
    )


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
