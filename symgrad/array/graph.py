"""The graph of a traced computation: each node is an array whose entries are built lazily as index expressions.

Which nodes become equations and which are inlined is decided after tracing, when all names are known, so that an
intermediate that is used often is never written out often.  Numbers of Python and NumPy become exact SymPy numbers:
0.1 is 1/10, and ``np.log(2)`` is log 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from fractions import Fraction
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from sympy import E, Expr, Integer, Rational, log, pi, sqrt
from sympy.tensor.indexed import Idx

from symgrad.array.source_location import Location, current_location, with_location
from symgrad.canonical import extent
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.notation import Array, Axis

Dimension = Axis | None
"""An axis, or None for a dimension of size one (``keepdims``, ``None`` in an index)."""
Indices = tuple[Idx | None, ...]
"""An index for each dimension; None, or anything, for a dimension of size one."""


class Kind(Enum):
    """What a node is to the reader of the program."""

    INPUT = auto()
    CONSTANT = auto()  # a number or a size: never an equation
    VIEW = auto()  # a rearrangement of its operand's entries: never an equation
    PLAIN = auto()  # elementwise
    CONTRACTION = auto()  # sums over an axis
    ALWAYS = auto()  # always an equation, even where the user does not name it


@dataclass(frozen=True, eq=False)
class Node:
    """An array in the graph; ``build(entries, indices)`` is its entry, built from entries of its ``operands``.

    ``operation`` names it in messages.  ``hint`` is its textbook name, used where the user gives none.  ``meaning`` is
    the function of entries that an elementwise node applies.
    """

    operation: str
    operands: tuple[Node, ...]
    axes: tuple[Dimension, ...]
    build: Callable[[Entries, Indices], Expr]
    kind: Kind
    hint: str = ""
    array: Array | None = None
    location: Location | None = None
    meaning: Callable[..., Expr] | None = None

    @property
    def real_axes(self) -> tuple[Axis, ...]:
        """The axes without dimensions of size one."""
        return tuple(axis for axis in self.axes if axis is not None)


MOST_PARTS = 10_000
"""A larger expression is over the budget of any derivation."""


@dataclass
class Entries:
    """Builds entries of nodes: an array's entry for the nodes in ``named``, the inlined expression for the others."""

    named: Mapping[Node, Array]
    serial: count[int] = field(default_factory=count)

    def __call__(self, node: Node, indices: Indices) -> Expr:
        """The entry of ``node`` at ``indices``."""
        if node in self.named:
            real = tuple(i for i, axis in zip(indices, node.axes, strict=True) if axis is not None and i is not None)
            return self.named[node][real]
        expr = node.build(self, indices)
        if extent(expr) > MOST_PARTS:
            message = f"this expression has more than {MOST_PARTS:,} parts: give its parts names of their own"
            raise with_location(UnsupportedError(message), node.location)
        return expr

    def name(self, node: Node) -> str:
        """The name of a node that is an input or an equation."""
        return (node.array or self.named[node]).name

    def fresh(self, axis: Axis) -> Idx:
        """A new index over ``axis`` for a sum."""
        return Idx(f"_t{next(self.serial)}", axis.size)


@dataclass
class Trace:
    """One run of a function on symbolic arrays: its nodes, and the names that the user's variables give them.

    ``picked`` and ``sources`` are caches of ``array.indexing``.
    """

    axes: tuple[Axis, ...] = ()
    nodes: dict[Hashable, Node] = field(default_factory=dict)
    names: dict[Node, tuple[int, str]] = field(default_factory=dict)
    picked: dict[Node, Node | None] = field(default_factory=dict)
    sources: dict[tuple[Node, Node], Node | None] = field(default_factory=dict)

    def called(self, node: Node, name: str, depth: int) -> None:
        """Note that a variable ``depth`` calls deep holds ``node``; the outermost name stays, then the first."""
        if node not in self.names or depth < self.names[node][0]:
            self.names[node] = depth, name


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(axes: tuple[Axis, ...]) -> Iterator[Trace]:
    """Start a new trace, which collects the nodes created in the ``with`` block."""
    trace = Trace(axes)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def current() -> Trace:
    """The current trace.  Raises ``UnsupportedError`` outside of one."""
    trace = _current.get()
    if trace is None:
        raise UnsupportedError("a symbolic array is used outside of the function that was traced with it")
    return trace


def make(
    operation: str,
    operands: Sequence[Node],
    axes: Iterable[Dimension],
    build: Callable[[Entries, Indices], Expr],
    kind: Kind,
    key: Hashable = (),
    hint: str = "",
    meaning: Callable[..., Expr] | None = None,
) -> Node:
    """A node; the same operation on the same operands, with the same ``key``, gives the same node."""
    nodes = current().nodes
    full_key = (operation, tuple(operands), key)
    if full_key not in nodes:
        location = current_location()
        nodes[full_key] = Node(operation, tuple(operands), tuple(axes), build, kind, hint, None, location, meaning)
    return nodes[full_key]


def leaf(array: Array) -> Node:
    """An input of the program."""

    def entry(entries: Entries, indices: Indices) -> Expr:
        return array[tuple(i for i in indices if i is not None)]

    return Node("input", (), array.axes, entry, Kind.INPUT, array=array)


def constant(value: Expr | int) -> Node:
    """A number or a size."""
    number = Integer(value) if isinstance(value, int) else value
    return make("number", (), (), lambda *_: number, Kind.CONSTANT, number, meaning=lambda: number)


def size(axis: Dimension) -> Node:
    """The number of entries along an axis."""
    return constant(axis.size if axis is not None else Integer(1))


def in_order(output: Node) -> list[Node]:
    """The nodes that the output depends on, operands first."""
    done: dict[Node, None] = {}
    waiting = [(output, False)]
    while waiting:
        node, is_ready = waiting.pop()
        if node in done:
            continue
        if is_ready:
            done[node] = None
            continue
        waiting.append((node, True))
        waiting += [(operand, False) for operand in reversed(node.operands) if operand not in done]
    return list(done)


# --- numbers ----------------------------------------------------------------------------------------------------------

MOST_SIMPLE = 1000  # the largest denominator of a fraction that a difference stands for
ROUNDING = Fraction(2) ** -53  # of a difference of numbers up to 1


@cache
def _named() -> dict[float, Expr]:
    """Floats that stand for e, pi and for roots, logarithms and fractions of pi and of whole numbers up to 20.

    Each constant has its nearest float, and the float that arithmetic computes, which may be a neighbour: log(2 pi).
    """
    pairs: list[tuple[float, Expr]] = [(math.e, E), (math.pi / 2, pi / 2)]
    whole: list[tuple[float, Expr]] = [(float(base), Integer(base)) for base in range(2, 21)]
    for written, base in [(2 / math.pi, 2 / pi), (2 * math.pi, 2 * pi), (math.pi, pi), *reversed(whole)]:
        root, logarithm = math.sqrt(written), math.log(written)
        pairs += [(math.log(root), log(base) / 2), (logarithm / 2, log(base) / 2), (logarithm, log(base))]
        pairs += [(1 / root, 1 / sqrt(base)), (root, sqrt(base)), (written, base)]
    irrational = [(written, number) for written, number in pairs if not number.is_rational]
    return dict(irrational) | {float(number): number for _, number in irrational}


def exact(value: Any) -> Expr:
    """The exact number that a float stands for.  Raises ``UnsupportedError`` unless it is real and finite."""
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return Integer(int(value))
    if isinstance(value, (float, np.floating)) and math.isfinite(value):
        return _named().get(float(value)) or Rational(_fraction(value) or str(value))
    if isinstance(value, (Fraction, Rational)) or (isinstance(value, Decimal) and value.is_finite()):
        return Rational(Fraction(value))
    raise UnsupportedError(f"{value} cannot be used in a loss: numbers must be real and finite")


def _fraction(value: Any) -> Fraction | None:
    """The fraction with the smallest denominator that rounds to a float; a whole number of over 15 digits is itself.

    A float that the rounding of a difference separates from a simple fraction, such as 0.9 - 1, is that fraction.  None
    unless the numerator times the denominator is small (2**40 in double precision), so that no other is near.
    """
    binary = Fraction(float(value))
    simple = binary.limit_denominator(MOST_SIMPLE)
    is_near = abs(simple - binary) <= min(ROUNDING, abs(binary) / 2**40)
    if isinstance(value, float) and is_near and simple.denominator > 1:
        return simple
    if binary.denominator == 1 and float(f"{value:.15g}") != value:
        return binary
    bound = Fraction(2.0**-12 / float(np.finfo(type(value)).eps))
    near = binary.limit_denominator(max(math.isqrt(int(bound / abs(binary or Fraction(1)))), 1))
    return near if type(value)(near) == value and abs(near.numerator * near.denominator) <= bound else None


def is_number(value: object) -> bool:
    """Whether a value is a single number of Python, NumPy or SymPy."""
    return isinstance(value, (bool, int, float, complex, np.number, np.bool_, Fraction, Decimal, Rational))


def operand(value: Any, operation: str) -> Node:
    """The node of an operand.  Raises ``UnsupportedError`` for a concrete array, and for anything but a number."""
    if isinstance(value, Node):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if is_number(value):
        return constant(exact(value))
    if hasattr(value, "refusal"):
        raise UnsupportedError(f"{operation} of {value.refusal}")
    is_array = isinstance(value, np.ndarray)
    what = f"an array of numbers of shape {value.shape}" if is_array else f"a {type(value).__name__}"
    raise UnsupportedError(f"{operation} mixes a symbolic array with {what}: declare it in shapes as an input")


# --- axes -----------------------------------------------------------------------------------------------------------


def shown(node: Node) -> str:
    """A node in messages: its name and its shape."""
    name = node.array.name if node.array else current().names.get(node, (0, ""))[1]
    return f"{name} {shape_text(node.axes)}".strip()


def shape_text(axes: Iterable[Dimension]) -> str:
    """Axes as NumPy writes a shape: (N, D), (N, 1), (C,), ()."""
    words = ["1" if axis is None else axis.name for axis in axes]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def broadcast(operation: str, operands: Sequence[Node]) -> tuple[Dimension, ...]:
    """The axes of the operands broadcast against each other.  Raises ``ProgramError`` where they do not match."""
    rank = max((len(node.axes) for node in operands), default=0)
    result: list[Dimension] = [None] * rank
    for node in operands:
        for position, axis in enumerate(node.axes, rank - len(node.axes)):
            if axis is not None and result[position] not in (None, axis):
                raise mismatch(operation, operands, result[position], axis)
            result[position] = result[position] or axis
    return tuple(result)


def mismatch(operation: str, operands: Sequence[Node], left: Dimension, right: Dimension) -> ProgramError:
    """The error for two axes that should be equal; it shows all operands with their shapes."""
    names = [axis.name if axis else "1" for axis in (left, right)]
    words = [shown(node) for node in operands]
    is_infix = len(operands) == 2 and not operation.isidentifier()
    call = f" {operation} ".join(words) if is_infix else f"{operation}({', '.join(words)})"
    return ProgramError(f"{call}: {names[0]} does not match {names[1]}")


def aligned(node: Node, indices: Indices) -> Indices:
    """The indices of an operand, given the indices of the array that it is broadcast into."""
    return indices[len(indices) - len(node.axes) :]


def axis_position(node: Node, axis: object, operation: str) -> int:
    """``axis=`` counted from 0.  Raises ``ProgramError`` where the array has no such axis."""
    rank = len(node.axes)
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        known = f"its axes are 0 to {rank - 1}" if rank else "it is a scalar"
        raise ProgramError(f"{operation}: {shown(node)} has no axis {axis!r}; {known}")
    return axis % rank


def axis_positions(node: Node, axis: object, operation: str) -> tuple[int, ...]:
    """The positions that ``axis=`` names: one axis, a tuple of axes, or None for all."""
    if axis is None:
        return tuple(range(len(node.axes)))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    positions = tuple(axis_position(node, each, operation) for each in axes)
    if len(set(positions)) < len(positions):
        raise ProgramError(f"{operation}: axis={axis!r} names an axis twice")
    return positions
