"""Array programs: the typed intermediate representation between the equations and the code.

A node is an array over index letters, one for each axis. Nodes are never transposed or broadcast: a target does so
where the letters of operand and result differ. ``meaning`` gives the index expression of a node, for the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sympy import Add, Dummy, Expr, Function, Integer, KroneckerDelta, Mul, Pow, Rational, Symbol
from sympy.tensor.indexed import Idx

from symgrad.functions import selection
from symgrad.matrix_functions import named
from symgrad.notation import entry_of, index_over, sum_over
from symgrad.special_functions import position_of

Layout = tuple[Idx, ...]
MOST_REMEMBERED = 2**12
"""The scalar target asks about the same node at every position."""


@dataclass(frozen=True)
class Node:
    """An array; ``letters`` are the indices of its axes in order."""

    letters: Layout

    @property
    def args(self) -> tuple[Node, ...]:
        """The operands of this node."""
        every = (part for value in vars(self).values() for part in (value if isinstance(value, tuple) else (value,)))
        return tuple(part for part in every if isinstance(part, Node))

    @property
    def bound(self) -> Layout:
        """The indices that it sums over, or takes the largest entry along."""
        return getattr(self, "over", ())

    @property
    def is_plain(self) -> bool:
        """Whether this is a number made of sizes alone."""
        return isinstance(self, Number) or (bool(self.args) and all(arg.is_plain for arg in self.args))


@dataclass(frozen=True)
class Load(Node):
    """The array ``name`` at the indices ``at`` of its axes, maybe stored in another order; ``rank`` numbers arrays."""

    name: str
    at: Layout
    rank: int = -1


@dataclass(frozen=True)
class Number(Node):
    """A nonnegative number, or the size of an axis."""

    value: Expr


@dataclass(frozen=True)
class Delta(Node):
    """1 where two indices are equal, else 0; ``size`` is the length of their axis."""

    size: Expr


@dataclass(frozen=True)
class Positions(Node):
    """The places along an axis, 0, 1, ...; ``size`` is its length."""

    size: Expr


@dataclass(frozen=True)
class Negative(Node):
    """Minus ``of``; the operands of products, sums and contractions are nonnegative nodes."""

    of: Node


@dataclass(frozen=True)
class Terms(Node):
    """The sum of ``terms`` entry by entry."""

    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Product(Node):
    """The product of ``above`` divided by the product of ``below``, entry by entry."""

    above: tuple[Node, ...]
    below: tuple[Node, ...]


@dataclass(frozen=True)
class Power(Node):
    """``base`` to the power ``exponent``, entry by entry."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call(Node):
    """A function applied entry by entry."""

    function: type[Function]
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Largest(Node):
    """1 at the largest entries along ``index``, in equal shares, else 0."""

    of: Node
    index: Idx


@dataclass(frozen=True)
class Diagonal(Node):
    """The entries of ``of`` at the indices ``at``, some of which are equal."""

    of: Node
    at: Layout


@dataclass(frozen=True)
class Reduce(Node):
    """The sum of ``of`` over some indices, or its largest entry along them, which is named ``largest``."""

    of: Node
    over: Layout
    largest: str = ""


@dataclass(frozen=True)
class Contract(Node):
    """The product of ``factors`` summed over the indices ``over``."""

    factors: tuple[Node, ...]
    over: Layout


@dataclass(frozen=True)
class OfMatrix(Node):
    """A function of the whole matrix ``of``, whose rows and columns are ``over``; ``inverse`` names its inverse."""

    function: type[Function]
    of: Load
    over: Layout
    inverse: str


@dataclass(frozen=True)
class Solve(Node):
    """The solution of the linear systems ``matrix @ x = right``, where ``over`` is the axis of the equations: the sum
    over it of the product of the array ``inverse`` and ``right``."""

    matrix: Load
    right: Node
    over: Layout
    inverse: str


@dataclass(frozen=True)
class Fill(Node):
    """A copy of ``of`` in the dtype of the inputs, repeated along further axes; ``sizes`` are the lengths of all."""

    of: Node
    sizes: tuple[Expr, ...]


@dataclass(frozen=True)
class Assign:
    """``name = node``, with axes in the order of ``letters``. With ``into``, the result is written into the memory of
    that dead array, and keeps its name if ``keeps_name``."""

    name: str
    letters: Layout
    node: Node
    into: str = ""
    keeps_name: bool = False

    @property
    def entry(self) -> Expr:
        """The entry that is assigned to."""
        return entry_of(self.name, self.letters)


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes below it."""
    yield node
    for arg in node.args:
        yield from walk(arg)


def loads(node: Node) -> set[str]:
    """The names of the arrays that a node reads."""
    return {part.name for part in walk(node) if isinstance(part, Load)}


def rank(node: Node) -> int:
    """The rank of the latest array in a node; -1 without arrays."""
    return max((part.rank for part in walk(node) if isinstance(part, Load)), default=-1)


def mapped(node: Node, change: Mapping[Node, Node]) -> Node:
    """Replace some parts of a node by others over the same letters."""
    if node in change:
        return change[node]
    return _with_fields(node, lambda part: mapped(part, change), {}) if node.args else node


def relettered(node: Node, names: Mapping[Idx, Idx]) -> Node:
    """The same node over other indices; bound letters that would be captured are renamed."""
    names = {old: new for old, new in names.items() if old != new and old not in node.bound}
    if clash := set(node.bound) & set(names.values()):
        names |= {i: Idx(Dummy(i.name, integer=True), i.upper + 1) for i in clash}
    return _with_fields(node, lambda part: relettered(part, names), names) if names else node


@lru_cache(MOST_REMEMBERED)
def numbered(node: Node) -> tuple[Node, Layout]:
    """The node with numbered indices, so that bound letters do not matter, and its free indices in order."""
    order = dict.fromkeys(i for part in walk(node) for i in (*part.letters, *part.bound))
    pattern = with_letters(node, {i: index_over(f"_{p}", i.upper + 1) for p, i in enumerate(order)})
    return pattern, tuple(i for i in order if i in node.letters)


def with_letters(node: Node, names: Mapping[Idx, Idx]) -> Node:
    """Rename letters, bound ones included; no two may become one."""
    return _with_fields(node, lambda part: with_letters(part, names), names)


def _with_fields(node: Node, change: Callable[[Node], Node], names: Mapping[Idx, Idx]) -> Node:
    """Change the parts of a node and rename its own indices."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if isinstance(value, Node):
            return change(value)
        return names.get(value, value) if isinstance(value, Idx) else value

    return type(node)(*map(changed, vars(node).values()))


def meaning(node: Node, positive: Collection[str] = ()) -> Expr:
    """The index expression that equals a node; ``positive`` arrays are known to be positive. A largest entry is
    represented by its name: any number will do."""
    parts = [meaning(arg, positive) for arg in node.args]
    match node:
        case Load(_, name, at):
            return entry_of(name, at, positive=name in positive)
        case Number(_, value):
            return value
        case Delta(letters):
            return KroneckerDelta(*letters)
        case Positions((index,)):
            return position_of(index)
        case Negative():
            return -parts[0]
        case Terms():
            return Add(*parts)
        case Product(_, above):
            return Mul(*parts[: len(above)], *(1 / part for part in parts[len(above) :]))
        case Power():
            return Pow(*parts)
        case Call(_, function):
            return function(*parts)
        case Largest(_, _, index):
            return selection(parts[0], index)
        case OfMatrix(letters, function, of, _, inverse):
            return named(function, of.name, inverse, *letters)
        case Solve(_, matrix, _, over, inverse):
            return sum_over(entry_of(inverse, matrix.at[::-1]) * parts[1], over)
        case Diagonal(_, of, at):
            return meaning(relettered(of, dict(zip(of.letters, at, strict=True))), positive)
        case Reduce(letters, _, over, largest):
            return entry_of(largest, letters) if largest else sum_over(parts[0], over)
        case Contract(_, _, over):
            return sum_over(Mul(*parts), over)
        case _:
            return parts[0]  # filled


def number(value: Expr | int) -> Number:
    """A literal, or the size of an axis."""
    return Number((), Integer(value) if isinstance(value, int) else value)


HALF = number(Rational(1, 2))


def size(name: str) -> Symbol:
    """The length of an axis."""
    return Symbol(name, integer=True)
