"""The inverse and the determinant of a matrix by Gauss-Jordan elimination, in any number system."""

from __future__ import annotations

import numpy as np
from sympy import Integer

from symgrad.check.numeric.fields import MISSING, Array, NumberSystem, is_missing


def inverted(matrix: Array, numbers: NumberSystem) -> tuple[Array, Array]:
    """The inverse and the determinant of a matrix (levels first); ``OutsideDomain`` if a level has no inverse."""
    levels, size = matrix.shape[:2]
    if is_missing(matrix).any():
        return np.full(matrix.shape, MISSING, dtype=object), np.full(levels, MISSING, dtype=object)
    one = numbers.constant(Integer(1))[:levels]
    work = np.concatenate([matrix, one[:, None, None] * np.eye(size, dtype=int)], axis=2)
    determinant = one
    for k in range(size):
        pivot_row = max(range(k, size), key=lambda row: min(abs(work[:, row, k])))
        if pivot_row != k:
            work[:, [k, pivot_row]] = work[:, [pivot_row, k]]
            determinant = -determinant
        pivot = work[:, k, k]
        determinant = numbers.reduce(determinant * pivot)
        work[:, k] = numbers.reduce(work[:, k] * numbers.power(pivot, Integer(-1))[:, None])
        for row in {*range(size)} - {k}:
            change = numbers.reduce(work[:, row, k][:, None] * work[:, k])
            total = numbers.reduce(work[:, row] - change)
            work[:, row] = numbers.settled(total, np.maximum(abs(work[:, row]), abs(change)))
    return work[:, :, size:], determinant
