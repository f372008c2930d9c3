"""The assignments of generated code as lines of a record: each says that a node means the equation it was made from.

The lines are about a program whose equations are those that the code evaluates (``stable.evaluated``), which the lines
of ``evaluation`` tie to the derivation; what a shift subtracts is an input of it, any number at all.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr

from symgrad.codegen.array_program import meaning
from symgrad.codegen.body import Body
from symgrad.codegen.evaluation import in_letters
from symgrad.codegen.kernels import meant, numbers_chosen
from symgrad.codegen.loop_plan import LoopPlan
from symgrad.codegen.lower import Lowered
from symgrad.codegen.scalar_module import scalar_program
from symgrad.codegen.schedule import Assignment
from symgrad.codegen.shift import written_out
from symgrad.equations import node
from symgrad.notation import Array, axis_name, entry_of, indices_of, replaced
from symgrad.steps import Record, Step, Value
from symgrad.sums import ordered_sums

REASON = "as the code computes it"


def assignments(record: Record, first: int, target: str = "numpy") -> Record:
    """The lines of the assignments of the code of ``record`` that are not its equations word for word, numbered from
    ``first`` on."""
    if target == "scalar":
        return lines_of(scalar_program(record), first)
    return lines_of((LoopPlan(record) if target == "numba" else Body(record)).lowered, first)


def lines_of(lowered: Lowered, first: int) -> Record:
    """The same of an array program."""
    source = lowered.record.program
    stable = {a.name: a for a in lowered.stable}
    made = {a.name: a.entry for a in lowered.equations}
    largest = {a.name for a in lowered.equations if a.over}
    inside = {name: a for name, a in stable.items() if name in lowered.inlined - largest}
    positive = {a.name for a in source.inputs if a.positive} | {n for n, entry in made.items() if entry.is_positive}
    parts: dict[str, Assignment] = {}  # what has a name in the code alone
    lines: list[tuple[Expr, Expr]] = []
    for assign in lowered.program:
        means = written_out(replaced(meant(meaning(assign.node, positive)), lowered.sizes), parts)
        if assign.name not in stable:
            entry = made.get(assign.name, entry_of(assign.name, assign.letters))
            parts[assign.name] = Assignment(entry, means)
        elif assign.name not in largest:
            right = numbers_chosen(meant(written_out(stable[assign.name].rhs, inside)))
            if ordered_sums(numbers_chosen(means)) != ordered_sums(right):
                lines.append((made[assign.name], means))
    free = [Array(n, tuple(source.axis[axis_name(i)] for i in indices_of(made[n]))) for n in sorted(largest)]
    forms = tuple(node(a.entry, meant(a.rhs)) for a in lowered.stable if not a.over)
    program = replace(source, inputs=(*source.inputs, *free), equations=forms, assumptions=())
    steps = tuple(
        Step(number, Value(entry), None, in_letters(entry, means, source), "evaluation", REASON)
        for number, (entry, means) in enumerate(lines, first)
    )
    return Record(program, lowered.record.wrt, steps, {}, {})
