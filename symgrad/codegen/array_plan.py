"""What is computed for a record: array programs in sections, the checks before them, and the results.

Every target with loops or arrays writes the same plan. Common subexpressions get equations of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sympy import Add, Expr, Function, Indexed, Mul, Pow, S, Sum, preorder_traversal
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen.array_passes import inverses, owns_memory, solved, without_unread
from symgrad.codegen.identifiers import RESERVED, free, part_name, python_names
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.plan.masks import bounds_what_may_be_infinite
from symgrad.codegen.plan.row_blocks import blocks_of, forward_and_backward
from symgrad.codegen.plan.schedule import Assignment, uses_of, written_out
from symgrad.codegen.plan.stable_forms import evaluated
from symgrad.codegen.plan.stable_functions import numbers_chosen, rebuilt, weighted
from symgrad.equations import Assumption
from symgrad.facts import labelled, refuse_inverses
from symgrad.notation import array_names, entry_of, free_indices, freshen, index_over, parts_of, replaced
from symgrad.steps import Record


@dataclass
class Lowered:
    """The array program of a record, and the equations it was made from. ``stable`` are the equations in stable forms,
    ``equations`` the same after row blocks and common subexpressions, of which ``inlined`` are written into their one
    user. ``sizes`` gives the meaning of size names that the program lacks, and of minus infinity."""

    record: Record
    stable: Sequence[Assignment]
    equations: Sequence[Assignment]
    inlined: set[str] = field(default_factory=set)
    sizes: Mapping[Expr, Expr] = field(default_factory=dict)
    program: list[ir.Assign] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """Assignments that are carried out together; the memory of the arrays ``kept`` is not reused."""

    program: tuple[ir.Assign, ...] = ()
    kept: frozenset[str] = frozenset()


class Plan:
    """The plan of ``record``.

    - ``before``, ``main``, ``after``: the assignments. ``main`` is evaluated for each block of ``count`` rows, as
      ``blocks`` says; without blocks, it has all assignments. For a layer, ``before`` is the forward function and
      ``main`` the backward function.
    - ``checks``: pairs of a number that is 0 if an assumption holds, and the words for it; evaluated before ``main``.
    - ``results``, ``gradients``, ``row_results`` (what a block returns): nodes, with the order of axes if it matters.
    - ``lowered``: the whole plan, for the proof.
    - ``names``: the Python name of every array. ``taken``: all names in use.
    - ``labels``: the inputs that may be given as labels. ``rowwise``: those with an entry for each row.
    - ``definite``: the positive definite matrices of which an inverse or a determinant is needed.
    - ``is_quiet``: whether infinities or NaN may occur on the way to finite results.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._lowering = lowering = Lowering(record.program)
        equations = evaluated(record)
        chosen = [replace(a, rhs=numbers_chosen(a.rhs)) for a in equations.coded]
        taken = {a.name for a in record.program.inputs} | {a.name for a in (*equations.assignments, *chosen)} | RESERVED
        taken |= {axis.name for axis in record.program.axes}
        assignments = repeats_named(chosen, taken)
        if record.program.upstream:
            self.blocks = blocks = forward_and_backward(record.program, assignments)
        else:
            self.blocks = blocks = blocks_of(record.program, assignments, record.assumptions_used, taken)
        self.rowwise = {a.name: a for a in record.program.inputs if a.axes and a.axes[0].name == blocks.axis}
        every = [*blocks.before, *blocks.rows, *blocks.after]
        names = (*record.program.arrays, *(a.name for a in every))
        self.names = python_names(names, lowering.axes, dict(record.program.labels))
        self.labels = labelled(record)
        self.taken = taken | set(self.names.values())
        self.count = free("count", self.taken)
        self.helpers = {a.name for a in every if a.is_helper}
        meant = {ir.size(self.count): ir.size(blocks.axis), S.NegativeInfinity: equations.floor[()]}
        is_weighted = any(a.rhs.has(weighted) for a in every)
        plain = equations.schedule.assignments
        self.is_quiet = bool(equations.shifts) or is_weighted or bounds_what_may_be_infinite(plain)
        uses = uses_of(every)
        once = {a.name for a in every if a.is_helper and (a.is_output or uses[a.name] == 1)}
        self.lowered = Lowered(record, equations.assignments, every, once, meant)
        self._returned = {*record.program.results, *equations.schedule.gradients.values()}
        self._renamed = {n for a in every if a.is_output and a.is_helper for n in array_names(a.rhs)}
        self._constants: set[str] = set()  # Python numbers, which have no dtype
        self.lowered.inlined -= {a.name for a in blocks.before}
        self.before = self._section(blocks.before, [*blocks.rows, *blocks.after])
        lowering.rows, lowering.count = blocks.axis, self.count
        for name in (n for n in self.labels if n in self.rowwise):  # with a column for each row, like the rest
            known, letters = lowering.arrays[name], lowering.letters[name]
            lowering.know(name, replace(known, letters=letters[::-1]), letters)
        definite = [a for a in record.program.assumptions if a.is_definite]
        self.definite = [name for a in definite for name in array_names(a.lhs) if name in record.program.inverted]
        self.checks = checks(record, lowering)
        self.main = self._section(blocks.rows)
        self.row_results = {name: self._result(name) for name in (*blocks.sums, *blocks.stacked)}
        for name, (node, _) in self.row_results.items():
            letters = lowering.letters[name]
            lowering.store(name, letters if name in self._returned else node.letters, letters)
        lowering.rows = ""
        self.after = self._section(blocks.after)
        self.results = [self._result(name) for name in record.program.results]
        self.gradients = {name: self._result(equations.schedule.gradients[name]) for name in record.wrt}
        self._drop_inverses([node for node, _ in (*self.results, *self.gradients.values(), *self.row_results.values())])

    @property
    def alone(self) -> set[str]:
        """The arrays in calls on scalars: on Python floats, NumPy computes in double precision."""
        nodes = (node for assign in self.lowered.program for node in ir.walk(assign.node))
        scalars = [node for node in nodes if not node.letters and not node.is_plain]
        calls = (n for n in scalars if isinstance(n, ir.Call) or (isinstance(n, ir.Power) and n.exponent == ir.HALF))
        return set[str]().union(*map(ir.loads, calls))

    def _drop_inverses(self, results: Sequence[ir.Node]) -> None:
        """Leave out the inverses that nothing reads."""
        self.lowered.program = without_unread(self.lowered.program, results, inverses(self.lowered.program))
        left = {assign.name for assign in self.lowered.program}
        self.before, self.main, self.after = (
            replace(section, program=tuple(a for a in section.program if a.name in left))
            for section in (self.before, self.main, self.after)
        )

    def _result(self, name: str) -> tuple[ir.Node, ir.Layout | None]:
        """What is returned for an array."""
        node, letters = self._lowering.arrays[name], self._lowering.letters[name]
        return node, letters if name in self._returned else None

    def _section(self, assignments: Iterable[Assignment], later: Iterable[Assignment] = ()) -> Section:
        """The assignments of some equations; ``later`` ones may use the arrays."""
        program = [assign for a in assignments for assign in self._assigned(a)]
        kept = {a.name for a in self.record.program.inputs} | {n for a in later for n in array_names(a.rhs)}
        for name in self._returned | set(self.blocks.sums):
            kept |= {name} | ir.loads(self._lowering.arrays[name]) if name in self._lowering.arrays else set()
        return Section(tuple(program), frozenset(kept))

    def _assigned(self, assignment: Assignment) -> Iterator[ir.Assign]:
        """An equation as an assignment; none if it is inlined into its one user."""
        name, lowering = assignment.name, self._lowering
        is_layer = bool(self.record.program.upstream)  # its backward function reads the inverse that is saved
        node = solved(lowering.right_side(assignment), {} if is_layer else inverses(self.lowered.program))
        letters = assignment.indices if assignment.is_output else lowering.layout(assignment.indices)
        is_constant = not node.letters and ir.loads(node) <= self._constants
        is_number = is_constant and name in self._returned | self._renamed
        self._constants |= {name} if is_constant and not is_number else set()
        is_view = letters and assignment.is_output and not assignment.is_helper and not owns_memory(node)
        if set(node.letters) != set(letters) or is_number or is_view:  # never return an input, or one array twice
            node = ir.Fill(letters, node, tuple(lowering.extent(i) for i in letters))
        if name in self.lowered.inlined:
            lowering.know(name, node, assignment.indices)
            return
        assign = ir.Assign(name, letters, node)
        self.lowered.program.append(assign)
        lowering.store(name, letters, assignment.indices)
        yield assign


def scalar_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program, one assignment for each."""
    refuse_inverses(record.program, "scalar")
    equations = evaluated(record)
    plan = equations.coded
    lowered = Lowered(record, equations.assignments, plan, sizes={S.NegativeInfinity: equations.floor[()]})
    lowering = Lowering(record.program)
    for a in plan:
        lowered.program.append(ir.Assign(a.name, a.indices, lowering.right_side(a)))
        lowering.store(a.name, a.indices, a.indices)
    return lowered


def checks(record: Record, lowering: Lowering) -> list[tuple[str, ir.Node]]:
    """For each assumption that lines or Cholesky factors use, an error message and numbers that must be 0."""
    assumed = (a for a in record.program.assumptions if a in record.assumptions_used or a.is_definite)
    used = [(a, f"{', '.join(sorted(array_names(a.lhs)))}: expected that {a.words}") for a in assumed]
    return [(words, lowering.lowered(gap, ())) for a, words in used for gap in _gaps(a)]


def _gaps(assumption: Assumption) -> list[Expr]:
    """Expressions that are 0 exactly if an assumption holds, none with more axes than its array. Domains have none:
    ``Inputs.in_domains`` tests them. Rows are one-hot if their entries and their sums are 0 or 1."""
    if assumption.domain:
        return []
    if not assumption.is_one_hot:
        return [assumption.lhs - assumption.rhs]
    one, other = assumption.lhs.args
    total = Sum(one, *(i for i in one.indices if i not in other.indices))
    return [one**2 - one, total**2 - total]


Key = tuple[Expr, tuple[Idx, ...]]
"""A subexpression with numbered indices, and the indices in order."""
NUMBERED = "_index"
MOST_REMEMBERED = 2**12
"""Every part is examined again after each new equation, and most parts did not change."""


def repeats_named(assignments: Sequence[Assignment], taken: set[str]) -> list[Assignment]:
    """Give each repeated subexpression an equation, the largest first; new names are added to ``taken``."""
    equations, part_names = list(assignments), set[str]()
    while (repeated := _largest_repeated(equations)) is not None:
        pattern, indices = repeated
        name = f"_repeated{len(part_names)}"
        part_names.add(name)
        part = Assignment(entry_of(name, indices), pattern, is_helper=True)
        changed = [replace(a, rhs=_named(a.rhs, pattern, name)) for a in equations]
        first = next(position for position, a in enumerate(changed) if a.rhs != equations[position].rhs)
        equations = [*changed[:first], part, *changed[first:]]
    parts = [a for a in equations if a.name in part_names]  # numbered in the order of the lines
    names = {a.name: Assignment(a.entry, entry_of(part_name(taken), a.indices)) for a in parts}
    return [replace(a, entry=written_out(a.entry, names), rhs=written_out(a.rhs, names)) for a in equations]


def _largest_repeated(assignments: Sequence[Assignment]) -> Key | None:
    parts = (part for a in assignments for part in preorder_traversal(a.rhs) if part != a.rhs and _is_costly(part))
    counts = Counter(_key(part)[0] for part in parts)
    several = [expr for expr, count in counts.items() if count > 1]
    largest = max(several, key=lambda e: (e.count_ops(), str(e)), default=S.Zero)
    indices = tuple(sorted(free_indices(largest), key=lambda index: int(index.name[len(NUMBERED) :])))
    return (largest, indices) if several else None


@lru_cache(MOST_REMEMBERED)
def _is_costly(expr: Basic) -> bool:
    """Whether an expression is worth a name: it has a call, a fractional power or a sum, and no more axes than they."""
    if not isinstance(expr, (Add, Mul, Pow, Function)) or isinstance(expr, weighted):
        return False
    parts = parts_of(expr, Indexed, Sum, Function, Pow)
    entries = [part for part in parts if isinstance(part, Indexed)]
    is_call = isinstance(expr, Function) or (isinstance(expr, Pow) and not expr.exp.is_Integer)
    if not entries or (not is_call and any(isinstance(part, Sum) for part in parts)):
        return False
    if len(expr.atoms(Idx)) > max(len(entry.indices) for entry in entries):
        return False  # a matrix product may never need so large an array
    called = any(array_names(part) for part in parts if isinstance(part, Function))
    raised = any(not part.exp.is_Integer and array_names(part.base) for part in parts if isinstance(part, Pow))
    return called or raised or (isinstance(expr, Add) and len(entries) > 1)


@lru_cache(MOST_REMEMBERED)
def _key(expr: Expr) -> Key:
    """Number the indices: those of the widest entry come first, in its order, then the others as they occur."""
    expr, free = freshen(expr), free_indices(expr)
    widest = min(parts_of(expr, Indexed), key=lambda entry: (-len(entry.indices), str(entry)))
    letters = tuple(i for i in dict.fromkeys([*widest.indices, *preorder_traversal(expr)]) if i in free)
    numbers = {i: index_over(f"{NUMBERED}{position}", i.upper + 1) for position, i in enumerate(letters)}
    return replaced(expr, numbers), letters


def _named(expr: Basic, pattern: Expr, name: str) -> Expr:
    """Replace the subexpression ``pattern`` in ``expr`` by entries of the array ``name``."""
    if _is_costly(expr):
        key, letters = _key(expr)
        if key == pattern:
            return entry_of(name, letters)
    return rebuilt(expr, lambda part: _named(part, pattern, name))
