"""Array programs for loops: each sum is an assignment of its own, and so is what a loop need not compute again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    HALF,
    Assign,
    Call,
    Contract,
    Diagonal,
    Fill,
    Largest,
    Layout,
    Load,
    Node,
    Number,
    Power,
    Product,
    Reduce,
    loads,
    mapped,
    relettered,
    walk,
    with_letters,
)
from symgrad.notation import axis_name

SUMS = (Reduce, Contract, Largest)


@dataclass
class Nest:
    """Assignments in one nest of ``loops``; an assignment that has loops of its own stands alone, and has none here."""

    loops: Layout | None
    parts: list[Assign]


def nests(assign: Assign, fresh: Callable[[], str]) -> Iterator[Assign]:
    """The assignment as nests of loops: what stands in a sum, or beside it, is computed entry by entry.

    A part that has fewer letters than its nest, and takes more than sums and products, has a nest of its own ahead;
    ``fresh`` names it.
    """
    parts: list[Assign] = []

    def named(node: Node) -> Node:
        name = fresh()
        parts.extend(nests(Assign(name, node.letters, node), fresh))
        return Load(node.letters, name, node.letters)

    def inside(node: Node, nest: Collection[object]) -> Node:
        if isinstance(node, SUMS) or (len(node.letters) < len(nest) and not node.is_plain and _is_costly(node)):
            return named(node)
        return mapped(node, {arg: inside(arg, nest) for arg in node.args})

    node = _bare(assign.node)
    nest = {*assign.letters, *node.letters, *node.bound}
    if isinstance(node, Contract):
        alone = len(node.factors) == 2 and all(set(f.letters) < nest for f in node.factors)
        factors = (f if isinstance(f, Load) or not (alone and f.letters) else named(f) for f in node.factors)
        node = replace(node, factors=tuple(f if isinstance(f, Load) else inside(f, nest) for f in factors))
    elif isinstance(node, Largest):
        node = replace(node, of=node.of if isinstance(node.of, Load) else named(node.of))
    elif isinstance(node, Reduce):
        node = replace(node, of=inside(node.of, nest))
    else:
        node = inside(node, nest)
    yield from parts
    yield replace(assign, node=node)


def sums_apart(assign: Assign, axis: str, fresh: Callable[[], str]) -> tuple[list[Assign], Assign]:
    """The sums over the rows of ``axis`` in an assignment, and the assignment made of them."""
    sums: list[Assign] = []

    def without(node: Node) -> Node:
        if any(axis_name(i) == axis for i in node.bound):
            sums.append(Assign(fresh(), node.letters, node))
            return Load(node.letters, sums[-1].name, node.letters)
        return mapped(node, {arg: without(arg) for arg in node.args})

    return sums, replace(assign, node=without(assign.node))


def fused(program: Iterable[Assign], loops_of: Callable[[Assign], Layout | None]) -> list[Nest]:
    """The assignments in as few nests as their order allows: one joins an earlier nest with loops over the same axes if
    all that it reads is there, entry by entry, or was there before."""
    nests: list[Nest] = []
    for assign in program:
        loops, read = loops_of(assign), loads(assign.node)
        for nest in reversed(nests):
            if (
                loops is not None
                and nest.loops is not None
                and [*map(axis_name, loops)] == [*map(axis_name, nest.loops)]
            ):
                joined = _in_letters(assign, dict(zip(loops, nest.loops, strict=True)))
                if all(_is_entry(joined.node, part) for part in nest.parts if part.name in read):
                    nest.parts.append(joined)
                    break
            if read & {part.name for part in nest.parts}:
                nests.append(Nest(loops, [assign]))
                break
        else:
            nests.append(Nest(loops, [assign]))
    return nests


def within(nests: Sequence[Nest], kept: Collection[str]) -> set[str]:
    """The arrays that are read in the nest alone that makes them, entry by entry, and are not ``kept``."""
    found: set[str] = set()
    for nest in nests:
        elsewhere = {name for other in nests if other is not nest for part in other.parts for name in loads(part.node)}
        made = {part.name for part in nest.parts if part.letters and not isinstance(part.node, SUMS)}
        found |= made - elsewhere - {*kept} if nest.loops is not None else set()
    return found


def _in_letters(assign: Assign, letters: Mapping[Idx, Idx]) -> Assign:
    own = tuple(letters.get(i, i) for i in assign.letters)
    return replace(assign, letters=own, node=with_letters(assign.node, letters))


def _is_entry(node: Node, part: Assign) -> bool:
    """Whether a node reads, of the array that ``part`` makes, that very entry."""
    read = [load for load in walk(node) if isinstance(load, Load) and load.name == part.name]
    return not isinstance(part.node, SUMS) and all(load.letters == part.letters for load in read)


def _bare(node: Node) -> Node:
    """The node without what memory alone asks for: loops repeat, copy and pick entries as they go."""
    if isinstance(node, Fill):
        return _bare(node.of)
    if isinstance(node, Diagonal):
        return _bare(relettered(node.of, dict(zip(node.of.letters, node.at, strict=True))))
    return mapped(node, {arg: _bare(arg) for arg in node.args})


def _is_costly(node: Node) -> bool:
    """Whether a node takes more than a few sums and products."""
    if (isinstance(node, Power) and not isinstance(node.exponent, Number)) or (
        isinstance(node, Power) and node.exponent == HALF
    ):
        return True
    return (
        isinstance(node, Call)
        or any(map(_is_costly, node.args))
        or (isinstance(node, Product) and any(not f.is_plain for f in node.below))
    )
