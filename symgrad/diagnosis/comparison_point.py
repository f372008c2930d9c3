"""One random point at which gradients are compared: the arrays there, the proved gradient, and what it would be if
a line, an equation or a Jacobian were another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sympy import Expr
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.errors import SymgradError
from symgrad.facts import takes_labels
from symgrad.notation import array_names, indices_of
from symgrad.program import Program
from symgrad.sampling import SamplePoint
from symgrad.sampling.autodiff import Arrays, Tape, evaluator, forward
from symgrad.steps import Record, Step, Total

LAST, HARD = "_last", "_hard"


class NotHere(SymgradError):
    """A hypothesis says nothing at a point: a matrix that is not square is not turned, and what no labels go into is
    not changed by hard ones."""


def adjoint_lines(record: Record) -> dict[str, Step]:
    """For each array on the way, latest first, the line that gives its adjoint in those of the arrays after it."""
    lines: dict[str, list[Step]] = {name: [] for name in record.adjoints}
    names = {record.adjoints[name].entry: name for name in record.adjoints}
    for step in record.steps:
        if isinstance(step.subject, Total) and step.rule != "close":
            lines[names[step.subject.wrt]].append(step)
    return {name: steps[-1] for name, steps in lines.items()}


@dataclass(frozen=True, eq=False)
class Bench:
    """A record at inputs of given sizes."""

    record: Record
    sizes: Mapping[str, int]
    inputs: Arrays
    _apart: dict[str, tuple[Evaluator, list[str]]] = field(default_factory=dict, init=False, repr=False)

    def at(self, **inputs: np.ndarray) -> Bench:
        """The same record at other values of some inputs."""
        return Bench(self.record, self.sizes, {**self.inputs, **inputs})

    @cached_property
    def lines(self) -> dict[str, Step]:
        """For each array on the way, latest first, the line that gives its adjoint."""
        return adjoint_lines(self.record)

    @property
    def program(self) -> Program:
        """The program of the record."""
        return self.record.program

    @cached_property
    def spot(self) -> SamplePoint:
        """The inputs as a point of the program."""
        return SamplePoint(self.program, self.record.wrt, self.sizes, self.inputs)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Every array by the forward equations."""
        return self.spot.values

    @cached_property
    def adjoints(self) -> dict[str, np.ndarray]:
        """The proved adjoint of every array on the way, by the lines of the record."""
        return self.adjoints_by(self.values)

    @property
    def truth(self) -> dict[str, np.ndarray]:
        """The proved gradients."""
        return {name: self.adjoints[name] for name in self.record.wrt}

    @cached_property
    def noise(self) -> dict[str, float]:
        """The difference between the gradients by the lines and by the raw chain rule: less than that may be 0."""
        raw = self.tape.adjoints()
        return {n: float(np.abs(value - raw[n]).max(initial=0.0)) for n, value in self.truth.items()}

    @cached_property
    def _known(self) -> Evaluator:
        named = {self.record.adjoint_arrays[name].name: value for name, value in self.adjoints.items()}
        return evaluator(self.program, self.sizes, {**self.own, **self.hard, **self.values, **named})

    @cached_property
    def hard(self) -> dict[str, np.ndarray]:
        """Every array that depends on soft labels, by its name with ``HARD`` before it, as it is at hard ones."""
        soft = [a.name for a in self.program.inputs if a.axes and takes_labels(self.record, a)]
        hard = {name: hardened(self.inputs[name]) for name in soft}
        found = forward(self.program, self.sizes, {**self.inputs, **hard})
        below = {n for n in self.program.arrays if n in soft or self.program.ancestors[n] & set(soft)}
        return {HARD + name: found[name] for name in below if name != self.program.output}

    @cached_property
    def own(self) -> dict[str, np.ndarray]:
        """For each axis an array that is 1 at its last entry alone: sums times it are their last terms."""
        return {LAST + axis: np.eye(size)[-1] for axis, size in self.sizes.items()}

    def known(self, expr: Expr, letters: tuple[Idx, ...]) -> np.ndarray:
        """The value of an expression in arrays and adjoints of the proved derivation."""
        if missing := array_names(expr) - self._known.values.keys() - self.sizes.keys():
            raise NotHere(f"{', '.join(missing)} is no array here")
        return np.asarray(self._known.over(expr, letters)[0])

    def adjoints_by(self, values: Arrays) -> dict[str, np.ndarray]:
        """The adjoints that the lines of the record give for forward ``values``."""
        evaluate = evaluator(self.program, self.sizes, {**self.own, **values})
        return {name: self._by_line(name, evaluate) for name in self.lines}

    def adjoints_with(self, name: str, value: np.ndarray) -> dict[str, np.ndarray]:
        """The adjoints if that of one array were another."""
        known, later = self._apart_from(name)
        evaluate = known.without(frozenset())
        evaluate.values[self.record.adjoint_arrays[name].name] = np.asarray(value, dtype=float)[None]
        return {**self.adjoints, name: value, **{other: self._by_line(other, evaluate) for other in later}}

    def _by_line(self, name: str, evaluate: Evaluator) -> np.ndarray:
        """An adjoint by its line, which those after it then use."""
        step = self.lines[name]
        value = evaluate.over(step.after, letters_of(step))[0]
        evaluate.values[self.record.adjoint_arrays[name].name] = np.asarray(value, dtype=float)[None]
        return np.asarray(value)

    def _apart_from(self, name: str) -> tuple[Evaluator, list[str]]:
        """What is known without the adjoint of an array, and the adjoints that depend on it."""
        if name not in self._apart:
            arrays, later = self.record.adjoint_arrays, []
            stale = {arrays[name].name}
            for other, step in self.lines.items():
                if other != name and array_names(step.after) & stale:
                    later.append(other)
                    stale.add(arrays[other].name)
            self._apart[name] = self._known.without(stale), later
        return self._apart[name]

    @property
    def tape(self) -> Tape:
        """The derivative of every equation by every array that it uses."""
        return self.spot.tape


def letters_of(step: Step) -> tuple[Idx, ...]:
    """The indices of the entry that a line about an adjoint differentiates by."""
    assert isinstance(step.subject, Total)
    return indices_of(step.subject.wrt)


def hardened(value: np.ndarray) -> np.ndarray:
    """Labels that are 1 at the largest entry of each row and 0 elsewhere."""
    return np.asarray(np.eye(value.shape[-1])[value.argmax(axis=-1)])
