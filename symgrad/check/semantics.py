"""The meaning of a line as an index expression: the line claims ``meaning(subject) == after``.

* An expression means itself.
* A partial derivative of f means the derivative of the definition of f, with abbreviations substituted and every other
  node held constant.
* The product of a matrix with the derivative of its inverse means the sum of the products of their entries.
* An adjoint of z means the sum, over the equations that use z, of their adjoints times these derivatives.

The line claims this for all values at which the program is defined and differentiable.  This module differentiates in
index notation; ``numeric.instantiation`` differentiates entry by entry, independently.
"""

from __future__ import annotations

from functools import lru_cache

from sympy import Add, Derivative, Expr, Function, Indexed, Mul, Pow, Sum, Symbol, sympify

from symgrad.check.normal_form.atoms import RESERVED, NoNormalForm
from symgrad.equations import Definition
from symgrad.matrix_functions import OF_MATRICES, slope
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    bound_indices,
    free_indices,
    freshen,
    index_over,
    indices_of,
    name_of,
    renamed,
    replaced,
    sum_over,
    unfolded,
)
from symgrad.program import Program
from symgrad.steps import Differentiated, MatrixTotal, MatrixValue, Partial, Record, Subject, Total, Value

IndexSubject = Value | Partial | Total


def write_out(expr: Expr, program: Program, names: set[str]) -> Expr:
    """An expression in which the entries of the arrays ``names`` are replaced by their definitions."""
    for definition in reversed(program.ordered):
        if definition.name in names:
            expr = unfolded(expr, definition.entry, definition.rhs)
    return expr


def instance(definition: Definition, entry: Expr) -> Expr:
    """The right side of a definition for the indices of an entry."""
    return definition.at(entry.indices if isinstance(entry, Indexed) else ())


def abbreviations(program: Program) -> set[str]:
    """The names of the abbreviations: definitions without an adjoint."""
    return {d.name for d in program.ordered if not d.is_node}


def meaning(record: Record, subject: Subject) -> Expr:
    """The meaning of a subject, in index notation.

    Adjoints of nodes other than the output are entries of ``adjoint_array``.  Raises ``NoNormalForm`` if SymPy leaves a
    derivative unevaluated.
    """
    subject = in_indices(subject)
    if isinstance(subject, Value):
        return subject.expr
    if isinstance(subject, Differentiated):
        return _differentiated(record.program, subject)
    if isinstance(subject, Partial):
        return partial(record.program, subject.of, subject.wrt)
    return _total(record, subject.wrt)


def in_indices(subject: Subject) -> IndexSubject:
    """A subject in index notation: for a matrix its entry, in letters that no line uses."""
    if isinstance(subject, (MatrixValue, MatrixTotal)):
        letters = tuple(axis.index(f"{RESERVED}r{i}{axis.name}") for i, axis in enumerate(subject.array.axes))
        return (Value if isinstance(subject, MatrixValue) else Total)(subject.array[letters])
    return subject


def _differentiated(program: Program, subject: Differentiated) -> Expr:
    """A matrix times the derivative of its inverse, the product that the differentiated equation contains."""
    matrix, (i, j) = program.arrays[program.definitions[name_of(subject.of)].rhs.matrix], subject.of.indices
    k = index_over(f"{RESERVED}k", axis_size(i))
    return Sum(matrix[i, k] * partial(program, subject.of.base[k, j], subject.wrt), k)


def partial(program: Program, of: Expr, wrt: Expr) -> Expr:
    """The derivative of an expression, or of the definition of a node's entry, with abbreviations substituted."""
    rows = [*dict.fromkeys([*indices_of(of), *sorted(free_indices(of), key=str)])]
    letters = [*rows, *indices_of(wrt)]
    fresh = [index_over(f"{RESERVED}w{i}", axis_size(index)) for i, index in enumerate(letters)]  # in no line
    entry = wrt.base[tuple(fresh[len(rows) :])] if isinstance(wrt, Indexed) else wrt
    derivative = _partial(program, renamed(of, dict(zip(rows, fresh, strict=False))), entry)
    return renamed(derivative, dict(zip(fresh, letters, strict=True)))


@lru_cache(maxsize=1024)
def _partial(program: Program, of: Expr, wrt: Expr) -> Expr:
    """``partial`` in letters that no line uses, so that lines in other letters share it."""
    if isinstance(of, (Indexed, Symbol)) and name_of(of) in program.definitions:
        of = instance(program.definitions[name_of(of)], of)
    expr = freshen(write_out(of, program, abbreviations(program) - {name_of(wrt)}), indices_of(wrt))
    return _derivative(expr, wrt)


def _derivative(of: Expr, wrt: Expr) -> Expr:
    """The derivative with respect to an entry whose indices do not occur in the expression, which binds none twice.

    This module has the rules for sums, products, powers and composition; SymPy differentiates single functions.
    """
    name = name_of(wrt)
    if name not in array_names(of):
        return sympify(0)
    if isinstance(of, OF_MATRICES):
        return slope(of, wrt) if name == of.matrix else sympify(0)
    if isinstance(of, Add):
        return Add(*(_derivative(term, wrt) for term in of.args))
    if isinstance(of, Sum):
        return sum_over(_derivative(of.function, wrt), bound_indices(of))
    if isinstance(of, Mul):
        constant = [factor for factor in of.args if name not in array_names(factor)]
        if constant:
            rest = Mul(*(factor for factor in of.args if name in array_names(factor)))
            return Mul(*constant, _derivative(rest, wrt))
        others = ((factor, Mul(*of.args[:place], *of.args[place + 1 :])) for place, factor in enumerate(of.args))
        return Add(*(_derivative(factor, wrt) * rest for factor, rest in others))
    if isinstance(of, Pow) and of.exp.is_number:
        return of.exp * of.base ** (of.exp - 1) * _derivative(of.base, wrt)
    if isinstance(of, Function) and len(of.args) == 1 and not isinstance(of.args[0], (Indexed, Symbol)):
        inside = Symbol(f"{RESERVED}x", real=True)
        return replaced(sympy_derivative(of.func(inside), inside), {inside: of.args[0]}) * _derivative(of.args[0], wrt)
    if calls := sorted((call for call in of.atoms(*OF_MATRICES) if name in array_names(call)), key=str):
        marks = {call: Symbol(f"{RESERVED}{number}", real=True) for number, call in enumerate(calls)}
        outer = replaced(of, marks)
        inner = {mark: _derivative(call, wrt) for call, mark in marks.items()}
        total = _derivative(outer, wrt) + Add(*(outer.diff(mark) * slope for mark, slope in inner.items()))
        return replaced(total, {mark: call for call, mark in marks.items()})
    free = sorted(free_indices(of), key=lambda i: (axis_name(i), i.name))
    standard = {index: index_over(f"{RESERVED}p{i}", axis_size(index)) for i, index in enumerate(free)}
    derivative = sympy_derivative(renamed(of, standard), wrt)
    letters = {new: old for old, new in standard.items()} | {i: i for i in indices_of(wrt)}
    return renamed(derivative, letters)


@lru_cache(maxsize=4096)
def sympy_derivative(of: Expr, wrt: Expr) -> Expr:
    """SymPy's derivative; cached, so callers rename indices and symbols to standard ones."""
    result = of.diff(wrt)
    if result.has(Derivative):
        raise NoNormalForm(f"SymPy leaves a derivative of {of} with respect to {wrt} undone")
    return result


def axis_size(index: Expr) -> Expr:
    """The size of the axis of an index."""
    return index.upper + 1


def consumers(program: Program, name: str) -> list[Definition]:
    """The nodes whose definitions, with abbreviations substituted, use an array."""
    return [d for d in program.ordered if d.is_node or d.name == program.output if name in program.uses(d.name)]


def adjoint_array(record: Record, name: str) -> Array:
    """The array that denotes a node's adjoint in lines, or one with a name that no line can use."""
    return record.adjoint_arrays.get(name) or Array(f"adjoint of {name}", record.program.arrays[name].axes)


def adjoint_names(record: Record) -> dict[str, str]:
    """Map the name of each adjoint array to the name of the array whose adjoint it is."""
    return {adjoint_array(record, name).name: name for name in record.program.arrays}


def arrays_and_adjoints(record: Record) -> dict[str, Array]:
    """All arrays that lines may use, by name."""
    return {**record.program.arrays, **{a.name: a for a in (adjoint_array(record, n) for n in record.program.arrays)}}


def _total(record: Record, wrt: Expr) -> Expr:
    program = record.program
    name = name_of(wrt)
    if name == program.output:
        return sympify(1)
    terms = []
    for definition in consumers(program, name):
        if definition.name not in {program.output, *program.varying_ancestors[program.output]}:
            continue  # the output does not vary with it
        fresh = {i: index_over(f"{RESERVED}{axis_name(i)}h{n}", axis_size(i)) for n, i in enumerate(definition.indices)}
        entry = replaced(definition.entry, fresh)
        derivative = partial(program, entry, wrt)
        if definition.name == program.output:
            terms.append(derivative)
            continue
        weighted = adjoint_array(record, definition.name)[tuple(fresh.values())] * derivative
        terms.append(Sum(weighted, *fresh.values()) if fresh else weighted)
    return sum(terms, sympify(0))
