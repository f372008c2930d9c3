"""The library of published numbers and formulas, with author, source and inputs, and their comparison with the proof.

``data/published.json`` is a list of sources with items.  Numbers are stored as strings, to keep their precision; null
marks an entry that was not printed.  Inputs are numbers, or text in the one-line language over the previous inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from symgrad.array.expression import parse
from symgrad.array.loss import Loss
from symgrad.diagnosis import diagnose
from symgrad.evidence.generated_code import computed, derived
from symgrad.evidence.published import FLOAT32_EPSILON
from symgrad.evidence.report import Item
from symgrad.losses import LOSSES

FLOAT64 = 2.0**-50
"""The rounding error of float64 relative to the largest number: four roundings."""


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


# --- printed formulas -------------------------------------------------------------------------------------------------


def check_formula(item: Formula) -> Item:
    """Whether the printed formula is the proved gradient; for a formula recorded as wrong, whether it is wrong and the
    diagnosis is as recorded: the mistake in words, and the line that the formula implies."""
    diagnosis = diagnose(derived(KNOWN[item.loss], (item.by,)), lambda *inputs: printed(item, inputs))
    sizes = " and ".join(" x ".join(f"{axis} = {size}" for axis, size in point.items()) for point in diagnosis.points)
    if diagnosis.ok:
        words = f"{item.formula} is the proved gradient at random inputs, {sizes or 'of no axes'}"
        return Item(item.what, not item.wrong, words + (", but it is recorded as wrong" if item.wrong else ""))
    words = f"{item.formula}: {diagnosis.deviations[0]}"
    if not diagnosis.explanations:
        return Item(item.what, False, f"{words}; nothing explains it")
    why = diagnosis.explanations[0]
    named = f"{why.words}: {why.yours}" if why.line is not None else why.words
    words += f"; line {why.line}, {why.right}, is not used as it stands" if why.line is not None else ""
    words = f"{'wrong: ' if item.wrong else ''}{words}; {named}"
    return Item(item.what, bool(item.wrong) and named == item.wrong, words)


def printed(item: Formula, inputs: tuple[Any, ...]) -> Any:
    """The value of the printed formula at these inputs of the loss, in the order of its program."""
    arrays = derived(KNOWN[item.loss], (item.by,)).program.inputs
    names: dict[str, Any] = {array.name: value for array, value in zip(arrays, inputs, strict=True)}
    shapes = {array: np.shape(names[array.name]) for array in arrays}
    sizes = {axis.name: size for array in arrays for axis, size in zip(array.axes, shapes[array], strict=True)}
    names = {**sizes, **names}
    for name, text in item.where.items():
        names[name] = evaluated(text, names)
    return evaluated(item.formula, names)


# --- printed numbers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A printed and a computed number; ``excess`` is their distance relative to the allowed error."""

    printed: str
    computed: float
    excess: float

    @property
    def ok(self) -> bool:
        return self.excess <= 1


def check_numbers(item: Numbers) -> Item:
    """Whether the generated function returns the printed numbers; for numbers recorded as wrong, whether they are wrong
    in the recorded way."""
    pairs = compared(item)
    worst = max(pairs, key=lambda pair: pair.excess)
    words = f"{worst.printed} printed, {worst.computed:.{_digits(worst.printed) + 3}g} computed"
    if len(pairs) > 1:
        words = f"{len(pairs)} numbers, of which the farthest {words}"
    if item.wrong is None:
        return Item(item.what, worst.ok, words)
    if worst.ok:
        return Item(item.what, False, f"{words}: recorded as wrong, but it is right")
    explained, how = _explained(item, item.wrong)
    return Item(item.what, explained, f"wrong: {words}; {item.wrong.because}{how}")


def _explained(item: Numbers, wrong: Wrong) -> tuple[bool, str]:
    """Whether the numbers are wrong in the recorded way, and the end of the message that says so."""
    if wrong.off_by:
        distance = max(abs(float(pair.printed) - pair.computed) for pair in compared(item))
        holds = abs(distance - float(wrong.off_by)) <= _half_unit(wrong.off_by)
        return holds, f" (off by {distance:.1e})"
    if wrong.times:
        pairs = compared(item, times=float(evaluated(wrong.times, inputs_of(KNOWN[item.loss], item.inputs))))
        return all(pair.ok for pair in pairs), f" ({wrong.times} times the right one)"
    loss = wrong.instead.get("loss", item.loss)
    inputs = {**item.inputs, **{name: value for name, value in wrong.instead.items() if name != "loss"}}
    return all(pair.ok for pair in compared(item, loss, inputs)), ""


def compared(
    item: Numbers, loss: str | None = None, inputs: Mapping[str, Any] | None = None, times: float = 1.0
) -> list[Pair]:
    """Each printed number, beside ``times`` the result of the item's loss (or another loss) at its inputs (or other
    inputs)."""
    known = KNOWN[loss or item.loss]
    at = inputs_of(known, inputs or item.inputs)
    values = computed(known, at)
    scale = times * float(evaluated(item.scale, at))
    pairs = []
    for name, printed in item.printed.items():
        result = values.loss if name == "loss" else values.gradients[name]
        result = at[name] - float(item.step) * result if item.step else scale * np.asarray(result)
        pairs += _pairs(printed, result, item)
    return pairs


def _pairs(printed: Any, result: Any, item: Numbers) -> list[Pair]:
    texts, numbers, shape = list(entries(printed)), np.ravel(result), np.shape(printed)
    if shape != np.shape(result):
        raise ValueError(f"published.json: {item.what}: printed with shape {shape}, computed with {np.shape(result)}")
    largest = max(abs(_value(text)) for text in texts if text is not None)
    rounding = (FLOAT32_EPSILON if item.float32 else FLOAT64) * largest
    return [
        Pair(text, float(number), _excess(text, float(number), rounding, item))
        for text, number in zip(texts, numbers, strict=True)
        if text is not None
    ]


def _excess(text: str, number: float, rounding: float, item: Numbers) -> float:
    """The distance of the computed number from the printed one, relative to the allowed error (digits and
    ``rounding``); cut-off digits may amount to a unit in the last place."""
    if not np.isfinite(number):
        return float("inf")
    if text.endswith("..."):
        sign = -1.0 if text.startswith("-") else 1.0
        return abs(number - (_value(text) + sign * _half_unit(text))) / (_half_unit(text) + rounding)
    half = 0.0 if item.exact else 0.5 * 10.0**-item.decimals if item.decimals else _half_unit(text)
    return abs(number - _value(text)) / max(half + rounding, 1e-300)


def _value(text: str) -> float:
    return float(text.removesuffix("..."))


def _half_unit(text: str) -> float:
    """Half a unit of the last printed digit."""
    exponent = Decimal(text.removesuffix("...")).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def _digits(text: str) -> int:
    return len(Decimal(text.removesuffix("...")).as_tuple().digits)
