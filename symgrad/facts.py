"""Facts about a program that its equations tell and no name of an array does: which arrays are probabilities that it
makes of logits, by a softmax or a logistic function, and which inputs may be given as labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from sympy import Add, Expr, Indexed, Mul, Pow, Sum, Symbol, exp
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.equations import Definition
from symgrad.errors import InputError
from symgrad.notation import Array, axis_name, bound_indices, free_indices, indices_of, name_of, renamed, sum_over
from symgrad.program import Program
from symgrad.steps import Record


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


def takes_labels(record: Record, array: Array) -> bool:
    """Whether an input of two different axes may be given as one integer label per row.

    It may if the program assumes that its rows sum to one; or if the program has probabilities over the same axes
    (quotients of exponentials), the output depends on it, no gradient with respect to it is asked for, and no sum
    multiplies it by another input, as a matrix of features or of weights would be.
    """
    if len(array.axes) != 2 or array.axes[0] == array.axes[1]:
        return False
    ones = [a.lhs for a in record.program.assumptions if a.is_sum and a.rhs == 1]
    if any(s.function.base.name == array.name and bound_indices(s) == s.function.indices[1:] for s in ones):
        return True
    shape = [axis.name for axis in array.axes]
    alike = [d for d in record.program.ordered if [axis_name(i) for i in d.indices] == shape]
    if array.name in record.wrt or array.name not in record.program.ancestors[record.program.output]:
        return False
    return any(isinstance(f, exp) for d in alike for f in Mul.make_args(d.rhs)) and is_target(record, array)


def labelled(record: Record) -> list[str]:
    """The inputs that may be given as labels."""
    return [a.name for a in record.program.inputs if takes_labels(record, a)]


def is_target(record: Record, array: Array) -> bool:
    """Whether no sum multiplies an input by another, as a matrix of features or of weights would be."""
    others = {a.name for a in record.program.inputs if a.axes} - {array.name}
    sums = [total for d in record.program.ordered for total in d.rhs.atoms(Sum)]
    return not any(_meets_others(total, array, others) for total in sums)


def _meets_others(total: Sum, array: Array, others: set[str]) -> bool:
    bound = set(bound_indices(total))
    entries = [f for f in Mul.make_args(total.function) if isinstance(f, Indexed)]
    is_summed = any(set(e.indices) & bound for e in entries if e.base.name == array.name)
    return is_summed and any(e.base.name in others for e in entries)


MOST_ENTRIES = 10_000
"""The limit of entries of all arrays together where a derivation or code is written out entry by entry."""


def check_sizes(program: Program, sizes: Mapping[str, int]) -> None:
    """Raise ``InputError`` unless every axis has a size of at least 1 and at most ``MOST_ENTRIES`` entries result."""
    known = [axis.name for axis in program.axes]
    for name in (*sizes, *known):
        if name not in known:
            raise InputError(f"{program.name}: unknown axis {name}: expected {', '.join(known)}")
        if name not in sizes:
            raise InputError(f"{program.name}: a size for the axis {name} is missing")
        if not isinstance(sizes[name], (int, np.integer)) or isinstance(sizes[name], bool) or sizes[name] < 1:
            words = f"size of the axis {name}: expected a whole number, at least 1, got {sizes[name]!r}"
            raise InputError(f"{program.name}: {words}")
    entries = sum(prod(int(sizes[axis.name]) for axis in array.axes) for array in program.arrays.values())
    if entries > MOST_ENTRIES:
        words = f"{entries} entries at these sizes are too many; at most {MOST_ENTRIES} are written out"
        raise InputError(f"{program.name}: {words}")
