"""Inputs for a small example: few rows, round numbers, and probabilities that are easy to verify.  The equations of the
program determine them, not the name of the loss."""

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
from symgrad.facts import Probabilities, evaluation_order, probabilities, takes_labels
from symgrad.notation import Array, array_names, axis_name, name_of
from symgrad.program import Program
from symgrad.sampling import InputSpace
from symgrad.steps import Record

NUMBERS = (2, 1, 0.5, -0.5, 1, -1, 1, -2, 3, -1.5, 2)
"""The entries of the inputs, repeated.  The first eight are a row X and weights W with X W = 0: if these come first,
the logits are the biases."""
TURNS: Sequence[Callable[[float], float]] = (lambda x: x, lambda x: x / 2, abs, lambda x: abs(x) / 4)
"""Transformations of the entries, tried in order: functions that saturate need small numbers, logarithms and roots need
positive numbers, or numbers below 1."""
SIZES = ((1, 2), (1, 3, 2), (2, 2), (2, 3, 2))
"""The sizes of the axes in order, with the last one repeated: one row; three features, because two normalized features
are always 1 and -1; two rows, because a contrastive loss of one row is 0.  A single axis gets the second size."""
SCALAR, SHARE = 2.0, 0.75
"""The value of a scalar, and of a scalar between 0 and 1: 0 and 1 might drop out, and 1/2 is its own complement."""
CLASSES = 3
ODDS = {True: (2, 3, 5), False: (5, 3, 2)}
"""The ratios of a softmax over the classes, if it varies with the arrays in ``wrt``, and if not."""
CHANCE = 0.8
"""The value of a logistic function."""
CLOSE, DUST = 1e-9, 1e-14
REALS = Reals(1, 0)


@dataclass(frozen=True)
class Point:
    """Inputs of a program at given sizes; the phrases ``chosen`` say how some of them were chosen."""

    program: Program
    sizes: Mapping[str, int]
    inputs: dict[str, np.ndarray]
    chosen: tuple[str, ...] = ()

    @cached_property
    def evaluator(self) -> Evaluator:
        """An evaluator of expressions in all arrays.  Raises ``OutsideDomain`` if an array is not real."""
        return self.up_to(tuple(self.program.definitions))

    def up_to(self, names: Sequence[str]) -> Evaluator:
        """An evaluator of expressions in the arrays ``names`` and the arrays from which these are computed."""
        values = {name: _exactly(array) for name, array in self.inputs.items()}
        evaluator = Evaluator(REALS, self.program, self.sizes, values, {})
        for definition in evaluation_order(self.program, names):
            values[definition.name] = evaluator.over(definition.rhs, definition.indices)
        return evaluator


def _exactly(array: np.ndarray) -> np.ndarray:
    levels = np.empty((1, *array.shape), dtype=object)
    for index in np.ndindex(*array.shape):
        levels[(0, *index)] = REALS.constant(Rational(float(array[index])))[0]
    return levels


def floats(values: np.ndarray) -> np.ndarray:
    """The numbers of the evaluator, in double precision."""
    return clean(np.asarray(values[0], dtype=float))


def clean(values: np.ndarray) -> np.ndarray:
    """The numbers with 0 in place of -0, and of what is only a rounding error next to the largest number."""
    dust = DUST * np.abs(values).max(initial=0.0)
    return np.where(np.abs(values) <= dust, 0.0, values)


def point_of(record: Record, sizes: Sequence[int], turn: Callable[[float], float]) -> Point:
    """Inputs made of the transformed ``NUMBERS`` that satisfy the assumptions and give simple probabilities."""
    program = record.program
    every = probabilities(program)
    labels = [a for a in program.inputs if a.axes and _is_labels(a, record, every)]
    classes = _classes(labels, every, program)
    others = chain(sizes if len(program.axes) > 1 else sizes[1:], repeat(sizes[-1]))
    shape = {axis.name: CLASSES if axis.name in classes else next(others) for axis in program.axes}
    fractions = _fractions(program)
    words = [f"{a.name} {_label_words(shape, a)}" for a in labels] + _scalar_words(program, fractions)
    numbers = _numbers(program, shape, turn, [a.name for a in labels], fractions)
    point = Point(program, shape, numbers, tuple(words))
    for p in every:
        point = _with_simple(p, point, record)
    return point


def _is_labels(array: Array, record: Record, every: Sequence[Probabilities]) -> bool:
    """Whether the rows of an input are labels: by an assumption, or because it takes labels, and probabilities with the
    same axes do not depend on it."""
    program = record.program
    if any(array_names(a.lhs) == {array.name} and not (a.is_structure or a.domain) for a in program.assumptions):
        return True
    alike = [p.name for p in every if program.definitions[p.name].indices[-1:] == (p.over,)]
    alike = [name for name in alike if program.arrays[name].axes == array.axes]
    return bool(alike) and takes_labels(record, array) and all(array.name not in program.ancestors[p] for p in alike)


def _classes(labels: Sequence[Array], every: Sequence[Probabilities], program: Program) -> set[str]:
    """The axes of classes: the last axes of labels, and the axes along which probabilities sum to one, unless they are
    also axes of rows."""
    classes = {array.axes[-1].name for array in labels}
    for p in every:
        axes = [axis_name(i) for i in program.definitions[p.name].indices]
        classes |= {axis_name(i) for i in (p.over,) if i is not None and axes.count(axis_name(i)) == 1}
    return classes


def _label(row: int, classes: int) -> int:
    """The label of a row; the first row has the last class."""
    return (classes - 1 - 2 * row) % classes


def _label_words(sizes: Mapping[str, int], array: Array) -> str:
    *rows, classes = (sizes[axis.name] for axis in array.axes)
    labels = [str(_label(row, classes)) for row in range(prod(rows))]
    words = "is the one-hot row of label" if len(labels) == 1 else "has the one-hot rows of the labels"
    return f"{words} {', '.join(labels)} (of {', '.join(map(str, range(classes)))})"


def _scalar(default: float | None, is_fraction: bool) -> float:
    """The value of a scalar: its default, unless the default would have no effect."""
    if default is not None and default not in ((0, 0.5, 1) if is_fraction else (0, 1)):
        return default
    return SHARE if is_fraction else SCALAR


def _scalar_words(program: Program, fractions: Set[str]) -> list[str]:
    defaults = {name: float(value) for name, value in program.defaults}
    pairs = [(name, _scalar(default, name in fractions), default) for name, default in defaults.items()]
    return [f"{name} is {value:g}, not {default:g} as by default" for name, value, default in pairs if value != default]


def _numbers(
    program: Program,
    sizes: Mapping[str, int],
    turn: Callable[[float], float],
    labels: Sequence[str],
    fractions: Set[str],
) -> dict[str, np.ndarray]:
    numbers = map(turn, cycle(NUMBERS))
    defaults = {name: float(value) for name, value in program.defaults}
    inputs: dict[str, np.ndarray] = {}
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        if not shape:
            value = np.array(_scalar(defaults.get(array.name), array.name in fractions))
        elif array.name in labels:
            value = np.eye(shape[-1])[[_label(row, shape[-1]) for row in range(prod(shape[:-1]))]]
        elif array.name in fractions:
            value = np.resize([turn(1.0), 0.0], prod(shape))
        else:
            value = np.array(list(islice(numbers, prod(shape))), dtype=float)
        inputs[array.name] = value.reshape(shape)
    return InputSpace(program).admissible(inputs)


def _fractions(program: Program) -> set[str]:
    """The inputs y that are presumably between 0 and 1, because the equations contain 1 - y."""
    inputs = {array.name for array in program.inputs}
    sums = (total for definition in program.ordered for total in definition.rhs.atoms(Add))
    pairs = (total.as_coeff_Add() for total in sums)
    others = [-rest / one for one, rest in pairs if one != 0]
    return {name_of(other) for other in others if isinstance(other, (Indexed, Symbol))} & inputs


def _with_simple(p: Probabilities, point: Point, record: Record) -> Point:
    """The point with an input changed so that the probabilities are simple, if the logits are linear in an input."""
    program, sizes = point.program, point.sizes
    indices = program.definitions[p.name].indices
    if p.over is None:
        odds, words = np.array(CHANCE / (1 - CHANCE)), f"{CHANCE}"
    elif sizes[axis_name(p.over)] == CLASSES:
        ratios = ODDS[bool(program.varying_ancestors[p.name] & set(record.wrt))]
        odds = np.expand_dims(ratios, [axis for axis, i in enumerate(indices) if i != p.over])
        words = f"({', '.join(str(ratio / sum(ratios)) for ratio in ratios)})"
    else:
        return point
    logits = np.broadcast_to(np.log(odds), [sizes[axis_name(i)] for i in indices])
    settled = {*dict(program.defaults), *(name for a in program.assumptions for name in array_names(a.lhs))}
    for array in program.inputs:
        if array.name in program.ancestors[p.name] - settled:
            moved = _moved(array, p, indices, logits, point)
            if moved is not None:
                remark = f"{array.name} is chosen so that {_part(array, indices, sizes)}{p.name} is {words}"
                return replace(point, inputs=point.inputs | {array.name: moved}, chosen=(remark, *point.chosen))
    return point


def _part(array: Array, indices: Sequence[Idx], sizes: Mapping[str, int]) -> str:
    """The words for the probabilities that an input determines: "" for all, or the first ones along axes it lacks."""
    lacking = _lacking(array, indices, sizes)
    line = "entry" if len(indices) == 1 else "column" if lacking == [1] else "row"
    return f"the first {line} of " if lacking else ""


def _lacking(array: Array, indices: Sequence[Idx], sizes: Mapping[str, int]) -> list[int]:
    """The positions of the indices whose axes have more than one entry and are not axes of the array."""
    axes = [axis.name for axis in array.axes]
    return [n for n, i in enumerate(indices) if axis_name(i) not in axes and sizes[axis_name(i)] > 1]


def _moved(
    array: Array, p: Probabilities, indices: Sequence[Idx], wanted: np.ndarray, point: Point
) -> np.ndarray | None:
    """The values of an input for which the logits are ``wanted`` over ``indices``, at the first entry along axes that
    the input lacks; None if it lacks the axis of classes, or if the logits are not linear in it."""
    program = point.program
    over, axes = [axis_name(i) for i in indices], [axis.name for axis in array.axes]
    twice = any(len(set(names)) < len(names) for names in (over, axes))
    if array.positive or twice or not set(axes) <= set(over):
        return None
    lacks_classes = p.over is not None and axis_name(p.over) not in axes
    if lacks_classes or (len(over) > 2 and _lacking(array, indices, point.sizes)):
        return None
    needed = sorted(array_names(p.exponent) & program.definitions.keys())
    first = tuple(0 if name not in axes else slice(None) for name in over)
    kept = [name for name in over if name in axes]

    def at(values: np.ndarray) -> np.ndarray:
        moved = replace(point, inputs=point.inputs | {array.name: values})
        return floats(moved.up_to(needed).over(p.exponent, tuple(indices)))[first]

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
