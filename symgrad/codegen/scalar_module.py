"""The scalar target: array programs at given sizes as plain Python, with every entry a local float and every sum
unrolled.

For problems with a handful of entries, this is several times faster than any array library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import sympy
from sympy import Integer, Mul, Rational
from sympy.tensor.indexed import Idx

from symgrad.codegen import scalar_runtime
from symgrad.codegen.array_plan import checks, scalar_program
from symgrad.codegen.array_program import (
    Call,
    Contract,
    Delta,
    Diagonal,
    Largest,
    Layout,
    Load,
    Negative,
    Node,
    Power,
    Product,
    Reduce,
    Terms,
    meaning,
    numbered,
)
from symgrad.codegen.identifiers import free, python_name, python_names
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.module_frame import Inputs, assembled, held
from symgrad.codegen.numpy_emitter import plain
from symgrad.codegen.operations import parted, reading_order
from symgrad.codegen.plan.kernels import KNOWN, weighted
from symgrad.codegen.plan.schedule import schedule
from symgrad.codegen.python_source import (
    INDENT,
    WIDTH,
    Source,
    Strength,
    added_up,
    applied,
    called,
    indented,
    joined,
    joined_tests,
    needs_of,
    quotient,
    raised,
    tuple_of,
    unpacked,
    written,
)
from symgrad.functions import selection
from symgrad.notation import Array, places, replaced
from symgrad.steps import Record

# Calls, with {} for each argument.
FUNCTIONS = {function: known.python for function, known in KNOWN.items()}
FUNCTIONS |= {sympy.exp: "_exp({})", sympy.log: "_log({})"}
ZERO, ONE = Source("0"), Source("1")
Place = Mapping[Idx, int]


class ScalarEmitter:
    """Emits nodes entry by entry at ``sizes``; ``lines`` are those written so far, without indentation. ``names`` gives
    the Python names of arrays; other arrays get names that are not ``taken``."""

    def __init__(self, names: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        self.names = names
        self.sizes = sizes
        self.lines: list[Source] = []
        self._known: dict[tuple[Node, tuple[int, ...]], Source] = {}
        self.taken = set(names.values())
        self._entries: dict[tuple[str, tuple[int, ...]], Source] = {}

    def entry(self, name: str, place: tuple[int, ...]) -> Source:
        """The local name of an entry: z_12, or z_1_12 if an axis may have ten entries or more."""
        if (name, place) not in self._entries:
            local_name = self.names.get(name) or python_name(name)
            if place:
                between = "_" if max(self.sizes.values()) > 9 else ""
                local_name = f"{local_name}_{between.join(str(i + 1) for i in place)}"
            is_own = local_name == self.names.get(name)
            self._entries[name, place] = Source(local_name if is_own else free(local_name, self.taken))
        return self._entries[name, place]

    def entries(self, name: str, array: Array) -> list[str]:
        """The local names of all entries of ``name``, which has the axes of ``array``, row by row."""
        every = product(*(range(self.sizes[axis.name]) for axis in array.axes))
        return [self.entry(name, place).code for place in every]

    def assign(self, name: str, letters: Sequence[Idx], node: Node, *, is_small: bool = False) -> None:
        """A line for each entry; an entry that equals another becomes another name for it. An exponential that
        ``is_small`` has an exponent of at most 0, and cannot overflow."""
        for at in places(letters, self.sizes):
            entry = self.entry(name, tuple(at[i] for i in letters))
            if isinstance(node, Reduce) and node.largest:
                values = [self._argument(node.of, {**at, **more}) for more in places(node.over, self.sizes)]
                largest = called("max", values, INDENT, before=f"{entry.code} = ")
                self.lines.append(largest if len(values) > 1 else written(f"{entry.code} = {{}}", *values))
                continue
            if is_small and isinstance(node, Call):
                terms = [(False, written("math.exp({})", self._argument(node.operands[0], at), needs=["math"]))]
            else:
                terms = self.terms(node, at)
            negative, only = terms[0]
            if len(terms) == 1 and not negative and only.strength == Strength.NAME and only.code.isidentifier():
                self._entries[name, tuple(at[i] for i in letters)] = only
            else:
                self.write(entry.code, terms)

    def write(self, name: str, terms: Sequence[tuple[bool, Source]]) -> None:
        """``name = terms``, a sum, on as many lines as it takes."""
        line = ""
        for negative, term in terms:
            alone = (term.negated if negative else term).code
            longer = f"{line} {'-' if negative else '+'} {term.code}" if line else f"{name} = {alone}"
            if line and len(INDENT + longer) > WIDTH:
                self.lines.append(Source(line))
                longer = f"{name} += {alone}"
            line = longer
        self.lines.append(Source(line, needs=needs_of(term for _, term in terms)))

    # --- one entry -------------------------------------------------------------------------------------------------

    def terms(self, node: Node, at: Place) -> list[tuple[bool, Source]]:
        """The terms of an entry, each with whether it is subtracted."""
        nonzero_terms = [(negative, term) for negative, term in self._every_term(node, at) if term != ZERO]
        return nonzero_terms or [(False, Source("0.0"))]

    def _every_term(self, node: Node, at: Place) -> list[tuple[bool, Source]]:
        match node:
            case Negative(_, of):
                return [(not negative, term) for negative, term in self._every_term(of, at)]
            case Terms(letters, terms):
                return [each for term in terms for each in self._shared_or_written_out(term, letters, at)]
            case Reduce(_, of, over):
                return [each for more in places(over, self.sizes) for each in self._every_term(of, {**at, **more})]
            case Contract(_, factors, over):
                ordered = sorted(factors, key=reading_order)
                return [(False, self._factors(ordered, (), {**at, **more})) for more in places(over, self.sizes)]
            case _:
                return [(False, self._code(node, at))]

    def _shared_or_written_out(self, term: Node, letters: Layout, at: Place) -> list[tuple[bool, Source]]:
        """A term of a sum over ``letters``; a sum that several entries share gets a name."""
        negative, inside = parted(term)
        if isinstance(inside, (Reduce, Contract)) and set(inside.letters) < set(letters):
            return [(negative, self._part(inside, at))]
        return self._every_term(term, at)

    def _part(self, node: Node, at: Place) -> Source:
        """A name for a part that several entries may share."""
        pattern, letters = numbered(node)
        key = pattern, tuple(at[i] for i in letters)
        if key not in self._known:
            terms = [(False, self._call(node, at))] if isinstance(node, (Call, Largest)) else self.terms(node, at)
            name = free(f"part_{len(self._known) + 1}", self.taken)
            self._known[key] = Source(name)
            self.write(name, terms)
        return self._known[key]

    def _code(self, node: Node, at: Place) -> Source:
        """One term; sums and calls in it have names."""
        match node:
            case Load(_, name, indices):
                return self.entry(name, tuple(at[i] for i in indices))
            case Delta((row, column)):
                return ONE if at[row] == at[column] else ZERO
            case Diagonal(_, of, letters):
                return self._code(of, {letter: at[i] for letter, i in zip(of.letters, letters, strict=True)})
            case Call(_, function, operands) if function is weighted:
                weight, logarithm = (self._code(arg, at) for arg in operands)
                if not weight.code.isidentifier():
                    weight = self._part(operands[0], at)
                return written("({} * {} if {} else 0.0)", weight, logarithm, weight, strength=Strength.NAME)
            case Product(_, above, below):
                return self._factors(above, below, at)
            case Power(_, base, exponent):
                return self._power(base, exponent, at)
            case _:
                if not node.is_plain:
                    return self._part(node, at)
                value = self._value(node)
                return plain(-value).negated if value.is_negative else plain(value)

    def _value(self, node: Node) -> sympy.Expr:
        """A number made of sizes, at these sizes."""
        value = meaning(node)
        return replaced(value, {s: Integer(self.sizes[s.name]) for s in value.free_symbols})

    def _factors(self, above: Sequence[Node], below: Sequence[Node], at: Place) -> Source:
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
        fraction = quotient(over, under)
        return fraction.negated if negative else fraction

    def _power(self, base: Node, exponent: Node, at: Place) -> Source:
        below = self._code(base, at)
        if exponent.is_plain and (value := self._value(exponent)) in (Rational(1, 2), 2):
            if value == 2:
                return joined(" * ", [below.within(Strength.SIGN)] * 2, Strength.PRODUCT)
            return written("math.sqrt({})", below, needs=["math"])
        return raised(below, self._code(exponent, at))

    def _call(self, node: Call | Largest, at: Place) -> Source:
        if isinstance(node, Largest):
            values = [self._argument(node.of, {**at, **other}) for other in places([node.index], self.sizes)]
            return applied(FUNCTIONS, selection, [Source(str(at[node.index])), joined(", ", values, Strength.SUM)])
        return applied(FUNCTIONS, node.function, [self._argument(arg, at) for arg in node.operands])

    def _argument(self, node: Node, at: Place) -> Source:
        """An entry as an argument: a sum without brackets."""
        return added_up(self.terms(node, at))


def scalar_module(record: Record, name: str, sizes: Mapping[str, int], closed_form: Sequence[str]) -> str:
    """The source of a module whose function takes arrays of ``sizes`` alone, unrolled."""
    inputs = Inputs(record, python_names(record.program.arrays, (), dict(record.program.labels)))
    names, emitter = inputs.names, ScalarEmitter(inputs.names, sizes)
    shapes = {n: tuple_of(sizes[axis.name] for axis in a.axes) for n, a in record.program.arrays.items()}
    tests = inputs.are_ready(f"{names[a.name]}.shape == {shapes[a.name]}" for a in inputs.arrays)
    dtype = free("dtype", emitter.taken)
    input_dtype = inputs.dtype
    lines = [
        *joined_tests("if not", tests, "and", ":"),
        *indented([inputs.checked(sizes)]),
        Source(f"{dtype} = {input_dtype.code if input_dtype.needs else 'np.dtype(np.float64)'}"),
        *inputs.opened(inputs.labels, Source(dtype), sizes),
        *inputs.in_domains(),
    ]
    for a in inputs.arrays:
        flat = ".ravel()" if len(a.axes) > 1 else ""
        lines.append(unpacked(emitter.entries(a.name, a), f"{names[a.name]}{flat}.tolist", (), INDENT))
    numbers = [a.name for a in record.program.inputs if not a.axes]
    lines += [*(Source(f"{emitter.entry(n, ()).code} = float({names[n]})") for n in numbers), Source("")]
    gap = free("gap", emitter.taken)
    for words, node in checks(record, Lowering(record.program)):
        for at in places(sorted(node.letters, key=str), sizes):
            emitter.write(gap, emitter.terms(node, at))
            emitter.lines += held(f"abs({gap}) > 1e-5", gap, words)
    gradients = schedule(record).gradients
    lowered = scalar_program(record)
    helpers = {a.name for a in lowered.equations if a.is_helper}
    for assign in lowered.program:
        emitter.assign(assign.name, assign.letters, assign.node, is_small=assign.name in helpers)
    lines += [*emitter.lines, Source("")]
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
    lines.append(called(f"return {dtype}.type({output.code}), Gradients", results, INDENT))
    shown = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
    main = inputs.function(name, lines, f", at {shown}" if shown else "")
    return assembled(inputs, name, closed_form, inputs.tables(), [main], scalar_runtime)


def _array(name: str, entries: Sequence[str], dtype: str, shape: str) -> Source:
    """The line that makes an array of its entries, or one line for each."""
    listed = f"[{', '.join(entries)}]"
    if len(f"{INDENT * 2}{listed},") > WIDTH:
        listed = "[\n" + "".join(f"{INDENT}{entry},\n" for entry in entries) + "]"
    return called("np.array", [listed, dtype], INDENT, before=f"{name} = ", tail=shape)
