def f(X, mu, logvar, E, W, b):
    """Return L and its gradients.

        X: shape (N, D)
        mu: shape (N, K)
        logvar: shape (N, K)
        E: shape (N, K), or N integer labels 0..K-1
        W: shape (K, D)
        b: shape (D,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, mu, logvar, E, W, b):
        X, mu, logvar, E, W, b = _checked_or_labels(X, mu, logvar, E, W, b)
    N = X.shape[0]
    D = X.shape[1]
    K = mu.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + K))
    if rows >= N:
        L, dW, db, dmu, dlogvar = _rows(X, mu, logvar, E, W, b, N, K)
    else:
        dmu = np.empty((N, K), X.dtype)
        dlogvar = np.empty((N, K), X.dtype)

        def block(start):
            L, dW, db, dmu[start : start + rows], dlogvar[start : start + rows] = _rows(
                X[start : start + rows],
                mu[start : start + rows],
                logvar[start : start + rows],
                E[start : start + rows],
                W,
                b,
                N,
                K,
            )
            return L, dW, db

        L, dW, db = _summed(map(block, range(0, N, rows)))
    return L, Gradients(mu=dmu, logvar=dlogvar, W=dW, b=db)


def _rows(X, mu, logvar, E, W, b, N, K):
    """Sums and results for some of the rows, of N in all; the arrays here have a column for each row."""
    E = E.T if E.ndim == 2 else _one_hot_columns(E, K, X.dtype)

    sigma = np.exp(logvar / 2).T
    Z = E * sigma + mu.T
    kl = -np.add.reduce(1 + logvar - (sigma**2).T - mu**2, axis=1) / 2
    Xhat = _columns(W.T, Z) + b[:, None]
    rec = -np.add.reduce((1.8378770664093456 + (X.T - Xhat) ** 2) / 2)
    L = np.add.reduce(kl - rec) / N

    G_Xhat = ((Xhat.T - X) / N).T
    G_Z = _columns(W, G_Xhat)
    G_sigma = E * G_Z + sigma / N
    dmu = G_Z.T + mu / N
    dlogvar = ((sigma * G_sigma - 1 / N) / 2).T
    dW = Z.dot(G_Xhat.T)
    db = np.add.reduce(G_Xhat, axis=1)
    return L, dW, db, dmu, dlogvar
