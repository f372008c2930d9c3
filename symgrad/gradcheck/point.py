"""A black-box function at a point: its values nearby, and its slopes by complex steps."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import InputError
from symgrad.gradcheck.slopes import EPSILON, UNKNOWN, Function, Slope

COMPLEX_STEPS = (2.0**-100, 0.7 * 2.0**-100)


class Point:
    """``f`` at ``inputs``, in float64 for the inputs at ``places``, and moved in one of them."""

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], places: Sequence[int]) -> None:
        self.f = f
        self.inputs = list(inputs)
        for place in places:
            value = inputs[place]
            self.inputs[place] = np.array(value, dtype=float) if isinstance(value, np.ndarray) else float(value)
        self.names = _names(f, len(inputs))
        self.epsilon = EPSILON

    def value(self) -> tuple[float, list[str]]:
        """The value at the inputs, and problems of the function itself.

        Raises ``InputError`` if the value is not a real number.
        """
        given = copies(self.inputs)
        with np.errstate(all="ignore"):
            returned, again = self.f(*given), _number(self.f(*copies(self.inputs)))
        value = _number(returned)
        if isinstance(value, complex):
            raise InputError("f returns a complex number: expected a real one")
        problems = []
        if not unchanged(given, self.inputs):
            problems.append("f changes its inputs in place")
        if not math.isfinite(value):
            problems.append(f"f is {value} at these inputs")
        elif value != again:
            problems.append(f"f has two values at the same inputs, {value!r} and {again!r}")
        self.epsilon = precision(returned)
        return value, problems

    def along(self, place: int, direction: Any) -> Function:
        """The value as a function of the displacement of the input; NaN where there is none."""

        def value(step: float) -> float:
            try:
                found = self._at(place, self.inputs[place] + step * direction)
            except (ArithmeticError, ValueError):
                return math.nan
            return math.nan if isinstance(found, complex) else found

        return value

    def complex_step(self, place: int, direction: Any, rng: np.random.Generator) -> Slope:
        """The slope, if the code computes the same function for complex numbers; ``UNKNOWN`` if it rejects them or
        drops the imaginary part.

        A second step of another length, at inputs moved in their last digit, gives the error of the slope.
        """
        start = self.inputs[place]
        moved = start * (1 + EPSILON * rng.integers(-2, 3, np.shape(start)))
        found = []
        for real, step in zip((start, moved), COMPLEX_STEPS, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                try:
                    value = self._at(place, real + 1j * (step * direction))
                except Exception:  # whatever a function raises that was not written for complex numbers
                    return UNKNOWN
            if not isinstance(value, complex):
                return UNKNOWN
            found.append(value.imag / step)
        bound = 4 * abs(found[0] - found[1]) + 16 * EPSILON * abs(found[0])
        return Slope(found[0], bound) if math.isfinite(bound) else UNKNOWN

    def _at(self, place: int, value: Any) -> float | complex:
        given = copies(self.inputs)
        moved = np.asarray(value)
        given[place] = moved if isinstance(self.inputs[place], np.ndarray) else moved.item()
        with np.errstate(all="ignore"):
            return _number(self.f(*given))


def copies(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, to be handed to a function that may change them."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in inputs]


def unchanged(given: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Whether the copies are still equal to the originals; NaN equals itself."""
    arrays = [(one, other) for one, other in zip(given, inputs, strict=True) if isinstance(one, np.ndarray)]
    return all(one.shape == other.shape and one.tobytes() == other.tobytes() for one, other in arrays)


def kind(value: Any) -> str:
    """NumPy's kind of a number or an array; the kind of an object for anything else."""
    return np.asarray(value).dtype.kind if isinstance(value, (int, float, complex, np.ndarray, np.generic)) else "O"


def precision(*values: Any) -> float:
    """The coarsest precision of the floating-point numbers among some values, at least that of float64."""
    types = [np.asarray(value).dtype for value in values if kind(value) == "f"]
    return max([EPSILON, *(float(np.finfo(each).eps) for each in types)])


def _number(value: Any) -> float | complex:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiubc":
        what = f"an array of shape {array.shape}" if array.size != 1 else f"a {type(array.item()).__name__}"
        raise InputError(f"f returns {what}: expected a number")
    number: float | complex = array.item()
    return number if isinstance(number, complex) else float(number)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the inputs: the parameter names of the function, or numbers."""
    try:
        parameters = [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):  # of some functions written in C it cannot be told
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[place] if place < len(names) else f"input {place}" for place in range(count)]
