"""Products of two arrays of any number of axes that sum over what they share: ``@`` on stacks, or ``tensordot``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_lowercase

from sympy.tensor.indexed import Idx

from symgrad.codegen.values import Layout, Strength, Value


def is_pair(left: Value, right: Value, gone: Collection[Idx]) -> bool:
    """Whether ``@`` or ``tensordot`` gives the product summed over the indices ``gone``: both have all of these, and
    where they share more, the indices of a stack, each has two besides."""
    both = set(left.indices) & set(right.indices)
    if both == set(gone):
        return True
    return set(gone) < both and len(gone) == 1 and all(len(v.indices) == len(both) + 1 for v in (left, right))


def paired(left: Value, right: Value, gone: Collection[Idx], order: Sequence[Idx]) -> Value:
    """The product of a pair summed over the indices ``gone``; ``order`` says which operand comes first."""
    both = [i for i in left.indices if i in right.indices]
    stack = sorted((i for i in both if i not in gone), key=lambda i: _place(i, order))
    if not stack:
        first, second = sorted((left, right), key=lambda v: _first(v, gone, order))
        return _unstacked(first, second, gone)
    rows = [i for i in left.indices if i not in both]
    columns = [i for i in right.indices if i not in both]
    if _first(right, both, order) < _first(left, both, order):
        left, right, rows, columns = right, left, columns, rows
    code = " @ ".join(
        (
            left.over((*stack, *rows, *gone)).within(Strength.POWER),
            right.over((*stack, *gone, *columns)).within(Strength.POWER),
        )
    )
    return _product(code, Strength.PRODUCT, (*stack, *rows, *columns), left, right)


def diagonal(value: Value, indices: Sequence[Idx]) -> Value:
    """The entries of ``value`` at ``indices``, one for each of its axes, of which some are the same."""
    own = tuple(dict.fromkeys(indices))
    if len(indices) == 2:
        return Value(f"np.diagonal({value.code})", Strength.CALL, own, rank=value.rank)
    letters = {index: ascii_lowercase[place] for place, index in enumerate(own)}
    spelled = "".join(letters[i] for i in indices)
    code = f'np.einsum("{spelled}->{"".join(letters.values())}", {value.code})'
    return Value(code, Strength.CALL, own, rank=value.rank)


def _unstacked(left: Value, right: Value, gone: Collection[Idx]) -> Value:
    """A product in which every index that both have is summed away."""
    result = tuple(i for v in (left, right) for i in v.indices if i not in gone)
    if len(gone) == 1:
        for one, other in ((left, right), (right, left)):
            if one.indices[-1] in gone and len(other.indices) <= 2:
                turned = other if other.indices[0] in gone else other.transpose
                code = f"{one.within(Strength.POWER)} @ {turned.within(Strength.POWER)}"
                return _product(code, Strength.PRODUCT, (*one.indices[:-1], *turned.indices[1:]), one, turned)
    shared = [i for i in left.indices if i in gone]
    axes = [", ".join(str(v.indices.index(i)) for i in shared) for v in (left, right)]
    if len(shared) > 1:
        axes = [f"({places})" for places in axes]
    code = f"np.tensordot({left.code}, {right.code}, ({', '.join(axes)}))"
    return _product(code, Strength.CALL, result, left, right)


def _product(code: str, strength: Strength, indices: Layout, left: Value, right: Value) -> Value:
    return Value(code, strength, indices, left.negative != right.negative, rank=max(left.rank, right.rank))


def _first(value: Value, without: Collection[Idx], order: Sequence[Idx]) -> int:
    """The place in ``order`` of the first index of a value that is not among ``without``."""
    return min((_place(i, order) for i in value.indices if i not in without), default=len(order))


def _place(index: Idx, order: Sequence[Idx]) -> int:
    return order.index(index) if index in order else len(order)
