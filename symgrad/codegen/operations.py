"""Builds nodes in a normal form, and chooses the order in which a product's indices are summed.

Signs move to the front; terms and factors are sorted for the reader. Factors over the same indices are multiplied entry
by entry. An index in one such group is summed over an axis, one in two groups by a matrix product, others all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sympy import Function
from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen.plan.stable_functions import weighted


def parted(node: ir.Node) -> tuple[bool, ir.Node]:
    """Split a node into whether it has a minus, and the node without it."""
    return (True, node.of) if isinstance(node, ir.Negative) else (False, node)


def _unsigned(nodes: Sequence[ir.Node]) -> tuple[bool, list[ir.Node]]:
    """Whether a product of nodes is negated, and the nodes without their signs."""
    parts = [_sign_of_terms(node) if isinstance(node, ir.Terms) else parted(node) for node in nodes]
    return sum(negative for negative, _ in parts) % 2 == 1, [node for _, node in parts]


def _sign_of_terms(node: ir.Terms) -> tuple[bool, ir.Node]:
    """Split a sum into whether all its terms have a minus, and the sum without it."""
    negative = all(isinstance(term, ir.Negative) for term in node.terms)
    return negative, ir.Terms(node.letters, tuple(parted(t)[1] for t in node.terms)) if negative else node


def signed(node: ir.Node, negative: bool) -> ir.Node:
    """The node, or minus it."""
    is_negative, rest = parted(node)
    return ir.Negative(node.letters, rest) if negative != is_negative else rest


def common_layout(nodes: Iterable[ir.Node], order: Sequence[Idx] = ()) -> ir.Layout:
    """The layout in which nodes are combined: the widest node's if it has every letter, else by ``order``."""
    nodes = list(nodes)
    widest = max((n.letters for n in nodes), key=len, default=())
    every = {i for n in nodes for i in n.letters}
    if every == set(widest):
        return widest
    positions = {i: position for position, i in enumerate(order)}
    return tuple(sorted(every, key=lambda i: (positions.get(i, len(positions)), i.name)))


def call(function: type[Function], args: Sequence[ir.Node], order: Sequence[Idx] = ()) -> ir.Node:
    """Apply a function entry by entry; the sign of weighted terms moves to the front."""
    negative, args = _unsigned(args) if function is weighted else (False, args)
    return signed(ir.Call(common_layout(args, order), function, tuple(args)), negative)


def power(base: ir.Node, exponent: ir.Node) -> ir.Node:
    """``base**exponent`` entry by entry."""
    return ir.Power(common_layout([base, exponent]), base, exponent)


def product(above: Sequence[ir.Node], below: Sequence[ir.Node], order: Sequence[Idx] = ()) -> ir.Node:
    """The product of ``above`` divided by the product of ``below``, entry by entry; quotients come before powers."""
    negative, nodes = _unsigned([*above, *below])
    upper, lower = _squared(nodes[: len(above)]), _squared(nodes[len(above) :])
    for divisor in [*lower]:
        (s, e), arrays = _base_and_exponent(divisor), [factor for factor in upper if not factor.is_plain]
        if isinstance(s, ir.Load) and e > 1 and arrays:
            factor = min(arrays, key=lambda f: (len({*f.letters, *s.letters}), -_base_and_exponent(f)[1]))
            x, p = _base_and_exponent(factor)
            # (x / s)**p / s**(e - p): powers may overflow before the quotient. X / s**2 with a wide X stays: it is fast
            if p + e > 3 or {*x.letters} <= {*s.letters}:
                times, position = min(p, e), upper.index(factor)
                upper[position : position + 1] = [*_raised(product([x], [s]), times), *_raised(x, p - times)]
                lower = [part for f in lower for part in (_raised(s, e - times) if f is divisor else [f])]
    if len(upper) == 1 and not lower:
        return signed(upper[0], negative)
    layout = common_layout([*upper, *lower], order)
    return signed(ir.Product(layout, tuple(upper), tuple(lower)), negative)


def _base_and_exponent(node: ir.Node) -> tuple[ir.Node, int]:
    """The base and exponent of a power with a whole exponent; any other node has the exponent 1."""
    match node:
        case ir.Power(_, base, ir.Number(_, exponent)) if exponent.is_Integer:
            return base, int(exponent)
    return node, 1


def _raised(node: ir.Node, exponent: int) -> list[ir.Node]:
    """The factors of a power: none for the exponent 0."""
    return [] if exponent == 0 else [node] if exponent == 1 else [power(node, ir.number(exponent))]


def _squared(nodes: Sequence[ir.Node]) -> list[ir.Node]:
    """Combine equal nodes into powers, so that they are computed once."""
    by_pattern: dict[tuple[ir.Node, ir.Layout], list[ir.Node]] = {}
    for node in nodes:
        by_pattern.setdefault(ir.numbered(node), []).append(node)
    return [factor for same in by_pattern.values() for factor in _raised(same[0], len(same))]


def added(terms: Sequence[ir.Node], order: Sequence[Idx] = ()) -> ir.Node:
    """The sum of ``terms`` entry by entry: positive terms first, numbers before arrays, wide arrays before others."""

    def position(term: ir.Node) -> tuple[bool, bool, int, int, bool, list[str], str]:
        negative, node = parted(term)
        names = [part.name for part in ir.walk(node) if isinstance(part, ir.Load)]
        width, rank = len(node.letters), ir.rank(node)
        return negative, not node.is_plain, -width, -rank, not isinstance(node, ir.Load), names, repr(node)

    return ir.Terms(common_layout(terms, order), tuple(sorted(terms, key=position)))


def reduced(node: ir.Node, over: Iterable[Idx], largest: str = "") -> ir.Node:
    """The sum of a node over some of its axes, or its largest entry along them, named ``largest``."""
    over = set(over)
    negative, inside = (False, node) if largest else parted(node)
    gone = tuple(i for i in inside.letters if i in over)
    left = tuple(i for i in inside.letters if i not in over)
    return signed(ir.Reduce(left, inside, gone, largest), negative)


def contraction(nodes: Sequence[ir.Node], over: Iterable[Idx], first: Iterable[Idx] = ()) -> ir.Node:
    """The product of nodes summed over ``over``. Its other indices follow the nodes, after those in ``first``."""
    negative, factors = _unsigned(nodes)
    gone, every = set(over), dict.fromkeys(i for f in factors for i in f.letters)
    left = dict.fromkeys(i for i in (*first, *every) if i in every and i not in gone)
    summed = tuple(i for i in every if i in gone)
    return signed(ir.Contract(tuple(left), tuple(factors), summed), negative)


def reading_order(node: ir.Node) -> tuple[bool, bool, bool, int]:
    """A sort key for factors: scalars, arrays in order of definition, brackets, sums."""
    has_sum = any(isinstance(part, ir.Reduce) and not part.largest for part in ir.walk(node))
    return bool(node.letters), not isinstance(node, (ir.Delta, ir.Load, ir.Number)), has_sum, ir.rank(node)


def is_weighted(node: ir.Node) -> bool:
    """Whether a node is the sum of a weighted logarithm whose weight has all of its axes."""
    if not (isinstance(node, ir.Reduce) and isinstance(node.of, ir.Call) and node.of.function is weighted):
        return False
    weight, logarithm = (parted(arg)[1] for arg in node.of.operands)
    return not node.letters and set(weight.letters) == set(logarithm.letters)


def contracted(groups: Iterable[ir.Product], summed: set[Idx], order: Sequence[Idx]) -> list[ir.Product]:
    """Contract groups of factors over every index of ``summed``; the product of the returned groups is the result."""
    left = _merged(groups)
    waiting = set(summed)

    def cost(index: Idx) -> tuple[int, int, str]:
        """How many axes the result has, and how many groups take part, if ``index`` is summed away."""
        using = [g for g in left if index in g.letters]
        return len(set().union(*(g.letters for g in using))), len(using), index.name

    while waiting:
        index = min(waiting, key=cost)
        using = [g for g in left if index in g.letters]
        rest = [g for g in left if index not in g.letters]
        gone = {i for i in waiting if not any(i in g.letters for g in rest)}
        if len(using) == 2 and is_matrix_product(using[0].letters, using[1].letters, {index}):
            left_over = {i for g in using for i in g.letters if i != index}
            gone, first = {index}, order if left_over <= {*order} else ()
            result = contraction([_node(g) for g in using], gone, first)
        else:
            result = _combined(using, gone, order)
        left = _merged([*rest, ir.Product(result.letters, (result,), ())])
        waiting -= gone
    return left


def is_matrix_product(left: Collection[Idx], right: Collection[Idx], over: Collection[Idx]) -> bool:
    """Whether a product of two arrays of at most two axes sums over the one index that they share."""
    return len(over) == 1 and set(left) & set(right) == set(over) and len(left) <= 2 and len(right) <= 2


def is_pair(left: ir.Layout, right: ir.Layout, over: Collection[Idx]) -> bool:
    """Whether two arrays share exactly the summed indices, or are stacks of matrices with common stack axes."""
    both = set(left) & set(right)
    if both == set(over):
        return True
    return set(over) < both and len(over) == 1 and all(len(letters) == len(both) + 1 for letters in (left, right))


def _merged(groups: Iterable[ir.Product]) -> list[ir.Product]:
    """Merge groups over the same indices."""
    merged: dict[frozenset[Idx], ir.Product] = {}
    for group in groups:
        indices = frozenset(group.letters)
        merged[indices] = _joined(merged[indices], group) if indices in merged else group
    return list(merged.values())


def _joined(one: ir.Product, other: ir.Product) -> ir.Product:
    """The product of two groups."""
    letters = tuple(dict.fromkeys(one.letters + other.letters))
    return ir.Product(letters, one.above + other.above, one.below + other.below)


def _node(group: ir.Product, summed: Collection[Idx] = ()) -> ir.Node:
    """A group as one array, summed over its axes ``summed``."""
    whole = product(sorted(group.above, key=reading_order), group.below)  # one node has all the letters
    return reduced(whole, summed) if summed else whole


def _combined(using: Sequence[ir.Product], gone: set[Idx], order: Sequence[Idx]) -> ir.Node:
    """Multiply groups that are not two matrices, and sum over ``gone``, which no other group has."""
    if not (len(using) == 2 and {*using[0].letters} & {*using[1].letters} == gone):
        using = _absorbed(using)
    if len(using) == 1:
        (group,) = using
        is_inner = len(group.above) == 2 and not group.below and len(group.letters) == len(gone) == 1  # of two vectors
        return contraction(group.above, gone) if is_inner else _node(group, gone)
    nodes = [_node(g) for g in using]
    if len(nodes) == 2 and is_pair(nodes[0].letters, nodes[1].letters, gone):
        return _pair(nodes[0], nodes[1], gone, order)
    return contraction(nodes, gone, order)


def _pair(left: ir.Node, right: ir.Node, gone: Collection[Idx], order: Sequence[Idx]) -> ir.Node:
    """A contraction of two arrays; ``order`` says which comes first."""
    both = [i for i in left.letters if i in right.letters]
    positions = {i: order.index(i) if i in order else len(order) for i in (*left.letters, *right.letters)}

    def first(node: ir.Node) -> int:
        return min((positions[i] for i in node.letters if i not in both), default=len(order))

    stack = sorted((i for i in both if i not in gone), key=positions.__getitem__)
    left, right = sorted((left, right), key=first)
    if not stack and len(gone) == 1 and not _leads(left, right, gone) and _leads(right, left, gone):
        left, right = right, left
    return contraction([left, right], gone, stack)


def _leads(left: ir.Node, right: ir.Node, gone: Collection[Idx]) -> bool:
    """Whether a stack of matrices is on the left of a product in its own layout."""
    return left.letters[-1] in gone and len(right.letters) <= 2


def _absorbed(using: Sequence[ir.Product]) -> list[ir.Product]:
    """Multiply each group into the narrowest other one that has all of its indices."""
    left = sorted(using, key=lambda g: len(g.letters))
    absorbed: list[ir.Product] = []
    while left:
        group = left.pop(0)
        host = next((position for position, g in enumerate(left) if set(group.letters) <= set(g.letters)), None)
        if host is None:
            absorbed.append(group)
        else:
            left[host] = _joined(left[host], group)
    return absorbed
