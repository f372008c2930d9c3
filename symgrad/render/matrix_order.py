"""SymPy's matrix classes in reading order: from matrix expressions to factors of a ``tree``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sympy as sp
from sympy.core.basic import Basic
from sympy.matrices import MatrixBase
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.diagonal import DiagMatrix, DiagonalOf
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.engine.named_functions import named
from symgrad.functions import reciprocal, root
from symgrad.piecewise import Applied, Choice, relation_of
from symgrad.render import tree
from symgrad.render.factors import Factors
from symgrad.render.shapes import contracts
from symgrad.render.sort_keys import Keys


class Orderer(Protocol):
    """The part of ``order`` that this table uses."""

    keys: Keys

    def top(self, expr: Basic) -> tree.Node:
        """A whole side of an equation, or the argument of a function."""

    def factors(self, expr: Basic) -> Factors:
        """The factors of an expression."""

    def merged(self, parts: Sequence[Factors]) -> Factors:
        """The product of the factors of the parts, without their matrices."""

    def mapped(self, variable: Basic, body: Basic, argument: tree.Node) -> tree.Node:
        """A function of one variable, entry by entry."""


def _matrix_leaf(_: Orderer, expr: Any) -> Factors:
    if isinstance(expr, (sp.OneMatrix, sp.Identity)) and expr.shape == (1, 1):
        return Factors()  # the number 1, beside a product of shape 1 x 1
    return Factors(matrix=tree.Leaf(expr))


def _matrix_product(self: Orderer, expr: Any) -> Factors:
    parts = [self.factors(arg) for arg in expr.args]
    chain: list[tree.Node] = []
    for part in parts:
        if part.matrix is not None:
            chain += part.matrix.factors if isinstance(part.matrix, tree.Chain) else [part.matrix]
    matrix = tree.Chain(tuple(chain)) if len(chain) > 1 else chain[0] if chain else None
    return self.merged(parts) * Factors(matrix=matrix)


def _hadamard(self: Orderer, expr: Any) -> Factors:
    parts = [self.factors(arg) for arg in expr.args]
    above: list[tree.Node] = []
    below: list[tree.Node] = []
    for node in (part.matrix for part in parts if part.matrix is not None):
        if (divisor := _divisor(node)) is not None:
            below.append(divisor)
        elif isinstance(node, tree.Hadamard):
            above += node.factors
            below += node.below
        else:
            above.append(node)
    if not above:
        above.append(tree.Leaf(sp.OneMatrix(*expr.shape)))
    above.sort(key=lambda node: (_is_identity(node), self.keys.spelled(node)))
    below.sort(key=self.keys.spelled)
    return self.merged(parts) * Factors(matrix=tree.Hadamard(tuple(above), tuple(below)))


def _is_identity(node: tree.Node) -> bool:
    return isinstance(node, tree.Leaf) and isinstance(node.expr, sp.Identity)


def _divisor(node: tree.Node) -> tree.Node | None:
    """The divisor, if this factor of an entrywise product is an inverse, perhaps broadcast by ones."""
    match node:
        case tree.Hadamard((tree.Leaf(sp.OneMatrix()),), (base,)):
            return base
        case tree.Transposed(body):
            divisor = _divisor(body)
            return divisor and tree.Transposed(divisor)
        case tree.Chain((inner, tree.Leaf(sp.OneMatrix()) as ones)) if not contracts(node):
            divisor = _divisor(inner)
            return divisor and tree.Chain((divisor, ones))
        case tree.Chain((tree.Leaf(sp.OneMatrix()) as ones, inner)) if not contracts(node):
            divisor = _divisor(inner)
            return divisor and tree.Chain((ones, divisor))
    return None


def _hadamard_power(self: Orderer, expr: Any) -> Factors:
    base, exponent = expr.args
    if isinstance(exponent, sp.MatrixExpr):
        alone = base.args[0] if isinstance(base, sp.MatMul) and isinstance(base.args[-1], sp.OneMatrix) else base
        return Factors(matrix=tree.HadamardRaised(self.top(alone), self.top(exponent)))
    node = self.top(base)
    if exponent.is_negative:
        divisor = node if exponent == -1 else tree.HadamardRaised(node, self.top(-exponent))
        return Factors(matrix=tree.Hadamard((tree.Leaf(sp.OneMatrix(*expr.shape)),), (divisor,)))
    if exponent == 2 and isinstance(node, tree.Leaf):
        return Factors(matrix=tree.Hadamard((node, node)))
    if exponent == sp.S.Half:
        return Factors(matrix=tree.Root(node))
    return Factors(matrix=tree.HadamardRaised(node, self.top(exponent)))


def _transpose(self: Orderer, expr: Any) -> Factors:
    inner = self.factors(expr.arg)
    return self.merged([inner]) * Factors(matrix=tree.Transposed(inner.matrix) if inner.matrix else None)


def _entrywise(self: Orderer, expr: Any) -> Factors:
    (variable,) = expr.function.variables
    body = named(expr.function.expr)
    if isinstance(body, sp.Pow) and body.base == variable and not body.exp.has(variable):
        return _hadamard_power(self, sp.HadamardPower(expr.expr, body.exp))
    if isinstance(body, (root, reciprocal)) and body.args[0] == variable:
        return _hadamard_power(
            self, sp.HadamardPower(expr.expr, sp.S.Half if isinstance(body, root) else sp.S.NegativeOne)
        )
    if body.args and body.args[0] == variable and (relation := relation_of(body.func, expr.expr, *body.args[1:])):
        sign, left, right = relation
        return Factors(matrix=tree.Indicator(tree.Relation(sign, self.top(left), self.top(right))))
    return Factors(matrix=self.mapped(variable, body, self.top(expr.expr)))


def _applied(self: Orderer, expr: Any) -> Factors:
    """A function of several matrices, entry by entry."""
    function, *matrices = expr.args
    if relation := relation_of(function.expr.func, *matrices):
        sign, left, right = relation
        return Factors(matrix=tree.Indicator(tree.Relation(sign, self.top(left), self.top(right))))
    return Factors(matrix=tree.Call(function.expr.func.__name__, tuple(map(self.top, matrices))))


def _choice(self: Orderer, expr: Any) -> Factors:
    """A choice as cases, entry by entry, if its condition consists of comparisons; else as a call."""
    condition, yes, no = map(self.top, expr.args)
    parts = condition.factors if isinstance(condition, tree.Hadamard) and not condition.below else (condition,)
    relations = tuple(part.relation for part in parts if isinstance(part, tree.Indicator))
    if len(relations) < len(parts):
        return Factors(matrix=tree.Call("where", (condition, yes, no)))
    shown = relations[0] if len(relations) == 1 else tree.Compound("and", relations)
    return Factors(matrix=tree.Cases((tree.Case(yes, shown), tree.Case(no, None))))


def squared(expr: Basic) -> Basic | None:
    """The matrix whose squared entries the scalar sums, if there is one."""
    product = expr.arg if isinstance(expr, sp.Trace) else expr.parent if isinstance(expr, MatrixElement) else None
    match product.args if isinstance(product, sp.MatMul) else ():
        case (sp.Transpose(arg=base), other) | (other, sp.Transpose(arg=base)) if base == other:
            return other
    return None


def norm(self: Orderer, matrix: Basic) -> tree.Norm:
    """The norm of a matrix, up to its sign."""
    inner = self.top(matrix)
    return tree.Norm(inner.body if isinstance(inner, tree.Minus) else inner)


def _trace(self: Orderer, expr: Any) -> Factors:
    if (matrix := squared(expr)) is not None:
        return Factors(above=(tree.Raised(norm(self, matrix), tree.Leaf(sp.Integer(2))),))
    return Factors(above=(tree.Call("tr", (self.top(expr.arg),)),))


def _element(self: Orderer, expr: Any) -> Factors:
    """The entry of a 1 x 1 product is that product; an entry of a matrix symbol is a leaf."""
    if (matrix := squared(expr)) is not None and not isinstance(matrix, sp.MatrixSymbol):
        return _trace(self, expr)
    if expr.parent.shape == (1, 1):
        inner = self.factors(expr.parent)
        return self.merged([inner]) * Factors(above=(inner.matrix,) if inner.matrix else ())
    return Factors(above=(tree.Leaf(expr),))


MATRICES: tuple[tuple[type | tuple[type, ...], Callable[[Orderer, Any], Factors]], ...] = (
    ((sp.MatrixSymbol, sp.OneMatrix, sp.ZeroMatrix, sp.Identity), _matrix_leaf),
    (sp.MatMul, _matrix_product),
    (sp.HadamardProduct, _hadamard),
    (sp.HadamardPower, _hadamard_power),
    (sp.Transpose, _transpose),
    (ElementwiseApplyFunction, _entrywise),
    (Choice, _choice),
    ((DiagMatrix, DiagonalOf), lambda self, expr: Factors(matrix=tree.Call("diag", (self.top(expr.args[0]),)))),
    (Applied, _applied),
    (sp.Trace, _trace),
    (MatrixElement, _element),
    (MatrixBase, lambda self, expr: Factors(matrix=tree.Grid(tuple(tuple(map(self.top, r)) for r in expr.tolist())))),
)
"""Class -> what makes factors of it."""
