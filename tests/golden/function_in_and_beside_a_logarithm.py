def f(X, W, b, Y, gamma):
    """Return L and its gradients.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1
        gamma: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, W, b, Y, gamma):
        X, W, b, Y, gamma = _checked_or_labels(X, W, b, Y, gamma)
    N = X.shape[0]
    D = X.shape[1]
    C = W.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dW, db = _rows(X, W, b, Y, gamma, N, C)
    else:

        def block(start):
            return _rows(X[start : start + rows], W, b, Y[start : start + rows], gamma, N, C)

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W=dW, b=db)


def _rows(X, W, b, Y, gamma, N, C):
    """Sums over some of the rows, of N in all; the arrays here have a column for each row."""
    Y = Y.T if Y.ndim == 2 else _one_hot_columns(Y, C, X.dtype)

    Z = _columns(W.T, X.T) + b[:, None]
    Z -= np.maximum.reduce(Z, initial=np.finfo(X.dtype).min)
    E = np.exp(Z)
    S_shifted = np.add.reduce(E)
    P = np.divide(E, S_shifted, out=E)
    part1 = (1 + P) ** gamma
    part2 = Y * part1
    Z -= np.log(S_shifted)
    L = -_dot(part2, Z) / N

    part4 = (1 + P) ** (gamma - 1)
    part5 = gamma * P * (np.add.reduce(_weighted(Y * P * part4, Z)) - _weighted(Y * part4, Z))
    G = (part5 + P * np.add.reduce(part2) - Y * part1) / N
    dW = G.dot(X).T
    db = np.add.reduce(G, axis=1)
    return L, dW, db
