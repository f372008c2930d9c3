def f(X, w, b, g, alpha=0.3, beta=0.7):
    """Return L and its gradients.

        X: shape (N, D)
        w: shape (D,)
        b: a number
        g: shape (N,)
        alpha: a number
        beta: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(X, w, b, g, alpha, beta):
        X, w, b, g, alpha, beta = _checked(X, w, b, g, alpha, beta)
    z = X @ w + b
    p = _sigmoid(z)
    TP = g @ p
    FN = (1 - p) @ g
    FP = (1 - g) @ p
    L = 1 - TP / (alpha * FP + beta * FN + TP)

    part1 = alpha * TP * (1 - g) - (alpha * FP + beta * FN) * g - beta * TP * g
    G_p = part1 / (alpha * FP + beta * FN + TP) ** 2
    G_z = p * G_p * (1 - p)
    dw = G_z @ X
    db = np.add.reduce(G_z)
    return L, Gradients(w=dw, b=db)
