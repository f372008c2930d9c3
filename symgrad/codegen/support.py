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
        if name in _LABELS and arrays[place].ndim == 1 and arrays[place].dtype.kind in "iu":
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
        wanted = f"shape ({', '.join(axes)}) with {known}" if axes else "a scalar"
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
    return np.multiply(weights, logs, out=np.zeros(shape, logs.dtype), where=~is_zero)
'''

SIGMOID = '''
def _sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, x.dtype.type(1), small) / (1 + small)
'''

COLUMNS = '''
def _columns(left, right):
    """left @ right, with a column for each row of data, stored so that the longer axis is in one piece."""
    if right.shape[1] < 256:
        return left.dot(right)
    product = right.T.dot(left.T)  # this way round BLAS is faster: its threads wait less for each other
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
