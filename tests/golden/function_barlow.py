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
    part1 = 1 / np.sqrt(np.add.reduce(B**2))
    part2 = 1 / np.sqrt(np.add.reduce(A**2))
    C = part1 * part2[:, None] * (A.T @ B)
    off = np.add.reduce(C**2, axis=None) - np.add.reduce(np.diagonal(C) ** 2)
    on = np.add.reduce((1 - np.diagonal(C)) ** 2)
    L = on + lam * off

    part3 = lam * (C - np.eye(D, dtype=A.dtype) * np.diagonal(C)[:, None])
    G_C = 2 * (np.eye(D, dtype=A.dtype) * (np.diagonal(C) - 1)[:, None] + part3)
    dA = part2 * ((B * part1) @ G_C.T) - A * ((G_C * (A.T @ B)) @ part1) / np.add.reduce(A**2) ** 1.5
    dB = part1 * ((A * part2) @ G_C) - B * (part2 @ (G_C * (A.T @ B))) / np.add.reduce(B**2) ** 1.5
    return L, Gradients(A=dA, B=dB)
