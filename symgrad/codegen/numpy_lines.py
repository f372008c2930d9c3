"""The loss and its gradients as a few lines of NumPy, for reading and pasting.

The lines evaluate the stable forms of the generated functions, but without checks of the inputs, row blocks, reuse of
memory, and helpers that are used once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar

from sympy import Expr, Function, S, Sum, erf, factor_terms, log
from sympy.printing.numpy import NumPyPrinter

from symgrad.codegen import runtime
from symgrad.codegen.array_passes import (
    Mean,
    conventional_names,
    hoisted,
    inverses,
    logarithms_named,
    solved,
    with_maxima,
    with_means,
    without_unread,
)
from symgrad.codegen.array_plan import Lowered
from symgrad.codegen.array_program import (
    Assign,
    Call,
    Contract,
    Fill,
    Largest,
    Layout,
    Load,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Reduce,
    Solve,
    Terms,
    loads,
    number,
    walk,
)
from symgrad.codegen.identifiers import RESERVED, part_name, python_names
from symgrad.codegen.lowering import Lowering
from symgrad.codegen.module_frame import Inputs, functions_for
from symgrad.codegen.numpy_emitter import ARRAY_FUNCTIONS, MATRIX_FUNCTIONS, NumpyEmitter
from symgrad.codegen.operations import is_weighted, parted, reduced
from symgrad.codegen.plan.schedule import array_of, uses_of
from symgrad.codegen.plan.shifts import Shift
from symgrad.codegen.plan.stable_forms import evaluated
from symgrad.codegen.plan.stable_functions import sigmoid, weighted
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
from symgrad.engine.named_functions import FORMULAS, Phi, clipped, named, phi
from symgrad.functions import equal, step, where
from symgrad.matrix_functions import inverse
from symgrad.notation import array_names, name_of
from symgrad.steps import Record

SPELLED: Mapping[type[Function], str] = {
    **ARRAY_FUNCTIONS,
    step: "np.heaviside({}, {})",
    equal: "np.equal({}, {}).astype(float)",
    erf: "np.vectorize(math.erf)({})",
    Phi: "Phi({})",
    phi: "phi({})",
    clipped: "np.clip({}, {}, {})",
}
"""Templates of calls. NumPy spells in one expression what generated modules have functions of their own for."""
NORMAL = {
    Phi: "Phi = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)",
    phi: "phi = lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)",
}
"""The lines that define the distribution function of the normal distribution, and its density."""
SHIFTED = "  # at most 1: nothing overflows"
"""The comment on the first exponentials from whose exponents the largest is subtracted."""
LONGEST = 108
"""A longer expression, in characters, gets a line for its longest part."""
CONSTANTS = NumPyPrinter()
ZERO, ONE = number(S.Zero), number(S.One)
ENTRYWISE = (Call, Negative, Power, Product, Terms)


def numpy_lines(record: Record) -> str:
    """The lines, after the functions that NumPy lacks. They read the inputs and the sizes by their names, and assign
    the output, and to ``dW`` the gradient of ``W``. Raises ``UnsupportedError`` for what NumPy code cannot express."""
    program, (lowered, exponentials) = record.program, _lowered(record)
    axes = [axis.name for axis in program.axes]
    inside = [array.name for array in program.inputs] + [assign.name for assign in lowered.program]
    names = python_names(inside, axes, conventional_names(lowered.program, exponentials, inside) | dict(program.labels))
    inputs, taken = Inputs(record, names), {*names.values(), *axes, *RESERVED}
    emitter = _Emitter(names, inputs.dtype, sums=frozenset(exponentials.values()))

    def named_part() -> str:
        name = part_name(taken)
        names[name] = name
        return name

    program_lines = [replace(assign, node=with_means(assign.node)) for assign in lowered.program]
    program_lines = with_maxima(logarithms_named(program_lines, exponentials, names, taken))
    tops = [(a.name, a.node) for a in program_lines if isinstance(a.node, Reduce) and a.node.largest == a.name]
    maxima = {node.of.name: name for name, node in tops if isinstance(node.of, Load)}
    outputs = {a.name for a in lowered.equations if a.is_output}
    emitter = replace(emitter, columns=_columns(program_lines, outputs), maxima=maxima)
    split = [
        part for a in program_lines for part in hoisted(a, lambda n: len(emitter.text(n).code), named_part, LONGEST)
    ]
    emitter = replace(emitter, columns=_columns(split, outputs))
    first = next((assign.name for assign in split if assign.name in exponentials), "")
    lines = [line for assign in split for line in emitter.lines(assign, SHIFTED if assign.name == first else "")]
    for name, columns in ((name, program.arrays[name].axes[-1].name) for name, _ in program.labels):
        lines.insert(0, written(f"{names[name]} = np.eye({{}})[{names[name]}]", used(columns)))
    needs = needs_of(lines)
    functions = functions_for(needs, runtime).values()
    calls = {part.function for a in lowered.program for part in walk(a.node) if isinstance(part, Call)}
    normal = [Source(line) for function, line in NORMAL.items() if function in calls]
    sources = [*functions, *(line.code for line in normal)]
    imports = ["import scipy.special"] if "scipy" in needs else []
    imports += ["import math"] if "math" in needs or any("math." in source for source in sources) else []
    lines = [*normal, *_sizes(inputs, [axis for axis in axes if axis in needs]), *lines]
    return "\n\n\n".join([*imports, *functions, "\n".join(line.code for line in lines)])


def lines_program(record: Record) -> Lowered:
    """The equations of ``record`` as an array program, with helpers that are used once written into their users."""
    return _lowered(record)[0]


@lru_cache(maxsize=1)
def _lowered(record: Record) -> tuple[Lowered, dict[str, str]]:
    """The array program, and for its shifted exponentials the sums of them, or "": the largest is 1, so the logarithms
    of sums are finite."""
    equations = evaluated(record)
    plan = equations.coded
    if not {"Phi", "phi"} & {*record.program.arrays}:
        plan = [replace(a, rhs=_functions_named(a.rhs)) for a in plan]
    uses = uses_of(plan)
    relative = {name_of(part.relative) for part in equations.parts if isinstance(part, Shift)}
    sums = {a.name: array_of(a.rhs.function) for a in plan if isinstance(a.rhs, Sum)}
    sums = {total: name for total, name in sums.items() if name in relative}
    once = {a.name for a in plan if a.is_helper and not a.is_output and uses[a.name] == 1}
    once |= {
        name
        for name in sums
        if uses[name] == 1 and not any(name in array_names(part) for a in plan for part in a.rhs.atoms(log))
    }
    lowered = Lowered(record, equations.assignments, plan, once, {S.NegativeInfinity: equations.floor[()]})
    lowering = Lowering(record.program)
    for a in plan:
        node = solved(lowering.lowered(a.rhs, a.indices + a.over), inverses(lowered.program))
        node = reduced(node, a.over, a.name) if a.over else node
        if set(node.letters) != set(a.indices):  # nothing on the right side has these axes
            node = Fill(a.indices, node, tuple(lowering.extent(i) for i in a.indices))
        if a.name in once:
            lowering.know(a.name, node, a.indices)
        else:
            lowered.program.append(Assign(a.name, a.indices, node))
            lowering.store(a.name, a.indices, a.indices)
    lowered.program = without_unread(lowered.program, (), inverses(lowered.program))
    return lowered, dict.fromkeys((a.name for a in plan if a.name in relative), "") | {n: s for s, n in sums.items()}


def _functions_named(rhs: Expr) -> Expr:
    """A right side with clip and the functions of the normal distribution by name, if it has no others with names."""
    new = factor_terms(named(rhs)) if rhs.has(erf, where) else rhs
    return rhs if any(new.has(f) for f in FORMULAS.keys() - NORMAL.keys() - {clipped}) else new


def _columns(program: Sequence[Assign], outputs: set[str]) -> frozenset[str]:
    """The arrays with an entry for each row that every user broadcasts along the rows: they keep an axis of length one,
    as ``keepdims=True`` does."""
    kept = {a.name for a in program if len(a.letters) == 1 and a.name not in outputs}
    wrong = kept
    while wrong:
        wrong = {a.name for a in program if not (_keeps_axis(a.node) or _is_column(a.node, kept))} & kept
        wrong |= {name for a in program for name in _misused(a.node, a.letters, kept, whole=a.name in kept)}
        kept = kept - wrong
    return frozenset(kept)


def _keeps_axis(node: Node) -> bool:
    """Whether a node is a sum along the rows of a matrix."""
    return isinstance(node, Reduce) and len(node.of.letters) == 2 and node.letters == node.of.letters[:1]


def _is_column(node: Node, kept: Collection[str]) -> bool:
    """Whether a node has an entry for each row, computed entry by entry from arrays in ``kept``."""
    if isinstance(node, Load):
        return node.name in kept
    parts = [arg for arg in node.args if arg.letters]
    is_entrywise = isinstance(node, ENTRYWISE) and len(node.letters) == 1 and bool(parts)
    return is_entrywise and all(_is_column(arg, kept) for arg in parts)


def _misused(node: Node, layout: Layout, kept: Collection[str], *, whole: bool = False) -> set[str]:
    """The arrays in ``kept`` whose axis of length one does not fit a node broadcast over ``layout``. A ``whole`` node
    may be a column."""
    if _is_column(node, kept):
        return set() if whole or (len(layout) == 2 and node.letters == layout[:1]) else loads(node) & {*kept}
    if isinstance(node, ENTRYWISE):
        return set[str]().union(*(_misused(arg, node.letters, kept) for arg in node.args))
    if isinstance(node, (Reduce, Contract)):
        is_sum = isinstance(node, Reduce) and not node.letters
        return set[str]().union(*(_misused(arg, arg.letters, kept, whole=is_sum) for arg in node.args))
    return loads(node) & {*kept}


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
    """Emits NumPy as people write it; ``sums`` are arrays whose logarithms are finite, ``columns`` those that keep an
    axis of length one, ``maxima`` those that hold the largest entry of each row of an array."""

    matrix_functions: ClassVar = {
        **MATRIX_FUNCTIONS,
        inverse: "np.linalg.inv({})",
        Solve: "np.linalg.solve({}, {})",
    }
    sums: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    maxima: Mapping[str, str] = field(default_factory=dict)

    def lines(self, assign: Assign, comment: str = "") -> list[Source]:
        """The lines of an assignment, the last with a comment."""
        name = self.names[assign.name]
        match assign.node:
            case Reduce() as total if assign.name in self.columns:
                return [written(f"{name} = {{}}", self._reduced(total, ", keepdims=True"))]
            case Largest(letters, Load() as of, index) if letters == assign.letters:
                along = f"axis={letters.index(index)}, keepdims=True"
                known = self.maxima.get(of.name, "")
                top = self.names[known] if known in self.columns else f"np.max({self.text(of).code}, {along})"
                largest = written(f"{name} = {{}} == {top}", self.text(of))
                return [largest, Source(f"{name} = {name} / np.sum({name}, {along})")]
        line = self.assigned(assign)
        return [replace(line, code=line.code + comment)]

    def over(self, node: Node, layout: Layout) -> Source:
        is_column = len(layout) == 2 and node.letters == layout[:1] and _is_column(node, self.columns)
        return self.text(node) if is_column else super().over(node, layout)

    def _text(self, node: Node) -> Source:
        match node:
            case Number(_, value) if not value.is_Rational and not value.is_Symbol:
                code = CONSTANTS.doprint(value).replace("numpy.", "np.")
                return Source(code, Strength.SUM if value.is_Add or value.is_Mul else Strength.CALL)
            case Product(letters, above, below) if any(map(_is_test, above)) and not all(
                map(_is_test, (*above, *below))
            ):
                parts = [self._test(f, letters) if _is_test(f) else self.over(f, letters) for f in above]
                return quotient(parts, [self.over(f, letters) for f in below])
            case Call(letters, function, operands) if function is weighted and not self._may_be_infinite(operands[1]):
                return quotient([self.over(operand, letters) for operand in operands], [])
            case Call(letters, function, (condition, *choices)) if function is where and _is_test(condition):
                parts = [self._test(condition, letters), *(self.over(choice, letters) for choice in choices)]
                return written("np.where({}, {}, {})", *parts)
            case Call(letters, function, (of,)) if function is sigmoid:
                is_minus, positive = parted(of)
                minus = self.over(positive, letters) if is_minus else self.over(of, letters).negated
                return written("np.exp(-np.logaddexp(0, {}))", minus)
            case Call(letters, function, operands) if function in SPELLED and not node.is_plain:
                return applied(SPELLED, function, [self.over(operand, letters) for operand in operands])
        return super()._text(node)

    def _matrix_product(self, node: Contract) -> Source:
        """A matrix times a column as in the formulas: X.T @ g, not g @ X."""
        vector, matrix = sorted(node.factors, key=lambda factor: len(factor.letters))
        if len(vector.letters) == 1 and len(matrix.letters) == 2 and matrix.letters[0] in node.over:
            turned = self.text(matrix, matrix.letters[::-1]).within(Strength.POWER)
            return joined(" @ ", [turned, self.text(vector).within(Strength.POWER)], Strength.PRODUCT)
        return super()._matrix_product(node)

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
        if not any(t.letters for minus, t in terms if not minus) and letters:  # abs(x) <= 1, not 1 >= abs(x)
            return joined(" <= " if at_zero == ONE else " < ", [right, left])
        return joined(" >= " if at_zero == ONE else " > ", [left, right])

    def _reduced(self, node: Reduce, kept: str = "") -> Source:
        of = node.of
        if is_weighted(node):
            assert isinstance(of, Call)
            if self._may_be_infinite(of.operands[1]):
                return super()._reduced(node, kept)
        axes = [str(axis) for axis, i in enumerate(of.letters) if i in node.over]
        shown = f", axis={axes[0]}" if len(axes) == 1 else f", axis=({', '.join(axes)})"
        whole = "" if len(axes) == len(of.letters) and not kept else shown
        function = "mean" if isinstance(node, Mean) else "max" if node.largest else "sum"
        return written(f"np.{function}({{}}{whole}{kept})", self.text(of))


def _is_test(node: Node) -> bool:
    """Whether a node is a comparison: a step that is 0 or 1 everywhere."""
    return isinstance(node, Call) and node.function is step and node.operands[1] in (ZERO, ONE)
