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

    V_max_1 = max(V_11, V_12)
    V_max_2 = max(V_21, V_22)
    V_shifted_11 = V_11 - V_max_1
    V_shifted_12 = V_12 - V_max_1
    V_shifted_21 = V_21 - V_max_2
    V_shifted_22 = V_22 - V_max_2
    E_11 = math.exp(V_shifted_11)
    E_12 = math.exp(V_shifted_12)
    E_21 = math.exp(V_shifted_21)
    E_22 = math.exp(V_shifted_22)
    Z_max_1 = max(Z_11, Z_12)
    Z_max_2 = max(Z_21, Z_22)
    Z_shifted_11 = Z_11 - Z_max_1
    Z_shifted_12 = Z_12 - Z_max_1
    Z_shifted_21 = Z_21 - Z_max_2
    Z_shifted_22 = Z_22 - Z_max_2
    E2_11 = math.exp(Z_shifted_11)
    E2_12 = math.exp(Z_shifted_12)
    E2_21 = math.exp(Z_shifted_21)
    E2_22 = math.exp(Z_shifted_22)
    part_1 = E_11 * E2_11 + E_12 * E2_12
    part_2 = E_11 + E_12
    part_3 = E2_11 + E2_12
    part_4 = E_21 * E2_21 + E_22 * E2_22
    part_5 = E_21 + E_22
    part_6 = E2_21 + E2_22
    L = part_1 / (part_2 * part_3) + part_4 / (part_5 * part_6)
    dZ_11 = E_11 * E2_11 / (part_2 * part_3) - E2_11 * part_1 / (part_2 * (part_3 * part_3))
    dZ_12 = E_12 * E2_12 / (part_2 * part_3) - E2_12 * part_1 / (part_2 * (part_3 * part_3))
    dZ_21 = E_21 * E2_21 / (part_5 * part_6) - E2_21 * part_4 / (part_5 * (part_6 * part_6))
    dZ_22 = E_22 * E2_22 / (part_5 * part_6) - E2_22 * part_4 / (part_5 * (part_6 * part_6))
    dV_11 = E_11 * E2_11 / (part_2 * part_3) - E_11 * part_1 / (part_2 * part_2 * part_3)
    dV_12 = E_12 * E2_12 / (part_2 * part_3) - E_12 * part_1 / (part_2 * part_2 * part_3)
    dV_21 = E_21 * E2_21 / (part_5 * part_6) - E_21 * part_4 / (part_5 * part_5 * part_6)
    dV_22 = E_22 * E2_22 / (part_5 * part_6) - E_22 * part_4 / (part_5 * part_5 * part_6)

    dZ = np.array([dZ_11, dZ_12, dZ_21, dZ_22], dtype).reshape(2, 2)
    dV = np.array([dV_11, dV_12, dV_21, dV_22], dtype).reshape(2, 2)
    return dtype.type(L), Gradients(Z=dZ, V=dV)
