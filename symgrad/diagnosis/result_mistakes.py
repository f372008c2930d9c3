"""Mistakes in the result: a gradient with the wrong shape, transposed, not summed over an axis (as for a bias, over the
rows), or multiplied by a factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import prod

import numpy as np
from sympy import Expr, Integer, Rational, Sum, Symbol

from symgrad.diagnosis.hypothesis import adjoint_lines
from symgrad.diagnosis.result import gradients_of
from symgrad.notation import axis_name, bound_indices
from symgrad.program import Program
from symgrad.render.text import expression_text
from symgrad.steps import Record

NUMBERS = (Fraction(1), Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4), Fraction(3), Fraction(1, 3))
POWERS = (1, -1, 2, -2)
MOST_AXES = 2
DUST = 1e-13  # relative to the sum of the absolute values: terms that cancel leave rounding, which counts as 0


@dataclass(frozen=True)
class Layout:
    """A mistake in the layout of a gradient; the two functions make the returned and the expected one comparable."""

    kind: str
    words: str
    of_returned: Callable[[np.ndarray], np.ndarray]
    of_expected: Callable[[np.ndarray], np.ndarray]


def _same(value: np.ndarray) -> np.ndarray:
    return value


RIGHT_LAYOUT = Layout("", "", _same, _same)


def layouts(
    name: str, returned: tuple[int, ...], expected: tuple[int, ...], sizes: Mapping[str, int]
) -> Iterator[Layout]:
    """The mistakes that give a gradient the shape ``returned`` instead of ``expected``."""
    if returned == expected:
        yield RIGHT_LAYOUT
        return
    gradient = f"the gradient with respect to {name}"
    if [n for n in returned if n != 1] == [n for n in expected if n != 1]:
        words = f"{gradient} has the shape {returned}, expected {expected}; the numbers are right"
        yield Layout("shape", words, lambda v: v.reshape(expected), _same)
        return
    if returned == expected[::-1]:
        yield Layout("transposed", f"{gradient} is transposed", np.transpose, _same)
    for axes, over in _extra_axes(returned, expected, sizes):
        yield Layout("unsummed", f"{gradient} is not summed over {over}", _summed(axes), _same)
    for axes, over in _extra_axes(expected, returned, sizes):
        yield Layout("axis", f"{gradient} is summed over {over} as well", _same, _summed(axes))


def _extra_axes(
    shape: tuple[int, ...], other: tuple[int, ...], sizes: Mapping[str, int]
) -> Iterator[tuple[tuple[int, ...], str]]:
    """The sets of axes without which one shape is the other, with the names of the axes."""
    names = [next((axis for axis, size in sizes.items() if size == n), str(n)) for n in shape]
    for axes in (a for count in range(1, len(shape) + 1) for a in combinations(range(len(shape)), count)):
        if tuple(n for axis, n in enumerate(shape) if axis not in axes) == other:
            yield axes, " and ".join(names[axis] for axis in axes)


def _summed(axes: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    def summed(value: np.ndarray) -> np.ndarray:
        total, size = np.asarray(value.sum(axis=axes)), np.abs(value).sum(axis=axes)
        return np.where(np.abs(total) <= DUST * size, 0.0, total)

    return summed


@dataclass(frozen=True)
class Factor:
    """A product of a number and powers of axis sizes."""

    number: Fraction
    powers: tuple[tuple[str, int], ...] = ()

    def at(self, sizes: Mapping[str, int]) -> float:
        """The value at some sizes."""
        return float(self.number) * prod(float(sizes[axis]) ** power for axis, power in self.powers)

    @property
    def expr(self) -> Expr:
        """The factor as an expression in the sizes."""
        number = Rational(self.number.numerator, self.number.denominator) * Integer(1)
        powers = (Symbol(axis, integer=True, positive=True) ** power for axis, power in self.powers)
        result: Expr = prod(powers, start=number)
        return result

    @property
    def is_one(self) -> bool:
        """Whether the factor changes nothing."""
        return self.number == 1 and not self.powers

    @property
    def cost(self) -> float:
        """The cost of the mistake; 0 for the factor 1."""
        return 0.0 if self.is_one else 0.3 + 0.1 * (abs(self.number) != 1) + 0.1 * sum(abs(p) for _, p in self.powers)


def factors(program: Program) -> tuple[Factor, ...]:
    """The factors that are tried, simplest first: a small number times powers of at most two sizes."""
    axes = [axis.name for axis in program.axes]
    every = [
        Factor(sign * number, tuple(zip(some, powers, strict=True)))
        for count in range(min(MOST_AXES, len(axes)) + 1)
        for some in combinations(axes, count)
        for powers in product(POWERS, repeat=count)
        for number in NUMBERS
        for sign in (1, -1)
    ]
    return tuple(sorted(every, key=lambda factor: factor.cost))


@dataclass(frozen=True)
class Fit:
    """The mistakes that turn a predicted gradient into the returned one: a layout and a factor."""

    layout: Layout
    factor: Factor

    @property
    def is_plain(self) -> bool:
        """Whether the two gradients are the same."""
        return self.layout is RIGHT_LAYOUT and self.factor.is_one

    @property
    def cost(self) -> float:
        """The cost of both mistakes."""
        return self.factor.cost + (0.0 if self.layout is RIGHT_LAYOUT else 0.3)

    @property
    def kind(self) -> str:
        """The kind of the mistake in the layout, else in the factor."""
        return self.layout.kind or ("sign" if self.factor == Factor(Fraction(-1)) else "factor")

    def words(self, record: Record, names: Sequence[str]) -> list[str]:
        """The mistakes in the gradients with respect to ``names``, in words."""
        layout = [] if self.layout is RIGHT_LAYOUT else [self.layout.words]
        return layout if self.factor.is_one else [*layout, _factor_words(record, names, self.factor)]


def _factor_words(record: Record, names: Sequence[str], factor: Factor) -> str:
    if factor.number == -1 and not factor.powers:
        return gradients_of(names, "has the wrong sign", "have the wrong sign")
    size = Factor(abs(factor.number), factor.powers)
    inverse = Factor(1 / size.number, tuple((axis, -power) for axis, power in factor.powers))
    ones = "one" if len(names) == 1 else "ones"
    sign = ", with the wrong sign" if factor.number < 0 else ""
    gradients = gradients_of(names, "is", "are")
    words = f"{gradients} {expression_text(size.expr, record)} times the right {ones}{sign}"
    averaged = [axis for axis, power in factor.powers if power == -1 and _is_summed(record, names, axis)]
    if len(names) == 1 and averaged and size == Factor(Fraction(1), ((averaged[0], -1),)):
        return f"{words}: averaged over {averaged[0]} instead of summed"
    is_multiple = size.number >= 1 and all(power > 0 for _, power in factor.powers)
    if is_multiple or (size.number < 1 and not factor.powers):
        return f"{words}: the factor {expression_text(inverse.expr, record)} is missing"
    return words


def _is_summed(record: Record, names: Sequence[str], axis: str) -> bool:
    totals = adjoint_lines(record)[names[0]].after.atoms(Sum)
    return any(axis_name(i) == axis for total in totals for i in bound_indices(total))
