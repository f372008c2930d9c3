"""One equation of a derivation for a sentence: the closed form of a gradient, or a line by its number."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.errors import InputError
from symgrad.render.blocks import Line
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.layout import layout
from symgrad.render.mathml import MathPrinter, latex_to_mathml
from symgrad.render.symbols import Vocabulary, leaf_name
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node, Relation, Slope
from symgrad.steps import Record


@dataclass(frozen=True)
class Equation:
    """An equation, and how the names in it are spelled."""

    node: Node
    names: Vocabulary

    def text(self) -> str:
        """The equation in Unicode, on one line."""
        return TextPrinter(self.names).show(self.node)

    def latex(self) -> str:
        """The equation in LaTeX, for math mode."""
        return LatexPrinter(self.names).show(self.node)

    def mathml(self) -> str:
        """The equation as a ``<math>`` element within a line."""
        return latex_to_mathml(MathPrinter(self.names).show(self.node), "inline", self.text())


def closed_form(record: Record, name: str, notation: str = "matrix") -> Equation | None:
    """The derivative with respect to the array ``name``, with its name if the closed forms use one.

    ``notation`` is "index" or "matrix"; a derivative without a matrix form is given entry by entry. None if the closed
    forms do not contain a derivative with respect to ``name``.
    """
    page = layout(record, notation=notation)
    for line in page.closed_lines:
        match line.left:
            case Slope(_, Leaf(entry)) | Relation(_, _, Slope(_, Leaf(entry))) if leaf_name(entry) == name:
                return _equation(line, page.names)
    return None


def numbered(record: Record, number: int, evaluation: Record | None = None) -> Equation:
    """The line with a number, with its left side; ``evaluation`` has the lines on what the code evaluates.

    Raises ``InputError`` if there is no such line.
    """
    page = layout(record, evaluation=evaluation)
    lines = {line.number: line for line in page.lines}
    if number not in lines:
        raise InputError(f"there is no line {number}: the derivation has lines 1 to {len(lines)}")
    return _equation(lines[number], page.names)


def _equation(line: Line, names: Vocabulary) -> Equation:
    assert line.left is not None
    return Equation(Relation("==", line.left, line.right), names)
