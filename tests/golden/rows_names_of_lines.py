class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    rows: np.ndarray
    start: np.ndarray
    block: np.ndarray


_AXES = {
    "rows": ("N", "D"),
    "start": ("D",),
    "block": (),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(rows, start, block):
    """Return L and its gradients.

        rows: shape (N, D)
        start: shape (D,)
        block: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(rows, start, block):
        rows, start, block = _checked(rows, start, block)
    _positive("rows", rows)
    _positive("start", start)
    N = rows.shape[0]
    D = rows.shape[1]
    rows_ = max(_SHORTEST, _BLOCK // (D))
    if rows_ >= N:
        L, dstart, dblock, drows = _rows(rows, start, block)
    else:
        drows = np.empty((N, D), rows.dtype)

        def block_(start_):
            L, dstart, dblock, drows[start_ : start_ + rows_] = _rows(
                rows[start_ : start_ + rows_], start, block
            )
            return L, dstart, dblock

        L, dstart, dblock = _summed(map(block_, range(0, N, rows_)))
    return L, Gradients(rows=drows, start=dstart, block=dblock)


def _rows(rows, start, block):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    z = rows @ start
    part1 = np.log(z)
    L = block * np.add.reduce(part1)

    drows = (block * start[:, None] / z).T
    dstart = block * ((1 / z) @ rows)
    dblock = np.add.reduce(part1)
    return L, dstart, dblock, drows


def _ready(rows, start, block):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(rows) is type(start) is np.ndarray
        and rows.dtype is start.dtype
        and rows.dtype in _FLOATS
        and start.ndim == 1
        and rows.ndim == 2
        and rows.shape[0] > 0
        and rows.shape[1] == start.shape[0] > 0
        and type(block) is float
    )
