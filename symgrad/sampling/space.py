"""The valid values of each input of a program: random values, steps that keep values valid, and bounds on the values of
expressions (interval arithmetic)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Sum, Symbol
from sympy.core.basic import Basic

from symgrad.equations import Assumption, Domain
from symgrad.errors import InputError
from symgrad.facts import domains, probabilities
from symgrad.functions import MEANINGS, absolute, clip, equal, maximum, minimum, relu, selection, signum, step, where
from symgrad.notation import Array, array_names, bound_indices, name_of
from symgrad.program import Program

LEAST = 0.1
RELATIVE = (0.5, 1.5)  # a scalar with a default is drawn between these multiples of it
SIGNED = frozenset({"positive", "usual"})  # their sign is fixed; "usual": a scalar with the sign of its default
UNMOVED = frozenset({"one-hot", "rows", "soft", "fixed", "discrete"})
UNSTRETCHED = frozenset({"one-hot", "fixed", "discrete"})
OF_ODDS, OF_SCALARS = 4.0, 1 / 3
"""Stretching by one decade multiplies the odds of a value between 0 and 1 by 10^4, and a scalar by 10^(1/3)."""

Inputs = Mapping[str, np.ndarray]


class NoInputs(InputError):
    """No random inputs were found at which the loss and its gradients are finite."""


@dataclass(frozen=True)
class InputSpace:
    """The valid inputs of a program: beside its assumptions, ``soft`` inputs are between 0 and 1, ``hard`` inputs have
    one-hot rows, and ``fixed`` inputs have one value."""

    program: Program
    soft: frozenset[str] = frozenset()
    hard: frozenset[str] = frozenset()
    fixed: tuple[tuple[str, float], ...] = ()

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The declared domains of inputs."""
        return domains(self.program)

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """The other known properties of each input, as keywords."""
        named: list[tuple[str, Set[str] | Mapping[str, object]]] = [
            ("positive", {a.name for a in self.program.inputs if a.positive}),
            ("usual", {name for name, value in self.program.defaults if value != 0}),
            ("discrete", {name for name, domain in self.domains.items() if domain.values}),
            ("soft", self.soft - self.domains.keys()),
            ("one-hot", self.hard),
            ("fixed", dict(self.fixed)),
        ]
        named.append(("inverted", self.program.inverted))
        for a in self.program.assumptions:
            if a.is_definite:
                named.append(("definite", array_names(a.lhs)))
            if not a.domain:
                named.append((_kind(a), array_names(a.lhs)))
        return {a.name: frozenset(word for word, names in named if a.name in names) for a in self.program.inputs}

    @cached_property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The bounds of the inputs that have bounds."""
        known = {name: (domain.low, domain.high) for name, domain in self.domains.items()}
        for name, kinds in self.kinds.items():
            if kinds & {"positive", "one-hot", "rows"}:
                known[name] = (0.0, np.inf if "positive" in kinds else 1.0)
        return known

    @cached_property
    def movable(self) -> tuple[str, ...]:
        """The inputs that stay valid after a small step."""
        return tuple(name for name, kinds in self.kinds.items() if not kinds & UNMOVED)

    @cached_property
    def free(self) -> frozenset[str]:
        """The arrays that may be arbitrarily large, with either sign."""
        arrays = (a.name for a in self.program.inputs if a.axes and a.name not in self.domains)
        return frozenset(name for name in arrays if not self.kinds[name])

    def enlarged(self, inputs: Inputs, factor: float) -> dict[str, np.ndarray]:
        """The inputs with the free arrays multiplied by ``factor``."""
        return {name: value * factor if name in self.free else value for name, value in inputs.items()}

    def stretched(self, inputs: Inputs, decades: Inputs) -> dict[str, np.ndarray]:
        """The inputs with every entry multiplied by 10**``decades``; rows that sum to one are renormalized, and
        values between 0 and 1 have their odds multiplied."""
        stretched = dict(inputs)
        for name, kinds in self.kinds.items():
            value, by = inputs[name], decades.get(name, np.zeros(()))
            if name not in decades or kinds & UNSTRETCHED:
                continue
            if "rows" in kinds:
                shares = value * 10.0**by
                stretched[name] = shares / shares.sum(axis=-1, keepdims=True)
            elif "soft" in kinds or self.bounds.get(name, (0.0, np.inf))[1] == 1:
                odds = value / (1 - value) * 10.0 ** (OF_ODDS * by)
                stretched[name] = odds / (1 + odds)
            else:
                stretched[name] = value * 10.0 ** (by if value.ndim else OF_SCALARS * by)
        return self.admissible(stretched)

    def ends(self, name: str, value: np.ndarray) -> list[np.ndarray]:
        """The input at each end of its domain, and with each entry at the nearest end; integers if it is free."""
        domain, kinds = self.domains.get(name), self.kinds[name]
        if "fixed" in kinds:
            return []
        if domain:
            ends = {domain.low, *domain.values[-1:]}
            return [np.full(value.shape, float(end)) for end in sorted(ends)] + [np.round(value)] * (domain.step == 0)
        if kinds & {"rows", "one-hot"}:
            return [np.broadcast_to(row, value.shape).copy() for row in np.eye(value.shape[-1])[[0, -1]]]
        return [np.round(value)] if name in self.free or "soft" in kinds else []

    def random(self, sizes: Mapping[str, int], rng: np.random.Generator, small: bool = False) -> dict[str, np.ndarray]:
        """Random inputs; if ``small``, unconstrained inputs are between 0 and 1."""
        shapes = {a: tuple(sizes[axis.name] for axis in a.axes) for a in self.program.inputs}
        drawn = {a.name: self._drawn(a, shape, rng, small) for a, shape in shapes.items()}
        usual = {name: float(value) for name, value in self.program.defaults}
        for name, kinds in self.kinds.items():
            if "usual" in kinds and not (name in self.domains and self.domains[name].step):
                drawn[name] = np.asarray(usual[name] * rng.uniform(*RELATIVE))
        return self.admissible({**drawn, **{name: np.asarray(value) for name, value in self.fixed}})

    def _drawn(self, array: Array, shape: tuple[int, ...], rng: np.random.Generator, small: bool) -> np.ndarray:
        """Random values of one input: normal, or between 0 and 1, unless its assumptions require other values."""
        kinds = self.kinds[array.name]
        if "one-hot" in kinds:
            return np.asarray(np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])])
        if "rows" in kinds:
            return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        if array.name in self.domains:
            return self.domains[array.name].draw(shape, rng, small)
        if (small and not kinds & {"definite", "inverted"}) or "soft" in kinds:
            return np.asarray(rng.uniform(LEAST, 1 - LEAST, shape))
        value = np.asarray(rng.standard_normal(shape))
        if "definite" in kinds:
            return value @ value.T / len(value) + np.eye(len(value)) / 2
        if "inverted" in kinds:
            return value + 2 * math.sqrt(len(value)) * np.eye(len(value))
        return np.abs(value) + LEAST if array.positive else value

    def admissible(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """The inputs with every number moved to the nearest valid value; rows that sum to one are not changed."""
        valid = dict(inputs)
        for name, domain in self.domains.items():
            step = domain.step or 1
            whole = domain.low + step * np.round((valid[name] - domain.low) / step)
            valid[name] = np.clip(whole if domain.step else valid[name], domain.low, domain.high)
        for name, kinds in self.kinds.items():
            if "positive" in kinds:
                valid[name] = np.abs(valid[name])
            for kind, structured in STRUCTURES.items():
                valid[name] = structured(valid[name]) if kind in kinds else valid[name]
            if "definite" in kinds:
                lowest = np.linalg.eigvalsh(valid[name])[0]
                valid[name] = valid[name] + max(LEAST - lowest, 0.0) * np.eye(len(valid[name]))
        return valid

    def moved(self, inputs: Inputs, steps: Inputs) -> dict[str, np.ndarray]:
        """The inputs after ``steps``; a step that would change a fixed sign shrinks the number toward 0 instead."""
        moved = {}
        for name, change in steps.items():
            value = inputs[name]
            moved[name] = value + change
            if self.kinds[name] & SIGNED:
                with np.errstate(all="ignore"):
                    moved[name] = np.where(change / value > LEAST - 1, moved[name], value * np.exp(change / value))
        return self.admissible({**inputs, **moved})


def _kind(assumption: Assumption) -> str:
    """The keyword for an assumption about rows or a matrix."""
    if assumption.mask is not None:
        return "diagonal" if isinstance(assumption.mask, KroneckerDelta) else "lower"
    ties = assumption.is_symmetry * "symmetric" or assumption.is_orthogonality * "orthogonal"
    return assumption.is_one_hot * "one-hot" or ties or "rows"


def _orthogonal(value: np.ndarray) -> np.ndarray:
    """The orthogonal matrix nearest to a matrix."""
    left, _, right = np.linalg.svd(value)
    return np.asarray(left @ right)


STRUCTURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "symmetric": lambda value: np.triu(value) + np.triu(value, 1).T,
    "diagonal": lambda value: np.diag(np.diag(value)),
    "lower": np.tril,
    "orthogonal": _orthogonal,
}
"""The matrix of each kind that a matrix is moved to."""


# --- bounds on expressions --------------------------------------------------------------------------------------------

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-math.inf, math.inf)
UNIT: Bounds = (0.0, 1.0)
INCREASING: Mapping[type[Basic], Callable[..., Any]] = {
    **{getattr(sympy, name): getattr(math, name) for name in ["exp", "log", "tanh", "sinh", "asinh", "atan", "erf"]},
    **{function: MEANINGS[function].number or max for function in (relu, maximum, minimum, clip)},
}
"""The functions that increase in each of their arguments, with the functions that evaluate them."""
RANGES: Mapping[type[Basic], Bounds] = {
    **dict.fromkeys((step, equal, selection, KroneckerDelta), UNIT),
    **dict.fromkeys((signum, sympy.sin, sympy.cos), (-1.0, 1.0)),
    sympy.cosh: (1.0, math.inf),
}
"""The ranges of other functions, for all arguments."""


def bounds(expr: Expr, program: Program, inputs: Mapping[str, Bounds]) -> Bounds:
    """Bounds on an expression in the arrays of a program, for all sizes, given bounds on the ``inputs``; no value is
    outside, but the bounds may be wider than necessary."""
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
                return of(expr.function / factor)  # a weighted mean: the selections of a row sum to one
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
    return RANGES.get(type(expr), EVERYTHING)


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
    """The value of an increasing function; infinite on overflow and to the left of its domain."""
    try:
        return float(function(*values))
    except OverflowError:
        return math.copysign(math.inf, values[0])
    except ValueError:
        return -math.inf
