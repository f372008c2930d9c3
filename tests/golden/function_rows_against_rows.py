def f(U):
    """Return L and its gradients.

        U: shape (N,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(U):
        (U,) = _checked(U)
    pairs = np.tanh(U * U[:, None])
    L = np.add.reduce(pairs**3, axis=None)

    G_pairs = 3 * pairs**2
    dU = ((G_pairs * (1 - pairs**2).T).T + G_pairs * (1 - pairs**2).T) @ U
    return L, Gradients(U=dU)
