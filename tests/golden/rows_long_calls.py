class Gradients(NamedTuple):
    """Derivatives of L, each of the shape of its array."""

    the_features_of_the_rows: np.ndarray
    the_weights_of_features: np.ndarray
    the_temperature_of_all: np.ndarray


_AXES = {
    "the_features_of_the_rows": ("N", "D"),
    "the_weights_of_features": ("D", "C"),
    "the_targets_of_the_rows": ("N", "C"),
    "the_temperature_of_all": (),
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024


def f(the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all):
    """Return L and its gradients.

        the_features_of_the_rows: shape (N, D)
        the_weights_of_features: shape (D, C)
        the_targets_of_the_rows: shape (N, C)
        the_temperature_of_all: a number

    ValueError is raised for inputs that do not fit; they are never modified.
    """
    if not _ready(
        the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all
    ):
        (
            the_features_of_the_rows,
            the_weights_of_features,
            the_targets_of_the_rows,
            the_temperature_of_all,
        ) = _checked(
            the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all
        )
    N = the_features_of_the_rows.shape[0]
    D = the_features_of_the_rows.shape[1]
    C = the_weights_of_features.shape[1]
    rows = max(_SHORTEST, _BLOCK // (D + C))
    if rows >= N:
        L, dthe_weights_of_features, dthe_temperature_of_all, dthe_features_of_the_rows = _rows(
            the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all
        )
    else:
        dthe_features_of_the_rows = np.empty((N, D), the_features_of_the_rows.dtype)

        def block(start):
            L, dthe_weights_of_features, dthe_temperature_of_all, dthe_features_of_the_rows[start : start + rows] = _rows(
                the_features_of_the_rows[start : start + rows],
                the_weights_of_features,
                the_targets_of_the_rows[start : start + rows],
                the_temperature_of_all,
            )
            return L, dthe_weights_of_features, dthe_temperature_of_all

        L, dthe_weights_of_features, dthe_temperature_of_all = _summed(map(block, range(0, N, rows)))
    return L, Gradients(
        the_features_of_the_rows=dthe_features_of_the_rows,
        the_weights_of_features=dthe_weights_of_features,
        the_temperature_of_all=dthe_temperature_of_all,
    )


def _rows(the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all):
    """Sums and results for some of the rows; the arrays here have a column for each row."""
    Z = _columns(the_weights_of_features.T, the_features_of_the_rows.T) / the_temperature_of_all
    part1 = np.tanh(Z)
    L = np.add.reduce(the_targets_of_the_rows * part1.T, axis=None)

    G = (the_targets_of_the_rows * (1 - part1**2).T).T
    dthe_features_of_the_rows = (_columns(the_weights_of_features, G) / the_temperature_of_all).T
    dthe_weights_of_features = G.dot(the_features_of_the_rows).T / the_temperature_of_all
    dthe_temperature_of_all = -np.add.reduce(Z * G, axis=None) / the_temperature_of_all
    return L, dthe_weights_of_features, dthe_temperature_of_all, dthe_features_of_the_rows


def _ready(
    the_features_of_the_rows, the_weights_of_features, the_targets_of_the_rows, the_temperature_of_all
):
    """Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."""
    return (
        type(the_features_of_the_rows) is type(the_weights_of_features)
        and type(the_weights_of_features) is type(the_targets_of_the_rows)
        and type(the_targets_of_the_rows) is np.ndarray
        and the_features_of_the_rows.dtype is the_weights_of_features.dtype
        and the_weights_of_features.dtype is the_targets_of_the_rows.dtype
        and the_features_of_the_rows.dtype in _FLOATS
        and the_features_of_the_rows.ndim == the_weights_of_features.ndim
        and the_weights_of_features.ndim == the_targets_of_the_rows.ndim
        and the_targets_of_the_rows.ndim == 2
        and the_features_of_the_rows.shape[0] == the_targets_of_the_rows.shape[0] > 0
        and the_features_of_the_rows.shape[1] == the_weights_of_features.shape[0] > 0
        and the_weights_of_features.shape[1] == the_targets_of_the_rows.shape[1] > 0
        and type(the_temperature_of_all) is float
    )
