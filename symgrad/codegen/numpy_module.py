"""Writes the module of the NumPy target, for inputs of any size: the function of a loss, evaluated by blocks of rows if
possible, or the functions of a layer: ``forward`` returns the outputs and what ``backward`` needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgrad.codegen import array_program as ir
from symgrad.codegen import python_source as py
from symgrad.codegen.array_passes import hoisted, in_place
from symgrad.codegen.array_plan import Plan, Section
from symgrad.codegen.identifiers import free, part_name
from symgrad.codegen.module_frame import Inputs, assembled, chained, held
from symgrad.codegen.numpy_emitter import NumpyEmitter, product_form
from symgrad.steps import Record

FUNCTIONS = FORWARD, BACKWARD = "forward", "backward"  # of a layer
LOCALS = ("gap", "rows", "start", "block", "saved")  # variables that are not arrays
ROWS = "_rows"  # the function that evaluates a block of rows
BLOCK = """# About as many entries of the arrays of a row, in a block of rows, as stay in a processor's cache while they
# are read twice; but in shorter blocks the other factors of the products would be read too often.
_BLOCK, _SHORTEST = 2**19, 1024"""
SMALL_BLOCK = """\
# About as many entries of the arrays of a row, in a block of rows, as stay in the cache of a core from one
# line to the next.
_BLOCK, _SHORTEST = 2**14, 1"""


def module(record: Record, name: str, closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of any size."""
    body = Body(record)
    lines, tables, further = body.lines, body.inputs.tables(), [ready(body.inputs)]
    if body.blocks.axis:
        args, rows = _rows_function(body)
        lines, further = _evaluation(body, args), [rows, *further]
        tables.append(BLOCK if body.multiplies else SMALL_BLOCK)
    return assembled(body.inputs, [name], closed_form, tables, [_function(body, name, lines), *further])


def ready(inputs: Inputs) -> py.Source:
    """The function that recognises well-formed inputs at little cost."""
    tests: list[str] = []
    for count in sorted({len(a.axes) for a in inputs.arrays}):
        ranks = [f"{inputs.names[a.name]}.ndim" for a in inputs.arrays if len(a.axes) == count]
        tests += chained([*ranks, str(count)], "==")
    for axis in inputs.program.axes:
        holders = [(a, p) for a in inputs.arrays for p, other in enumerate(a.axes) if other.name == axis.name]
        if holders:
            shown = [f"{inputs.names[a.name]}.shape[{p}]" for a, p in holders]
            tests += chained([*shown[:-1], f"{shown[-1]} > 0"], "==")
    doc = ["Whether the inputs are floating arrays of one dtype, of sizes that agree; most are."]
    lines = py.joined_tests("return", inputs.are_ready(tests), "and")
    return py.function(py.called("def _ready", inputs.parameters, 0, ":"), doc, lines)


def _function(body: Body, name: str, evaluation: Sequence[py.Source]) -> py.Source:
    """The module's main function: checks, sizes, and the lines of the ``evaluation``."""
    result = [py.written(f"{body.names[n]}={{}}", value) for n, value in body.gradients.items()]
    last = py.called(f"return {body.results[0].code}, Gradients", result, 1)
    lines = [*body.before, *evaluation, *body.after, last]
    return body.function(name, lines, f"{body.record.program.output} and its gradients")


def _rows_function(body: Body) -> tuple[list[str], py.Source]:
    """The parameters of the function that evaluates a block of rows (inputs, earlier arrays, sizes), and its source."""
    blocks, results = body.blocks, [body.row_results[name] for name in (*body.blocks.sums, *body.blocks.stacked)]
    lines = [*body.lines, py.written(f"return {py.tuple_of(['{}'] * len(results), bare=True)}", *results)]
    needs, rowwise = py.needs_of(lines), [body.names[name] for name in body.plan.rowwise]
    earlier = (*body.factors.values(), *(body.names[a.name] for a in blocks.before))
    args = [name for name in (*body.inputs.parameters, *earlier) if name in needs]
    if body.count in needs:
        first = next((name for name in args if name in rowwise), rowwise[0])
        args = args if first in args else [first, *args]
        lines.insert(0, py.Source(f"{body.count} = {first}.shape[0]"))
    args += [axis.name for axis in body.record.program.axes if axis.name in needs]
    what = "Sums over" if not blocks.stacked else "Sums and results for"
    total = f", of {blocks.axis} in all" if blocks.axis in args else ""
    doc = f"{what} some of the rows{total}; the arrays here have a column for each row."
    return args, py.function(py.called(f"def {ROWS}", args, 0, ":"), [doc], lines)


def _evaluation(body: Body, args: Sequence[str]) -> list[py.Source]:
    """The lines that evaluate the rows with that function, all at once or in blocks."""
    blocks, names = body.blocks, body.names
    rows, start, block = (body.local[name] for name in ("rows", "start", "block"))
    part = f"[{start} : {start} + {rows}]"
    rowwise = [names[name] for name in body.plan.rowwise]
    parts = [f"{a}{part}" if a in rowwise else a for a in args]
    summed, stacked = [names[name] for name in blocks.sums], [names[name] for name in blocks.stacked]
    sums, results = py.tuple_of(summed, bare=True), py.tuple_of([*summed, *stacked], bare=True)
    inner = [py.called(ROWS, parts, 3, before="return ")]
    if stacked:
        slices = py.tuple_of([*summed, *(f"{name}{part}" for name in stacked)], bare=True)
        inner = [py.called(ROWS, parts, 3, before=f"{slices} = "), py.Source(f"return {sums}")]
    shapes = {a.name: py.tuple_of(i.upper + 1 for i in a.indices) for a in blocks.rows}
    allocations = [py.written(f"{names[n]} = np.empty({shapes[n]}, {{}})", body.inputs.dtype) for n in blocks.stacked]
    # The number of entries in the arrays of a row, roughly, as a sum of sizes.
    axes = {axis.name for a in body.plan.rowwise.values() for axis in a.axes[1:]}
    axes |= {str(i.upper + 1) for a in blocks.rows for i in a.indices}
    width = [axis.name for axis in body.record.program.axes if axis.name in axes - {blocks.axis}] or ["1"]
    needs = frozenset([*width, *args, blocks.axis, "_summed"])
    in_blocks = [*allocations, py.Source(""), py.Source(f"def {block}({start}):"), *py.indented(inner), py.Source("")]
    in_blocks.append(py.Source(f"{sums} = _summed(map({block}, range(0, {blocks.axis}, {rows})))"))
    return [
        py.Source(f"{rows} = max(_SHORTEST, _BLOCK // ({' + '.join(width)}))", needs=needs),
        py.Source(f"if {rows} >= {blocks.axis}:"),
        *py.indented([py.called(ROWS, args, 2, before=f"{results} = ")]),
        py.Source("else:"),
        *py.indented(in_blocks),
    ]


class Body:
    """The function body of a plan, in lines without indentation: ``before``, within (``lines``) and ``after`` the
    evaluation of rows; without blocks, all are in ``lines``. ``gradients`` gives the expression of each gradient,
    ``row_results`` what a block returns, ``multiplies`` whether a block multiplies matrices. ``local`` are names that
    no array has, ``factors`` those of Cholesky factors by matrix, ``upstream`` the names of upstream gradients,
    ``lowered`` is the array program as written."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.plan = plan = Plan(record)
        self.blocks, self.names, self.count = plan.blocks, plan.names, plan.count
        self.inputs = Inputs(record, plan.names)
        self.local = {name: free(name, plan.taken) for name in LOCALS}
        self.upstream = [plan.names[gradient] for _, gradient in record.program.upstream]
        self._shown = dict(self.names)  # an array computed in place may keep the other array's name
        self._parts: set[str] = set()
        self._program: list[ir.Assign] = []
        definite = [] if self.upstream else plan.definite
        self.factors = {name: free(f"{self.names[name]}_factor", plan.taken) for name in definite}
        self._emitter = whole = NumpyEmitter(self._shown, self.inputs.dtype, factors=self.factors)
        self.before = self._section(plan.before)
        self._emitter = replace(whole, rows=plan.blocks.axis)
        opened = self._open_labels()
        checks = [line for check in plan.checks for line in self._check(*check)]
        between = [py.Source("")] if opened or checks else []
        head = [*opened, *checks, *between]
        if self.upstream:
            self.before = [*head, *self.before]
            self._emitter = replace(whole, dtype=py.written("{}.dtype", py.used(self.upstream[0])))
        self.lines = [*([] if self.upstream else head), *self._section(plan.main)]
        parts = (part for assign in plan.main.program for part in ir.walk(assign.node))
        products = (part for part in parts if isinstance(part, ir.Contract))
        self.multiplies = any(product_form(part) == "matrix" for part in products)
        self.row_results = {name: self._emitter.text(*result) for name, result in plan.row_results.items()}
        self._emitter = whole
        self.after = self._section(plan.after)
        self.results = [self._emitter.text(*result) for result in plan.results]
        self.gradients = {name: self._emitter.text(*result) for name, result in plan.gradients.items()}
        needs = py.needs_of([*self.before, *self.lines, *self.after, *self.results, *self.gradients.values()])
        self.factors = {name: factor for name, factor in self.factors.items() if factor in needs}
        self.before = [*(self._factored(*pair) for pair in self.factors.items()), *self.before]
        self.lowered = replace(plan.lowered, program=self._program)

    def function(self, name: str, lines: Sequence[py.Source], returned: str) -> py.Source:
        """The function that checks the inputs, reads the sizes, and has these ``lines``."""
        inputs, plan = self.inputs, self.plan
        alone = [self.names[a.name] for a in inputs.inputs if not a.axes and a.name in plan.alone]
        head = [
            py.called("if not _ready", inputs.parameters, 1, ":"),
            *py.indented([inputs.checked()]),
            *inputs.in_domains(),
            *inputs.opened([n for n in inputs.labels if n not in plan.rowwise], inputs.dtype),
            *(py.written(f"{n} = {{}}.type({n})", inputs.dtype) for n in alone if inputs.dtype.needs),
            *inputs.sizes(py.needs_of(lines), inputs.labels),
        ]
        return self.quiet(inputs.function(name, [*head, *lines], returned))

    def shown(self, name: str) -> str:
        """The Python name under which the memory of an array is written."""
        return self._shown[name]

    def quiet(self, source: py.Source) -> py.Source:
        """A function, which must not warn of infinities and NaN on the way to finite results."""
        return replace(source, needs=source.needs | {"_quiet"}) if self.plan.is_quiet else source

    def _section(self, section: Section) -> list[py.Source]:
        """The lines of some assignments; a blank line follows the assignment of the output."""
        emitter = self._emitter
        parts = (hoisted(a, lambda node: len(emitter.text(node).code), self._part) for a in section.program)
        split = [assign for assigns in parts for assign in assigns]
        self._program += split
        lines: list[py.Source] = []
        for assign in in_place(split, section.kept | self._parts, self.plan.helpers):
            if assign.keeps_name:
                self._shown[assign.name] = self._shown[assign.into]
            lines.append(emitter.assigned(assign))
            if assign.name == self.record.program.output and emitter.rows == self.blocks.axis:
                lines.append(py.Source(""))
        return lines

    def _factored(self, name: str, factor: str) -> py.Source:
        """The line that computes the Cholesky factor of a matrix."""
        matrix = self.names[name]
        return py.Source(f'{factor} = _cholesky({matrix}, "{matrix}")', needs=frozenset(["_cholesky", matrix]))

    def _part(self) -> str:
        """A name for a part of an expression."""
        name = part_name(self.plan.taken)
        self._parts.add(name)
        self._shown[name] = name
        return name

    def _check(self, words: str, gap: ir.Node) -> list[py.Source]:
        """Lines that raise if an assumption that the derivation used does not hold."""
        gap_name = self.local["gap"]
        square = f"{gap_name}.dot({gap_name})" if len(gap.letters) == 1 else f"np.vdot({gap_name}, {gap_name})"
        line = py.written(f"{gap_name} = {{}}", self._emitter.text(gap))
        return [line, *held(f"not {square} < 1e-10", gap_name, words)]

    def _open_labels(self) -> list[py.Source]:
        """Lines that turn labels, or the one-hot rows they stand for, into columns."""
        lines: list[py.Source] = []
        for name in (n for n in self.inputs.labels if n in self.plan.rowwise):
            array, columns = self.names[name], self.record.program.arrays[name].axes[1].name
            opened = f"{array} = {array}.T if {array}.ndim == 2 else _one_hot_columns({array}, {{}}, {{}})"
            lines.append(py.written(opened, py.used(columns), self.inputs.dtype, needs=["_one_hot_columns", array]))
        return lines


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
