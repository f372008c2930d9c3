"""Sort keys for factors and terms: the reading order of a formula.

Keys are made of ranks, axes and index letters; the name of an array decides only where no program ranks the array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sympy import Identity, MatrixExpr, OneMatrix
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.notation import axis_name
from symgrad.render import tree
from symgrad.render.shapes import contracts
from symgrad.render.symbols import Vocabulary, leaf_indices, leaf_name

Key = tuple[Any, ...]

# The kinds of factor in the order of a product.  Leaves come first: their kind is their number of indices.
# A FUNCTION (exponential, root) delimits its argument, an OPERATOR (log x) does not.
SCALAR, VECTOR, MATRIX, FUNCTION, DELTA, BRACKET, OPERATOR, ADJOINT, TOTAL = range(9)


def leaves(node: tree.Node, *, beneath_sums: bool = True) -> Iterator[tree.Leaf | tree.Delta]:
    """The leaves of a node in reading order; without ``beneath_sums``, only those outside sums and matrix products that
    contract."""
    waiting = [node]
    while waiting:  # iterative: in a recursive generator each leaf would pass through all of its ancestors
        node = waiting.pop()
        if isinstance(node, (tree.Leaf, tree.Delta)):
            yield node
        elif beneath_sums or not (isinstance(node, tree.Summed) or (isinstance(node, tree.Chain) and contracts(node))):
            waiting += reversed([*tree.children(node)])


def _indices(node: tree.Node) -> tuple[Any, ...]:
    if isinstance(node, tree.Delta):
        return node.left, node.right
    return leaf_indices(node.expr) if isinstance(node, tree.Leaf) else ()


@dataclass(frozen=True)
class Keys:
    """The sort keys for one vocabulary."""

    names: Vocabulary

    def leaf(self, node: tree.Leaf | tree.Delta) -> Key:
        """The key of a leaf: numbers and sizes, deltas, then arrays by rank and indices."""
        letters = tuple(self._index(i) for i in _indices(node))
        if isinstance(node, tree.Delta):
            return (-1, "", letters)
        name = leaf_name(node.expr)
        if name is None:
            return (-2, f"{self.names.axis_order(str(node.expr)):04}", ((0, str(node.expr).zfill(4)),))
        rank = self.names.rank_of(name)
        known = name in self.names.rank or name in self.names.adjoints
        # ``x_2`` comes before ``x_10``: zero-padded numbers compare as numbers.
        return (rank, "" if known else "_".join(part.zfill(4) for part in name.split("_")), letters)

    def _index(self, index: Basic) -> tuple[int, str]:
        """The key of an index: the running letter of an axis first; numbers in numeric order."""
        position, letter = self.names.index_order(index)
        return position, letter.zfill(4)

    def spelled(self, node: tree.Node) -> Key:
        """The key of a formula by its leaves, the shorter formula first."""
        leaf_keys = tuple(self.leaf(leaf) for leaf in leaves(node))
        return (len(leaf_keys), leaf_keys)

    def kind(self, node: tree.Node) -> int:
        """The kind of a factor, in the order in which a product shows them."""
        match node:
            case tree.Leaf():
                return len(_indices(node))
            case tree.Slope():
                return ADJOINT
            case tree.Delta():
                return DELTA
            case tree.Plus():
                return BRACKET if any(_indices(leaf) for leaf in leaves(node)) else SCALAR
            case tree.Raised(base, _):
                return self.kind(base)
            case tree.Root() | tree.Call("exp") | tree.Bars() | tree.Indicator() | tree.Share():
                return FUNCTION
            case tree.Chain() | tree.Norm():  # a number here
                return FUNCTION
            case tree.Call():
                return OPERATOR
        return TOTAL

    def arranged(self, factors: Iterable[tree.Node]) -> list[tree.Node]:
        """The factors of a product in order.

        Matrices come in the order of a matrix product, by their axes (``h_nh w_hk``) and then by rank; a vector comes
        before the first matrix of higher rank (``gamma_d xhat_nd``, but ``x_nd w_d``).
        """
        in_order = sorted(factors, key=self._factor)
        product = [f for f in in_order if self.kind(f) != VECTOR]
        for vector in (f for f in in_order if self.kind(f) == VECTOR):
            rank = self._rank(vector)
            higher = (i for i, f in enumerate(product) if self.kind(f) == MATRIX and self._rank(f) > rank)
            after = sum(self.kind(f) <= MATRIX for f in product)
            product.insert(next(higher, after), vector)
        return product

    def _rank(self, node: tree.Node) -> int:
        return max((self.names.rank_of(name) for name in _array_names(leaves(node))), default=-1)

    def _factor(self, node: tree.Node) -> Key:
        kind = self.kind(node)
        if kind in (BRACKET, TOTAL):
            return kind, (), self.spelled(node)
        indices = (i for leaf in islice(leaves(node), 1) for i in _indices(leaf))
        axes = tuple(self.names.axis_order(axis_name(i)) if isinstance(i, Idx) else 0 for i in indices)
        return kind, axes, self.spelled(node)

    def term(self, node: tree.Node, same_sign: bool) -> Key:
        """The key of a term: deltas, constants, then by axes and by rank of the arrays outside sums.

        If nothing is subtracted, sums come first (``X W + 1 b^T``) and arrays in the order of the program; else sums
        come last (``r - Sum p r``) and the latest array first.
        """
        outer = list(leaves(node, beneath_sums=False))
        if any(isinstance(leaf, tree.Delta) for leaf in outer):
            return 0, (), (self.spelled(node), False)
        if is_constant(node):
            number = all(isinstance(leaf, tree.Leaf) and leaf.expr.is_number for leaf in outer)
            return 1, (number,), (self.spelled(node), False)
        leads = same_sign and _is_total(node)
        counted = list(leaves(node)) if leads else outer
        names = list(_array_names(counted))
        ranks = tuple(sorted((self.names.rank_of(name) for name in names), reverse=True))
        if same_sign:  # in the order of the program, penalties on inputs last
            latest: Key = (all(name in self.names.inputs for name in names), ranks)
        else:
            latest = tuple(-rank for rank in ranks)
        extent = max((_extent(leaf) for leaf in counted), default=0)
        single = same_sign and not leads and _count(node) < 2
        turned = isinstance(node, tree.Transposed)
        return 2, (not leads, -extent, single, not ranks, latest), (self.spelled(node), turned)

    def is_turnable(self, node: tree.Plus, *, inputs_only: bool, summed: Sequence[Idx]) -> bool:
        """Whether a bracket under sums may change its signs to spare a minus sign before it: it has both signs, no
        constant, and no delta that a sum picks from, unless all of its terms run over what is summed (``I - P`` may
        change).

        ``inputs_only`` requires that its latest array is an input, so that no order is customary, and that it has no
        delta at all.
        """
        signs = {isinstance(term, tree.Minus) for term in node.terms}
        units = [term for term in node.terms if is_unit(term)]
        fixed = any(is_constant(term) for term in node.terms if term not in units)
        spans = all(set(summed) <= {i for leaf in leaves(term) for i in _indices(leaf)} for term in node.terms)
        outer = [leaf for term in node.terms for leaf in leaves(term, beneath_sums=False)]
        latest = max(_array_names(outer), key=self.names.rank_of, default="")
        customary = latest not in self.names.inputs or bool(units) if inputs_only else bool(units) and not spans
        return len(signs) == 2 and not fixed and not customary


def is_unit(node: tree.Node) -> bool:
    """Whether a term has a delta outside of sums, or an identity matrix."""
    outer = leaves(node, beneath_sums=False)
    return any(isinstance(leaf, tree.Delta) or isinstance(leaf.expr, Identity) for leaf in outer)


def _extent(leaf: tree.Leaf | tree.Delta) -> int:
    """The number of axes of an entry or of a matrix; ones only spread others over theirs."""
    if isinstance(leaf, tree.Leaf) and isinstance(leaf.expr, OneMatrix):
        return 0
    if isinstance(leaf, tree.Leaf) and isinstance(leaf.expr, MatrixExpr):
        return sum(size != 1 for size in leaf.expr.shape)
    return len(_indices(leaf))


def _count(node: tree.Node) -> int:
    """The number of factors of a product that are not constants."""
    match node:
        case tree.Ratio(above, _):
            return _count(above)
        case tree.Times(factors):
            return sum(_count(f) if isinstance(f, tree.Hadamard) else not is_constant(f) for f in factors)
        case tree.Hadamard(factors, below):
            return len(factors) + len(below)
    return 1


def is_constant(node: tree.Node) -> bool:
    """Whether a formula consists of numbers and sizes of axes."""
    return all(isinstance(leaf, tree.Leaf) and leaf_name(leaf.expr) is None for leaf in leaves(node))


def _array_names(parts: Iterable[tree.Leaf | tree.Delta]) -> Iterator[str]:
    for leaf in parts:
        if isinstance(leaf, tree.Leaf) and (name := leaf_name(leaf.expr)):
            yield name


def _is_total(node: tree.Node) -> bool:
    if isinstance(node, (tree.Times, tree.Ratio)):
        return any(_is_total(factor) for factor in tree.children(node))
    is_norm = isinstance(node, tree.Raised) and isinstance(node.base, tree.Norm)
    return is_norm or isinstance(node, (tree.Summed, tree.Norm)) or (isinstance(node, tree.Chain) and contracts(node))
