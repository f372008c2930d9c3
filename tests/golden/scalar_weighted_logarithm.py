def f(Z, V):
    """Return L and its gradients, at N = 2, D = 2, C = 2.

        Z: shape (N, C)
        V: shape (N, C)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not (
        type(Z) is type(V) is np.ndarray
        and Z.dtype is V.dtype
        and Z.dtype in _FLOATS
        and Z.shape == (2, 2)
        and V.shape == (2, 2)
    ):
        Z, V = _checked(Z, V, N=2, D=2, C=2)
    dtype = Z.dtype
    Z_11, Z_12, Z_21, Z_22 = Z.ravel().tolist()
    V_11, V_12, V_21, V_22 = V.ravel().tolist()

    Z_max_1 = max(Z_11, Z_12)
    Z_max_2 = max(Z_21, Z_22)
    Z_shifted_11 = Z_11 - Z_max_1
    Z_shifted_12 = Z_12 - Z_max_1
    Z_shifted_21 = Z_21 - Z_max_2
    Z_shifted_22 = Z_22 - Z_max_2
    E_11 = math.exp(Z_shifted_11)
    E_12 = math.exp(Z_shifted_12)
    E_21 = math.exp(Z_shifted_21)
    E_22 = math.exp(Z_shifted_22)
    part_1 = _log1p(V_11 * V_11)
    part_2 = _log1p(V_12 * V_12)
    part_3 = E_11 * part_1 + E_12 * part_2
    part_4 = E_11 + E_12
    part_5 = _log1p(V_21 * V_21)
    part_6 = _log1p(V_22 * V_22)
    part_7 = E_21 * part_5 + E_22 * part_6
    part_8 = E_21 + E_22
    L = part_3 / part_4 + part_7 / part_8
    part_9 = (E_11 * part_1 if E_11 else 0.0) + (E_12 * part_2 if E_12 else 0.0)
    part_10 = part_1 - part_9 / part_4
    dZ_11 = E_11 * part_10 / part_4
    part_11 = part_2 - part_9 / part_4
    dZ_12 = E_12 * part_11 / part_4
    part_12 = (E_21 * part_5 if E_21 else 0.0) + (E_22 * part_6 if E_22 else 0.0)
    part_13 = part_5 - part_12 / part_8
    dZ_21 = E_21 * part_13 / part_8
    part_14 = part_6 - part_12 / part_8
    dZ_22 = E_22 * part_14 / part_8
    part_15 = 1 + V_11 * V_11
    dV_11 = 2 * V_11 * E_11 / (part_15 * part_4)
    part_16 = 1 + V_12 * V_12
    dV_12 = 2 * V_12 * E_12 / (part_16 * part_4)
    part_17 = 1 + V_21 * V_21
    dV_21 = 2 * V_21 * E_21 / (part_17 * part_8)
    part_18 = 1 + V_22 * V_22
    dV_22 = 2 * V_22 * E_22 / (part_18 * part_8)

    dZ = np.array([dZ_11, dZ_12, dZ_21, dZ_22], dtype).reshape(2, 2)
    dV = np.array([dV_11, dV_12, dV_21, dV_22], dtype).reshape(2, 2)
    return dtype.type(L), Gradients(Z=dZ, V=dV)
