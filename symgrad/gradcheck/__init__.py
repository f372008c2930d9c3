"""Compare the gradient of any function with finite differences, entry by entry, with bounds on their errors.

Nothing is derived: the function is only called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import InputError
from symgrad.gradcheck.entry_search import Search
from symgrad.gradcheck.slopes import Point, copies, kind, precision, unchanged
from symgrad.gradcheck.verdicts import GradientCheck

REAL = "fiu"  # NumPy's kinds of real numbers


def check_grad(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    *inputs: Any,
    wrt: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> GradientCheck:
    """Compare ``grad(*inputs)`` with the slopes of ``f(*inputs)``, which returns a number.

    ``wrt`` gives the positions of the inputs to differentiate with respect to (default: the floating-point arrays and
    numbers).  Other inputs, such as labels, are passed on unchanged.  ``grad`` returns an array shaped like the input,
    or a tuple or list with one array for each position, in order.  It may also return ``(value, gradients)`` like
    generated functions, or ``(value, gradient)`` for one input; then the value is compared too.

    A slope is found by a complex step if the function accepts complex numbers and differences confirm it; otherwise it
    is extrapolated from differences, in float64.  Each slope has a bound on its error.  An entry is right if it is
    within ``tolerance`` times the largest entry (default: the root of the precision, 1.5e-8 in float64), and undecided
    if its slope is less certain than that, at a kink or in noise.  Of more than 100 entries, 100 are tested one by one,
    and the others together, in a random direction; if that test fails, a search finds the wrong entry.

    Raises ``InputError`` if ``f`` or ``grad`` is not a function, an input is not numeric, the number of gradients is
    wrong, or ``f`` does not return a real number; exceptions of ``f`` and ``grad`` at the inputs are passed on.

    >>> import numpy as np
    >>> from symgrad import check_grad
    >>> X, w, y = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([0.5, -1.0]), np.array([1, 0])
    >>> def loss(X, w, y):
    ...     return np.mean((X @ w - y) ** 2)
    >>> def gradient(X, w, y):
    ...     return X.T @ (X @ w - y)
    >>> check_grad(loss, lambda X, w, y: gradient(X, w, y) * 2 / len(y), X, w, y, wrt=[1]).ok
    True
    """
    for name, function in (("f", f), ("grad", grad)):
        if not callable(function):
            raise InputError(f"{name}: expected a function, not {function!r}")
    positions = _positions(inputs, wrt)
    if tolerance is not None and not (kind(tolerance) in REAL and tolerance > 0):
        raise InputError(f"tolerance: expected a number above 0, not {tolerance!r}")
    point = Point(f, inputs, positions)
    value, doubts = point.value()
    problems = []
    arguments = copies(inputs)
    returned = grad(*arguments)
    if not unchanged(arguments, inputs):
        problems.append("grad changes its inputs in place")
    stated, gradients = _gradients(returned, [point.names[position] for position in positions])
    if stated is not None and not abs(stated - value) <= precision(stated, *inputs) ** 0.5 * abs(value):
        problems.append(f"grad returns the value {stated:.9g}, f {value:.9g}")
    results = []
    for position, gradient in zip(positions, gradients, strict=True):
        name, shape = point.names[position], np.shape(inputs[position])
        if kind(gradient) not in REAL:
            problems.append(f"the gradient with respect to {name} is not an array of real numbers")
        elif np.shape(gradient) != shape:
            problems.append(f"the gradient with respect to {name} has the shape {np.shape(gradient)}, expected {shape}")
        elif math.isfinite(value):
            allowed = precision(gradient, inputs[position]) ** 0.5 if tolerance is None else tolerance
            results.append(Search(point, position, np.asarray(gradient, float), allowed, value).result())
    return GradientCheck(tuple(results), tuple(problems), tuple(doubts))


def _positions(inputs: Sequence[Any], wrt: Sequence[int] | None) -> list[int]:
    """The positions of the inputs to differentiate with respect to."""
    floating = [position for position, value in enumerate(inputs) if kind(value) == "f"]
    if not (wrt is None or isinstance(wrt, (list, tuple))):
        raise InputError(f"wrt: expected positions of inputs, such as [0], not {wrt!r}")
    positions = floating if wrt is None else list(wrt)
    if not positions:
        raise InputError("no input to differentiate with respect to: expected a floating-point array or number")
    if masked := [position for position, value in enumerate(inputs) if isinstance(value, np.ma.MaskedArray)]:
        raise InputError(f"the input at {masked[0]} is a masked array: fill it, and give the mask as another input")
    for position in positions:
        if not isinstance(position, int) or not 0 <= position < len(inputs):
            raise InputError(f"wrt: expected positions of inputs, 0 to {len(inputs) - 1}, not {position!r}")
        if kind(inputs[position]) not in REAL:
            raise InputError(f"wrt: the input at {position} is not an array of real numbers")
    return positions


def _gradients(returned: Any, names: Sequence[str]) -> tuple[float | None, list[Any]]:
    """The value, if one is returned, and the gradients with respect to the named inputs."""
    value = None
    if isinstance(returned, tuple) and len(returned) == 2:
        first, second = returned
        has_gradients = isinstance(second, (tuple, list)) or len(names) == 1
        if has_gradients and kind(first) == "f" and np.ndim(first) == 0:
            value, returned = float(first), second
    gradients = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(gradients) != len(names):
        raise InputError(
            f"grad returns {len(gradients)} gradients, expected {len(names)}, with respect to {', '.join(names)}; "
            "wrt=[...] gives the positions of the inputs to differentiate with respect to"
        )
    return value, gradients
