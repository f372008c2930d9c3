"""A candidate: how it is called, what it returns, and in which precision it computes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

import numpy as np

from symgrad.diagnosis.hypothesis import ComparisonPoint
from symgrad.errors import InputError
from symgrad.facts import takes_labels
from symgrad.gradcheck.slopes import copies, relative_error, unchanged
from symgrad.sampling import InputSpace, Sample, possible, random_inputs, sample
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Record

SIZES = ((5, 4, 3, 6, 2, 7), (4, 6, 5, 3, 7, 2), (3, 2, 4, 5, 6, 7))
"""The sizes of the axes, in order, at the two kinds of points of the comparison, and at a third kind that confirms
explanations.  All sizes of a kind differ, and no ratio of two sizes is the same in all kinds."""
NEARER = (0.2, 0.05)  # the factors for smaller inputs, at which explanations are confirmed
NUMERIC, MOST_DESCRIBED = "fiub", 4

Candidate = Callable[..., Any]


@dataclass(frozen=True)
class Caller:
    """Calls a candidate with the inputs ``names`` of a record, in this order; ``labels`` are passed as integers."""

    record: Record
    candidate: Candidate
    names: tuple[str, ...]
    labels: frozenset[str]

    @property
    def space(self) -> InputSpace:
        """The inputs of the comparison; labels are soft unless an assumption or the candidate excludes that."""
        soft = frozenset(a.name for a in self.record.program.inputs if takes_labels(self.record, a))
        fixed = tuple((name, float(value)) for name, value in self.defaults.items())
        return InputSpace(self.record.program, soft, self.labels, fixed)

    @property
    def defaults(self) -> dict[str, np.ndarray]:
        """The scalars that the candidate does not take, at their default values."""
        return {n: np.asarray(float(v)) for n, v in self.record.program.defaults if n not in self.names}

    def arguments(self, inputs: Arrays) -> list[Any]:
        """The arguments, as copies, so that changes by the candidate have no effect."""
        return [self._argument(name, inputs[name]) for name in self.names]

    def _argument(self, name: str, value: np.ndarray) -> Any:
        if name in self.labels:
            return value.argmax(axis=-1)
        return np.array(value) if np.ndim(value) else float(value)

    def at(self, point: ComparisonPoint) -> dict[str, np.ndarray]:
        """The gradients that the candidate returns at a point; raises ``InputError`` like ``returned``."""
        arrays = ((name, point.program.arrays[name]) for name in self.record.wrt)
        shapes = {name: tuple(point.sizes[axis.name] for axis in array.axes) for name, array in arrays}
        return returned(self.candidate, self.arguments(point.inputs), shapes)

    def attempt(self, point: ComparisonPoint) -> dict[str, np.ndarray] | str:
        """The gradients at a point, or a phrase about the exception that the candidate raises or the wrong return
        value."""
        try:
            return self.at(point)
        except InputError as error:
            return str(error).removeprefix(f"{called(self.candidate)} ")
        except Exception as error:  # a function that was written for other sizes or values may raise anything
            return raised(self.candidate, error)


def called(candidate: Candidate) -> str:
    """The name of a candidate in messages."""
    return str(getattr(candidate, "__name__", "the candidate"))


def watched(candidate: Candidate, changed: set[int]) -> Candidate:
    """The candidate; the positions of the arguments that it changes in place are added to ``changed``."""

    def call(*arguments: Any) -> Any:
        before = copies(arguments)
        value = candidate(*arguments)
        changed.update(n for n in range(len(before)) if not unchanged(arguments[n : n + 1], before[n : n + 1]))
        return value

    call.__wrapped__, call.__name__ = candidate, called(candidate)  # type: ignore[attr-defined]
    return call


def parameters(record: Record, candidate: Candidate) -> tuple[str, ...]:
    """The inputs that a candidate takes, in its order: all inputs, or those without a default, whichever fits the
    number of its parameters.  They are matched by name if all names, or those of the scalars, are the same; else by
    position.

    Raises ``InputError`` if the number of parameters fits neither.
    """
    names = tuple(array.name for array in record.program.inputs)
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):
        return names
    required = tuple(n for n in names if n not in dict(record.program.defaults))
    for inputs in (names, required):
        try:
            signature.bind(*inputs)
        except TypeError:
            continue
        return _by_name(record, inputs, signature)
    count = len([p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
    expected = f"{len(required)} to {len(names)}" if required != names else str(len(names))
    raise InputError(f"{called(candidate)} takes {count} arguments, expected {expected}: {', '.join(names)}")


def _by_name(record: Record, inputs: tuple[str, ...], signature: inspect.Signature) -> tuple[str, ...]:
    """The inputs in the order of a candidate's parameters: all inputs by name, or the scalars only."""
    names = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD][: len(inputs)]
    scalars = [n for n, name in enumerate(inputs) if not record.program.arrays[name].axes]
    for positions in (range(len(inputs)), scalars):
        if len(names) == len(inputs) and {names[n] for n in positions} == {inputs[n] for n in positions}:
            return tuple(names[n] if n in positions else name for n, name in enumerate(inputs))
    return inputs


def returned(
    candidate: Candidate, arguments: Sequence[Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The gradients that a candidate returns, by array, in the order of the expected ``shapes``.

    Raises ``InputError`` if it returns another number of arrays or something that is not an array of numbers, and if
    it exits the program.
    """
    with np.errstate(all="ignore"):
        try:
            value = candidate(*arguments)
        except SystemExit as end:
            raise InputError(
                f"{called(candidate)} ends the program, with the code {end.code}; it must return the gradients"
            ) from None
    parts = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(parts) == 2 and isinstance(parts[1], (tuple, list)) and _shape(parts[0]) == ():
        parts = list(parts[1])  # the loss and its gradients, as the generated functions return them
    if len(shapes) == 1 and isinstance(value, list):  # one gradient, as a list of numbers or rows
        is_whole = _shape(value) in shapes.values() or (len(parts) != 1 and not any(map(np.ndim, parts)))
        parts = [value] if is_whole else parts
    words = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    expected = f"{'the gradients' if len(shapes) > 1 else 'the gradient'} with respect to {words}"
    expected += ", in this order" if len(shapes) > 1 else " alone"
    if len(parts) != len(shapes):
        raise InputError(f"{called(candidate)} returns {_described(value)}, expected {expected}")
    for name, part in zip(shapes, parts, strict=True):
        if _shape(part) is None:
            one = f"the gradient with respect to {name}: an array of numbers of shape {shapes[name]}"
            raise InputError(f"{called(candidate)} returns {_described(part)}, expected {one}")
    return dict(zip(shapes, map(np.asarray, parts), strict=True))


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array of numbers; None for anything else."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    return array.shape if array.dtype.kind in NUMERIC else None


def _described(value: Any) -> str:
    """A return value in words."""
    if isinstance(value, np.ndarray):
        kind = "" if value.dtype.kind in NUMERIC else f" of {value.dtype}"
        return f"an array{kind} of shape {value.shape}"
    name = type(value).__name__
    kind = "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    if not isinstance(value, (tuple, list, dict)):
        return kind
    parts = list(map(repr, value)) if isinstance(value, dict) else list(map(_described, value))
    return f"{kind} ({', '.join(parts[:MOST_DESCRIBED])}{', ...' * (len(parts) > MOST_DESCRIBED)})"


def raised(candidate: Candidate, error: BaseException) -> str:
    """A phrase with the exception that a candidate raises, and the line of its file."""
    code = getattr(inspect.unwrap(candidate), "__code__", None)
    frames = [frame for frame in extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    at = f", in line {frames[-1].lineno}" if frames else ""
    words = f": {str(error).splitlines()[0]}" if str(error) else ""
    return f"raises {type(error).__name__}{words}{at}"


# --- the points at which it is called ---------------------------------------------------------------------------------


def sizes_at(record: Record, kind: int, square: tuple[str, str] | None = None) -> dict[str, int]:
    """The sizes of the axes at a kind of points; the axes ``square`` have the same size."""
    axes = enumerate(record.program.axes)
    sizes = record.program.with_room({axis.name: SIZES[kind][number % 6] for number, axis in axes})
    return sizes | ({square[1]: sizes[square[0]]} if square else {})


def compared_at(
    caller: Caller, seed: int, square: tuple[str, str] | None = None
) -> tuple[list[ComparisonPoint], Sample]:
    """Points of the comparison: random inputs of two kinds of sizes, and inputs that enter each piece of the program.

    Raises ``NoInputs`` if no inputs are found at which the loss and its gradients are finite.
    """
    record, (first, second) = caller.record, (sizes_at(caller.record, kind, square) for kind in (0, 1))
    drawn = sample(caller.space, record.wrt, tuple(first.items()), (seed, 0))
    other = random_inputs(caller.space, record.wrt, tuple(second.items()), (seed, 1))
    pairs = [(first, drawn.points[0]), (second, other), *((first, inputs) for inputs in drawn.points[1:])]
    return [ComparisonPoint.of(record, sizes, inputs) for sizes, inputs in pairs], drawn


def confirmed_at(
    caller: Caller, seed: int, square: tuple[str, str] | None, first: ComparisonPoint
) -> list[ComparisonPoint]:
    """New points that refute explanations by chance: other random inputs, also of a third kind of sizes, and if the
    program has pieces, smaller inputs, which enter other pieces."""
    record, space = caller.record, caller.space
    factors = NEARER if possible(space, record.wrt) else ()
    points = [ComparisonPoint.of(record, first.sizes, space.enlarged(first.inputs, factor)) for factor in factors]
    for kind in range(len(SIZES)):
        sizes = sizes_at(record, kind, square)
        inputs = random_inputs(space, record.wrt, tuple(sizes.items()), (seed, 5 + kind))
        points.append(ComparisonPoint.of(record, sizes, inputs))
    return points


# --- the precision in which it computes -------------------------------------------------------------------------------

DOUBLE, HALF = 1e-7, 2e-2
"""Tolerances, relative to the largest entry, in double and in half precision: far above rounding, and far below a
mistake."""
DOUBLE_LOSES = 1e-10  # the largest rounding of a gradient that is computed in double precision throughout
STEP = 1.37 * 2.0**-22  # a relative step of inputs: a smooth function is straight on it, single precision is not
ACCOUNTED, REST = 0.05, 1e-6
"""The part of an error that an explanation may leave at most, and the part that it may always leave: small constants in
denominators have an effect that does not matter."""
LEAST_SINGLE, MOST_SINGLE = 2e-6, 2e-3
CLOSE, SINGLE = 1e-8, 1e-4  # tolerances at extreme inputs, in double and in single precision
OFTEN = 30  # the tolerance in units of the rounding error of the proved function


@dataclass(frozen=True)
class Rounding:
    """The tolerances for each gradient, relative to the largest entry.

    ``allowed`` is for the precision in which the gradient seems to be computed, ``single`` for single precision (from
    the rounding of the proved function in it), and ``rounded`` for the rounding that the candidate shows.  ``extreme``
    is added at extreme inputs.  ``is_single`` if some gradient is seen to be computed in single precision.
    """

    allowed: Mapping[str, float]
    single: Mapping[str, float]
    rounded: Mapping[str, float]
    extreme: float
    is_single: bool

    @classmethod
    def of(
        cls, proved: Candidate, caller: Caller, points: Sequence[ComparisonPoint], gradients: Sequence[Arrays]
    ) -> Rounding:
        """The tolerances for the gradients that a candidate returned at some points.

        A gradient gets the tolerance of single precision if all returned numbers have single precision, whatever their
        dtype, or if it differs from the proved gradient by no more than this tolerance.
        """
        record, jitter = caller.record, _jitter(caller, points[:2])
        single = {}
        for name in record.wrt:
            rounded = (gradients_in(record, proved, p.inputs, np.float32)[name] for p in points)
            lost = max(relative_error(value, p.truth[name]) for value, p in zip(rounded, points, strict=True))
            single[name] = float(np.clip(OFTEN * lost, LEAST_SINGLE, MOST_SINGLE))
        allowed, seen, worst = {}, {}, 0.0
        is_single = all(map(_all_single, gradients))
        is_half = any(v.dtype == np.float16 for g in gradients for v in g.values())
        for name in record.wrt:
            error = max(relative_error(g[name], p.truth[name]) for g, p in zip(gradients, points, strict=True))
            allowed[name] = HALF if is_half else single[name] if is_single or error <= single[name] else DOUBLE
            shown = float(np.clip(OFTEN * jitter, DOUBLE_LOSES, single[name]))
            seen[name] = allowed[name] if is_half or is_single else shown
            worst = max(worst, error if error <= single[name] else 0.0)
        is_single |= OFTEN * jitter > 10 * DOUBLE_LOSES  # some compute in single precision, and return double
        extreme = HALF if is_half else max(SINGLE if is_single else CLOSE, 2 * worst)
        return cls(allowed, single, seen, extreme, is_single)

    def unexplained(self, name: str, error: float) -> float:
        """The tolerance for an explanation of a gradient with an error: a small part of the error."""
        return min(max(self.rounded[name], min(REST * error, DOUBLE)), ACCOUNTED * error)


def _jitter(caller: Caller, points: Sequence[ComparisonPoint]) -> float:
    """The distance of the gradients from a straight line over a small step, relative to the largest entry."""
    wrt, free = caller.record.wrt, caller.space.free

    def at(point: ComparisonPoint, scale: float) -> Arrays:
        scaled = {name: value * scale for name, value in point.inputs.items() if name in free.union(wrt)}
        gradients = caller.attempt(point.at(**scaled))
        return dict.fromkeys(wrt, np.array(np.nan)) if isinstance(gradients, str) else gradients

    triples = [[at(point, scale) for scale in (1 - STEP, 1, 1 + STEP)] for point in points]
    return max(relative_error((low[n] + high[n]) / 2, mid[n]) for low, mid, high in triples for n in wrt)


def _all_single(gradients: Arrays) -> bool:
    """Whether all numbers are in single precision, in arrays of any dtype."""
    with np.errstate(over="ignore"):
        return all(np.array_equal(value, value.astype(np.float32), equal_nan=True) for value in gradients.values())


def is_finite(values: Arrays) -> bool:
    """Whether all entries of all arrays are finite."""
    return all(np.all(np.isfinite(value)) for value in values.values())


def gradients_in(record: Record, proved: Candidate, inputs: Arrays, dtype: Any) -> dict[str, np.ndarray]:
    """The gradients of the generated function at inputs of another dtype."""
    values = (inputs[array.name] for array in record.program.inputs)
    with np.errstate(all="ignore"):
        try:
            _, grads = proved(*(value.astype(dtype) if np.ndim(value) else float(value) for value in values))
        except ZeroDivisionError:  # of Python numbers, such as N - 1 at N = 1
            return {name: np.full(np.shape(inputs[name]), np.nan) for name in record.wrt}
    return {name: np.asarray(value, dtype=float) for name, value in grads._asdict().items()}
