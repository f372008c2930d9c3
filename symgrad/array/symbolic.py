"""Symbolic arrays, on which a function is run to be traced; NumPy's functions reach them by its protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

import numpy as np
from sympy import Expr, S

from symgrad.array.elementwise import value_of
from symgrad.array.flattened import REFUSAL, Flat
from symgrad.array.graph import Kind, Node, Trace, current, shown, size
from symgrad.array.indexing import LabelIndex, Positions, subscript, take_along_axis
from symgrad.array.linear_algebra import LINEAR_ALGEBRA, PLACES, places_of
from symgrad.array.numpy_table import FUNCTIONS, REFUSED, call, is_boolean, name_of, refusal
from symgrad.array.source_location import located, numpys_function, users_frames
from symgrad.errors import UnsupportedError
from symgrad.functions import equal
from symgrad.notation import Axis


def look(trace: Trace) -> None:
    """Note the names of the user's local variables that hold symbolic arrays, in all frames."""
    frames = users_frames()
    for depth, frame in enumerate(reversed(frames)):
        note(trace, frame, depth)


def note(trace: Trace, frame: FrameType, depth: int) -> None:
    """Note the names of one frame's variables; the parameters of a helper (``depth`` > 0) give no names."""
    code = frame.f_code
    passed = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if depth else ()
    for name, value in frame.f_locals.items():
        if isinstance(value, Symbolic) and name not in passed:
            trace.called(value.node, name, depth)


def apply(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Symbolic:
    """Apply a NumPy function to symbolic arrays and numbers; errors point at the user's line."""
    with located():
        look(current())
        result = call(function, tuple(map(plain, args)), {k: plain(v) for k, v in keywords.items()})
        # Both wrap what they are given; only the methods of ``Flattened`` know that theirs is a ``Flat``.
        return Flattened(result) if isinstance(result, Flat) else Symbolic(result)  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """The node of a symbolic array; anything else unchanged."""
    if isinstance(value, Labels):
        raise UnsupportedError(
            f"the labels {value.index.name} are used as numbers: use them as a subscript, P[np.arange(len(y)), y], "
            "or in symgrad.array.one_hot(y, C)"
        )
    return value.node if isinstance(value, Symbolic) else value


def _as_subscript(value: Any) -> Any:
    """A part of a subscript: labels, positions, or what NumPy takes."""
    if isinstance(value, Labels) and value.node.kind is Kind.INPUT:
        return value.index
    node = value.node if isinstance(value, Symbolic) else None
    if node and PLACES in (node.operation, *(inner.operation for inner in node.operands if node.kind is Kind.VIEW)):
        (axis,) = node.real_axes
        return Positions(axis, len(node.axes) - 1 - node.axes.index(axis))
    return value


def refuse(message: str) -> NoReturn:
    """Raise ``UnsupportedError`` at the user's line."""
    with located():
        raise UnsupportedError(message)


def _reflected(function: Callable[..., Any]) -> Any:
    def backward(self: Symbolic, other: Any) -> Symbolic:
        return apply(function, (other, self), {})

    return backward


def _method(function: Callable[..., Any]) -> Any:
    def method(self: Symbolic, *args: Any, **keywords: Any) -> Symbolic:
        return apply(function, (self, *args), keywords)

    return method


def _in_place(sign: str) -> Any:
    def assign(self: Symbolic, other: Any) -> NoReturn:
        refuse(f"{sign}= changes an array in place, which is not supported: write A = A {sign} B")

    return assign


def _number(use: str, instead: str, convert: Callable[[Any], Any] | None = None) -> Any:
    """A method that needs a concrete value: fixed scalars and comparisons of a size with itself have one.

    ``convert`` gets this value.
    """

    def converted(self: Symbolic, *_: Any, **__: Any) -> Any:
        if convert is not None and self.node.kind is Kind.CONSTANT and not self.node.axes:
            value = _decided(value_of(self.node))
            if value.is_number:
                return convert(value)
        if name := numpys_function():
            if name in map(name_of, LINEAR_ALGEBRA):
                refuse(f"write np.linalg.{name} of an array: other functions of this name need concrete values")
            if name in map(name_of, FUNCTIONS):
                refuse(f"{name} takes an array, not a list of symbolic arrays: combine them by operators")
            reason = "it needs concrete values, but arrays and sizes are symbolic; declare its result as an input"
            refuse(refusal(name) if name in REFUSED else f"{name} has no rule: {reason}")
        refuse(f"{use} needs a concrete value, but arrays and sizes are symbolic; {instead}")

    return converted


def _decided(value: Expr) -> Expr:
    """A constant in which a size equals itself, as in ``assert X.shape[0] == len(y)``."""
    return value.replace(lambda part: isinstance(part, equal) and part.args[0] == part.args[1], lambda _: S.One)


class Symbolic:
    """An array with symbolic entries and sizes: it stands for all arrays with its axes."""

    __slots__ = ("node",)
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        if self.node.kind is Kind.CONSTANT and not self.node.axes:
            return str(value_of(self.node))
        return f"<symbolic array {shown(self.node)}>"

    # --- shape ----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes: symbolic for each axis, 1 for a dimension of size one."""
        return tuple(1 if axis is None else Symbolic(size(axis)) for axis in self.node.axes)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.node.axes)

    @property
    def size(self) -> Any:
        """The number of entries."""
        product: Any = 1
        for length in self.shape:
            product = length * product
        return product

    def length(self) -> Any:
        """``len`` while a loss is traced: the size of the first axis."""
        if not self.node.axes:
            refuse("len of a scalar")
        return self.shape[0]

    # --- NumPy's protocols ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, function: np.ufunc, method: str, *args: Any, **keywords: Any) -> Symbolic:
        if method != "__call__":
            refuse(f"{function.__name__}.{method} has no rule: write np.sum, np.max, np.outer or an expression")
        return apply(function, args, keywords)

    def __array_function__(
        self, function: Callable[..., Any], _: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Any:
        if function in SHAPES:
            return SHAPES[function](args[0])
        if function is np.take_along_axis:
            return _taken(*args, **keywords)
        if function is np.linalg.slogdet:
            sign = apply(np.sign, (apply(np.linalg.det, args, keywords),), {})
            return SLOGDET(sign, apply(function, args, keywords))
        return apply(function, args, keywords)

    __array__ = _number("np.array", "pass it to NumPy's functions directly")

    # --- operators ------------------------------------------------------------------------------------------------

    __add__, __radd__ = _method(np.add), _reflected(np.add)
    __sub__, __rsub__ = _method(np.subtract), _reflected(np.subtract)
    __mul__, __rmul__ = _method(np.multiply), _reflected(np.multiply)
    __truediv__, __rtruediv__ = _method(np.divide), _reflected(np.divide)
    __pow__, __rpow__ = _method(np.power), _reflected(np.power)
    __matmul__, __rmatmul__ = _method(np.matmul), _reflected(np.matmul)
    __gt__, __ge__, __lt__, __le__ = (_method(f) for f in (np.greater, np.greater_equal, np.less, np.less_equal))
    __eq__, __ne__ = _method(np.equal), _method(np.not_equal)
    __and__, __rand__ = _method(np.logical_and), _reflected(np.logical_and)
    __or__, __ror__ = _method(np.logical_or), _reflected(np.logical_or)
    __neg__, __pos__, __abs__, __invert__ = map(_method, (np.negative, np.positive, np.absolute, np.logical_not))
    __mod__, __rmod__ = _method(np.remainder), _reflected(np.remainder)
    __floordiv__ = __rfloordiv__ = _number("//", "write np.floor(a / b)")

    __iadd__, __isub__, __imul__, __itruediv__, __ipow__, __imatmul__ = map(_in_place, ("+", "-", "*", "/", "**", "@"))

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        refuse("A[...] = changes an array in place, which is not supported: write A = np.where(condition, B, A)")

    def __getitem__(self, key: Any) -> Symbolic:
        with located():
            look(current())
            parts = key if isinstance(key, tuple) else (key,)
            return Symbolic(subscript(self.node, tuple(map(_as_subscript, parts))))

    # --- what needs a concrete value ------------------------------------------------------------------------------

    __index__ = _number(
        "an integer argument",
        "write a sum instead of a loop over an axis; np.ones, np.zeros and np.eye take the sizes of axes",
        int,
    )
    __bool__ = _number(
        "an if, while or bool()",
        "its branch would depend on the data; write np.where(condition, a, b)",
        bool,
    )
    __float__ = _number("float()", "leave it out: numbers and symbols mix", float)
    __int__ = _number("int()", "leave it out: numbers and symbols mix", int)
    __complex__ = _number("complex()", "leave it out: numbers and symbols mix")

    any = all = _number("any() or all()", "write np.where(condition, a, b)")
    __iter__ = _number("a loop over an axis", "write a sum, einsum or an operation on whole arrays")
    __contains__ = _number("in", "write np.where(A == x, ...)")
    __len__ = _number("len", "write X.shape[0]")
    __round__ = _number("round()", "it is piecewise constant, so its gradient is 0")
    tolist = item = _number("tolist() or item()", "leave it out: numbers and symbols mix")

    # --- methods --------------------------------------------------------------------------------------------------

    T = property(_method(np.transpose), doc="The axes reversed.")
    mT = property(lambda self: apply(np.swapaxes, (self, -1, -2), {}), doc="The last two axes swapped.")
    sum, mean, var, std = (_method(f) for f in (np.sum, np.mean, np.var, np.std))
    max, min, prod, argmax = (_method(f) for f in (np.max, np.min, np.prod, np.argmax))
    dot, trace, diagonal, clip = (_method(f) for f in (np.dot, np.trace, np.diagonal, np.clip))
    squeeze, swapaxes, copy = (_method(f) for f in (np.squeeze, np.swapaxes, np.copy))
    reshape, ravel, flatten, cumsum = (_method(f) for f in (np.reshape, np.ravel, np.ravel, np.cumsum))

    def astype(self, dtype: Any, **_: Any) -> Symbolic:
        """The array itself; a comparison as the numbers 0 and 1."""
        kind = np.dtype(dtype).kind
        if kind not in "iuf" or (kind in "iu" and not is_boolean(self.node)):
            refuse(f"astype({np.dtype(dtype).name}) would change the numbers: leave it out")
        return apply(np.multiply, (self, 1), {}) if is_boolean(self.node) else self

    def transpose(self, *axes: Any) -> Symbolic:
        """``ndarray.transpose``."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return apply(np.transpose, (self, tuple(order) or None), {})


class Flattened(Symbolic):
    """A flattened array, for functions that reduce it to a number."""

    __slots__ = ()
    ndim = 1

    def __repr__(self) -> str:
        return "<flattened symbolic array>"

    @property
    def shape(self) -> tuple[Any, ...]:
        """The number of entries."""
        # The node of a flattened array is a ``Flat``.
        return (Symbolic(self.node.node).size,)  # type: ignore[attr-defined]

    def length(self) -> Any:
        """The number of entries."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> NoReturn:
        refuse(f"a subscript of {REFUSAL}")


class Labels(Symbolic):
    """Integer labels: they have a length, and can be used as a subscript."""

    __slots__ = ("index",)

    def __init__(self, node: Node, index: LabelIndex) -> None:
        super().__init__(node)
        self.index = index

    def __getitem__(self, key: Any) -> Symbolic:
        name = self.index.name
        parts = key if isinstance(key, tuple) else (key,)
        if not all(part is None or part is Ellipsis or isinstance(part, slice) for part in parts):
            refuse(f"the labels {name} cannot be indexed: use them as a subscript, or one_hot({name}, C)")
        with located():
            return Labels(subscript(self.node, key), self.index)


def _taken(array: Any, indices: Any, axis: Any = -1) -> Symbolic:
    """``np.take_along_axis`` by labels with a dimension of size one, such as ``y[..., None]``."""
    with located():
        look(current())
        if not isinstance(indices, Labels) or not isinstance(array, Symbolic):
            raise UnsupportedError("take_along_axis takes labels, declared in shapes as 'y: N labels of C'")
        ones = [at for at, over in enumerate(indices.node.axes) if over is None]
        if ones != [axis % array.ndim]:
            raise UnsupportedError(f"take_along_axis takes labels with a dimension of size one at axis {axis}")
        return Symbolic(take_along_axis(array.node, indices.index, axis))


SHAPES: dict[Callable[..., Any], Callable[[Symbolic], Any]] = {
    np.shape: lambda x: x.shape,
    np.size: lambda x: x.size,
    np.ndim: lambda x: x.ndim,
}


SLOGDET: Any = type(np.linalg.slogdet(np.eye(1)))
"""NumPy's pair of a sign and the logarithm of a determinant's absolute value."""


def positions(stop: Any) -> Symbolic:
    """``np.arange(stop)`` of a symbolic size."""
    return Symbolic(places_of(axis_of(stop, "np.arange")))


def axis_of(value: Any, operation: str) -> Axis:
    """The axis whose size is ``value``, such as ``len(y)`` or ``P.shape[1]``."""
    for axis in current().axes:
        if isinstance(value, Symbolic) and value.node is size(axis):
            return axis
    raise UnsupportedError(f"{operation} takes the size of an axis here, such as len(y)")
