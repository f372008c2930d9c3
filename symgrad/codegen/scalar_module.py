"""The scalar target: array programs at given sizes as plain Python; entries are local floats, sums are unrolled. With a
handful of entries, this is several times faster than any array library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import sympy
from sympy import Integer, Mul, S
from sympy.tensor.indexed import Idx

from symgrad.codegen import array_program as ir
from symgrad.codegen import python_source as py
from symgrad.codegen import scalar_runtime
from symgrad.codegen.array_plan import checks, scalar_program
from symgrad.codegen.identifiers import free, python_name, python_names
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.module_frame import Inputs, assembled, held
from symgrad.codegen.numpy_emitter import plain
from symgrad.codegen.operations import reading_order
from symgrad.codegen.plan.schedule import schedule
from symgrad.codegen.plan.stable_functions import KNOWN, weighted
from symgrad.facts import refuse_inverses
from symgrad.functions import selection
from symgrad.notation import Array, index_positions, replaced
from symgrad.steps import Record

# Calls, with {} for each argument.
FUNCTIONS = {function: known.python for function, known in KNOWN.items()}
FUNCTIONS |= {sympy.exp: "_exp({})", sympy.log: "_log({})"}
ZERO, ONE = py.Source("0"), py.Source("1")
Place = Mapping[Idx, int]


class ScalarEmitter:
    """Emits nodes entry by entry at ``sizes``; ``lines`` are those written so far, without indentation. ``names`` gives
    the Python names of arrays; other arrays get names that are not ``taken``."""

    def __init__(self, names: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        self.names = names
        self.sizes = sizes
        self.lines: list[py.Source] = []
        self._known: dict[tuple[ir.Node, tuple[int, ...]], py.Source] = {}
        self.taken = set(names.values())
        self._entries: dict[tuple[str, tuple[int, ...]], py.Source] = {}

    def entry(self, name: str, position: tuple[int, ...]) -> py.Source:
        """The local name of an entry: z_12, or z_1_12 if an axis may have ten entries or more."""
        if (name, position) not in self._entries:
            array = self.names.get(name)
            between = "_" if max(self.sizes.values(), default=0) > 9 else ""
            numbers = between.join(str(i + 1) for i in position)
            local_name = f"{array or python_name(name)}{'_' if position else ''}{numbers}"
            is_input = local_name == array
            self._entries[name, position] = py.Source(local_name if is_input else free(local_name, self.taken))
        return self._entries[name, position]

    def entries(self, name: str, array: Array) -> list[str]:
        """The local names of all entries of ``name``, which has the axes of ``array``, row by row."""
        every = product(*(range(self.sizes[axis.name]) for axis in array.axes))
        return [self.entry(name, position).code for position in every]

    def assign(self, name: str, letters: Sequence[Idx], node: ir.Node, *, is_small: bool = False) -> None:
        """A line for each entry; an entry that equals another becomes another name for it. An exponential that
        ``is_small`` has an exponent of at most 0, and cannot overflow."""
        for at in index_positions(letters, self.sizes):
            entry = self.entry(name, tuple(at[i] for i in letters))
            if isinstance(node, ir.Reduce) and node.largest:
                values = [self._argument(node.of, {**at, **more}) for more in index_positions(node.over, self.sizes)]
                largest = py.called("max", values, 1, before=f"{entry.code} = ")
                self.lines.append(largest if len(values) > 1 else py.written(f"{entry.code} = {{}}", *values))
                continue
            if is_small and isinstance(node, ir.Call):
                terms = [(False, py.written("math.exp({})", self._argument(node.operands[0], at), needs=["math"]))]
            else:
                terms = self.terms(node, at)
            negative, only = terms[0]
            if len(terms) == 1 and not negative and only.strength == py.Strength.NAME and only.code.isidentifier():
                self._entries[name, tuple(at[i] for i in letters)] = only
            else:
                self.write(entry.code, terms)

    def write(self, name: str, terms: Sequence[tuple[bool, py.Source]]) -> None:
        """``name = terms``, a sum, on as many lines as it takes."""
        line = ""
        for negative, term in terms:
            alone = (term.negated if negative else term).code
            longer = f"{line} {'-' if negative else '+'} {term.code}" if line else f"{name} = {alone}"
            if line and len(py.INDENT + longer) > py.WIDTH:
                self.lines.append(py.Source(line))
                longer = f"{name} += {alone}"
            line = longer
        self.lines.append(py.Source(line, needs=py.needs_of(term for _, term in terms)))

    def terms(self, node: ir.Node, at: Place) -> list[tuple[bool, py.Source]]:
        """The terms of an entry, each with whether it is subtracted."""
        nonzero_terms = [(negative, term) for negative, term in self._every_term(node, at) if term != ZERO]
        return nonzero_terms or [(False, py.Source("0.0"))]

    def _every_term(self, node: ir.Node, at: Place, beside: ir.Layout = ()) -> list[tuple[bool, py.Source]]:
        """The same, including those that are 0. A sum with fewer indices than its sibling terms (``beside``) gets a
        name, since several entries share it."""
        match node:
            case ir.Negative(_, of):
                return [(not negative, term) for negative, term in self._every_term(of, at, beside)]
            case ir.Terms(letters, terms):
                return [each for term in terms for each in self._every_term(term, at, letters)]
            case ir.Reduce() | ir.Contract() if {*node.letters} < {*beside}:
                return [(False, self._part(node, at))]
            case ir.Reduce(_, of, over):
                return [
                    each for more in index_positions(over, self.sizes) for each in self._every_term(of, {**at, **more})
                ]
            case ir.Contract(_, factors, over):
                ordered = sorted(factors, key=reading_order)
                return [
                    (False, self._factors(ordered, (), {**at, **more})) for more in index_positions(over, self.sizes)
                ]
            case _:
                return [(False, self._code(node, at))]

    def _part(self, node: ir.Node, at: Place) -> py.Source:
        """A name for a part that several entries may share."""
        pattern, letters = ir.numbered(node)
        key = pattern, tuple(at[i] for i in letters)
        if key not in self._known:
            match node:
                case ir.Call(_, function, operands):
                    args = [self._argument(arg, at) for arg in operands]
                    terms = [(False, py.applied(FUNCTIONS, function, args))]
                case ir.Largest(_, of, index):
                    values = [self._argument(of, {**at, **other}) for other in index_positions([index], self.sizes)]
                    args = [py.Source(str(at[index])), py.joined(", ", values)]
                    terms = [(False, py.applied(FUNCTIONS, selection, args))]
                case _:
                    terms = self.terms(node, at)
            name = free(f"part_{len(self._known) + 1}", self.taken)
            self._known[key] = py.Source(name)
            self.write(name, terms)
        return self._known[key]

    def _code(self, node: ir.Node, at: Place) -> py.Source:
        """One term; sums and calls in it have names."""
        match node:
            case ir.Load(_, name, indices):
                return self.entry(name, tuple(at[i] for i in indices))
            case ir.Delta((row, column)):
                return ONE if at[row] == at[column] else ZERO
            case ir.Positions((index,)):
                return py.Source(str(at[index]))
            case ir.Diagonal(_, of, letters):
                return self._code(of, {letter: at[i] for letter, i in zip(of.letters, letters, strict=True)})
            case ir.Call(_, function, operands) if function is weighted:
                weight, logarithm = (self._code(arg, at) for arg in operands)
                if not weight.code.isidentifier():
                    weight = self._part(operands[0], at)
                return py.written("({} * {} if {} else 0.0)", weight, logarithm, weight, strength=py.Strength.NAME)
            case ir.Product(_, above, below):
                return self._factors(above, below, at)
            case ir.Power(_, base, exponent) if exponent.is_plain and self._value(exponent) == 2:
                factor = self._part(base, at) if isinstance(base, ir.Product) else self._code(base, at)
                return py.joined(" * ", [factor.within(py.Strength.SIGN)] * 2, py.Strength.PRODUCT)
            case ir.Power(_, base, exponent) if exponent.is_plain and self._value(exponent) == S.Half:
                return py.written("math.sqrt({})", self._code(base, at), needs=["math"])
            case ir.Power(_, base, exponent):
                return py.raised(self._code(base, at), self._code(exponent, at))
            case _:
                if not node.is_plain:
                    return self._part(node, at)
                value = self._value(node)
                return plain(-value).negated if value.is_negative else plain(value)

    def _value(self, node: ir.Node) -> sympy.Expr:
        """A number made of sizes, at these sizes."""
        value = ir.meaning(node)
        return replaced(value, {s: Integer(self.sizes[s.name]) for s in value.free_symbols})

    def _factors(self, above: Sequence[ir.Node], below: Sequence[ir.Node], at: Place) -> py.Source:
        number = Mul(*(self._value(f) for f in above if f.is_plain), *(1 / self._value(f) for f in below if f.is_plain))
        over = [self._code(f, at) for f in above if not f.is_plain]
        under = [self._code(f, at) for f in below if not f.is_plain]
        if ZERO in over or number == 0:
            return ZERO
        over = [f for f in over if f != ONE]
        negative, number = bool(number < 0), abs(number)
        if number != 1 and (1 / number).is_Integer:
            under.append(plain(1 / number))
        elif number != 1:
            over.insert(0, plain(number))
        fraction = py.quotient(over, under)
        return fraction.negated if negative else fraction

    def _argument(self, node: ir.Node, at: Place) -> py.Source:
        """An entry as an argument: a sum without brackets."""
        return py.added_up(self.terms(node, at))


def scalar_module(record: Record, name: str, sizes: Mapping[str, int], closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of ``sizes`` alone, unrolled."""
    refuse_inverses(record.program, "scalar")
    inputs = Inputs(record, python_names(record.program.arrays, (), dict(record.program.labels)))
    names, emitter = inputs.names, ScalarEmitter(inputs.names, sizes)
    shapes = {n: py.tuple_of(sizes[axis.name] for axis in a.axes) for n, a in record.program.arrays.items()}
    tests = inputs.are_ready(f"{names[a.name]}.shape == {shapes[a.name]}" for a in inputs.arrays)
    dtype = free("dtype", emitter.taken)
    lines = [
        *py.joined_tests("if not", tests, "and", ":"),
        *py.indented([inputs.checked(sizes)]),
        py.Source(f"{dtype} = {inputs.dtype.code if inputs.dtype.needs else 'np.dtype(np.float64)'}"),
        *inputs.opened(inputs.labels, py.Source(dtype), sizes),
        *inputs.in_domains(),
    ]
    for a in inputs.arrays:
        flat = ".ravel()" if len(a.axes) > 1 else ""
        lines.append(py.unpacked(emitter.entries(a.name, a), f"{names[a.name]}{flat}.tolist", (), 1))
    numbers = [a.name for a in record.program.inputs if not a.axes]
    lines += [*(py.Source(f"{emitter.entry(n, ()).code} = float({names[n]})") for n in numbers), py.Source("")]
    gap = free("gap", emitter.taken)
    for words, node in checks(record, Lowering(record.program)):
        for at in index_positions(sorted(node.letters, key=str), sizes):
            emitter.write(gap, emitter.terms(node, at))
            emitter.lines += held(f"abs({gap}) > 1e-5", gap, words)
    gradients = schedule(record).gradients
    lowered = scalar_program(record)
    helpers = {a.name for a in lowered.equations if a.is_helper}
    for assign in lowered.program:
        emitter.assign(assign.name, assign.letters, assign.node, is_small=assign.name in helpers)
    lines += [*emitter.lines, py.Source("")]
    results = []
    for wrt, gradient in gradients.items():
        array = record.program.arrays[wrt]
        entries = emitter.entries(gradient, array)
        if array.axes:
            result = free(f"d{names[wrt]}", emitter.taken)
            lines.append(_array(result, entries, dtype, f".reshape{shapes[wrt]}" if len(array.axes) > 1 else ""))
        else:
            result = f"{dtype}.type({entries[0]})"
        results.append(f"{names[wrt]}={result}")
    output = emitter.entry(record.program.output, ())
    lines.append(py.called(f"return {dtype}.type({output.code}), Gradients", results, 1))
    shown = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
    what = f"{record.program.output} and its gradients"
    main = inputs.function(name, lines, f"{what}, at {shown}" if shown else what)
    return assembled(inputs, [name], closed_form, inputs.tables(), [main], scalar_runtime)


def _array(name: str, entries: Sequence[str], dtype: str, shape: str) -> py.Source:
    """The line that makes an array of its entries, split into one line for each if it is too long."""
    listed = f"[{', '.join(entries)}]"
    if len(f"{py.INDENT * 2}{listed},") > py.WIDTH:
        listed = "[\n" + "".join(f"{py.INDENT}{entry},\n" for entry in entries) + "]"
    return py.called("np.array", [listed, dtype], 1, before=f"{name} = ", tail=shape)
