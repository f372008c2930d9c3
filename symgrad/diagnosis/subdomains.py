"""Parts of the domain of an input: a gradient that is written for labels 0 and 1 alone, or for one-hot rows, is right
there, and need not be anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from symgrad.codegen.labels import is_target, takes_labels
from symgrad.diagnosis.bench import Bench, hardened
from symgrad.notation import array_names
from symgrad.render.text import name_text
from symgrad.steps import Record

OTHERS = {"between 0 and 1": "probabilities", "nonnegative": "nonnegative numbers"}
"""What the numbers of a domain of which 0 and 1 are a usual part are called, by its words."""


def subdomains(record: Record) -> Iterator[tuple[str, Callable[[Bench], Bench]]]:
    """For each input of which the loss is given targets, the narrower domains, in words, with how a point is moved
    there."""
    for array in record.program.inputs:
        if not array.axes or array.name in record.wrt or array.positive:
            continue
        about = [a for a in record.program.assumptions if array_names(a.lhs) == {array.name}]
        domain = next((a.domain for a in about if a.domain), None)
        shown = name_text(array.name)
        if takes_labels(record, array) and not any(a.is_one_hot for a in about):
            others = "distributions" if about else "rows"
            yield f"for one-hot rows of {shown}, not for other {others}", _moved(array.name, hardened)
        if (domain and domain.words not in OTHERS) or (about and not domain) or not is_target(record, array):
            continue
        others = OTHERS[domain.words] if domain else "numbers"
        for low in (0, -1) if domain is None else (0,):
            words = f"for {shown} in {{{low}, 1}}, not for other {others}"
            yield words, _moved(array.name, partial(_split, low))


def _split(low: int, value: np.ndarray) -> np.ndarray:
    """1 for the larger half of some numbers, ``low`` for the smaller."""
    return np.where(value > np.median(value), 1.0, low)


def _moved(name: str, made: Callable[[np.ndarray], np.ndarray]) -> Callable[[Bench], Bench]:
    return lambda bench: bench.at(**{name: made(bench.inputs[name])})
