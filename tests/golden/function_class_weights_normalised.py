def f(X, W, b, Y, a):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1
        a: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, Y, a):
        X, W, b, Y, a = _checked_or_labels(X, W, b, Y, a)
    _positive("a", a)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        A, L_rows, dW_rows, db_rows = _rows(X, W, b, Y, a, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, Y[start : start + rows], a, C)

        A, L_rows, dW_rows, db_rows = _summed(map(block, range(0, N, rows)))
    L = L_rows / A
    dW = dW_rows / A
    db = db_rows / A
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, Y, a, C):
    """Sums over some of the rows; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)

    Z = _columns(W.T, X.T) + b[:, None]
    A = a @ np.add.reduce(Y, axis=1)
    Z -= np.maximum.reduce(Z, initial=np.finfo(X.dtype).min)
    E = np.exp(Z)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    L_rows = -_dot(Y * a[:, None], Z - np.log(S_shifted))
    G_unscaled = P * (Y.T @ a) - Y * a[:, None]
    dW_rows = G_unscaled.dot(X).T
    db_rows = np.add.reduce(G_unscaled, axis=1)
    return A, L_rows, dW_rows, db_rows
