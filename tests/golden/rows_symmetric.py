class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    x: np.ndarray


_AXES = {
    "x": ("N",),
    "A": ("N", "N"),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def f(x, A):
    """Return L and its gradients.

        x: shape (N,)
        A: shape (N, N)

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(x, A):
        x, A = _checked(x, A)
    gap = A.T - A
    if not np.vdot(gap, gap) < 1e-10:
        _hold(gap, "A: expected that A is symmetric")

    L = x @ (A @ x) / 2

    dx = A @ x
    return L, Gradients(x=dx)


def _ready(x, A):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(x) is type(A) is np.ndarray
        and x.dtype is A.dtype
        and x.dtype in _FLOATS
        and x.ndim == 1
        and A.ndim == 2
        and x.shape[0] == A.shape[0] == A.shape[1] > 0
    )
