"""Mistakes in the backward pass: a Jacobian left out, cut to its diagonal or evaluated at another array, a path treated
as constant, a wrong adjoint, or a small edit of a line about an adjoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import combinations, permutations
from typing import Any

import numpy as np
from sympy import Expr, Indexed, Integer, KroneckerDelta, Mul

from symgrad.diagnosis.edits import GENERATORS, LESS_LIKELY, Change, Generator, changes
from symgrad.diagnosis.hypothesis import (
    HARD,
    LAST,
    ComparisonPoint,
    Hypothesis,
    NotApplicable,
    Predict,
    adjoint_lines,
    derived,
    letters_of,
    probability_text,
)
from symgrad.index_letters import lettered
from symgrad.notation import Array, array_names, axis_name, renamed, replaced
from symgrad.program import Program
from symgrad.render.text import name_text, step_text
from symgrad.sampling.autodiff import Arrays, Edge, evaluator
from symgrad.steps import Partial, Record, Step, Total

FIRST = ("diagonal", "missing", "jacobian")  # kinds of mistakes that often come with a second one
Slope = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A wrong slope, from the unit matrix, the right slope, and the value of the differentiated array."""


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product of two Jacobians between arrays with the same axes."""
    return np.asarray(np.tensordot(left, right, axes=left.ndim // 2))


JACOBIANS: Sequence[tuple[str, float, str, Slope]] = (
    ("jacobian", 0.8, "{jacobian} is left out", lambda unit, right, value: unit),
    ("diagonal", 0.6, "only the diagonal of {jacobian} is used", lambda unit, right, value: unit * right),
    (
        *("swapped", 1.3, "the derivative of the logistic function, in terms of its value, is used as {derivative}"),
        lambda unit, right, value: unit * (value * (1 - value)),
    ),
    (
        *("swapped", 1.3, "the derivative of tanh, in terms of its value, is used as {derivative}"),
        lambda unit, right, value: unit * (1 - value * value),
    ),
    ("twice", 0.9, "{jacobian} is multiplied in once more", lambda unit, right, value: _product(right, right)),
    (
        *("twice", 0.95, "the diagonal of {jacobian} is multiplied in once more"),
        lambda unit, right, value: _product(right, unit * right),
    ),
)
"""Wrong Jacobians of an array with respect to another one with the same axes: kind, cost, words, slope."""


def of_jacobians(record: Record) -> Iterator[Hypothesis]:
    """The hypotheses about the derivative of one array with respect to another, and about whole adjoints."""
    program = record.program
    for name in program.definitions:
        for used in sorted(program.varies_with(name)):
            if used in record.adjoints or used in program.definitions:
                yield from jacobian_edits(record, name, used)
    for used in program.arrays:
        yield from single_paths(record, used)
    yield from adjoints_of_later_arrays(record)
    yield from swapped_gradients(record)
    yield from summed_gradients(record)


# --- Jacobians --------------------------------------------------------------------------------------------------------


def jacobian_edits(record: Record, name: str, used: str) -> Iterator[Hypothesis]:
    """The derivative of ``name`` with respect to ``used`` left out, cut to its diagonal, multiplied in twice, replaced
    by the derivative of another function, evaluated at another array, or treated as 0."""
    program, step = record.program, _derivative_step(record, name, used)
    line = step.number if step else None
    derivative = f"the derivative of {name_text(name)} with respect to {name_text(used)}"
    if _same_axes(program, name, used) and program.arrays[name].axes:
        words = f"{derivative} is evaluated at {name_text(name)} instead of {name_text(used)}"
        yield Hypothesis("swapped", 1.2, _with(_at_output, name, used), line, words)
        if name in record.adjoints and used in record.adjoints:
            words = f"{derivative} is evaluated at the gradient with respect to {name_text(name)}, not multiplied by it"
            yield Hypothesis("swapped", 1.3, partial(_at_gradient, name, used), line, words)
            words = f"{derivative} is evaluated at the gradient with respect to {name_text(name)}"
            yield Hypothesis("swapped", 1.35, _with(_slope_at_gradient, name, used), line, words)
        function = probability_text(program, name)
        jacobian = f"the Jacobian of {function}" if function else derivative
        edited = _edited_jacobians(step)
        for kind, cost, template, slope in JACOBIANS:
            words = template.format(jacobian=jacobian, derivative=derivative)
            yours = partial(step_text, record, step.number, edited[kind]) if step and kind in edited else str
            yield Hypothesis(kind, cost, _with(_replaced, name, used, slope), line, words, yours)
    if used in array_names(program.definitions[name].rhs):
        words = f"{name_text(used)} is treated as constant in the equation of {name_text(name)}"
        yield Hypothesis("path", 1.0, _with(_zero, [(name, used)]), line, words)


def single_paths(record: Record, used: str) -> Iterator[Hypothesis]:
    """If an array is used in at least three equations: only one of these is differentiated."""
    program = record.program
    needed = program.ancestors[program.output]
    users = [d.name for d in program.ordered if used in array_names(d.rhs) and d.name in needed]
    for kept in users if len(users) > 2 else ():
        others = [user for user in users if user != kept]
        only = f"only {name_text(kept)} is differentiated with respect to {name_text(used)}"
        words = f"{' and '.join(map(name_text, others))} are treated as constant: {only}"
        step = _derivative_step(record, kept, used)
        predict = _with(_zero, [(user, used) for user in others])
        yield Hypothesis("path", 1.1, predict, step.number if step else None, words)


def _edited_jacobians(step: Step | None) -> dict[str, Expr]:
    """The right side of a line about a Jacobian, for the kinds "jacobian" (the unit matrix) and "diagonal"."""
    if step is None or not isinstance(step.subject, Partial):
        return {}
    of, wrt = (e.indices if isinstance(e, Indexed) else () for e in (_only_entry(step.subject.of), step.subject.wrt))
    if [axis_name(i) for i in of] != [axis_name(i) for i in wrt]:
        return {}
    unit = Mul(*(KroneckerDelta(i, j) for i, j in zip(of, wrt, strict=True)))
    diagonal = replaced(step.after, dict.fromkeys(unit.atoms(KroneckerDelta), Integer(1)))
    return {"jacobian": unit, "diagonal": unit * renamed(diagonal, dict(zip(wrt, of, strict=True)))}


def _only_entry(expr: Expr) -> Expr:
    """The only array entry in an expression; the expression itself if there are none or several."""
    every = expr.atoms(Indexed)
    return next(iter(every)) if len(every) == 1 else expr


def _same_axes(program: Program, one: str, other: str) -> bool:
    return [a.name for a in program.arrays[one].axes] == [a.name for a in program.arrays[other].axes]


def _derivative_step(record: Record, name: str, used: str) -> Step | None:
    """The last line about the derivative of ``name`` with respect to ``used`` or, if ``used`` is an abbreviation, what
    it abbreviates; else the first line about the adjoint of ``used``."""
    program = record.program
    is_abbreviation = used in program.definitions and not program.definitions[used].is_node
    wanted = {used, *(program.uses(used) if is_abbreviation else ())}
    last = None
    for step in record.steps:
        subject = step.subject
        if isinstance(subject, (Partial, Total)) and array_names(subject.wrt) <= wanted:
            if isinstance(subject, Partial) and name in array_names(subject.of):
                last = step
            elif last is None and isinstance(subject, Total):
                return step
    return last


def _with(slopes: Callable[..., Mapping[Edge, np.ndarray]], *args: Any) -> Predict:
    """Predicts the gradients by the chain rule, with the wrong slopes ``slopes(*args, point)``."""
    return lambda point: point.tape.adjoints(slopes(*args, point))


def _zero(edges: Sequence[Edge], point: ComparisonPoint) -> dict[Edge, np.ndarray]:
    return {edge: np.zeros_like(point.tape.slope(edge)) for edge in edges}


def _replaced(name: str, used: str, slope: Slope, point: ComparisonPoint) -> dict[Edge, np.ndarray]:
    """A wrong slope in place of all paths from an array to an equation."""
    right, value = _total_slope(point, name, used), point.values[name]
    unit = np.eye(value.size).reshape(right.shape)
    paths = [(name, between) for between in _between(point.program, name, used)]
    return {**_zero(paths, point), (name, used): slope(unit, right, value)}


def _between(program: Program, name: str, used: str) -> list[str]:
    """The abbreviations on the paths from an array to an equation."""
    direct = array_names(program.definitions[name].rhs) & program.definitions.keys()
    return [n for n in direct if not program.definitions[n].is_node and used in program.uses(n) and n != used]


def _total_slope(point: ComparisonPoint, name: str, used: str) -> np.ndarray:
    """The derivative of an array with respect to another one, including paths through abbreviations."""
    total = np.zeros(np.shape(point.values[name]) + np.shape(point.values[used]))
    if (name, used) in point.tape.edges:
        total = total + point.tape.slope((name, used))
    for between in _between(point.program, name, used):
        outer = point.tape.slope((name, between))
        total = total + np.tensordot(outer, _total_slope(point, between, used), np.ndim(point.values[between]))
    return total


def _slope_at(point: ComparisonPoint, name: str, used: str, value: np.ndarray) -> np.ndarray:
    """The derivative of an equation with respect to an array, evaluated at another value of the array."""
    if (name, used) not in point.tape.edges:
        raise NotApplicable(name)
    return point.tape.slope_at((name, used), evaluator(point.program, point.sizes, {**point.values, used: value}))


def _at_output(name: str, used: str, point: ComparisonPoint) -> dict[Edge, np.ndarray]:
    return {(name, used): _slope_at(point, name, used, point.values[name])}


def _slope_at_gradient(name: str, used: str, point: ComparisonPoint) -> dict[Edge, np.ndarray]:
    return {(name, used): _slope_at(point, name, used, point.adjoints[name])}


def _at_gradient(name: str, used: str, point: ComparisonPoint) -> Arrays:
    """The derivative, evaluated at the incoming gradient, in place of the adjoint of ``used``."""
    slope, rank = _slope_at(point, name, used, point.adjoints[name]), np.ndim(point.values[name])
    return point.adjoints_with(used, slope.sum(axis=tuple(range(rank))))


# --- whole adjoints ---------------------------------------------------------------------------------------------------


def adjoints_of_later_arrays(record: Record) -> Iterator[Hypothesis]:
    """The adjoint of an array returned for an earlier array with the same axes."""
    program = record.program
    for early, late in permutations(record.adjoints, 2):
        if early in program.ancestors[late] and _same_axes(program, early, late) and program.arrays[late].axes:
            what = f"the derivative of {name_text(late)} with respect to {name_text(early)} is left out"
            words = f"{what}: the gradient with respect to {name_text(late)} is returned for {name_text(early)}"
            yield Hypothesis("jacobian", 0.85, partial(_passed_on, early, late), _line_of(record, early), words)


def _line_of(record: Record, name: str) -> int:
    return adjoint_lines(record)[name].number


def _passed_on(early: str, late: str, point: ComparisonPoint) -> Arrays:
    return point.adjoints_with(early, point.adjoints[late])


def swapped_gradients(record: Record) -> Iterator[Hypothesis]:
    """Two gradients with the same axes swapped."""
    for one, other in combinations(record.wrt, 2):
        if _same_axes(record.program, one, other):
            words = f"the gradients with respect to {name_text(one)} and {name_text(other)} are swapped"
            yield Hypothesis("swapped", 0.3, partial(_swapped, one, other), None, words)


def _swapped(one: str, other: str, point: ComparisonPoint) -> Arrays:
    return {**point.truth, one: point.truth[other], other: point.truth[one]}


def summed_gradients(record: Record) -> Iterator[Hypothesis]:
    """The gradient with respect to an array with more axes, summed over these, in place of another one."""
    program = record.program
    for one, other in permutations(record.wrt, 2):
        axes, more = ([a.name for a in program.arrays[name].axes] for name in (one, other))
        over = tuple(number for number, axis in enumerate(more) if axis not in axes)
        if over and axes and [axis for axis in more if axis in axes] == axes:
            what = f"the gradient with respect to {name_text(other)} is returned for {name_text(one)}, summed over"
            words = f"{what} {' and '.join(more[number] for number in over)}"
            yield Hypothesis("swapped", 0.9, partial(_summed, one, other, over), _line_of(record, one), words)


def _summed(one: str, other: str, over: tuple[int, ...], point: ComparisonPoint) -> Arrays:
    return {**point.truth, one: point.truth[other].sum(axis=over)}


# --- lines about adjoints ---------------------------------------------------------------------------------------------


def of_lines(record: Record, generators: Sequence[Generator] = GENERATORS, line: str = "") -> Iterator[Hypothesis]:
    """The small edits of the lines about adjoints; ``line`` replaces "line 5" in their descriptions."""
    for step in (s for s in record.steps if isinstance(s.subject, Total) and s.rule != "close"):
        for change in changes(step.after, letters_of(step), _arrays(record), record, generators):
            yield _of_line(record, step, change, line)


def of_lines_more_widely(record: Record) -> Iterator[Hypothesis]:
    """Less likely edits of the lines, edits of the lines of the derivation in which every array has an adjoint, and two
    edits of one line."""
    yield from of_lines(record, LESS_LIKELY)
    program = record.program.with_nodes(record.program.definitions)
    if program != record.program:
        whole = derived(program, record.wrt)
        there = cache(lambda point: ComparisonPoint.of(whole, point.sizes, point.inputs))
        for generators in (GENERATORS, LESS_LIKELY):
            yield from (_elsewhere(whole, there, h) for h in of_lines(whole, generators, "a line"))
    for step in adjoint_lines(record).values():
        yield from (_of_line(record, step, change) for change in _two_changes(step, record))


def _arrays(record: Record) -> list[Array]:
    """The arrays on which the loss depends."""
    needed = record.program.ancestors[record.program.output]
    return [a for n, a in record.program.arrays.items() if n in needed]


def _of_line(record: Record, step: Step, change: Change, line: str = "") -> Hypothesis:
    line = line or f"line {step.number}"
    assert isinstance(step.subject, Total)
    (name,) = array_names(step.subject.wrt)
    is_printable = not any(used.startswith((LAST, HARD)) for used in array_names(change.after))
    return Hypothesis(
        change.kind,
        1.3 + change.cost,
        lambda point: point.adjoints_with(name, point.value_of(change.after, letters_of(step))),
        step.number,
        lambda: f"{change.words()}, in {line} about the gradient with respect to {name_text(name)}",
        partial(_edited_line, record, step, change.after) if is_printable else str,
    )


def _edited_line(record: Record, step: Step, after: Expr) -> str:
    return step_text(record, step.number, lettered(after, record.program.axis, above=step.after))


def _elsewhere(
    record: Record, there: Callable[[ComparisonPoint], ComparisonPoint], hypothesis: Hypothesis
) -> Hypothesis:
    """The hypothesis about another derivation of the same gradient; ``there`` maps points to points of that one."""
    cost = hypothesis.cost + 0.2
    return replace(hypothesis, predict=lambda point: hypothesis.predict(there(point)), cost=cost, of=record)


def _two_changes(step: Step, record: Record) -> Iterator[Change]:
    arrays, letters = _arrays(record), letters_of(step)
    for one in changes(step.after, letters, arrays, record, GENERATORS):
        for two in changes(one.after, letters, arrays, record, GENERATORS) if one.kind in FIRST else ():
            words = partial(_both, one, two)
            yield Change(one.kind, words, two.after, one.cost + two.cost + 0.3)


def _both(one: Change, two: Change) -> str:
    return f"{one.words()}, and {two.words()}"
