"""Evaluates an index expression at a shape, for all values of its free indices at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
import sympy as sp
from sympy.core.basic import Basic
from sympy.functions.elementary.piecewise import Piecewise
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.check.analyticity import is_positive
from symgrad.check.normal_form.algebra import prime_powers
from symgrad.check.normal_form.translation import EXPANSIONS
from symgrad.check.numeric.fields import MISSING, Array, NumberSystem, OutsideDomain, OutsideField, Reals, is_missing
from symgrad.check.semantics import instance
from symgrad.functions import has_own_name, selected, selection, where
from symgrad.matrix_functions import OF_MATRICES, det, inverse
from symgrad.notation import array_names, axis_name, bound_indices, name_of
from symgrad.program import Program
from symgrad.special_functions import position_of

MOST_ENTRIES = 200_000
"""The largest number of entries of an intermediate array."""

REALS, RESIDUES = 4, 32
"""The number of 50-digit numbers, or of residues, that take as long to compute as one term of work (``budget``)."""


@dataclass(frozen=True)
class Labelled:
    """An array over the indices ``labels``, sorted by letter; the first axis of ``data`` counts the levels."""

    labels: tuple[Idx, ...]
    data: Array


class Evaluator:
    """Evaluates expressions over the arrays ``values`` (levels first) with axes of the given ``sizes``.

    ``scalars`` maps symbols of single entries to (name, position).  Results are cached, so ``values`` may only gain
    names.
    """

    def __init__(
        self,
        numbers: NumberSystem,
        program: Program,
        sizes: Mapping[str, int],
        values: dict[str, Array],
        scalars: Mapping[sp.Symbol, tuple[str, tuple[int, ...]]],
    ) -> None:
        self.numbers = numbers
        self.sizes = dict(sizes)
        self.values = values
        self._program = program
        self._scalars = scalars
        self._memo: dict[Basic, Labelled] = {}
        self._gaps: set[Basic] = set()
        self._inverses: dict[str, tuple[Array, Array]] = {}

    def without(self, names: Set[str]) -> Evaluator:
        """An evaluator without the values of some arrays; it keeps the cached results that do not depend on them."""
        values = {name: value for name, value in self.values.items() if name not in names}
        copy = Evaluator(self.numbers, self._program, self.sizes, values, self._scalars)
        copy._memo = {e: result for e, result in self._memo.items() if not names or not array_names(e) & names}
        copy._gaps = {*self._gaps}
        return copy

    def over(self, expr: Basic, letters: tuple[Idx, ...]) -> Array:
        """The values of an expression as an array (levels first) over ``letters``, in this order."""
        result = self(expr)
        if result.labels == letters:
            return result.data
        missing = [i for i in letters if i not in result.labels]
        data = result.data.reshape(result.data.shape + (1,) * len(missing))
        order = [*result.labels, *missing]
        data = data.transpose([0] + [1 + order.index(i) for i in letters])
        return np.broadcast_to(data, (len(data), *(self.sizes[axis_name(i)] for i in letters)))

    def __call__(self, expr: Basic) -> Labelled:
        """The values of an expression over its free indices."""
        if expr not in self._memo:
            result = self._memo[expr] = self._evaluate(expr)
            spend(1 + result.data.size // (REALS if isinstance(self.numbers, Reals) else RESIDUES))
            if self.numbers.has_gaps and is_missing(result.data).any():
                self._gaps.add(expr)
        if expr in self._gaps and not self.numbers.is_tolerant:
            raise OutsideDomain(f"{expr} has no value")
        return self._memo[expr]

    def _evaluate(self, expr: Basic) -> Labelled:
        if isinstance(expr, sp.Function) and not has_own_name(expr.func):
            raise OutsideField(f"{expr.func} is not the function of its name: {expr}")
        if isinstance(expr, (sp.Number, sp.NumberSymbol)) and expr != sp.E:
            return Labelled((), self.numbers.constant(expr))
        if expr == sp.E:
            return self._map(self.numbers.exp, sp.Integer(1))
        if isinstance(expr, sp.Indexed):
            return self._indexed(expr)
        if isinstance(expr, sp.Symbol):
            return Labelled((), self._scalar(expr))
        if isinstance(expr, (sp.Add, sp.Mul)):
            return self._fold(expr)
        if isinstance(expr, sp.Sum):
            return self._sum(expr)
        if isinstance(expr, sp.KroneckerDelta):
            return self._delta(*expr.args)
        if isinstance(expr, position_of):
            every = [self.numbers.constant(sp.Integer(place)) for place in range(self.sizes[axis_name(*expr.args)])]
            return Labelled(expr.args, np.stack(every, axis=1))
        if isinstance(expr, sp.exp):
            return self._map(self.numbers.exp, expr.args[0])
        if isinstance(expr, sp.Pow):
            return self._power(*expr.args)
        if isinstance(expr, sp.log) and len(expr.args) == 1:
            return self._log(expr.args[0])
        if type(expr) in EXPANSIONS:
            return self(EXPANSIONS[type(expr)](*expr.args))
        if isinstance(expr, selection):
            return self._selection(*expr.args)
        if isinstance(expr, selected):
            labels, values = self._aligned([self(arg) for arg in expr.args[1:]])
            chosen = self.numbers.select(np.stack(np.broadcast_arrays(*values), axis=1), 1)
            return Labelled(labels, chosen[:, int(expr.args[0])])
        if isinstance(expr, where):
            return self._choice(*expr.args)
        if isinstance(expr, OF_MATRICES):
            return self._of_matrix(expr)
        if isinstance(expr, sp.Function) and not isinstance(expr, Piecewise):
            labels, data = self._aligned([self(arg) for arg in expr.args])
            return Labelled(labels, self.numbers.apply(expr.func, data))
        raise OutsideField(f"{type(expr).__name__} cannot be evaluated: {expr}")

    def _map(self, function: Callable[[Array], Array], argument: Basic) -> Labelled:
        value = self(argument)
        return Labelled(value.labels, function(value.data))

    def _aligned(self, parts: list[Labelled]) -> tuple[tuple[Idx, ...], list[Array]]:
        """The parts over the union of their indices, with the levels that all of them have."""
        labels = _union([part.labels for part in parts])
        if prod(self.sizes[axis_name(i)] for i in labels) > MOST_ENTRIES:
            raise OutsideField(f"an expression over {', '.join(map(str, labels))} is too large at this shape")
        levels = min(len(part.data) for part in parts)
        return labels, [
            part.data[:levels].reshape((levels, *(self.sizes[axis_name(i)] if i in part.labels else 1 for i in labels)))
            for part in parts
        ]

    def _fold(self, expr: Basic) -> Labelled:
        labels, data = self._aligned([self(arg) for arg in expr.args])
        result = data[0]
        for part in data[1:]:
            if isinstance(expr, sp.Mul):
                result = self.numbers.reduce(result * part)
            else:
                total = self.numbers.reduce(result + part)
                result = self.numbers.settled(total, np.maximum(abs(result), abs(part)))
        return Labelled(labels, result)

    def _sum(self, expr: sp.Sum) -> Labelled:
        result = self(expr.function)
        for index in bound_indices(expr):
            if index in result.labels:
                axis = 1 + result.labels.index(index)
                data = self.numbers.reduce(result.data.sum(axis=axis))
                data = self.numbers.settled(data, abs(result.data).max(axis=axis))
                result = Labelled(tuple(i for i in result.labels if i != index), data)
            else:
                size = self.sizes[axis_name(index)]
                result = Labelled(result.labels, self.numbers.reduce(result.data * size))
        return result

    def _choice(self, condition: Basic, yes: Basic, no: Basic) -> Labelled:
        """The branch that is taken; the other branch may be undefined there."""
        first = self(condition)
        with self.numbers.tolerant():
            labels, (c, a, b) = self._aligned([first, self(yes), self(no)])
        c, a, b = np.broadcast_arrays(c, a, b)
        mixed = self.numbers.reduce(c * a + (1 - c) * b)  # a condition that is an input may have any value
        return Labelled(labels, np.where(c == 1, a, np.where(c == 0, b, mixed)))

    def _selection(self, row: Basic, index: Idx) -> Labelled:
        value = self(row)
        if index not in value.labels:
            raise OutsideField(f"the index {index} of a selection does not occur in {row}")
        return Labelled(value.labels, self.numbers.select(value.data, 1 + value.labels.index(index)))

    def _of_matrix(self, call: sp.Expr) -> Labelled:
        """An entry of an inverse; a determinant, or the logarithm of its absolute value, which is log(det**2)/2."""
        if call.matrix not in self._inverses:
            self._inverses[call.matrix] = inverted(self.values[call.matrix], self.numbers)
        inverse_entries, determinant = self._inverses[call.matrix]
        if isinstance(call, inverse):
            return self._laid_out(inverse_entries, call.args[2:])
        if isinstance(call, det):
            return Labelled((), determinant)
        half = self.numbers.constant(sp.Rational(1, 2))
        logarithm = self.numbers.log(self.numbers.reduce(determinant * determinant))
        return Labelled((), self.numbers.reduce(half[: len(logarithm)] * logarithm))

    def _delta(self, i: Idx, j: Idx) -> Labelled:
        one = self.numbers.constant(sp.Integer(1)).reshape(-1, 1, 1)
        return Labelled(_union([(i,), (j,)]), one * np.eye(self.sizes[axis_name(i)], dtype=int))

    def _indexed(self, expr: sp.Indexed) -> Labelled:
        return self._laid_out(self.values[expr.base.name], expr.indices)

    def _laid_out(self, data: Array, indices: Iterable[Idx]) -> Labelled:
        """The entries of an array at indices, of which two may be the same."""
        labels = list(indices)
        while len(set(labels)) < len(labels):
            twice = next(i for i in labels if labels.count(i) > 1)
            first = labels.index(twice)
            second = labels.index(twice, first + 1)
            data = np.diagonal(data, axis1=first + 1, axis2=second + 1)
            labels = [i for axis, i in enumerate(labels) if axis not in (first, second)] + [twice]
        order = sorted(range(len(labels)), key=lambda axis: _letter(labels[axis]))
        return Labelled(tuple(labels[p] for p in order), data.transpose([0] + [p + 1 for p in order]))

    def _scalar(self, symbol: sp.Symbol) -> Array:
        if symbol in self._scalars:
            name, position = self._scalars[symbol]
            return at_position(self.values[name], position)
        if symbol.name in self.sizes:
            return self.numbers.constant(sp.Integer(self.sizes[symbol.name]))
        return self.values[symbol.name]

    def _power(self, base: Basic, exponent: Basic) -> Labelled:
        if isinstance(exponent, sp.Rational):
            return self._map(lambda value: self.numbers.power(value, exponent), base)
        return self(sp.exp(exponent * sp.log(base), evaluate=False))

    def _log(self, argument: Basic) -> Labelled:
        """A logarithm; in a field, the logarithm of a product of positive factors is a sum."""
        parts = None if isinstance(self.numbers, Reals) else self._log_parts(argument)
        return self._map(self.numbers.log, argument) if parts is None else self(parts)

    def _log_parts(self, argument: Basic) -> sp.Expr | None:
        """The logarithm of an expression in simpler logarithms, or None if no rule splits it."""
        if isinstance(argument, sp.exp):
            return argument.args[0]
        program = self._program
        if isinstance(argument, sp.Mul) and all(is_positive(factor, program) for factor in argument.args):
            return sp.Add(*(sp.log(factor) for factor in argument.args))
        if (
            isinstance(argument, sp.Pow)
            and isinstance(argument.exp, sp.Rational)
            and is_positive(argument.base, program)
        ):
            return argument.exp * sp.log(argument.base)
        if isinstance(argument, sp.Symbol) and argument.name in self.sizes:
            return sp.log(sp.Integer(self.sizes[argument.name]))
        if isinstance(argument, sp.Rational) and argument > 0:
            powers = prime_powers(Fraction(int(argument.p), int(argument.q)))
            return None if powers == {argument: 1} else sp.Add(*(k * sp.log(sp.Integer(p)) for p, k in powers.items()))
        if isinstance(argument, (sp.Symbol, sp.Indexed)) and name_of(argument) in program.definitions:
            return sp.log(instance(program.definitions[name_of(argument)], argument))
        return None


def _letter(index: Idx) -> tuple[str, str]:
    # str(index) would create a SymPy printer, half of the cost of a small evaluation.
    return str(index.label.name), axis_name(index)


def _union(labels: list[tuple[Idx, ...]]) -> tuple[Idx, ...]:
    """The union of several tuples of indices, sorted by letter."""
    first = labels[0]
    if all(other == first for other in labels[1:]):
        return first
    return tuple(sorted({i for some in labels for i in some}, key=_letter))


def at_position(data: Array, position: tuple[int, ...]) -> Array:
    """One entry of an array, at every level."""
    entry: Array = data[(slice(None), *position)]  # type: ignore[arg-type]
    return entry


def widest(program: Program, sizes: Mapping[str, int]) -> int:
    """The entries of the widest derivative: over the indices of an equation, of its sums, and of an array in it."""

    def width(expr: Basic) -> int:
        inner = 1 if isinstance(expr, (sp.Indexed, Idx)) else max(map(width, expr.args), default=1)
        return inner * prod(sizes[axis_name(i)] for i in bound_indices(expr)) if isinstance(expr, sp.Sum) else inner

    entries = {name: prod(sizes[axis.name] for axis in array.axes) for name, array in program.arrays.items()}
    used = {d.name: max((entries[name] for name in program.uses(d.name)), default=1) for d in program.ordered}
    return max(entries[d.name] * width(d.rhs) * used[d.name] for d in program.ordered)


def inverted(matrix: Array, numbers: NumberSystem) -> tuple[Array, Array]:
    """The inverse and the determinant of a matrix (levels first); ``OutsideDomain`` if a level has no inverse."""
    levels, size = matrix.shape[:2]
    if is_missing(matrix).any():
        return np.full(matrix.shape, MISSING, dtype=object), np.full(levels, MISSING, dtype=object)
    one = numbers.constant(sp.Integer(1))[:levels]
    work = np.concatenate([matrix, one[:, None, None] * np.eye(size, dtype=int)], axis=2)
    determinant = one
    for k in range(size):
        pivot_row = max(range(k, size), key=lambda row: min(abs(work[:, row, k])))
        if pivot_row != k:
            work[:, [k, pivot_row]] = work[:, [pivot_row, k]]
            determinant = -determinant
        pivot = work[:, k, k]
        determinant = numbers.reduce(determinant * pivot)
        work[:, k] = numbers.reduce(work[:, k] * numbers.power(pivot, sp.Integer(-1))[:, None])
        for row in {*range(size)} - {k}:
            change = numbers.reduce(work[:, row, k][:, None] * work[:, k])
            total = numbers.reduce(work[:, row] - change)
            work[:, row] = numbers.settled(total, np.maximum(abs(work[:, row]), abs(change)))
    return work[:, :, size:], determinant
