def f(A, R, W):
    """Return L and its gradients.

        A: shape (N, D, C)
        R: shape (C, N, D)
        W: shape (D, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, R, W):
        A, R, W = _checked(A, R, W)
    L = np.add.reduce(W * np.add.reduce(np.tensordot(A, R, (0, 1)) ** 2, axis=(1, 3)), axis=None)

    part1 = np.tensordot(R @ np.transpose(R, (0, 2, 1)), W, (0, 1))
    dA = np.transpose(2 * (np.transpose(part1, (2, 0, 1)) @ np.transpose(A, (1, 0, 2))), (1, 0, 2))
    dR = 2 * (np.tensordot(W, np.transpose(A, (1, 0, 2)) @ np.transpose(A, (1, 2, 0)), (0, 0)) @ R)
    dW = np.add.reduce(np.tensordot(A, R, (0, 1)) ** 2, axis=(1, 3))
    return L, Gradients(A=dA, R=dR, W=dW)
