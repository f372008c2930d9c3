"""What a derivation gives besides its lines: closed forms, proofs, and how the generated code evaluates it.

What only a notebook needs (HTML, LaTeX) is imported when it asks for it.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Container
from dataclasses import dataclass, field, replace
from functools import cached_property
from warnings import warn

from sympy import Expr, MatrixExpr, MatrixSymbol, Symbol, Trace
from sympy.core.basic import Basic

from symgrad.check.marks import Level, ProofReport
from symgrad.check.proof import prove
from symgrad.errors import RefutedError, UndefinedWarning, nested
from symgrad.notation import Array, replaced
from symgrad.render.phrases import lines_are
from symgrad.render.text import expression_text, step_text
from symgrad.steps import Convention, MatrixValue, Record, Step


class Displayed(ABC):
    """What IPython shows as HTML where it can, as LaTeX where only that is taken, else as text."""

    @abstractmethod
    def _repr_html_(self) -> str:
        """A section of HTML with its style, without script."""

    @abstractmethod
    def _repr_latex_(self) -> str:
        """One display between double dollar signs, for MathJax and for TeX."""

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """The forms that ``include`` asks for, all of them unless given, without those in ``exclude``."""
        forms = {"text/html": self._repr_html_, "text/latex": self._repr_latex_, "text/plain": self.__repr__}
        return {
            kind: form()
            for kind, form in forms.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }


@dataclass(frozen=True, repr=False)
class ClosedForm(Displayed):
    """The gradient with respect to ``array``.

    ``entry`` is the entry of the array that ``index`` differentiates by; ``index`` is a SymPy expression in indexed
    entries, ``matrix`` a SymPy matrix expression in named arrays (a vector is a column), or None where no matrix form
    exists.
    """

    array: Array
    entry: Expr
    index: Expr
    matrix: Expr | None
    record: Record

    def expanded(self) -> Expr | None:
        """``matrix`` with every named array but the inputs written out."""
        return _written_out(self.record, self.array.name)

    def __repr__(self) -> str:
        return f"<{closed_form_words(self.record, self.array.name)}>"

    @property
    def _alone(self) -> Record:
        """The record with this gradient alone."""
        return replace(self.record, gradients={self.array.name: self.record.gradients[self.array.name]})

    def _repr_html_(self) -> str:
        from symgrad.render.html import closed_forms_html

        return closed_forms_html(self._alone)

    def _repr_latex_(self) -> str:
        from symgrad.render.latex import closed_forms_latex

        return f"$${closed_forms_latex(self._alone)}$$"


def _written_out(record: Record, name: str) -> Expr | None:
    """The gradient with respect to ``name`` with every named array but the inputs written out.

    None where it, or an array that it needs, has no matrix form.
    """
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
                swaps[atom] = Trace(form) if isinstance(form, MatrixExpr) and isinstance(atom, Symbol) else form
        value = replaced(value, swaps)
    return value


def closed_form_words(record: Record, name: str) -> str:
    """The gradient by the array ``name`` in a line of text, in matrix notation where it has such a form."""
    gradient = record.gradients[name]
    form = gradient.index if gradient.matrix is None else gradient.matrix
    return f"d{record.program.output}/d{name} = {expression_text(form, record)}"


@dataclass(frozen=True, repr=False)
class Proof(ProofReport, Displayed):
    """The marks of all lines of ``record``, and ``problems`` that are not those of a line."""

    record: Record = field(kw_only=True)

    @classmethod
    def of(cls, record: Record) -> Proof:
        """Check every line of a record."""
        report = prove(record)
        return cls(report.marks, report.problems, record=record)

    @property
    def faults(self) -> tuple[str, ...]:
        """Each wrong line, with its equation and why it is wrong; then the problems that are not those of a line."""
        wrong = [mark for mark in self.marks if mark.level == Level.WRONG]
        lines = (f"line {m.number} is wrong: {step_text(self.record, m.number)}: {m.detail}" for m in wrong)
        return (*lines, *self.problems)

    def refuse(self) -> tuple[str, ...]:
        """Sentences on the lines that are not proved, or undefined somewhere, of which ``UndefinedWarning`` warns too.

        Raises ``RefutedError`` that names the first fault, if there is one.
        """
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
    """How far up the first function is that is neither of this package nor a decorator around one of its own."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in ("symgrad", "contextlib"):
        frame, level = frame.f_back, level + 1
    return level


class Lines:
    """The lines of a record, and their proof."""

    record: Record

    @property
    def steps(self) -> tuple[Step, ...]:
        """The lines, in order; those on what code evaluates are numbered on from those of the derivation."""
        return self.record.steps

    @property
    def conventions(self) -> dict[Convention, tuple[Step, ...]]:
        """Which derivative is taken where a function is not smooth, with the lines that take it."""
        return self.record.conventions

    @cached_property
    def _proof(self) -> Proof:
        return Proof.of(self.record)

    @nested("a line of the derivation")
    def prove(self) -> Proof:
        """Check every line against the definition that it is about, for any numbers that shifts subtract, and say how
        each is known."""
        return self._proof


@dataclass(frozen=True, repr=False)
class Evaluation(Lines):
    """What the generated code evaluates instead of the definitions, and why: lines like those of a derivation.

    ``record`` has the lines, and the program that they are about: the derivation's, with the numbers that the shifts
    subtract as free inputs.  There are no lines where the code evaluates every equation as it stands.
    """

    record: Record

    def __repr__(self) -> str:
        return f"<what the code of {self.record.program.name} evaluates: {len(self.steps)} lines>"
