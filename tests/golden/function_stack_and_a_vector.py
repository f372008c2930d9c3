def f(A, q):
    """Return L and its gradients.

        A: shape (N, D, C)
        q: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, q):
        A, q = _checked(A, q)
    part1 = np.exp(A @ q)
    L = np.add.reduce(part1, axis=None)

    dA = q * part1[:, :, None]
    dq = np.tensordot(A, part1, ((0, 1), (0, 1)))
    return L, Gradients(A=dA, q=dq)
