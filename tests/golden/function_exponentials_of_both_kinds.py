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
    Z_max = np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min)
    E = np.exp(Z - Z_max[:, None]).T
    part1 = np.exp(Z_max)
    L = part1 @ (q @ E) + np.add.reduce(np.log(np.add.reduce(E)) + Z_max)

    dZ = (E / np.add.reduce(E) + (q * np.exp(Z)).T).T
    dq = E @ part1
    return L, dq, dZ
