"""A small numeric example of a derivation, as lecture notes work one: a row, few features, round numbers.

The loss and the gradients are those of the generated function.  The arrays on the way are evaluated from the program's
equations, by the checker's evaluator.  Sizes and inputs are chosen by what the equations say, and never by the name of
a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, cycle, islice, product, repeat
from math import prod
from typing import Any

import numpy as np
from sympy import Add, Expr, Indexed, Rational, Symbol
from sympy.tensor.indexed import Idx

from symgrad.check.evaluate import Evaluator
from symgrad.check.fields import OutsideDomain, OutsideField, Reals
from symgrad.codegen import to_numpy
from symgrad.codegen.labels import takes_labels
from symgrad.codegen.schedule import name_of
from symgrad.exhibits import Example, Quantity
from symgrad.functions import MEANINGS, selection, signum, step
from symgrad.notation import Array, array_names, axis_name
from symgrad.probabilities import Probabilities, probabilities
from symgrad.program import Program, evaluation_order
from symgrad.steps import Record

NUMBERS = (2, 1, 0.5, -0.5, 1, -1, 1, -2, 3, -1.5, 2)
"""Entries of the inputs, again and again.  The first eight are a row X and weights W with X W = 0: where these come
first, the logits are the biases."""
TURNS: Sequence[Callable[[float], float]] = (lambda x: x, abs, lambda x: abs(x) / 4)
"""What is made of these numbers, until it suits: logarithms and roots need positive ones, or ones below 1."""
SIZES = ((1, 2), (1, 3, 2), (2, 3, 2))
"""Sizes of the axes in order, the last one again and again: one row; three features, since two that are normalised are
1 and -1 whatever they were; two rows, since a contrastive loss of one is 0.  An only axis gets the second size."""
CLASSES = 3
ODDS = {True: (2, 3, 5), False: (5, 3, 2)}
"""What a softmax over the classes is proportional to, if it varies with what is differentiated by, and if not."""
CHANCE = 0.8
"""What a logistic function is."""
MOST_ENTRIES = 12
"""An array on the way with more entries is not shown, nor is one of more than two axes."""
VANISHING = 1e-2
"""A gradient without a larger entry shows nothing."""
LARGE = 1e4
"""Nor does an array on the way with a larger one."""
CLOSE = 1e-9
_KINKED = tuple(function for function, meaning in MEANINGS.items() if meaning.convention)


def worked_example(record: Record) -> Example | None:
    """The first choice of sizes and inputs at which everything is finite, no function has a kink, no gradient asked
    for vanishes and no number is large; if there is none, the first at which everything is finite; None if there is
    none of these."""
    wanted = {**record.adjoints, **record.gradients}
    function = to_numpy(replace(record, wrt=tuple(wanted), gradients=wanted))
    second_best: Example | None = None
    vanishing: tuple[Mapping[str, int], str] | None = None
    for sizes, turn in product(SIZES, TURNS):
        try:
            point = _point(record, sizes, turn)
            found = _run(function, point, tuple(wanted))
            if found is None or not _holds(point):
                continue
            small = [name for name in record.wrt if np.abs(found[1][name]).max() < VANISHING]
            example = _example(record, point, *found)
            if not small and not _has_kink(point) and not _is_large(example):
                return _with_reason(example, vanishing)
        except (OutsideDomain, OutsideField):
            continue
        second_best = second_best or example
        if small and vanishing is None:
            vanishing = point.sizes, small[0]
    return second_best


def _with_reason(example: Example, vanishing: tuple[Mapping[str, int], str] | None) -> Example:
    """The example, its remark saying why smaller sizes would not do."""
    if vanishing is None or vanishing[0] == example.sizes:
        return example
    sizes = ", ".join(f"{axis} = {size}" for axis, size in vanishing[0].items())
    words = f"At {sizes} the gradient by {vanishing[1]} would be 0, or nearly so."
    return replace(example, remark=f"{example.remark} {words}".strip())


def _is_large(example: Example) -> bool:
    return any(np.abs(quantity.values).max() > LARGE for quantity in example.defined)


@dataclass(frozen=True)
class _Point:
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
        numbers = Reals(1, 0)
        values = {name: _exactly(numbers, array) for name, array in self.inputs.items()}
        evaluator = Evaluator(numbers, self.program, self.sizes, values, {})
        for definition in evaluation_order(self.program, names):
            values[definition.name] = evaluator.over(definition.rhs, definition.indices)
        return evaluator


def _exactly(numbers: Reals, array: np.ndarray) -> np.ndarray:
    found = np.empty((1, *array.shape), dtype=object)
    for place in np.ndindex(*array.shape):
        found[(0, *place)] = numbers.constant(Rational(float(array[place])))[0]
    return found


def _floats(values: np.ndarray) -> np.ndarray:
    """The evaluator's numbers in double precision; what rounds to 0 has no sign."""
    return np.asarray(values[0], dtype=float) + 0.0


def _run(
    function: Callable[..., Any], point: _Point, names: Sequence[str]
) -> tuple[float, dict[str, np.ndarray]] | None:
    """The loss and its gradients by name; None where one is not finite, or where the function refuses the inputs."""
    given = [a if a.ndim else float(a) for a in (point.inputs[array.name] for array in point.program.inputs)]
    with np.errstate(all="ignore"):
        try:
            loss, gradients = function(*given)
        except (ValueError, ArithmeticError):
            return None
    found = {name: np.asarray(g, dtype=float) + 0.0 for name, g in zip(names, gradients, strict=True)}
    return (float(loss), found) if all(np.isfinite(a).all() for a in (loss, *found.values())) else None


def _example(record: Record, point: _Point, loss: float, gradients: Mapping[str, np.ndarray]) -> Example:
    arrays = record.program.arrays
    on_the_way = [n for n in record.program.definitions if n != record.program.output and _is_small(arrays[n], point)]
    values = {n: _floats(point.evaluator.over(arrays[n][_indices(record, n)], _indices(record, n))) for n in on_the_way}
    return Example(
        sizes=point.sizes,
        remark=" ".join(f"{words}." for words in point.chosen),
        inputs=tuple(Quantity(a, point.inputs[a.name]) for a in record.program.inputs),
        defined=tuple(Quantity(arrays[n], values[n]) for n in on_the_way),
        loss=loss,
        gradients=tuple(
            Quantity(arrays[n], g) for n, g in gradients.items() if n in record.wrt or _is_small(arrays[n], point)
        ),
    )


def _indices(record: Record, name: str) -> Any:
    return record.program.definitions[name].indices


def _is_small(array: Array, point: _Point) -> bool:
    return array.has_matrix and prod(point.sizes[a.name] for a in array.axes) <= MOST_ENTRIES


def _point(record: Record, sizes: Sequence[int], turn: Callable[[float], float]) -> _Point:
    """Inputs made of the numbers of the table that satisfy what is assumed, and such that probabilities are simple."""
    program = record.program
    own = probabilities(program)
    labels = [a for a in program.inputs if a.axes and _is_labels(a, record, own)]
    classes = _classes(labels, own, program)
    given = chain(sizes if len(program.axes) > 1 else sizes[1:], repeat(sizes[-1]))
    over = {axis.name: CLASSES if axis.name in classes else next(given) for axis in program.axes}
    words = [f"{a.name} is {_label_words(over, a)}" for a in labels]
    point = _Point(program, over, _numbers(program, over, turn, [a.name for a in labels]), tuple(words))
    for p in own:
        point = _with_simple(p, point, record)
    return point


def _is_labels(array: Array, record: Record, own: Sequence[Probabilities]) -> bool:
    """Whether rows of an input are classes: it is assumed, or probabilities that do not depend on it allow it."""
    program = record.program
    if any(array_names(a.lhs) == {array.name} and not a.is_symmetry for a in program.assumptions):
        return True
    alike = [p.name for p in own if program.definitions[p.name].indices[-1:] == (p.over,)]
    alike = [name for name in alike if program.arrays[name].axes == array.axes]
    return bool(alike) and takes_labels(record, array) and all(array.name not in program.ancestors[p] for p in alike)


def _classes(labels: Sequence[Array], own: Sequence[Probabilities], program: Program) -> set[str]:
    """The axes of classes: the last ones of labels, and those along which probabilities add up to one, unless they are
    those of the rows as well."""
    found = {array.axes[-1].name for array in labels}
    for p in own:
        over = [axis_name(i) for i in program.definitions[p.name].indices]
        found |= {axis_name(i) for i in (p.over,) if i is not None and over.count(axis_name(i)) == 1}
    return found


def _label(place: int, classes: int) -> int:
    """The label of a row: the last class first, so that one of three is label 2."""
    return (classes - 1 - 2 * place) % classes


def _label_words(sizes: Mapping[str, int], array: Array) -> str:
    *rows, classes = (sizes[axis.name] for axis in array.axes)
    chosen = [str(_label(place, classes)) for place in range(prod(rows))]
    return f"label{'s' if len(chosen) > 1 else ''} {', '.join(chosen)} of 0..{classes - 1}"


def _numbers(
    program: Program, sizes: Mapping[str, int], turn: Callable[[float], float], labels: Sequence[str]
) -> dict[str, np.ndarray]:
    numbers = map(turn, cycle(NUMBERS))
    defaults = {name: float(value) for name, value in program.defaults}
    fractions = _fractions(program)
    symmetric = {name for a in program.assumptions if a.is_symmetry for name in array_names(a.lhs)}
    found: dict[str, np.ndarray] = {}
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        if not shape:
            found[array.name] = np.array(defaults.get(array.name, 0.5 if array.name in fractions else 1.0))
            continue
        count = prod(shape)
        if array.name in labels:
            chosen = [_label(place, shape[-1]) for place in range(count // shape[-1])]
            found[array.name] = np.eye(shape[-1])[chosen].reshape(shape)
        elif array.name in fractions:
            found[array.name] = np.resize([turn(1.0), 0.0], count).reshape(shape)
        else:
            made = np.array(list(islice(numbers, count)), dtype=float).reshape(shape)
            made = np.triu(made) + np.triu(made, 1).T if array.name in symmetric else made
            found[array.name] = np.abs(made) if array.positive else made
    return found


def _fractions(program: Program) -> set[str]:
    """The inputs that are meant to lie between 0 and 1: those of which the equations take the complement, 1 - y."""
    inputs = {array.name for array in program.inputs}
    sums = (total for definition in program.ordered for total in definition.rhs.atoms(Add))
    pairs = (total.as_coeff_Add() for total in sums)
    others = [-rest / one for one, rest in pairs if one != 0]
    return {name_of(other) for other in others if isinstance(other, (Indexed, Symbol))} & inputs


def _with_simple(own: Probabilities, point: _Point, record: Record) -> _Point:
    """The point with an input moved so that the probabilities ``own`` are simple, where there is one that does it: an
    input with an entry for each logit, in which the logits are linear."""
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
            moved = _moved(array, own.exponent, indices, logits, point)
            if moved is not None:
                remark = f"{array.name} is chosen so that {own.name} is {words}"
                return replace(point, inputs=point.inputs | {array.name: moved}, chosen=(remark, *point.chosen))
    return point


def _moved(
    array: Array, exponent: Expr, indices: Sequence[Idx], wanted: np.ndarray, point: _Point
) -> np.ndarray | None:
    """The values of an input at which ``exponent`` has the values ``wanted`` over ``indices``; None if it has not an
    entry for each of them, or if they are not linear in it."""
    program, sizes = point.program, point.sizes
    over, own = [axis_name(i) for i in indices], [axis.name for axis in array.axes]
    short = {name for name in over if sizes[name] == 1}
    if array.positive or len(set(over)) < len(over) or not set(over) - short <= set(own) <= set(over):
        return None
    needed = sorted(array_names(exponent) & program.definitions.keys())

    def at(values: np.ndarray) -> np.ndarray:
        moved = replace(point, inputs=point.inputs | {array.name: values})
        return _floats(moved.up_to(needed).over(exponent, tuple(indices)))

    shape = point.inputs[array.name].shape
    try:
        start = at(np.zeros(shape))
        slope = at(np.ones(shape)) - start
        if np.abs(slope).min() < CLOSE:
            return None
        order = sorted(range(len(over)), key=lambda place: own.index(over[place]) if over[place] in own else -1)
        solved = ((wanted - start) / slope).transpose(order).reshape(shape)
        return solved if np.allclose(at(solved), wanted, rtol=CLOSE, atol=CLOSE) else None
    except (OutsideDomain, OutsideField):
        return None


def _holds(point: _Point) -> bool:
    """Whether the inputs satisfy the assumptions of the program."""
    gaps = (gap for assumption in point.program.assumptions for gap in (assumption.lhs - assumption.rhs,))
    return all(np.abs(_floats(point.evaluator(gap).data)).max() < CLOSE for gap in gaps)


def _has_kink(point: _Point) -> bool:
    """Whether a function of the equations has no derivative at the point, or none that all would agree on."""
    functions = {f for definition in point.program.ordered for f in definition.rhs.atoms(*_KINKED)}
    for chosen in (f for f in functions if isinstance(f, selection)):
        shares = _floats(point.evaluator(chosen).data)
        if np.any((shares != 0) & (shares != 1)):
            return True
    slopes = (f.fdiff(place) for f in functions for place in range(1, len(f.args) + 1))
    jumps = {jump.args[0] for expr in (*functions, *slopes) for jump in expr.atoms(step, signum)}
    return any(np.abs(_floats(point.evaluator(jump).data)).min() < CLOSE for jump in jumps)
