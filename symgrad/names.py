"""How names and numbers are spelled in print, and which names would look the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count
from types import MappingProxyType
from unicodedata import normalize

from sympy import Rational
from sympy.core.basic import Basic

from symgrad.errors import InputError, visible

# fmt: off
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eps": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}
# fmt: on
SHORT = {"lam": "lambda", "Lam": "Lambda"}  # Python programs write lam, since lambda is a keyword
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
# fmt: off
# The capital Greek letters that look like Latin ones, by their English names.
LATIN = {
    "Alpha": "A", "Beta": "B", "Epsilon": "E", "Eps": "E", "Zeta": "Z", "Eta": "H", "Iota": "I",
    "Kappa": "K", "Mu": "M", "Nu": "N", "Rho": "P", "Tau": "T", "Upsilon": "Y", "Chi": "X",
}
# The index letters of usual axes: the running index, the index of a derivative's denominator, spares for sums.
CONVENTIONAL_LETTERS = {
    "N": "nmi", "B": "bpq", "M": "mlr", "D": "dea", "E": "efg", "C": "kcjl", "K": "klm", "H": "hgfe", "T": "tsuvr",
}
# fmt: on
INVERSE = "_inv"
"""The end of the name of an inverse."""
GREEK_CAPITALS = frozenset(["Upsilon", *(name.capitalize() for name in GREEK)]) - (LATIN.keys() - {"Upsilon"})
"""The capital Greek letters that TeX has a macro for."""
PRINTED = re.compile(
    r"(?:\\(?P<accent>hat|bar|tilde|dot)\s*)?(?P<brace>\{)?(?:\\(?:var(?=epsilon|phi))?(?P<macro>[A-Za-z]+)|(?P<plain>\w+))"
    r"(?(brace)\})(?:_\{?(?P<mark>\w+)\}?)?"
)


@dataclass(frozen=True)
class Legible:
    """A record with texts for readers: each string field is turned into one printable line when it is set."""

    def __post_init__(self) -> None:
        for attribute in fields(self):
            if isinstance(text := getattr(self, attribute.name), str):
                object.__setattr__(self, attribute.name, visible(re.sub(r"\s*[\r\n]\s*", " ", text)))


@dataclass(frozen=True)
class Word:
    """The parts of a name: ``Xhat1`` is the letter X with the accent hat and the mark 1; ``W_q`` is W with the mark q.

    ``letter`` is a letter, the English name of a Greek letter (``greek``), or a whole word.  ``is_inverse`` tells that
    it is the inverse of the matrix of that name: ``A_inv`` is the inverse of A.
    """

    letter: str
    greek: bool = False
    accent: str = ""
    mark: str = ""
    is_inverse: bool = False

    @property
    def inverted(self) -> Word:
        """The matrix whose inverse it is."""
        return replace(self, is_inverse=False)

    def lower(self) -> Word:
        """The word in lower case, as entries are written; of an inverse, as it is."""
        return self if self.is_inverse else Word(self.letter.lower(), self.greek, self.accent, self.mark)


def word(name: str) -> Word:
    """The parts of an array's name (``y_hat`` is ``yhat``); a name that begins with an underscore is not split."""
    if name.startswith("_"):
        return Word(name)
    if name.endswith(INVERSE) and not name.startswith("G_"):  # G_A_inv is the adjoint of A_inv
        return replace(word(name.removesuffix(INVERSE)), is_inverse=True)
    stem, _, mark = name.rstrip("_").partition("_")
    accented = re.fullmatch(rf"({'|'.join(ACCENTS)})(?:_(.+)|(\d*))", mark)
    if accented and (len(stem) == 1 or stem.lower() in GREEK):
        stem, mark = stem + accented[1], accented[2] or accented[3]
    if not mark and (digits := re.fullmatch(r"(.*\D)(\d+)", stem)):
        stem, mark = digits.groups()
    accent = next((a for a in ACCENTS if stem.endswith(a) and len(stem) > len(a)), "")
    letter = stem.removesuffix(accent) if accent else stem
    letter = SHORT.get(letter, letter)
    if not mark and re.fullmatch(r"[A-Z][A-Za-z]", letter):
        letter, mark = letter[0], letter[1]
    if len(letter) > 1 and letter.lower() not in GREEK and accent:
        return Word(stem, mark=mark)
    return Word(letter, letter.lower() in GREEK, accent, mark)


def mark_of(name: Word) -> Word:
    """The mark of a word as a word: KL of ``D_KL`` is one mark; KL of the adjoint ``G_KL`` is K with the mark L."""
    return Word(name.mark) if name.mark.isupper() and name.letter != "G" else word(name.mark)


def spelled(name: Word) -> str:
    """A word in Unicode: Greek letters, a combining accent, an underscore before a mark that is not a number."""
    if name.is_inverse:
        return f"{spelled(name.inverted)}⁻¹"
    letter = GREEK[name.letter.lower()] if name.greek else name.letter
    if name.greek and name.letter[0].isupper():
        letter = letter.upper()
    mark = f"_{spelled(mark_of(name))}" if name.mark and not name.mark.isdigit() else name.mark
    return normalize("NFC", letter + ACCENTS.get(name.accent, "")) + mark


def entry_spelled(name: Word) -> str:
    """A word before the indices of an entry: a mark of one letter or of digits follows without an underscore."""
    if name.is_inverse:
        return f"({spelled(name)})"
    mark = f"_{name.mark}" if len(name.mark) > 1 and not name.mark.isdigit() else name.mark
    return f"{spelled(Word(name.letter, name.greek, name.accent))}{mark}"


@lru_cache(maxsize=4096)
def look(name: str) -> str:
    """How an array's name looks: equal for names that a reader cannot tell apart."""
    return spelled(word(name)).translate(_LATIN)


@lru_cache(maxsize=4096)
def entry_look(name: str) -> str:
    """How an array's entries look without their indices, in the case of its name."""
    return entry_spelled(word(name)).translate(_LATIN)


def in_english(text: str) -> str:
    """A text with its Greek letters in English and its accents as words, ŷ as yhat; other letters stay, also the Greek
    ones that look like Latin ones."""
    for name, accent in ACCENTS.items():
        text = normalize("NFC", normalize("NFD", text).replace(accent, name))
    return re.sub("[α-νξπρσ-ωΓΔΘΛΞΠΣΦΨΩ]", lambda match: _ENGLISH[match[0]], text)


def printed_name(text: str) -> str:
    r"""The name that is printed as ``text``: a LaTeX command (``\hat{\theta}_1``), a letter, or a name itself.

    Raises ``InputError`` unless that is one letter, perhaps with an accent and a mark.
    """
    parts = PRINTED.fullmatch(in_english(text.strip())) if isinstance(text, str) else None
    is_macro = parts and (parts["macro"] in GREEK_CAPITALS or parts["macro"] in GREEK.keys() - {"eps"})
    if parts and (parts["plain"] or is_macro):
        name = "_".join(filter(None, (parts["plain"] or parts["macro"], parts["accent"], parts["mark"])))
        known = word(name)
        if name.isascii() and name.isidentifier() and (known.greek or len(known.letter) == 1):
            return name
    raise InputError(rf"expected one letter, such as '\theta', 'θ', '\hat{{y}}' or 'w_1', got {text!r}")


def is_alike(name: str, others: Iterable[str]) -> bool:
    """Whether an array or its entries would look like one of ``others``."""
    return any(look(name) == look(other) or entry_look(name) == entry_look(other) for other in others)


def unlike(name: str, others: Collection[str], *, joint: str = "", first: int = 2) -> str:
    """``name``, or the first of name2, name3, ... that looks like none of ``others``; ``joint`` precedes the number."""
    numbered = (f"{name}{joint}{number}" for number in count(first))
    return next(new for new in chain((name,), numbered) if not is_alike(new, others))


def alike_in_print(
    axes: Iterable[str], known: Mapping[str, bool], printed: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Which names of axes and of ``known`` arrays look the same in print, where a reader would take one for the other.

    ``known`` says whether an array has entries; ``printed`` are names in print that differ from an array's own.
    """
    looks = [(f"the axis {name}", name) for name in axes] + [(n, look(printed.get(n, n))) for n in known]
    entries = [(name, entry_look(printed.get(name, name))) for name, has_entries in known.items() if has_entries]
    for names in (looks, entries):
        seen: dict[str, str] = {}
        for name, shown in names:
            if shown in seen:
                yield f"{seen[shown]} and {name} are both written {shown}: rename one"
            seen[shown] = name


def same_look(name: str, known: Iterable[str]) -> str:
    """The name in ``known`` that looks like ``name`` in print, such as lambda_ for λ; by default ``name`` itself."""
    shape = look(normalize("NFKC", name))
    return name if name in known else next((other for other in known if look(other) == shape), name)


def look_same_in_lower_case(words: Mapping[str, Word]) -> frozenset[str]:
    """The names whose ``words`` would look like another's in lower case, before the indices of an entry."""
    lowered = {name: entry_spelled(whole.lower()) for name, whole in words.items()}
    every = list(lowered.values())
    return frozenset(name for name, shown in lowered.items() if every.count(shown) > 1)


def scientific(number: Basic) -> tuple[str, int] | None:
    """The digits and exponent of a number to be written with a power of ten, such as 2.5, -7 for 1/4000000; or None."""
    if not isinstance(number, Rational):
        return None
    text = f"{Decimal(int(number.p)) / Decimal(int(number.q)):.1e}"
    digits, exponent = text.split("e")
    is_shorter = not -5 < int(exponent) < 6 and Rational(text) == number
    return (digits.removesuffix(".0"), int(exponent)) if is_shorter else None


_ENGLISH = {letter: name for name, letter in GREEK.items() if name != "eps"} | {"λ": "lambda_"}
_ENGLISH |= {letter.upper(): name.rstrip("_").capitalize() for letter, name in _ENGLISH.items()}
_LATIN = str.maketrans({GREEK[name.lower()].upper(): letter for name, letter in LATIN.items()})
