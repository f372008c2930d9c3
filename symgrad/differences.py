"""A generated function held against the loss that a user wrote, run by NumPy: in each of its pieces, and far away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from itertools import product
from typing import Any

import numpy as np

from symgrad.array.loss import Loss
from symgrad.gradcheck import check_grad
from symgrad.gradcheck.verdicts import GradientCheck, Verdict
from symgrad.program import Program
from symgrad.sampling import Inputs, InputSpace, sample

SIZES = (4, 3, 5, 2)  # of the axes in order, again and again: no two that meet in a product are easily confused
ALLOWED = 1e-6
LARGE: Sequence[tuple[np.dtype[Any], float]] = ((np.dtype(np.float64), 1e3), (np.dtype(np.float32), 40.0))
"""The dtypes, each with the factor by which inputs are made so large that their exponentials overflow."""
DRAWS = 4  # of large inputs: by turns of either sign, and positive


@dataclass(frozen=True)
class Differences:
    """What ``check_grad`` found at some points, and the pieces that none of them is in, in words."""

    sizes: Mapping[str, int]
    checks: tuple[GradientCheck, ...]
    unreached: tuple[str, ...]

    @property
    def worst(self) -> GradientCheck:
        """The check that is worst."""
        return max(self.checks, key=lambda check: (check.verdict, check.worst.badness if check.worst else (0, 0.0)))

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.worst.verdict is not Verdict.WRONG


def compare_with_differences(
    loss: Loss, function: Callable[..., Any], wrt: Sequence[str], seed: int = 0
) -> Differences:
    """``function`` (``value, grads = f(*inputs)``) against the loss, and against its slopes by the inputs ``wrt``, at
    random inputs and at others in each piece of the loss.

    Raises ``NoInputs`` where none are found at which the loss and its gradients are finite.
    """
    program = loss.program()
    sizes, names = sizes_of(program), [array.name for array in program.inputs]
    known = [name for name in wrt if name in names]
    found = sample(InputSpace(program), tuple(known), tuple(sizes.items()), (seed,))
    points = [arguments(loss, program, inputs) for inputs in found.points]

    @wraps(loss.function)
    def value(*given: Any) -> Any:
        return loss(**dict(zip(points[0], given, strict=True)))

    def gradients(*given: Any) -> tuple[float, list[Any]]:
        stated, every = function(*given)
        return float(stated), [gradient for name, gradient in zip(wrt, every, strict=True) if name in known]

    by = list(map(names.index, known))
    checks = tuple(check_grad(value, gradients, *given.values(), wrt=by) for given in points)
    return Differences(sizes, checks, tuple(piece.text(program) for piece in (*found.unreached, *found.idle)))


def sizes_of(program: Program) -> dict[str, int]:
    """Sizes of the axes of a program."""
    return {axis.name: SIZES[place % len(SIZES)] for place, axis in enumerate(program.axes)}


def arguments(loss: Loss, program: Program, inputs: Inputs) -> dict[str, Any]:
    """The arguments of a loss by name, in the order of its program's inputs: labels are whole numbers there, and what
    has no axes is a float."""
    labels = {name: shape.name for shape in loss.shapes if shape.labels for name in (shape.name, shape.name.upper())}
    found = {}
    for array in program.inputs:
        value = np.array(inputs[array.name])
        is_labels = array.name in labels and array.name not in {s.name for s in loss.shapes if not s.labels}
        found[labels[array.name] if is_labels else array.name] = (
            value.argmax(axis=-1) if is_labels else value if value.ndim else float(value)
        )
    return found


@dataclass(frozen=True)
class LargeInputs:
    """What was found at large inputs: at how many of the ``draws`` the generated loss is not finite; the largest
    relative error of the loss in float64 where NumPy's is finite; and what does not hold, in words, or nothing."""

    draws: int
    overflows: int
    error: float
    wrong: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.wrong

    @property
    def compared(self) -> bool:
        """Whether there was a finite loss at all, with gradients to look at."""
        return self.overflows < self.draws


def compare_at_large_inputs(loss: Loss, function: Callable[..., Any], seed: int = 0) -> LargeInputs:
    """``function`` (``value, grads = f(*inputs)``) where exponentials overflow: a finite loss has finite gradients, and
    in float64 it is the loss as NumPy runs it, where that is finite."""
    program, rng = loss.program(), np.random.default_rng(seed)
    space, overflows, worst, wrong = InputSpace(program), 0, 0.0, ""
    for (dtype, factor), draw in product(LARGE, range(DRAWS)):
        inputs = space.random(sizes_of(program), rng, draw % 2 == 1)
        given = arguments(loss, program, space.enlarged(inputs, factor))
        where = f"at inputs {factor:g} times as large, in {dtype.name}"
        value, gradients = _values(function, [_as(value, dtype) for value in given.values()])
        overflows += not np.isfinite(value)
        infinite = [name for name, gradient in gradients.items() if not np.all(np.isfinite(gradient))]
        if infinite and np.isfinite(value):
            wrong = wrong or f"the gradient by {infinite[0]} is not finite {where}, though the loss is {value:.3g}"
        expected = _quietly(partial(loss, **given), np.inf)
        if dtype == np.float64 and np.isfinite(expected):
            error = _relative(np.asarray(value), np.asarray(expected))
            worst = max(worst, error)
            if error > ALLOWED:
                wrong = wrong or f"the loss is {value:.6g} {where}, but {expected:.6g} as NumPy runs it"
    return LargeInputs(len(LARGE) * DRAWS, overflows, worst, wrong)


def _values(function: Callable[..., Any], given: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """The loss, infinite where it overflows, and its gradients by name."""
    found = _quietly(partial(function, *given), None)
    return (np.inf, {}) if found is None else (found[0], found[1]._asdict())


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    """An array of real numbers in another dtype; labels and numbers as they are."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _quietly(evaluate: Callable[[], Any], overflown: Any) -> Any:
    """What ``evaluate`` returns, without warnings; ``overflown`` where numbers of Python's overflow."""
    with np.errstate(all="ignore"):
        try:
            return evaluate()
        except OverflowError:
            return overflown


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest error over the largest entry (over 1 where all are small); infinite where it is not a number."""
    error = float(np.max(np.abs(found - expected), initial=0.0) / np.max(np.abs(expected), initial=1.0))
    return error if np.isfinite(error) else float("inf")
