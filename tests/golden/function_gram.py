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
    L = np.add.reduce(np.add.reduce(X) ** 2 * np.add.reduce(W, axis=1) ** 2)

    dX = np.full((N, D), 2 * np.add.reduce(X) * np.add.reduce(W, axis=1) ** 2, X.dtype)
    dW = np.full((D, C), (2 * np.add.reduce(X) ** 2 * np.add.reduce(W, axis=1))[:, None], X.dtype)
    return L, Gradients(X=dX, W=dW)
