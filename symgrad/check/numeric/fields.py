"""Two number systems in which a line is evaluated at a shape: a tower of prime fields, and 50-digit reals.

The tower.  Primes p_0 > p_1 > ... with p_(i+1) dividing p_i - 1; a number is the tuple of its residues.  With g
of order p_1 modulo p_0, ``exp(a) = g**(a mod p_1)`` modulo p_0, and likewise one level down: a homomorphism, so
that exp(z/tau), exp(-z) and exp(2z) obey their relations; each exponential uses up one level.  All p_i are 7 mod
8 and have the small primes as squares, so that a square root, where there is one, has exactly one value that is a
square itself, taking it is multiplicative, and ``sqrt(exp(a)) = exp(a/2)``.  The tanh of a number is that of its
exponentials.  A logarithm that does not come apart is a random number keyed by its argument, and so is the value of
any other function: nothing is known of it but that equal arguments give equal values.  An identity between
such expressions over the rationals holds in the tower; one that fails in the tower is no identity of this kind.

Arrays are numpy object arrays whose first axis counts the levels (one level for reals).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import mpmath
import numpy as np
from sympy import Float, NumberSymbol, Rational, isprime

from symgrad.errors import SymgradError
from symgrad.functions import MEANINGS, equal, step

Array = np.ndarray[Any, Any]
BITS, MOST_LEVELS = 61, 12
SMALL_PRIMES = (3, 5, 7)
DIGITS = 50
MOST_EXPONENT = 10**6
"""Of an exponential in real arithmetic: one of a larger number has too many digits before the point."""
GUARD = 15
"""Further digits that rounding may cost."""


class OutsideDomain(SymgradError):
    """A function was evaluated where it is not defined; other inputs may do."""


class OutsideField(SymgradError):
    """A function has no meaning in this number system."""


@cache
def tower(levels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Primes p_0 > p_1 > ... as described above, and for each but the last an element of order p_(i+1) modulo p_i.

    Raises ``OutsideField`` for more than ``MOST_LEVELS``: each prime is longer than the next and takes longer to find.
    """
    if levels > MOST_LEVELS:
        raise OutsideField(f"exponentials are nested more than {MOST_LEVELS - 1} deep")
    candidate = 2**BITS + 7
    while not _suitable(candidate):
        candidate += 8
    primes: list[int] = [candidate]
    generators: list[int] = []
    while len(primes) < levels:
        factor = 2
        while not _suitable(factor * primes[0] + 1):
            factor += 4
        primes.insert(0, factor * primes[0] + 1)
        generators.insert(0, pow(2, factor, primes[0]))
    return tuple(primes), tuple(generators)


def _suitable(p: int) -> bool:
    return p % 8 == 7 and all(pow(small, (p - 1) // 2, p) == 1 for small in SMALL_PRIMES) and bool(isprime(p))


class Missing:
    """What stands where a function is not defined: any arithmetic with it ends in it."""

    def _itself(self, *_: object) -> Missing:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _itself
    __mod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _itself

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


MISSING = Missing()


def is_missing(value: Array) -> Array:
    """Which entries have no value."""
    found: Array = np.frompyfunc(lambda entry: entry is MISSING, 1, 1)(value).astype(bool)
    return found


class _Tolerant:
    """Number systems in which what is outside the domain of a function may be ``MISSING``."""

    is_tolerant = False
    has_gaps = False

    @contextmanager
    def tolerant(self) -> Iterator[None]:
        """Where functions are not defined, their values are ``MISSING``."""
        before, self.is_tolerant = self.is_tolerant, True
        try:
            yield
        finally:
            self.is_tolerant = before

    def _outside(self, why: str) -> Missing:
        if not self.is_tolerant:
            raise OutsideDomain(why)
        self.has_gaps = True
        return MISSING


class Field(_Tolerant):
    """Arithmetic in the tower of prime fields."""

    words = "modulo primes of 61 bits and more"

    def __init__(self, levels: int, seed: int) -> None:
        self.primes, self._generators = tower(levels)
        self._random = random.Random(seed)
        self._seed = seed

    def _moduli(self, value: Array) -> Array:
        return np.array(self.primes[: len(value)], dtype=object).reshape((-1,) + (1,) * (value.ndim - 1))

    def _map(self, function: Callable[[int, int, int], int | Missing], value: Array) -> Array:
        """``function(level, prime, residue)`` over all residues."""
        result = np.empty(value.shape, dtype=object)
        for place in np.ndindex(value.shape):
            residue: Any = value[place]
            is_there = residue is not MISSING
            result[place] = function(place[0], self.primes[place[0]], residue) if is_there else MISSING
        return result

    def constant(self, value: Rational) -> Array:
        """A rational number at every level."""
        if isinstance(value, NumberSymbol):  # a square, since it is positive
            drawn = zip(self._drawn(str(value)), self.primes, strict=True)
            return np.array([a * a % p for a, p in drawn], dtype=object)
        if not value.is_Rational:
            raise OutsideField(f"{value} is not rational")
        return np.array([int(value.p) * pow(int(value.q), -1, p) % p for p in self.primes], dtype=object)

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries; those of positive arrays are squares, so that sqrt(a**2) = a."""
        drawn = np.empty((len(self.primes), *shape), dtype=object)
        for place in np.ndindex(drawn.shape):
            drawn[place] = self._random.randrange(1, self.primes[place[0]])
        return self._map(lambda _, p, a: a * a % p, drawn) if positive else drawn

    def reduce(self, value: Array) -> Array:
        """Residues after integer arithmetic."""
        result: Array = value % self._moduli(value)
        return result

    def settled(self, total: Array, scale: Array) -> Array:
        """Sums in a field have no rounding."""
        return total

    def power(self, value: Array, exponent: Rational) -> Array:
        """A rational power, the denominator of the exponent a power of two."""
        denominator = int(exponent.q)
        while denominator > 1:
            if denominator % 2:
                raise OutsideField(f"the power {exponent} has no unique value modulo a prime")
            value = self._map(self._square_root, value)
            denominator //= 2
        return self._map(lambda _, p, a: self._power(a, int(exponent.p), p), value)

    def _power(self, value: int, exponent: int, p: int) -> int | Missing:
        return pow(value, exponent, p) if value or exponent >= 0 else self._outside("a division by zero")

    def _square_root(self, _: int, p: int, value: int) -> int | Missing:
        if value and pow(value, (p - 1) // 2, p) != 1:
            return self._outside("the root of a number that is not a square")
        # p is 3 mod 4: this power is the root that is a square itself.
        return pow(value, (p + 1) // 4, p)

    def exp(self, value: Array) -> Array:
        """exp, one level up."""
        if len(value) < 2:
            raise OutsideField("exponentials are nested more deeply than the forward equations nest them")
        return self._map(lambda level, p, a: pow(self._generators[level], a, p), value[1:])

    def log(self, value: Array) -> Array:
        """A random number for each argument; the logarithm of an inverse is the negative."""
        result = np.empty((len(self.primes), *value.shape[1:]), dtype=object)
        p = self.primes[0]
        for place in np.ndindex(value.shape[1:]):
            if value[(0, *place)] is MISSING or value[(0, *place)] == 0:
                result[(slice(None), *place)] = self._outside("the logarithm of zero")
                continue
            argument, inverse = value[(0, *place)], pow(value[(0, *place)], -1, p)
            drawn = random.Random(f"{self._seed}:{min(argument, inverse)}")
            sign = 0 if argument == 1 else 1 if argument < inverse else -1
            for level, modulus in enumerate(self.primes):
                result[(level, *place)] = sign * drawn.randrange(modulus) % modulus
        return result

    def apply(self, function: Callable[..., Any], values: list[Array]) -> Array:
        """A random number for each tuple of arguments."""
        spread = np.broadcast_arrays(*(np.asarray(value[0], dtype=object) for value in values))
        result = np.empty((len(self.primes), *spread[0].shape), dtype=object)
        for place in np.ndindex(spread[0].shape):
            arguments = [value[place] for value in spread]
            drawn = self._drawn(function.__name__, *arguments)
            value = int(arguments[0] == arguments[1]) or drawn[0] % 2 if function is equal else drawn
            value = drawn[0] % 2 if function is step and arguments[1] in (0, 1) else value
            result[(slice(None), *place)] = MISSING if MISSING in arguments else value
        return result

    def select(self, value: Array, axis: int) -> Array:
        """A random number for each row along an axis and each place in it; those of a row add up to 1."""
        rows = np.moveaxis(value[0], axis - 1, -1)
        result = np.empty((len(self.primes), *rows.shape), dtype=object)
        for place in np.ndindex(rows.shape):
            result[(slice(None), *place)] = self._drawn("selection", place[-1], *rows[place[:-1]])
        result[..., -1] = 1 - result[..., :-1].sum(axis=-1)
        return self.reduce(np.moveaxis(result, -1, axis))

    def _drawn(self, name: str, *arguments: object) -> list[int]:
        drawn = random.Random(f"{self._seed}:{name}:{arguments}")
        return [drawn.randrange(p) for p in self.primes]

    def differ(self, left: Array, right: Array) -> Array:
        """Where two arrays differ."""
        levels = min(len(left), len(right))
        unequal: Array = np.any(self.reduce(left[:levels] - right[:levels]) != 0, axis=0)
        return unequal


class Reals(_Tolerant):
    """Real arithmetic with 50 digits."""

    words = f"with {DIGITS} digits"
    carried = DIGITS + GUARD
    compared = DIGITS

    def __init__(self, levels: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._context = mpmath.mp.clone()
        self._context.dps = self.carried
        self._narrow = seed % 2 == 1
        self._seed = seed

    def constant(self, value: Any) -> Array:
        """A number."""
        return np.array([self._number(value)], dtype=object)

    def _number(self, value: Any) -> Any:
        if getattr(value, "is_Rational", False):
            return self._context.mpf(int(value.p)) / int(value.q)
        try:
            return self._context.mpf(str(value.evalf(self.carried)))
        except (ValueError, TypeError, AttributeError):
            return self._outside(f"{value} is not a real number")

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries: of both signs, or where that leaves the domain (odd seeds) between 0 and 1."""
        drawn = np.empty((1, *shape), dtype=object)
        for place in np.ndindex(drawn.shape):
            fraction = self._context.mpf(self._random.randrange(1, 10**DIGITS)) / 10**DIGITS
            drawn[place] = fraction if self._narrow else fraction + 0.25 if positive else 3 * fraction - 1.5
        return drawn

    def reduce(self, value: Array) -> Array:
        """Real arithmetic needs no reduction."""
        return value

    def _map(self, function: Callable[[Any], Any], value: Array) -> Array:
        result = np.empty(value.shape, dtype=object)
        for place in np.ndindex(value.shape):
            at: Any = value[place]
            result[place] = at if at is MISSING else self._real(function, at)
        return result

    def _real(self, function: Callable[[Any], Any], at: Any) -> Any:
        try:
            found = function(at)
        except (ZeroDivisionError, ValueError):
            return self._outside("a function outside its domain")
        is_real = not isinstance(found, self._context.mpc) and self._context.isfinite(found)
        return found if is_real else self._outside("a value that is not a real number")

    def settled(self, total: Array, scale: Array) -> Array:
        """Sums of numbers as large as ``scale``: zero where no more is left of them than rounding leaves."""
        return np.where(abs(total) > scale * self._context.mpf(10) ** (GUARD - self.carried), total, 0 * total)

    def power(self, value: Array, exponent: Rational) -> Array:
        """A power."""
        number = self._number(exponent)
        return self._map(lambda a: a**number, value)

    def exp(self, value: Array) -> Array:
        """exp."""
        return self._map(self._exp, value)

    def _exp(self, exponent: Any) -> Any:
        return self._context.exp(exponent) if abs(exponent) <= MOST_EXPONENT else self._context.inf

    def log(self, value: Array) -> Array:
        """log."""
        return self._map(self._context.log, value)

    def apply(self, function: Callable[..., Any], values: list[Array]) -> Array:
        """Any function of the table, and any that SymPy can evaluate."""
        shape = np.broadcast_shapes(*(v.shape for v in values))
        spread = [np.broadcast_to(v, shape) for v in values]
        result = np.empty(shape, dtype=object)
        known = MEANINGS[function].number if function in MEANINGS else None
        for place in np.ndindex(shape):
            given = [v[place] for v in spread]
            if MISSING in given:
                result[place] = MISSING
            elif known is not None:
                result[place] = self._context.mpf(known(*given))
            else:
                digits = self.carried + 5
                arguments = [Float(self._context.nstr(value, digits), digits) for value in given]
                result[place] = self._number(function(*arguments))
        return result

    def select(self, value: Array, axis: int) -> Array:
        """Of 1, what each entry along an axis has: the largest share it."""
        largest = value == value.max(axis=axis, keepdims=True)
        shares: Array = largest * self._context.mpf(1) / largest.sum(axis=axis, keepdims=True)
        return shares

    def differ(self, left: Array, right: Array) -> Array:
        """Where two arrays differ in the digits that count, relative to their entries and to 1e-10."""
        scale = np.maximum(np.maximum(abs(left), abs(right)), self._context.mpf("1e-10"))
        unequal: Array = np.any(abs(left - right) > scale * self._context.mpf(10) ** -self.compared, axis=0)
        return unequal


class FineReals(Reals):
    """The same numbers with many more digits carried: what differs here as well is no error of rounding."""

    carried = 6 * DIGITS


SCALES = ("1", "100", "10", "0.01")
"""The sizes of the numbers of ``FineSpreadReals``, in turn."""


class FineSpreadReals(Reals):
    """Real arithmetic at points that lie wide apart: small numbers and large ones, and both together, all of one sign
    and of both.  Many more digits are carried and compared: what a line hides may be as small as exp(-450)."""

    carried = 6 * DIGITS
    compared = 4 * DIGITS

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries of sizes and signs that the seed decides."""
        drawn, turn = super().sample(shape, True), self._seed // 2
        for place in np.ndindex(drawn.shape):
            size = self._random.choice(SCALES) if turn % 4 == 3 else SCALES[turn // 4 % len(SCALES)]
            is_negative = (False, True, self._random.random() < 0.5)[min(turn % 4, 2)]
            drawn[place] *= self._context.mpf(size) * (-1 if is_negative and not positive else 1)
        return drawn


class FinestSpreadReals(FineSpreadReals):
    """The same points with still more: a value that differs here from the one with fewer is an error of rounding."""

    carried = 8 * DIGITS


NumberSystem = Field | Reals
