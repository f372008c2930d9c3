def f(A, X, W):
    """Return L and its gradients.

        A: shape (N, D, C)
        X: shape (N, D)
        W: shape (D, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, X, W):
        A, X, W = _checked(A, X, W)
    N = A.shape[0]
    D = A.shape[1]
    part1 = np.tanh(np.add.reduce(A * W, axis=1))
    L = np.add.reduce(part1, axis=1) @ np.add.reduce(X, axis=1)

    dA = W * (1 - part1**2)[:, None, :] * np.add.reduce(X, axis=1)[:, None, None]
    dX = np.full((N, D), np.add.reduce(part1, axis=1, keepdims=True), A.dtype)
    dW = np.add.reduce(A * (1 - part1**2)[:, None, :] * np.add.reduce(X, axis=1)[:, None, None])
    return L, Gradients(A=dA, X=dX, W=dW)
