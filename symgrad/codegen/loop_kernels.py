"""Writes the kernels of a module in loops, which numba compiles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen import python_source as py
from symgrad.codegen.loop_emitter import LoopEmitter
from symgrad.codegen.loop_nests import LoopPlan, fused, within
from symgrad.codegen.module_frame import Inputs
from symgrad.steps import Record

LOCALS = ("total", "largest", "ties", "first", "row", "rows", "start", "stop", "thread", "threads", "gaps")
SMALL, LARGE = "2**18", "2**17"
"""Fewer multiplications than the first use one thread; products with matrices of more entries than the second use BLAS,
which has threads of its own."""


class Kernels:
    """The kernels of a record in loops. A kernel takes the inputs, ``args``, and the arrays for the ``results``. It
    returns whether the shapes agree, the value, the derivatives with respect to ``scalars``, and the ``gaps``, which
    are 0 if the assumptions hold."""

    def __init__(self, record: Record) -> None:
        self.record, self.loops = record, LoopPlan(record)
        loops, self.plan, self.names = self.loops, self.loops.plan, self.loops.names
        self.local = {"count": self.plan.count} | {name: loops.name(name) for name in LOCALS}
        self.inputs = Inputs(record, self.plan.names)
        self.arrays, self.args, self.dtype = self.inputs.arrays, self.inputs.parameters, self.inputs.dtype
        self.results = {n: self.names[array] for n, array in loops.results.items()}
        self.scalars = {n: loops.name(f"d{self.names[n]}") for n in record.wrt if n not in self.results}
        numbers = range(1, len(self.plan.checks) + 1)
        self.gaps = [loops.name("gap" if len(numbers) == 1 else f"gap_{number}") for number in numbers]
        inputs, axes = {a.name for a in record.program.inputs}, record.program.axis
        self.alone = LoopEmitter(self.names, axes, self.plan.taken, inputs, self.local)
        self.block = LoopEmitter(self.names, axes, self.plan.taken, inputs, self.local, loops.axis, loops.rowwise)
        self.block.data = loops.rowwise - {*loops.labels}
        self.block.totals = {name: loops.name(f"{name}_sums") for name in loops.sums}
        self._room: dict[str, tuple[py.Source, list[str]]] = {}  # the types and shapes of the arrays of a block
        self._totals: dict[str, list[str]] = {}
        self._views: dict[str, str] = {}
        for a in loops.main:
            if a.name in loops.sums:
                self._lay_out(a)
        self._before = self._lines(loops.before, self.alone, {a.name for a in loops.before})
        checks = self._checks(self.block if loops.axis else self.alone)
        stored = {n for a in loops.stored for n in ir.loads(a.node)}
        self._rows = [*(checks if loops.axis else []), *self._lines(loops.main, self.block, stored)]
        self._rows += [line for a in loops.stored for line in self.block.stored(a)]
        self._before += checks if not loops.axis else []
        totals = [
            py.Source(f"{n} = {view}", needs=frozenset([view.partition("(")[0]])) for n, view in self._views.items()
        ]
        self._after = [*totals, *self._lines(loops.after, self.alone)]
        self._returned = [self.alone.code(node) for node in loops.numbers]

    # --- lines -----------------------------------------------------------------------------------------------------

    def _lines(self, program: Iterable[ir.Assign], emitter: LoopEmitter, kept: Collection[str] = ()) -> list[py.Source]:
        """The lines of assignments; those before and after the rows also allocate their arrays. ``kept`` are read
        later."""
        lines: list[py.Source] = []
        nests = fused(program, emitter.loops)
        results, sums = {*self.loops.results.values()}, {*self.loops.sums}
        emitter.within |= within(nests, {*kept, *results, *sums})
        for nest in nests:
            for a in nest.parts:
                if a.letters and a.name not in results | sums | emitter.within:
                    if emitter is self.block:
                        is_sum = isinstance(a.node, (ir.Reduce, ir.Contract)) and self.block.product(a) is None
                        kind = py.Source("np.float64") if is_sum else self.dtype  # sums keep their digits
                        self._room[self.names[a.name]] = kind, self._sizes(emitter.layout(a.letters))
                    else:
                        lines.append(self._empty(self.names[a.name], self._sizes(a.letters)))
            lines += emitter.emitted(nest)
        return lines

    def _checks(self, emitter: LoopEmitter) -> list[py.Source]:
        """Lines that store how far the inputs are from satisfying the assumptions."""
        lines: list[py.Source] = []
        for position, (*parts, last) in enumerate(self.loops.checks):
            lines += self._lines(parts, emitter, ir.loads(last.node))
            lines += emitter.worst(last.node, f"{self.local['gaps']}[{position}]")
        return lines

    def _lay_out(self, a: ir.Assign) -> None:
        """Choose the memory of the total of a sum over rows: a matrix for each thread, or an entry for each row of a
        block."""
        total, sizes = self.block.totals[a.name], self._sizes(a.letters)
        if (product := self.block.product(a)) is None:
            self._totals[total] = [*sizes, self.local["rows"]]
            flat = f"{total}.reshape({self.local['threads']}, {' * '.join(sizes)}, {self.local['rows']})"
            shape = f".reshape({', '.join(sizes)})" if len(sizes) > 1 else ""
            self._views[a.name] = f"_lanes_added({flat}){shape}" if sizes else f"_all_added({total})"
            return
        operands = (
            (product.right, product.left) if product.left.name in self.block.data else (product.left, product.right)
        )
        order = tuple(i for load in operands for i in load.letters if not self.loops.is_row(i))
        self.block.parts[a.name] = self.loops.name(f"{a.name}_part")
        self._totals[total] = ["1", *self._sizes(order)][-2:]
        self._views[a.name] = f"_added({total}){'[0]' if len(order) == 1 else '.T' if order != a.letters else ''}"

    def _sizes(self, letters: Iterable[Idx]) -> list[str]:
        return [self.local["rows"] if self.loops.is_row(i) else str(i.upper + 1) for i in letters]

    def _empty(
        self, name: str, shape: Sequence[str], kind: py.Source | None = None, function: str = "empty"
    ) -> py.Source:
        """The line that allocates an array, with the dtype of the inputs unless ``kind`` is given."""
        line = py.written(f"{name} = np.{function}({_tuple(shape)}, {{}})", kind or self.dtype)
        return replace(line, needs=line.needs.union(shape))

    def sizes(self, lines: Sequence[py.Source]) -> list[py.Source]:
        """Lines for the sizes that ``lines`` need."""
        return self.inputs.sizes(py.needs_of(lines), self.loops.labels)

    @property
    def large(self) -> str:
        """Source that tests whether products are large enough for BLAS."""
        return "".join(f" or {' * '.join(axes)} > {LARGE}" for axes in self.loops.weights)

    # --- kernels ---------------------------------------------------------------------------------------------------

    def kernels(self) -> list[py.Source]:
        """The kernels: for one thread, for several, and for the blocks of rows of a thread."""
        if not self.loops.axis:
            return [self._kernel("_serial", [])]
        local, axis = self.local, self.loops.axis
        inside = self._blocks()
        needs = py.needs_of(inside)
        known = [*self.args, *self.block.columns.values(), *(self.names[a.name] for a in self.loops.before)]
        used = [n for n in dict.fromkeys([*known, *(a.name for a in self.record.program.axes)]) if n in needs]
        totals = [*self._totals, *([local["gaps"]] if self.plan.checks else [])]
        stored = [self.names[a.name] for a in self.loops.stored]
        doc = [f"Add up what the rows {local['start']}..{local['stop']} - 1 give, a block at a time."]
        args = [*used, local["start"], local["stop"], local["rows"], *totals, *stored]
        body = py.function(py.called("def _rows", args, 0, ":"), doc, inside)

        def call(first: str, last: str, thread: str) -> py.Source:
            args = [*used, first, last, local["rows"], *(f"{n}[{thread}]" for n in totals), *stored]
            return replace(py.called("_rows", args, 2), needs=frozenset([*used, axis]))

        t, threads = local["thread"], local["threads"]
        part = call(f"{axis} * {t} // {threads}", f"{axis} * ({t} + 1) // {threads}", t)
        many = [py.Source(f"for {t} in prange({threads}):", needs=frozenset([axis])), *py.indented([part])]
        return [
            self._kernel("_serial", [call("0", axis, "0")]),
            self._kernel("_parallel", many, "parallel=_ROWS_ALONE, "),
            replace(body, code=f"@njit(**_ENTRIES)\n{body.code}"),
        ]

    def _blocks(self) -> list[py.Source]:
        """The lines for the blocks of rows of one thread."""
        first, count, rows, start, stop = (self.local[n] for n in ("first", "count", "rows", "start", "stop"))
        allocations: list[py.Source] = []
        inside = [py.Source(f"{count} = min({rows}, {stop} - {first})")]
        for name, block in self.block.turned.items():
            axes = [axis.name for axis in self.record.program.arrays[name].axes[1:]]
            source, opener = self.plan.names[name], "_opened" if name in self.loops.labels else "_turned"
            allocations.append(self._empty(block, [*axes, rows]))
            inside.append(
                py.Source(f"{opener}({source}, {first}, {count}, {block})", needs=frozenset([opener, source]))
            )
        by_shape: dict[tuple[py.Source, tuple[str, ...]], list[str]] = {}
        for name, (kind, shape) in self._room.items():
            by_shape.setdefault((kind, (*shape,)), []).append(name)
        for (kind, room), names in by_shape.items():  # arrays of one shape share one allocation
            if len(names) == 1:
                allocations.append(self._empty(names[0], room, kind))
                continue
            memory = self.loops.name(f"{'blocks' if kind == self.dtype else 'sums'}_{len(room)}")
            allocations.append(self._empty(memory, [str(len(names)), *room], kind))
            allocations += [py.Source(f"{name} = {memory}[{position}]") for position, name in enumerate(names)]
        flushed: list[py.Source] = []
        for name, part in self.block.parts.items():
            total = self.block.totals[name]
            allocations.append(self._empty(part, self._totals[total], function="zeros"))
            flushed.append(py.Source(f"_flush({part}, {total})", needs=frozenset(["_flush"])))
        if flushed:  # add to a float64 total before a float32 sum of many terms loses digits
            last = py.Source(f"if {first} + {rows} >= {stop} or ({first} - {start}) // {rows} % 16 == 15:")
            flushed = [last, *py.indented(flushed)]
        loop = py.Source(f"for {first} in range({start}, {stop}, {rows}):")
        return [*allocations, loop, *py.indented([*inside, *self._rows, *flushed])]

    def _kernel(self, name: str, rows: Sequence[py.Source], option: str = "") -> py.Source:
        """A kernel: sizes, shapes, and the lines before, for and after the rows."""
        gaps, threads = self.local["gaps"], self.local["threads"]
        lines = [] if option or not self.loops.axis else [py.Source(f"{threads} = 1")]
        if checks := len(self.plan.checks):
            lines.append(
                py.Source(f"{gaps} = np.zeros({_tuple([*([threads] if self.loops.axis else []), str(checks)])})")
            )
        lines += self._before
        for old, new in self.block.columns.items():
            lines.append(py.Source(f"{new} = np.ascontiguousarray({old}.T)", needs=frozenset([old])))
        if self.loops.axis:
            lines.append(self._block_size())
        for total, shape in self._totals.items():
            lines.append(py.Source(f"{total} = np.zeros({_tuple([threads, *shape])})", needs=frozenset(shape)))
        lines += rows
        if self.loops.axis and checks:
            lines.append(py.Source(f"{gaps} = _worst({gaps})", needs=frozenset(["_worst"])))
        returned = [
            py.Source("True"),
            *self._returned,
            *(py.Source(f"{gaps}[{position}]") for position in range(checks)),
        ]
        lines += [*self._after, py.written(f"return {', '.join(['{}'] * len(returned))}", *returned)]
        fits = self._fits(len(returned) - 1)
        args = [*self.args, *self.results.values(), *([threads] if option else [])]
        doc = f"Evaluate everything{', the rows in several threads' if option else ' in one thread'}."
        head = py.called(f"def {name}", args, 0, ":")
        kernel = py.function(head, [doc], [*self.sizes([*fits, *lines]), *fits, *lines])
        return replace(kernel, code=f"@njit({option}**_ENTRIES)\n{kernel.code}")

    def _block_size(self) -> py.Source:
        """The line for the number of rows in a block, whose arrays should stay in a core's cache."""
        width: dict[str, int] = {}
        inputs = [[axis.name for axis in a.axes] for a in self.arrays if a.name in self.loops.rowwise]
        blocks = [shape for _, shape in self._room.values()]
        blocks += [shape for shape in self._totals.values() if self.local["rows"] in shape]
        for shape in [*inputs, *blocks]:
            size = " * ".join(axis for axis in shape if axis not in (self.local["rows"], self.loops.axis)) or "1"
            width[size] = width.get(size, 0) + 1
        terms = [n if times == 1 else f"{times} * {n}" if n != "1" else f"{times}" for n, times in width.items()]
        rows = f"8 * max(2, min(128, 8192 // ({' + '.join(terms)})))"
        if self.loops.weights:
            rows = f"512 if {self.large.removeprefix(' or ')} else {rows}"
        needs = {name for n in width for name in n.split(" * ")}.union([self.loops.axis], *self.loops.weights)
        return py.Source(f"{self.local['rows']} = min({self.loops.axis}, {rows})", needs=frozenset(needs))

    def _fits(self, numbers: int) -> list[py.Source]:
        """Lines that return without a result if shapes do not agree, or labels are invalid."""
        back = py.Source(f"{py.INDENT}return {', '.join(['False', *['0.0'] * numbers])}")
        seen: set[str] = set()
        tests: list[str] = []
        for a in self.arrays:
            for position, axis in enumerate(a.axes if a.name not in self.loops.labels else ()):
                code = f"{self.plan.names[a.name]}.shape[{position}] != {axis.name}"
                tests.append(code if axis.name in seen else f"{axis.name} == 0")
                seen.add(axis.name)
        lines = [*py.joined_tests("if", tests, "or", ":"), back]
        for name in self.loops.labels:
            source, axes = self.plan.names[name], [axis.name for axis in self.record.program.arrays[name].axes]
            test = py.Source(f"if {source}.shape[0] != {axes[0]} or {source}.shape[1] != {axes[1]}:")
            labels = py.Source(f"elif not _are_labels({source}, {', '.join(axes)}):", needs=frozenset(["_are_labels"]))
            lines += [py.Source(f"if {source}.ndim == 2:"), *py.indented([test, back]), labels, back]
        needs = frozenset(axis.name for a in self.arrays for axis in a.axes)
        return [replace(line, needs=line.needs | needs) for line in lines]


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]
