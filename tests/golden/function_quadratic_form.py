def f(x, A, b):
    """Return L and its gradients.

        x: shape (D,)
        A: shape (D, D)
        b: shape (D,)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(x, A, b):
        x, A, b = _checked(x, A, b)
    gap = A.T - A
    if not np.vdot(gap, gap) < 1e-10:
        _hold(gap, "A: expected that A is symmetric")

    L = (x @ (x @ A) - 2 * (b @ x)) / 2

    dx = A @ x - b
    return L, Gradients(x=dx)
