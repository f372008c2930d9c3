"""Printed formulas against proved gradients, at random inputs; where one is wrong, by which term."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from symgrad.api import derive
from symgrad.array.loss import Loss
from symgrad.differences import SIZES, drawn
from symgrad.evidence.library import KNOWN, Formula
from symgrad.evidence.report import Item
from symgrad.evidence.values import Arrays, computed, evaluated
from symgrad.evidence.variants import with_gradient, without_terms

DRAWS = 4
ALLOWED = 1e-9
"""The largest difference of equal formulas, relative to the largest entry: at the inputs drawn they lose few digits."""


def check_formula(item: Formula) -> Item:
    """Whether the printed formula is the proved gradient; or, of one that is recorded as wrong, whether it is not, and
    by the term that is recorded."""
    loss = KNOWN[item.loss]
    draws = list(_draws(loss))
    printed = [_printed(item, sizes, inputs) for sizes, inputs in draws]
    proved = [computed(loss, inputs, [item.by]).gradients[item.by] for _, inputs in draws]
    error = max(map(_difference, printed, proved))
    if error <= ALLOWED:
        words = f"{item.formula}: equal to the proved gradient, within {error:.0e} at {len(draws)} random inputs"
        return Item(item.what, not item.wrong, words + (": recorded as wrong, but it is right" if item.wrong else ""))
    named = _named(item, [inputs for _, inputs in draws], printed)
    words = f"{item.formula}: differs by up to {error:.2g} of the largest entry: {named or 'no term says why'}"
    return Item(item.what, bool(item.wrong) and named == item.wrong, f"wrong: {words}" if item.wrong else words)


def _draws(loss: Loss) -> Iterator[tuple[dict[str, int], Arrays]]:
    """Sizes of the axes, and random inputs at which the loss is finite."""
    axes = dict.fromkeys(axis.name for shape in loss.shapes for axis in shape.array.axes)
    sizes = dict(zip(axes, cycle(SIZES), strict=False))
    rng, found = np.random.default_rng(0), 0
    for small in cycle((False, True)):
        inputs = {shape.name: drawn(shape, sizes, rng, small) for shape in loss.shapes}
        with np.errstate(all="ignore"):
            finite = bool(np.isfinite(loss(**inputs)))
        if finite:
            found += 1
            yield sizes, inputs
        if found == DRAWS:
            return


def _printed(item: Formula, sizes: dict[str, int], inputs: Arrays) -> Any:
    names = {**inputs, **{axis: float(size) for axis, size in sizes.items() if axis not in inputs}}
    for name, text in item.where.items():
        names[name] = evaluated(text, names)
    return np.asarray(evaluated(item.formula, names))


def _difference(found: Any, expected: Any) -> float:
    """The largest difference over the largest entry; infinite for another shape."""
    if np.shape(found) != np.shape(expected):
        return float("inf")
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def _named(item: Formula, inputs: list[Arrays], printed: list[Any]) -> str:
    """The change of the derived formula that gives the printed one at all inputs, in words; empty if none does.

    The formula is derived without the assumptions: an assumption may have removed the term in question.
    """
    loss = KNOWN[item.loss]
    record = derive(loss, [item.by], assume=()).record
    changed = partial(with_gradient, record, item.by)
    gradient = record.gradients[item.by]
    words = {"left out": "{} left out", "diagonal": "only the diagonal term of {}"}
    for term, change, index in without_terms(gradient, record):
        if _gives(changed(index), inputs, printed):
            return words[change].format(term)
    ratios = [np.max(np.abs(p)) / np.max(np.abs(g)) for p, g in zip(printed, _values(changed(gradient.index), inputs))]
    for factor in (ratios[0], -ratios[0]):
        if _gives(lambda *at, f=factor: (0.0, [f * changed(gradient.index)(*at)[1][0]]), inputs, printed):
            return f"{factor:.6g} times the gradient"
    return ""


def _values(function: Any, inputs: list[Arrays]) -> list[Any]:
    return [function(*at.values())[1][0] for at in inputs]


def _gives(function: Any, inputs: list[Arrays], printed: list[Any]) -> bool:
    return all(_difference(p, found) <= ALLOWED for p, found in zip(printed, _values(function, inputs), strict=True))
