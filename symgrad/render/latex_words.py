"""Words in LaTeX: escaping, and the letters of the program inside a sentence set as mathematics."""

from __future__ import annotations

from symgrad.render.latex_printer import is_set, matrix_name
from symgrad.render.names import Vocabulary, is_symbol, split_words
from symgrad.spelling import GREEK

_SIGNS = {
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
    **{letter: matrix_name(name) for name, letter in GREEK.items()},
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "{}$&#%_"},
    **{sign: rf"\({macro}\)" for sign, macro in _SIGNS.items()},
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
    return "".join(_SPECIAL.get(c, c if is_set(c) else f"[U+{ord(c):04X}]") for c in text)


def sentence(text: str, names: Vocabulary) -> str:
    """Words with the names of the program in them set as mathematics; a name that is a word stays one."""
    return "".join(escaped(words) + (_name(name) if name else "") for words, name in split_words(text, names))


def _name(name: str) -> str:
    return rf"\({matrix_name(name)}\)" if is_symbol(name) else escaped(name)
