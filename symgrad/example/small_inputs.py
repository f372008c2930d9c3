"""Inputs for a small example, chosen by the equations and never by the name of a loss: few rows, round numbers,
probabilities that are easy to verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, cycle, islice, repeat
from math import prod

import numpy as np
from sympy import Add, Indexed, Rational, Symbol
from sympy.tensor.indexed import Idx

from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import OutsideDomain, OutsideField, Reals
from symgrad.facts import Probabilities, probabilities, takes_labels
from symgrad.notation import Array, array_names, axis_name, name_of
from symgrad.program import Program, evaluation_order
from symgrad.sampling import InputSpace
from symgrad.steps import Record

NUMBERS = (2, 1, 0.5, -0.5, 1, -1, 1, -2, 3, -1.5, 2)
"""Entries of the inputs, again and again.  The first eight are a row X and weights W with X W = 0: where these come
first, the logits are the biases."""
TURNS: Sequence[Callable[[float], float]] = (lambda x: x, lambda x: x / 2, abs, lambda x: abs(x) / 4)
"""What is made of these numbers, until it suits: functions that saturate need small ones, logarithms and roots positive
ones, or ones below 1."""
SIZES = ((1, 2), (1, 3, 2), (2, 2), (2, 3, 2))
"""Sizes of the axes in order, the last one again and again: one row; three features, since two that are normalised are
1 and -1 whatever they were; two rows, since a contrastive loss of one is 0.  An only axis gets the second size."""
SCALAR, SHARE = 2.0, 0.75
"""What a number is, and one between 0 and 1: 0 and 1 might drop out, and 1/2 is its own complement."""
CLASSES = 3
ODDS = {True: (2, 3, 5), False: (5, 3, 2)}
"""What a softmax over the classes is proportional to, if it varies with what is differentiated by, and if not."""
CHANCE = 0.8
"""What a logistic function is."""
CLOSE, DUST = 1e-9, 1e-14
REALS = Reals(1, 0)


@dataclass(frozen=True)
class Point:
    """Inputs of a program at given sizes, and what was ``chosen`` about them, in words."""

    program: Program
    sizes: Mapping[str, int]
    inputs: dict[str, np.ndarray]
    chosen: tuple[str, ...] = ()

    @cached_property
    def evaluator(self) -> Evaluator:
        """Evaluates expressions in the arrays of the program.  Raises ``OutsideDomain`` where one is not real."""
        return self.up_to(tuple(self.program.definitions))

    def up_to(self, names: Sequence[str]) -> Evaluator:
        """The same for the arrays ``names``, and those from which they are computed."""
        values = {name: _exactly(array) for name, array in self.inputs.items()}
        evaluator = Evaluator(REALS, self.program, self.sizes, values, {})
        for definition in evaluation_order(self.program, names):
            values[definition.name] = evaluator.over(definition.rhs, definition.indices)
        return evaluator


def _exactly(array: np.ndarray) -> np.ndarray:
    found = np.empty((1, *array.shape), dtype=object)
    for place in np.ndindex(*array.shape):
        found[(0, *place)] = REALS.constant(Rational(float(array[place])))[0]
    return found


def floats(values: np.ndarray) -> np.ndarray:
    """The evaluator's numbers in double precision."""
    return clean(np.asarray(values[0], dtype=float))


def clean(values: np.ndarray) -> np.ndarray:
    """Numbers in which rounding errors relative to the largest, and negative zeros, become 0."""
    dust = DUST * np.abs(values).max(initial=0.0)
    return np.where(np.abs(values) <= dust, 0.0, values)


def point_of(record: Record, sizes: Sequence[int], turn: Callable[[float], float]) -> Point:
    """Inputs from the table of numbers that satisfy the assumptions and make probabilities simple."""
    program = record.program
    own = probabilities(program)
    labels = [a for a in program.inputs if a.axes and _is_labels(a, record, own)]
    classes = _classes(labels, own, program)
    given = chain(sizes if len(program.axes) > 1 else sizes[1:], repeat(sizes[-1]))
    over = {axis.name: CLASSES if axis.name in classes else next(given) for axis in program.axes}
    fractions = _fractions(program)
    words = [f"{a.name} {_label_words(over, a)}" for a in labels] + _scalar_words(program, fractions)
    numbers = _numbers(program, over, turn, [a.name for a in labels], fractions)
    point = Point(program, over, numbers, tuple(words))
    for p in own:
        point = _with_simple(p, point, record)
    return point


def _is_labels(array: Array, record: Record, own: Sequence[Probabilities]) -> bool:
    """Whether rows of an input are classes: an assumption says so, or probabilities independent of it allow it."""
    program = record.program
    if any(array_names(a.lhs) == {array.name} and not (a.is_symmetry or a.domain) for a in program.assumptions):
        return True
    alike = [p.name for p in own if program.definitions[p.name].indices[-1:] == (p.over,)]
    alike = [name for name in alike if program.arrays[name].axes == array.axes]
    return bool(alike) and takes_labels(record, array) and all(array.name not in program.ancestors[p] for p in alike)


def _classes(labels: Sequence[Array], own: Sequence[Probabilities], program: Program) -> set[str]:
    """The axes of classes: the last axes of labels, and the axes along which probabilities sum to one, except axes of
    rows."""
    found = {array.axes[-1].name for array in labels}
    for p in own:
        over = [axis_name(i) for i in program.definitions[p.name].indices]
        found |= {axis_name(i) for i in (p.over,) if i is not None and over.count(axis_name(i)) == 1}
    return found


def _label(place: int, classes: int) -> int:
    """The label of a row: the last class first, so the first row of three classes has label 2."""
    return (classes - 1 - 2 * place) % classes


def _label_words(sizes: Mapping[str, int], array: Array) -> str:
    *rows, classes = (sizes[axis.name] for axis in array.axes)
    chosen = [str(_label(place, classes)) for place in range(prod(rows))]
    shown = "is the one-hot row of label" if len(chosen) == 1 else "has the one-hot rows of the labels"
    return f"{shown} {', '.join(chosen)} (of {', '.join(map(str, range(classes)))})"


def _scalar(default: float | None, is_fraction: bool) -> float:
    """The value of a scalar: its default, unless the default has no effect."""
    if default is not None and default not in ((0, 0.5, 1) if is_fraction else (0, 1)):
        return default
    return SHARE if is_fraction else SCALAR


def _scalar_words(program: Program, fractions: Set[str]) -> list[str]:
    defaults = {name: float(value) for name, value in program.defaults}
    chosen = {name: _scalar(default, name in fractions) for name, default in defaults.items()}
    return [
        f"{name} is {chosen[name]:g}, not {default:g} as by default"
        for name, default in defaults.items()
        if chosen[name] != default
    ]


def _numbers(
    program: Program,
    sizes: Mapping[str, int],
    turn: Callable[[float], float],
    labels: Sequence[str],
    fractions: Set[str],
) -> dict[str, np.ndarray]:
    numbers = map(turn, cycle(NUMBERS))
    defaults = {name: float(value) for name, value in program.defaults}
    found: dict[str, np.ndarray] = {}
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        if not shape:
            found[array.name] = np.array(_scalar(defaults.get(array.name), array.name in fractions))
            continue
        count = prod(shape)
        if array.name in labels:
            chosen = [_label(place, shape[-1]) for place in range(count // shape[-1])]
            found[array.name] = np.eye(shape[-1])[chosen].reshape(shape)
        elif array.name in fractions:
            found[array.name] = np.resize([turn(1.0), 0.0], count).reshape(shape)
        else:
            found[array.name] = np.array(list(islice(numbers, count)), dtype=float).reshape(shape)
    return InputSpace(program).admissible(found)


def _fractions(program: Program) -> set[str]:
    """The inputs intended to be between 0 and 1, because the equations contain their complement, 1 - y."""
    inputs = {array.name for array in program.inputs}
    sums = (total for definition in program.ordered for total in definition.rhs.atoms(Add))
    pairs = (total.as_coeff_Add() for total in sums)
    others = [-rest / one for one, rest in pairs if one != 0]
    return {name_of(other) for other in others if isinstance(other, (Indexed, Symbol))} & inputs


def _with_simple(own: Probabilities, point: Point, record: Record) -> Point:
    """The point with an input changed so that the probabilities are simple, if the logits are linear in an input."""
    program, sizes = point.program, point.sizes
    indices = program.definitions[own.name].indices
    if own.over is None:
        odds, words = np.array(CHANCE / (1 - CHANCE)), f"{CHANCE}"
    elif sizes[axis_name(own.over)] == CLASSES:
        chosen = ODDS[bool(program.varying_ancestors[own.name] & set(record.wrt))]
        odds = np.expand_dims(chosen, [place for place, i in enumerate(indices) if i != own.over])
        words = f"({', '.join(str(odd / sum(chosen)) for odd in chosen)})"
    else:
        return point
    logits = np.broadcast_to(np.log(odds), [sizes[axis_name(i)] for i in indices])
    settled = {*dict(program.defaults), *(name for a in program.assumptions for name in array_names(a.lhs))}
    for array in program.inputs:
        if array.name in program.ancestors[own.name] - settled:
            moved = _moved(array, own, indices, logits, point)
            if moved is not None:
                remark = f"{array.name} is chosen so that {_part(array, indices, sizes)}{own.name} is {words}"
                return replace(point, inputs=point.inputs | {array.name: moved}, chosen=(remark, *point.chosen))
    return point


def _part(array: Array, indices: Sequence[Idx], sizes: Mapping[str, int]) -> str:
    """The part of an array that an input determines: all, or the first entries along the axes that the input lacks."""
    lacking = _lacking(array, indices, sizes)
    line = "entry" if len(indices) == 1 else "column" if lacking == [1] else "row"
    return f"the first {line} of " if lacking else ""


def _lacking(array: Array, indices: Sequence[Idx], sizes: Mapping[str, int]) -> list[int]:
    """The positions of the indices whose axes have more than one entry and are not axes of the array."""
    own = [axis.name for axis in array.axes]
    return [place for place, i in enumerate(indices) if axis_name(i) not in own and sizes[axis_name(i)] > 1]


def _moved(
    array: Array, own: Probabilities, indices: Sequence[Idx], wanted: np.ndarray, point: Point
) -> np.ndarray | None:
    """The values of an input for which the logits are ``wanted`` over ``indices`` (at the first position of axes that
    it lacks); None if it lacks the axis of classes, or if the logits are not linear in it."""
    program = point.program
    over, axes = [axis_name(i) for i in indices], [axis.name for axis in array.axes]
    twice = any(len(set(names)) < len(names) for names in (over, axes))
    if array.positive or twice or not set(axes) <= set(over):
        return None
    if (own.over is not None and axis_name(own.over) not in axes) or (
        len(over) > 2 and _lacking(array, indices, point.sizes)
    ):
        return None
    needed = sorted(array_names(own.exponent) & program.definitions.keys())
    first = tuple(0 if name not in axes else slice(None) for name in over)
    kept = [name for name in over if name in axes]

    def at(values: np.ndarray) -> np.ndarray:
        moved = replace(point, inputs=point.inputs | {array.name: values})
        return floats(moved.up_to(needed).over(own.exponent, tuple(indices)))[first]

    shape = point.inputs[array.name].shape
    try:
        start = at(np.zeros(shape))
        slope = at(np.ones(shape)) - start
        if np.abs(slope).min() < CLOSE:
            return None
        solved = ((wanted[first] - start) / slope).transpose([kept.index(name) for name in axes])
        return solved if np.allclose(at(solved), wanted[first], rtol=CLOSE, atol=CLOSE) else None
    except (OutsideDomain, OutsideField):
        return None
