"""Two number systems in which a line is evaluated at a shape: a tower of prime fields, and 50-digit reals.

*Lemma.*  An identity between rational functions, exponentials and roots holds in the tower, so a line that fails there
is not an identity.  Proof: take primes p_0 > p_1 > ... with p_(i+1) dividing p_i - 1, and represent a number
by its residues.  If g has order p_1 modulo p_0, then ``exp(a) = g**(a mod p_1)`` modulo p_0 is a homomorphism, and
likewise one level down: exp(z/tau), exp(-z) and exp(2z) satisfy their relations, and each exponential uses up a level.
All p_i are 7 modulo 8, and the small primes are squares modulo each.  So exactly one root of a square is itself a
square, this choice is multiplicative, and ``sqrt(exp(a)) = exp(a/2)``.  Any other function is a random number for each
argument, as is a logarithm that no rule splits: equal arguments give equal values.

Arrays are NumPy object arrays whose first axis counts the levels (one level for reals).
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
MOST_EXPONENT = 10**12
"""The largest argument of an exponential in real arithmetic: larger results have too many digits."""
GUARD = 15
"""The number of extra digits, which rounding may cost."""


class OutsideDomain(SymgradError):
    """A function is undefined at an argument; other inputs may avoid this."""


class OutsideField(SymgradError):
    """A function does not exist in this number system."""


@cache
def tower(levels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The primes p_0 > p_1 > ... of a tower, and an element of order p_(i+1) modulo p_i for each but the last.

    Raises ``OutsideField`` for more than ``MOST_LEVELS``: the primes become longer and take longer to find.
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
    """The value of a function where it is undefined; arithmetic with it gives it again."""

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
    missing: Array = np.frompyfunc(lambda entry: entry is MISSING, 1, 1)(value).astype(bool)
    return missing


class _WithGaps:
    """A number system in which values outside the domain of a function may be ``MISSING``."""

    is_tolerant = False
    has_gaps = False

    @contextmanager
    def tolerant(self) -> Iterator[None]:
        """Inside, undefined values are ``MISSING``; elsewhere they raise ``OutsideDomain``."""
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

    def reduce(self, value: Array) -> Array:
        """The result of arithmetic in canonical form: residues in a field, unchanged for reals."""
        return value

    def settled(self, total: Array, scale: Array) -> Array:
        """Sums of numbers as large as ``scale``: for reals zero if only rounding is left, unchanged in a field."""
        return total


class Field(_WithGaps):
    """Arithmetic in the tower of prime fields."""

    words = "modulo primes of 61 bits and more"

    def __init__(self, levels: int, seed: int) -> None:
        self.primes, self._generators = tower(levels)
        self._random = random.Random(seed)
        self._seed = seed

    def _moduli(self, value: Array) -> Array:
        return np.array(self.primes[: len(value)], dtype=object).reshape((-1,) + (1,) * (value.ndim - 1))

    def _map(self, function: Callable[[int, int, int], int | Missing], value: Array) -> Array:
        """Apply ``function(level, prime, residue)`` to all residues."""
        result = np.empty(value.shape, dtype=object)
        for position in np.ndindex(value.shape):
            residue: Any = value[position]
            is_there = residue is not MISSING
            result[position] = function(position[0], self.primes[position[0]], residue) if is_there else MISSING
        return result

    def constant(self, value: Rational) -> Array:
        """A rational number at every level."""
        if isinstance(value, NumberSymbol):  # it is positive, so it must be a square
            drawn = zip(self._drawn(str(value)), self.primes, strict=True)
            return np.array([a * a % p for a, p in drawn], dtype=object)
        if not value.is_Rational:
            raise OutsideField(f"{value} is not rational")
        return np.array([int(value.p) * pow(int(value.q), -1, p) % p for p in self.primes], dtype=object)

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries; entries of positive arrays are squares, so that sqrt(a**2) = a."""
        drawn = np.empty((len(self.primes), *shape), dtype=object)
        for position in np.ndindex(drawn.shape):
            drawn[position] = self._random.randrange(1, self.primes[position[0]])
        return self._map(lambda _, p, a: a * a % p, drawn) if positive else drawn

    def reduce(self, value: Array) -> Array:
        """Residues after integer arithmetic."""
        result: Array = value % self._moduli(value)
        return result

    def power(self, value: Array, exponent: Rational) -> Array:
        """A rational power; the denominator of the exponent must be a power of two."""
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
        # p is 3 modulo 4: this power is the root that is itself a square.
        return pow(value, (p + 1) // 4, p)

    def exp(self, value: Array) -> Array:
        """The exponential, which has one level less."""
        if len(value) < 2:
            raise OutsideField("exponentials are nested more deeply than the forward equations nest them")
        return self._map(lambda level, p, a: pow(self._generators[level], a, p), value[1:])

    def log(self, value: Array) -> Array:
        """A random number for each argument; the logarithm of an inverse is the negative."""
        result = np.empty((len(self.primes), *value.shape[1:]), dtype=object)
        p = self.primes[0]
        for position in np.ndindex(value.shape[1:]):
            if value[(0, *position)] is MISSING or value[(0, *position)] == 0:
                result[(slice(None), *position)] = self._outside("the logarithm of zero")
                continue
            argument, inverse = value[(0, *position)], pow(value[(0, *position)], -1, p)
            drawn = random.Random(f"{self._seed}:{min(argument, inverse)}")
            sign = 0 if argument == 1 else 1 if argument < inverse else -1
            for level, modulus in enumerate(self.primes):
                result[(level, *position)] = sign * drawn.randrange(modulus) % modulus
        return result

    def apply(self, function: Callable[..., Any], values: list[Array]) -> Array:
        """A random number for each tuple of arguments."""
        spread = np.broadcast_arrays(*(np.asarray(value[0], dtype=object) for value in values))
        result = np.empty((len(self.primes), *spread[0].shape), dtype=object)
        for position in np.ndindex(spread[0].shape):
            arguments = [value[position] for value in spread]
            drawn = self._drawn(function.__name__, *arguments)
            value = int(arguments[0] == arguments[1]) or drawn[0] % 2 if function is equal else drawn
            value = drawn[0] % 2 if function is step and arguments[1] in (0, 1) else value
            result[(slice(None), *position)] = MISSING if MISSING in arguments else value
        return result

    def select(self, value: Array, axis: int) -> Array:
        """A random share for each entry of each row along an axis; the shares of a row add up to 1."""
        rows = np.moveaxis(value[0], axis - 1, -1)
        result = np.empty((len(self.primes), *rows.shape), dtype=object)
        for position in np.ndindex(rows.shape):
            result[(slice(None), *position)] = self._drawn("selection", position[-1], *rows[position[:-1]])
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


class Reals(_WithGaps):
    """Real arithmetic with 50 digits."""

    words = f"with {DIGITS} digits"
    carried = DIGITS + GUARD
    compared = DIGITS

    def __init__(self, levels: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._context = mpmath.mp.clone()
        self._context.dps = self.carried
        self._seed = seed

    def constant(self, value: Any) -> Array:
        return np.array([self._number(value)], dtype=object)

    def _number(self, value: Any) -> Any:
        if getattr(value, "is_Rational", False):
            return self._context.mpf(int(value.p)) / int(value.q)
        try:
            return self._context.mpf(str(value.evalf(self.carried)))
        except (ValueError, TypeError, AttributeError):
            return self._outside(f"{value} is not a real number")

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries: of both signs, or with odd seeds in (0, 1) or in (1, 2), where some functions are defined."""
        drawn = np.empty((1, *shape), dtype=object)
        for position in np.ndindex(drawn.shape):
            fraction = self._context.mpf(self._random.randrange(1, 10**DIGITS)) / 10**DIGITS
            wide = fraction + 0.25 if positive else 3 * fraction - 1.5
            drawn[position] = fraction + self._seed % 4 // 2 if self._seed % 2 else wide
        return drawn

    def _map(self, function: Callable[[Any], Any], value: Array) -> Array:
        mapped: Array = np.frompyfunc(lambda a: a if a is MISSING else self._real(function, a), 1, 1)(value)
        return mapped

    def _real(self, function: Callable[[Any], Any], argument: Any) -> Any:
        try:
            value = function(argument)
        except (ZeroDivisionError, ValueError):
            return self._outside("a function outside its domain")
        is_real = not isinstance(value, self._context.mpc) and self._context.isfinite(value)
        return value if is_real else self._outside("a value that is not a real number")

    def settled(self, total: Array, scale: Array) -> Array:
        """Sums of numbers as large as ``scale``: zero if only rounding is left."""
        return np.where(abs(total) > scale * self._context.mpf(10) ** (GUARD - self.carried), total, 0 * total)

    def power(self, value: Array, exponent: Rational) -> Array:
        number = self._number(exponent)
        return self._map(lambda a: a**number, value)

    def exp(self, value: Array) -> Array:
        return self._map(self._exp, value)

    def _exp(self, exponent: Any) -> Any:
        return self._context.exp(exponent) if abs(exponent) <= MOST_EXPONENT else self._context.inf

    def log(self, value: Array) -> Array:
        return self._map(self._context.log, value)

    def apply(self, function: Callable[..., Any], values: list[Array]) -> Array:
        """The values of a function of ``MEANINGS``, or of any that SymPy can evaluate."""
        known = MEANINGS[function].number if function in MEANINGS else None

        def value(*arguments: Any) -> Any:
            if MISSING in arguments:
                return MISSING
            if known is not None:
                return self._context.mpf(known(*arguments))
            digits = self.carried + 5
            try:
                return self._number(function(*(Float(self._context.nstr(a, digits), digits) for a in arguments)))
            except ValueError:
                return self._outside("a function outside its domain")

        result: Array = np.frompyfunc(value, len(values), 1)(*values)
        return result

    def select(self, value: Array, axis: int) -> Array:
        """The share of each entry along an axis: the largest entries share 1 equally."""
        largest = value == value.max(axis=axis, keepdims=True)
        shares: Array = largest * self._context.mpf(1) / largest.sum(axis=axis, keepdims=True)
        return shares

    def differ(self, left: Array, right: Array) -> Array:
        """Where two arrays differ in the digits compared, relative to their entries or to 1e-10."""
        scale = np.maximum(np.maximum(abs(left), abs(right)), self._context.mpf("1e-10"))
        unequal: Array = np.any(abs(left - right) > scale * self._context.mpf(10) ** -self.compared, axis=0)
        return unequal


class FineReals(Reals):
    """The same numbers with many more digits: a difference that remains is not a rounding error."""

    carried = 6 * DIGITS


NumberSystem = Field | Reals
