def f(Q, q):
    """Return L and its gradients.

        Q: shape (N, N, C)
        q: shape (C,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Q, q):
        Q, q = _checked(Q, q)
    N = Q.shape[0]
    L = q @ np.add.reduce(np.einsum("nnc->nc", Q) ** 2)

    dQ = 2 * np.eye(N, dtype=Q.dtype)[:, :, None] * q * np.einsum("iic->ic", Q)
    dq = np.add.reduce(np.einsum("nnc->nc", Q) ** 2)
    return L, Gradients(Q=dQ, q=dq)
