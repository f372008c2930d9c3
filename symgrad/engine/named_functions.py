"""Functions that have a name in textbooks: found in formulas that spell them out, for the page alone.

A line keeps the functions of ``symgrad.functions``, which the checker and the code know; the names are how it is shown.
"""

from __future__ import annotations

from sympy import Add, Expr, Function, Indexed, Mul, Pow, S, Sum, erf, exp, pi, sqrt
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.notation import bound_indices, is_matrix, sum_over


class Named(Function):  # type: ignore[misc]
    """A function that stands for a formula in its argument."""

    nargs = 1

    def written_out(self) -> Expr:
        """The formula."""
        raise NotImplementedError


class sigmoid(Named):
    """``sigmoid(x)``: 1/(1 + exp(-x))."""

    def written_out(self) -> Expr:
        """The formula."""
        return 1 / (1 + exp(-self.args[0]))


class Phi(Named):
    """``Phi(x)``: the distribution function of the standard normal distribution."""

    def written_out(self) -> Expr:
        """The formula."""
        return S.Half + erf(self.args[0] / sqrt(2)) / 2


class phi(Named):
    """``phi(x)``: the density of the standard normal distribution."""

    def written_out(self) -> Expr:
        """The formula."""
        return exp(-(self.args[0] ** 2) / 2) / sqrt(2 * pi)


def written_out(expr: Basic) -> Expr:
    """``expr`` with named functions replaced by their formulas."""
    return expr.replace(lambda part: isinstance(part, Named), lambda part: part.written_out())


def named(expr: Basic) -> Expr:
    """``expr`` with formulas of named functions replaced by these; matrices are left as they are."""
    if not expr.args or isinstance(expr, (Indexed, Idx)) or is_matrix(expr) or not expr.has(exp, erf):
        return expr
    if isinstance(expr, Sum):
        return sum_over(named(expr.function), bound_indices(expr))
    if isinstance(expr, (Mul, Pow)):
        expr = _with_density(_with_sigmoids(expr))
    new = expr.func(*map(named, expr.args)) if not isinstance(expr, Named) else expr
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
    """A product with exp(-u^2/2)/sqrt(2 pi) as phi(u)."""
    for factor in Mul.make_args(expr):
        if isinstance(factor, exp) and isinstance(square := -2 * factor.args[0], Pow) and square.exp == 2:
            number, rest = (expr / factor * sqrt(2 * pi)).as_coeff_Mul()
            if number.is_Rational and not rest.has(pi):
                return Mul(number, rest, phi(square.base))
    return expr


def _with_distribution(expr: Add) -> Expr:
    """A sum with c + c erf(u/sqrt(2)) as 2 c Phi(u), for a number c."""
    number = expr.as_coeff_Add()[0]
    for term in expr.args:
        coefficient, rest = term.as_coeff_Mul()
        if isinstance(rest, erf) and coefficient == number != 0:
            return expr - number - term + 2 * number * Phi(sqrt(2) * rest.args[0])
    return expr
