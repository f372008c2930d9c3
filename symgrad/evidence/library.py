"""The library of published numbers and formulas, with author, source and inputs.

``data/published.json`` is a list of sources with items.  Numbers are stored as strings, to keep their precision; null
marks an entry that was not printed.  Inputs are numbers, or text in the one-line language over the previous inputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files
from typing import Any, TypeVar

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

NUMBER = re.compile(r"-?\d+(\.\d*)?(e-?\d+)?(\.\.\.)?")

Record = TypeVar("Record")


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


def sources(text: str | None = None) -> tuple[Source, ...]:
    """The sources of the package, or of ``text`` (JSON of the same layout).

    Raises ``ValueError``, one line that names the source, the item and the key, for a malformed item.
    """
    if text is None:
        text = (files("symgrad") / "data" / "published.json").read_text(encoding="utf-8")
    read = json.loads(text)
    if not isinstance(read, list) or not read:
        raise ValueError("expected a list of sources")
    return tuple(_source(entry, f"source {number}") for number, entry in enumerate(read, 1))


def _source(entry: Any, path: str) -> Source:
    _expect(isinstance(entry, dict) and isinstance(entry.get("items"), list) and entry["items"], path, "has no items")
    items = tuple(_item(item, f"{path}, item {number}") for number, item in enumerate(entry["items"], 1))
    source = _built(Source, {**entry, "items": items}, path)
    _expect(all(isinstance(t, str) and t for t in (source.author, source.title, source.where)), path, "lacks words")
    return source


def _item(entry: Any, path: str) -> Numbers | Formula:
    _expect(isinstance(entry, dict), path, "is not an object")
    if "formula" in entry:
        formula = _built(Formula, entry, path)
        _expect(formula.loss in KNOWN, path, f"unknown loss {formula.loss!r}")
        return formula
    wrong = entry.get("wrong")
    item = _built(Numbers, {**entry, "wrong": None if wrong is None else _wrong(wrong, path)}, path)
    _expect(item.loss in KNOWN, path, f"unknown loss {item.loss!r}")
    loss = KNOWN[item.loss]
    for name in (shape.name for shape in loss.shapes):
        _expect(name in item.inputs, path, f"inputs: {name} is missing")
    for name, printed in item.printed.items():
        _expect((name == "loss" and not item.step) or name in loss.wrt, path, f"printed: unknown {name}")
        for number in entries(printed):
            _expect(number is None or is_number(number), path, f"printed: {number!r} is not a number in a string")
    _expect(any(n is not None for p in item.printed.values() for n in entries(p)), path, "nothing was printed")
    return item


def _wrong(entry: Any, path: str) -> Wrong:
    wrong = _built(Wrong, entry, path)
    ways = [bool(wrong.times), bool(wrong.instead), bool(wrong.off_by)]
    _expect(bool(wrong.because) and sum(ways) == 1, path, "wrong: expected because, and one of times, instead, off_by")
    return wrong


def _built(kind: type[Record], entry: Mapping[str, Any], path: str) -> Record:
    """A ``kind`` from a dictionary of exactly its fields."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in entry:
        _expect(key in known, path, f"unknown key {key!r}")
    for name, f in known.items():
        needed = f.default is MISSING and f.default_factory is MISSING
        _expect(name in entry or not needed, path, f"{name} is missing")
    return kind(**entry)


def _expect(holds: object, path: str, otherwise: str) -> None:
    if not holds:
        raise ValueError(f"published.json: {path}: {otherwise}")


def entries(nested: Any) -> Iterator[Any]:
    """The entries of nested lists, in order."""
    if isinstance(nested, list):
        for part in nested:
            yield from entries(part)
    else:
        yield nested


def is_number(text: Any) -> bool:
    """Whether this is a printed number; three dots at the end mean that more digits were cut off."""
    return isinstance(text, str) and NUMBER.fullmatch(text) is not None


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
