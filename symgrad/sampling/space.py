"""What values each input of a program may have, random ones, and steps that stay among them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from symgrad.equations import Domain
from symgrad.errors import InputError
from symgrad.notation import Array, array_names
from symgrad.program import Program

LEAST = 0.1
RELATIVE = (0.5, 1.5)  # a scalar with a default is drawn between these multiples of it
SIGNED = frozenset({"positive", "usual"})  # of one sign; a scalar has that of its default
UNMOVED = frozenset({"one-hot", "rows", "soft", "fixed", "discrete"})


class NoInputs(InputError):
    """No random inputs were found at which the loss and its gradients are finite."""


@dataclass(frozen=True)
class InputSpace:
    """The inputs of a program: what is assumed of them; ``soft`` ones lie between 0 and 1; ``hard`` ones have one-hot
    rows; ``fixed`` ones have one value."""

    program: Program
    soft: frozenset[str] = frozenset()
    hard: frozenset[str] = frozenset()
    fixed: tuple[tuple[str, float], ...] = ()

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The domains that inputs are declared to have."""
        found = ((a, a.domain) for a in self.program.assumptions)
        return {name: domain for a, domain in found if domain for name in array_names(a.lhs)}

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """What else is known of each input, in words."""
        named: list[tuple[str, Set[str] | Mapping[str, object]]] = [
            ("positive", {a.name for a in self.program.inputs if a.positive}),
            ("usual", {name for name, value in self.program.defaults if value != 0}),
            ("discrete", {name for name, domain in self.domains.items() if domain.step}),
            ("soft", self.soft - self.domains.keys()),
            ("one-hot", self.hard),
            ("fixed", dict(self.fixed)),
        ]
        for a in self.program.assumptions:
            if not a.domain:
                named.append((a.is_one_hot * "one-hot" or a.is_symmetry * "symmetric" or "rows", array_names(a.lhs)))
        return {a.name: frozenset(word for word, names in named if a.name in names) for a in self.program.inputs}

    @cached_property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The least and the largest value of the inputs that have such."""
        known = {name: (domain.low, domain.high) for name, domain in self.domains.items()}
        for name, kinds in self.kinds.items():
            if kinds & {"positive", "one-hot", "rows"}:
                known[name] = (0.0, np.inf if "positive" in kinds else 1.0)
        return known

    @cached_property
    def movable(self) -> tuple[str, ...]:
        """The inputs that a small step leaves admissible."""
        return tuple(name for name, kinds in self.kinds.items() if not kinds & UNMOVED)

    def inputs(self, sizes: Mapping[str, int], rng: np.random.Generator, small: bool = False) -> dict[str, np.ndarray]:
        """Random inputs; between 0 and 1, where nothing else is said of them, if they are to be ``small``."""
        found = {}
        usual = {name: float(value) for name, value in self.program.defaults}
        for array in self.program.inputs:
            shape, kinds = tuple(sizes[axis.name] for axis in array.axes), self.kinds[array.name]
            found[array.name] = draw(array, kinds, shape, rng, small, self.domains.get(array.name))
            if "usual" in kinds and "discrete" not in kinds:
                found[array.name] = np.asarray(usual[array.name] * rng.uniform(*RELATIVE))
        return self.clipped({**found, **{name: np.asarray(value) for name, value in self.fixed}})

    def clipped(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs with what lies beyond a bound of a domain at the bound."""
        low_high = {name: (domain.low, domain.high) for name, domain in self.domains.items()}
        return {n: np.clip(value, *low_high[n]) if n in low_high else value for n, value in inputs.items()}

    def moved(self, inputs: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs after ``steps``, in units of ``scale``."""
        with np.errstate(all="ignore"):
            return self.clipped({n: self._moved(n, v, steps[n]) if n in steps else v for n, v in inputs.items()})

    def _moved(self, name: str, value: np.ndarray, step: np.ndarray) -> np.ndarray:
        if "symmetric" in self.kinds[name]:
            step = (step + step.T) / 2
        return np.asarray(value * np.exp(step) if self.kinds[name] & SIGNED else value + step)

    def scale(self, name: str, value: np.ndarray) -> np.ndarray:
        """By how much an input moves in a small step of 1: those of one sign move by multiples of themselves."""
        return value if self.kinds[name] & SIGNED else np.ones_like(value)


def draw(
    array: Array, kinds: Set[str], shape: tuple[int, ...], rng: np.random.Generator, small: bool, domain: Domain | None
) -> np.ndarray:
    """Random values of one input: normal ones, or between 0 and 1, unless something is known of them."""
    if "one-hot" in kinds:
        return np.asarray(np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])])
    if "rows" in kinds:
        return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    if domain:
        value = domain.draw(shape, rng, small)
    elif small or "soft" in kinds:
        value = rng.uniform(LEAST, 1 - LEAST, shape)
    else:
        value = np.abs(rng.standard_normal(shape)) + LEAST if array.positive else rng.standard_normal(shape)
    return np.asarray(np.triu(value) + np.triu(value, 1).T if "symmetric" in kinds else value)
