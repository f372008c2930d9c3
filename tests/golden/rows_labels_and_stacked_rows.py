class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    X: np.ndarray
    W: np.ndarray


_AXES = {
    "X": ("N", "D"),
    "W": ("D", "C"),
    "Y": ("N", "C"),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_LABELS = {"Y"}
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(X, W, Y):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        Y: shape (N, C), or N integer labels 0..C-1

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, Y):
        X, W, Y = _checked_or_labels(X, W, Y)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, dX = _rows(X, W, Y, N, C)
    else:
        dX = np.empty((N, D), X.dtype)

        def block(start):
            L, dW, dX[start : start + rows] = _rows(X[start : start + rows], W, Y[start : start + rows], N, C)
            return L, dW

        L, dW = _summed(map(block, range(0, N, rows)))
    return L, Gradients(X=dX, W=dW)


def _rows(X, W, Y, N, C):
    """Sums and results for some of the rows, of N in all; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)
    gap = np.add.reduce(Y) - 1
    if not gap.dot(gap) < 1e-10:
        _hold(gap, "Y: expected that each row of Y sums to one")

    Z = _columns(W.T, X.T)
    Z -= np.maximum.reduce(Z, initial=np.finfo(X.dtype).min)
    E = np.exp(Z)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    L = -_dot(Y, Z - np.log(S_shifted)) / N

    G = (P - Y) / N
    dX = _columns(W, G).T
    dW = G.dot(X).T
    return L, dW, dX


def _ready(X, W, Y):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(X) is type(W) is type(Y) is np.ndarray
        and X.dtype is W.dtype is Y.dtype
        and X.dtype in _FLOATS
        and X.ndim == W.ndim == Y.ndim == 2
        and X.shape[0] == Y.shape[0] > 0
        and X.shape[1] == W.shape[0] > 0
        and W.shape[1] == Y.shape[1] > 0
    )
