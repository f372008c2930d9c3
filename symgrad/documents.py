"""A derivation as documents: text, LaTeX, HTML, Markdown, Typst and MathML pages, with the parts beside the lines."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from symgrad.check.marks import Level, Mark
from symgrad.errors import RefutedError, UnsupportedError, nested
from symgrad.program import Program
from symgrad.render.blocks import Page
from symgrad.render.layout import Beside, layout
from symgrad.render.text import to_text
from symgrad.results import Displayed, Evaluation, Lines
from symgrad.steps import Record, Statement

if TYPE_CHECKING:
    from symgrad.render.blocks import Example, Fact

# Methods import what only they need (LaTeX, MathML, generated code), which saves a quarter of the time to print text.


class Documents(Lines, Displayed):
    """The pages of a derivation, its proof, and what a page shows beside the lines."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def program(self) -> Program:
        """The forward equations; the arrays in ``wrt`` are nodes."""
        return self.record.program

    @cached_property
    def evaluation(self) -> Evaluation:
        """The stable forms that the generated code evaluates, as lines with reasons."""
        from symgrad.codegen import evaluation

        return Evaluation(evaluation(self.record))

    @cached_property
    def assignments(self) -> Evaluation:
        """The assignments of the generated code that differ from their equations, as lines with reasons."""
        return self._assignments("numpy")

    def _assignments(self, target: str) -> Evaluation:
        from symgrad.codegen import assignments

        return Evaluation(assignments(self.record, len(self.steps) + len(self.evaluation.steps) + 1, target))

    def _refuse(self, target: str = "") -> tuple[str, ...]:
        """Prove the derivation, its evaluation and, for a ``target``, its assignments; see ``Proof.refuse``."""
        parts: list[Documents | Evaluation] = [self, self.evaluation]
        parts += [self.assignments if target == "numpy" else self._assignments(target)] if target else []
        return tuple(remark for part in parts for remark in part.prove().refuse())

    def _marks(self, code: bool) -> list[Mark]:
        parts: list[Documents | Evaluation] = [self, *([self.evaluation, self.assignments] if code else [])]
        return [mark for part in parts for mark in part.prove().marks]

    def _page(self, notation: str, steps: str, code: bool, title: bool, detail: str, **beside: Any) -> Page:
        """The page for all formats; ``beside`` are its parts other than lines and ``code``."""
        marks = {mark.number: mark.words for mark in self._marks(code) if mark.level != Level.DEFINITION}
        marks |= dict(enumerate(self.prove().problems[:1]))
        evaluation, source = self._added(code)
        numpy = self._shown_numpy_lines() if detail == "short" and steps == "all" else ""
        facts = {fact: (mark.words, mark.assumptions) for fact, mark in self.facts.items()} if steps == "all" else {}
        beside_lines = Beside(code=source, numpy=numpy, statements=facts, **beside)
        return layout(self.record, marks, notation, evaluation, steps, title, beside_lines, detail)

    def _added(self, code: bool) -> tuple[Record | None, str]:
        """What ``code`` adds: the evaluation's lines, and the source, which is empty if a line is wrong."""
        if not code or self.prove().faults:
            return None, ""
        shown = replace(self.evaluation.record, steps=(*self.evaluation.steps, *self.assignments.steps))
        if self.evaluation.prove().faults or self.assignments.prove().faults:
            return shown, ""
        from symgrad.codegen import function_source

        return shown, function_source(self._source, self.function_name)

    @nested("a line of the derivation")
    def to_text(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        code: bool = False,
        title: bool = True,
        detail: str = "short",
        columns: int | None = None,
    ) -> str:
        """The derivation as Unicode text, with the proof mark of each line.

        ``notation`` is "index", "matrix" or "both".  ``steps`` is "all", "none" (only the closed forms), or line
        numbers, "5-13" or "1-4, 13".  ``code`` adds how the generated code evaluates the loss, in proved lines, and
        its source.  ``title=False`` omits the title.  ``detail="short"`` begins with the results, and shows one line
        for each idea, with the matrix form of a derivative below its index form; ``detail="full"`` shows every line.  A
        line has the same number in both.  ``columns`` is the width of the text, 60 or more (default: 140).  Raises
        ``InputError`` for an unknown notation, detail or line.
        """
        return to_text(self._page(notation, steps, code, title, detail), columns)

    @nested("a line of the derivation")
    def to_latex(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        standalone: bool = False,
        code: bool = False,
        title: bool = True,
        detail: str = "short",
    ) -> str:
        """The derivation in amsmath LaTeX; ``standalone`` makes a complete document for pdflatex.

        The other parameters are as in ``to_text``.
        """
        from symgrad.render.latex import to_latex

        return to_latex(self._page(notation, steps, code, title, detail), standalone=standalone)

    @nested("a line of the derivation")
    def to_html(
        self,
        notation: str = "both",
        *,
        fragment: bool = False,
        steps: str = "all",
        code: bool = True,
        title: bool = True,
        detail: str = "short",
    ) -> str:
        """The derivation as a self-contained HTML page: formulas in MathML, no script, no external resources.

        Each line has its proof mark, with details on demand.  Below the closed forms follow their shapes, a numeric
        example, the conventions of frameworks and, with ``code``, the evaluation and source of the generated code;
        the example and the conventions need ``steps="all"``.  ``fragment`` returns a ``<section class="symgrad">``
        with its style; with ``title=False`` also without its style, for a page that has ``symgrad.stylesheet()``.
        The other parameters are as in ``to_text``.
        """
        from symgrad.render.html import to_html

        page = self._page(
            notation,
            steps,
            code,
            title or not fragment,
            detail,
            details={mark.number: mark.explanation for mark in self._marks(code)},
            counts=self.prove().counts,
            example=self.example if steps == "all" and not self.prove().faults else None,
            facts=self.frameworks if steps == "all" else (),
        )
        return to_html(page, fragment=fragment)

    @nested("a line of the derivation")
    def to_markdown(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        code: bool = False,
        title: bool = True,
        detail: str = "short",
    ) -> str:
        """The derivation in Markdown, with LaTeX between dollar signs; parameters as in ``to_text``."""
        from symgrad.render.markdown import to_markdown

        return to_markdown(self._page(notation, steps, code, title, detail))

    @nested("a line of the derivation")
    def to_typst(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        code: bool = False,
        title: bool = True,
        detail: str = "short",
    ) -> str:
        """The derivation as a Typst document; parameters as in ``to_text``."""
        from symgrad.render.typst import to_typst

        return to_typst(self._page(notation, steps, code, title, detail))

    @nested("a line of the derivation")
    def to_mathml(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        code: bool = False,
        title: bool = True,
        detail: str = "short",
    ) -> str:
        """The derivation as MathML ``<math>`` elements, one per paragraph; parameters as in ``to_text``."""
        from symgrad.render.mathml import to_mathml

        return to_mathml(self._page(notation, steps, code, title, detail))

    @cached_property
    @nested("a line of the derivation")
    def example(self) -> Example | None:
        """A small numeric example, computed by the generated function; None if no inputs give finite numbers, or if the
        function needs SciPy, which is not installed.

        Raises ``RefutedError`` if a line is wrong.
        """
        from symgrad.codegen import compile_source
        from symgrad.example import worked_example

        self._refuse()
        try:
            function = compile_source(self._source, self.function_name)
        except UnsupportedError:
            return None
        return worked_example(self.record, function)

    @cached_property
    @nested("a fact about the gradient")
    def facts(self) -> dict[Statement, Mark]:
        """The facts that the loss declares about its gradient, each with the mark of its proof.

        Raises ``InputError`` for a text that is not a fact about this loss.
        """
        from symgrad.declared_facts import proved_facts

        return proved_facts(self.record, self.prove().marks)

    def refuse(self) -> tuple[str, ...]:
        """Raise ``RefutedError`` for a wrong line or fact; return a remark for each line that is not proved."""
        remarks = self.prove().refuse()
        from symgrad.declared_facts import stated_facts

        for text, mark in zip(stated_facts(self.record), self.facts.values(), strict=True):
            if not mark.ok:
                raise RefutedError(f"{self.program.name}: the fact {text!r} is {mark.words}: {mark.detail}")
        return remarks

    @cached_property
    def frameworks(self) -> tuple[Fact, ...]:
        """How the conventions of frameworks relate to this loss, and the framework calls that compute it."""
        from symgrad.frameworks import conventions

        return conventions(self.program)

    def _repr_html_(self) -> str:
        return self.to_html(fragment=True, code=False)

    def _repr_latex_(self) -> str:
        from symgrad.render.latex import closed_forms_latex

        return f"$${closed_forms_latex(self.record)}$$"

    @cached_property
    def _source(self) -> str:
        """The NumPy source; cached instead of the function, so that a derivation can be pickled."""
        from symgrad.codegen import to_source

        return to_source(self.record, self.function_name)

    @cached_property
    @nested("a line of the derivation")
    def numpy_lines(self) -> str:
        """The loss and its gradients as a few lines of NumPy, for reading and pasting.

        They read the inputs and assign the output by their names, and the gradient with respect to ``W`` to ``dW``.
        They are as stable as the functions of ``to_numpy``, but do not check their inputs.  Raises ``RefutedError`` for
        a wrong line.
        """
        self._refuse("lines")
        return self._numpy_lines

    @cached_property
    def _numpy_lines(self) -> str:
        from symgrad.codegen import numpy_lines

        return numpy_lines(self.record)

    def _shown_numpy_lines(self) -> str:
        """The lines for a page; empty if a line is wrong or NumPy lacks a function."""
        try:
            parts = (self, self.evaluation, self._assignments("lines"))
            return "" if any(part.prove().faults for part in parts) else self._numpy_lines
        except UnsupportedError:
            return ""

    @property
    def function_name(self) -> str:
        """The name of the generated function: the program's name as an identifier."""
        plain = normalize("NFKC", self.program.name)  # as Python reads names
        name = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in plain)
        return f"{name if name[:1].isidentifier() and name[0] != '_' else f'loss_{name}'}_gradient"
