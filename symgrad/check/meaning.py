"""What a line claims: the meaning of its subject as an index expression, by SymPy's derivative of index expressions.

The claim of a line is ``meaning(subject) == after`` wherever the program is defined, every name having its
forward value. This module is the first witness of the meaning; ``instantiate`` differentiates entry by entry and
is the second.
"""

from __future__ import annotations

from functools import lru_cache

from sympy import Derivative, Expr, Indexed, Subs, Sum, Symbol, sympify

from symgrad.check.atoms import NoNormalForm
from symgrad.notation import Array, axis_name, entries, freshen
from symgrad.program import Definition, Program
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Record, Subject, Total, Value


def name_of(entry: Expr) -> str:
    """The name of the array of an entry, or of a scalar."""
    return str(entry.base.name if isinstance(entry, Indexed) else entry.name)


def write_out(expr: Expr, program: Program, names: set[str]) -> Expr:
    """An expression in which the entries of the arrays ``names`` are replaced by their definitions."""
    for definition in reversed(program.ordered):
        if definition.name in names:
            expr = expr.xreplace({e: instance(definition, e) for e in entries(expr, definition.name)})
    return expr


def instance(definition: Definition, entry: Expr) -> Expr:
    """The right side of a definition for the indices of an entry."""
    return definition.at(entry.indices if isinstance(entry, Indexed) else ())


def abbreviations(program: Program) -> set[str]:
    """The names that are only names."""
    return {d.name for d in program.ordered if not d.is_node}


def meaning(record: Record, subject: Subject) -> Expr:
    """The meaning of a subject; that of a matrix is its entry in the letters of ``matrix_letters``.

    Adjoints of other nodes than the output are entries of ``record.adjoint_arrays``.  Raises ``NoNormalForm`` where
    SymPy leaves a derivative undone.
    """
    if isinstance(subject, Value):
        return subject.expr
    if isinstance(subject, Partial):
        return partial(record.program, subject.of, subject.wrt)
    if isinstance(subject, Total):
        return _total(record, subject.wrt)
    if isinstance(subject, MatrixValue):
        return subject.array[matrix_letters(subject.array)]
    if isinstance(subject, MatrixTotal):
        return _total(record, subject.array[matrix_letters(subject.array)])
    raise NoNormalForm(f"a subject of unknown kind: {subject}")


def matrix_letters(array: Array) -> tuple[Expr, ...]:
    """The indices in which a matrix line is read."""
    return tuple(axis.index(f"_{axis.name}r{place}") for place, axis in enumerate(array.axes))


def partial(program: Program, of: Expr, wrt: Expr) -> Expr:
    """The derivative of an expression (of a node's entry: of its definition), abbreviations written out."""
    names = abbreviations(program)
    if isinstance(of, (Indexed, Symbol)) and name_of(of) in program.definitions:
        names = names | {name_of(of)}
        of = instance(program.definitions[name_of(of)], of)
        names = names - {name_of(wrt)}
    return _derivative(write_out(of, program, names - {name_of(wrt)}), wrt)


def _derivative(of: Expr, wrt: Expr) -> Expr:
    """SymPy's derivative with respect to an entry with indices of its own, which are then given their letters."""
    if not isinstance(wrt, Indexed):
        return _sympy_derivative(of, wrt)
    fresh = {i: type(i)(f"_w{place}", axis_size(i)) for place, i in enumerate(wrt.indices)}
    return _sympy_derivative(of, wrt.xreplace(fresh)).xreplace({new: old for old, new in fresh.items()})


@lru_cache(maxsize=1024)
def _sympy_derivative(of: Expr, wrt: Expr) -> Expr:
    """The derivative, found once for all the lines about the same subject."""
    result = freshen(of).diff(wrt)
    if result.has(Derivative, Subs):
        raise NoNormalForm(f"SymPy leaves a derivative of {of} with respect to {wrt} undone")
    return result


def axis_size(index: Expr) -> Expr:
    """The size of the axis of an index."""
    return index.upper + 1


def consumers(program: Program, name: str) -> list[Definition]:
    """The nodes whose definitions, abbreviations written out, use an array."""
    return [d for d in program.ordered if d.is_node or d.name == program.output if name in program.uses(d.name)]


def adjoint_array(record: Record, name: str) -> Array:
    """The array of a node's adjoint, as lines write it."""
    return record.adjoint_arrays.get(name) or Array(f"adjoint_{name}", record.program.arrays[name].axes)


def _total(record: Record, wrt: Expr) -> Expr:
    program = record.program
    name = name_of(wrt)
    if name == program.output:
        return sympify(1)
    terms = []
    for definition in consumers(program, name):
        fresh = {i: type(i)(f"_{axis_name(i)}h{place}", axis_size(i)) for place, i in enumerate(definition.indices)}
        entry = definition.entry.xreplace(fresh)
        derivative = partial(program, entry, wrt)
        if definition.name == program.output:
            terms.append(derivative)
            continue
        weighted = adjoint_array(record, definition.name)[tuple(fresh.values())] * derivative
        terms.append(Sum(weighted, *fresh.values()) if fresh else weighted)
    return sum(terms, sympify(0))
