class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    x: np.ndarray


_AXES = {
    "x": ("N", "M"),
    "y": ("N", "M"),
    "z": ("N", "M"),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in the cache of a core from one
# line to the next.
_BLOCK, _SHORTEST = 2**14, 1


def f(x, y, z):
    """Return L and its gradients.

        x: shape (N, M)
        y: shape (N, M)
        z: shape (N, M)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(x, y, z):
        x, y, z = _checked(x, y, z)
    _positive("x", x)
    N = x.shape[0]
    M = x.shape[1]
    rows = max(_SHORTEST, _BLOCK // (M))
    if rows >= N:
        L, dx = _rows(x, y, z)
    else:
        dx = np.empty((N, M), x.dtype)

        def block(start):
            L, dx[start : start + rows] = _rows(
                x[start : start + rows], y[start : start + rows], z[start : start + rows]
            )
            return (L,)

        (L,) = _summed(map(block, range(0, N, rows)))
    return L, Gradients(x=dx)


def _rows(x, y, z):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    part1 = np.exp(x * y * z - z).T
    part2 = np.tanh(x).T
    part3 = (part2.T + y * z).T
    part4 = (x * z + np.exp(y)).T
    part5 = (np.cos(part4).T + np.sin(part3).T + part1.T + x * y).T
    part6 = np.log(part5)
    part7 = (y + x).T
    L = _dot(part7, part6)

    part8 = 1 / part5
    part9 = part7 * part8 * (1 - part2**2) * np.cos(part3)
    part10 = z * part7.T * part8.T * np.sin(part4).T
    dx = part9.T + y * part7.T * part8.T + y * z * part1.T * part7.T * part8.T + part6.T - part10
    return L, dx


def _ready(x, y, z):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(x) is type(y) is type(z) is np.ndarray
        and x.dtype is y.dtype is z.dtype
        and x.dtype in _FLOATS
        and x.ndim == y.ndim == z.ndim == 2
        and x.shape[0] == y.shape[0] == z.shape[0] > 0
        and x.shape[1] == y.shape[1] == z.shape[1] > 0
    )
