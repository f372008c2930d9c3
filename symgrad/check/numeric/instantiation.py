"""A program at a shape, entry by entry: a second, independent computation of the meaning of a line.

Entries of inputs and nodes are scalar symbols, sums are written term by term, and abbreviations are substituted.
Derivatives are ordinary scalar derivatives: nothing here differentiates with indices or deltas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product

from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Sum, Symbol, log
from sympy.core.basic import Basic
from sympy.tensor.indexed import Idx

from symgrad.budget import spend
from symgrad.check.semantics import abbreviations, sympy_derivative
from symgrad.equations import Assumption, Definition
from symgrad.functions import real, selected, selection, where
from symgrad.matrix_functions import OF_MATRICES, det, inverse
from symgrad.notation import axis_name, bound_indices, indices_of, name_of
from symgrad.piecewise import cases
from symgrad.program import Program
from symgrad.special_functions import position_of
from symgrad.steps import Differentiated, Partial

Position = tuple[int, ...]


class Instance:
    """A program at a shape.  ``scalars`` maps the symbols in use to their entries (name, position).

    The arrays ``written_out`` (default: the abbreviations) are replaced by their definitions wherever they occur.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int], written_out: Collection[str] | None = None) -> None:
        self.program = program
        self.sizes = dict(sizes)
        self._written_out = abbreviations(program) if written_out is None else set(written_out)
        self.scalars: dict[Symbol, tuple[str, Position]] = {}
        self._symbols: dict[tuple[str, Position], Symbol] = {}
        self._definitions: dict[tuple[str, Position], Expr] = {}
        self._dependents: dict[str, dict[Basic, list[Position]]] = {}
        self._slopes: dict[Expr, dict[Symbol, Expr]] = {}

    def symbol(self, name: str, position: Position) -> Symbol:
        """The symbol of an entry."""
        if (name, position) not in self._symbols:
            array = self.program.arrays.get(name)
            known = {"positive": True} if array and array.positive else {"real": True}
            symbol = Symbol(f"{name}[{','.join(map(str, position))}]", **known)
            self._symbols[name, position] = symbol
            self.scalars[symbol] = (name, position)
        return self._symbols[name, position]

    def positions(self, indices: tuple[Idx, ...]) -> Iterator[Position]:
        """All positions over some indices."""
        return product(*(range(self.sizes[axis_name(i)]) for i in indices))

    def entry(self, expr: Basic, values: Mapping[Idx, int]) -> Expr:
        """An index expression at given values of its free indices."""
        if isinstance(expr, Indexed) or (isinstance(expr, Symbol) and not expr.is_integer):
            name = name_of(expr)
            return self._entry_at(name, tuple(values[i] for i in indices_of(expr)))
        if isinstance(expr, Symbol):
            return Integer(self.sizes[expr.name])
        if isinstance(expr, KroneckerDelta):
            return Integer(int(values[expr.args[0]] == values[expr.args[1]]))
        if isinstance(expr, position_of):
            return Integer(values[expr.args[0]])
        if isinstance(expr, Sum):
            indices = bound_indices(expr)
            positions = self.positions(indices)
            return Add(
                *(self.entry(expr.function, {**values, **dict(zip(indices, at, strict=True))}) for at in positions)
            )
        if isinstance(expr, selection):
            row, index = expr.args
            size = self.sizes[axis_name(index)]
            written = (self.entry(row, {**values, index: position}) for position in range(size))
            return selected(Integer(values[index]), *written)
        if isinstance(expr, OF_MATRICES):
            return self._of_matrix(expr, [values[i] for i in expr.args[2:]])
        spend(1)
        # SymPy simplifies the root of a square; at a size of 1, a sum of squares is one square.
        return real(expr.func(*(self.entry(arg, values) for arg in expr.args))) if expr.args else expr

    def _entry_at(self, name: str, position: Position) -> Expr:
        """An entry of an array; its definition if the array is written out."""
        if name in self._written_out:
            return self.definition(self.program.definitions[name], position)
        return self.symbol(name, position)

    def _of_matrix(self, call: Expr, position: Sequence[int]) -> Expr:
        """An entry of an inverse as a cofactor over the determinant; a determinant, or log(det**2)/2, in entries."""
        axis = self.program.arrays[call.matrix].axes[0].name
        every = tuple(range(self.sizes[axis]))

        def at(row: int, column: int) -> Expr:
            return self._entry_at(call.matrix, (row, column))

        def minor(rows: Position, columns: Position) -> Expr:
            """A determinant of rows and columns, by the cofactors of its first row."""
            key = f"{call.matrix} {rows} {columns}", ()
            if key not in self._definitions:
                spend(1)
                rest = ((c, columns[:p] + columns[p + 1 :], (-1) ** p) for p, c in enumerate(columns))
                terms = [sign * at(rows[0], c) * minor(rows[1:], others) for c, others, sign in rest] if rows else [1]
                self._definitions[key] = Add(*terms)
            return self._definitions[key]

        if isinstance(call, inverse):
            i, j = position
            rows, columns = ((*every[:gone], *every[gone + 1 :]) for gone in (j, i))
            return (-1) ** (i + j) * minor(rows, columns) / minor(every, every)
        determinant = minor(every, every)
        return determinant if isinstance(call, det) else log(determinant**2) / 2

    def definition(self, definition: Definition, position: Position) -> Expr:
        """The right side of a definition at one entry."""
        key = definition.name, position
        if key not in self._definitions:
            values = dict(zip(definition.indices, position, strict=True))
            self._definitions[key] = self.entry(definition.rhs, values)
        return self._definitions[key]

    def differentiated(self, of: Expr, values: Mapping[Idx, int]) -> Expr:
        """An expression, or the definition of a node's entry, at given values of its indices."""
        definition = self.program.definitions.get(name_of(of)) if isinstance(of, (Indexed, Symbol)) else None
        if definition is None:
            return self.entry(of, values)
        return self.definition(definition, tuple(values[i] for i in indices_of(of)))

    def derivative(self, of: Expr, values: Mapping[Idx, int], wrt: Symbol) -> Expr:
        """The derivative of an expression, or of the definition of a node's entry, with respect to a symbol."""
        return self.slopes(self.differentiated(of, values)).get(wrt, Integer(0))

    def partial(self, subject: Partial, values: Mapping[Idx, int]) -> Expr:
        """The meaning of a partial derivative, or of a matrix times the derivative of its inverse, at given indices."""
        wrt = self.symbol(name_of(subject.wrt), tuple(values[i] for i in indices_of(subject.wrt)))
        if not isinstance(subject, Differentiated):
            return self.derivative(subject.of, values, wrt)
        definition = self.program.definitions[name_of(subject.of)]
        row, column = (values[i] for i in subject.of.indices)
        inner = range(self.sizes[axis_name(subject.of.indices[0])])
        changes = (self.slopes(self.definition(definition, (k, column))).get(wrt, Integer(0)) for k in inner)
        matrix = (self._entry_at(definition.rhs.matrix, (row, k)) for k in inner)
        return Add(*(a * slope for a, slope in zip(matrix, changes, strict=True)))

    def slopes(self, expr: Expr) -> dict[Symbol, Expr]:
        """The derivatives of a scalar expression with respect to the symbols in it, cached."""
        if expr not in self._slopes:
            self._slopes[expr] = slopes(expr)
        return self._slopes[expr]

    def fixed_by(self, assumption: Assumption, symbol: Symbol) -> Expr | None:
        """The value of an entry in other entries, if an assumption determines it, else None.

        ``Sum(y[..., k, ...], k) = r`` determines the last entry along k, ``a[i, j] = a[j, i]`` those below the
        diagonal.
        """
        name, position = self.scalars[symbol]
        if assumption.mask is not None:
            is_zero = self.entry(assumption.mask, dict(zip(assumption.lhs.indices, position, strict=True))) == 0
            return Integer(0) if is_zero else None
        if isinstance(assumption.lhs, Indexed):
            return self.symbol(name, position[::-1]) if position > position[::-1] else None
        values = dict(zip(assumption.lhs.function.indices, position, strict=True))
        (index,) = bound_indices(assumption.lhs)
        if values[index] != self.sizes[axis_name(index)] - 1:
            return None
        return self.entry(assumption.rhs - assumption.lhs, values) + symbol

    def dependents(self, definition: Definition, wrt: Symbol) -> Iterator[tuple[Position, Expr]]:
        """The positions of the entries of a node that depend on a symbol, with their definitions."""
        if definition.name not in self._dependents:
            dependents = self._dependents.setdefault(definition.name, {})
            for position in self.positions(definition.indices):
                for symbol in self.definition(definition, position).free_symbols:
                    dependents.setdefault(symbol, []).append(position)
        for position in self._dependents[definition.name].get(wrt, ()):
            yield position, self.definition(definition, position)

    def node_derivatives(self, definition: Definition, wrt: Symbol) -> Iterator[tuple[Position, Expr]]:
        """The positions of the entries of a node that depend on a symbol, with their derivatives."""
        return ((at, self.slopes(expr).get(wrt, Integer(0))) for at, expr in self.dependents(definition, wrt))


def slopes(expr: Expr) -> dict[Symbol, Expr]:
    """The scalar derivatives with respect to all symbols, by the chain rule; SymPy differentiates single functions.

    SymPy's ``diff`` of the whole expression would be slower: it queries its assumptions about every part.  Raises
    ``NoNormalForm`` if SymPy leaves a derivative unevaluated.
    """
    if isinstance(expr, Symbol):
        return {expr: Integer(1)}
    if isinstance(expr, where):
        yes, no = map(slopes, expr.args[1:])
        symbols = dict.fromkeys([*yes, *no])
        return {s: cases(expr.args[0], yes.get(s, Integer(0)), no.get(s, Integer(0))) for s in symbols}
    terms: dict[Symbol, list[Expr]] = {}
    for position, arg in enumerate(expr.args):
        if inner := slopes(arg):
            outer = outer_slope(expr, position)
            for symbol, slope in inner.items():
                terms.setdefault(symbol, []).append(Mul(*outer, slope))
    return {symbol: Add(*parts) for symbol, parts in terms.items()}


def outer_slope(expr: Expr, position: int) -> Sequence[Expr]:
    """The factors of the derivative of an expression with respect to one of its arguments."""
    if isinstance(expr, Add):
        return ()
    if isinstance(expr, Mul):
        return *expr.args[:position], *expr.args[position + 1 :]
    letters = [a if a.is_Number else Symbol(f"_x{i}") for i, a in enumerate(expr.args)]
    derivative = sympy_derivative(expr.func(*letters), letters[position])
    return (derivative.xreplace(dict(zip(letters, expr.args, strict=True))),)
