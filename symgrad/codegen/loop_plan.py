"""A plan as nests of loops: what is done ahead of the rows, for each of them, and behind; there is no text here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import Assign, Contract, Load, Node, loads, mapped, number, size
from symgrad.codegen.identifiers import free, part_name
from symgrad.codegen.nests import nests, sums_apart
from symgrad.codegen.plan import Plan
from symgrad.notation import axis_name
from symgrad.steps import Record


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
