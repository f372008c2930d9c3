"""The assignments of generated code as lines of a record: each says that a node means the equation it was made from.

The lines are about a program whose equations are those that the code evaluates (``stable.evaluated``), which the lines
of ``evaluation`` tie to the derivation; what a shift subtracts is an input of it, any number at all.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.codegen.array_program import meaning, size
from symgrad.codegen.body import Body
from symgrad.codegen.kernels import meant
from symgrad.equations import abbreviation, node
from symgrad.letters import fresh_letter, lettered
from symgrad.notation import Array, axis_name, entry_of, free_indices, indices_of, renamed, replaced
from symgrad.program import Program
from symgrad.steps import Record, Step, Value

REASON = "as the code computes it"
NAMED = "a name in the code"


def assignments(record: Record, first: int) -> Record:
    """The lines of the assignments of the code of ``record`` that are not its equations word for word, numbered from
    ``first`` on."""
    return lines_of(Body(record), first)


def lines_of(body: Body, first: int) -> Record:
    """The same of the program of a function body."""
    source, entries = body.record.program, {a.name: a.entry for a in body.equations}
    largest = {a.name for a in body.equations if a.over}
    positive = {name for name, entry in entries.items() if entry.is_positive}
    positive |= {a.name for a in source.inputs if a.positive}
    rows = {size(body.count): size(body.blocks.axis)} if body.blocks is not None else {}
    rights = {a.name: meant(a.rhs) for a in (*body.equations, *body.stable) if not a.over}
    stable = {a.name: node(a.entry, rights[a.name]) for a in body.stable if not a.over}
    named = [abbreviation(a.entry, rights[a.name]) for a in body.equations if a.name in rights.keys() - stable.keys()]
    lines: list[tuple[Expr, Expr, bool]] = []
    for assign in body.program:
        means = replaced(meant(meaning(assign.node, positive)), rows)
        if assign.name not in entries:  # a part of an expression, with a line of its own
            entries[assign.name] = entry_of(assign.name, assign.letters)
            named.append(abbreviation(entries[assign.name], means))
            lines.append((entries[assign.name], means, False))
        elif assign.name in rights and (
            assign.name not in stable or canonical(means) != canonical(rights[assign.name])
        ):
            is_given = assign.name not in stable and canonical(means) == canonical(rights[assign.name])
            lines.append((entries[assign.name], means, not is_given))
    free = [Array(n, tuple(source.axis[axis_name(i)] for i in indices_of(entries[n]))) for n in sorted(largest)]
    program = replace(source, inputs=(*source.inputs, *free), equations=(*stable.values(), *named), assumptions=())
    steps = tuple(_line(source, number, *line) for number, line in enumerate(lines, first))
    return Record(program, body.record.wrt, steps, {}, {})


def _line(source: Program, number: int, entry: Expr, means: Expr, is_claim: bool) -> Step:
    letters: dict[Idx, Idx] = {}
    for index in indices_of(entry):
        used = {str(i.label) for i in letters.values()} | source.entry_letters
        is_made = str(index.label).startswith("_")
        letters[index] = fresh_letter(source.axis[axis_name(index)], used) if is_made else index
    left = renamed(entry, letters)
    taken = {str(i.label) for i in free_indices(left)} | source.entry_letters
    after = lettered(renamed(means, letters), source.axis, taken)
    rule, reason = ("evaluation", REASON) if is_claim else ("definition", NAMED)
    return Step(number, Value(left), None, after, rule, reason)
