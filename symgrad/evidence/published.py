"""Printed gradients: parsed strictly, with the precision of their digits, and tested for invariants that are
independent of the inputs.

A file gives ``labels``, ``N``, ``D``, ``C`` and one section for each loss, with ``dW`` (D rows of C numbers) and ``db``
(C numbers).  The numbers are stored as strings, to keep their precision.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from symgrad.errors import shown

Array = npt.NDArray[np.float64]

FLOAT32_EPSILON = 2.0**-23
"""The rounding error of float32, relative to the largest number of an array: two roundings."""

SECTIONS = {"mse": "softmax_mse", "cross_entropy": "softmax_cross_entropy"}
"""Short names of sections; any other section is called by the full name of its loss."""

MOST_LETTERS = 300_000
"""The limit on the letters of a file; nobody prints more numbers."""
MOST_ENTRIES = 1_000_000
"""The limit on N (D + C), the entries of the inputs and of the one-hot labels."""
MOST_DIGITS = 60
"""The limit on the digits of a number, including its exponent."""
LARGEST_EXPONENT = 300

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Published:
    """Printed gradients of a loss of N rows, D features and C classes, with Z = X W + 1 b^T at b = 0."""

    labels: tuple[int, ...]
    """N class numbers from 0 to C - 1: row n of the one-hot Y has its 1 in column labels[n]."""
    dW: Array
    """(D, C)"""
    db: Array
    """(C,)"""
    dW_resolution: Array
    """(D, C): by how much a printed number may differ from the exact one, in the unit of the number."""
    db_resolution: Array
    """(C,)"""

    @property
    def N(self) -> int:
        return len(self.labels)

    @property
    def D(self) -> int:
        return int(self.dW.shape[0])

    @property
    def C(self) -> int:
        return int(self.dW.shape[1])

    @property
    def Y(self) -> Array:
        """(N, C), one-hot."""
        return np.asarray(np.arange(self.C) == np.array(self.labels)[:, None], dtype=np.float64)

    @property
    def values(self) -> Array:
        """(D + 1, C): dW, and db as the last row."""
        return np.vstack([self.dW, self.db])

    @property
    def resolution(self) -> Array:
        """(D + 1, C): the resolution of each number, in the order of ``values``."""
        return np.vstack([self.dW_resolution, self.db_resolution])


def from_printed(labels: tuple[int, ...], dW: list[list[str]], db: list[str]) -> Published:
    """From numbers as printed: D rows of C strings, and C strings."""
    return Published(labels, np.array(dW, dtype=float), np.array(db, dtype=float), _resolution(dW), _resolution(db))


def _resolution(printed: Any) -> Array:
    """Half a unit of the last printed digit, plus the float32 rounding of the largest number of the array.

    Printers drop trailing zeros.  So a short number has as many decimals as any number of the array, but not more
    digits than the longest.
    """
    numbers = [Decimal(text) for text in np.ravel(printed).tolist()]
    last = [_last_place(number) for number in numbers]
    finest = min(last)
    digits = max(len(number.as_tuple().digits) for number in numbers)
    units = [
        min(power, max(finest, n.adjusted() - digits + 1) if n else finest)
        for n, power in zip(numbers, last, strict=True)
    ]
    halves = np.array([0.5 * 10.0**unit for unit in units]).reshape(np.shape(printed))
    return halves + FLOAT32_EPSILON * float(max(abs(number) for number in numbers))


def _last_place(number: Decimal) -> int:
    """The power of ten of the last printed digit."""
    return int(number.as_tuple().exponent)


# ---------------------------------------------------------------------------------------------------- reading


def read_published(text: str, losses: Collection[str] | None = None) -> dict[str, Published]:
    """Parse printed gradients: full name of the loss -> dW (D, C) and db (C,), with their printed precision.

    ``text`` is JSON in the layout of ``symgrad/data/blog_values.json``, with numbers as strings.  ``losses``: the
    allowed names of sections, if restricted.

    Raises ``ValueError``, one line: the array or key, the axis, the expected and the actual value.
    """
    try:
        return _read(text, losses)
    except ValueError as error:
        raise ValueError(shown(str(error))) from None


def _read(text: str, losses: Collection[str] | None) -> dict[str, Published]:
    top = _parsed(text)
    if not isinstance(top, dict):
        raise ValueError(f"expected an object with labels, N, D, C and a section per loss, got {_shown(top)}")
    N, D, C = (_size(top, axis, least) for axis, least in (("N", 1), ("D", 1), ("C", 2)))
    if N * (D + C) > MOST_ENTRIES:
        raise ValueError(f"N (D + C): {N * (D + C)} entries are too many; at most {MOST_ENTRIES} are compared")
    labels = _labels(top.get("labels"), N, C)
    published: dict[str, Published] = {}
    for key, section in top.items():
        if key in ("labels", "N", "D", "C") or (key == "source" and isinstance(section, str)):
            continue
        loss = SECTIONS.get(key) or key
        if losses is not None and loss not in losses:
            expected = ", ".join([*SECTIONS, *sorted(losses)])
            raise ValueError(f"{key}: no such section or loss; expected one of {expected}")
        if loss in published:
            raise ValueError(f"{key}: a second section for the loss {loss}")
        published[loss] = _section(key, section, labels, D, C)
    if not published:
        raise ValueError(f"no section for a loss; expected one such as {', '.join(SECTIONS)}, with dW and db")
    return published


def _parsed(text: str) -> Any:
    if len(text) > MOST_LETTERS:
        raise ValueError(f"more than {MOST_LETTERS} letters")
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("lists or objects nested too deep") from None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ValueError(f"{key}: given twice in one object")
        read[key] = value
    return read


def _size(top: Mapping[str, Any], axis: str, least: int) -> int:
    if axis not in top:
        raise ValueError(f"{axis}: missing; expected the size of this axis, an integer of at least {least}")
    size = top[axis]
    if type(size) is not int or size < least:
        raise ValueError(f"{axis}: expected an integer of at least {least}, got {_shown(size)}")
    return size


def _labels(labels: Any, N: int, C: int) -> tuple[int, ...]:
    for n, label in enumerate(_listed("labels", labels, "N", N)):
        if type(label) is not int or not 0 <= label < C:
            raise ValueError(f"labels[{n}]: expected a class from 0 to C - 1 = {C - 1}, got {_shown(label)}")
    return tuple(labels)


def _section(key: str, section: Any, labels: tuple[int, ...], D: int, C: int) -> Published:
    if not isinstance(section, dict):
        raise ValueError(f"{key}: expected an object with dW (D x C) and db (C), got {_shown(section)}")
    for name in section:
        if name not in ("dW", "db", "program"):
            raise ValueError(f"{key}.{name}: unknown; expected dW, db and at most program")
    rows = _listed(f"{key}.dW", section.get("dW"), "D", D)
    dW = [_numbers(f"{key}.dW[{d}]", row, C) for d, row in enumerate(rows)]
    return from_printed(labels, dW, _numbers(f"{key}.db", section.get("db"), C))


def _numbers(name: str, row: Any, C: int) -> list[str]:
    numbers = []
    for c, number in enumerate(_listed(name, row, "C", C)):
        if not isinstance(number, str) or len(number) > MOST_DIGITS or not _NUMBER.fullmatch(number):
            expected = 'a number as printed, in a string such as "-0.0236"'
            raise ValueError(f"{name}[{c}]: expected {expected}, got {_shown(number)}")
        if not _representable(Decimal(number)):
            raise ValueError(f"{name}[{c}]: {number} has digits beyond 1e+-{LARGEST_EXPONENT}")
        numbers.append(number)
    return numbers


def _representable(number: Decimal) -> bool:
    """Whether float64 can compare numbers from the first to the last digit."""
    return all(abs(power) <= LARGEST_EXPONENT for power in (number.adjusted(), _last_place(number)))


def _listed(name: str, value: Any, axis: str, size: int) -> list[Any]:
    if not isinstance(value, list):
        what = "missing" if value is None else f"got {_shown(value)}"
        raise ValueError(f"{name}: expected a list along axis {axis}, of length {size}; {what}")
    if len(value) != size:
        raise ValueError(f"{name}: expected {axis} = {size} entries, got {len(value)}")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


# ------------------------------------------------------------------------------------------------- invariants


@dataclass(frozen=True)
class Invariant:
    """A property of the printed numbers that does not depend on x and w, and whether it is satisfied."""

    name: str
    holds: bool
    detail: str


def shapes_agree(published: Published, dW_shape: tuple[int, ...], db_shape: tuple[int, ...]) -> Invariant:
    """Does a gradient function return arrays of the printed shapes?"""
    printed = (published.dW.shape, published.db.shape)
    detail = f"printed {printed[0]} and {printed[1]}, computed {dW_shape} and {db_shape}"
    return Invariant("shapes", printed == (dW_shape, db_shape), detail)


def rows_sum_to_zero(published: Published) -> Invariant:
    """Shifting a row of logits does not change its softmax: each row of dW, and db, sums to zero."""
    sums = np.abs(published.values.sum(axis=1))
    allowed = published.resolution.sum(axis=1)
    worst = int(np.argmax(sums / allowed))
    where = "db" if worst == published.D else f"dW[{worst}]"
    detail = f"{where} sums to {sums[worst]:.1e}; printing allows {allowed[worst]:.1e}"
    return Invariant("rows sum to zero", bool(sums[worst] <= allowed[worst]), detail)


def probabilities_possible(published: Published, scale: float) -> Invariant:
    """Whether scale * db + (column sums of Y) can be column sums of probabilities: each in (0, N), with sum N.

    This applies only to some losses; the caller decides to which, and with which ``scale``.
    """
    sums = scale * published.db + published.Y.sum(axis=0)
    slack = scale * published.db_resolution
    inside = bool(np.all(sums > -slack) and np.all(sums < published.N + slack))
    together = bool(abs(sums.sum() - published.N) <= slack.sum())
    shown = ", ".join(f"{value:.4f}" for value in sums)
    detail = f"column sums of P would be {shown}; each must be in (0, {published.N}), together {published.N}"
    return Invariant("probabilities are possible", inside and together, detail)
