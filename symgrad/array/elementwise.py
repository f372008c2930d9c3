"""Elementwise functions: what each computes from single entries, and broadcasting, which is the same for all.

Derivatives are SymPy's; those of piecewise functions are in ``symgrad.functions``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp
from sympy import Expr, Rational, exp, log, sqrt

from symgrad.array.graph import Entries, Indices, Kind, Node, aligned, broadcast, current, make
from symgrad.errors import ProgramError, UnsupportedError
from symgrad.functions import absolute, ceil, clip, equal, floor, maximum, minimum, real, signum, step, where
from symgrad.piecewise import is_indicator
from symgrad.special_functions import arctan2, cbrt, digamma, erfc, gammaln, normal_sinc, position_of

MOST_BITS = 4_000  # in a power of two numbers
HALF = Rational(1, 2)


def sigmoid_of(x: Expr) -> Expr:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(-x))


def softplus_of(x: Expr) -> Expr:
    """log(1 + e^x)."""
    return log(1 + exp(x))


def gelu_of(x: Expr) -> Expr:
    """x times the normal distribution function at x (Hendrycks and Gimpel 2016, the exact form)."""
    return x * HALF * (1 + sp.erf(x / sqrt(2)))


def power_of(a: Expr, b: Expr) -> Expr:
    """a to the power b.  Raises ``UnsupportedError`` for two numbers whose power has too many digits."""
    if a.is_Rational and b.is_Rational and max(abs(a.p), a.q).bit_length() * abs(b) > MOST_BITS:
        raise UnsupportedError("a power of numbers is too large to be written out")
    return a**b


def either(a: Expr, b: Expr) -> Expr:
    """Logical or: 1 where a or b is 1, else 0; both are always 0 or 1."""
    return 1 - (1 - a) * (1 - b)


def distance_of(a: Expr, b: Expr) -> Expr:
    """The square of a - b."""
    return (a - b) ** 2


def at_least(x: Expr, low: Expr) -> Expr:
    """The larger of x and ``low``; the derivative is 1 at the bound, as in ``clip``."""
    return where(step(x - low, 1), x, low)


def at_most(x: Expr, high: Expr) -> Expr:
    """The smaller of x and ``high``."""
    return where(step(high - x, 1), x, high)


def remainder_of(a: Expr, b: Expr) -> Expr:
    """The remainder of a divided by b, with the sign of b."""
    return a - b * floor(a / b)


def equal_of(a: Expr, b: Expr) -> Expr:
    """1 where a equals b, else 0; of two positions along one axis, Kronecker's delta; of 1 and an indicator, itself."""
    if isinstance(a, position_of) and isinstance(b, position_of) and a.args[0].upper == b.args[0].upper:
        return sp.KroneckerDelta(a.args[0], b.args[0])
    relations = a.atoms(step, equal, sp.KroneckerDelta)
    if b in (0, 1) and not a.xreplace(dict.fromkeys(relations, sp.S.One)).free_symbols and is_indicator(a):
        return a if b == 1 else 1 - a
    return equal(a, b)


# NumPy function -> the same function of single entries.
ELEMENTWISE: dict[Callable[..., Any], Callable[..., Expr]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.power: power_of,
    np.float_power: power_of,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.reciprocal: lambda a: 1 / a,
    np.square: lambda a: a**2,
    np.sqrt: sqrt,
    np.exp: exp,
    np.expm1: lambda a: exp(a) - 1,
    np.exp2: lambda a: exp(a * log(2)),
    np.log: log,
    np.log1p: lambda a: log(1 + a),
    np.log2: lambda a: log(a) / log(2),
    np.log10: lambda a: log(a) / log(10),
    np.logaddexp2: lambda a, b: log(exp(a * log(2)) + exp(b * log(2))) / log(2),
    np.logaddexp: lambda a, b: log(exp(a) + exp(b)),
    np.hypot: lambda a, b: sqrt(a**2 + b**2),
    np.sin: sp.sin,
    np.cos: sp.cos,
    np.tan: sp.tan,
    np.arcsin: sp.asin,
    np.arccos: sp.acos,
    np.arctan: sp.atan,
    np.sinh: sp.sinh,
    np.cosh: sp.cosh,
    np.tanh: sp.tanh,
    np.arcsinh: sp.asinh,
    np.arccosh: sp.acosh,
    np.arctanh: sp.atanh,
    np.arctan2: arctan2,
    np.cbrt: cbrt,
    **dict.fromkeys((np.deg2rad, np.radians), lambda a: a * sp.pi / 180),
    **dict.fromkeys((np.rad2deg, np.degrees), lambda a: a * 180 / sp.pi),
    np.sinc: normal_sinc,
    np.floor: floor,
    np.ceil: ceil,
    np.remainder: remainder_of,
    np.absolute: absolute,
    np.fabs: absolute,
    np.sign: signum,
    np.maximum: maximum,
    np.minimum: minimum,
    np.fmax: maximum,
    np.fmin: minimum,
    np.heaviside: step,
    np.where: where,
    np.clip: clip,
    np.greater: lambda a, b: step(a - b, 0),
    np.greater_equal: lambda a, b: step(a - b, 1),
    np.less: lambda a, b: step(b - a, 0),
    np.less_equal: lambda a, b: step(b - a, 1),
    np.equal: equal_of,
    np.not_equal: lambda a, b: 1 - equal_of(a, b),
    np.logical_and: operator.mul,
    np.bitwise_and: operator.mul,
    np.logical_or: either,
    np.bitwise_or: either,
    np.logical_not: lambda a: 1 - a,
    np.invert: lambda a: 1 - a,
}

SCIPY: dict[str, Callable[..., Expr]] = {
    "expit": sigmoid_of,
    "log_expit": lambda x: -softplus_of(-x),
    "logit": lambda x: log(x) - log(1 - x),
    "erf": sp.erf,
    "erfc": erfc,
    "erfinv": sp.erfinv,
    **dict.fromkeys(("gammaln", "loggamma"), gammaln),
    **dict.fromkeys(("digamma", "psi"), digamma),
    "cbrt": cbrt,
    "sinc": normal_sinc,
    "betaln": lambda a, b: gammaln(a) + gammaln(b) - gammaln(a + b),
    "huber": lambda d, x: where(step(d - absolute(x), 1), x**2 / 2, d * (absolute(x) - d / 2)),
    "ndtr": lambda x: (1 + sp.erf(x / sqrt(2))) / 2,
    "xlogy": lambda x, y: x * log(y),
    "xlog1py": lambda x, y: x * log(1 + y),
    "entr": lambda x: -x * log(x),
    "rel_entr": lambda x, y: x * (log(x) - log(y)),
    "kl_div": lambda x, y: x * (log(x) - log(y)) - x + y,
    "log1p": lambda x: log(1 + x),
    "expm1": lambda x: exp(x) - 1,
    "exp2": lambda x: exp(x * log(2)),
    "exp10": lambda x: exp(x * log(10)),
}
"""scipy.special's universal functions, by name, as functions of single entries where they are finite."""

SIGNS: dict[Callable[..., Any], str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.remainder: "%",
    np.power: "**",
    np.greater: ">",
    np.greater_equal: ">=",
    np.less: "<",
    np.less_equal: "<=",
    np.equal: "==",
    np.not_equal: "!=",
}


def value_of(node: Node) -> Expr:
    """The entry of a constant."""
    entry = Entries({})
    return entry(node, tuple(axis and entry.fresh(axis) for axis in node.axes))


def _is_zero(node: Node) -> bool:
    """Whether a node is the constant 0."""
    return node.kind is Kind.CONSTANT and value_of(node) == 0


def elementwise(operation: str, meaning: Callable[..., Expr], *operands: Node, hint: str = "") -> Node:
    """``meaning`` applied entry by entry to operands broadcast against each other.

    Raises ``ProgramError`` where axes do not match, and for a division by the constant 0.
    """

    if any(node.operation == MASKED for node in operands):
        return _of_masked(operation, meaning, *operands)

    def build(entries: Entries, indices: Indices) -> Expr:
        return real(meaning(*(entries(node, aligned(node, indices)) for node in operands)))

    is_constant = all(node.kind is Kind.CONSTANT for node in operands)
    axes = broadcast(operation, operands)
    is_division = meaning in (operator.truediv, ELEMENTWISE[np.reciprocal]) and _is_zero(operands[-1])
    if is_division or (
        meaning is power_of and is_constant and _is_zero(operands[0]) and value_of(operands[1]).is_negative
    ):
        raise ProgramError("division by zero")
    return make(operation, operands, axes, build, Kind.CONSTANT if is_constant else Kind.PLAIN, meaning, hint, meaning)


# --- minus infinity -------------------------------------------------------------------------------------------------

MASKED = "a mask of -inf"


def is_minus_infinity(value: Any) -> bool:
    """Whether a value is the number minus infinity."""
    return isinstance(value, (float, np.floating)) and bool(value == -np.inf)


def masked(keep: Node, value: Node) -> Node:
    """``value`` where ``keep`` is 1, and minus infinity where it is 0.

    It counts for nothing in a sum of exponentials: its exponential is ``keep`` times that of the value.  The mask gets
    an equation of its own, of the name M unless the user names it.
    """
    if keep.kind is Kind.PLAIN and not keep.hint and keep not in current().names:
        keep = elementwise("mask", lambda condition: condition, keep, hint="M")

    def build(entries: Entries, indices: Indices) -> Expr:
        raise UnsupportedError(
            "-inf has a meaning in a softmax, a logsumexp or an exp alone; generated code subtracts the largest "
            "entries itself"
        )

    return make(MASKED, (value, keep), broadcast("where", (value, keep)), build, Kind.VIEW)


def _of_masked(operation: str, meaning: Callable[..., Expr], *operands: Node) -> Node:
    """An elementwise function of arrays of which some are masked."""
    first = next(node for node in operands if node.operation == MASKED)
    values = [node.operands[0] if node.operation == MASKED else node for node in operands]
    keeps = dict.fromkeys(node.operands[1] for node in operands if node.operation == MASKED)
    keep = reduce(lambda one, other: elementwise("*", operator.mul, one, other), keeps)
    if meaning is exp:
        return elementwise("exp", lambda z, m: m * exp(z), *values, keep)
    is_shifted = meaning is operator.add or (meaning is operator.sub and operands[1].operation != MASKED)
    is_scaled = meaning in (operator.mul, operator.truediv) and first is operands[0] and _is_positive(values[1])
    if is_shifted or (is_scaled and len(keeps) == 1):
        return masked(keep, elementwise(operation, meaning, *values))
    raise UnsupportedError(f"{operation} of -inf has no rule: mask the array just before its softmax or logsumexp")


def _is_positive(node: Node) -> bool:
    """Whether a node is a positive number, or a positive input."""
    return bool(value_of(node).is_positive if node.kind is Kind.CONSTANT else node.array and node.array.positive)
