def f(X, W, b, Y, eps=1.0):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1
        eps: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, Y, eps):
        X, W, b, Y, eps = _checked_or_labels(X, W, b, Y, eps)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, db = _rows(X, W, b, Y, eps, N, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, Y[start : start + rows], eps, N, C)

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, Y, eps, N, C):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)

    Z = _columns(W.T, X.T) + b[:, None]
    Z -= np.maximum.reduce(Z)
    E = np.exp(Z)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    pt = np.add.reduce(Y * P)
    L = (eps * np.add.reduce(1 - pt) - _dot(Y, Z - np.log(S_shifted))) / N

    G_P_P = -Y * (1 + eps * P) / N
    G_Z = np.subtract(G_P_P, P * np.add.reduce(G_P_P), out=G_P_P)
    dW = G_Z.dot(X).T
    db = np.add.reduce(G_Z, axis=1)
    return L, dW, db
