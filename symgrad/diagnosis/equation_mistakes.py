"""Mistakes in the forward equations: a term or a factor of one is wrong, a sum runs over another axis, a function is
applied twice or not at all.

Each is an edit of the program.  Somebody who makes it everywhere gets the gradient of the edited program; somebody who
makes it on the way forward alone gets the proved lines with the edited program's arrays; somebody who makes it on the
way back alone has one slope of the edited program in the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations

import numpy as np
from sympy import Expr, Function, Integer, Sum
from sympy.tensor.indexed import Idx

from symgrad.diagnosis.comparison_point import Bench, NotHere
from symgrad.diagnosis.edits import LIKELY, TABLE, Change, changes
from symgrad.diagnosis.hypotheses import (
    Hypothesis,
    Words,
    definition_line,
    derivative_line,
    gradients,
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
class Edit:
    """Another program in the place of one, what was done in ``words``, and where: in the equation of ``name``.

    ``read_as`` gives for arrays of the program those of the edited one that stand for them, where names differ;
    ``equation`` is the edited one, where that says it; a change ``is_small`` if the equation keeps its indices.
    """

    kind: str
    words: Words
    cost: float
    name: str
    program: Program
    read_as: Mapping[str, str]
    equation: Definition | None = None
    is_small: bool = False


def of_equations(record: Record) -> Iterator[Hypothesis]:
    """Every hypothesis about an equation of the program."""
    for edit in edits(record.program, record):
        yield from _hypotheses(record, edit)
    yield from _inner(record)


def _hypotheses(record: Record, edit: Edit) -> Iterator[Hypothesis]:
    line = definition_line(record, edit.name)
    yours = partial(_yours, record, edit)
    yield Hypothesis(edit.kind, edit.cost, partial(_everywhere, edit), line, edit.words, yours)
    forward, words = partial(_on_the_way_forward, edit), lambda: f"{text_of(edit.words)}, in the forward pass only"
    yield Hypothesis(edit.kind, edit.cost + 0.1, forward, line, words, yours)
    if edit.is_small:
        back, words = partial(_on_the_way_back, edit), lambda: f"{text_of(edit.words)}, in the backward pass only"
        at = derivative_line(record, edit.name)
        derivative = yours if at is None else lambda: f"the derivative of {_yours(record, edit)}"
        yield Hypothesis(edit.kind, edit.cost + 0.2, back, at or line, words, derivative)


def _inner(record: Record) -> Iterator[Hypothesis]:
    """A sum within an equation, such as a mean that is subtracted, held fixed on the way back, and two of them; and
    the derivative of a function within an equation left out, or that of one of its branches taken throughout."""
    program = record.program
    for definition in program.ordered:
        line, where = derivative_line(record, definition.name), f"in the equation of {name_text(definition.name)}"
        inner = sorted(definition.rhs.atoms(Sum, Function) - {definition.rhs}, key=lambda part: part.sort_key())
        sums = [part for part in inner if isinstance(part, Sum) and array_names(part)]
        for part in (part for part in inner if isinstance(part, Function)):
            branches = [arg for arg in varying(part) if array_names(arg)]
            for branch in branches:
                words = partial(_left_out, record, part, branch, where)
                kind, cost = ("jacobian", 1.2) if len(part.args) == 1 else ("branch", 1.25 + LIKELY)
                yield Hypothesis(kind, cost, _slopes_of(program, definition, {part: branch}), line, words)
        used = [entries(definition.rhs, n) for n in sorted(array_names(definition.rhs) & program.definitions.keys())]
        pairs = combinations([*sums, *(entry for found in used if len(found) == 1 for entry in found)], 2)
        for fixed in (*((total,) for total in sums), *(pair for pair in pairs if {*pair} & {*sums})):
            words = partial(_fixed, record, fixed, where)
            zero = dict.fromkeys(fixed, Integer(0))
            yield Hypothesis("path", 1 + 0.05 * len(fixed), _slopes_of(program, definition, zero), line, words)


def _fixed(record: Record, sums: Sequence[Expr], where: str) -> str:
    are = "is" if len(sums) == 1 else "are"
    return f"{' and '.join(expression_text(part, record) for part in sums)} {are} held fixed {where}"


def _left_out(record: Record, part: Expr, branch: Expr, where: str) -> str:
    stands = "" if len(part.args) == 1 else f": the derivative of {expression_text(branch, record)} is used instead"
    return f"the derivative of {expression_text(part, record)} is left out {where}{stands}"


def _slopes_of(
    program: Program, definition: Definition, others: Mapping[Expr, Expr]
) -> Callable[[Bench], dict[str, np.ndarray]]:
    """Parts of an equation differentiated as if they were others, at the values that they have."""

    @cache
    def programs() -> tuple[Program, Program]:
        own: list[Definition] = []
        instead: list[Definition] = []
        rhs = definition.rhs
        for place, (part, other) in enumerate(others.items()):
            indices = tuple(sorted(free_indices(part), key=str))
            axes = tuple(program.axis[axis_name(i)] for i in indices)
            entry = Array(f"{definition.name}_inner{place}", axes)[indices]
            rhs = replaced(rhs, {part: entry})
            own, instead = [*own, Definition(entry, part, False)], [*instead, Definition(entry, other, False)]
        changed = {definition.name: replace(definition, rhs=rhs)}
        edited, other = (_edited(program, changed, tuple(added)) for added in (own, instead))
        if edited is None or other is None:
            raise NotHere(definition.name)
        return edited, other

    def predict(bench: Bench) -> dict[str, np.ndarray]:
        edited, other = programs()
        tape = Tape(edited, bench.sizes, forward(edited, bench.sizes, bench.inputs))
        parts = edited.definitions.keys() - program.definitions.keys()
        return gradients(bench, tape.adjoints(_slopes(tape, other, parts)))

    return predict


def _slopes(tape: Tape, program: Program, names: Set[str]) -> dict[Edge, np.ndarray]:
    """The slopes of some equations of another program in the place of those of a tape."""
    other = Tape(program, tape.sizes, tape.values)
    zero = {edge: np.zeros_like(tape.slope(edge)) for edge in tape.edges if edge[0] in names}
    return zero | {e: other.slope(e) for e in zero if e in other.edges}


def _yours(record: Record, edit: Edit) -> str:
    if edit.equation is None:
        return ""
    taken = {str(index.label) for index in edit.equation.indices}
    sides = (edit.equation.entry, lettered(edit.equation.rhs, record.program.axis, taken))
    return " = ".join(expression_text(side, record) for side in sides)


def _everywhere(edit: Edit, bench: Bench) -> dict[str, np.ndarray]:
    values = forward(edit.program, bench.sizes, bench.inputs)
    return gradients(bench, Tape(edit.program, bench.sizes, values).adjoints())


def _on_the_way_forward(edit: Edit, bench: Bench) -> dict[str, np.ndarray]:
    values = forward(edit.program, bench.sizes, bench.inputs)
    return gradients(bench, bench.adjoints_by({n: values[edit.read_as.get(n, n)] for n in bench.values}))


def _on_the_way_back(edit: Edit, bench: Bench) -> dict[str, np.ndarray]:
    return gradients(bench, bench.tape.adjoints(_slopes(bench.tape, edit.program, {edit.name})))


def edits(program: Program, record: Record) -> Iterator[Edit]:
    """Every edit of a program that leaves it one."""
    for maker in (_small, _exchanged, _moved_sums, _twice):
        yield from maker(program, record)


def _edited(program: Program, changed: Mapping[str, Definition], added: tuple[Definition, ...] = ()) -> Program | None:
    """The program with other equations, if that is one."""
    equations = tuple(changed.get(e.name, e) for e in program.equations)
    try:
        edited = replace(program, equations=equations + added, assumptions=())
        edited.ordered  # noqa: B018  (circular equations are found here)
    except (ProgramError, UnsupportedError):
        return None
    return edited


# --- small changes of one equation --------------------------------------------------------------------------------


def _small(program: Program, record: Record) -> Iterator[Edit]:
    for definition in program.ordered:
        own = [a for n, a in program.arrays.items() if n not in (definition.name, program.output)]
        for change in changes(definition.rhs, definition.indices, own, record, TABLE):
            changed = replace(definition, rhs=change.after)
            edited = _edited(program, {definition.name: changed})
            if edited is None:
                continue
            words = partial(_in_equation, change, definition.name)
            yield Edit(change.kind, words, 1 + change.cost, definition.name, edited, {}, changed, True)


def _in_equation(change: Change, name: str) -> str:
    return f"{change.words()} in the equation of {name_text(name)}"


def _exchanged(program: Program, record: Record) -> Iterator[Edit]:
    """Two arrays of the same axes each in the place of the other."""
    for definition in program.ordered:
        for one, other in combinations(sorted(array_names(definition.rhs) & program.arrays.keys()), 2):
            if program.arrays[one].axes != program.arrays[other].axes or not program.arrays[one].axes:
                continue
            bases = {program.arrays[one].base: program.arrays[other].base}
            bases |= {new: old for old, new in bases.items()}
            changed = replace(definition, rhs=replaced(definition.rhs, bases))
            edited = _edited(program, {definition.name: changed})
            if edited is not None and changed.rhs != definition.rhs:
                what = f"{name_text(one)} and {name_text(other)} are exchanged in the equation of"
                words = f"{what} {name_text(definition.name)}"
                yield Edit("swapped", words, 1.2, definition.name, edited, {}, changed, True)


# --- a sum over another axis --------------------------------------------------------------------------------------


def _moved_sums(program: Program, record: Record) -> Iterator[Edit]:
    """A reduction such as S_n = Σ_k exp(z_nk) taken over n instead of k, or over both."""
    for definition in program.ordered:
        total = _one_sum(definition.rhs)
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
                shown = Array(definition.name, tuple(program.axis[axis_name(i)] for i in indices))[indices]
                equation = Definition(shown, replaced(definition.rhs, {total: sum_over(total.function, over)}), True)
                words = f"{_summed(program, definition.name)} over {axes} instead of {axis_name(summed)}"
                cost = 0.8 if len(over) == 1 else 0.9
                yield Edit("axis", words, cost, definition.name, edited, {}, equation)


def _summed(program: Program, name: str) -> str:
    """What an array that is a sum does, in words."""
    soft = (p.name for p in probabilities(program) if name in array_names(program.definitions[p.name].rhs))
    found = next(soft, None)
    return f"{probability_text(program, found)} is taken" if found else f"{name_text(name)} is summed"


def _one_sum(rhs: Expr) -> Sum | None:
    """The only sum of an equation, over one index."""
    sums = [total for total in rhs.atoms(Sum)]
    return sums[0] if len(sums) == 1 and len(bound_indices(sums[0])) == 1 else None


def _resummed(
    program: Program, definition: Definition, total: Sum, over: tuple[Idx, ...], indices: tuple[Idx, ...]
) -> Program | None:
    """The program in which an array is a sum over other indices, so that it has others itself; its users take the
    entry at their own index over the axis."""
    rhs = replaced(definition.rhs, {total: sum_over(total.function, over)})
    if free_indices(rhs) != frozenset(indices):
        return None
    name = f"{definition.name}_over"
    array = Array(name, tuple(program.axis[axis_name(i)] for i in indices))
    moved = Definition(array[indices], rhs, definition.is_node)
    changed = {}
    for user in program.ordered:
        if definition.name not in array_names(user.rhs):
            continue
        new = {}
        for entry in entries(user.rhs, definition.name):
            around = (total for total in user.rhs.atoms(Sum) if total.has(entry))
            at = [*user.indices, *(i for total in around for i in bound_indices(total))]
            found = [next((i for i in at if axis_name(i) == axis_name(index)), None) for index in indices]
            if None in found:
                return None
            new[entry] = array[tuple(i for i in found if i is not None)]
        changed[user.name] = replace(user, rhs=replaced(user.rhs, new))
    return _edited(program, changed, (moved,))


# --- a function twice ---------------------------------------------------------------------------------------------


def _twice(program: Program, record: Record) -> Iterator[Edit]:
    """B = f(A), of the same axes: f(f(A)) in the place of B."""
    for name, definition in program.definitions.items():
        axes = [a.name for a in program.arrays[name].axes]
        for used in sorted(program.uses(name)):
            alike = used in program.arrays and [a.name for a in program.arrays[used].axes] == axes
            if not alike or used not in program.definitions or not axes:
                continue
            edited = _applied_again(program, definition, used)
            if edited is None:
                continue
            what = f"the function that makes {name_text(name)} of {name_text(used)}"
            what = probability_text(program, name) or what
            yield Edit("twice", f"{what} is applied twice", 0.8, name, edited, {name: name + AGAIN})


def _applied_again(program: Program, definition: Definition, used: str) -> Program | None:
    uses = program.uses(definition.name) & program.definitions.keys() - {used}
    own = {definition.name} | {n for n in uses if used in program.ancestors[n]}
    if any(program.definitions[n].is_node for n in own - {definition.name}):
        return None
    bases = {program.arrays[n].base: Array(n + AGAIN, program.arrays[n].axes).base for n in own}
    first = {program.arrays[used].base: program.arrays[definition.name].base}
    added = []
    for old in map(program.definitions.__getitem__, own):
        added.append(replace(old, entry=replaced(old.entry, bases), rhs=replaced(old.rhs, {**bases, **first})))
    again = {program.arrays[definition.name].base: bases[program.arrays[definition.name].base]}
    changed = {
        d.name: replace(d, rhs=replaced(d.rhs, again))
        for d in program.ordered
        if d.name not in own and definition.name in array_names(d.rhs)
    }
    return _edited(program, changed, tuple(added)) if changed else None
