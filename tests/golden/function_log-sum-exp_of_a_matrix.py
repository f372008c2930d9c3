def f(Z):
    """Return L and its gradients.

        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(Z):
        (Z,) = _checked(Z)
    Z_max = np.maximum.reduce(Z, axis=None, initial=np.finfo(Z.dtype).min)
    E = np.exp(Z - Z_max)
    L = np.log(np.add.reduce(E, axis=None)) + Z_max

    dZ = np.divide(E, np.add.reduce(E, axis=None), out=E)
    return L, Gradients(Z=dZ)
