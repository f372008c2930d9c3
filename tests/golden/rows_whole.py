class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    A: np.ndarray


_AXES = {
    "A": ("N", "N"),
    "B": ("N", "N"),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def f(A, B):
    """Return L and its gradients.

        A: shape (N, N)
        B: shape (N, N)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(A, B):
        A, B = _checked(A, B)
    R = A @ B
    L = np.add.reduce(R**2, axis=None)

    G_R = 2 * R
    dA = G_R @ B.T
    return L, Gradients(A=dA)


def _ready(A, B):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(A) is type(B) is np.ndarray
        and A.dtype is B.dtype
        and A.dtype in _FLOATS
        and A.ndim == B.ndim == 2
        and A.shape[0] == A.shape[1] == B.shape[0] == B.shape[1] > 0
    )
