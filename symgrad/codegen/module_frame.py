"""The frame of a generated module, for every target: the arguments of its function (documented, checked and read),
imports, tables, and copies of the runtime functions."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import ModuleType

from symgrad.codegen import python_source as py
from symgrad.codegen import runtime
from symgrad.facts import domains, labelled
from symgrad.notation import Array
from symgrad.steps import Record

Sizes = Mapping[str, int] | None
LOWEST = "_LOWEST = -np.finfo(float).max  # the largest of exponents that are all -inf: exp(-inf - _LOWEST) is 0"
NEEDS = "Needs NumPy 2.0 or later, and nothing else."
"""Older versions compute in double precision when a float32 number meets a Python float."""
SCIPY = {"scipy.linalg": "Cholesky solver", "scipy.special": "special functions"}
"""The modules of SciPy that generated code uses, and for what."""


class Inputs:
    """The inputs of ``record`` under the Python ``names`` of its arrays, without upstream gradients. ``parameters`` are
    their names in order, ``arrays`` the inputs with axes, ``scalars`` the names of the others; ``labels`` may be given
    as integer labels."""

    def __init__(self, record: Record, names: Mapping[str, str]) -> None:
        self.record, self.program, self.names = record, record.program, names
        self.labels = labelled(record)
        upstream = {gradient for _, gradient in self.program.upstream}
        self.inputs = [a for a in self.program.inputs if a.name not in upstream]
        self.parameters = [names[a.name] for a in self.inputs]
        self.arrays = [a for a in self.inputs if a.axes]
        self.scalars = [names[a.name] for a in self.inputs if not a.axes]

    @property
    def dtype(self) -> py.Source:
        """The dtype of the inputs, from an array that cannot be integer labels."""
        if not self.arrays:
            return py.Source("np.float64")
        sure = [py.used(self.names[a.name]) for a in self.arrays if a.name not in self.labels]
        if sure:
            return py.written("{}.dtype", sure[0])
        every = [py.used(self.names[a.name]) for a in self.arrays]
        return py.written("np.result_type(np.float32, {})", py.joined(", ", every))

    def sizes(self, needs: Collection[str], labels: Collection[str]) -> list[py.Source]:
        """Lines that read the needed sizes, preferably from arrays that cannot be ``labels``."""
        lines: list[py.Source] = []
        for axis in (axis.name for axis in self.program.axes if axis.name in needs):
            sources = [(a, p) for a in self.arrays for p, other_axis in enumerate(a.axes) if other_axis.name == axis]
            sources.sort(key=lambda each: (_may_lack(each[0], each[1], labels), each[0].name in labels))
            array, position = sources[0]
            code = f"{self.names[array.name]}.shape[{position}]"
            if _may_lack(array, position, labels) and len(sources) > 1:
                shown = ", ".join(f"({self.names[a.name]}, {len(a.axes)})" for a, _ in sources)
                code = f"next(a.shape[-1] for a, axes in ({shown}) if a.ndim == axes)"
            lines.append(py.Source(f"{axis} = {code}"))
        return lines

    def opened(self, labels: Iterable[str], dtype: py.Source, sizes: Sizes = None) -> list[py.Source]:
        """Lines that turn labels into one-hot rows; unless ``sizes`` are given, they read the sizes first."""
        lines: list[py.Source] = []
        for name in labels:
            array, (*rows, axis) = self.names[name], [axis.name for axis in self.program.arrays[name].axes]
            count = py.Source(str(sizes[axis])) if sizes else py.used(axis)
            line = py.written(f"{array} = _one_hot({array}, {{}}, {{}})", count, dtype, needs=["_one_hot", array])
            lines += [py.Source(f"if {array}.ndim == {len(rows)}:"), *py.indented([line])]
        return [*self.sizes(py.needs_of(lines), self.labels), *lines]

    def tables(self) -> list[str]:
        """The tables that the checks read: axes, dtypes, and which inputs may be labels."""
        axes = {a.name: py.tuple_of(f'"{axis.name}"' for axis in a.axes) for a in self.inputs}
        rows = [f'{py.INDENT}"{self.names[name]}": {shown},' for name, shown in axes.items()]
        lines = ["_AXES = {", *rows, "}", "_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))"]
        if self.labels:
            shown = ", ".join(f'"{self.names[name]}"' for name in self.labels)
            lines.append(f"_LABELS = {{{shown}}}")
        return lines

    def are_ready(self, shapes: Iterable[str]) -> list[str]:
        """Tests that floating arrays of one dtype pass if the tests ``shapes`` hold; most inputs are such."""
        array_names = [self.names[a.name] for a in self.arrays]
        tests: list[str] = []
        if array_names:
            tests += chained([*(f"type({n})" for n in array_names), "np.ndarray"], "is")
            tests += chained([f"{n}.dtype" for n in array_names], "is") if len(array_names) > 1 else []
            tests.append(f"{array_names[0]}.dtype in _FLOATS")
        return [*tests, *shapes, *(f"type({n}) is float" for n in self.scalars)]

    def checked(self, sizes: Sizes = None) -> py.Source:
        """The lines that check the inputs, at given ``sizes``."""
        args = [*self.parameters, *(f"{axis}={size}" for axis, size in (sizes or {}).items())]
        check = "_checked_or_labels" if self.labels else "_checked"
        return replace(py.unpacked(self.parameters, check, args, 2), needs=frozenset([check]))

    def in_domains(self) -> list[py.Source]:
        """Lines that raise if an entry is outside of its domain, or must be positive and is not."""
        positive = [self.names[a.name] for a in self.inputs if a.positive]
        lines = [py.Source(f'_positive("{n}", {n})', needs=frozenset(["_positive"])) for n in positive]
        for name, domain in domains(self.program).items():
            array = self.names[name]
            high, needs = ("math.inf", {"math"}) if domain.high == math.inf else (domain.high, set())
            code = f'_within("{array}", {array}, {domain.low}, {high}, {domain.step}, "{domain.words}")'
            test = py.Source(code, needs=frozenset(["_within", *needs]))
            rows = py.Source(f"if {array}.ndim == {len(self.program.arrays[name].axes)}:")
            lines += [rows, *py.indented([test])] if name in self.labels else [test]
        return lines

    def function(self, name: str, lines: Sequence[py.Source], returned: str, notes: Sequence[str] = ()) -> py.Source:
        """The function of these arguments; its docstring describes them, what is ``returned``, and has ``notes``."""
        doc = [f"Return {returned}.", ""]
        doc += [f"{py.INDENT}{self.names[a.name]}: {self._described(a)}" for a in self.inputs]
        doc += ["", *notes, "ValueError is raised for inputs that do not fit; they are never modified."]
        defaults = dict(self.program.defaults)
        parameters: list[str] = []
        for a, parameter in reversed([*zip(self.inputs, self.parameters, strict=True)]):
            is_trailing = all("=" in later for later in parameters)  # others cannot have defaults
            has_default = a.name in defaults and is_trailing
            parameters.insert(0, f"{parameter}={float(defaults[a.name])!r}" if has_default else parameter)
        return py.function(py.called(f"def {name}", parameters, 0, ":"), doc, lines)

    def _described(self, array: Array) -> str:
        """What an input may be."""
        names = [axis.name for axis in array.axes]
        labels = f", or {' x '.join(names[:-1])} integer labels 0..{names[-1]}-1" if array.name in self.labels else ""
        return f"shape {py.tuple_of(names)}{labels}" if array.axes else "a number"


def _may_lack(array: Array, position: int, labels: Collection[str]) -> bool:
    """Whether an array may lack an axis: labels have no class axis."""
    return array.name in labels and 0 < position == len(array.axes) - 1


def chained(parts: Sequence[str], operator: str) -> list[str]:
    """Chained comparisons ``part operator part ...`` that fit on a line; each starts where the last one ends."""
    most = max(1, (py.WIDTH - 12) // (max(map(len, parts)) + len(operator) + 2) - 1)
    return [f" {operator} ".join(parts[at : at + most + 1]) for at in range(0, max(1, len(parts) - 1), most)]


def held(test: str, gap: str, words: str) -> list[py.Source]:
    """Lines that raise, with ``words``, if a test says that a gap is not 0."""
    return [py.Source(f"if {test}:"), py.Source(f'{py.INDENT}_hold({gap}, "{words}")', needs=frozenset(["_hold"]))]


def assembled(
    inputs: Inputs,
    names: Sequence[str],
    closed_form: Sequence[str],
    tables: Sequence[str],
    functions: Sequence[py.Source],
    *runtimes: ModuleType,
    imports: Sequence[str] = (),
    needed: str = NEEDS,
) -> str:
    """Assemble a module from its functions ``names``, further functions, and the runtime functions that they need.
    ``imports`` are further import lines; ``needed`` says what must be installed."""
    record, wrapper = inputs.record, "_in_single" if inputs.program.upstream else "_called"
    needs = py.needs_of(functions) | {wrapper}
    sources = functions_for(needs, *runtimes, runtime).values()
    modules = ("functools", "inspect", "math")
    head = [f"import {m}" for m in modules if m in needs or any(f"{m}." in source for source in sources)]
    head += ["from collections.abc import Iterator"] if "_summed" in needs else []
    head += [f"from typing import {'Any, ' if imports else ''}NamedTuple", "", "import numpy as np", *imports]
    code = "\n".join([*(f.code for f in functions), *sources])
    libraries = {module: use for module, use in SCIPY.items() if f"{module}." in code}
    if libraries:
        head = [*head, *(f"import {module}" for module in libraries)]
        needed = f"Needs NumPy 2.0 or later, and SciPy for its {' and '.join(libraries.values())}."
    letters = {"l", "I", "O"} & {*inputs.names.values(), *(axis.name for axis in record.program.axes)}
    noqa = "# ruff: noqa: E741\n\n" if letters else ""
    first = f"{_header(record, closed_form, needed)}\n\n{noqa}" + "\n".join(head)
    tables = [*tables, LOWEST] if "_LOWEST" in needs else tables
    fields = [py.Source(f"{inputs.names[name]}: np.ndarray") for name in record.wrt]
    of = "a loss" if record.program.upstream else record.program.output
    doc = [f"Derivatives of {of}, each of the shape of its array."]
    gradients = py.function(py.Source("class Gradients(NamedTuple):"), doc, [py.Source(""), *fields])
    parts = [gradients.code, "\n".join(tables), *(f.code for f in functions), *sources]
    quiet = {name: f"_quiet({name})" if "_quiet" in needs else name for name in names}
    return "\n\n\n".join([first, *parts, "\n".join(f"{n} = {wrapper}({f})" for n, f in quiet.items())]) + "\n"


@cache
def _source(function: Callable[..., object]) -> str:
    return inspect.getsource(function).rstrip()


def functions_for(needs: Collection[str], *modules: ModuleType) -> dict[str, str]:
    """The sources of the functions in ``needs`` and of those they call, in order; earlier modules take precedence."""
    parts = ((name, part, module) for module in reversed(modules) for name, part in vars(module).items())
    known = {n: f for n, f, module in parts if callable(f) and getattr(f, "__module__", "") == module.__name__}
    required = [name for name in known if name in needs]
    for name in required:
        required += [n for n in re.findall(r"\b_\w+", _source(known[name])) if n in known and n not in required]
    return {name: _source(function) for name, function in known.items() if name in required}


def _header(record: Record, closed_form: Sequence[str], needed: str) -> str:
    """The docstring of the module."""
    program = record.program
    title = program.summary or program.name
    *others, last = record.wrt
    shown = f"{', '.join(others)} and {last}" if others else last
    what = "the outputs, and the gradients of a loss" if program.upstream else "the value, and its gradients"
    lines = [f"{title}: {what} with respect to {shown}."]
    lines += ["", "Generated by symgrad from its derivation of the closed form.", needed]
    if closed_form:
        lines += ["", *(f"{py.INDENT}{line}" for line in closed_form)]
    return py.docstring(lines, "")
