def f(X, W):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W):
        X, W = _checked(X, W)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, dX, dK = _rows(X, W)
    else:
        dX = np.empty((N, D), X.dtype)
        dK = np.empty((N, C), X.dtype)

        def block(start):
            L, dW, dX[start : start + rows], dK[start : start + rows] = _rows(X[start : start + rows], W)
            return L, dW

        L, dW = _summed(map(block, range(0, N, rows)))
    return L, Gradients(X=dX, W=dW, K=dK)


def _rows(X, W):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    K = _columns(W.T, X.T)
    part1 = np.tanh(K)
    part2 = part1**2
    L = np.add.reduce(part2, axis=None)

    G = 2 * part1 * (1 - part2)
    dX = _columns(W, G).T
    dW = G.dot(X).T
    return L, dW, dX, G.T
