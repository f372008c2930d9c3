"""Nodes put together: signs to the front, layouts for what is combined entry by entry, terms and factors in an order
that reads well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sympy import Function
from sympy.tensor.indexed import Idx

from symgrad.codegen.array_program import (
    Call,
    Contract,
    Delta,
    Layout,
    Load,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Reduce,
    Terms,
    number,
    numbered,
    rank,
    walk,
)
from symgrad.codegen.kernels import weighted


def parted(node: Node) -> tuple[bool, Node]:
    """Whether a node has a minus in front, and the node without it."""
    return (True, node.of) if isinstance(node, Negative) else (False, node)


def _unsigned(nodes: Sequence[Node]) -> tuple[bool, list[Node]]:
    """Whether the product of nodes has a minus in front, and the nodes without theirs."""
    parts = [parted(node) for node in nodes]
    return sum(negative for negative, _ in parts) % 2 == 1, [node for _, node in parts]


def signed(node: Node, negative: bool) -> Node:
    """The node, or minus it."""
    return Negative(node.letters, node) if negative else node


def common_layout(nodes: Iterable[Node], order: Sequence[Idx] = ()) -> Layout:
    """The layout in which nodes are combined entry by entry: that of the widest, the rest in ``order``."""
    nodes = list(nodes)
    widest = max((n.letters for n in nodes), key=len, default=())
    every = {i for n in nodes for i in n.letters}
    if every == set(widest):
        return widest
    places = {i: place for place, i in enumerate(order)}
    return tuple(sorted(every, key=lambda i: (places.get(i, len(places)), str(i))))


def call(function: type[Function], args: Sequence[Node], order: Sequence[Idx] = ()) -> Node:
    """A function applied entry by entry; what is weighted has its sign in front."""
    negative, args = _unsigned(args) if function is weighted else (False, args)
    return signed(Call(common_layout(args, order), function, tuple(args)), negative)


def power(base: Node, exponent: Node) -> Node:
    """``base**exponent`` entry by entry."""
    return Power(common_layout([base, exponent]), base, exponent)


def product(above: Sequence[Node], below: Sequence[Node], order: Sequence[Idx] = ()) -> Node:
    """The product of ``above`` divided by the product of ``below``, entry by entry."""
    negative, nodes = _unsigned([*above, *below])
    upper, lower = _squared(nodes[: len(above)]), _squared(nodes[len(above) :])
    if len(upper) == 1 and not lower:
        return signed(upper[0], negative)
    layout = common_layout([*upper, *lower], order)
    return signed(Product(layout, tuple(upper), tuple(lower)), negative)


def _squared(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, those that are equal as a power, so that they are computed once."""
    alike: dict[tuple[Node, Layout], list[Node]] = {}
    for node in nodes:
        alike.setdefault(numbered(node), []).append(node)
    return [same[0] if len(same) == 1 else power(same[0], number(len(same))) for same in alike.values()]


def added(terms: Sequence[Node], order: Sequence[Idx] = ()) -> Node:
    """The sum of ``terms`` entry by entry: positive ones first, of these numbers, then the widest."""
    ordered = sorted(terms, key=_place_of_term)
    return Terms(common_layout(terms, order), tuple(ordered))


def _place_of_term(term: Node) -> tuple[bool, bool, int, int, bool, list[str], str]:
    negative, node = parted(term)
    names = [part.name for part in walk(node) if isinstance(part, Load)]
    width, place = len(node.letters), rank(node)
    return negative, not node.is_plain, -width, -place, not isinstance(node, Load), names, repr(node)


def reduced(node: Node, over: Iterable[Idx], largest: str = "") -> Node:
    """The sum of a node over some of its axes, or its largest entry along them, by its name."""
    over = set(over)
    negative, inside = (False, node) if largest else parted(node)
    gone = tuple(i for i in inside.letters if i in over)
    left = tuple(i for i in inside.letters if i not in over)
    return signed(Reduce(left, inside, gone, largest), negative)


def contraction(nodes: Sequence[Node], over: Iterable[Idx], order: Sequence[Idx] = ()) -> Node:
    """The product of nodes summed over the indices ``over``; the others are in the order of the nodes, those of a
    matrix in ``order`` where that has both."""
    negative, factors = _unsigned(nodes)
    gone = set(over)
    summed = tuple(i for i in dict.fromkeys(i for f in factors for i in f.letters) if i in gone)
    left = tuple(i for i in dict.fromkeys(i for f in factors for i in f.letters) if i not in gone)
    if len(left) == 2 and set(left) <= set(order):
        left = tuple(i for i in order if i in left)
    return signed(Contract(left, tuple(factors), summed), negative)


def reading_order(node: Node) -> tuple[bool, bool, bool, int]:
    """A key that sorts factors: scalars, arrays as they were defined, brackets, sums."""
    has_sum = any(isinstance(part, Reduce) and not part.largest for part in walk(node))
    return bool(node.letters), not isinstance(node, (Delta, Load, Number)), has_sum, rank(node)


def is_weighted(node: Node) -> bool:
    """Whether a node is the sum of a weighted logarithm whose weight has all of its axes."""
    if not (isinstance(node, Reduce) and isinstance(node.of, Call) and node.of.function is weighted):
        return False
    weight, logarithm = (parted(arg)[1] for arg in node.of.given)
    return not node.letters and set(weight.letters) == set(logarithm.letters)
