"""Compare the gradient of any function with finite differences, entry by entry, with bounds on their error.

It derives nothing: it calls the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import InputError
from symgrad.gradcheck.entry_search import Search
from symgrad.gradcheck.point import Point, copies, kind, precision, unchanged
from symgrad.gradcheck.verdicts import GradientCheck

REAL = "fiu"  # kinds of numbers, as NumPy has them


def check_grad(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    *inputs: Any,
    wrt: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> GradientCheck:
    """Compare ``grad(*inputs)`` with the slopes of ``f(*inputs)``, a number, at these inputs.

    ``grad`` returns an array shaped like the input, or a tuple or list with one array for each input at the positions
    ``wrt``, in their order (default: the floating-point arrays and numbers; other inputs, such as labels, are passed on
    unchanged).  It may also return ``(value, gradients)`` like generated functions, or ``(value, gradient)`` for one
    input; then the value is compared too.

    A slope is found by a complex step if the function accepts complex numbers and differences confirm it; otherwise it
    is extrapolated from differences, in float64.  Each slope has a bound on its error.  An entry is right within
    ``tolerance`` times the largest entry (default: the root of the precision, 1.5e-8 in float64), and undecided if its
    slope is less certain than that, at a kink or in noise.  Of more than 100 entries, 100 are tested one by one and the
    others together, in a random direction; if that fails, the wrong entry is searched for.

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
    places = _places(inputs, wrt)
    if tolerance is not None and not (kind(tolerance) in REAL and tolerance > 0):
        raise InputError(f"tolerance: expected a number above 0, not {tolerance!r}")
    point = Point(f, inputs, places)
    value, doubts = point.value()
    problems = []
    given = copies(inputs)
    returned = grad(*given)
    if not unchanged(given, inputs):
        problems.append("grad changes its inputs in place")
    stated, gradients = _gradients(returned, [point.names[place] for place in places])
    if stated is not None and not abs(stated - value) <= precision(stated, *inputs) ** 0.5 * abs(value):
        problems.append(f"grad returns the value {stated:.9g}, f {value:.9g}")
    found = []
    for place, gradient in zip(places, gradients, strict=True):
        name, shape = point.names[place], np.shape(inputs[place])
        if kind(gradient) not in REAL:
            problems.append(f"the gradient with respect to {name} is not an array of real numbers")
        elif np.shape(gradient) != shape:
            shapes = f"has the shape {np.shape(gradient)}, where {name} has {shape}"
            problems.append(f"the gradient with respect to {name} {shapes}")
        elif math.isfinite(value):
            allowed = precision(gradient, inputs[place]) ** 0.5 if tolerance is None else tolerance
            found.append(Search(point, place, np.asarray(gradient, float), allowed, value).found())
    return GradientCheck(tuple(found), tuple(problems), tuple(doubts))


def _places(inputs: Sequence[Any], wrt: Sequence[int] | None) -> list[int]:
    """The positions of the inputs to differentiate with respect to."""
    floating = [place for place, value in enumerate(inputs) if kind(value) == "f"]
    if not (wrt is None or isinstance(wrt, (list, tuple))):
        raise InputError(f"wrt: expected positions of inputs, such as [0], not {wrt!r}")
    places = floating if wrt is None else list(wrt)
    if not places:
        raise InputError("there is nothing to differentiate by: expected a floating-point array or number")
    if masked := [place for place, value in enumerate(inputs) if isinstance(value, np.ma.MaskedArray)]:
        raise InputError(f"the input at {masked[0]} is a masked array: fill it, and give the mask as another input")
    for place in places:
        if not isinstance(place, int) or not 0 <= place < len(inputs):
            raise InputError(f"wrt: expected positions of inputs, 0 to {len(inputs) - 1}, not {place!r}")
        if kind(inputs[place]) not in REAL:
            raise InputError(f"wrt: the input at {place} is no array of real numbers")
    return places


def _gradients(returned: Any, names: Sequence[str]) -> tuple[float | None, list[Any]]:
    """The value, if one is returned, and the gradients with respect to the named inputs."""
    value = None
    if (
        isinstance(returned, tuple)
        and len(returned) == 2
        and (isinstance(returned[1], (tuple, list)) or len(names) == 1)
    ):
        first, second = returned
        if kind(first) == "f" and np.ndim(first) == 0:
            value, returned = float(first), second
    gradients = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(gradients) != len(names):
        raise InputError(
            f"grad returns {len(gradients)} gradients, not {len(names)}, by {', '.join(names)}; wrt=[...] gives the "
            "positions of the inputs by which it differentiates"
        )
    return value, gradients
