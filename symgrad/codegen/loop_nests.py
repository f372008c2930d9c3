"""Splits a plan into nests of loops, and recognises the matrix products that have functions of their own.

Each sum is an assignment of its own, and so is each part that a loop need not recompute.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen.array_plan import Plan
from symgrad.codegen.identifiers import free, part_name
from symgrad.facts import refuse_inverses
from symgrad.notation import axis_name
from symgrad.steps import Record

SUMS = (ir.Reduce, ir.Contract, ir.Largest)


@dataclass
class Nest:
    """Assignments that share the ``loops``; None for an assignment with loops of its own, which is alone."""

    loops: ir.Layout | None
    parts: list[ir.Assign]


def nests(assign: ir.Assign, fresh: Callable[[], str]) -> Iterator[ir.Assign]:
    """Split an assignment into nests of loops; the terms of a sum, and what is beside it, are computed entry by entry.
    A part with fewer letters than its nest gets a nest of its own before it, unless it is a cheap sum or product;
    ``fresh`` names it."""
    parts: list[ir.Assign] = []

    def named_part(node: ir.Node) -> ir.Node:
        name = fresh()
        parts.extend(nests(ir.Assign(name, node.letters, node), fresh))
        return ir.Load(node.letters, name, node.letters)

    def inside(node: ir.Node, nest: Collection[object]) -> ir.Node:
        if isinstance(node, SUMS) or (len(node.letters) < len(nest) and not node.is_plain and _is_costly(node)):
            return named_part(node)
        return ir.mapped(node, {arg: inside(arg, nest) for arg in node.args})

    node = _bare(assign.node)
    nest = {*assign.letters, *node.letters, *node.bound}
    if isinstance(node, ir.Contract):
        alone = len(node.factors) == 2 and all(set(f.letters) < nest for f in node.factors)
        factors = (f if isinstance(f, ir.Load) or not (alone and f.letters) else named_part(f) for f in node.factors)
        node = replace(node, factors=tuple(f if isinstance(f, ir.Load) else inside(f, nest) for f in factors))
    elif isinstance(node, ir.Largest):
        node = replace(node, of=node.of if isinstance(node.of, ir.Load) else named_part(node.of))
    elif isinstance(node, ir.Reduce):
        node = replace(node, of=inside(node.of, nest))
    else:
        node = inside(node, nest)
    yield from parts
    yield replace(assign, node=node)


def sums_apart(assign: ir.Assign, axis: str, fresh: Callable[[], str]) -> tuple[list[ir.Assign], ir.Assign]:
    """Split the sums over the rows of ``axis`` off an assignment; return them, and the rest."""
    sums: list[ir.Assign] = []

    def without(node: ir.Node) -> ir.Node:
        if any(axis_name(i) == axis for i in node.bound):
            sums.append(ir.Assign(fresh(), node.letters, node))
            return ir.Load(node.letters, sums[-1].name, node.letters)
        return ir.mapped(node, {arg: without(arg) for arg in node.args})

    return sums, replace(assign, node=without(assign.node))


def fused(program: Iterable[ir.Assign], loops_of: Callable[[ir.Assign], ir.Layout | None]) -> list[Nest]:
    """Fuse the assignments into as few nests as their order allows. An assignment joins an earlier nest over the same
    axes if it reads the arrays of that nest entry by entry."""
    nests: list[Nest] = []
    for assign in program:
        loops, read_names = loops_of(assign), ir.loads(assign.node)
        for nest in reversed(nests):
            if (
                loops is not None
                and nest.loops is not None
                and [*map(axis_name, loops)] == [*map(axis_name, nest.loops)]
            ):
                relettered_assign = _in_letters(assign, dict(zip(loops, nest.loops, strict=True)))
                if all(_is_entry(relettered_assign.node, part) for part in nest.parts if part.name in read_names):
                    nest.parts.append(relettered_assign)
                    break
            if read_names & {part.name for part in nest.parts}:
                nests.append(Nest(loops, [assign]))
                break
        else:
            nests.append(Nest(loops, [assign]))
    return nests


def within(nests: Sequence[Nest], kept: Collection[str]) -> set[str]:
    """The arrays that are read only in the nest that makes them, entry by entry, and are not ``kept``."""
    local_arrays: set[str] = set()
    for nest in nests:
        others = [part for other in nests if other is not nest for part in other.parts]
        elsewhere = {name for part in others for name in ir.loads(part.node)}
        assigned = {part.name for part in nest.parts if part.letters and not isinstance(part.node, SUMS)}
        local_arrays |= assigned - elsewhere - {*kept} if nest.loops is not None else set()
    return local_arrays


def _in_letters(assign: ir.Assign, letters: Mapping[Idx, Idx]) -> ir.Assign:
    renamed_letters = tuple(letters[i] for i in assign.letters)
    return replace(assign, letters=renamed_letters, node=ir.with_letters(assign.node, letters))


def _is_entry(node: ir.Node, part: ir.Assign) -> bool:
    """Whether a node reads only that entry of the array of ``part`` which ``part`` assigns."""
    read = [load for load in ir.walk(node) if isinstance(load, ir.Load) and load.name == part.name]
    return not isinstance(part.node, SUMS) and all(load.letters == part.letters for load in read)


def _bare(node: ir.Node) -> ir.Node:
    """The node without copies and diagonals, which loops do not need."""
    if isinstance(node, ir.Fill):
        return _bare(node.of)
    if isinstance(node, ir.Diagonal):
        return _bare(ir.relettered(node.of, dict(zip(node.of.letters, node.at, strict=True))))
    return ir.mapped(node, {arg: _bare(arg) for arg in node.args})


def _is_costly(node: ir.Node) -> bool:
    """Whether a node takes more than a few sums and products."""
    if (isinstance(node, ir.Power) and not isinstance(node.exponent, ir.Number)) or (
        isinstance(node, ir.Power) and node.exponent == ir.HALF
    ):
        return True
    return (
        isinstance(node, ir.Call)
        or any(map(_is_costly, node.args))
        or (isinstance(node, ir.Product) and any(not f.is_plain for f in node.below))
    )


class LoopPlan:
    """The plan of ``record`` in assignments that are each a nest of loops.

    ``main`` is done for a block of rows, ``sums`` are the names of its sums over rows, ``stored`` assigns the results
    with an entry for each row; ``before`` and ``after`` are done once. Without blocks, everything is in ``after``. Each
    of ``checks`` ends with a number that must be 0. ``results`` gives the array for each gradient, ``numbers`` the
    scalars that are returned. ``rowwise`` are the inputs with an entry for each row, ``labels`` those that the loops
    also take as labels. ``lowered`` is the whole, for the proof; ``extents`` are the axes of the largest nests,
    ``weights`` the axes of the largest products, without the rows.
    """

    def __init__(self, record: Record) -> None:
        refuse_inverses(record.program, "numba")
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
        for a in main:  # assignments that are the same for all rows come first
            if self.axis in extent(a) or ir.loads(a.node) & changing:
                changing.add(a.name)
        self.before += [a for a in main if a.name not in changing]
        self.main = [a for a in main if a.name in changing]
        self.after += self._nests(plan.after.program)
        self.checks = [self._nests([ir.Assign(self._part(), gap.letters, gap)]) for _, gap in plan.checks]
        self.lowered = replace(plan.lowered, program=[*self.before, *self.main, *self.after])
        gradients = [a for n in record.wrt if record.program.arrays[n].axes for a in self._given(n)]
        stored_names = {a.name for a in gradients if any(map(self.is_row, a.letters))}
        stored = self._nests(a for a in gradients if a.name in stored_names)
        self.main += [a for a in stored if a.name not in stored_names]
        self.stored = [a for a in stored if a.name in stored_names]
        self.after += self._nests(a for a in gradients if a.name not in stored_names)
        self.numbers: list[ir.Node] = [plan.results[0][0]]
        self.numbers += [plan.gradients[n][0] for n in record.wrt if n not in self.results]
        self.extents = _widest(map(extent, (*self.before, *self.main, *self.after)))
        self.weights = _widest(extent(a) - {self.axis} for a in self.main if isinstance(a.node, ir.Contract))

    def is_row(self, index: Idx) -> bool:
        """Whether an index runs over the rows of a block."""
        return bool(self.axis) and axis_name(index) == self.axis

    def name(self, wanted: str) -> str:
        """``wanted``, or a similar name that is not in use."""
        return free(wanted, self.plan.taken)

    def _nests(self, program: Iterable[ir.Assign]) -> list[ir.Assign]:
        return [nest for assign in program for nest in nests(assign, self._part)]

    def _part(self) -> str:
        name = part_name(self.plan.taken)
        self.names[name] = name
        return name

    def _apart(self) -> tuple[list[ir.Assign], list[ir.Assign]]:
        """The assignments for a block of rows, including sums over them, and the assignments that use these sums."""
        main: list[ir.Assign] = []
        late: list[ir.Assign] = []
        for assign in self.plan.main.program:
            if assign.name not in self.plan.blocks.sums:
                main += self._nests([assign])
                continue
            sums, rest = sums_apart(assign, self.axis, self._part)
            self.sums += [a.name for a in sums]
            main += self._nests(sums)
            of_block, of_all = (ir.number(ir.size(name)) for name in (self.plan.count, self.axis))
            rest = replace(rest, node=ir.mapped(rest.node, {of_block: of_all}))  # sums of constants over rows
            late += self._nests([rest])
        return main, late

    def _given(self, name: str) -> Sequence[ir.Assign]:
        """The assignment of a gradient to its array; none if the program computes it in place."""
        node, letters = self.plan.gradients[name]
        assert letters is not None  # it is returned
        if isinstance(node, ir.Load) and node.name in self.plan.blocks.stacked:
            node = self.plan.row_results[node.name][0]
        is_whole = isinstance(node, ir.Load) and node.letters == letters and node.name in {a.name for a in self.after}
        if isinstance(node, ir.Load) and is_whole and node.name not in self.results.values():
            self.results[name] = node.name
            return []
        result_name = self.results[name] = self.name(f"d{self.names[name]}")
        self.names[result_name] = result_name
        if isinstance(node, ir.Load) and self.names[node.name] == f"d{self.names[name]}":
            # The whole array takes the name of its blocks.
            self.names[result_name] = self.names[node.name]
            self.names[node.name] = self.name(f"{self.names[node.name]}_block")
        return [ir.Assign(result_name, letters, node)]


def extent(a: ir.Assign) -> frozenset[str]:
    """The axes over which the loops of an assignment run."""
    return frozenset(axis_name(i) for i in (*a.letters, *a.node.letters, *a.node.bound))


def _widest(every: Iterable[frozenset[str]]) -> list[list[str]]:
    """The sets of axes that are not part of another."""
    distinct = dict.fromkeys(every)
    return [sorted(axes) for axes in distinct if axes and not any(axes < other for other in distinct)]


@dataclass(frozen=True)
class MatrixProduct:
    """The product of ``left`` and ``right``, summed over ``over``. Each is stored in the order ``orders``, after the
    letters of a ``stack``."""

    left: ir.Load
    right: ir.Load
    over: Idx
    orders: tuple[ir.Layout, ir.Layout]
    stack: ir.Layout = ()


def of_arrays(node: ir.Node) -> tuple[ir.Load, ir.Load] | None:
    """The two arrays of a node that is their product summed over one letter, else None."""
    if not isinstance(node, ir.Contract) or len(node.factors) != 2 or len(node.over) != 1:
        return None
    first, second = node.factors
    return (first, second) if isinstance(first, ir.Load) and isinstance(second, ir.Load) else None


def with_data(node: ir.Node, data: Collection[str]) -> MatrixProduct | None:
    """A product of rows of data, on the left, and a matrix or a vector."""
    for left, right in (pair, pair[::-1]) if (pair := of_arrays(node)) else ():
        is_data = left.name in data and len(left.at) == len({*left.at}) == 2 and len({*right.letters}) < 3
        if is_data and set(node.bound) == {*left.letters} & {*right.letters}:
            return MatrixProduct(left, right, node.bound[0], (left.at, right.letters))
    return None


def over_rows(node: ir.Node, is_row: Callable[[Idx], bool]) -> MatrixProduct | None:
    """A product of two arrays of a block, each with a column for each row, summed over the rows."""
    if (pair := of_arrays(node)) is None or not is_row(node.bound[0]):
        return None
    others = [i for f in pair for i in f.letters if not is_row(i)]
    if all(len(f.letters) == 2 for f in pair) and len({*others}) == len(others) == len(node.letters):
        return MatrixProduct(*pair, node.bound[0], (pair[0].letters, pair[1].letters))
    return None


def by_blas(assign: ir.Assign, inputs: Collection[str]) -> MatrixProduct | None:
    """A product of matrices, of a matrix and a vector, or of stacks of them, left before right in the result."""
    if (pair := of_arrays(assign.node)) is None:
        return None
    (over,) = assign.node.bound
    orders = [f.at if f.name in inputs else f.letters for f in pair]
    depth = 0
    for i, j, k in zip(*orders, assign.letters, strict=False):
        if not i == j == k:
            break
        depth += 1
    first, second = (order[depth:] for order in orders)
    result = assign.letters[depth:]
    is_matrix = sorted((len(first), len(second))) in ([1, 2], [2, 2])
    if not is_matrix or {*first} & {*second} != {over}:
        return None
    if len(result) != len(first) + len(second) - 2 or {*first, *second} - {over} != {*result}:
        return None
    if result[0] not in first:
        pair, first, second = pair[::-1], second, first
    return MatrixProduct(*pair, over, (first, second), assign.letters[:depth])
