def f(X, W, lambda_):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        lambda_: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, lambda_):
        X, W, lambda_ = _checked(X, W, lambda_)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    dlambda = np.add.reduce(W**2, axis=None) / (2 * N)
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L_rows, dW_rows, dX = _rows(X, W, N, D, C)
    else:
        dX = np.empty((N, D), X.dtype)

        def block(start):
            L_rows, dW_rows, dX[start : start + rows] = _rows(X[start : start + rows], W, N, D, C)
            return L_rows, dW_rows

        L_rows, dW_rows = _summed(map(block, range(0, N, rows)))
    L = (2 * L_rows + lambda_ * np.add.reduce(W**2, axis=None) / N) / 2
    dW = dW_rows + lambda_ * W / N
    return L, Gradients(X=dX, W=dW, lambda_=dlambda)


def _rows(X, W, N, D, C):
    """Sums and results for some of the rows, of N in all; the arrays here have a column for each row."""
    O = X @ np.add.reduce(W, axis=1)
    L_rows = np.add.reduce(O**2) / (2 * N)
    G_O = O / N
    dX = (G_O * np.add.reduce(W, axis=1, keepdims=True)).T
    dW_rows = np.full((D, C), (G_O @ X)[:, None], X.dtype)
    return L_rows, dW_rows, dX
