"""How a candidate is called at random points, and what it returns there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

import numpy as np

from symgrad.diagnosis.comparison_point import Bench
from symgrad.errors import InputError
from symgrad.facts import takes_labels
from symgrad.gradcheck.slopes import copies, unchanged
from symgrad.sampling import InputSpace, Sample, possible, random_inputs, sample
from symgrad.steps import Record

SIZES = ((5, 4, 3, 6, 2, 7), (4, 6, 5, 3, 7, 2), (3, 2, 4, 5, 6, 7))
"""Of the axes in order, at two points: no two of them are equal, nor is one another's multiple at both; and at a third,
where explanations are confirmed."""
NEARER = (0.2, 0.05)  # how large inputs are at which explanations are tried once more
NUMERIC, MOST_DESCRIBED = "fiub", 4

Candidate = Callable[..., Any]


@dataclass(frozen=True)
class Taken:
    """How a candidate takes its arguments: how many of the program's inputs, and which as integer labels."""

    names: tuple[str, ...]
    labels: frozenset[str]

    def space(self, record: Record) -> InputSpace:
        """The inputs at which it is called: soft labels wherever nothing says that they are one-hot."""
        soft = frozenset(a.name for a in record.program.inputs if takes_labels(record, a))
        fixed = tuple((name, float(value)) for name, value in self.left_out(record).items())
        return InputSpace(record.program, soft, self.labels, fixed)

    def left_out(self, record: Record) -> dict[str, np.ndarray]:
        """The numbers that it is not given, at their defaults, which it must have for its own."""
        return {n: np.asarray(float(v)) for n, v in record.program.defaults if n not in self.names}

    def given(self, inputs: Mapping[str, np.ndarray]) -> list[Any]:
        """The arguments, each a copy, so that nothing that a candidate does to them is seen elsewhere."""
        return [self._one(name, inputs[name]) for name in self.names]

    def _one(self, name: str, value: np.ndarray) -> Any:
        if name in self.labels:
            return value.argmax(axis=-1)
        return np.array(value) if np.ndim(value) else float(value)


def parameters(record: Record, candidate: Candidate) -> tuple[str, ...]:
    """The inputs that a candidate takes, in its order: all, or those without a default, as many as it has parameters.
    They are taken by name where its names are theirs, or those of the scalars are; else by place.

    Raises ``InputError`` where it takes another number.
    """
    names = tuple(array.name for array in record.program.inputs)
    least = len(names) - len(record.program.defaults)
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):
        return names
    for given in (names, tuple(n for n in names if n not in dict(record.program.defaults))):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return _by_name(record, given, signature)
    takes = len([p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
    expected = f"{least} to {len(names)}" if least < len(names) else str(len(names))
    raise InputError(f"{called(candidate)} takes {takes} arguments, expected {expected}: {', '.join(names)}")


def _by_name(record: Record, names: tuple[str, ...], signature: inspect.Signature) -> tuple[str, ...]:
    """The inputs in the order of a candidate's parameters: all of them, or the scalars in the places of scalars."""
    own = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD][: len(names)]
    scalars = [place for place, name in enumerate(names) if not record.program.arrays[name].axes]
    for places in (range(len(names)), scalars):
        if len(own) == len(names) and {own[p] for p in places} == {names[p] for p in places}:
            return tuple(own[p] if p in places else name for p, name in enumerate(names))
    return names


def called(candidate: Candidate) -> str:
    """What a candidate is called in messages."""
    return str(getattr(candidate, "__name__", "the candidate"))


def watched(candidate: Candidate, changed: set[int]) -> Candidate:
    """The candidate, with the places of the arguments that it changes noted in ``changed``."""

    def call(*given: Any) -> Any:
        before = copies(given)
        value = candidate(*given)
        changed.update(n for n in range(len(given)) if not unchanged(given[n : n + 1], before[n : n + 1]))
        return value

    call.__wrapped__, call.__name__ = candidate, called(candidate)  # type: ignore[attr-defined]
    return call


def returned(
    candidate: Candidate, given: Sequence[Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The gradients that a candidate returns, by array; ``shapes`` are those that they should have.

    Raises ``InputError`` where it returns another number of arrays, or something that is no array of numbers, and
    where it ends the program.
    """
    with np.errstate(all="ignore"):
        try:
            value = candidate(*given)
        except SystemExit as end:
            raise InputError(f"{called(candidate)} ends the program, with the exit code {end.code}") from None
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
            one = f"the gradient with respect to {name}: an array of numbers of the shape {shapes[name]}"
            raise InputError(f"{called(candidate)} returns {_described(part)}, expected {one}")
    return dict(zip(shapes, map(np.asarray, parts), strict=True))


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array of numbers, if it is one."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unlike lengths
        return None
    return array.shape if array.dtype.kind in NUMERIC else None


def _described(value: Any) -> str:
    """What a candidate returns, in words."""
    if isinstance(value, np.ndarray):
        kind = "" if value.dtype.kind in NUMERIC else f" of {value.dtype}"
        return f"an array{kind} of the shape {value.shape}"
    kind = "None" if value is None else f"one {type(value).__name__}"
    if not isinstance(value, (tuple, list, dict)):
        return kind
    parts = list(map(repr, value)) if isinstance(value, dict) else list(map(_described, value))
    return f"{kind} ({', '.join(parts[:MOST_DESCRIBED])}{', ...' * (len(parts) > MOST_DESCRIBED)})"


def raised(candidate: Candidate, error: BaseException) -> str:
    """What it raises, and in which line of its file."""
    code = getattr(inspect.unwrap(candidate), "__code__", None)
    own = [frame for frame in extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    at = f", in line {own[-1].lineno}" if own else ""
    words = f": {str(error).splitlines()[0]}" if str(error) else ""
    return f"raises {type(error).__name__}{words}{at}"


@dataclass(frozen=True)
class Caller:
    """A candidate that is called with the inputs of a record as it takes them."""

    record: Record
    candidate: Candidate
    taken: Taken

    def at(self, bench: Bench) -> dict[str, np.ndarray]:
        """The gradients that it returns at a point; raises ``InputError`` as ``returned`` does."""
        arrays = ((name, bench.program.arrays[name]) for name in self.record.wrt)
        shapes = {name: tuple(bench.sizes[axis.name] for axis in array.axes) for name, array in arrays}
        return returned(self.candidate, self.taken.given(bench.inputs), shapes)

    def attempt(self, bench: Bench) -> dict[str, np.ndarray] | str:
        """The same; what it raises, or returns in their place, in words, if it does."""
        try:
            return self.at(bench)
        except InputError as error:
            return str(error).removeprefix(f"{called(self.candidate)} ")
        except Exception as error:  # whatever a function raises that was written for other sizes or values
            return raised(self.candidate, error)


def sizes_at(record: Record, point: int, square: tuple[str, str] | None = None) -> dict[str, int]:
    """The sizes of the axes at one of the points; ``square`` names two axes that are to have the same size."""
    sizes = {axis.name: SIZES[point][place % 6] for place, axis in enumerate(record.program.axes)}
    return sizes | ({square[1]: sizes[square[0]]} if square else {})


def compared_at(
    record: Record, taken: Taken, seed: int, square: tuple[str, str] | None = None
) -> tuple[list[Bench], Sample]:
    """The record at random inputs of two sizes, and at inputs that enter each piece of its program.

    Raises ``NoInputs`` where no inputs are found at which the loss and its gradients are finite.
    """
    space, (first, second) = taken.space(record), (sizes_at(record, point, square) for point in (0, 1))
    found = sample(space, record.wrt, tuple(first.items()), (seed, 0))
    other = random_inputs(space, record.wrt, tuple(second.items()), (seed, 1))
    points = [(first, found.points[0]), (second, other), *((first, inputs) for inputs in found.points[1:])]
    return [Bench(record, sizes, inputs) for sizes, inputs in points], found


def fresh_at(record: Record, taken: Taken, seed: int, square: tuple[str, str] | None, nearer: Bench) -> list[Bench]:
    """The record at other random inputs, also of a third size, and at smaller ones, if it has pieces: explanations that
    agree by chance, since larger inputs enter the same pieces by them, differ there."""
    space = taken.space(record)
    smaller = NEARER if possible(space, record.wrt) else ()
    benches = [Bench(record, nearer.sizes, space.enlarged(nearer.inputs, factor)) for factor in smaller]
    for point in range(len(SIZES)):
        sizes = sizes_at(record, point, square)
        benches.append(Bench(record, sizes, random_inputs(space, record.wrt, tuple(sizes.items()), (seed, 5 + point))))
    return benches
