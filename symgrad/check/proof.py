"""Proves the lines of a record: tries to refute each line at a first shape, then tries the mechanisms in order.

Decides no mark itself: the list in ``symgrad.check`` says where each is decided.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from math import prod

from sympy import Expr, Indexed, Symbol

from symgrad.budget import Budget, OverBudget, within
from symgrad.check.analyticity import has_root, is_analytic
from symgrad.check.at_shapes import POINTS, VALUES, Comparison, Refuted, System, Undefined, differing_in
from symgrad.check.definedness import Divisors, unclear_choice
from symgrad.check.every_shape import EveryShape
from symgrad.check.grid import tried_on_grid
from symgrad.check.marks import Level, Mark, ProofReport, Sizes
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.numeric.exact import ExactLines
from symgrad.check.numeric.fields import Field, OutsideDomain, OutsideField, Reals
from symgrad.check.numeric.true_values import TrueValues
from symgrad.check.obligations import Claim, Line, claims, is_definition
from symgrad.check.wellformed import problems
from symgrad.equations import Assumption
from symgrad.errors import UnsupportedError
from symgrad.functions import is_piecewise
from symgrad.notation import name_of
from symgrad.steps import Record, Value

MOST_EXACT = 24
"""Exact arithmetic is tried at shapes with at most this product of sizes."""

TERMS_A_LINE, MOST_TERMS, EXACT_TERMS = 12_000, 80_000, 40_000
"""The budgets in terms of work (``budget``): of a line on average, of any one line, and of exact arithmetic on a line.
The catalogue and the tests need at most a quarter of them."""
MOST_OF_ALL = 250_000
"""The budget of all lines together."""


def prove(record: Record) -> ProofReport:
    """Mark every line of a record, and compare its closed forms with its lines."""
    prover = Prover(record)
    return ProofReport(tuple(map(prover.mark, claims(record))), problems(record))


class Prover:
    """Proves the lines of one record in order: a proof may use closed forms that earlier lines state."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._comparison = Comparison(record)
        self._shapes = self._comparison.shapes
        self._every_shape = EveryShape(record, self._shapes)
        self._divisors = Divisors(record.program)
        most = min(TERMS_A_LINE * len(record.steps) + MOST_TERMS, MOST_OF_ALL)
        self._budget = Budget("the proof of all lines", most)

    def mark(self, line: Line) -> Mark:
        """The mark of a line, which proofs of later lines may use."""
        mark = self.verdict(line)
        if mark.ok and isinstance(line, Claim):
            self._every_shape.keep(line, mark)
        return mark

    def verdict(self, line: Line) -> Mark:
        """The mark of a line, which proofs of later lines will not use."""
        if isinstance(line, Mark):
            return line
        number = line.step.number
        try:
            with within(self._budget), within(Budget("the proof of the line", MOST_TERMS)):
                return self._verdict(line)
        except Refuted as refuted:
            return Mark(number, Level.WRONG, str(refuted), (refuted.shape,))
        except OverBudget as why:
            return Mark(number, Level.UNPROVED, f"not decided: {why}")
        except RecursionError:
            return Mark(number, Level.UNPROVED, "it is nested too deeply to be decided")
        except (Undefined, OutsideField, NoNormalForm, UnsupportedError) as why:
            return Mark(number, Level.UNPROVED, f"it could not be evaluated: {why}")

    def _verdict(self, claim: Claim) -> Mark:
        value = claim.subject.expr if isinstance(claim.subject, Value) else None
        about = name_of(value) if isinstance(value, (Indexed, Symbol)) else ""
        if unclear := unclear_choice(claim.meaning, claim.after):
            return Mark(claim.step.number, Level.UNPROVED, unclear)
        if (unknown := self._divisors.unknown(claim.after, claim.step.conditions, about)) is not None:
            return self._elsewhere(claim, unknown)
        if is_definition(claim):
            return Mark(claim.step.number, Level.DEFINITION, "a forward equation of the program")
        return self._examined(claim)

    def _elsewhere(self, claim: Claim, unknown: str) -> Mark:
        """The mark of a line that may divide by zero: *undefined* if it does so only at some sizes, else *unproved*."""
        try:
            where = self._comparison.where(claim, claim.allowed, Undefined)
        except Refuted:
            where = ""
        if where in ("", VALUES) or self._comparison.is_never_defined(claim, self._shapes[0], claim.allowed):
            return Mark(claim.step.number, Level.UNPROVED, unknown)
        return _undefined(self._examined(claim), where)

    def _examined(self, claim: Claim) -> Mark:
        assumed = self._needed(claim)
        for assumptions in dict.fromkeys((assumed, claim.allowed)):
            if (mark := self._every_shape.mark(claim, assumptions)) is not None:
                return mark
        try:
            return self._at_shapes(claim, assumed)
        except Refuted:  # at the first shape, it held by chance without the other assumptions
            if assumed == claim.allowed:
                raise
        return self._at_shapes(claim, claim.allowed)

    def _needed(self, claim: Claim) -> tuple[Assumption, ...]:
        """The smallest set of allowed assumptions under which the line holds at the first shape.

        Raises ``Refuted`` if there is none.
        """
        shape, failures = self._shapes[0], list[Refuted | Undefined]()
        missing = tuple(a for a in self._record.program.assumptions if a not in claim.allowed)
        subsets = [some for count in range(len(claim.allowed) + 1) for some in combinations(claim.allowed, count)]
        for assumed in dict.fromkeys([*subsets, (*claim.allowed, *missing)]):
            try:
                self._comparison.compare(claim, shape, assumed, is_witness=True)
            except (Refuted, Undefined) as failure:
                failures.append(failure)
                continue
            if assumed in subsets:
                return assumed
            named = " and ".join(a.key for a in missing)
            raise Refuted(shape, f"it holds only under {named}, which neither it nor what it cites uses")
        raise min(failures, key=lambda failure: isinstance(failure, Undefined))

    def _at_shapes(self, claim: Claim, assumed: tuple[Assumption, ...]) -> Mark:
        """The mark of a line that no normal form proves, with the sizes at which it is undefined.

        Raises ``Refuted``.
        """
        systems, shapes = self._evaluated(claim, assumed)
        if any(a.is_discrete or a.is_orthogonality for a in assumed):
            few = "labels" if any(a.is_discrete for a in assumed) else "orthogonal matrices"
            return Mark(claim.step.number, Level.UNPROVED, f"no normal form proves it, and a few {few} decide nothing")
        mark = replace(self._decided(claim, assumed, systems, shapes), assumptions=tuple(a.key for a in assumed))
        if where := self._comparison.where(claim, assumed, Undefined):
            return _undefined(mark, where)
        return replace(mark, where=self._comparison.where(claim, assumed, OutsideField))

    def _decided(
        self, claim: Claim, assumed: tuple[Assumption, ...], systems: set[System], shapes: tuple[Sizes, ...]
    ) -> Mark:
        number = claim.step.number
        if grid := tried_on_grid(claim):
            if not grid.unequal:
                tried = ", ".join(f"{axis} = {sizes[0]}..{sizes[-1]}" for axis, sizes in grid.sizes.items())
                return Mark(number, Level.EVERY_SHAPE_RANDOMISED, f"the grid {tried}", shapes, grid.error_bound)
            with suppress(OutsideField):  # the program has no values there
                self._comparison.compare(claim, grid.unequal, assumed)
        with within(Budget("exact arithmetic", EXACT_TERMS)):
            exact = tuple(shape for shape in shapes if self._is_exact(claim, shape, assumed))
        # If all sizes are 1, every sum has one term, and many false lines hold: that shape alone proves nothing.
        if not all({size for _, size in shape} == {1} for shape in exact):
            return Mark(number, Level.EXACT_AT_SHAPES, "exact arithmetic, entry by entry", exact)
        if systems == {Field} and not self._has_choices(claim) and self._holds_elsewhere(claim, assumed):
            return Mark(number, Level.RANDOMISED_AT_SHAPES, Field.words, shapes)
        self._comparison.refute_far_away(claim, assumed)
        if not all(is_analytic(side, self._record.program) for side in self._sides(claim)):
            detail = "equal at random points, which need not meet every kink, nor every branch"
            return Mark(number, Level.UNPROVED, detail, shapes)
        return Mark(number, Level.NUMERICAL, Reals.words, shapes)

    def _evaluated(self, claim: Claim, assumed: tuple[Assumption, ...]) -> tuple[set[System], tuple[Sizes, ...]]:
        """The number systems in which the line holds, and the shapes at which the program has values.

        Raises ``Refuted``.
        """
        systems: set[System] = set()
        shapes: list[Sizes] = []
        for shape in self._shapes:
            try:
                is_chosen = self._chooses_roots(claim) or self._has_choices(claim)
                systems.add(self._comparison.compare(claim, shape, assumed, reals=is_chosen))
                shapes.append(shape)
            except (OutsideField, Undefined):  # no values, as for the standard deviation of a single row
                if not shapes:
                    raise
        return systems, tuple(shapes)

    def _sides(self, claim: Claim) -> list[Expr]:
        """Both sides of a line, and the right sides of the forward equations, which its names may abbreviate."""
        return [claim.meaning, claim.after, *(definition.rhs for definition in self._record.program.ordered)]

    def _chooses_roots(self, claim: Claim) -> bool:
        return any(map(has_root, self._sides(claim)))

    def _has_choices(self, claim: Claim) -> bool:
        """Whether a line depends on comparisons, whose values in the field are one random bit each: in the line, in the
        derivatives of the program's functions, or as in 1/x, which is 0 where x is 0."""
        return any(map(is_piecewise, self._sides(claim)))

    def _holds_elsewhere(self, claim: Claim, assumed: tuple[Assumption, ...]) -> bool:
        """Whether the line holds in the field at a point drawn for it; if it has roots, at ``POINTS`` points."""
        drawn = int.from_bytes(sha256(f"{claim.meaning} = {claim.after}".encode()).digest()[:8])
        instance = self._comparison.instance(self._shapes[0])
        try:
            return all(
                differing_in(TrueValues(self._record, instance, Field, assumed, drawn + point), claim) is None
                for point in range(POINTS if self._chooses_roots(claim) else 1)
            )
        except (OutsideDomain, OutsideField):
            return False

    def _is_exact(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> bool:
        if prod(size for _, size in shape) > MOST_EXACT:
            return False
        return ExactLines(self._record, self._comparison.instance(shape), assumed).holds(claim)


def _undefined(mark: Mark, where: str) -> Mark:
    """The mark of a line that is undefined at ``where``, and known by ``mark`` elsewhere."""
    if mark.level == Level.UNDEFINED:
        return mark
    return replace(mark, level=Level.UNDEFINED, where=where, detail=f"elsewhere {mark.words}: {mark.detail}")
