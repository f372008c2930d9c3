def f(A0, W1, W2, W3, W4, W5, W6, W7, W8, Y):
    """Return L and its gradients.

        A0: shape (N, H)
        W1: shape (H, H)
        W2: shape (H, H)
        W3: shape (H, H)
        W4: shape (H, H)
        W5: shape (H, H)
        W6: shape (H, H)
        W7: shape (H, H)
        W8: shape (H, H)
        Y: shape (N, H)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A0, W1, W2, W3, W4, W5, W6, W7, W8, Y):
        A0, W1, W2, W3, W4, W5, W6, W7, W8, Y = _checked(A0, W1, W2, W3, W4, W5, W6, W7, W8, Y)
    N = A0.shape[0]
    H = A0.shape[1]
    rows = max(_SHORTEST, _BLOCK // (H))
    if rows >= N:
        L, dW1, dW2, dW3, dW4, dW5, dW6, dW7, dW8 = _rows(A0, W1, W2, W3, W4, W5, W6, W7, W8, Y)
    else:

        def block(start):
            return _rows(A0[start : start + rows], W1, W2, W3, W4, W5, W6, W7, W8, Y[start : start + rows])

        L, dW1, dW2, dW3, dW4, dW5, dW6, dW7, dW8 = _summed(map(block, range(0, N, rows)))
    return L, Gradients(W1=dW1, W2=dW2, W3=dW3, W4=dW4, W5=dW5, W6=dW6, W7=dW7, W8=dW8)


def _rows(A0, W1, W2, W3, W4, W5, W6, W7, W8, Y):
    """Sums over some of the rows; the arrays here have a column for each row."""
    Z1 = _columns(W1.T, A0.T)
    A1 = np.tanh(Z1)
    Z2 = _columns(W2.T, A1)
    A2 = np.tanh(Z2)
    Z3 = _columns(W3.T, A2)
    A3 = np.tanh(Z3)
    Z4 = _columns(W4.T, A3)
    A4 = np.tanh(Z4)
    Z5 = _columns(W5.T, A4)
    A5 = np.tanh(Z5)
    Z6 = _columns(W6.T, A5)
    A6 = np.tanh(Z6)
    Z7 = _columns(W7.T, A6)
    A7 = np.tanh(Z7)
    Z8 = _columns(W8.T, A7)
    A8 = np.tanh(Z8)
    L = np.add.reduce((A8.T - Y) ** 2, axis=None)

    G_A8 = (2 * (A8.T - Y)).T
    G_Z8 = np.multiply(G_A8, 1 - A8**2, out=G_A8)
    G_A7 = _columns(W8, G_Z8)
    G_Z7 = np.multiply(G_A7, 1 - A7**2, out=G_A7)
    G_A6 = _columns(W7, G_Z7)
    G_Z6 = np.multiply(G_A6, 1 - A6**2, out=G_A6)
    G_A5 = _columns(W6, G_Z6)
    G_Z5 = np.multiply(G_A5, 1 - A5**2, out=G_A5)
    G_A4 = _columns(W5, G_Z5)
    G_Z4 = np.multiply(G_A4, 1 - A4**2, out=G_A4)
    G_A3 = _columns(W4, G_Z4)
    G_Z3 = np.multiply(G_A3, 1 - A3**2, out=G_A3)
    G_A2 = _columns(W3, G_Z3)
    G_Z2 = np.multiply(G_A2, 1 - A2**2, out=G_A2)
    G_A1 = _columns(W2, G_Z2)
    G_Z1 = np.multiply(G_A1, 1 - A1**2, out=G_A1)
    dW1 = G_Z1.dot(A0).T
    dW2 = A1.dot(G_Z2.T)
    dW3 = A2.dot(G_Z3.T)
    dW4 = A3.dot(G_Z4.T)
    dW5 = A4.dot(G_Z5.T)
    dW6 = A5.dot(G_Z6.T)
    dW7 = A6.dot(G_Z7.T)
    dW8 = A7.dot(G_Z8.T)
    return L, dW1, dW2, dW3, dW4, dW5, dW6, dW7, dW8
