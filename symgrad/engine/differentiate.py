"""The derivative of an expression in index notation with respect to an entry of an array.

This module has the rules for sums, products and composition; the derivative of each function is its ``fdiff``.  A
choice is differentiated branch by branch: the branch that is not taken need not have a derivative.
"""

from __future__ import annotations

from sympy import Add, Derivative, Expr, Function, Indexed, Integer, KroneckerDelta, Mul, Pow, Sum, Symbol, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.engine.summation import deltas_apart
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, is_flat, where
from symgrad.matrix_functions import OF_MATRICES, slope
from symgrad.notation import array_names, bound_indices, freshen, sum_over
from symgrad.piecewise import differentiated_calls, is_indicator
from symgrad.program import Program
from symgrad.special_functions import position_of

KNOWN: tuple[type[Basic], ...] = (Add, Mul, Pow, Sum, *MEANINGS, *OF_MATRICES)


def check_known(expr: Basic, where_from: str) -> None:
    """Raise ``UnsupportedError``, naming the expression, unless every part of ``expr`` has a rule."""
    if isinstance(expr, (Indexed, Symbol, KroneckerDelta, Idx, position_of)) or expr.is_number:
        return
    if not isinstance(expr, KNOWN):
        raise UnsupportedError(f"no rule to differentiate {expr} in the equation of {where_from}", where_from)
    if isinstance(expr, where) and not is_indicator(expr.args[0]):
        message = f"the condition {expr.args[0]} in the equation of {where_from} must be 0 or 1 everywhere"
        raise UnsupportedError(message, where_from)
    for arg in (expr.function,) if isinstance(expr, Sum) else () if isinstance(expr, OF_MATRICES) else expr.args:
        check_known(arg, where_from)


def kinks(program: Program, expr: Expr, name: str) -> list[type[Function]]:
    """The functions in ``expr`` whose convention its derivative with respect to ``name`` uses.

    These are the functions with kinks that are differentiated, and piecewise constant functions, whose derivative is 0.
    Abbreviations are expanded.  The convention of a choice covers its condition.
    """
    varies, before = program.varying_ancestors, program.ancestors

    def is_held_fixed(used: str) -> bool:
        return used in program.definitions and program.definitions[used].is_node and name in varies[used]

    functions: list[type[Function]] = []
    for call in sorted(differentiated_calls(expr), key=lambda call: call.sort_key()):
        depends = {used for used in array_names(call) if used == name or name in before[used]}
        is_smooth = call.func not in MEANINGS or not MEANINGS[call.func].convention
        if not is_smooth and any(is_flat(call) or not is_held_fixed(used) for used in depends):
            functions.append(call.func)
    for used in sorted(array_names(expr) & program.definitions.keys(), key=program.rank.__getitem__):
        if name in before[used] and used != name and not is_held_fixed(used):
            functions += kinks(program, program.definitions[used].rhs, name)
    return list(dict.fromkeys(functions))


def differentiate(expr: Expr, entry: Indexed | Symbol) -> Expr:
    """The derivative of ``expr`` with respect to ``entry``, whose indices must not occur in ``expr``.

    The result contains Kronecker deltas.  Raises ``UnsupportedError`` for an expression without a rule.
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
    if isinstance(expr, OF_MATRICES):
        return slope(expr, entry) if name == expr.matrix else Integer(0)
    if isinstance(expr, where):
        condition, *branches = expr.args
        return deltas_apart(where(condition, *(_derivative(branch, entry) for branch in branches)))
    if isinstance(expr, Function):
        slopes = [expr.fdiff(number) for number in range(1, len(expr.args) + 1)]
        if not any(slope.has(Derivative) for slope in slopes):
            return Add(*(slope * _derivative(arg, entry) for slope, arg in zip(slopes, expr.args, strict=True)))
    raise UnsupportedError(f"no rule to differentiate {expr} with respect to {entry}")
