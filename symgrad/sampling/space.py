"""The valid values of each input of a program, random values, and steps that keep values valid."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from symgrad.equations import Domain
from symgrad.errors import InputError
from symgrad.facts import domains
from symgrad.notation import Array, array_names
from symgrad.program import Program

LEAST = 0.1
RELATIVE = (0.5, 1.5)  # a scalar with a default is drawn between these multiples of it
SIGNED = frozenset({"positive", "usual"})  # of one sign; a scalar has that of its default
UNMOVED = frozenset({"one-hot", "rows", "soft", "fixed", "discrete"})
UNSTRETCHED = frozenset({"one-hot", "fixed", "discrete"})
OF_ODDS, OF_SCALARS = 4.0, 1 / 3
"""How many decades the odds of what lies between 0 and 1, and a scalar, are stretched by for one of other inputs."""

Inputs = Mapping[str, np.ndarray]


class NoInputs(InputError):
    """No random inputs were found at which the loss and its gradients are finite."""


@dataclass(frozen=True)
class InputSpace:
    """The inputs of a program and their assumptions: ``soft`` inputs are between 0 and 1, ``hard`` inputs have one-hot
    rows, ``fixed`` inputs have one value."""

    program: Program
    soft: frozenset[str] = frozenset()
    hard: frozenset[str] = frozenset()
    fixed: tuple[tuple[str, float], ...] = ()

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The declared domains of inputs."""
        return domains(self.program)

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """Other known properties of each input, in words."""
        named: list[tuple[str, Set[str] | Mapping[str, object]]] = [
            ("positive", {a.name for a in self.program.inputs if a.positive}),
            ("usual", {name for name, value in self.program.defaults if value != 0}),
            ("discrete", {name for name, domain in self.domains.items() if domain.values}),
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
        """The bounds of the inputs that have bounds."""
        known = {name: (domain.low, domain.high) for name, domain in self.domains.items()}
        for name, kinds in self.kinds.items():
            if kinds & {"positive", "one-hot", "rows"}:
                known[name] = (0.0, np.inf if "positive" in kinds else 1.0)
        return known

    @cached_property
    def movable(self) -> tuple[str, ...]:
        """The inputs that stay valid after a small step."""
        return tuple(name for name, kinds in self.kinds.items() if not kinds & UNMOVED)

    @cached_property
    def free(self) -> frozenset[str]:
        """The arrays that may be arbitrarily large, with either sign."""
        arrays = (a.name for a in self.program.inputs if a.axes and a.name not in self.domains)
        return frozenset(name for name in arrays if not self.kinds[name])

    def enlarged(self, inputs: Inputs, factor: float) -> dict[str, np.ndarray]:
        """The inputs with the free arrays multiplied by ``factor``."""
        return {name: value * factor if name in self.free else value for name, value in inputs.items()}

    def stretched(self, inputs: Inputs, decades: Inputs) -> dict[str, np.ndarray]:
        """The inputs with every entry stretched by ``decades``; for rows that sum to one the shares, for values between
        0 and 1 the odds."""
        found = dict(inputs)
        for name, kinds in self.kinds.items():
            value, by = inputs[name], decades.get(name, np.zeros(()))
            if name not in decades or kinds & UNSTRETCHED:
                continue
            if "rows" in kinds:
                shares = value * 10.0**by
                found[name] = shares / shares.sum(axis=-1, keepdims=True)
            elif "soft" in kinds or self.bounds.get(name, (0.0, np.inf))[1] == 1:
                odds = value / (1 - value) * 10.0 ** (OF_ODDS * by)
                found[name] = odds / (1 + odds)
            else:
                found[name] = value * 10.0 ** (by if value.ndim else OF_SCALARS * by)
        return self.admissible(found)

    def ends(self, name: str, value: np.ndarray) -> list[np.ndarray]:
        """An input moved to an end of its domain, or each entry to the nearest end; integers if it is free."""
        domain, kinds = self.domains.get(name), self.kinds[name]
        if "fixed" in kinds:
            return []
        if domain:
            ends = {domain.low, *domain.values[-1:]}
            return [np.full(value.shape, float(end)) for end in sorted(ends)] + [np.round(value)] * (domain.step == 0)
        if kinds & {"rows", "one-hot"}:
            return [np.broadcast_to(row, value.shape).copy() for row in np.eye(value.shape[-1])[[0, -1]]]
        return [np.round(value)] if name in self.free or "soft" in kinds else []

    def random(self, sizes: Mapping[str, int], rng: np.random.Generator, small: bool = False) -> dict[str, np.ndarray]:
        """Random inputs; if ``small``, unconstrained inputs are between 0 and 1."""
        shapes = {a: tuple(sizes[axis.name] for axis in a.axes) for a in self.program.inputs}
        found = {a.name: self._drawn(a, shape, rng, small) for a, shape in shapes.items()}
        usual = {name: float(value) for name, value in self.program.defaults}
        for name, kinds in self.kinds.items():
            if "usual" in kinds and not (name in self.domains and self.domains[name].step):
                found[name] = np.asarray(usual[name] * rng.uniform(*RELATIVE))
        return self.admissible({**found, **{name: np.asarray(value) for name, value in self.fixed}})

    def _drawn(self, array: Array, shape: tuple[int, ...], rng: np.random.Generator, small: bool) -> np.ndarray:
        """Random values of one input: normal or between 0 and 1, unless its assumptions say otherwise."""
        kinds = self.kinds[array.name]
        if "one-hot" in kinds:
            return np.asarray(np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])])
        if "rows" in kinds:
            return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        if array.name in self.domains:
            return self.domains[array.name].draw(shape, rng, small)
        if small or "soft" in kinds:
            return np.asarray(rng.uniform(LEAST, 1 - LEAST, shape))
        value = np.asarray(rng.standard_normal(shape))
        return np.abs(value) + LEAST if array.positive else value

    def admissible(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """The inputs with every number moved to the nearest valid value; rows are unchanged."""
        found = dict(inputs)
        for name, domain in self.domains.items():
            step = domain.step or 1
            whole = domain.low + step * np.round((found[name] - domain.low) / step)
            found[name] = np.clip(whole if domain.step else found[name], domain.low, domain.high)
        for name, kinds in self.kinds.items():
            if "positive" in kinds:
                found[name] = np.abs(found[name])
            if "symmetric" in kinds:
                found[name] = np.triu(found[name]) + np.triu(found[name], 1).T
        return found

    def moved(self, inputs: Inputs, steps: Inputs) -> dict[str, np.ndarray]:
        """The inputs after ``steps``; inputs with a fixed sign keep a small part of their distance from 0."""
        found = {}
        for name, step in steps.items():
            value = inputs[name]
            found[name] = value + step
            if self.kinds[name] & SIGNED:
                with np.errstate(all="ignore"):
                    found[name] = np.where(step / value > LEAST - 1, found[name], value * np.exp(step / value))
        return self.admissible({**inputs, **found})
