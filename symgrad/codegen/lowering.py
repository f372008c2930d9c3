"""Lowers index expressions to array programs: sums of products become contractions, sums over axes and broadcasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Rational, S, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx
from sympy.utilities.iterables import sift

from symgrad.codegen import array_program as ir
from symgrad.codegen.array_program import number as literal
from symgrad.codegen.operations import added, call, contracted, power, product, reading_order, reduced, signed
from symgrad.codegen.plan.schedule import Assignment
from symgrad.codegen.plan.stable_functions import KNOWN, meant, weighted
from symgrad.engine.named_functions import FORMULAS
from symgrad.engine.summation import contract, has_delta
from symgrad.errors import UnsupportedError
from symgrad.functions import selection
from symgrad.matrix_functions import OF_MATRICES
from symgrad.names import scientific
from symgrad.notation import array_names, axis_name, bound_indices, free_indices, freshen, parts_of, sum_over
from symgrad.program import Program
from symgrad.special_functions import position_of

Nodes = Sequence[ir.Node]
CLOSE = Rational(1, 1000)
"""Two numbers closer than this are taken to be one that cancels, and a small remainder."""


class Lowering:
    """Lowers expressions over ``arrays``, which maps each name to a node with indices of its own, at first the inputs
    of ``program``. ``letters`` are the indices of each array in the order of its axes; its layout may differ.
    While ``rows`` names an axis, arrays hold a block of it, with ``count`` entries, and it is last in every layout."""

    def __init__(self, program: Program) -> None:
        self.arrays: dict[str, ir.Node] = {}
        self.letters: dict[str, ir.Layout] = {}
        self.axes = [axis.name for axis in program.axes]
        self.rows = ""
        self.count = ""
        for array in program.inputs:
            letters = tuple(axis.index(f"_{position}") for position, axis in enumerate(array.axes))
            self.store(array.name, letters, letters)

    def know(self, name: str, node: ir.Node, letters: ir.Layout) -> None:
        """Use ``node`` for the array ``name``, whose axes have the indices ``letters``."""
        self.arrays[name], self.letters[name] = node, letters

    def store(self, name: str, layout: ir.Layout, letters: ir.Layout) -> None:
        """The same for a stored array whose axes are laid out in the order of ``layout``."""
        self.know(name, ir.Load(layout, name, letters, len(self.arrays)), letters)

    def lowered(self, expr: Expr, order: Sequence[Idx]) -> ir.Node:
        """The node of ``expr``; ``order`` breaks ties among layouts. ``UnsupportedError`` for an unknown function."""
        for axis in sorted({axis_name(i) for part in parts_of(expr, Sum) for i in bound_indices(part)}):
            if has_delta(expr, axis):
                expr = contract(expr, axis, opened=False)
        return self._node(freshen(expr), self.layout(order))

    def right_side(self, equation: Assignment) -> ir.Node:
        """The node of the right side of an equation."""
        node = self.lowered(equation.rhs, equation.indices + equation.over)
        return reduced(node, equation.over, equation.name) if equation.over else node

    def layout(self, indices: Iterable[Idx]) -> ir.Layout:
        """The indices in the order in which the axes of an array are laid out."""
        return tuple(sorted(indices, key=lambda i: axis_name(i) == self.rows))

    def extent(self, index: Idx) -> Expr:
        """The number of entries along an index, within the current block of rows."""
        return ir.size(self.count) if axis_name(index) == self.rows else index.upper + 1

    def _node(self, expr: Basic, order: ir.Layout) -> ir.Node:
        if is_plain(expr):
            return self._plain(expr)
        if isinstance(expr, Symbol):
            return self.arrays[expr.name]
        if isinstance(expr, Indexed):
            return self._entry(expr)
        if isinstance(expr, KroneckerDelta):
            row, column = sorted(expr.args[:2], key=lambda i: order.index(i) if i in order else len(order))
            return ir.Delta((row, column), self.extent(row))
        if isinstance(expr, position_of):
            return ir.Positions(expr.args, self.extent(*expr.args))
        if isinstance(expr, Add):
            return self._terms(expr, order)
        if isinstance(expr, (Mul, Sum)) or is_quotient(expr):
            return self._product(expr, order)
        if isinstance(expr, Pow):
            return power(self._node(expr.base, order), self._node(expr.exp, order))
        if isinstance(expr, selection):
            row, index = expr.args
            of = self._node(row, order)
            return ir.Largest(of.letters, of, index)
        if isinstance(expr, OF_MATRICES):
            of, letters = self.arrays[expr.matrix], self.letters[expr.matrix]
            assert isinstance(of, ir.Load)  # an inverted matrix is an input or has an equation
            return ir.OfMatrix(expr.args[2:], expr.func, of, letters, expr.inverse)
        if expr.func in KNOWN or expr.func in FORMULAS:
            return call(expr.func, [self._node(arg, order) for arg in expr.args], self.layout(order))
        raise UnsupportedError(f"no NumPy function is known for {expr.func.__name__} in {expr}")

    def _terms(self, expr: Add, order: ir.Layout) -> ir.Node:
        """A sum entry by entry, with a factor that all terms share in front. Terms that SymPy expanded or added are
        regrouped where they would lose digits: -10^9 + 10^9 q + z becomes z - 10^9 (1 - q), and 1 + 10^-8 - p becomes
        (1 - p) + 10^-8."""
        number, terms = expr.as_coeff_Add(rational=True)
        sizes = {term: abs(term.as_coeff_Mul(rational=True)[0]) for term in Add.make_args(terms)}
        scale = next((size for size in sizes.values() if 0 < abs(abs(number) / size - 1) <= CLOSE), abs(number))
        scaled_terms = [term for term, size in sizes.items() if size == scale]
        scale = scale if number > 0 else -scale
        others = [*(term for term in sizes if term not in scaled_terms), *([number - scale] if number != scale else [])]
        if number and scaled_terms and others and (abs(scale) != 1 or number != scale):
            bracket = Add(S.One, *(term / scale for term in scaled_terms))
            grouped = self._times(scale, [self._node(bracket, order)], order=order)
            return added([*(self._node(term, order) for term in others), grouped], order)
        content, rest = expr.primitive()
        if any(map(scientific, expr.as_coefficients_dict().values())):  # else the other numbers would become large
            content, rest = S.One, expr
        value = added([self._node(term, order) for term in rest.args], order)
        return self._times(content, [value], order=order)

    def _plain(self, expr: Basic) -> ir.Node:
        """A number made of sizes: a literal, a name, or arithmetic of numbers."""
        if isinstance(expr, Symbol):
            return literal(expr)
        if expr.is_number:
            value = meant(expr)
            return signed(literal(abs(value)), bool(value < 0))
        if isinstance(expr, Add):
            return added([self._plain(term) for term in expr.args])
        if isinstance(expr, Mul) or is_quotient(expr):
            return self._times(expr)
        if isinstance(expr, Pow):
            return power(self._plain(expr.base), self._plain(expr.exp))
        return ir.Call((), expr.func, tuple(self._plain(arg) for arg in expr.args))

    def _times(self, number: Expr, over: Nodes = (), under: Nodes = (), order: ir.Layout = ()) -> ir.Node:
        """A number made of sizes times the nodes ``over``, divided by the nodes ``under``."""
        coefficient, rest = number.as_coeff_Mul()
        is_small = not coefficient.is_Integer and scientific(coefficient) is not None
        numerator, denominator = (coefficient, 1) if is_small else (coefficient.p, coefficient.q)
        above: list[ir.Node] = [] if abs(numerator) == 1 else [literal(abs(Rational(numerator)))]
        below: list[ir.Node] = [] if denominator == 1 else [literal(int(denominator))]
        sizes = sorted(Mul.make_args(rest), key=self._place_of_axis) if rest != 1 else []
        above += [self._plain(factor) for factor in sizes if not is_quotient(factor)]
        below += [self._plain(1 / factor) for factor in sizes if is_quotient(factor)]
        if above and below and over:  # numbers are multiplied together before they meet an array
            above, below = [product(above, below)], []
        return signed(product([*above, *over], [*below, *under], order), bool(coefficient < 0))

    def _place_of_axis(self, factor: Expr) -> tuple[int, str]:
        """Sort sizes by the program's axes; the size of a block comes in the place of its rows."""
        names = (self.rows if size.name == self.count else size.name for size in factor.free_symbols)
        return min((self.axes.index(name) for name in names), default=-1), str(factor)

    def _entry(self, entry: Indexed) -> ir.Node:
        """The array of an entry, over the indices of the entry."""
        node = self.arrays[entry.base.name]
        letters = dict(zip(self.letters[entry.base.name], entry.indices, strict=True))
        if len(set(entry.indices)) < len(entry.indices):
            at = tuple(letters[i] for i in node.letters)
            return ir.Diagonal(tuple(dict.fromkeys(at)), node, at)
        return ir.relettered(node, letters)

    def _product(self, expr: Expr, order: ir.Layout) -> ir.Node:
        """A product under sums: its coefficient, and its factors contracted index by index."""
        every, summed = _flattened(expr)
        numbers, factors = sift(every, is_plain, binary=True)
        coefficient = Mul(*numbers)
        is_weighted = len(factors) == 1 and isinstance(factors[0], weighted)
        if summed and is_weighted and set(summed) == free_indices(factors[0]):
            inside = self._node(factors[0], (*order, *summed))
            return self._times(coefficient, [reduced(inside, inside.letters)])
        wide = next((f for f in factors if isinstance(f, Add) and _is_spread(f)), None)
        if wide is not None and summed:
            rest = Mul(coefficient, *(f for f in factors if f is not wide))
            return self._node(Add(*(sum_over(rest * term, summed) for term in wide.args)), order)
        unused = {i for i in summed if not any(i in free_indices(f) for f in factors)}
        coefficient = Mul(coefficient, *(self.extent(i) for i in unused))
        coefficient, factors = self._turned(coefficient, factors)
        nodes = [(self._node(1 / f if is_quotient(f) else f, order), is_quotient(f)) for f in factors]
        groups = [ir.Product(n.letters, () if below else (n,), (n,) if below else ()) for n, below in nodes]
        parts = contracted(groups, set(summed) - unused, order)
        over = sorted((v for g in parts for v in g.above), key=reading_order)
        return self._times(coefficient, over, [v for g in parts for v in g.below], order)

    def _turned(self, coefficient: Expr, factors: list[Expr]) -> tuple[Expr, list[Expr]]:
        """Negate brackets so that they begin with a plus: in pairs, or to make the product positive."""
        wrong = [position for position, f in enumerate(factors) if isinstance(f, Add) and not self._begins_well(f)]
        turn = wrong if len(wrong) % 2 == coefficient.could_extract_minus_sign() else wrong[1:]
        turned = [Add(*(-t for t in f.args)) if position in turn else f for position, f in enumerate(factors)]
        return coefficient * (-1) ** len(turn), turned

    def _begins_well(self, bracket: Add) -> bool:
        """Whether the number in a bracket, or else its latest array, is positive."""
        ranks = {t: max((ir.rank(self.arrays[n]) for n in array_names(t)), default=-1) for t in bracket.args}
        return not max(bracket.args, key=lambda term: (is_plain(term), ranks[term])).could_extract_minus_sign()


def is_plain(expr: Basic) -> bool:
    """Whether an expression consists of numbers and sizes of axes alone."""
    is_made_of_sizes = not parts_of(expr, Indexed, KroneckerDelta, Sum, position_of)
    return is_made_of_sizes and all(s.is_integer for s in expr.free_symbols)


def is_quotient(expr: Basic) -> bool:
    """Whether an expression is a reciprocal."""
    return isinstance(expr, Pow) and bool(expr.exp.could_extract_minus_sign())


def _flattened(expr: Expr) -> tuple[list[Expr], list[Idx]]:
    """The factors and the summed indices of a product under sums."""
    if isinstance(expr, Sum):
        factors, summed = _flattened(expr.function)
        return factors, [*bound_indices(expr), *summed]
    if isinstance(expr, Mul):
        parts = [_flattened(arg) for arg in expr.args]
        return [f for factors, _ in parts for f in factors], [i for _, summed in parts for i in summed]
    return [expr], []


def _is_spread(bracket: Add) -> bool:
    """Whether a sum has more than two axes, and more than any array in it."""
    wide = free_indices(bracket)
    return len(wide) > 2 and all(len(set(entry.indices)) < len(wide) for entry in parts_of(bracket, Indexed))
