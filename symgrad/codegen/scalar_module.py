"""The module of an unrolled function: the lines of every entry, and the arrays of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.codegen import scalar_runtime
from symgrad.codegen.array_program import Assign
from symgrad.codegen.body import dtype_of, held
from symgrad.codegen.build import reduced
from symgrad.codegen.labels import labelled
from symgrad.codegen.lower import Lowered, Lowering
from symgrad.codegen.module import assembled, checked_inputs, domain_checks, labels_as_rows, main_function, tables_of
from symgrad.codegen.names import free, python_names
from symgrad.codegen.plan import checks
from symgrad.codegen.scalar_emitter import ScalarEmitter
from symgrad.codegen.schedule import schedule
from symgrad.codegen.source_text import (
    INDENT,
    WIDTH,
    Source,
    Strength,
    called,
    indented,
    joined,
    joined_tests,
    tuple_of,
    written,
)
from symgrad.codegen.stable import evaluated
from symgrad.errors import InputError
from symgrad.steps import Record


def scalar_module(record: Record, name: str, sizes: Mapping[str, int], closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of ``sizes`` alone, unrolled."""
    if not any(a.axes for a in record.program.inputs):
        raise InputError("the target scalar needs an input that is an array")
    names = python_names(record.program.arrays)
    labels = labelled(record)
    main = _function(record, name, sizes, names, labels)
    return assembled(record, closed_form, names, tables_of(record, names, labels), [main], scalar_runtime)


def _function(
    record: Record, name: str, sizes: Mapping[str, int], names: Mapping[str, str], labels: Sequence[str]
) -> Source:
    emitter, inputs = ScalarEmitter(names, sizes), record.program.inputs
    shapes = {n: tuple_of(sizes[axis.name] for axis in a.axes) for n, a in record.program.arrays.items()}
    arrays = [a.name for a in inputs if a.axes]
    scalars = [a.name for a in inputs if not a.axes]
    first = names[arrays[0]]
    tests = [f"type({names[n]}) is np.ndarray" for n in arrays]
    tests += [f"{names[n]}.shape == {shapes[n]}" for n in arrays]
    tests += [f"{names[n]}.dtype is {first}.dtype" for n in arrays[1:]] + [f"{first}.dtype in _FLOATS"]
    tests += [f"type({names[n]}) is float" for n in scalars]
    lines = joined_tests("if not", tests, "and", ":")
    lines += indented(checked_inputs([names[a.name] for a in inputs], labels, free("given", emitter.taken), sizes))
    dtype = free("dtype", emitter.taken)
    lines.append(Source(f"{dtype} = {dtype_of(record, names, labels).code}"))
    for label in labels:
        columns = Source(str(sizes[record.program.arrays[label].axes[1].name]))
        lines += labels_as_rows(names[label], columns, Source(dtype))
    lines += domain_checks(record, names)
    for n in arrays:
        flat = ".ravel()" if len(record.program.arrays[n].axes) > 1 else ""
        lines += _unpacked(emitter.entries(n, record.program.arrays[n]), f"{names[n]}{flat}.tolist()")
    lines += [Source(f"{emitter.entry(n, ()).code} = float({names[n]})") for n in scalars]
    lines.append(Source(""))
    _write(record, emitter)
    lines += [*emitter.lines, Source("")]
    results = []
    for wrt, gradient in schedule(record).gradients.items():
        array = record.program.arrays[wrt]
        entries = emitter.entries(gradient, array)
        if array.axes:
            made = free(f"d{names[wrt]}", emitter.taken)
            lines.append(_array(made, entries, dtype, f".reshape{shapes[wrt]}" if len(array.axes) > 1 else ""))
        else:
            made = f"{dtype}.type({entries[0].code})"
        results.append(f"{names[wrt]}={made}")
    output = emitter.entry(record.program.output, ())
    lines.append(called(f"return {dtype}.type({output.code}), Gradients", results, INDENT))
    at = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
    return main_function(record, name, names, labels, lines, f", at {at}")


def scalar_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program, one assignment for each."""
    plan = evaluated(record).assignments
    lowered = Lowered(record, plan, plan)
    lowering = Lowering(record.program)
    for a in plan:
        node = lowering.lowered(a.rhs, a.indices + a.over)
        lowered.program.append(Assign(a.name, a.indices, reduced(node, a.over, a.name) if a.over else node))
        lowering.store(a.name, a.indices, a.indices)
    return lowered


def _write(record: Record, emitter: ScalarEmitter) -> None:
    """Write the lines of all entries."""
    gap = free("gap", emitter.taken)
    for words, node in checks(record, Lowering(record.program)):
        for at in emitter.places(sorted(node.letters, key=str)):
            emitter.write(gap, emitter.terms(node, at))
            emitter.lines += held(f"abs({gap}) > 1e-5", gap, words)
    lowered = scalar_program(record)
    helpers = {a.name for a in lowered.equations if a.is_helper}
    for assign in lowered.program:
        emitter.assign(assign.name, assign.letters, assign.node, is_small=assign.name in helpers)


def _array(name: str, entries: Sequence[Source], dtype: str, shape: str) -> Source:
    """The line that makes an array of its entries, or one line for each."""
    listed = written("[{}]", joined(", ", entries, Strength.SUM))
    if len(f"{INDENT * 2}{listed.code},") > WIDTH:
        listed = Source("[\n" + "".join(f"{INDENT}{entry.code},\n" for entry in entries) + "]")
    return called("np.array", [listed, dtype], INDENT, before=f"{name} = ", tail=shape)


def _unpacked(entries: Sequence[Source], source: str) -> list[Source]:
    flat = f"{tuple_of((e.code for e in entries), bare=True)} = {source}"
    if len(INDENT + flat) <= WIDTH:
        return [Source(flat)]
    return [Source("("), *(Source(f"{INDENT}{entry.code},") for entry in entries), Source(f") = {source}")]
