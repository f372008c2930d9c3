"""The entries of a derivation as a function of NumPy arrays, by SymPy's ``lambdify``."""

from __future__ import annotations

import keyword
import math
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sympy import Add, Dummy, Expr, KroneckerDelta, Max, Mul, Symbol, exp, lambdify, log
from sympy.printing.pycode import PythonCodePrinter

from symgrad.explicit.entries import Group, Table, definitions, group, used_assumptions
from symgrad.functions import MEANINGS
from symgrad.notation import array_names, free_indices, indices_of
from symgrad.steps import Gradient, Record, Total

NUMBERS = {function.__name__: meaning.number for function, meaning in MEANINGS.items() if meaning.number}
TOLERANCE = 1e-5  # how far inputs may be from an assumption that the derivation used


def lambdified(record: Record, sizes: Mapping[str, int]) -> Callable[..., Any]:
    """``f`` with ``loss, grads = f(inputs...)`` on arrays of these sizes.

    The shared subexpressions are the entries of the program's arrays and of the adjoints, none is searched
    for.
    """
    table = Table(record, sizes)
    program = record.program
    output = program.definitions[program.output].rhs
    forms = [_through_adjoints(record, record.gradients[name]) for name in record.wrt]
    used = [a for a in used_assumptions(record) if not a.domain]
    groups = definitions(table, record, array_names(output).union(*(array_names(index) for _, index in forms)))
    results = [group(table, program.output, (), output)]
    results += [
        group(table, record.gradients[name].array.name, indices_of(e), index)
        for name, (e, index) in zip(record.wrt, forms, strict=True)
    ]
    gaps = [value for a in used for value in table.entries(a.lhs - a.rhs, tuple(free_indices(a.lhs)))]
    shifter = _Shifter()
    for entries in groups:
        shifter.add(entries)
    outputs = [value for entries in results for value in shifter.results(entries)]
    arguments = [table.symbols[array.name, place] for array in program.inputs for place in table.places(array)]
    compiled = lambdify(
        arguments,
        [*outputs, *gaps],
        modules=[{"exp": _exp, "log": _log, **NUMBERS}, "math"],
        printer=_Printer({"order": "none", "fully_qualified_modules": False, "allow_unknown_functions": True}),
        cse=lambda expressions: (shifter.lines, expressions),
    )
    shapes = [tuple(sizes[axis.name] for axis in record.gradients[name].array.axes) for name in record.wrt]
    return _Function(record, sizes, compiled, shapes, len(outputs), "; ".join(a.words for a in used))


def _through_adjoints(record: Record, gradient: Gradient) -> tuple[Expr, Expr]:
    """The entry, and the last line about it in adjoint arrays without deltas, or else the closed form."""
    adjoints = {array.name for array in record.adjoint_arrays.values()}
    own = record.adjoint_arrays.get(gradient.array.name)
    for step in reversed(record.steps):
        if isinstance(step.subject, Total) and array_names(step.subject.wrt) == {gradient.array.name}:
            used = array_names(step.after) & adjoints
            if used and (own is None or own.name not in used) and not step.after.has(KroneckerDelta):
                return step.subject.wrt, step.after
    return gradient.entry, gradient.index


class _Printer(PythonCodePrinter):  # type: ignore[misc]
    """SymPy's printer, with a short way for the sums and products of names that fill these functions."""

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        return " + ".join(self._print(term) for term in expr.args)

    def _print_Mul(self, expr: Expr) -> str:
        if all(isinstance(factor, (Symbol, Add)) for factor in expr.args):
            return "*".join(
                f.name if isinstance(f, Symbol) and not f.is_Dummy else f"({self._print(f)})" for f in expr.args
            )
        return str(super()._print_Mul(expr))


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
        self._domains = [(min(array_names(a.lhs)), a.domain) for a in record.program.assumptions if a.domain]
        self._inputs = [(a.name, tuple(sizes[x.name] for x in a.axes)) for a in record.program.inputs]
        self._compiled, self._shapes, self._count, self._words = compiled, shapes, count, words
        names = [f"{name}_" if keyword.iskeyword(name) else name for name in record.wrt]
        self._result: Callable[..., Any] = namedtuple("Gradients", names, rename=True)  # type: ignore[misc]

    def __call__(self, *inputs: Any) -> tuple[Any, Any]:
        if len(inputs) != len(self._inputs):
            expected = ", ".join(name for name, _ in self._inputs)
            raise ValueError(f"expected the {len(self._inputs)} inputs {expected}, got {len(inputs)}")
        arrays = [_fitted(np.asarray(given), *own) for given, own in zip(inputs, self._inputs, strict=True)]
        for (name, _), array in zip(self._inputs, arrays, strict=True):
            for words in (d.words for own, d in self._domains if own == name and not np.all(d.contains(array))):
                raise ValueError(f"{name}: entries must be {words}")
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
        return np.asarray(np.eye(shape[1], dtype=int)[array])
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else float(np.exp(np.float64(x)))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else float(np.log(np.float64(x)))


class _Shifter:
    """Rewrites lines so that each sum of exponentials is relative to the largest of them.

    With m the largest exponent, exp(a) is t e with e = exp(a - m) and t = exp(m), exactly; t cancels wherever
    an entry is homogeneous of degree 0 in the exponentials, and log(t s) is m + log(s).  What is left of t is
    written out.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[Symbol, Expr]] = []
        self._known: dict[Expr, Expr] = {}  # what now stands for exp(a), for a shifted sum s, and for logarithms
        self._logs: dict[Expr, Expr] = {}
        self._left: dict[Expr, Expr] = {}
        self._shifted: set[str] = set()

    def add(self, own: Group) -> None:
        """The lines for the entries of an array."""
        for symbol, value in zip(own.symbols, own.values, strict=True):
            terms = Add.make_args(value)
            if len(terms) > 1 and all(isinstance(t, exp) and t not in self._known for t in terms):
                self._shifted.add(own.name)
                self._shift(symbol, terms)
            else:
                self._keep(symbol, self._rewritten(own, value))

    def results(self, own: Group) -> list[Expr]:
        """The values of an array in the symbols of the lines."""
        return [self._rewritten(own, value) for value in own.values]

    def _shift(self, symbol: Symbol, terms: Sequence[Expr]) -> None:
        m, t, s = Dummy("m", real=True), Dummy("t", positive=True), Dummy("s", positive=True)
        relative = [Dummy("e", positive=True) for _ in terms]
        self.lines.append((m, Max(*(term.args[0] for term in terms), evaluate=False)))
        for e, term in zip(relative, terms, strict=True):
            self.lines.append((e, exp(term.args[0] - m)))
            self._known[term], self._logs[e] = t * e, term.args[0] - m
        self.lines.append((s, Add(*relative)))
        self._known |= {symbol: t * s, log(symbol): m + log(s)}
        self._logs[s], self._left[t] = log(s), exp(m)

    def _keep(self, symbol: Symbol, value: Expr) -> None:
        """A line as it is; the logarithm of a product of shifted exponentials and their sums is known."""
        parts = [factor.as_base_exp() for factor in Mul.make_args(value)]
        if all(base in self._logs for base, _ in parts):
            self._known[log(symbol)] = Add(*(power * self._logs[base] for base, power in parts))
        self.lines.append((symbol, value))

    def _rewritten(self, own: Group, value: Expr) -> Expr:
        concerned = own.rhs.has(exp, log) or array_names(own.rhs) & self._shifted
        return value.xreplace(self._known).xreplace(self._left) if self._known and concerned else value
