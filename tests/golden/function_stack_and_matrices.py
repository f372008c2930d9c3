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
    L = np.add.reduce(np.tanh(np.add.reduce(A * W, axis=1)), axis=1) @ np.add.reduce(X, axis=1)

    part1 = 1 - np.tanh(np.add.reduce(A * W, axis=1)) ** 2
    dA = W * np.add.reduce(X, axis=1)[:, None, None] * part1[:, None, :]
    part2 = np.add.reduce(np.tanh(np.add.reduce(A * W, axis=1)), axis=1)
    dX = np.full((N, D), part2[:, None], A.dtype)
    part3 = 1 - np.tanh(np.add.reduce(A * W, axis=1)) ** 2
    dW = np.add.reduce(A * np.add.reduce(X, axis=1)[:, None, None] * part3[:, None, :])
    return L, Gradients(A=dA, X=dX, W=dW)
