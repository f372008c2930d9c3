"""A derivation at given sizes: SymPy matrices of symbols, the loss, every gradient entry by entry, and their listing.

All entries are instantiated from the closed forms, with the entries of the program's intermediate arrays as names. The
cost grows with the number of entries and of their terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from string import ascii_lowercase
from typing import Any

from sympy import Add, Expr, ImmutableMatrix, Indexed, Integer, KroneckerDelta, MatrixBase, Sum, Symbol
from sympy.core.basic import Basic
from sympy.core.parameters import distribute
from sympy.tensor.indexed import Idx

from symgrad.canonical import numbered
from symgrad.codegen.plan.schedule import Assignment, needed
from symgrad.codegen.plan.stable_functions import rebuilt
from symgrad.codegen.scalar_module import scalar_module
from symgrad.codegen.targets import compile_source
from symgrad.equations import Assumption
from symgrad.errors import InputError
from symgrad.facts import check_sizes, takes_labels
from symgrad.functions import selected, selection
from symgrad.matrix_functions import OF_MATRICES
from symgrad.notation import (
    Array,
    axis_name,
    bound_indices,
    entry_of,
    free_indices,
    index_positions,
    indices_of,
    sum_over,
)
from symgrad.program import Program
from symgrad.render.blocks import Key, Prose
from symgrad.render.latex_printer import LatexPrinter
from symgrad.render.order import ordered
from symgrad.render.printer import Printer
from symgrad.render.symbols import UNKNOWN_RANK, vocabulary
from symgrad.render.text_printer import TextPrinter
from symgrad.special_functions import position_of
from symgrad.steps import Record

Place = tuple[str, tuple[int, ...]]  # the name of an array and the indices of an entry, from zero
LETTERS = "tuvqh" + ascii_lowercase
"""Names for the sums that several terms share."""
Show = Callable[[Expr], str]


@dataclass(frozen=True, repr=False)
class Explicit:
    """A derivation at ``sizes``. ``inputs`` (also as attributes: ``.X``, ``.W``) and ``gradients`` are SymPy matrices
    by the name of the array; vectors are columns, scalars plain expressions. ``loss`` and ``gradients`` are written in
    entries of the program's intermediate arrays, which ``definitions`` gives in an order of evaluation."""

    record: Record
    sizes: Mapping[str, int]
    inputs: Mapping[str, Expr]
    loss: Expr
    gradients: Mapping[str, Expr]
    definitions: tuple[tuple[Symbol, Expr], ...]
    _table: Table = field(repr=False, compare=False)
    _refuse: Callable[[], object] = field(repr=False, compare=False)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{axis} = {size}" for axis, size in self.sizes.items())
        return f"<{self.record.program.name} at {sizes}>"

    def __getattr__(self, name: str) -> Expr:
        if name in ("inputs", "__setstate__") or name not in self.inputs:
            raise AttributeError(f"no attribute or input array {name!r}")
        return self.inputs[name]

    def expanded(self) -> Explicit:
        """The same with everything expressed in the inputs alone; large, unless the sizes are small."""
        written: dict[Expr, Expr] = {}
        for symbol, value in self.definitions:
            written[symbol] = value.xreplace(written)
        gradients = {name: entries.xreplace(written) for name, entries in self.gradients.items()}
        return replace(self, loss=self.loss.xreplace(written), gradients=gradients, definitions=())

    @property
    def entries(self) -> dict[str, Expr]:
        """The symbols of the entries of every array of the program, as matrices."""
        return {n: self._table.matrix(a, self._table.of(a)) for n, a in self.record.program.arrays.items()}

    @property
    def assumptions(self) -> dict[Assumption, tuple[tuple[Expr, Expr], ...]]:
        """The assumptions that the derivation used, each with its equations at these sizes."""
        by_assumption = {}
        for assumption in self.record.assumptions_used:
            letters = sorted(free_indices(assumption.lhs), key=str)
            sides = (self._table.entries(side, letters) for side in (assumption.lhs, assumption.rhs))
            equations = {frozenset(pair): pair for pair in zip(*sides, strict=True) if pair[0] != pair[1]}
            by_assumption[assumption] = tuple(equations.values())  # a_12 = a_21 and a_21 = a_12 count once
        return by_assumption

    def with_shared_sums(self) -> Explicit:
        """The closed forms for printing, with names for sums that several terms share. ``definitions`` then has a line
        for each of these sums, such as t_1 = p_11 r_11 + p_12 r_12."""
        record, table = self.record, self._table
        shared = _SharedSums(record.program, table.shown)
        closed = [record.gradients[name] for name in record.wrt]
        forms = [shared.named(g.index, indices_of(g.entry)) for g in closed]
        table = Table(record, self.sizes, table.known, shared.sums)
        sums = [pair for equation in shared.sums for pair in table.pairs(equation)]
        definitions = (*_definitions(record, self._table), *sums)
        return replace(self, gradients=table.gradients(record, forms), definitions=definitions)

    def lambdify(self, *, check: bool = True) -> Callable[..., Any]:
        """Return ``f`` with ``loss, grads = f(inputs...)`` on arrays of exactly these sizes: plain Python, unrolled. An
        input with two axes may be given as one integer label per row. ``f`` raises ``ValueError`` naming an array of a
        wrong shape. ``check`` refuses a derivation with a wrong line, as in ``Derivation.to_numpy``."""
        if check:
            self._refuse()
        return compile_source(scalar_module(self.record, "evaluate", self.sizes, ()), "evaluate")


def explicit(
    record: Record, sizes: Mapping[str, int], labels: Sequence[int] | None = None, refuse: Callable[[], object] = tuple
) -> Explicit:
    """``record`` at ``sizes``, which must give every axis a size of at least 1. ``labels``, one per row and zero-based,
    determine the entries of the array they belong to: 0 and 1. ``refuse`` raises ``RefutedError`` if no function may be
    made of the record. Raises ``InputError`` for an array of more than two axes, which no SymPy matrix holds; for sizes
    that are missing, not positive integers, or too large; and for labels that do not fit."""
    program = record.program
    if wide := [a for a in program.arrays.values() if not a.has_matrix]:
        words = f"{wide[0].name} has {len(wide[0].axes)} axes: explicit forms are SymPy matrices, which have two"
        raise InputError(f"{program.name}: {words}")
    check_sizes(program, sizes)
    table = Table(record, sizes, _label_entries(record, sizes, labels))
    inputs = {a.name: table.matrix(a, table.of(a, known=True)) for a in program.inputs}
    (loss,) = table.entries(program.definitions[program.output].rhs, ())
    gradients = table.gradients(record, [record.gradients[name].index for name in record.wrt])
    return Explicit(record, dict(sizes), inputs, loss, gradients, _definitions(record, table), table, refuse)


def _definitions(record: Record, table: Table) -> tuple[tuple[Symbol, Expr], ...]:
    """The entries of the arrays in terms of which the loss and the closed forms are written."""
    output = record.program.definitions[record.program.output].rhs
    equations = needed(record, [output, *(record.gradients[name].index for name in record.wrt)])
    return tuple(pair for equation in equations for pair in table.pairs(equation))


def _label_entries(record: Record, sizes: Mapping[str, int], labels: Sequence[int] | None) -> dict[Place, Expr]:
    """The entries of the array to which labels belong. It is the first array that generated code takes as labels, or
    else the last matrix that is not differentiated."""
    if labels is None:
        return {}
    matrices = [a for a in record.program.inputs if len(a.axes) == 2 and a.axes[0] != a.axes[1]]
    candidates = [a for a in matrices if takes_labels(record, a)]
    candidates = candidates or [a for a in matrices if a.name not in record.wrt][-1:]
    if not candidates:
        raise InputError(f"{record.program.name} has no array that labels could stand for")
    count, size = (sizes[axis.name] for axis in candidates[0].axes)
    if len(labels) != count or not all(float(label).is_integer() and 0 <= label < size for label in labels):
        raise InputError(f"{candidates[0].name}: expected {count} labels from 0 to {size - 1}, got {list(labels)}")
    return {(candidates[0].name, (n, k)): Integer(labels[n] == k) for n in range(count) for k in range(size)}


class _SharedSums:
    """Replaces shared sums by entries of new arrays; ``sums`` are their equations in order. A sum is shared if it is
    repeated for an index that it does not contain: sum_k p_nk r_nk is repeated for every d and c in the entries of X^T
    (P * (R - sum))."""

    def __init__(self, program: Program, taken: Collection[str]) -> None:
        self.sums: list[Assignment] = []
        self._order = [axis.name for axis in program.axes]
        self._taken = {name.lower() for name in (*taken, *program.arrays, program.output)}
        self._known: dict[Expr, str] = {}

    def named(self, expr: Basic, letters: Collection[Idx]) -> Expr:
        """``expr``, whose free indices are ``letters``, with its shared sums replaced."""
        if not isinstance(expr, Sum):
            return rebuilt(expr, lambda part: self.named(part, letters)) if expr.has(Sum) else expr
        bound = bound_indices(expr)
        total = sum_over(self.named(expr.function, {*letters, *bound}), bound)
        free = free_indices(total)
        return self._entry(total) if free < set(letters) and len(free) <= 2 else total

    def _entry(self, total: Expr) -> Expr:
        """The entry that stands for a sum; sums that differ only in letters share an array."""
        letters = tuple(sorted(free_indices(total), key=lambda i: (self._order.index(axis_name(i)), str(i))))
        key = numbered(total, letters)
        if key not in self._known:
            unused = (letter for letter in LETTERS if letter not in self._taken)
            self._known[key] = next(unused, f"sum{len(self.sums) + 1}")
            self._taken.add(self._known[key])
            self.sums.append(Assignment(entry_of(self._known[key], letters), total))
        return entry_of(self._known[key], letters)


class Table:
    """The symbols of all entries, and their values: themselves, except for entries with ``known`` values. ``sums`` are
    equations of further arrays, whose entries are shown by the arrays' own names."""

    def __init__(
        self, record: Record, sizes: Mapping[str, int], known: Mapping[Place, Expr], sums: Iterable[Assignment] = ()
    ) -> None:
        self.sizes, self.known = sizes, known
        arrays = [*record.program.arrays.values(), *record.adjoint_arrays.values()]
        count = Counter(array.name.lower() for array in arrays)
        # In lower case, like the entries of a matrix, unless two names would become equal.
        shown = {a.name: a.name.lower() if count[a.name.lower()] == 1 else a.name for a in arrays}
        self.shown = set(shown.values())
        axes = {a.name: [axis.name for axis in a.axes] for a in arrays}
        axes |= {a.name: [*map(axis_name, a.indices)] for a in sums}
        self.symbols: dict[Place, Symbol] = {}  # from zero: x_12, or x_1_12 if an axis has ten entries or more
        for name, of_array in axes.items():
            between = "_" if any(sizes[axis] > 9 for axis in of_array) else ""
            for position in product(*(range(sizes[axis]) for axis in of_array)):
                letter, indices = shown.get(name, name), between.join(str(i + 1) for i in position)
                self.symbols[name, position] = Symbol(f"{letter}_{indices}" if position else letter, real=True)
        self.values: dict[Place, Expr] = {**self.symbols, **known}

    def of(self, array: Array, *, known: bool = False) -> list[Expr]:
        """The symbols, or the ``known`` values, of the entries of an array, row by row."""
        chosen = self.values if known else self.symbols
        return [chosen[array.name, at] for at in product(*(range(self.sizes[axis.name]) for axis in array.axes))]

    def entries(self, expr: Expr, letters: Sequence[Idx]) -> list[Expr]:
        """``expr`` at every place of ``letters``, its free indices, row by row, with its sums expanded."""

        def entry(part: Basic, at: Mapping[Idx, int]) -> Expr:
            return written(part, tuple((i, at[i]) for i in indices_in(part)))

        @cache
        def written(part: Basic, position: tuple[tuple[Idx, int], ...]) -> Expr:
            at = dict(position)
            if isinstance(part, Indexed):
                return self.values[part.base.name, tuple(at[i] for i in part.indices)]
            if isinstance(part, KroneckerDelta):
                return Integer(at[part.args[0]] == at[part.args[1]])
            if isinstance(part, position_of):
                return Integer(at[part.args[0]])
            if isinstance(part, Sum):
                return Add(
                    *(entry(part.function, {**at, **more}) for more in index_positions(bound_indices(part), self.sizes))
                )
            if isinstance(part, selection):
                row, index = part.args
                return selected(
                    Integer(at[index]), *(entry(row, {**at, **p}) for p in index_positions([index], self.sizes))
                )
            if isinstance(part, OF_MATRICES):
                raise InputError(f"{part.matrix}: an inverse or a determinant is not written out entry by entry")
            if isinstance(part, Symbol):
                is_size = part.is_integer and part.name in self.sizes
                return Integer(self.sizes[part.name]) if is_size else self.values[part.name, ()]
            return part.func(*(entry(arg, at) for arg in part.args)) if part.args else part

        indices_in = cache(lambda part: sorted(free_indices(part), key=str))
        with distribute(False):
            return [entry(expr, at) for at in index_positions(letters, self.sizes)]

    def pairs(self, equation: Assignment) -> list[tuple[Symbol, Expr]]:
        """The entries of the array of an equation, each with its value."""
        symbols = [
            self.symbols[equation.name, tuple(at.values())] for at in index_positions(equation.indices, self.sizes)
        ]
        return list(zip(symbols, self.entries(equation.rhs, equation.indices), strict=True))

    def matrix(self, array: Array, entries: Sequence[Expr]) -> Expr:
        """The entries of ``array`` as a matrix; a column for one axis, the entry itself for none."""
        if not array.axes:
            return entries[0]
        rows = self.sizes[array.axes[0].name]
        return ImmutableMatrix(rows, len(entries) // rows, entries)

    def gradients(self, record: Record, forms: Sequence[Expr]) -> dict[str, Expr]:
        """The entries of the gradients that have these closed forms, as matrices."""
        closed = zip((record.gradients[name] for name in record.wrt), forms, strict=True)
        return {g.array.name: self.matrix(g.array, self.entries(form, indices_of(g.entry))) for g, form in closed}


def entries_to_text(at: Explicit) -> str:
    """The matrices row by row, then one equation per line; sums that entries share are named first."""
    at, printer, show = _with_names(at, TextPrinter)
    blocks = ["\n".join(_matrix_lines(name, value, show)) for name, value in at.inputs.items()]
    for heading, equations in _blocks(at, printer, show, "∂{}/∂{}"):
        blocks.append("\n".join([*heading, *(f"{left} = {show(right)}" for left, right in equations)]))
    return "\n\n".join(filter(None, blocks))


def entries_to_latex(at: Explicit) -> str:
    """The same in LaTeX (amsmath), with a display for each matrix and each equation."""
    at, printer, show = _with_names(at, LatexPrinter)
    lines = [f"\\[ {name} = {show(value)} \\]" for name, value in at.inputs.items()]
    for heading, equations in _blocks(at, printer, show, r"\frac{{\partial {}}}{{\partial {}}}"):
        lines += [*heading, *(f"\\[ {left} = {show(right)} \\]" for left, right in equations)]
    return "\n".join(lines)


def _with_names(at: Explicit, dialect: type[Printer]) -> tuple[Explicit, Printer, Show]:
    """The closed forms with named shared sums, a printer that orders these, and a function that shows an entry."""
    at = at.with_shared_sums()
    names = vocabulary(at.record)  # entries are symbols to type, so they have no letters chosen for print
    names = replace(names, rank={name: 2 * rank for name, rank in names.rank.items()}, printed={}, bold=False)
    for symbol, value in at.definitions:
        if names.rank_of(symbol.name) == UNKNOWN_RANK:
            rank = max((names.rank_of(s.name) for s in value.free_symbols), default=0) - 1
            names = replace(names, rank={**names.rank, symbol.name.partition("_")[0]: rank})
    printer = dialect(names)
    return at, printer, lambda expr: printer.show(ordered(expr, names))


def _blocks(
    at: Explicit, printer: Printer, show: Show, slope: str
) -> Iterator[tuple[list[str], list[tuple[str, Expr]]]]:
    """The equations below the matrices in groups; the equations of an assumption have a heading. ``slope`` is the
    format of a derivative."""
    for assumption, equations in at.assumptions.items():
        heading = printer.write(("Assuming ", Key(assumption.key), " ", Prose(assumption.words), ":"))
        yield [heading], [(show(left), right) for left, right in equations]
    yield [], [(show(symbol), value) for symbol, value in at.definitions]
    loss = show(Symbol(at.record.program.output))
    yield [], [(loss, at.loss)]
    for name, gradient in at.gradients.items():
        pairs = zip(*(ImmutableMatrix([matrix]).flat() for matrix in (at.entries[name], gradient)), strict=True)
        yield [], [(slope.format(loss, show(entry)), value) for entry, value in pairs]


def _matrix_lines(name: str, value: Expr, show: Show) -> Iterator[str]:
    if not isinstance(value, MatrixBase):
        yield f"{name} = {show(value)}"
        return
    cells = [[show(value[i, j]) for j in range(value.cols)] for i in range(value.rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(value.cols)]
    for position, row in enumerate(cells):
        lead = f"{name} = " if position == 0 else " " * (len(name) + 3)
        yield f"{lead}[ {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} ]"
