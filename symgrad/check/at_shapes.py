"""Compares lines with the values of their program: at a shape, at one size of an axis, at points far apart.

*Lemma.*  A line whose sides differ at a point where the program is defined is wrong.  A line whose sides agree is known
at these shapes, and at no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import factorial, prod

import numpy as np
from sympy import E, Function, Indexed, KroneckerDelta, NumberSymbol, Sum, Symbol, exp
from sympy.core.basic import Basic

from symgrad.budget import spend
from symgrad.check.analyticity import has_root
from symgrad.check.marks import Sizes, shown
from symgrad.check.normal_form.atoms import RESERVED
from symgrad.check.normal_form.translation import EXPANSIONS
from symgrad.check.numeric.evaluate import MOST_ENTRIES, widest
from symgrad.check.numeric.fields import DIGITS, Array, Field, FineReals, OutsideDomain, OutsideField, Reals, is_missing
from symgrad.check.numeric.instantiation import Instance
from symgrad.check.numeric.magnitudes import is_modest
from symgrad.check.numeric.true_values import ATTEMPTS, TrueValues
from symgrad.check.obligations import Claim
from symgrad.check.semantics import adjoint_names, meaning
from symgrad.equations import Assumption
from symgrad.functions import reciprocal, selection
from symgrad.matrix_functions import OF_MATRICES, det, inverse
from symgrad.notation import array_names, axis_name, bound_indices, name_of, parts_of
from symgrad.program import Program
from symgrad.steps import Record, Total, Value

SPREAD = 16
"""The number of points far apart at which a line is tried if nothing else decides it: every size with every sign."""

VALUES = "some values"
"""What ``Comparison.where`` returns for a line that is undefined at some points only."""

POINTS = 16
"""The number of further points of the field at which a line with roots must hold, since the field chooses the roots."""


System = type[Field] | type[Reals]


class Comparison:
    """Compares the two sides of lines of one record.  Lines share the values of the program at each of ``shapes``."""

    def __init__(self, record: Record) -> None:
        self.shapes = standard_shapes(record.program)
        self._record = record
        self._instances: dict[Sizes, Instance] = {}
        self._truths: dict[tuple[object, ...], TrueValues | None] = {}

    def compare(
        self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...], reals: bool = False, is_witness: bool = False
    ) -> System:
        """The number system in which the line holds at a shape.  Raises ``Refuted``, ``Undefined``, ``OutsideField``.

        With ``reals``, the sides must be equal in real arithmetic too: a prime field may choose another root, and the
        value of a comparison is one random bit there.  With ``is_witness``, a normal form must still prove the line, so
        no bound on its coefficients is needed.
        """
        equal_in_field = False
        with suppress(OutsideField, OutsideDomain):
            entry = differing_in(self._truth(shape, assumed, Field), claim)
            if entry is not None and is_represented(claim):
                raise Refuted(shape, _failing(claim, shape, entry))
            equal_in_field = entry is None and (is_witness or is_modest(claim.meaning, claim.after))
        if equal_in_field and not reals:
            return Field
        # The field does not know every relation between logarithms, so real arithmetic decides.
        try:
            entry = differing_in(self._truth(shape, assumed, Reals), claim)
            if entry is None or (entry := differing_in(self._truth(shape, assumed, FineReals), claim)) is None:
                return Field if equal_in_field else Reals
        except OutsideDomain:
            raise Undefined("it has no value where the program has one") from None
        raise Refuted(shape, _failing(claim, shape, entry))

    def _truth(
        self, shape: Sizes, assumed: tuple[Assumption, ...], system: System, point: int | None = None
    ) -> TrueValues:
        """The values of the program at a shape: at the first point where it has values, or at the given one."""
        key = (shape, assumed, system, point)
        if key not in self._truths:
            try:
                attempts = ATTEMPTS if point is None else 1
                self._truths[key] = TrueValues(
                    self._record, self.instance(shape), system, assumed, 2 * (point or 0), attempts
                )
            except OutsideField:
                self._truths[key] = None
        truth = self._truths[key]
        if truth is None:
            raise OutsideField("the program has no values in this number system")
        return truth

    def instance(self, shape: Sizes) -> Instance:
        """The program at a shape, cached.  Raises ``OutsideField`` if it has too many terms there."""
        if shape not in self._instances:
            if (count := terms(self._record.program, dict(shape))) > MOST_TERMS:
                raise OutsideField(f"the program has {count:,} terms at {shown(shape)}, more than {MOST_TERMS:,}")
            spend(count // 8)
            self._instances[shape] = Instance(self._record.program, dict(shape))
        return self._instances[shape]

    def where(self, claim: Claim, assumed: tuple[Assumption, ...], kind: type[Undefined] | type[OutsideField]) -> str:
        """The sizes at which a line is undefined ("C = 1"), or a shape if no axis alone is the cause, or "" if none.

        With the kind ``OutsideField``: the sizes at which the program or its derivative cannot be evaluated. ``VALUES``
        for a line that is undefined at some points only.  Raises ``Refuted``.
        """
        first = self.shapes[0]
        ones = (_resized(first, axis, 1) for axis, _ in first)
        ends = [shape for shape in (*ones, *self.shapes) if self._ends_in(kind, claim, shape, assumed)]
        if kind is Undefined and not all(self.is_never_defined(claim, shape, assumed) for shape in ends):
            return VALUES
        sizes = dict.fromkeys(size for shape in ends for size in shape if size not in first)
        alone = [size for size in sizes if self._ends_in(kind, claim, _resized(first, *size), assumed)]
        return " or ".join(f"{axis} = {size}" for axis, size in alone) if alone else "".join(map(shown, ends[:1]))

    def is_never_defined(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> bool:
        """Whether a line has no value at any of many points of a shape at which the program has values."""
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
        self, kind: type[Undefined] | type[OutsideField], claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]
    ) -> bool:
        """Whether a comparison at a shape raises an error of this kind."""
        try:
            self.compare(claim, shape, assumed)
        except (Undefined, OutsideField) as end:
            return isinstance(end, kind)
        return False

    def refute_far_away(self, claim: Claim, assumed: tuple[Assumption, ...]) -> None:
        """Raise ``Refuted`` if the sides differ at one of the points far apart, by more than rounding can explain."""
        shape = self.shapes[0]
        for point in range(SPREAD):
            try:
                fine = self._truth(shape, assumed, FineSpreadReals, point)
                if differing_in(fine, claim) is None:
                    continue
                finest = self._truth(shape, assumed, FinestSpreadReals, point)
                (left, right), (left_again, right_again) = _sides(fine, claim), _sides(finest, claim)
            except (OutsideDomain, OutsideField):
                continue
            differ = finest.evaluator.numbers.differ
            unequal = differ(left_again, right_again) & ~differ(left, left_again) & ~differ(right, right_again)
            if unequal.any():
                entry = tuple(int(i) for i in np.argwhere(unequal)[0])
                raise Refuted(shape, f"{_failing(claim, shape, entry)}, where {fine.point()}")


SCALES = ("1", "100", "10", "0.01")
"""The magnitudes of the numbers of ``FineSpreadReals``, in turn."""


class FineSpreadReals(Reals):
    """Real arithmetic at points far apart: small numbers, large numbers and both, of one sign and of both signs.

    Many more digits are carried and compared, since a false term may be as small as exp(-450).
    """

    carried = 6 * DIGITS
    compared = 4 * DIGITS

    def sample(self, shape: tuple[int, ...], positive: bool) -> Array:
        """Random entries; the seed decides their magnitudes and signs."""
        drawn, turn = super().sample(shape, True), self._seed // 2
        for position in np.ndindex(drawn.shape):
            size = self._random.choice(SCALES) if turn % 4 == 3 else SCALES[turn // 4 % len(SCALES)]
            is_negative = (False, True, self._random.random() < 0.5)[min(turn % 4, 2)]
            drawn[position] *= self._context.mpf(size) * (-1 if is_negative and not positive else 1)
        return drawn


class FinestSpreadReals(FineSpreadReals):
    """The same points with still more digits: where the two values differ, there is a rounding error."""

    carried = 8 * DIGITS


class Undefined(Exception):
    """A line has no value at a point where its subject has one."""


class Refuted(Exception):
    """A line is false at a shape."""

    def __init__(self, shape: Sizes, why: str) -> None:
        super().__init__(why)
        self.shape = shape


def _failing(claim: Claim, shape: Sizes, entry: tuple[int, ...]) -> str:
    """The message about a line that is false at an entry."""
    at = ", ".join(f"{i} = {value}" for i, value in zip(claim.letters, entry, strict=True))
    return f"refuted at {shown(shape)}" + (f", entry {at}" if at else "")


def _sides(truth: TrueValues, claim: Claim) -> tuple[Array, Array]:
    """The values of both sides of a line.

    A value needed only in branches is compared at the entries where it has a value.  Raises ``OutsideField`` if the
    program has no derivative, and ``OutsideDomain`` if only the right side has no value.
    """
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
    """The first entry at which the two sides differ in a number system, or None."""
    unequal = truth.evaluator.numbers.differ(*_sides(truth, claim))
    return tuple(int(i) for i in np.argwhere(unequal)[0]) if unequal.any() else None


def _resized(shape: Sizes, axis: str, size: int) -> Sizes:
    return tuple((name, size if name == axis else unchanged) for name, unchanged in shape)


SERIES = (
    (2, 4, 3, 5, 7, 6),
    (3, 2, 2, 4, 5, 3),
    (2, 3, 5, 4, 3, 2),
    (1, 1, 2, 3, 2, 4),
    (5, 3, 4, 2, 6, 3),
    (4, 5, 6, 3, 2, 5),
)
"""The sizes of the axes of a program in their order: (2, 4, 3) for the axes N, D and C in the first shape.

Every line is compared at the first shape, and a line that no normal form proves at all of them.  At the first four,
a factor such as 1 + (N-1)(N-2)(N-3) is 1; the last two reveal it.
"""

INVERTED = (3, 2, 3, 1, 2, 4)
"""The sizes of the axes of matrices that have an inverse, in these shapes, since cofactors are written out."""

MOST_TERMS = 100_000
"""A program written out entry by entry, with its derivatives, may have this many terms: sizes are reduced to fit."""


def standard_shapes(program: Program) -> tuple[Sizes, ...]:
    """The shapes for a program, without repetitions; the seventh axis has the size of the first, and so on."""
    inside = {axis.name for name in program.inverted for axis in program.arrays[name].axes}
    shapes = []
    for series, size in zip(SERIES, INVERTED, strict=True):
        sizes = {axis.name: series[i % len(series)] for i, axis in enumerate(program.axes)}
        shapes.append(_reduced(program, program.with_room(sizes | dict.fromkeys(inside, size))))
    return tuple(dict.fromkeys(tuple(sizes.items()) for sizes in shapes))


def _reduced(program: Program, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes with the largest reduced, step by step, until the program written out is small enough."""
    while max(sizes.values(), default=0) > 1 and (
        terms(program, sizes) > MOST_TERMS or widest(program, sizes) > MOST_ENTRIES
    ):
        largest = max(sizes, key=lambda name: sizes[name])
        sizes = {**sizes, largest: sizes[largest] - 1}
    return sizes


def terms(program: Program, sizes: Mapping[str, int]) -> int:
    """The number of terms of a program written out entry by entry: the definitions, the derivatives of each entry of a
    node with respect to the entries that it uses, and the deltas between the entries of one array."""
    sized = {name: prod(sizes[axis.name] for axis in array.axes) for name, array in program.arrays.items()}
    entries = sum(sized.values())
    short = {d.name: d for d in program.ordered if not d.is_node}

    def counted(expr: Basic) -> tuple[int, int]:
        """The number of entries that occur in an expression, and of its terms."""
        if isinstance(expr, (Indexed, Symbol)) or not expr.args:
            name = name_of(expr) if isinstance(expr, (Indexed, Symbol)) else ""
            return counted(short[name].rhs) if name in short else (1, 1)
        if isinstance(expr, OF_MATRICES):
            size = sizes[program.arrays[expr.matrix].axes[0].name]
            return size**2, size * factorial(size)
        times = prod(sizes[axis_name(i)] for i in bound_indices(expr)) if isinstance(expr, Sum) else 1
        times = sizes[axis_name(expr.args[1])] if isinstance(expr, selection) else times
        parts = [counted(arg) for arg in (expr.args[:1] if isinstance(expr, (Sum, selection)) else expr.args)]
        occurring = times * sum(part[0] for part in parts)
        return occurring, times * sum(part[1] for part in parts) + len(parts) * min(occurring, entries)

    used = {d.name: sum(sized[name] for name in program.uses(d.name)) if d.is_node else 0 for d in program.ordered}
    deltas = max(sized.values()) ** 2 // 2
    return deltas + sum(sized[d.name] * (counted(d.rhs)[1] + used[d.name]) for d in program.ordered)


REPRESENTED = {exp, KroneckerDelta, inverse, det, *EXPANSIONS} - {reciprocal}
"""The functions that a prime field represents; a reciprocal contains a comparison, which is a random bit there."""


def is_represented(claim: Claim) -> bool:
    """Whether a prime field represents a line and the definitions of all that it mentions, so that sides that differ
    there are different.

    Rational functions and exponentials obey in the field every relation that they obey anywhere.  Of logarithms, roots,
    other functions and numbers such as pi it knows too little: equal sides may differ there.
    """
    record, waiting, reached = claim.record, [claim.meaning, claim.after], set[str]()
    program, adjoints = record.program, adjoint_names(record)
    while waiting:
        expr = waiting.pop()
        if has_root(expr) or any(number != E for number in parts_of(expr, NumberSymbol)):
            return False
        if any(call.func not in REPRESENTED for call in parts_of(expr, Function)):
            return False
        for name in array_names(expr) - reached:
            if name in program.definitions:
                waiting.append(program.definitions[name].rhs)
            elif name in adjoints:
                axes = enumerate(program.arrays[adjoints[name]].axes)
                entry = program.arrays[adjoints[name]][tuple(axis.index(f"{RESERVED}v{i}") for i, axis in axes)]
                waiting.append(meaning(record, Total(entry)))
        reached |= array_names(expr)
    return True
