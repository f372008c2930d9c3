"""The tree of a formula as it is printed: signs, factors and terms in reading order.

SymPy's nodes cannot keep an order (``Mul`` sorts its arguments) or a factor before a bracket (``2*(a - b)``
distributes), so ``order`` translates expressions into these nodes, and the printers read these alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx


@dataclass(frozen=True)
class Node:
    """A part of a formula."""


@dataclass(frozen=True)
class Leaf(Node):
    """A number, a symbol, an entry of an array, or a matrix symbol (also a matrix of ones or the identity)."""

    expr: Basic


@dataclass(frozen=True)
class Delta(Node):
    """A Kronecker delta; the running index comes first."""

    left: Basic
    right: Basic


@dataclass(frozen=True)
class Slope(Node):
    """The derivative of ``of`` with respect to ``wrt``."""

    of: Node
    wrt: Node


@dataclass(frozen=True)
class Minus(Node):
    """The negative of ``body``, which is not a ``Minus`` itself."""

    body: Node


@dataclass(frozen=True)
class Plus(Node):
    """A sum of at least two terms; subtracted terms are ``Minus``."""

    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Times(Node):
    """A product of at least two commuting factors; a matrix may be the last of them."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Ratio(Node):
    """``above`` divided by ``below``."""

    above: Node
    below: Node


@dataclass(frozen=True)
class Raised(Node):
    """``base`` to the power ``exponent``."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Root(Node):
    """The square root of ``body``."""

    body: Node


@dataclass(frozen=True)
class Call(Node):
    """A function of its arguments; of a matrix, entry by entry."""

    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Bars(Node):
    """The absolute value of ``body``."""

    body: Node


@dataclass(frozen=True)
class Norm(Node):
    """The norm of a matrix: the root of the sum of its squared entries."""

    body: Node


@dataclass(frozen=True)
class Indicator(Node):
    """1 where ``relation`` holds, else 0."""

    relation: Relation


@dataclass(frozen=True)
class Share(Node):
    """The share of the entry at ``index`` in a maximum, where the largest entries share 1: the entries of a row that
    runs over the index, or several entries that the index counts."""

    index: Basic
    entries: tuple[Node, ...]


@dataclass(frozen=True)
class Summed(Node):
    """The sum of ``body`` over whole axes, the outermost index first."""

    indices: tuple[Idx, ...]
    body: Node


@dataclass(frozen=True)
class MaximumOver(Node):
    """The largest value of ``body`` along whole axes, the outermost index first."""

    indices: tuple[Idx, ...]
    body: Node


@dataclass(frozen=True)
class Chain(Node):
    """A matrix product."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Hadamard(Node):
    """An entrywise product, divided entry by entry by the matrices in ``below``."""

    factors: tuple[Node, ...]
    below: tuple[Node, ...] = ()


@dataclass(frozen=True)
class HadamardRaised(Node):
    """The entrywise power of a matrix."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Transposed(Node):
    """The transpose of ``body``."""

    body: Node


@dataclass(frozen=True)
class Mapped(Node):
    """``variable -> body`` applied to every entry of the matrix ``argument``."""

    variable: Node
    body: Node
    argument: Node


@dataclass(frozen=True)
class Relation(Node):
    """``left sign right``, where ``sign`` is one of SymPy's: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Compound(Node):
    """Conditions that all hold (``and``), or of which one holds (``or``)."""

    word: str
    conditions: tuple[Node, ...]


@dataclass(frozen=True)
class Case(Node):
    """One case of a function defined by cases; without a condition, the last case."""

    value: Node
    condition: Node | None


@dataclass(frozen=True)
class Cases(Node):
    """A function defined by cases."""

    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Grid(Node):
    """An explicit matrix, row by row."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Size(Node):
    """The size of a matrix by its axes, such as N x C."""

    rows: str
    columns: str


def children(node: Node) -> Iterator[Node]:
    """The child nodes of a node in reading order."""
    for part in vars(node).values():
        for item in part if isinstance(part, tuple) else (part,):
            yield from (each for each in (item if isinstance(item, tuple) else (item,)) if isinstance(each, Node))


def contains(node: Node, kinds: type[Node] | tuple[type[Node], ...]) -> bool:
    """Whether ``node`` contains a node of one of the given kinds."""
    return isinstance(node, kinds) or any(contains(child, kinds) for child in children(node))


def parts(node: Node) -> Iterator[Node]:
    """A node and all nodes in it, in reading order."""
    yield node
    for child in children(node):
        yield from parts(child)
