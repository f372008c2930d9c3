"""A line decided exactly at a shape: both sides entry by entry, by SymPy's scalar derivative and exact arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Expr, Symbol
from sympy.tensor.indexed import Idx

from symgrad.budget import OverBudget
from symgrad.check.assumptions import Projection, constraints
from symgrad.check.lines import Claim
from symgrad.check.meaning import IndexSubject, adjoint_array, consumers
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.numeric.entrywise import Instance, Place
from symgrad.check.numeric.exact import Field, NotExact
from symgrad.equations import Assumption
from symgrad.notation import indices_of, name_of
from symgrad.steps import Partial, Record, Value


class ExactLines:
    """Decides lines of one record at one shape under some assumptions, none of them about one-hot rows."""

    def __init__(self, record: Record, instance: Instance, assumed: tuple[Assumption, ...]) -> None:
        self._record = record
        self._instance = instance
        self._field = Field(self._resolve)
        self._nodes = {adjoint_array(record, name).name: name for name in record.program.arrays}
        known = constraints(assumed, record.program)
        self._fixing = {name: c.assumption for name, c in known.items() if isinstance(c, Projection)}

    def holds(self, claim: Claim) -> bool:
        """Whether every entry of the line is exactly right; False also where exact arithmetic cannot tell."""
        places = (dict(zip(claim.letters, at, strict=True)) for at in self._instance.places(claim.letters))
        try:
            return all(
                self._field.equal(self._meaning(claim.subject, at), self._instance.entry(claim.after, at))
                for at in places
            )
        except (NotExact, NoNormalForm, OverBudget):
            return False

    def _meaning(self, subject: IndexSubject, at: Mapping[Idx, int]) -> Expr:
        if isinstance(subject, Value):
            return self._instance.entry(subject.expr, at)
        position = tuple(at[i] for i in indices_of(subject.wrt))
        if isinstance(subject, Partial):
            return self._instance.derivative(subject.of, at, self._instance.symbol(name_of(subject.wrt), position))
        return self._adjoint(name_of(subject.wrt), position)

    def _adjoint(self, name: str, place: Place) -> Expr:
        """The chain rule for one entry, in the adjoints of the nodes that use it."""
        program = self._record.program
        wrt = self._instance.symbol(name, place)
        terms = []
        for definition in consumers(program, name):
            outer = adjoint_array(self._record, definition.name).name
            for at, derivative in self._instance.node_derivatives(definition, wrt):
                weight = 1 if definition.name == program.output else self._instance.symbol(outer, at)
                terms.append(weight * derivative)
        return Add(*terms)

    def _resolve(self, symbol: Symbol) -> Expr | None:
        """What a symbol stands for: a definition, an adjoint by the chain rule, or what an assumption fixes."""
        name, place = self._instance.scalars[symbol]
        if name in self._record.program.definitions:
            return self._instance.definition(self._record.program.definitions[name], place)
        if name in self._nodes:
            return self._adjoint(self._nodes[name], place)
        return self._instance.fixed_by(self._fixing[name], symbol) if name in self._fixing else None
