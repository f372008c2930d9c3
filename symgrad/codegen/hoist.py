"""Lines of a length that can be read: the longest parts of an expression get lines of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from symgrad.codegen.array_program import Assign, Load, Negative, Node, Number, Product, Reduce, Terms, mapped
from symgrad.codegen.build import parted

LONGEST = 92
"""An expression that would be longer, in characters, gets a line for its longest part."""
SHORT = 16
"""A part of at most so many characters stays."""


def hoisted(assign: Assign, length: Callable[[Node], int], fresh: Callable[[], str]) -> list[Assign]:
    """The assignment, behind those of its longest parts; ``length`` is that of a node in source, ``fresh`` names a
    part."""
    lines: list[Assign] = []

    def shortened(node: Node) -> Node:
        node = mapped(node, {arg: shortened(arg) for arg in node.args})
        while length(node) > LONGEST:
            parts = [part for part in _parts(node) if length(part) > SHORT]
            if not parts:
                break
            longest = max(parts, key=length)
            name = fresh()
            lines.append(Assign(name, longest.letters, longest))
            node = mapped(node, {longest: Load(longest.letters, name, longest.letters)})
        return node

    node = shortened(assign.node)
    return [*lines, replace(assign, node=node)]


def _parts(node: Node) -> Iterator[Node]:
    """What an expression is put together of, without signs; of a sum over axes, its factors or terms."""
    for arg in node.args:
        part = parted(arg)[1]
        if isinstance(node, (Reduce, Negative)) and isinstance(part, (Product, Terms)):
            yield from _parts(part)
        elif not isinstance(part, (Load, Number)):
            yield part
