def f(A, R):
    """Return L and its gradients.

        A: shape (N, D, C)
        R: shape (C, N, D)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, R):
        A, R = _checked(A, R)
    L = np.add.reduce(np.tensordot(A, R, ((0, 1), (1, 2))) ** 2, axis=None)

    dA = 2 * np.tensordot(R, np.tensordot(A, R, ((0, 1), (1, 2))), (0, 1))
    dR = np.transpose(2 * (A @ np.tensordot(R, A, ((1, 2), (0, 1))).T), (2, 0, 1))
    return L, Gradients(A=dA, R=dR)
