"""The derivative of one expression in index notation with respect to one entry of one array.

Sums, products and the chain rule are written out here, where bound indices are known never to meet the entry's; the
derivative of each function is SymPy's own (``fdiff``).
"""

from __future__ import annotations

from sympy import (
    Add,
    Derivative,
    Expr,
    Function,
    Indexed,
    Integer,
    KroneckerDelta,
    Mul,
    Pow,
    Subs,
    Sum,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    cos,
    cosh,
    erf,
    exp,
    log,
    sin,
    sinh,
    tan,
    tanh,
)
from sympy.core.basic import Basic

from symgrad.errors import UnsupportedError
from symgrad.notation import array_names, bound_indices, canonical, freshen, sum_over

# The functions whose derivatives SymPy knows in closed form and that are smooth wherever they are defined.
SMOOTH = (exp, log, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, erf)


def check_smooth(expr: Basic, where: str) -> None:
    """Raise ``UnsupportedError``, naming the expression, unless ``expr`` is made of what has a rule."""
    if isinstance(expr, (Indexed, Symbol, KroneckerDelta)) or expr.is_number:
        return
    if not isinstance(expr, (Add, Mul, Pow, Sum, *SMOOTH)):
        raise UnsupportedError(f"no rule to differentiate {expr} in the equation of {where}")
    for arg in (expr.function,) if isinstance(expr, Sum) else expr.args:
        check_smooth(arg, where)


def differentiate(expr: Expr, entry: Indexed | Symbol) -> Expr:
    """The derivative of ``expr`` with respect to ``entry``, whose indices must not occur in ``expr``.

    Kronecker deltas are left in.  Raises ``UnsupportedError`` for an expression without a rule.
    """
    return canonical(_derivative(freshen(expr), entry))


def _derivative(expr: Expr, entry: Indexed | Symbol) -> Expr:
    (name,) = array_names(entry)
    if name not in array_names(expr):
        return Integer(0)
    if isinstance(expr, Indexed):
        return Mul(*(KroneckerDelta(i, j) for i, j in zip(expr.indices, entry.indices, strict=True)))
    if expr == entry:
        return Integer(1)
    if isinstance(expr, Sum):
        return sum_over(_derivative(expr.function, entry), bound_indices(expr))
    if isinstance(expr, Add):
        return Add(*(_derivative(term, entry) for term in expr.args))
    if isinstance(expr, Mul):
        others = [(Mul(*expr.args[:k], *expr.args[k + 1 :]), factor) for k, factor in enumerate(expr.args)]
        return Add(*(rest * _derivative(factor, entry) for rest, factor in others))
    if isinstance(expr, Pow) and name not in array_names(expr.exp):
        return expr.exp * expr.base ** (expr.exp - 1) * _derivative(expr.base, entry)
    if isinstance(expr, Pow):
        return expr * _derivative(expr.exp * log(expr.base), entry)
    if isinstance(expr, Function):
        slopes = [expr.fdiff(place) for place in range(1, len(expr.args) + 1)]
        if not any(slope.has(Derivative, Subs) for slope in slopes):
            return Add(*(slope * _derivative(arg, entry) for slope, arg in zip(slopes, expr.args, strict=True)))
    raise UnsupportedError(f"no rule to differentiate {expr} with respect to {entry}")
