"""The public face: ``derive`` and the ``Derivation`` that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from symgrad.array.loss import Loss, Traced
from symgrad.check.marks import Level, Mark
from symgrad.engine.derive import derive_record
from symgrad.equations import Assumption
from symgrad.errors import InputError, SymgradError, UnsupportedError, nested
from symgrad.losses import LOSSES, ready_made
from symgrad.program import Program
from symgrad.render.blocks import Page
from symgrad.render.layout import Beside, layout
from symgrad.render.text import to_text
from symgrad.results import ClosedForm, Displayed, Evaluation, Lines, closed_form_words
from symgrad.steps import Record, Step

if TYPE_CHECKING:
    from symgrad.explicit import Explicit
    from symgrad.render.blocks import Example, Fact

# What only some methods need (LaTeX, MathML, generated code, explicit matrices) is imported when they are called:
# together it would add a third to the time in which a derivation can be printed.


def derive(
    loss: str | Program | Loss,
    wrt: Sequence[str] | None = None,
    *,
    assume: Sequence[Assumption] | None = None,
    **parameters: object,
) -> Derivation:
    """The gradient of ``loss`` with respect to the arrays named in ``wrt``, step by step.

    ``loss`` is the name of a ready-made loss (see ``symgrad.LOSSES``); a loss of one's own (``symgrad.loss``); or a
    ``Program``.  The function of a loss takes ``parameters``, such as ``reduction="sum"``, and ``gamma=2`` fixes a
    scalar that is an input otherwise.  ``wrt`` is what the loss declares, or ("W", "b"), unless given.  ``assume``
    replaces the program's assumptions: ``assume=()`` gives the general result.

    Raises ``InputError`` for an unknown loss, parameter or array, ``ProgramError`` for equations that are ill-formed,
    and ``UnsupportedError``, naming the expression, for one without a derivative; errors in a loss of one's own point
    at its line.
    """
    given = ready_made(loss) if isinstance(loss, str) else loss
    if not isinstance(given, (Loss, Program)):
        instead = ": declare it with @symgrad.loss(shapes=...)" if callable(given) else ""
        raise InputError(
            f"a loss is the name of a ready-made one, a function so declared or a program, not {given!r}{instead}"
        )
    if wrt is not None and not isinstance(wrt, Iterable):
        raise InputError(f"wrt names arrays, such as 'W' or ['W', 'b'], and is no {type(wrt).__name__}")
    traced = None
    if isinstance(given, Loss):
        traced = _traced(given, parameters)
        program = traced.program
    else:
        program = given
        if parameters:
            raise InputError(f"{program.name}: a program takes no parameters, but {', '.join(parameters)} was given")
    if assume is not None and not all(isinstance(a, Assumption) for a in assume):
        raise InputError(f"{program.name}: assume takes assumptions such as rows_sum_to_one(Y), or () for none")
    if assume is not None:
        program = replace(program, assumptions=tuple(assume))
    if wrt is None:
        wrt = given.wrt if isinstance(given, Loss) else ("W", "b")
    try:
        return Derivation(derive_record(program, (wrt,) if isinstance(wrt, str) else tuple(wrt)))
    except UnsupportedError as error:
        raise traced.pointing(error, error.equation) if traced and error.equation else error from None


def _loops() -> ModuleType:
    """The module that writes loops, which needs numba."""
    try:
        from symgrad.codegen import loop_module
    except ImportError as error:
        needed = "python -m pip install 'symgrad[numba]'"
        raise UnsupportedError(f"the target numba needs numba and scipy ({error}): {needed}") from None
    return loop_module


def _traced(loss: Loss, parameters: Mapping[str, object]) -> Traced:
    """The program of a loss; what is wrong with a ready-made one is said without a line, which is no user's."""
    try:
        return loss.trace(parameters)
    except SymgradError as error:
        if loss is not LOSSES.get(loss.name):
            raise
        words = str(error).splitlines()[0]
        raise type(error)(words if words.startswith(loss.name) else f"{loss.name}: {words}") from None


class Derivation(Lines, Displayed):
    """A derivation: its program, its lines, its closed forms; their proof; and what can be made of them."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def program(self) -> Program:
        """The forward equations, with the arrays of ``wrt`` as nodes."""
        return self.record.program

    @property
    def gradients(self) -> dict[str, ClosedForm]:
        """The closed forms by the name of the array differentiated by."""
        return {
            name: ClosedForm(g.array, g.entry, g.index, g.matrix, self.record)
            for name, g in self.record.gradients.items()
        }

    @property
    def assumptions(self) -> dict[Assumption, tuple[Step, ...]]:
        """Each assumption that was allowed, with the lines that use it."""
        return {a: tuple(s for s in self.steps if s.assumption == a) for a in self.program.assumptions}

    @cached_property
    def evaluation(self) -> Evaluation:
        """The stable forms that the generated code evaluates, each a line with its reason."""
        from symgrad.codegen import evaluation

        return Evaluation(evaluation(self.record))

    @cached_property
    def assignments(self) -> Evaluation:
        """The assignments of the generated code that are not its equations word for word: what it computes instead."""
        return self._assignments("numpy")

    def _assignments(self, target: str) -> Evaluation:
        from symgrad.codegen import assignments

        return Evaluation(assignments(self.record, len(self.steps) + len(self.evaluation.steps) + 1, target))

    def _refuse(self, target: str = "") -> tuple[str, ...]:
        """What a generated module says of lines that are not known to hold.

        Raises ``RefutedError``, naming the line, where one is wrong, of the derivation, of what its code evaluates, or
        of its assignments for a ``target``; warns with ``UndefinedWarning`` of lines that are undefined somewhere.
        """
        parts: list[Derivation | Evaluation] = [self, self.evaluation]
        parts += [self.assignments if target == "numpy" else self._assignments(target)] if target else []
        return tuple(remark for part in parts for remark in part.prove().refuse())

    def _marks(self, code: bool) -> list[Mark]:
        parts: list[Derivation | Evaluation] = [self, *([self.evaluation, self.assignments] if code else [])]
        return [mark for part in parts for mark in part.prove().marks]

    def _page(self, notation: str, steps: str, code: bool, title: bool, **beside: Any) -> Page:
        """The page that every notation writes; ``beside`` is what it shows besides the lines and the ``code``."""
        marks = {mark.number: mark.words for mark in self._marks(code) if mark.level != Level.DEFINITION}
        marks |= dict(enumerate(self.prove().problems[:1]))
        evaluation, source = self._added(code)
        return layout(self.record, marks, notation, evaluation, steps, title, Beside(code=source, **beside))

    @cached_property
    def _module(self) -> str:
        from symgrad.codegen import to_source

        return to_source(self.record, self.function_name)

    def _added(self, code: bool) -> tuple[Record | None, str]:
        """What ``code`` adds: the lines on what the generated code evaluates, and the source of the function; where a
        line is wrong there is none."""
        if not code or self.prove().faults:
            return None, ""
        shown = replace(self.evaluation.record, steps=(*self.evaluation.steps, *self.assignments.steps))
        if self.evaluation.prove().faults or self.assignments.prove().faults:
            return shown, ""
        from symgrad.codegen import function_source

        return shown, function_source(self._module, self.function_name)

    @nested("a line of the derivation")
    def to_text(self, notation: str = "both", *, steps: str = "all", code: bool = False, title: bool = True) -> str:
        """The derivation for a terminal, in Unicode, with the proof mark of each line.

        ``notation`` is "index", "matrix" or "both".  ``steps`` is "all", "none" (the closed forms) or the numbers
        of some lines, "5-13" or "1-4, 13".  ``code`` adds how the generated code evaluates it, each line proved too,
        and the source of the function.  Without ``title`` it has none.  Raises ``InputError`` for another notation and
        for lines that are not there.
        """
        return to_text(self._page(notation, steps, code, title))

    @nested("a line of the derivation")
    def to_latex(
        self,
        notation: str = "both",
        *,
        steps: str = "all",
        standalone: bool = False,
        code: bool = False,
        title: bool = True,
    ) -> str:
        """The derivation in amsmath LaTeX; ``standalone`` makes it a document that pdflatex compiles.

        ``notation``, ``steps`` and ``code`` are those of ``to_text``, the source verbatim.
        """
        from symgrad.render.latex import to_latex

        return to_latex(self._page(notation, steps, code, title), standalone=standalone)

    @nested("a line of the derivation")
    def to_html(
        self,
        notation: str = "both",
        *,
        fragment: bool = False,
        steps: str = "all",
        code: bool = True,
        title: bool = True,
    ) -> str:
        """The derivation as a self-contained HTML page: formulas in MathML, no script, nothing from elsewhere.

        Each line has its proof mark, the detail on demand; below the closed forms stand their shapes, a small numeric
        example, what frameworks call the same thing, and with ``code`` how the generated code evaluates it and its
        source.  ``notation`` and ``steps`` are those of ``to_text``; where these are not "all", lines and closed forms
        stand alone.  ``fragment`` gives a ``<section class="symgrad">`` with its style; without ``title`` it has
        neither title nor style, for a page that has its own (``symgrad.stylesheet()``).
        """
        from symgrad.render.html import to_html

        page = self._page(
            notation,
            steps,
            code,
            title or not fragment,
            details={mark.number: mark.explanation for mark in self._marks(code)},
            counts=self.prove().counts,
            example=self.example if steps == "all" and not self.prove().faults else None,
            facts=self.frameworks if steps == "all" else (),
        )
        return to_html(page, fragment=fragment)

    @nested("a line of the derivation")
    def to_markdown(self, notation: str = "both", *, steps: str = "all", code: bool = False, title: bool = True) -> str:
        """The derivation in Markdown, with LaTeX between dollar signs.

        ``notation``, ``steps`` and ``code`` are those of ``to_text``.
        """
        from symgrad.render.markdown import to_markdown

        return to_markdown(self._page(notation, steps, code, title))

    @nested("a line of the derivation")
    def to_mathml(self, notation: str = "both", *, steps: str = "all", code: bool = False, title: bool = True) -> str:
        """The derivation as MathML ``<math>`` elements, one a paragraph, each well-formed XML.

        ``notation``, ``steps`` and ``code`` are those of ``to_text``.
        """
        from symgrad.render.mathml import to_mathml

        return to_mathml(self._page(notation, steps, code, title))

    @cached_property
    @nested("a line of the derivation")
    def example(self) -> Example | None:
        """A small numeric example, the loss and the gradients computed by the generated function; None where no inputs
        give finite numbers.  Raises ``RefutedError`` where a line is wrong."""
        from symgrad.codegen import compile_source
        from symgrad.example import worked_example

        self._refuse()
        return worked_example(self.record, compile_source(self._module, self.function_name))

    @cached_property
    def frameworks(self) -> tuple[Fact, ...]:
        """The conventions that tie the loss to those of the frameworks, and the calls that compute the same."""
        from symgrad.frameworks import conventions

        return conventions(self.program)

    def _repr_html_(self) -> str:
        return self.to_html(fragment=True, code=False)

    def _repr_latex_(self) -> str:
        from symgrad.render.latex import closed_forms_latex

        return f"$${closed_forms_latex(self.record)}$$"

    @nested("a line of the derivation")
    def explicit(self, *, y: Sequence[int] | None = None, **sizes: int) -> Explicit:
        """The derivation at given sizes, ``explicit(N=2, D=4, C=3)``: SymPy matrices, entry by entry.

        ``y`` gives labels, zero-based.  Raises ``InputError`` for a size that is missing, unknown or less than one.
        """
        from symgrad.explicit import explicit

        return explicit(self.record, sizes, y, self._refuse)

    @nested("a line of the derivation")
    def to_numpy(self, *, check: bool = True) -> Callable[..., Any]:
        """``f`` with ``loss, grads = f(X, W, b, Y)``: the closed forms, evaluated by NumPy at any size.

        ``f`` takes the inputs of the program in order; ``grads.W`` has the shape of ``W``.  Rows of labels may
        be given as N integers.  It computes in the float type of its inputs (of float16 in float32), and raises
        ``ValueError`` naming an input whose shape does not fit, or the assumption that one does not satisfy.

        Every line is proved first, once; assignments are where source is asked for.  ``check=False`` leaves that out.
        Raises ``RefutedError``, naming a line that is wrong; ``UndefinedWarning`` is of one undefined somewhere.
        """
        from symgrad.codegen import compile_source

        if check:
            self._refuse()
        return compile_source(self._source, self.function_name)

    @cached_property
    def _source(self) -> str:
        """What ``to_numpy`` compiles; kept without the function, so that a derivation can be pickled."""
        from symgrad.codegen import to_source

        return to_source(self.record, self.function_name)

    @nested("a line of the derivation")
    def to_source(
        self, name: str = "", *, target: str = "numpy", sizes: Mapping[str, int] | None = None, check: bool = True
    ) -> str:
        """Source of a module that needs numpy alone, with the function that ``to_numpy`` returns.

        ``target="scalar"`` with ``sizes={"N": 2, "D": 4, "C": 3}`` gives plain Python unrolled for these sizes,
        ``target="numba"`` the function that ``to_numba`` returns, which needs numba and scipy.
        Raises ``InputError`` for an unknown target and for sizes that do not fit it.  ``check`` is that of
        ``to_numpy``; the documentation of the module names the lines that are not proved.
        """
        from symgrad.codegen import to_source

        if target == "numba" and sizes:
            raise InputError("the target numba takes no sizes: its functions take inputs of any size")
        remarks = self._refuse(target) if check else ()
        words = (*self.closed_form_words(), *(["", *remarks] if remarks else []))
        if target == "numba":
            source: str = _loops().loop_source(self.record, name or self.function_name, words)
            return source
        return to_source(self.record, name or self.function_name, words, target=target, sizes=sizes)

    @nested("a line of the derivation")
    def to_numba(self, *, check: bool = True) -> Callable[..., Any]:
        """``f`` as of ``to_numpy``, in loops over blocks of rows that numba compiles: for float32 and float64.

        No array of the size of the data is made, and large inputs take several threads; the same number of threads
        gives the same bits.  The first call for a type of inputs compiles, which takes seconds; what was compiled is
        kept in the user's cache.  Where most of the work are products of large matrices, as in attention or with a
        thousand classes, ``to_numpy`` is as fast or faster.  ``check`` and errors are those of ``to_numpy``;
        ``UnsupportedError`` without numba.
        """
        if check:
            self._refuse()
        function: Callable[..., Any] = _loops().to_numba(self.record)
        return function

    @property
    def function_name(self) -> str:
        """What the generated function is called: after the program, whose name may be any text."""
        plain = normalize("NFKC", self.program.name)  # as Python reads names
        name = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in plain)
        return f"{name if name[:1].isidentifier() and name[0] != '_' else f'loss_{name}'}_gradient"

    def closed_form_words(self) -> tuple[str, ...]:
        """The closed forms, a line each, as text."""
        return tuple(closed_form_words(self.record, name) for name in self.record.gradients)

    def __repr__(self) -> str:
        return f"<derivation of {self.program.name}: {len(self.steps)} lines; {'; '.join(self.closed_form_words())}>"
