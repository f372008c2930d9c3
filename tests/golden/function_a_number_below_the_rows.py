def f(Z, q):
    """Return L and its gradients.

        Z: shape (N, C)
        q: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, q):
        Z, q = _checked(Z, q)
    part1 = np.tanh(Z)
    L = q @ np.add.reduce(part1) / np.add.reduce(Z**2, axis=None)

    part2 = q * (1 - part1**2) - 2 * (q @ np.add.reduce(part1)) * Z / np.add.reduce(Z**2, axis=None)
    dZ = part2 / np.add.reduce(Z**2, axis=None)
    dq = np.add.reduce(part1) / np.add.reduce(Z**2, axis=None)
    return L, Gradients(Z=dZ, q=dq)
