"""The loss and its gradients as a few lines of NumPy, for reading and pasting.

The lines evaluate the stable forms of the generated functions, but without checks of the inputs, row blocks, reuse of
memory, and helpers that are used once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sympy import Function, S, Sum, erf, log
from sympy.printing.numpy import NumPyPrinter

from symgrad.codegen import runtime
from symgrad.codegen.array_plan import Lowered
from symgrad.codegen.array_program import (
    Assign,
    Call,
    Fill,
    Layout,
    Load,
    Node,
    Number,
    Product,
    Reduce,
    Terms,
    mapped,
    number,
    walk,
)
from symgrad.codegen.identifiers import RESERVED, part_name, python_names
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.module_frame import Inputs, functions_for
from symgrad.codegen.numpy_emitter import ARRAY_FUNCTIONS, NumpyEmitter
from symgrad.codegen.operations import is_weighted, parted, reduced
from symgrad.codegen.plan.kernels import sigmoid, weighted
from symgrad.codegen.plan.schedule import array_of, uses_of
from symgrad.codegen.plan.shifts import Shift
from symgrad.codegen.plan.stable_forms import evaluated
from symgrad.codegen.python_source import (
    Source,
    Strength,
    added_up,
    applied,
    joined,
    needs_of,
    quotient,
    tuple_of,
    used,
    written,
)
from symgrad.codegen.temporaries import hoisted
from symgrad.functions import equal, step, where
from symgrad.notation import name_of
from symgrad.steps import Record

SPELLED: Mapping[type[Function], str] = {
    **ARRAY_FUNCTIONS,
    sigmoid: "np.exp(-np.logaddexp(0, -{}))",
    step: "np.heaviside({}, {})",
    equal: "np.equal({}, {}).astype(float)",
    erf: "np.vectorize(math.erf)({})",
}
"""Templates of calls. NumPy spells in one expression what generated modules have functions of their own for."""
CONSTANTS = NumPyPrinter()
ZERO, ONE = number(S.Zero), number(S.One)


def numpy_lines(record: Record) -> str:
    """The lines, after the functions that NumPy lacks. They read the inputs and the sizes by their names, and assign
    the output, and to ``dW`` the gradient of ``W``. Raises ``UnsupportedError`` for what NumPy code cannot express."""
    program, (lowered, sums) = record.program, _lowered(record)
    axes = [axis.name for axis in program.axes]
    names = python_names((*program.arrays, *(a.name for a in lowered.equations)), axes, dict(program.labels))
    inputs, taken = Inputs(record, names), {*names.values(), *axes, *RESERVED}
    emitter = _Emitter(names, inputs.dtype, sums=sums)

    def named_part() -> str:
        name = part_name(taken)
        names[name] = name
        return name

    program_lines = [replace(assign, node=_with_means(assign.node)) for assign in lowered.program]
    split = [part for a in program_lines for part in hoisted(a, lambda n: len(emitter.text(n).code), named_part)]
    lines = [emitter.assigned(assign) for assign in split]
    for name, columns in ((name, program.arrays[name].axes[1].name) for name, _ in program.labels):
        lines.insert(0, written(f"{names[name]} = np.eye({{}})[{names[name]}]", used(columns)))
    needs = needs_of(lines)
    functions = functions_for(needs, runtime).values()
    imports = ["import math"] if "math" in needs or any("math." in source for source in functions) else []
    lines = [*_sizes(inputs, [axis for axis in axes if axis in needs]), *lines]
    return "\n\n\n".join([*imports, *functions, "\n".join(line.code for line in lines)])


def lines_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program, with helpers that are used once written into their users."""
    return _lowered(record)[0]


@lru_cache(maxsize=1)
def _lowered(record: Record) -> tuple[Lowered, frozenset[str]]:
    """The array program, and its arrays that are sums of shifted exponentials, of which the largest is 1: their
    logarithms are finite."""
    equations = evaluated(record)
    plan = equations.coded
    uses = uses_of(plan)
    once = {a.name for a in plan if a.is_helper and not a.is_output and uses[a.name] == 1}
    lowered = Lowered(record, equations.assignments, plan, once, {S.NegativeInfinity: equations.floor[()]})
    lowering = Lowering(record.program)
    for a in plan:
        node = lowering.lowered(a.rhs, a.indices + a.over)
        node = reduced(node, a.over, a.name) if a.over else node
        if set(node.letters) != set(a.indices):  # nothing on the right side has these axes
            node = Fill(a.indices, node, tuple(lowering.extent(i) for i in a.indices))
        if a.name in once:
            lowering.know(a.name, node, a.indices)
        else:
            lowered.program.append(Assign(a.name, a.indices, node))
            lowering.store(a.name, a.indices, a.indices)
    relative = {name_of(part.relative) for part in equations.parts if isinstance(part, Shift)}
    sums = (a for a in plan if isinstance(a.rhs, Sum) and array_of(a.rhs.function) in relative)
    return lowered, frozenset(a.name for a in sums)


@dataclass(frozen=True)
class Mean(Reduce):
    """The mean along axes."""


def _with_means(node: Node) -> Node:
    """Write sums over axes that are divided by the sizes of these axes as means."""
    node = mapped(node, {arg: _with_means(arg) for arg in node.args})
    if not isinstance(node, Product):
        return node
    for total in node.above:
        if isinstance(total, Reduce) and not total.largest:
            counts = [number(index.upper + 1) for index in total.over]
            if all(counts.count(count) <= node.below.count(count) for count in counts):
                mean = Mean(total.letters, total.of, total.over)
                above = tuple(mean if factor is total else factor for factor in node.above)
                below = tuple(factor for factor in node.below if factor not in counts)
                return Product(node.letters, above, below) if above[1:] or below else mean
    return node


def _sizes(inputs: Inputs, axes: Sequence[str]) -> list[Source]:
    """The lines that read the sizes of ``axes``: one line for an array that has exactly these."""
    labels = dict(inputs.program.labels)
    for array in inputs.arrays:
        names = [axis.name for axis in array.axes]
        if len(axes) > 1 and array.name not in labels and sorted(axes) == sorted(names):
            return [Source(f"{tuple_of(names, bare=True)} = {inputs.names[array.name]}.shape")]
    return inputs.sizes(axes, labels)


@dataclass(frozen=True)
class _Emitter(NumpyEmitter):
    """Emits NumPy as people write it; ``sums`` are arrays whose logarithms are finite."""

    sums: frozenset[str] = frozenset()

    def _text(self, node: Node) -> Source:
        match node:
            case Number(_, value) if not value.is_Rational and not value.is_Symbol:
                code = CONSTANTS.doprint(value).replace("numpy.", "np.")
                return Source(code, Strength.SUM if value.is_Add or value.is_Mul else Strength.CALL)
            case Call(letters, function, operands) if function is weighted and not self._may_be_infinite(operands[1]):
                return quotient([self.over(operand, letters) for operand in operands], [])
            case Call(letters, function, (condition, *choices)) if function is where and _is_test(condition):
                parts = [self._test(condition, letters), *(self.over(choice, letters) for choice in choices)]
                return written("np.where({}, {}, {})", *parts)
            case Call(letters, function, operands) if function in SPELLED and not node.is_plain:
                return applied(SPELLED, function, [self.over(operand, letters) for operand in operands])
        return super()._text(node)

    def _may_be_infinite(self, node: Node) -> bool:
        """Whether an expression has a logarithm that may be one of 0."""
        logs = (part.args[0] for part in walk(node) if isinstance(part, Call) and part.function is log)
        return not all(isinstance(of, Load) and of.name in self.sums for of in logs)

    def _test(self, node: Node, letters: Layout) -> Source:
        """The comparison that a step at 0 or 1 stands for: what is added against what is subtracted."""
        assert isinstance(node, Call)
        of, at_zero = node.operands
        terms = [parted(term) for term in (of.terms if isinstance(of, Terms) else (of,))]
        sides = [[(False, self.over(t, letters)) for minus, t in terms if minus == side] for side in (False, True)]
        left, right = (added_up(side) if side else Source("0") for side in sides)
        return joined(" >= " if at_zero == ONE else " > ", [left, right])

    def _reduced(self, node: Reduce, kept: str = "") -> Source:
        of = node.of
        if is_weighted(node):
            assert isinstance(of, Call)
            if self._may_be_infinite(of.operands[1]):
                return super()._reduced(node, kept)
        axes = [str(place) for place, i in enumerate(of.letters) if i in node.over]
        shown = f", axis={axes[0]}" if len(axes) == 1 else f", axis=({', '.join(axes)})"
        whole = "" if len(axes) == len(of.letters) and not kept else shown
        function = "mean" if isinstance(node, Mean) else "max" if node.largest else "sum"
        return written(f"np.{function}({{}}{whole}{kept})", self.text(of))


def _is_test(node: Node) -> bool:
    """Whether a node is a comparison: a step that is 0 or 1 everywhere."""
    return isinstance(node, Call) and node.function is step and node.operands[1] in (ZERO, ONE)
