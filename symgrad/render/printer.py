"""What the printers share: where a formula needs brackets, how a sentence is put together, and the walk over the blocks
of a page. A dialect adds the spelling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from sympy import MatrixExpr, S

from symgrad.render import tree
from symgrad.render.blocks import Cites, Entry, Key, Page, Paragraph, Piece, Prose
from symgrad.render.symbols import Vocabulary, split_words

CLOSED = ("exp", "step", "Phi", "phi")  # functions whose argument is always in brackets
INSTEAD = {"H": "step", "Φ": "Phi", "φ": "phi"}  # how a function is called where an array has its letter
_LOOSE = (tree.Plus, tree.Minus, tree.Cases, tree.Relation)  # never a factor without brackets


class Printer(ABC):
    """Prints a tree: each node by the method ``show_`` with the name of its class, as SymPy's printers do.

    ``last`` tells that no factor follows, so that a sum or ``log x`` needs no brackets.
    """

    minus: str
    beside: str  # between the factors of a product
    circle: str  # between the factors of an entrywise product
    over: str  # before the divisors of an entrywise product
    times: str  # between the sizes of a matrix
    arrow: str  # between the variable and the body of a function
    transposed: str
    relations: ClassVar[Mapping[str, str]]
    joints: ClassVar[Mapping[str, str]]  # between conditions
    cases_are_open: bool  # whether cases need no brackets to show where they begin
    ratio_is_closed: bool  # whether a fraction needs no brackets to show its extent

    def __init__(self, names: Vocabulary) -> None:
        self.names = names

    def show(self, node: tree.Node, last: bool = True) -> str:
        """A node, without brackets around it."""
        spelled: str = getattr(self, f"show_{type(node).__name__}")(node, last)
        return spelled

    @abstractmethod
    def bracket(self, node: tree.Node) -> str:
        """A node in round brackets."""

    @abstractmethod
    def axis(self, name: str) -> str:
        """The name of an axis, or a number, in a formula."""

    # --- sentences --------------------------------------------------------------------------------------------------

    def write(self, text: Iterable[Piece]) -> str:
        """A sentence of words and formulas."""
        return "".join(map(self._piece, text))

    def _piece(self, piece: Piece) -> str:
        match piece:
            case str():
                return self.escaped(piece)
            case Prose(words):
                return "".join(self.escaped(w) + (self.name(n) if n else "") for w, n in split_words(words, self.names))
            case Cites(lines):
                return ", ".join(map(self.line, lines))
            case Key(key):
                return self.key(key)
        return self.math(piece)

    @abstractmethod
    def escaped(self, words: str) -> str:
        """Words, escaped for the dialect."""

    @abstractmethod
    def name(self, name: str) -> str:
        """The name of an array, an axis or an index in a sentence."""

    @abstractmethod
    def math(self, node: tree.Node) -> str:
        """A formula in a sentence."""

    def line(self, number: int) -> str:
        """The number of a line that is cited."""
        return str(number)

    def key(self, key: str) -> str:
        """The key of an assumption or convention that is cited."""
        return self.escaped(f"[{key}]")

    # --- formulas ---------------------------------------------------------------------------------------------------

    def show_Minus(self, node: tree.Minus, last: bool) -> str:
        return self.minus + self.factor(node.body, last)

    def show_Plus(self, node: tree.Plus, _: bool) -> str:
        first, *others = node.terms
        shown = self.bracket(first) if self._goes_on(first) or isinstance(first, tree.Cases) else self.show(first)
        for position, term in enumerate(others, 1):
            sign, body = (self.minus, term.body) if isinstance(term, tree.Minus) else ("+", term)
            runs_on = position < len(others) and self._goes_on(body)
            spelled = self.bracket(body) if isinstance(body, _LOOSE) or runs_on else self.show(body)
            shown += f" {sign} {spelled}"
        return shown

    def show_Times(self, node: tree.Times, last: bool) -> str:
        *others, final = node.factors
        return self.beside.join([*(self._side_by_side(f, False) for f in others), self._final(final, last)])

    def show_Chain(self, node: tree.Chain, _: bool) -> str:
        return self.beside.join(self._apart(f, tree.Hadamard, tree.Times) for f in node.factors)

    def show_Hadamard(self, node: tree.Hadamard, _: bool) -> str:
        above, below = (
            [self._apart(part, tree.Chain, tree.Hadamard, tree.Times) for part in parts]
            for parts in (node.factors, node.below)
        )
        return f" {self.over} ".join([f" {self.circle} ".join(above), *below])

    def show_Relation(self, node: tree.Relation, _: bool) -> str:
        return f"{self.show(node.left)} {self.relations[node.sign]} {self.show(node.right)}"

    def show_Mapped(self, node: tree.Mapped, _: bool) -> str:
        return f"({self.show(node.variable)} {self.arrow} {self.show(node.body)})({self.show(node.argument)})"

    def show_Transposed(self, node: tree.Transposed, _: bool) -> str:
        return self.tight(node.body) + self.transposed

    def show_Size(self, node: tree.Size, _: bool) -> str:
        return f"{self.axis(node.rows)}{self.times}{self.axis(node.columns)}"

    def show_Compound(self, node: tree.Compound, _: bool) -> str:
        shown = (self.bracket(c) if isinstance(c, tree.Compound) else self.show(c) for c in node.conditions)
        return self.joints[node.word].join(shown)

    def factor(self, node: tree.Node, last: bool) -> str:
        """A node as one factor of a product, or after a sign."""
        loose = isinstance(node, _LOOSE) or (isinstance(node, (tree.Summed, tree.Chain)) and not last)
        loose = loose and not (last and self.cases_are_open and isinstance(node, tree.Cases))
        return self.bracket(node) if loose else self.show(node, last)

    def _side_by_side(self, node: tree.Node, last: bool) -> str:
        """A node with other factors beside it."""
        open_ratio = isinstance(node, tree.Ratio) or (isinstance(node, tree.Slope) and not last)
        return self.bracket(node) if open_ratio and not self.ratio_is_closed else self.factor(node, last)

    def _final(self, node: tree.Node, last: bool) -> str:
        """The final factor of a product. A fraction needs no brackets, since ``a b/c`` is not ambiguous."""
        if last and isinstance(node, tree.Ratio) and node.above != tree.Leaf(S.One):
            return self.show(node)
        return self._side_by_side(node, last)

    def tight(self, node: tree.Node) -> str:
        """A node before a superscript."""
        return self.show(node) if isinstance(node, (tree.Leaf, tree.Grid, tree.Norm)) else self.bracket(node)

    def _goes_on(self, node: tree.Node) -> bool:
        """Whether a term ends in open cases, so that a term after it would be read as part of the last case."""
        match node:
            case tree.Cases():
                return self.cases_are_open
            case tree.Minus(body) | tree.Summed(_, body) | tree.MaximumOver(_, body):
                return self._goes_on(body)
            case tree.Times(factors):
                return self._goes_on(factors[-1])
        return False

    def _apart(self, node: tree.Node, *kinds: type[tree.Node]) -> str:
        """A factor of a matrix product or an entrywise product, in brackets if it is one of ``kinds``."""
        return self.bracket(node) if isinstance(node, (*kinds, *_LOOSE)) else self.show(node, False)


def is_plain(args: Sequence[tree.Node]) -> bool:
    """Whether the only argument of a function needs no brackets: an entry, a scalar, a nonnegative number, or a
    function of one of these (``log cosh x``)."""
    match args:
        case [tree.Leaf(expr)]:
            return not isinstance(expr, MatrixExpr) and (expr.is_number is not True or bool(expr.is_nonnegative))
        case [tree.Call(function, inner)]:
            return function not in CLOSED and is_plain(inner)
    return False


class Backend:
    """Prints the blocks of a page: a block by the method ``show_`` with the name of its class."""

    dialect: ClassVar[type[Printer]]

    def __init__(self, page: Page) -> None:
        self.page = page
        self.printer = self.dialect(page.names)

    def blocks(self) -> Iterator[str]:
        """The blocks of the page in order."""
        return (getattr(self, f"show_{type(block).__name__}")(block) for block in self.page.blocks)

    def show_Paragraph(self, block: Paragraph) -> str:
        return self.printer.write(block.text)

    def entry(self, entry: Entry) -> str:
        """A remark with its key."""
        key = self.printer.escaped(f"[{entry.key}] ") if entry.key else ""
        return key + self.printer.write(entry.text)
