"""Splits a plan into nests of loops: each sum is an assignment of its own, and so is each part that a loop need not
recompute."""

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
    number,
    relettered,
    size,
    walk,
    with_letters,
)
from symgrad.codegen.identifiers import free, part_name
from symgrad.codegen.sections import Plan
from symgrad.notation import axis_name
from symgrad.steps import Record

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


class LoopPlan:
    """The plan of ``record`` in assignments that are each a nest of loops.

    ``main`` is done for a block of rows, ``sums`` are the names of the sums over rows in it, and ``stored`` says which
    results have an entry for each row; ``before`` and ``after`` are done once.  Without blocks all is in ``after``.
    ``checks`` end each with a number that is to be 0.  ``results`` gives the array that takes each gradient,
    ``numbers`` what is returned besides.  ``rowwise`` are the inputs with an entry for each row, ``labels`` those of
    them that the loops take as labels, too.  ``lowered`` is the whole, as it is proved; ``extents`` are the axes of the
    largest nests, ``weights`` those, but the rows, of the largest products.
    """

    def __init__(self, record: Record) -> None:
        self.plan = plan = Plan(record)
        self.names = dict(plan.names)
        self.axis = plan.blocks.axis
        arrays = {a.name: {axis.name for axis in a.axes} for a in record.program.inputs if a.axes}
        self.rowwise = {*plan.rowwise}
        known = set[str]().union(*(axes for name, axes in arrays.items() if name not in plan.labels))
        self.labels = [n for n in plan.labels if n in self.rowwise and n not in record.wrt and arrays[n] <= known]
        self.sums: list[str] = []
        self.results: dict[str, str] = {}
        self.before = self._nests(plan.before.program)
        main, self.after = self._apart() if self.axis else ([], self._nests(plan.main.program))
        changing = set(self.rowwise)
        for a in main:  # what is the same for all rows comes first
            if self.axis in extent(a) or loads(a.node) & changing:
                changing.add(a.name)
        self.before += [a for a in main if a.name not in changing]
        self.main = [a for a in main if a.name in changing]
        self.after += self._nests(plan.after.program)
        self.checks = [self._nests([Assign(self._part(), gap.letters, gap)]) for _, gap in plan.checks]
        self.lowered = replace(plan.lowered, program=[*self.before, *self.main, *self.after])
        given = [a for n in record.wrt if record.program.arrays[n].axes for a in self._given(n)]
        own = {a.name for a in given if any(map(self.is_row, a.letters))}
        stored = self._nests(a for a in given if a.name in own)
        self.main += [a for a in stored if a.name not in own]
        self.stored = [a for a in stored if a.name in own]
        self.after += self._nests(a for a in given if a.name not in own)
        self.numbers: list[Node] = [plan.output[0]]
        self.numbers += [plan.gradients[n][0] for n in record.wrt if n not in self.results]
        self.extents = _widest(map(extent, (*self.before, *self.main, *self.after)))
        self.weights = _widest(extent(a) - {self.axis} for a in self.main if isinstance(a.node, Contract))

    def is_row(self, index: Idx) -> bool:
        """Whether an index runs over the rows of a block."""
        return bool(self.axis) and axis_name(index) == self.axis

    def name(self, wanted: str) -> str:
        """``wanted``, or one like it that names nothing else."""
        return free(wanted, self.plan.taken)

    def _nests(self, program: Iterable[Assign]) -> list[Assign]:
        return [nest for assign in program for nest in nests(assign, self._part)]

    def _part(self) -> str:
        name = part_name(self.plan.taken)
        self.names[name] = name
        return name

    def _apart(self) -> tuple[list[Assign], list[Assign]]:
        """What is done for a block of rows, sums over them among it, and what is made of these sums."""
        main: list[Assign] = []
        late: list[Assign] = []
        for assign in self.plan.main.program:
            if assign.name not in self.plan.blocks.sums:
                main += self._nests([assign])
                continue
            sums, rest = sums_apart(assign, self.axis, self._part)
            self.sums += [a.name for a in sums]
            main += self._nests(sums)
            of_block, of_all = (number(size(name)) for name in (self.plan.count, self.axis))
            rest = replace(rest, node=mapped(rest.node, {of_block: of_all}))  # sums over rows of what is constant
            late += self._nests([rest])
        return main, late

    def _given(self, name: str) -> Sequence[Assign]:
        """The assignment of a gradient to the array that takes it; none where the program has it as it is, which is
        then computed in its place."""
        node, order = self.plan.gradients[name]
        letters = node.letters if order is None else order
        if isinstance(node, Load) and node.name in self.plan.blocks.stacked:
            node = self.plan.row_results[node.name][0]
        is_whole = isinstance(node, Load) and node.letters == letters and node.name in {a.name for a in self.after}
        if isinstance(node, Load) and is_whole and node.name not in self.results.values():
            self.results[name] = node.name
            return []
        own = self.results[name] = self.name(f"d{self.names[name]}")
        self.names[own] = own
        if isinstance(node, Load) and self.names[node.name] == f"d{self.names[name]}":
            # The whole has the name that its blocks had.
            self.names[own], self.names[node.name] = self.names[node.name], self.name(f"{self.names[node.name]}_block")
        return [Assign(own, letters, node)]


def extent(a: Assign) -> frozenset[str]:
    """The axes over which the loops of an assignment run."""
    return frozenset(axis_name(i) for i in (*a.letters, *a.node.letters, *a.node.bound))


def _widest(every: Iterable[frozenset[str]]) -> list[list[str]]:
    """Sets of axes of which none is part of another."""
    found = dict.fromkeys(every)
    return [sorted(axes) for axes in found if axes and not any(axes < other for other in found)]
