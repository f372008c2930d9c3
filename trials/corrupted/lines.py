"""A line of a record, and its corruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr, Indexed, Integer, Pow, Sum, Symbol, log
from sympy.tensor.indexed import Idx

from symgrad.notation import Axis, array_names, axis_name, bound_indices, free_indices
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Record, Step, Total, Value


@dataclass(frozen=True)
class Line:
    """A line of a record, by position."""

    record: Record
    place: int

    @property
    def step(self) -> Step:
        """The line itself."""
        return self.record.steps[self.place]

    @property
    def is_matrix(self) -> bool:
        """Whether the line is in matrix notation."""
        return isinstance(self.step.subject, (MatrixValue, MatrixTotal))

    @cached_property
    def letters(self) -> tuple[Idx, ...]:
        """The free indices of the subject of a line in index notation."""
        subject = self.step.subject
        if isinstance(subject, Value):
            found = free_indices(subject.expr)
        elif isinstance(subject, Partial):
            found = free_indices(subject.of) | free_indices(subject.wrt)
        else:
            found = free_indices(subject.wrt) if isinstance(subject, Total) else frozenset()
        return tuple(sorted(found, key=str))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the program."""
        return self.record.program.axes

    @cached_property
    def entries(self) -> tuple[Expr, ...]:
        """Entries that may stand in the line: those of its right side in its letters, then scalars; 1 if there are
        none."""
        after = self.step.after
        own = [e for e in after.atoms(Indexed) if free_indices(e) <= set(self.letters)]
        arrays = self.record.program.arrays
        scalars = [s for s in after.atoms(Symbol) if s.name in arrays and not arrays[s.name].axes]
        sums = [self.whole(array.name) for array in self.record.program.inputs if array.axes][:1]
        return tuple(sorted({*own, *scalars}, key=str)) + tuple(sums) or (Integer(1),)

    @cached_property
    def free(self) -> Expr:
        """An entry, or the sum of all entries, of an input that may be any real number."""
        program = self.record.program
        assumed = {name for assumption in program.assumptions for name in array_names(assumption.lhs)}
        inputs = [a.name for a in program.inputs if not a.positive and a.name not in assumed]
        parts = [p.base for e in program.ordered for p in e.rhs.atoms(Pow) if not (p.exp.is_Integer and p.exp > 0)]
        parts += [call.args[0] for e in program.ordered for call in e.rhs.atoms(log)]
        bound = {name for part in parts for name in array_names(part)}
        names = [name for name in inputs if name not in bound] or inputs
        own = [e for e in self.entries if not isinstance(e, Sum) and array_names(e) & set(names)]
        return own[0] if own else self.whole(names[0])

    def whole(self, name: str) -> Expr:
        """The sum of all entries of an array."""
        indices = self.fresh(name)
        entry = self.record.program.arrays[name][indices]
        return Sum(entry, *indices) if indices else entry

    def fresh(self, name: str, letter: str = "q") -> tuple[Idx, ...]:
        """Unused indices for the axes of an array."""
        return tuple(axis.index(f"{letter}{place}") for place, axis in enumerate(self.record.program.arrays[name].axes))

    def other(self, index: Idx) -> Idx:
        """An unused index over the same axis."""
        return Idx(f"r_{index.label}", index.upper + 1)

    @cached_property
    def sums(self) -> tuple[Sum, ...]:
        """The sums in the right side."""
        return tuple(sorted(self.step.after.atoms(Sum), key=str))

    def with_after(self, after: Expr) -> Step:
        """The line with another right side."""
        return replace(self.step, after=after)

    def indices_over(self, axis: str) -> list[Idx]:
        """The letters over an axis that occur in the right side, summed or free."""
        after = self.step.after
        found = set(free_indices(after)) | {i for s in after.atoms(Sum) for i in bound_indices(s)}
        return sorted((i for i in found if axis_name(i) == axis), key=str)


@dataclass(frozen=True)
class Corruption:
    """A replacement of a line; ``label`` describes the change.

    ``is_true``: whether the line is true for every shape and input; None if values decide.  ``is_tiny``: whether a
    false line is right in the digits that *numerically* compares.
    """

    label: str
    step: Step
    is_true: bool | None = None
    is_tiny: bool = False
