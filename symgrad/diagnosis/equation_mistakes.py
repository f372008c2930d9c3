"""Mistakes in the forward equations: a wrong term or factor, a sum over another axis, a function applied twice or not
at all.

Each mistake is an edit of the program.  A candidate may make it in both passes (the gradient of the edited program), in
the forward pass only (the proved lines, with the arrays of the edited program), or in the backward pass only (the chain
rule with the slopes of one edited equation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations

import numpy as np
from sympy import Expr, Function, Integer, Sum
from sympy.tensor.indexed import Idx

from symgrad.diagnosis.edits import GENERATORS, LIKELY, changes
from symgrad.diagnosis.hypothesis import (
    ComparisonPoint,
    Hypothesis,
    NotApplicable,
    Predict,
    Words,
    definition_line,
    derivative_line,
    probability_text,
    text_of,
)
from symgrad.equations import Definition
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.facts import probabilities
from symgrad.functions import varying
from symgrad.index_letters import lettered
from symgrad.notation import Array, array_names, axis_name, bound_indices, entries, free_indices, replaced, sum_over
from symgrad.program import Program
from symgrad.render.text import expression_text, name_text
from symgrad.sampling.autodiff import Edge, Tape, forward
from symgrad.steps import Record

AGAIN = "_again"


@dataclass(frozen=True)
class ProgramEdit:
    """An edited ``program``: the mistake in ``words``, in the equation of ``name``.

    ``renamed`` maps arrays of the original program to arrays of the edited one that correspond to them under another
    name.  ``equation`` is the edited equation, if one equation shows the mistake.  If it ``has_slopes``, it has the
    indices of the original one, so that its slopes can replace the original ones.
    """

    kind: str
    words: Words
    cost: float
    name: str
    program: Program
    renamed: Mapping[str, str]
    equation: Definition | None = None
    has_slopes: bool = False


def of_equations(record: Record) -> Iterator[Hypothesis]:
    """The hypotheses about the equations of the program."""
    for generator in (small_edits, exchanged_arrays, moved_reductions, functions_applied_twice):
        for edit in generator(record.program, record):
            yield from _hypotheses(record, edit)
    yield from slopes_of_parts(record)


def _hypotheses(record: Record, edit: ProgramEdit) -> Iterator[Hypothesis]:
    line = definition_line(record, edit.name)
    yours = partial(_yours, record, edit)
    yield Hypothesis(edit.kind, edit.cost, partial(_in_both_passes, edit), line, edit.words, yours)
    words = partial(_with_suffix, edit.words, ", in the forward pass only")
    yield Hypothesis(edit.kind, edit.cost + 0.1, partial(_in_forward_pass, edit), line, words, yours)
    if edit.has_slopes:
        words = partial(_with_suffix, edit.words, ", in the backward pass only")
        at = derivative_line(record, edit.name)
        derivative = yours if at is None else lambda: f"the derivative of {_yours(record, edit)}"
        yield Hypothesis(edit.kind, edit.cost + 0.2, partial(_in_backward_pass, edit), at or line, words, derivative)


def _with_suffix(words: Words, suffix: str) -> str:
    return text_of(words) + suffix


def _yours(record: Record, edit: ProgramEdit) -> str:
    if edit.equation is None:
        return ""
    taken = {index.name for index in edit.equation.indices}
    sides = (edit.equation.entry, lettered(edit.equation.rhs, record.program.axis, taken))
    return " = ".join(expression_text(side, record) for side in sides)


def _in_both_passes(edit: ProgramEdit, point: ComparisonPoint) -> dict[str, np.ndarray]:
    return Tape(edit.program, point.sizes, forward(edit.program, point.sizes, point.inputs)).adjoints()


def _in_forward_pass(edit: ProgramEdit, point: ComparisonPoint) -> dict[str, np.ndarray]:
    values = forward(edit.program, point.sizes, point.inputs)
    return point.adjoints_by({name: values[edit.renamed.get(name, name)] for name in point.values})


def _in_backward_pass(edit: ProgramEdit, point: ComparisonPoint) -> dict[str, np.ndarray]:
    return point.tape.adjoints(_slopes(point.tape, edit.program, {edit.name}))


def _slopes(tape: Tape, program: Program, names: Set[str]) -> dict[Edge, np.ndarray]:
    """The slopes of the equations of ``names`` in another program, at the values of a tape."""
    other = Tape(program, tape.sizes, tape.values)
    zero = {edge: np.zeros_like(tape.slope(edge)) for edge in tape.edges if edge[0] in names}
    return zero | {edge: other.slope(edge) for edge in zero if edge in other.edges}


def _edited(program: Program, changed: Mapping[str, Definition], added: tuple[Definition, ...] = ()) -> Program | None:
    """The program with changed and added equations; None if they are circular or not supported."""
    equations = tuple(changed.get(e.name, e) for e in program.equations)
    try:
        edited = replace(program, equations=equations + added, assumptions=())
        edited.ordered  # noqa: B018  (raises if the equations are circular)
    except (ProgramError, UnsupportedError):
        return None
    return edited


# --- edits of one equation --------------------------------------------------------------------------------------------


def small_edits(program: Program, record: Record) -> Iterator[ProgramEdit]:
    """Every small edit of an equation."""
    for definition in program.ordered:
        arrays = [a for n, a in program.arrays.items() if n not in (definition.name, program.output)]
        for change in changes(definition.rhs, definition.indices, arrays, record, GENERATORS):
            changed = replace(definition, rhs=change.after)
            if edited := _edited(program, {definition.name: changed}):
                words = partial(_with_suffix, change.words, f" in the equation of {name_text(definition.name)}")
                yield ProgramEdit(change.kind, words, 1 + change.cost, definition.name, edited, {}, changed, True)


def exchanged_arrays(program: Program, record: Record) -> Iterator[ProgramEdit]:
    """Two arrays with the same axes, each in the place of the other."""
    for definition in program.ordered:
        for one, other in combinations(sorted(array_names(definition.rhs) & program.arrays.keys()), 2):
            if program.arrays[one].axes != program.arrays[other].axes or not program.arrays[one].axes:
                continue
            bases = {program.arrays[one].base: program.arrays[other].base}
            bases |= {new: old for old, new in bases.items()}
            changed = replace(definition, rhs=replaced(definition.rhs, bases))
            edited = _edited(program, {definition.name: changed})
            if edited is not None and changed.rhs != definition.rhs:
                pair = f"{name_text(one)} and {name_text(other)}"
                words = f"{pair} are exchanged in the equation of {name_text(definition.name)}"
                yield ProgramEdit("swapped", words, 1.2, definition.name, edited, {}, changed, True)


# --- a reduction over another axis ------------------------------------------------------------------------------------


def moved_reductions(program: Program, record: Record) -> Iterator[ProgramEdit]:
    """A reduction such as S_n = Σ_k exp(z_nk) over n instead of k, or over both."""
    for definition in program.ordered:
        total = _only_sum(definition.rhs)
        if total is None or not definition.indices:
            continue
        (summed,) = bound_indices(total)
        for kept in definition.indices:
            if axis_name(kept) == axis_name(summed):
                continue
            rest = tuple(i for i in definition.indices if i != kept)
            for over, indices in (((kept,), (*rest, summed)), ((kept, summed), rest)):
                edited = _resummed(program, definition, total, over, indices)
                if edited is None:
                    continue
                axes = " and ".join(axis_name(i) for i in over)
                entry = Array(definition.name, tuple(program.axis[axis_name(i)] for i in indices))[indices]
                equation = Definition(entry, replaced(definition.rhs, {total: sum_over(total.function, over)}), True)
                words = f"{_reduction(program, definition.name)} over {axes} instead of {axis_name(summed)}"
                cost = 0.8 if len(over) == 1 else 0.9
                yield ProgramEdit("axis", words, cost, definition.name, edited, {}, equation)


def _reduction(program: Program, name: str) -> str:
    """Subject and verb for a reduction: "the softmax P is taken", or "S is summed"."""
    for p in probabilities(program):
        if name in array_names(program.definitions[p.name].rhs):
            return f"{probability_text(program, p.name)} is taken"
    return f"{name_text(name)} is summed"


def _only_sum(rhs: Expr) -> Sum | None:
    """The only sum of an equation, if it has one sum and this sum has one index."""
    every = list(rhs.atoms(Sum))
    return every[0] if len(every) == 1 and len(bound_indices(every[0])) == 1 else None


def _resummed(
    program: Program, definition: Definition, total: Sum, over: tuple[Idx, ...], indices: tuple[Idx, ...]
) -> Program | None:
    """The program with a reduction over other indices, so that its result has the axes of ``indices``; each user takes
    the entry at its own index of each axis.  None if a user has no such index."""
    rhs = replaced(definition.rhs, {total: sum_over(total.function, over)})
    if free_indices(rhs) != frozenset(indices):
        return None
    array = Array(f"{definition.name}_over", tuple(program.axis[axis_name(i)] for i in indices))
    changed = {}
    for user in program.ordered:
        if definition.name not in array_names(user.rhs):
            continue
        new = {}
        for entry in entries(user.rhs, definition.name):
            around = (outer for outer in user.rhs.atoms(Sum) if outer.has(entry))
            scope = {axis_name(i): i for i in reversed([*user.indices, *(i for s in around for i in bound_indices(s))])}
            if not {axis_name(i) for i in indices} <= scope.keys():
                return None
            new[entry] = array[tuple(scope[axis_name(i)] for i in indices)]
        changed[user.name] = replace(user, rhs=replaced(user.rhs, new))
    return _edited(program, changed, (Definition(array[indices], rhs, definition.is_node),))


# --- a function applied twice -----------------------------------------------------------------------------------------


def functions_applied_twice(program: Program, record: Record) -> Iterator[ProgramEdit]:
    """B = f(f(A)) in the place of B = f(A), for arrays with the same axes."""
    for name, definition in program.definitions.items():
        axes = [a.name for a in program.arrays[name].axes]
        for argument in sorted(program.uses(name) & program.definitions.keys()):
            if not axes or [a.name for a in program.arrays[argument].axes] != axes:
                continue
            if edited := _applied_again(program, definition, argument):
                function = probability_text(program, name)
                function = function or f"the function that makes {name_text(name)} of {name_text(argument)}"
                yield ProgramEdit("twice", f"{function} is applied twice", 0.8, name, edited, {name: name + AGAIN})


def _applied_again(program: Program, definition: Definition, argument: str) -> Program | None:
    uses = program.uses(definition.name) & program.definitions.keys() - {argument}
    function = {definition.name} | {n for n in uses if argument in program.ancestors[n]}
    if any(program.definitions[n].is_node for n in function - {definition.name}):
        return None
    bases = {program.arrays[n].base: Array(n + AGAIN, program.arrays[n].axes).base for n in function}
    first = {program.arrays[argument].base: program.arrays[definition.name].base}
    added = []
    for old in map(program.definitions.__getitem__, function):
        added.append(replace(old, entry=replaced(old.entry, bases), rhs=replaced(old.rhs, {**bases, **first})))
    again = {program.arrays[definition.name].base: bases[program.arrays[definition.name].base]}
    changed = {
        d.name: replace(d, rhs=replaced(d.rhs, again))
        for d in program.ordered
        if d.name not in function and definition.name in array_names(d.rhs)
    }
    return _edited(program, changed, tuple(added)) if changed else None


# --- the derivative of a part of an equation --------------------------------------------------------------------------


def slopes_of_parts(record: Record) -> Iterator[Hypothesis]:
    """A sum inside an equation, such as a subtracted mean, treated as constant, alone or with another part; the
    derivative of a function inside an equation left out, or replaced by the derivative of one branch."""
    program = record.program
    for definition in program.ordered:
        line, where = derivative_line(record, definition.name), f"in the equation of {name_text(definition.name)}"
        inner = sorted(definition.rhs.atoms(Sum, Function) - {definition.rhs}, key=lambda part: part.sort_key())
        sums = [part for part in inner if isinstance(part, Sum) and array_names(part)]
        for part in (part for part in inner if isinstance(part, Function)):
            for branch in (arg for arg in varying(part) if array_names(arg)):
                words = partial(_left_out, record, part, branch, where)
                kind, cost = ("jacobian", 1.2) if len(part.args) == 1 else ("branch", 1.25 + LIKELY)
                yield Hypothesis(kind, cost, _slopes_of(program, definition, {part: branch}), line, words)
        used = [entries(definition.rhs, n) for n in sorted(array_names(definition.rhs) & program.definitions.keys())]
        pairs = combinations([*sums, *(entry for every in used if len(every) == 1 for entry in every)], 2)
        for constant in (*((total,) for total in sums), *(pair for pair in pairs if {*pair} & {*sums})):
            words = partial(_treated_as_constant, record, constant, where)
            predict = _slopes_of(program, definition, dict.fromkeys(constant, Integer(0)))
            yield Hypothesis("path", 1 + 0.05 * len(constant), predict, line, words)


def _treated_as_constant(record: Record, parts: Sequence[Expr], where: str) -> str:
    are = "is" if len(parts) == 1 else "are"
    return f"{' and '.join(expression_text(part, record) for part in parts)} {are} treated as constant {where}"


def _left_out(record: Record, part: Expr, branch: Expr, where: str) -> str:
    other = "" if len(part.args) == 1 else f": the derivative of {expression_text(branch, record)} is used instead"
    return f"the derivative of {expression_text(part, record)} is left out {where}{other}"


def _slopes_of(program: Program, definition: Definition, others: Mapping[Expr, Expr]) -> Predict:
    """Predicts the gradients if parts of an equation, at their values, are differentiated as ``others``."""

    @cache
    def programs() -> tuple[Program, Program]:
        """The program with an array for each part, and the same with the arrays defined as the others."""
        rhs, pairs = definition.rhs, []
        for number, (part, other) in enumerate(others.items()):
            indices = tuple(sorted(free_indices(part), key=str))
            axes = tuple(program.axis[axis_name(i)] for i in indices)
            entry = Array(f"{definition.name}_inner{number}", axes)[indices]
            rhs = replaced(rhs, {part: entry})
            pairs.append((Definition(entry, part, False), Definition(entry, other, False)))
        changed = {definition.name: replace(definition, rhs=rhs)}
        edited, other_program = (_edited(program, changed, added) for added in zip(*pairs, strict=True))
        if edited is None or other_program is None:
            raise NotApplicable(definition.name)
        return edited, other_program

    def predict(point: ComparisonPoint) -> dict[str, np.ndarray]:
        edited, other_program = programs()
        tape = Tape(edited, point.sizes, forward(edited, point.sizes, point.inputs))
        parts = edited.definitions.keys() - program.definitions.keys()
        return tape.adjoints(_slopes(tape, other_program, parts))

    return predict
