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
    E = np.exp(V - np.maximum.reduce(V, axis=1, initial=np.finfo(Z.dtype).min, keepdims=True)).T
    E2 = np.exp(Z - np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min, keepdims=True)).T
    L = np.add.reduce(np.add.reduce(E * E2) / (np.add.reduce(E) * np.add.reduce(E2)))

    part1 = E2 * np.add.reduce(E * E2) / (np.add.reduce(E) * np.add.reduce(E2) ** 2)
    dZ = (E * E2 / (np.add.reduce(E) * np.add.reduce(E2)) - part1).T
    part2 = E * np.add.reduce(E * E2) / (np.add.reduce(E) ** 2 * np.add.reduce(E2))
    dV = (E * E2 / (np.add.reduce(E) * np.add.reduce(E2)) - part2).T
    return L, dZ, dV
