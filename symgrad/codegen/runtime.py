"""Functions that generated modules call, and have copies of: input checks, products, functions that NumPy lacks."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # a generated module that solves by a Cholesky factor imports it
    import scipy.linalg

# Every generated module has tables of its own by these names.
_AXES: dict[str, tuple[str, ...]] = {}
_LABELS: set[str] = set()


def _called(function):
    """Wrap a function: wrong calls show its signature, half precision is computed in single precision."""

    @functools.wraps(function)
    def call(*args, **keywords):
        try:
            return function(*args, **keywords)
        except TypeError:
            signature = inspect.signature(function)
            try:
                arguments = signature.bind(*args, **keywords).args
            except TypeError as error:
                raise TypeError(f"{error}: expected {function.__name__}{signature}") from None
            half = [getattr(value, "dtype", None) == np.float16 for value in arguments]
            if not any(half):
                raise
        single = [np.float32(a) if is_half else a for a, is_half in zip(arguments, half, strict=True)]
        value, gradients = function(*single)
        return np.float16(value), gradients._make(map(np.float16, gradients))

    return call


def _in_single(function):
    """Wrap a function of a layer: half precision is computed in single precision, and stays in it."""

    @functools.wraps(function)
    def call(*args, **keywords):
        halves = [getattr(value, "dtype", None) == np.float16 for value in args]
        return function(*(np.float32(a) if is_half else a for a, is_half in zip(args, halves, strict=True)), **keywords)

    return call


def _upstream(name: str, value: object, shape: tuple[int, ...], dtype: np.dtype | None) -> np.ndarray:
    """An upstream gradient as an array of real numbers of this dtype; ValueError unless it has the output's shape."""
    array = _real(name, value)
    if array.shape != shape:
        raise ValueError(f"{name}: expected the shape of the output, {shape}, got {array.shape}")
    return array.astype(dtype or np.result_type(array, np.float32), copy=False)[()]


def _quiet(function):
    """Wrap a function so that it does not warn of intermediate infinities and NaN, which arise in sums of
    exponentials whose exponents are all -inf, and in what a maximum, minimum or clip leaves out."""

    @functools.wraps(function)
    def call(*args, **keywords):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return function(*args, **keywords)

    return call


def _common(arrays: list[np.ndarray]) -> np.dtype:
    """The floating dtype of the inputs. TypeError for half precision, in which sums stop growing."""
    floating = [a.dtype for name, a in zip(_AXES, arrays, strict=True) if _AXES[name] and a.dtype.kind == "f"]
    dtype = np.result_type(*floating) if floating else np.dtype(np.float64)
    if dtype == np.float16:
        raise TypeError("half precision is computed in single precision")
    return dtype


def _checked(*values: object, **sizes: int) -> list[np.ndarray]:
    """The inputs as floating arrays of one dtype; ValueError names an input that does not fit ``sizes``."""
    arrays = [_real(name, value) for name, value in zip(_AXES, values, strict=True)]
    dtype = _common(arrays)
    for position, (name, axes) in enumerate(_AXES.items()):
        _fit(name, arrays[position].shape, axes, sizes)
        arrays[position] = arrays[position].astype(dtype, copy=False)[()]
    return arrays


def _checked_or_labels(*values: object, **sizes: int) -> list[np.ndarray]:
    """The inputs as floating arrays of one dtype, or labels; ValueError names one that does not fit."""
    arrays = [_real(name, value) for name, value in zip(_AXES, values, strict=True)]
    dtype = _common(arrays)
    labels = []
    for position, (name, axes) in enumerate(_AXES.items()):
        if name in _LABELS and arrays[position].ndim == len(axes) - 1:
            if arrays[position].dtype.kind not in "iu":
                raise ValueError(f"{name}: labels are integers, got dtype {arrays[position].dtype}")
            labels.append(position)
        else:
            _fit(name, arrays[position].shape, axes, sizes)
            arrays[position] = arrays[position].astype(dtype, copy=False)[()]
    for position in labels:
        name = list(_AXES)[position]
        *rows, columns = _AXES[name]
        _fit(name, arrays[position].shape, tuple(rows), sizes)
        lowest, highest = arrays[position].min(), arrays[position].max()
        if columns not in sizes or lowest < 0 or highest >= sizes[columns]:
            expected = f"labels 0..{columns}-1 with {columns} = {sizes.get(columns)}"
            raise ValueError(f"{name}: expected {expected}, got {lowest}..{highest}")
    return arrays


def _real(name: str, value: object) -> np.ndarray:
    """The value as an array of real numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name}: masked arrays are not taken: fill it, and give the mask as another input")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array of real numbers ({error})") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def _fit(name: str, shape: tuple[int, ...], axes: tuple[str, ...], sizes: dict[str, int]) -> None:
    """Compare the lengths of the axes with known sizes, and add new ones to them."""
    fits = len(shape) == len(axes) and all(sizes.get(a, s) == s > 0 for a, s in zip(axes, shape, strict=True))
    if not fits:
        known = ", ".join(f"{a} = {sizes[a]}" if a in sizes else f"{a} >= 1" for a in axes)
        comma = "," if len(axes) == 1 else ""
        wanted = f"shape ({', '.join(axes)}{comma}) with {known}" if axes else "a scalar"
        raise ValueError(f"{name}: expected {wanted}, got shape {shape}")
    sizes.update(zip(axes, shape, strict=True))


def _one_hot(labels: np.ndarray, count: int, dtype: np.dtype) -> np.ndarray:
    """One-hot rows for the labels 0, 1, ..."""
    return np.equal(labels[..., None], np.arange(count)).astype(dtype)


def _one_hot_columns(labels: np.ndarray, count: int, dtype: np.dtype) -> np.ndarray:
    """One-hot columns for the labels 0, 1, ..."""
    return np.equal(np.arange(count)[:, None], labels).astype(dtype)


def _positive(name: str, array: np.ndarray) -> None:
    """Raise ValueError if an entry is not positive."""
    if not np.all(array > 0):
        raise ValueError(f"{name}: expected positive entries, got {np.min(array)}")


def _within(name: str, array: np.ndarray, low: float, high: float, step: float, expected: str) -> None:
    """Raise ValueError if an entry is outside of low..high, or not a multiple of a step above low."""
    fits = (array >= low) & (array <= high)
    if step:
        fits &= (array - low) % step == 0
    if not np.all(fits):
        raise ValueError(f"{name}: entries must be {expected}, got {np.extract(~np.asarray(fits), array)[0]}")


def _hold(gap: np.ndarray, words: str) -> None:
    """Raise ValueError, with ``words``, if the gap is not 0: an assumption does not hold."""
    worst = np.max(np.abs(gap))
    if worst > 1e-5:
        message = f"{words}, got a difference of {worst:.3g}"
        raise ValueError(f"{message} (derive with assume=() for the general form)")


def _dot(weights: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The sum of weights * logs; where a weight is 0 the term is 0, even if the logarithm is infinite."""
    if logs.flags.f_contiguous:
        weights, logs = weights.T, logs.T
    total = np.vdot(weights, logs)
    return total if math.isfinite(total) else np.add.reduce(_weighted(weights, logs), axis=None)


def _weighted(weights: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """weights * logs, entry by entry; 0 where a weight is 0, even if the logarithm is infinite."""
    shape = np.broadcast_shapes(np.shape(weights), np.shape(logs))
    is_zero = (weights == 0) & np.isinf(logs)
    return np.multiply(weights, logs, out=np.zeros(shape, np.result_type(weights, logs)), where=~is_zero)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, small.dtype.type(1), small) / (1 + small)


def _reciprocal(x: np.ndarray) -> np.ndarray:
    """1 / x, and 0 where x is 0."""
    return np.divide(1, x, out=np.zeros_like(x), where=x != 0)


def _nonzero(x: np.ndarray) -> np.ndarray:
    """x, which is positive, or 1 where it was rounded to 0."""
    return np.where(x == 0, x.dtype.type(1), x)


def _step(x: np.ndarray, at_zero: float) -> np.ndarray:
    """0 below zero, 1 above, at_zero at zero, in the dtype of x."""
    x = np.asarray(x)
    if at_zero in (0, 1):
        return (x >= 0 if at_zero else x > 0).astype(x.dtype)[()]
    return np.heaviside(x, x.dtype.type(at_zero))


def _equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 where a equals b, else 0, in their dtype."""
    return np.equal(a, b).astype(np.result_type(a, b))


def _selection(x: np.ndarray, axis: int) -> np.ndarray:
    """1 at the largest entry along an axis, 0 at the others; ties share the 1."""
    largest = np.equal(x, np.maximum.reduce(x, axis, keepdims=True)).astype(x.dtype)
    return largest / np.add.reduce(largest, axis, keepdims=True)


def _inverse(a: np.ndarray, name: str) -> np.ndarray:
    """The inverse of a matrix; LinAlgError with its name if it has none."""
    return _solve(a, np.eye(len(a), dtype=a.dtype), name)


def _solve(a: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    """x with a @ x = b; LinAlgError with the name of a if it has no inverse, or none to working precision: then the
    products that are added up in a row, divided by its largest entry, exceed their sum by all digits."""
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"{name}: {error}") from None
    largest = np.max(np.abs(a), axis=1)
    added_up = (np.abs(a) / largest[:, None]) @ np.abs(x)
    if np.max(added_up) * np.finfo(x.dtype).eps > np.max(np.abs(b).T / largest):
        raise np.linalg.LinAlgError(f"{name}: Singular matrix, to working precision")
    return x


def _cholesky(a: np.ndarray, name: str) -> np.ndarray:
    """The lower Cholesky factor of a symmetric matrix; LinAlgError with its name if it is not positive definite."""
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise np.linalg.LinAlgError(f"{name}: expected a positive definite matrix") from None


def _cho_solve(factor: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x with a @ x = b, from the lower Cholesky factor of a."""
    return scipy.linalg.cho_solve((factor, True), b, check_finite=False)


def _cho_logdet(factor: np.ndarray) -> float:
    """The logarithm of the determinant of a, from its lower Cholesky factor."""
    return 2 * np.add.reduce(np.log(np.diagonal(factor)))


def _erf(x: np.ndarray) -> np.ndarray:
    """The error function, to 2 units in the last place: up to 0.84375 by the rational approximation of fdlibm
    (Sun Microsystems, 1993), beyond it by that of W. J. Cody (Mathematics of Computation 23, 1969)."""
    # fmt: off
    below = (
        (-2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
         -3.25042107247001499370e-01, 1.28379167095512558561e-01),
        (-3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
         6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0),
    )
    beyond = (
        (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
         6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3,
         2.05107837782607147e3, 1.23033935479799725e3),
        (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
         1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
         1.23033935480374942e3),
    )
    # fmt: on
    y = np.minimum(np.abs(x), 6.0)  # beyond, the value is 1 to the last digit
    square = y * y
    small = y + y * (_polynomial(square, below[0]) / _polynomial(square, below[1]))
    large = 1 - np.exp(-square) * (_polynomial(y, beyond[0]) / _polynomial(y, beyond[1]))
    return np.copysign(np.where(y <= 0.84375, small, large), x)


def _sinc_slope(x: np.ndarray) -> np.ndarray:
    """The derivative of np.sinc, by its Taylor series where abs(pi x) is below 1."""
    u = np.pi * x
    terms = [(-1) ** k * 2 * (k + 1) / math.factorial(2 * k + 3) for k in range(8, -1, -1)]
    series = -np.pi * u * _polynomial(np.minimum(u * u, 1), tuple(terms))
    away = np.where(np.abs(u) < 1, 1, x)
    return np.where(np.abs(u) < 1, series, (np.cos(np.pi * away) - np.sinc(away)) / away)


def _polynomial(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """A polynomial, given by its coefficients, the highest power first."""
    value = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        value *= x
        value += coefficient
    return value


def _columns(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right, with a column for each row of data; the longer axis is contiguous in memory."""
    if right.shape[1] < 256 or (right.itemsize == 8 and left.shape[0] <= 64):
        return left.dot(right)
    product = right.T.dot(left.T)  # this way round BLAS is faster in single precision, and for many columns
    return product.T if left.shape[0] > 64 else product.T.copy()


def _summed(parts: Iterator[tuple[np.ndarray, ...]]) -> list[np.ndarray | float]:
    """Add up tuples of numbers and arrays; numbers are added in double precision."""
    first = next(parts)
    sums = [part if np.ndim(part) else float(part) for part in first]
    for part in parts:
        for position, value in enumerate(part):
            sums[position] += value
    return [part if np.ndim(part) else one.dtype.type(part) for part, one in zip(sums, first, strict=True)]
