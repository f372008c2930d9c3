def f(X, W, b, Y):
    """Return L and its gradients, at N = 2, D = 2, C = 2.

        X: shape (N, D)
        W: shape (D, C)
        b: shape (C,)
        Y: shape (N, C), or N integer labels 0..C-1

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not (
        type(X) is type(W) is type(b) is type(Y) is np.ndarray
        and X.dtype is W.dtype is b.dtype is Y.dtype
        and X.dtype in _FLOATS
        and X.shape == (2, 2)
        and W.shape == (2, 2)
        and b.shape == (2,)
        and Y.shape == (2, 2)
    ):
        X, W, b, Y = _checked_or_labels(X, W, b, Y, N=2, D=2, C=2)
    dtype = X.dtype
    if Y.ndim == 1:
        Y = _one_hot(Y, 2, dtype)
    X_11, X_12, X_21, X_22 = X.ravel().tolist()
    W_11, W_12, W_21, W_22 = W.ravel().tolist()
    b_1, b_2 = b.tolist()
    Y_11, Y_12, Y_21, Y_22 = Y.ravel().tolist()

    gap = Y_11 + Y_12 - 1
    if abs(gap) > 1e-5:
        _hold(gap, "Y: expected that each row of Y sums to one")
    gap = Y_21 + Y_22 - 1
    if abs(gap) > 1e-5:
        _hold(gap, "Y: expected that each row of Y sums to one")
    Z_11 = X_11 * W_11 + X_12 * W_21 + b_1
    Z_12 = X_11 * W_12 + X_12 * W_22 + b_2
    Z_21 = X_21 * W_11 + X_22 * W_21 + b_1
    Z_22 = X_21 * W_12 + X_22 * W_22 + b_2
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
    S_shifted_1 = E_11 + E_12
    S_shifted_2 = E_21 + E_22
    P_11 = E_11 / S_shifted_1
    P_12 = E_12 / S_shifted_1
    P_21 = E_21 / S_shifted_2
    P_22 = E_22 / S_shifted_2
    part_1 = _log(S_shifted_1)
    part_2 = Z_shifted_11 - part_1
    part_3 = Z_shifted_12 - part_1
    part_4 = _log(S_shifted_2)
    part_5 = Z_shifted_21 - part_4
    part_6 = Z_shifted_22 - part_4
    L = -(Y_11 * part_2 if Y_11 else 0.0) - (Y_12 * part_3 if Y_12 else 0.0)
    L += -(Y_21 * part_5 if Y_21 else 0.0) - (Y_22 * part_6 if Y_22 else 0.0)
    G_11 = P_11 - Y_11
    G_12 = P_12 - Y_12
    G_21 = P_21 - Y_21
    G_22 = P_22 - Y_22
    dW_11 = X_11 * G_11 + X_21 * G_21
    dW_12 = X_11 * G_12 + X_21 * G_22
    dW_21 = X_12 * G_11 + X_22 * G_21
    dW_22 = X_12 * G_12 + X_22 * G_22
    dP_11 = -Y_11 / P_11
    dP_12 = -Y_12 / P_12
    dP_21 = -Y_21 / P_21
    dP_22 = -Y_22 / P_22

    dW = np.array([dW_11, dW_12, dW_21, dW_22], dtype).reshape(2, 2)
    dP = np.array([dP_11, dP_12, dP_21, dP_22], dtype).reshape(2, 2)
    dZ = np.array([G_11, G_12, G_21, G_22], dtype).reshape(2, 2)
    return dtype.type(L), Gradients(W=dW, P=dP, Z=dZ)
