def f(A, B, lam=0.005):
    """Return L and its gradients.

        A: shape (N, D)
        B: shape (N, D)
        lam: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, B, lam):
        A, B, lam = _checked(A, B, lam)
    _positive("lam", lam)
    D = A.shape[1]
    C = A.T @ B / (np.sqrt(np.add.reduce(A**2))[:, None] * np.sqrt(np.add.reduce(B**2)))
    off = np.add.reduce(C**2, axis=None) - np.add.reduce(np.diagonal(C) ** 2)
    on = np.add.reduce((1 - np.diagonal(C)) ** 2)
    L = on + lam * off

    part1 = lam * (C - np.eye(D, dtype=A.dtype) * np.diagonal(C)[:, None])
    G_C = 2 * (np.eye(D, dtype=A.dtype) * (np.diagonal(C) - 1)[:, None] + part1)
    part2 = A * ((G_C * (A.T @ B)) @ (1 / np.sqrt(np.add.reduce(B**2)))) / np.add.reduce(A**2) ** 1.5
    dA = (B / np.sqrt(np.add.reduce(B**2))) @ G_C.T / np.sqrt(np.add.reduce(A**2)) - part2
    part3 = B * ((1 / np.sqrt(np.add.reduce(A**2))) @ (G_C * (A.T @ B))) / np.add.reduce(B**2) ** 1.5
    dB = (A / np.sqrt(np.add.reduce(A**2))) @ G_C / np.sqrt(np.add.reduce(B**2)) - part3
    return L, Gradients(A=dA, B=dB)
