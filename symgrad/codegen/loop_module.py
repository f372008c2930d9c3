"""The module of a function in loops: kernels that numba compiles, and the function that calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sympy.tensor.indexed import Idx

from symgrad.codegen import loop_runtime
from symgrad.codegen.array_program import Assign, Contract, Load, loads
from symgrad.codegen.body import dtype_of, sizes
from symgrad.codegen.loop_emitter import LoopEmitter
from symgrad.codegen.lower import Lowered
from symgrad.codegen.module import (
    assembled,
    checked_inputs,
    described,
    domain_checks,
    function,
    labels_as_rows,
    needs_of,
    parameters,
    tables_of,
)
from symgrad.codegen.names import free, part_name
from symgrad.codegen.nests import fused, nests, sums_apart, within
from symgrad.codegen.plan import Plan
from symgrad.codegen.source_text import INDENT, WIDTH, Source, called, docstring, indented, written
from symgrad.errors import InputError
from symgrad.notation import axis_name
from symgrad.steps import Record

NEEDS = "Needs NumPy 2.0 or later, numba, and SciPy, through which numba multiplies matrices."
LOCALS = (
    "total",
    "largest",
    "ties",
    "first",
    "row",
    "rows",
    "start",
    "stop",
    "thread",
    "threads",
    "gaps",
    "given",
    "fresh",
    "kernel",
)
OPTIONS = """\
# Sums of products may be added up in any order; everything else is computed as written.
_TILES = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
_ENTRIES = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}
_ROWS_ALONE = dict.fromkeys(("reduction", "setitem", "numpy", "fusion", "stencil", "comprehension", "inplace_binop"), False)"""
SMALL, LARGE = "2**18", "2**15"
"""Fewer multiplications than the first take one thread; products by matrices of more entries than the second take
BLAS, which has threads of its own."""


def loop_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program for loops."""
    return Kernels(record).lowered


def loop_module(record: Record, name: str, closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of any size, compiled by numba."""
    if not any(a.axes for a in record.program.inputs):
        raise InputError("the target numba needs an input that is an array")
    made = Kernels(record)
    names = {*made.names.values(), *(axis.name for axis in record.program.axes)}
    tables = [*tables_of(record, made.names, made.plan.labels), OPTIONS]
    imports = [
        "from numba import get_num_threads, njit, prange, typeof, types",
        "from numba.extending import intrinsic",
    ]
    functions = [_function(made, name), _evaluated(made), *made.functions()]
    return assembled(
        record, closed_form, made.names, names, tables, functions, loop_runtime, imports=imports, needed=NEEDS
    )


class Kernels:
    """The lines that evaluate a plan in loops, for all rows at once or for blocks of them.

    ``before``, ``rows`` and ``after`` are the lines ahead of the rows, for a block of them, and behind; ``returned``
    are the numbers that are returned, ``results`` names the arrays that take the gradients.
    """

    def __init__(self, record: Record) -> None:
        self.record, self.plan = record, Plan(record)
        plan, blocks = self.plan, self.plan.blocks
        self.names = dict(plan.names)
        self.local = {"count": plan.count} | {name: free(name, plan.taken) for name in LOCALS}
        self.arrays = [a for a in record.program.inputs if a.axes]
        self.dtype = dtype_of(record, plan.names, plan.labels)
        rowwise = {a.name for a in self.arrays if plan.is_rowwise(a.name)}
        others = {axis.name for a in self.arrays if a.name not in plan.labels for axis in a.axes}
        axes = {a.name: {axis.name for axis in a.axes} for a in self.arrays}
        self.labels = [n for n in plan.labels if n in rowwise and n not in record.wrt and axes[n] <= others]
        self.fits, self.value, self.gradients = (free(n, plan.taken) for n in ("fits", "value", "gradients"))
        self.worst = [
            free("gap" if len(plan.checks) == 1 else f"gap_{place}", plan.taken)
            for place, _ in enumerate(plan.checks, 1)
        ]
        self.scalars = {
            n: free(f"d{self.names[n]}", plan.taken) for n in record.wrt if not record.program.arrays[n].axes
        }
        inputs = {a.name for a in record.program.inputs}
        self.alone = LoopEmitter(self.names, record.program.axis, plan.taken, inputs, self.local)
        self.emitter = replace(self.alone, stacked=rowwise, data=rowwise - {*self.labels}, turned={}, columns={})
        self.emitter.rows = blocks.axis if blocks else ""
        self.totals = self.emitter.totals
        self.parts = self.emitter.parts  # of totals, in the precision of the inputs
        self.shapes: dict[str, list[str]] = {}  # of totals, of their parts, and of the arrays of a block
        self._views: dict[str, str] = {}
        before = self._nests(plan.before.program)
        main, after = self._apart() if blocks else ([], self._nests(plan.main.program))
        changing = set(rowwise)
        for a in main:  # what is the same for all rows comes first
            if self.emitter.rows in _extent(a) or loads(a.node) & changing:
                changing.add(a.name)
        before += [a for a in main if a.name not in changing]
        main = [a for a in main if a.name in changing]
        after += self._nests(plan.after.program)
        checks = [self._nests([Assign(self._part(), gap.letters, gap)]) for _, gap in plan.checks]
        self.lowered = replace(plan.lowered, program=[*before, *main, *after])
        self.results: dict[str, str] = {}
        given = [a for n in record.wrt if record.program.arrays[n].axes for a in self._given(n, after)]
        stacked = [a for a in given if any(map(self.emitter.is_row, a.letters))]
        self.before, self.ahead = (
            self._lines(before, self.alone, {a.name for a in before}),
            [self.names[a.name] for a in before],
        )
        self.rows: list[Source] = []
        if blocks:
            self.rows = self._checks(checks, self.emitter)
            for a in main:
                if a.name in self.totals:
                    self._lay_out(a)
            stored = self._nests(stacked)
            last_ = {a.name for a in stacked}
            self.rows += self._lines(
                [*main, *(a for a in stored if a.name not in last_)],
                self.emitter,
                {n for a in stored if a.name in last_ for n in loads(a.node)},
            )
            self.rows += [line for a in stored if a.name in last_ for line in self.emitter.stored(a)]
        else:
            self.before += self._checks(checks, self.alone)
        totals = [
            Source(f"{n} = {view.format(self.totals[n])}", needs=frozenset([view.partition("(")[0]]))
            for n, view in self._views.items()
        ]
        self.after = [*totals, *self._lines([*after, *self._nests(a for a in given if a not in stacked)], self.alone)]
        scalars = [plan.gradients[n][0] for n in record.wrt if n not in self.results]
        self.returned = [self.alone.code(node) for node in (plan.output[0], *scalars)]
        self.work = _widest(_extent(a) for a in (before, main, after) for a in a)
        self.weights = _widest(_extent(a) - {self.emitter.rows} for a in main if isinstance(a.node, Contract))

    # --- assignments -----------------------------------------------------------------------------------------------

    def _nests(self, program: Iterable[Assign]) -> list[Assign]:
        return [nest for assign in program for nest in nests(assign, self._part)]

    def _part(self) -> str:
        name = part_name(self.plan.taken)
        self.names[name] = name
        return name

    def _apart(self) -> tuple[list[Assign], list[Assign]]:
        """What is done for a block of rows, sums over them among it, and what is made of these sums."""
        assert self.plan.blocks is not None
        main: list[Assign] = []
        late: list[Assign] = []
        for assign in self.plan.main.program:
            if assign.name not in self.plan.blocks.sums:
                main += self._nests([assign])
                continue
            sums, rest = sums_apart(assign, self.plan.blocks.axis, self._part)
            self.totals |= {a.name: free(f"{a.name}_sums", self.plan.taken) for a in sums}
            main += self._nests(sums)
            late += self._nests([rest])
        return main, late

    def _given(self, name: str, program: Sequence[Assign]) -> list[Assign]:
        """The assignment of a gradient to the array that takes it; none where the program has it as it is, which is
        then computed in its place."""
        node, order = self.plan.gradients[name]
        letters = node.letters if order is None else order
        if isinstance(node, Load) and self.plan.blocks and node.name in self.plan.blocks.stacked:
            node = self.plan.row_results[node.name][0]
        if isinstance(node, Load) and node.letters == letters and self.names[node.name] not in self.results.values():
            if node.name in {a.name for a in program}:
                self.results[name] = self.names[node.name]
                return []
        own = free(f"d{self.names[name]}", self.plan.taken)
        self.results[name] = self.names[own] = own
        return [Assign(own, letters, node)]

    # --- lines -----------------------------------------------------------------------------------------------------

    def _lines(self, program: Iterable[Assign], emitter: LoopEmitter, kept: Collection[str] = ()) -> list[Source]:
        """The lines of assignments; outside of the rows each with the room for its array.  ``kept`` are read later."""
        lines: list[Source] = []
        nests = fused(program, emitter.loops)
        results = {name for name, own in self.names.items() if own in self.results.values()}
        emitter.within |= within(nests, {*kept, *results, *self.totals})
        for nest in nests:
            for a in nest.parts:
                name = self.names[a.name]
                if a.letters and name not in self.results.values() and a.name not in {*emitter.within, *self.totals}:
                    if emitter is self.emitter:
                        self.shapes[name] = self._sizes(emitter.layout(a.letters))
                    else:
                        lines.append(self.room(name, self._sizes(a.letters), self.dtype))
            lines += emitter.emitted(nest)
        return lines

    def _sizes(self, letters: Iterable[Idx]) -> list[str]:
        return [self.local["rows"] if self.emitter.is_row(i) else str(i.upper + 1) for i in letters]

    def room(self, name: str, shape: Sequence[str], dtype: Source | None = None, kind: str = "empty") -> Source:
        """The line that makes room for an array: zeros in double precision unless ``dtype`` is given."""
        shown = f"({', '.join(shape)})" if len(shape) > 1 else shape[0]
        if dtype is None:
            return Source(f"{name} = np.zeros({shown})", needs=frozenset(shape))
        return replace(written(f"{name} = np.{kind}({shown}, {{}})", dtype), needs=dtype.needs.union(shape))

    def _checks(self, checks: Sequence[list[Assign]], emitter: LoopEmitter) -> list[Source]:
        lines: list[Source] = []
        for place, (*parts, last) in enumerate(checks):
            lines += [
                *self._lines(parts, emitter, loads(last.node)),
                *emitter.worst(last.node, f"{self.local['gaps']}[{place}]"),
            ]
        return lines

    def _lay_out(self, a: Assign) -> None:
        """What is to be known of the total of a sum over rows."""
        total = self.totals[a.name]
        if (product := self.emitter.outer(a)) is None:
            self.shapes[total] = [*self._sizes(a.letters), self.local["rows"]]
            entries = " * ".join(self._sizes(a.letters)) or "1"
            flat = f"{{}}.reshape({self.local['threads']}, {entries}, {self.local['rows']})"
            shape = f".reshape({', '.join(self._sizes(a.letters))})" if len(a.letters) > 1 else ""
            self._views[a.name] = f"_lanes_added({flat}){shape}" if a.letters else "_all_added({})"
            return
        order = product[2]
        part = self.parts[a.name] = free(f"{a.name}_part", self.plan.taken)
        self.shapes[total] = self.shapes[part] = ["1", *self._sizes(order)][-2:]
        self._views[a.name] = f"_added({{}}){'[0]' if len(order) == 1 else '.T' if order != a.letters else ''}"

    # --- functions -------------------------------------------------------------------------------------------------

    @property
    def args(self) -> list[str]:
        """The names of the inputs, as the kernels are given them."""
        return [self.plan.names[a.name] for a in self.record.program.inputs]

    def functions(self) -> list[Source]:
        """The kernels: for one thread, for several, and for the blocks of rows of a thread."""
        if self.plan.blocks is None:
            return [self._kernel("_serial", [])]
        local, axis = self.local, self.plan.blocks.axis
        inside = self._block()
        totals = [*self.totals.values(), *([local["gaps"]] if self.plan.checks else [])]
        stacked = [n for n in self.results.values() if n in needs_of(inside)]
        known = [*self.args, *self.emitter.columns.values(), *self.ahead]
        known += [axis_.name for axis_ in self.record.program.axes]
        used = [name for name in dict.fromkeys(known) if name in needs_of(inside)]
        args = [*used, local["start"], local["stop"], local["rows"], *totals, *stacked]
        body = function(
            called("def _rows", args, "", ":"),
            f'{INDENT}"""Add up what the rows start..stop - 1 give, a block at a time."""',
            inside,
        )
        t, threads = local["thread"], local["threads"]

        def call(first: str, last: str, thread: str) -> Source:
            given = [*used, first, last, local["rows"], *(f"{n}[{thread}]" for n in totals), *stacked]
            return replace(called("_rows", given, INDENT * 2), needs=frozenset([*used, axis]))

        many = [
            Source(f"for {t} in prange({threads}):", needs=frozenset([axis])),
            *indented([call(f"{axis} * {t} // {threads}", f"{axis} * ({t} + 1) // {threads}", t)]),
        ]
        return [
            self._kernel("_serial", [call("0", axis, "0")]),
            self._kernel("_parallel", many),
            replace(body, code=f"@njit(**_ENTRIES)\n{body.code}"),
        ]

    def _block(self) -> list[Source]:
        """The lines for the blocks of rows of one thread."""
        local = self.local
        first, count, rows, start, stop = (local[n] for n in ("first", "count", "rows", "start", "stop"))
        opened: list[Source] = []
        made: list[Source] = []
        for name, block in self.emitter.turned.items():
            own = self.plan.names[name]
            shape = [*(str(axis.name) for axis in self.record.program.arrays[name].axes[1:]), rows]
            made.append(self.room(block, shape, self.dtype))
            which = "_opened" if name in self.labels else "_turned"
            opened.append(Source(f"{which}({own}, {first}, {count}, {block})", needs=frozenset([which, own])))
        alike: dict[tuple[str, ...], list[str]] = {}
        for name, shape in self.shapes.items():
            if name in self.parts.values():
                made.append(self.room(name, shape, self.dtype, "zeros"))
            elif name not in self.totals.values():
                alike.setdefault((*shape,), []).append(name)
        for shape, names in alike.items():
            if len(names) == 1:
                made.append(self.room(names[0], shape, self.dtype))
                continue
            memory = free(f"room_{len(shape)}", self.plan.taken)
            made.append(self.room(memory, [str(len(names)), *shape], self.dtype))
            made += [Source(f"{name} = {memory}[{place}]") for place, name in enumerate(names)]
        flushed = [
            Source(f"_flush({part}, {self.totals[name]})", needs=frozenset(["_flush"]))
            for name, part in self.parts.items()
        ]
        if flushed:
            flushed = [
                Source(f"if {first} + {rows} >= {stop} or ({first} - {start}) // {rows} % 16 == 15:"),
                *indented(flushed),
            ]
        head = [Source(f"for {first} in range({start}, {stop}, {rows}):")]
        return [
            *made,
            *head,
            *indented([Source(f"{count} = min({rows}, {stop} - {first})"), *opened, *self.rows, *flushed]),
        ]

    def _kernel(self, name: str, call: Sequence[Source]) -> Source:
        """A kernel: sizes, shapes, what comes before the rows, the rows, and what comes after."""
        gaps, threads = self.local["gaps"], self.local["threads"]
        blocks, checks = self.plan.blocks is not None, self.plan.checks
        lines = [self.room(gaps, [threads, str(len(checks))] if blocks else [str(len(checks))])] if checks else []
        lines += self.before
        for old, new in self.emitter.columns.items():
            lines.append(Source(f"{new} = np.ascontiguousarray({old}.T)", needs=frozenset([old])))
        if blocks:
            lines.append(self._block_size())
            lines += [self.room(total, [threads, *self.shapes[total]]) for total in self.totals.values()]
        lines += call
        if blocks and checks:
            lines.append(Source(f"{gaps} = _worst({gaps})", needs=frozenset(["_worst"])))
        returned = [Source("True"), *self.returned, *(Source(f"{gaps}[{place}]") for place in range(len(checks)))]
        lines += [*self.after, written(f"return {', '.join(['{}'] * len(returned))}", *returned)]
        fits = self._fits(len(returned) - 1)
        is_parallel = name == "_parallel"
        args = [*self.args, *self.results.values(), *([threads] if is_parallel else [])]
        if blocks and not is_parallel:
            lines.insert(0, Source(f"{threads} = 1"))
        doc = (
            "Evaluate everything, the rows in several threads." if is_parallel else "Evaluate everything in one thread."
        )
        head = called(f"def {name}", args, "", ":")
        option = "parallel=_ROWS_ALONE, " if is_parallel else ""
        made = function(head, f'{INDENT}"""{doc}"""', [*self.known_sizes([*fits, *lines]), *fits, *lines])
        return replace(made, code=f"@njit({option}**_ENTRIES)\n{made.code}")

    def _block_size(self) -> Source:
        """The line for the number of rows in a block: what is read twice stays in the cache of a core."""
        width: dict[str, int] = {}
        inputs = [[str(axis.name) for axis in a.axes] for a in self.arrays if a.name in self.emitter.stacked]
        for shape in [*inputs, *(shape for name, shape in self.shapes.items() if self.local["rows"] in shape)]:
            own = " * ".join(size for size in shape if size not in (self.local["rows"], self.emitter.rows)) or "1"
            width[own] = width.get(own, 0) + 1
        terms = [
            own if times == 1 else f"{times} * {own}" if own != "1" else str(times) for own, times in width.items()
        ]
        rows = f"8 * max(2, min(128, 8192 // ({' + '.join(terms)})))"
        if self.weights:
            rows = f"512 if {self.large} else {rows}"
        axes = {axis.name for axis in self.record.program.axes}
        needs = axes & {name for own in width for name in own.split(" * ")}
        return Source(
            f"{self.local['rows']} = min({self.emitter.rows}, {rows})",
            needs=frozenset([*needs, self.emitter.rows]).union(*self.weights),
        )

    @property
    def large(self) -> str:
        """Whether products are left to BLAS, in source."""
        return " or ".join(f"{' * '.join(sorted(sizes))} > {LARGE}" for sizes in self.weights)

    def known_sizes(self, lines: Sequence[Source]) -> list[Source]:
        """Lines for the sizes that ``lines`` need."""
        found: list[Source] = []
        needs = needs_of(lines)
        arrays = [a for a in self.arrays if a.name not in self.labels]
        for axis in self.record.program.axes:
            if axis.name in needs:
                array, place = next((a, p) for a in arrays for p, other in enumerate(a.axes) if other.name == axis.name)
                code = f"{self.plan.names[array.name]}.shape[{place}]"
                found.append(Source(f"{axis.name} = {code}"))
        return found

    def _fits(self, numbers: int) -> list[Source]:
        """Lines that return without a result where shapes do not agree, or labels are none."""
        back = Source(f"{INDENT}return {', '.join(['False', *['0.0'] * numbers])}")
        seen: set[str] = set()
        tests: list[str] = []
        for a in self.arrays:
            for place, axis in enumerate(a.axes if a.name not in self.labels else ()):
                is_first = axis.name not in seen
                tests.append(
                    f"{axis.name} == 0" if is_first else f"{self.plan.names[a.name]}.shape[{place}] != {axis.name}"
                )
                seen.add(axis.name)
        lines = [*_condition(tests), back]
        for name in self.labels:
            own, (rows, columns) = self.plan.names[name], (axis.name for axis in self.record.program.arrays[name].axes)
            test = Source(f"if {own}.shape[0] != {rows} or {own}.shape[1] != {columns}:")
            labels = Source(f"elif not _are_labels({own}, {rows}, {columns}):", needs=frozenset(["_are_labels"]))
            lines += [Source(f"if {own}.ndim == 2:"), *indented([test, back]), labels, back]
        needs = frozenset(axis.name for a in self.arrays for axis in a.axes)
        return [replace(line, needs=line.needs | needs) for line in lines]


def _condition(tests: Sequence[str]) -> list[Source]:
    """The head of an if where any of the tests holds, on as many lines as it takes."""
    flat = f"if {' or '.join(tests)}:"
    if len(INDENT + flat) <= WIDTH:
        return [Source(flat)]
    return [
        Source("if ("),
        *(Source(f"{INDENT}{'or ' if place else ''}{test}") for place, test in enumerate(tests)),
        Source("):"),
    ]


def _extent(a: Assign) -> frozenset[str]:
    """The sizes of the loops of an assignment."""
    return frozenset(axis_name(i) for i in (*a.letters, *a.node.letters, *a.node.bound))


def _widest(every: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Sets of sizes of which none is part of another."""
    found = dict.fromkeys(every)
    return [sizes for sizes in found if sizes and not any(sizes < other for other in found)]


def _evaluated(made: Kernels) -> Source:
    """The function that calls a kernel."""
    local, names, dtype = made.local, made.plan.names, made.dtype.code
    fresh = local["fresh"]
    lines: list[Source] = []
    for n, own in made.results.items():
        axes = [axis.name for axis in made.record.program.arrays[n].axes]
        shape = f"({', '.join(axes)}{',' * (len(axes) == 1)})"
        is_given = n in {a.name for a in made.arrays} and n not in made.plan.labels
        needs = frozenset([] if is_given else axes)
        lines.append(Source(f"{own} = np.empty({f'{names[n]}.shape' if is_given else shape}, {dtype})", needs=needs))
    args = [*made.args, *made.results.values()]
    target = f"{', '.join([made.fits, made.value, *made.scalars.values(), *made.worst])} = "
    serial = _call("_serial", args, target, fresh)
    if made.plan.blocks is None:
        lines += serial
    else:
        work = " + ".join(" * ".join(sorted(sizes)) for sizes in made.work)
        large = f" or {made.large}" if made.weights else ""
        needs = frozenset[str]().union(*made.work, *made.weights)
        lines += [Source(f"if {work} < {SMALL}{large}:", needs=needs), *indented(serial), Source("else:")]
        lines += indented(_call("_parallel", [*args, "get_num_threads()"], target, fresh))
    results = [made.results[n] if n in made.results else f"{dtype}.type({made.scalars[n]})" for n in made.record.wrt]
    gradients = called("Gradients", results, INDENT * 2)
    lines.append(called("return ", [made.fits, f"{dtype}.type({made.value})", gradients, *made.worst], INDENT))
    doc = "Whether the shapes of the inputs agree, and if so the results; ``fresh`` allows for compilation."
    head = called("def _evaluated", [*made.args, f"{fresh}=False"], "", ":")
    return function(head, f'{INDENT}"""{doc}"""', [*made.known_sizes(lines), *lines])


def _call(kernel: str, args: Sequence[str], target: str, fresh: str) -> list[Source]:
    """The lines that call a kernel, which is compiled ahead where that is allowed."""
    return [
        Source(f"if {fresh} or not {kernel}.overloads:"),
        *indented([replace(called("_compile", [kernel, fresh, *args], INDENT * 3), needs=frozenset(["_compile"]))]),
        called(kernel, args, INDENT * 2, before=target),
    ]


def _function(made: Kernels, name: str) -> Source:
    """The function of the module: inputs that do not fit a kernel are looked at more closely."""
    record, plan = made.record, made.plan
    names = plan.names
    inputs = [names[a.name] for a in record.program.inputs]
    doc = [f"Return {record.program.output} and its gradients.", ""]
    doc += [f"{INDENT}{names[a.name]}: {described(a, plan.labels)}" for a in record.program.inputs]
    doc += ["", "It is compiled when it is first called for a type of inputs, float32 or float64, which takes seconds."]
    if plan.blocks is None:
        doc += ["Its rows do not stay apart: the function for NumPy is as fast, or faster, where products are large."]
    doc += ["ValueError is raised for inputs that do not fit; they are never modified."]
    target = ", ".join([made.fits, made.value, made.gradients, *made.worst])
    lines = [
        Source("try:"),
        *indented([called("_evaluated", inputs, INDENT * 2, before=f"{target} = ")]),
        Source("except Exception:  # other types, or others in memory, than those that it is compiled for"),
        Source(f"{INDENT}{made.fits} = False"),
        Source(f"if not {made.fits}:"),
    ]
    closer = checked_inputs(inputs, plan.labels, made.local["given"])
    for label in plan.labels:
        if label not in made.labels:
            axis = record.program.arrays[label].axes[1].name
            opened = labels_as_rows(names[label], Source(axis, needs=frozenset([axis])), made.dtype)
            closer += [*sizes(plan, needs_of(opened)), *opened]
    given: list[Source] = []
    for a in record.program.inputs:
        own = names[a.name]
        if a.name in made.labels:
            given.append(
                Source(
                    f"_native({own}) if {own}.ndim == 2 else np.ascontiguousarray({own}, np.int64)",
                    needs=frozenset(["_native"]),
                )
            )
        else:
            given.append(
                Source(f"_native({own})" if a.axes else f"float({own})", needs=frozenset(["_native"] if a.axes else []))
            )
    closer.append(called("_evaluated", [*given, f"{made.local['fresh']}=True"], INDENT * 2, before=f"{target} = "))
    lines += [*indented(closer), *domain_checks(record, names)]
    for gap, (words, _) in zip(made.worst, plan.checks, strict=True):
        lines += [Source(f"if {gap} > 1e-5:"), Source(f'{INDENT}_hold({gap}, "{words}")', needs=frozenset(["_hold"]))]
    lines.append(Source(f"return {made.value}, {made.gradients}"))
    return function(called(f"def {name}", parameters(record, names), "", ":"), docstring(doc, INDENT), lines)
