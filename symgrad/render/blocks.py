"""What a page of a derivation contains, before any notation: blocks in order.  Data only.

``layout`` makes a page; a backend prints its blocks, each by a method of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from symgrad.notation import Array
from symgrad.render.symbols import Vocabulary
from symgrad.render.tree import Node

# --- text ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prose:
    """Words in which the names of the program are set as formulas; a plain string is printed as it is."""

    words: str


@dataclass(frozen=True)
class Cites:
    """The numbers of lines, each a link where a notation has links."""

    lines: tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """The key of an assumption or a convention."""

    key: str


Piece = str | Prose | Node | Cites | Key
Text = tuple[Piece, ...]

# --- blocks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Warn:
    """What is wrong with the derivation."""

    text: Text


@dataclass(frozen=True)
class Title:
    """The title of the page."""

    words: str


@dataclass(frozen=True)
class Paragraph:
    """A remark."""

    text: Text


@dataclass(frozen=True)
class Table:
    """Rows of cells under heads, of which the first is the title of the table."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True)
class Tables:
    """Tables that may stand side by side."""

    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Entry:
    """One of several remarks, with the key that lines cite, or without one."""

    text: Text
    key: str = ""


@dataclass(frozen=True)
class Entries:
    """Remarks of one kind: assumptions, divisors, or conventions."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Line:
    """An equation.

    ``left`` is None where the line continues the one above; it is an equation itself where the derivative has a name.
    ``reason`` says how the line follows, and cites what it uses; ``cites`` are the numbers of the lines among that.
    ``mark`` is how the line is known to hold, ``detail`` how that was decided.  ``shapes`` are those of the matrix
    products, or of the whole where there are none; ``matrix`` tells that the line is in matrix notation.
    """

    left: Node | None
    right: Node
    number: int | None = None
    reason: Text = ()
    cites: tuple[int, ...] = ()
    mark: str = ""
    detail: str = ""
    shapes: tuple[Text, ...] = ()
    matrix: bool = False


@dataclass(frozen=True)
class Section:
    """Lines under a heading; each group is about one subject."""

    title: Text
    groups: tuple[tuple[Line, ...], ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all groups."""
        return tuple(line for group in self.groups for line in group)


@dataclass(frozen=True)
class ClosedForm:
    """A derivative among the closed forms: entry by entry, and in matrix notation; one of them may be absent."""

    index: Line | None
    matrix: Line | None


@dataclass(frozen=True)
class ClosedForms:
    """The closed forms, and a remark on those that have no matrix form."""

    title: str
    forms: tuple[ClosedForm, ...]
    remark: Text

    @property
    def lines(self) -> tuple[Line, ...]:
        """The closed forms, those in index notation first."""
        index = [form.index for form in self.forms if form.index]
        return (*index, *(form.matrix for form in self.forms if form.matrix))


@dataclass(frozen=True)
class Code:
    """The source of the generated function."""

    title: str
    source: str


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array of the program with numbers: ``values`` has its shape; in a list of gradients they are the derivative
    of the output with respect to it."""

    array: Array
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """A small numeric example; the loss and the gradients asked for are computed by the generated function.

    ``sizes`` are the sizes of the axes; ``remark`` says in words what was chosen and why; ``inputs`` and ``defined``
    (the named intermediates) are in the order of the program; ``gradients`` has the derivatives with respect to
    intermediates first, then those asked for.
    """

    sizes: Mapping[str, int]
    remark: str
    inputs: tuple[Quantity, ...]
    defined: tuple[Quantity, ...]
    loss: float
    gradients: tuple[Quantity, ...]


@dataclass(frozen=True)
class Fact:
    """A convention that a reader of a framework's documentation asks about.

    ``topic`` is what it is about ("Reduction", "Axis", "PyTorch"); ``words`` may name arrays and axes of the program;
    ``call`` is Python, or empty.
    """

    topic: str
    words: str
    call: str = ""


@dataclass(frozen=True)
class Facts:
    """What the frameworks call the same thing."""

    title: str
    facts: tuple[Fact, ...]


Block = Warn | Title | Paragraph | Tables | Entries | Section | ClosedForms | Code | Example | Facts


@dataclass(frozen=True)
class Page:
    """A derivation as a page, or some of its lines; ``names`` is how its formulas are spelled.

    ``anchor`` is what links to its lines begin with: another for another loss, and for some lines of it.
    """

    names: Vocabulary
    anchor: str
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """The title, or nothing."""
        return next((block.words for block in self.blocks if isinstance(block, Title)), "")

    @property
    def sections(self) -> tuple[Section, ...]:
        """The lines under their headings."""
        return tuple(block for block in self.blocks if isinstance(block, Section))

    @property
    def closed_lines(self) -> tuple[Line, ...]:
        """The closed forms, those in index notation first."""
        return tuple(line for block in self.blocks if isinstance(block, ClosedForms) for line in block.lines)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all sections; a line that continues the one above has its left side again."""
        groups = [group for section in self.sections for group in section.groups]
        return tuple(replace(line, left=line.left or group[0].left) for group in groups for line in group)
