class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    t: np.ndarray


_AXES = {
    "X": ("N", "D"),
    "v": ("D",),
    "t": (),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(X, v, t):
    """Return L and its gradients.

        X: shape (N, D)
        v: shape (D,)
        t: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, v, t):
        X, v, t = _checked(X, v, t)
    N = X.shape[0]
    D = X.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D))
    if rows >= N:
        L, dt = _rows(X, v, t)
    else:

        def block(start):
            return _rows(X[start : start + rows], v, t)

        L, dt = _summed(map(block, range(0, N, rows)))
    return L, Gradients(t=dt)


def _rows(X, v, t):
    """Sums over some of the rows; the arrays here have a column for each row."""
    z = t * (X @ v)
    L = np.add.reduce(np.exp(z))

    G_z = np.exp(z)
    dt = G_z @ (X @ v)
    return L, dt


def _ready(X, v, t):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(X) is type(v) is np.ndarray
        and X.dtype is v.dtype
        and X.dtype in _FLOATS
        and v.ndim == 1
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == v.shape[0] > 0
        and type(t) is float
    )
