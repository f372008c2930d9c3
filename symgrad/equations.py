"""Equations: the definitions of a program, and assumptions about its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sympy import Expr, Float, I, Indexed, KroneckerDelta, Mul, Pow, Rational, Sum, floor, log, nan, oo, sympify, zoo
from sympy.tensor.indexed import Idx

from symgrad.errors import ProgramError
from symgrad.functions import absolute, clip, real, step
from symgrad.index_letters import fresh_letter
from symgrad.names import Legible
from symgrad.notation import Array, array_names, entries, indices_of, name_of, parts_of, renamed
from symgrad.special_functions import position_of


@dataclass(frozen=True)
class EntryEquation:
    """``entry = rhs``: an equation that gives an array entry by entry."""

    entry: Expr
    rhs: Expr

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


@dataclass(frozen=True)
class Definition(EntryEquation):
    """A forward equation ``entry = rhs``.

    A *node* gets an adjoint.  An *abbreviation*, such as the normaliser of a softmax, is a shorthand without one: it is
    expanded before differentiation, and folded back afterwards.
    """

    is_node: bool


def node(entry: Expr, rhs: Expr | float) -> Definition:
    """The equation ``entry = rhs`` of a node: an array that gets an adjoint."""
    return Definition(entry, _exact(rhs), True)


def abbreviation(entry: Expr, rhs: Expr | float) -> Definition:
    """The equation ``entry = rhs`` of an abbreviation: a shorthand for its right side."""
    return Definition(entry, _exact(rhs), False)


def _exact(rhs: Expr | float) -> Expr:
    """The right side with floats as fractions (0.1 is 1/10), and with this package's absolute value for SymPy's."""
    side = real(sympify(rhs))
    return side.xreplace({number: Rational(str(number)) for number in parts_of(side, Float)})


@lru_cache(maxsize=4096)
def why_no_number(rhs: Expr) -> str | None:
    """Why a right side has no real value anywhere; None if it may have one."""
    if rhs.has(zoo, nan, oo):
        return "is not finite: division by zero, or a logarithm of 0"
    if any(power.base.is_zero for power in parts_of(rhs, Pow)):
        return "is not finite: 0 to a power that may be negative"
    roots = (p for p in parts_of(rhs, Pow) if p.base.is_negative and p.exp.is_integer is not True)
    if (root := next(roots, None)) is not None:
        return f"is not real: {root.base} is negative, and the exponent {root.exp} is not an integer"
    if any(call.args[0].is_negative for call in parts_of(rhs, log)) or rhs.has(I):
        return "is not real: a root or a logarithm of a negative number"
    return None


MEAN_COUNT = 6.0  # of random counts: a seventh of them are 0, and a seventh above 12


@dataclass(frozen=True)
class Domain:
    """The numbers from ``low`` to ``high`` in steps of ``step``, or all of them for ``step=0``.

    ``equation`` gives two expressions in an entry that are equal if and only if the entry lies in the domain.
    """

    words: str
    low: float
    high: float
    step: int
    equation: Callable[[Expr], tuple[Expr, Expr]]

    @property
    def values(self) -> tuple[int, ...]:
        """All numbers of a finite domain; empty for an infinite domain."""
        return tuple(range(int(self.low), int(self.high) + 1, self.step)) if self.step and self.high < np.inf else ()

    def contains(self, array: np.ndarray) -> np.ndarray:
        """Which entries lie in the domain."""
        whole = (array - self.low) % self.step == 0 if self.step else True
        return np.asarray((array >= self.low) & (array <= self.high) & whole)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator, small: bool = False) -> np.ndarray:
        """Random entries.  For ``small`` ones, which logarithms and quotients need, 0 is avoided where possible."""
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
"""The domains of inputs, by the word that declares them in ``shapes``."""


@dataclass(frozen=True)
class Assumption(Legible):
    """An equation ``lhs = rhs`` that holds for the inputs, for all values of its free indices."""

    key: str
    words: str
    lhs: Expr
    rhs: Expr
    is_definite: bool = False

    @property
    def is_understood(self) -> bool:
        """Whether the prover supports an equation of this form."""
        return self.is_sum or self.is_structure or self.is_one_hot or self.domain is not None

    @property
    def is_sum(self) -> bool:
        """Whether it is ``Sum(y[..., k, ...], k) = r``: a sum along one axis is r, a number or a size."""
        left, right = self.lhs, self.rhs
        if not (isinstance(left, Sum) and isinstance(left.function, Indexed) and len(left.limits) == 1):
            return False
        indices, (index, *_) = left.function.indices, left.limits[0]
        is_number = right.is_real and not parts_of(right, Idx) and all(s.is_integer for s in right.free_symbols)
        return bool(is_number and index in indices and len(set(indices)) == len(indices))

    @property
    def is_symmetry(self) -> bool:
        """Whether it is ``a[i, j] = a[j, i]``."""
        left, right = self.lhs, self.rhs
        swapped = isinstance(left, Indexed) and isinstance(right, Indexed) and left.indices == right.indices[::-1]
        return bool(swapped and left.base == right.base and len(left.indices) == len(set(left.indices)) == 2)

    @property
    def mask(self) -> Expr | None:
        """The expression m if it is ``a[i, j] = m a[i, j]``, where m is 0 or 1 by the positions of i and j; or None."""
        left = self.lhs
        if not isinstance(left, Indexed) or len(left.indices) != 2 or len(set(left.indices)) == 1:
            return None
        mask = self.rhs / left
        return mask if isinstance(mask, (KroneckerDelta, step)) and not array_names(mask) else None

    @property
    def is_orthogonality(self) -> bool:
        """Whether it is ``Sum(q[k, i] q[k, j], k) = delta(i, j)`` for a square matrix q."""
        left, right = self.lhs, self.rhs
        if not isinstance(right, KroneckerDelta) or not isinstance(left, Sum) or len(left.limits) != 1:
            return False
        entries, k = Mul.make_args(left.function), left.limits[0][0]
        are_entries = len(entries) == 2 and all(isinstance(e, Indexed) and len(e.indices) == 2 for e in entries)
        if not are_entries or entries[0].base != entries[1].base or len({i.upper for i in (k, *right.args[:2])}) > 1:
            return False
        return {e.indices for e in entries} == {(k, i) for i in right.args[:2]} and k not in right.args

    @property
    def is_structure(self) -> bool:
        """Whether it ties the entries of a matrix together, so that moving one entry alone violates it."""
        return self.is_symmetry or self.is_orthogonality or self.mask is not None

    @property
    def domain(self) -> Domain | None:
        """The domain of every entry of the input, if the assumption states one."""
        operands = [entry for name in array_names(self.lhs) for entry in entries(self.lhs, name)]
        if len(operands) != 1 or len(set(free := indices_of(operands[0]))) < len(free):
            return None
        return next((d for d in DOMAINS.values() if d.equation(operands[0]) == (self.lhs, self.rhs)), None)

    @property
    def is_discrete(self) -> bool:
        """Whether it restricts entries to isolated numbers."""
        return self.is_one_hot or bool(self.domain and self.domain.step)

    @property
    def is_one_hot(self) -> bool:
        """Whether it is ``y[..., k] y[..., j] = delta(k, j) y[..., k]``."""
        entries = Mul.make_args(self.lhs)
        if len(entries) != 2 or not all(isinstance(e, Indexed) for e in entries) or entries[0].base != entries[1].base:
            return False
        (*rows, k), (*others, j) = (e.indices for e in entries)
        equal = KroneckerDelta(k, j)
        distinct = rows == others and len({k, j, *rows}) == 2 + len(rows)
        return distinct and self.rhs in {equal * entry for entry in entries}


def rows_sum_to_one(array: Array, key: str = "A1") -> Assumption:
    """The assumption that ``array`` sums to one along its last axis, as one-hot or soft labels do.

    Raises ``ProgramError`` for a scalar.
    """
    *rows, column = _row_letters(array)
    return Assumption(key, f"each row of {array.name} sums to one", Sum(array[(*rows, column)], column), sympify(1))


def one_hot(array: Array, key: str = "A1") -> tuple[Assumption, Assumption]:
    """The assumption that ``array`` is one-hot along its last axis, as two equations.

    ``y_nk y_nj = delta_kj y_nk`` (every entry is 0 or 1, and at most one of a row is 1) has the key ``key`` + "a"; each
    row sums to one has ``key`` + "b".  Raises ``ProgramError`` for a scalar.
    """
    *rows, k = _row_letters(array)
    j = fresh_letter(array.axes[-1], {i.name for i in (*rows, k)}, bound=True)
    entry, other = array[(*rows, k)], array[(*rows, j)]
    words = f"each entry of {array.name} is 0 or 1, and at most one of a row is 1"
    return Assumption(f"{key}a", words, entry * other, KroneckerDelta(k, j) * entry), rows_sum_to_one(array, f"{key}b")


def in_domain(array: Array, word: str, key: str = "A1") -> Assumption:
    """The assumption that every entry of ``array`` lies in the domain ``word``, a key of ``DOMAINS``.

    Raises ``ProgramError`` for another word.
    """
    if word not in DOMAINS:
        raise ProgramError(f"unknown domain {word!r}; known domains: {', '.join(DOMAINS)}")
    entry = array[tuple(_letters(array))] if array.axes else array.base
    whose = f"each entry of {array.name}" if array.axes else array.name
    return Assumption(key, f"{whose} is {DOMAINS[word].words}", *DOMAINS[word].equation(entry))


def symmetric(array: Array, key: str, is_definite: bool = False) -> Assumption:
    """The assumption that ``array`` equals its transpose, and is positive definite if ``is_definite``.

    Raises ``ProgramError`` unless its two axes are the same.
    """
    i, j = _square_letters(array, "symmetric")
    words = f"{array.name} is symmetric{' and positive definite' * is_definite}"
    return Assumption(key, words, array[i, j], array[j, i], is_definite)


def diagonal(array: Array, key: str) -> Assumption:
    """The assumption that a square matrix is 0 off its diagonal.  Raises ``ProgramError`` for another array."""
    i, j = _square_letters(array, "diagonal")
    return Assumption(key, f"{array.name} is diagonal", array[i, j], KroneckerDelta(i, j) * array[i, j])


def lower(array: Array, key: str) -> Assumption:
    """The assumption that a square matrix is 0 above its diagonal.  Raises ``ProgramError`` for another array."""
    i, j = _square_letters(array, "lower triangular")
    mask = step(position_of(i) - position_of(j), 1)
    return Assumption(key, f"{array.name} is lower triangular", array[i, j], mask * array[i, j])


def orthogonal(array: Array, key: str) -> Assumption:
    """The assumption that a square matrix times its transpose is the identity.

    Raises ``ProgramError`` for another array.
    """
    i, j = _square_letters(array, "orthogonal")
    k = fresh_letter(array.axes[0], {i.name, j.name}, bound=True)
    product = Sum(array[k, i] * array[k, j], k)
    return Assumption(key, f"{array.name} is orthogonal", product, KroneckerDelta(i, j))


TIES: Mapping[str, Callable[[Array, str], Assumption]] = {
    "diagonal": diagonal,
    "lower": lower,
    "orthogonal": orthogonal,
}
"""Assumptions that exclude others about the same matrix, by the word that declares them in ``shapes``."""


def _square_letters(array: Array, word: str) -> list[Idx]:
    if len(array.axes) != 2 or array.axes[0] != array.axes[1]:
        raise ProgramError(f"{array.name} cannot be {word}: its two axes must be the same")
    return _letters(array)


def _row_letters(array: Array) -> list[Idx]:
    if not array.axes:
        raise ProgramError(f"{array.name} is a scalar, so it has no rows")
    return _letters(array)


def _letters(array: Array) -> list[Idx]:
    """An index for each axis of an array."""
    indices: list[Idx] = []
    for axis in array.axes:
        indices.append(fresh_letter(axis, {i.name for i in indices}, bound=True))
    return indices
