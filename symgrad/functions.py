"""The functions that may stand in a program, and one table of what has to be known of each.

Those that are smooth are SymPy's.  Those that are not are classes of our own, since SymPy's differentiate into
distributions: here a derivative is a function with a value everywhere, at a kink the value that is stated.  A
derivative is ``fdiff`` of the class, and nothing else.  Nothing is evaluated of itself but numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Abs, Expr, Function, S, count_ops, expand, sign, sqrt, sympify
from sympy.core.basic import Basic
from sympy.core.function import ArgumentIndexError


class _Piecewise(Function):  # type: ignore[misc]
    """A real function of real arguments that is evaluated where all of them are numbers."""

    is_never_negative = False

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """The value at numbers; None leaves the expression as it is."""
        if all(arg.is_comparable for arg in args):
            number = MEANINGS[cls].number
            return None if number is None else sympify(number(*args))
        return None

    def _eval_is_real(self) -> bool | None:
        return True if all(arg.is_real for arg in self.args) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return (self.is_never_negative and self.args[0].is_real) or None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative with respect to one argument, at a kink the one that the table states."""
        if not 1 <= argindex <= len(self.args):
            raise ArgumentIndexError(self, argindex)
        return self._slopes()[argindex - 1]

    def _slopes(self) -> Sequence[Expr]:
        """The derivatives with respect to all arguments: 0, for a function that is constant apart from its jumps."""
        return [S.Zero] * len(self.args)


class step(_Piecewise):
    """``step(x, at_zero)``: 0 for x < 0, 1 for x > 0, and ``at_zero`` (0, 1/2 or 1) at x = 0."""

    nargs = 2


class relu(_Piecewise):
    """``relu(x)``: the larger of x and 0."""

    nargs = 1
    is_never_negative = True

    def _slopes(self) -> Sequence[Expr]:
        return [step(self.args[0], 0)]


class absolute(_Piecewise):
    """``absolute(x)``: the absolute value of x."""

    nargs = 1
    is_never_negative = True

    def _slopes(self) -> Sequence[Expr]:
        return [signum(self.args[0])]


class signum(_Piecewise):
    """``signum(x)``: -1 for x < 0, 1 for x > 0, and 0 at x = 0."""

    nargs = 1


def _difference(a: Expr, b: Expr) -> Expr:
    """a - b, multiplied out where that is shorter."""
    return min(a - b, expand(a - b, power_exp=False), key=count_ops)


class maximum(_Piecewise):
    """``maximum(a, b)``: the larger one."""

    nargs = 2

    def _slopes(self) -> Sequence[Expr]:
        a, b = self.args
        return [step(_difference(a, b), S.Half), step(_difference(b, a), S.Half)]


class minimum(_Piecewise):
    """``minimum(a, b)``: the smaller one."""

    nargs = 2

    def _slopes(self) -> Sequence[Expr]:
        a, b = self.args
        return [step(_difference(b, a), S.Half), step(_difference(a, b), S.Half)]


class clip(_Piecewise):
    """``clip(x, low, high)``: x where it lies between the bounds, else the nearer bound; ``high`` if low > high."""

    nargs = 3

    def _slopes(self) -> Sequence[Expr]:
        x, low, high = self.args
        # Where the bounds cross, the value is the upper one, whatever x and the lower one are.
        in_order = step(high - low, 1)
        return [
            step(x - low, 1) * step(high - x, 1),
            step(low - x, 0) * in_order,
            1 - step(high - x, 1) * in_order,
        ]


class where(_Piecewise):
    """``where(c, a, b)``: a where c is 1, b where c is 0; c has no other values (see ``is_indicator``).  The one that
    is not taken need have no value."""

    nargs = 3

    @classmethod
    def eval(cls, condition: Basic, yes: Basic, no: Basic) -> Expr | None:
        """The branch that is taken, where the condition is a number."""
        return (yes if condition else no) if condition.is_comparable else None

    def _slopes(self) -> Sequence[Expr]:
        return [S.Zero, self.args[0], 1 - self.args[0]]


class root(_Piecewise):
    """``root(x)``: the square root of a sum of squares, which has a kink where that is 0."""

    nargs = 1
    is_never_negative = True

    @classmethod
    def eval(cls, x: Basic) -> Expr | None:
        """The root of a number."""
        return sqrt(x) if x.is_comparable else None

    def _slopes(self) -> Sequence[Expr]:
        return [reciprocal(self) / 2]

    def _eval_power(self, exponent: Expr) -> Expr | None:
        return self.args[0] ** (exponent / 2) if exponent.is_even and exponent.is_positive else None


class reciprocal(_Piecewise):
    """``reciprocal(x)``: 1/x, and 0 at x = 0."""

    nargs = 1

    def _slopes(self) -> Sequence[Expr]:
        return [-(self**2)]

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[0].is_nonnegative else None


class equal(_Piecewise):
    """``equal(a, b)``: 1 where a = b, else 0."""

    nargs = 2


class selection(_Piecewise):
    """``selection(x, i)``, for an expression x in the free index i: 1/t for the t entries that are largest along i, 0
    for the others.  The index stays free, so the largest entry itself is ``Sum(selection(x, i) * x, i)``."""

    nargs = 2
    is_never_negative = True

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """An index has no value here, so nothing is evaluated."""
        return None


class selected(_Piecewise):
    """``selected(place, *values)``: the entry of a selection at one place, counted from 0, the values written out."""


def real(expr: Basic) -> Any:
    """``expr`` with the absolute values that SymPy writes for the roots of squares as those of this module."""
    return expr.replace(Abs, absolute).replace(sign, signum) if expr.has(Abs, sign) else expr


@dataclass(frozen=True)
class Meaning:
    """What one function is called, is worth, and how it is differentiated where it is not smooth.

    ``numpy`` and ``python`` are its calls for arrays and for single numbers, ``{}`` standing for each argument; a name
    with an underscore is a function of ``codegen.runtime``.  ``text`` and ``latex`` are its names.  ``number``
    gives its value at numbers of any ordered type, None where SymPy has it.  ``convention`` says, where the function is
    not smooth, which derivative is taken at the kink, and whose choice that is.  Of its arguments the first ``shown``
    are shown, all of them if that is None.
    """

    numpy: str
    python: str
    text: str
    latex: str
    number: Callable[..., Any] | None = None
    convention: str = ""
    shown: int | None = None


def _smooth(function: str, numpy: str = "", latex: str = "") -> Meaning:
    shown = latex or rf"\{function}"
    return Meaning(numpy or f"np.{function}({{}})", f"math.{function}({{}})", function, shown)


def _operator(name: str) -> str:
    return rf"\operatorname{{{name}}}"


def _step(x: Any, at_zero: Any) -> Any:
    return 1 if x > 0 else 0 if x < 0 else at_zero


def _share(place: int, *values: Any) -> Fraction:
    """What the entry at a place has of the 1 that the largest ones share."""
    largest = max(values)
    return Fraction(int(values[int(place)] == largest), sum(bool(value == largest) for value in values))


BOTH = "as in PyTorch and TensorFlow"
JUMP = "its jump counts for nothing"

MEANINGS: dict[type[Function], Meaning] = {
    sympy.exp: _smooth("exp"),
    sympy.log: _smooth("log"),
    sympy.sin: _smooth("sin"),
    sympy.cos: _smooth("cos"),
    sympy.tan: _smooth("tan"),
    sympy.asin: _smooth("asin", "np.arcsin({})", _operator("asin")),
    sympy.acos: _smooth("acos", "np.arccos({})", _operator("acos")),
    sympy.atan: _smooth("atan", "np.arctan({})", _operator("atan")),
    sympy.sinh: _smooth("sinh"),
    sympy.cosh: _smooth("cosh"),
    sympy.tanh: _smooth("tanh"),
    sympy.asinh: _smooth("asinh", "np.arcsinh({})", _operator("asinh")),
    sympy.erf: _smooth("erf", "_erf({})", _operator("erf")),
    relu: Meaning(
        "np.maximum({}, 0)",
        "max({}, 0.0)",
        "relu",
        _operator("relu"),
        lambda x: max(x, 0),
        f"relu'(x) = [x > 0], which is 0 at x = 0, {BOTH}",
    ),
    absolute: Meaning(
        "np.abs({})",
        "abs({})",
        "abs",
        _operator("abs"),
        lambda x: -x if x < 0 else x,
        f"|x|' = sign x, which is 0 at x = 0, {BOTH}",
    ),
    maximum: Meaning(
        "np.maximum({}, {})",
        "max({}, {})",
        "max",
        r"\max",
        lambda a, b: max(a, b),
        "max(a, b) has the derivatives H(a − b) and H(b − a) with H(0) = 1/2, so half each where a = b, as in PyTorch "
        "(TensorFlow gives all of it to the first)",
    ),
    minimum: Meaning(
        "np.minimum({}, {})",
        "min({}, {})",
        "min",
        r"\min",
        lambda a, b: min(a, b),
        "min(a, b) has the derivatives H(b − a) and H(a − b) with H(0) = 1/2, so half each where a = b, as in PyTorch "
        "(TensorFlow gives all of it to the first)",
    ),
    clip: Meaning(
        "np.clip({}, {}, {})",
        "min(max({}, {}), {})",
        "clip",
        _operator("clip"),
        lambda x, low, high: min(max(x, low), high),
        f"clip(x, a, b) has the derivative 1 for a ≤ x ≤ b, the bounds included, {BOTH}",
    ),
    root: Meaning(
        "np.sqrt({})",
        "math.sqrt({})",
        "sqrt",
        r"\sqrt",
        None,
        "a norm, the root of a sum of squares, has the derivative 0 where it is 0: 1/0 counts as 0 there, as in norm "
        "and cdist of PyTorch",
    ),
    reciprocal: Meaning(
        "_reciprocal({})", "_reciprocal({})", "reciprocal", _operator("reciprocal"), lambda x: 1 / x if x else 0
    ),
    where: Meaning(
        "np.where({}, {}, {})",
        "{1} if {0} else {2}",
        "where",
        _operator("where"),
        lambda c, a, b: a if c else b,
        f"where(c, a, b) has the derivative of that one of a and b which it takes, {BOTH}",
    ),
    step: Meaning(
        "_step({}, {})",
        "_step({}, {})",
        "H",
        "H",
        _step,
        f"the step [x > 0] has the derivative 0: {JUMP}, {BOTH}",
        1,
    ),
    signum: Meaning(
        "np.sign({})",
        "_sign({})",
        "sign",
        _operator("sign"),
        lambda x: 1 if x > 0 else -1 if x < 0 else 0,
        f"sign x has the derivative 0: {JUMP}, {BOTH}",
    ),
    equal: Meaning(
        "_equal({}, {})",
        "float({} == {})",
        "equal",
        _operator("equal"),
        lambda a, b: int(bool(a == b)),
        f"[a = b] has the derivative 0: {JUMP}, {BOTH}",
    ),
    selection: Meaning(
        "_selection({}, {})",
        "_selected({}, {})",
        "largest",
        _operator("largest"),
        None,
        "a maximum over an index passes its derivative to the largest entries, in equal shares (largest_k is 1/t at "
        "each of the t largest along k, else 0; its own derivative is 0), as amax of PyTorch and reduce_max of "
        "TensorFlow do",
    ),
    selected: Meaning("", "_selected({}, {})", "largest", _operator("largest"), _share),
}


def is_flat(expr: Basic) -> bool:
    """Whether an expression is a function that is constant apart from jumps, so that its derivative is 0."""
    return isinstance(expr, _Piecewise) and not any(varying(expr))


def varying(expr: Function) -> list[Basic]:
    """The arguments of a function by which its derivative is not 0 everywhere; all of those of one that is unknown."""
    if not isinstance(expr, _Piecewise):
        return list(expr.args)
    return [arg for place, arg in enumerate(expr.args, 1) if expr.fdiff(place) != 0]


def has_own_name(function: type[Function]) -> bool:
    """Whether a function is the one that its name means, here or in SymPy: no other with a name of its own is that."""
    return function in MEANINGS or getattr(sympy, function.__name__, None) is function
