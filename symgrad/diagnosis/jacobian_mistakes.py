"""Mistakes about a Jacobian: left out, cut to its diagonal, taken for zero, or evaluated at another array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np
from sympy import Expr, Indexed, Integer, KroneckerDelta, Mul

from symgrad.diagnosis.comparison_point import Bench, NotHere, adjoint_lines
from symgrad.diagnosis.hypotheses import Hypothesis, gradients, probability_text
from symgrad.notation import array_names, axis_name, renamed, replaced
from symgrad.program import Program
from symgrad.render.text import name_text, step_text
from symgrad.sampling.autodiff import Edge, evaluator
from symgrad.steps import Partial, Record, Step, Total

Predict = Callable[[Bench], dict[str, np.ndarray]]
Slope = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A slope made of the unit matrix, the right slope, and the value of the differentiated array."""


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product of two Jacobians of arrays of the same axes."""
    return np.asarray(np.tensordot(left, right, axes=left.ndim // 2))


JACOBIANS: Sequence[tuple[str, float, str, Slope]] = (
    ("jacobian", 0.8, "{jacobian} is left out", lambda unit, whole, value: unit),
    ("diagonal", 0.6, "only the diagonal of {jacobian} is used", lambda unit, whole, value: unit * whole),
    (
        *("swapped", 1.3, "the derivative of the logistic function, in terms of its value, is used as {derivative}"),
        lambda unit, whole, value: unit * (value * (1 - value)),
    ),
    (
        *("swapped", 1.3, "the derivative of tanh, in terms of its value, is used as {derivative}"),
        lambda unit, whole, value: unit * (1 - value * value),
    ),
    ("twice", 0.9, "{jacobian} is multiplied in once more", lambda unit, whole, value: _times(whole, whole)),
    (
        *("twice", 0.95, "{jacobian} is multiplied in once more, its diagonal alone"),
        lambda unit, whole, value: _times(whole, unit * whole),
    ),
)
"""What people write for the Jacobian of an array with respect to one of the same axes."""


def of_jacobians(record: Record) -> Iterator[Hypothesis]:
    """Every hypothesis about the derivative of one array by another."""
    program = record.program
    for name in program.definitions:
        for used in sorted(program.varies_with(name)):
            if used in record.adjoints or used in program.definitions:
                yield from _of_pair(record, name, used)
    for used in program.arrays:
        yield from _alone(record, used)
    yield from _passed_on(record)
    yield from _in_each_others_place(record)
    yield from _made_of_another(record)


def _passed_on(record: Record) -> Iterator[Hypothesis]:
    """The adjoint of one array returned for that of another of the same axes, from which it is computed."""
    program = record.program
    for early, late in permutations(record.adjoints, 2):
        if early in program.ancestors[late] and _alike(program, early, late) and program.arrays[late].axes:
            what = f"the derivative of {name_text(late)} with respect to {name_text(early)} is left out"
            line = adjoint_lines(record)[early].number
            words = f"{what}: the gradient with respect to {name_text(late)} is returned for {name_text(early)}"
            yield Hypothesis("jacobian", 0.85, partial(_standing_for, early, late), line, words)


def _standing_for(early: str, late: str, bench: Bench) -> dict[str, np.ndarray]:
    return gradients(bench, bench.adjoints_with(early, bench.adjoints[late]))


def _in_each_others_place(record: Record) -> Iterator[Hypothesis]:
    for one, other in combinations(record.wrt, 2):
        if _alike(record.program, one, other):
            what = f"the gradients with respect to {name_text(one)} and {name_text(other)} are swapped"
            yield Hypothesis("swapped", 0.3, partial(_exchanged, one, other), None, what)


def _made_of_another(record: Record) -> Iterator[Hypothesis]:
    """The gradient with respect to an array made of that by another, which has axes more: summed over these."""
    program = record.program
    for one, other in permutations(record.wrt, 2):
        own, axes = ([a.name for a in program.arrays[name].axes] for name in (one, other))
        over = tuple(place for place, axis in enumerate(axes) if axis not in own)
        if over and own and [axis for axis in axes if axis in own] == own:
            what = f"the gradient with respect to {name_text(other)} is returned for {name_text(one)}, summed over"
            words = f"{what} {' and '.join(axes[place] for place in over)}"
            line = adjoint_lines(record)[one].number
            yield Hypothesis("swapped", 0.9, partial(_summed, one, other, over), line, words)


def _summed(one: str, other: str, over: tuple[int, ...], bench: Bench) -> dict[str, np.ndarray]:
    return {**bench.truth, one: bench.truth[other].sum(axis=over)}


def _exchanged(one: str, other: str, bench: Bench) -> dict[str, np.ndarray]:
    return {**bench.truth, one: bench.truth[other], other: bench.truth[one]}


def _alone(record: Record, used: str) -> Iterator[Hypothesis]:
    """Of three ways or more in which the loss depends on an array, one alone."""
    program = record.program
    needed = program.ancestors[program.output]
    users = [d.name for d in program.ordered if used in array_names(d.rhs) and d.name in needed]
    for kept in users if len(users) > 2 else ():
        others = [user for user in users if user != kept]
        only = f"only {name_text(kept)} is differentiated with respect to {name_text(used)}"
        words = f"{' and '.join(map(name_text, others))} are treated as constant: {only}"
        cut = [(user, used) for user in others]
        line = _step(record, kept, used)
        yield Hypothesis("path", 1.1, _with(_cut, cut), line.number if line else None, words)


def _cut(edges: list[Edge], bench: Bench) -> dict[Edge, np.ndarray]:
    return {edge: np.zeros_like(bench.tape.slope(edge)) for edge in edges}


def _of_pair(record: Record, name: str, used: str) -> Iterator[Hypothesis]:
    program, step = record.program, _step(record, name, used)
    line = step.number if step else None
    derivative = f"the derivative of {name_text(name)} with respect to {name_text(used)}"
    if _alike(program, name, used) and program.arrays[name].axes:
        words = f"{derivative} is evaluated at {name_text(name)} instead of {name_text(used)}"
        yield Hypothesis("swapped", 1.2, _with(_at_output, name, used), line, words)
        if name in record.adjoints and used in record.adjoints:
            words = f"{derivative} is evaluated at the gradient with respect to {name_text(name)}, not multiplied by it"
            yield Hypothesis("swapped", 1.3, partial(_at_gradient, name, used), line, words)
        function = probability_text(program, name)
        jacobian = f"the Jacobian of {function}" if function else derivative
        reads = _deltas(step)
        for kind, cost, template, slope in JACOBIANS:
            words = template.format(jacobian=jacobian, derivative=derivative)
            yours = partial(_yours, record, step, reads.get(kind))
            yield Hypothesis(kind, cost, _with(_instead, name, used, slope), line, words, yours)
    if used in array_names(program.definitions[name].rhs):
        words = f"{name_text(used)} is treated as constant in the equation of {name_text(name)}"
        yield Hypothesis("path", 1.0, _with(_cut, [(name, used)]), line, words)


def _yours(record: Record, step: Step | None, after: Expr | None) -> str:
    return "" if step is None or after is None else step_text(record, step.number, after)


def _deltas(step: Step | None) -> dict[str, Expr]:
    """What a line about a Jacobian would read, by the kind of mistake, if the Jacobian were the unit matrix or its own
    diagonal."""
    if step is None or not isinstance(step.subject, Partial):
        return {}
    of, wrt = (e.indices if isinstance(e, Indexed) else () for e in (_entry(step.subject.of), step.subject.wrt))
    if [axis_name(i) for i in of] != [axis_name(i) for i in wrt]:
        return {}
    unit = Mul(*(KroneckerDelta(i, j) for i, j in zip(of, wrt, strict=True)))
    there = replaced(step.after, dict.fromkeys(unit.atoms(KroneckerDelta), Integer(1)))
    return {"jacobian": unit, "diagonal": unit * renamed(there, dict(zip(wrt, of, strict=True)))}


def _entry(expr: Expr) -> Expr:
    """The entry that an expression is a function of, if it is of one."""
    found = expr.atoms(Indexed)
    return next(iter(found)) if len(found) == 1 else expr


def _alike(program: Program, name: str, used: str) -> bool:
    return [a.name for a in program.arrays[name].axes] == [a.name for a in program.arrays[used].axes]


def _step(record: Record, name: str, used: str) -> Step | None:
    """The last line about the derivative of ``name``, or of something with it, by ``used`` or by what that abbreviates;
    else the first about the adjoint of ``used``."""
    program = record.program
    short = used in program.definitions and not program.definitions[used].is_node
    wanted = {used, *(program.uses(used) if short else ())}
    found = None
    for step in record.steps:
        subject = step.subject
        if isinstance(subject, (Partial, Total)) and array_names(subject.wrt) <= wanted:
            if isinstance(subject, Partial) and name in array_names(subject.of):
                found = step
            elif found is None and isinstance(subject, Total):
                return step
    return found


def _with(slopes: Callable[..., Mapping[Edge, np.ndarray]], *args: Any) -> Predict:
    """The chain rule with ``slopes(*args, bench)`` in the place of some."""
    return lambda bench: gradients(bench, bench.tape.adjoints(slopes(*args, bench)))


def _between(program: Program, name: str, used: str) -> list[str]:
    """The abbreviations through which an equation depends on an array."""
    direct = array_names(program.definitions[name].rhs) & program.definitions.keys()
    return [n for n in direct if not program.definitions[n].is_node and used in program.uses(n) and n != used]


def _whole(bench: Bench, name: str, used: str) -> np.ndarray:
    """The derivative of an array by another, through abbreviations too."""
    found = np.zeros(np.shape(bench.values[name]) + np.shape(bench.values[used]))
    if (name, used) in bench.tape.edges:
        found = found + bench.tape.slope((name, used))
    for between in _between(bench.program, name, used):
        outer = bench.tape.slope((name, between))
        found = found + np.tensordot(outer, _whole(bench, between, used), axes=np.ndim(bench.values[between]))
    return found


def _instead(name: str, used: str, slope: Slope, bench: Bench) -> dict[Edge, np.ndarray]:
    """``slope`` in place of all ways in which an equation depends on an array of the same axes."""
    whole, value = _whole(bench, name, used), bench.values[name]
    unit = np.eye(value.size).reshape(whole.shape)
    cut = {(name, n): np.zeros_like(bench.tape.slope((name, n))) for n in _between(bench.program, name, used)}
    return {**cut, (name, used): slope(unit, whole, value)}


def _at(bench: Bench, name: str, used: str, value: np.ndarray) -> np.ndarray:
    """The derivative of an equation by an array that it uses, at another value of that."""
    return bench.tape.slope_at((name, used), evaluator(bench.program, bench.sizes, {**bench.values, used: value}))


def _at_output(name: str, used: str, bench: Bench) -> dict[Edge, np.ndarray]:
    is_used = (name, used) in bench.tape.edges
    return {(name, used): _at(bench, name, used, bench.values[name])} if is_used else {}


def _at_gradient(name: str, used: str, bench: Bench) -> dict[str, np.ndarray]:
    """The derivative at the incoming gradient as the gradient itself."""
    if (name, used) not in bench.tape.edges:
        raise NotHere(name)
    slope, rank = _at(bench, name, used, bench.adjoints[name]), np.ndim(bench.values[name])
    return gradients(bench, bench.adjoints_with(used, slope.sum(axis=tuple(range(rank)))))
