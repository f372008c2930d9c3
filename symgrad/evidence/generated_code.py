"""The generated function of a loss: its results, and a comparison with the loss itself, run by NumPy.

``check_grad`` compares gradients in every branch; values are compared at large inputs, where exponentials overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, wraps
from inspect import signature
from itertools import product
from typing import Any

import numpy as np

from symgrad.api import Derivation, derive
from symgrad.array.loss import Loss
from symgrad.check.numeric.fields import OutsideField
from symgrad.evidence.report import Item
from symgrad.gradcheck import check_grad
from symgrad.gradcheck.verdicts import Verdict
from symgrad.program import Program
from symgrad.sampling import Inputs, InputSpace, NoInputs, sample

SIZES = (4, 3, 5, 2)  # of the axes in order, again and again: no two that meet in a product are easily confused
ALLOWED = 1e-6
LARGE: Sequence[tuple[np.dtype[Any], float]] = ((np.dtype(np.float64), 1e3), (np.dtype(np.float32), 40.0))
"""The dtypes, each with the factor that makes inputs so large that their exponentials overflow."""
DRAWS = 4  # of large inputs for each dtype: in turn of either sign, and positive

Function = Callable[..., Any]
"""``value, gradients = function(*inputs)``, as the generated functions return them."""


@dataclass(frozen=True)
class Values:
    """The value of a loss and its gradients by name."""

    loss: float
    gradients: Mapping[str, Any]


@cache
def derived(loss: Loss, by: tuple[str, ...]) -> Derivation:
    """The derivation of the gradient with respect to the arrays ``by``, cached."""
    return derive(loss, by)


@cache
def _function(loss: Loss) -> Function:
    return derived(loss, loss.wrt).to_numpy()


def computed(loss: Loss, inputs: Mapping[str, Any]) -> Values:
    """The results of the generated function at ``inputs``; the gradients are with respect to the loss's ``wrt``."""
    order = [name for name in signature(loss.function).parameters if name in inputs]
    value, gradients = _function(loss)(*(inputs[name] for name in order))
    return Values(float(value), dict(zip(loss.wrt, gradients, strict=True)))


def compare_with_differences(loss: Loss, function: Function, wrt: Sequence[str]) -> Item:
    """Compare ``function`` with the loss, and its gradients with the slopes of the loss, at random inputs and at inputs
    in each branch of the loss.

    Of the gradients ``wrt``, those with respect to inputs are compared.
    """
    what, program = "finite differences of the loss itself", loss.program()
    sizes, names = sizes_of(program), [array.name for array in program.inputs]
    known = [name for name in wrt if name in names]
    try:
        sampled = sample(InputSpace(program), tuple(known), tuple(sizes.items()), (0,))
    except NoInputs as reason:
        return Item(what, False, str(reason))
    except OutsideField as reason:
        return Item(what, True, f"not compared: {reason}", False)
    points = [arguments(loss, program, inputs) for inputs in sampled.points]

    @wraps(loss.function)
    def value(*values: Any) -> Any:
        return loss(**dict(zip(points[0], values, strict=True)))

    def gradients(*values: Any) -> tuple[float, list[Any]]:
        stated, returned = function(*values)
        return float(stated), [gradient for name, gradient in zip(wrt, returned, strict=True) if name in known]

    positions = list(map(names.index, known))
    checks = [check_grad(value, gradients, *point.values(), wrt=positions) for point in points]
    worst = max(checks, key=lambda check: (check.verdict, check.worst.badness if check.worst else (0, 0.0)))
    entries = sum(gradient.entries for gradient in worst.gradients)
    shape = " x ".join(f"{axis} = {size}" for axis, size in sizes.items())
    words = [f"{entries} entries at {len(checks)} points, {shape}", *worst.problems, *worst.doubts]
    words += [f"the worst is {worst.worst}"] if worst.worst else []
    unreached = [piece.text(program) for piece in (*sampled.unreached, *sampled.idle)]
    words += [f"{piece} was not reached" for piece in unreached]
    return Item(what, worst.verdict is not Verdict.WRONG, "; ".join(words), not unreached)


def compare_at_large_inputs(loss: Loss, function: Function) -> Item:
    """Compare ``function`` with the loss where exponentials overflow: if its value is finite, its gradients must be
    finite, and in float64 its value must equal NumPy's if that is finite."""
    what, program, rng = "large inputs", loss.program(), np.random.default_rng(0)
    space, draws, overflows, largest_error = InputSpace(program), len(LARGE) * DRAWS, 0, 0.0
    for (dtype, factor), draw in product(LARGE, range(DRAWS)):
        inputs = space.enlarged(space.random(sizes_of(program), rng, draw % 2 == 1), factor)
        named = arguments(loss, program, inputs)
        where = f"at inputs {factor:g} times as large, in {dtype.name}"
        returned = _quietly(partial(function, *(_as(value, dtype) for value in named.values())))
        value, gradients = (np.inf, {}) if returned is None else (returned[0], returned[1]._asdict())
        overflows += not np.isfinite(value)
        infinite = [name for name, gradient in gradients.items() if not np.all(np.isfinite(gradient))]
        if infinite and np.isfinite(value):
            words = f"the gradient with respect to {infinite[0]} is not finite {where}, though the loss is {value:.3g}"
            return Item(what, False, words)
        expected = _quietly(partial(loss, **named))
        if dtype == np.float64 and expected is not None and np.isfinite(expected):
            error = float(abs(value - expected) / max(1.0, abs(expected)))
            if not error <= ALLOWED:
                return Item(what, False, f"the loss is {value:.6g} {where}, but {expected:.6g} as NumPy runs it")
            largest_error = max(largest_error, error)
    if overflows == draws:
        return Item(what, True, f"nothing to compare: the loss overflows at all {draws} draws", False)
    words = (
        f"{draws} draws, up to {max(factor for _, factor in LARGE):g} times as large: gradients are finite where the "
        f"loss is, and the loss matches NumPy's to {largest_error:.1e} where that is finite"
    )
    return Item(what, True, f"{words}; the loss itself overflows at {overflows} of {draws}" if overflows else words)


def sizes_of(program: Program) -> dict[str, int]:
    """Choose sizes for the axes of a program."""
    return {axis.name: SIZES[number % len(SIZES)] for number, axis in enumerate(program.axes)}


def arguments(loss: Loss, program: Program, inputs: Inputs) -> dict[str, Any]:
    """Convert inputs of a loss's program to its arguments by name, in the same order: one-hot rows of declared labels
    become integers, and arrays without axes become floats."""
    labels = {name: shape.name for shape in loss.shapes if shape.labels for name in (shape.name, shape.name.upper())}
    declared = {shape.name for shape in loss.shapes if not shape.labels}
    named: dict[str, Any] = {}
    for array in program.inputs:
        value = np.array(inputs[array.name])
        if array.name in labels and array.name not in declared:
            named[labels[array.name]] = value.argmax(axis=-1)
        else:
            named[array.name] = value if value.ndim else float(value)
    return named


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    """Convert an array of real numbers to another dtype; leave labels and numbers as they are."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _quietly(evaluate: Callable[[], Any]) -> Any:
    """Evaluate without warnings; None where Python's own floats overflow."""
    with np.errstate(all="ignore"):
        try:
            return evaluate()
        except OverflowError:
            return None
