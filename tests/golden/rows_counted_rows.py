class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    X: np.ndarray
    w: np.ndarray


_AXES = {
    "X": ("N", "D"),
    "w": ("D",),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(X, w):
    """Return L and its gradients.

        X: shape (N, D)
        w: shape (D,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, w):
        X, w = _checked(X, w)
    N = X.shape[0]
    D = X.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D))
    if rows >= N:
        L, dw, dX = _rows(X, w, D)
    else:
        dX = np.empty((N, D), X.dtype)

        def block(start):
            L, dw, dX[start : start + rows] = _rows(X[start : start + rows], w, D)
            return L, dw

        L, dw = _summed(map(block, range(0, N, rows)))
    return L, Gradients(X=dX, w=dw)


def _rows(X, w, D):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    count = X.shape[0]
    L = w @ np.add.reduce(X)

    dX = np.full((count, D), w, X.dtype)
    dw = np.add.reduce(X)
    return L, dw, dX


def _ready(X, w):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(X) is type(w) is np.ndarray
        and X.dtype is w.dtype
        and X.dtype in _FLOATS
        and w.ndim == 1
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == w.shape[0] > 0
    )
