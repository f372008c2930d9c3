"""Which square roots are norms that may be 0: there they have a kink, whose derivative is stated, and no pole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, Mul, Pow, S, Sum, Symbol, log
from sympy.core.basic import Basic

from symgrad.canonical import canonical
from symgrad.equations import Definition
from symgrad.functions import root, where
from symgrad.notation import free_indices, name_of, renamed, unfolded
from symgrad.signs import is_known


def norms_marked(equations: Sequence[Definition]) -> list[Definition]:
    """The equations with ``root`` for the square roots of sums of squares, but for those by which one divides."""
    known = {e.name: e for e in equations}
    divided = {_spelled(_resolved(part, known)) for e in equations for part in _divisors(e.rhs)}

    def marked(expr: Basic) -> Expr:
        made = expr if isinstance(expr, Indexed) or not expr.args else expr.func(*map(marked, expr.args))
        if not (isinstance(made, Pow) and made.exp == S.Half and _is_square(made.base, known)):
            return made
        is_never_zero = _spelled(_resolved(made, known)) in divided or is_known(_written_out(made, known), "positive")
        return made if is_never_zero else root(made.base)

    return [replace(e, rhs=marked(e.rhs)) for e in equations]


def _divisors(expr: Basic) -> list[Expr]:
    """The factors by which an expression divides, or of which it takes a logarithm, outside of branches."""
    if isinstance(expr, where):
        return _divisors(expr.args[0])
    below = [expr.base] if isinstance(expr, Pow) and expr.exp.could_extract_minus_sign() else []
    below += expr.args if isinstance(expr, log) else []
    factors = [factor for part in below for factor in Mul.make_args(part)]
    return factors + [divisor for arg in expr.args for divisor in _divisors(arg)]


def _resolved(expr: Expr, known: dict[str, Definition]) -> Expr:
    """What an expression is a power of, names for powers written out."""
    while True:
        if isinstance(expr, Pow) and expr.exp.is_number:
            expr = expr.base
        elif isinstance(expr, (Indexed, Symbol)) and name_of(expr) in known:
            definition = known[name_of(expr)]
            if not isinstance(definition.rhs, Pow):
                return expr
            expr = definition.at(expr.indices if isinstance(expr, Indexed) else ())
        else:
            return expr


def _written_out(expr: Expr, known: dict[str, Definition]) -> Expr:
    """An expression in the inputs alone."""
    for definition in reversed(known.values()):
        expr = unfolded(expr, definition.entry, definition.rhs)
    return expr


def _spelled(expr: Expr) -> Expr:
    """The same for expressions that differ in the letters of their indices alone."""
    free = sorted(free_indices(expr), key=str)
    return canonical(renamed(expr, {i: type(i)(f"_at{place}", i.upper + 1) for place, i in enumerate(free)}))


def _is_square(expr: Basic, known: dict[str, Definition]) -> bool:
    """Whether an expression is a sum of squares with positive factors, and nothing else."""
    if isinstance(expr, (Indexed, Symbol)):
        return name_of(expr) in known and _is_square(known[name_of(expr)].rhs, known)
    if isinstance(expr, Sum):
        return _is_square(expr.function, known)
    if isinstance(expr, Add):
        return all(_is_square(term, known) for term in expr.args)
    if isinstance(expr, Mul):
        squares = [factor for factor in expr.args if _is_square(factor, known)]
        return bool(squares) and all(factor.is_nonnegative for factor in expr.args if factor not in squares)
    return isinstance(expr, Pow) and bool(expr.exp.is_even) and bool(expr.exp.is_positive)
