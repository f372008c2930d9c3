def f(Z, q):
    """Return L and its gradients.

        Z: shape (N, C)
        q: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, q):
        Z, q = _checked(Z, q)
    N = Z.shape[0]
    C = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (C))
    if rows >= N:
        L, dq, dZ = _rows(Z, q)
    else:
        dZ = np.empty((N, C), Z.dtype)

        def block(start):
            L, dq, dZ[start : start + rows] = _rows(Z[start : start + rows], q)
            return L, dq

        L, dq = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ, q=dq)


def _rows(Z, q):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    E = np.exp(Z - np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min, keepdims=True)).T
    num_shifted = q @ E
    S_shifted = np.add.reduce(E)
    L = np.add.reduce((num_shifted / S_shifted) ** 2)

    G_shifted = 2 * (num_shifted / S_shifted) / S_shifted
    dZ = (E * (q[:, None] * G_shifted - 2 * (num_shifted / S_shifted) ** 2 / S_shifted)).T
    dq = E @ G_shifted
    return L, dq, dZ
