"""Which inputs may be given as one integer label per row, and what is checked of inputs that are assumed about."""

from __future__ import annotations

from sympy import Expr, Indexed, Mul, Sum, exp

from symgrad.equations import Assumption
from symgrad.notation import Array, axis_name, bound_indices
from symgrad.steps import Record


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


def gaps(assumption: Assumption) -> list[Expr]:
    """Expressions that are zero just where an assumption holds, none of more axes than its array; none of a domain,
    which is tested on its own (see ``domain_checks``).

    That the product of any two entries of a row is zero, and each entry 0 or 1, is said by the entries and their sum:
    this, too, is then 0 or 1.
    """
    left = assumption.lhs
    if assumption.domain:
        return []
    if not assumption.is_one_hot:
        return [left - assumption.rhs]
    one, other = left.args
    total = Sum(one, *(i for i in one.indices if i not in other.indices))
    return [one**2 - one, total**2 - total]
