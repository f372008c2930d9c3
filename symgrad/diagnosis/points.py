"""Random points for a program, and what a candidate returns there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.check.fields import OutsideDomain
from symgrad.codegen.labels import takes_labels
from symgrad.diagnosis.bench import Bench
from symgrad.errors import InputError
from symgrad.notation import array_names
from symgrad.steps import Record

SIZES = ((5, 4, 3, 6, 2, 7), (4, 6, 5, 3, 7, 2))
"""Of the axes in order, at two points: no two of them are equal, nor is one another's multiple at both."""
ATTEMPTS = 20
LEAST = 0.1

Candidate = Callable[..., Any]


def bench_at(
    record: Record,
    point: int,
    seed: int,
    square: tuple[str, str] | None = None,
    fixed: Mapping[str, np.ndarray] | None = None,
) -> Bench:
    """The record at random inputs, but for those that are ``fixed``, where the loss and its gradients are finite.

    ``square`` names two axes that are to have the same size.  Raises ``InputError`` where no inputs are found.
    """
    sizes = {axis.name: SIZES[point][place % 6] for place, axis in enumerate(record.program.axes)}
    if square:
        sizes[square[1]] = sizes[square[0]]
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng((seed, point, attempt))
        bench = Bench(record, sizes, {**random_inputs(record, sizes, rng, attempt % 2 == 1), **(fixed or {})})
        with np.errstate(all="ignore"):
            try:
                values = [bench.values[record.program.output], *bench.truth.values()]
            except OutsideDomain:
                continue
        if all(np.all(np.isfinite(value)) for value in values):
            return bench
    raise InputError(f"{record.program.name}: no random inputs were found at which the loss is finite")


def random_inputs(
    record: Record, sizes: Mapping[str, int], rng: np.random.Generator, small: bool = False
) -> dict[str, np.ndarray]:
    """Inputs that meet the assumptions, and nothing else: normal ones; between 0 and 1 where they are to be ``small``;
    soft labels wherever nothing says that they are one-hot, of any sum where nothing says that it is 1."""
    program = record.program
    found = {}
    for array in program.inputs:
        shape = tuple(sizes[axis.name] for axis in array.axes)
        about = [a for a in program.assumptions if array_names(a.lhs) == {array.name}]
        kinds = {a.is_one_hot * "one-hot" or a.is_symmetry * "symmetric" or "rows" for a in about if not a.domain}
        if "one-hot" in kinds:
            value = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
        elif "rows" in kinds:
            value = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        elif takes_labels(record, array):
            value = rng.uniform(LEAST, 1 - LEAST, shape)
        else:
            value = rng.uniform(LEAST, 1 - LEAST, shape) if small else rng.standard_normal(shape)
            value = np.abs(value) + LEAST if array.positive else value
            for domain in (a.domain for a in about if a.domain):
                value = domain.draw(shape, rng, small)
            value = np.triu(value) + np.triu(value, 1).T if "symmetric" in kinds else value
        found[array.name] = np.asarray(value)
    return found


@dataclass(frozen=True)
class Taken:
    """How a candidate takes its arguments: how many of the program's inputs, and which as integer labels."""

    names: tuple[str, ...]
    labels: frozenset[str]

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


def returned(candidate: Candidate, given: Sequence[Any], wrt: Sequence[str]) -> dict[str, np.ndarray]:
    """The gradients that a candidate returns, by array.

    Raises ``InputError`` where it returns another number of arrays, or something that is no array of numbers, and
    where it ends the program.
    """
    with np.errstate(all="ignore"):
        try:
            value = candidate(*given)
        except SystemExit as end:
            raise InputError(f"{called(candidate)} ends the program, with the exit code {end.code}") from None
    parts = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(parts) == 2 and len(wrt) > 0 and isinstance(parts[1], (tuple, list)) and np.ndim(parts[0]) == 0:
        parts = list(parts[1])  # the loss and its gradients, as the generated functions return them
    if len(wrt) == 1 and len(parts) != 1 and not (isinstance(value, tuple) and any(map(np.ndim, parts))):
        parts = [value]  # one gradient, as a list of numbers or rows
    if len(parts) != len(wrt):
        one = "one array" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        returns = one if len(parts) == 1 else f"{len(parts)} values"
        expected = f"gradients by {', '.join(wrt)}, in this order" if len(wrt) > 1 else f"gradient by {wrt[0]} alone"
        raise InputError(f"{called(candidate)} returns {returns}, expected the {expected}")
    found = {}
    for name, part in zip(wrt, parts, strict=True):
        try:
            array = np.asarray(part)
        except ValueError:
            raise InputError(f"{called(candidate)}: the gradient by {name} is no array") from None
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"{called(candidate)}: the gradient by {name} is an array of {array.dtype}, expected numbers"
            )
        found[name] = array
    return found
