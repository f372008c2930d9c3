class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    Z: np.ndarray


_AXES = {
    "Z": ("N", "C"),
    "Y": ("N", "C"),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_LABELS = {"Y"}
# About as many entries of the arrays of a row, in a block of rows, as stay in the cache of a core from one
# line to the next.
_BLOCK, _SHORTEST = 2**14, 1


def f(Z, Y):
    """Return L and its gradients.

        Z: shape (N, C)
        Y: shape (N, C), or N integer labels 0..C-1

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, Y):
        Z, Y = _checked_or_labels(Z, Y)
    N = Z.shape[0]
    C = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (C))
    if rows >= N:
        L, dZ = _rows(Z, Y, C)
    else:
        dZ = np.empty((N, C), Z.dtype)

        def block(start):
            L, dZ[start : start + rows] = _rows(Z[start : start + rows], Y[start : start + rows], C)
            return (L,)

        (L,) = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ)


def _rows(Z, Y, C):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, Z.dtype)

    Z_shifted = (Z - np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min, keepdims=True)).T
    E = np.exp(Z_shifted)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    L = -_dot(Y, Z_shifted - np.log(S_shifted))

    dZ = (P * np.add.reduce(Y) - Y).T
    return L, dZ


def _ready(Z, Y):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(Z) is type(Y) is np.ndarray
        and Z.dtype is Y.dtype
        and Z.dtype in _FLOATS
        and Z.ndim == Y.ndim == 2
        and Z.shape[0] == Y.shape[0] > 0
        and Z.shape[1] == Y.shape[1] > 0
    )
