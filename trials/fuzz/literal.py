"""Evaluate index and matrix notation literally, with NumPy on complex numbers: a reference for single lines.

The first dimension of an array enumerates variants of it: one, or one for each entry that takes a complex step.  No
derivative is formed symbolically.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sympy import (
    Add,
    Expr,
    Function,
    HadamardPower,
    HadamardProduct,
    Identity,
    Indexed,
    KroneckerDelta,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    Mul,
    OneMatrix,
    Pow,
    Sum,
    Symbol,
    Trace,
    Transpose,
    ZeroMatrix,
)
from sympy.core.basic import Basic
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.indexed import Idx

from symgrad.functions import selection
from symgrad.piecewise import Applied, Choice
from symgrad.program import Program
from trials.fuzz.witnesses import STEP, Kinks, erf

SMOOTH: dict[str, Any] = {
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "erf": erf,
}


@dataclass(frozen=True)
class Labelled:
    """Numbers over indices: a dimension for variants, then one per label, in the order of their names."""

    labels: tuple[Idx, ...]
    data: np.ndarray


class Literal:
    """Expressions over given arrays, whose first dimension enumerates variants."""

    def __init__(self, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], kinks: Kinks) -> None:
        self.arrays = dict(arrays)
        self.sizes = sizes
        self._kinks = kinks
        self._known: dict[Basic, Labelled] = {}

    def over(self, expr: Expr, letters: Sequence[Idx]) -> np.ndarray:
        """The values of an expression over ``letters``, variants first."""
        found = self.value(expr)
        if extra := set(found.labels) - set(letters):
            raise ValueError(f"{expr} has the free indices {extra}")
        shape = (found.data.shape[0], *(self.size(i) for i in letters))
        order = [found.labels.index(i) for i in letters if i in found.labels]
        data = found.data.transpose([0, *(place + 1 for place in order)])
        data = data.reshape((-1, *(self.size(i) if i in found.labels else 1 for i in letters)))
        return np.broadcast_to(data, shape)

    def size(self, index: Idx) -> int:
        """The size of the axis of an index."""
        return self.sizes[str(index.upper + 1)]

    def value(self, expr: Basic) -> Labelled:
        """The value of an expression over its free indices."""
        if expr not in self._known:
            self._known[expr] = self._value(expr)
        return self._known[expr]

    def _value(self, expr: Basic) -> Labelled:
        if expr.is_number:
            number = complex(expr)
            return Labelled((), np.array([number if number.imag else number.real]))
        if isinstance(expr, Indexed):
            return self._indexed(expr)
        if isinstance(expr, Symbol):
            known = expr.name in self.arrays
            return Labelled((), self.arrays[expr.name] if known else np.array([float(self.sizes[expr.name])]))
        if isinstance(expr, KroneckerDelta):
            return self._delta(*expr.args)
        if isinstance(expr, Sum):
            return self._sum(expr)
        if isinstance(expr, selection):
            row = self.value(expr.args[0])
            if expr.args[1] not in row.labels:
                return Labelled((expr.args[1],), np.full((1, self.size(expr.args[1])), 1 / self.size(expr.args[1])))
            return Labelled(row.labels, self._kinks.selection(row.data, 1 + row.labels.index(expr.args[1])))
        labels, data = self._aligned([self.value(arg) for arg in expr.args])
        return Labelled(labels, self._applied(expr, data))

    def _applied(self, expr: Basic, data: list[np.ndarray]) -> np.ndarray:
        if isinstance(expr, Add):
            return reduce(np.add, data)
        if isinstance(expr, Mul):
            return reduce(np.multiply, data)
        if isinstance(expr, Pow):
            return self._power(expr.args[1], *data)
        name = expr.func.__name__
        if not isinstance(expr, Function):
            raise TypeError(f"no literal value for {expr}")
        made = SMOOTH[name] if name in SMOOTH else getattr(self._kinks, name)
        return np.asarray(made(*data))

    def _power(self, exponent: Basic, base: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        if exponent.is_Integer:
            return base ** int(exponent) if exponent > 0 else 1 / base ** int(-exponent)
        self._kinks.watch.negative |= bool(np.any(np.real(base) < 0))
        with_cut = base if np.iscomplexobj(base) else np.asarray(base, dtype=complex)
        return np.sqrt(with_cut) if str(exponent) == "1/2" else with_cut**exponents

    def _indexed(self, expr: Indexed) -> Labelled:
        data, labels = self.arrays[expr.base.name], list(expr.indices)
        while len(set(labels)) < len(labels):
            twice = next(i for i in labels if labels.count(i) > 1)
            first = labels.index(twice)
            second = labels.index(twice, first + 1)
            data = np.diagonal(data, axis1=first + 1, axis2=second + 1)
            labels = [i for place, i in enumerate(labels) if place not in (first, second)] + [twice]
        order = sorted(range(len(labels)), key=lambda place: str(labels[place]))
        return Labelled(tuple(labels[p] for p in order), data.transpose([0, *(p + 1 for p in order)]))

    def _delta(self, i: Idx, j: Idx) -> Labelled:
        same = np.eye(self.size(i), self.size(j))[None]
        return Labelled(tuple(sorted((i, j), key=str)), same)

    def _sum(self, expr: Sum) -> Labelled:
        result = self.value(expr.function)
        for limit in expr.limits:
            index = limit[0]
            if index not in result.labels:
                result = Labelled(result.labels, result.data * self.size(index))
                continue
            place = result.labels.index(index)
            kept = tuple(i for i in result.labels if i != index)
            result = Labelled(kept, result.data.sum(axis=place + 1))
        return result

    def _aligned(self, parts: list[Labelled]) -> tuple[tuple[Idx, ...], list[np.ndarray]]:
        labels = tuple(sorted({i for part in parts for i in part.labels}, key=str))
        return labels, [
            part.data.reshape((-1, *(self.size(i) if i in part.labels else 1 for i in labels))) for part in parts
        ]

    # --- matrix notation ----------------------------------------------------------------------------------------

    def matrix(self, expr: Basic) -> np.ndarray:
        """A matrix expression, whose arrays have one variant each."""
        if not isinstance(expr, MatrixExpr):
            return np.asarray(self._scalar(expr)).reshape(1, 1)
        if isinstance(expr, MatrixSymbol):
            return self.arrays[expr.name][0].reshape(self._shape(expr))
        if isinstance(expr, (OneMatrix, ZeroMatrix)):
            return np.full(self._shape(expr), float(isinstance(expr, OneMatrix)))
        if isinstance(expr, Identity):
            return np.eye(self._shape(expr)[0])
        if isinstance(expr, Transpose):
            return self.matrix(expr.arg).T
        if isinstance(expr, (MatAdd, HadamardProduct)):
            join = np.add if isinstance(expr, MatAdd) else np.multiply
            return reduce(join, [self.matrix(arg) for arg in expr.args])
        if isinstance(expr, Choice):
            return np.asarray(self._kinks.where(*map(self.matrix, expr.args)))
        if isinstance(expr, HadamardPower):
            exponent = self.matrix(expr.exp) if isinstance(expr.exp, MatrixExpr) else np.asarray(self._scalar(expr.exp))
            return self._power(expr.exp, self.matrix(expr.base), exponent)
        if isinstance(expr, Applied):
            function, *operands = expr.args
            return self._of_entries(function.variables, function.expr, [self.matrix(operand) for operand in operands])
        if isinstance(expr, DiagonalOf):
            return np.diag(self.matrix(expr.args[0]))[:, None]
        if isinstance(expr, ElementwiseApplyFunction):
            return self._entrywise(expr)
        if isinstance(expr, DiagMatrix):
            return np.diag(self.matrix(expr.args[0])[:, 0])
        assert isinstance(expr, MatMul), expr
        scalars = [self._scalar(arg) for arg in expr.args if not isinstance(arg, MatrixExpr)]
        product = reduce(np.matmul, [self.matrix(arg) for arg in expr.args if isinstance(arg, MatrixExpr)])
        return reduce(np.multiply, scalars, product)

    def _shape(self, expr: MatrixExpr) -> tuple[int, int]:
        rows, columns = (self.sizes.get(str(size)) or int(size) for size in expr.shape)
        return rows, columns

    def _scalar(self, expr: Basic) -> Any:
        if isinstance(expr, MatrixElement):
            return self.matrix(expr.parent)[0, 0]
        if isinstance(expr, Trace):
            return np.trace(self.matrix(expr.arg))
        if not expr.has(MatrixExpr, MatrixElement, Trace):
            return self.value(expr).data.reshape(-1)[0]
        return self._applied(expr, [np.asarray(self._scalar(arg)) for arg in expr.args])

    def _entrywise(self, expr: ElementwiseApplyFunction) -> np.ndarray:
        return self._of_entries(expr.function.variables, expr.function.expr, [self.matrix(expr.expr)])

    def _of_entries(self, variables: Sequence[Symbol], of: Expr, operands: Sequence[np.ndarray]) -> np.ndarray:
        """A function of the entries of matrices, entry by entry."""
        entries = {v.name: operand.reshape(-1) for v, operand in zip(variables, operands, strict=True)}
        found = Literal({**self.arrays, **entries}, self.sizes, self._kinks).value(of).data  # each entry is a variant
        return np.broadcast_to(found.reshape(-1), operands[0].size).reshape(operands[0].shape)


def forward(
    program: Program, inputs: Mapping[str, Any], sizes: Mapping[str, int], kinks: Kinks
) -> dict[str, np.ndarray]:
    """Every array of a program, by its equations, as a single variant."""
    literal = Literal({name: np.asarray(x, dtype=float)[None] for name, x in inputs.items()}, sizes, kinks)
    for definition in program.ordered:
        literal.arrays[definition.name] = literal.over(definition.rhs, definition.indices)
    return literal.arrays


def moved(
    program: Program,
    name: str,
    arrays: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    kinks: Kinks,
    only: set[str],
) -> Literal:
    """The arrays with a variant for each entry of the array ``name``, in which this entry takes a complex step.

    Only the dependent arrays in ``only`` are recomputed.
    """
    start = arrays[name][0]
    steps = (1j * STEP * np.eye(start.size)).reshape((start.size, *start.shape))
    literal = Literal({**arrays, name: start[None] + steps}, sizes, kinks)
    for definition in program.ordered:
        if (
            definition.name in only
            and definition.name != name
            and program.rank[definition.name] > program.rank.get(name, -1)
        ):
            literal.arrays[definition.name] = literal.over(definition.rhs, definition.indices)
    return literal
