"""A witness that shares nothing with the package: index expressions evaluated term by term in complex arithmetic, and
derivatives by the complex step."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping
from itertools import product
from math import prod
from typing import Any

import mpmath
import numpy as np
from sympy import Add, Expr, Function, Indexed, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.tensor.indexed import Idx

from symgrad.functions import selection
from symgrad.gradcheck import check_grad
from symgrad.matrix_functions import OF_MATRICES, det, inverse
from symgrad.notation import array_names
from symgrad.program import Program
from symgrad.special_functions import position_of

STEP = 1e-30

# Functions that are not smooth, continued off the real line by what the real part decides: apart from their kinks they
# are linear there, so the complex step differentiates them.
REAL_PARTS: dict[str, Callable[..., complex]] = {
    "step": lambda x, at_zero: 1 if x.real > 0 else 0 if x.real < 0 else at_zero,
    "relu": lambda x: x if x.real > 0 else 0,
    "absolute": lambda x: x if x.real > 0 else -x,
    "signum": lambda x: np.sign(x.real),
    "maximum": lambda a, b: a if a.real > b.real else b,
    "minimum": lambda a, b: a if a.real < b.real else b,
    "clip": lambda x, low, high: high if max(x.real, low.real) > high.real else low if x.real < low.real else x,
    "where": lambda c, a, b: a if c.real else b,
    "equal": lambda a, b: a.real == b.real,
    "root": lambda x: cmath.sqrt(x) if x.real else 0,
    "reciprocal": lambda x: 1 / x if x.real else 0,
    "floor": lambda x: math.floor(x.real),
    "ceil": lambda x: math.ceil(x.real),
    "cbrt": lambda x: x ** (1 / 3) if x.real > 0 else -((-x) ** (1 / 3)),
    "arctan2": lambda y, x: complex(
        math.atan2(y.real, x.real), (x.real * y.imag - y.real * x.imag) / abs(x + 1j * y) ** 2
    ),
    "normal_sinc": lambda x: cmath.sin(cmath.pi * x) / (cmath.pi * x) if x else 1,
}


def _erf(z: complex) -> complex:
    with mpmath.workdps(60):  # the imaginary part is that much smaller
        return complex(mpmath.erf(mpmath.mpc(z)))


def _of_mpmath(function: Callable[..., Any]) -> Callable[..., complex]:
    def at(z: complex) -> complex:
        with mpmath.workdps(60):
            return complex(function(mpmath.mpc(z)))

    return at


FUNCTIONS: dict[str, Callable[..., complex]] = {
    "erf": _erf,
    **{"erfc": _of_mpmath(mpmath.erfc), "gammaln": _of_mpmath(mpmath.loggamma), "digamma": _of_mpmath(mpmath.digamma)},
    "erfinv": lambda z: complex(mpmath.erfinv(z.real)),
}


def value(expr: Expr, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], at: Mapping[Idx, int]) -> Any:
    """``expr`` at the indices ``at``, literally: a complex number, or an array of them where entries of ``arrays`` are
    arrays themselves, which are then evaluated at once."""
    if expr.is_number:
        return complex(expr)
    if isinstance(expr, Indexed):
        return _entry(arrays[expr.base.name][tuple(at[i] for i in expr.indices)])
    if isinstance(expr, Symbol):
        return _entry(arrays[expr.name]) if expr.name in arrays else complex(sizes[expr.name])
    if isinstance(expr, KroneckerDelta):
        return complex(at[expr.args[0]] == at[expr.args[1]])
    if isinstance(expr, Sum):
        bound = [limit[0] for limit in expr.limits]
        ranges = [range(sizes[str(i.upper + 1)]) for i in bound]
        return sum(
            (
                value(expr.function, arrays, sizes, {**at, **dict(zip(bound, place, strict=True))})
                for place in product(*ranges)
            ),
            0j,
        )
    if isinstance(expr, OF_MATRICES):
        matrix = arrays[expr.matrix]
        if isinstance(expr, inverse):
            return _entry(np.linalg.inv(matrix)[tuple(at[i] for i in expr.args[2:])])
        determinant = np.linalg.det(matrix)
        return determinant if isinstance(expr, det) else cmath.log(determinant**2) / 2
    if isinstance(expr, position_of):
        return complex(at[expr.args[0]])
    if isinstance(expr, selection):
        row, index = expr.args
        places = range(sizes[str(index.upper + 1)])
        entries = [np.real(value(row, arrays, sizes, {**at, index: place})) for place in places]
        largest = np.equal(entries, np.max(entries, axis=0))
        return _entry((largest[at[index]] / largest.sum(axis=0)).astype(complex))
    parts = [value(arg, arrays, sizes, at) for arg in expr.args]
    if isinstance(expr, Add):
        return sum(parts, 0j)
    if isinstance(expr, Mul):
        return prod(parts)
    if isinstance(expr, Pow):
        return parts[0] ** parts[1]
    if isinstance(expr, Function):
        name = expr.func.__name__
        by_number = REAL_PARTS.get(name) or FUNCTIONS.get(name)
        if not any(map(np.ndim, parts)):
            return complex((by_number or getattr(cmath, name))(*parts))
        return np.vectorize(by_number, otypes=[complex])(*parts) if by_number else getattr(np, name)(*parts)
    raise TypeError(f"no literal value for {expr}")


def _entry(found: np.ndarray) -> Any:
    return found if np.ndim(found) else complex(found)


def forward(program: Program, inputs: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Every array of the program, by its forward equations."""
    arrays = {name: np.asarray(array, dtype=complex) for name, array in inputs.items()}
    for definition in program.ordered:
        shape = tuple(sizes[str(i.upper + 1)] for i in definition.indices)
        found = np.empty(shape, dtype=complex)
        for place in np.ndindex(*shape):
            found[place] = value(definition.rhs, arrays, sizes, dict(zip(definition.indices, place, strict=True)))
        arrays[definition.name] = found
    return arrays


def complex_step(program: Program, name: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """The gradient with respect to ``name``, an input or a defined array, at the point that ``arrays`` describes: by
    every entry at once."""
    shape = np.shape(arrays[name])
    moved = dict(arrays)
    moved[name] = np.asarray(arrays[name])[..., None] + 1j * STEP * np.eye(prod(shape)).reshape(*shape, -1)
    for definition in program.ordered:
        if definition.name != name and program.rank[definition.name] > program.rank[name]:
            found = np.empty((*np.shape(arrays[definition.name]), prod(shape)), dtype=complex)
            for spot in np.ndindex(*found.shape[:-1]):
                at = dict(zip(definition.indices, spot, strict=True))
                found[spot] = value(definition.rhs, moved, sizes, at)
            moved[definition.name] = found
    return (moved[program.output].imag / STEP).reshape(shape)


def random_inputs(program: Program, sizes: Mapping[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Standard normal inputs; positive where declared so; rows of probabilities, one-hot rows and symmetric matrices
    where those are assumed."""
    rng = np.random.default_rng(seed)
    found = {}
    for array in program.inputs:
        drawn = rng.standard_normal(tuple(sizes[a.name] for a in array.axes))
        found[array.name] = np.abs(drawn) + 0.1 if array.positive else drawn
    for assumption in program.assumptions:
        if (domain := assumption.domain) is not None:
            (name,) = array_names(assumption.lhs)
            found[name] = domain.draw(found[name].shape, rng)
            continue
        (name,) = {e.base.name for e in assumption.lhs.atoms(Indexed)}
        *rows, size = found[name].shape
        if isinstance(assumption.lhs, Mul):
            found[name] = np.eye(size)[rng.integers(0, size, rows)]
        elif isinstance(assumption.lhs, Indexed):
            found[name] = (found[name] + found[name].T) / 2
        elif not np.allclose(found[name].sum(axis=-1), 1):
            found[name] = rng.dirichlet(np.ones(size), size=rows)
    return found


def slopes(loss: Callable[..., Any], inputs: Mapping[str, Any], name: str) -> np.ndarray:
    """The slopes of a loss, as NumPy runs it, with respect to every entry of one input, by ``check_grad``."""
    start = np.asarray(inputs[name], dtype=float)

    def value(*values: Any) -> Any:
        return loss(**dict(zip(inputs, values, strict=True)))

    check = check_grad(value, lambda *_: np.zeros(start.shape), *inputs.values(), wrt=[[*inputs].index(name)])
    return np.reshape([entry.slope.found for entry in check.gradients[0].seen], start.shape)
