"""The words and formulas of an HTML page: words are escaped, formulas are MathML with their text form."""

from __future__ import annotations

import re

from sympy import Symbol

from symgrad.names import spelled, word
from symgrad.render.blocks import Entries, Page
from symgrad.render.latex_printer import matrix_name
from symgrad.render.mathml import MathPrinter
from symgrad.render.mathml_markup import NAMESPACE, element, escaped, markup, pieces
from symgrad.render.text_printer import TextPrinter
from symgrad.render.tree import Leaf, Node, Relation, Size

EQUALS = "<mo>=</mo>"


class HtmlPrinter(MathPrinter):
    """Prints the formulas and sentences of a page; lines, assumptions and conventions on the page become links."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.names)
        self.plain = TextPrinter(page.names)
        self.anchor = page.anchor
        self.numbers = {line.number for line in page.lines}
        self.keys = {e.key for block in page.blocks if isinstance(block, Entries) for e in block.entries}

    def escaped(self, words: str) -> str:
        return escaped(words)

    def name(self, name: str) -> str:
        if name in self.names.arrays and word(name).mark:
            return self.formula(markup(matrix_name(name)), spelled(word(name)))
        return f"<var>{escaped(self.plain.name(name))}</var>"

    def line(self, number: int) -> str:
        return f'<a href="#{self.anchor}-{number}">{number}</a>' if number in self.numbers else str(number)

    def key(self, key: str) -> str:
        shown = f"[{escaped(key)}]"
        return f'<a href="#{self.anchor}-{escaped(key)}">{shown}</a>' if key in self.keys else shown

    def math(self, node: Node) -> str:
        match node:
            case Size(rows, columns):
                return " × ".join(map(self._axis, (rows, columns)))
            case Leaf(Symbol() as symbol) if symbol.is_integer:
                return self._axis(str(symbol))
        return self.formula(self._inside(node), self.plain.show(node))

    def formula(self, inside: str, text: str) -> str:
        """A formula in a sentence, with its text form. The style sheet decides whether it is displayed, so that limits
        may be above and below a sum. HTML implies the namespace. A line can break only between elements, so each piece
        is one."""
        first, *others = pieces(inside)
        begun = element(first, text).replace(f' xmlns="{NAMESPACE}" display="block"', "", 1)
        return begun + "".join(f"<math>{piece}</math>" for piece in others)

    def right(self, node: Node) -> str:
        """A right side after an equals sign."""
        return self.formula(EQUALS + _side(self._inside(node)), f"= {self.plain.show(node)}")

    def _inside(self, node: Node) -> str:
        """The markup of a formula. The sides of an equation are converted separately, since most are on the page
        twice."""
        if isinstance(node, Relation) and node.sign == "==":
            return EQUALS.join(_side(self._inside(side)) for side in (node.left, node.right))
        return markup(self.show(node))

    def _axis(self, name: str) -> str:
        return name if name.isdigit() else f"<var>{escaped(name)}</var>"


def _side(inside: str) -> str:
    """One side of an equation. A sign at its beginning is unary, not an operator between the sides."""
    return re.sub("^<mo>−", '<mo form="prefix">−', inside)
