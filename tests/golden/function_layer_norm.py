def f(X, gamma, beta, eps, U):
    """Return L and its gradients.

        X: shape (N, D)
        gamma: shape (D,)
        beta: shape (D,)
        eps: a number
        U: shape (N, D)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, gamma, beta, eps, U):
        X, gamma, beta, eps, U = _checked(X, gamma, beta, eps, U)
    _positive("eps", eps)
    N = X.shape[0]
    D = X.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D))
    if rows >= N:
        L, dgamma, dbeta, dX = _rows(X, gamma, beta, eps, U, D)
    else:
        dX = np.empty((N, D), X.dtype)

        def block(start):
            L, dgamma, dbeta, dX[start : start + rows] = _rows(
                X[start : start + rows], gamma, beta, eps, U[start : start + rows], D
            )
            return L, dgamma, dbeta

        L, dgamma, dbeta = _summed(map(block, range(0, N, rows)))
    return L, Gradients(X=dX, gamma=dgamma, beta=dbeta)


def _rows(X, gamma, beta, eps, U, D):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    mu = np.add.reduce(X, axis=1) / D
    part1 = (X - mu[:, None]).T
    v = np.add.reduce(part1**2) / D
    S = np.sqrt(v + eps)
    Xhat = np.divide(part1, S, out=part1)
    O = gamma[:, None] * Xhat + beta[:, None]
    L = np.add.reduce((O.T - U) ** 2, axis=None) / 2

    G_O = (O.T - U).T
    G_Xhat = gamma[:, None] * G_O
    dX = ((G_Xhat - Xhat * np.add.reduce(Xhat * G_Xhat) / D - np.add.reduce(G_Xhat) / D) / S).T
    dgamma = np.add.reduce(Xhat * G_O, axis=1)
    dbeta = np.add.reduce(G_O, axis=1)
    return L, dgamma, dbeta, dX
