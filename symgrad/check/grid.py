"""Decides *every shape, randomised*: equality on a grid of shapes that is large enough to decide all shapes.

*Lemma.*  Let both sides of a line be built from entries of independent arrays (exp(z_nk) counts as an entry), sizes,
Kronecker deltas, sums over whole axes, products, and quotients whose divisors contain no summed index.  Multiplied by
the divisors, both sides are linear combinations of *index monomials* (sums over full ranges of products of entries),
whose coefficients are polynomials in the sizes.  For each axis, let the number of free letters of the line plus the
number of summed letters of any one term be at most m, and the degree of the coefficients in its size at most d.  If the
two sides are equal at every shape of the grid {m, ..., m + d} on each axis, they are equal at every shape.

*Proof.*  Fix which free indices coincide.  Then each delta is 0 or 1, or picks a term of a sum; this only removes
letters.  At sizes of at least m, index monomials that differ by more than renaming are linearly independent as
functions of the entries: take one with the most letters.  An injective assignment of its indices gives a product of
entries from which the letters can be read off up to renaming, so no other index monomial produces it, and its
coefficient is zero.  Continue by induction.  So if the difference is zero at a shape of the grid, all its coefficients
are zero there.  A polynomial of degree d in each size that vanishes on a grid of d + 1 values of each is zero.  So the
coefficients are zero at every shape.  A sum over an index that occurs in no entry is a factor of its size, so each
summed letter counts towards d as well as towards m, as does each power of a size, also in divisors.

Each shape is tested in a prime field at random entries.  By the lemma of Schwartz and Zippel, a nonzero difference of
degree t vanishes there with probability at most t / 2**61, where exponentials count as variables.  A nonzero difference
is also nonzero modulo the prime: the numbers of the line bound its coefficients, and a line whose coefficients might
reach the prime is not covered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import product
from math import log2, prod

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Rational, Sum, Symbol, exp
from sympy.core.basic import Basic

from symgrad.canonical import canonical, extent
from symgrad.check.every_shape import descendants
from symgrad.check.marks import Sizes
from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import BITS, Field, OutsideDomain, OutsideField, tower
from symgrad.check.numeric.magnitudes import Bound, of_number, of_product, of_sum
from symgrad.check.obligations import Claim
from symgrad.check.semantics import abbreviations, arrays_and_adjoints, write_out
from symgrad.errors import SymgradError
from symgrad.notation import Array, array_names, axis_name, bound_indices, free_indices

LEVELS = 2
"""The levels of the tower of prime fields: expressions without and with an exponential."""
MOST_SHAPES = 250
MOST_WORK = 60_000
MOST_EXPONENT = 1000
MOST_PARTS = 2_000
MOST_ERROR = 2.0**-20
"""A grid is not tried if it has more shapes, more entries over free and summed indices, higher powers, or a larger
error, or if substitution lengthens the line by more parts."""


class NotCovered(SymgradError):
    """The lemma does not apply to an expression."""


@dataclass
class Count(Bound):
    """Bounds on an expression over one denominator: on its numbers, on the summed letters and powers of sizes by axis,
    and on the degree of the numerator; and the divisors with their exponents."""

    letters: Counter[str] = field(default_factory=Counter)
    powers: Counter[str] = field(default_factory=Counter)
    degree: int = 0
    divisors: dict[Expr, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """The grid of a line: the sizes by axis, a bound on the error of the random test, and the first shape at which the
    sides differ, if any."""

    sizes: dict[str, range]
    error_bound: float
    unequal: Sizes = ()


def count(expr: Basic) -> Count:
    """Bounds on an expression.  Raises ``NotCovered``."""
    if isinstance(expr, Rational):
        return Count(*of_number(expr))
    if isinstance(expr, KroneckerDelta):
        return Count()
    if isinstance(expr, Symbol):
        return Count(powers=Counter({expr.name: 1})) if expr.is_integer else Count(degree=1)
    if isinstance(expr, Indexed):
        return Count(degree=1)
    if isinstance(expr, exp):
        return _exponential(*expr.args)
    if isinstance(expr, Pow) and isinstance(expr.exp, Rational) and expr.exp.q == 1:
        return _power(expr.base, int(expr.exp))
    if isinstance(expr, Mul):
        return _product([count(arg) for arg in expr.args])
    if isinstance(expr, Add):
        return _sum([count(arg) for arg in expr.args])
    if isinstance(expr, Sum):
        inner = count(expr.function)
        if any(free_indices(divisor) & set(bound_indices(expr)) for divisor in inner.divisors):
            raise NotCovered("a divisor contains a summed index")
        inner.letters += Counter(axis_name(i) for i in bound_indices(expr))
        return inner
    raise NotCovered(f"{type(expr).__name__} is not covered: {expr}")


def _exponential(argument: Expr) -> Count:
    """exp of a positive integer multiple of an entry counts as a power of an entry; of a negative one, as a divisor."""
    factor, rest = argument.as_coeff_Mul()
    if not isinstance(rest, Indexed) or not factor.is_Integer:
        raise NotCovered(f"exp({argument}) is not the exponential of an entry")
    return Count(degree=int(factor)) if factor > 0 else Count(divisors={exp(rest): -int(factor)})


def _power(base: Expr, exponent: int) -> Count:
    if abs(exponent) > MOST_EXPONENT:
        raise NotCovered(f"the power {exponent} is too high")
    if exponent >= 0:
        return _product([count(base)] * exponent)
    if count(base).divisors:
        raise NotCovered(f"a quotient in the divisor {base}")
    return Count(divisors={canonical(base): -exponent})


def _product(parts: list[Count]) -> Count:
    result = Count(*of_product(parts))
    for part in parts:
        result.letters += part.letters
        result.powers += part.powers
        result.degree += part.degree
        for divisor, exponent in part.divisors.items():
            result.divisors[divisor] = result.divisors.get(divisor, 0) + exponent
    return result


def _sum(parts: list[Count]) -> Count:
    """Bounds on a sum over the common divisor: each term is multiplied by the divisors that it lacks."""
    result = Count()
    for part in parts:
        for divisor, exponent in part.divisors.items():
            result.divisors[divisor] = max(result.divisors.get(divisor, 0), exponent)
    terms = []
    for part in parts:
        lacking = {d: e - part.divisors.get(d, 0) for d, e in result.divisors.items()}
        cleared = _product([part, *(count(d) for d, e in lacking.items() for _ in range(e))])
        result.letters |= cleared.letters
        result.powers |= cleared.powers
        result.degree = max(result.degree, cleared.degree)
        terms.append(cleared)
    result.above, result.below = of_sum(terms)
    return result


def grid_of(claim: Claim, left: Expr, right: Expr) -> Grid:
    """The grid on which the two sides must be equal for the lemma, with the error of a random test.

    Raises ``NotCovered`` if a coefficient of the difference might be a multiple of the primes, or the error is large.
    """
    both = _sum([count(left), count(right)])
    free = Counter(axis_name(i) for i in claim.letters)
    sizes = {}
    for axis in claim.record.program.axis:
        letters = max(1, free[axis] + both.letters[axis])
        sizes[axis] = range(letters, letters + both.letters[axis] + both.powers[axis] + 1)
    shapes = prod(len(r) for r in sizes.values())
    error = shapes * max(1, both.degree) / 2.0**BITS
    # Each coefficient is a sum of numbers times sizes: one for each power of a size, and for each letter summed away.
    factors = sum((both.letters[a] + both.powers[a]) * log2(r[-1]) for a, r in sizes.items())
    levels = 1 if left.has(exp) or right.has(exp) else LEVELS
    if both.above + factors >= log2(prod(tower(LEVELS)[0][:levels])) or error > MOST_ERROR:
        raise NotCovered("its numbers or its degree are too large for the primes")
    return Grid(sizes, error)


def tried_on_grid(claim: Claim) -> Grid | None:
    """The grid on which both sides were compared; None if the lemma does not cover the line.

    Abbreviations and what depends on the differentiated array are written out.  All other names, also of adjoints,
    count as independent arrays; that is more than the line claims, so sides that differ do not refute it.  The points
    depend on the line, so no line can be constructed to hold at points known in advance.
    """
    program = claim.record.program
    names = abbreviations(program) | descendants(program, claim.wrt)
    if any(
        program.extent_written_out(side, names) > extent(side) + MOST_PARTS for side in (claim.meaning, claim.after)
    ):
        return None
    left, right = (write_out(side, program, set(names)) for side in (claim.meaning, claim.after))
    try:
        grid = grid_of(claim, left, right)
    except NotCovered:
        return None
    shapes = [dict(zip(grid.sizes, at, strict=True)) for at in product(*grid.sizes.values())]
    letters = [axis_name(i) for i in claim.letters]
    work = sum(prod(shape[a] for a in letters) * prod(shape.values()) for shape in shapes)
    if len(shapes) > MOST_SHAPES or work > MOST_WORK:
        return None
    arrays = arrays_and_adjoints(claim.record)
    used = {name: arrays[name] for name in sorted(array_names(left) | array_names(right))}
    seed = int.from_bytes(sha256(f"{left} = {right}".encode()).digest()[:8])
    try:
        unequal = next((shape for shape in shapes if not _equal_at(claim, left, right, used, shape, seed)), {})
    except (OutsideDomain, OutsideField):
        return None
    return replace(grid, unequal=tuple(unequal.items()))


def _equal_at(claim: Claim, left: Expr, right: Expr, used: dict[str, Array], sizes: dict[str, int], seed: int) -> bool:
    numbers = Field(LEVELS, seed)
    values = {n: numbers.sample(tuple(sizes[a.name] for a in array.axes), False) for n, array in used.items()}
    evaluator = Evaluator(numbers, claim.record.program, sizes, values, {})
    return not numbers.differ(evaluator.over(left, claim.letters), evaluator.over(right, claim.letters)).any()
