"""Facts about a program that follow from its equations and assumptions: probabilities, labels, domains, the reduction.

Several consumers ask for them, so they belong to none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, S, Sum, Symbol, exp, fraction
from sympy.tensor.indexed import Idx

from symgrad.canonical import canonical
from symgrad.equations import Definition, Domain
from symgrad.errors import InputError, UnsupportedError
from symgrad.functions import equal, step
from symgrad.matrix_functions import OF_MATRICES
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    bound_indices,
    entry_of,
    free_indices,
    indices_of,
    name_of,
    parts_of,
    renamed,
    sum_over,
    unfolded,
)
from symgrad.piecewise import is_indicator
from symgrad.program import Program
from symgrad.steps import Record

# --- probabilities ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probabilities:
    """The array ``name`` is the softmax of ``exponent`` along the index ``over``, or for ``over=None`` its sigmoid."""

    name: str
    exponent: Expr
    over: Idx | None


def probabilities(program: Program) -> tuple[Probabilities, ...]:
    """The softmax and sigmoid functions among the definitions, in the order of evaluation."""
    matches = (_softmax(definition, program) or _sigmoid(definition) for definition in program.ordered)
    return tuple(match for match in matches if match is not None)


def _softmax(definition: Definition, program: Program) -> Probabilities | None:
    factors = Mul.make_args(definition.rhs)
    exponentials = [f for f in factors if isinstance(f, exp)]
    divisors = [f.base for f in factors if isinstance(f, Pow) and f.exp == -1]
    if len(factors) != 2 or not exponentials or not divisors:
        return None
    total = _defined(divisors[0], program)
    if not isinstance(total, Sum) or len(bound_indices(total)) != 1:
        return None
    (summed,) = bound_indices(total)
    for index in definition.indices:
        if axis_name(index) == axis_name(summed) and index not in free_indices(total):
            normaliser = sum_over(renamed(exponentials[0], {index: summed}), [summed])
            if canonical(normaliser) == canonical(total):
                return Probabilities(definition.name, exponentials[0].args[0], index)
    return None


def _defined(expr: Expr, program: Program) -> Expr:
    """The definition of an entry; any other expression unchanged."""
    definition = program.definitions.get(name_of(expr)) if isinstance(expr, (Indexed, Symbol)) else None
    return definition.at(indices_of(expr)) if definition else expr


def _sigmoid(definition: Definition) -> Probabilities | None:
    rhs = definition.rhs
    if not (isinstance(rhs, Pow) and rhs.exp == -1 and isinstance(rhs.base, Add) and len(rhs.base.args) == 2):
        return None
    one, exponential = rhs.base.args
    if one != 1 or not isinstance(exponential, exp):
        return None
    return Probabilities(definition.name, -exponential.args[0], None)


def in_closed_forms(expr: Expr, record: Record) -> Expr:
    """An expression with closed forms in place of derivatives: a closed form uses derivatives of later arrays only."""
    for name in sorted(record.adjoint_arrays, key=record.program.rank.__getitem__):
        form = record.adjoints[name]
        entry = entry_of(record.adjoint_arrays[name].name, indices_of(form.entry))
        expr = unfolded(expr, entry, form.index)
    return expr


# --- labels -------------------------------------------------------------------------------------------------------


def takes_labels(record: Record, array: Array) -> bool:
    """Whether an input may be given as integer labels, one per row: its last axis is not among the others.

    It may if the program assumes that its rows sum to one.  A matrix also may if the program has probabilities over the
    same axes, the output depends on it, its gradient is not asked for, and it is a target (see ``is_target``).
    """
    upstream = [gradient for _, gradient in record.program.upstream]
    if len(array.axes) < 2 or array.axes[-1] in array.axes[:-1] or array.name in upstream:
        return False
    ones = [a.lhs for a in record.program.assumptions if a.is_sum and a.rhs == 1]
    if any(s.function.base.name == array.name and bound_indices(s) == s.function.indices[-1:] for s in ones):
        return True
    if len(array.axes) > 2:
        return False
    shape = [axis.name for axis in array.axes]
    same_shape = [d for d in record.program.ordered if [axis_name(i) for i in d.indices] == shape]
    if array.name in record.wrt or array.name not in record.program.ancestors[record.program.output]:
        return False
    return any(isinstance(f, exp) for d in same_shape for f in Mul.make_args(d.rhs)) and is_target(record, array)


def labelled(record: Record) -> list[str]:
    """The inputs that may be given as labels."""
    return [a.name for a in record.program.inputs if takes_labels(record, a)]


def is_target(record: Record, array: Array) -> bool:
    """Whether no sum contracts an input with another input, as it would a matrix of features or weights."""
    others = {a.name for a in record.program.inputs if a.axes} - {array.name}
    sums = [total for d in record.program.ordered for total in parts_of(d.rhs, Sum)]
    return not any(_is_contracted(total, array, others) for total in sums)


def _is_contracted(total: Sum, array: Array, others: set[str]) -> bool:
    bound = set(bound_indices(total))
    entries = [f for f in Mul.make_args(total.function) if isinstance(f, Indexed)]
    is_summed = any(set(e.indices) & bound for e in entries if e.base.name == array.name)
    return is_summed and any(e.base.name in others for e in entries)


# --- values -------------------------------------------------------------------------------------------------------


def domains(program: Program) -> dict[str, Domain]:
    """The declared domain of each input that has one."""
    declared = ((a, a.domain) for a in program.assumptions)
    return {name: domain for a, domain in declared if domain for name in array_names(a.lhs)}


def nonnegative_inputs(program: Program) -> set[str]:
    """The inputs declared one-hot, or in a domain from 0 upwards: they weigh or mask what they multiply."""
    one_hot = {name for a in program.assumptions if a.is_one_hot for name in array_names(a.lhs)}
    return one_hot | {name for name, domain in domains(program).items() if domain.low == 0}


@lru_cache(maxsize=64)
def masks(program: Program) -> frozenset[str]:
    """The arrays whose entries are comparisons, or products of them: 0 or 1."""
    known = set[str]()
    for definition in program.ordered:
        comparisons = dict.fromkeys(parts_of(definition.rhs, step, equal, KroneckerDelta), S.One)
        if is_indicator(definition.rhs) and array_names(definition.rhs.xreplace(comparisons)) <= known:
            known.add(definition.name)
    return frozenset(known)


def inputs_at_most_one(program: Program) -> set[str]:
    """The inputs declared one-hot, or in a domain up to 1."""
    one_hot = {name for a in program.assumptions if a.is_one_hot for name in array_names(a.lhs)}
    return one_hot | {name for name, domain in domains(program).items() if domain.high <= 1}


# --- reduction ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reduction:
    """The output is a single sum, times ``above``, divided by ``below``.

    ``axes`` counts the indices that the sum binds over each axis.
    """

    axes: Counter[str]
    above: Expr
    below: Expr


def reduction_of(program: Program) -> Reduction | None:
    """The sum that the output is; None where its equation is not a single sum, and for a layer."""
    if program.upstream:
        return None
    rhs = program.definitions[program.output].rhs
    sums = [f for f in Mul.make_args(rhs) if isinstance(f, Sum)]
    if len(sums) != 1:
        return None
    return Reduction(Counter(axis_name(i) for i in bound_indices(sums[0])), *fraction(rhs / sums[0]))


# --- sizes --------------------------------------------------------------------------------------------------------

MOST_ENTRIES = 10_000
"""The limit on the entries of all arrays together, where a derivation or code is written entry by entry."""


def check_sizes(program: Program, sizes: Mapping[str, int]) -> None:
    """Raise ``InputError`` unless each axis has a size of at least 1 and at most ``MOST_ENTRIES`` entries result."""
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


def evaluation_order(program: Program, wanted: Sequence[str]) -> list[Definition]:
    """The equations needed for ``wanted``, in an order of evaluation."""
    needed: set[str] = set()
    for definition in reversed(program.ordered):
        if definition.name in wanted or definition.name in needed:
            needed |= {definition.name} | array_names(definition.rhs)
    return [definition for definition in program.ordered if definition.name in needed]


def refuse_inverses(program: Program, target: str) -> None:
    """Raise ``UnsupportedError`` for a program with an inverse or a determinant, which ``target`` cannot compute."""
    if call := next((call for d in program.ordered for call in d.rhs.atoms(*OF_MATRICES)), None):
        what = f"the inverse or the determinant of {call.matrix}"
        raise UnsupportedError(f"{program.name}: the target {target} cannot compute {what}: use the target numpy")
