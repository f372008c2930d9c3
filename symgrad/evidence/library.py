"""The library of published numbers and formulas, with author, source and inputs.

``data/published.json`` is a list of sources with items.  Numbers are stored as strings, to keep their precision; null
marks an entry that was not printed.  Inputs are numbers, or text in the one-line language over the previous inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from symgrad.array.expression import parse
from symgrad.array.loss import Loss
from symgrad.losses import LOSSES


def _example(entry: Mapping[str, str]) -> Loss:
    parsed = parse(entry["loss"], entry["shapes"], entry["wrt"])
    return Loss(parsed.function, parsed.shapes, parsed.wrt, entry["name"], entry["summary"])


KNOWN: Mapping[str, Loss] = LOSSES | {
    entry["name"]: _example(entry)
    for entry in json.loads((files("symgrad") / "data" / "published_losses.json").read_text(encoding="utf-8"))
}
"""The losses of the items: the catalogue, and the losses of further published examples in the one-line language.

In the latter, ``v`` weighs the terms of a sum, so that the gradient with respect to ``v`` is the array of the terms, as
a page prints it."""


@dataclass(frozen=True)
class Wrong:
    """A printed number that is wrong: the reason, and how it is wrong, in one of three ways.

    ``times``: it is this multiple of the right number; ``instead``: it is right for these other inputs, or for another
    ``loss``; ``off_by``: it differs by this number, within its precision.
    """

    because: str
    times: str = ""
    instead: Mapping[str, Any] = field(default_factory=dict)
    off_by: str = ""


@dataclass(frozen=True)
class Numbers:
    """Numbers printed for known inputs of a loss: ``printed["loss"]`` is its value, the others are gradients by name.

    ``exact``: no digit is rounded.  ``float32``: computed in float32.  ``decimals``: trailing zeros after these
    decimals were dropped.  ``scale``: a multiple of the loss and its gradients.  ``step``: the numbers are inputs after
    a gradient step of this length.
    """

    what: str
    loss: str
    inputs: Mapping[str, Any]
    printed: Mapping[str, Any]
    exact: bool = False
    float32: bool = False
    decimals: int = 0
    scale: str = "1"
    step: str = ""
    wrong: Wrong | None = None


@dataclass(frozen=True)
class Formula:
    """A printed gradient with respect to the array ``by``, in the one-line language, with the definitions ``where``.

    It may contain the inputs of the loss, and axes as sizes.  ``wrong``: if it is wrong, the diagnosis: the mistake in
    words, and the line of the derivation that the formula implies.
    """

    what: str
    loss: str
    by: str
    formula: str
    where: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""


@dataclass(frozen=True)
class Source:
    """The author of ``items``, and where they were published; ``year`` is None if unknown."""

    author: str
    title: str
    year: int | None
    where: str
    items: tuple[Numbers | Formula, ...]

    @property
    def name(self) -> str:
        """Author, title and year, as a heading."""
        return f"{self.author}: {self.title}" + (f" ({self.year})" if self.year else "")


@cache
def sources() -> tuple[Source, ...]:
    """The sources of the package."""
    text = (files("symgrad") / "data" / "published.json").read_text(encoding="utf-8")
    return tuple(Source(**{**entry, "items": tuple(map(_item, entry["items"]))}) for entry in json.loads(text))


def _item(entry: Mapping[str, Any]) -> Numbers | Formula:
    if "formula" in entry:
        return Formula(**entry)
    return Numbers(**{**entry, "wrong": Wrong(**entry["wrong"]) if "wrong" in entry else None})


def entries(nested: Any) -> Iterator[Any]:
    """The entries of nested lists, in order."""
    if isinstance(nested, list):
        for part in nested:
            yield from entries(part)
    else:
        yield nested


def inputs_of(loss: Loss, written: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a published item as float64 arrays and labels; text is evaluated over the previous inputs."""
    labels = {shape.name for shape in loss.shapes if shape.labels}
    inputs: dict[str, Any] = {}
    for name, value in written.items():
        inputs[name] = evaluated(value, inputs) if isinstance(value, str) else np.array(value, dtype=np.float64)
        if name in labels:
            inputs[name] = np.array(value, dtype=np.int64)
    return {shape.name: inputs[shape.name] for shape in loss.shapes}


def evaluated(text: str, names: Mapping[str, Any]) -> Any:
    """Evaluate text in the one-line language with these arrays, without running it as Python."""
    declared = ", ".join(f"{name}: scalar" for name in names)
    return parse(text, declared, next(iter(names))).function(**names)
