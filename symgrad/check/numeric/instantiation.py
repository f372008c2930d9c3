"""A program at a shape, entry by entry: an independent second computation of what a line means.

Entries of inputs and nodes are scalar symbols; sums are written term by term, and abbreviations substituted.  The
derivative of a definition is the ordinary scalar derivative.  No code here knows indices or deltas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product

from sympy import (
    Add,
    Derivative,
    Expr,
    Indexed,
    Integer,
    KroneckerDelta,
    Mul,
    Sum,
    Symbol,
)
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.check.normal_form.atoms import NoNormalForm
from symgrad.check.semantics import abbreviations
from symgrad.equations import Assumption, Definition
from symgrad.functions import real, selected, selection, where
from symgrad.notation import axis_name, bound_indices, indices_of, name_of
from symgrad.piecewise import cases
from symgrad.program import Program

Place = tuple[int, ...]


class Instance:
    """A program at a shape.  ``scalars`` maps the symbols in use to the entries (name, place) that they stand for.

    The arrays ``written_out`` (by default the abbreviations) are replaced by their definitions wherever they occur.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int], written_out: Collection[str] | None = None) -> None:
        self.program = program
        self.sizes = dict(sizes)
        self._written_out = abbreviations(program) if written_out is None else set(written_out)
        self.scalars: dict[Symbol, tuple[str, Place]] = {}
        self._symbols: dict[tuple[str, Place], Symbol] = {}
        self._definitions: dict[tuple[str, Place], Expr] = {}
        self._dependents: dict[str, dict[Basic, list[Place]]] = {}
        self._slopes: dict[Expr, dict[Symbol, Expr]] = {}

    def symbol(self, name: str, place: Place) -> Symbol:
        """The symbol of an entry."""
        if (name, place) not in self._symbols:
            array = self.program.arrays.get(name)
            known = {"positive": True} if array and array.positive else {"real": True}
            symbol = Symbol(f"{name}[{','.join(map(str, place))}]", **known)
            self._symbols[name, place] = symbol
            self.scalars[symbol] = (name, place)
        return self._symbols[name, place]

    def places(self, indices: tuple[Idx, ...]) -> Iterator[Place]:
        """All values of some indices."""
        return product(*(range(self.sizes[axis_name(i)]) for i in indices))

    def entry(self, expr: Basic, values: Mapping[Idx, int]) -> Expr:
        """An index expression at given values of its free indices."""
        if isinstance(expr, Indexed) or (isinstance(expr, Symbol) and not expr.is_integer):
            name = name_of(expr)
            place = tuple(values[i] for i in indices_of(expr))
            if name in self._written_out:
                return self.definition(self.program.definitions[name], place)
            return self.symbol(name, place)
        if isinstance(expr, Symbol):
            return Integer(self.sizes[expr.name])
        if isinstance(expr, KroneckerDelta):
            return Integer(int(values[expr.args[0]] == values[expr.args[1]]))
        if isinstance(expr, Sum):
            indices = bound_indices(expr)
            places = self.places(indices)
            return Add(*(self.entry(expr.function, {**values, **dict(zip(indices, at, strict=True))}) for at in places))
        if isinstance(expr, selection):
            row, index = expr.args
            size = self.sizes[axis_name(index)]
            written = (self.entry(row, {**values, index: place}) for place in range(size))
            return selected(Integer(values[index]), *written)
        spend(1)
        # SymPy takes the square out of a root, of one square at a shape that has but one.
        return real(expr.func(*(self.entry(arg, values) for arg in expr.args))) if expr.args else expr

    def definition(self, definition: Definition, place: Place) -> Expr:
        """The right side of a definition at one entry."""
        key = definition.name, place
        if key not in self._definitions:
            values = dict(zip(definition.indices, place, strict=True))
            self._definitions[key] = self.entry(definition.rhs, values)
        return self._definitions[key]

    def derivative(self, of: Expr, values: Mapping[Idx, int], wrt: Symbol) -> Expr:
        """The derivative of an expression (if it is a node's entry, of that node's definition) by one symbol."""
        definition = self.program.definitions.get(name_of(of)) if isinstance(of, (Indexed, Symbol)) else None
        if definition is None:
            return self._slope(self.entry(of, values), wrt)
        place = tuple(values[i] for i in indices_of(of))
        return self._slope(self.definition(definition, place), wrt)

    def _slope(self, expr: Expr, wrt: Symbol) -> Expr:
        """The derivative of a scalar expression by one symbol; those by all are found at once."""
        if expr not in self._slopes:
            self._slopes[expr] = slopes(expr)
        return self._slopes[expr].get(wrt, Integer(0))

    def fixed_by(self, assumption: Assumption, symbol: Symbol) -> Expr | None:
        """What an assumption makes of an entry, in the others, else None.

        ``Sum(y[..., k, ...], k) = r`` gives the last along k, ``a[i, j] = a[j, i]`` what is below the diagonal.
        """
        name, place = self.scalars[symbol]
        if isinstance(assumption.lhs, Indexed):
            return self.symbol(name, place[::-1]) if place > place[::-1] else None
        values = dict(zip(assumption.lhs.function.indices, place, strict=True))
        (index,) = bound_indices(assumption.lhs)
        if values[index] != self.sizes[axis_name(index)] - 1:
            return None
        return self.entry(assumption.rhs - assumption.lhs, values) + symbol

    def node_derivatives(self, definition: Definition, wrt: Symbol) -> Iterator[tuple[Place, Expr]]:
        """The entries of a node that depend on one symbol, with their derivatives."""
        if definition.name not in self._dependents:
            dependents = self._dependents.setdefault(definition.name, {})
            for place in self.places(definition.indices):
                for symbol in self.definition(definition, place).free_symbols:
                    dependents.setdefault(symbol, []).append(place)
        for place in self._dependents[definition.name].get(wrt, ()):
            yield place, self._slope(self.definition(definition, place), wrt)


def slopes(expr: Expr) -> dict[Symbol, Expr]:
    """The scalar derivatives by all symbols that occur: by the chain rule; of single functions they are SymPy's.

    SymPy's own would do all of it, but asks at each step what it knows of every part.  Raises ``NoNormalForm`` where
    SymPy leaves one undone.
    """
    if isinstance(expr, Symbol):
        return {expr: Integer(1)}
    if isinstance(expr, where):
        yes, no = map(slopes, expr.args[1:])
        symbols = dict.fromkeys([*yes, *no])
        return {s: cases(expr.args[0], yes.get(s, Integer(0)), no.get(s, Integer(0))) for s in symbols}
    terms: dict[Symbol, list[Expr]] = {}
    for place, arg in enumerate(expr.args):
        if inner := slopes(arg):
            outer = _outer_slope(expr, place)
            for symbol, slope in inner.items():
                terms.setdefault(symbol, []).append(Mul(*outer, slope))
    return {symbol: Add(*parts) for symbol, parts in terms.items()}


def _outer_slope(expr: Expr, place: int) -> Sequence[Expr]:
    """The factors of the derivative of an expression by one of its arguments."""
    if isinstance(expr, Add):
        return ()
    if isinstance(expr, Mul):
        return *expr.args[:place], *expr.args[place + 1 :]
    letters = [a if a.is_Number else Symbol(f"_x{i}") for i, a in enumerate(expr.args)]
    derivative = _sympy_derivative(expr.func(*letters), letters[place])
    return (derivative.xreplace(dict(zip(letters, expr.args, strict=True))),)


@lru_cache(maxsize=4096)
def _sympy_derivative(expr: Expr, wrt: Symbol) -> Expr:
    """SymPy's derivative: found once for all expressions that differ in the names of their symbols."""
    result = expr.diff(wrt)
    if result.has(Derivative):
        raise NoNormalForm(f"SymPy leaves a derivative of {expr} with respect to {wrt} undone")
    return result
