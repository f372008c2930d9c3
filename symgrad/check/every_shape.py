"""Decides *every shape*: the mark of a line whose two sides have the same normal form.

*Lemma.*  An expression and its normal form (``normal_form``) have the same value at every shape.  So does an expression
in which a name is replaced by its definition, or an adjoint by a closed form that an earlier line proves.  So equal
normal forms prove a line at every shape, whatever is substituted; different normal forms prove nothing.  The order of
the attempts only decides how soon a proof is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from symgrad.budget import Budget, OverBudget, within
from symgrad.check.assumptions import Written
from symgrad.check.marks import Level, Mark, Sizes, shown
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.obligations import Claim
from symgrad.check.semantics import abbreviations, adjoint_array, adjoint_names
from symgrad.equations import Assumption
from symgrad.notation import array_names, indices_of, name_of
from symgrad.program import Program
from symgrad.steps import Record, Total

MOST_PRODUCTS = 50_000
"""The budget of one attempt, in products of two terms: a fraction of a second.  If it runs out, the next attempt or
mechanism is tried."""

MOST_WRITTEN = 8
"""If more names are to be written out, fewer are tried first."""


@dataclass(frozen=True)
class Closed:
    """The closed form of an adjoint, which the line marked ``mark`` states: ``written`` is the entry and its value."""

    mark: Mark
    written: Written


class EveryShape:
    """Decides which lines of one record hold at every shape.

    Lines share the closed forms that earlier lines state, and the normal forms of what they write out.
    """

    def __init__(self, record: Record, shapes: Sequence[Sizes]) -> None:
        self._record = record
        self._shapes = shapes
        self._adjoints = adjoint_names(record)
        self._closed: list[tuple[str, Closed]] = []
        self._normalisers: dict[tuple[object, ...], Normaliser] = {}

    def mark(self, claim: Claim, assumed: tuple[Assumption, ...]) -> Mark | None:
        """The mark of a line that has equal normal forms under some assumptions, or None.

        It is no stronger than the marks of the lines whose closed forms were used.
        """
        keys = tuple(a.key for a in assumed)
        closed = {adjoint: form for adjoint, form in self._closed if {*form.mark.assumptions} <= {*keys}}
        for adjoints, names in product(self._adjoint_choices(claim, closed), self._name_choices(claim)):
            used = {a: closed[a] for a in adjoints}
            if self._is_proved(claim, names, used, assumed):
                marks = {form.mark.number: form.mark for form in used.values()}
                rests_on = tuple(sorted(marks))
                detail = f"equal normal forms; a second witness at {shown(self._shapes[0])}"
                written = tuple(name for name in self._record.program.rank if name in names)
                number, shapes = claim.step.number, tuple(self._shapes[:1])
                mark = Mark(number, Level.EVERY_SHAPE, detail, shapes, None, keys, rests_on, written)
                return no_stronger(mark, [marks[n] for n in rests_on], self._shapes)
        return None

    def keep(self, claim: Claim, mark: Mark) -> None:
        """Let later lines use the closed form that a proved line states.

        It must be stated for every entry, and contain the adjoints of later arrays only, so that substitution ends.
        """
        if not isinstance(claim.step.subject, Total):
            return
        wrt, rank = claim.step.subject.wrt, self._record.program.rank
        earlier = {a for a, name in self._adjoints.items() if rank[name] <= rank[name_of(wrt)]}
        if len(set(indices_of(wrt))) == len(indices_of(wrt)) and not array_names(claim.after) & earlier:
            array = adjoint_array(self._record, name_of(wrt))
            self._closed.append((array.name, Closed(mark, (array[indices_of(wrt)], claim.after))))

    def _is_proved(
        self, claim: Claim, names: frozenset[str], closed: Mapping[str, Closed], assumed: tuple[Assumption, ...]
    ) -> bool:
        """Whether both sides have the same normal form with these definitions and closed forms substituted."""
        key = (names, frozenset((a, form.mark.number) for a, form in closed.items()), assumed)
        if key not in self._normalisers:
            written = {a: form.written for a, form in closed.items()}
            self._normalisers[key] = Normaliser(self._record.program, names, written, assumed)
        try:
            with within(Budget("a normal form", MOST_PRODUCTS)):
                return self._normalisers[key].equal(claim.meaning, claim.after)
        except (NoNormalForm, OverBudget):
            return False

    def _adjoint_choices(self, claim: Claim, closed: Mapping[str, Closed]) -> list[frozenset[str]]:
        """The sets of adjoints to write out: those on one side only, until both sides mention the same; then all."""
        sides = [array_names(claim.meaning), array_names(claim.after)]
        everything = _reached(sides[0] | sides[1], closed)
        written: frozenset[str] = frozenset()
        while candidates := ((sides[0] ^ sides[1]) - written) & closed.keys():
            # The adjoint of an earlier array is stated in those of later ones.
            first = min(candidates, key=lambda a: self._record.program.rank[self._adjoints[a]])
            written |= {first}
            inside = array_names(closed[first].written[1])
            sides = [(side - {first}) | inside if first in side else side for side in sides]
        return list(dict.fromkeys([written, everything]))

    def _name_choices(self, claim: Claim) -> list[frozenset[str]]:
        """The sets of names to write out, smallest first, since fewer names give shorter expressions.

        First abbreviations and the arrays that depend on the differentiated one (if these are many, as in a recurrent
        network, at first only its direct users); then also the nodes that the line mentions; then all."""
        program = self._record.program
        definitions = frozenset(program.definitions)
        names = descendants(program, claim.wrt) | abbreviations(program)
        mentioned = array_names(claim.meaning) | array_names(claim.after)
        near = {d.name for d in program.ordered if claim.wrt in program.uses(d.name)} | abbreviations(program)
        first = [frozenset(near)] if len(names) > MOST_WRITTEN else []
        return list(dict.fromkeys([*first, names, names | (mentioned & definitions), definitions]))


def _reached(adjoints: frozenset[str], closed: Mapping[str, Closed]) -> frozenset[str]:
    """The adjoints with closed forms among ``adjoints``, and those that their closed forms mention, and so on."""
    reached: frozenset[str] = frozenset()
    while waiting := (adjoints & closed.keys()) - reached:
        reached |= waiting
        adjoints = adjoints.union(*(array_names(closed[a].written[1]) for a in waiting))
    return reached


def no_stronger(mark: Mark, used: Sequence[Mark], shapes: Sequence[Sizes]) -> Mark:
    """A mark weakened to the weakest of the marks that its proof used: at the shapes of all, with the sum of errors."""
    level = max([mark.level, *(u.level for u in used)])
    if level == mark.level:
        return mark
    limited = [u.shapes for u in used if u.level >= Level.EXACT_AT_SHAPES]
    common = tuple(shape for shape in shapes if all(shape in proved for proved in limited))
    if not common:
        return replace(mark, level=Level.UNPROVED, detail="it rests on lines that are known at different shapes")
    return replace(mark, level=level, shapes=common, error_bound=sum(u.error_bound or 0 for u in used) or None)


def descendants(program: Program, name: str | None) -> frozenset[str]:
    """The defined arrays that depend on an array."""
    return frozenset(other for other, used in program.ancestors.items() if name in used)
