def f(Z):
    """Return L and its gradients.

        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z):
        (Z,) = _checked(Z)
    Z_max = np.maximum.reduce(Z, axis=1, initial=np.finfo(Z.dtype).min)
    E = np.exp(Z - Z_max[:, None])
    S_shifted = np.add.reduce(E, axis=1)
    Z_max2 = np.maximum.reduce(Z, initial=np.finfo(Z.dtype).min)
    E2 = np.exp(Z - Z_max2)
    q_shifted = np.add.reduce(E2)
    L = np.add.reduce(np.log(q_shifted) + Z_max2) + np.add.reduce(np.log(S_shifted) + Z_max)

    P = np.divide(E, S_shifted[:, None], out=E)
    Q = np.divide(E2, q_shifted, out=E2)
    dZ = np.add(Q, P, out=Q)
    return L, Gradients(Z=dZ)
