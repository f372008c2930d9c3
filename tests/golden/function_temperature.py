def f(X, W, b, Y, tau):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1
        tau: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, Y, tau):
        X, W, b, Y, tau = _checked_or_labels(X, W, b, Y, tau)
    _positive("tau", tau)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, db = _rows(X, W, b, Y, tau, N, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, Y[start : start + rows], tau, N, C)

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, Y, tau, N, C):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)
    gap = np.add.reduce(Y) - 1
    if not gap.dot(gap) < 1e-10:
        _hold(gap, "Y: expected that each row of Y sums to one")

    Z = _columns(W.T, X.T) + b[:, None]
    shifted = Z / tau - np.maximum.reduce(Z / tau, initial=np.finfo(X.dtype).min)
    E = np.exp(shifted)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    L = -_dot(Y, shifted - np.log(S_shifted)) / N

    G = (P - Y) / (N * tau)
    dW = G.dot(X).T
    db = np.add.reduce(G, axis=1)
    return L, dW, db
