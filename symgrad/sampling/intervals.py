"""Interval arithmetic: bounds on the values of an expression at valid inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.core.basic import Basic

from symgrad.facts import probabilities
from symgrad.functions import MEANINGS, absolute, clip, equal, maximum, minimum, relu, selection, signum, step, where
from symgrad.notation import bound_indices, name_of
from symgrad.program import Program

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-math.inf, math.inf)
UNIT: Bounds = (0.0, 1.0)
INCREASING: Mapping[type[Basic], Callable[..., Any]] = {
    **{getattr(sympy, name): getattr(math, name) for name in ["exp", "log", "tanh", "sinh", "asinh", "atan", "erf"]},
    **{function: MEANINGS[function].number or max for function in (relu, maximum, minimum, clip)},
}
"""In each of their arguments."""
OTHERS: Mapping[type[Basic], Bounds] = {
    **dict.fromkeys((step, equal, selection, KroneckerDelta), UNIT),
    **dict.fromkeys((signum, sympy.sin, sympy.cos), (-1.0, 1.0)),
    sympy.cosh: (1.0, math.inf),
}


def bounds(expr: Expr, program: Program, inputs: Mapping[str, Bounds]) -> Bounds:
    """Bounds on an expression in the arrays of a program, at any sizes.

    ``inputs`` has the bounds of the inputs.  The bounds are safe, but may not be attained.
    """
    return _bounds(expr, program, {**inputs, **{p.name: UNIT for p in probabilities(program)}})


def _bounds(expr: Basic, program: Program, known: dict[str, Bounds]) -> Bounds:
    def of(part: Basic) -> Bounds:
        return _bounds(part, program, known)

    if expr.is_number:
        return (float(expr), float(expr)) if expr.is_real else EVERYTHING
    if isinstance(expr, (Indexed, Symbol)):
        if isinstance(expr, Symbol) and expr.is_integer:
            return 1.0, math.inf
        name = name_of(expr)
        if name not in known:
            known[name] = of(program.definitions[name].rhs) if name in program.definitions else EVERYTHING
        return known[name]
    if isinstance(expr, Add):
        parts = [of(arg) for arg in expr.args]
        return sum(low for low, _ in parts), sum(high for _, high in parts)
    if isinstance(expr, Mul):
        low, high = 1.0, 1.0
        for arg in expr.args:
            ends = [a * b if a and b else 0.0 for a in (low, high) for b in of(arg)]
            low, high = min(ends), max(ends)
        return low, high
    if isinstance(expr, Sum):
        for factor in Mul.make_args(expr.function):
            if isinstance(factor, selection) and bound_indices(expr) == (factor.args[1],):
                return of(expr.function / factor)  # the selections of a row sum to one
        low, high = of(expr.function)
        return (low if low >= 0 else -math.inf), (high if high <= 0 else math.inf)
    if isinstance(expr, Pow):
        return _power(of(expr.base), expr.exp)
    if type(expr) in INCREASING:
        lows, highs = zip(*map(of, expr.args), strict=True)
        return _at(INCREASING[type(expr)], *lows), _at(INCREASING[type(expr)], *highs)
    if isinstance(expr, absolute):
        return _power(of(expr.args[0]), sympy.Integer(2), 1)
    if isinstance(expr, where):
        (_, one, other) = map(of, expr.args)
        return min(one[0], other[0]), max(one[1], other[1])
    return OTHERS.get(type(expr), EVERYTHING)


def _power(base: Bounds, exponent: Expr, degree: float | None = None) -> Bounds:
    """Bounds of a power; for an even exponent, ``degree`` gives the power of the absolute value."""
    low, high = base
    if not exponent.is_Rational or (exponent < 0 and low < 0):
        return (0.0, math.inf) if low >= 0 else EVERYTHING
    if exponent < 0:
        above, below = _power(base, -exponent)
        return (1 / below if below else math.inf), (1 / above if above else math.inf)
    if exponent.is_Integer and exponent % 2 == 0:
        low, high = max(low, -high, 0.0), max(-low, high)
    elif not exponent.is_Integer:
        low, high = max(low, 0.0), max(high, 0.0)
    power = degree or (int(exponent) if exponent.is_Integer else float(exponent))
    return _at(pow, low, power), _at(pow, high, power)


def _at(function: Callable[..., Any], *values: float) -> float:
    """The value of an increasing function; infinite at overflow and to the left of its domain."""
    try:
        return float(function(*values))
    except OverflowError:
        return math.copysign(math.inf, values[0])
    except ValueError:
        return -math.inf
