"""Formulas in Unicode, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from unicodedata import combining

from sympy import Float, Identity, OneMatrix, S, ZeroMatrix
from sympy.core.basic import Basic

from symgrad.functions import MEANINGS, selection
from symgrad.names import entry_spelled, scientific, spelled, word
from symgrad.render import tree
from symgrad.render.printer import CLOSED, INSTEAD, Printer, is_plain
from symgrad.render.symbols import index_letter, leaf_indices, leaf_name

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
CONSTANTS = {S.Pi: "π", S.Exp1: "e", S.Infinity: "∞", S.NegativeInfinity: "−∞"}
FUNCTIONS = {"Abs": "abs", "Max": "max", "Min": "min", "Heaviside": "step", "Phi": "Φ", "phi": "φ"}
FUNCTIONS |= {function.__name__: meaning.text for function, meaning in MEANINGS.items()}


class TextPrinter(Printer):
    """Prints a tree in Unicode on one line."""

    minus = "−"
    cases_are_open = False
    ratio_is_closed = False
    beside = " "
    circle = "⊙"
    over = "⊘"
    times = "×"
    arrow = "↦"
    transposed = "ᵀ"
    joints: ClassVar = {"and": " and ", "or": " or "}
    relations: ClassVar = {"==": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}

    def escaped(self, words: str) -> str:
        return words

    def name(self, name: str) -> str:
        return spelled(self.names.word(name)) if name in self.names.arrays else name

    def math(self, node: tree.Node) -> str:
        return self.show(node)

    def axis(self, name: str) -> str:
        return name

    def show_Leaf(self, node: tree.Leaf, _: bool) -> str:
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
            return spelled(self.names.word(name)) if known else f"{spelled(word(base))}_{rest.replace('_', ',')}"
        letters = [index_letter(i) for i in indices]
        joined = ("" if all(len(letter) == 1 for letter in letters) else ",").join(letters)
        return f"{entry_spelled(self.names.entry_word(name, len(indices)))}_{joined}"

    def show_Transposed(self, node: tree.Transposed, last: bool) -> str:
        is_inverse = isinstance(node.body, tree.Leaf) and self.names.is_inverse(node.body.expr)
        return f"{self.show(node.body)[:-1]}{self.transposed}" if is_inverse else super().show_Transposed(node, last)

    def show_Delta(self, node: tree.Delta, _: bool) -> str:
        return f"δ_{index_letter(node.left)}{index_letter(node.right)}"

    def show_Slope(self, node: tree.Slope, _: bool) -> str:
        above = self.show(node.of) if isinstance(node.of, (tree.Leaf, tree.Call)) else self.bracket(node.of)
        return f"∂{' ' if isinstance(node.of, tree.Call) else ''}{above}/∂{self.show(node.wrt)}"

    def show_Ratio(self, node: tree.Ratio, _: bool) -> str:
        closed = (tree.Leaf, tree.Delta, tree.Raised, tree.Root, tree.Call, tree.Bars, tree.Norm, tree.Indicator)
        loose = (tree.Summed, tree.Slope, tree.Chain)
        above, below = node.above, node.below
        factors = above.factors if isinstance(above, tree.Times) else ()
        heavy = isinstance(above, (*loose, tree.Plus, tree.Ratio)) or any(isinstance(f, loose) for f in factors)
        top = self.bracket(above) if heavy else self.show(above, last=False)
        return f"{top}/{self.show(below, last=False) if isinstance(below, closed) else self.bracket(below)}"

    def tight(self, node: tree.Node) -> str:
        return self.bracket(node) if isinstance(node, tree.Leaf) and scientific(node.expr) else super().tight(node)

    def show_Raised(self, node: tree.Raised, _: bool) -> str:
        base, exponent = self.tight(node.base), self.show(node.exponent)
        if exponent.isdigit():
            return base + exponent.translate(SUPERSCRIPT)
        return f"{base}^{exponent if isinstance(node.exponent, tree.Leaf) else f'({exponent})'}"

    def show_Root(self, node: tree.Root, _: bool) -> str:
        return f"√{self.tight(node.body)}"

    def show_Call(self, node: tree.Call, last: bool) -> str:
        name = FUNCTIONS.get(node.function, node.function)
        if name in INSTEAD:
            name = self.names.function(name, INSTEAD[name])
        if last and node.function not in CLOSED and is_plain(node.args):
            return f"{name} {self.show(node.args[0])}"
        return f"{name}({', '.join(map(self.show, node.args))})"

    def show_Bars(self, node: tree.Bars, _: bool) -> str:
        return f"|{self.show(node.body)}|"

    def show_Norm(self, node: tree.Norm, _: bool) -> str:
        return f"‖{self.show(node.body)}‖"

    def show_Indicator(self, node: tree.Indicator, _: bool) -> str:
        return f"[{self.show(node.relation)}]"

    def show_Share(self, node: tree.Share, _: bool) -> str:
        return f"{MEANINGS[selection].text}_{index_letter(node.index)}({', '.join(map(self.show, node.entries))})"

    def show_Summed(self, node: tree.Summed, last: bool) -> str:
        return " ".join([*(f"Σ_{index_letter(i)}" for i in node.indices), self.factor(node.body, last)])

    def show_MaximumOver(self, node: tree.MaximumOver, last: bool) -> str:
        return " ".join([*(f"max_{index_letter(i)}" for i in node.indices), self.factor(node.body, last)])

    def bracket(self, node: tree.Node) -> str:
        return f"({self.show(node)})"

    def show_HadamardRaised(self, node: tree.HadamardRaised, _: bool) -> str:
        exponent = self.show(node.exponent) if isinstance(node.exponent, tree.Leaf) else self.bracket(node.exponent)
        return f"{self.tight(node.base)}^⊙{exponent}"

    def show_Cases(self, node: tree.Cases, _: bool) -> str:
        shown = []
        for case in node.cases:
            if case.condition is None:
                shown.append(f"else {self.show(case.value)}")
            else:  # brackets part its own conditions from the next ones
                value = self.bracket(case.value) if isinstance(case.value, tree.Cases) else self.show(case.value)
                shown.append(f"{value} if {self.show(case.condition)}")
        return ", ".join(shown)

    def show_Grid(self, node: tree.Grid, _: bool) -> str:
        return "[" + "; ".join(", ".join(map(self.show, row)) for row in node.rows) + "]"


def _special(expr: OneMatrix | ZeroMatrix | Identity) -> str:
    """A matrix of ones or zeros, or the identity, with its size."""
    letter = {OneMatrix: "1", ZeroMatrix: "0", Identity: "I"}[type(expr)]
    rows, columns = expr.shape
    if isinstance(expr, Identity) or columns == 1:
        return f"{letter}_{rows}"
    return f"{letter}_{columns}ᵀ" if rows == 1 else f"{letter}_({rows}×{columns})"


def width(text: str) -> int:
    """The number of terminal columns that text takes: combining accents take none."""
    return len(text) - sum(map(bool, map(combining, text)))
