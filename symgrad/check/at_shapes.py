"""Compares lines with the values of their program: at a shape, at one size of an axis, at distant points.

A line that differs there is wrong.  A line that agrees is known at these shapes, and at no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import prod

import numpy as np
from sympy import E, Expr, Function, Indexed, KroneckerDelta, NumberSymbol, Sum, Symbol, exp
from sympy.core.basic import Basic

from symgrad.budget import spend
from symgrad.check.analyticity import has_root
from symgrad.check.marks import Sizes
from symgrad.check.normal_form.atoms import RESERVED
from symgrad.check.normal_form.translation import EXPANSIONS
from symgrad.check.numeric.fields import (
    Array,
    Field,
    FineReals,
    FineSpreadReals,
    FinestSpreadReals,
    OutsideDomain,
    OutsideField,
    Reals,
    is_missing,
)
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.magnitudes import is_modest
from symgrad.check.numeric.true_values import ATTEMPTS, TrueValues
from symgrad.check.obligations import Claim
from symgrad.check.semantics import adjoint_array, meaning
from symgrad.equations import Assumption
from symgrad.functions import selection
from symgrad.notation import array_names, axis_name, bound_indices, name_of
from symgrad.program import Program
from symgrad.steps import Record, Total, Value

SPREAD = 16
"""So many points far from each other are tried where nothing else decides a line: each size with all signs."""

VALUES = "some values"
"""Where a line is undefined that is so at some points alone."""

POINTS = 16
"""At so many more points of the field must a line with roots hold, the field having chosen them as it pleases."""


System = type[Field] | type[Reals]


class Comparison:
    """Compares the two sides of lines of one record, whose values lines share.  ``shapes`` are those of the record."""

    def __init__(self, record: Record) -> None:
        self.shapes = standard_shapes(record.program)
        self._record = record
        self._instances: dict[Sizes, Instance] = {}
        self._truths: dict[tuple[object, ...], TrueValues | None] = {}
        self._sight = Sight(record)

    def compare(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...], roots: bool = False) -> System:
        """The system that decides that the line holds at a shape.  Raises ``Refuted``, ``Undefined``, ``OutsideField``.

        With ``roots``, reals must find the sides equal as well: a prime field may have chosen another root.
        """
        equal_in_field = False
        with suppress(OutsideField, OutsideDomain):
            place = differing_in(self._truth(shape, assumed, Field), claim)
            if place is not None and self._sight.is_whole(claim):
                raise Refuted(shape, _failing(claim, shape, place))
            equal_in_field = place is None and is_modest(claim.meaning, claim.after)
        if equal_in_field and not roots:
            return Field
        # A relation between logarithms that the field does not see would be a false alarm: reals have the last word.
        try:
            place = differing_in(self._truth(shape, assumed, Reals), claim)
            if place is None or (place := differing_in(self._truth(shape, assumed, FineReals), claim)) is None:
                return Field if equal_in_field else Reals
        except OutsideDomain:
            raise Undefined("it has no value where the program has one") from None
        raise Refuted(shape, _failing(claim, shape, place))

    def _truth(
        self, shape: Sizes, assumed: tuple[Assumption, ...], system: System, place: int | None = None
    ) -> TrueValues:
        """The values of the program at a shape: at the first point where it has any, or at one of those far away."""
        key = (shape, assumed, system, place)
        if key not in self._truths:
            try:
                attempts = ATTEMPTS if place is None else 1
                self._truths[key] = TrueValues(
                    self._record, self.instance(shape), system, assumed, 2 * (place or 0), attempts
                )
            except OutsideField:
                self._truths[key] = None
        truth = self._truths[key]
        if truth is None:
            raise OutsideField("the program has no values in this number system")
        return truth

    def instance(self, shape: Sizes) -> Instance:
        """The program at a shape, which lines share."""
        if shape not in self._instances:
            if (count := terms(self._record.program, dict(shape))) > MOST_TERMS:
                raise OutsideField(f"the program has {count:,} terms at {shown(shape)}, more than {MOST_TERMS:,}")
            spend(count // 8)
            self._instances[shape] = Instance(self._record.program, dict(shape))
        return self._instances[shape]

    def where(self, claim: Claim, assumed: tuple[Assumption, ...], kind: type[Undefined] | type[OutsideField]) -> str:
        """The size at which the line (with ``OutsideField`` the program or its derivative) is undefined, or a shape
        where no axis alone is the cause.  Raises ``Refuted``."""
        first = self.shapes[0]
        ones = (_resized(first, axis, 1) for axis, _ in first)
        ends = [shape for shape in (*ones, *self.shapes) if self._ends_in(kind, claim, shape, assumed)]
        if kind is Undefined and not all(self.is_never_defined(claim, shape, assumed) for shape in ends):
            return VALUES
        sizes = dict.fromkeys(size for shape in ends for size in shape if size not in first)
        alone = [size for size in sizes if self._ends_in(kind, claim, _resized(first, *size), assumed)]
        return " or ".join(f"{axis} = {size}" for axis, size in alone) if alone else "".join(map(shown, ends[:1]))

    def is_never_defined(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> bool:
        """Whether a line has no value at a shape at any of many points where the program has one."""
        for seed in range(2 * POINTS):
            try:
                TrueValues(self._record, self.instance(shape), Reals, assumed, seed).values(claim.after, claim.letters)
            except OutsideDomain:
                continue
            except OutsideField:
                pass
            return False
        return True

    def _ends_in(
        self,
        kind: type[Undefined] | type[OutsideField],
        claim: Claim,
        shape: Sizes,
        assumed: tuple[Assumption, ...],
    ) -> bool:
        try:
            self.compare(claim, shape, assumed)
        except (Undefined, OutsideField) as end:
            return isinstance(end, kind)
        return False

    def refute_far_away(self, claim: Claim, assumed: tuple[Assumption, ...]) -> None:
        """Raise ``Refuted`` where the sides differ, at a point of some spread widely, by more than any rounding."""
        shape = self.shapes[0]
        for place in range(SPREAD):
            try:
                fine = self._truth(shape, assumed, FineSpreadReals, place)
                if differing_in(fine, claim) is None:
                    continue
                finest = self._truth(shape, assumed, FinestSpreadReals, place)
                (left, right), (left_again, right_again) = _sides(fine, claim), _sides(finest, claim)
            except (OutsideDomain, OutsideField):
                continue
            differ = finest.evaluator.numbers.differ
            unequal = differ(left_again, right_again) & ~differ(left, left_again) & ~differ(right, right_again)
            if unequal.any():
                at = tuple(int(i) for i in np.argwhere(unequal)[0])
                raise Refuted(shape, f"{_failing(claim, shape, at)}, where {fine.point()}")


class Undefined(Exception):
    """A line has no value where its subject has one."""


class Refuted(Exception):
    """A line does not hold at a shape."""

    def __init__(self, shape: Sizes, why: str) -> None:
        super().__init__(why)
        self.shape = shape


def _failing(claim: Claim, shape: Sizes, place: tuple[int, ...]) -> str:
    """What is said of a line that fails at an entry."""
    at = ", ".join(f"{i} = {value}" for i, value in zip(claim.letters, place, strict=True))
    return f"refuted at {shown(shape)}" + (f", entry {at}" if at else "")


def _sides(truth: TrueValues, claim: Claim) -> tuple[Array, Array]:
    """Both sides of a line; ``OutsideField`` where the program has no derivative, whatever the line says.  A value that
    is needed in branches alone is compared where it has one."""
    if isinstance(claim.subject, Value):
        with truth.evaluator.numbers.tolerant():
            meaning, after = truth.meaning(claim.subject, claim.letters), truth.values(claim.after, claim.letters)
        levels = min(len(meaning), len(after))
        meaning, after = meaning[:levels], after[:levels]
        gaps = is_missing(meaning)
        if gaps.all():
            raise OutsideField("it has no value there")
        if (is_missing(after) & ~gaps).any():
            raise OutsideDomain("a side has no value")
        return np.where(gaps, 0, meaning), np.where(gaps, 0, after)
    try:
        meaning = truth.meaning(claim.subject, claim.letters)
    except OutsideDomain as why:
        raise OutsideField(f"the program has no derivative there: {why}") from None
    return meaning, truth.values(claim.after, claim.letters)


def differing_in(truth: TrueValues, claim: Claim) -> tuple[int, ...] | None:
    """An entry where the two sides differ in one number system, or None."""
    unequal = truth.evaluator.numbers.differ(*_sides(truth, claim))
    return tuple(int(i) for i in np.argwhere(unequal)[0]) if unequal.any() else None


def _resized(shape: Sizes, axis: str, size: int) -> Sizes:
    return tuple((other, size if other == axis else own) for other, own in shape)


def shown(shape: Sizes) -> str:
    """A shape as it is printed."""
    return "(" + ", ".join(f"{axis}={size}" for axis, size in shape) + ")"


SERIES = (
    (2, 4, 3, 5, 7, 6),
    (3, 2, 2, 4, 5, 3),
    (2, 3, 5, 4, 3, 2),
    (1, 1, 2, 3, 2, 4),
    (5, 3, 4, 2, 6, 3),
    (4, 5, 6, 3, 2, 5),
)
"""Sizes for the axes of a program in their order; (2, 4, 3) and so on for the axes N, D and C.

The first is that of the second witness, the others try a line that no normal form proves: the last two because a
factor such as 1 + (N-1)(N-2)(N-3) hides from the rest.
"""


MOST_TERMS = 100_000
"""Of a program written out entry by entry, its derivatives with it: sizes at which there are more are lessened."""


def standard_shapes(program: Program) -> tuple[Sizes, ...]:
    """The shapes for a program, each once; axes beyond the sixth begin again from the first."""
    shapes = ({axis.name: series[place % len(series)] for place, axis in enumerate(program.axes)} for series in SERIES)
    return tuple(dict.fromkeys(tuple(_lessened(program, shape).items()) for shape in shapes))


def _lessened(program: Program, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes, the largest made smaller one by one until the program written out is small enough."""
    while max(sizes.values(), default=0) > 1 and terms(program, sizes) > MOST_TERMS:
        largest = max(sizes, key=lambda name: sizes[name])
        sizes = {**sizes, largest: sizes[largest] - 1}
    return sizes


def terms(program: Program, sizes: Mapping[str, int]) -> int:
    """How many terms the definitions have when they are written out entry by entry, and their derivatives with them:
    of each entry of a node by those of the arrays that it uses, and of the deltas between the entries of one array."""
    sized = {name: prod(sizes[axis.name] for axis in array.axes) for name, array in program.arrays.items()}
    entries = sum(sized.values())
    short = {d.name: d for d in program.ordered if not d.is_node}

    def counted(expr: Basic) -> tuple[int, int]:
        """The entries that occur, and the terms."""
        if isinstance(expr, (Indexed, Symbol)) or not expr.args:
            name = name_of(expr) if isinstance(expr, (Indexed, Symbol)) else ""
            return counted(short[name].rhs) if name in short else (1, 1)
        times = prod(sizes[axis_name(i)] for i in bound_indices(expr)) if isinstance(expr, Sum) else 1
        times = sizes[axis_name(expr.args[1])] if isinstance(expr, selection) else times
        parts = [counted(arg) for arg in (expr.args[:1] if isinstance(expr, (Sum, selection)) else expr.args)]
        occurring = times * sum(part[0] for part in parts)
        return occurring, times * sum(part[1] for part in parts) + len(parts) * min(occurring, entries)

    by = {d.name: sum(sized[name] for name in program.uses(d.name)) if d.is_node else 0 for d in program.ordered}
    deltas = max(sized.values()) ** 2 // 2
    return deltas + sum(sized[d.name] * (counted(d.rhs)[1] + by[d.name]) for d in program.ordered)


SEEN = {exp, KroneckerDelta, *EXPANSIONS}


class Sight:
    """What a prime field sees of the lines of one record: where it sees all of a line, sides that differ there are
    different.

    A field knows too little of logarithms, roots, functions that are not taken apart and numbers such as pi: equal
    sides may differ there.  Rational functions and exponentials obey every relation there that they obey anywhere.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._adjoints = {adjoint_array(record, name).name: name for name in record.program.arrays}
        self._known: dict[str, bool] = {}

    def is_whole(self, claim: Claim) -> bool:
        """Whether nothing in a line, or in the values of what it mentions, is hidden from a prime field."""
        return self._sees(claim.meaning) and self._sees(claim.after)

    def _sees(self, expr: Expr) -> bool:
        return not _is_hidden(expr) and all(map(self._sees_array, array_names(expr)))

    def _sees_array(self, name: str) -> bool:
        if name not in self._known:
            program = self._record.program
            if name in program.definitions:
                self._known[name] = self._sees(program.definitions[name].rhs)
            elif name in self._adjoints:
                array = program.arrays[self._adjoints[name]]
                entry = array[tuple(axis.index(f"{RESERVED}v{place}") for place, axis in enumerate(array.axes))]
                self._known[name] = self._sees(meaning(self._record, Total(entry)))
            else:
                self._known[name] = True
        return self._known[name]


def _is_hidden(expr: Basic) -> bool:
    hidden = any(call.func not in SEEN for call in expr.atoms(Function))
    return hidden or has_root(expr) or any(number != E for number in expr.atoms(NumberSymbol))
