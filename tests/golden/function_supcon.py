def f(Z, M, tau=0.1):
    """Return L and its gradients.

        Z: shape (N, D)
        M: shape (N, N)
        tau: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z, M, tau):
        Z, M, tau = _checked(Z, M, tau)
    _positive("tau", tau)
    N = Z.shape[0]
    S = Z @ Z.T / tau
    part1 = np.where(1 - np.eye(N, dtype=Z.dtype), S, -np.inf)
    largest = np.maximum.reduce(part1, axis=1, initial=np.finfo(Z.dtype).min)
    E = np.exp(np.where(1 - np.eye(N, dtype=Z.dtype), S, -np.inf) - largest[:, None])
    T_shifted = np.add.reduce(E * (1 - np.eye(N, dtype=Z.dtype)), axis=1)
    logden = np.log(T_shifted) + largest
    L = np.add.reduce(np.add.reduce(M * (logden[:, None] - S), axis=1) / np.add.reduce(M, axis=1))

    part2 = E * (1 - np.eye(N, dtype=Z.dtype)) / T_shifted[:, None]
    G = part2 - M / np.add.reduce(M, axis=1, keepdims=True)
    dZ = (G + G.T).T @ Z / tau
    return L, Gradients(Z=dZ)
