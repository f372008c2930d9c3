"""Any function's gradient held against the function itself, entry by entry, with a bound of the error of what is found.

It knows nothing of derivations: it calls the function.
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
    """Hold ``grad(*inputs)`` against the slopes of ``f(*inputs)``, a number, at these inputs.

    ``grad`` returns an array shaped as the input, or a tuple or list of one for each input at the positions ``wrt``, in
    their order.  By default those are the floating-point arrays and numbers; the others, such as labels, are handed on
    as they are.  It may also return ``(value, gradients)`` as generated functions do, ``(value, gradient)`` for one
    input, and then its value is compared.

    A slope is found by a complex step where the function takes complex numbers and differences confirm it, else it is
    extrapolated from differences, in float64; each with a bound of its error.  An entry is right within ``tolerance``
    of the largest (by default the root of the precision: 1.5e-8 in float64).  One whose slope is less certain than
    that, at a kink or in noise, is undecided.  Of more than 100 entries, 100 are looked at one by one and the others
    together, in a random direction; an entry that is wrong there is searched for.

    Raises ``InputError`` for what is no function, inputs that are no numbers, another number of gradients, or an ``f``
    that returns no real number; what ``f`` and ``grad`` raise at the inputs is passed on.

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
            problems.append(f"the gradient by {name} is no array of real numbers")
        elif np.shape(gradient) != shape:
            problems.append(f"the gradient by {name} has the shape {np.shape(gradient)}, where {name} has {shape}")
        elif math.isfinite(value):
            allowed = precision(gradient, inputs[place]) ** 0.5 if tolerance is None else tolerance
            found.append(Search(point, place, np.asarray(gradient, float), allowed, value).found())
    return GradientCheck(tuple(found), tuple(problems), tuple(doubts))


def _places(inputs: Sequence[Any], wrt: Sequence[int] | None) -> list[int]:
    """The positions of the inputs to differentiate by."""
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
    """The value, if one is returned, and the gradients by the inputs of these names."""
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
