"""The arguments of a generated function, for every target: how they are documented, checked and read."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from symgrad.codegen.source_text import (
    INDENT,
    WIDTH,
    Source,
    called,
    function,
    indented,
    joined,
    needs_of,
    tuple_of,
    unpacked,
    used,
    written,
)
from symgrad.facts import domains, labelled
from symgrad.notation import Array
from symgrad.steps import Record


class Inputs:
    """The inputs of ``record`` under the Python ``names`` of its arrays. ``parameters`` are their names in order,
    ``arrays`` the inputs with axes, ``scalars`` the names of the others; ``labels`` may be given as integer labels."""

    def __init__(self, record: Record, names: Mapping[str, str]) -> None:
        self.record, self.program, self.names = record, record.program, names
        self.labels = labelled(record)
        self.parameters = [names[a.name] for a in self.program.inputs]
        self.arrays = [a for a in self.program.inputs if a.axes]
        self.scalars = [names[a.name] for a in self.program.inputs if not a.axes]

    @property
    def dtype(self) -> Source:
        """The dtype of the inputs, from an array that cannot be integer labels."""
        if not self.arrays:
            return Source("np.float64")
        sure = [used(self.names[a.name]) for a in self.arrays if a.name not in self.labels]
        if sure:
            return written("{}.dtype", sure[0])
        return written("np.result_type(np.float32, {})", joined(", ", [used(self.names[a.name]) for a in self.arrays]))

    def sizes(self, needs: Collection[str], labels: Collection[str]) -> list[Source]:
        """Lines that read the needed sizes, preferably from arrays that cannot be ``labels``."""
        lines: list[Source] = []
        for axis in (axis.name for axis in self.program.axes if axis.name in needs):
            sources = [(a, p) for a in self.arrays for p, other_axis in enumerate(a.axes) if other_axis.name == axis]
            sources.sort(key=lambda each: (each[0].name in labels and each[1] > 0, each[0].name in labels))
            array, place = sources[0]
            code = f"{self.names[array.name]}.shape[{place}]"
            if array.name in labels and place and len(sources) > 1:  # labels have no class axis
                shown = ", ".join(self.names[a.name] for a, _ in sources)
                code = f"next(a.shape[{place}] for a in ({shown}) if a.ndim == 2)"
            lines.append(Source(f"{axis} = {code}"))
        return lines

    def opened(self, labels: Iterable[str], dtype: Source, sizes: Mapping[str, int] | None = None) -> list[Source]:
        """Lines that turn labels into one-hot rows; unless ``sizes`` are given, they read the sizes first."""
        lines: list[Source] = []
        for name in labels:
            array, axis = self.names[name], self.program.arrays[name].axes[1].name
            count = Source(str(sizes[axis])) if sizes else used(axis)
            line = written(f"{array} = _one_hot({array}, {{}}, {{}})", count, dtype, needs=["_one_hot", array])
            lines += [Source(f"if {array}.ndim == 1:"), *indented([line])]
        return [*self.sizes(needs_of(lines), self.labels), *lines]

    def tables(self) -> list[str]:
        """The tables that the checks read: axes, dtypes, and which inputs may be labels."""
        lines = ["_AXES = {"]
        for a in self.program.inputs:
            axes = tuple_of(f'"{axis.name}"' for axis in a.axes)
            lines.append(f'{INDENT}"{self.names[a.name]}": {axes},')
        lines += ["}", "_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))"]
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

    def checked(self, sizes: Mapping[str, int] | None = None) -> Source:
        """The lines that check the inputs, at given ``sizes``."""
        args = [*self.parameters, *(f"{axis}={size}" for axis, size in (sizes or {}).items())]
        check = "_checked_or_labels" if self.labels else "_checked"
        return replace(unpacked(self.parameters, check, args, INDENT * 2), needs=frozenset([check]))

    def in_domains(self) -> list[Source]:
        """Lines that raise if an entry is outside of its domain, or must be positive and is not."""
        positive = [self.names[a.name] for a in self.program.inputs if a.positive]
        lines = [Source(f'_positive("{n}", {n})', needs=frozenset(["_positive"])) for n in positive]
        for name, domain in domains(self.program).items():
            array = self.names[name]
            high, needs = ("math.inf", {"math"}) if domain.high == math.inf else (domain.high, set())
            code = f'_within("{array}", {array}, {domain.low}, {high}, {domain.step}, "{domain.words}")'
            test = Source(code, needs=frozenset(["_within", *needs]))
            lines += [Source(f"if {array}.ndim == 2:"), *indented([test])] if name in self.labels else [test]
        return lines

    def function(self, name: str, lines: Sequence[Source], at: str = "", notes: Sequence[str] = ()) -> Source:
        """The function of these arguments; its docstring describes them, the sizes (``at``) and the ``notes``."""
        doc = [f"Return {self.program.output} and its gradients{at}.", ""]
        doc += [f"{INDENT}{self.names[a.name]}: {self._described(a)}" for a in self.program.inputs]
        doc += ["", *notes, "ValueError is raised for inputs that do not fit; they are never modified."]
        defaults = dict(self.program.defaults)
        parameters: list[str] = []
        for a, parameter in reversed([*zip(self.program.inputs, self.parameters, strict=True)]):
            is_trailing = all("=" in later for later in parameters)  # others cannot have defaults
            has_default = a.name in defaults and is_trailing
            parameters.insert(0, f"{parameter}={float(defaults[a.name])!r}" if has_default else parameter)
        return function(called(f"def {name}", parameters, "", ":"), doc, lines)

    def _described(self, array: Array) -> str:
        """What an input may be."""
        if not array.axes:
            return "a number"
        text = f"shape {tuple_of(axis.name for axis in array.axes)}"
        if array.name in self.labels:
            text += f", or {array.axes[0].name} integer labels 0..{array.axes[1].name}-1"
        return text


def chained(parts: Sequence[str], operator: str) -> list[str]:
    """Chained comparisons ``part operator part ...`` that fit on a line; each starts where the last one ends."""
    most = max(1, (WIDTH - 12) // (max(map(len, parts)) + len(operator) + 2) - 1)
    return [f" {operator} ".join(parts[at : at + most + 1]) for at in range(0, max(1, len(parts) - 1), most)]


def held(test: str, gap: str, words: str) -> list[Source]:
    """Lines that raise, with ``words``, if a test says that a gap is not 0."""
    return [Source(f"if {test}:"), Source(f'{INDENT}_hold({gap}, "{words}")', needs=frozenset(["_hold"]))]
