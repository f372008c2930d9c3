"""Functions that have a name in textbooks: found in formulas that spell them out, for the page alone.

A line keeps the functions of ``symgrad.functions``, which the checker and the code know; the names are how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from sympy import Add, Expr, Function, Indexed, Mul, Pow, S, Sum, erf, exp, expand, pi, sqrt
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.functions import absolute, signum, step, where
from symgrad.matrix_functions import is_matrix
from symgrad.notation import bound_indices, free_indices, sum_over

sigmoid, Phi, phi = (Function(name, real=True) for name in ("sigmoid", "Phi", "phi"))
clipped = Function("clip", real=True)
FORMULAS: dict[Basic, Callable[..., Expr]] = {
    sigmoid: lambda x: 1 / (1 + exp(-x)),
    Phi: lambda x: S.Half + erf(x / sqrt(2)) / 2,
    phi: lambda x: exp(-(x**2) / 2) / sqrt(2 * pi),
    clipped: lambda x, low, high, at_bound: where(step(high - absolute(x), at_bound), x, high * signum(x)),
}
"""A named function -> its formula.  Phi is the normal distribution function, phi its density.  The last argument of
clip, which is not shown, tells whether the formula compares |x| <= b (1) or |x| < b (0)."""


def written_out(expr: Basic) -> Expr:
    """``expr`` with named functions replaced by their formulas."""
    return expr.replace(lambda part: part.func in FORMULAS, lambda part: FORMULAS[part.func](*part.args))


def named(expr: Basic) -> Expr:
    """``expr`` with formulas of named functions replaced by these; matrices are left as they are."""
    if not expr.args or isinstance(expr, (Indexed, Idx)) or is_matrix(expr) or not expr.has(exp, erf, where):
        return expr
    if isinstance(expr, Sum):
        return sum_over(named(expr.function), bound_indices(expr))
    for total in (factor for factor in expr.args if isinstance(factor, Sum)) if isinstance(expr, Mul) else ():
        front = Mul(*(factor for factor in expr.args if factor.is_number))
        if front.has(pi) and not (inside := named(front * total.function)).has(pi):
            return named(expr / front / total * sum_over(inside, bound_indices(total)))
    if isinstance(expr, (Mul, Pow)):
        expr = _with_density(_with_sigmoids(expr))
    new = expr.func(*map(named, expr.args))
    if isinstance(new, where):
        return _with_clip(new)
    return _with_distribution(new) if isinstance(new, Add) else new


def _with_sigmoids(expr: Expr) -> Expr:
    """A product with 1/(1 + exp(u)) as sigmoid(-u), and exp(u)/(1 + exp(u)) as sigmoid(u)."""
    for base, power in expr.as_powers_dict().items():
        rest = base - 1
        if isinstance(base, Add) and isinstance(rest, exp) and power.is_Integer and power < 0:
            u = rest.args[0]
            over = next((n for n in range(-int(power), 0, -1) if exp(n * u) in Mul.make_args(expr)), 0)
            others = expr / exp(over * u) / base**power
            return others * sigmoid(u) ** over * sigmoid(-u) ** (-power - over)
    return expr


def _with_density(expr: Expr) -> Expr:
    """A product with exp(-u^2/2)/sqrt(2 pi) as phi(u), where u may be a multiple if Phi(u) is a factor."""
    for factor in Mul.make_args(expr):
        scale, square = (-2 * factor.args[0]).as_coeff_Mul() if isinstance(factor, exp) else (S.Zero, factor)
        if scale.is_positive and isinstance(square, Pow) and square.exp == 2:
            rest, u = expr / factor * sqrt(2 * pi), sqrt(scale) * square.base
            if not rest.has(pi) and (scale == 1 or rest.has(erf(u / sqrt(2)))):
                return rest * phi(u)
    return expr


def _with_clip(expr: Expr) -> Expr:
    """A choice of c u where |u| is within a bound, else c times the bound times sign u, as c clip(u, -bound, bound)."""
    condition, yes, no = expr.args
    if not isinstance(condition, step):
        return expr
    excess, at_zero = condition.args
    for size in excess.atoms(absolute):
        for bound, inside, outside, at_bound in (
            (excess + size, yes, no, at_zero),
            (size - excess, no, yes, 1 - at_zero),
        ):
            (u,), factor = size.args, inside / size.args[0]
            is_bound = bound.is_positive and not free_indices(bound) and not bound.has(absolute) and not factor.has(u)
            if is_bound and expand(outside - factor * bound * signum(u)) == 0:
                return factor * clipped(u, -bound, bound, at_bound)
    return expr


def _with_distribution(expr: Add) -> Expr:
    """A sum with c + c erf(u/sqrt(2)) as 2 c Phi(u), for a number c."""
    number = expr.as_coeff_Add()[0]
    for term in expr.args:
        coefficient, rest = term.as_coeff_Mul()
        if isinstance(rest, erf) and coefficient == number != 0:
            return expr - number - term + 2 * number * Phi(sqrt(2) * rest.args[0])
    return expr
