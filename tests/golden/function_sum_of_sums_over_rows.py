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
        L, dq, dZ, dK = _rows(Z, q)
    else:
        dZ = np.empty((N, C), Z.dtype)
        dK = np.empty((N, C), Z.dtype)

        def block(start):
            L, dq, dZ[start : start + rows], dK[start : start + rows] = _rows(Z[start : start + rows], q)
            return L, dq

        L, dq = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ, q=dq, K=dK)


def _rows(Z, q):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    K = (Z * q).T
    part1 = np.tanh(Z).T
    L = q @ np.add.reduce(part1, axis=1) + np.add.reduce(K**2, axis=None)

    G_K = 2 * K
    dZ = (q[:, None] * (1 + G_K - part1**2)).T
    dq = np.add.reduce(Z * G_K.T) + np.add.reduce(part1, axis=1)
    return L, dq, dZ, G_K.T
