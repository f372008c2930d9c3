"""Products taken apart: coefficient, factors, summed indices, and the sign of each bracket."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, S, Sum
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.values import Value
from symgrad.notation import array_names, bound_indices


def is_plain(expr: Basic) -> bool:
    """Whether an expression is made of numbers and sizes of axes alone."""
    return not expr.has(Indexed, KroneckerDelta, Sum) and all(s.is_integer for s in expr.free_symbols)


def flattened(expr: Expr) -> tuple[Expr, list[Expr], list[Idx]]:
    """The coefficient, the factors and the summed indices of a product under sums."""
    coefficient: Expr = S.One
    factors: list[Expr] = []
    summed: list[Idx] = []
    waiting = [expr]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Sum):
            summed.extend(bound_indices(part))
            waiting.insert(0, part.function)
        elif isinstance(part, Mul):
            waiting = [*part.args, *waiting]
        elif is_plain(part):
            coefficient *= part
        else:
            factors.append(part)
    return coefficient, factors, summed


def turned_brackets(coefficient: Expr, factors: list[Expr], arrays: Mapping[str, Value]) -> tuple[Expr, list[Expr]]:
    """The same product with brackets turned, in pairs or to make it positive, to begin with a plus."""
    wrong = [place for place, f in enumerate(factors) if isinstance(f, Add) and not _begins_well(f, arrays)]
    turn = wrong if len(wrong) % 2 == coefficient.could_extract_minus_sign() else wrong[1:]
    turned = [Add(*(-t for t in f.args)) if place in turn else f for place, f in enumerate(factors)]
    return coefficient * (-1) ** len(turn), turned


def _begins_well(bracket: Add, arrays: Mapping[str, Value]) -> bool:
    """Whether the number in a bracket, or else its latest array, is positive."""

    def lateness(term: Expr) -> tuple[bool, int]:
        return is_plain(term), max((arrays[n].rank for n in array_names(term)), default=-1)

    return not max(bracket.args, key=lateness).could_extract_minus_sign()
