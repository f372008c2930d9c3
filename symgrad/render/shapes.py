"""The shapes of matrix formulas in terms of the program's axes.

SymPy does not check symbolic sizes (an N x C matrix times an N x C matrix raises nothing), so every product and sum is
checked here. A shape is a pair of sizes as they are written: ``("N", "1")`` for a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sympy import MatrixExpr, MatrixSymbol, Symbol

from symgrad.errors import SymgradError
from symgrad.notation import Array
from symgrad.render import tree

Shape = tuple[str, str]


@dataclass(frozen=True)
class ProductShapes:
    """A matrix product: its factors with their shapes, and the resulting shape."""

    factors: tuple[tuple[tree.Node, Shape], ...]
    result: Shape


def whole_array(array: Array) -> tree.Node:
    """An array without indices, as a matrix if it has at most two axes."""
    return tree.Leaf(array.matrix if array.has_matrix else Symbol(array.name, real=True))


def array_shape(array: Array) -> Shape:
    """The shape of an array's matrix: a vector is a column."""
    rows, columns = ([axis.name for axis in array.axes] + ["1", "1"])[:2]
    return rows, columns


def shape(node: tree.Node, arrays: Mapping[str, Array]) -> Shape | None:
    """The shape of a formula, None for a scalar. Raises ``SymgradError`` for shapes that do not fit."""
    match node:
        case tree.Leaf(expr):
            if isinstance(expr, MatrixSymbol) and expr.name in arrays:
                return array_shape(arrays[expr.name])
            return (str(expr.shape[0]), str(expr.shape[1])) if isinstance(expr, MatrixExpr) else None
        case tree.Transposed(body):
            inner = shape(body, arrays)
            return inner and (inner[1], inner[0])
        case tree.Chain(factors):
            shapes = [_needed(f, arrays) for f in factors]
            for left, right in pairwise(shapes):
                if left[1] != right[0]:
                    raise SymgradError(f"{' x '.join(left)} times {' x '.join(right)}: the matrix product does not fit")
            return shapes[0][0], shapes[-1][1]
        case tree.Hadamard(factors, below):
            return _common([_needed(f, arrays) for f in factors + below])
        case tree.Plus(terms):
            sizes = [size for term in terms if (size := shape(term, arrays))]
            return _common(sizes) if sizes else None
        case tree.Minus(body) | tree.Root(body) | tree.Bars(body) | tree.HadamardRaised(body) | tree.Mapped(_, _, body):
            return shape(body, arrays)
        case tree.Cases((first, *_)):
            return shape(first.value, arrays)
        case tree.Indicator(tree.Relation(_, left, _)):
            return shape(left, arrays)
        case tree.Times(factors):
            return shape(factors[-1], arrays)
        case tree.Ratio(above, _):
            return shape(above, arrays)
        case tree.Call("tr" | "det"):
            return None
        case tree.Call("diag", (body,)):
            rows, columns = _needed(body, arrays)
            return rows, rows if columns == "1" else "1"
        case tree.Call(_, args):
            return shape(args[0], arrays)
        case tree.Grid(rows):
            return str(len(rows)), str(len(rows[0])) if rows else "0"
    return None


def _needed(node: tree.Node, arrays: Mapping[str, Array]) -> Shape:
    size = shape(node, arrays)
    if size is None:
        raise SymgradError("a scalar is in the place of a matrix")
    return size


def _common(shapes: list[Shape]) -> Shape:
    for size in shapes:
        if size != shapes[0]:
            raise SymgradError(f"{' x '.join(shapes[0])} and {' x '.join(size)} matrices differ in shape")
    return shapes[0]


def products(node: tree.Node, arrays: Mapping[str, Array]) -> Iterator[ProductShapes]:
    """Every matrix product in a formula, inner products first. Raises ``SymgradError`` for shapes that do not fit."""
    for child in tree.children(node):
        yield from products(child, arrays)
    result = shape(node, arrays)
    if isinstance(node, tree.Chain) and result:
        yield ProductShapes(tuple((f, _needed(f, arrays)) for f in node.factors), result)


def contracts(chain: tree.Chain) -> bool:
    """Whether a matrix product sums over an axis (the outer product of a column and a row does not)."""
    shapes = [shape(factor, {}) for factor in chain.factors]
    return any(s is not None and s[1] != "1" for s in shapes[:-1])
