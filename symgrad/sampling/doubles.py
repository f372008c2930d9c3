"""Double precision for ``check.evaluate``: whole arrays at a time, since a diagnosis evaluates hundreds of formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import sympy
from sympy import Rational

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import Array, Reals
from symgrad.functions import MEANINGS
from symgrad.program import Program

ERF = np.vectorize(math.erf, otypes=[float])


@cache
def _ufunc(function: Any, arguments: int) -> Callable[..., Any]:
    """NumPy's own version of a smooth function."""
    if function is sympy.erf:
        return ERF
    symbols = sympy.symbols(f"x:{arguments}", real=True)
    return sympy.lambdify(symbols, function(*symbols), "numpy")  # type: ignore[no-any-return]


class Doubles(Reals):
    """Real arithmetic in double precision.  Outside a function's domain the result is not a number."""

    words = "in double precision"

    def constant(self, value: Any) -> Array:
        """A number; one that is not real is none."""
        return np.array([float(value) if value.is_real else np.nan])

    def power(self, value: Array, exponent: Rational) -> Array:
        """A power."""
        return np.asarray(value ** (int(exponent) if exponent.q == 1 else float(exponent)))

    def settled(self, total: Array, scale: Array) -> Array:
        """Sums as they are."""
        return total

    def exp(self, value: Array) -> Array:
        """exp."""
        return np.asarray(np.exp(value))

    def log(self, value: Array) -> Array:
        """log."""
        return np.asarray(np.log(value))

    def apply(self, function: Callable[..., Any], values: list[Array]) -> Array:
        """Any function of the table."""
        number = MEANINGS[function].number if function in MEANINGS else None
        if number is not None:
            return np.asarray(np.frompyfunc(number, len(values), 1)(*values), dtype=float)
        return np.asarray(_ufunc(function, len(values))(*values), dtype=float)

    def select(self, value: Array, axis: int) -> Array:
        """Of 1, what each entry along an axis has: the largest share it."""
        largest = value == value.max(axis=axis, keepdims=True)
        return np.asarray(largest / largest.sum(axis=axis, keepdims=True))


DOUBLES = Doubles(1, 0)


def evaluator(program: Program, sizes: Mapping[str, int], values: Mapping[str, np.ndarray]) -> Evaluator:
    """An evaluator over arrays as NumPy has them."""
    levels = {name: np.asarray(value, dtype=float)[None] for name, value in values.items()}
    return Evaluator(DOUBLES, program, sizes, levels, {})


def forward(program: Program, sizes: Mapping[str, int], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every array of the program, by its forward equations."""
    evaluate = evaluator(program, sizes, inputs)
    found = dict(inputs)
    for definition in program.ordered:
        levels = evaluate.over(definition.rhs, definition.indices)
        evaluate.values[definition.name] = levels
        found[definition.name] = levels[0]
    return found
