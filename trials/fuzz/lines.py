"""Evaluate the lines of a derivation at random inputs, without code from the checker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Expr, Indexed, MatrixSymbol
from sympy.tensor.indexed import Idx

from symgrad.notation import array_names, free_indices
from symgrad.steps import Largest, MatrixTotal, MatrixValue, Partial, Record, Step, Total, Value
from trials.fuzz.literal import Literal, forward, moved
from trials.fuzz.witnesses import STEP, Kinks

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Disagreement:
    """A line that differs from its subject at a point, with the largest relative error."""

    number: int
    sizes: Mapping[str, int]
    error: float


class Lines:
    """The arrays of a record at a point, and the values of its lines there."""

    def __init__(self, record: Record, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.record, self.sizes, self.kinks = record, sizes, Kinks()
        program = record.program
        self.arrays = forward(program, inputs, sizes, self.kinks)
        self.is_real = not self.kinks.watch.negative
        self.adjoints: dict[str, np.ndarray] = {}
        for name, array in record.adjoint_arrays.items():
            self.adjoints[name] = self.adjoint(name)
            self.arrays[array.name] = self.adjoints[name][None]
        # After the adjoints: a root's argument that is 0 is near a kink only when it is moved.  The output may be
        # smooth in it there, while the root's derivative is 0 by convention.
        self.near = self.kinks.watch.near
        self.literal = Literal(self.arrays, sizes, self.kinks)

    def adjoint(self, name: str) -> np.ndarray:
        """The derivative of the output with respect to every entry of an array."""
        program = self.record.program
        if name == program.output:
            return np.ones(())
        found = moved(program, name, self.arrays, self.sizes, self.kinks, set(program.definitions))
        shape = self.arrays[name][0].shape
        return np.broadcast_to(np.imag(found.arrays[program.output]) / STEP, int(np.prod(shape))).reshape(shape)

    def wrong(self, steps: tuple[Step, ...]) -> Iterator[Disagreement]:
        """The lines that are false here."""
        for step in steps:
            if isinstance(step.subject, Largest) or not self._has_values(step):
                continue
            error = self._error(step)
            if not error < TOLERANCE:
                yield Disagreement(step.number, self.sizes, error)

    def _has_values(self, step: Step) -> bool:
        """Whether all arrays in a line have values; an array that the output does not use may have none."""
        subject = {step.subject.array.name} if isinstance(step.subject, (MatrixValue, MatrixTotal)) else set()
        if isinstance(step.subject, Value):
            subject = array_names(step.subject.expr)
        names = subject | array_names(step.after) | {m.name for m in step.after.atoms(MatrixSymbol)}
        return all(np.all(np.isfinite(self.arrays[name])) for name in names if name in self.arrays)

    def _error(self, step: Step) -> float:
        """The largest error of a line, relative to the largest entry of its subject."""
        subject = step.subject
        if isinstance(subject, (MatrixValue, MatrixTotal)):
            name = subject.array.name
            left = self.arrays[name][0] if isinstance(subject, MatrixValue) else self._total(name)
            return _relative(self.literal.matrix(step.after), left.reshape(left.shape if left.ndim == 2 else (-1, 1)))
        free = free_indices(step.after)
        if isinstance(subject, Value):
            letters = sorted(free | free_indices(subject.expr), key=str)
            return _relative(self.literal.over(step.after, letters), self.literal.over(subject.expr, letters))
        wrt = _indices(subject.wrt)
        if isinstance(subject, Total):
            letters = sorted({*free, *wrt}, key=str)
            left = self._total(_name(subject.wrt))
            return _relative(self.literal.over(step.after, letters)[0], self._spread(left, wrt, letters))
        assert isinstance(subject, Partial)
        own = sorted(free_indices(subject.of), key=str)
        letters = sorted({*free, *wrt, *own}, key=str)
        return _relative(
            self.literal.over(step.after, letters)[0], self._spread(self._partial(subject, own), [*wrt, *own], letters)
        )

    def _total(self, name: str) -> np.ndarray:
        if name not in self.adjoints:
            self.adjoints[name] = self.adjoint(name)
        return self.adjoints[name]

    def _partial(self, subject: Partial, own: list[Idx]) -> np.ndarray:
        """The derivative of an expression, or of a node's definition, nodes held fixed: that by which it is first."""
        program, name = self.record.program, _name(subject.wrt)
        short = {d.name for d in program.ordered if not d.is_node}
        found = moved(program, name, self.arrays, self.sizes, self.kinks, short)
        of: Expr = subject.of
        if (isinstance(of, Indexed) or of.is_Symbol) and _name(of) in program.definitions:
            of = program.definitions[_name(of)].at(_indices(of))
        shape = self.arrays[name][0].shape
        data = np.imag(found.over(of, own)) / STEP
        over = data.shape[1:]
        return np.broadcast_to(data, (int(np.prod(shape)), *over)).reshape((*shape, *over))

    def _spread(self, data: np.ndarray, labels: list[Idx], letters: list[Idx]) -> np.ndarray:
        """Broadcast an array with labelled dimensions, possibly repeated labels, to ``letters``."""
        grids = np.indices([self.literal.size(i) for i in letters])
        return np.asarray(data[tuple(grids[letters.index(i)] for i in labels)])


def _name(entry: Expr) -> str:
    return str(entry.base.name if isinstance(entry, Indexed) else entry.name)


def _indices(entry: Expr) -> list[Idx]:
    return list(entry.indices) if isinstance(entry, Indexed) else []


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest error, relative to the largest entry where that is more than a little; entries that are not numbers
    are those of an array that the output does not need, outside of its domain."""
    found, expected = np.broadcast_arrays(found, expected)
    found, expected = found[~np.isnan(expected)], expected[~np.isnan(expected)]
    scale = float(np.max(np.abs(expected), initial=0.0))
    return float(np.max(np.abs(found - expected), initial=0.0)) / (scale + 1e-4)


def lines_at(record: Record, given: Mapping[str, Any], sizes: Mapping[str, int]) -> Lines:
    """The lines of a record at inputs of the loss; the program has integer labels as one-hot rows."""
    inputs: dict[str, Any] = {}
    for array, value in zip(record.program.inputs, given.values(), strict=True):
        is_labels = isinstance(value, np.ndarray) and value.dtype.kind == "i"
        inputs[array.name] = np.eye(sizes[array.axes[-1].name])[value] if is_labels else value
    return Lines(record, inputs, sizes)
