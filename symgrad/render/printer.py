"""What the text and the LaTeX printer share: which node needs brackets where.  A dialect spells the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sympy import MatrixExpr, S
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.errors import UnsupportedError
from symgrad.render.names import Vocabulary
from symgrad.render.tree import (
    Bars,
    Call,
    Cases,
    Chain,
    Compound,
    Delta,
    Grid,
    Hadamard,
    HadamardRaised,
    Indicator,
    Leaf,
    Mapped,
    MaximumOver,
    Minus,
    Node,
    Plus,
    Raised,
    Ratio,
    Relation,
    Root,
    Share,
    Slope,
    Summed,
    Times,
    Transposed,
)

CLOSED = ("exp", "step")  # functions whose argument always stands in brackets
_LOOSE = (Plus, Minus, Cases, Relation)  # never a factor without brackets


class Printer(ABC):
    """Spells a tree.  ``last``: no factor follows, so that a sum or ``log x`` may stand without brackets."""

    minus: str
    circle: str  # the sign of the entrywise product
    over: str  # and of the entrywise quotient
    relations: ClassVar[Mapping[str, str]]
    joints: ClassVar[Mapping[str, str]]  # what stands between conditions
    cases_are_open: bool  # whether cases show by themselves where they begin
    ratio_is_closed: bool  # whether a fraction shows by itself where it begins and ends

    def __init__(self, names: Vocabulary) -> None:
        self.names = names

    def show(self, node: Node, last: bool = True) -> str:
        """The spelling of a node, without brackets around it."""
        match node:
            case Leaf(expr):
                return self.leaf(expr)
            case Delta(left, right):
                return self.delta(left, right)
            case Slope(of, wrt):
                return self.slope(of, wrt)
            case Minus(body):
                return self.minus + self.factor(body, last)
            case Plus(terms):
                return self._plus(terms)
            case Times(factors):
                *others, final = factors
                return self.product([*(self._side_by_side(f, False) for f in others), self._final(final, last)])
            case Ratio(above, below):
                return self.ratio(above, below)
            case Raised(base, exponent):
                return self.power(base, exponent)
            case Root(body):
                return self.root(body)
            case Call(function, args):
                return self.call(function, args, last)
            case Bars(body):
                return self.bars(body)
            case Indicator(relation):
                return self.indicator(relation)
            case Share(index, entries):
                return self.share(index, entries)
            case Summed(indices, body):
                return self.total(indices, self.factor(body, last))
            case MaximumOver(indices, body):
                return self.maximum(indices, self.factor(body, last))
            case Chain(factors):
                return self.product([self._link(f) for f in factors])
            case Hadamard(factors, below):
                return self._hadamard(factors, below)
            case HadamardRaised(base, exponent):
                return self.hadamard_power(self.tight(base), exponent)
            case Transposed(body):
                return self.transpose(self.tight(body))
            case Mapped(variable, body, argument):
                return self.mapped(variable, body, argument)
            case Relation(sign, left, right):
                return f"{self.show(left)} {self.relations[sign]} {self.show(right)}"
            case Compound(word, conditions):
                shown = (self.bracket(c) if isinstance(c, Compound) else self.show(c) for c in conditions)
                return self.joints[word].join(shown)
            case Cases():
                return self.by_cases(node)
            case Grid():
                return self.grid(node)
        raise UnsupportedError(f"no spelling for {type(node).__name__}")

    def factor(self, node: Node, last: bool) -> str:
        """A node as one factor of a product, or after a sign."""
        loose = isinstance(node, _LOOSE) or (isinstance(node, (Summed, Chain)) and not last)
        loose = loose and not (last and self.cases_are_open and isinstance(node, Cases))
        return self.bracket(node) if loose else self.show(node, last)

    def _side_by_side(self, node: Node, last: bool) -> str:
        """A node with other factors beside it."""
        open_ratio = isinstance(node, Ratio) or (isinstance(node, Slope) and not last)
        return self.bracket(node) if open_ratio and not self.ratio_is_closed else self.factor(node, last)

    def _final(self, node: Node, last: bool) -> str:
        """The final factor of a product: a fraction may stand without brackets, since ``a b/c`` has but one value."""
        if last and isinstance(node, Ratio) and node.above != Leaf(S.One):
            return self.show(node)
        return self._side_by_side(node, last)

    def tight(self, node: Node) -> str:
        """A node that a superscript follows."""
        return self.show(node) if isinstance(node, (Leaf, Grid)) else self.bracket(node)

    def _plus(self, terms: Sequence[Node]) -> str:
        first, *others = terms
        shown = self.bracket(first) if self._goes_on(first) or isinstance(first, Cases) else self.show(first)
        for place, term in enumerate(others, 1):
            sign, body = ("-", term.body) if isinstance(term, Minus) else ("+", term)
            runs_on = place < len(others) and self._goes_on(body)
            spelled = self.bracket(body) if isinstance(body, _LOOSE) or runs_on else self.show(body)
            shown += f" {self.minus if sign == '-' else '+'} {spelled}"
        return shown

    def _goes_on(self, node: Node) -> bool:
        """Whether a term ends in cases that show where they begin alone, so that what follows would be taken for one of
        them."""
        match node:
            case Cases():
                return self.cases_are_open
            case Minus(body) | Summed(_, body) | MaximumOver(_, body):
                return self._goes_on(body)
            case Times(factors):
                return self._goes_on(factors[-1])
        return False

    def _link(self, node: Node) -> str:
        """A factor of a matrix product."""
        return self.bracket(node) if isinstance(node, (Hadamard, Times, *_LOOSE)) else self.show(node, False)

    def _hadamard(self, factors: Sequence[Node], below: Sequence[Node]) -> str:
        def part(node: Node) -> str:
            loose = isinstance(node, (Chain, Hadamard, Times, *_LOOSE))
            return self.bracket(node) if loose else self.show(node, False)

        over = "".join(f" {self.over} {part(node)}" for node in below)
        return f" {self.circle} ".join(part(node) for node in factors) + over

    @abstractmethod
    def leaf(self, expr: Basic) -> str:
        """A number, a symbol, an entry or a matrix symbol."""

    @abstractmethod
    def delta(self, left: Basic, right: Basic) -> str:
        """A Kronecker delta."""

    @abstractmethod
    def slope(self, of: Node, wrt: Node) -> str:
        """A derivative."""

    @abstractmethod
    def product(self, parts: Sequence[str]) -> str:
        """Factors side by side."""

    @abstractmethod
    def ratio(self, above: Node, below: Node) -> str:
        """A fraction."""

    @abstractmethod
    def power(self, base: Node, exponent: Node) -> str:
        """A power."""

    @abstractmethod
    def root(self, body: Node) -> str:
        """A square root."""

    @abstractmethod
    def call(self, function: str, args: Sequence[Node], last: bool) -> str:
        """A function of arguments."""

    @abstractmethod
    def bars(self, body: Node) -> str:
        """An absolute value."""

    @abstractmethod
    def indicator(self, relation: Relation) -> str:
        """A relation in square brackets: 1 where it holds, else 0."""

    @abstractmethod
    def share(self, index: Basic, entries: Sequence[Node]) -> str:
        """What the entry at an index has of the 1 that the largest share."""

    @abstractmethod
    def total(self, indices: Sequence[Idx], body: str) -> str:
        """A sum over indices."""

    @abstractmethod
    def maximum(self, indices: Sequence[Idx], body: str) -> str:
        """The largest value along indices."""

    @abstractmethod
    def bracket(self, node: Node) -> str:
        """A node in round brackets."""

    @abstractmethod
    def transpose(self, body: str) -> str:
        """A transpose."""

    @abstractmethod
    def hadamard_power(self, base: str, exponent: Node) -> str:
        """An entrywise power."""

    @abstractmethod
    def mapped(self, variable: Node, body: Node, argument: Node) -> str:
        """A function of one's own, applied entry by entry."""

    @abstractmethod
    def by_cases(self, node: Cases) -> str:
        """A function defined by cases."""

    @abstractmethod
    def grid(self, node: Grid) -> str:
        """An explicit matrix."""


def is_plain(args: Sequence[Node]) -> bool:
    """Whether the only argument of a function needs no brackets: an entry, a scalar, a number without a sign, or a
    function of one (``log cosh x``)."""
    match args:
        case [Leaf(expr)]:
            return not isinstance(expr, MatrixExpr) and (expr.is_number is not True or bool(expr.is_nonnegative))
        case [Call(function, inner)]:
            return function not in CLOSED and is_plain(inner)
    return False
