"""The closed forms, proof, evaluation and Jacobians of a derivation, with their display in notebooks.

HTML and LaTeX are imported on first use: only notebooks need them.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from warnings import warn

from sympy import Add, Expr, MatrixSymbol, Symbol
from sympy.core.basic import Basic

from symgrad.check.marks import Level, Mark, ProofReport
from symgrad.check.proof import prove
from symgrad.equations import node
from symgrad.errors import InputError, RefutedError, UndefinedWarning, nested
from symgrad.facts import in_closed_forms
from symgrad.names import unlike
from symgrad.notation import Array, entry_of, indices_of, name_of, replaced, sum_over
from symgrad.program import Program
from symgrad.render.phrases import lines_are
from symgrad.render.text import expression_text, name_text, step_text
from symgrad.steps import Convention, MatrixValue, Partial, Record, Step


class Displayed(ABC):
    """An object that IPython shows as HTML, LaTeX or text, whichever it supports."""

    @abstractmethod
    def _repr_html_(self) -> str:
        """An HTML section with its style, without scripts."""

    @abstractmethod
    def _repr_latex_(self) -> str:
        """One formula between double dollar signs, for MathJax and TeX."""

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """The formats in ``include`` (default: all), except those in ``exclude``."""
        forms = {"text/html": self._repr_html_, "text/latex": self._repr_latex_, "text/plain": self.__repr__}
        return {
            kind: form()
            for kind, form in forms.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }


@dataclass(frozen=True, repr=False)
class ClosedForm(Displayed):
    """The gradient with respect to ``array``.

    ``index`` is the derivative with respect to the entry ``entry``, a SymPy expression in indexed entries.  ``matrix``
    is a SymPy matrix expression in named arrays (vectors are columns), or None if there is no matrix form.
    """

    array: Array
    entry: Expr
    index: Expr
    matrix: Expr | None
    record: Record

    def expanded(self) -> Expr | None:
        """``matrix`` in terms of the inputs alone."""
        return _written_out(self.record, self.array.name)

    def __repr__(self) -> str:
        return f"<{closed_form_words(self.record, self.array.name)}>"

    @property
    def _alone(self) -> Record:
        """The record with only this gradient."""
        return replace(self.record, gradients={self.array.name: self.record.gradients[self.array.name]})

    def _repr_html_(self) -> str:
        from symgrad.render.html import closed_forms_html

        return closed_forms_html(self._alone)

    def _repr_latex_(self) -> str:
        from symgrad.render.latex import closed_forms_latex

        return f"$${closed_forms_latex(self._alone)}$$"


def _written_out(record: Record, name: str) -> Expr | None:
    """The gradient with respect to ``name`` in terms of the inputs; None if an array in it has no matrix form."""
    forms: dict[str, Expr | None] = {
        step.subject.array.name: step.after for step in record.steps if isinstance(step.subject, MatrixValue)
    }
    forms |= {array.name: record.adjoints[node].matrix for node, array in record.adjoint_arrays.items()}
    inputs = {array.name for array in record.program.inputs}
    defined = record.program.definitions.keys() | {array.name for array in record.adjoint_arrays.values()} - inputs
    value = record.gradients[name].matrix
    while value is not None and (names := {atom.name for atom in value.atoms(MatrixSymbol, Symbol)} & defined):
        swaps: dict[Basic, Basic] = {}
        for atom in value.atoms(MatrixSymbol, Symbol):
            if atom.name in names and not (isinstance(atom, Symbol) and atom.is_integer):
                form = forms.get(atom.name)
                if form is None:
                    return None
                swaps[atom] = form
        value = replaced(value, swaps)
    return value


@dataclass(frozen=True)
class Jacobian:
    """The derivative of the entry ``of`` of a layer's output with respect to the entry ``entry`` of an input.

    ``index`` is a SymPy expression in the indices of both; ``mark`` says how it was proved.  ``record`` derives it from
    the gradient that the layer passes back, as the derivative of this with respect to the upstream gradient.
    """

    of: Expr
    entry: Expr
    index: Expr
    mark: Mark
    record: Record

    @classmethod
    def find(cls, record: Record, gradient: str, names: tuple[str, str], proof: ProofReport) -> Jacobian:
        """The Jacobian in the last line of ``record`` about the array ``gradient``.  ``names``: the output and
        the input; ``proof``: the gradient's."""
        lines = [(s.number, s.subject, s.after) for s in record.steps if isinstance(s.subject, Partial)]
        number, subject, after = [line for line in lines if name_of(line[1].of) == gradient][-1]
        of, entry = (entry_of(n, indices_of(e)) for n, e in zip(names, (subject.wrt, subject.of), strict=True))
        marks = (prove(record).marks[number - 1], *proof.marks)
        return cls(of, entry, after, max(marks, key=lambda mark: mark.level), record)

    def __repr__(self) -> str:
        of, entry, index = (expression_text(e, self.record) for e in (self.of, self.entry, self.index))
        return f"<∂{of}/∂{entry} = {index}: {self.mark.words}>"


def closed_form_words(record: Record, name: str) -> str:
    """The gradient with respect to ``name`` as one line of text, in matrix notation if it has a matrix form."""
    gradient = record.gradients[name]
    form = gradient.index if gradient.matrix is None else gradient.matrix
    printed = name_text(record.program.printed[name]) if name in record.program.printed else name
    return f"d{record.program.output}/d{printed} = {expression_text(form, record)}"


@dataclass(frozen=True, repr=False)
class Proof(ProofReport, Displayed):
    """The marks of all lines of ``record``, and ``problems`` that concern no single line."""

    record: Record = field(kw_only=True)

    @classmethod
    def of(cls, record: Record) -> Proof:
        """Check every line of a record."""
        report = prove(record)
        return cls(report.marks, report.problems, record=record)

    @property
    def faults(self) -> tuple[str, ...]:
        """Each wrong line with its equation and reason; then ``problems``."""
        wrong = [mark for mark in self.marks if mark.level == Level.WRONG]
        lines = (f"line {m.number} is wrong: {step_text(self.record, m.number)}: {m.detail}" for m in wrong)
        return (*lines, *self.problems)

    def refuse(self) -> tuple[str, ...]:
        """Raise ``RefutedError`` for the first fault; else return remarks on unproved lines and lines undefined
        somewhere, and warn of the latter with ``UndefinedWarning``."""
        name, faults, remarks = self.record.program.name, self.faults, []
        if faults:
            more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
            raise RefutedError(f"{name}: {faults[0]}{more}")
        if unproved := self.numbers(Level.UNPROVED):
            remarks.append(f"{lines_are(unproved)} not proved.")
        for mark in self.marks:
            if mark.where:
                said = f"ine {mark.number} is undefined at {mark.where}"
                remarks.append(f"L{said}.")
                warn(f"{name}: l{said}", UndefinedWarning, stacklevel=_level_of_caller())
        return tuple(remarks)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {level}" for level, count in self.counts.items())
        return f"<proof of {self.record.program.name}: {len(self.marks)} lines: {counts}>"

    def _repr_html_(self) -> str:
        from symgrad.render.html import proof_html
        from symgrad.render.layout import Beside

        beside = Beside({mark.number: mark.explanation for mark in self.marks}, self.counts)
        return proof_html(self.record, {mark.number: mark.words for mark in self.marks}, beside, self.problems)

    def _repr_latex_(self) -> str:
        from symgrad.render.latex import proof_latex

        return f"$${proof_latex(self.counts, {mark.number: mark.words for mark in self.weaker()})}$$"


def _level_of_caller() -> int:
    """The stack level of the caller outside this package and ``contextlib``."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in ("symgrad", "contextlib"):
        frame, level = frame.f_back, level + 1
    return level


class Lines:
    """The lines of a record, and their proof."""

    record: Record

    @property
    def steps(self) -> tuple[Step, ...]:
        """The lines, in order; the numbers of an evaluation continue those of the derivation."""
        return self.record.steps

    @property
    def conventions(self) -> dict[Convention, tuple[Step, ...]]:
        """Which derivative is taken at each kink, with the lines that use it."""
        return self.record.conventions

    @cached_property
    def _proof(self) -> Proof:
        return Proof.of(self.record)

    @nested("a line of the derivation")
    def prove(self) -> Proof:
        """Check every line against its definition, for any values of the shifts, and mark how it was proved."""
        return self._proof


@dataclass(frozen=True, repr=False)
class Evaluation(Lines):
    """The stable forms that the generated code evaluates in place of the definitions, as lines with reasons.

    The program of ``record`` is the derivation's, with the numbers that shifts subtract as free inputs.  There are no
    lines if the code evaluates every equation literally.
    """

    record: Record

    def __repr__(self) -> str:
        return f"<what the code of {self.record.program.name} evaluates: {len(self.steps)} lines>"


def tangent_program(record: Record, wrt: Sequence[str]) -> tuple[Program, dict[str, str]]:
    """A program with the forward equations of a layer, its gradients with respect to ``wrt`` as equations, and the sum
    of the products of their entries and tangents; and the names of these gradients by input.

    Raises ``InputError`` for a loss, and for an array whose gradient the record does not have.
    """
    program = record.program
    if not program.upstream:
        raise InputError(f"{program.name} is a loss: only a layer (@symgrad.layer) has a Jacobian")
    if unknown := [name for name in wrt if name not in record.gradients]:
        raise InputError(f"{program.name}: no gradient with respect to {unknown[0]}; wrt is {', '.join(record.wrt)}")
    names = {*program.arrays, *program.axis, *program.printed.values()}
    equations = [e for e in program.equations if e.name != program.output]
    tangents: list[Array] = []
    terms = []
    gradients: dict[str, str] = {}
    for name in wrt:
        closed = record.gradients[name]
        tangents.append(Array(unlike(f"{name}dot", names), closed.array.axes))
        gradients[name] = unlike(f"d{name}", {*names, *(t.name for t in tangents)})
        names |= {tangents[-1].name, gradients[name]}
        indices = indices_of(closed.entry)
        entry = Array(gradients[name], closed.array.axes)[indices]
        equations.append(node(entry, in_closed_forms(closed.index, record)))
        terms.append(sum_over(tangents[-1][indices] * entry, indices))
    return replace(
        program,
        inputs=(*program.inputs, *tangents),
        equations=(*equations, node(Array(program.output)[()], Add(*terms))),
        summary=f"{program.summary or program.name}: the product of the Jacobian with a tangent",
        facts=(),
        about="",
        upstream=(),
    ), gradients
