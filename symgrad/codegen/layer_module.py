"""Writes the module of a layer: ``forward`` returns the outputs and what ``backward`` needs of it."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.codegen import python_source as py
from symgrad.codegen.module_frame import assembled
from symgrad.codegen.numpy_module import Body, ready
from symgrad.steps import Record

FUNCTIONS = FORWARD, BACKWARD = "forward", "backward"


def layer_module(record: Record, closed_form: Sequence[str]) -> str:
    """The source of a module with the functions of a layer, for arrays of any size."""
    body = Body(record)
    saved, arrays = _saved(body)
    classes = [f"{name}: {'np.ndarray' if name in arrays else 'int'}" for name in saved]
    doc = ["What backward needs of forward; the arrays are not copies."]
    holder = py.function(py.Source("class Saved(NamedTuple):"), doc, [py.Source(""), *map(py.Source, classes)])
    functions = [_forward(body, saved), _backward(body, saved, arrays), ready(body.inputs)]
    tables = [holder.code, "\n".join(body.inputs.tables())]
    return assembled(body.inputs, FUNCTIONS, closed_form, tables, functions)


def _saved(body: Body) -> tuple[list[str], list[str]]:
    """The names that the backward function needs of the forward function, and those of arrays among them."""
    needs = py.needs_of([*body.lines, *body.gradients.values()])
    forward = [body.shown(a.name) for a in body.blocks.before]
    arrays = [name for name in dict.fromkeys([*body.inputs.parameters, *forward]) if name in needs]
    axes = {axis.name for name in body.record.program.results for axis in body.record.program.arrays[name].axes}
    return [*arrays, *(axis.name for axis in body.record.program.axes if axis.name in axes | needs)], arrays


def _forward(body: Body, saved: Sequence[str]) -> py.Source:
    values = [py.written(f"{name}={{}}", py.used(name)) for name in saved]
    results = ", ".join(result.code for result in body.results)
    shown = f"({results})" if body.results[1:] else results
    last = py.called(f"return {shown}, Saved", values, 1)
    names = " and ".join(", ".join(body.record.program.results).rsplit(", ", 1))
    needs = frozenset(py.needs_of([last, *body.results]))
    lines = [*body.before, py.Source(last.code, needs=needs)]
    return body.function(FORWARD, lines, f"{names}, and what {BACKWARD} needs")


def _backward(body: Body, saved: Sequence[str], arrays: Sequence[str]) -> py.Source:
    program = body.record.program
    holder = body.local["saved"]
    opened = [py.Source(f"{py.tuple_of(saved, bare=True)} = {holder}")] if saved else []
    axes = {body.names[a.name] for a in program.inputs if a.axes} | {body.names[a] for a in program.definitions}
    kept = next((f"{name}.dtype" for name in arrays if name in axes), "None")
    checks: list[py.Source] = []
    doc = ["Return the gradients of a loss, from what forward saved and the upstream gradients:", ""]
    for (output, gradient), name in zip(program.upstream, body.upstream, strict=True):
        shape = py.tuple_of(axis.name for axis in program.arrays[output].axes)
        checked = f'_upstream("{gradient}", {name}, {shape}, {kept})'
        checks.append(py.Source(f"{name} = {checked}", needs=frozenset(["_upstream"])))
        doc.append(f"{py.INDENT}{name}: the gradient with respect to {output}, of its shape")
    result = [py.written(f"{body.names[n]}={{}}", value) for n, value in body.gradients.items()]
    lines = [*opened, *checks, *body.lines, py.called("return Gradients", result, 1)]
    doc += ["", "ValueError is raised for another shape; the arguments are never modified."]
    return body.quiet(py.function(py.called(f"def {BACKWARD}", [holder, *body.upstream], 0, ":"), doc, lines))
