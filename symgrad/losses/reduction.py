"""How the terms of a loss become one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.errors import InputError


def reduced(terms: Any, reduction: str) -> Any:
    """The terms of all rows as one number: their ``"mean"``, their ``"sum"``, or their sum over the number of rows
    (``"batch_mean"``).  Raises ``InputError`` for any other word."""
    if reduction == "mean":
        return np.mean(terms)
    if reduction == "sum":
        return np.sum(terms)
    if reduction == "batch_mean":
        return np.sum(terms) / len(terms)
    raise InputError(f"unknown reduction {reduction!r}: expected one of mean, batch_mean, sum")
