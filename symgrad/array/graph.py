"""The graph of a traced computation: a value is an index expression, given lazily, with one axis per dimension.

A node says how an entry of it is made from entries of its parts.  What is an equation of the program and what is
written into its users is decided afterwards, when the whole graph and the names of its nodes are known, so that an
intermediate used often is never written out often.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from sympy import Expr, Integer
from sympy.tensor.indexed import Idx

from symgrad.array.source_location import Spot, at_place, spot
from symgrad.canonical import extent
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Array, Axis

Dimension = Axis | None
"""An axis, or None for a dimension of size one (``keepdims``, ``None`` in an index)."""
Indices = tuple[Idx | None, ...]
"""An index for each dimension; None, or anything, for one of size one."""


class Kind(Enum):
    """What a node is to the reader of the program."""

    INPUT = auto()  # an array that the user gives
    CONSTANT = auto()  # a number, a size: never an equation
    VIEW = auto()  # the entries of its part in another arrangement: never an equation
    PLAIN = auto()  # elementwise
    CONTRACTION = auto()  # sums over an axis
    ALWAYS = auto()  # an equation whether or not the user named it


@dataclass(frozen=True, eq=False)
class Node:
    """One value: ``build(entries, indices)`` is its entry, made of those of ``parts``.

    ``operation`` names it in messages; ``hint`` is the name that a textbook gives it, used where the author gave none;
    ``meaning`` is that of a function of entries.
    """

    operation: str
    parts: tuple[Node, ...]
    axes: tuple[Dimension, ...]
    build: Callable[[Entries, Indices], Expr]
    kind: Kind
    hint: str = ""
    array: Array | None = None
    spot: Spot | None = None
    meaning: Callable[..., Expr] | None = None

    @property
    def real_axes(self) -> tuple[Axis, ...]:
        """The axes without the dimensions of size one."""
        return tuple(axis for axis in self.axes if axis is not None)


MOST_PARTS = 10_000
"""Of an expression: a line with more is over the budget of any derivation."""


@dataclass
class Entries:
    """What a node is built with: the entries of other nodes, of one with a name that entry, of another what it is made
    of; and indices that nothing else uses."""

    named: Mapping[Node, Array]
    serial: count[int] = field(default_factory=count)

    def __call__(self, node: Node, indices: Indices) -> Expr:
        """The entry of ``node`` at ``indices``."""
        if node in self.named:
            kept = tuple(i for i, axis in zip(indices, node.axes, strict=True) if axis is not None and i is not None)
            return self.named[node][kept]
        written = node.build(self, indices)
        if extent(written) > MOST_PARTS:
            words = f"it has more than {MOST_PARTS:,} parts when it is written out: give its parts names of their own"
            raise at_place(UnsupportedError(words), node.spot)
        return written

    def fresh(self, axis: Axis) -> Idx:
        """An index over ``axis`` for a sum."""
        return Idx(f"_t{next(self.serial)}", axis.size)


@dataclass
class Trace:
    """One run of a function on symbols: the values made so far, and what the user calls them.

    ``picked`` and ``sources`` remember what ``labels`` has found out of each value.
    """

    axes: tuple[Axis, ...] = ()
    known: dict[Hashable, Node] = field(default_factory=dict)
    names: dict[Node, tuple[int, str]] = field(default_factory=dict)
    picked: dict[Node, Node | None] = field(default_factory=dict)
    sources: dict[tuple[Node, Node], Node | None] = field(default_factory=dict)

    def called(self, node: Node, name: str, depth: int) -> None:
        """Note that the user calls a value ``name``, ``depth`` calls deep; the outermost name stays, then the first."""
        if node not in self.names or depth < self.names[node][0]:
            self.names[node] = depth, name


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(axes: tuple[Axis, ...]) -> Iterator[Trace]:
    """A trace over the given axes, to which all that is made inside belongs."""
    trace = Trace(axes)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def current() -> Trace:
    """The trace under way.  Raises ``UnsupportedError`` outside of one."""
    trace = _current.get()
    if trace is None:
        raise UnsupportedError("a symbolic array is used outside of the function that was traced with it")
    return trace


def make(
    operation: str,
    parts: Sequence[Node],
    axes: Iterable[Dimension],
    build: Callable[[Entries, Indices], Expr],
    kind: Kind,
    key: Hashable = (),
    hint: str = "",
    meaning: Callable[..., Expr] | None = None,
) -> Node:
    """A node, the same one for the same operation on the same parts."""
    known = current().known
    full = (operation, tuple(parts), key)
    if full not in known:
        known[full] = Node(operation, tuple(parts), tuple(axes), build, kind, hint, None, spot(), meaning)
    return known[full]


def leaf(array: Array) -> Node:
    """An input of the program."""

    def entry(entries: Entries, indices: Indices) -> Expr:
        return array[tuple(i for i in indices if i is not None)]

    return Node("input", (), array.axes, entry, Kind.INPUT, array=array)


def constant(value: Expr | int) -> Node:
    """A number or a size; its ``meaning`` is that."""
    number = Integer(value) if isinstance(value, int) else value
    return make("number", (), (), lambda *_: number, Kind.CONSTANT, number, meaning=lambda: number)


def size(axis: Dimension) -> Node:
    """The number of entries along an axis."""
    return constant(axis.size if axis is not None else Integer(1))


def shown(node: Node) -> str:
    """A node in messages: what the user calls it, and its axes."""
    name = node.array.name if node.array else current().names.get(node, (0, ""))[1]
    return f"{name} {shape_text(node.axes)}".strip()


def shape_text(axes: Iterable[Dimension]) -> str:
    """Axes as NumPy writes a shape: (N, D), (N, 1), (C,), ()."""
    words = ["1" if axis is None else axis.name for axis in axes]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def broadcast(operation: str, parts: Sequence[Node]) -> tuple[Dimension, ...]:
    """The axes of arrays broadcast against each other, from the right.  Raises ``ProgramError`` where they clash."""
    rank = max((len(part.axes) for part in parts), default=0)
    result: list[Dimension] = [None] * rank
    for part in parts:
        for place, axis in enumerate(part.axes, rank - len(part.axes)):
            if axis is not None and result[place] not in (None, axis):
                raise mismatch(operation, parts, result[place], axis)
            result[place] = result[place] or axis
    return tuple(result)


def mismatch(operation: str, parts: Sequence[Node], one: Dimension, other: Dimension) -> ProgramError:
    """The error of operands whose axes do not fit: both are named, with their axes."""
    names = [axis.name if axis else "1" for axis in (one, other)]
    words = [shown(part) for part in parts]
    infix = len(parts) == 2 and not operation.isidentifier()
    operands = f" {operation} ".join(words) if infix else f"{operation}({', '.join(words)})"
    return ProgramError(f"{operands}: {names[0]} does not match {names[1]}")


def aligned(node: Node, indices: Indices) -> Indices:
    """The indices that a part takes from those of the array that it is broadcast into."""
    return indices[len(indices) - len(node.axes) :]


def place_of(node: Node, axis: object, operation: str) -> int:
    """The place of ``axis=`` counted from 0.  Raises ``ProgramError`` where the array has no such axis."""
    rank = len(node.axes)
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        raise ProgramError(
            f"{operation}: {shown(node)} has no axis {axis!r}; its axes are counted from 0 to {rank - 1}"
        )
    return axis % rank


def places_of(node: Node, axis: object, operation: str) -> tuple[int, ...]:
    """The places that ``axis=`` names: one, several in a tuple, or all for None."""
    if axis is None:
        return tuple(range(len(node.axes)))
    several = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = tuple(place_of(node, one, operation) for one in several)
    if len(set(places)) < len(places):
        raise ProgramError(f"{operation}: an axis is given twice in axis={axis!r}")
    return places
