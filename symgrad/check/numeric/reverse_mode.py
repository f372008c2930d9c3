"""The derivatives of a scalar expression as numbers, by the chain rule from the outside inwards.

SymPy differentiates single functions; the products of their derivatives are numbers, not expressions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sympy import Expr, Integer, Symbol
from sympy.core.basic import Basic

from symgrad.budget import spend
from symgrad.check.numeric.evaluate import Evaluator
from symgrad.check.numeric.fields import Array, Field, OutsideDomain, OutsideField
from symgrad.check.numeric.instantiation import outer_slope
from symgrad.functions import where


def gradient(expr: Expr, evaluator: Evaluator) -> dict[Symbol, Array] | None:
    """The derivatives with respect to the symbols in an expression; all others are 0.

    None if a part has no value: it may cancel in the derivatives as expressions.
    """
    numbers, total = evaluator.numbers, dict[Symbol, list[Any]]()
    primes = numbers.primes if isinstance(numbers, Field) else ()
    if numbers.has_gaps:
        return None

    def reduced(levels: Iterable[Any]) -> list[Any]:
        return [a % p for a, p in zip(levels, primes, strict=False)] if primes else [*levels]

    def times(weight: list[Any], part: Basic) -> list[Any]:
        return reduced(a * b for a, b in zip(weight, evaluator.over(part, ()), strict=False))

    def visit(part: Basic, weight: list[Any]) -> None:
        spend(1)
        if isinstance(part, Symbol):
            total[part] = reduced(a + b for a, b in zip(total[part], weight, strict=False)) if part in total else weight
        elif isinstance(part, where):
            condition, yes, no = part.args
            visit(yes, times(weight, condition))
            visit(no, times(weight, 1 - condition))
        else:
            for position, arg in enumerate(part.args):
                if arg.args or isinstance(arg, Symbol):
                    outer = weight
                    for factor in outer_slope(part, position):
                        outer = times(outer, factor)
                    visit(arg, outer)

    try:
        visit(expr, evaluator.over(Integer(1), ()).tolist())
    except (OutsideDomain, OutsideField):
        return None
    return {symbol: np.array(levels, dtype=object) for symbol, levels in total.items()}
