def f(X, beta, delta, R):
    """Return L and its gradients.

        X: shape (N, D)
        beta: shape (D,)
        delta: shape (N,)
        R: shape (N, N)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, beta, delta, R):
        X, beta, delta, R = _checked(X, beta, delta, R)
    eta = X @ beta
    eta_max = np.maximum.reduce(eta, initial=np.finfo(X.dtype).min)
    E = np.exp(eta - eta_max)
    z_shifted = R @ E
    L = -_dot(delta, eta - np.log(z_shifted) - eta_max)

    G_h_shifted = (delta / z_shifted) @ R
    G_eta = E * G_h_shifted - delta
    dbeta = G_eta @ X
    return L, Gradients(beta=dbeta)
