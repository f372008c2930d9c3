"""The lines of a generated function, from a record."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sympy import Add, Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.codegen.inplace import is_made, last_uses, operation, owns_memory
from symgrad.codegen.labels import gaps, takes_labels
from symgrad.codegen.numpy_names import RESERVED
from symgrad.codegen.poles import poles_cancelled
from symgrad.codegen.repeated import repeats_named
from symgrad.codegen.rows import blocks_of
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.stable import evaluated
from symgrad.codegen.translate import Translator
from symgrad.codegen.values import Strength, Value, total
from symgrad.equations import Assumption
from symgrad.notation import Array, array_names, axis_name
from symgrad.steps import Record

INDENT, WIDTH = "    ", 110
ROWS = "_rows"  # the function that evaluates a block of rows
LOCALS = ("count", "gap", "dtype", "rows", "start", "block", "given")  # names of the lines around those of the arrays


class Body:
    """The function body for ``record``: lines without indentation, and the names that they use.

    ``blocks`` says which equations are evaluated for a block of rows, or is None where rows do not stay apart;
    ``before``, ``lines`` and ``after`` are the lines ahead of, within and behind the evaluation of the rows
    (without blocks, all are in ``lines``).  ``names`` gives the Python name of every array, ``gradients`` the
    expression for each gradient, ``labels`` the inputs that may be given as labels, ``row_results`` what is returned
    for a block.  ``local`` names what the lines hold besides the arrays, as no array is named.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        plan = evaluated(record)
        taken = {a.name for a in record.program.inputs} | {a.name for a in plan.assignments} | RESERVED
        taken |= {axis.name for axis in record.program.axes}
        assignments = repeats_named(poles_cancelled(plan.assignments, taken), taken)
        checked = assumptions_used(record)
        self.blocks = blocks_of(record.program, assignments, checked, taken)
        every = assignments if self.blocks is None else [*self.blocks.before, *self.blocks.rows, *self.blocks.after]
        axes = [axis.name for axis in record.program.axes]
        self.names = python_names((*record.program.arrays, *(a.name for a in every)), axes)
        self.labels = [a.name for a in record.program.inputs if takes_labels(record, a)]
        self.before: list[str] = []
        self.lines: list[str] = []
        self.after: list[str] = []
        self._taken = taken | set(self.names.values())
        self.local = {name: self._fresh(name) for name in LOCALS}
        self._values = {a.name: self._input(a, place) for place, a in enumerate(record.program.inputs)}
        self._inlined = _used_once(every)
        self._last_use = last_uses(every, self._inlined)
        self._made: dict[str, None] = {}  # the arrays that a line makes in memory of their own
        self._views: dict[str, set[str]] = {}  # for each array that may be another's memory, whose
        self._over: set[str] = set()  # what has its last use behind it, once what is in hand is written
        self.row_results: dict[str, str] = {}
        self._here = self.lines  # where lines are being written
        self._translator = Translator(self._values, axes, self._hoisted, self.local["dtype"])
        if self.blocks is None:
            self._write(assignments, checked)
        else:
            self._write_blocks(checked)
        self.output = self._values[record.program.output].code
        self.gradients = {name: self._values[plan.schedule.gradients[name]].code for name in record.wrt}

    @property
    def code(self) -> str:
        """Every line, to be searched for names."""
        return "\n".join((*self.before, *self.lines, *self.after))

    @property
    def count(self) -> str:
        """The name for the number of rows in a block."""
        return self._translator.count

    def _write(self, assignments: Iterable[Assignment], checked: Iterable[Assumption]) -> None:
        for assumption in checked:
            self._check(assumption)
        if self.lines:
            self.lines.append("")
        for assignment in assignments:
            self._assign(assignment)
            if assignment.name == self.record.program.output:
                self.lines.append("")

    def _write_blocks(self, checked: Iterable[Assumption]) -> None:
        assert self.blocks is not None
        self._here = self.before
        self._inlined -= {a.name for a in self.blocks.before}
        for assignment in self.blocks.before:
            self._assign(assignment)
        self._here = self.lines
        self._translator.rows, self._translator.count = self.blocks.axis, self.local["count"]
        self._open_labels()
        self._write(self.blocks.rows, checked)
        self._translator.rows = ""
        self._here = self.after
        self.row_results = {name: self._values[name].code for name in (*self.blocks.sums, *self.blocks.stacked)}
        for name in self.row_results:
            self._values[name] = replace(self._values[name], code=self.names[name], strength=Strength.NAME)
        for assignment in self.blocks.after:
            self._assign(assignment)

    def _open_labels(self) -> None:
        """Lines that turn labels, or rows of the array for which they stand, into columns."""
        assert self.blocks is not None
        for name in self.labels:
            value = self._values[name]
            own = value.code
            if self.is_rowwise(name):
                columns = str(value.indices[1].upper + 1)
                one_hot = f"_one_hot({own}, {columns}, {self.dtype})"
                self.lines.append(f"{own} = {own}.T if {own}.ndim == 2 else {one_hot}")
                self._values[name] = replace(value, indices=value.indices[::-1])

    def is_rowwise(self, name: str) -> bool:
        """Whether ``name`` is an input that has an entry for each row."""
        axes = next((a.axes for a in self.record.program.inputs if a.name == name), ())
        return self.blocks is not None and bool(axes) and axes[0].name == self.blocks.axis

    @property
    def dtype(self) -> str:
        """The data type of the inputs, from one that cannot be labels where there is such a one."""
        arrays = [a for a in self.record.program.inputs if a.axes]
        return f"{self.names[min(arrays, key=lambda a: a.name in self.labels).name]}.dtype"

    def _input(self, array: Array, place: int) -> Value:
        letters = tuple(axis.index(f"_{p}") for p, axis in enumerate(array.axes))
        return Value(self.names[array.name], Strength.NAME, letters, rank=place)

    def _assign(self, assignment: Assignment) -> None:
        value = self._translator.translate(assignment.rhs, assignment.indices + assignment.over)
        if assignment.over:
            value = total(value, assignment.over, "maximum")
        value = self._conforming(value.settled(), assignment)
        if assignment.is_output and not assignment.is_helper and value.indices and not owns_memory(value.code):
            value = replace(value, code=f"{value.code}.copy()", strength=Strength.CALL)  # no input, no other result
        if assignment.name not in self._inlined:
            self._over |= {name for name, user in self._last_use.items() if user == assignment.name}
            made = is_made(value.code) and owns_memory(value.code)
            shared = set() if made else self._shared(value.code)
            value = self._in_place(assignment, value) or self._named(self.names[assignment.name], value)
            if made:
                self._made[assignment.name] = None
            else:
                self._views[assignment.name] = shared
        self._values[assignment.name] = value
        self._translator.letters[assignment.name] = assignment.indices

    def _in_place(self, assignment: Assignment, value: Value) -> Value | None:
        """The line of an array of several axes that takes the place of another, if nothing needs that any more.

        That memory is what the processor has at hand.  A shifted array keeps the name of the array shifted.
        """
        parts = operation(value.code) if len(value.indices) > 1 else None
        if parts is None:
            return None
        place, sign, ufunc, right = parts
        old = next((n for n in self._made if self._values[n].code == place), "")
        if self._last_use.get(old) != assignment.name or _axes(self._values[old]) != _axes(value):
            return None
        if any(old in of and view not in self._over for view, of in self._views.items()):
            return None  # what is left of the array under another name would change
        del self._made[old]  # its memory is another's from here on
        if not self._keeps_name(assignment):
            made = f"{ufunc}({place}, {right}, out={place})"
            return self._named(self.names[assignment.name], replace(value, code=made, strength=Strength.CALL))
        self._here.append(f"{place} {sign}= {right}")
        return replace(value, code=place, strength=Strength.NAME)

    def _shared(self, code: str) -> set[str]:
        """The arrays whose memory may be that of a value: those it names, and those whose views these are."""
        named = {name for name, known in self._values.items() if occurs(known.code, code)}
        return named.union(*(self._views.get(name, set()) for name in named))

    def _keeps_name(self, assignment: Assignment) -> bool:
        """Whether an array is another, less something, and no array of the program."""
        terms = Add.make_args(assignment.rhs)
        shifted = any(isinstance(term, Indexed) and term.indices == assignment.indices for term in terms)
        return shifted and len(terms) == 2 and assignment.is_helper

    def _conforming(self, value: Value, assignment: Assignment) -> Value:
        """The value over exactly the axes of the array to which it is assigned."""
        indices = assignment.indices if assignment.is_output else self._translator.layout(assignment.indices)
        if set(value.indices) == set(indices):
            return value.over(indices)
        spread = value.over(indices).code
        shape = ", ".join(str(self._translator.extent(i)) for i in indices)
        shape = f"({shape},)" if len(indices) == 1 else f"({shape})"
        code = f"np.full({shape}, {spread}, {self.dtype})"
        return Value(code, Strength.CALL, indices, rank=value.rank)

    def _named(self, name: str, value: Value) -> Value:
        line = f"{name} = {value.code}"
        if len(INDENT + line) > WIDTH:
            head, inside = _whole_call(value.code)
            line = f"{name} = {head}(\n{INDENT}{inside}\n)"
        self._here.append(line)
        return Value(name, Strength.NAME, value.indices, rank=len(self._values))

    def _fresh(self, name: str) -> str:
        return free(name, self._taken)

    def _hoisted(self, value: Value) -> Value:
        """A line of its own for a part of an expression."""
        place = 1
        while (name := f"part{place}") in self._taken:
            place += 1
        self._taken.add(name)
        return replace(self._named(name, value.absolute()), negative=value.negative)

    def _check(self, assumption: Assumption) -> None:
        """Lines that raise where the inputs do not satisfy an assumption that the derivation used."""
        arrays, own = ", ".join(sorted(array_names(assumption.lhs))), self.local["gap"]
        for gap in gaps(assumption):
            value = self._translator.translate(gap, ()).settled()
            square = f"{own}.dot({own})" if len(value.indices) == 1 else f"np.vdot({own}, {own})"
            self._here += [
                f"{own} = {value.code}",
                f"if not {square} < 1e-10:",
                f'{INDENT}_hold({own}, "{arrays}: expected that {assumption.words}")',
            ]

    def sizes(self, code: str) -> list[str]:
        """Lines for the sizes of axes that ``code`` uses, from arrays that cannot be labels where there are such."""
        lines = []
        inputs = sorted(self.record.program.inputs, key=lambda a: a.name in self.labels)
        for axis in self.record.program.axes:
            if occurs(axis.name, code):
                found = [(a, p) for a in inputs for p, own in enumerate(a.axes) if own.name == axis.name]
                found.sort(key=lambda each: each[0].name in self.labels and each[1] > 0)  # labels lack their classes
                array, place = found[0]
                code_of_size = f"{self.names[array.name]}.shape[{place}]"
                if array.name in self.labels and place and len(found) > 1:  # one of them at least has rows
                    names = ", ".join(self.names[a.name] for a, _ in found)
                    code_of_size = f"next(a.shape[{place}] for a in ({names}) if a.ndim == 2)"
                lines.append(f"{axis.name} = {code_of_size}")
        if occurs(self.local["dtype"], code):
            lines.append(f"{self.local['dtype']} = {self.dtype}")
        return lines


def _axes(value: Value) -> list[str]:
    """The axes of a value in the order in which it is laid out."""
    return [axis_name(i) for i in value.indices]


def _used_once(assignments: Iterable[Assignment]) -> set[str]:
    """The helpers that one line uses once, and that need no line of their own."""
    assignments = list(assignments)
    uses = Counter(name for assignment in assignments for name in _mentions(assignment.rhs))
    return {a.name for a in assignments if a.is_helper and (a.is_output or uses[a.name] == 1)}


def _whole_call(code: str) -> tuple[str, str]:
    """The name and the arguments of a single call; no name, and the code, for anything else."""
    head, opening, rest = code.partition("(")
    if not opening or not code.endswith(")") or not head.replace(".", "").isidentifier():
        return "", code
    depth = 1
    for place, character in enumerate(rest):
        depth += (character in "([") - (character in ")]")
        if depth == 0:
            return (head, rest[:-1]) if place == len(rest) - 1 else ("", code)
    return "", code


def _mentions(expr: Basic) -> Iterator[str]:
    """The names of arrays, as often as they occur."""
    if isinstance(expr, (Indexed, Symbol)):
        yield expr.base.name if isinstance(expr, Indexed) else expr.name
    else:
        for arg in expr.args:
            yield from _mentions(arg)


def occurs(name: str, code: str) -> bool:
    """Whether a name occurs in source, as a name of its own."""
    return re.search(rf"(?<![\w.\"]){re.escape(name)}\b(?!\"|=[^=])", code) is not None


def python_name(name: str) -> str:
    """The name of an array as a Python variable and as a field of a named tuple: its own where it can be."""
    bare = name.lstrip("_")
    clean = bare if bare.isidentifier() else f"array{bare}"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in RESERVED or clean != name else name


def python_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The Python names of arrays, all different and none of them ``taken``; those that need no other keep theirs."""
    found: dict[str, str] = {}
    used = set(taken)
    for name in sorted(dict.fromkeys(names), key=lambda n: python_name(n) != n):
        found[name] = free(python_name(name), used)
    return found


def free(name: str, used: set[str]) -> str:
    """``name`` with as many underscores after it as make it one that is not used; it is used from now on."""
    while name in used:
        name += "_"
    used.add(name)
    return name


def assumptions_used(record: Record) -> list[Assumption]:
    """The assumptions about inputs that lines of the derivation use."""
    inputs = {a.name for a in record.program.inputs}
    used = [s.assumption for s in record.steps if s.assumption is not None]
    return [a for a in dict.fromkeys(used) if array_names(a.lhs) <= inputs]
