"""The module of an unrolled function: the lines of every entry, and the arrays of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from symgrad.codegen import scalar_runtime
from symgrad.codegen.array_program import Assign, Call, Load
from symgrad.codegen.body import dtype_of
from symgrad.codegen.build import reduced
from symgrad.codegen.labels import gaps, takes_labels
from symgrad.codegen.lower import Lowered, Lowering
from symgrad.codegen.module import (
    assembled,
    checked_inputs,
    described,
    domain_checks,
    function,
    labels_as_rows,
    parameters,
    tables_of,
)
from symgrad.codegen.names import python_names
from symgrad.codegen.plan import assumptions_used
from symgrad.codegen.scalar_emitter import ScalarEmitter
from symgrad.codegen.schedule import schedule
from symgrad.codegen.source_text import (
    INDENT,
    WIDTH,
    Source,
    Strength,
    called,
    docstring,
    indented,
    joined,
    joined_tests,
    written,
)
from symgrad.codegen.stable import evaluated
from symgrad.errors import InputError
from symgrad.notation import Array, array_names, free_indices
from symgrad.steps import Record


def scalar_module(record: Record, name: str, sizes: Mapping[str, int], closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of ``sizes`` alone, unrolled."""
    if not any(a.axes for a in record.program.inputs):
        raise InputError("the target scalar needs an input that is an array")
    names = python_names(record.program.arrays)
    labels = [a.name for a in record.program.inputs if takes_labels(record, a)]
    main = _function(record, name, sizes, names, labels)
    return assembled(record, closed_form, names, (), tables_of(record, names, labels), [main], scalar_runtime)


def _function(
    record: Record, name: str, sizes: Mapping[str, int], names: Mapping[str, str], labels: Sequence[str]
) -> Source:
    emitter = ScalarEmitter(names, sizes)
    inputs = record.program.inputs
    arrays = [a for a in inputs if a.axes]
    own = [names[a.name] for a in inputs]
    first = names[arrays[0].name]
    dtype = dtype_of(record, names, labels)
    doc = [f"Return {record.program.output} and its gradients, at {_listed(sizes)}.", ""]
    doc += [f"{INDENT}{names[a.name]}: {described(a, labels)}" for a in inputs]
    doc += ["", "ValueError is raised for inputs that do not fit; they are never modified."]
    tests = [f"type({names[a.name]}) is np.ndarray" for a in arrays]
    tests += [f"{names[a.name]}.shape == {_shape(a, sizes)}" for a in arrays]
    tests += [f"{names[a.name]}.dtype is {first}.dtype" for a in arrays[1:]] + [f"{first}.dtype in _FLOATS"]
    tests += [f"type({names[a.name]}) is float" for a in inputs if not a.axes]
    lines = joined_tests("if not", tests, "and", ":")
    lines += indented(checked_inputs(own, labels, emitter.fresh("given"), sizes))
    own_dtype = emitter.fresh("dtype")
    lines.append(Source(f"{own_dtype} = {dtype.code}"))
    for label in labels:
        columns = Source(str(sizes[record.program.arrays[label].axes[1].name]))
        lines += labels_as_rows(names[label], columns, Source(own_dtype))
    lines += domain_checks(record, names)
    for a in arrays:
        entries = [emitter.entry(a.name, p) for p in product(*(range(sizes[axis.name]) for axis in a.axes))]
        lines += _unpacked(entries, names[a.name] + (".ravel().tolist()" if len(a.axes) > 1 else ".tolist()"))
    lines += [Source(f"{emitter.entry(a.name, ()).code} = float({names[a.name]})") for a in inputs if not a.axes]
    lines.append(Source(""))
    _write(record, emitter)
    gradients = schedule(record).gradients
    lines += [*emitter.lines, Source("")]
    results = []
    for wrt in record.wrt:
        array = record.program.arrays[wrt]
        places = product(*(range(sizes[axis.name]) for axis in array.axes))
        entries = [emitter.entry(gradients[wrt], place) for place in places]
        if not array.axes:
            results.append(f"{names[wrt]}={own_dtype}.type({entries[0].code})")
            continue
        made = emitter.fresh(f"d{names[wrt]}")
        shape = f".reshape{_shape(array, sizes)}" if len(array.axes) > 1 else ""
        lines.append(_array(made, entries, own_dtype, shape))
        results.append(f"{names[wrt]}={made}")
    output = emitter.entry(record.program.output, ())
    lines.append(called(f"return {own_dtype}.type({output.code}), Gradients", results, INDENT))
    return function(called(f"def {name}", parameters(record, names), "", ":"), docstring(doc, INDENT), lines)


def scalar_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program, one assignment for each."""
    plan = evaluated(record).assignments
    lowered = Lowered(record, plan, plan)
    lowering = _lowering(record)
    for a in plan:
        node = lowering.lowered(a.rhs, a.indices + a.over)
        lowered.program.append(Assign(a.name, a.indices, reduced(node, a.over, a.name) if a.over else node))
        lowering.know(a.name, Load(a.indices, a.name, a.indices, len(lowering.arrays)), a.indices)
    return lowered


def _lowering(record: Record) -> Lowering:
    lowering = Lowering([axis.name for axis in record.program.axes])
    for array in record.program.inputs:
        letters = tuple(axis.index(f"_{place}") for place, axis in enumerate(array.axes))
        lowering.know(array.name, Load(letters, array.name, letters, len(lowering.arrays)), letters)
    return lowering


def _write(record: Record, emitter: ScalarEmitter) -> None:
    """Write the lines of all entries."""
    for assumption in assumptions_used(record):
        arrays = ", ".join(sorted(array_names(assumption.lhs)))
        words = f"{arrays}: expected that {assumption.words}"
        checks: list[Source] = []
        for gap in gaps(assumption):
            node = _lowering(record).lowered(gap, ())
            for at in emitter.places(sorted(free_indices(gap), key=str)):
                name = emitter.fresh(f"gap_{len(checks) // 2 + 1}")
                emitter.gap(node, at, name)
                checks += [
                    Source(f"if abs({name}) > 1e-5:"),
                    Source(f'{INDENT}_hold({name}, "{words}")', needs=frozenset(["_hold"])),
                ]
        emitter.lines += checks
    lowered = scalar_program(record)
    helpers = {a.name for a in lowered.equations if a.is_helper}
    for assign in lowered.program:
        is_exponential = isinstance(assign.node, Call) and assign.name in helpers  # of at most 0: it cannot overflow
        emitter.assign(assign.name, assign.letters, assign.node, is_small=is_exponential)


def _array(name: str, entries: Sequence[Source], dtype: str, shape: str) -> Source:
    """The line that makes an array of its entries, or one line for each."""
    listed = written("[{}]", joined(", ", entries, Strength.SUM))
    made = called("np.array", [listed, dtype], INDENT, before=f"{name} = ", tail=shape)
    if max(len(INDENT + line) for line in made.code.split("\n")) <= WIDTH:
        return made
    inner = "".join(f"{INDENT * 2}{entry.code},\n" for entry in entries)
    return Source(f"{name} = np.array(\n{INDENT}[\n{inner}{INDENT}],\n{INDENT}{dtype},\n){shape}")


def _unpacked(entries: Sequence[Source], source: str) -> list[Source]:
    flat = ", ".join(e.code for e in entries) if len(entries) > 1 else f"({entries[0].code},)"
    if len(f"{INDENT}{flat} = {source}") <= WIDTH:
        return [Source(f"{flat} = {source}")]
    return [Source("("), *(Source(f"{INDENT}{entry.code},") for entry in entries), Source(f") = {source}")]


def _shape(array: Array, sizes: Mapping[str, int]) -> str:
    shown = ", ".join(str(sizes[axis.name]) for axis in array.axes)
    return f"({shown},)" if len(array.axes) == 1 else f"({shown})"


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
