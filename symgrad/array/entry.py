"""Entries of values: how a node is written out, down to the values that have names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from sympy import Expr
from sympy.tensor.indexed import Idx

from symgrad.array.graph import Indices, Node
from symgrad.array.place import at_place
from symgrad.canonical import extent
from symgrad.errors import UnsupportedError
from symgrad.notation import Array, Axis

MOST_PARTS = 10_000
"""Of an expression: a line with more is over the budget of any derivation."""


@dataclass
class Entry:
    """Entries of nodes: of one with a name, that entry; of another, what it is made of."""

    named: Mapping[Node, Array]
    serial: count[int] = field(default_factory=count)

    def __call__(self, node: Node, indices: Indices) -> Expr:
        if node in self.named:
            kept = tuple(i for i, axis in zip(indices, node.axes, strict=True) if axis is not None and i is not None)
            return self.named[node][kept]
        written = node.build(self, indices)
        if extent(written) > MOST_PARTS:
            words = f"it has more than {MOST_PARTS:,} parts when it is written out: give its parts names of their own"
            raise at_place(UnsupportedError(words), node.spot)
        return written

    def fresh(self, axis: Axis) -> Idx:
        return Idx(f"_t{next(self.serial)}", axis.size)
