def f(Z, V):
    """Return L and its gradients.

        Z: shape (N, C)
        V: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, V):
        Z, V = _checked(Z, V)
    N = Z.shape[0]
    C = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (C))
    if rows >= N:
        L, dZ, dV = _rows(Z, V)
    else:
        dZ = np.empty((N, C), Z.dtype)
        dV = np.empty((N, C), Z.dtype)

        def block(start):
            L, dZ[start : start + rows], dV[start : start + rows] = _rows(
                Z[start : start + rows], V[start : start + rows]
            )
            return (L,)

        (L,) = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ, V=dV)


def _rows(Z, V):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    E = np.exp(Z - np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min, keepdims=True)).T
    part1 = np.log1p(V**2).T
    L = np.add.reduce(np.add.reduce(E * part1) / np.add.reduce(E))

    dZ = (E * (part1 - np.add.reduce(_weighted(E, part1)) / np.add.reduce(E)) / np.add.reduce(E)).T
    dV = 2 * V * E.T / ((1 + V**2) * np.add.reduce(E)[:, None])
    return L, dZ, dV
