def f(Z, dZ):
    """Return L and its gradients.

        Z: shape (N, C)
        dZ: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, dZ):
        Z, dZ = _checked(Z, dZ)
    N = Z.shape[0]
    C = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (C))
    if rows >= N:
        L, dZ2, ddZ = _rows(Z, dZ)
    else:
        dZ2 = np.empty((N, C), Z.dtype)
        ddZ = np.empty((N, C), Z.dtype)

        def block(start):
            L, dZ2[start : start + rows], ddZ[start : start + rows] = _rows(
                Z[start : start + rows], dZ[start : start + rows]
            )
            return (L,)

        (L,) = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ2, dZ=ddZ)


def _rows(Z, dZ):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    L = np.add.reduce(dZ * Z**2, axis=None)

    dZ2 = 2 * Z * dZ
    ddZ = Z**2
    return L, dZ2, ddZ
