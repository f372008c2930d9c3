"""A derivation at given sizes: SymPy matrices of symbols, the loss, and every gradient entry by entry.

Everything is instantiated from the closed forms, one entry after another, with the entries of the program's own
intermediate arrays as names; the cost grows with the number of entries and of the terms in them.
"""

from __future__ import annotations

import keyword
import math
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import product
from typing import Any

import numpy as np
from sympy import Add, Dummy, Expr, ImmutableMatrix, Indexed, Integer, KroneckerDelta, Max, Mul, Sum, Symbol
from sympy import exp, lambdify, log
from sympy.core.basic import Basic
from sympy.core.parameters import distribute
from sympy.printing.pycode import PythonCodePrinter
from sympy.tensor.indexed import Idx

from symgrad.errors import InputError
from symgrad.notation import Array, array_names, axis_name, bound_indices, free_indices
from symgrad.program import evaluation_order
from symgrad.steps import Gradient, Record, Total

Chain = list[tuple[Symbol, Expr]]
_FACTOR_ORDER = cmp_to_key(Basic.compare)  # that of ``Mul``
TOLERANCE = 1e-5  # how far inputs may be from an assumption that the derivation used


@dataclass(frozen=True)
class Explicit:
    """A derivation at ``sizes``.

    ``inputs`` (also as attributes: ``.X``, ``.W``) and ``gradients`` are SymPy matrices by the name of the array, vectors
    being columns and arrays of no axes plain expressions.  ``loss`` and ``gradients`` are written in entries of the
    program's intermediate arrays, which ``definitions`` gives in an order of evaluation.
    """

    record: Record
    sizes: Mapping[str, int]
    inputs: Mapping[str, Expr]
    loss: Expr
    gradients: Mapping[str, Expr]
    definitions: tuple[tuple[Symbol, Expr], ...]

    def __getattr__(self, name: str) -> Expr:
        if name in ("inputs", "__setstate__") or name not in self.inputs:
            raise AttributeError(f"no attribute or input array {name!r}")
        return self.inputs[name]

    def expanded(self) -> Explicit:
        """The same with everything written out in the inputs alone; large, unless the sizes are small."""
        written: dict[Expr, Expr] = {}
        for symbol, value in self.definitions:
            written[symbol] = value.xreplace(written)
        gradients = {name: entries.xreplace(written) for name, entries in self.gradients.items()}
        return Explicit(self.record, self.sizes, self.inputs, self.loss.xreplace(written), gradients, ())

    def lambdify(self) -> Callable[..., Any]:
        """``f`` with ``loss, grads = f(inputs...)`` on NumPy arrays of exactly these sizes, by SymPy's ``lambdify``.

        Shared subexpressions are the entries of the program's named arrays and of adjoints.  An input of two axes may
        be given as one integer label per row.  ``f`` raises ``ValueError`` naming an array of a wrong shape.
        """
        return _lambdified(self.record, self.sizes)


def explicit(
    record: Record, sizes: Mapping[str, int], labels: Sequence[int] | Mapping[str, Sequence[int]] | None = None
) -> Explicit:
    """``record`` at ``sizes``, which gives every axis of the program a size of at least 1.

    ``labels`` are zero-based, one per row, of the array to which they belong (or by its name): its entries are then 0
    and 1.  Raises ``InputError`` naming an axis without a size or with a size that is not a positive integer, or labels
    that do not fit.
    """
    _check_sizes(record, sizes)
    table = _Table(record, sizes)
    fixed = _label_entries(record, sizes, labels)
    for name, one_hot in fixed.items():
        table.symbols.update({(name, place): value for place, value in one_hot.items()})
    program = record.program
    adjoints = {array.name for array in record.adjoint_arrays.values()}
    closed = [record.gradients[name] for name in record.wrt]
    wanted = array_names(program.definitions[program.output].rhs).union(*(array_names(g.index) for g in closed))
    definitions = _definitions(table, record, wanted, adjoints)
    loss = table.entry(program.definitions[program.output].rhs, {})
    return Explicit(
        record,
        dict(sizes),
        {array.name: table.matrix(array, lambda place, a=array: table.symbols[a.name, place]) for array in program.inputs},
        loss,
        {g.array.name: table.gradient(g.array, g.entry, g.index) for g in closed},
        tuple(definitions),
    )


class _Table:
    """The symbols of all entries, and the instances of index expressions that were made so far."""

    def __init__(self, record: Record, sizes: Mapping[str, int]) -> None:
        self.record = record
        self.sizes = sizes
        arrays = [*record.program.arrays.values(), *record.adjoint_arrays.values()]
        shown = _shown_names([array.name for array in arrays])
        self.symbols: dict[tuple[str, tuple[int, ...]], Expr] = {
            (array.name, place): _symbol(shown[array.name], place, [sizes[a.name] for a in array.axes])
            for array in arrays
            for place in self.places(array)
        }
        self._made: dict[tuple[Expr, tuple[int, ...]], Expr] = {}
        self._free: dict[Expr, tuple[Idx, ...]] = {}

    def places(self, array: Array) -> Iterable[tuple[int, ...]]:
        """The zero-based places of the entries of an array, row by row."""
        return product(*(range(self.sizes[axis.name]) for axis in array.axes))

    def entry(self, expr: Expr, at: Mapping[Idx, int]) -> Expr:
        """``expr`` with its free indices ``at`` given places and its sums written out."""
        with distribute(False):
            return self._entry(expr, at)

    def _entry(self, expr: Expr, at: Mapping[Idx, int]) -> Expr:
        if isinstance(expr, Indexed):
            return self.symbols[expr.base.name, tuple(at[i] for i in expr.indices)]
        if isinstance(expr, Symbol):
            if expr.name in self.sizes and expr.is_integer:
                return Integer(self.sizes[expr.name])
            return self.symbols[expr.name, ()]
        if isinstance(expr, KroneckerDelta):
            return Integer(at[expr.args[0]] == at[expr.args[1]])
        if not expr.args:
            return expr
        if expr not in self._free:
            self._free[expr] = tuple(free_indices(expr))
        key = (expr, tuple(at[i] for i in self._free[expr]))
        if key not in self._made:
            self._made[key] = self._sum(expr, at) if isinstance(expr, Sum) else self._call(expr, at)
        return self._made[key]

    def _call(self, expr: Expr, at: Mapping[Idx, int]) -> Expr:
        args = [self._entry(arg, at) for arg in expr.args]
        return _product(args) if isinstance(expr, Mul) else expr.func(*args)

    def _sum(self, expr: Sum, at: Mapping[Idx, int]) -> Expr:
        indices = bound_indices(expr)
        ranges = product(*(range(self.sizes[axis_name(i)]) for i in indices))
        return Add(*(self._entry(expr.function, {**at, **dict(zip(indices, p, strict=True))}) for p in ranges))

    def matrix(self, array: Array, entry: Callable[[tuple[int, ...]], Expr]) -> Expr:
        """The entries of ``array`` as a matrix, a column for one axis, the entry itself for none."""
        entries = [entry(place) for place in self.places(array)]
        if not array.axes:
            return entries[0]
        rows = self.sizes[array.axes[0].name]
        return ImmutableMatrix(rows, len(entries) // rows, entries)

    def gradient(self, array: Array, entry: Expr, index: Expr) -> Expr:
        """The entries of a derivative whose closed form at ``entry`` is ``index``."""
        letters = entry.indices if isinstance(entry, Indexed) else ()
        return self.matrix(array, lambda place: self.entry(index, dict(zip(letters, place, strict=True))))


def _product(factors: Sequence[Expr]) -> Expr:
    """The product, as ``Mul`` makes it; without its search for like factors where there can be none."""
    number = next((f for f in factors if f.is_Rational), Integer(1))
    others = [f for f in factors if f is not number]
    if number.is_zero or not all(isinstance(f, (Symbol, Add)) for f in others) or len(set(others)) < len(others):
        return Mul(*factors)
    others.sort(key=_FACTOR_ORDER)
    shown = others if number == 1 else [number, *others]
    return Mul._from_args(shown)


def _shown_names(names: Iterable[str]) -> dict[str, str]:
    """The names in lower case, as the entries of a matrix are written, where that confuses no two."""
    names = list(names)
    lower = [name.lower() for name in names]
    return {name: low if lower.count(low) == 1 else name for name, low in zip(names, lower, strict=True)}


def _symbol(name: str, place: Sequence[int], sizes: Sequence[int]) -> Symbol:
    """x_12, or x_1_12 where an axis has ten entries or more; places are shown one-based."""
    between = "_" if any(size > 9 for size in sizes) else ""
    shown = between.join(str(i + 1) for i in place)
    return Symbol(f"{name}_{shown}" if shown else name, real=True)


def _definitions(table: _Table, record: Record, wanted: Iterable[str], adjoints: set[str]) -> Chain:
    """The entries of the definitions and adjoints that ``wanted`` needs, in an order of evaluation."""
    chosen: dict[str, Gradient] = {}
    _collect(record, wanted, adjoints, chosen)
    needed = set(wanted).union(*(array_names(adjoint.index) for adjoint in chosen.values()))
    chain: Chain = []
    for definition in evaluation_order(record.program, sorted(needed)):
        if definition.name != record.program.output:
            chain += _entries(table, definition.name, definition.indices, definition.rhs)
    for name, adjoint in chosen.items():
        letters = adjoint.entry.indices if isinstance(adjoint.entry, Indexed) else ()
        chain += _entries(table, name, letters, adjoint.index)
    return chain


def _collect(record: Record, names: Iterable[str], adjoints: set[str], chosen: dict[str, Gradient]) -> None:
    """Add the adjoints among ``names`` to ``chosen``, each after those that it needs itself."""
    for node, array in record.adjoint_arrays.items():
        if array.name in names and array.name not in chosen:
            adjoint = record.adjoints[node]
            _collect(record, array_names(adjoint.index), adjoints, chosen)
            chosen[array.name] = adjoint


def _entries(table: _Table, name: str, letters: Sequence[Idx], rhs: Expr) -> Chain:
    ranges = product(*(range(table.sizes[axis_name(i)]) for i in letters))
    return [(table.symbols[name, p], table.entry(rhs, dict(zip(letters, p, strict=True)))) for p in ranges]


# --- what is given ------------------------------------------------------------------------------------------------


def _check_sizes(record: Record, sizes: Mapping[str, int]) -> None:
    known = [axis.name for axis in record.program.axes]
    if extra := [name for name in sizes if name not in known]:
        raise InputError(f"{record.program.name}: unknown axis {extra[0]}: expected {', '.join(known)}")
    for name in known:
        if name not in sizes:
            raise InputError(f"{record.program.name}: a size for the axis {name} is missing")
        if not isinstance(sizes[name], (int, np.integer)) or isinstance(sizes[name], bool) or sizes[name] < 1:
            raise InputError(f"{record.program.name}: axis {name} must have a size of at least 1, got {sizes[name]!r}")


def _label_entries(
    record: Record, sizes: Mapping[str, int], labels: Sequence[int] | Mapping[str, Sequence[int]] | None
) -> dict[str, dict[tuple[int, ...], Expr]]:
    """The zeros and ones of the arrays that are given as labels."""
    if labels is None:
        return {}
    given = labels if isinstance(labels, Mapping) else {_labelled(record): labels}
    inputs = {a.name: a for a in record.program.inputs if len(a.axes) == 2}
    made = {}
    for name, rows in given.items():
        if name not in inputs:
            raise InputError(f"{name} cannot be given as labels: expected one of {', '.join(inputs)}")
        rows_axis, columns = inputs[name].axes
        count, size = sizes[rows_axis.name], sizes[columns.name]
        if len(rows) != count or not all(float(row).is_integer() and 0 <= row < size for row in rows):
            raise InputError(f"{name}: expected {count} labels from 0 to {size - 1}, got {list(rows)}")
        made[name] = {(n, k): Integer(rows[n] == k) for n in range(count) for k in range(size)}
    return made


def _labelled(record: Record) -> str:
    """The array to which labels belong: one whose rows are assumed to sum to one, or the last that is not
    differentiated."""
    matrices = [a.name for a in record.program.inputs if len(a.axes) == 2]
    assumed = [name for a in record.program.assumptions for name in matrices if name in array_names(a.lhs)]
    plain = [name for name in matrices if name not in record.wrt]
    if not assumed and not plain:
        raise InputError(f"{record.program.name} has no array that labels could stand for")
    return assumed[0] if assumed else plain[-1]


# --- functions ----------------------------------------------------------------------------------------------------


def _lambdified(record: Record, sizes: Mapping[str, int]) -> Callable[..., Any]:
    table = _Table(record, sizes)
    program = record.program
    adjoints = {array.name for array in record.adjoint_arrays.values()}
    forms = [_through_adjoints(record, record.gradients[name], adjoints) for name in record.wrt]
    output = program.definitions[program.output].rhs
    wanted = array_names(output).union(*(array_names(index) for _, index in forms))
    chain = _definitions(table, record, wanted, adjoints)
    results = [(Symbol(program.output), table.entry(output, {}))]
    shapes = []
    for name, (entry, index) in zip(record.wrt, forms, strict=True):
        shapes.append(tuple(sizes[a.name] for a in program.arrays[name].axes))
        results += _entries(table, name, entry.indices if isinstance(entry, Indexed) else (), index)
    used = dict.fromkeys(s.assumption for s in record.steps if s.assumption is not None)
    gaps = []
    for a in used:
        letters = tuple(free_indices(a.lhs))
        places = product(*(range(sizes[axis_name(i)]) for i in letters))
        gaps += [(Symbol("gap"), table.entry(a.lhs - a.rhs, dict(zip(letters, p, strict=True)))) for p in places]
    lines, outputs = _shifted(chain, [value for _, value in results + gaps])
    arguments = [table.symbols[array.name, place] for array in program.inputs for place in table.places(array)]
    printer = PythonCodePrinter({"order": "none", "fully_qualified_modules": False, "allow_unknown_functions": True})
    compiled = lambdify(
        arguments, outputs, modules=[_SAFE, "math"], printer=printer, cse=lambda exprs: (lines, exprs)
    )
    words = "; ".join(a.words for a in used)
    return _Function(record, sizes, compiled, shapes, len(results), words)


def _through_adjoints(record: Record, gradient: Gradient, adjoints: set[str]) -> tuple[Expr, Expr]:
    """The entry and the last line about it in adjoint arrays, or else the closed form."""
    own = record.adjoint_arrays.get(gradient.array.name)
    for step in reversed(record.steps):
        if isinstance(step.subject, Total) and array_names(step.subject.wrt) == {gradient.array.name}:
            used = array_names(step.after) & adjoints
            if used and (own is None or own.name not in used):
                return step.subject.wrt, step.after
    return gradient.entry, gradient.index


class _Function:
    """The compiled entries behind the signature ``loss, grads = f(inputs...)``."""

    def __init__(
        self,
        record: Record,
        sizes: Mapping[str, int],
        compiled: Callable[..., Sequence[float]],
        shapes: Sequence[tuple[int, ...]],
        count: int,
        words: str,
    ) -> None:
        self._inputs = [(a.name, tuple(sizes[x.name] for x in a.axes)) for a in record.program.inputs]
        self._compiled, self._shapes, self._count, self._words = compiled, shapes, count, words
        names = [f"{name}_" if keyword.iskeyword(name) else name for name in record.wrt]
        self._result: Callable[..., Any] = namedtuple("Gradients", names)  # type: ignore[misc]

    def __call__(self, *inputs: Any) -> tuple[Any, Any]:
        if len(inputs) != len(self._inputs):
            expected = ", ".join(name for name, _ in self._inputs)
            raise ValueError(f"expected the {len(self._inputs)} inputs {expected}, got {len(inputs)}")
        arrays = [_fitted(np.asarray(given), *own) for given, own in zip(inputs, self._inputs, strict=True)]
        floating = [a.dtype for a in arrays if a.ndim and a.dtype.kind == "f"]
        dtype = np.result_type(*floating) if floating else np.dtype(float)
        values = self._compiled(*(x for a in arrays for x in a.astype(float).ravel().tolist()))
        if any(abs(gap) > TOLERANCE for gap in values[self._count :]):
            raise ValueError(f"expected that {self._words} (derive with assume=() for the general form)")
        made, start = [], 1
        for shape in self._shapes:
            stop = start + math.prod(shape)
            made.append(np.array(values[start:stop], dtype).reshape(shape)[()])
            start = stop
        return dtype.type(values[0]), self._result(*made)


def _fitted(array: np.ndarray[Any, Any], name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """``array`` if it has the shape, labels as rows with a one; ``ValueError`` otherwise."""
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if len(shape) == 2 and array.shape == shape[:1] and array.dtype.kind in "iu":
        if array.min() < 0 or array.max() >= shape[1]:
            raise ValueError(f"{name}: expected labels 0..{shape[1] - 1}, got {array.min()}..{array.max()}")
        return np.eye(shape[1], dtype=int)[array]
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else float(np.exp(np.float64(x)))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else float(np.log(np.float64(x)))


_SAFE = {"exp": _exp, "log": _log}


def _shifted(chain: Chain, outputs: Sequence[Expr]) -> tuple[Chain, list[Expr]]:
    """The chain with each sum of exponentials relative to the largest, and what that makes of the outputs.

    With m the largest exponent, exp(a) is t e with e = exp(a - m) and t = exp(m), exactly; t cancels wherever an entry
    is homogeneous of degree 0 in the exponentials, and log(t s) is m + log(s).
    """
    made: Chain = []
    known: dict[Expr, Expr] = {}
    logs: dict[Expr, Expr] = {}
    left: dict[Expr, Expr] = {}
    for symbol, value in chain:
        terms = Add.make_args(value)
        if len(terms) > 1 and all(isinstance(term, exp) for term in terms):
            m, t = Dummy("m", real=True), Dummy("t", positive=True)
            made.append((m, Max(*(term.args[0] for term in terms), evaluate=False)))
            relative = [(Dummy("e", positive=True), term.args[0] - m) for term in terms]
            made += [(e, exp(a)) for e, a in relative]
            known |= {term: t * e for term, (e, _) in zip(terms, relative, strict=True)}
            s = Dummy("s", positive=True)
            made.append((s, Add(*(e for e, _ in relative))))
            known[symbol], known[log(symbol)], left[t] = t * s, m + log(s), exp(m)
            logs |= {e: a for e, a in relative} | {s: log(s)}
            continue
        value = value.xreplace(known).xreplace(left)
        if (opened := _log_of_product(value, logs)) is not None:
            known[log(symbol)] = opened
        made.append((symbol, value))
    return made, [output.xreplace(known).xreplace(left) for output in outputs]


def _log_of_product(value: Expr, logs: Mapping[Expr, Expr]) -> Expr | None:
    """log(value) where the logarithm of every factor is known."""
    parts = [factor.as_base_exp() for factor in Mul.make_args(value)]
    if all(base in logs for base, _ in parts):
        return Add(*(power * logs[base] for base, power in parts))
    return None


__all__ = ["Explicit", "explicit"]
