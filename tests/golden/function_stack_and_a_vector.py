def f(A, q):
    """Return L and its gradients.

        A: shape (N, D, C)
        q: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, q):
        A, q = _checked(A, q)
    L = np.add.reduce(np.exp(A @ q), axis=None)

    dA = q * np.exp(A @ q)[:, :, None]
    dq = np.tensordot(A, np.exp(A @ q), ((0, 1), (0, 1)))
    return L, Gradients(A=dA, q=dq)
