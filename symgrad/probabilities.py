"""Which arrays of a program are probabilities of its own making: softmax and logistic functions of logits, found by
their equations and not by their names."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Add, Expr, Indexed, Mul, Pow, Sum, Symbol, exp
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.equations import Definition
from symgrad.notation import axis_name, bound_indices, free_indices, indices_of, name_of, renamed, sum_over
from symgrad.program import Program


@dataclass(frozen=True)
class Probabilities:
    """The array ``name`` is ``exp(exponent)`` over its sum along ``over``, one of the array's indices; or, where
    ``over`` is None, ``1 / (1 + exp(-exponent))``."""

    name: str
    exponent: Expr
    over: Idx | None


def probabilities(program: Program) -> tuple[Probabilities, ...]:
    """The softmax and logistic functions among the definitions, in the order of evaluation."""
    found = (_softmax(definition, program) or _logistic(definition) for definition in program.ordered)
    return tuple(p for p in found if p is not None)


def _softmax(definition: Definition, program: Program) -> Probabilities | None:
    factors = Mul.make_args(definition.rhs)
    exponentials = [f for f in factors if isinstance(f, exp)]
    below = [f.base for f in factors if isinstance(f, Pow) and f.exp == -1]
    if len(factors) != 2 or not exponentials or not below:
        return None
    total = _defined(below[0], program)
    if not isinstance(total, Sum) or len(bound_indices(total)) != 1:
        return None
    (summed,) = bound_indices(total)
    for index in definition.indices:
        if axis_name(index) == axis_name(summed) and index not in free_indices(total):
            alike = sum_over(renamed(exponentials[0], {index: summed}), [summed])
            if canonical(alike) == canonical(total):
                return Probabilities(definition.name, exponentials[0].args[0], index)
    return None


def _defined(expr: Expr, program: Program) -> Expr:
    """What defines an entry of an array; any other expression as it is."""
    definition = program.definitions.get(name_of(expr)) if isinstance(expr, (Indexed, Symbol)) else None
    return definition.at(indices_of(expr)) if definition else expr


def _logistic(definition: Definition) -> Probabilities | None:
    rhs = definition.rhs
    if not (isinstance(rhs, Pow) and rhs.exp == -1 and isinstance(rhs.base, Add) and len(rhs.base.args) == 2):
        return None
    one, exponential = rhs.base.args
    if one != 1 or not isinstance(exponential, exp):
        return None
    return Probabilities(definition.name, -exponential.args[0], None)
