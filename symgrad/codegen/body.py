"""The lines of a generated function over arrays of any size."""

from __future__ import annotations

from dataclasses import replace

from symgrad.codegen.arguments import Inputs, held
from symgrad.codegen.array_program import Assign, Node, walk
from symgrad.codegen.hoist import hoisted
from symgrad.codegen.identifiers import free, part_name
from symgrad.codegen.memory import in_place
from symgrad.codegen.numpy_emitter import NumpyEmitter, is_matmul
from symgrad.codegen.plan import Plan, Section
from symgrad.codegen.source_text import Source, used, written
from symgrad.steps import Record

LOCALS = ("gap", "rows", "start", "block")  # names of the lines around those of the arrays


class Body:
    """The function body of a plan: lines without indentation.

    ``before``, ``lines`` and ``after`` are the lines ahead of, within and behind the evaluation of the rows (without
    blocks, all are in ``lines``).  ``gradients`` gives the expression for each gradient, ``row_results`` what is
    returned for a block.  ``multiplies`` tells whether lines for a block multiply matrices.  ``local`` names what the
    lines hold besides the arrays, as no array is named.  ``lowered`` is the array program as it is written.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.plan = plan = Plan(record)
        self.blocks, self.names, self.count = plan.blocks, plan.names, plan.count
        self.inputs = Inputs(record, plan.names)
        self.local = {name: free(name, plan.taken) for name in LOCALS}
        self._shown = dict(self.names)  # an array that keeps another's name is shown by it
        self._parts: set[str] = set()
        self._program: list[Assign] = []
        self._emitter = whole = NumpyEmitter(self._shown, self.inputs.dtype)
        self.before = self._section(plan.before)
        self._emitter = replace(whole, rows=plan.blocks.axis)
        opened = self._open_labels()
        checks = [line for check in plan.checks for line in self._check(*check)]
        between = [Source("")] if opened or checks else []
        self.lines = [*opened, *checks, *between, *self._section(plan.main)]
        self.multiplies = any(map(is_matmul, (part for assign in plan.main.program for part in walk(assign.node))))
        self.row_results = {name: self._emitter.text(*result) for name, result in plan.row_results.items()}
        self._emitter = whole
        self.after = self._section(plan.after)
        self.output = self._emitter.text(*plan.output)
        self.gradients = {name: self._emitter.text(*result) for name, result in plan.gradients.items()}
        self.lowered = replace(plan.lowered, program=self._program)

    def _section(self, section: Section) -> list[Source]:
        """The lines of some assignments, of which that of the output has a blank one behind it."""
        program = [line for assign in section.program for line in hoisted(assign, self._length, self._part)]
        self._program += program
        lines: list[Source] = []
        for assign in in_place(program, section.kept | self._parts, self.plan.helpers):
            if assign.keeps_name:
                self._shown[assign.name] = self._shown[assign.into]
            lines.append(self._emitter.assigned(assign))
            if assign.name == self.record.program.output and self._emitter.rows == self.blocks.axis:
                lines.append(Source(""))
        return lines

    def _length(self, node: Node) -> int:
        return len(self._emitter.text(node))

    def _part(self) -> str:
        """A name for a part of an expression."""
        name = part_name(self.plan.taken)
        self._parts.add(name)
        self._shown[name] = name
        return name

    def _check(self, words: str, gap: Node) -> list[Source]:
        """Lines that raise where an assumption that the derivation used does not hold."""
        own = self.local["gap"]
        square = f"{own}.dot({own})" if len(gap.letters) == 1 else f"np.vdot({own}, {own})"
        return [written(f"{own} = {{}}", self._emitter.text(gap)), *held(f"not {square} < 1e-10", own, words)]

    def _open_labels(self) -> list[Source]:
        """Lines that turn labels, or rows of the array for which they stand, into columns."""
        lines: list[Source] = []
        for name in (n for n in self.inputs.labels if n in self.plan.rowwise):
            own, columns = self.names[name], self.record.program.arrays[name].axes[1].name
            opened = f"{own} = {own}.T if {own}.ndim == 2 else _one_hot_columns({own}, {{}}, {{}})"
            lines.append(written(opened, used(columns), self.inputs.dtype, needs=["_one_hot_columns", own]))
        return lines
