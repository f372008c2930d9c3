"""The lines of a generated function, from a record."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import replace

from sympy import Indexed, Symbol
from sympy.core.basic import Basic

from symgrad.codegen.schedule import Assignment, schedule
from symgrad.codegen.stable import stabilised
from symgrad.codegen.translate import Translator
from symgrad.codegen.values import Strength, Value, total
from symgrad.notation import Array, array_names
from symgrad.program import Assumption
from symgrad.steps import Record

RESERVED = {"np", "math", "dtype", "gap", "Gradients", "NamedTuple"}
# How far inputs may be from an assumption that the derivation used: the rounding of rows in float32.
TOLERANCE = "1e-5"
INDENT, WIDTH = "    ", 110


class Body:
    """The function body for ``record``: ``lines`` (without indentation), and the names that they use.

    ``names`` gives the Python name of every array, ``gradients`` the expression for each gradient.
    """

    def __init__(self, record: Record) -> None:
        plan = schedule(record)
        taken = {a.name for a in record.program.inputs} | {a.name for a in plan.assignments} | RESERVED
        taken |= {axis.name for axis in record.program.axes}
        self.assignments = stabilised(plan.assignments, taken)
        self.names = {name: python_name(name) for name in (*record.program.arrays, *(a.name for a in self.assignments))}
        self.lines: list[str] = []
        self._taken = taken | set(self.names.values())
        self._values = {a.name: self._input(a, place) for place, a in enumerate(record.program.inputs)}
        axes = [axis.name for axis in record.program.axes]
        self._translator = Translator(self._values, axes, self._hoisted)
        for assumption in assumptions_used(record):
            self._check(assumption)
        self.lines.append("")
        inlined = self._inlined()
        for assignment in self.assignments:
            self._assign(assignment, inlined)
            if assignment.name == record.program.output:
                self.lines.append("")
        self.output = self._values[record.program.output].code
        self.gradients = {name: self._values[plan.gradients[name]].code for name in record.wrt}
        code = "\n".join(self.lines)
        self.lines = [*self._sizes(record, code), *self.lines]
        self.uses_math, self.uses_sigmoid = "math." in code, "_sigmoid(" in code

    def _input(self, array: Array, place: int) -> Value:
        letters = tuple(axis.index(f"_{p}") for p, axis in enumerate(array.axes))
        return Value(self.names[array.name], Strength.NAME, letters, rank=place)

    def _inlined(self) -> set[str]:
        """The helpers that one line uses once."""
        uses = Counter(name for assignment in self.assignments for name in _mentions(assignment.rhs))
        return {a.name for a in self.assignments if a.is_helper and (a.is_output or uses[a.name] == 1)}

    def _assign(self, assignment: Assignment, inlined: Container[str]) -> None:
        value = self._translator.translate(assignment.rhs, assignment.indices + assignment.over)
        if assignment.over:
            value = total(value, assignment.over, "max")
        value = self._conforming(value.settled(), assignment)
        if assignment.is_output and not assignment.is_helper and value.indices and value.strength == Strength.NAME:
            value = replace(value, code=f"{value.code}.copy()", strength=Strength.CALL)  # never an input itself
        if assignment.name not in inlined:
            value = self._named(self.names[assignment.name], value)
        self._values[assignment.name] = value

    def _conforming(self, value: Value, assignment: Assignment) -> Value:
        """The value over exactly the axes of the array to which it is assigned."""
        indices = assignment.indices
        if set(value.indices) == set(indices):
            return value.over(indices)
        spread = value.over(indices).code
        shape = ", ".join(str(i.upper + 1) for i in indices)
        shape = f"({shape},)" if len(indices) == 1 else f"({shape})"
        code = f"np.full({shape}, {spread}, dtype)"
        return Value(code, Strength.CALL, indices, rank=value.rank)

    def _named(self, name: str, value: Value) -> Value:
        line = f"{name} = {value.code}"
        if len(INDENT + line) > WIDTH:
            line = f"{name} = (\n{INDENT}{value.code}\n)"
        self.lines.append(line)
        return Value(name, Strength.NAME, value.indices, rank=len(self._values))

    def _hoisted(self, value: Value) -> Value:
        """A line of its own for a part of an expression."""
        place = 1
        while (name := f"part{place}") in self._taken:
            place += 1
        self._taken.add(name)
        return replace(self._named(name, value.absolute()), negative=value.negative)

    def _check(self, assumption: Assumption) -> None:
        """Lines that raise where the inputs do not satisfy an assumption that the derivation used."""
        value = self._translator.translate(assumption.lhs - assumption.rhs, ())
        arrays = ", ".join(sorted(array_names(assumption.lhs)))
        message = f"{arrays}: expected that {assumption.words}, got a difference of {{np.max(gap):.3g}}"
        self.lines += [
            f"gap = np.abs({value.settled().code})",
            f"if np.any(gap > {TOLERANCE}):",
            f'{INDENT}message = f"{message}"',
            f'{INDENT}raise ValueError(f"{{message}} (derive with assume=() for the general form)")',
        ]

    def _sizes(self, record: Record, code: str) -> list[str]:
        """Lines for the sizes of axes, and the data type, that the code uses."""
        lines = []
        for axis in record.program.axes:
            if _occurs(axis.name, code):
                array, place = next(
                    (a, p) for a in record.program.inputs for p, own in enumerate(a.axes) if own.name == axis.name
                )
                lines.append(f"{axis.name} = {self.names[array.name]}.shape[{place}]")
        if _occurs("dtype", re.sub(r"dtype=", "", code)):
            lines.append(f"dtype = {self.names[record.program.inputs[0].name]}.dtype")
        return lines


def _mentions(expr: Basic) -> Iterator[str]:
    """The names of arrays, as often as they occur."""
    if isinstance(expr, (Indexed, Symbol)):
        yield expr.base.name if isinstance(expr, Indexed) else expr.name
    else:
        for arg in expr.args:
            yield from _mentions(arg)


def _occurs(name: str, code: str) -> bool:
    return re.search(rf"(?<![\w.\"]){re.escape(name)}\b", code) is not None


def python_name(name: str) -> str:
    """The name of an array as a Python variable and as a field of a named tuple."""
    clean = name.lstrip("_") or "array"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in RESERVED or clean != name else name


def assumptions_used(record: Record) -> list[Assumption]:
    """The assumptions about inputs that lines of the derivation use."""
    inputs = {a.name for a in record.program.inputs}
    used = [s.assumption for s in record.steps if s.assumption is not None]
    return [a for a in dict.fromkeys(used) if array_names(a.lhs) <= inputs]
