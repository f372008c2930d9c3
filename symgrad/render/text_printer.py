"""Formulas in Unicode, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from unicodedata import combining

from sympy import Float, Identity, OneMatrix, S, ZeroMatrix
from sympy.core.basic import Basic

from symgrad.functions import MEANINGS, selection
from symgrad.render.names import index_letter, leaf_indices, leaf_name
from symgrad.render.printer import CLOSED, Printer, is_plain
from symgrad.render.tree import (
    Bars,
    Call,
    Cases,
    Delta,
    Grid,
    HadamardRaised,
    Indicator,
    Leaf,
    Mapped,
    MaximumOver,
    Node,
    Plus,
    Raised,
    Ratio,
    Root,
    Share,
    Slope,
    Summed,
    Times,
    Transposed,
)
from symgrad.spelling import entry_spelled, scientific, spelled, word

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
CONSTANTS = {S.Pi: "π", S.Exp1: "e", S.Infinity: "∞", S.NegativeInfinity: "−∞"}
FUNCTIONS = {"Abs": "abs", "Max": "max", "Min": "min", "Heaviside": "step"}
FUNCTIONS |= {function.__name__: meaning.text for function, meaning in MEANINGS.items()}


class TextPrinter(Printer):
    """Spells a tree in Unicode on one line."""

    minus = "−"
    cases_are_open = False
    ratio_is_closed = False
    beside = " "
    circle = "⊙"
    over = "⊘"
    joints: ClassVar = {"and": " and ", "or": " or "}
    relations: ClassVar = {"==": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}

    def show_Leaf(self, node: Leaf, _: bool) -> str:
        expr = node.expr
        if (name := leaf_name(expr)) is not None:
            return self._named(name, leaf_indices(expr))
        if isinstance(expr, (OneMatrix, ZeroMatrix, Identity)):
            return _special(expr)
        if isinstance(expr, Float):
            return f"{float(expr):.6g}".replace("-", self.minus)
        if short := scientific(expr):
            return f"{short[0]}·10^{short[1]}".removeprefix("1·")
        return CONSTANTS.get(expr, str(expr).replace("-", self.minus))

    def _named(self, name: str, indices: Sequence[Basic]) -> str:
        if not indices:
            base, _, rest = name.partition("_")
            known = name in self.names.arrays or not rest
            return spelled(word(name)) if known else f"{spelled(word(base))}_{rest.replace('_', ',')}"
        letters = [index_letter(i) for i in indices]
        joined = ("" if all(len(letter) == 1 for letter in letters) else ",").join(letters)
        return f"{entry_spelled(self.names.entry_word(name, len(indices)))}_{joined}"

    def show_Delta(self, node: Delta, _: bool) -> str:
        return f"δ_{index_letter(node.left)}{index_letter(node.right)}"

    def show_Slope(self, node: Slope, _: bool) -> str:
        above = self.show(node.of) if isinstance(node.of, (Leaf, Call)) else self.bracket(node.of)
        return f"∂{' ' if isinstance(node.of, Call) else ''}{above}/∂{self.show(node.wrt)}"

    def show_Ratio(self, node: Ratio, _: bool) -> str:
        closed = (Leaf, Delta, Raised, Root, Call, Bars, Indicator)
        loose = (Summed, Slope)
        above, below = node.above, node.below
        factors = above.factors if isinstance(above, Times) else ()
        heavy = isinstance(above, (*loose, Plus, Ratio)) or any(isinstance(f, loose) for f in factors)
        top = self.bracket(above) if heavy else self.show(above, last=False)
        return f"{top}/{self.show(below, last=False) if isinstance(below, closed) else self.bracket(below)}"

    def tight(self, node: Node) -> str:
        return self.bracket(node) if isinstance(node, Leaf) and scientific(node.expr) else super().tight(node)

    def show_Raised(self, node: Raised, _: bool) -> str:
        base, exponent = self.tight(node.base), self.show(node.exponent)
        if exponent.isdigit():
            return base + exponent.translate(SUPERSCRIPT)
        return f"{base}^{exponent if isinstance(node.exponent, Leaf) else f'({exponent})'}"

    def show_Root(self, node: Root, _: bool) -> str:
        return f"√{self.tight(node.body)}"

    def show_Call(self, node: Call, last: bool) -> str:
        name = FUNCTIONS.get(node.function, node.function)
        if name == "H":
            name = self.names.function("H", "step")
        if last and node.function not in CLOSED and is_plain(node.args):
            return f"{name} {self.show(node.args[0])}"
        return f"{name}({', '.join(map(self.show, node.args))})"

    def show_Bars(self, node: Bars, _: bool) -> str:
        return f"|{self.show(node.body)}|"

    def show_Indicator(self, node: Indicator, _: bool) -> str:
        return f"[{self.show(node.relation)}]"

    def show_Share(self, node: Share, _: bool) -> str:
        return f"{MEANINGS[selection].text}_{index_letter(node.index)}({', '.join(map(self.show, node.entries))})"

    def show_Summed(self, node: Summed, last: bool) -> str:
        return " ".join([*(f"Σ_{index_letter(i)}" for i in node.indices), self.factor(node.body, last)])

    def show_MaximumOver(self, node: MaximumOver, last: bool) -> str:
        return " ".join([*(f"max_{index_letter(i)}" for i in node.indices), self.factor(node.body, last)])

    def bracket(self, node: Node) -> str:
        return f"({self.show(node)})"

    def show_Transposed(self, node: Transposed, _: bool) -> str:
        return f"{self.tight(node.body)}ᵀ"

    def show_HadamardRaised(self, node: HadamardRaised, _: bool) -> str:
        exponent = self.show(node.exponent) if isinstance(node.exponent, Leaf) else self.bracket(node.exponent)
        return f"{self.tight(node.base)}^⊙{exponent}"

    def show_Mapped(self, node: Mapped, _: bool) -> str:
        return f"({self.show(node.variable)} ↦ {self.show(node.body)})({self.show(node.argument)})"

    def show_Cases(self, node: Cases, _: bool) -> str:
        shown = []
        for case in node.cases:
            if case.condition is None:
                shown.append(f"else {self.show(case.value)}")
            else:  # its own conditions, if it has such, are not those after it
                value = self.bracket(case.value) if isinstance(case.value, Cases) else self.show(case.value)
                shown.append(f"{value} if {self.show(case.condition)}")
        return ", ".join(shown)

    def show_Grid(self, node: Grid, _: bool) -> str:
        return "[" + "; ".join(", ".join(self.show(e) for e in row.entries) for row in node.rows) + "]"


def _special(expr: OneMatrix | ZeroMatrix | Identity) -> str:
    """A matrix of ones or of zeros, or the identity, with its size."""
    letter = {OneMatrix: "1", ZeroMatrix: "0", Identity: "I"}[type(expr)]
    rows, columns = expr.shape
    if isinstance(expr, Identity) or columns == 1:
        return f"{letter}_{rows}"
    return f"{letter}_{columns}ᵀ" if rows == 1 else f"{letter}_({rows}×{columns})"


def width(text: str) -> int:
    """The number of terminal columns that a line takes: combining accents take none."""
    return len(text) - sum(map(bool, map(combining, text)))
