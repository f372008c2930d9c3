def f(X, Wq, Wk, Wv, Wo, Y):
    """Return L and its gradients.

        X: shape (B, T, M)
        Wq: shape (G, E, M)
        Wk: shape (G, E, M)
        Wv: shape (G, E, M)
        Wo: shape (G, E, M)
        Y: shape (B, T, M)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, Wq, Wk, Wv, Wo, Y):
        X, Wq, Wk, Wv, Wo, Y = _checked(X, Wq, Wk, Wv, Wo, Y)
    B = X.shape[0]
    E = Wq.shape[1]
    Q = np.transpose(np.tensordot(X, Wq, (2, 2)), (0, 2, 1, 3))
    K = np.transpose(np.tensordot(X, Wk, (2, 2)), (0, 2, 1, 3))
    V = np.transpose(np.tensordot(X, Wv, (2, 2)), (0, 2, 1, 3))
    Z = Q @ np.transpose(K, (0, 1, 3, 2)) / E**0.5
    E2 = np.exp(Z - np.maximum.reduce(Z, axis=3, initial=np.finfo(X.dtype).min, keepdims=True))
    C_shifted = np.add.reduce(E2, axis=3)
    A = np.divide(E2, C_shifted[:, :, :, None], out=E2)
    O = A @ V
    P = np.tensordot(O, Wo, ((1, 3), (0, 1)))
    P -= Y
    L = np.add.reduce(P**2, axis=None) / B

    G_P = 2 / B * P
    G_O = np.transpose(2 / B * np.tensordot(P, Wo, (2, 2)), (0, 2, 1, 3))
    G_A = G_O @ np.transpose(V, (0, 1, 3, 2))
    G_Z = A * (G_A - np.add.reduce(A * G_A, axis=3, keepdims=True))
    G_V = np.transpose(A, (0, 1, 3, 2)) @ G_O
    G_K = np.transpose(G_Z, (0, 1, 3, 2)) @ Q / E**0.5
    G_Q = G_Z @ K / E**0.5
    part2 = np.tensordot(G_Q, Wq, ((1, 3), (0, 1)))
    dX = part2 + np.tensordot(G_K, Wk, ((1, 3), (0, 1))) + np.tensordot(G_V, Wv, ((1, 3), (0, 1)))
    dWq = np.tensordot(G_Q, X, ((0, 2), (0, 1)))
    dWk = np.tensordot(G_K, X, ((0, 2), (0, 1)))
    dWv = np.tensordot(G_V, X, ((0, 2), (0, 1)))
    dWo = np.tensordot(O, G_P, ((0, 2), (0, 1)))
    return L, Gradients(X=dX, Wq=dWq, Wk=dWk, Wv=dWv, Wo=dWo)
