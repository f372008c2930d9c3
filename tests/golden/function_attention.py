def f(X, Wq, Wk, Wv, Y):
    """Return L and its gradients.

        X: shape (T, D)
        Wq: shape (D, H)
        Wk: shape (D, H)
        Wv: shape (D, H)
        Y: shape (T, H)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, Wq, Wk, Wv, Y):
        X, Wq, Wk, Wv, Y = _checked(X, Wq, Wk, Wv, Y)
    H = Wq.shape[1]
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    E = Q @ K.T / H**0.5
    E2 = np.exp(E - np.maximum.reduce(E, axis=1, initial=np.finfo(X.dtype).min, keepdims=True))
    S_shifted = np.add.reduce(E2, axis=1)
    A = np.divide(E2, S_shifted[:, None], out=E2)
    O = A @ V
    L = np.add.reduce((O - Y) ** 2, axis=None)

    G_O = 2 * (O - Y)
    G_A = G_O @ V.T
    G_E = A * (G_A - np.add.reduce(A * G_A, axis=1, keepdims=True))
    G_V = A.T @ G_O
    G_K = G_E.T @ Q / H**0.5
    G_Q = G_E @ K / H**0.5
    dX = G_Q @ Wq.T + G_K @ Wk.T + G_V @ Wv.T
    dWq = X.T @ G_Q
    dWk = X.T @ G_K
    dWv = X.T @ G_V
    return L, Gradients(X=dX, Wq=dWq, Wk=dWk, Wv=dWv)
