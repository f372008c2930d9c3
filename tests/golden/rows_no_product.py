class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    x: np.ndarray
    s: np.ndarray


_AXES = {
    "x": ("N",),
    "s": (),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in the cache of a core from one
# line to the next.
_BLOCK, _SHORTEST = 2**14, 1


def f(x, s):
    """Return L and its gradients.

        x: shape (N,)
        s: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(x, s):
        x, s = _checked(x, s)
    N = x.shape[0]
    rows = max(_SHORTEST, _BLOCK // (1))
    if rows >= N:
        L_rows, ds_rows, dx = _rows(x, s)
    else:
        dx = np.empty((N,), x.dtype)

        def block(start):
            L_rows, ds_rows, dx[start : start + rows] = _rows(x[start : start + rows], s)
            return L_rows, ds_rows

        L_rows, ds_rows = _summed(map(block, range(0, N, rows)))
    L = L_rows + N * s
    ds = N + ds_rows
    return L, Gradients(x=dx, s=ds)


def _rows(x, s):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    part1 = np.maximum(x, 0)
    part2 = part1**2
    L_rows = s * np.add.reduce(part2)
    dx = 2 * s * part1 * _step(x, 0)
    ds_rows = np.add.reduce(part2)
    return L_rows, ds_rows, dx


def _ready(x, s):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(x) is np.ndarray
        and x.dtype in _FLOATS
        and x.ndim == 1
        and x.shape[0] > 0
        and type(s) is float
    )
