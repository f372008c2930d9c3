"""Compare printed numbers with the generated functions, to their printed precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from symgrad.evidence.library import KNOWN, Numbers, Wrong, entries
from symgrad.evidence.published import FLOAT32_EPSILON
from symgrad.evidence.report import Item
from symgrad.evidence.values import computed, evaluated, given

FLOAT64 = 2.0**-50
"""What float64 leaves of the largest number: four roundings."""


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
    """Whether the numbers are wrong in the recorded way, and a word on it."""
    if wrong.off_by:
        distance = max(abs(float(pair.printed) - pair.computed) for pair in compared(item))
        holds = abs(distance - float(wrong.off_by)) <= _half_unit(wrong.off_by)
        return holds, f" (off by {distance:.1e})"
    if wrong.times:
        pairs = compared(item, times=float(evaluated(wrong.times, given(KNOWN[item.loss], item.inputs))))
        return all(pair.ok for pair in pairs), f" ({wrong.times} times the right one)"
    loss = wrong.instead.get("loss", item.loss)
    inputs = {**item.inputs, **{name: value for name, value in wrong.instead.items() if name != "loss"}}
    return all(pair.ok for pair in compared(item, loss, inputs)), ""


def compared(
    item: Numbers, loss: str | None = None, inputs: Mapping[str, Any] | None = None, times: float = 1.0
) -> list[Pair]:
    """Each printed number, beside ``times`` the result of the item's loss (or another loss) at its inputs (or other
    inputs)."""
    own = KNOWN[loss or item.loss]
    at = given(own, inputs or item.inputs)
    values = computed(own, at)
    scale = times * float(evaluated(item.scale, at))
    pairs = []
    for name, printed in item.printed.items():
        found = values.loss if name == "loss" else values.gradients[name]
        found = at[name] - float(item.step) * found if item.step else scale * np.asarray(found)
        pairs += _pairs(printed, found, item)
    return pairs


def _pairs(printed: Any, found: Any, item: Numbers) -> list[Pair]:
    texts, numbers, shape = list(entries(printed)), np.ravel(found), np.shape(printed)
    if shape != np.shape(found):
        raise ValueError(f"published.json: {item.what}: printed with shape {shape}, computed with {np.shape(found)}")
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
