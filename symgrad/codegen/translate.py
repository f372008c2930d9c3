"""Index notation to NumPy: sums of products as matrix products, sums over axes and broadcasting.

A product under sums is contracted index by index: factors over the same indices are multiplied entry by
entry, a summed index in one of the groups so made is a sum over an axis, in two a matrix product, and what is
neither goes to ``einsum``.  Vectors of ones never appear, since in index notation there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Pow, Rational, S, Sum, Symbol
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.codegen.contraction import Group, contracted
from symgrad.codegen.factors import flattened, is_plain, turned_brackets
from symgrad.codegen.kernels import meant, weighted
from symgrad.codegen.numpy_names import ARRAY_FUNCTIONS, NUMBER_FUNCTIONS
from symgrad.codegen.stacks import diagonal
from symgrad.codegen.values import (
    Strength,
    Value,
    added,
    call,
    common_layout,
    elementwise,
    number,
    power,
    reading_order,
    total,
)
from symgrad.errors import UnsupportedError
from symgrad.functions import selection, where
from symgrad.notation import axis_name, bound_indices, free_indices, freshen, sum_over
from symgrad.sums import contract, has_delta

LONGEST = 92  # an expression that would be longer gets a line for its longest part


class Translator:
    """Translates expressions over ``arrays``: the values of arrays by name, each with indices of its own.

    ``axes`` are the names of the axes, in the order in which products of sizes are written.

    ``hoist(value)`` is asked to give a line of its own to a part of an expression that would become too long,
    and returns its name.  ``dtype`` is the name for the data type of the inputs.

    ``letters`` are the indices of each array in the order of its axes, which need not be that of the layout.
    While ``rows`` names an axis, the arrays hold a block of it alone, with ``count`` entries, and the axis comes
    last in every layout.
    """

    def __init__(
        self, arrays: Mapping[str, Value], axes: Sequence[str], hoist: Callable[[Value], Value], dtype: str
    ) -> None:
        self.arrays = arrays
        self.axes = list(axes)
        self.hoist = hoist
        self.dtype = dtype
        self.letters = {name: value.indices for name, value in arrays.items()}
        self.rows = ""
        self.count = ""

    def translate(self, expr: Expr, order: Sequence[Idx]) -> Value:
        """The value of ``expr``, whose axes are over free indices of it; ``order`` breaks ties among layouts.

        Raises ``UnsupportedError`` for a function that NumPy lacks.
        """
        for axis in sorted({axis_name(i) for part in expr.atoms(Sum) for i in bound_indices(part)}):
            if has_delta(expr, axis):
                expr = contract(expr, axis, opened=False)
        return self._value(freshen(expr), self.layout(order))

    def layout(self, indices: Iterable[Idx]) -> tuple[Idx, ...]:
        """The indices in the order in which the axes of an array are laid out."""
        return tuple(sorted(indices, key=lambda i: axis_name(i) == self.rows))

    def extent(self, index: Idx) -> Expr:
        """The number of entries that an index runs over at hand."""
        return Symbol(self.count, integer=True) if axis_name(index) == self.rows else index.upper + 1

    def _value(self, expr: Basic, order: tuple[Idx, ...]) -> Value:
        if is_plain(expr):
            return self._plain(expr)
        if isinstance(expr, (Indexed, Symbol)):
            return self._entry(expr)
        if isinstance(expr, KroneckerDelta):
            row, column = expr.args[:2]
            return Value(f"np.eye({self.extent(row)}, dtype={self.dtype})", number("").strength, (row, column))
        if isinstance(expr, Add):
            return self._sum_of_terms(expr, order)
        if isinstance(expr, (Mul, Sum)) or _is_quotient(expr):
            return self._product(expr, order)
        if isinstance(expr, Pow):
            return self._power(expr, order)
        if isinstance(expr, weighted):
            return self._weighted(expr, order, False)
        if isinstance(expr, selection):
            return self._selection(expr, order)
        if isinstance(expr, where) and all(map(is_plain, expr.args[1:])):
            condition, one, other = expr.args  # a choice between two numbers would not have the dtype of the inputs
            return self._value(other + (one - other) * condition, order)
        if expr.func in ARRAY_FUNCTIONS:
            return self._call(ARRAY_FUNCTIONS[expr.func], [self._value(arg, order) for arg in expr.args], order)
        raise UnsupportedError(f"no NumPy function is known for {expr.func.__name__} in {expr}")

    def _call(self, name: str, args: list[Value], order: tuple[Idx, ...]) -> Value:
        """A function entry by entry."""
        return self._fitting(args, lambda given: call(name, given, order))

    def _selection(self, expr: selection, order: tuple[Idx, ...]) -> Value:
        row, index = expr.args
        value = self._value(row, order).settled()
        code = ARRAY_FUNCTIONS[selection].format(value.code, value.indices.index(index))
        return Value(code, Strength.CALL, value.indices, rank=value.rank)

    def _sum_of_terms(self, expr: Add, order: tuple[Idx, ...]) -> Value:
        """A sum entry by entry, a number that all terms have in common in front."""
        content, rest = expr.primitive()
        terms = [self._value(term, order) for term in rest.args]
        value = self._fitting(terms, lambda fitting: added(fitting, order))
        _, above, below = self._coefficient(content)
        return elementwise([*above, value], below, order)

    def _plain(self, expr: Basic) -> Value:
        """A number made of sizes: a literal, a name, or arithmetic of Python numbers."""
        if isinstance(expr, Symbol):
            return number(expr.name)
        if expr.is_number:
            value = meant(expr)
            size = abs(value)
            shown = number(str(size) if size.is_Integer else repr(float(size)))
            return replace(shown, negative=bool(value < 0))
        if isinstance(expr, Add):
            return added([self._plain(term) for term in expr.args])
        if isinstance(expr, Mul) or _is_quotient(expr):
            negative, above, below = self._coefficient(expr)
            return replace(elementwise(above, below), negative=negative)
        if isinstance(expr, Pow):
            return power(self._plain(expr.base), self._plain(expr.exp))
        if expr.func in NUMBER_FUNCTIONS:
            return call(NUMBER_FUNCTIONS[expr.func], [self._plain(arg) for arg in expr.args])
        raise UnsupportedError(f"no Python function of a number is known for {expr.func.__name__} in {expr}")

    def _coefficient(self, expr: Expr) -> tuple[bool, list[Value], list[Value]]:
        """Whether a product of numbers and sizes is negative, its numerators and its denominators."""
        coefficient, rest = expr.as_coeff_Mul(rational=True)
        above = [] if abs(coefficient.p) == 1 else [self._plain(S(abs(coefficient.p)))]
        below = [] if coefficient.q == 1 else [self._plain(S(coefficient.q))]
        for factor in sorted(Mul.make_args(rest), key=self._place_of_axis) if rest != 1 else []:
            if _is_quotient(factor):
                below.append(self._plain(1 / factor))
            else:
                above.append(self._plain(factor))
        return bool(coefficient < 0), above, below

    def _place_of_axis(self, factor: Expr) -> tuple[int, str]:
        """Sizes in the order of the program's axes, that of a block in the place of its rows."""
        names = (self.rows if size.name == self.count else size.name for size in factor.free_symbols)
        return min((self.axes.index(name) for name in names), default=-1), str(factor)

    def _entry(self, entry: Indexed | Symbol) -> Value:
        """An entry of an array, as that array over the indices of the entry."""
        if isinstance(entry, Symbol):
            return self.arrays[entry.name]
        value = self.arrays[entry.base.name]
        letters = dict(zip(self.letters[entry.base.name], entry.indices, strict=True))
        if len(set(entry.indices)) < len(entry.indices):
            return diagonal(value, [letters[i] for i in value.indices])
        return value.with_letters(letters)

    def _power(self, expr: Pow, order: tuple[Idx, ...]) -> Value:
        base = self._value(expr.base, order)
        if expr.exp == Rational(1, 2):
            return call("np.sqrt({})", [base])
        return power(base, self._value(expr.exp, order))

    def _product(self, expr: Expr, order: tuple[Idx, ...]) -> Value:
        """A product under sums: the coefficient apart, the rest contracted index by index."""
        coefficient, factors, summed = flattened(expr)
        if len(factors) == 1 and isinstance(factors[0], weighted) and set(summed) == free_indices(factors[0]):
            negative, above, below = self._coefficient(coefficient)
            value = self._weighted(factors[0], (*order, *summed), True)
            return elementwise([*above, replace(value, negative=value.negative != negative)], below, order)
        wide = next((f for f in factors if isinstance(f, Add) and _is_spread(f)), None)
        if wide is not None and summed:
            rest = Mul(coefficient, *(f for f in factors if f is not wide))
            return self._value(Add(*(sum_over(rest * term, summed) for term in wide.args)), order)
        unused = {i for i in summed if not any(i in free_indices(f) for f in factors)}
        coefficient = Mul(coefficient, *(self.extent(i) for i in unused))
        coefficient, factors = turned_brackets(coefficient, factors, self.arrays)
        groups = self._groups(factors, order)
        parts = contracted(groups, set(summed) - unused, order, self._fitting, self.rows)
        negative, above, below = self._coefficient(coefficient)
        over = sorted((v for g in parts for v in g.above), key=reading_order)
        under = [v for g in parts for v in g.below]
        if above and below and over:  # numbers are multiplied together before they meet an array
            above, below = [elementwise(above, below)], []
        value = self._fitting([*above, *over, *below, *under], _quotient(len(above) + len(over), order))
        return replace(value, negative=value.negative != negative)

    def _weighted(self, expr: Expr, order: tuple[Idx, ...], is_summed: bool) -> Value:
        """A weighted logarithm entry by entry, or summed over all of its axes."""
        parts = [self._value(arg, order) for arg in expr.args]
        layout = common_layout(parts, self.layout(order))
        left, right = (p.absolute().over(layout) for p in parts)
        negative = parts[0].negative != parts[1].negative
        rank = max(left.rank, right.rank)
        given = f"({left.code}, {right.code})"
        if is_summed and layout and set(parts[0].indices) == set(parts[1].indices):
            return Value(f"_dot{given}", Strength.CALL, (), negative, rank=rank)
        value = Value(f"_weighted{given}", Strength.CALL, layout, negative, rank=rank)
        return total(value, layout) if is_summed and layout else value

    def _groups(self, factors: Iterable[Expr], order: tuple[Idx, ...]) -> list[Group]:
        made = []
        for factor in factors:
            if _is_quotient(factor):
                made.append(Group((), (self._value(1 / factor, order),)))
            else:
                made.append(Group((self._value(factor, order),), ()))
        return made

    def _fitting(self, parts: Sequence[Value], build: Callable[[Sequence[Value]], Value]) -> Value:
        """What ``build`` makes of ``parts``, the longest of which get lines of their own until it fits."""
        parts = list(parts)
        made = build(parts)
        while len(made.code) > LONGEST and any(len(p.code) > 16 for p in parts):
            place = max(range(len(parts)), key=lambda i: len(parts[i].code))
            parts[place] = self.hoist(parts[place])
            made = build(parts)
        return made


def _is_spread(bracket: Add) -> bool:
    """Whether a sum has more than two axes, and more than any array in it."""
    wide = free_indices(bracket)
    return len(wide) > 2 and all(len(set(entry.indices)) < len(wide) for entry in bracket.atoms(Indexed))


def _is_quotient(expr: Basic) -> bool:
    """Whether an expression is one over something."""
    return isinstance(expr, Pow) and bool(expr.exp.could_extract_minus_sign())


def _quotient(count: int, order: tuple[Idx, ...]) -> Callable[[Sequence[Value]], Value]:
    """The first ``count`` values over the others."""
    return lambda values: elementwise(values[:count], values[count:], order)
