"""A small numeric example of a derivation, as in lecture notes: one row, few features, round numbers.

``small_inputs`` chooses sizes and inputs.  The generated function computes the loss and the gradients.  The checker's
evaluator computes the intermediates from the equations, and their adjoints from the closed forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from itertools import product
from math import prod
from typing import Any

import numpy as np

from symgrad.check.numeric.fields import OutsideDomain, OutsideField
from symgrad.example.small_inputs import SIZES, TURNS, Point, clean, floats, point_of
from symgrad.facts import labelled
from symgrad.notation import Array, indices_of
from symgrad.render.blocks import Example, Quantity
from symgrad.render.phrases import DESCENT
from symgrad.sampling import InputSpace, SamplePoint, possible
from symgrad.steps import Record

MOST_ENTRIES = 12
"""Intermediates with more entries, or with more than two axes, are not shown."""
SMALL, LARGE, TINY = 1e-2, 1e4, 1e-3
"""A good example has a gradient with an entry above SMALL, no intermediate above LARGE, and no nonzero number below
TINY."""
SHIFT = 0.25
"""The displacement of an input that tests whether anything depends on it."""


def worked_example(record: Record, function: Callable[..., Any]) -> Example | None:
    """The example at the first sizes and inputs without faults (see ``_Fault``), else with the mildest faults; None if
    no choice is finite.

    ``function`` is the function generated from the record: ``loss, gradients = function(*inputs)``.
    """
    trials: list[_Trial] = []
    for sizes, turn in product(SIZES, TURNS):
        try:
            trial = _trial(record, function, point_of(record, sizes, turn))
        except (OutsideDomain, OutsideField):
            continue
        if trial is not None:
            trials.append(trial)
            if not trial.fault:
                break
    if not trials:
        return None
    best = min(trials, key=lambda trial: trial.fault)
    return _example(record, best, _reason(best, trials))


class _Fault(IntFlag):
    """The faults of an example, mildest first."""

    LARGE = 1  # a number has many digits
    TINY = 2  # a number is too small to recompute by eye
    ONE_SIDED = 4  # only one piece of a piecewise function shows
    VANISHING = 8  # a gradient is nearly 0
    IDLE = 16  # nothing depends on an input
    KINK = 32  # a function is evaluated at a kink, where its derivative is a convention


@dataclass(frozen=True)
class _Trial:
    """A choice of inputs, with the loss and its gradients, the intermediates and their adjoints.

    ``faults`` has the words for each fault; they are empty if larger sizes would not help.
    """

    point: Point
    loss: float
    gradients: Mapping[str, np.ndarray]
    defined: Mapping[str, np.ndarray]
    adjoints: Mapping[str, np.ndarray]
    faults: Mapping[_Fault, str]

    @property
    def fault(self) -> _Fault:
        """All faults."""
        return _Fault(sum(self.faults))


def _trial(record: Record, function: Callable[..., Any], point: Point) -> _Trial | None:
    """The trial at a choice of inputs; None if a number is not finite."""
    results = _run(function, point)
    if results is None:
        return None
    arrays = record.program.arrays
    names = [n for n in record.program.definitions if n != record.program.output and _is_small(arrays[n], point)]
    defined = {name: floats(point.evaluator.values[name]) for name in names}
    adjoints = {name: values for name, values in _adjoints(record, point).items() if _is_small(arrays[name], point)}
    loss, *gradients = results
    trial = _Trial(point, float(loss), dict(zip(record.wrt, gradients, strict=True)), defined, adjoints, {})
    return replace(trial, faults=_faults(record, function, trial))


def _faults(record: Record, function: Callable[..., Any], trial: _Trial) -> dict[_Fault, str]:
    point, output = trial.point, record.program.output
    sizes = [np.abs(values) for values in (*trial.defined.values(), *trial.gradients.values())]
    spot = SamplePoint(point.program, record.wrt, point.sizes, point.inputs)
    missed = set(possible(InputSpace(point.program), record.wrt)) - spot.entered
    idle = _idle(function, trial)
    vanishing = next((name for name, values in trial.gradients.items() if np.abs(values).max() < SMALL), "")
    every = {
        _Fault.LARGE: ("", any(np.abs(values).max() > LARGE for values in trial.defined.values())),
        _Fault.TINY: ("", any(np.any((size > 0) & (size < TINY)) for size in sizes)),
        _Fault.ONE_SIDED: (f"only one branch of {output} would show", any(piece.is_elementwise for piece in missed)),
        _Fault.VANISHING: (f"the gradient with respect to {vanishing} would be nearly 0", bool(vanishing)),
        _Fault.IDLE: (f"nothing would depend on {idle}", bool(idle)),
        _Fault.KINK: ("", bool(spot.kinks)),
    }
    return {fault: words for fault, (words, is_there) in every.items() if is_there}


def _idle(function: Callable[..., Any], trial: _Trial) -> str:
    """The first input on which neither the loss nor a gradient depends, or "".  An input at which the function is not
    finite once displaced does not count."""
    for name, values in trial.point.inputs.items():
        moved = values + SHIFT * (1 + np.indices(values.shape).sum(axis=0))  # symmetric, and uneven
        others = _run(function, replace(trial.point, inputs=trial.point.inputs | {name: moved}))
        results = (np.asarray(trial.loss), *trial.gradients.values())
        if others is not None and all(np.allclose(a, b) for a, b in zip(results, others, strict=True)):
            return name
    return ""


def _reason(best: _Trial, trials: Sequence[_Trial]) -> str:
    """A sentence about the worst fault of all trials at the smallest sizes that ``best`` does not have; else ""."""
    smallest = trials[0].point.sizes
    common = set.intersection(*(set(trial.faults) for trial in trials if trial.point.sizes == smallest))
    words = [trials[0].faults[fault] for fault in sorted(common - set(best.faults), reverse=True)]
    sizes = ", ".join(f"{axis} = {size}" for axis, size in smallest.items())
    return f"At {sizes} {words[0]}." if words and words[0] else ""


def _run(function: Callable[..., Any], point: Point) -> list[np.ndarray] | None:
    """The loss and its gradients; None if one is not finite, or if the function rejects the inputs."""
    inputs = (point.inputs[array.name] for array in point.program.inputs)
    with np.errstate(all="ignore"):
        try:
            loss, gradients = function(*(a if a.ndim else float(a) for a in inputs))
        except (ValueError, ArithmeticError):
            return None
    results = [clean(np.asarray(values, dtype=float)) for values in (loss, *gradients)]
    return results if all(np.isfinite(values).all() for values in results) else None


def _example(record: Record, trial: _Trial, reason: str) -> Example:
    arrays, point = record.program.arrays, trial.point
    shown = {**trial.adjoints, **trial.gradients}
    words = [f"{words}." for words in point.chosen]
    return Example(
        sizes=point.sizes,
        remark=" ".join([*words, reason] if reason else words),
        signs=_pushed(record, trial) or DESCENT,
        inputs=tuple(Quantity(a, point.inputs[a.name]) for a in record.program.inputs),
        defined=tuple(Quantity(arrays[name], values) for name, values in trial.defined.items()),
        loss=trial.loss,
        gradients=tuple(Quantity(arrays[name], values) for name, values in shown.items()),
    )


def _pushed(record: Record, trial: _Trial) -> str:
    """What the signs of the last derivative say that is negative at the label of each row alone; nothing for none."""
    for name, slopes in reversed([*trial.adjoints.items()]):
        for target in labelled(record):
            labels = trial.point.inputs[target] == 1
            if labels.shape == slopes.shape and (slopes[labels] < 0).all() and (slopes[~labels] >= 0).all():
                size = f"{-slopes[labels][0]:.4g}"
                return (
                    f"The derivative by {name} is negative at the label alone: gradient descent pushes the entry of "
                    f"the right class up, by {size} times the step size, and the others down."
                )
    return ""


def _adjoints(record: Record, point: Point) -> dict[str, np.ndarray]:
    """The adjoints of the intermediates, from their closed forms."""
    evaluator, adjoints = point.evaluator, {}
    for name, adjoint in record.adjoints.items():
        values = evaluator.over(adjoint.index, indices_of(adjoint.entry))
        evaluator.values[record.adjoint_arrays[name].name] = values  # later closed forms may contain it
        if name not in record.wrt:
            adjoints[name] = floats(values)
    return adjoints


def _is_small(array: Array, point: Point) -> bool:
    return array.has_matrix and prod(point.sizes[a.name] for a in array.axes) <= MOST_ENTRIES
