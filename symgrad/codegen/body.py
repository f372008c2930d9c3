"""The body of a generated function: the array program of a record, in sections, and its lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sympy import Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.codegen.array_program import Assign, Call, Copy, Fill, Layout, Load, Node, Power, loads, rank, size, walk
from symgrad.codegen.build import parted, reduced
from symgrad.codegen.hoist import hoisted
from symgrad.codegen.kernels import numbers_chosen
from symgrad.codegen.labels import gaps, takes_labels
from symgrad.codegen.lower import Lowered, Lowering
from symgrad.codegen.memory import in_place, owns_memory
from symgrad.codegen.names import RESERVED, free, part_name, python_names
from symgrad.codegen.numpy_emitter import HALF, NumpyEmitter, is_matmul
from symgrad.codegen.poles import poles_cancelled
from symgrad.codegen.repeated import repeats_named
from symgrad.codegen.rows import blocks_of
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.source_text import INDENT, Source, written
from symgrad.codegen.stable import evaluated
from symgrad.equations import Assumption
from symgrad.notation import array_names
from symgrad.steps import Record

LOCALS = ("count", "gap", "rows", "start", "block", "given")  # names of the lines around those of the arrays


class Body:
    """The function body for ``record``: lines without indentation.

    ``lowered`` is the array program.  ``blocks`` says which equations are evaluated for a block of rows, or is None
    where rows do not stay apart; ``before``, ``lines`` and ``after`` are the lines ahead of, within and behind the
    evaluation of the rows (without blocks, all are in ``lines``).  ``names`` gives the Python name of every array,
    ``gradients`` the expression for each gradient, ``labels`` the inputs that may be given as labels, ``row_results``
    what is returned for a block, ``dtype`` the data type of the inputs.  ``multiplies`` tells whether lines for a block
    multiply matrices.  ``local`` names what the lines hold besides the arrays, as no array is named.  ``alone`` are the
    arrays in functions of scalars alone.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        plan = evaluated(record)
        taken = {a.name for a in record.program.inputs} | {a.name for a in plan.assignments} | RESERVED
        taken |= {axis.name for axis in record.program.axes}
        chosen = [replace(a, rhs=numbers_chosen(a.rhs)) for a in plan.assignments]
        assignments = repeats_named(poles_cancelled(chosen, taken), taken)
        checked = assumptions_used(record)
        self.blocks = blocks_of(record.program, assignments, checked, taken)
        every = assignments if self.blocks is None else [*self.blocks.before, *self.blocks.rows, *self.blocks.after]
        axes = [axis.name for axis in record.program.axes]
        self.names = python_names((*record.program.arrays, *(a.name for a in every)), axes)
        self.labels = [a.name for a in record.program.inputs if takes_labels(record, a)]
        self.dtype = dtype_of(record, self.names, self.labels)
        self._taken = taken | set(self.names.values())
        self.local = {name: free(name, self._taken) for name in LOCALS}
        self._shown = dict(self.names)  # an array that keeps another's name is shown by it
        self._parts: set[str] = set()
        self._helpers = {a.name for a in every if a.is_helper}
        meant = {size(self.count): size(self.blocks.axis)} if self.blocks is not None else {}
        self.lowered = Lowered(record, plan.assignments, every, _used_once(every), meant)
        self._returned = {record.program.output, *plan.schedule.gradients.values()}
        self._lowering = Lowering(axes)
        for array in record.program.inputs:
            letters = tuple(axis.index(f"_{place}") for place, axis in enumerate(array.axes))
            self._lowering.know(array.name, self._load(array.name, letters, letters), letters)
        self.multiplies = False
        self.alone: set[str] = set()
        self.before: list[Source] = []
        self.after: list[Source] = []
        self.row_results: dict[str, Source] = {}
        if self.blocks is None:
            self.lines = [*self._checks(checked), *self._section(assignments)]
        else:
            self.lowered.inlined -= {a.name for a in self.blocks.before}
            self.before = self._section(self.blocks.before, [*self.blocks.rows, *self.blocks.after])
            self._lowering.rows, self._lowering.count = self.blocks.axis, self.local["count"]
            opened = self._open_labels()
            self.lines = [*opened, *self._checks(checked, bool(opened)), *self._section(self.blocks.rows)]
            self.row_results = {name: self._result(name) for name in (*self.blocks.sums, *self.blocks.stacked)}
            for name in self.row_results:
                node, letters = self._lowering.arrays[name], self._lowering.letters[name]
                own = letters if name in self._returned else node.letters
                self._lowering.know(name, Load(own, name, letters, rank(node)), letters)
            self._lowering.rows = ""
            self.after = self._section(self.blocks.after)
        self.output = self._result(record.program.output)
        self.gradients = {name: self._result(plan.schedule.gradients[name]) for name in record.wrt}

    @property
    def count(self) -> str:
        """The name for the number of rows in a block."""
        return self.local["count"]

    def _emitter(self) -> NumpyEmitter:
        return NumpyEmitter(self._shown, self.dtype, self._lowering.rows)

    def _load(self, name: str, letters: Layout, at: Layout) -> Load:
        return Load(letters, name, at, len(self._lowering.arrays))

    def _result(self, name: str) -> Source:
        """What is returned for an array."""
        node, letters = self._lowering.arrays[name], self._lowering.letters[name]
        return self._emitter().text(node, letters if name in self._returned else None)

    def is_rowwise(self, name: str) -> bool:
        """Whether ``name`` is an input that has an entry for each row."""
        axes = next((a.axes for a in self.record.program.inputs if a.name == name), ())
        return self.blocks is not None and bool(axes) and axes[0].name == self.blocks.axis

    # --- lines -----------------------------------------------------------------------------------------------------

    def _section(self, assignments: Iterable[Assignment], later: Iterable[Assignment] = ()) -> list[Source]:
        """The lines of some equations, of which the output has a blank one behind it; ``later`` ones may use them."""
        assigns = [assign for a in assignments for assign in self._assigns(a)]
        last = self.record.program.output
        kept = (
            {a.name for a in self.record.program.inputs} | {n for a in later for n in array_names(a.rhs)} | self._parts
        )
        for name in self._returned | set(self.blocks.sums if self.blocks else ()):
            kept |= {name} | loads(self._lowering.arrays[name]) if name in self._lowering.arrays else set()
        if self._lowering.rows:
            self.multiplies = any(map(is_matmul, (part for assign in assigns for part in walk(assign.node))))
        lines: list[Source] = []
        for assign in in_place(assigns, kept, self._helpers):
            if assign.keeps_name:
                self._shown[assign.name] = self._shown[assign.into]
            lines.append(self._emitter().assigned(assign))
            if assign.name == last and not (self.blocks is not None and not self._lowering.rows):
                lines.append(Source(""))
        return lines

    def _assigns(self, assignment: Assignment) -> list[Assign]:
        """An equation as assignments; none where its one user has it inside."""
        name, lowering = assignment.name, self._lowering
        node = lowering.lowered(assignment.rhs, assignment.indices + assignment.over)
        if assignment.over:
            node = reduced(node, assignment.over, name)
        letters = assignment.indices if assignment.is_output else lowering.layout(assignment.indices)
        is_number = name in self._returned and parted(node)[1].is_plain  # of Python's, without a dtype
        if set(node.letters) != set(letters) or is_number:
            node = Fill(letters, node, tuple(lowering.extent(i) for i in letters))
        elif assignment.is_output and not assignment.is_helper and letters and not owns_memory(node):
            node = Copy(letters, node)  # no input, no other result
        if name in self.lowered.inlined:
            lowering.know(name, node, assignment.indices)
            return []
        self.alone |= {name for part in walk(node) if _is_promoted(part) for name in loads(part)}
        made = hoisted(Assign(name, letters, node), lambda n: len(self._emitter().text(n)), self._part)
        self.lowered.program += made
        lowering.know(name, self._load(name, letters, assignment.indices), assignment.indices)
        return made

    def _part(self) -> str:
        """A name for a part of an expression."""
        name = part_name(self._taken)
        self._parts.add(name)
        self._shown[name] = name
        return name

    def _checks(self, checked: Iterable[Assumption], is_behind: bool = False) -> list[Source]:
        """Lines that raise where inputs do not satisfy the assumptions that the derivation used; a blank one behind."""
        lines: list[Source] = []
        own = self.local["gap"]
        for assumption in checked:
            arrays = ", ".join(sorted(array_names(assumption.lhs)))
            for gap in gaps(assumption):
                node = self._lowering.lowered(gap, ())
                square = f"{own}.dot({own})" if len(node.letters) == 1 else f"np.vdot({own}, {own})"
                raised = f'{INDENT}_hold({own}, "{arrays}: expected that {assumption.words}")'
                lines += [
                    written(f"{own} = {{}}", self._emitter().text(node)),
                    Source(f"if not {square} < 1e-10:"),
                    Source(raised, needs=frozenset(["_hold"])),
                ]
        return [*lines, Source("")] if lines or is_behind else []

    def _open_labels(self) -> list[Source]:
        """Lines that turn labels, or rows of the array for which they stand, into columns."""
        lines: list[Source] = []
        for name in self.labels:
            if self.is_rowwise(name):
                letters = self._lowering.letters[name]
                own, columns = self.names[name], Source(str(letters[1].upper + 1))
                opened = one_hot("_one_hot_columns", own, replace(columns, needs=frozenset([columns.code])), self.dtype)
                lines.append(written(f"{own} = {own}.T if {own}.ndim == 2 else {{}}", opened))
                known = self._lowering.arrays[name]
                self._lowering.know(name, replace(known, letters=letters[::-1]), letters)
        return lines

    def sizes(self, needs: Iterable[str]) -> list[Source]:
        """Lines for the sizes of axes that are needed, from arrays that cannot be labels where there are such."""
        lines, needs = [], set(needs)
        inputs = sorted(self.record.program.inputs, key=lambda a: a.name in self.labels)
        for axis in self.record.program.axes:
            if axis.name in needs:
                found = [(a, p) for a in inputs for p, own in enumerate(a.axes) if own.name == axis.name]
                found.sort(key=lambda each: each[0].name in self.labels and each[1] > 0)  # labels lack their classes
                array, place = found[0]
                code = f"{self.names[array.name]}.shape[{place}]"
                if array.name in self.labels and place and len(found) > 1:  # one of them at least has rows
                    names = ", ".join(self.names[a.name] for a, _ in found)
                    code = f"next(a.shape[{place}] for a in ({names}) if a.ndim == 2)"
                lines.append(Source(f"{axis.name} = {code}"))
        return lines


def _is_promoted(node: Node) -> bool:
    """Whether NumPy makes a number in double precision of numbers of Python's: by a function of them alone."""
    is_function = isinstance(node, Call) or (isinstance(node, Power) and node.exponent == HALF)
    return is_function and not node.letters and not node.is_plain


def dtype_of(record: Record, names: Mapping[str, str], labels: Sequence[str]) -> Source:
    """The data type of the inputs, from an array that cannot be labels, which are integers."""
    arrays = [a.name for a in record.program.inputs if a.axes]
    if not arrays:
        return Source("np.float64")
    found = next((names[name] for name in arrays if name not in labels), None)
    if found is not None:
        return Source(f"{found}.dtype", needs=frozenset([found]))
    shown = [names[name] for name in arrays]
    return Source(f"np.result_type(np.float32, {', '.join(shown)})", needs=frozenset(shown))


def one_hot(function: str, labels: str, count: Source, dtype: Source) -> Source:
    """The call that turns labels into rows or columns with a one at the label."""
    own = Source(labels, needs=frozenset([labels]))
    return written(f"{function}({{}}, {{}}, {{}})", own, count, dtype, needs=[function])


def _used_once(assignments: Iterable[Assignment]) -> set[str]:
    """The helpers that one line uses once, and that need no line of their own."""
    assignments = list(assignments)
    uses = Counter(name for assignment in assignments for name in _mentions(assignment.rhs))
    return {a.name for a in assignments if a.is_helper and (a.is_output or uses[a.name] == 1)}


def _mentions(expr: Basic) -> Iterator[str]:
    """The names of arrays, as often as they occur."""
    if isinstance(expr, (Indexed, Symbol)):
        yield expr.base.name if isinstance(expr, Indexed) else expr.name
    else:
        for arg in expr.args:
            yield from _mentions(arg)


def assumptions_used(record: Record) -> list[Assumption]:
    """The assumptions about inputs that lines of the derivation use."""
    inputs = {a.name for a in record.program.inputs}
    used = [s.assumption for s in record.steps if s.assumption is not None]
    return [a for a in dict.fromkeys(used) if array_names(a.lhs) <= inputs]
