def f(Z):
    """Return L and its gradients.

        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z):
        (Z,) = _checked(Z)
    K = Z * np.add.reduce(Z)
    L = np.add.reduce(K**2, axis=None)

    G_K = 2 * K
    dZ = G_K * np.add.reduce(Z) + np.add.reduce(Z * G_K)
    return L, Gradients(Z=dZ, K=G_K)
