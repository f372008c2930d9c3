"""Functions that generated loops have copies of: products in tiles, an exponential without branches, numbers as in
NumPy. The rows of a block come last, so that one instruction handles several of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, typeof, types
from numba.extending import intrinsic

_TILES = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
"""Of sums of products alone: their terms may be added up in any order."""
_ENTRIES = {"nogil": True, "cache": True, "error_model": "numpy"}
_SERIES = {**_ENTRIES, "fastmath": {"contract"}}


@njit(**_TILES)
def _product(data: np.ndarray, first: int, count: int, weights: np.ndarray, result: np.ndarray) -> None:
    """result[c, r] = the sum over d of data[first + r, d] weights[c, d], in tiles of 4 rows and 4 columns."""
    size, columns = data.shape[1], weights.shape[0]
    if weights.size > 2**17:
        product = np.dot(weights, data[first : first + count].T)
        for c in range(columns):
            for r in range(count):
                result[c, r] = product[c, r]
        return
    zero = data.dtype.type(0)
    r = 0
    while r + 4 <= count:
        x0, x1, x2, x3 = data[first + r], data[first + r + 1], data[first + r + 2], data[first + r + 3]
        c = 0
        while c + 4 <= columns:
            w0, w1, w2, w3 = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
            t00 = t01 = t02 = t03 = t10 = t11 = t12 = t13 = zero
            t20 = t21 = t22 = t23 = t30 = t31 = t32 = t33 = zero
            for d in range(size):
                a, b, e, f = x0[d], x1[d], x2[d], x3[d]
                v = w0[d]
                t00, t10, t20, t30 = t00 + a * v, t10 + b * v, t20 + e * v, t30 + f * v
                v = w1[d]
                t01, t11, t21, t31 = t01 + a * v, t11 + b * v, t21 + e * v, t31 + f * v
                v = w2[d]
                t02, t12, t22, t32 = t02 + a * v, t12 + b * v, t22 + e * v, t32 + f * v
                v = w3[d]
                t03, t13, t23, t33 = t03 + a * v, t13 + b * v, t23 + e * v, t33 + f * v
            z0, z1, z2, z3 = result[c], result[c + 1], result[c + 2], result[c + 3]
            z0[r], z0[r + 1], z0[r + 2], z0[r + 3] = t00, t10, t20, t30
            z1[r], z1[r + 1], z1[r + 2], z1[r + 3] = t01, t11, t21, t31
            z2[r], z2[r + 1], z2[r + 2], z2[r + 3] = t02, t12, t22, t32
            z3[r], z3[r + 1], z3[r + 2], z3[r + 3] = t03, t13, t23, t33
            c += 4
        while c + 2 <= columns:
            w0, w1 = weights[c], weights[c + 1]
            t00 = t01 = t10 = t11 = t20 = t21 = t30 = t31 = zero
            for d in range(size):
                a, b, e, f = x0[d], x1[d], x2[d], x3[d]
                v = w0[d]
                t00, t10, t20, t30 = t00 + a * v, t10 + b * v, t20 + e * v, t30 + f * v
                v = w1[d]
                t01, t11, t21, t31 = t01 + a * v, t11 + b * v, t21 + e * v, t31 + f * v
            z0, z1 = result[c], result[c + 1]
            z0[r], z0[r + 1], z0[r + 2], z0[r + 3] = t00, t10, t20, t30
            z1[r], z1[r + 1], z1[r + 2], z1[r + 3] = t01, t11, t21, t31
            c += 2
        while c < columns:
            w0, z0 = weights[c], result[c]
            t00 = t10 = t20 = t30 = zero
            for d in range(size):
                v = w0[d]
                t00, t10, t20, t30 = t00 + x0[d] * v, t10 + x1[d] * v, t20 + x2[d] * v, t30 + x3[d] * v
            z0[r], z0[r + 1], z0[r + 2], z0[r + 3] = t00, t10, t20, t30
            c += 1
        r += 4
    while r < count:
        x0 = data[first + r]
        for c in range(columns):
            w0 = weights[c]
            t00 = zero
            for d in range(size):
                t00 += x0[d] * w0[d]
            result[c, r] = t00
        r += 1


@njit(**_TILES)
def _accumulate(data: np.ndarray, first: int, count: int, factors: np.ndarray, result: np.ndarray) -> None:
    """result[c, d] += the sum over r of factors[c, r] data[first + r, d], in tiles of 4 rows and 4 columns."""
    size, columns = data.shape[1], result.shape[0]
    if result.size > 2**17:
        block = np.empty((columns, count), data.dtype)
        for c in range(columns):
            for r in range(count):
                block[c, r] = factors[c, r]
        product = np.dot(block, data[first : first + count])
        for c in range(columns):
            for d in range(size):
                result[c, d] += product[c, d]
        return
    r = 0
    while r + 4 <= count:
        x0, x1, x2, x3 = data[first + r], data[first + r + 1], data[first + r + 2], data[first + r + 3]
        c = 0
        while c + 4 <= columns:
            g0, g1, g2, g3 = factors[c], factors[c + 1], factors[c + 2], factors[c + 3]
            g00, g10, g20, g30 = g0[r], g0[r + 1], g0[r + 2], g0[r + 3]
            g01, g11, g21, g31 = g1[r], g1[r + 1], g1[r + 2], g1[r + 3]
            g02, g12, g22, g32 = g2[r], g2[r + 1], g2[r + 2], g2[r + 3]
            g03, g13, g23, g33 = g3[r], g3[r + 1], g3[r + 2], g3[r + 3]
            v0, v1, v2, v3 = result[c], result[c + 1], result[c + 2], result[c + 3]
            for d in range(size):
                a, b, e, f = x0[d], x1[d], x2[d], x3[d]
                v0[d] += g00 * a + g10 * b + g20 * e + g30 * f
                v1[d] += g01 * a + g11 * b + g21 * e + g31 * f
                v2[d] += g02 * a + g12 * b + g22 * e + g32 * f
                v3[d] += g03 * a + g13 * b + g23 * e + g33 * f
            c += 4
        while c + 2 <= columns:
            g0, g1 = factors[c], factors[c + 1]
            g00, g10, g20, g30 = g0[r], g0[r + 1], g0[r + 2], g0[r + 3]
            g01, g11, g21, g31 = g1[r], g1[r + 1], g1[r + 2], g1[r + 3]
            v0, v1 = result[c], result[c + 1]
            for d in range(size):
                a, b, e, f = x0[d], x1[d], x2[d], x3[d]
                v0[d] += g00 * a + g10 * b + g20 * e + g30 * f
                v1[d] += g01 * a + g11 * b + g21 * e + g31 * f
            c += 2
        while c < columns:
            g0, v0 = factors[c], result[c]
            g00, g10, g20, g30 = g0[r], g0[r + 1], g0[r + 2], g0[r + 3]
            for d in range(size):
                v0[d] += g00 * x0[d] + g10 * x1[d] + g20 * x2[d] + g30 * x3[d]
            c += 1
        r += 4
    while r < count:
        x0 = data[first + r]
        for c in range(columns):
            g00, v0 = factors[c, r], result[c]
            for d in range(size):
                v0[d] += g00 * x0[d]
        r += 1


@njit(**_TILES)
def _outer(left: np.ndarray, right: np.ndarray, count: int, result: np.ndarray) -> None:
    """result[a, c] += the sum over r of left[a, r] right[c, r], for the rows of a block."""
    for a in range(left.shape[0]):
        x = left[a]
        for c in range(right.shape[0]):
            y = right[c]
            t = x.dtype.type(0)
            for r in range(count):
                t += x[r] * y[r]
            result[a, c] += t


@njit(**_ENTRIES)
def _flush(part: np.ndarray, total: np.ndarray) -> None:
    """Add a part to the total, which is in double precision, and reset the part."""
    for c in range(part.shape[0]):
        for d in range(part.shape[1]):
            total[c, d] += part[c, d]
            part[c, d] = 0


@njit(**_ENTRIES)
def _added(sums: np.ndarray) -> np.ndarray:
    """The sum of the matrices of all threads."""
    for thread in range(1, sums.shape[0]):
        _flush(sums[thread], sums[0])
    return sums[0]


@njit(**_ENTRIES)
def _lanes_added(sums: np.ndarray) -> np.ndarray:
    """For each entry the sum over threads and over the rows of a block."""
    result = np.zeros(sums.shape[1])
    for thread in range(sums.shape[0]):
        for entry in range(sums.shape[1]):
            for row in range(sums.shape[2]):
                result[entry] += sums[thread, entry, row]
    return result


@njit(**_ENTRIES)
def _all_added(sums: np.ndarray) -> float:
    """The sum over threads and over the rows of a block."""
    result = 0.0
    for thread in range(sums.shape[0]):
        for row in range(sums.shape[1]):
            result += sums[thread, row]
    return result


@njit(**_ENTRIES)
def _worst(gaps: np.ndarray) -> np.ndarray:
    """For each number the largest of all threads."""
    for thread in range(1, gaps.shape[0]):
        for position in range(gaps.shape[1]):
            gaps[0, position] = _larger(gaps[thread, position], gaps[0, position])
    return gaps[0]


@njit(**_ENTRIES)
def _turned(data: np.ndarray, first: int, count: int, result: np.ndarray) -> None:
    """result[c, r] = data[first + r, c]."""
    for r in range(count):
        row = data[first + r]
        for c in range(row.shape[0]):
            result[c, r] = row[c]


@njit(**_ENTRIES)
def _turned_back(block: np.ndarray, first: int, count: int, result: np.ndarray) -> None:
    """result[first + r, c] = block[c, r]."""
    for r in range(count):
        row = result[first + r]
        for c in range(row.shape[0]):
            row[c] = block[c, r]


@njit(**_ENTRIES)
def _opened(data: np.ndarray, first: int, count: int, result: np.ndarray) -> None:
    """result[c, r] = 1 if c is the label of row first + r, else 0; or data[first + r, c] without labels."""
    if data.ndim == 2:
        _turned(data, first, count, result)
    else:
        for c in range(result.shape[0]):
            for r in range(count):
                result[c, r] = 1 if data[first + r] == c else 0


@njit(**_ENTRIES)
def _are_labels(labels: np.ndarray, rows: int, columns: int) -> bool:
    """Whether each row has a label in 0..columns - 1."""
    fit = labels.size == rows
    for label in labels:
        fit = fit and 0 <= label < columns
    return fit


@intrinsic
def _power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2.0**exponent for an int64 of -1022..1023, by its bits."""

    def bits(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, double = (context.get_value_type(t) for t in (types.int64, types.float64))
        shifted = builder.shl(builder.add(arguments[0], integer(1023)), integer(52))
        return builder.bitcast(shifted, double)

    return types.float64(types.int64), bits


@njit(**_SERIES)
def _exp(x: float) -> float:
    """exp(x) to 1 unit in the last place and without branches: x = k log 2 + r as in Cody and Waite (Software Manual
    for the Elementary Functions, 1980), and the Taylor polynomial of degree 13 for |r| <= log(2) / 2."""
    x = float(x)
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    k = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 1.984126984126984e-04
    p = p * r + 1.388888888888889e-03
    p = p * r + 8.333333333333333e-03
    p = p * r + 4.1666666666666664e-02
    p = p * r + 1.6666666666666666e-01
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    half = np.int64(k) >> 1  # in two steps, since 2**k may have no place among normal numbers
    return p * _power_of_two(half) * _power_of_two(np.int64(k) - half)


@njit(**_ENTRIES)
def _larger(a: float, b: float) -> float:
    """The larger of two numbers; NaN if one of them is NaN."""
    return a if a >= b or a != a else b


@njit(**_ENTRIES)
def _smaller(a: float, b: float) -> float:
    """The smaller of two numbers; NaN if one of them is NaN."""
    return a if a <= b or a != a else b


@njit(**_ENTRIES)
def _logaddexp(a: float, b: float) -> float:
    """log(exp(a) + exp(b)) without overflow."""
    return a + math.log(2) if a == b else _larger(a, b) + math.log1p(_exp(-abs(a - b)))


@njit(**_ENTRIES)
def _sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    small = _exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1 + small)


@njit(**_ENTRIES)
def _weighted(weight: float, log: float) -> float:
    """weight * log; 0 where the weight is 0, even if the logarithm is infinite."""
    return 0.0 if weight == 0 and abs(log) == math.inf else weight * log


@njit(**_ENTRIES)
def _reciprocal(x: float) -> float:
    """1 / x, and 0 at 0."""
    return 1 / x if x != 0 else 0.0


@njit(**_ENTRIES)
def _nonzero(x: float) -> float:
    """x, which is positive, or 1 where it was rounded to 0."""
    return x if x != 0 else 1.0


@njit(**_ENTRIES)
def _step(x: float, at_zero: float) -> float:
    """0 below zero, 1 above, at_zero at zero."""
    return 1.0 if x > 0 else float(at_zero) if x == 0 else 0.0


@njit(**_ENTRIES)
def _sign(x: float) -> float:
    """-1, 0 or 1; NaN for NaN."""
    return 1.0 if x > 0 else -1.0 if x < 0 else x


def _compile(kernel: Any, fresh: bool, *arguments: object) -> None:
    """Compile a kernel for arguments of these types, if they are ``fresh``, and for no other types."""
    if not fresh:
        raise TypeError
    if kernel.overloads:
        kernel.disable_compile(False)
    kernel.compile(tuple(map(typeof, arguments)))
    kernel.disable_compile()


def _native(array: np.ndarray) -> np.ndarray:
    """The array as float32 or float64, or as int64 if it has integers, aligned and contiguous."""
    single = np.float32 if array.dtype.itemsize <= 4 else np.float64
    return np.require(array, single if array.dtype.kind == "f" else np.int64, ["C", "A"])
