"""The ordering pass keeps the value of an expression, and orders by rank and never by name."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

import numpy as np
import pytest
from classifier import logits, normaliser
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from records import C, D, L, N, P, S, W, X, Y, Z, b, c, cross_entropy, d, j, k, m, n
from sympy import (
    Add,
    Expr,
    HadamardPower,
    HadamardProduct,
    Identity,
    Integer,
    Integral,
    KroneckerDelta,
    MatAdd,
    MatMul,
    MatrixSymbol,
    Mul,
    OneMatrix,
    Piecewise,
    Pow,
    Rational,
    Sum,
    Symbol,
    Transpose,
    ZeroMatrix,
    exp,
    log,
    sqrt,
)
from sympy.core.basic import Basic
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.tensor.indexed import Idx

from symgrad.equations import abbreviation, node
from symgrad.errors import UnsupportedError
from symgrad.notation import Array, axis_name, bound_indices
from symgrad.program import Program
from symgrad.render import tree
from symgrad.render.order import ordered
from symgrad.render.symbols import Vocabulary, vocabulary
from symgrad.render.text import expression_text

SIZES = {"N": 4, "D": 3, "C": 2}  # N is a square, so that its root is exact
Values = Any  # a Fraction, or an array of them


def formal(name: str, value: Fraction) -> Fraction:
    """Some function, the same for equal values: all that the ordering may know of an exponential."""
    return Fraction(hash((name, value)) % 999983 + 1, 97)


def raised(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        return base**exponent.numerator
    if exponent < 0:
        return 1 / raised(base, -exponent)
    if base.denominator == 1 and isqrt(abs(base.numerator)) ** 2 == base and exponent.denominator == 2:
        return Fraction(isqrt(base.numerator)) ** exponent.numerator
    return formal(f"power {exponent}", base)


def extents(matrix: Expr) -> list[int]:
    return [SIZES[str(size)] if size.is_Symbol else int(size) for size in matrix.shape]


class Point:
    """An assignment of values to entries and of numbers to free indices."""

    def __init__(self, indices: dict[Idx, int]) -> None:
        self.indices = indices

    def leaf(self, expr: Basic) -> Values:
        if expr.is_Number:
            return Fraction(int(expr.p), int(expr.q))
        if isinstance(expr, MatrixSymbol):
            rows, columns = extents(expr)
            entries = [[formal(f"{expr.name}{i}{q}", Fraction(0)) for q in range(columns)] for i in range(rows)]
            return np.array(entries, dtype=object)
        if isinstance(expr, OneMatrix):
            return np.full(extents(expr), Fraction(1), dtype=object)
        if isinstance(expr, Identity):
            rows, _ = extents(expr)
            return np.array([[Fraction(i == q) for q in range(rows)] for i in range(rows)], dtype=object)
        if expr.is_Symbol and expr.is_integer:
            return Fraction(SIZES[expr.name])
        at = tuple(self.indices[i] for i in expr.indices) if hasattr(expr, "indices") else ()
        name = expr.base.name if at else str(expr)
        return formal(f"entry {name}{at}", Fraction(0))

    def total(self, indices: tuple[Idx, ...], body: Any, value: Any) -> Values:
        spans = product(*(range(SIZES[axis_name(i)]) for i in indices))
        inner = (Point(self.indices | dict(zip(indices, at, strict=True))) for at in spans)
        return sum((value(point, body) for point in inner), Fraction(0))


def applied(name: str, value: Values) -> Values:
    return entrywise(lambda v: formal(name, v), value)


def entrywise(function: Callable[[Fraction], Fraction], value: Values) -> Values:
    return np.vectorize(function, otypes=[object])(value) if _is_array(value) else function(value)


def composed(body: Expr, value: Fraction) -> Fraction:
    """Functions of functions of a variable, at a value."""
    return value if body.is_Symbol else formal(body.func.__name__, composed(body.args[0], value))


def _is_array(value: Values) -> bool:
    return isinstance(value, np.ndarray)


def value_of_sympy(point: Point, expr: Basic) -> Values:
    """The value of an expression, straight from SymPy's nodes."""

    def go(e: Basic) -> Values:
        return value_of_sympy(point, e)

    match expr:
        case MatAdd() | Add():
            return sum((go(a) for a in expr.args[1:]), go(expr.args[0]))
        case MatMul() | Mul():
            parts = [go(a) for a in expr.args]
            found = parts[0]
            for part in parts[1:]:
                found = found @ part if _is_array(found) and _is_array(part) else found * part
            return found
        case Sum():
            return point.total(bound_indices(expr), expr.function, value_of_sympy)
        case KroneckerDelta():
            return Fraction(point.indices[expr.args[0]] == point.indices[expr.args[1]])
        case HadamardProduct():
            found = go(expr.args[0])
            for arg in expr.args[1:]:
                found = found * go(arg)
            return found
        case HadamardPower():
            return entrywise(lambda v: raised(v, go(expr.exp)), go(expr.base))
        case Transpose():
            return go(expr.arg).T
        case Pow():
            return raised(go(expr.base), go(expr.exp))
    if expr.is_Function:
        return applied(expr.func.__name__, go(expr.args[0]))
    if isinstance(expr, ElementwiseApplyFunction):
        return entrywise(lambda v: composed(expr.function.expr, v), go(expr.expr))
    return point.leaf(expr)


def value_of_tree(point: Point, node: tree.Node) -> Values:
    """The value of a shown formula, straight from its nodes."""

    def go(shown: tree.Node) -> Values:
        return value_of_tree(point, shown)

    def times(factors: Any, matrices: bool) -> Values:
        found = go(factors[0])
        for factor in factors[1:]:
            part = go(factor)
            found = found @ part if matrices else found * part
        return found

    match node:
        case tree.Leaf(expr):
            return point.leaf(expr)
        case tree.Delta(left, right):
            return Fraction(point.indices[left] == point.indices[right])
        case tree.Minus(body):
            return -go(body)
        case tree.Plus(terms):
            return sum((go(t) for t in terms[1:]), go(terms[0]))
        case tree.Times(factors):
            return times(factors, False)
        case tree.Chain(factors):
            return times(factors, True)
        case tree.Hadamard(factors, below):
            found = times(factors, False)
            for divisor in below:
                found = found / go(divisor)
            return found
        case tree.HadamardRaised(base, exponent):
            return entrywise(lambda v: raised(v, go(exponent)), go(base))
        case tree.Ratio(above, below):
            return go(above) / go(below)
        case tree.Raised(base, exponent):
            return raised(go(base), go(exponent))
        case tree.Root(body):
            return entrywise(lambda v: raised(v, Fraction(1, 2)), go(body))
        case tree.Call(function, (arg,)):
            return applied(function, go(arg))
        case tree.Summed(indices, body):
            return point.total(indices, body, value_of_tree)
        case tree.Transposed(body):
            return go(body).T
    raise AssertionError(f"no value for {node}")


NAMES = vocabulary(cross_entropy())
POINT = Point({n: 0, m: 0, d: 1, k: 1, c: 1, j: 0})
OTHER = Point({n: 2, m: 3, d: 0, k: 0, c: 1, j: 1})
LAMBDA = Array("lambda_").base


def assert_same_value(expr: Expr) -> None:
    trees = [ordered(expr, NAMES, as_written=as_written) for as_written in (False, True)]
    for point in (POINT, OTHER):
        try:
            expected = value_of_sympy(point, expr)
        except ZeroDivisionError:
            reject()
        for shown in trees:
            assert np.all(value_of_tree(point, shown) == expected), expression_text(expr)


atoms = st.sampled_from(
    [
        *(X[n, d], X[n, d], Y[n, k], P[n, k], P[n, c], Z[m, c], b[k], S[n], LAMBDA, W[d, k]),
        *(KroneckerDelta(n, m), KroneckerDelta(k, c)),
        *(Integer(2), Integer(-1), Integer(-6), Rational(2, 3), N.size, C.size, 1 / N.size, 1 / (N.size * C.size)),
        *(sqrt(N.size), 1 / sqrt(N.size), sqrt(S[n] + LAMBDA), 1 / S[n], exp(Z[n, k]), exp(-Z[n, k]), log(P[n, k])),
    ]
)


def compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    some = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        some.map(lambda parts: Add(*parts)),
        some.map(lambda parts: Mul(*parts)),
        inner.map(lambda e: -e),
        inner.map(lambda e: e**2),
        st.tuples(inner, st.sampled_from([k, n])).map(lambda pair: Sum(pair[0], pair[1])),
        inner.map(lambda e: exp(e) if e.is_Add else e),
    )


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.recursive(atoms, compound, max_leaves=9))
def test_a_tree_has_the_value_of_its_expression(expr: Expr) -> None:
    assert_same_value(expr)


square = st.sampled_from([P.matrix, Y.matrix, Z.matrix, OneMatrix(N.size, C.size), MatMul(X.matrix, W.matrix)])


def compound_matrix(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    two = st.tuples(inner, inner)
    ones = OneMatrix(C.size, 1)
    return st.one_of(
        two.map(lambda p: MatAdd(*p)),
        two.map(lambda p: MatAdd(p[0], MatMul(Integer(-1), p[1]))),
        two.map(lambda p: HadamardProduct(*p)),
        two.map(lambda p: HadamardProduct(p[0], HadamardPower(p[1], Integer(-1)))),
        inner.map(lambda e: MatMul(Rational(-2) / N.size, e)),
        inner.map(lambda e: MatMul(e, ones, Transpose(ones))),
        inner.map(lambda e: HadamardPower(e, Integer(2))),
        inner.map(lambda e: Transpose(Transpose(e) * Identity(N.size))),
        inner.map(lambda e: e.applyfunc(exp)),
        two.map(lambda p: MatMul(p[0], Transpose(p[1]), P.matrix)),
        two.map(lambda p: HadamardProduct(p[0], MatMul(HadamardPower(S.matrix, Integer(-1)), Transpose(ones)))),
    )


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.recursive(square, compound_matrix, max_leaves=5))
def test_a_tree_has_the_value_of_its_matrix_expression(expr: Expr) -> None:
    if expr.has(ZeroMatrix):
        reject()
    assert_same_value(expr)


def test_a_wrong_tree_is_told_apart() -> None:
    shown = ordered(P[n, k] - Y[n, k], NAMES)
    assert value_of_tree(POINT, shown) != value_of_sympy(POINT, Y[n, k] - P[n, k])


def renamed(names: dict[str, str], expr: Expr) -> tuple[Program, Expr]:
    """The cross-entropy program and an expression with other names for the arrays."""
    arrays = {a.name: a for a in (X, W, b, Y, Z, S, P, L)}
    swap = {a.base: Array(names[name], a.axes).base for name, a in arrays.items()}
    equations = [
        logits(),
        normaliser(),
        abbreviation(P[n, k], exp(Z[n, k]) / S[n]),
        node(L.base, -Sum(Y[n, k] * log(P[n, k]), n, k) / N.size),
    ]
    return (
        Program(
            "renamed",
            (N, D, C),
            tuple(Array(names[a.name], a.axes) for a in (X, W, b, Y)),
            tuple(type(e)(e.entry.xreplace(swap), e.rhs.xreplace(swap), e.is_node) for e in equations),
            names["L"],
        ),
        expr.xreplace(swap),
    )


LINES = [
    (P[m, c] - Y[m, c]) / N.size,
    -Sum(Y[m, k] * (KroneckerDelta(k, c) - P[m, c]), k) / N.size,
    Sum(X[n, d] * W[d, k], d) + b[k],
    Sum(Y[n, k] * log(P[n, k]) / S[n], n, k) - P[n, c] * W[d, k] * X[n, d],
]


@pytest.mark.parametrize("expr", LINES)
def test_the_order_does_not_depend_on_names(expr: Expr) -> None:
    first = dict(zip("XWbYZSPL", "XWbYZSPL", strict=True))
    greek = ["omega", "alpha", "theta", "beta", "mu", "kappa", "gamma", "eta"]
    second = dict(zip("XWbYZSPL", greek, strict=True))
    (program, given_expr), (other, other_expr) = renamed(first, expr), renamed(second, expr)
    back = str.maketrans("ωαθβμκγη", "xwbyzSpL")
    assert expression_text(other_expr, other).translate(back) == expression_text(given_expr, program)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(UnsupportedError, match="Integral"):
        ordered(Integral(Symbol("x"), Symbol("x")), NAMES)


def test_cases_keep_their_order() -> None:
    shown = ordered(Piecewise((X[n, d], X[n, d] > 0), (0, True)), NAMES)
    assert isinstance(shown, tree.Cases)
    assert shown.cases[1].condition is None


def test_a_root_of_roots_is_read_once_at_each_depth() -> None:
    root = Symbol("x", positive=True)
    for _ in range(40):
        root = sqrt(1 + root)
    assert str(ordered(root, Vocabulary())).count("Root(") == 40
