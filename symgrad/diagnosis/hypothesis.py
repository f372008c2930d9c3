"""A hypothesis about a mistake predicts the gradients at a comparison point: random inputs, with the arrays and the
proved gradients there, and the gradients that follow if a line, an equation or a Jacobian is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from sympy import Expr
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.engine.derive import derive_record
from symgrad.errors import SymgradError
from symgrad.facts import probabilities, takes_labels
from symgrad.gradcheck.slopes import largest
from symgrad.notation import array_names, indices_of
from symgrad.program import Program
from symgrad.render.text import name_text
from symgrad.sampling import SamplePoint
from symgrad.sampling.autodiff import Arrays, evaluator, forward
from symgrad.steps import Partial, Record, Step, Total, Value

LAST, HARD = "_last", "_hard"
"""Prefixes of auxiliary arrays: the indicator of the last entry of an axis, and an array computed from hard labels."""
Words = str | Callable[[], str]
"""A text, or a function that returns it: few hypotheses are ever shown, and formatting takes time."""
Predict = Callable[["ComparisonPoint"], Mapping[str, np.ndarray]]

derived = lru_cache(maxsize=64)(derive_record)  # derivations of edited programs are kept for the next candidate


@dataclass(frozen=True)
class Hypothesis:
    """A mistake of a ``kind`` (a key of ``mistakes.KINDS``), described by ``words``; cheap hypotheses rank first.

    ``predict`` returns the gradients at a point, and may return other adjoints too.  It raises ``NotApplicable`` if the
    mistake is impossible there.  ``line`` is the number of the first wrong line of the derivation (or of the derivation
    ``of``, if given), and ``yours`` is what the candidate would have in its place.
    """

    kind: str
    cost: float
    predict: Predict
    line: int | None
    words: Words
    yours: Callable[[], str] = str
    of: Record | None = None


class NotApplicable(SymgradError):
    """A hypothesis predicts nothing at a point; for example, a matrix that is not square cannot be transposed in
    place."""


@dataclass(frozen=True, eq=False)
class ComparisonPoint(SamplePoint):
    """Inputs of given sizes, with the arrays and the proved gradients of a record at these inputs."""

    record: Record
    _dependents: dict[str, tuple[Evaluator, list[str]]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, record: Record, sizes: Mapping[str, int], inputs: Arrays) -> ComparisonPoint:
        """The point of a record with these inputs."""
        return cls(record.program, record.wrt, sizes, inputs, record)

    def at(self, **inputs: np.ndarray) -> ComparisonPoint:
        """The point with other values of some inputs."""
        return replace(self, inputs={**self.inputs, **inputs})

    @cached_property
    def lines(self) -> dict[str, Step]:
        """The ``adjoint_lines`` of the record."""
        return adjoint_lines(self.record)

    @cached_property
    def adjoints(self) -> dict[str, np.ndarray]:
        """The proved adjoint of every intermediate and input, computed by the lines of the record."""
        return self.adjoints_by(self.values)

    @property
    def truth(self) -> dict[str, np.ndarray]:
        """The proved gradients."""
        return {name: self.adjoints[name] for name in self.record.wrt}

    @cached_property
    def noise(self) -> dict[str, float]:
        """For each gradient, the difference between the lines and the raw chain rule; smaller values may be
        rounding."""
        return {name: largest(value - self.gradients[name]) for name, value in self.truth.items()}

    @cached_property
    def _known(self) -> Evaluator:
        named = {self.record.adjoint_arrays[name].name: value for name, value in self.adjoints.items()}
        return evaluator(self.program, self.sizes, {**self._last_entries, **self._hardened, **self.values, **named})

    @cached_property
    def _hardened(self) -> dict[str, np.ndarray]:
        """Every array that depends on soft labels, recomputed from hard labels, with ``HARD`` before its name."""
        soft = [a.name for a in self.program.inputs if a.axes and takes_labels(self.record, a)]
        values = forward(self.program, self.sizes, {**self.inputs, **{n: hardened(self.inputs[n]) for n in soft}})
        dependent = {n for n in self.program.arrays if n in soft or self.program.ancestors[n] & set(soft)}
        return {HARD + name: values[name] for name in dependent if name != self.program.output}

    @cached_property
    def _last_entries(self) -> dict[str, np.ndarray]:
        """For each axis an array that is 1 at the last entry and 0 elsewhere: a sum times this array is its last
        term."""
        return {LAST + axis: np.eye(size)[-1] for axis, size in self.sizes.items()}

    def value_of(self, expr: Expr, letters: tuple[Idx, ...]) -> np.ndarray:
        """The value of an expression in the arrays and the proved adjoints, with one axis for each of ``letters``."""
        if missing := array_names(expr) - self._known.values.keys() - self.sizes.keys():
            raise NotApplicable(f"unknown arrays: {', '.join(missing)}")
        return np.asarray(self._known.over(expr, letters)[0])

    def adjoints_by(self, values: Arrays) -> dict[str, np.ndarray]:
        """The adjoints by the lines of the record, with ``values`` as the arrays of the forward pass."""
        evaluate = evaluator(self.program, self.sizes, {**self._last_entries, **values})
        return {name: self._by_line(name, evaluate) for name in self.lines}

    def adjoints_with(self, name: str, value: np.ndarray) -> dict[str, np.ndarray]:
        """The adjoints by the lines of the record if the adjoint of ``name`` is ``value``."""
        known, later = self._without(name)
        evaluate = known.without(frozenset())
        evaluate.values[self.record.adjoint_arrays[name].name] = np.asarray(value, dtype=float)[None]
        return {**self.adjoints, name: value, **{other: self._by_line(other, evaluate) for other in later}}

    def _by_line(self, name: str, evaluate: Evaluator) -> np.ndarray:
        """An adjoint by its line; the evaluator has it for later lines."""
        step = self.lines[name]
        value = np.asarray(evaluate.over(step.after, letters_of(step))[0])
        evaluate.values[self.record.adjoint_arrays[name].name] = np.asarray(value, dtype=float)[None]
        return value

    def _without(self, name: str) -> tuple[Evaluator, list[str]]:
        """An evaluator without the adjoint of an array and the adjoints that depend on it, and the names of the
        latter."""
        if name not in self._dependents:
            arrays, later = self.record.adjoint_arrays, []
            stale = {arrays[name].name}
            for other, step in self.lines.items():
                if other != name and array_names(step.after) & stale:
                    later.append(other)
                    stale.add(arrays[other].name)
            self._dependents[name] = self._known.without(stale), later
        return self._dependents[name]


def hardened(value: np.ndarray) -> np.ndarray:
    """Hard labels: 1 at the largest entry of each row, 0 elsewhere."""
    return np.asarray(np.eye(value.shape[-1])[value.argmax(axis=-1)])


# --- the lines of a record --------------------------------------------------------------------------------------------


def adjoint_lines(record: Record) -> dict[str, Step]:
    """For each intermediate and input, latest first, the last line that expresses its adjoint by later adjoints."""
    names = {record.adjoints[name].entry: name for name in record.adjoints}
    lines = {names[s.subject.wrt]: s for s in record.steps if isinstance(s.subject, Total) and s.rule != "close"}
    return {name: lines[name] for name in record.adjoints}


def letters_of(step: Step) -> tuple[Idx, ...]:
    """The indices of the entry in a line about an adjoint."""
    assert isinstance(step.subject, Total)
    return indices_of(step.subject.wrt)


def definition_line(record: Record, name: str) -> int | None:
    """The number of the line that states the equation of an array."""
    entry = record.program.definitions[name].entry
    return next((s.number for s in record.steps if s.subject == Value(entry) and s.rule == "definition"), None)


def derivative_line(record: Record, name: str) -> int | None:
    """The number of the first line that differentiates the equation of an array, or for an abbreviation, an equation
    that contains it."""
    wanted = {name, *_containing(record.program, name)}
    for step in record.steps:
        if isinstance(step.subject, Partial) and wanted & array_names(step.subject.of):
            return step.number
    return None


def _containing(program: Program, name: str) -> set[str]:
    """The arrays with an adjoint whose equations contain an abbreviation, directly or through another one."""
    if program.definitions[name].is_node:
        return {name}
    users = (d.name for d in program.ordered if name in array_names(d.rhs))
    return set[str]().union(*(_containing(program, user) for user in users))


def first_use(record: Record, name: str) -> int | None:
    """The number of the first line with an array on its right side."""
    return next((s.number for s in record.steps if name in array_names(s.after)), None)


def probability_text(program: Program, name: str) -> str:
    """The words "the softmax P" or "the logistic function S" for an array of probabilities; "" for other arrays."""
    for p in probabilities(program):
        if p.name == name:
            return f"the {'softmax' if p.over is not None else 'logistic function'} {name_text(name)}"
    return ""


def text_of(words: Words) -> str:
    return words if isinstance(words, str) else words()
