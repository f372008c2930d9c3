r"""Formulas in LaTeX, in a dialect that amsmath and latex2mathml both take.

latex2mathml 3.81 emits malformed XML for ``aligned`` and for ``&`` inside ``\text``, and passes unknown macros through
as text: the dialect has no environment but ``pmatrix`` and ``cases``, and no macros of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from sympy import Float, Identity, OneMatrix, S, ZeroMatrix
from sympy.core.basic import Basic

from symgrad.functions import MEANINGS, selection
from symgrad.names import GREEK, GREEK_CAPITALS, LATIN, Word, mark_of, scientific, word
from symgrad.notation import axis_name
from symgrad.render import tree
from symgrad.render.printer import CLOSED, INSTEAD, Printer, is_plain
from symgrad.render.shapes import shape
from symgrad.render.sort_keys import leaves
from symgrad.render.symbols import index_letter, leaf_indices, leaf_name

CONSTANTS = {S.Pi: r"\pi", S.Exp1: "e", S.Infinity: r"\infty", S.NegativeInfinity: r"-\infty"}
NAMED = {"det": r"\det", "Max": r"\max", "Min": r"\min", "Heaviside": "H", "Phi": r"\Phi", "phi": r"\varphi"}
NAMED |= {function.__name__: meaning.latex for function, meaning in MEANINGS.items()}
LETTERS = {"H": "H", r"\Phi": "Φ", r"\varphi": "φ"}
GREEK_MACROS = {"epsilon": r"\varepsilon", "eps": r"\varepsilon", "phi": r"\varphi"}
ENGLISH = {letter: name for name, letter in GREEK.items() if name != "eps"}
LAST_LATIN = 0x17F  # without packages, pdflatex sets accented Latin letters up to here, except NOT_SET
NOT_SET = frozenset("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")
ACCENT_MACROS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}


class LatexPrinter(Printer):
    """Spells a tree in LaTeX, for math mode."""

    minus = "-"
    cases_are_open = True
    ratio_is_closed = True
    application = " "  # between a function and an argument without brackets: TeX adds space itself
    beside = r" \, "
    circle = r"\odot"
    over = r"\oslash"
    times = r" \times "
    arrow = r"\mapsto"
    transposed = r"^{\top}"
    joints: ClassVar = {"and": r" \text{ and } ", "or": r" \text{ or } "}
    relations: ClassVar = {"==": "=", "!=": r"\ne", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge"}

    def escaped(self, words: str) -> str:
        return escaped(words)

    def name(self, name: str) -> str:
        return rf"\({self.whole(name)}\)" if self.names.is_symbol(name) else escaped(name)

    def whole(self, name: str) -> str:
        """The name of an array, an axis or an index."""
        return matrix_name(self.names.word(name), bold=self.names.is_bold(name))

    def math(self, node: tree.Node) -> str:
        return rf"\({self.show(node)}\)"

    def axis(self, name: str) -> str:
        return letters(name)

    def show_Leaf(self, node: tree.Leaf, _: bool) -> str:
        expr = node.expr
        if (name := leaf_name(expr)) is not None:
            return self._named(name, leaf_indices(expr))
        if isinstance(expr, (OneMatrix, ZeroMatrix, Identity)):
            return _special(expr, bold=self.names.bold)
        if isinstance(expr, Float):
            return f"{float(expr):.6g}"
        if short := scientific(expr):
            return rf"{short[0]} \cdot 10^{{{short[1]}}}".removeprefix(r"1 \cdot ")
        return CONSTANTS.get(expr, letters(str(expr)))

    def _named(self, name: str, indices: Sequence[Basic]) -> str:
        if not indices:
            base, _, rest = name.partition("_")
            if name in self.names.arrays or not rest:
                return self.whole(name)
            return entry(word(base), rest.replace("_", ","))
        shown = [_index(i) for i in indices]
        joined = ("" if all(len(index_letter(i)) == 1 for i in indices) else ",").join(shown)
        return entry(self.names.entry_word(name, len(indices)), joined)

    def show_Transposed(self, node: tree.Transposed, last: bool) -> str:
        shown = self.show(node.body)
        is_inverse = isinstance(node.body, tree.Leaf) and self.names.is_inverse(node.body.expr)
        return f"{shown[:-2]}{self.transposed[2:]}" if is_inverse else super().show_Transposed(node, last)

    def show_Delta(self, node: tree.Delta, _: bool) -> str:
        return rf"\delta_{{{_index(node.left)}{_index(node.right)}}}"

    def show_Slope(self, node: tree.Slope, _: bool) -> str:
        above = self.show(node.of) if isinstance(node.of, (tree.Leaf, tree.Call)) else self.bracket(node.of)
        space = self.application if isinstance(node.of, tree.Call) else " "
        return rf"\frac{{\partial{space}{above}}}{{\partial {self.show(node.wrt)}}}"

    def show_Ratio(self, node: tree.Ratio, _: bool) -> str:
        return rf"\frac{{{self.show(node.above)}}}{{{self.show(node.below)}}}"

    def show_Raised(self, node: tree.Raised, _: bool) -> str:
        return f"{self.tight(node.base)}^{{{self._exponent(node.exponent)}}}"

    def tight(self, node: tree.Node) -> str:
        shown = super().tight(node)
        return f"({shown})" if isinstance(node, tree.Leaf) and "^" in shown else shown

    def _exponent(self, node: tree.Node) -> str:
        if isinstance(node, tree.Ratio) and isinstance(node.above, tree.Leaf) and isinstance(node.below, tree.Leaf):
            return f"{self.show(node.above)}/{self.show(node.below)}"
        return self.show(node)

    def show_Root(self, node: tree.Root, _: bool) -> str:
        return rf"\sqrt{{{self.show(node.body)}}}"

    def show_Call(self, node: tree.Call, last: bool) -> str:
        function, args, first = node.function, node.args, node.args[0]
        if function == "exp" and shape(first, self.names.arrays) is None:
            if not tree.contains(first, (tree.Summed, tree.Ratio, tree.Slope, tree.Cases)) and not self._names_e(first):
                return f"e^{{{self.show(first)}}}"
        elif function == "Abs":
            return self.show(tree.Bars(first))
        elif last and function not in CLOSED and is_plain(args):
            return f"{self._function(function)}{self.application}{self.show(first)}"
        return self._function(function) + self._listed(args)

    def _function(self, name: str) -> str:
        named = NAMED.get(name, rf"\operatorname{{{name}}}")
        letter = LETTERS.get(named, "")
        return rf"\operatorname{{{INSTEAD[letter]}}}" if letter and not self.names.function(letter, "") else named

    @cached_property
    def _e_is_taken(self) -> bool:
        """Whether an array of the program, entry or scalar, is spelled with the letter e."""
        arrays = {name: array for name, array in self.names.arrays.items() if name not in self.names.added}
        words = (self.names.entry_word(name, len(array.axes)) for name, array in arrays.items())
        return any(entry_word.letter == "e" for entry_word in words)

    def _names_e(self, exponent: tree.Node) -> bool:
        """Whether the letter e beside an exponent could be read as a name: of an array or of an index."""
        shown = [leaf for leaf in leaves(exponent) if isinstance(leaf, tree.Leaf)]
        indices = (index_letter(index) for leaf in shown for index in leaf_indices(leaf.expr))
        names = (self.names.word(leaf_name(leaf.expr) or "").letter for leaf in shown)
        return self._e_is_taken or "e" in indices or "e" in names

    def show_Bars(self, node: tree.Bars, _: bool) -> str:
        return rf"\left| {self.show(node.body)} \right|"

    def show_Norm(self, node: tree.Norm, _: bool) -> str:
        return rf"\left\| {self.show(node.body)} \right\|"

    def show_Indicator(self, node: tree.Indicator, _: bool) -> str:
        return _sized(self.show(node.relation), _is_tall(node.relation), "[]")

    def show_Share(self, node: tree.Share, _: bool) -> str:
        return rf"{MEANINGS[selection].latex}_{{{_index(node.index)}}}{self._listed(node.entries)}"

    def _listed(self, args: Sequence[tree.Node]) -> str:
        """Arguments in brackets."""
        return _sized(", ".join(map(self.show, args)), any(map(_is_tall, args)))

    def show_Summed(self, node: tree.Summed, last: bool) -> str:
        sums = (rf"\sum_{{{_index(i)}=1}}^{{{letters(axis_name(i))}}}" for i in node.indices)
        return " ".join([*sums, self.factor(node.body, last)])

    def show_MaximumOver(self, node: tree.MaximumOver, last: bool) -> str:
        return " ".join([*(rf"\max_{{{_index(i)}}}" for i in node.indices), self.factor(node.body, last)])

    def bracket(self, node: tree.Node) -> str:
        return _sized(self.show(node), _is_tall(node))

    def show_HadamardRaised(self, node: tree.HadamardRaised, _: bool) -> str:
        closed = isinstance(node.exponent, (tree.Leaf, tree.Ratio))
        exponent = self._exponent(node.exponent) if closed else self.bracket(node.exponent)
        return rf"{self.tight(node.base)}^{{\odot {exponent}}}"

    def show_Cases(self, node: tree.Cases, _: bool) -> str:
        when = (rf"\text{{if }} {self.show(c.condition)}" if c.condition else r"\text{otherwise}" for c in node.cases)
        rows = (f"{self.show(c.value)} & {words}" for c, words in zip(node.cases, when, strict=True))
        return r"\begin{cases} " + r" \\ ".join(map(_row, rows)) + r" \end{cases}"

    def show_Grid(self, node: tree.Grid, _: bool) -> str:
        rows = (" & ".join(map(self.show, row)) for row in node.rows)
        return r"\begin{pmatrix} " + r" \\ ".join(map(_row, rows)) + r" \end{pmatrix}"


def _row(cells: str) -> str:
    """A row. TeX takes a bracket at its beginning for a length, latex2mathml for an alignment."""
    return f"{{}}{cells}" if cells.startswith("[") else cells


def letters(name: str) -> str:
    """A name of one letter or a number as it is, a longer name upright.

    Letters that pdflatex cannot set (neither Latin nor Greek) are named by their code points.
    """
    if name.isascii():
        return _upright(name) if name.isidentifier() and (len(name) > 1 or name == "_") else name
    parts = re.findall("[\0-\x7f]+|[α-ωΑ-Ω]|[^\0-\x7fα-ωΑ-Ω]+", name)
    return f"{{{''.join(map(_upright, parts))}}}"


def _upright(part: str) -> str:
    """A part of a name: ASCII letters and signs, one Greek letter, or other letters."""
    if part.isascii():
        return rf"\mathrm{{{part}}}".replace("_", r"\_")
    if part.lower() in ENGLISH:
        name = ENGLISH[part.lower()]
        return spelled(Word(name if part.islower() else name.capitalize(), greek=True))
    return rf"\text{{{''.join(c if is_set(c) else f'U+{ord(c):04X}' for c in part)}}}"


def is_set(character: str) -> bool:
    """Whether pdflatex can print a character without additional packages."""
    return character.isprintable() and ord(character) <= LAST_LATIN and character not in NOT_SET


def _index(index: Basic) -> str:
    return letters(index_letter(index))


def spelled(name: Word, *, bold: bool = False) -> str:
    """The letter of a word with its accent, without its mark."""
    if name.greek:
        small = GREEK_MACROS.get(name.letter.lower(), rf"\{name.letter.lower()}")
        shown = small if name.letter[0].islower() else _capital(name.letter)
    else:
        shown = letters(name.letter)
    if bold:
        latin = re.fullmatch(r"(?:\\mathrm\{)?([A-Za-z])\}?", shown)
        shown = rf"\mathbf{{{latin[1]}}}" if latin else rf"\boldsymbol{{{shown}}}"
    return f"{ACCENT_MACROS[name.accent]}{{{shown}}}" if name.accent else shown


def _capital(greek: str) -> str:
    """A capital Greek letter; TeX has macros only for those that differ from a Latin letter."""
    return rf"\{greek}" if greek in GREEK_CAPITALS else rf"\mathrm{{{LATIN[greek]}}}"


def matrix_name(name: Word, *, bold: bool = False) -> str:
    """The name of a matrix or a scalar: the mark is a subscript."""
    if name.is_inverse:
        return f"{matrix_name(name.inverted, bold=bold)}^{{-1}}"
    return spelled(name, bold=bold) + (f"_{{{_mark(name)}}}" if name.mark else "")


def entry(name: Word, subscript: str) -> str:
    """An entry: the mark moves up, in brackets, to make room for the indices."""
    if name.is_inverse:
        return f"({matrix_name(name)})_{{{subscript}}}"
    mark = f"^{{({_mark(name)})}}" if name.mark else ""
    return f"{spelled(name)}{mark}_{{{subscript}}}"


def _mark(name: Word) -> str:
    """The mark of a word, which may be the name of another array."""
    return name.mark if name.mark.isdigit() else matrix_name(mark_of(name))


def _special(expr: OneMatrix | ZeroMatrix | Identity, *, bold: bool) -> str:
    """A matrix of ones or zeros, or the identity, with its size."""
    rows, columns = (letters(str(size)) for size in expr.shape)
    if isinstance(expr, Identity):
        return rf"{spelled(Word('I'), bold=bold)}_{{{rows}}}"
    digit = rf"\mathbf{{{1 if isinstance(expr, OneMatrix) else 0}}}"
    if columns == "1":
        return f"{digit}_{{{rows}}}"
    return rf"{digit}_{{{columns}}}^{{\top}}" if rows == "1" else rf"{digit}_{{{rows} \times {columns}}}"


def _is_tall(node: tree.Node) -> bool:
    """Whether a formula is taller than a line."""
    return tree.contains(node, (tree.Summed, tree.Ratio, tree.Slope, tree.Cases, tree.Grid))


def _sized(shown: str, tall: bool, brackets: str = "()") -> str:
    r"""Brackets of a fixed size: a line cannot break between ``\left`` and ``\right``."""
    opening, closing = brackets[0], brackets[1]
    if tall or r"\bigl" in shown:
        return rf"\Bigl{opening} {shown} \Bigr{closing}"
    nested = "(" in shown.replace("^{(", "") or "[" in shown  # the mark of an entry is not a bracket
    return rf"\bigl{opening} {shown} \bigr{closing}" if nested else f"{opening}{shown}{closing}"


# --- words -------------------------------------------------------------------------------------------------------

CHARACTERS = {
    "<": "<",
    ">": ">",
    "|": "|",
    "≠": r"\ne",
    "≤": r"\le",
    "≥": r"\ge",
    "×": r"\times",
    "·": r"\cdot",
    "→": r"\to",
    "−": "-",
    "∂": r"\partial",
    "Σ": r"\textstyle\sum",
    "⊙": r"\odot",
    "∞": r"\infty",
    "√": r"\surd",
    "²": "{}^{2}",
    "ᵀ": r"{}^{\top}",
    **{letter: matrix_name(word(name)) for name, letter in GREEK.items()},
}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "{}$&#%_"},
    **{sign: rf"\({macro}\)" for sign, macro in CHARACTERS.items()},
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
}


def escaped(text: str) -> str:
    """Text that TeX sets as it stands; a character that pdflatex cannot set is named by its code point."""
    return "".join(SPECIAL.get(c, c if is_set(c) else f"[U+{ord(c):04X}]") for c in text)
