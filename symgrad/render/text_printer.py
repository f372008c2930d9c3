"""Formulas in Unicode, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from unicodedata import combining

from sympy import Float, Identity, OneMatrix, S, ZeroMatrix
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.functions import MEANINGS, selection
from symgrad.render.names import index_letter, leaf_indices, leaf_name
from symgrad.render.printer import CLOSED, Printer, is_plain
from symgrad.render.tree import (
    Bars,
    Call,
    Cases,
    Delta,
    Grid,
    Indicator,
    Leaf,
    Node,
    Plus,
    Raised,
    Ratio,
    Relation,
    Root,
    Slope,
    Summed,
    Times,
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
    circle = "⊙"
    over = "⊘"
    joints: ClassVar = {"and": " and ", "or": " or "}
    relations: ClassVar = {"==": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}

    def leaf(self, expr: Basic) -> str:
        name = leaf_name(expr)
        if name is not None:
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

    def delta(self, left: Basic, right: Basic) -> str:
        return f"δ_{index_letter(left)}{index_letter(right)}"

    def slope(self, of: Node, wrt: Node) -> str:
        simple = isinstance(of, (Leaf, Call))
        above = self.show(of) if simple else self.bracket(of)
        return f"∂{' ' if isinstance(of, Call) else ''}{above}/∂{self.show(wrt)}"

    def product(self, parts: Sequence[str]) -> str:
        return " ".join(parts)

    def ratio(self, above: Node, below: Node) -> str:
        closed = (Leaf, Delta, Raised, Root, Call, Bars, Indicator)
        loose = (Summed, Slope)
        factors = above.factors if isinstance(above, Times) else ()
        heavy = isinstance(above, (*loose, Plus, Ratio)) or any(isinstance(f, loose) for f in factors)
        top = self.bracket(above) if heavy else self.show(above, last=False)
        return f"{top}/{self.show(below, last=False) if isinstance(below, closed) else self.bracket(below)}"

    def tight(self, node: Node) -> str:
        return self.bracket(node) if isinstance(node, Leaf) and scientific(node.expr) else super().tight(node)

    def power(self, base: Node, exponent: Node) -> str:
        spelled_exponent = self.show(exponent)
        if spelled_exponent.isdigit():
            return self.tight(base) + spelled_exponent.translate(SUPERSCRIPT)
        return f"{self.tight(base)}^{spelled_exponent if isinstance(exponent, Leaf) else f'({spelled_exponent})'}"

    def root(self, body: Node) -> str:
        return f"√{self.tight(body)}"

    def call(self, function: str, args: Sequence[Node], last: bool) -> str:
        name = FUNCTIONS.get(function, function)
        if name == "H":
            name = self.names.function("H", "step")
        if last and function not in CLOSED and is_plain(args):
            return f"{name} {self.show(args[0])}"
        return f"{name}({', '.join(self.show(a) for a in args)})"

    def bars(self, body: Node) -> str:
        return f"|{self.show(body)}|"

    def indicator(self, relation: Relation) -> str:
        return f"[{self.show(relation)}]"

    def share(self, index: Basic, entries: Sequence[Node]) -> str:
        return f"{MEANINGS[selection].text}_{index_letter(index)}({', '.join(map(self.show, entries))})"

    def total(self, indices: Sequence[Idx], body: str) -> str:
        return " ".join([*(f"Σ_{index_letter(i)}" for i in indices), body])

    def maximum(self, indices: Sequence[Idx], body: str) -> str:
        return " ".join([*(f"max_{index_letter(i)}" for i in indices), body])

    def bracket(self, node: Node) -> str:
        return f"({self.show(node)})"

    def transpose(self, body: str) -> str:
        return f"{body}ᵀ"

    def hadamard_power(self, base: str, exponent: Node) -> str:
        return f"{base}^⊙{self.show(exponent) if isinstance(exponent, Leaf) else self.bracket(exponent)}"

    def mapped(self, variable: Node, body: Node, argument: Node) -> str:
        return f"({self.show(variable)} ↦ {self.show(body)})({self.show(argument)})"

    def by_cases(self, node: Cases) -> str:
        shown = []
        for case in node.cases:
            if case.condition is None:
                shown.append(f"else {self.show(case.value)}")
            else:  # its own conditions, if it has such, are not those after it
                value = self.bracket(case.value) if isinstance(case.value, Cases) else self.show(case.value)
                shown.append(f"{value} if {self.show(case.condition)}")
        return ", ".join(shown)

    def grid(self, node: Grid) -> str:
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
