"""The module around an unrolled function: imports, docstrings, checks, and the arrays of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from symgrad.codegen import support
from symgrad.codegen.body import INDENT, WIDTH
from symgrad.codegen.labels import domain_checks, takes_labels
from symgrad.codegen.scalar import Unrolled
from symgrad.codegen.template import axes_of, called, described, docstring, gradients_class, header, parameters
from symgrad.notation import Array
from symgrad.steps import Record

CALLS = {
    "_hold(": support.HOLD,
    "_one_hot(": support.ONE_HOT_ROWS,
    "_positive(": support.POSITIVE,
    "_within(": support.WITHIN,
    "_exp(": support.SCALAR_EXP,
    "_log(": support.SCALAR_LOG,
    "_logaddexp(": support.SCALAR_LOGADDEXP,
    "_sigmoid(": support.SCALAR_SIGMOID,
    "_log1p(": support.SCALAR_LOG1P,
    "_expm1(": support.SCALAR_EXPM1,
    "_step(": support.SCALAR_STEP,
    "_sign(": support.SCALAR_SIGN,
    "_selected(": support.SCALAR_SELECTED,
    "_checked(": support.CHECKED,
    "_real(": support.REAL,
}


def scalar_module(record: Record, name: str, sizes: Mapping[str, int], closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of ``sizes`` alone, unrolled."""
    body = Unrolled(record, sizes)
    inputs = record.program.inputs
    names = body.names
    labels = [a for a in inputs if takes_labels(record, a)]
    main = _function(record, name, body, names, labels)
    known = {**CALLS, "_checked(": support.CHECKED_LABELS if labels else support.CHECKED}
    code, helpers = main, []
    for call, text in known.items():
        if call in code:
            text = text.replace("sizes, labels = {}, []", "sizes, labels = dict(_SIZES), []")
            text = text.replace("sizes = {}", "sizes = dict(_SIZES)")
            helpers.append(text.strip("\n"))
            code += text
    tables = ["_AXES = {", *(f'{INDENT}"{names[a.name]}": {axes_of(a)},' for a in inputs), "}"]
    shown = ", ".join(f'"{axis}": {size}' for axis, size in sizes.items())
    tables += [f"_SIZES = {{{shown}}}", "_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))"]
    if labels:
        quoted = ", ".join(f'"{names[a.name]}"' for a in labels)
        tables.append(f"_LABELS = {{{quoted}}}")
    imports = ["import math"] if "math." in code else []
    parts = [gradients_class(record, names), "\n".join(tables), main, *helpers]
    head = (
        header(record, closed_form)
        + "\n\n"
        + "\n".join([*imports, "from typing import NamedTuple", "", "import numpy as np"])
    )
    return head + "\n\n\n" + "\n\n\n".join(parts) + "\n"


def _function(record: Record, name: str, body: Unrolled, names: Mapping[str, str], labels: Sequence[Array]) -> str:
    inputs = record.program.inputs
    own = [names[a.name] for a in inputs]
    arrays = [a for a in inputs if a.axes]
    sizes = body.sizes
    doc = [f"Return {record.program.output} and its gradients, at {_listed(sizes)}.", ""]
    doc += [f"{INDENT}{names[a.name]}: {described(a, [x.name for x in labels])}" for a in inputs]
    doc += ["", "ValueError is raised for inputs that do not fit; they are never modified."]
    dtype = f"{names[min(arrays, key=lambda a: a in labels).name]}.dtype"
    tests = [f"type({names[a.name]}) is np.ndarray" for a in arrays]
    tests += [f"{names[a.name]}.shape == {_shape(a, sizes)}" for a in arrays]
    first = names[arrays[0].name]
    tests += [f"{names[a.name]}.dtype is {first}.dtype" for a in arrays[1:]] + [f"{first}.dtype in _FLOATS"]
    tests += [f"type({names[a.name]}) is float" for a in inputs if not a.axes]
    target = ", ".join(own) if len(own) > 1 else f"({own[0]},)"
    flat = f"if not ({' and '.join(tests)}):"
    spread = ["if not (", *(f"{INDENT}{'and ' if place else ''}{test}" for place, test in enumerate(tests)), "):"]
    lines = [flat] if len(INDENT + flat) <= WIDTH else spread
    lines.append(f"{INDENT}{target} = _checked({', '.join(own)})")
    for a in labels:
        lines += [
            f"if {names[a.name]}.ndim == 1:",
            f"{INDENT}{names[a.name]} = _one_hot({names[a.name]}, {sizes[a.axes[1].name]}, {dtype})",
        ]
    lines += domain_checks(record, names)
    own_dtype = body.fresh("dtype")
    lines.append(f"{own_dtype} = {dtype}")
    for a in arrays:
        entries = [body.entry(a.name, p) for p in product(*(range(sizes[axis.name]) for axis in a.axes))]
        lines += _unpacked(entries, names[a.name] + (".ravel().tolist()" if len(a.axes) > 1 else ".tolist()"))
    lines += [f"{body.entry(a.name, ())} = float({names[a.name]})" for a in inputs if not a.axes]
    lines += ["", *body.lines, ""]
    results = []
    for wrt in record.wrt:
        array = record.program.arrays[wrt]
        gradient = body.results[wrt]
        entries = [body.entry(gradient, p) for p in product(*(range(sizes[axis.name]) for axis in array.axes))]
        if not array.axes:
            results.append(f"{names[wrt]}={own_dtype}.type({entries[0]})")
            continue
        shape = f".reshape{_shape(array, sizes)}" if len(array.axes) > 1 else ""
        own_name = body.fresh(f"d{names[wrt]}")
        made = called("np.array", [f"[{', '.join(entries)}]", own_dtype], INDENT, before=f"{own_name} = ", tail=shape)
        if max(len(INDENT + line) for line in made.split("\n")) > WIDTH:
            inner = "".join(f"{INDENT * 2}{entry},\n" for entry in entries)
            made = f"{own_name} = np.array(\n{INDENT}[\n{inner}{INDENT}],\n{INDENT}{own_dtype},\n){shape}"
        lines += made.split("\n")
        results.append(f"{names[wrt]}={own_name}")
    lines += called(f"return {own_dtype}.type({body.output}), Gradients", results, INDENT).split("\n")
    shown = "\n".join((INDENT + line).rstrip() for line in lines)
    return f"{called(f'def {name}', parameters(record, names), '', ':')}\n{docstring(doc, INDENT)}\n{shown}"


def _unpacked(entries: Sequence[str], source: str) -> list[str]:
    flat = ", ".join(entries) if len(entries) > 1 else f"({entries[0]},)"
    if len(f"{INDENT}{flat} = {source}") <= WIDTH:
        return [f"{flat} = {source}"]
    return ["(", *(f"{INDENT}{entry}," for entry in entries), f") = {source}"]


def _shape(array: Array, sizes: Mapping[str, int]) -> str:
    shown = ", ".join(str(sizes[axis.name]) for axis in array.axes)
    return f"({shown},)" if len(array.axes) == 1 else f"({shown})"


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
