"""What a line means, as an index expression: its claim is ``meaning(subject) == after``.

* An expression means itself.
* A partial derivative of f means the derivative of the definition of f, abbreviations substituted, with every other
  node held fixed.
* An adjoint of z means the sum, over the equations that use z, of their adjoints times these derivatives.

The claim is for all values at which the program is defined and differentiable.  This module differentiates in index
notation; ``numeric.instantiation`` does entry by entry, independently.
"""

from __future__ import annotations

from functools import lru_cache

from sympy import Add, Derivative, Expr, Indexed, Mul, Sum, Symbol, sympify
from sympy.tensor.indexed import Idx

from symgrad.check.normal_form.atoms import RESERVED, NoNormalForm
from symgrad.equations import Definition
from symgrad.notation import (
    Array,
    array_names,
    axis_name,
    bound_indices,
    free_indices,
    freshen,
    index_over,
    name_of,
    renamed,
    replaced,
    sum_over,
    unfolded,
)
from symgrad.program import Program
from symgrad.steps import MatrixTotal, MatrixValue, Partial, Record, Subject, Total, Value

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
    """The names that are only names."""
    return {d.name for d in program.ordered if not d.is_node}


def meaning(record: Record, subject: Subject) -> Expr:
    """The meaning of a subject, in index notation.

    Adjoints of other nodes than the output are entries of ``record.adjoint_arrays``.  Raises ``NoNormalForm`` where
    SymPy leaves a derivative undone.
    """
    subject = in_indices(subject)
    if isinstance(subject, Value):
        return subject.expr
    if isinstance(subject, Partial):
        return partial(record.program, subject.of, subject.wrt)
    return _total(record, subject.wrt)


def in_indices(subject: Subject) -> IndexSubject:
    """A subject in index notation: a matrix is its entry, in letters that no line uses."""
    if isinstance(subject, (MatrixValue, MatrixTotal)):
        letters = tuple(axis.index(f"{RESERVED}r{place}{axis.name}") for place, axis in enumerate(subject.array.axes))
        return (Value if isinstance(subject, MatrixValue) else Total)(subject.array[letters])
    return subject


def partial(program: Program, of: Expr, wrt: Expr) -> Expr:
    """The derivative of an expression (of a node's entry: of its definition), abbreviations written out."""
    below = _own_letters("w", wrt)
    by = wrt.base[tuple(below)] if isinstance(wrt, Indexed) else wrt
    letters = dict(zip(below, wrt.indices, strict=True)) if isinstance(wrt, Indexed) else {}
    if isinstance(of, (Indexed, Symbol)) and name_of(of) in program.definitions:
        above = _own_letters("o", of)
        letters |= dict(zip(above, of.indices, strict=True)) if isinstance(of, Indexed) else {}
        derivative = _node_derivative(program, name_of(of), tuple(above), by)
    else:
        letters |= {i: i for i in free_indices(of)}
        derivative = _derivative(freshen(write_out(of, program, abbreviations(program) - {name_of(wrt)}), letters), by)
    return renamed(derivative, letters)


def _own_letters(letter: str, entry: Expr) -> list[Idx]:
    """Indices that no line uses, one for each place of an entry."""
    places = enumerate(entry.indices) if isinstance(entry, Indexed) else ()
    return [index_over(f"{RESERVED}{letter}{place}", axis_size(i)) for place, i in places]


@lru_cache(maxsize=1024)
def _node_derivative(program: Program, name: str, letters: tuple[Idx, ...], wrt: Expr) -> Expr:
    """The derivative of a node's definition, abbreviations written out: found once for all lines that need it."""
    names = abbreviations(program) - {name_of(wrt)}
    return _derivative(freshen(write_out(program.definitions[name].at(letters), program, names)), wrt)


def _derivative(of: Expr, wrt: Expr) -> Expr:
    """The derivative with respect to an entry whose indices do not occur in the expression, nor a bound index twice.

    Sums are differentiated term by term, constant factors apart; what is left is SymPy's.
    """
    name = name_of(wrt)
    if name not in array_names(of):
        return sympify(0)
    if isinstance(of, Add):
        return Add(*(_derivative(term, wrt) for term in of.args))
    if isinstance(of, Sum):
        return sum_over(_derivative(of.function, wrt), bound_indices(of))
    if isinstance(of, Mul):
        constant = [factor for factor in of.args if name not in array_names(factor)]
        if constant:
            rest = Mul(*(factor for factor in of.args if name in array_names(factor)))
            return Mul(*constant, _derivative(rest, wrt))
    free = sorted(free_indices(of), key=lambda i: (axis_name(i), str(i)))
    own = {i: index_over(f"{RESERVED}p{place}", axis_size(i)) for place, i in enumerate(free)}
    derivative = _sympy_derivative(renamed(of, own), wrt)
    letters = {new: old for old, new in own.items()} | {i: i for i in getattr(wrt, "indices", ())}
    return renamed(derivative, letters)


@lru_cache(maxsize=1024)
def _sympy_derivative(of: Expr, wrt: Expr) -> Expr:
    """SymPy's derivative: found once for all expressions that differ in the letters of their indices."""
    result = of.diff(wrt)
    if result.has(Derivative):
        raise NoNormalForm(f"SymPy leaves a derivative of {of} with respect to {wrt} undone")
    return result


def axis_size(index: Expr) -> Expr:
    """The size of the axis of an index."""
    return index.upper + 1


def consumers(program: Program, name: str) -> list[Definition]:
    """The nodes whose definitions, abbreviations written out, use an array."""
    return [d for d in program.ordered if d.is_node or d.name == program.output if name in program.uses(d.name)]


def adjoint_array(record: Record, name: str) -> Array:
    """The array of a node's adjoint, as lines write it; where the record names none, called as no array can be."""
    return record.adjoint_arrays.get(name) or Array(f"adjoint of {name}", record.program.arrays[name].axes)


def _total(record: Record, wrt: Expr) -> Expr:
    program = record.program
    name = name_of(wrt)
    if name == program.output:
        return sympify(1)
    terms = []
    for definition in consumers(program, name):
        fresh = {
            i: type(i)(f"{RESERVED}{axis_name(i)}h{place}", axis_size(i)) for place, i in enumerate(definition.indices)
        }
        entry = replaced(definition.entry, fresh)
        derivative = partial(program, entry, wrt)
        if definition.name == program.output:
            terms.append(derivative)
            continue
        weighted = adjoint_array(record, definition.name)[tuple(fresh.values())] * derivative
        terms.append(Sum(weighted, *fresh.values()) if fresh else weighted)
    return sum(terms, sympify(0))
