"""Equations: the definitions that a program is made of, and the assumptions that may hold for its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sympy import Expr, Float, I, Indexed, KroneckerDelta, Mul, Pow, Rational, Sum, floor, log, nan, oo, sympify, zoo
from sympy.tensor.indexed import Idx

from symgrad.errors import ProgramError
from symgrad.functions import absolute, clip, real
from symgrad.index_letters import fresh_letter
from symgrad.notation import Array, array_names, entries, indices_of, name_of, renamed
from symgrad.printable import Legible


@dataclass(frozen=True)
class Definition:
    """A forward equation ``entry = rhs``.

    A *node* gets an adjoint and lines of its own in a derivation.  An *abbreviation*, such as the normaliser of
    a softmax, is only a name: it is written out before differentiating, and folded back afterwards.
    """

    entry: Expr
    rhs: Expr
    is_node: bool

    @property
    def name(self) -> str:
        """The name of the array that the equation defines."""
        return name_of(self.entry)

    @property
    def indices(self) -> tuple[Idx, ...]:
        """The free indices of the equation, in the order of the array's axes."""
        return indices_of(self.entry)

    def at(self, indices: Sequence[Idx]) -> Expr:
        """The right side with the equation's free indices replaced by ``indices``."""
        return renamed(self.rhs, dict(zip(self.indices, indices, strict=True)))


def node(entry: Expr, rhs: Expr | float) -> Definition:
    """The equation ``entry = rhs`` of an array that gets an adjoint (a gradient line of its own)."""
    return Definition(entry, _exact(rhs), True)


def abbreviation(entry: Expr, rhs: Expr | float) -> Definition:
    """The equation ``entry = rhs`` of an array that is only a name for its right side."""
    return Definition(entry, _exact(rhs), False)


def _exact(rhs: Expr | float) -> Expr:
    """The right side with decimal numbers as the fractions that were meant: 0.1 is 1/10; absolute values as ours."""
    side = real(sympify(rhs))
    return side.xreplace({number: Rational(str(number)) for number in side.atoms(Float)})


@lru_cache(maxsize=4096)
def why_no_number(rhs: Expr) -> str | None:
    """Why a right side has no real value anywhere, in words; None where it may have one."""
    if rhs.has(zoo, nan, oo):
        return "is not finite: division by zero, or a logarithm of 0"
    if any(power.base.is_zero for power in rhs.atoms(Pow)):
        return "is not finite: 0 to a power that may be negative"
    roots = (p for p in rhs.atoms(Pow) if p.base.is_negative and p.exp.is_integer is not True)
    if (root := next(roots, None)) is not None:
        return f"is not real: {root.base} is negative, and {root.exp} no whole number"
    if any(call.args[0].is_negative for call in rhs.atoms(log)) or rhs.has(I):
        return "is not real: a root or a logarithm of a negative number"
    return None


MEAN_COUNT = 6.0  # of random counts, a seventh of which are 0 and a seventh above 12


@dataclass(frozen=True)
class Domain:
    """The numbers from ``low`` to ``high``, a multiple of ``step`` above ``low`` unless it is 0; said in ``words``.

    ``equation`` gives the two sides that are equal at an entry just where it lies in the domain.
    """

    words: str
    low: float
    high: float
    step: int
    equation: Callable[[Expr], tuple[Expr, Expr]]

    @property
    def values(self) -> tuple[int, ...]:
        """All of its numbers where they are finitely many; else none."""
        return tuple(range(int(self.low), int(self.high) + 1, self.step)) if self.step and self.high < np.inf else ()

    def contains(self, array: np.ndarray) -> np.ndarray:
        """Which entries lie in the domain."""
        whole = (array - self.low) % self.step == 0 if self.step else True
        return np.asarray((array >= self.low) & (array <= self.high) & whole)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator, small: bool = False) -> np.ndarray:
        """Random entries; none of them 0 where logarithms and quotients need ``small`` positive ones, if that leaves
        any choice."""
        if self.values:
            return np.asarray(rng.choice(np.array(self.values, float), shape))
        if self.step:
            return np.asarray(rng.poisson(rng.exponential(MEAN_COUNT, shape)) + float(small))
        return np.asarray(
            rng.uniform(0.05, 0.95, shape) if small or self.high == 1 else abs(rng.standard_normal(shape))
        )


DOMAINS: Mapping[str, Domain] = {
    "binary": Domain("0 or 1", 0, 1, 1, lambda y: (y**2, y)),
    "sign": Domain("-1 or 1", -1, 1, 2, lambda y: (y**2, sympify(1))),
    "probability": Domain("between 0 and 1", 0, 1, 0, lambda y: (clip(y, 0, 1), y)),
    "nonnegative": Domain("nonnegative", 0, np.inf, 0, lambda y: (absolute(y), y)),
    "count": Domain("one of 0, 1, 2, ...", 0, np.inf, 1, lambda y: (floor(absolute(y)), y)),
}
"""The domains that an input may be declared to have, by the word that declares it."""


@dataclass(frozen=True)
class Assumption(Legible):
    """An equation ``lhs = rhs`` that holds for the inputs, said in ``words``; its free indices run over their axes."""

    key: str
    words: str
    lhs: Expr
    rhs: Expr

    @property
    def is_understood(self) -> bool:
        """Whether it is of a form that the prover knows."""
        return self.is_sum or self.is_symmetry or self.is_one_hot or self.domain is not None

    @property
    def is_sum(self) -> bool:
        """Whether it reads ``Sum(y[..., k, ...], k) = r``, the sum of a row along one axis, r a number or a size."""
        left, right = self.lhs, self.rhs
        if not (isinstance(left, Sum) and isinstance(left.function, Indexed) and len(left.limits) == 1):
            return False
        indices, (index, *_) = left.function.indices, left.limits[0]
        is_number = right.is_real and not right.atoms(Idx) and all(s.is_integer for s in right.free_symbols)
        return bool(is_number and index in indices and len(set(indices)) == len(indices))

    @property
    def is_symmetry(self) -> bool:
        """Whether it reads ``a[i, j] = a[j, i]``."""
        left, right = self.lhs, self.rhs
        turned = isinstance(left, Indexed) and isinstance(right, Indexed) and left.indices == right.indices[::-1]
        return bool(turned and left.base == right.base and len(left.indices) == len(set(left.indices)) == 2)

    @property
    def domain(self) -> Domain | None:
        """The domain in which every entry of the input lies, if that is what it says."""
        found = [entry for name in array_names(self.lhs) for entry in entries(self.lhs, name)]
        if len(found) != 1 or len(set(free := getattr(found[0], "indices", ()))) < len(free):
            return None
        return next((d for d in DOMAINS.values() if d.equation(found[0]) == (self.lhs, self.rhs)), None)

    @property
    def is_discrete(self) -> bool:
        """Whether it leaves an entry a choice of few numbers."""
        return self.is_one_hot or bool(self.domain and self.domain.step)

    @property
    def is_one_hot(self) -> bool:
        """Whether it reads ``y[..., k] y[..., j] = delta(k, j) y[..., k]``."""
        entries = Mul.make_args(self.lhs)
        if len(entries) != 2 or not all(isinstance(e, Indexed) for e in entries) or entries[0].base != entries[1].base:
            return False
        (*rows, k), (*others, j) = (e.indices for e in entries)
        equal = KroneckerDelta(k, j)
        distinct = rows == others and len({k, j, *rows}) == 2 + len(rows)
        return distinct and self.rhs in {equal * entry for entry in entries}


def rows_sum_to_one(array: Array, key: str = "A1") -> Assumption:
    """The assumption that every row of ``array`` (its last axis) sums to one, as rows of one-hot or soft labels do.

    Raises ``ProgramError`` for an array of no axes.
    """
    *rows, column = _row_letters(array)
    return Assumption(key, f"each row of {array.name} sums to one", Sum(array[(*rows, column)], column), sympify(1))


def one_hot(array: Array, key: str = "A1") -> tuple[Assumption, Assumption]:
    """The assumption that every row of ``array`` (its last axis) is one-hot, in two: no two entries of a row are 1
    (``y_nk y_nj = delta_kj y_nk``, so that every entry is 0 or 1), and each row sums to one.

    Their keys are ``key`` with ``a`` and ``b``.  Raises ``ProgramError`` for an array of no axes.
    """
    *rows, k = _row_letters(array)
    j = fresh_letter(array.axes[-1], {str(i.label) for i in (*rows, k)}, bound=True)
    one, other = array[(*rows, k)], array[(*rows, j)]
    words = f"each entry of {array.name} is 0 or 1, and at most one of a row is 1"
    return Assumption(f"{key}a", words, one * other, KroneckerDelta(k, j) * one), rows_sum_to_one(array, f"{key}b")


def in_domain(array: Array, word: str, key: str = "A1") -> Assumption:
    """The assumption that every entry of ``array`` lies in a domain: ``word`` is "binary" (0 or 1), "sign" (-1 or 1),
    "probability" (between 0 and 1), "nonnegative" or "count" (0, 1, 2, ...).

    Raises ``ProgramError`` for another word.
    """
    if word not in DOMAINS:
        raise ProgramError(f"{word!r} is not a domain: expected one of {', '.join(DOMAINS)}")
    entry = array[tuple(_letters(array))] if array.axes else array.base
    whose = f"each entry of {array.name}" if array.axes else array.name
    return Assumption(key, f"{whose} is {DOMAINS[word].words}", *DOMAINS[word].equation(entry))


def symmetric(array: Array, key: str) -> Assumption:
    """The assumption that ``array`` equals its transpose.

    Raises ``ProgramError`` for an array that has not twice the same axis.
    """
    if len(array.axes) != 2 or array.axes[0] != array.axes[1]:
        raise ProgramError(f"{array.name} cannot be symmetric: it has not twice the same axis")
    i, j = _letters(array)
    return Assumption(key, f"{array.name} is symmetric", array[i, j], array[j, i])


def _row_letters(array: Array) -> list[Idx]:
    if not array.axes:
        raise ProgramError(f"{array.name} has no rows: it has no axes")
    return _letters(array)


def _letters(array: Array) -> list[Idx]:
    """An index for each axis of an array."""
    chosen: list[Idx] = []
    for axis in array.axes:
        chosen.append(fresh_letter(axis, {str(i.label) for i in chosen}, bound=True))
    return chosen
