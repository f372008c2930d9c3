class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    W: np.ndarray
    t: np.ndarray


_AXES = {
    "X": ("N", "D"),
    "W": ("D", "C"),
    "t": (),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(X, W, t):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        t: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, t):
        X, W, t = _checked(X, W, t)
    t = X.dtype.type(t)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    H = np.tanh(W)
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, G_H, dt = _rows(X, t, H)
    else:

        def block(start):
            return _rows(X[start : start + rows], t, H)

        L, G_H, dt = _summed(map(block, range(0, N, rows)))
    dW = G_H * (1 - H**2)
    return L, Gradients(W=dW, t=dt)


def _rows(X, t, H):
    """Sums over some of the rows; the arrays here have a column for each row."""
    R = _columns(H.T, X.T)
    L = np.exp(t) * np.add.reduce(R**2, axis=None)

    G_R = 2 * np.exp(t) * R
    G_H = G_R.dot(X).T
    dt = np.exp(t) * np.add.reduce(R**2, axis=None)
    return L, G_H, dt


def _ready(X, W, t):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(X) is type(W) is np.ndarray
        and X.dtype is W.dtype
        and X.dtype in _FLOATS
        and X.ndim == W.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == W.shape[0] > 0
        and W.shape[1] > 0
        and type(t) is float
    )
