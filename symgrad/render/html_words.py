"""The words and formulas of an HTML page: everything escaped, every formula MathML with its text form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from symgrad.names import spelled, word
from symgrad.render.formula import NAMESPACE, element, escaped, markup
from symgrad.render.latex_printer import letters as letters_latex
from symgrad.render.latex_printer import matrix_name
from symgrad.render.mathml import MathPrinter
from symgrad.render.page import Line
from symgrad.render.shapes import ProductShapes, Shape
from symgrad.render.symbols import Vocabulary, split_words
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Node

EQUALS = "<mo>=</mo>"


class Spelling:
    """How a page writes formulas and words.

    ``keys`` gives the anchor of each assumption and convention on the page; ``anchor`` is what those of lines begin
    with, and ``numbers`` are those of the lines on it.
    """

    def __init__(self, names: Vocabulary, keys: Mapping[str, str], anchor: str, numbers: Collection[int]) -> None:
        self.names = names
        self.keys = keys
        self.anchor = anchor
        self.numbers = numbers
        self.printer = MathPrinter(names)
        self.plain = TextPrinter(names)

    # --- formulas -----------------------------------------------------------------------------------------------------

    def formula(self, latex: str, text: str) -> str:
        """A formula of the dialect, in the line, with its text form; the style sheet says whether it is displayed,
        so that limits may stand above and below a sum.  HTML knows the namespace by itself."""
        return self._inline(markup(latex), text)

    def _inline(self, inside: str, text: str) -> str:
        return element(inside, text).replace(f' xmlns="{NAMESPACE}" display="block"', "", 1)

    def text(self, node: Node) -> str:
        """A formula in Unicode, not escaped."""
        return self.plain.show(node)

    def math(self, node: Node) -> str:
        """One formula."""
        return self.formula(self.printer.show(node), self.text(node))

    def equation(self, left: Node, right: Node) -> str:
        """Two sides in one formula."""
        return self._sides([left, right])

    def relation(self, right: Node) -> str:
        """A right side with the sign before it."""
        return self._sides([right], EQUALS)

    def left(self, line: Line) -> str:
        """The left side of a line that has one, with its name."""
        return self._sides(line.lefts)

    def _sides(self, nodes: Sequence[Node], before: str = "") -> str:
        """Formulas with an equals sign between them.  Each is converted by itself: most stand on the page twice."""
        inside = before + EQUALS.join(_side(markup(self.printer.show(node))) for node in nodes)
        return self._inline(inside, ("= " if before else "") + " = ".join(map(self.text, nodes)))

    def nonzero(self, node: Node) -> str:
        """That an expression is not zero."""
        return self.formula(rf"{self.printer.show(node)} \ne 0", f"{self.text(node)} ≠ 0")

    def product(self, product: ProductShapes) -> str:
        """The shapes of the factors of a matrix product, and of the product."""
        factors = [f"{self.math(node)}: {size_words(size)}" for node, size in product.factors]
        return f"{', '.join(factors)} → {size_words(product.result)}"

    def letters(self, names: Iterable[str]) -> str:
        """Letters of axes or indices, in one formula."""
        names = list(names)
        return self.formula(", ".join(map(letters_latex, names)), ", ".join(names))

    # --- words --------------------------------------------------------------------------------------------------------

    def words(self, text: str) -> str:
        """A sentence with the names of the program in it set as variables."""
        parts = []
        for words, name in split_words(text, self.names):
            parts.append(escaped(words))
            if name in self.names.arrays and word(name).mark:
                parts.append(self.formula(matrix_name(name), spelled(word(name))))
            elif name:
                shown = spelled(word(name)) if name in self.names.arrays else name
                parts.append(f"<var>{escaped(shown)}</var>")
        return "".join(parts)

    def cited(self, lines: Sequence[int]) -> str:
        """Numbers of lines in brackets, each a link."""
        return f"({self.links(lines)})"

    def links(self, lines: Sequence[int]) -> str:
        """Numbers of lines, those on the page as links."""
        shown = (f'<a href="#{self.anchor}-{n}">{n}</a>' if n in self.numbers else str(n) for n in lines)
        return ", ".join(shown)

    def key(self, key: str) -> str:
        """The key of an assumption or convention, a link where it is on the page."""
        shown = f"[{escaped(key)}]"
        return f'<a href="#{escaped(self.keys[key])}">{shown}</a>' if key in self.keys else shown


def _side(inside: str) -> str:
    """One side of an equation; a sign that begins it is no operator between two sides."""
    return f"<mrow>{inside}</mrow>" if inside.startswith("<mo>−") else inside


def size_words(size: Shape) -> str:
    """A shape, its axes set as variables."""
    return " × ".join(part if part.isdigit() else f"<var>{escaped(part)}</var>" for part in size)
