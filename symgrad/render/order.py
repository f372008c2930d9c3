"""From SymPy expressions to a ``tree`` in reading order: signs, content, factors, terms, brackets.

SymPy distributes numbers and sorts arguments, so the reading order is made here, from the rank that the program gives
its arrays and never from their names. A tree has the same value as its expression.

A product reads: sign, fraction of numbers and sizes, scalars, entries, exponentials, deltas, brackets, functions,
adjoints, sums (see ``sort_keys``). In a bracket the delta, else the constant, else the latest array is positive; a
definition keeps the signs of its author.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul
from typing import Any

import sympy as sp
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.miscellaneous import MinMaxBase
from sympy.tensor.indexed import Idx

from symgrad.engine.named_functions import clipped, named
from symgrad.errors import UnsupportedError
from symgrad.functions import MEANINGS, absolute, reciprocal, root, selected, selection, where
from symgrad.matrix_functions import det, inverse, logdet
from symgrad.notation import Array, axis_name, bound_indices, entry_of, sum_over
from symgrad.piecewise import relation_of
from symgrad.program import Program
from symgrad.render import tree
from symgrad.render.factors import Factors, absorb_sign, bracketed, compose, powered
from symgrad.render.matrix_order import MATRICES, norm, squared
from symgrad.render.sort_keys import Keys
from symgrad.render.symbols import Vocabulary, summed_index
from symgrad.special_functions import position_of
from symgrad.steps import Differentiated, Largest, MatrixTotal, MatrixValue, Partial, Subject, Total, Value


def ordered(expr: Basic, names: Vocabulary, *, matrix: bool | None = None, as_written: bool = False) -> tree.Node:
    """An expression (scalar, matrix expression or explicit matrix) in reading order.

    ``matrix``: matrix notation (default: if the expression contains matrices). There the adjoint of a scalar is
    printed as a letter, not as a derivative. ``as_written`` keeps the signs of brackets, as the author wrote them.
    Raises ``UnsupportedError`` for a class of expressions that cannot be printed.
    """
    if names.names_functions and not as_written and isinstance(expr, sp.Expr):
        expr = named(expr)
    return _Orderer(names, expr.has(sp.MatrixExpr) if matrix is None else matrix, as_written).top(expr)


def left_side(subject: Subject | Largest, program: Program, names: Vocabulary) -> tree.Node:
    """The left side of the lines about a subject."""
    output = tree.Leaf(program.arrays[program.output].base)
    match subject:
        case Value(expr) | Largest(expr):
            return ordered(expr, names)
        case Differentiated(of, wrt):
            matrix = program.arrays[program.definitions[of.base.name].rhs.matrix]
            k = summed_index(of, program, wrt.indices)
            slope = tree.Slope(tree.Leaf(of.base[k, of.indices[1]]), tree.Leaf(wrt))
            return tree.Summed((k,), tree.Times((tree.Leaf(matrix[of.indices[0], k]), slope)))
        case Partial(of, wrt):
            return tree.Slope(ordered(of, names), ordered(wrt, names))
        case Total(wrt):
            return tree.Slope(output, ordered(wrt, names))
        case MatrixValue(array):
            return tree.Leaf(array.matrix)
        case MatrixTotal(array):
            return tree.Slope(output, tree.Leaf(array.matrix))


def defining(entry: sp.Indexed, call: inverse, program: Program, names: Vocabulary) -> tuple[tree.Node, tree.Node]:
    """The sides of the equation that defines an inverse, ``sum_k a_ik b_kj = delta_ij``."""
    i, j = entry.indices
    k = summed_index(entry, program)
    total = sum_over(program.arrays[call.matrix][i, k] * entry.base[k, j], [k])
    return ordered(total, names, as_written=True), ordered(sp.KroneckerDelta(i, j), names)


class _Orderer:
    """Takes expressions apart into factors, by the table of classes at the end of this module."""

    def __init__(self, names: Vocabulary, matrix: bool, as_written: bool) -> None:
        self.names = names
        self.matrix = matrix
        self.as_written = as_written
        self.keys = Keys(names)
        self.tops: dict[Basic, tree.Node] = {}
        self.products: dict[Basic, Factors] = {}

    def top(self, expr: Basic) -> tree.Node:
        """A whole side of an equation, or the argument of a function; computed once for each expression."""
        if not isinstance(expr, Basic):  # an explicit matrix, which has no hash
            return self._top(expr)
        if expr not in self.tops:
            self.tops[expr] = self._top(expr)
        return self.tops[expr]

    def _top(self, expr: Basic) -> tree.Node:
        factors = self.bracketed(expr.args, top=True) if isinstance(expr, (sp.Add, sp.MatAdd)) else self.factors(expr)
        node = compose(factors, self.keys)
        if self.as_written or not isinstance(node, tree.Minus):
            return node
        return absorb_sign(node.body, self.keys, inputs_only=False) or node

    def bracketed(self, terms: Sequence[Basic], *, top: bool = False) -> Factors:
        """A sum of terms."""
        return bracketed([self.factors(term) for term in terms], self.keys, top=top, as_written=self.as_written)

    def slope(self, array: Array, indices: Sequence[Idx]) -> Factors:
        """The adjoint of an array as the derivative of the output."""
        assert self.names.output is not None
        return Factors(above=(tree.Slope(tree.Leaf(self.names.output), tree.Leaf(array[tuple(indices)])),))

    def factors(self, expr: Basic) -> Factors:
        """The factors of an expression, by the first entry of the table that has its class; computed once."""
        if isinstance(expr, Basic) and expr in self.products:
            return self.products[expr]
        take = next((take for kind, take in _TABLE if isinstance(expr, kind)), None)
        if take is None:
            raise UnsupportedError(f"no rule to print {expr} ({type(expr).__name__})")
        factors = take(self, expr)
        if isinstance(expr, Basic):
            self.products[expr] = factors
        return factors

    def node(self, expr: Basic) -> tree.Node:
        """An expression as part of a larger expression: a bracket in it may change its signs."""
        return compose(self.factors(expr), self.keys)

    def mapped(self, variable: Basic, body: Basic, argument: tree.Node) -> tree.Node:
        """A function of one variable applied to every entry of ``argument``; nested calls as calls."""
        if body == variable:
            return argument
        if isinstance(body, sp.Function) and not any(arg.has(variable) for arg in body.args[1:]):
            return self.called(
                body, lambda part: self.mapped(variable, part, argument) if part.has(variable) else self.top(part)
            )
        return tree.Mapped(tree.Leaf(variable), self.top(body), argument)

    def called(self, expr: sp.Function, show: Callable[[Basic], tree.Node]) -> tree.Node:
        """A function, its arguments shown by ``show``."""
        meaning, args = MEANINGS.get(expr.func), expr.args
        if relation := relation_of(expr.func, *args):
            sign, left, right = relation
            if _is_relative(left - right):  # letters count from 1, which does not matter between them
                left, right = (side.replace(position_of, lambda index: index) for side in (left, right))
            return tree.Indicator(tree.Relation(sign, show(left), show(right)))
        if isinstance(expr, absolute):
            return tree.Bars(show(args[0]))
        shown = 3 if expr.func == clipped else meaning.shown if meaning else None
        return tree.Call(type(expr).__name__, tuple(map(show, args[:shown])))

    def merged(self, parts: Sequence[Factors]) -> Factors:
        """The product of the factors of the parts, without their matrices."""
        return reduce(mul, (Factors(p.number, p.constants, p.above, p.below) for p in parts), Factors())


# --- scalars ---------------------------------------------------------------------------------------------


def _symbol(self: _Orderer, expr: Any) -> Factors:
    if expr.is_integer:
        return Factors(constants={expr: sp.S.One})
    array = None if self.matrix else self.names.adjoints.get(expr.name)
    return self.slope(array, ()) if array and not array.axes else Factors(above=(tree.Leaf(expr),))


def _entry(self: _Orderer, expr: Any) -> Factors:
    array = self.names.adjoints.get(str(expr.base.name))
    return self.slope(array, expr.indices) if array else Factors(above=(tree.Leaf(expr),))


def _add(self: _Orderer, expr: Any) -> Factors:
    return self.bracketed(expr.args)


def _power(self: _Orderer, expr: Any) -> Factors:
    base, exponent = expr.args
    if not isinstance(exponent, sp.Rational):
        return Factors(above=(tree.Raised(self.top(base), self.top(exponent)),))
    if (matrix := squared(base)) is not None and (exponent.q == 2 or isinstance(base, sp.Trace)):
        shown = (powered(norm(self, matrix), abs(2 * exponent)),)
        return Factors(below=shown) if exponent.is_negative else Factors(above=shown)
    inner = self.factors(base)
    if isinstance(exponent, sp.Integer):
        node = compose(inner.without_content, self.keys)
        constants = {b: e * exponent for b, e in inner.constants.items()}
        outer = Factors(inner.number**exponent, constants)
    elif (isinstance(base, sp.Symbol) and base.is_integer) or (
        isinstance(base, (sp.Integer, sp.NumberSymbol)) and base > 0
    ):
        return Factors(constants={base: exponent})
    else:
        node, outer = self.top(base), Factors()
    if node == tree.Leaf(sp.S.One):
        return outer
    shown = (powered(node, abs(exponent)),)
    return outer * (Factors(below=shown) if exponent.is_negative else Factors(above=shown))


def _sum(self: _Orderer, expr: Any) -> Factors:
    body = self.factors(expr.function)
    names = self.names
    indices = sorted(bound_indices(expr), key=lambda i: (names.axis_order(axis_name(i)), names.index_order(i)))
    inner = compose(body.without_content, self.keys)
    if body.number == 0:
        return Factors(above=(tree.Summed(tuple(indices), tree.Leaf(sp.S.Zero)),))
    return body.content * Factors(above=(tree.Summed(tuple(indices), inner),))


def _call(self: _Orderer, expr: Any) -> Factors:
    return Factors(above=(self.called(expr, self.top),))


def _determinant(self: _Orderer, expr: Any) -> Factors:
    """A determinant, or the logarithm of its absolute value, of a matrix by its name."""
    known = self.names.arrays.get(expr.matrix)
    shown: tree.Node = tree.Call("det", (tree.Leaf(known.matrix if known else sp.MatrixSymbol(expr.matrix, 2, 2)),))
    return Factors(above=(tree.Call("log", (tree.Bars(shown),)) if isinstance(expr, logdet) else shown,))


def _selection(self: _Orderer, expr: Any) -> Factors:
    row, index = expr.args
    return Factors(above=(tree.Share(index, (self.top(row),)),))


def _selected(self: _Orderer, expr: Any) -> Factors:
    position, *entries = expr.args
    return Factors(above=(tree.Share(position + 1, tuple(map(self.top, entries))),))


def _extreme(self: _Orderer, expr: Any) -> Factors:
    args = sorted((self.top(arg) for arg in expr.args), key=self.keys.spelled)
    return Factors(above=(tree.Call(type(expr).__name__, tuple(args)),))


def _cases(self: _Orderer, expr: Any) -> Factors:
    cases = [tree.Case(self.top(value), None if c == sp.S.true else self.top(c)) for value, c in expr.args]
    return Factors(above=(tree.Cases(tuple(cases)),))


def _where(self: _Orderer, expr: Any) -> Factors:
    """A choice as cases if its condition consists of comparisons, else as a call."""
    condition, yes, no = expr.args
    if (shown := _condition(self, condition, True)) is None:
        return _call(self, expr)
    return Factors(above=(tree.Cases((tree.Case(self.top(yes), shown), tree.Case(self.top(no), None))),))


def _is_relative(expr: sp.Expr) -> bool:
    """Whether an expression depends only on how far positions are from each other."""
    calls = expr.atoms(position_of)
    return bool(calls) and (expr.xreplace({call: call + 1 for call in calls}) - expr).expand() == 0


_CONTRARY = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _condition(self: _Orderer, expr: Basic, holds: bool) -> tree.Node | None:
    """The condition under which an indicator is 1 (with ``holds`` false: is 0); None if it does not consist of
    comparisons."""
    if isinstance(expr, sp.Mul):
        parts = tuple(part for arg in expr.args if (part := _condition(self, arg, holds)) is not None)
        return tree.Compound("and" if holds else "or", parts) if len(parts) == len(expr.args) else None
    if isinstance(expr, sp.Add):
        return None if isinstance(1 - expr, sp.Add) else _condition(self, 1 - expr, not holds)
    if isinstance(expr, sp.Pow):  # a repeated condition
        return _condition(self, expr.base, holds)
    if isinstance(expr, sp.KroneckerDelta):
        return tree.Relation("==", self.top(expr), self.top(sp.Integer(holds)))
    shown = self.called(expr, self.top) if isinstance(expr, sp.Function) else None
    if not isinstance(shown, tree.Indicator):
        return None
    relation = shown.relation
    return relation if holds else tree.Relation(_CONTRARY[relation.sign], relation.left, relation.right)


_TABLE: tuple[tuple[type | tuple[type, ...], Callable[[_Orderer, Any], Factors]], ...] = (
    # SymPy's MatMul is a Mul and its MatAdd an Add: the matrix classes come first.
    (sp.MatAdd, _add),
    *MATRICES,
    (sp.Number, lambda _, expr: Factors(number=expr) if expr.is_finite else Factors(above=(tree.Leaf(expr),))),
    (sp.Symbol, _symbol),
    (sp.NumberSymbol, lambda _, expr: Factors(constants={expr: sp.S.One})),
    (sp.Indexed, _entry),
    (sp.KroneckerDelta, lambda self, d: Factors(above=(tree.Delta(*sorted(d.args, key=self.names.index_order)),))),
    (Idx, lambda _, expr: Factors(above=(tree.Leaf(expr),))),
    (position_of, lambda self, expr: self.factors(sp.Add(expr.args[0], -1))),
    (sp.Add, _add),
    (sp.Mul, lambda self, expr: reduce(mul, map(self.factors, expr.args), Factors())),
    (sp.Pow, _power),
    (sp.Sum, _sum),
    (sp.Piecewise, _cases),
    (MinMaxBase, _extreme),
    (Relational, lambda self, e: Factors(above=(tree.Relation(e.rel_op, self.top(e.lhs), self.top(e.rhs)),))),
    (inverse, lambda self, e: self.factors(entry_of(e.inverse, e.args[2:]))),
    ((det, logdet), _determinant),
    (selection, _selection),
    (selected, _selected),
    (where, _where),
    (root, lambda self, expr: self.factors(sp.Pow(*expr.args, sp.S.Half))),
    (reciprocal, lambda self, expr: self.factors(sp.Pow(*expr.args, -1))),
    (sp.Function, _call),
)
