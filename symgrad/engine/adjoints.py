"""The adjoint of a node, line by line: the chain rule over the equations that use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Add, Expr, Function, Indexed
from sympy.tensor.indexed import Idx

from symgrad.engine.assume import oriented, turned, use
from symgrad.engine.differentiate import kinks
from symgrad.engine.fold import fold
from symgrad.engine.matrix_structure import Defined, in_chains, symmetric_given, transpose
from symgrad.engine.named_arrays import with_products
from symgrad.engine.partials import cancelled, contribution, divided_by, lemma_used, simplify, units
from symgrad.engine.rules import Rule
from symgrad.engine.summation import contract, has_delta, ordered_sums
from symgrad.engine.tidying import cost
from symgrad.engine.writer import Writer
from symgrad.equations import Assumption, Definition
from symgrad.index_letters import fresh_letter
from symgrad.matrix_functions import inverse
from symgrad.notation import (
    Array,
    array_names,
    every_index,
    free_indices,
    indices_of,
    name_of,
    parts_of,
    replaced,
    unfolded,
)
from symgrad.program import Program
from symgrad.steps import Gradient, Total, Value, product_names


def users(writer: Writer, name: str) -> list[Definition]:
    """The nodes that use the array ``name`` and on which the output depends, in order of evaluation."""
    program = writer.program
    nodes = [d for d in program.ordered if d.is_node and name in program.varies_with(d.name)]
    return [d for d in nodes if d.name in writer.adjoint or d.name == program.output]


def derive_adjoint(writer: Writer, name: str) -> None:
    """Write the lines about the adjoint of the array ``name``."""
    program, using = writer.program, users(writer, name)
    entry = _entry_for(program, name, using)
    rules = writer.rules_near([name, *(d.name for d in using)])
    terms: list[Expr] = []
    cites: list[int] = []
    for user in using:
        term, lines = contribution(writer, user, name, entry, rules)
        terms.append(term)
        cites += lines
    subject, nonsmooth = Total(entry), list[type[Function]]()
    if using[-1].name == program.output:
        cites.append(writer.origins[program.output])
        nonsmooth = kinks(program, using[-1].rhs, name)
    is_direct = using[0].name == program.output
    by = f"differentiate {program.output}{lemma_used(using[0].rhs, name)}"
    rule, reason = ("differentiate", by) if is_direct else ("chain", "chain rule")
    divisors = divided_by(program, using[-1].rhs, name) if is_direct else ()
    raw = writer.line(subject, None, Add(*terms), rule, reason, cites, conditions=divisors, kinks=nonsmooth)
    value = simplify(writer, subject, raw, rules)
    value = _with_adjoints_written_out(writer, subject, value, rules)
    value = _with_assumptions(writer, subject, value, rules)
    value = _with_symmetry(writer, subject, value)
    writer.closed[name] = Gradient(program.arrays[name], entry, writer.shown(subject), None)


def _entry_for(program: Program, name: str, users: Sequence[Definition]) -> Expr:
    """The entry of ``name`` to differentiate with respect to; no equation that uses it has its letters."""
    taken = {i.name for user in users for i in user.indices} | program.entry_letters
    for user in users:
        if users == [user] and user.name == program.output:
            taken |= {i.name for i in every_index(user.rhs)}
        for unit in units(program, user, name):
            taken |= {i.name for i in free_indices(unit)}
    indices: list[Idx] = []
    for axis in program.arrays[name].axes:
        indices.append(fresh_letter(axis, taken | {i.name for i in indices}))
    return program.arrays[name][tuple(indices)]


def _with_adjoints_written_out(writer: Writer, subject: Total, value: Expr, rules: Sequence[Rule]) -> Expr:
    """``value`` with adjoints replaced by their closed forms where that makes the line cheaper to read.

    Each is tried alone; then the remaining adjoints of statistics (a mean, a variance) are tried together.
    """
    program, weights = writer.program, writer.weights(_axes_of(subject.wrt))
    nodes = {a.name: node for node, a in writer.adjoint.items()}
    present = sorted(array_names(value) & set(nodes), key=lambda name: program.rank[nodes[name]])
    statistics = [name for name in present if len(writer.adjoint[nodes[name]].axes) < _axes_of(subject.wrt)]
    for candidates in [*([name] for name in present), statistics]:
        group = [name for name in candidates if name in array_names(value)]
        if not group:
            continue
        written = value
        for name in group:
            written = _write_out(written, writer.adjoint[nodes[name]], writer.closed[nodes[name]])
        written = _without_deltas(written, program)
        shorter, used = fold(written, rules, weights)
        if cost(shorter, weights) < cost(value, weights):
            cites = [writer.results[Total(writer.closed[nodes[name]].entry)] for name in group] + writer.cite(used)
            conditions = tuple(
                condition
                for name in group
                for condition in cancelled(program, writer.closed[nodes[name]].index, shorter)
            )
            value = writer.line(subject, value, shorter, "substitute", "substitute", cites=cites, conditions=conditions)
    for name in present:
        value = with_products(writer, subject, value, nodes[name]) if name in array_names(value) else value
    return value


def _without_deltas(expr: Expr, program: Program) -> Expr:
    """``expr`` with its sums simplified, and deltas that multiply whole summands summed away."""
    for axis in (axis.name for axis in program.axes if has_delta(expr, axis.name)):
        expr = contract(expr, axis, opened=False)
    return ordered_sums(expr)


def _axes_of(entry: Expr) -> int:
    return len(indices_of(entry))


def _write_out(expr: Expr, adjoint: Array, closed: Gradient) -> Expr:
    """``expr`` with the entries of one adjoint array replaced by its closed form."""
    return unfolded(expr, adjoint[indices_of(closed.entry)], closed.index)


def _with_assumptions(writer: Writer, subject: Total, value: Expr, rules: Sequence[Rule]) -> Expr:
    for assumption in writer.program.assumptions:
        simplified, opened = use(writer.program, value, assumption, indices_of(subject.wrt))
        if simplified == value:
            continue
        folded, used = fold(simplified, rules, writer.weights())
        cites = [writer.origins[name] for name in opened] + writer.cite(used)
        value = writer.line(subject, value, folded, "assume", assumption.words, cites=cites, assumption=assumption)
    return value


def _with_symmetry(writer: Writer, subject: Total, value: Expr) -> Expr:
    """``value`` with the entries of matrices that are symmetric, as X^T X is, transposed where terms merge."""
    program, nodes = writer.program, {a.name: node for node, a in writer.adjoint.items()}
    closed = {a: (indices_of(form.entry), form.index) for a, node in nodes.items() if (form := writer.closed.get(node))}
    order = indices_of(subject.wrt)
    for name in [*program.definitions, *closed]:
        symmetries = symmetric_given(name, program, closed) if name in array_names(value) else None
        if symmetries is None:
            continue
        shorter, definition = turned(value, name, order), program.definitions.get(name)
        is_inverse = definition is not None and isinstance(definition.rhs, inverse)
        shorter = in_chains(oriented(shorter, name, order), name, order) if is_inverse else shorter
        if (shorter == value and not is_inverse) or shorter.count_ops() >= value.count_ops() + is_inverse:
            continue
        adjoints = () if definition else (writer.closed[nodes[used]] for used in _within(name, closed))
        cites = [writer.origins[name]] if definition else [writer.results[Total(form.entry)] for form in adjoints]
        if len(symmetries) > 1 and definition:
            cites.append(_symmetry(writer, definition, symmetries))
        if len(symmetries) < 2 or {*symmetries} <= writer.assumed(cites):
            assumption = symmetries[0] if len(symmetries) == 1 else None
            value = writer.line(subject, value, shorter, "symmetry", f"{name} is symmetric", cites, assumption)
    return value


def _within(name: str, closed: Defined) -> set[str]:
    """An adjoint, and those in its closed form."""
    return {name}.union(*(_within(used, closed) for used in array_names(closed[name][1]) & closed.keys()))


def _symmetry(writer: Writer, definition: Definition, symmetries: Sequence[Assumption]) -> int:
    """Write the lines that derive the symmetry of a matrix, or of the matrix that it inverts, from several assumptions;
    return the number of the last."""
    rhs = definition.rhs
    matrix = writer.program.definitions[rhs.matrix] if isinstance(rhs, inverse) else definition
    subject, value = Value(matrix.entry), matrix.rhs
    if writer.results[subject] == writer.origins[matrix.name]:
        for assumption in symmetries[:-1]:
            entries = [e for e in parts_of(value, Indexed) if name_of(e) == name_of(assumption.lhs)]
            turned_over = replaced(value, {e: transpose(e) for e in entries})
            value = writer.line(subject, value, turned_over, "assume", assumption.words, assumption=assumption)
        reason = f"{matrix.name} is symmetric"
        writer.line(subject, value, transpose(matrix.entry), "symmetry", reason, assumption=symmetries[-1])
    return writer.results[subject]


def write_closed_form(writer: Writer, name: str) -> None:
    """A last line for an array asked for, with the adjoints that close over the program's arrays written out.

    An adjoint keeps its name if its closed form has a named product, or a bracket and it occurs more than once.
    """
    nodes = {a.name: node for node, a in writer.adjoint.items()}
    gradient, kept = writer.closed[name], set(nodes) | product_names(writer.steps)
    value, cites = gradient.index, list[int]()
    for used in sorted(array_names(value) & set(nodes)):
        closed = writer.closed[nodes[used]]
        entries = [e for e in parts_of(value, Indexed) if name_of(e) == used]
        if not array_names(closed.index) & kept and not (len(entries) > 1 and closed.index.has(Add)):
            value = _write_out(value, writer.adjoint[nodes[used]], closed)
            cites.append(writer.results[Total(closed.entry)])
    if cites:
        value = fold(_without_deltas(value, writer.program), [], writer.weights())[0]
        value = writer.line(Total(gradient.entry), gradient.index, value, "close", "substitute", cites)
        writer.closed[name] = replace(gradient, index=writer.shown(Total(gradient.entry)))
