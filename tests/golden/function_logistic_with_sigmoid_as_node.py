def f(X, w, b, y):
    """Return L and its gradients.

        X: shape (N, D)
        w: shape (D,)
        b: a number
        y: shape (N,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, w, b, y):
        X, w, b, y = _checked(X, w, b, y)
    N = X.shape[0]
    D = X.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D))
    if rows >= N:
        L, dw, db = _rows(X, w, b, y, N)
    else:

        def block(start):
            return _rows(X[start : start + rows], w, b, y[start : start + rows], N)

        L, dw, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(w=dw, b=db)


def _rows(X, w, b, y, N):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    z = X @ w + b
    p = _sigmoid(z)
    L = (_dot(1 - y, np.logaddexp(0, z)) + _dot(y, np.logaddexp(0, -z))) / N

    G = (p - y) / N
    dw = G @ X
    db = np.add.reduce(G)
    return L, dw, db
