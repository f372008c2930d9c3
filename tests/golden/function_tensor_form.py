def f(X, V, Z, T, u):
    """Return L and its gradients.

        X: shape (N, I)
        V: shape (N, J)
        Z: shape (N, K)
        T: shape (I, J, K)
        u: shape (N,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, V, Z, T, u):
        X, V, Z, T, u = _checked(X, V, Z, T, u)
    N = X.shape[0]
    I = X.shape[1]
    J = V.shape[1]
    K = Z.shape[1]
    rows = max(_SHORTEST, _BLOCK // (I + J + K))
    if rows >= N:
        L, dT, dX, dV, dZ = _rows(X, V, Z, T, u, N)
    else:
        dX = np.empty((N, I), X.dtype)
        dV = np.empty((N, J), X.dtype)
        dZ = np.empty((N, K), X.dtype)

        def block(start):
            L, dT, dX[start : start + rows], dV[start : start + rows], dZ[start : start + rows] = _rows(
                X[start : start + rows],
                V[start : start + rows],
                Z[start : start + rows],
                T,
                u[start : start + rows],
                N,
            )
            return L, dT

        L, dT = _summed(map(block, range(0, N, rows)))
    return L, Gradients(X=dX, V=dV, Z=dZ, T=dT)


def _rows(X, V, Z, T, u, N):
    """Sums and results for some of the rows, of N in all; the arrays here have a column for each row."""
    f = np.add.reduce(Z * np.add.reduce(V[:, :, None] * np.tensordot(X, T, (1, 0)), axis=1), axis=1)
    part1 = f - u
    L = np.add.reduce(part1**2) / N

    G_f = 2 / N * part1
    dX = (G_f * np.add.reduce(Z.T * np.tensordot(T, V, (1, 1)), axis=1)).T
    dV = (G_f * np.add.reduce(Z.T * np.tensordot(T, X, (0, 1)), axis=1)).T
    dZ = (G_f * np.add.reduce(V.T[:, None, :] * np.tensordot(T, X, (0, 1)))).T
    dT = np.einsum("nj,ni,nk->ijk", V * G_f[:, None], X, Z, optimize=True)
    return L, dT, dX, dV, dZ
