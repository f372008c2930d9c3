def f(Z):
    """Return L and its gradients.

        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z):
        (Z,) = _checked(Z)
    N = Z.shape[0]
    C = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (C))
    if rows >= N:
        L, dZ = _rows(Z)
    else:
        dZ = np.empty((N, C), Z.dtype)

        def block(start):
            L, dZ[start : start + rows] = _rows(Z[start : start + rows])
            return (L,)

        (L,) = _summed(map(block, range(0, N, rows)))
    return L, Gradients(Z=dZ)


def _rows(Z):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    largest = np.maximum.reduce(-Z, axis=1, initial=np.finfo(Z.dtype).min)
    E = np.exp(-(Z + largest[:, None])).T
    Z_max = np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min)
    E2 = np.exp(Z - Z_max[:, None]).T
    L = np.add.reduce(np.log(np.add.reduce(E2)) + Z_max + np.log(np.add.reduce(E)) + largest)

    dZ = (E2 / np.add.reduce(E2) - E / np.add.reduce(E)).T
    return L, dZ
