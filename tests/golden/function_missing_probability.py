def f(X, W, b, Y):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, Y):
        X, W, b, Y = _checked_or_labels(X, W, b, Y)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, db = _rows(X, W, b, Y, N, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, Y[start : start + rows], N, C)

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, Y, N, C):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)
    gap = Y**2 - Y
    if not np.vdot(gap, gap) < 1e-10:
        _hold(gap, "Y: expected that each entry of Y is 0 or 1, and at most one of a row is 1")
    gap = np.add.reduce(Y) ** 2 - np.add.reduce(Y)
    if not gap.dot(gap) < 1e-10:
        _hold(gap, "Y: expected that each entry of Y is 0 or 1, and at most one of a row is 1")
    gap = np.add.reduce(Y) - 1
    if not gap.dot(gap) < 1e-10:
        _hold(gap, "Y: expected that each row of Y sums to one")

    Z = _columns(W.T, X.T) + b[:, None]
    E = np.exp(Z - np.maximum.reduce(Z, initial=np.finfo(X.dtype).min))
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    Q = np.add.reduce(Y * P)
    L = (1 - Q) ** 2 @ np.add.reduce(Y**2) / N

    G = P * (2 * (1 - Q)) * (Q - Y) / N
    dW = G.dot(X).T
    db = np.add.reduce(G, axis=1)
    return L, dW, db
