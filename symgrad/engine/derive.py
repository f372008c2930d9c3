"""The driver of a derivation: reverse mode over the named equations.

For each node, latest first: the partial derivatives of the equations that use it (differentiated, deltas summed away,
folded into named arrays), then its adjoint by the chain rule (contracted, folded, assumptions used).  At the end come
the definitions and the adjoints in matrix notation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sympy import Expr
from sympy.core.basic import Basic

from symgrad.budget import Budget, OverBudget, within
from symgrad.engine.adjoints import derive_adjoint, users, write_closed_form
from symgrad.engine.differentiate import check_known
from symgrad.engine.matrix_form import obstacle, plainest_matrix, to_matrix
from symgrad.engine.named_arrays import with_softmaxes
from symgrad.engine.partials import has_inverse
from symgrad.engine.writer import Writer
from symgrad.errors import InputError, UnsupportedError, nested
from symgrad.names import alike_in_print, is_alike, same_look, unlike
from symgrad.notation import Array, indices_of, replaced
from symgrad.program import Program
from symgrad.steps import Gradient, MatrixTotal, MatrixValue, Record, Step, Subject, Total, Value

MOST_TERMS = 150_000
"""The budget of a derivation: ten times the most that a loss of the catalogue or of the tests needs."""


def derive_record(program: Program, wrt: Sequence[str]) -> Record:
    """The derivation of the output's gradient with respect to the arrays named in ``wrt``.

    Raises ``InputError`` for an array that is unknown or that the output does not depend on, and
    ``UnsupportedError``, naming the equation, for an expression that has no derivative, is nested too deeply or takes
    too much work.
    """
    wrt = [same_look(name, program.arrays) if isinstance(name, str) else name for name in wrt]
    with nested(f"{program.name}: an equation"):
        if fault := next(_faults(program, wrt), ""):
            raise InputError(f"{program.name}: {fault}")
        for definition in program.ordered:
            check_known(definition.rhs, definition.name)
        program = with_softmaxes(program.with_nodes(wrt))
        writer = Writer(program, _adjoint_arrays(program, wrt))
    with within(Budget("a derivation", MOST_TERMS)):
        for definition in program.ordered:
            with _naming(program, definition.name):
                entry, rhs = definition.entry, definition.rhs
                writer.line(
                    Value(entry), None, rhs, "definition", "definition", conditions=has_inverse(program, definition)
                )
                writer.origins[definition.name] = len(writer.steps)
        for name in _wanted_nodes(program, wrt):
            with _naming(program, users(writer, name)[-1].name, name):
                derive_adjoint(writer, name)
                if name in wrt:
                    write_closed_form(writer, name)
        with _naming(program, program.output):
            _write_matrices(writer)
            return _with_short_names(writer.record(wrt))


@contextmanager
def _naming(program: Program, equation: str, wrt: str = "") -> Iterator[None]:
    """Name the equation in the errors for too much work, or too deep a nesting, inside."""
    by = f" with respect to {wrt}" if wrt else ""
    with nested(f"{program.name}: the equation of {equation}", equation):
        try:
            yield
        except OverBudget:
            words = f"differentiating the equation of {equation}{by} takes more than {MOST_TERMS:,} terms of work"
            raise UnsupportedError(f"{program.name}: {words}: give its parts names of their own", equation) from None


def _faults(program: Program, wrt: Sequence[str]) -> Iterator[str]:
    """Why a program cannot be differentiated with respect to ``wrt``, in words."""
    used, reached = program.ancestors[program.output], program.varying_ancestors[program.output]
    if unknown := [name for name in program.printed if name not in program.arrays]:
        yield f"names renames {unknown[0]}, but the arrays are {', '.join(program.arrays)}"
    yield from alike_in_print(program.axis, {n: bool(a.axes) for n, a in program.arrays.items()}, program.printed)
    if program.vectors not in ("", "bold"):
        yield f"vectors must be 'bold' or '', not {program.vectors!r}"
    if not wrt:
        yield "no array to differentiate with respect to was given"
    for name in wrt:
        if not isinstance(name, str):
            yield f"wrt takes the names of arrays, not a {type(name).__name__}"
        if name == program.output:
            yield f"{name} is the output itself"
        if name not in program.arrays:
            yield f"unknown array {name!r}; known arrays: {', '.join(program.arrays)}"
        if name not in used:
            yield f"{program.output} does not depend on {name}: leave {name} out of wrt"
        if name not in reached:
            yield (
                f"{program.output} depends on {name} only through piecewise constant functions, so the gradient is 0 "
                "wherever it exists"
            )
    if len(set(wrt)) < len(wrt):
        yield f"an array is named twice in {', '.join(wrt)}"


def _wanted_nodes(program: Program, wrt: Sequence[str]) -> list[str]:
    """The arrays that need an adjoint, latest first: ``wrt`` and every node between these and the output."""
    between, varies = program.varying_ancestors[program.output], program.varying_ancestors
    nodes = [d.name for d in program.ordered if d.is_node and d.name in between and varies[d.name] & set(wrt)]
    inputs = [name for name in wrt if name not in program.definitions]
    nodes += [name for name in wrt if name in program.definitions and name not in nodes]
    return sorted(nodes, key=program.rank.__getitem__, reverse=True) + inputs


def _adjoint_arrays(program: Program, wrt: Sequence[str]) -> dict[str, Array]:
    adjoints: dict[str, Array] = {}
    used = [*program.arrays, *program.axis, *program.printed.values()]
    for name in _wanted_nodes(program, wrt):
        adjoints[name] = Array(
            unlike(f"G_{program.printed.get(name, name)}", used, joint="_"), program.arrays[name].axes
        )
        used.append(adjoints[name].name)
    return adjoints


def _write_matrices(writer: Writer) -> None:
    program = writer.program
    arrays = dict(program.arrays) | {a.name: a for a in writer.adjoint.values()}
    for definition in program.ordered:
        matrix = to_matrix(definition.rhs, definition.indices, arrays)
        if matrix is not None:
            array, cites = program.arrays[definition.name], (writer.origins[definition.name],)
            writer.line(MatrixValue(array), None, matrix, "matrix", "in matrix notation", cites=cites)
    totals: dict[Subject, list[Step]] = {}
    for step in writer.steps:
        if isinstance(step.subject, Total):
            totals.setdefault(step.subject, []).append(step)
    for name, gradient in list(writer.closed.items()):
        subject = MatrixTotal(program.arrays[name])
        steps = totals[Total(gradient.entry)]
        named = steps[-2:] if steps[-1].rule == "close" else steps[-1:]
        before = None
        for step in named:
            matrix = plainest_matrix(step.after, indices_of(gradient.entry), arrays)
            if matrix is not None:
                before = writer.line(subject, before, matrix, "matrix", "in matrix notation", cites=(step.number,))
        writer.closed[name] = replace(gradient, matrix=before)
        if before is None:
            why = obstacle(steps[-1].after, indices_of(gradient.entry), arrays)
            writer.closed[name] = replace(gradient, obstacle=why)
            arrays.pop(writer.adjoint[name].name)  # no matrix line introduces it, so none may mention it


def _with_short_names(record: Record) -> Record:
    """``record`` with the adjoint called G, if matrix lines mention only one adjoint."""
    program, names = record.program, {a.name for a in record.adjoint_arrays.values()}
    mentioned: set[str] = set()
    for step in record.steps:
        if isinstance(step.subject, MatrixTotal):
            mentioned |= {s.name for s in step.after.free_symbols if getattr(s, "name", None) in names}
    if len(mentioned) != 1 or is_alike("G", [*program.arrays, *program.axis, *program.printed.values()]):
        return record
    (node,) = (n for n, a in record.adjoint_arrays.items() if a.name in mentioned)
    old = record.adjoint_arrays[node]
    new = Array("G", old.axes)
    swap: dict[Basic, Basic] = {old.base: new.base, old.matrix: new.matrix}

    def named(expr: Expr | None) -> Expr | None:
        return None if expr is None else replaced(expr, swap)

    def gradient(g: Gradient) -> Gradient:
        return replace(g, index=named(g.index), matrix=named(g.matrix))

    return replace(
        record,
        steps=tuple(replace(s, before=named(s.before), after=named(s.after)) for s in record.steps),
        gradients={n: gradient(g) for n, g in record.gradients.items()},
        adjoints={n: gradient(g) for n, g in record.adjoints.items()},
        adjoint_arrays=dict(record.adjoint_arrays) | {node: new},
    )
