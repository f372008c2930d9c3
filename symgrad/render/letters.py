"""The index letters of a page: those of the table of arrays, and for each axis those that its lines use."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.index_letters import fresh_letter
from symgrad.notation import Array, axis_name
from symgrad.program import Program
from symgrad.render.symbols import Vocabulary, index_letter
from symgrad.steps import Largest, Partial, Record, Step, Total, Value


@dataclass(frozen=True)
class AxisRow:
    """One axis: its name, what it counts, and the letters of its indices."""

    name: str
    meaning: str
    letters: tuple[str, ...]


def table_entry(array: Array, program: Program) -> Expr:
    """An entry of an array: with the indices of its definition; of an input, with a letter for every axis, all
    different and none in which entries of the program's arrays are written, a repeated axis taking its second letter.
    """
    if array.name in program.definitions:
        return program.definitions[array.name].entry
    taken = set(program.entry_letters)
    indices: list[Idx] = []
    for axis in array.axes:
        indices.append(fresh_letter(axis, taken))
        taken.add(str(indices[-1].label))
    return array[tuple(indices)]


def axis_rows(record: Record, evaluation: Record | None, names: Vocabulary) -> tuple[AxisRow, ...]:
    """The axes with the letters that the page uses: the running letter, then the others in order of first use."""
    program = record.program
    steps = (*record.steps, *(evaluation.steps if evaluation else ()))
    used: dict[str, dict[str, None]] = {axis.name: {} for axis in program.axes}
    written: list[Basic] = [part for step in steps for part in _expressions(step)]
    written += [table_entry(array, program) for array in program.arrays.values()]
    written += [side for a in program.assumptions for side in (a.lhs, a.rhs)]
    for expr in written:
        for index in sorted(expr.atoms(Idx), key=names.index_place):
            used[axis_name(index)][index_letter(index)] = None
    return tuple(
        AxisRow(a.name, a.meaning, tuple(sorted(used[a.name], key=lambda letter: letter != a.conventional[0])))
        for a in program.axes
    )


def _expressions(step: Step) -> list[Basic]:
    """What a line has on its two sides."""
    match step.subject:
        case Value(expr):
            return [expr, step.after]
        case Largest(entry, over):
            return [entry, *over, step.after]
        case Partial(of, wrt):
            return [of, wrt, step.after]
        case Total(wrt):
            return [wrt, step.after]
    return []
