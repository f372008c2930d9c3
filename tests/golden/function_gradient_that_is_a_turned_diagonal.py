def f(Q, V):
    """Return L and its gradients.

        Q: shape (N, N, C)
        V: shape (C, N)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Q, V):
        Q, V = _checked(Q, V)
    N = Q.shape[0]
    L = np.add.reduce(V * np.einsum("nnc->nc", Q).T, axis=None)

    dQ = np.eye(N, dtype=Q.dtype)[:, :, None] * V.T
    dV = np.einsum("mmc->mc", Q).T.copy()
    return L, Gradients(Q=dQ, V=dV)
