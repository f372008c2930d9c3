"""Which sums of products are matrix products that loops leave to functions of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import Assign, Contract, Layout, Load, Node


@dataclass(frozen=True)
class MatrixProduct:
    """The product of ``left`` and ``right``, summed over ``over``; each is in memory in the order ``orders``, behind
    the letters of a ``stack``."""

    left: Load
    right: Load
    over: Idx
    orders: tuple[Layout, Layout]
    stack: Layout = ()


def of_arrays(node: Node) -> tuple[Load, Load] | None:
    """The two arrays whose product a node sums over one letter, if it is such a sum."""
    if not isinstance(node, Contract) or len(node.factors) != 2 or len(node.over) != 1:
        return None
    first, second = node.factors
    return (first, second) if isinstance(first, Load) and isinstance(second, Load) else None


def with_data(node: Node, data: Collection[str]) -> MatrixProduct | None:
    """A product of which the left is rows of data, as they lie, and the right a matrix or a vector."""
    for left, right in (pair, pair[::-1]) if (pair := of_arrays(node)) else ():
        is_data = left.name in data and len(left.at) == len({*left.at}) == 2 and len({*right.letters}) < 3
        if is_data and set(node.bound) == {*left.letters} & {*right.letters}:
            return MatrixProduct(left, right, node.bound[0], (left.at, right.letters))
    return None


def over_rows(node: Node, is_row: Callable[[Idx], bool]) -> MatrixProduct | None:
    """A product of two arrays of a block, each with a column for each row, summed over the rows."""
    if (pair := of_arrays(node)) is None or not is_row(node.bound[0]):
        return None
    others = [i for f in pair for i in f.letters if not is_row(i)]
    if all(len(f.letters) == 2 for f in pair) and len({*others}) == len(others) == len(node.letters):
        return MatrixProduct(*pair, node.bound[0], (pair[0].letters, pair[1].letters))
    return None


def by_blas(assign: Assign, inputs: Collection[str]) -> MatrixProduct | None:
    """A product of matrices, or of a matrix and a vector, or of stacks of them, left before right in the result."""
    if (pair := of_arrays(assign.node)) is None:
        return None
    (over,) = assign.node.bound
    orders = [f.at if f.name in inputs else f.letters for f in pair]
    depth = 0
    for i, j, k in zip(*orders, assign.letters, strict=False):
        if not i == j == k:
            break
        depth += 1
    first, second = (order[depth:] for order in orders)
    result = assign.letters[depth:]
    is_matrix = sorted((len(first), len(second))) in ([1, 2], [2, 2])
    if not is_matrix or len({*first}) < len(first) or len({*second}) < len(second) or {*first} & {*second} != {over}:
        return None
    if len(result) != len(first) + len(second) - 2 or {*first, *second} - {over} != {*result}:
        return None
    made = MatrixProduct(*pair, over, (first, second), assign.letters[:depth])
    return made if result[0] in first else MatrixProduct(made.right, made.left, over, (second, first), made.stack)
