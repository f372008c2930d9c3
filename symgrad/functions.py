"""The functions that a program may contain, with their derivatives, names and conventions.

Smooth functions are SymPy's.  Piecewise functions are classes of this module, since SymPy would differentiate its own
into Dirac deltas.  Here a derivative has a value everywhere; at a kink, the value is a convention.  The functions are
evaluated only at numbers.

A new function is a class with ``_slopes``, which gives its derivative, and a row of ``MEANINGS``, which names it and
states its convention.
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

from symgrad import special_functions as special
from symgrad.matrix_functions import OF_MATRICES


class _Piecewise(Function):  # type: ignore[misc]
    """A real function of real arguments, evaluated if all its arguments are numbers."""

    is_never_negative = False

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """The value at numbers; None leaves the expression unevaluated."""
        if all(arg.is_comparable for arg in args):
            number = MEANINGS[cls].number
            return None if number is None else sympify(number(*args))
        return None

    def _eval_is_real(self) -> bool | None:
        return True if all(arg.is_real for arg in self.args) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return (self.is_never_negative and self.args[0].is_real) or None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative with respect to argument number ``argindex``, counted from 1, as ``_slopes`` defines it.

        SymPy calls this method.  At a kink the value is a convention, which ``MEANINGS`` states in words.
        """
        if not 1 <= argindex <= len(self.args):
            raise ArgumentIndexError(self, argindex)
        return self._slopes()[argindex - 1]

    def _slopes(self) -> Sequence[Expr]:
        """The derivatives with respect to each argument; 0 by default, for piecewise constant functions."""
        return [S.Zero] * len(self.args)


class step(_Piecewise):
    """``step(x, at_zero)``: 0 for x < 0, ``at_zero`` (0, 1/2 or 1) for x = 0, and 1 for x > 0."""

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
    """``signum(x)``: -1 for x < 0, 0 for x = 0, and 1 for x > 0."""

    nargs = 1


class floor(_Piecewise):
    """``floor(x)``: the largest whole number that is at most x."""

    nargs = 1


class ceil(_Piecewise):
    """``ceil(x)``: the smallest whole number that is at least x."""

    nargs = 1


def _difference(a: Expr, b: Expr) -> Expr:
    """a - b, expanded if that is shorter."""
    return min(a - b, expand(a - b, power_exp=False), key=count_ops)


class maximum(_Piecewise):
    """``maximum(a, b)``: the larger of a and b."""

    nargs = 2

    def _slopes(self) -> Sequence[Expr]:
        a, b = self.args
        return [step(_difference(a, b), S.Half), step(_difference(b, a), S.Half)]


class minimum(_Piecewise):
    """``minimum(a, b)``: the smaller of a and b."""

    nargs = 2

    def _slopes(self) -> Sequence[Expr]:
        a, b = self.args
        return [step(_difference(b, a), S.Half), step(_difference(a, b), S.Half)]


class clip(_Piecewise):
    """``clip(x, low, high)``: x between the bounds, else the nearer bound; ``high`` if low > high."""

    nargs = 3

    def _slopes(self) -> Sequence[Expr]:
        x, low, high = self.args
        # Where low > high, the value is high, whatever x and low are.
        in_order = step(high - low, 1)
        return [
            step(x - low, 1) * step(high - x, 1),
            step(low - x, 0) * in_order,
            1 - step(high - x, 1) * in_order,
        ]


class where(_Piecewise):
    """``where(c, a, b)``: a where c is 1, b where c is 0; c is always 0 or 1 (see ``is_indicator``).

    The branch that is not taken may be undefined.
    """

    nargs = 3

    @classmethod
    def eval(cls, condition: Basic, yes: Basic, no: Basic) -> Expr | None:
        """The branch taken, if the condition is a number."""
        return (yes if condition else no) if condition.is_comparable else None

    def _slopes(self) -> Sequence[Expr]:
        return [S.Zero, self.args[0], 1 - self.args[0]]


class root(_Piecewise):
    """``root(x)``: the square root of a sum of squares, which has a kink at 0."""

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
    """``selection(x, i)``: 1/t at each of the t largest entries of x along the free index i, 0 at other entries.

    The index stays free; the largest entry is ``Sum(selection(x, i) * x, i)``.
    """

    nargs = 2
    is_never_negative = True

    @classmethod
    def eval(cls, *args: Basic) -> Expr | None:
        """None: an index has no value here."""
        return None


class selected(_Piecewise):
    """``selected(position, *values)``: the share of ``values[position]``, counted from 0, among the largest:
    1/t if it is one of the t largest, else 0."""


def real(expr: Basic) -> Any:
    """``expr`` with SymPy's ``Abs`` and ``sign`` replaced by the functions of this module."""
    return expr.replace(Abs, absolute).replace(sign, signum) if expr.has(Abs, sign) else expr


@dataclass(frozen=True)
class Meaning:
    """The names, the value and the derivative convention of a function.

    ``numpy`` and ``python`` are its calls for arrays and for numbers, with ``{}`` for each argument; a name with an
    underscore is a function of ``codegen.runtime``.  ``text`` and ``latex`` are its printed names.  ``number`` is its
    value at numbers of any ordered type, or None if SymPy evaluates it.  ``convention`` states the derivative at a kink
    and who else takes it.  ``shown`` is the number of arguments to print; None is all.
    """

    numpy: str
    python: str
    text: str
    latex: str
    number: Callable[..., Any] | None = None
    convention: str = ""
    shown: int | None = None


def _named(name: str, numpy: str, python: str, *rest: Any, latex: str = "") -> Meaning:
    return Meaning(numpy, python, name, latex or rf"\operatorname{{{name}}}", *rest)


def _smooth(name: str, numpy: str = "", latex: str = "") -> Meaning:
    return _named(name, numpy or f"np.{name}({{}})", f"math.{name}({{}})", latex=latex or rf"\{name}")


def _step(x: Any, at_zero: Any) -> Any:
    return 1 if x > 0 else 0 if x < 0 else at_zero


def _share(position: int, *values: Any) -> Fraction:
    """The value of a selection at one position: the largest values share 1 equally."""
    largest = max(values)
    return Fraction(int(values[int(position)] == largest), sum(bool(value == largest) for value in values))


BOTH = "as in PyTorch and TensorFlow"
JUMP = "the jump is ignored"
HALVES = "so half each where a = b, as in PyTorch (TensorFlow gives all of it to the first)"

# fmt: off
MEANINGS: dict[type[Function], Meaning] = {
    **{f: _smooth(f.__name__) for f in (sympy.exp, sympy.log, sympy.sin, sympy.cos, sympy.tan)},
    sympy.asin: _smooth("asin", "np.arcsin({})", r"\operatorname{asin}"),
    sympy.acos: _smooth("acos", "np.arccos({})", r"\operatorname{acos}"),
    sympy.atan: _smooth("atan", "np.arctan({})", r"\operatorname{atan}"),
    **{f: _smooth(f.__name__) for f in (sympy.sinh, sympy.cosh, sympy.tanh)},
    sympy.asinh: _smooth("asinh", "np.arcsinh({})", r"\operatorname{asinh}"),
    sympy.acosh: _smooth("acosh", "np.arccosh({})", r"\operatorname{acosh}"),
    sympy.atanh: _smooth("atanh", "np.arctanh({})", r"\operatorname{atanh}"),
    sympy.erf: _smooth("erf", "_erf({})", r"\operatorname{erf}"),
    special.position_of: _named("position", "", ""),
    special.cbrt: _named("cbrt", "np.cbrt({})", "float(np.cbrt({}))"),
    special.normal_sinc: _named("sinc", "np.sinc({})", "float(np.sinc({}))"),
    special.sinc_slope: _named("sinc′", "_sinc_slope({})", "float(_sinc_slope({}))", latex=r"\operatorname{sinc}'"),
    special.erfc: _named("erfc", "scipy.special.erfc({})", "math.erfc({})"),
    special.gammaln: _named("lgamma", "scipy.special.gammaln({})", "math.lgamma({})"),
    sympy.erfinv: _named("erfinv", "scipy.special.erfinv({})", "float(scipy.special.erfinv({}))"),
    special.digamma: _named("digamma", "scipy.special.psi({})", "float(scipy.special.psi({}))", latex=r"\psi"),
    special.trigamma: _named("trigamma", "scipy.special.zeta(2, {})", "float(scipy.special.zeta(2, {}))",
        latex=r"\psi'"),
    special.arctan2: _named("atan2", "np.arctan2({}, {})", "math.atan2({}, {})", None,
        f"atan2(y, x) is differentiated also where its angle jumps from π to −π: {JUMP}, {BOTH}"),
    floor: _named("floor", "np.floor({})", "float(np.floor({}))", lambda x: x - x % 1,
        f"floor x has the derivative 0: {JUMP}, as in PyTorch"),
    ceil: _named("ceil", "np.ceil({})", "float(np.ceil({}))", lambda x: x + (-x) % 1,
        f"ceil x has the derivative 0: {JUMP}, as in PyTorch"),
    relu: _named("relu", "np.maximum({}, 0)", "max({}, 0.0)", lambda x: max(x, 0),
        f"relu'(x) = [x > 0], which is 0 at x = 0, {BOTH}"),
    absolute: _named("abs", "np.abs({})", "abs({})", lambda x: -x if x < 0 else x,
        f"|x|' = sign x, which is 0 at x = 0, {BOTH}"),
    maximum: _named("max", "np.maximum({}, {})", "max({}, {})", lambda a, b: max(a, b),
        f"max(a, b) has the derivatives H(a − b) and H(b − a) with H(0) = 1/2, {HALVES}", latex=r"\max"),
    minimum: _named("min", "np.minimum({}, {})", "min({}, {})", lambda a, b: min(a, b),
        f"min(a, b) has the derivatives H(b − a) and H(a − b) with H(0) = 1/2, {HALVES}", latex=r"\min"),
    clip: _named("clip", "np.clip({}, {}, {})", "min(max({}, {}), {})", lambda x, low, high: min(max(x, low), high),
        f"clip(x, a, b) has the derivative 1 for a ≤ x ≤ b, the bounds included, {BOTH}"),
    root: _named("sqrt", "np.sqrt({})", "math.sqrt({})", None,
        "a norm, the root of a sum of squares, has the derivative 0 where it is 0: 1/0 counts as 0 there, as in norm "
        "and cdist of PyTorch", latex=r"\sqrt"),
    reciprocal: _named("reciprocal", "_reciprocal({})", "_reciprocal({})", lambda x: 1 / x if x else 0),
    where: _named("where", "np.where({}, {}, {})", "{1} if {0} else {2}", lambda c, a, b: a if c else b,
        f"a choice between two cases has the derivative of the case that is taken, {BOTH}"),
    step: _named("H", "_step({}, {})", "_step({}, {})", _step,
        f"the step [x > 0] has the derivative 0: {JUMP}, {BOTH}", 1, latex="H"),
    signum: _named("sign", "np.sign({})", "_sign({})", lambda x: 1 if x > 0 else -1 if x < 0 else 0,
        f"sign x has the derivative 0: {JUMP}, {BOTH}"),
    equal: _named("equal", "_equal({}, {})", "float({} == {})", lambda a, b: int(bool(a == b)),
        f"[a = b] has the derivative 0: {JUMP}, {BOTH}"),
    selection: _named("largest", "_selection({}, {})", "_selected({}, {})", None,
        "a maximum over an index passes its derivative to the largest entries, in equal shares, which count as "
        "constants, as amax of PyTorch and reduce_max of TensorFlow do"),
    selected: _named("largest", "", "_selected({}, {})", _share),
}
# fmt: on


def is_flat(expr: Basic) -> bool:
    """Whether an expression is a piecewise constant function, whose derivative is 0."""
    return isinstance(expr, _Piecewise) and not any(varying(expr))


def is_piecewise(expr: Basic) -> bool:
    """Whether an expression contains a piecewise function."""
    return bool(expr.has(_Piecewise))


def varying(expr: Function) -> list[Basic]:
    """The arguments with respect to which a function may have a nonzero derivative; all of an unknown function."""
    if not isinstance(expr, _Piecewise):
        return list(expr.args)
    return [arg for number, arg in enumerate(expr.args, 1) if expr.fdiff(number) != 0]


def has_own_name(function: type[Function]) -> bool:
    """Whether a function is this package's or SymPy's, and not a user's function of the same name."""
    return function in MEANINGS or function in OF_MATRICES or getattr(sympy, function.__name__, None) is function
