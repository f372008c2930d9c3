"""Automatic differentiation of a program in double precision: arrays by the forward equations, adjoints by the chain
rule, from unsimplified derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import Any

import mpmath
import numpy as np
import sympy
from sympy import Expr, Indexed, Rational, Symbol
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import Reals
from symgrad.engine.differentiate import differentiate
from symgrad.equations import Definition
from symgrad.functions import MEANINGS
from symgrad.notation import Array, array_names, index_over
from symgrad.program import Program
from symgrad.special_functions import digamma, erfc, gammaln, normal_sinc, sinc_slope, trigamma

Arrays = Mapping[str, np.ndarray]
Edge = tuple[str, str]
"""The name of the array that an equation defines, and the name of an array that the equation uses."""
SMOOTH: Mapping[Any, Callable[[float], float]] = {
    **{sympy.erf: math.erf, erfc: math.erfc, gammaln: math.lgamma, sympy.erfinv: mpmath.fp.erfinv},
    **{digamma: partial(mpmath.fp.psi, 0), trigamma: partial(mpmath.fp.psi, 1)},
    normal_sinc: np.sinc,
    sinc_slope: lambda x: float(sinc_slope(sympy.Float(x))),
}
"""Smooth functions of a number that NumPy lacks."""


@cache
def _ufunc(function: Any, arguments: int) -> Callable[..., Any]:
    """NumPy's version of a smooth function."""
    if function in SMOOTH:
        return np.vectorize(partial(_at, SMOOTH[function]), otypes=[float])
    symbols = sympy.symbols(f"x:{arguments}", real=True)
    return sympy.lambdify(symbols, function(*symbols), "numpy")  # type: ignore[no-any-return]


def _at(function: Callable[[float], float], x: float) -> float:
    """The value of a function, and NaN where it has none."""
    try:
        return function(x)
    except (ArithmeticError, ValueError, TypeError):
        return math.nan


class Doubles(Reals):
    """Real arithmetic in double precision, for whole arrays; NaN outside a function's domain."""

    words = "in double precision"

    def constant(self, value: Any) -> np.ndarray:
        """A number; NaN if it is not real."""
        return np.array([float(value) if value.is_real else np.nan])

    def power(self, value: np.ndarray, exponent: Rational) -> np.ndarray:
        return np.asarray(value ** (int(exponent) if exponent.q == 1 else float(exponent)))

    def settled(self, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The sums, unchanged."""
        return total

    def exp(self, value: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(value))

    def log(self, value: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(value))

    def apply(self, function: Callable[..., Any], values: list[np.ndarray]) -> np.ndarray:
        """A function of the table ``MEANINGS``, or a smooth function."""
        number = MEANINGS[function].number if function in MEANINGS else None
        numpy_function = np.frompyfunc(number, len(values), 1) if number else _ufunc(function, len(values))
        return np.asarray(numpy_function(*values), dtype=float)

    def select(self, value: np.ndarray, axis: int) -> np.ndarray:
        """Along an axis, 1 divided among the largest entries, and 0 elsewhere."""
        largest = value == value.max(axis=axis, keepdims=True)
        return np.asarray(largest / largest.sum(axis=axis, keepdims=True))


DOUBLES = Doubles(1, 0)


def evaluator(program: Program, sizes: Mapping[str, int], values: Arrays) -> Evaluator:
    """An evaluator of expressions in the arrays ``values``."""
    levels = {name: np.asarray(value, dtype=float)[None] for name, value in values.items()}
    return Evaluator(DOUBLES, program, sizes, levels, {})


def forward(program: Program, sizes: Mapping[str, int], inputs: Arrays) -> dict[str, np.ndarray]:
    """All arrays of the program, computed by its forward equations."""
    evaluate = evaluator(program, sizes, inputs)
    values = dict(inputs)
    for definition in program.ordered:
        levels = evaluate.over(definition.rhs, definition.indices)
        evaluate.values[definition.name] = levels
        values[definition.name] = levels[0]
    return values


class Tape:
    """Reverse mode over all equations of a program; abbreviations count as arrays."""

    def __init__(self, program: Program, sizes: Mapping[str, int], values: Arrays) -> None:
        self.program, self.sizes, self.values = program, sizes, values
        self.edges = _edges(program)
        self._evaluate = evaluator(program, sizes, values)
        self._slopes: dict[Edge, np.ndarray] = {}

    def slope(self, edge: Edge) -> np.ndarray:
        """The derivative of an equation with respect to one array: the axes of the equation's array come first."""
        if edge not in self._slopes:
            self._slopes[edge] = self.slope_at(edge, self._evaluate)
        return self._slopes[edge]

    def slope_at(self, edge: Edge, evaluate: Evaluator) -> np.ndarray:
        """The same with the arrays of another evaluator."""
        expr, letters = self.edges[edge]
        return np.asarray(evaluate.over(expr, (*self.program.definitions[edge[0]].indices, *letters))[0])

    def adjoints(self, instead: Mapping[Edge, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The derivative of the output with respect to every array; the slopes ``instead`` replace computed ones."""
        instead = instead or {}
        adjoints = {self.program.output: np.array(1.0)}
        for name, array in reversed(self.program.arrays.items()):
            if name == self.program.output:
                continue
            adjoints[name] = np.zeros(tuple(self.sizes[axis.name] for axis in array.axes))
            for edge in self.edges:
                if edge[1] == name and edge[0] in adjoints:
                    slope = instead[edge] if edge in instead else self.slope(edge)
                    outer = adjoints[edge[0]]
                    adjoints[name] = adjoints[name] + np.tensordot(outer, slope, axes=np.ndim(outer))
        return adjoints


@lru_cache(maxsize=4096)
def _edges(program: Program) -> Mapping[Edge, tuple[Expr, tuple[Idx, ...]]]:
    """The derivative of every equation with respect to every array that it uses."""
    return {
        (d.name, used): derivative(d, program.arrays[used])
        for d in program.ordered
        for used in sorted(array_names(d.rhs))
        if used in program.arrays
    }


@lru_cache(maxsize=4096)
def derivative(definition: Definition, array: Array) -> tuple[Expr, tuple[Idx, ...]]:
    """The derivative of an equation with respect to an entry of an array, and the indices of that entry."""
    letters = tuple(index_over(f"by{number}", axis.size) for number, axis in enumerate(array.axes))
    entry: Indexed | Symbol = array[letters]
    return differentiate(definition.rhs, entry), letters
