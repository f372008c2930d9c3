def f(Z):
    """Return L and its gradients, at N = 2, D = 2, C = 2.

        Z: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not (type(Z) is np.ndarray and Z.dtype in _FLOATS and Z.shape == (2, 2)):
        (Z,) = _checked(Z, N=2, D=2, C=2)
    dtype = Z.dtype
    Z_11, Z_12, Z_21, Z_22 = Z.ravel().tolist()

    part_1 = _logaddexp(0.0, Z_11)
    part_2 = _logaddexp(0.0, Z_12)
    part_3 = _logaddexp(0.0, Z_21)
    part_4 = _logaddexp(0.0, Z_22)
    L = part_1 + part_2 + part_3 + part_4
    part_5 = _sigmoid(Z_11)
    part_6 = _sigmoid(Z_12)
    part_7 = _sigmoid(Z_21)
    part_8 = _sigmoid(Z_22)

    dZ = np.array([part_5, part_6, part_7, part_8], dtype).reshape(2, 2)
    return dtype.type(L), Gradients(Z=dZ)
