def f(Q, Z):
    """Return L and its gradients.

        Q: shape (N, N, C)
        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Q, Z):
        Q, Z = _checked(Q, Z)
    N = Q.shape[0]
    L = np.add.reduce(Z * np.einsum("nnc->nc", Q), axis=None)

    dQ = np.eye(N, dtype=Q.dtype)[:, :, None] * Z
    dZ = np.einsum("mmc->mc", Q).copy()
    return L, Gradients(Q=dQ, Z=dZ)
