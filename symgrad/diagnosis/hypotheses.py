"""What may have gone wrong: each hypothesis is an edit of the inputs, of an equation, of a Jacobian or of a line, and
predicts the gradients that somebody who made that mistake gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from symgrad.diagnosis.comparison_point import Bench
from symgrad.engine.derive import derive_record
from symgrad.facts import probabilities
from symgrad.notation import array_names
from symgrad.program import Program
from symgrad.render.text import name_text
from symgrad.sampling.autodiff import Arrays
from symgrad.steps import Partial, Record, Value

derived = lru_cache(maxsize=64)(derive_record)  # of edited programs, remembered for the next candidate


Words = str | Callable[[], str]
"""Text, or a function that makes it, where that takes time: few mistakes are ever shown."""


def text_of(words: Words) -> str:
    """The text itself."""
    return words if isinstance(words, str) else words()


@dataclass(frozen=True)
class Hypothesis:
    """A mistake of a ``kind``; ``cost`` is what ranks it, the simplest being cheapest.

    ``predict`` gives the gradients at a point; it raises ``NotHere`` where the mistake is impossible at its sizes.
    ``line`` is the first line of the derivation that is wrong, or of another derivation ``of`` the same gradient.
    ``words`` say what the mistake is, and ``yours`` what the line would read.
    """

    kind: str
    cost: float
    predict: Callable[[Bench], Mapping[str, np.ndarray]]
    line: int | None
    words: Words
    yours: Callable[[], str] = str
    of: Record | None = None


def gradients(bench: Bench, adjoints: Arrays) -> dict[str, np.ndarray]:
    """Those of the arrays asked for."""
    return {name: np.asarray(adjoints[name]) for name in bench.record.wrt}


def definition_line(record: Record, name: str) -> int | None:
    """The number of the line that states the equation of an array."""
    entry = record.program.definitions[name].entry
    found = (s.number for s in record.steps if s.subject == Value(entry) and s.rule == "definition")
    return next(found, None)


def derivative_line(record: Record, name: str) -> int | None:
    """The number of the first line that differentiates the equation of an array; of an abbreviation, one of what it
    stands in."""
    wanted = {name, *_written_into(record.program, name)}
    for step in record.steps:
        if isinstance(step.subject, Partial) and wanted & array_names(step.subject.of):
            return step.number
    return None


def _written_into(program: Program, name: str) -> set[str]:
    """The arrays with lines of their own in whose equations an abbreviation stands, be it inside of another."""
    if program.definitions[name].is_node:
        return {name}
    users = (d.name for d in program.ordered if name in array_names(d.rhs))
    return set[str]().union(*(_written_into(program, user) for user in users))


def first_use(record: Record, name: str) -> int | None:
    """The number of the first line that has an array on its right side."""
    return next((s.number for s in record.steps if name in array_names(s.after)), None)


def probability_text(program: Program, name: str) -> str:
    """What an array is, if it is made of logits: "the softmax P"; nothing for any other."""
    for p in probabilities(program):
        if p.name == name:
            return f"the {'softmax' if p.over is not None else 'logistic function'} {name_text(name)}"
    return ""
