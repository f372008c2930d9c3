"""The functions that stand behind a generated one: checks of inputs, products, and the evaluation in blocks.

Each text is part of a module that needs numpy alone; those that a module does not use are left out of it.
"""

from __future__ import annotations

CHECKED = '''
def _checked(*given):
    """The inputs as floating arrays of one dtype; ValueError names the one that does not fit."""
    arrays = [_real(name, value) for name, value in zip(_AXES, given, strict=True)]
    floating = [a.dtype for name, a in zip(_AXES, arrays, strict=True) if _AXES[name] and a.dtype.kind == "f"]
    dtype = np.result_type(*floating) if floating else np.dtype(np.float64)
    sizes = {}
    for place, (name, axes) in enumerate(_AXES.items()):
        _fit(name, arrays[place].shape, axes, sizes)
        arrays[place] = arrays[place].astype(dtype, copy=False)[()]
    return arrays
'''

CHECKED_LABELS = '''
def _checked(*given):
    """The inputs as floating arrays of one dtype, or labels; ValueError names the one that does not fit."""
    arrays = [_real(name, value) for name, value in zip(_AXES, given, strict=True)]
    floating = [a.dtype for name, a in zip(_AXES, arrays, strict=True) if _AXES[name] and a.dtype.kind == "f"]
    dtype = np.result_type(*floating) if floating else np.dtype(np.float64)
    sizes, labels = {}, []
    for place, (name, axes) in enumerate(_AXES.items()):
        if name in _LABELS and arrays[place].ndim == 1:
            if arrays[place].dtype.kind not in "iu":
                raise ValueError(f"{name}: labels are integers, got dtype {arrays[place].dtype}")
            labels.append(place)
        else:
            _fit(name, arrays[place].shape, axes, sizes)
            arrays[place] = arrays[place].astype(dtype, copy=False)[()]
    for place in labels:
        name = list(_AXES)[place]
        rows, columns = _AXES[name]
        _fit(name, arrays[place].shape, (rows,), sizes)
        lowest, highest = arrays[place].min(), arrays[place].max()
        if columns not in sizes or lowest < 0 or highest >= sizes[columns]:
            expected = f"labels 0..{columns}-1 with {columns} = {sizes.get(columns)}"
            raise ValueError(f"{name}: expected {expected}, got {lowest}..{highest}")
    return arrays
'''

REAL = '''
def _real(name, value):
    """The value as an array of real numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array of real numbers ({error})") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def _fit(name, shape, axes, sizes):
    """Note the sizes of the axes, and compare those that are known."""
    fits = len(shape) == len(axes) and all(sizes.get(a, s) == s > 0 for a, s in zip(axes, shape, strict=True))
    if not fits:
        known = ", ".join(f"{a} = {sizes[a]}" if a in sizes else f"{a} >= 1" for a in axes)
        comma = "," if len(axes) == 1 else ""
        wanted = f"shape ({', '.join(axes)}{comma}) with {known}" if axes else "a scalar"
        raise ValueError(f"{name}: expected {wanted}, got shape {shape}")
    sizes.update(zip(axes, shape, strict=True))
'''

ONE_HOT_COLUMNS = '''
def _one_hot(labels, count, dtype):
    """Labels 0, 1, ... as columns with a one at the label."""
    return np.equal(np.arange(count)[:, None], labels).astype(dtype)
'''

ONE_HOT_ROWS = '''
def _one_hot(labels, count, dtype):
    """Labels 0, 1, ... as rows with a one at the label."""
    return np.equal(labels[:, None], np.arange(count)).astype(dtype)
'''

POSITIVE = '''
def _positive(name, array):
    """ValueError names an array with an entry that is not positive."""
    if np.any(array <= 0):
        raise ValueError(f"{name}: expected positive entries, got {np.min(array)}")
'''

WITHIN = '''
def _within(name, array, low, high, step, expected):
    """ValueError names an array with an entry outside of low..high, or off the multiples of a step above low."""
    fits = (array >= low) & (array <= high)
    if step:
        fits &= (array - low) % step == 0
    if not np.all(fits):
        raise ValueError(f"{name}: entries must be {expected}, got {np.extract(~np.asarray(fits), array)[0]}")
'''

HOLD = '''
def _hold(gap, words):
    """ValueError says which assumption of the derivation does not hold: the gap is not zero."""
    worst = np.max(np.abs(gap))
    if worst > 1e-5:
        message = f"{words}, got a difference of {worst:.3g}"
        raise ValueError(f"{message} (derive with assume=() for the general form)")
'''

DOT = '''
def _dot(weights, logs):
    """The sum of weights * logs; where a weight is 0 the term is 0, though the logarithm be infinite."""
    if logs.flags.f_contiguous:
        weights, logs = weights.T, logs.T
    total = np.vdot(weights, logs)
    return total if math.isfinite(total) else np.add.reduce(_weighted(weights, logs), axis=None)
'''

WEIGHTED = '''
def _weighted(weights, logs):
    """weights * logs, entry by entry; 0 where a weight is 0, though the logarithm be infinite."""
    shape = np.broadcast_shapes(np.shape(weights), np.shape(logs))
    is_zero = (weights == 0) & np.isinf(logs)
    return np.multiply(weights, logs, out=np.zeros(shape, np.result_type(weights, logs)), where=~is_zero)
'''

SIGMOID = '''
def _sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, small.dtype.type(1), small) / (1 + small)
'''

STEP = '''
def _step(x, at_zero):
    """0 below zero, 1 above, at_zero at zero, in the dtype of x."""
    x = np.asarray(x)
    if at_zero in (0, 1):
        return (x >= 0 if at_zero else x > 0).astype(x.dtype)[()]
    return np.heaviside(x, x.dtype.type(at_zero))
'''

EQUAL = '''
def _equal(a, b):
    """1 where a equals b, else 0, in their dtype."""
    return np.equal(a, b).astype(np.result_type(a, b))
'''

SELECTION = '''
def _selection(x, axis):
    """1 at the largest entry along an axis, 0 at the others; several that are the largest share the 1."""
    largest = np.equal(x, np.maximum.reduce(x, axis, keepdims=True)).astype(x.dtype)
    return largest / np.add.reduce(largest, axis, keepdims=True)
'''

ERF = '''
def _erf(x):
    """The error function, to 2 units in the last place: up to 0.84375 by the rational approximation of fdlibm
    (Sun Microsystems, 1993), beyond it by that of W. J. Cody (Mathematics of Computation 23, 1969)."""
    y = np.minimum(np.abs(x), 6.0)  # beyond, the value is 1 to the last digit
    square = y * y
    small = y + y * (_polynomial(square, _ERF_SMALL[0]) / _polynomial(square, _ERF_SMALL[1]))
    large = 1 - np.exp(-square) * (_polynomial(y, _ERF_LARGE[0]) / _polynomial(y, _ERF_LARGE[1]))
    return np.copysign(np.where(y <= 0.84375, small, large), x)


def _polynomial(x, coefficients):
    """A polynomial, the coefficient of its highest power first."""
    value = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        value *= x
        value += coefficient
    return value


_ERF_SMALL = (
    (
        -2.37630166566501626084e-05,
        -5.77027029648944159157e-03,
        -2.84817495755985104766e-02,
        -3.25042107247001499370e-01,
        1.28379167095512558561e-01,
    ),
    (
        -3.96022827877536812320e-06,
        1.32494738004321644526e-04,
        5.08130628187576562776e-03,
        6.50222499887672944485e-02,
        3.97917223959155352819e-01,
        1.0,
    ),
)
_ERF_LARGE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
'''

COLUMNS = '''
def _columns(left, right):
    """left @ right, with a column for each row of data, stored so that the longer axis is in one piece."""
    if right.shape[1] < 256 or (right.itemsize == 8 and left.shape[0] <= 64):
        return left.dot(right)
    product = right.T.dot(left.T)  # this way round BLAS is faster in single precision, and for many columns
    return product.T if left.shape[0] > 64 else product.T.copy()
'''

SUMMED = '''
def _summed(parts):
    """The entry-wise sums of tuples of numbers and arrays, in order; numbers in double precision."""
    first = next(parts)
    sums = [part if np.ndim(part) else float(part) for part in first]
    for part in parts:
        for place, value in enumerate(part):
            sums[place] += value
    return [part if np.ndim(part) else one.dtype.type(part) for part, one in zip(sums, first, strict=True)]
'''

SCALAR_EXP = '''
def _exp(x):
    """exp(x), infinite where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
'''

SCALAR_LOG = '''
def _log(x):
    """log(x), minus infinity at 0 and NaN below."""
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan
'''

SCALAR_LOGADDEXP = '''
def _logaddexp(a, b):
    """log(exp(a) + exp(b)) without overflow."""
    return a + math.log(2) if a == b else max(a, b) + math.log1p(math.exp(-abs(a - b)))
'''

SCALAR_SIGMOID = '''
def _sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    small = math.exp(-abs(x))
    return (1 if x >= 0 else small) / (1 + small)
'''

SCALAR_LOG1P = '''
def _log1p(x):
    """log(1 + x), minus infinity at -1 and NaN below."""
    return math.log1p(x) if x > -1 else -math.inf if x == -1 else math.nan
'''

SCALAR_EXPM1 = '''
def _expm1(x):
    """exp(x) - 1, infinite where it overflows."""
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf
'''

SCALAR_STEP = '''
def _step(x, at_zero):
    """0 below zero, 1 above, at_zero at zero."""
    return 1.0 if x > 0 else at_zero if x == 0 else 0.0
'''

SCALAR_SIGN = '''
def _sign(x):
    """-1, 0 or 1."""
    return float((x > 0) - (x < 0))
'''

SCALAR_SELECTED = '''
def _selected(place, *values):
    """1 if the value at a place is the largest, else 0; several that are the largest share the 1."""
    largest = max(values)
    return float(values[place] == largest) / values.count(largest)
'''
