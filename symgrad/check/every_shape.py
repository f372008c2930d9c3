"""Proves lines at every shape by normal forms: which names to substitute, and in which order.

*Lemma.*  Equal normal forms are a proof for every shape (``normal_form``), whatever is substituted.  The order only
decides how soon a proof is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symgrad.budget import Budget, OverBudget, within
from symgrad.check.assumptions import Written
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.normal_form.translation import Normaliser
from symgrad.check.obligations import Claim
from symgrad.check.semantics import abbreviations, adjoint_array
from symgrad.equations import Assumption
from symgrad.notation import array_names
from symgrad.program import Program
from symgrad.steps import Record

MOST_PRODUCTS = 50_000
"""Of two terms, for one attempt: part of a second.  What has no normal form by then is proved in another way."""


@dataclass(frozen=True)
class Closed:
    """A closed form of an adjoint, which the line ``number`` states and which was proved with these assumptions."""

    number: int
    written: Written
    assumptions: frozenset[str]


@dataclass(frozen=True)
class Proof:
    """What a proof by normal forms wrote out: names in their definitions, adjoints in the closed forms of lines."""

    names: frozenset[str]
    lines: tuple[int, ...]


class NormalFormProver:
    """Proves claims of one record; normalisers are kept, so that lines share what they write out."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._normalisers: dict[tuple[object, ...], Normaliser] = {}
        self._adjoints = {adjoint_array(record, name).name: name for name in record.program.arrays}

    def prove(self, claim: Claim, closed: Mapping[str, Closed], assumed: tuple[Assumption, ...]) -> Proof | None:
        """A proof of the claim at every shape under the given assumptions, or None where none is found.

        ``closed`` has, by adjoint array, closed forms whose assumptions are among the given ones.
        """
        for adjoints in self._adjoint_choices(claim, closed):
            for names in self._name_choices(claim):
                normaliser = self._normaliser(names, adjoints, closed, assumed)
                try:
                    with within(Budget("a normal form", MOST_PRODUCTS)):
                        if normaliser.equal(claim.meaning, claim.after):
                            return Proof(names, tuple(sorted({closed[a].number for a in adjoints})))
                except (NoNormalForm, OverBudget):
                    continue
        return None

    def _normaliser(
        self,
        names: frozenset[str],
        adjoints: frozenset[str],
        closed: Mapping[str, Closed],
        assumed: tuple[Assumption, ...],
    ) -> Normaliser:
        key = (names, frozenset((a, closed[a].number) for a in adjoints), assumed)
        if key not in self._normalisers:
            written = {a: closed[a].written for a in adjoints}
            self._normalisers[key] = Normaliser(self._record.program, names, written, assumed)
        return self._normalisers[key]

    def _adjoint_choices(self, claim: Claim, closed: Mapping[str, Closed]) -> list[frozenset[str]]:
        """Which adjoints to write out: those that only one side mentions, until both mention the same; then all."""
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
        """Which names to write out: abbreviations and what depends on the array; then the nodes that the line
        mentions as well; then all.  The fewer, the shorter the expressions."""
        program = self._record.program
        definitions = frozenset(program.definitions)
        names = descendants(program, claim.wrt) | abbreviations(program)
        mentioned = array_names(claim.meaning) | array_names(claim.after)
        return list(dict.fromkeys([names, names | (mentioned & definitions), definitions]))


def _reached(adjoints: frozenset[str], closed: Mapping[str, Closed]) -> frozenset[str]:
    """Those of some adjoints that have closed forms, and those in these."""
    found: frozenset[str] = frozenset()
    while waiting := (adjoints & closed.keys()) - found:
        found |= waiting
        adjoints = adjoints.union(*(array_names(closed[a].written[1]) for a in waiting))
    return found


def descendants(program: Program, name: str | None) -> frozenset[str]:
    """The defined arrays that depend on an array."""
    return frozenset(other for other, used in program.ancestors.items() if name in used)
