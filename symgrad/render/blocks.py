"""What a page of a derivation contains, before any notation: blocks in order. Data only.

``layout`` makes a page; each notation prints every kind of block by one method.
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
    """Words in which the names of the program are set as formulas; in a plain string they are not."""

    words: str


@dataclass(frozen=True)
class Cites:
    """Cited line numbers, links where a notation has links."""

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
    """A warning that the derivation is wrong."""

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
    """Rows of cells under heads; the first head is the title of the table."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True)
class Tables:
    """Tables that may be side by side."""

    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Entry:
    """A remark with the key that lines cite, or without a key."""

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

    ``left`` is None where the line continues the line above; it is an equation itself where the derivative has a name.
    ``reason`` says why the line follows, with what it cites; ``cites`` are the cited lines. ``mark`` is how the line is
    known to hold, ``detail`` how that was decided. ``shapes`` are the shapes of the matrix products, or of the right
    side if it has none; ``matrix`` tells whether the line is in matrix notation.
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
    """A closed form, entry by entry and in matrix notation; one of the two may be absent."""

    index: Line | None
    matrix: Line | None


@dataclass(frozen=True)
class ClosedForms:
    """The closed forms, and a remark on derivatives without a matrix form."""

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
    """An array of the program with numbers of its shape; among gradients, the derivative of the output with respect to
    the array."""

    array: Array
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """A small numeric example; the generated function computes the loss and the gradients asked for.

    ``sizes`` are the sizes of the axes; ``remark`` says what was chosen and why, ``signs`` what the signs of the
    derivatives mean; ``inputs`` and ``defined`` (named intermediates) are in the order of the program; ``gradients``
    begins with the derivatives with respect to intermediates.
    """

    sizes: Mapping[str, int]
    remark: str
    inputs: tuple[Quantity, ...]
    defined: tuple[Quantity, ...]
    loss: float
    gradients: tuple[Quantity, ...]
    signs: str = ""


@dataclass(frozen=True)
class Fact:
    """A convention of a framework, or a call that computes the same.

    ``topic`` is what it is about ("Reduction", "Axis", "PyTorch"); ``words`` may name arrays and axes of the program;
    ``call`` is Python, or empty.
    """

    topic: str
    words: str
    call: str = ""


@dataclass(frozen=True)
class Facts:
    """The conventions of the frameworks."""

    title: str
    facts: tuple[Fact, ...]


Block = Warn | Title | Paragraph | Tables | Entries | Section | ClosedForms | Code | Example | Facts


@dataclass(frozen=True)
class Page:
    """A derivation as a page, or some of its lines; ``names`` is how its formulas are spelled.

    ``anchor`` begins the ids of its lines; it differs between losses, and between a page and some of its lines.
    """

    names: Vocabulary
    anchor: str
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """The title, or an empty string."""
        return next((block.words for block in self.blocks if isinstance(block, Title)), "")

    @property
    def sections(self) -> tuple[Section, ...]:
        """The lines under their headings."""
        return tuple(block for block in self.blocks if isinstance(block, Section))

    @property
    def closed_lines(self) -> tuple[Line, ...]:
        """The closed forms, index notation first."""
        return tuple(line for block in self.blocks if isinstance(block, ClosedForms) for line in block.lines)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all sections; a line that continues the one above has its left side again."""
        groups = [group for section in self.sections for group in section.groups]
        return tuple(replace(line, left=line.left or group[0].left) for group in groups for line in group)
