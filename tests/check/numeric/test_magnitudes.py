"""How large the numbers of a line can be, against those that it has when it is written over one denominator."""

from __future__ import annotations

from itertools import product
from math import inf, log2

import pytest
from sympy import Add, Expr, Indexed, Integer, Poly, Rational, Sum, cos, fraction, sqrt, together

from symgrad.check.numeric.magnitudes import LARGEST_SIZE, MOST_DEGREE, Magnitude, is_modest, magnitude
from symgrad.notation import Array, Axis, bound_indices

N = Axis("N")
n, m = N.index("n"), N.index("m")
X, Y = Array("x", (N,)), Array("y", (N, N))
x, y = X[n], Y[n, m]

EXPRESSIONS = {
    "a multiple": 12 * x,
    "a fraction": Rational(3, 7) * x,
    "two fractions": x / 3 + Rational(2, 5),
    "a product": (x / 3 + 2) * (5 * x - Rational(1, 2)),
    "a power": (x / 2 + 3) ** 4,
    "an inverse power": (x / 2 + 3) ** -3,
    "a sum": Sum(3 * x, n),
    "a sum of fractions": Sum(x / 3, n),
    "a sum of large numbers": Sum(1000 * x + Rational(1, 9), n),
    "a sum of both": Sum(2 * y / 3 + Rational(1, 2), n, m),
    "a size": N.size * x,
    "a number and sizes": 1000 * N.size**2,
    "a sum of quotients": Sum(1 / (2 * x + 3), n),
}


def written(expr: Expr) -> Expr:
    """An expression at the largest of the standard shapes."""
    if isinstance(expr, Sum):
        indices = bound_indices(expr)
        places = product(range(LARGEST_SIZE), repeat=len(indices))
        inner = written(expr.function)
        return Add(*(inner.xreplace(dict(zip(indices, map(Integer, at), strict=True))) for at in places))
    if expr == N.size:
        return Integer(LARGEST_SIZE)
    return expr.func(*map(written, expr.args)) if expr.args and not isinstance(expr, Indexed) else expr


def size_of(part: Expr) -> float:
    """The logarithm of what the absolute values of the coefficients add up to."""
    return log2(sum(abs(int(c)) for c in Poly(part, *part.free_symbols or [x]).coeffs()))


@pytest.mark.parametrize("case", EXPRESSIONS)
def test_the_numbers_are_within_the_bounds(case: str) -> None:
    bound = magnitude(EXPRESSIONS[case])
    entries = {e: Array(f"e{place}")[()] for place, e in enumerate(written(EXPRESSIONS[case]).atoms(Indexed))}
    above, below = fraction(together(written(EXPRESSIONS[case]).xreplace(entries)))
    assert size_of(above) <= bound.above + 1e-9 and size_of(below) <= bound.below + 1e-9


def test_bounds_are_those_of_the_rules() -> None:
    assert magnitude(Sum(3 * x, n)) == Magnitude(log2(LARGEST_SIZE) + log2(3), 0, 1)
    thirds = magnitude(Sum(x / 3, n))
    assert thirds == Magnitude(log2(LARGEST_SIZE) + (LARGEST_SIZE - 1) * log2(3), LARGEST_SIZE * log2(3), 1)
    assert magnitude(Integer(0)) == Magnitude() and magnitude(Sum(y, n, m)) == Magnitude(2 * log2(LARGEST_SIZE), 0, 1)
    assert magnitude((x + y) ** -3) == Magnitude(0, 3, 3 * 2)
    assert magnitude(Array("t").base) == Magnitude(0, 0, 1)
    assert magnitude(sqrt(x)) == Magnitude(0, 0, 1)
    assert magnitude(cos(x / 3)) == Magnitude(degree=1)
    assert magnitude(cos(2**40 * x)) == magnitude(x ** (2 * MOST_DEGREE)) == Magnitude(inf, inf, MOST_DEGREE)


def test_what_could_be_a_multiple_of_a_prime_is_not_modest() -> None:
    assert is_modest(x / 3 + 2, Sum(x, n))
    assert not is_modest(x, 2**61 * x)
    assert not is_modest(x, x / 2**61)
    assert not is_modest(x, Sum(x / 2**20, n))
    assert not is_modest(x, x**MOST_DEGREE)


def test_a_root_has_the_numbers_of_its_radicand() -> None:
    assert magnitude(sqrt(Integer(2) ** 40 * x + y)).above >= 20
    assert not is_modest(sqrt(Integer(2) ** 400 * x + y), x)
