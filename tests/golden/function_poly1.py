def f(X, W, b, y, eps=1.0):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        y: shape (N, C), or N integer labels 0..C-1
        eps: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, y, eps):
        X, W, b, y, eps = _checked_or_labels(X, W, b, y, eps)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, db = _rows(X, W, b, y, eps, N, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, y[start : start + rows], eps, N, C)

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, y, eps, N, C):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    y = y.T if y.ndim == 2 else _one_hot_columns(y, C, X.dtype)

    Z = _columns(W.T, X.T) + b[:, None]
    Z -= np.maximum.reduce(Z, initial=np.finfo(X.dtype).min)
    E = np.exp(Z)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    R = -y * (1 + eps * P) / N
    pt = np.add.reduce(y * P)
    L = (eps * np.add.reduce(1 - pt) - _dot(y, Z - np.log(S_shifted))) / N

    G = np.subtract(R, P * np.add.reduce(R), out=R)
    dW = G.dot(X).T
    db = np.add.reduce(G, axis=1)
    return L, dW, db
