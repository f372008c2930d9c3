"""The driver of the proof: every line evaluated at a shape, then proved by the strongest mechanism that applies."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from math import prod

from sympy import Expr

from symgrad.budget import Budget, OverBudget, within
from symgrad.check.atoms import NoNormalForm
from symgrad.check.claims import Claim, Line, claims, is_definition
from symgrad.check.comparison import POINTS, VALUES, Comparison, Refuted, Undefined, differing_in, shown
from symgrad.check.divisors import Divisors
from symgrad.check.everyshape import Closed, NormalFormProver
from symgrad.check.exactlines import ExactLines
from symgrad.check.fields import (
    Field,
    OutsideDomain,
    OutsideField,
    Reals,
)
from symgrad.check.grid import tried_on_grid
from symgrad.check.marks import Level, Mark, ProofReport, Sizes
from symgrad.check.meaning import adjoint_array
from symgrad.check.smoothness import has_root, is_analytic
from symgrad.check.statements import problems
from symgrad.check.truth import Truth
from symgrad.equations import Assumption
from symgrad.errors import UnsupportedError
from symgrad.notation import array_names, name_of
from symgrad.steps import Record, Total

MOST_EXACT = 24
"""Exact arithmetic is tried at shapes whose sizes have a product of at most this."""

TERMS_A_LINE, MOST_TERMS, EXACT_TERMS = 12_000, 80_000, 40_000
"""Of work: for each line on average, for one, and for exact arithmetic on one; the catalogue and the tests need a
quarter of it at most."""
MOST_OF_ALL = 250_000
"""Of work for all lines, however many these are."""


def prove(record: Record) -> ProofReport:
    """The verdict on every line of a record, and on whether its closed forms are those of its lines."""
    prover = Prover(record)
    return ProofReport(tuple(map(prover.mark, claims(record))), problems(record))


class Prover:
    """Proves the lines of one record, in order: a line may rest on closed forms that earlier lines state."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._comparison = Comparison(record)
        self._shapes = self._comparison.shapes
        self._closed: dict[str, list[Closed]] = {}
        self._marks: dict[int, Mark] = {}
        self._by_normal_form = NormalFormProver(record)
        self._divisors = Divisors(record.program)
        most = min(TERMS_A_LINE * len(record.steps) + MOST_TERMS, MOST_OF_ALL)
        self._budget = Budget("the proof of all lines", most)
        rights = [definition.rhs for definition in record.program.ordered]
        self._is_analytic = all(is_analytic(right, record.program) for right in rights)
        self._has_roots = any(map(has_root, rights))

    def mark(self, line: Line) -> Mark:
        """The verdict on one line, on which later lines may rest."""
        mark = self.verdict(line)
        self._marks[mark.number] = mark
        if mark.ok and isinstance(line, Claim) and isinstance(line.step.subject, Total):
            self._close(line.step.subject.wrt, line.after, mark)
        return mark

    def _close(self, wrt: Expr, after: Expr, mark: Mark) -> None:
        """Keep a closed form, if it is of every entry, and in adjoints of later arrays alone: writing adjoints out then
        comes to an end."""
        name, rank = name_of(wrt), self._record.program.rank
        earlier = {adjoint_array(self._record, other).name for other in rank if rank[other] <= rank[name]}
        indices = wrt.indices if wrt.is_Indexed else ()
        if len(set(indices)) == len(indices) and not array_names(after) & earlier:
            array = adjoint_array(self._record, name)
            entry = array[wrt.indices] if array.axes else array.base
            closed = Closed(mark.number, (entry, after), frozenset(mark.assumptions))
            self._closed.setdefault(array.name, []).append(closed)

    def verdict(self, line: Line) -> Mark:
        """The verdict on one line, which later lines will not rest on."""
        if isinstance(line, Mark):
            return line
        number = line.step.number
        try:
            with within(self._budget), within(Budget("the proof of the line", MOST_TERMS)):
                return self._verdict(line)
        except OverBudget as why:
            return Mark(number, Level.UNPROVED, f"not decided: {why}")
        except RecursionError:
            return Mark(number, Level.UNPROVED, "it is nested too deeply to be decided")

    def _verdict(self, claim: Claim) -> Mark:
        number = claim.step.number
        if (unknown := self._divisors.unknown(claim.after, claim.step.conditions)) is not None:
            return self._elsewhere(claim, unknown)
        if is_definition(claim):
            return Mark(number, Level.DEFINITION, "a forward equation of the program")
        return self._examined(claim)

    def _elsewhere(self, claim: Claim, unknown: str) -> Mark:
        """The verdict on a line that may divide by zero: where it does at one size, and what it is elsewhere."""
        try:
            where = self._comparison.where(claim, claim.allowed, Undefined)
        except Refuted:
            where = ""
        sized = (
            where and where != VALUES and not self._comparison.is_never_defined(claim, self._shapes[0], claim.allowed)
        )
        mark = self._examined(claim) if sized else Mark(claim.step.number, Level.UNPROVED, unknown)
        return _undefined(mark, where) if sized and mark.level != Level.WRONG else mark

    def _examined(self, claim: Claim) -> Mark:
        number = claim.step.number
        try:
            assumed = self._needed(claim)
        except Refuted as refuted:
            return Mark(number, Level.WRONG, str(refuted), (refuted.shape,))
        except (Undefined, OutsideField, NoNormalForm, UnsupportedError) as why:
            return Mark(number, Level.UNPROVED, f"it could not be evaluated: {why}")
        for given in dict.fromkeys((assumed, claim.allowed) if any(a.is_discrete for a in assumed) else (assumed,)):
            if (mark := self._proved(claim, given)) is not None:
                return mark
        mark = self._at_shapes(claim, assumed)
        if mark.level == Level.WRONG and assumed != claim.allowed:  # without the others it held by chance
            return self._proved(claim, claim.allowed) or self._at_shapes(claim, claim.allowed)
        return mark

    def _proved(self, claim: Claim, assumed: tuple[Assumption, ...]) -> Mark | None:
        """The mark of a line that its normal form proves under some assumptions."""
        keys, number = tuple(a.key for a in assumed), claim.step.number
        if (proof := self._by_normal_form.prove(claim, self._usable(keys), assumed)) is None:
            return None
        written = tuple(name for name in self._record.program.rank if name in proof.names)
        detail = f"equal normal forms; a second witness at {shown(self._shapes[0])}"
        mark = Mark(number, Level.EVERY_SHAPE, detail, self._shapes[:1], None, keys, proof.lines, written)
        return self._no_stronger(mark)

    def _usable(self, assumed: tuple[str, ...]) -> dict[str, Closed]:
        """The latest closed form of each adjoint whose assumptions are among those given."""
        found = {}
        for adjoint, forms in self._closed.items():
            for form in forms:
                if form.assumptions <= set(assumed):
                    found[adjoint] = form
        return found

    def _no_stronger(self, mark: Mark) -> Mark:
        """The mark, no stronger than those of the lines on which it rests: at the shapes of all, errors added up."""
        used = [self._marks[number] for number in mark.rests_on]
        level = max([mark.level, *(u.level for u in used)])
        if level == mark.level:
            return mark
        bounds = [u.error_bound for u in used if u.error_bound]
        limited = [u.shapes for u in used if u.level >= Level.EXACT_AT_SHAPES]
        shapes = tuple(s for s in self._shapes if all(s in found for found in limited)) if limited else mark.shapes
        if not shapes:
            return replace(mark, level=Level.UNPROVED, detail="it rests on lines that are known at different shapes")
        return replace(mark, level=level, shapes=shapes, error_bound=sum(bounds) if bounds else None)

    # --- evaluation -------------------------------------------------------------------------------------------

    def _needed(self, claim: Claim) -> tuple[Assumption, ...]:
        """The fewest assumptions under which the line holds at the first shape.

        Raises ``Refuted`` where there are none.
        """
        shape = self._shapes[0]
        first: Refuted | Undefined | None = None
        for count in range(len(claim.allowed) + 1):
            for assumed in combinations(claim.allowed, count):
                try:
                    _, place = self._comparison.compare(claim, shape, assumed)
                except Undefined as gap:
                    first = first or gap
                    continue
                if place is None:
                    return assumed
                first = Refuted(shape, place, claim, "") if not isinstance(first, Refuted) else first
        missing = tuple(a for a in self._record.program.assumptions if a not in claim.allowed)
        if missing and self._comparison.compare(claim, shape, (*claim.allowed, *missing))[1] is None:
            named = " and ".join(a.key for a in missing)
            raise Refuted(shape, (), claim, f"it holds only under {named}, which neither it nor what it cites uses")
        assert first is not None
        raise first

    def _at_shapes(self, claim: Claim, assumed: tuple[Assumption, ...]) -> Mark:
        """The verdict on a line that no normal form proves, and where it is undefined."""
        mark = self._decided(claim, assumed)
        if mark.level == Level.WRONG or not mark.shapes:
            return mark
        try:
            if where := self._comparison.where(claim, assumed, Undefined):
                return _undefined(mark, where)
            return replace(mark, where=self._comparison.where(claim, assumed, OutsideField))
        except Refuted as refuted:
            return Mark(mark.number, Level.WRONG, str(refuted), (refuted.shape,))

    def _decided(self, claim: Claim, assumed: tuple[Assumption, ...]) -> Mark:
        keys, number = tuple(a.key for a in assumed), claim.step.number
        try:
            systems, shapes = self._evaluated(claim, assumed)
            if any(a.is_discrete for a in assumed):
                return Mark(number, Level.UNPROVED, "no normal form proves it, and a few labels decide nothing")
            grid = None if assumed else tried_on_grid(claim)
            if grid and grid.unequal and (place := self._place_on_grid(claim, grid.unequal, assumed)) is not None:
                raise Refuted(grid.unequal, place, claim, "")
        except Refuted as refuted:
            return Mark(number, Level.WRONG, str(refuted), (refuted.shape,))
        except (Undefined, OutsideField) as why:
            return Mark(number, Level.UNPROVED, f"it could not be evaluated: {why}")
        if grid and not grid.unequal:
            tried = ", ".join(f"{axis} = {sizes[0]}..{sizes[-1]}" for axis, sizes in grid.sizes.items())
            return Mark(number, Level.EVERY_SHAPE_RANDOMISED, f"the grid {tried}", shapes, grid.error_bound, keys)
        with within(Budget("exact arithmetic", EXACT_TERMS)):
            exact = tuple(shape for shape in shapes if _is_small(shape) and self._exact(claim, shape, assumed))
        # Where every sum has one term most things hold: that shape alone says nothing.
        if not all({size for _, size in shape} == {1} for shape in exact):
            return Mark(number, Level.EXACT_AT_SHAPES, "exact arithmetic, entry by entry", exact, None, keys)
        if systems == {Field} and self._holds_elsewhere(claim, assumed):
            return Mark(number, Level.RANDOMISED_AT_SHAPES, Field.words, shapes, None, keys)
        if (where := self._comparison.refuted_far_away(claim, assumed)) is not None:
            return Mark(number, Level.WRONG, where, self._shapes[:1])
        if not all([self._is_analytic, *(is_analytic(s, self._record.program) for s in (claim.meaning, claim.after))]):
            said = "equal at random points, which need not meet every kink, nor every branch"
            return Mark(number, Level.UNPROVED, said, shapes)
        return Mark(number, Level.NUMERICAL, Reals.words, shapes, None, keys)

    def _place_on_grid(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> tuple[int, ...] | None:
        """An entry where the line fails at a shape of the grid; None also where the program has no values there."""
        try:
            return self._comparison.compare(claim, shape, assumed)[1]
        except (OutsideField, Undefined):
            return None

    def _evaluated(
        self, claim: Claim, assumed: tuple[Assumption, ...]
    ) -> tuple[set[type[Field] | type[Reals]], tuple[Sizes, ...]]:
        """The systems in which the line holds, and the shapes at which the program has values.  Raises ``Refuted``."""
        systems: set[type[Field] | type[Reals]] = set()
        shapes: list[Sizes] = []
        for shape in self._shapes:
            try:
                used, place = self._comparison.compare(claim, shape, assumed, roots=self._chooses_roots(claim))
            except (OutsideField, Undefined):  # there are none, as of a deviation of a single row
                if not shapes:
                    raise
                continue
            systems.add(used)
            shapes.append(shape)
            if place is not None:
                raise Refuted(shape, place, claim, "")
        return systems, tuple(shapes)

    def _chooses_roots(self, claim: Claim) -> bool:
        return self._has_roots or has_root(claim.after) or has_root(claim.meaning)

    def _holds_elsewhere(self, claim: Claim, assumed: tuple[Assumption, ...]) -> bool:
        """Whether the line holds in the field at points that were drawn for it; at many, where roots are chosen."""
        drawn = int.from_bytes(sha256(f"{claim.meaning} = {claim.after}".encode()).digest()[:8])
        for place in range(POINTS if self._chooses_roots(claim) else 1):
            try:
                truth = Truth(
                    self._record, self._comparison.instance(self._shapes[0]), Field, assumed, 2 * (drawn + place)
                )
                if differing_in(truth, claim) is not None:
                    return False
            except (OutsideDomain, OutsideField):
                return False
        return True

    def _exact(self, claim: Claim, shape: Sizes, assumed: tuple[Assumption, ...]) -> bool:
        return ExactLines(self._record, self._comparison.instance(shape), assumed).holds(claim)


def _undefined(mark: Mark, where: str) -> Mark:
    return replace(mark, level=Level.UNDEFINED, where=where, detail=f"elsewhere {mark.words}: {mark.detail}")


def _is_small(shape: Sizes) -> bool:
    return prod(size for _, size in shape) <= MOST_EXACT
