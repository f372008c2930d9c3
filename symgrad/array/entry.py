"""Entries of values: how a node is written out, down to the values that have names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from sympy import Expr
from sympy.tensor.indexed import Idx

from symgrad.array.graph import Indices, Node
from symgrad.notation import Array, Axis


@dataclass
class Entry:
    """Entries of nodes: of one with a name, that entry; of another, what it is made of."""

    named: Mapping[Node, Array]
    serial: count[int] = field(default_factory=count)

    def __call__(self, node: Node, indices: Indices) -> Expr:
        if node in self.named:
            kept = tuple(i for i, axis in zip(indices, node.axes, strict=True) if axis is not None and i is not None)
            return self.named[node][kept]
        return node.build(self, indices)

    def fresh(self, axis: Axis) -> Idx:
        return Idx(f"_t{next(self.serial)}", axis.size)
