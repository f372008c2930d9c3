"""The driver of the proof: every line evaluated at a shape, then proved by the strongest mechanism that applies."""

from __future__ import annotations

from itertools import combinations
from math import prod

import numpy as np
from sympy import Expr, Function

from symgrad.check.atoms import NoNormalForm
from symgrad.check.claims import Choice, Claim, Senseless, claims, is_definition
from symgrad.check.divisors import Divisors
from symgrad.check.everyshape import Closed, NormalFormProver
from symgrad.check.exactlines import ExactLines
from symgrad.check.fields import Field, OutsideDomain, OutsideField, Reals
from symgrad.check.grid import tried_on_grid
from symgrad.check.instantiate import Instance
from symgrad.check.marks import Level, Mark, ProofReport, Sizes
from symgrad.check.meaning import adjoint_array, name_of
from symgrad.check.shapes import standard_shapes
from symgrad.check.truth import Truth
from symgrad.equations import Assumption
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS
from symgrad.notation import array_names, canonical, renamed
from symgrad.steps import Gradient, MatrixTotal, Record, Total

MOST_EXACT = 24
"""Exact arithmetic is tried at shapes whose sizes have a product of at most this."""


def prove(record: Record) -> ProofReport:
    """The verdict on every line of a record, and on whether its closed forms are those of its lines."""
    prover = Prover(record)
    marks = tuple(prover.mark(c) if isinstance(c, Claim) else _without_claim(c) for c in claims(record))
    return ProofReport(
        marks, (*_unstated(record, "gradient", record.gradients), *_unstated(record, "adjoint", record.adjoints))
    )


def _without_claim(line: Choice | Senseless) -> Mark:
    if isinstance(line, Choice):
        return Mark(line.step.number, Level.DEFINITION, "a number of one's own choice: the lines hold for any")
    return Mark(line.step.number, Level.WRONG, line.why)


class Prover:
    """Proves the lines of one record, in order: a line may rest on closed forms that earlier lines state."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._shapes = standard_shapes(record.program)
        self._instances: dict[Sizes, Instance] = {}
        self._truths: dict[tuple[object, ...], Truth | None] = {}
        self._closed: dict[str, list[Closed]] = {}
        self._marks: dict[int, Mark] = {}
        self._by_normal_form = NormalFormProver(record)
        self._divisors = Divisors(record.program)
        self._has_kinks = any(has_kink(definition.rhs) for definition in record.program.ordered)

    def mark(self, claim: Claim) -> Mark:
        """The verdict on one line, on which later lines may rest."""
        mark = self.verdict(claim)
        self._marks[mark.number] = mark
        if mark.ok and isinstance(claim.subject, Total):
            self._close(claim.subject.wrt, claim.after, mark)
        return mark

    def _close(self, wrt: Expr, after: Expr, mark: Mark) -> None:
        """Keep a closed form, if it is in adjoints of later arrays alone: writing adjoints out then comes to an end."""
        name, rank = name_of(wrt), self._record.program.rank
        earlier = {adjoint_array(self._record, other).name for other in rank if rank[other] <= rank[name]}
        if not array_names(after) & earlier:
            array = adjoint_array(self._record, name)
            entry = array[wrt.indices] if array.axes else array.base
            closed = Closed(mark.number, (entry, after), frozenset(mark.assumptions))
            self._closed.setdefault(array.name, []).append(closed)

    def verdict(self, claim: Claim) -> Mark:
        """The verdict on one line, which later lines will not rest on."""
        number = claim.step.number
        if is_definition(claim):
            return Mark(number, Level.DEFINITION, "a forward equation of the program")
        if (divisor := self._divisors.unknown(claim.after, claim.step.conditions)) is not None:
            return Mark(number, Level.UNPROVED, f"nothing says that {divisor} is not zero, by which the line divides")
        try:
            assumed, system = self._needed(claim)
        except Refuted as refuted:
            return Mark(number, Level.WRONG, str(refuted), (refuted.shape,))
        except (OutsideField, NoNormalForm, UnsupportedError) as why:
            return Mark(number, Level.UNPROVED, f"it could not be evaluated: {why}")
        for given in dict.fromkeys((assumed, claim.allowed) if any(a.is_one_hot for a in assumed) else (assumed,)):
            keys = tuple(a.key for a in given)
            if (proof := self._by_normal_form.prove(claim, self._usable(keys), given)) is None:
                continue
            level, shapes = self._weakest(Level.EVERY_SHAPE, proof.lines)
            detail = f"equal normal forms; a second witness at {shown(self._shapes[0])}"
            written = tuple(name for name in self._record.program.rank if name in proof.names)
            return Mark(number, level, detail, shapes or self._shapes[:1], None, keys, proof.lines, written)
        return self._at_shapes(claim, assumed, system)

    def _usable(self, assumed: tuple[str, ...]) -> dict[str, Closed]:
        """The latest closed form of each adjoint whose assumptions are among those given."""
        found = {}
        for adjoint, forms in self._closed.items():
            for form in forms:
                if form.assumptions <= set(assumed):
                    found[adjoint] = form
        return found

    def _weakest(self, level: Level, lines: tuple[int, ...]) -> tuple[Level, tuple[Sizes, ...]]:
        """The level of a proof that rests on lines, and the shapes to which these are confined."""
        used = [self._marks[number] for number in lines]
        weakest = max([level, *(mark.level for mark in used)])
        return weakest, next((mark.shapes for mark in used if mark.level == weakest > level), ())

    # --- evaluation -------------------------------------------------------------------------------------------

    def _needed(self, claim: Claim) -> tuple[tuple[Assumption, ...], type[Field] | type[Reals]]:
        """The fewest assumptions under which the line holds at the first shape, and where it was evaluated.

        Raises ``Refuted`` where there are none.
        """
        shape = self._shapes[0]
        first: Refuted | None = None
        for count in range(len(claim.allowed) + 1):
            for assumed in combinations(claim.allowed, count):
                system, place = self._compare(claim, shape, assumed)
                if place is None:
                    return assumed, system
                first = first or Refuted(shape, place, claim, "")
        missing = tuple(a for a in self._record.program.assumptions if a not in claim.allowed)
        if missing and self._compare(claim, shape, (*claim.allowed, *missing))[1] is None:
            named = " and ".join(a.key for a in missing)
            raise Refuted(shape, (), claim, f"it holds only under {named}, which neither it nor what it cites uses")
        assert first is not None
        raise first

    def _compare(
        self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]
    ) -> tuple[type[Field] | type[Reals], tuple[int, ...] | None]:
        """The system that decided whether the line holds at a shape, and an entry where it does not."""
        try:
            if self._differing(claim, shape, assumed, Field) is None:
                return Field, None
        except (OutsideField, OutsideDomain):
            pass
        # A relation between logarithms that the field does not see would be a false alarm: reals have the last word.
        try:
            return Reals, self._differing(claim, shape, assumed, Reals)
        except OutsideDomain as why:
            raise Refuted(shape, (), claim, f"not defined where the program is, at {shown(shape)}: {why}") from None

    def _differing(
        self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...], system: type[Field] | type[Reals]
    ) -> tuple[int, ...] | None:
        """An entry where the two sides differ in one number system, or None."""
        truth = self._truth(shape, assumed, system)
        left, right = truth.meaning(claim.subject, claim.letters), truth.values(claim.after, claim.letters)
        unequal = truth.evaluator.numbers.differ(left, right)
        return tuple(int(i) for i in np.argwhere(unequal)[0]) if unequal.any() else None

    def _truth(self, shape: Sizes, assumed: tuple[Assumption, ...], system: type[Field] | type[Reals]) -> Truth:
        key = (shape, assumed, system)
        if key not in self._truths:
            try:
                self._truths[key] = Truth(self._record, self._instance(shape), system, assumed)
            except OutsideField:
                self._truths[key] = None
        truth = self._truths[key]
        if truth is None:
            raise OutsideField("the program has no values in this number system")
        return truth

    def _instance(self, shape: Sizes) -> Instance:
        """The program at a shape, which lines share."""
        if shape not in self._instances:
            self._instances[shape] = Instance(self._record.program, dict(shape))
        return self._instances[shape]

    def _at_shapes(self, claim: Claim, assumed: tuple[Assumption, ...], system: type[Field] | type[Reals]) -> Mark:
        """The verdict on a line that no normal form proves."""
        keys, number = tuple(a.key for a in assumed), claim.step.number
        systems, shapes = {system}, self._shapes[:1]
        for shape in self._shapes[1:]:
            try:
                used, place = self._compare(claim, shape, assumed)
            except OutsideField:  # the program has no values there, as that of a deviation of a single row
                continue
            systems.add(used)
            shapes = (*shapes, shape)
            if place is not None:
                return Mark(number, Level.WRONG, str(Refuted(shape, place, claim, "")), (shape,))
        if any(a.is_one_hot for a in assumed):
            return Mark(number, Level.UNPROVED, "no normal form proves it, and a few labels decide nothing")
        grid = None if assumed else tried_on_grid(claim)
        if grid and grid.unequal and (place := self._place_on_grid(claim, grid.unequal, assumed)) is not None:
            return Mark(number, Level.WRONG, str(Refuted(grid.unequal, place, claim, "")), (grid.unequal,))
        if grid and not grid.unequal:
            tried = ", ".join(f"{axis} = {sizes[0]}..{sizes[-1]}" for axis, sizes in grid.sizes.items())
            return Mark(number, Level.EVERY_SHAPE_RANDOMISED, f"the grid {tried}", shapes, grid.error_bound, keys)
        exact = tuple(shape for shape in shapes if _is_small(shape) and self._exact(claim, shape, assumed))
        if exact:
            return Mark(number, Level.EXACT_AT_SHAPES, "exact arithmetic, entry by entry", exact, None, keys)
        if systems == {Field}:
            return Mark(number, Level.RANDOMISED_AT_SHAPES, Field.words, shapes, None, keys)
        if self._has_kinks or has_kink(claim.after):
            return Mark(number, Level.UNPROVED, "equal at random points, which do not meet the kinks", shapes)
        return Mark(number, Level.NUMERICAL, Reals.words, shapes, None, keys)

    def _place_on_grid(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> tuple[int, ...] | None:
        """An entry where the line fails at a shape of the grid; None also where the program has no values there."""
        try:
            return self._compare(claim, shape, assumed)[1]
        except OutsideField:
            return None

    def _exact(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> bool:
        return ExactLines(self._record, self._instance(shape), assumed).holds(claim)


class Refuted(Exception):
    """A line does not hold at a shape."""

    def __init__(self, shape: Sizes, place: tuple[int, ...], claim: Claim, why: str) -> None:
        at = ", ".join(f"{i} = {value}" for i, value in zip(claim.letters, place, strict=False))
        super().__init__(why or f"refuted at {shown(shape)}" + (f", entry {at}" if at else ""))
        self.shape = shape


def has_kink(expr: Expr) -> bool:
    """Whether an expression has a function that is not smooth, so that its values at random points do not tell all."""
    return any(call.func in MEANINGS and MEANINGS[call.func].convention for call in expr.atoms(Function))


def _is_small(shape: Sizes) -> bool:
    return prod(size for _, size in shape) <= MOST_EXACT


def shown(shape: Sizes) -> str:
    """A shape as it is printed."""
    return "(" + ", ".join(f"{axis}={size}" for axis, size in shape) + ")"


def _unstated(record: Record, kind: str, gradients: dict[str, Gradient]) -> tuple[str, ...]:
    """What is wrong with closed forms: each must be what the last line about it states."""
    problems = []
    # The last line about each array, in either notation.
    indices = {name_of(s.subject.wrt): (s.subject.wrt, s.after) for s in record.steps if isinstance(s.subject, Total)}
    matrices = {s.subject.array.name: s.after for s in record.steps if isinstance(s.subject, MatrixTotal)}
    for name, gradient in gradients.items():
        index, matrix = indices.get(name), matrices.get(name)
        trivial = name == record.program.output and gradient.index == 1
        if not trivial and not (index and _same(*index, gradient)):
            problems.append(f"the index form of the {kind} of {name} is not what the last line about it states")
        if gradient.matrix is not None and matrix != gradient.matrix:
            problems.append(f"the matrix form of the {kind} of {name} is not what the last line about it states")
    return tuple(problems)


def _same(wrt: Expr, after: Expr, gradient: Gradient) -> bool:
    if name_of(wrt) != name_of(gradient.entry):
        return False
    names = dict(zip(wrt.indices, gradient.entry.indices, strict=True)) if wrt.is_Indexed else {}
    return bool(canonical(renamed(after, names)) == canonical(gradient.index))
