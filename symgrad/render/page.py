"""What a page of a derivation contains, before any notation.  Data only: ``layout`` makes it, the renderers read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from symgrad.notation import Array
from symgrad.render.letters import AxisRow
from symgrad.render.shapes import ProductShapes, Shape
from symgrad.render.symbols import Vocabulary
from symgrad.render.tree import Cases, Indicator, Node, contains

GRADIENTS = "The gradients"
CONVENTIONS = "Where a function is not smooth"
EVALUATION = "As the code evaluates it"
CODE = "The code, without the functions that it calls"


def warning_words(marks: Mapping[int, str]) -> str:
    """What stands at the top and the bottom of a page: which lines are wrong, and what is wrong with the whole (0)."""
    wrong = [str(number) for number, mark in marks.items() if number and mark.startswith("wrong")]
    said = [f"line{'s' * (len(wrong) > 1)} {', '.join(wrong)} {'are' if wrong[1:] else 'is'} wrong"] if wrong else []
    return f"Warning: {'; '.join([*said, *([marks[0]] if 0 in marks else [])])}." if said or 0 in marks else ""


@dataclass(frozen=True)
class Line:
    """An equation with its reason.

    ``left`` is None where the line goes on from the one above; ``name`` is what the left side is called
    elsewhere (``G`` for a derivative).  ``keys`` are those of the assumption and the conventions used; ``cites``
    the lines used besides the one above; ``nonzero`` the divisors; ``mark`` how the line is known; ``products`` the
    shapes of the matrix products, and ``shape`` that of the whole, None for a scalar; ``matrix`` tells that the line is
    in matrix notation.
    """

    left: Node | None
    right: Node
    number: int | None = None
    name: Node | None = None
    reason: str = ""
    keys: tuple[str, ...] = ()
    cites: tuple[int, ...] = ()
    nonzero: tuple[Node, ...] = ()
    mark: str = ""
    products: tuple[ProductShapes, ...] = ()
    shape: Shape | None = None
    matrix: bool = False

    @property
    def lefts(self) -> tuple[Node, ...]:
        """The name of the left side, if it has one, and the left side; nothing where the line goes on."""
        return tuple(side for side in (self.name, self.left) if side and self.left)


@dataclass(frozen=True)
class Section:
    """Lines under one heading, which may end in the name of an array; each group is about one subject."""

    title: str
    array: Node | None
    groups: tuple[tuple[Line, ...], ...]

    @property
    def lines(self) -> list[Line]:
        """The lines of all groups."""
        return [line for group in self.groups for line in group]


@dataclass(frozen=True)
class ArrayRow:
    """One row of the table of shapes: the array (as a matrix, with at most two axes) and its entry, its axes, and what
    it is."""

    name: str
    matrix: Node
    entry: Node
    axes: tuple[str, ...]
    role: str


@dataclass(frozen=True)
class AssumptionRow:
    """An assumption, whether it is used, and the lines on the page that use it."""

    key: str
    words: str
    left: Node
    right: Node
    lines: tuple[int, ...]
    used: bool


@dataclass(frozen=True)
class ConventionRow:
    """Which derivative is taken where a function is not smooth, and the lines on the page that rest on it."""

    key: str
    words: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class ConditionRow:
    """What the derivation divides by, why it is not zero, and the lines on the page that rest on it."""

    nonzero: Node
    reason: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class ClosedForm:
    """A derivative among the closed forms: entry by entry, and in matrix notation; one of them may be absent."""

    index: Line | None
    matrix: Line | None


@dataclass(frozen=True)
class Page:
    """A derivation as a page, or some of its lines; ``names`` is how it is spelled, ``evaluation`` what the code
    evaluates.  The tables are empty where only some lines were asked for.

    ``columns`` are the vectors; ``index_only`` the arrays of too many axes for a matrix form, and ``no_matrix`` the
    other derivatives among the closed forms that have none, where one is asked for; ``warning`` says what is wrong.
    ``anchor`` is what links to its lines begin with: another for another loss, and for some lines of it.
    """

    names: Vocabulary
    title: str
    anchor: str
    axes: tuple[AxisRow, ...]
    arrays: tuple[ArrayRow, ...]
    columns: tuple[ArrayRow, ...]
    index_only: tuple[ArrayRow, ...]
    reduction: str
    assumptions: tuple[AssumptionRow, ...]
    sections: tuple[Section, ...]
    closed: tuple[ClosedForm, ...]
    no_matrix: tuple[Node, ...]
    conditions: tuple[ConditionRow, ...]
    conventions: tuple[ConventionRow, ...]
    evaluation: Section | None
    warning: str = ""

    @property
    def closed_lines(self) -> tuple[Line, ...]:
        """The closed forms, those in index notation first."""
        index = [form.index for form in self.closed if form.index]
        return (*index, *(form.matrix for form in self.closed if form.matrix))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all sections, those that go on from the one above with its left side again."""
        sections = (*self.sections, *([self.evaluation] if self.evaluation else []))
        groups = [group for section in sections for group in section.groups]
        return tuple(replace(line, left=line.left or group[0].left) for group in groups for line in group)

    @property
    def has_indicator(self) -> bool:
        """Whether a formula has a relation in brackets, which is 1 where it holds."""
        return any(contains(line.right, Indicator) for line in (*self.lines, *self.closed_lines))

    @property
    def has_matrix_cases(self) -> bool:
        """Whether a formula in matrix notation is defined by cases."""
        return any(line.matrix and contains(line.right, Cases) for line in (*self.lines, *self.closed_lines))


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array of the program with numbers: ``values`` has its shape; in a list of gradients they are the derivative
    of the output with respect to it."""

    array: Array
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """A small numeric example; the loss and the gradients asked for are computed by the generated function.

    ``sizes`` are those of the axes; ``remark`` says in words what was chosen and why; ``inputs`` and ``defined`` (the
    named arrays on the way) stand in the order of the program; ``gradients`` has those of the arrays on the way
    first, then those asked for.
    """

    sizes: Mapping[str, int]
    remark: str
    inputs: tuple[Quantity, ...]
    defined: tuple[Quantity, ...]
    loss: float
    gradients: tuple[Quantity, ...]


@dataclass(frozen=True)
class Fact:
    """One of the conventions that a reader of a framework's documentation asks about.

    ``topic`` is what it is about ("Reduction", "Axis", "PyTorch"); ``words`` may name arrays and axes of the program;
    ``call`` is Python, or empty.
    """

    topic: str
    words: str
    call: str = ""
