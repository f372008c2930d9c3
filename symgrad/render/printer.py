"""What the text and the LaTeX printer share: which node needs brackets where.  A dialect spells the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sympy import MatrixExpr, S

from symgrad.render import tree
from symgrad.render.symbols import Vocabulary

CLOSED = ("exp", "step")  # functions whose argument always stands in brackets
_LOOSE = (tree.Plus, tree.Minus, tree.Cases, tree.Relation)  # never a factor without brackets


class Printer(ABC):
    """Spells a tree: a node by the method ``show_`` with the name of its class, as SymPy's printers do.

    A dialect has those that are not here.  ``last``: no factor follows, so that a sum or ``log x`` may stand without
    brackets.
    """

    minus: str
    beside: str  # what stands between the factors of a product
    circle: str  # the sign of the entrywise product
    over: str  # and of the entrywise quotient
    relations: ClassVar[Mapping[str, str]]
    joints: ClassVar[Mapping[str, str]]  # what stands between conditions
    cases_are_open: bool  # whether cases show by themselves where they begin
    ratio_is_closed: bool  # whether a fraction shows by itself where it begins and ends

    def __init__(self, names: Vocabulary) -> None:
        self.names = names

    def show(self, node: tree.Node, last: bool = True) -> str:
        """The spelling of a node, without brackets around it."""
        spelled: str = getattr(self, f"show_{type(node).__name__}")(node, last)
        return spelled

    @abstractmethod
    def bracket(self, node: tree.Node) -> str:
        """A node in round brackets."""

    def show_Minus(self, node: tree.Minus, last: bool) -> str:
        return self.minus + self.factor(node.body, last)

    def show_Plus(self, node: tree.Plus, _: bool) -> str:
        first, *others = node.terms
        shown = self.bracket(first) if self._goes_on(first) or isinstance(first, tree.Cases) else self.show(first)
        for place, term in enumerate(others, 1):
            sign, body = (self.minus, term.body) if isinstance(term, tree.Minus) else ("+", term)
            runs_on = place < len(others) and self._goes_on(body)
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
        """The final factor of a product: a fraction may stand without brackets, since ``a b/c`` has but one value."""
        if last and isinstance(node, tree.Ratio) and node.above != tree.Leaf(S.One):
            return self.show(node)
        return self._side_by_side(node, last)

    def tight(self, node: tree.Node) -> str:
        """A node that a superscript follows."""
        return self.show(node) if isinstance(node, (tree.Leaf, tree.Grid)) else self.bracket(node)

    def _goes_on(self, node: tree.Node) -> bool:
        """Whether a term ends in cases that show where they begin alone, so that what follows would be taken for one of
        them."""
        match node:
            case tree.Cases():
                return self.cases_are_open
            case tree.Minus(body) | tree.Summed(_, body) | tree.MaximumOver(_, body):
                return self._goes_on(body)
            case tree.Times(factors):
                return self._goes_on(factors[-1])
        return False

    def _apart(self, node: tree.Node, *kinds: type[tree.Node]) -> str:
        """A factor of a matrix product, or of an entrywise one: ``kinds`` need brackets there."""
        return self.bracket(node) if isinstance(node, (*kinds, *_LOOSE)) else self.show(node, False)


def is_plain(args: Sequence[tree.Node]) -> bool:
    """Whether the only argument of a function needs no brackets: an entry, a scalar, a number without a sign, or a
    function of one (``log cosh x``)."""
    match args:
        case [tree.Leaf(expr)]:
            return not isinstance(expr, MatrixExpr) and (expr.is_number is not True or bool(expr.is_nonnegative))
        case [tree.Call(function, inner)]:
            return function not in CLOSED and is_plain(inner)
    return False
