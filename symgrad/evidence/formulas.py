"""Printed formulas against proved gradients; where one is wrong, by which term of which line."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.diagnosis import diagnose
from symgrad.evidence.library import KNOWN, Formula
from symgrad.evidence.report import Item
from symgrad.evidence.values import derived, evaluated


def check_formula(item: Formula) -> Item:
    """Whether the printed formula is the proved gradient; or, of one that is recorded as wrong, whether it is not, and
    the diagnosis is the recorded one: the mistake in words, and the line as it would have to be for the formula."""
    found = diagnose(derived(KNOWN[item.loss], (item.by,)), lambda *inputs: printed(item, inputs))
    sizes = " and ".join(" x ".join(f"{axis} = {size}" for axis, size in point.items()) for point in found.points)
    if found.ok:
        words = f"{item.formula} is the proved gradient at random inputs, {sizes or 'of no axes'}"
        return Item(item.what, not item.wrong, words + (", but it is recorded as wrong" if item.wrong else ""))
    words = f"{item.formula}: {found.deviations[0]}"
    if not found.explanations:
        return Item(item.what, False, f"{words}; nothing explains it")
    why = found.explanations[0]
    named = f"{why.words}: {why.yours}" if why.line is not None else why.words
    words += f"; line {why.line}, {why.right}, is not used as it stands" if why.line is not None else ""
    words = f"{'wrong: ' if item.wrong else ''}{words}; {named}"
    return Item(item.what, bool(item.wrong) and named == item.wrong, words)


def printed(item: Formula, inputs: tuple[Any, ...]) -> Any:
    """What the printed formula gives at these inputs of the loss, in the order of its program."""
    arrays = derived(KNOWN[item.loss], (item.by,)).program.inputs
    names: dict[str, Any] = {array.name: value for array, value in zip(arrays, inputs, strict=True)}
    sizes = {axis.name: np.shape(names[array.name])[place] for array in arrays for place, axis in enumerate(array.axes)}
    names = {**sizes, **names}
    for name, text in item.where.items():
        names[name] = evaluated(text, names)
    return evaluated(item.formula, names)
